//! Compaction: moving entries together, so that pages become empty. A little in each round in any case, and with `activedefrag`
//! as much as its settings say.

use std::time::{Duration, Instant};

use super::defragmentation::wanted_percent;
use crate::server::executor::Executor;
use crate::structures::Pool;

/// Milliseconds of each round that go in any case to moving entries together.
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
            self.compact_for(GENTLE_BUDGET);
            return;
        }
        let wanted = wanted_percent(&self.config, Pool::Entries.filling());
        let Some(percent) = wanted.or((self.memory.defragmentation.running_percent() > 0).then_some(0)) else {
            self.compact_for(GENTLE_BUDGET);
            return;
        };
        self.memory.defragmentation.start(percent);
        let budget = self.cron_period() * self.memory.defragmentation.running_percent() / 100;
        let begun = Instant::now();
        let more = self.compact_for(budget.max(GENTLE_BUDGET));
        self.note_latency("active-defrag-cycle", begun.elapsed());
        if !more {
            self.memory.defragmentation.stop();
        }
    }

    /// Returns whether there is more to do.
    fn compact_for(&mut self, budget: Duration) -> bool {
        let done = self.keyspace.compact_for(budget);
        self.memory.defragmentation.note(done);
        done.more
    }
}
