//! Events that held the server up (LATENCY): a short history of each kind, shown as numbers, a graph or advice.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

/// Seconds with an event that are remembered of each kind.
const SAMPLES_MAX: usize = 160;

const GRAPH_COLUMNS: usize = 80;
const GRAPH_ROWS: usize = 4;

/// The longest event of one kind within one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencySample {
    pub unix_seconds: i64,
    pub milliseconds: u64,
}

/// The history of one kind of event, oldest sample first.
#[derive(Clone, Debug, Default)]
pub struct LatencySeries {
    samples: VecDeque<LatencySample>,
    pub worst_ms: u64,
}

/// All kinds of events that were seen.
#[derive(Debug, Default)]
pub struct LatencyMonitor {
    events: BTreeMap<&'static str, LatencySeries>,
}

impl LatencySeries {
    fn add(&mut self, sample: LatencySample) {
        self.worst_ms = self.worst_ms.max(sample.milliseconds);
        match self.samples.back_mut() {
            Some(last) if last.unix_seconds == sample.unix_seconds => {
                last.milliseconds = last.milliseconds.max(sample.milliseconds);
            }
            _ => {
                if self.samples.len() == SAMPLES_MAX {
                    self.samples.pop_front();
                }
                self.samples.push_back(sample);
            }
        }
    }

    pub fn samples(&self) -> impl ExactSizeIterator<Item = &LatencySample> {
        self.samples.iter()
    }

    /// The last sample; a series is made for its first one.
    pub fn latest(&self) -> LatencySample {
        self.samples.back().copied().unwrap_or(LatencySample { unix_seconds: 0, milliseconds: 0 })
    }

    fn range_ms(&self) -> (u64, u64) {
        let milliseconds = self.samples.iter().map(|sample| sample.milliseconds);
        (milliseconds.clone().min().unwrap_or(0), milliseconds.max().unwrap_or(0))
    }
}

impl LatencyMonitor {
    pub fn add(&mut self, event: &'static str, unix_seconds: i64, milliseconds: u64) {
        self.events.entry(event).or_default().add(LatencySample { unix_seconds, milliseconds });
    }

    pub fn series(&self, event: &[u8]) -> Option<&LatencySeries> {
        self.iter().find(|(name, _)| name.as_bytes() == event).map(|(_, series)| series)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&'static str, &LatencySeries)> {
        self.events.iter().map(|(name, series)| (*name, series))
    }

    /// Drops all events. Returns how many kinds there were.
    pub fn clear(&mut self) -> usize {
        std::mem::take(&mut self.events).len()
    }

    /// Drops one kind of event. Returns whether there were any.
    pub fn forget(&mut self, event: &[u8]) -> bool {
        let before = self.events.len();
        self.events.retain(|name, _| !event.eq_ignore_ascii_case(name.as_bytes()));
        self.events.len() < before
    }

    /// The samples as columns, the age of each written below it from top to bottom.
    pub fn graph(&self, event: &[u8], now_seconds: i64) -> Option<String> {
        let (name, series) = self.iter().find(|(name, _)| name.as_bytes() == event)?;
        let (low, high) = series.range_ms();
        let mut text = format!("{name} - high {high} ms, low {low} ms (all time high {} ms)\n", series.worst_ms);
        text.push_str(&"-".repeat(GRAPH_COLUMNS));
        text.push('\n');
        let samples: Vec<LatencySample> = series.samples.iter().copied().collect();
        for (index, block) in samples.chunks(GRAPH_COLUMNS).enumerate() {
            if index > 0 {
                text.push('\n');
            }
            push_columns(&mut text, block, low, high);
            push_labels(&mut text, block, now_seconds);
        }
        Some(text)
    }
}

/// Draws columns of filled and partly filled cells.
fn push_columns(text: &mut String, samples: &[LatencySample], low: u64, high: u64) {
    /// How the topmost cell of a column shows its fill, by thirds.
    const TOP: [char; 3] = ['_', 'o', '#'];
    let levels = GRAPH_ROWS * TOP.len();
    let level = |sample: &LatencySample| match high - low {
        0 => 0,
        range => (u128::from(sample.milliseconds - low) * levels as u128 / u128::from(range)) as usize,
    };
    for row in (0..GRAPH_ROWS).rev() {
        for sample in samples {
            let level = level(sample).min(levels - 1);
            let cell = match (level / TOP.len()).cmp(&row) {
                std::cmp::Ordering::Less => ' ',
                std::cmp::Ordering::Equal => TOP[level % TOP.len()],
                std::cmp::Ordering::Greater => '|',
            };
            text.push(cell);
        }
        text.push('\n');
    }
}

