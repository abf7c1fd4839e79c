//! What the server knows of its snapshots and of the dump that it loads.

use std::rc::Rc;

use crate::server::net::Wake;
use crate::snapshot::{HugePageSystem, Supervisor};
use crate::stdx::clock::Now;

/// What the executor keeps about snapshots, loading, and its own end.
pub struct Snapshots {
    pub supervisor: Supervisor,
    /// Raised when a child has been started.
    pub started: Rc<Wake>,
    /// A signal asked for the end, which comes with the next round of the cron.
    pub shutdown_wanted: bool,
    pub shutdown_by_sigint: bool,
    /// Set while a dump is being loaded: most commands are refused.
    pub is_loading: bool,
    pub huge_page_system: HugePageSystem,
    pub huge_pages_used: bool,
    pub(super) loading: Option<LoadProgress>,
    pub(super) last_load_keys: u64,
    pub(super) last_load_expired_keys: u64,
    pub(super) last_load_left_out: u64,
}

/// How far loading is.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoadProgress {
    pub(super) started: Now,
    pub(super) total_bytes: u64,
    pub(super) loaded_bytes: u64,
    pub(super) used_memory_bytes: u64,
}

impl Snapshots {
    pub fn new(now: Now) -> Self {
        Self {
            supervisor: Supervisor::new(now),
            started: Rc::default(),
            shutdown_wanted: false,
            shutdown_by_sigint: false,
            is_loading: false,
            huge_page_system: HugePageSystem::read(),
            huge_pages_used: false,
            loading: None,
            last_load_keys: 0,
            last_load_expired_keys: 0,
            last_load_left_out: 0,
        }
    }
}
