//! What has happened to the data, in order: whoever repeats it on the same data has the same data afterwards.
//!
//! A replica and a log are fed from here. What is recorded depends on no clock, no chance and no order within a table: a
//! command that does is recorded as the commands that it came to. Nothing is recorded while nobody wants it.

use std::mem;

use crate::resp::{Args, ArgsBuf};

/// One thing that has happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Record {
    /// The keyspace deleted a key by itself: its expiry had passed, or memory was short. A server deletes in the same way
    /// what it has handed to another one.
    Removed { db: usize, key: Box<[u8]> },
    /// Fields of a hash were deleted because their expiry had passed; with the last field the key is gone.
    FieldsRemoved { db: usize, key: Box<[u8]>, fields: Vec<Box<[u8]>> },
    /// One database was emptied, or all of them.
    Flushed { db: Option<usize> },
    /// Two databases were exchanged.
    Swapped { first: usize, second: usize },
    /// A command was run, or had the effect of this one.
    Command { db: usize, args: ArgsBuf },
}

/// The records of one unit of work, in order: a command with what it set off, or a transaction. Whoever repeats a part of
/// them has to repeat all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    pub records: Vec<Record>,
}

/// The queue of records.
#[derive(Default, Debug)]
pub struct Journal {
    wanted: bool,
    /// Of the unit of work that is going on.
    open: Vec<Record>,
    closed: Vec<Group>,
    /// The change count up to which the records account for every change.
    accounted: u64,
    /// The handler of the running command has said what is to be recorded in its place.
    is_replaced: bool,
    /// What is recorded behind the running command.
    behind: Vec<Record>,
    /// Commands are not recorded, whatever they change.
    is_withheld: bool,
    /// What was taken of the last group, empty: a command that follows needs no memory of its own.
    spare_records: Vec<Record>,
    spare_args: ArgsBuf,
}

/// No more memory is kept for the arguments of the next command.
const SPARE_BYTES_MAX: usize = 4096;

impl Journal {
    /// Starts or stops recording. What was recorded and not taken yet is dropped.
    pub(super) fn set_wanted(&mut self, wanted: bool, changes: u64) {
        *self = Self { wanted, accounted: changes, ..Self::default() };
    }

    #[inline]
    pub fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Records no commands until it is said otherwise (redis.set_repl). What the keyspace does by itself still is.
    pub fn withhold(&mut self, is_withheld: bool) {
        self.is_withheld = is_withheld && self.wanted;
    }

    /// Records a command in the place of the one that is running, which `write` is given to fill. Each further call
    /// records a further command.
    #[inline]
    pub fn instead(&mut self, db: usize, write: impl FnOnce(&mut ArgsBuf)) {
        self.nothing();
        self.command(db, write);
    }

    /// Records a command at once, as what happens outside of handlers: an effect of theirs, or the server's own doing.
    #[inline]
    pub fn command(&mut self, db: usize, write: impl FnOnce(&mut ArgsBuf)) {
        if self.wanted && !self.is_withheld {
            let record = self.command_record(db, write);
            self.open.push(record);
        }
    }

    /// Records a further command behind the one that is running.
    #[inline]
    pub fn also(&mut self, db: usize, write: impl FnOnce(&mut ArgsBuf)) {
        if self.wanted && !self.is_withheld {
            let record = self.command_record(db, write);
            self.behind.push(record);
        }
    }

    /// Records nothing for the running command, whatever it has changed.
    #[inline]
    pub fn nothing(&mut self) {
        self.is_replaced = self.wanted;
    }

    /// Records what was no command's own doing.
    #[inline]
    pub(super) fn push(&mut self, record: impl FnOnce() -> Record) {
        if self.wanted {
            self.open.push(record());
        }
    }

    /// Notes that a record accounts for so many changes, so that they are not taken for the running command's.
    #[inline]
    pub(super) fn account_for(&mut self, changes: u64) {
        self.accounted = self.accounted.wrapping_add(changes);
    }

    /// Ends a command that was run in database `db`: it is recorded as it came if the change count rose, unless its
    /// handler has said otherwise.
    pub(super) fn end_command(&mut self, db: usize, args: Args<'_>, changes: u64) {
        let replaced = mem::take(&mut self.is_replaced);
        if changes != self.accounted && !replaced && !self.is_withheld {
            let record = self.command_record(db, |out| out.extend(args));
            self.open.push(record);
        }
        self.accounted = changes;
        self.open.append(&mut self.behind);
    }

    /// Ends a unit of work.
    pub fn close_group(&mut self) {
        if !self.open.is_empty() {
            let next = mem::take(&mut self.spare_records);
            self.closed.push(Group { records: mem::replace(&mut self.open, next) });
        }
    }

    /// Whether a group was closed that nobody has taken.
    #[inline]
    pub fn has_groups(&self) -> bool {
        !self.closed.is_empty()
    }

    /// The groups that were closed since the last call, in order.
    pub fn take_groups(&mut self) -> Vec<Group> {
        mem::take(&mut self.closed)
    }

