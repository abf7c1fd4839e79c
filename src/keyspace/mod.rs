//! The data: databases of entries, their expiry, access clocks, watchers and events.
//! Owns:  every key and value in memory, the counters about them, and the record of their changes.
//! Uses:  types, structures, resp, config, stdx.
//! Never: a client, a reply, the whole configuration, or I/O.

mod access;
mod change;
mod compact;
mod db;
mod entry;
mod events;
mod evict;
mod expire;
mod field_expiry;
mod frozen;
mod journal;
mod known_hash;
mod lapsed;
mod lazy_free;
mod ready;
mod relocate;
mod take_over;
#[cfg(test)]
mod tests;
mod waiting;
mod watch;

pub use access::{AccessClock, AccessPolicy};
pub use change::Change;
pub use compact::Compaction;
pub use db::{Db, Edited};
pub use entry::Entry;
use events::Events;
pub use events::{EventClass, KeyEvent};
pub use evict::{Eviction, EvictionPool};
pub use expire::{ExpireCycle, ExpiryPolicy};
pub use frozen::{Frozen, FrozenEntry};
pub use journal::{Group, Journal, Record};
pub use lazy_free::{LazyFree, LazyFreePolicy};
pub use ready::{Home, ReadyEntry};
pub use relocate::Place;
use take_over::Offer;
pub use take_over::TAKEN_OVER_BYTES_MIN;
pub use waiting::{Awaited, PlaceBuf, Ticket, WaitTable};
pub use watch::ClientId;
use watch::WatchTable;

use std::cell::Cell;

use crate::stdx::HashSeed;
use crate::structures::{ResizePolicy, set_thread_resize_policy, share_blocks, unshare_blocks};
use crate::types::string::StringView;
use crate::types::{DataType, Room, Type, Value};

/// All databases, and what is kept about them as a whole.
pub struct Keyspace {
    dbs: Vec<Db>,
    pub stats: Stats,
    changes: u64,
    pub journal: Journal,
    expiry_policy: ExpiryPolicy,
    /// Whether the expire cycle runs (DEBUG SET-ACTIVE-EXPIRE).
    expires_actively: bool,
    pub access: AccessClock,
    watched: WatchTable,
    pub waiting: WaitTable,
    events: Events,
    pub lazy_free: LazyFree,
    /// Payloads and dumps are taken without looking at their checksums (DEBUG SET-SKIP-CHECKSUM-VALIDATION).
    pub skips_checksums: bool,
    /// Whether tables may be resized at all (DEBUG DICT-RESIZING).
    resizing: bool,
    child_alive: bool,
    round: compact::Round,
    /// This is a child that has no use for entries once they are read.
    gives_up: bool,
    pub eviction_pool: EvictionPool,
    offer: Offer,
}

/// Counters that INFO shows; reads count too, so they are cells.
#[derive(Default, Debug)]
pub struct Stats {
    pub hits: Cell<u64>,
    pub misses: Cell<u64>,
    /// Payloads of RESTORE that were checked element by element.
    pub payloads_checked: Cell<u64>,
    pub expired: u64,
    /// Fields of hashes.
    pub expired_fields: u64,
    pub expired_stale_percent: f64,
    pub expired_time_cap_reached: u64,
    pub evicted: u64,
}

/// Whether a lookup leaves traces: the access clock and the hit counters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Touch {
    Yes,
    /// The key was not used, only looked at (TTL, TYPE), or the client asked for it (CLIENT NO-TOUCH).
    No,
    /// As `No`, and a missing key is no event (OBJECT).
    Quiet,
}

/// The key holds a value of another type than the command works on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WrongType;

impl Keyspace {
    pub fn new(databases: usize, seed: HashSeed) -> Self {
        Self {
            dbs: (0..databases).map(|_| Db::new(seed)).collect(),
            stats: Stats::default(),
            changes: 0,
            journal: Journal::default(),
            expiry_policy: ExpiryPolicy::default(),
            expires_actively: true,
            access: AccessClock::default(),
            watched: WatchTable::default(),
            waiting: WaitTable::default(),
            events: Events::default(),
            lazy_free: LazyFree::default(),
            skips_checksums: false,
            resizing: true,
            child_alive: false,
            round: compact::Round::default(),
            gives_up: false,
            eviction_pool: EvictionPool::default(),
            offer: Offer::default(),
        }
    }

    pub fn databases(&self) -> usize {
        self.dbs.len()
    }

    pub fn db(&self, index: usize) -> &Db {
        &self.dbs[index]
    }

    /// For bulk work that owes nobody an event: loading, tests, the expire cycle.
    pub fn db_mut(&mut self, index: usize) -> &mut Db {
        &mut self.dbs[index]
    }