fn push_labels(text: &mut String, samples: &[LatencySample], now_seconds: i64) {
    let labels: Vec<Vec<char>> =
        samples.iter().map(|sample| age(now_seconds - sample.unix_seconds).chars().collect()).collect();
    let height = labels.iter().map(Vec::len).max().unwrap_or(0);
    text.extend(std::iter::repeat_n(' ', samples.len()));
    text.push('\n');
    for row in 0..height {
        text.extend(labels.iter().map(|label| label.get(row).copied().unwrap_or(' ')));
        text.push('\n');
    }
}

fn age(seconds: i64) -> String {
    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    match seconds.max(0) {
        seconds if seconds < MINUTE => format!("{seconds}s"),
        seconds if seconds < HOUR => format!("{}m", seconds / MINUTE),
        seconds if seconds < DAY => format!("{}h", seconds / HOUR),
        seconds => format!("{}d", seconds / DAY),
    }
}

/// What the advice depends on besides the events.
#[derive(Clone, Copy, Debug)]
pub struct LatencySetup {
    pub now_seconds: i64,
    pub threshold_ms: u64,
    /// Negative: there is no slow log.
    pub slowlog_threshold_us: i64,
    pub hz: u32,
}

struct Summary {
    samples: u64,
    mean_ms: u64,
    deviation_ms: u64,
    seconds_between: f64,
}

impl LatencySeries {
    fn summary(&self, now_seconds: i64) -> Summary {
        let samples = (self.samples.len() as u64).max(1);
        let milliseconds = || self.samples.iter().map(|sample| sample.milliseconds);
        let mean_ms = milliseconds().sum::<u64>() / samples;
        let oldest = self.samples.front().map_or(now_seconds, |sample| sample.unix_seconds);
        Summary {
            samples,
            mean_ms,
            deviation_ms: milliseconds().map(|one| one.abs_diff(mean_ms)).sum::<u64>() / samples,
            seconds_between: (now_seconds - oldest).max(1) as f64 / samples as f64,
        }
    }
}

impl LatencyMonitor {
    /// What LATENCY DOCTOR says.
    pub fn report(&self, setup: &LatencySetup) -> String {
        if self.events.is_empty() {
            return match setup.threshold_ms {
                0 => "I'm sorry, Dave, I can't do that. Latency monitoring is disabled in this instance. You may use \
                      \"CONFIG SET latency-monitor-threshold <milliseconds>\" in order to enable it.\n"
                    .to_owned(),
                _ => "Dave, no latency spike was observed during the lifetime of this instance, not in the slightest \
                      bit.\n"
                    .to_owned(),
            };
        }
        let mut text =
            "Dave, I have observed latency spikes in this instance. You don't mind talking about it, do you \
                        Dave?\n\n"
                .to_owned();
        let mut advice: Vec<String> = Vec::new();
        for (index, (name, series)) in self.iter().enumerate() {
            let Summary { samples, mean_ms, deviation_ms, seconds_between } = series.summary(setup.now_seconds);
            let worst_ms = series.worst_ms;
            let _infallible = writeln!(
                text,
                "{}. {name}: {samples} latency spikes (average {mean_ms}ms, mean deviation {deviation_ms}ms, period \
                 {seconds_between:.2} sec). Worst all time event {worst_ms}ms.",
                index + 1
            );
            for one in advise(name, setup) {
                if !advice.contains(&one) {
                    advice.push(one);
                }
            }
        }
        if !advice.is_empty() {
            text.push_str("\nI have a few advices for you:\n\n");
            for one in advice {
                let _infallible = writeln!(text, "- {one}");
            }
        }
        text
    }
}

