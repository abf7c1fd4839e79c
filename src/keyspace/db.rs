//! One database: the table of entries, in which those with an expiry are marked.

use std::ptr::NonNull;

use super::WrongType;
use super::access::AccessClock;
use super::entry::Entry;
use super::expire::{ExpireState, ExpiryPolicy};
use super::field_expiry::{FieldExpiries, next_field_expiry};
use super::known_hash::KnownHash;
use super::lapsed::Lapsed;
use super::ready::{Home, ReadyEntry};
use crate::stdx::HashSeed;
use crate::structures::{
    Cursor, Dict, Evacuate, OccupiedSlot, Owner, Ownership, Part, ResizePolicy, START, Slot, TableStats,
};
use crate::types::string::{EMBSTR_BYTES_MAX, INLINE_BYTES_MAX, IntBytes, StringValue, StringView, canonical_integer};
use crate::types::{DataType, Encoding, Room, Type, Value, ValueRef};

/// One database.
///
/// Invariant: exactly those entries are marked that carry an expiry.
pub struct Db {
    /// Dropped before what says whose their blocks are.
    keys: Dict<Entry>,
    ownership: Ownership,
    lapsed: Lapsed,
    field_expiries: FieldExpiries,
    /// Memory in which a value that lives inside its key's block is changed.
    room: Room,
    pub(super) known: KnownHash,
    pub(super) expire_state: ExpireState,
    expiry_policy: ExpiryPolicy,
}

/// What became of a value that was changed.
#[derive(Debug)]
pub struct Edited<R> {
    pub result: R,
    /// Nothing was left of the value, so its key is gone.
    pub emptied: bool,
}

