//! What a handler is given. The argument is the permission: whoever holds `&Keyspace` cannot change it.

use super::access::Users;
use super::effect::Effect;
use super::error::CommandError;
use super::session::Session;
use super::table::CommandTable;
use crate::config::Config;
use crate::keyspace::{Change, Entry, EventClass, ExpiryPolicy, Keyspace, Touch, WrongType};
use crate::observe::{CommandStats, LatencyMonitor, SlowLog};
use crate::resp::{ArgsBuf, Reply};
use crate::stdx::clock::Now;
use crate::stdx::number::format_i64;
use crate::stdx::size::ELEMENT_BYTES_MAX;
use crate::structures::memory_holds;
use crate::types::{DataType, Limits, Room, Value};

/// For commands that read the keyspace.
pub struct ReadCtx<'a> {
    pub keyspace: &'a Keyspace,
    pub session: &'a Session,
    pub config: &'a Config,
    /// Up to which size collections keep their compact encodings.
    pub limits: &'a Limits,
    pub table: &'a CommandTable,
    pub now: Now,
    /// Whether the command may wait for a key; within a transaction it may not.
    pub may_wait: bool,
    pub reply: &'a mut Reply,
    pub effects: &'a mut Vec<Effect>,
}

/// For commands that change the keyspace.
pub struct WriteCtx<'a> {
    pub keyspace: &'a mut Keyspace,
    pub session: &'a Session,
    pub config: &'a Config,
    /// Up to which size collections keep their compact encodings.
    pub limits: &'a Limits,
    pub table: &'a CommandTable,
    pub now: Now,
    /// Whether the command may wait for a key; within a transaction it may not.
    pub may_wait: bool,
    pub reply: &'a mut Reply,
    pub effects: &'a mut Vec<Effect>,
}

/// For commands that concern the connection that sent them.
pub struct ClientCtx<'a> {
    pub session: &'a mut Session,
    pub users: &'a Users,
    pub config: &'a Config,
    pub now: Now,
    pub reply: &'a mut Reply,
    pub effects: &'a mut Vec<Effect>,
}

/// What the server has noted about its own speed.
pub struct Observed<'a> {
    pub slow_log: &'a mut SlowLog,
    pub latency: &'a mut LatencyMonitor,
    pub command_stats: &'a CommandStats,
}

/// For commands that concern the server.
pub struct AdminCtx<'a> {
    pub keyspace: &'a mut Keyspace,
    pub session: &'a mut Session,
    pub users: &'a mut Users,
    pub observed: Observed<'a>,
    pub config: &'a Config,
    pub table: &'a CommandTable,
    pub now: Now,
    pub reply: &'a mut Reply,
    pub effects: &'a mut Vec<Effect>,
}

impl<'a> ReadCtx<'a> {
    /// Looks a key up in the client's database, as a use of it.
    #[inline]
    pub fn find(&self, key: &[u8]) -> Option<&'a Entry> {
        let touch = self.session.touch();
        self.keyspace.find(self.session.db, key, self.now.unix_ms, touch)
    }

    /// Looks a key up without using it: its access clock stays.
    #[inline]
    pub fn find_untouched(&self, key: &[u8]) -> Option<&'a Entry> {
        self.keyspace.find(self.session.db, key, self.now.unix_ms, Touch::No)
    }

    /// The value of type `T` at `key`, as a use of it; an error where the key holds another type.
    #[inline]
    pub fn view<T: DataType>(&self, key: &[u8]) -> Result<Option<T::View<'a>>, WrongType> {
        self.find(key).map(Entry::view::<T>).transpose()
    }
}