    pub fn dbs(&self) -> impl Iterator<Item = (usize, &Db)> {
        self.dbs.iter().enumerate()
    }

    /// Keys in all databases.
    pub fn len(&self) -> usize {
        self.dbs.iter().map(Db::len).sum()
    }

    /// Looks `key` up for reading. A key past its expiry is as good as gone: it is answered as missing, and deleted
    /// by [`Keyspace::delete_lapsed`] once the command is done.
    #[inline]
    pub fn find(&self, db: usize, key: &[u8], now_ms: i64, touch: Touch) -> Option<&Entry> {
        let entry = self.dbs[db].live(key, now_ms);
        match entry {
            Some(entry) => {
                self.stats.hits.set(self.stats.hits.get() + 1);
                if touch == Touch::Yes {
                    self.access.touch(entry);
                }
            }
            None => {
                self.stats.misses.set(self.stats.misses.get() + 1);
                if touch != Touch::Quiet {
                    self.events.notify(EventClass::KEY_MISS, "keymiss", db, key);
                }
            }
        }
        entry
    }

    /// Deletes the keys that reads found past their expiry.
    #[inline]
    pub fn delete_lapsed(&mut self, db: usize, now_ms: i64) {
        if self.dbs[db].has_lapsed() {
            self.delete_what_has_lapsed(db, now_ms);
        }
    }

    #[cold]
    fn delete_what_has_lapsed(&mut self, db: usize, now_ms: i64) {
        for key in self.dbs[db].take_lapsed() {
            self.expire_if_due(db, &key, now_ms);
        }
        for key in self.dbs[db].field_expiries_mut().take_lapsed() {
            self.expire_fields(db, &key, now_ms);
        }
    }

    /// Deletes `key` if its expiry has passed and keys are deleted for that. Returns whether it did.
    pub fn expire_if_due(&mut self, db: usize, key: &[u8], now_ms: i64) -> bool {
        let hash = self.dbs[db].hash(key);
        let due = self.dbs[db].is_due_hashed(hash, key, now_ms) && self.expiry_policy == ExpiryPolicy::Delete;
        if due {
            self.expire_now(db, key);
        }
        due
    }

    /// Makes room for a change of `key`, which must not find a value past its expiry. Where such values are hidden, the
    /// change takes the place of what nobody sees.
    #[inline]
    fn clear_lapsed(&mut self, db: usize, hash: u64, key: &[u8], now_ms: i64) {
        if self.dbs[db].is_due_hashed(hash, key, now_ms) && self.expiry_policy != ExpiryPolicy::Ignore {
            self.expire_now(db, key);
        }
    }

    /// Deletes `key` as expired.
    #[cold]
    fn expire_now(&mut self, db: usize, key: &[u8]) {
        if let Some(entry) = self.dbs[db].remove(key) {
            self.lazy_free.drop_entry(entry, self.lazy_free.policy.expire);
            self.stats.expired += 1;
            self.record_removed(db, key);
            self.signal(db, key);
            self.events.notify(EventClass::EXPIRED, "expired", db, key);
        }
    }

    fn record_removed(&mut self, db: usize, key: &[u8]) {
        self.journal.push(|| Record::Removed { db, key: key.into() });
    }

    /// Looks `key` up to change it; one past its expiry is deleted first.
    pub fn find_for_write(&mut self, db: usize, key: &[u8], now_ms: i64) -> Option<&Entry> {
        let hash = self.dbs[db].hash(key);
        self.clear_lapsed(db, hash, key, now_ms);
        let entry = self.dbs[db].peek_hashed(hash, key);
        if let Some(entry) = entry {
            self.access.touch(entry);
        }
        entry
    }

    /// The bytes of a raw string, to be overwritten where they are; see [`Db::raw_string_mut`]. A key past its expiry is
    /// deleted first.
    #[inline]
    pub fn raw_string_mut(&mut self, db: usize, key: &[u8], now_ms: i64) -> Option<&mut [u8]> {
        let hash = self.dbs[db].hash(key);
        self.clear_lapsed(db, hash, key, now_ms);
        self.dbs[db].raw_string_mut(hash, key, &self.access)
    }

