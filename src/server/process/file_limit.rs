//! The limit on open files, of which every client needs one.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::config::Config;
use crate::server::http;
use crate::snapshot::OptionalCall;

/// Files that the server itself may have open at the same time: listeners, the log, a dump and the like.
const RESERVED_FILES: u64 = 32;

/// The limit that so many clients need.
pub fn needed(config: &Config, clients: u32) -> u64 {
    u64::from(clients) + reserved(config)
}

/// The limit as it is.
pub fn current() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft)
}

/// Raises the limit so that `maxclients` can be connected. Returns how many can be.
pub fn make_room(config: &Config) -> u32 {
    let clients = config.maxclients;
    let wanted = needed(config, clients);
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return clients };
    if soft >= wanted {
        return clients;
    }
    if OptionalCall::SetLimit.is_allowed() {
        // Only a privileged process can raise the hard limit.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted))
            .or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard));
    }
    served_within(current(), reserved(config), clients)
}

fn reserved(config: &Config) -> u64 {
    RESERVED_FILES + http::files(config)
}

/// How many of the clients a limit has room for.
fn served_within(limit: u64, reserved: u64, clients: u32) -> u32 {
    u32::try_from(limit.saturating_sub(reserved)).unwrap_or(u32::MAX).min(clients)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_what_the_server_leaves_of_the_limit() {
        assert_eq!(served_within(20, 32, 10), 0);
        assert_eq!(served_within(32, 32, 10), 0);
        assert_eq!(served_within(33, 32, 10), 1);
        assert_eq!(served_within(42, 32, 10), 10);
        assert_eq!(served_within(u64::MAX, 32, 10_000), 10_000);
        assert_eq!(needed(&Config::default(), 10), 42);
    }

    #[test]
    fn the_port_for_metrics_needs_files_of_its_own() {
        let two = vec!["127.0.0.1".to_owned(), "::1".to_owned()];
        let mut config = Config::default();
        (config.metrics_port, config.metrics_bind) = (9121, two);
        assert_eq!(needed(&config, 10), 42 + 16 + 5 + 2);
    }
}
