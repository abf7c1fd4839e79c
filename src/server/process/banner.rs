//! What the log says first: the banner, and a warning about the directory.

use std::io::IsTerminal as _;

use nix::unistd::{AccessFlags, eaccess, geteuid};

use crate::config::Config;
use crate::server::process::logging;
use crate::stdx::version;

/// Shows the banner, or one line where nobody would see a picture.
pub fn show(config: &Config) {
    let wanted = config.always_show_logo || (config.logfile.is_empty() && std::io::stdout().is_terminal());
    if !wanted {
        tracing::info!("Running mode=standalone, port={}.", config.port);
        return;
    }
    logging::write_raw(&picture(config.port));
}

fn picture(port: u16) -> String {
    let sha = version::COMMIT;
    format!(
        r"
          .--------.
        .'  .----.  '.        Copal {copal}
       /  .'      '.  \       Redis {redis} ({sha}/0) 64 bit
      |  /   o  .   \  |
      |  |  .    o  |  |      Running in standalone mode
      |  \     .    /  |      Port: {port}
       \  '.  o   .'  /       PID: {pid}
        '.  '----'  .'
          '--.  .--'
              \/

",
        copal = version::COPAL,
        redis = version::REDIS,
        pid = std::process::id(),
    )
}

/// Warns where no snapshot can be saved. That is no reason not to start: what was saved can be read.
pub fn warn_of_directory(path: &str) {
    // Of the working directory itself: its path may lead through folders that this user may not enter any more.
    if let Err(error) = eaccess(".", AccessFlags::W_OK | AccessFlags::X_OK) {
        tracing::warn!(
            "WARNING: no snapshot can be saved in the directory '{path}' (the setting 'dir'): {}. Make it writable for \
             the user that the server runs as ({}), or set 'dir' to another one.",
            error.desc(),
            geteuid()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_banner_holds_what_tools_look_for() {
        let picture = picture(6379);
        for text in ["Redis 7.2.4 (", "64 bit", "Running in standalone mode", " Port: 6379"] {
            assert!(picture.contains(text), "{text}");
        }
        assert!(picture.contains(&format!(" PID: {}\n", std::process::id())));
    }
}
