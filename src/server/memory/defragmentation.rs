//! Compaction: moving entries together, so that pages become empty. A little in each round in any case, and with `activedefrag`
//! as much as its settings say.

use std::time::{Duration, Instant};

use crate::config::Config;
use crate::keyspace::Compaction;
use crate::server::executor::Executor;
use crate::structures::{Filling, Pool};

/// Milliseconds of each round that go in any case to moving entries together.
const GENTLE_BUDGET: Duration = Duration::from_millis(1);

/// `activedefrag` at work, and what all compaction has done.
#[derive(Debug, Default)]
pub struct Defragmentation {
    /// The share of the time that it takes now; 0 when it rests.
    pub running_percent: u32,
    /// Since when it has been at work.
    started: Option<Instant>,
    elapsed_before: Duration,
    /// Entries that were moved, and those that were found where they had to stay.
    pub moved: u64,
    pub kept: u64,
}

impl Defragmentation {
    /// How long it has been at work: this time, and all together.
    pub fn elapsed(&self) -> (Duration, Duration) {
        let now = self.started.map_or(Duration::ZERO, |started| started.elapsed());
        (now, self.elapsed_before + now)
    }

    pub fn reset_counts(&mut self) {
        *self = Self { running_percent: self.running_percent, started: self.started, ..Self::default() };
    }

    fn start(&mut self, percent: u32) {
        self.started.get_or_insert_with(Instant::now);
        self.running_percent = self.running_percent.max(percent);
    }

    fn stop(&mut self) {
        self.running_percent = 0;
        self.elapsed_before += self.started.take().map_or(Duration::ZERO, |started| started.elapsed());
    }
}

/// Percent of the time that are worth it with this much room in the pages of entries; nothing below the thresholds. Between
/// `active-defrag-threshold-lower` and `-upper` it goes in a line from `active-defrag-cycle-min` to `-max`, as in Redis.
fn wanted_percent(config: &Config, filling: Filling) -> Option<u32> {
    let percent = filling.unused_bytes() as u64 * 100 / (filling.used_bytes as u64).max(1);
    let (lower, upper) = (config.active_defrag_threshold_lower.into(), config.active_defrag_threshold_upper.into());
    if percent < lower || (filling.unused_bytes() as u64) < config.active_defrag_ignore_bytes {
        return None;
    }
    let (least, most) = (config.active_defrag_cycle_min, config.active_defrag_cycle_max);
    let within = (percent.min(upper).saturating_sub(lower) as f64) / (upper.saturating_sub(lower).max(1) as f64);
    Some(least + (f64::from(most.saturating_sub(least)) * within) as u32)
}

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
        let Some(percent) = wanted.or((self.memory.defragmentation.running_percent > 0).then_some(0)) else {
            self.compact_for(GENTLE_BUDGET);
            return;
        };
        self.memory.defragmentation.start(percent);
        let budget = self.cron_period() * self.memory.defragmentation.running_percent / 100;
        let begun = Instant::now();
        let more = self.compact_for(budget.max(GENTLE_BUDGET));
        self.note_latency("active-defrag-cycle", begun.elapsed());
        if !more {
            self.memory.defragmentation.stop();
        }
    }

    /// Returns whether there is more to do.
    fn compact_for(&mut self, budget: Duration) -> bool {
        let Compaction { moved, kept, more } = self.keyspace.compact_for(budget);
        self.memory.defragmentation.moved += moved;
        self.memory.defragmentation.kept += kept;
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effort_grows_from_the_lower_threshold_to_the_upper_one() {
        const MEGABYTE: usize = 1 << 20;
        // 100 MB, 10 to 100 percent, 1 to 25 percent of the time.
        let config = Config::default();
        let percent = |used, unused| {
            let filling = Filling { used_bytes: used * MEGABYTE, page_bytes: (used + unused) * MEGABYTE };
            wanted_percent(&config, filling)
        };
        assert_eq!(percent(1000, 99), None, "less than active-defrag-ignore-bytes");
        assert_eq!(percent(2000, 199), None, "less than active-defrag-threshold-lower");
        assert_eq!(percent(1000, 100), Some(1));
        assert_eq!(percent(1000, 550), Some(13));
        assert_eq!((percent(1000, 1000), percent(1000, 5000)), (Some(25), Some(25)));
        assert_eq!(percent(0, 200), Some(25));
    }
}
