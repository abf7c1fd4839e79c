//! The last snapshots: what asked for each, how it went, and what it cost.

use std::collections::VecDeque;
use std::fmt;

use super::child::report::Figures;
use super::error::{SaveError, Step};
use super::task::Trigger;
use crate::stdx::text::counted;

/// Snapshots whose memory says how much the next one will need.
const RECORDS_OF_NEED: usize = 5;

/// Snapshots that are remembered.
const RECORDS_MAX: usize = 128;

/// How a snapshot ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    Saved,
    /// Ended on purpose, which is no failure.
    Cancelled,
    /// The step that failed, and the error: on what, and why.
    Failed {
        step: Step,
        error: String,
    },
}

impl Outcome {
    pub(super) fn of(error: &SaveError) -> Self {
        match error {
            SaveError::Interrupted => Self::Cancelled,
            error => Self::Failed { step: error.step(), error: error.to_string() },
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Saved => "saved",
            Self::Cancelled => "cancelled",
            Self::Failed { .. } => "failed",
        }
    }
}

/// One snapshot. Displayed, it is a line of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Counts from 1 since the start of the server.
    pub id: u64,
    pub trigger: Trigger,
    /// Changes since the save before, when this one began.
    pub changes: u64,
    /// By a child, or in the foreground.
    pub background: bool,
    pub started_unix_ms: i64,
    pub duration_us: u64,
    pub fork_us: u64,
    /// How far it came.
    pub figures: Figures,
    /// Old versions of small values and keys that it kept to itself, since the new ones were written elsewhere.
    pub redirected_bytes: u64,
    /// The most that it took of memory beside the data.
    pub peak_extra_bytes: u64,
    pub outcome: Outcome,
}

impl fmt::Display for Record {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, trigger, changes, outcome, figures, fork_us, redirected_bytes, .. } = self;
        write!(out, "Snapshot {id} by {}", trigger.name())?;
        if let Trigger::Rule(rule) = trigger {
            write!(out, " {} {}", rule.seconds, rule.changes)?;
        }
        let mode = if self.background { "background" } else { "foreground" };
        let seconds = self.duration_us as f64 / 1e6;
        write!(out, " ({}, {mode}): {} after {seconds:.3} s", counted(*changes, "change"), outcome.name())?;
        let Figures { keys, bytes, raw_bytes, copied_bytes, threads, .. } = figures;
        if *keys == 0 && !matches!(outcome, Outcome::Saved) {
            write!(out, ", no key written, {}", counted(*threads, "thread"))?;
        } else {
            let (keys, bytes) = (counted(*keys, "key"), counted(*bytes, "byte"));
            write!(out, ", {keys}, {bytes} ({raw_bytes} before compression), {}", counted(*threads, "thread"))?;
        }
        if self.background {
            let peak = self.peak_extra_bytes;
            write!(out, ", fork {fork_us} us, copied {copied_bytes} bytes, redirected {redirected_bytes} bytes")?;
            write!(out, ", at most {peak} bytes beside the data")?;
        }
        match outcome {
            Outcome::Failed { step, error } => write!(out, "; failed step: {}: {error}", step.name()),
            Outcome::Saved | Outcome::Cancelled => Ok(()),
        }
    }
}

/// The last [`RECORDS_MAX`] snapshots, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    records: VecDeque<Record>,
    count: u64,
}

impl History {
    /// Remembers a snapshot, under the number that it gets here, and logs it.
    pub(super) fn push(&mut self, record: Record) {
        if self.records.len() == RECORDS_MAX {
            self.records.pop_front();
        }
        self.count += 1;
        let record = Record { id: self.count, ..record };
        tracing::info!("{record}");
        self.records.push_back(record);
    }

    pub fn records(&self) -> impl DoubleEndedIterator<Item = &Record> + ExactSizeIterator {
        self.records.iter()
    }

