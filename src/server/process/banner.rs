//! What the log says first: the banner, the versions, and warnings about the system.

use std::fs;
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

/// Warns of settings of the system that make snapshots fail or connections wait.
pub fn warn_of_system(config: &Config) {
    if let Some(somaxconn) = read_number("/proc/sys/net/core/somaxconn")
        && somaxconn < u64::from(config.tcp_backlog)
    {
        tracing::warn!(
            "WARNING: The TCP backlog setting of {} cannot be enforced because /proc/sys/net/core/somaxconn is set to \
             the lower value of {somaxconn}.",
            config.tcp_backlog
        );
    }
    if read_number("/proc/sys/vm/overcommit_memory").is_some_and(|mode| mode != 1) {
        tracing::warn!(
            "WARNING Memory overcommit must be enabled! Without it, a background save may fail when memory is short, \
             since the system then counts the child's shared pages twice. To fix this add 'vm.overcommit_memory = 1' \
             to /etc/sysctl.conf and reboot, or run 'sysctl vm.overcommit_memory=1'."
        );
    }
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

fn read_number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
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
