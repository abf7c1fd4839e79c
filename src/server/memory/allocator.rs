//! Settings of the allocator: huge pages, and the thread that gives memory back.

use crate::observe;
use crate::server::executor::Executor;
use crate::snapshot::HugePageDecision;
use crate::structures::huge_pages_for_tables;

impl Executor {
    /// Follows `huge-pages` and `jemalloc-bg-thread`: at start, before there is data.
    pub(in crate::server) fn set_allocator_up(&mut self) {
        observe::give_large_back_soon();
        self.follow_huge_pages();
        for followed in [self.follow_allocator_thread(), self.follow_defragmentation()] {
            if let Err(reason) = followed {
                tracing::warn!("{reason}");
            }
        }
    }

    /// What is in huge pages already stays there, and what is not moves only when it is allocated anew.
    ///
    /// The heap follows, and tables that are made from then on.
    pub(in crate::server) fn follow_huge_pages(&mut self) {
        let HugePageDecision { used, reason } = self.memory.huge_page_system.follow(self.config.huge_pages);
        self.memory.huge_pages_used = used;
        huge_pages_for_tables(used);
        self.follow_healing_rate();
        tracing::info!("{reason}");
    }

    pub(in crate::server) fn follow_healing_rate(&mut self) {
        let rate = if self.memory.huge_pages_used { self.config.huge_page_healing_mb_per_second } else { 0 };
        self.snapshots.heal_at(rate.into());
    }

    pub(in crate::server) fn follow_allocator_thread(&self) -> Result<(), String> {
        tikv_jemalloc_ctl::background_thread::write(self.config.jemalloc_bg_thread)
            .map_err(|error| format!("Cannot start or stop the allocator's background thread: {error}"))
    }
}