impl Db {
    pub fn new(seed: HashSeed) -> Self {
        Self {
            keys: Dict::new(seed),
            ownership: Ownership::default(),
            lapsed: Lapsed::default(),
            field_expiries: FieldExpiries::default(),
            room: Room::default(),
            known: KnownHash::default(),
            expire_state: ExpireState::default(),
            expiry_policy: ExpiryPolicy::default(),
        }
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Keys with an expiry.
    pub fn expires_len(&self) -> usize {
        self.keys.marked_len()
    }

    /// How many hashes have fields that expire.
    pub fn expiring_hashes_len(&self) -> usize {
        self.field_expiries.len()
    }

    /// The average time to live of the keys with an expiry, in milliseconds, as last sampled.
    pub fn average_ttl_ms(&self) -> i64 {
        self.expire_state.average_ttl_ms
    }

    pub fn keys(&self) -> &Dict<Entry> {
        &self.keys
    }

    /// The entries with an expiry.
    pub(super) fn expiring(&self) -> impl Iterator<Item = &Entry> {
        self.keys.iter_marked()
    }

    /// Passes entries with an expiry to `visit`; see [`Dict::visit_marked`].
    pub(super) fn visit_expiring(&mut self, start: usize, enough: usize, visit: impl FnMut(&Entry)) -> usize {
        self.keys.visit_marked(start, enough, visit)
    }

    /// The hashes with fields that expire.
    pub(super) fn field_expiries(&self) -> &FieldExpiries {
        &self.field_expiries
    }

    pub(super) fn field_expiries_mut(&mut self) -> &mut FieldExpiries {
        &mut self.field_expiries
    }

    /// Notes a hash that a read found to have fields past their expiry.
    pub fn note_lapsed_fields(&self, key: &[u8]) {
        if self.expiry_policy == ExpiryPolicy::Delete {
            self.field_expiries.note_lapsed(key);
        }
    }

    /// The entry of `key`, even one past its expiry.
    #[inline]
    pub fn peek(&self, key: &[u8]) -> Option<&Entry> {
        self.find(key)
    }

    /// As [`Db::peek`], for a key whose hash is at hand.
    #[inline]
    pub fn peek_hashed(&self, hash: u64, key: &[u8]) -> Option<&Entry> {
        self.keys.find_hashed(hash, key)
    }

    /// The entry of `key` unless its expiry has passed, which is noted for deletion.
    #[inline]
    pub fn live(&self, key: &[u8], now_ms: i64) -> Option<&Entry> {
        self.find(key).filter(|entry| self.is_live(entry, now_ms))
    }

    #[inline]
    fn find(&self, key: &[u8]) -> Option<&Entry> {
        if self.keys.is_empty() { None } else { self.keys.find_hashed(self.hash(key), key) }
    }

    /// Whether the expiry of an entry of this database has not passed; one that has is noted for deletion.
    #[inline]
    pub fn is_live(&self, entry: &Entry, now_ms: i64) -> bool {
        entry.expiry().is_none_or(|at_ms| at_ms > now_ms) || self.lives_on(entry.key())
    }

    /// Whether a key past its expiry counts as there all the same; if not, it is noted for deletion.
    #[cold]
    fn lives_on(&self, key: &[u8]) -> bool {
        if self.expiry_policy == ExpiryPolicy::Delete {
            self.lapsed.note(key);
        }
        self.expiry_policy == ExpiryPolicy::Ignore
    }

    pub(super) fn set_expiry_policy(&mut self, policy: ExpiryPolicy) {
        self.expiry_policy = policy;
    }

    /// The hash of a key, which the methods that end in `_hashed` expect.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        match self.known.of(key) {
            Some(hash) => {
                debug_assert_eq!(hash, self.keys.hash(key));
                hash
            }
            None => self.keys.hash(key),
        }
    }

    /// Whether `key` exists and its expiry has passed.
    pub fn is_due(&self, key: &[u8], now_ms: i64) -> bool {
        self.expires_len() > 0 && self.is_due_hashed(self.hash(key), key, now_ms)
    }

    /// As [`Db::is_due`], for a key whose hash is at hand.
    #[inline]
    pub fn is_due_hashed(&self, hash: u64, key: &[u8], now_ms: i64) -> bool {
        self.expires_len() > 0
            && self.keys.find_hashed(hash, key).and_then(Entry::expiry).is_some_and(|at_ms| at_ms <= now_ms)
    }

    /// Whether reads have noted keys, or hashes with fields, past their expiry.
    #[inline]
    pub(super) fn has_lapsed(&self) -> bool {
        !self.lapsed.is_empty() || self.field_expiries.has_lapsed()
    }

    pub(super) fn take_lapsed(&mut self) -> Vec<Box<[u8]>> {
        self.lapsed.take()
    }

    /// Starts fetching the bucket of `key`, for callers that know several keys ahead.
    #[inline]
    pub fn prefetch(&self, key: &[u8]) {
        self.keys.prefetch(self.hash(key));
    }

    /// Walks a part of the keys; see [`Dict::scan`].
    pub fn scan(&self, cursor: u64, visit: impl FnMut(&Entry)) -> u64 {
        self.keys.scan(cursor, visit)
    }

    /// The owner of the entries' blocks; `None` where it is shared with other databases, or there has been no entry yet.
    pub(super) fn owner(&self) -> Option<Owner> {
        self.ownership.distinct()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.keys.iter()
    }

    /// A random key, even one past its expiry.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<&Entry> {
        self.keys.random(rng)
    }

    /// Sets `key`; gives back the value that it held, if that is costly to free.
    pub fn insert(&mut self, key: &[u8], value: Value, expiry: Option<i64>, clock: u32) -> Option<Value> {
        self.field_expiries.note(key, next_field_expiry(value.view()));
        let hash = self.hash(key);
        match self.keys.entry_hashed(hash, key) {
            Slot::Occupied(mut slot) => {
                let entry = slot.get_mut();
                entry.leave_shared();
                let old = entry.boxed_mut().is_some().then(|| entry.take_value());
                entry.set_expiry(expiry);
                entry.set_value(value);
                entry.set_clock(clock);
                slot.set_mark(expiry.is_some());
                old
            }
            Slot::Vacant(slot) => {
                let mut entry = Entry::new(self.ownership.owner(), key, value, clock);
                entry.set_expiry(expiry);
                slot.insert_marked(entry, expiry.is_some());
                None
            }
        }
    }

    /// Sets `key` to the string `bytes` with one probe, overwriting in place where it fits. Gives back the value that
    /// it held, if that is costly to free.
    #[inline]
    pub fn set_string(
        &mut self,
        key: &[u8],
        bytes: &[u8],
        expiry: Option<i64>,
        clock: u32,
        access: &AccessClock,
    ) -> Option<Value> {
        if bytes.len() > INLINE_BYTES_MAX {
            return self.insert(key, StringValue::new(bytes).into(), expiry, clock);
        }
        let integer;
        let (encoding, bytes) = match canonical_integer(bytes) {
            Some(number) => {
                integer = IntBytes::new(number);
                (Encoding::Int, integer.bytes())
            }
            None if bytes.len() <= EMBSTR_BYTES_MAX => (Encoding::Embstr, bytes),
            None => (Encoding::Raw, bytes),
        };
        self.field_expiries.note(key, None);
        let hash = self.hash(key);
        match self.keys.entry_hashed(hash, key) {
            Slot::Occupied(mut slot) => {
                let entry = slot.get_mut();
                let was_marked = entry.expiry().is_some();
                let old = if entry.is_boxed() {
                    entry.leave_shared();
                    Some(entry.take_value())
                } else {
                    None
                };
                entry.set_inline(Type::String, encoding, bytes, expiry);
                access.touch(entry);
                if was_marked != expiry.is_some() {
                    slot.set_mark(expiry.is_some());
                }
                old
            }
            Slot::Vacant(slot) => {
                let owner = self.ownership.owner();
                let entry = Entry::with_inline(owner, key, Type::String, encoding, bytes, expiry, clock);
                slot.insert_marked(entry, expiry.is_some());
                None
            }
        }
    }

    /// Sets `key` to the integer that `compute` makes of its string, keeping its expiry.
    #[inline]
    pub fn update_integer<E: From<WrongType>>(
        &mut self,
        hash: u64,
        key: &[u8],
        clock: u32,
        access: &AccessClock,
        compute: impl FnOnce(Option<StringView<'_>>) -> Result<i64, E>,
    ) -> Result<i64, E> {
        match self.keys.entry_hashed(hash, key) {
            Slot::Occupied(mut slot) => {
                let entry = slot.get_mut();
                let number = match entry.value() {
                    ValueRef::String(view) => compute(Some(view))?,
                    _ => return Err(WrongType.into()),
                };
                let expiry = entry.expiry();
                entry.set_inline(Type::String, Encoding::Int, IntBytes::new(number).bytes(), expiry);
                access.touch(entry);
                Ok(number)
            }
            Slot::Vacant(slot) => {
                let number = compute(None)?;
                let bytes = IntBytes::new(number);
                let owner = self.ownership.owner();
                slot.insert(Entry::with_inline(owner, key, Type::String, Encoding::Int, bytes.bytes(), None, clock));
                Ok(number)
            }
        }
    }

    /// Changes the value of an existing key of type `T`, as a use of it where `access` is given. A value left empty is
    /// removed with its key.
    pub fn edit<T: DataType, R>(
        &mut self,
        hash: u64,
        key: &[u8],
        access: Option<&AccessClock>,
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<Option<Edited<R>>, WrongType> {
        let Some(entry) = self.keys.find_mut_hashed(hash, key) else { return Ok(None) };
        if entry.data_type() != T::TYPE {
            return Err(WrongType);
        }
        if entry.is_boxed() {
            entry.leave_shared();
        }
        let edited = edit_value(entry, &mut self.room, change);
        if let Some(access) = access {
            access.touch(entry);
        }
        if T::TYPE == Type::Hash {
            let next = if edited.emptied { None } else { next_field_expiry(entry.value()) };
            self.field_expiries.note(key, next);
        }
        if edited.emptied {
            self.keys.remove_hashed(hash, key);
        }
        Ok(Some(edited))
    }

    /// As [`Db::edit`], starting from what `fresh` makes, in the memory that it is given, when the key does not exist. A
    /// value left empty is not kept.
    pub fn edit_or_insert<T: DataType, R>(
        &mut self,
        hash: u64,
        key: &[u8],
        access: &AccessClock,
        fresh: impl FnOnce(&mut Room) -> T,
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<Edited<R>, WrongType> {
        // Both ways to change a value are written down, and one is gone.
        let mut change = Some(change);
        let mut change = |value: &mut T| (change.take().expect("a value is changed once"))(value);
        if let Some(edited) = self.edit(hash, key, Some(access), &mut change)? {
            return Ok(edited);
        }
        let mut value = fresh(&mut self.room);
        let result = change(&mut value);
        let emptied = value.is_empty();
        if !emptied {
            let owner = self.ownership.owner();
            let entry = match value.inline() {
                Some((encoding, bytes)) => {
                    let entry = Entry::with_inline(owner, key, T::TYPE, encoding, bytes, None, access.initial());
                    value.give_back(&mut self.room);
                    entry
                }
                None => Entry::new(owner, key, value.into(), access.initial()),
            };
            let entry = self.keys.insert_new_hashed(hash, entry);
            self.field_expiries.note(key, next_field_expiry(entry.value()));
        }
        Ok(Edited { result, emptied })
    }

    /// The bytes of a raw string, as a use of it, to be overwritten where they are: nothing beside those that are written
    /// is touched. `None` where the key holds nothing of that kind.
    pub fn raw_string_mut(&mut self, hash: u64, key: &[u8], access: &AccessClock) -> Option<&mut [u8]> {
        let entry = self.keys.find_mut_hashed(hash, key)?;
        let ValueRef::String(StringView::Raw(_)) = entry.value() else { return None };
        if !entry.is_boxed() {
            entry.leave_shared();
            access.touch(entry);
            return entry.inline_bytes_mut();
        }
        access.touch(entry);
        match entry.boxed_mut() {
            Some(Value::String(StringValue::Raw(bytes))) => Some(bytes),
            _ => None,
        }
    }

    pub fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        self.field_expiries.note(key, None);
        let hash = self.hash(key);
        self.keys.remove_hashed(hash, key)
    }

    /// Sets or takes away the expiry of `key`. Returns whether the key exists.
    pub fn set_expiry(&mut self, key: &[u8], expiry: Option<i64>) -> bool {
        let hash = self.hash(key);
        let Some(slot) = self.keys.occupied_hashed(hash, key) else { return false };
        set_entry_expiry(slot, expiry);
        true
    }

    /// Finds `key` to look at its expiry and to set or take it away, where `change` makes something of it. Returns whether it
    /// has.
    pub fn change_expiry(
        &mut self,
        hash: u64,
        key: &[u8],
        access: &AccessClock,
        change: impl FnOnce(Option<i64>) -> Option<Option<i64>>,
    ) -> bool {
        let Some(slot) = self.keys.occupied_hashed(hash, key) else { return false };
        let entry = slot.get();
        access.touch(entry);
        let Some(expiry) = change(entry.expiry()) else { return false };
        set_entry_expiry(slot, expiry);
        true
    }

    /// Sizes the table ahead for a load.
    pub fn reserve(&mut self, keys: usize) {
        self.keys.reserve(keys);
    }

    /// Gets memory for the next part of the table that was sized ahead, so that insertions need not wait for it. Returns
    /// whether there is more to get.
    pub fn touch_reserved(&mut self) -> bool {
        self.keys.touch_reserved()
    }

    /// The database's contents, leaving it empty.
    pub fn take(&mut self) -> Db {
        Db {
            keys: self.keys.take(),
            ownership: std::mem::take(&mut self.ownership),
            lapsed: Lapsed::default(),
            field_expiries: std::mem::take(&mut self.field_expiries),
            room: Room::default(),
            known: KnownHash::default(),
            expire_state: std::mem::take(&mut self.expire_state),
            expiry_policy: self.expiry_policy,
        }
    }

    pub fn set_resize_policy(&mut self, policy: ResizePolicy) {
        self.keys.set_resize_policy(policy);
    }

    /// Splits or merges up to so many buckets. Returns whether there is more to do.
    pub fn resize_steps(&mut self, buckets: usize) -> bool {
        self.keys.resize_steps(buckets)
    }

    /// Moves the entry in this block to another one. Returns whether it is one of this database.
    ///
    /// # Safety
    ///
    /// An entry is in the block, which no other thread has.
    #[expect(unsafe_code, reason = "looks at an entry by its block")]
    pub(super) unsafe fn move_block(&mut self, block: NonNull<u8>) -> bool {
        // SAFETY: as the caller promises; the entry that is looked at is left in its old block until the end.
        let found = unsafe { Entry::in_block(block) };
        let hash = self.keys.hash(found.key());
        match self.keys.find_mut_hashed(hash, found.key()) {
            Some(entry) if entry.is_at(block) => {
                entry.leave();
                true
            }
            _ => false,
        }
    }

    /// Moves what the collection of a key has in sparse pages, from `cursor` on: see [`Evacuate`]. Nothing if there is none.
    pub(super) fn evacuate(&mut self, key: &[u8], cursor: Cursor, part: &mut Part) -> Cursor {
        let value = self.keys.find_mut(key).and_then(Entry::boxed_mut);
        value.map_or(START, |value| value.evacuate(cursor, part))
    }

    /// Gives up memory that is kept for values to come.
    pub(super) fn empty_room(&mut self) {
        self.room = Room::default();
    }

    pub fn table_bytes(&self) -> usize {
        self.keys.table_bytes() + self.keys.marks_bytes()
    }

    /// Bytes of what finds keys with an expiry.
    pub fn expires_table_bytes(&self) -> usize {
        self.keys.marks_bytes()
    }

    /// How the table of keys is filled; see [`Dict::stats`].
    pub fn keys_stats(&self) -> TableStats {
        self.keys.stats()
    }

    /// As [`Db::keys_stats`], of the keys with an expiry alone.
    pub fn expires_stats(&self) -> TableStats {
        self.keys.marked_stats()
    }
}

/// What a load needs: entries that are built already are put into their buckets, which were asked for before.
impl Db {
    /// The secret of this database's hashes.
    pub fn seed(&self) -> HashSeed {
        self.keys.seed()
    }

    /// What [`ReadyEntry`] needs to know of this database.
    pub fn home(&mut self) -> Home {
        Home { seed: self.keys.seed(), owner: self.ownership.owner() }
    }

    /// Starts fetching what [`Db::insert_ready`] will touch.
    #[inline]
    pub fn prefetch_ready(&self, ready: &ReadyEntry) {
        self.keys.prefetch(ready.hash());
    }

    /// Gives the entry back, and changes nothing, if its key is there already.
    #[inline]
    pub fn insert_ready(&mut self, ready: ReadyEntry) -> Result<(), Entry> {
        let (hash, expires) = (ready.hash(), ready.expires());
        let entry = ready.into_entry();
        let has_expiry = expires && entry.expiry().is_some();
        let entry = self.keys.insert_if_absent_hashed(hash, entry, has_expiry)?;
        if expires {
            self.field_expiries.note(entry.key(), next_field_expiry(entry.value()));
        }
        Ok(())
    }
}

/// Sets or takes away the expiry of an entry, and marks it accordingly.
#[inline]
fn set_entry_expiry(mut slot: OccupiedSlot<'_, Entry>, expiry: Option<i64>) {
    let entry = slot.get_mut();
    if let (Some(at_ms), Some(_)) = (expiry, entry.expiry()) {
        // The mark stays as it is.
        entry.leave_shared();
        entry.move_expiry(at_ms);
        return;
    }
    entry.set_expiry(expiry);
    slot.set_mark(expiry.is_some());
}

/// Changes the value of an entry that is known to be of type `T`. What is left empty is still there and to be removed.
fn edit_value<T: DataType, R>(entry: &mut Entry, room: &mut Room, change: impl FnOnce(&mut T) -> R) -> Edited<R> {
    let expiry = entry.expiry();
    if let Some((_, encoding, bytes)) = entry.inline() {
        let mut value = T::from_inline(encoding, bytes, room);
        let result = change(&mut value);
        let emptied = value.is_empty();
        match value.inline() {
            _ if emptied => {}
            // An entry that a snapshot child sees is not moved for nothing.
            Some((encoding, bytes)) if entry.inline() == Some((T::TYPE, encoding, bytes)) => {}
            Some((encoding, bytes)) => entry.set_inline(T::TYPE, encoding, bytes, expiry),
            None => {
                entry.set_value(value.into());
                return Edited { result, emptied };
            }
        }
        value.give_back(room);
        return Edited { result, emptied };
    }
    let boxed = entry.boxed_mut().expect("a value is inside the block or behind it");
    let value = T::from_value_mut(boxed).expect("the caller has looked at the type");
    let result = change(value);
    let emptied = value.is_empty();
    if !emptied && value.inline().is_some() {
        let value = entry.take_value();
        entry.set_value(value);
    }
    Edited { result, emptied }
}
