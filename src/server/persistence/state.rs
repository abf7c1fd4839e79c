//! What the server knows of its snapshots and of the dump that it loads.

use std::rc::Rc;

use crate::observe::LoadingInfo;
use crate::server::net::Wake;
use crate::snapshot::{HealingProgress, Supervisor};
use crate::stdx::clock::Now;

/// What the executor keeps about snapshots and loading.
pub struct Snapshots {
    pub(super) supervisor: Supervisor,
    /// Raised when a child has been started.
    pub(super) started: Rc<Wake>,
    pub(super) is_loading: bool,
    pub(super) loading: Option<LoadProgress>,
    pub(super) last_load: LastLoad,
}

/// How far loading is.
#[derive(Clone, Copy, Debug)]
pub(super) struct LoadProgress {
    pub(super) started: Now,
    pub(super) total_bytes: u64,
    pub(super) loaded_bytes: u64,
    pub(super) used_memory_bytes: u64,
}

impl LoadProgress {
    pub(super) fn info(&self, now: Now) -> LoadingInfo {
        LoadingInfo::new(
            self.started.unix_seconds(),
            now.since(self.started).as_secs() as i64,
            self.loaded_bytes,
            self.total_bytes,
            self.used_memory_bytes,
        )
    }
}

/// What the last load came to.
#[derive(Debug, Default)]
pub(super) struct LastLoad {
    pub(super) keys: u64,
    pub(super) expired_keys: u64,
    pub(super) left_out: u64,
}

impl Snapshots {
    pub fn new(now: Now) -> Self {
        Self {
            supervisor: Supervisor::new(now),
            started: Rc::default(),
            is_loading: false,
            loading: None,
            last_load: LastLoad::default(),
        }
    }

    /// Whether a dump is being loaded: most commands are refused.
    #[inline]
    pub fn is_loading(&self) -> bool {
        self.is_loading
    }

    /// Lets huge pages that a snapshot has split be joined at so many megabytes a second, or not at all.
    pub fn heal_at(&mut self, megabytes_per_second: u64) {
        self.supervisor.healer.follow(megabytes_per_second);
    }

    pub fn healing(&self) -> HealingProgress {
        self.supervisor.healer.progress()
    }

    /// Resets what CONFIG RESETSTAT covers.
    pub fn reset_statistics(&mut self) {
        self.supervisor.reset_statistics();
    }
}
