//! ACL LOG: what was denied to whom of late, newest first.

use std::collections::VecDeque;

/// Denials alike within this time count as one entry.
const ALIKE_MS_MAX: i64 = 60_000;

/// So many of the newest entries are looked at for one alike.
const SEARCHED_MAX: usize = 10;

/// What was denied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DenialReason {
    Auth,
    Command,
    Key,
    Channel,
}

impl DenialReason {
    pub fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Command => "command",
            Self::Key => "key",
            Self::Channel => "channel",
        }
    }
}

/// Within what a command was denied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DenialContext {
    TopLevel,
    Transaction,
    Script,
}

impl DenialContext {
    pub fn name(self) -> &'static str {
        match self {
            Self::TopLevel => "toplevel",
            Self::Transaction => "multi",
            Self::Script => "lua",
        }
    }
}

/// One or more denials alike.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Denial {
    pub reason: DenialReason,
    pub context: DenialContext,
    /// The command, the key or the channel; of a failed login, the command that asked for it.
    pub object: Box<[u8]>,
    pub user: Box<[u8]>,
    /// The line of CLIENT LIST about who tried it last.
    pub client: String,
}

/// A denial in the log.
#[derive(Debug)]
pub struct Entry {
    pub id: u64,
    pub count: u64,
    pub created_ms: i64,
    pub updated_ms: i64,
    pub denial: Denial,
}

impl Entry {
    fn is_like(&self, denial: &Denial, now_ms: i64) -> bool {
        let known = &self.denial;
        (known.reason, known.context) == (denial.reason, denial.context)
            && (now_ms - self.updated_ms).abs() <= ALIKE_MS_MAX
            && known.object == denial.object
            && known.user == denial.user
    }
}

/// The newest denials.
#[derive(Debug, Default)]
pub struct DenialLog {
    entries: VecDeque<Entry>,
    next_id: u64,
}

impl DenialLog {
    /// Notes a denial; of those already there, the oldest beyond `len_max` are forgotten.
    pub fn note(&mut self, denial: Denial, now_ms: i64, len_max: usize) {
        if len_max == 0 {
            self.clear();
            return;
        }
        let alike = self.entries.iter().take(SEARCHED_MAX).position(|entry| entry.is_like(&denial, now_ms));
        let entry = match alike.and_then(|at| self.entries.remove(at)) {
            Some(entry) => Entry { count: entry.count + 1, updated_ms: now_ms, denial, ..entry },
            None => {
                self.next_id += 1;
                Entry { id: self.next_id - 1, count: 1, created_ms: now_ms, updated_ms: now_ms, denial }
            }
        };
        self.entries.push_front(entry);
        self.entries.truncate(len_max);
    }

    /// Newest first.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    pub fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denial(object: &str) -> Denial {
        Denial {
            reason: DenialReason::Key,
            context: DenialContext::TopLevel,
            object: object.as_bytes().into(),
            user: b"ann"[..].into(),
            client: String::new(),
        }
    }

    fn shown(log: &DenialLog) -> Vec<(u64, u64, i64)> {
        log.iter().map(|entry| (entry.id, entry.count, entry.created_ms)).collect()
    }

    #[test]
    fn denials_alike_within_a_minute_are_one_entry_which_moves_to_the_front() {
        let mut log = DenialLog::default();
        log.note(denial("a"), 0, 128);
        log.note(denial("b"), 10, 128);
        log.note(denial("a"), 60_000, 128);
        assert_eq!(shown(&log), [(0, 2, 0), (1, 1, 10)]);
        log.note(denial("a"), 120_001, 128);
        assert_eq!(shown(&log), [(2, 1, 120_001), (0, 2, 0), (1, 1, 10)]);
    }

    #[test]
    fn the_oldest_go_when_the_log_is_full_and_all_when_it_may_hold_none() {
        let mut log = DenialLog::default();
        for (at, object) in ["a", "b", "c"].into_iter().enumerate() {
            log.note(denial(object), at as i64, 2);
        }
        assert_eq!(shown(&log), [(2, 1, 2), (1, 1, 1)]);
        log.note(denial("d"), 9, 0);
        assert_eq!(shown(&log), []);
    }
}
