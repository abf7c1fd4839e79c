//! The keyspace as several threads read it at once, while nothing in it changes: how a snapshot is written.
#![expect(unsafe_code, reason = "sharing what has cells in it, and is only read, between threads")]

use super::{AccessClock, Db, Entry, Keyspace};
use crate::types::{Value, ValueRef};

/// All keys and values for reading, from any thread.
pub struct Frozen<'k> {
    dbs: &'k [Db],
    access: &'k AccessClock,
}

// SAFETY: as long as it lives the keyspace is borrowed exclusively, so that whoever reads or writes it has come through
// here. That leaves the cells which a shared borrow would let change: the access clocks of entries, counters, and notes
// about what reads have found. Neither this type nor `FrozenEntry` has a method that writes to those, or that hands out
// what could.
unsafe impl Sync for Frozen<'_> {}

/// What entries hold behind their blocks is shared as well.
const _: () = {
    const fn is_shared<T: Sync>() {}
    is_shared::<Value>();
};

impl<'k> Frozen<'k> {
    /// Takes the keyspace exclusively: a shared borrow beside this one could write to cells that threads are reading.
    pub fn new(keyspace: &'k mut Keyspace) -> Self {
        let keyspace = &*keyspace;
        Self { dbs: &keyspace.dbs, access: &keyspace.access }
    }

    /// How many keys each database has, and how many of them have an expiry.
    pub fn sizes(&self) -> impl Iterator<Item = (usize, usize)> {
        self.dbs.iter().map(|db| (db.len(), db.expires_len()))
    }

    /// The entries in one of `segments` parts of a database; each entry is in one of them.
    pub fn segment(&self, db: usize, segment: usize, segments: usize) -> impl Iterator<Item = FrozenEntry<'k>> {
        let access = self.access;
        let entries = self.dbs[db].keys().iter_segment(segment, segments);
        Ahead::new(entries.map(move |entry| FrozenEntry { entry, access }))
    }
}

/// How many entries' values are on their way into the cache while one is read. The table has asked for the beginnings
/// of the entries themselves a little earlier, so that their lengths and pointers are there.
const ENTRIES_AHEAD: usize = 8;

/// Takes entries out some steps ahead of handing them on, and asks for their values then.
struct Ahead<'k, I> {
    entries: I,
    waiting: [Option<FrozenEntry<'k>>; ENTRIES_AHEAD],
    turn: usize,
    /// How many turns ago the last entry was taken out.
    ended: usize,
}

impl<'k, I: Iterator<Item = FrozenEntry<'k>>> Ahead<'k, I> {
    fn new(entries: I) -> Self {
        Self { entries, waiting: [None; ENTRIES_AHEAD], turn: 0, ended: 0 }
    }
}

impl<'k, I: Iterator<Item = FrozenEntry<'k>>> Iterator for Ahead<'k, I> {
    type Item = FrozenEntry<'k>;

    #[inline]
    fn next(&mut self) -> Option<FrozenEntry<'k>> {
        while self.ended < ENTRIES_AHEAD {
            let entering = if self.ended == 0 { self.entries.next() } else { None };
            match &entering {
                Some(entering) => entering.entry.prefetch_value(),
                None => self.ended += 1,
            }
            let leaving = std::mem::replace(&mut self.waiting[self.turn % ENTRIES_AHEAD], entering);
            self.turn += 1;
            if leaving.is_some() {
                return leaving;
            }
        }
        None
    }
}

/// One entry for reading.
#[derive(Clone, Copy)]
pub struct FrozenEntry<'k> {
    entry: &'k Entry,
    access: &'k AccessClock,
}

impl<'k> FrozenEntry<'k> {
    #[inline]
    pub fn key(self) -> &'k [u8] {
        self.entry.key()
    }

    #[inline]
    pub fn value(self) -> ValueRef<'k> {
        self.entry.value()
    }

    /// Expiry in milliseconds of the unix clock.
    #[inline]
    pub fn expiry(self) -> Option<i64> {
        self.entry.expiry()
    }

    /// Seconds since the key was last used.
    pub fn idle_seconds(self) -> u64 {
        self.access.idle_seconds(self.entry.clock())
    }

    /// How often the key is used, on the logarithmic scale of eviction.
    pub fn frequency(self) -> u32 {
        self.access.frequency(self.entry.clock())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::HashSeed;

    #[test]
    fn segments_hand_out_each_entry_once_however_few_there_are() {
        for keys in [0, 1, 7, 8, 9, 100] {
            let mut keyspace = Keyspace::new(1, HashSeed { k0: 1, k1: 2 });
            for number in 0..keys {
                keyspace.set_string(0, format!("key:{number}").as_bytes(), &vec![b'v'; number * 20], None);
            }
            let frozen = Frozen::new(&mut keyspace);
            for segments in [1, 3] {
                let mut found: Vec<_> = (0..segments)
                    .flat_map(|at| frozen.segment(0, at, segments))
                    .map(|entry| entry.key().to_vec())
                    .collect();
                found.sort();
                found.dedup();
                assert_eq!(found.len(), keys);
                assert_eq!((0..segments).flat_map(|at| frozen.segment(0, at, segments)).count(), keys);
            }
        }
    }
}