/// What can be done about one kind of event.
fn advise(event: &str, setup: &LatencySetup) -> Vec<String> {
    const LARGE_VALUES: &str = "Deleting, expiring or evicting a large value takes time in proportion to its elements. \
        Use UNLINK and the lazyfree-* settings, which free it on another thread, or split it into several keys.";
    let threshold_us = setup.threshold_ms.saturating_mul(1000);
    let mut advice = Vec::new();
    match event {
        "command" => {
            if setup.slowlog_threshold_us < 0 || setup.slowlog_threshold_us.unsigned_abs() > threshold_us {
                advice.push(format!(
                    "The slow log leaves out commands that are reported here. Let it keep them with 'CONFIG SET \
                     slowlog-log-slower-than {threshold_us}'."
                ));
            }
            advice.push("See with SLOWLOG GET which commands are slow, and on which keys.".to_owned());
            advice.push(LARGE_VALUES.to_owned());
        }
        "fast-command" => advice.push(
            "Commands that need no time took long: the process did not get the processor. Lower the load of the \
             machine, look for noisy neighbours of a virtual one, and measure with 'redis-cli --intrinsic-latency 100'."
                .to_owned(),
        ),
        "command-unblocking" => advice.push(
            "Clients that had waited for a key were served by commands that took long: see the slow log for which."
                .to_owned(),
        ),
        "fork" => advice.push(
            "Forking copies the page tables. Huge pages make that many times cheaper: the log says at start whether \
             they are used, and if not, why."
                .to_owned(),
        ),
        "expire-cycle" => {
            if setup.hz < 100 {
                advice.push("Spread expiring over more and smaller rounds with 'CONFIG SET hz 100'.".to_owned());
            }
            advice.push(LARGE_VALUES.to_owned());
        }
        "eviction-del" => advice.push(LARGE_VALUES.to_owned()),
        "eviction-cycle" => advice.push(
            "Lowering maxmemory at once, or writing much at once, makes many keys go at once. Do either in steps, or \
             lower maxmemory-eviction-tenacity."
                .to_owned(),
        ),
        _ => {
            advice
                .push("The disk may be slow or busy: prefer local disks, and few writers beside this one.".to_owned());
        }
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETUP: LatencySetup =
        LatencySetup { now_seconds: 1000, threshold_ms: 100, slowlog_threshold_us: 10_000, hz: 10 };

    #[test]
    fn one_sample_a_second_is_kept_the_longest() {
        let mut monitor = LatencyMonitor::default();
        for (second, milliseconds) in [(10, 300), (10, 500), (10, 400), (12, 200)] {
            monitor.add("command", second, milliseconds);
        }
        let series = monitor.series(b"command").unwrap();
        let samples: Vec<_> = series.samples().map(|sample| (sample.unix_seconds, sample.milliseconds)).collect();
        assert_eq!(samples, [(10, 500), (12, 200)]);
        assert_eq!((series.worst_ms, series.latest().milliseconds), (500, 200));
        for second in 0..1000 {
            monitor.add("command", second, 1);
        }
        assert_eq!(monitor.series(b"command").unwrap().samples().len(), SAMPLES_MAX);
    }

    #[test]
    fn events_are_forgotten_one_by_one_or_together() {
        let mut monitor = LatencyMonitor::default();
        monitor.add("fork", 1, 1);
        monitor.add("command", 1, 1);
        assert!(monitor.forget(b"FORK") && !monitor.forget(b"fork"));
        assert_eq!((monitor.clear(), monitor.clear()), (1, 0));
    }

    #[test]
    fn a_graph_has_a_column_for_each_sample() {
        let mut monitor = LatencyMonitor::default();
        for (age, milliseconds) in [(7200, 100), (65, 300), (2, 1200)] {
            monitor.add("command", SETUP.now_seconds - age, milliseconds);
        }
        let dashes = "-".repeat(80);
        let expected = format!(
            "command - high 1200 ms, low 100 ms (all time high 1200 ms)\n{dashes}\n  #\n  |\n  |\n_#|\n   \n212\nhms\n"
        );
        assert_eq!(monitor.graph(b"command", SETUP.now_seconds).unwrap(), expected);
        assert_eq!(monitor.graph(b"nothing", 0), None);
    }

    #[test]
    fn the_doctor_names_events_and_what_helps() {
        let mut monitor = LatencyMonitor::default();
        assert!(monitor.report(&LatencySetup { threshold_ms: 0, ..SETUP }).contains("monitoring is disabled"));
        assert!(monitor.report(&SETUP).contains("no latency spike"));
        monitor.add("command", 990, 300);
        monitor.add("command", 995, 100);
        let report = monitor.report(&SETUP);
        let expected = "1. command: 2 latency spikes (average 200ms, mean deviation 100ms, period 5.00 sec). Worst all \
                        time event 300ms.\n";
        assert!(report.contains(expected) && report.contains("SLOWLOG GET"), "{report}");
    }
}