impl WriteCtx<'_> {
    pub fn db(&self) -> usize {
        self.session.db
    }

    pub fn now_ms(&self) -> i64 {
        self.now.unix_ms
    }

    /// The entry of `key`, to be looked at before it is changed; one past its expiry is deleted first.
    pub fn find(&mut self, key: &[u8]) -> Option<&Entry> {
        self.keyspace.find_for_write(self.session.db, key, self.now.unix_ms)
    }

    /// The value of type `T` at `key`, to be looked at before it is changed; an error where the key holds another type.
    pub fn view<T: DataType>(&mut self, key: &[u8]) -> Result<Option<T::View<'_>>, WrongType> {
        self.find(key).map(Entry::view::<T>).transpose()
    }

    /// The entry of `key`, as a read of it and not as what is about to change. One past its expiry is deleted first, so
    /// that its end is recorded before what comes of the command.
    pub fn read(&mut self, key: &[u8]) -> Option<&Entry> {
        let (db, now_ms) = (self.session.db, self.now.unix_ms);
        let touch = self.session.touch();
        self.keyspace.expire_if_due(db, key, now_ms);
        self.keyspace.find(db, key, now_ms, touch)
    }

    /// The value of type `T` at `key`, as [`WriteCtx::read`] finds it.
    pub fn read_view<T: DataType>(&mut self, key: &[u8]) -> Result<Option<T::View<'_>>, WrongType> {
        self.read(key).map(Entry::view::<T>).transpose()
    }

    /// As [`WriteCtx::read_view`], for one of the keys given to [`WriteCtx::expire_keys`].
    pub fn read_one<T: DataType>(&self, key: &[u8]) -> Result<Option<T::View<'_>>, WrongType> {
        let touch = self.session.touch();
        self.keyspace.find(self.session.db, key, self.now.unix_ms, touch).map(Entry::view::<T>).transpose()
    }

    /// Deletes those of `keys` whose expiry has passed, for commands that then read several at once.
    pub fn expire_keys<'k>(&mut self, keys: impl IntoIterator<Item = &'k [u8]>) {
        for key in keys {
            self.keyspace.expire_if_due(self.session.db, key, self.now.unix_ms);
        }
    }

    /// Whether a record is repeated: what depends on the time was decided where it was made.
    pub fn repeats_record(&self) -> bool {
        self.keyspace.expiry_policy() == ExpiryPolicy::Ignore
    }

    /// How long a string may become. Where a record is repeated, no longer what the settings say: that was checked where
    /// the record was made.
    pub fn string_bytes_max(&self) -> u64 {
        if self.repeats_record() { ELEMENT_BYTES_MAX as u64 } else { self.config.string_bytes_max() }
    }

    /// Whether what is to expire at this moment is to be deleted at once. Never where a record is repeated: the deletion
    /// has a record of its own.
    pub fn has_passed(&self, at_ms: i64) -> bool {
        at_ms <= self.now.unix_ms && !self.repeats_record()
    }

    /// The moment up to which fields are past their expiry for this command.
    pub fn fields_due_ms(&self) -> i64 {
        if self.repeats_record() { i64::MIN } else { self.now.unix_ms }
    }

    /// The bytes of a raw string, to be overwritten where they are; `None` where the key holds nothing of that kind. The
    /// caller reports the change with [`WriteCtx::commit`].
    #[inline]
    pub fn raw_string_mut(&mut self, key: &[u8]) -> Option<&mut [u8]> {
        self.keyspace.raw_string_mut(self.session.db, key, self.now.unix_ms)
    }

    /// Deletes fields of a hash whose expiry has passed, those that are `named` in any case.
    pub fn expire_fields<'f>(&mut self, key: &[u8], named: impl Iterator<Item = &'f [u8]>) {
        self.keyspace.expire_named_fields(self.session.db, key, named, self.now.unix_ms);
    }

    /// Changes the value of an existing key of type `T`. The caller reports the change with [`WriteCtx::commit`], and
    /// with [`WriteCtx::notify`] a `del` when nothing was left.
    pub fn edit<T: DataType, R>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<Option<crate::keyspace::Edited<R>>, WrongType> {
        self.keyspace.edit(self.session.db, key, self.now.unix_ms, change)
    }

    /// As [`WriteCtx::edit`], starting from what `fresh` makes, in the memory that it is given, when the key does not exist.
    pub fn edit_or_insert<T: DataType, R>(
        &mut self,
        key: &[u8],
        fresh: impl FnOnce(&mut Room) -> T,
        change: impl FnOnce(&mut T) -> R,
    ) -> Result<crate::keyspace::Edited<R>, WrongType> {
        self.keyspace.edit_or_insert(self.session.db, key, self.now.unix_ms, fresh, change)
    }

    /// Sets `key` to `value`, whatever it held, with this expiry and no other. Reports nothing.
    pub fn insert(&mut self, key: &[u8], value: Value, expiry: Option<i64>) {
        self.keyspace.insert(self.session.db, key, value, expiry);
    }

    /// Removes `key`, reporting nothing. Returns whether it existed.
    pub fn remove(&mut self, key: &[u8], lazily: bool) -> bool {
        self.keyspace.remove(self.session.db, key, lazily)
    }

    /// Puts a result in the place of whatever `destination` holds, and reports that as so many changes; nothing deletes it.
    pub fn store(
        &mut self,
        destination: &[u8],
        result: Option<Value>,
        class: EventClass,
        event: &'static str,
        times: usize,
    ) {
        if let Some(value) = result {
            self.insert(destination, value, None);
            self.commit(destination, Change::new(class, event).times(times));
        } else {
            self.remove_destination(destination);
        }
    }

    /// Deletes a key of which nothing is left to store, also one past its expiry. Returns whether it was there.
    pub fn remove_destination(&mut self, destination: &[u8]) -> bool {
        let was_there = self.remove(destination, self.keyspace.lazy_free.policy.server_del);
        if was_there {
            self.commit(destination, Change::new(EventClass::GENERIC, "del"));
        }
        was_there
    }

    /// Commits a change of `key` that was made; see [`Keyspace::commit`].
    #[inline(always)]
    pub fn commit(&mut self, key: &[u8], change: Change) {
        self.keyspace.commit(self.session.db, key, change);
    }

    /// Publishes a further event about `key`.
    #[inline]
    pub fn notify(&mut self, key: &[u8], class: EventClass, event: &'static str) {
        self.keyspace.notify(self.session.db, key, class, event);
    }

    /// Has a command recorded in the place of this one, which depends on the time, on chance or on the layout of a table;
    /// see [`crate::keyspace::Journal`].
    #[inline]
    pub fn record_instead(&mut self, write: impl FnOnce(&mut ArgsBuf)) {
        self.keyspace.journal.instead(self.session.db, write);
    }

    /// Has a further command recorded behind this one.
    pub fn record_also(&mut self, write: impl FnOnce(&mut ArgsBuf)) {
        self.keyspace.journal.also(self.session.db, write);
    }

    /// Has nothing recorded for this command beyond what [`WriteCtx::record_instead`] was given.
    pub fn record_nothing(&mut self) {
        self.keyspace.journal.nothing();
    }

    /// Has the expiry of `key` recorded as the moment at which it comes.
    pub fn record_expiry(&mut self, key: &[u8], at_ms: i64) {
        self.record_instead(|out| {
            out.extend([b"PEXPIREAT", key]);
            out.push(format_i64(at_ms));
        });
    }

    /// Deletes `key` in the place of what the command would have made of it, and has that recorded.
    pub fn delete_instead(&mut self, key: &[u8], lazily: bool) {
        self.remove(key, lazily);
        self.record_instead(|out| out.extend([b"DEL", key]));
        self.commit(key, Change::new(EventClass::GENERIC, "del"));
    }
}

impl AdminCtx<'_> {
    pub fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }
}

/// By how many elements the size of a value is estimated before it is copied.
pub const SIZE_SAMPLES: usize = 5;

/// Refuses what there is no memory for. Made of many small blocks, it takes somewhat more than it has bytes.
pub fn require_memory(bytes: usize) -> Result<(), CommandError> {
    if memory_holds(bytes.saturating_add(bytes / 4)) { Ok(()) } else { Err(CommandError::NoMemory) }
}
