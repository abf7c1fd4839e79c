//! Calls, time and failures of each command (INFO commandstats and latencystats, LATENCY HISTOGRAM).

use super::histogram::Histogram;

/// One command's figures.
#[derive(Debug, Default)]
pub struct CommandStat {
    pub calls: u64,
    pub total_ns: u64,
    pub rejected: u64,
    pub failed: u64,
    /// The calls that were made while `tracks_latency` was set.
    pub latency: Option<Box<Histogram>>,
}

impl CommandStat {
    pub fn total_us(&self) -> u64 {
        self.total_ns / 1000
    }

    pub fn mean_us(&self) -> f64 {
        self.total_ns as f64 / 1000.0 / self.calls.max(1) as f64
    }
}

/// The figures of all commands, by the command's number in the table.
#[derive(Debug, Default)]
pub struct CommandStats {
    stats: Vec<CommandStat>,
    tracks_latency: bool,
}

impl CommandStats {
    pub fn new(commands: usize) -> Self {
        Self { stats: (0..commands).map(|_| CommandStat::default()).collect(), tracks_latency: true }
    }

    #[inline(always)]
    pub fn record(&mut self, command: usize, duration_ns: u64, failed: bool) {
        let stat = &mut self.stats[command];
        stat.calls += 1;
        stat.total_ns += duration_ns;
        stat.failed += u64::from(failed);
        if self.tracks_latency {
            stat.latency.get_or_insert_default().record(duration_ns);
        }
    }

    pub fn reject(&mut self, command: usize) {
        self.stats[command].rejected += 1;
    }

    pub fn get(&self, command: usize) -> &CommandStat {
        &self.stats[command]
    }

    /// Starts or stops the histograms. What they hold stays until the figures are reset.
    pub fn track_latency(&mut self, track: bool) {
        self.tracks_latency = track;
    }

    pub fn reset(&mut self) {
        self.stats.fill_with(CommandStat::default);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_below_a_microsecond_adds_up() {
        let mut stats = CommandStats::new(1);
        (0..10).for_each(|_| stats.record(0, 250, false));
        assert_eq!((stats.get(0).total_us(), stats.get(0).mean_us()), (2, 0.25));
    }

    #[test]
    fn histograms_grow_only_while_latency_is_tracked() {
        let mut stats = CommandStats::new(2);
        stats.record(0, 1000, false);
        assert_eq!(stats.get(0).latency.as_ref().map(|histogram| histogram.total()), Some(1));
        assert!(stats.get(1).latency.is_none());
        stats.track_latency(false);
        stats.record(0, 1000, true);
        stats.record(1, 1000, false);
        assert_eq!(stats.get(0).latency.as_ref().map(|histogram| histogram.total()), Some(1));
        assert!(stats.get(1).latency.is_none());
        assert_eq!((stats.get(0).calls, stats.get(0).failed), (2, 1));
    }
}
