//! CONFIG SET, REWRITE and RESETSTAT: making the server follow its settings.

use std::io;
use std::path::Path;

use crate::commands::{CommandError, ConfigPair, ConfigRequest};
use crate::config::{self, Access, Apply, Change, Config, SetError};
use crate::server::clients::ClientKey;
use crate::server::executor::Executor;
use crate::server::process::{crash, file_limit, logging};
use crate::snapshot::{read_file, replace_file};
use crate::stdx::text::reason;

impl Executor {
    pub(in crate::server) fn answer_config(&mut self, key: ClientKey, request: ConfigRequest) {
        let result = match request {
            ConfigRequest::Set(pairs) => self.set_config(key, &pairs).map_err(|error| error.to_string()),
            ConfigRequest::Rewrite { everything } => self.rewrite_config(everything),
        };
        match result {
            Ok(()) => self.clients.get_mut(key).reply.ok(),
            Err(text) => self.reply_error(key, &CommandError::owned(text)),
        }
    }

    fn set_config(&mut self, key: ClientKey, pairs: &[ConfigPair]) -> Result<(), SetError> {
        let peer = &self.clients.get(key).session.peer;
        let access = Access { local_connection: peer.is_local(), loading: self.snapshots.is_loading() };
        let pairs: Vec<(&[u8], &[u8])> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
        let old = self.config.clone();
        let changes = self.config.set_many(&pairs, access)?;
        for (done, change) in changes.iter().enumerate() {
            if let Err(reason) = self.follow(change.apply) {
                tracing::warn!("Failed applying new configuration, '{}': {reason}", change.name);
                let error = change.failed(describe_failure(change, reason));
                self.roll_back(old, &changes[..=done]);
                return Err(error);
            }
        }
        self.apply_live_config();
        Ok(())
    }

    /// Follows the old settings again where new ones had been followed.
    fn roll_back(&mut self, old: Config, changes: &[Change]) {
        self.config = old;
        for change in changes {
            if let Err(reason) = self.follow(change.apply) {
                tracing::warn!("Failed restoring the old value of '{}': {reason}", change.name);
            }
        }
    }

    /// Does what a changed setting asks for, where it can fail or reaches beyond the executor's own fields.
    fn follow(&mut self, apply: Apply) -> Result<(), String> {
        match apply {
            Apply::Listeners => self.process.listeners.reopen_tcp(&self.config).map_err(|error| error.to_string())?,
            Apply::Logging => logging::set_level(self.config.loglevel),
            Apply::Directory => {
                std::env::set_current_dir(&self.config.dir).map_err(|error| reason(&error))?;
                // Shown and written as an absolute path, which stays true after the next change.
                self.config.dir = current_dir();
            }
            Apply::MaxClients => {
                let reached = file_limit::make_room(&self.config);
                if reached < self.config.maxclients {
                    return Err(format!(
                        "The operating system is not able to handle the specified number of clients, try with {reached}"
                    ));
                }
            }
            Apply::Password => self.follow_password(),
            Apply::OomScore => self.follow_oom_score()?,
            Apply::CrashHandling => crash::configure(&self.config),
            Apply::AllocatorThread => self.follow_allocator_thread()?,
            Apply::Defragmentation => self.follow_defragmentation()?,
            Apply::HugePages => self.follow_huge_pages(),
            Apply::HugePageHealing => self.follow_healing_rate(),
            Apply::Memory => self.follow_memory_limit(),
            Apply::ProcessTitle => self.show_process_title(),
            // Read where they are needed, or taken over by `apply_live_config`.
            Apply::Nothing
            | Apply::SaveRules
            | Apply::ClientLimits
            | Apply::Encodings
            | Apply::Hz
            | Apply::SlowLog
            | Apply::ScriptMemory
            | Apply::LatencyTracking
            | Apply::Notifications => {}
        }
        Ok(())
    }

    /// Begins to evict where the limit has become less than what is used.
    fn follow_memory_limit(&mut self) {
        let (limit, used) = (self.config.maxmemory_bytes, self.memory.used_bytes());
        self.memory.limit().warn_of_maxmemory(limit);
        if limit > 0 && limit < used {
            tracing::warn!(
                "WARNING: the new maxmemory value set via CONFIG SET ({limit}) is smaller than the current memory usage \
                 ({used}). This will result in key eviction and/or the inability to accept new write commands \
                 depending on the maxmemory-policy."
            );
            self.apply_keyspace_config();
            // At once, but not in the middle of a transaction.
            self.memory.evict_soon();
            self.process.cron_wake().raise();
        }
    }

    /// Takes over every setting of which a subsystem keeps a copy of its own.
    pub fn apply_live_config(&mut self) {
        self.apply_keyspace_config();
        self.apply_client_limits();
        self.apply_observing_config();
        self.apply_script_limits();
        self.watch_own_writes();
        self.follow_refusals();
    }

    /// Writes the settings into the file that the server was started with.
    fn rewrite_config(&self, everything: bool) -> Result<(), String> {
        let Some(path) = &self.process.launch().config_file else {
            return Err("ERR The server is running without a config file".to_owned());
        };
        // Where there is a file of users, redis.conf names none.
        let mut config = self.config.clone();
        config.users = if config.aclfile.is_empty() { self.users.config_lines() } else { Vec::new() };
        match rewrite_file(path, &config, everything) {
            Ok(()) => {
                tracing::info!("CONFIG REWRITE executed with success.");
                Ok(())
            }
            Err(error) => {
                tracing::warn!("CONFIG REWRITE failed: {}: {}", path.display(), reason(&error));
                Err(format!("ERR Rewriting config file: {}", reason(&error)))
            }
        }
    }
}

/// The working directory as text.
pub fn current_dir() -> String {
    std::env::current_dir().map_or_else(|_| ".".to_owned(), |path| path.to_string_lossy().into_owned())
}

fn describe_failure(change: &Change, reason: String) -> String {
    match (change.apply, change.name) {
        (Apply::Listeners, "port") => "Unable to listen on this port".to_owned(),
        (Apply::Listeners, _) => "Failed to bind to specified addresses.".to_owned(),
        _ => reason,
    }
}

/// Replaces the file as a whole: whoever reads it sees the old text or the new one, also after a crash.
fn rewrite_file(path: &Path, config: &Config, everything: bool) -> io::Result<()> {
    const MODE: u32 = 0o644;
    let old = read_file(path)?.unwrap_or_default();
    let new = if everything { config::rewrite_everything(&old, config) } else { config::rewrite(&old, config) };
    replace_file(path, &new, MODE)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_rewritten_file_keeps_its_comments_and_its_mode() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("redis.conf");
        fs::write(&path, "# mine\nport 1\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let mut config = Config::default();
        config.port = 7000;
        rewrite_file(&path, &config, false).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "# mine\nport 7000\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_cannot_be_written_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("redis.conf");
        fs::create_dir(&path).unwrap();
        assert!(rewrite_file(&path, &Config::default(), false).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
