//! Follows `set-proc-title` and `proc-title-template`.

use crate::config;
use crate::server::executor::Executor;
use crate::snapshot::ProcessTitle;

/// The name of the process that saves, where the template has `{title}`.
const CHILD_TITLE: &str = "copal-rdb-bgsave";

impl Executor {
    pub(in crate::server) fn show_process_title(&self) {
        let program = self.process.launch.program.to_string_lossy();
        let title = self.process_title(&program);
        if let Some(Err(error)) = title.map(|title| title.and_then(|title| title.show())) {
            tracing::debug!("Cannot set the process title: {error}");
        }
    }

    /// The title of the process that saves; none where it is to stay, or cannot be changed.
    pub(in crate::server) fn child_title(&self) -> Option<ProcessTitle> {
        self.process_title(CHILD_TITLE)?.ok()
    }

    fn process_title(&self, program: &str) -> Option<std::io::Result<ProcessTitle>> {
        if !self.config.set_proc_title {
            return None;
        }
        let file = self.process.launch.config_file.as_ref().map(|file| file.to_string_lossy());
        Some(ProcessTitle::new(&config::process_title(&self.config, program, file.as_deref())))
    }
}
