//! The keyspace as several threads read it at once, while nothing in it changes: how a snapshot is written.
#![expect(unsafe_code, reason = "shares what has cells in it and is only read; looks at entries by their blocks")]

use std::ptr::NonNull;

use super::entry::{Entry, EntryRef};
use super::{AccessClock, Db, Keyspace};
use crate::structures::{Finishing, Pool, Walk};
use crate::types::{Value, ValueRef};

/// All keys and values for reading, from any thread.
pub struct Frozen<'k> {
    dbs: &'k [Db],
    access: &'k AccessClock,
    /// By database, for those that are walked in the order of addresses.
    walks: Vec<Option<PageWalk<'k>>>,
    finishing: Option<Finishing>,
}

/// The way through a database in the order of addresses.
struct PageWalk<'k> {
    walk: Walk,
    /// Entries whose blocks are elsewhere: they are too large for a page, or there were too many owners once.
    others: Vec<EntryRef<'k>>,
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

impl Keyspace {
    /// To be called before a [`Frozen`] is made, and before the fork of a child that makes one. Without it tables are walked, in
    /// which entries lie in no order.
    pub fn prepare_walk(&mut self) {
        Pool::Entries.prepare_walk();
    }

    /// Takes in which pages the child has read: what is in them may be written in place again. To be called now and then while
    /// one lives.
    pub fn take_finished_pages(&self) {
        if self.child_alive {
            Pool::Entries.take_finished_pages();
        }
    }

    /// In a child: entries are given up as they are read.
    ///
    /// # Safety
    ///
    /// Until this process ends, the keyspace is read by one [`Frozen`] alone, and no entry of a segment after [`Frozen::finish`].
    /// It is neither changed nor dropped.
    pub unsafe fn give_up_what_is_read(&mut self) {
        self.gives_up = true;
    }
}

impl<'k> Frozen<'k> {
    /// Takes the keyspace exclusively: a shared borrow beside this one could write to cells that threads are reading.
    pub fn new(keyspace: &'k mut Keyspace) -> Self {
        let keyspace = &*keyspace;
        let walks: Vec<_> = keyspace.dbs.iter().map(PageWalk::of).collect();
        let finishing = keyspace.gives_up.then(|| Finishing::new(Pool::Entries)).flatten();
        if keyspace.gives_up {
            let (unwalked, walked): (Vec<_>, Vec<_>) =
                keyspace.dbs.iter().zip(&walks).partition(|(_, walk)| walk.is_none());
            for (db, _) in walked {
                // SAFETY: the entries are found in pages, and those that are elsewhere have been looked up; this is the one that
                // reads the keyspace until the process ends, as was promised for `gives_up`.
                unsafe { db.keys().give_up_table() };
            }
            if unwalked.iter().all(|(db, _)| db.is_empty()) {
                // SAFETY: as above, for every table that has buckets there.
                unsafe { Pool::Buckets.give_up() };
            }
        }
        Self { dbs: &keyspace.dbs, access: &keyspace.access, walks, finishing }
    }

    /// How many keys each database has, and how many of them have an expiry.
    pub fn sizes(&self) -> impl Iterator<Item = (usize, usize)> {
        self.dbs.iter().map(|db| (db.len(), db.expires_len()))
    }

    /// Into how many segments of about `keys` keys a database is best divided.
    pub fn segments(&self, db: usize, keys: u64) -> usize {
        let segments = (self.dbs[db].len() as u64).div_ceil(keys.max(1)) as usize;
        match &self.walks[db] {
            Some(pages) => segments.min(pages.walk.spans().max(1)),
            None => segments,
        }
    }

    /// The entries in one of `segments` parts of a database; each entry is in one of them.
    pub fn segment(&self, db: usize, segment: usize, segments: usize) -> impl Iterator<Item = FrozenEntry<'k>> {
        let access = self.access;
        let entries = match &self.walks[db] {
            Some(pages) => Entries::Pages(pages.walk.part(segment, segments), pages.others_in(segment)),
            None => Entries::Table(self.dbs[db].keys().iter_segment(segment, segments)),
        };
        Ahead::new(entries.map(move |entry| FrozenEntry { entry, access }))
    }

    /// Notes that a segment was read and its entries are not needed any more.
    pub fn finish(&self, db: usize, segment: usize, segments: usize) {
        if let (Some(finishing), Some(pages)) = (&self.finishing, &self.walks[db]) {
            finishing.finish(&pages.walk, segment, segments);
        }
    }
}

