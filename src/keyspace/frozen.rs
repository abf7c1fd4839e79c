//! The keyspace as several threads read it at once, while nothing in it changes: how a snapshot is written.
#![expect(unsafe_code, reason = "sharing what has cells in it, and is only read, between threads")]

use super::{AccessClock, Db, Entry, Keyspace};
use crate::types::{Value, ValueRef};

/// All keys and values for reading, from any thread.
pub struct Frozen<'k> {
    dbs: &'k [Db],
    access: &'k AccessClock,
}

// SAFETY: as long as it lives the keyspace is borrowed, so that nothing changes but what stands in cells: the access
// clocks of entries, and notes about what reads have found. Neither this type nor `FrozenEntry` has a method that
// writes to those, or that hands out what could.
unsafe impl Sync for Frozen<'_> {}

/// What entries hold behind their blocks is shared as well.
const _: () = {
    const fn is_shared<T: Sync>() {}
    is_shared::<Value>();
};

impl<'k> Frozen<'k> {
    pub fn new(keyspace: &'k Keyspace) -> Self {
        Self { dbs: &keyspace.dbs, access: &keyspace.access }
    }

    /// How many keys each database has, and how many of them have an expiry.
    pub fn sizes(&self) -> impl Iterator<Item = (usize, usize)> {
        self.dbs.iter().map(|db| (db.len(), db.expires_len()))
    }

    /// The entries in one of `segments` parts of a database; each entry is in one of them.
    pub fn segment(&self, db: usize, segment: usize, segments: usize) -> impl Iterator<Item = FrozenEntry<'k>> {
        let access = self.access;
        self.dbs[db].keys().iter_segment(segment, segments).map(move |entry| FrozenEntry { entry, access })
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