    /// Changes the value of an existing key of type `T`; see [`Db::edit`].
    pub fn edit<T: DataType, R>(
        &mut self,
        db: usize,
        key: &[u8],
        now_ms: i64,
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<Option<Edited<R>>, WrongType> {
        let hash = self.dbs[db].hash(key);
        self.clear_lapsed(db, hash, key, now_ms);
        self.dbs[db].edit(hash, key, Some(&self.access), change)
    }

    /// As [`Keyspace::edit`], starting from what `fresh` makes, in the memory that it is given, when the key does not
    /// exist. A value left empty is not kept.
    pub fn edit_or_insert<T: DataType, R>(
        &mut self,
        db: usize,
        key: &[u8],
        now_ms: i64,
        fresh: impl FnOnce(&mut Room) -> T,
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<Edited<R>, WrongType> {
        let hash = self.dbs[db].hash(key);
        self.clear_lapsed(db, hash, key, now_ms);
        let keys = self.dbs[db].len();
        let edited = self.dbs[db].edit_or_insert(hash, key, &self.access, fresh, change);
        self.notify_if_new(db, key, keys);
        edited
    }

    /// Sets `key` to `value`, whatever it held before.
    pub fn insert(&mut self, db: usize, key: &[u8], value: Value, expiry: Option<i64>) {
        let clock = self.access.initial();
        let keys = self.dbs[db].len();
        if let Some(old) = self.dbs[db].insert(key, value, expiry, clock) {
            self.lazy_free.drop_value(old, self.lazy_free.policy.server_del);
        }
        self.notify_if_new(db, key, keys);
    }

    /// Sets `key` to the string `bytes`, in place where it fits.
    #[inline]
    pub fn set_string(&mut self, db: usize, key: &[u8], bytes: &[u8], expiry: Option<i64>) {
        if bytes.len() >= TAKEN_OVER_BYTES_MIN && self.claim_buffer(db, key, bytes, expiry) {
            return;
        }
        let clock = self.access.initial();
        let keys = self.dbs[db].len();
        if let Some(old) = self.dbs[db].set_string(key, bytes, expiry, clock, &self.access) {
            self.lazy_free.drop_value(old, self.lazy_free.policy.server_del);
        }
        self.notify_if_new(db, key, keys);
    }

    /// Sets `key` to the integer that `compute` makes of its string, with one probe and keeping its expiry. `compute`
    /// is given nothing when the key does not exist or its expiry has passed.
    #[inline]
    pub fn update_integer<E: From<WrongType>>(
        &mut self,
        db: usize,
        key: &[u8],
        now_ms: i64,
        compute: impl FnOnce(Option<StringView<'_>>) -> Result<i64, E>,
    ) -> Result<i64, E> {
        let hash = self.dbs[db].hash(key);
        self.clear_lapsed(db, hash, key, now_ms);
        let clock = self.access.initial();
        let keys = self.dbs[db].len();
        let result = self.dbs[db].update_integer(hash, key, clock, &self.access, compute);
        self.notify_if_new(db, key, keys);
        result
    }

    /// Publishes the `new` event when the database has more keys than it had.
    #[inline]
    fn notify_if_new(&self, db: usize, key: &[u8], keys_before: usize) {
        if self.dbs[db].len() != keys_before {
            self.events.notify(EventClass::NEW, "new", db, key);
        }
    }

    /// Looks at the expiry of `key`, and sets or takes it away where `change` makes something of it; see
    /// [`Db::change_expiry`]. A key past its expiry is deleted first.
    pub fn change_expiry(
        &mut self,
        db: usize,
        key: &[u8],
        now_ms: i64,
        change: impl FnOnce(Option<i64>) -> Option<Option<i64>>,
    ) -> bool {
        let hash = self.dbs[db].hash(key);
        self.clear_lapsed(db, hash, key, now_ms);
        self.dbs[db].change_expiry(hash, key, &self.access, change)
    }

    /// Removes `key`, freeing it here or on the lazy-free thread. Returns whether it existed.
    pub fn remove(&mut self, db: usize, key: &[u8], lazily: bool) -> bool {
        let Some(entry) = self.dbs[db].remove(key) else { return false };
        self.lazy_free.drop_entry(entry, lazily);
        true
    }

    /// Empties one database; each of its keys counts as a change.
    pub fn flush(&mut self, db: usize, lazily: bool, now_ms: i64) {
        self.journal.push(|| Record::Flushed { db: Some(db) });
        self.empty(db, lazily, now_ms);
    }

    /// As [`Keyspace::flush`], for all databases.
    pub fn flush_all(&mut self, lazily: bool, now_ms: i64) {
        self.journal.push(|| Record::Flushed { db: None });
        for db in 0..self.dbs.len() {
            self.empty(db, lazily, now_ms);
        }
    }

    fn empty(&mut self, db: usize, lazily: bool, now_ms: i64) {
        let keys = self.dbs[db].len() as u64;
        self.changes += keys;
        self.journal.account_for(keys);
        self.watched.touch_db(db, &self.dbs[db], None, now_ms);
        let old = self.dbs[db].take();
        self.waiting.note_db(db, &self.dbs[db]);
        self.lazy_free.drop_db(old, lazily);
    }

    /// Exchanges two databases; clients keep their index and see the other's keys. Counts as a change in any case.
    pub fn swap(&mut self, first: usize, second: usize, now_ms: i64) {
        self.changes += 1;
        self.journal.account_for(1);
        self.journal.push(|| Record::Swapped { first, second });
        if first == second {
            return;
        }
        self.watched.touch_db(first, &self.dbs[first], Some(&self.dbs[second]), now_ms);
        self.watched.touch_db(second, &self.dbs[second], Some(&self.dbs[first]), now_ms);
        self.dbs.swap(first, second);
        self.waiting.note_db(first, &self.dbs[first]);
        self.waiting.note_db(second, &self.dbs[second]);
    }

    /// Replaces the data of all databases by that of `loaded`, which has as many of them.
    pub fn replace_data(&mut self, loaded: Vec<Db>, now_ms: i64) {
        assert_eq!(loaded.len(), self.dbs.len());
        for (index, mut db) in loaded.into_iter().enumerate() {
            db.set_expiry_policy(self.expiry_policy);
            self.watched.touch_db(index, &self.dbs[index], Some(&db), now_ms);
            self.waiting.note_db(index, &db);
            let old = std::mem::replace(&mut self.dbs[index], db);
            self.lazy_free.drop_db(old, true);
        }
    }

    /// Reports to those who watch `key`, or wait for it, that it changed.
    #[inline]
    fn signal(&mut self, db: usize, key: &[u8]) {
        let dbs = &self.dbs;
        self.watched.touch(db, key, || dbs[db].peek(key).is_some());
        self.waiting.note(db, key);
    }

    /// What type of value `place` holds now, which is no use of it; a key past its expiry is deleted first.
    pub fn type_at(&mut self, place: Place<'_>, now_ms: i64) -> Option<Type> {
        self.expire_if_due(place.db, place.key, now_ms);
        self.dbs[place.db].peek(place.key).map(Entry::data_type)
    }

    /// A random key; those that are found past their expiry are deleted on the way, where keys are.
    pub fn random_key(&mut self, db: usize, now_ms: i64) -> Option<Box<[u8]>> {
        match self.expiry_policy {
            ExpiryPolicy::Delete => self.random_unexpired_key(db, now_ms),
            ExpiryPolicy::Hide | ExpiryPolicy::Ignore => self.random_key_untouched(db, now_ms),
        }
    }

    fn random_unexpired_key(&mut self, db: usize, now_ms: i64) -> Option<Box<[u8]>> {
        let mut rng = fastrand::Rng::new();
        loop {
            let key: Box<[u8]> = self.dbs[db].random(&mut rng)?.key().into();
            if !self.expire_if_due(db, &key, now_ms) {
                return Some(key);
            }
        }
    }

    /// Where nothing may be deleted: when many keys in a row are past their expiry, the last one is returned all the same.
    fn random_key_untouched(&self, db: usize, now_ms: i64) -> Option<Box<[u8]>> {
        const TRIES: usize = 100;
        let db = &self.dbs[db];
        let mut rng = fastrand::Rng::new();
        let mut entry = db.random(&mut rng)?;
        for _ in 1..TRIES {
            if db.is_live(entry, now_ms) {
                break;
            }
            entry = db.random(&mut rng)?;
        }
        Some(entry.key().into())
    }

    /// Tables do not grow or shrink while a snapshot child shares our pages.
    pub fn set_child_alive(&mut self, alive: bool) {
        match (self.child_alive, alive) {
            (false, true) => share_blocks(),
            (true, false) => unshare_blocks(),
            _ => {}
        }
        self.child_alive = alive;
        self.access.set_frozen(alive);
        self.apply_resize_policy();
    }

    /// Allows or forbids resizing altogether, for tests of what happens in between.
    pub fn set_resizing(&mut self, allowed: bool) {
        self.resizing = allowed;
        self.apply_resize_policy();
    }

    fn apply_resize_policy(&mut self) {
        let policy = if self.child_alive || !self.resizing { ResizePolicy::Avoid } else { ResizePolicy::Allow };
        set_thread_resize_policy(policy);
        for db in &mut self.dbs {
            db.set_resize_policy(policy);
        }
    }

    /// Lets tables grow or shrink that have put it off, for about so long. Returns whether one has not come to the end.
    pub fn resize_for(&mut self, budget: std::time::Duration) -> bool {
        let start = std::time::Instant::now();
        for db in &mut self.dbs {
            while db.resize_steps(100) {
                if start.elapsed() >= budget {
                    return true;
                }
            }
        }
        false
    }
}
