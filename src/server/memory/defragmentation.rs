//! How much of the time `activedefrag` takes, and what moving entries has achieved.

use std::time::{Duration, Instant};

use crate::config::Config;
use crate::keyspace::Compaction;
use crate::structures::Filling;

/// `activedefrag` at work, and what all compaction has done.
#[derive(Debug, Default)]
pub struct Defragmentation {
    /// The share of the time that it takes now; 0 when it rests.
    running_percent: u32,
    /// Since when it has been at work.
    started: Option<Instant>,
    elapsed_before: Duration,
    /// All that was done.
    done: Compaction,
}

impl Defragmentation {
    /// Percent of the time; 0 when it rests.
    pub fn running_percent(&self) -> u32 {
        self.running_percent
    }

    /// What was done since the counts began.
    pub fn done(&self) -> Compaction {
        self.done
    }

    pub(super) fn note(&mut self, done: Compaction) {
        self.done = self.done.and(done);
    }

    /// How long it has been at work: this time, and all together.
    pub fn elapsed(&self) -> (Duration, Duration) {
        let now = self.started.map_or(Duration::ZERO, |started| started.elapsed());
        (now, self.elapsed_before + now)
    }

    pub(super) fn reset_counts(&mut self) {
        *self = Self { running_percent: self.running_percent, started: self.started, ..Self::default() };
    }

    pub(super) fn start(&mut self, percent: u32) {
        self.started.get_or_insert_with(Instant::now);
        self.running_percent = self.running_percent.max(percent);
    }

    pub(super) fn stop(&mut self) {
        self.running_percent = 0;
        self.elapsed_before += self.started.take().map_or(Duration::ZERO, |started| started.elapsed());
    }
}

/// Percent of the time that are worth it with this much room in the pages of a pool; nothing below the thresholds. Between
/// `active-defrag-threshold-lower` and `-upper` it goes in a line from `active-defrag-cycle-min` to `-max`, as in Redis.
pub(super) fn wanted_percent(config: &Config, filling: Filling) -> Option<u32> {
    let percent = filling.unused_bytes() as u64 * 100 / (filling.used_bytes as u64).max(1);
    let (lower, upper) = (config.active_defrag_threshold_lower.into(), config.active_defrag_threshold_upper.into());
    if percent < lower || (filling.unused_bytes() as u64) < config.active_defrag_ignore_bytes {
        return None;
    }
    let (least, most) = (config.active_defrag_cycle_min, config.active_defrag_cycle_max);
    let within = (percent.min(upper).saturating_sub(lower) as f64) / (upper.saturating_sub(lower).max(1) as f64);
    Some(least + (f64::from(most.saturating_sub(least)) * within) as u32)
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
