//! Compaction: moving entries together, so that pages become empty. With a little of the time in any case, and with
//! `activedefrag` as much as its settings say.

use std::time::{Duration, Instant};

use super::defragmentation::wanted_percent;
use crate::server::executor::Executor;
use crate::structures::Pool;

/// A step of it, and one with `activedefrag`. Commands wait for it.
const GENTLE_STEP: Duration = Duration::from_micros(100);
const STEP: Duration = Duration::from_micros(250);

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

    /// One step of compaction. Returns which percentage of the time it should take, if there is more to do; `gentle_percent`
    /// without `activedefrag`.
    pub(in crate::server) fn compact(&mut self, gentle_percent: u32) -> Option<u32> {
        let (begun, active) = (Instant::now(), self.config.activedefrag);
        let wanted = |pool: Pool| wanted_percent(&self.config, pool.filling()).filter(|_| active);
        let (entries, elements) = (wanted(Pool::Entries), wanted(Pool::Elements));
        if !active {
            self.memory.defragmentation.stop();
            self.keyspace.end_compacting_collections();
        } else if let Some(percent) = entries.max(elements) {
            self.memory.defragmentation.start(percent);
        }
        let percent = self.memory.defragmentation.running_percent();
        let step = if percent > 0 { STEP } else { GENTLE_STEP };
        // What has begun goes on below the thresholds, until pages are filled evenly.
        let goes_on = percent > 0;
        let left = || step.saturating_sub(begun.elapsed());
        // Half of it for each, and what the other one does not need.
        let collections = self.keyspace.compact_collections_for(step / 2, goes_on);
        let mut done = collections.and(self.keyspace.compact_for(left()));
        if collections.more {
            done = done.and(self.keyspace.compact_collections_for(left(), goes_on));
        }
        self.memory.defragmentation.note(done);
        if percent > 0 {
            self.note_latency("active-defrag-cycle", begun.elapsed());
        }
        if !done.more {
            self.memory.defragmentation.stop();
            return None;
        }
        Some(percent.max(gentle_percent))
    }
}