    /// The most memory that one of the last snapshots in the background took beside the data.
    pub fn needed_bytes(&self) -> u64 {
        let recent = self.records.iter().rev().filter(|record| record.background).take(RECORDS_OF_NEED);
        recent.map(|record| record.peak_extra_bytes).max().unwrap_or(0)
    }

    pub fn latest(&self) -> Option<&Record> {
        self.records.back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SaveRule;

    fn record(trigger: Trigger, outcome: Outcome) -> Record {
        let figures =
            Figures { keys: 40, bytes: 1000, raw_bytes: 3000, copied_bytes: 4096, threads: 2, ..Figures::default() };
        let (started_unix_ms, duration_us, fork_us) = (1_700_000_000_000, 1_250_000, 300);
        let (id, changes, background, redirected_bytes, peak_extra_bytes) = (0, 7, true, 512, 8192);
        Record {
            id,
            trigger,
            changes,
            background,
            started_unix_ms,
            duration_us,
            fork_us,
            figures,
            redirected_bytes,
            peak_extra_bytes,
            outcome,
        }
    }

    #[test]
    fn oldest_is_forgotten_and_numbers_go_on() {
        let mut history = History::default();
        for _ in 0..RECORDS_MAX + 3 {
            history.push(record(Trigger::Command, Outcome::Saved));
        }
        assert_eq!(history.records().len(), RECORDS_MAX);
        assert_eq!(history.records().next().map(|record| record.id), Some(4));
        assert_eq!(history.latest().map(|record| record.id), Some(RECORDS_MAX as u64 + 3));
    }

    #[test]
    fn the_next_snapshot_needs_what_the_largest_of_the_last_ones_took() {
        let mut history = History::default();
        assert_eq!(history.needed_bytes(), 0);
        let mut push = |peak_extra_bytes, background| {
            history.push(Record { peak_extra_bytes, background, ..record(Trigger::Command, Outcome::Cancelled) });
            history.needed_bytes()
        };
        assert_eq!(push(700, true), 700);
        assert_eq!(push(900, false), 700, "one in the foreground copies nothing");
        for _ in 1..RECORDS_OF_NEED {
            assert_eq!(push(50, true), 700);
        }
        assert_eq!(push(60, true), 60);
    }

    #[test]
    fn record_is_one_line_with_its_figures() {
        let rule = Trigger::Rule(SaveRule { seconds: 60, changes: 5 });
        let mut record = Record { id: 12, ..record(rule, Outcome::Saved) };
        assert_eq!(
            record.to_string(),
            "Snapshot 12 by rule 60 5 (7 changes, background): saved after 1.250 s, 40 keys, 1000 bytes (3000 \
             before compression), 2 threads, fork 300 us, copied 4096 bytes, redirected 512 bytes, at most 8192 bytes \
             beside the data"
        );
        record.figures = Figures { keys: 0, bytes: 0, raw_bytes: 88, threads: 1, ..record.figures };
        record.changes = 1;
        record.outcome = Outcome::Cancelled;
        assert_eq!(
            record.to_string(),
            "Snapshot 12 by rule 60 5 (1 change, background): cancelled after 1.250 s, no key written, 1 thread, fork \
             300 us, copied 4096 bytes, redirected 512 bytes, at most 8192 bytes beside the data"
        );
        record.figures = Figures { keys: 1, bytes: 1000, raw_bytes: 3000, threads: 2, ..record.figures };
        let error = "cannot rename temp-812.rdb to dump.rdb: Permission denied".to_owned();
        record.outcome = Outcome::Failed { step: Step::Rename, error };
        record.trigger = Trigger::Shutdown;
        record.background = false;
        assert_eq!(
            record.to_string(),
            "Snapshot 12 by shutdown (1 change, foreground): failed after 1.250 s, 1 key, 1000 bytes (3000 \
             before compression), 2 threads; failed step: rename: cannot rename temp-812.rdb to dump.rdb: Permission denied"
        );
    }
}
