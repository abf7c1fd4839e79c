//! Compaction: moving entries together, so that pages become empty. A little in each round in any case, and with `activedefrag`
//! as much as its settings say.

use std::time::{Duration, Instant};

use super::defragmentation::wanted_percent;
use crate::server::executor::Executor;
use crate::structures::Pool;

/// So much of each round goes in any case to moving entries together.
const GENTLE_BUDGET: Duration = Duration::from_millis(1);

impl Executor {
    pub(in crate::server) fn follow_defragmentation(&self) -> Result<(), String> {
        if self.config.activedefrag && !Pool::Entries.has_pages() {
            return Err(
                "Active defragmentation is not possible: the address space is limited (ulimit -v, RLIMIT_AS), so \
                        that keys have no pages of their own"
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// One round of compaction.
    pub(super) fn compact(&mut self) {
        if !self.config.activedefrag {
            self.memory.defragmentation.stop();
        } else if let Some(percent) = wanted_percent(&self.config, Pool::Entries.filling()) {
            self.memory.defragmentation.start(percent);
        }
        let percent = self.memory.defragmentation.running_percent();
        let begun = Instant::now();
        let done = self.keyspace.compact_for((self.cron_period() * percent / 100).max(GENTLE_BUDGET));
        self.memory.defragmentation.note(done);
        if percent > 0 {
            self.note_latency("active-defrag-cycle", begun.elapsed());
        }
        // What has begun goes on below the thresholds, until pages are filled evenly.
        if !done.more {
            self.memory.defragmentation.stop();
        }
    }
}
