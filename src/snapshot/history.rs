//! The last snapshots: what asked for each, how it went, and what it cost.

use std::collections::VecDeque;

use crate::config::SaveRule;

/// Snapshots that are remembered.
const RECORDS_MAX: usize = 128;

/// What asked for a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trigger {
    /// A save rule, with the changes that there were.
    Rule {
        rule: SaveRule,
        changes: u64,
    },
    Command,
    /// BGSAVE SCHEDULE, when its time had come.
    Scheduled,
    Shutdown,
    Flush,
    Reload,
}

/// How a snapshot ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    Saved,
    /// Ended on purpose, which is no failure.
    Dismissed,
    /// The step that failed, on what, and why.
    Failed(String),
}

/// One snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    pub trigger: Trigger,
    /// By a child, or in the foreground.
    pub background: bool,
    pub started_unix_ms: i64,
    pub duration_us: u64,
    pub fork_us: u64,
    pub keys: u64,
    pub bytes: u64,
    /// What the bytes would be without compression.
    pub raw_bytes: u64,
    /// Threads that serialised.
    pub threads: u64,
    pub copied_bytes: u64,
    pub outcome: Outcome,
}

/// The last [`RECORDS_MAX`] snapshots, oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    records: VecDeque<Record>,
}

#[allow(dead_code, reason = "SNAPSHOT HISTORY, which comes next, reads it")]
impl History {
    pub(super) fn push(&mut self, record: Record) {
        if self.records.len() == RECORDS_MAX {
            self.records.pop_front();
        }
        self.records.push_back(record);
    }

    pub fn records(&self) -> impl DoubleEndedIterator<Item = &Record> + ExactSizeIterator {
        self.records.iter()
    }

    pub fn latest(&self) -> Option<&Record> {
        self.records.back()
    }
}