    /// As [`Journal::take_groups`], for whoever needs each only once: their memory serves what is recorded next.
    pub fn drain_groups(&mut self, mut read: impl FnMut(&Group)) {
        for Group { mut records } in self.closed.drain(..).inspect(|group| read(group)) {
            if let Some(Record::Command { mut args, .. }) = records.pop()
                && args.memory_usage() <= SPARE_BYTES_MAX
            {
                args.clear();
                self.spare_args = args;
            }
            records.clear();
            if records.capacity() * size_of::<Record>() <= SPARE_BYTES_MAX {
                self.spare_records = records;
            }
        }
    }

    fn command_record(&mut self, db: usize, write: impl FnOnce(&mut ArgsBuf)) -> Record {
        let mut args = mem::take(&mut self.spare_args);
        write(&mut args);
        Record::Command { db, args }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &str) -> ArgsBuf {
        words.split(' ').collect()
    }

    fn recorded(journal: &mut Journal) -> Vec<Vec<Record>> {
        journal.take_groups().into_iter().map(|group| group.records).collect()
    }

    fn wanted() -> Journal {
        let mut journal = Journal::default();
        journal.set_wanted(true, 10);
        journal
    }

    #[test]
    fn a_command_is_recorded_as_it_came_if_it_changed_something() {
        let mut journal = wanted();
        journal.end_command(0, args("GET a").as_args(), 10);
        journal.end_command(3, args("SET a b").as_args(), 11);
        journal.end_command(3, args("SET a b NX").as_args(), 11);
        journal.close_group();
        journal.close_group();
        assert_eq!(recorded(&mut journal), [[Record::Command { db: 3, args: args("SET a b") }]]);
        assert!(journal.take_groups().is_empty());
    }

    #[test]
    fn what_was_read_leaves_nothing_in_what_is_recorded_in_its_memory() {
        let mut journal = wanted();
        for (changes, value) in (11..).zip(["first", "second", "", &"v".repeat(2 * SPARE_BYTES_MAX), "last"]) {
            let args: ArgsBuf = ["SET", "a", value].into_iter().collect();
            journal.end_command(0, args.as_args(), changes);
            journal.close_group();
            assert!(journal.has_groups());
            let mut seen = Vec::new();
            journal.drain_groups(|group| seen.extend(group.records.clone()));
            assert_eq!(seen, [Record::Command { db: 0, args }]);
            assert!(!journal.has_groups() && journal.spare_args.memory_usage() <= SPARE_BYTES_MAX);
        }
    }

    #[test]
    fn a_handler_says_what_is_recorded_instead_behind_and_not_at_all() {
        let mut journal = wanted();
        journal.also(1, |out| out.extend(["DEL", "b"]));
        journal.instead(0, |out| out.extend(["SREM", "s", "a"]));
        journal.instead(0, |out| out.extend(["SREM", "s", "b"]));
        journal.end_command(0, args("SPOP s 2").as_args(), 12);
        journal.nothing();
        journal.end_command(0, args("SPOP s 2").as_args(), 14);
        journal.end_command(0, args("PING").as_args(), 14);
        journal.close_group();
        let expected = [
            Record::Command { db: 0, args: args("SREM s a") },
            Record::Command { db: 0, args: args("SREM s b") },
            Record::Command { db: 1, args: args("DEL b") },
        ];
        assert_eq!(recorded(&mut journal), [expected]);
    }

    #[test]
    fn changes_that_a_record_accounts_for_are_not_the_commands() {
        let mut journal = wanted();
        let removed = Record::FieldsRemoved { db: 0, key: (*b"h").into(), fields: vec![(*b"f").into()] };
        journal.push(|| removed.clone());
        journal.account_for(1);
        journal.end_command(0, args("HGET h f").as_args(), 11);
        journal.close_group();
        assert_eq!(recorded(&mut journal), [[removed]]);
    }

    #[test]
    fn withheld_commands_are_not_recorded_and_removals_are() {
        let mut journal = wanted();
        let removed = Record::Removed { db: 0, key: (*b"a").into() };
        journal.withhold(true);
        journal.push(|| removed.clone());
        journal.end_command(0, args("SET a b").as_args(), 11);
        journal.instead(0, |out| out.extend(["SREM", "s", "a"]));
        journal.also(0, |out| out.extend(["DEL", "b"]));
        journal.end_command(0, args("SPOP s").as_args(), 12);
        journal.withhold(false);
        journal.end_command(0, args("GET a").as_args(), 12);
        journal.close_group();
        assert_eq!(recorded(&mut journal), [[removed]]);
    }

    #[test]
    fn nothing_is_recorded_while_nobody_wants_it() {
        let mut journal = Journal::default();
        journal.push(|| unreachable!("nobody wants it"));
        journal.instead(0, |_| unreachable!("nobody wants it"));
        journal.also(0, |_| unreachable!("nobody wants it"));
        journal.nothing();
        journal.close_group();
        assert!(journal.take_groups().is_empty());
        journal.set_wanted(true, 7);
        journal.end_command(0, args("GET a").as_args(), 7);
        journal.close_group();
        assert!(journal.take_groups().is_empty());
    }
}