impl<'k> PageWalk<'k> {
    /// `None` where the owner's blocks are not the entries of the table: then the table is right.
    fn of(db: &'k Db) -> Option<Self> {
        let walk = Walk::of(Pool::Entries, db.owner()?)?;
        let mut others = Vec::new();
        if walk.blocks() != db.len() {
            others.extend(db.iter().filter(|entry| !walk.has(entry.block())).map(EntryRef::of));
        }
        (walk.blocks() + others.len() == db.len()).then_some(Self { walk, others })
    }

    /// The others are few, and come with the first segment.
    fn others_in(&self, segment: usize) -> std::vec::IntoIter<EntryRef<'k>> {
        if segment == 0 { self.others.clone() } else { Vec::new() }.into_iter()
    }
}

/// Entries from pages and then those that are elsewhere, or from a table.
enum Entries<'k, P, T> {
    Pages(P, std::vec::IntoIter<EntryRef<'k>>),
    Table(T),
}

impl<'k, P: Iterator<Item = NonNull<u8>>, T: Iterator<Item = &'k Entry>> Iterator for Entries<'k, P, T> {
    type Item = EntryRef<'k>;

    #[inline]
    fn next(&mut self) -> Option<EntryRef<'k>> {
        match self {
            Self::Pages(pages, others) => match pages.next() {
                // SAFETY: the blocks of the database's owner are as many as the entries in them, and the keyspace is borrowed
                // during 'k.
                Some(block) => Some(unsafe { EntryRef::in_block(block) }),
                None => others.next(),
            },
            Self::Table(table) => table.next().map(EntryRef::of),
        }
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
    entry: EntryRef<'k>,
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
    use std::collections::BTreeMap;

    use super::*;
    use crate::stdx::HashSeed;
    use crate::structures::{Element, Owner};

    fn filled(databases: usize, keys: usize) -> Keyspace {
        let mut keyspace = Keyspace::new(databases, HashSeed { k0: 1, k1: 2 });
        for db in 0..databases {
            for number in 0..keys {
                let expiry = number.is_multiple_of(5).then_some(i64::MAX);
                keyspace.set_string(db, key(number).as_bytes(), &vec![b'v'; number * 20 % 5_000], expiry);
            }
        }
        keyspace
    }

    fn key(number: usize) -> String {
        format!("key:{number}")
    }

    /// The keys of one database as its segments hand them out.
    fn keys_in(frozen: &Frozen<'_>, db: usize, segments: usize) -> Vec<Vec<u8>> {
        let entries = (0..segments).flat_map(|at| frozen.segment(db, at, segments));
        let mut keys: Vec<_> = entries.map(|entry| entry.key().to_vec()).collect();
        keys.sort();
        keys
    }

    fn keys_of_table(db: &Db) -> Vec<Vec<u8>> {
        let mut keys: Vec<_> = db.iter().map(|entry| Element::key(entry).to_vec()).collect();
        keys.sort();
        keys
    }

    #[test]
    fn segments_hand_out_each_entry_once_however_few_there_are() {
        for keys in [0, 1, 7, 8, 9, 100, 3_000] {
            let mut keyspace = filled(2, keys);
            let expected: Vec<_> = keyspace.dbs().map(|(_, db)| keys_of_table(db)).collect();
            for is_prepared in [false, true] {
                if is_prepared {
                    keyspace.prepare_walk();
                }
                let frozen = Frozen::new(&mut keyspace);
                for (db, segments) in [(0, 1), (0, 3), (1, 1), (1, 7)] {
                    assert_eq!(keys_in(&frozen, db, segments), expected[db]);
                    let best = frozen.segments(db, 64);
                    assert_eq!(keys_in(&frozen, db, best), expected[db]);
                }
            }
        }
    }

    #[cfg(all(target_os = "linux", not(miri)))]
    #[test]
    fn a_database_is_walked_by_its_pages_whatever_was_done_to_it() {
        let mut keyspace = filled(3, 2_000);
        let mut values = BTreeMap::new();
        for number in 0..2_000 {
            let key = key(number);
            match number % 4 {
                // Deleted, grown out of its block, moved to another database, or given a key that no page takes.
                0 => drop(keyspace.remove(0, key.as_bytes(), true)),
                1 => keyspace.set_string(0, key.as_bytes(), &vec![b'w'; number + 100], None),
                2 => drop(keyspace.relocate(
                    super::super::Place { db: 0, key: key.as_bytes() },
                    super::super::Place { db: 1, key: key.as_bytes() },
                )),
                _ if number % 100 == 3 => keyspace.set_string(0, &vec![b'k'; 9_000 + number], b"value", None),
                _ => {}
            }
        }
        keyspace.swap(0, 2, 0);
        keyspace.flush(1, true, 0);
        keyspace.set_string(1, b"new", b"value", None);
        for (index, db) in keyspace.dbs() {
            values.insert(index, keys_of_table(db));
        }
        keyspace.prepare_walk();
        let frozen = Frozen::new(&mut keyspace);
        for db in 0..3 {
            assert!(frozen.walks[db].is_some(), "database {db}");
            assert_eq!(keys_in(&frozen, db, 5), values[&db], "database {db}");
        }
        assert_eq!(frozen.walks[2].as_ref().map(|pages| pages.others.len()), Some(20), "the long keys");
        assert_eq!(values[&1], [b"new"]);
    }

    #[cfg(all(target_os = "linux", not(miri)))]
    #[test]
    fn a_child_gives_up_its_view_of_tables_and_finds_all_entries_without_them() {
        let mut keyspace = filled(2, 50_000);
        keyspace.set_string(1, &vec![b'k'; 9_000], b"a key that no page takes", None);
        let expected: Vec<_> = keyspace.dbs().map(|(_, db)| keys_of_table(db)).collect();
        keyspace.prepare_walk();
        let all_is_as_expected = in_a_child(|| {
            let dbs: *const [Db] = &raw const *keyspace.dbs;
            // SAFETY: nothing but the numbers of keys and one `Frozen` looks at the keyspace from here on, and the child ends
            // without dropping it.
            unsafe { keyspace.give_up_what_is_read() };
            let frozen = Frozen::new(&mut keyspace);
            let sizes: Vec<_> = frozen.sizes().collect();
            let has_all = sizes == [(50_000, 10_000), (50_001, 10_000)]
                && [0, 1].map(|db| keys_in(&frozen, db, 7)) == [&*expected[0], &*expected[1]];
            // SAFETY: they are still there, and the pages read as vacant buckets.
            let left: usize = unsafe { &*dbs }.iter().map(|db| db.iter().count()).sum();
            has_all && left == 0
        });
        assert!(all_is_as_expected, "the child has no tables, and finds all entries");
        let kept: Vec<_> = keyspace.dbs().map(|(_, db)| keys_of_table(db)).collect();
        assert_eq!(kept, expected, "its parent's are as they were");
    }

    /// What a forked child returns.
    #[cfg(all(target_os = "linux", not(miri)))]
    fn in_a_child(run: impl FnOnce() -> bool) -> bool {
        use nix::sys::wait::{WaitStatus, waitpid};
        use nix::unistd::{ForkResult, fork};
        // SAFETY: the child takes no lock but the allocator's, which expects forks, and ends without a destructor.
        match unsafe { fork() }.expect("a process can be forked") {
            ForkResult::Parent { child } => waitpid(child, None) == Ok(WaitStatus::Exited(child, 0)),
            ForkResult::Child => {
                let status = i32::from(!run());
                // SAFETY: it ends the process, and runs nothing.
                unsafe { libc::_exit(status) }
            }
        }
    }

    #[cfg(all(target_os = "linux", not(miri)))]
    #[test]
    fn a_block_that_is_no_entry_of_the_table_makes_the_table_be_walked() {
        let mut keyspace = filled(1, 100);
        let owner = keyspace.dbs[0].owner().expect("there are few databases");
        assert_ne!(owner, Owner::NOBODY);
        let stray = Entry::new(
            owner,
            b"stray",
            Value::from_inline(crate::types::Type::String, crate::types::Encoding::Embstr, b"value"),
            0,
        );
        keyspace.prepare_walk();
        let frozen = Frozen::new(&mut keyspace);
        assert!(frozen.walks[0].is_none());
        assert_eq!(keys_in(&frozen, 0, 3).len(), 100);
        drop(frozen);
        drop(stray);
        keyspace.prepare_walk();
        assert!(Frozen::new(&mut keyspace).walks[0].is_some());
    }
}
