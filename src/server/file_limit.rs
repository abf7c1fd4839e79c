//! The limit on open files, of which every client needs one.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Files that the server itself may have open at the same time: listeners, the log, a dump and the like.
const RESERVED_FILES: u64 = 32;

/// Raises the limit so that `clients` can be connected. Returns how many can be.
pub fn make_room(clients: u32) -> u32 {
    let wanted = u64::from(clients) + RESERVED_FILES;
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return clients };
    if soft >= wanted {
        return clients;
    }
    // Only a privileged process can raise the hard limit.
    let raised = setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).is_ok()
        || setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard).is_ok();
    let soft = if raised { wanted.min(hard.max(wanted)) } else { soft };
    let soft = getrlimit(Resource::RLIMIT_NOFILE).map_or(soft, |(soft, _)| soft);
    u32::try_from(soft.saturating_sub(RESERVED_FILES)).unwrap_or(u32::MAX).min(clients)
}
