//! The limit on open files, of which every client needs one.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::snapshot::OptionalCall;

/// Files that the server itself may have open at the same time: listeners, the log, a dump and the like.
const RESERVED_FILES: u64 = 32;

/// The limit that so many clients need.
pub fn needed(clients: u32) -> u64 {
    u64::from(clients) + RESERVED_FILES
}

/// The limit as it is.
pub fn current() -> u64 {
    getrlimit(Resource::RLIMIT_NOFILE).map_or(0, |(soft, _)| soft)
}

/// Raises the limit so that `clients` can be connected. Returns how many can be.
pub fn make_room(clients: u32) -> u32 {
    let wanted = needed(clients);
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return clients };
    if soft >= wanted {
        return clients;
    }
    if OptionalCall::SetLimit.is_allowed() {
        // Only a privileged process can raise the hard limit.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted))
            .or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard));
    }
    served_within(current(), clients)
}

/// How many of the clients a limit has room for.
fn served_within(limit: u64, clients: u32) -> u32 {
    u32::try_from(limit.saturating_sub(RESERVED_FILES)).unwrap_or(u32::MAX).min(clients)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_what_the_server_leaves_of_the_limit() {
        assert_eq!(served_within(20, 10), 0);
        assert_eq!(served_within(32, 10), 0);
        assert_eq!(served_within(33, 10), 1);
        assert_eq!(served_within(42, 10), 10);
        assert_eq!(served_within(u64::MAX, 10_000), 10_000);
        assert_eq!(needed(10), 42);
    }
}
