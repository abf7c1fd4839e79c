//! Changes of the data, all of which pass here: they are counted, and clients that watch a key or wait for it are notified.

use super::events::{EventClass, KeyEvent};
use super::watch::ClientId;
use super::{Entry, Keyspace, Place, Record};
use crate::resp::{Args, ArgsBuf};

/// A change of one key.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    times: u64,
    event: Option<(EventClass, &'static str)>,
    signals: bool,
}

impl Change {
    /// A change about which `event` is published.
    #[inline]
    pub const fn new(class: EventClass, event: &'static str) -> Self {
        Self { times: 1, event: Some((class, event)), signals: true }
    }

    /// A change about which no event is published.
    pub const SILENT: Self = Self { times: 1, event: None, signals: true };

    /// The same change, counted as so many.
    #[inline]
    pub const fn times(self, times: usize) -> Self {
        Self { times: times as u64, ..self }
    }

    /// The same change, which does not notify clients that watch the key or wait for it.
    #[inline]
    pub const fn unwatched(self) -> Self {
        Self { signals: false, ..self }
    }
}

impl Keyspace {
    /// How many changes there were since the start. The count never falls.
    #[inline]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Counts a change of one key that was made, and reports it to those who watch the key, wait for it, or listen.
    #[inline(always)]
    pub fn commit(&mut self, db: usize, key: &[u8], change: Change) {
        self.changes += change.times;
        if change.signals {
            self.signal(db, key);
        }
        if let Some((class, event)) = change.event {
            self.events.notify(class, event, db, key);
        }
    }

    /// Records a command that was run in database `db`, if it has changed anything; see [`super::Journal`].
    #[cold]
    pub fn record_command(&mut self, db: usize, args: Args<'_>) {
        self.journal.end_command(db, args, self.changes);
    }

    /// Counts and records a command that has changed what is saved beside the keys.
    pub fn commit_command(&mut self, db: usize, args: Args<'_>) {
        self.changes += 1;
        self.journal.command(db, |out| out.extend(args));
        self.journal.account_for(1);
    }

    /// Records all data, after it was replaced; `write` writes the command that makes an entry.
    pub fn record_data(&mut self, write: impl Fn(&mut ArgsBuf, &Entry)) {
        if !self.journal.is_wanted() {
            return;
        }
        self.journal.push(|| Record::Flushed { db: None });
        for (index, db) in self.dbs.iter().enumerate() {
            db.iter().for_each(|entry| self.journal.command(index, |out| write(out, entry)));
        }
    }

    /// Starts or stops recording what happens to the data.
    pub fn set_journal_wanted(&mut self, wanted: bool) {
        self.journal.set_wanted(wanted, self.changes);
    }

    /// Publishes an event about a key that is no change of its own.
    #[inline]
    pub fn notify(&self, db: usize, key: &[u8], class: EventClass, event: &'static str) {
        self.events.notify(class, event, db, key);
    }

    /// Removes a key that the server itself has given away, and records that.
    pub fn remove_given_away(&mut self, place: Place<'_>, lazily: bool) {
        let Place { db, key } = place;
        if self.remove(db, key, lazily) {
            self.record_removed(db, key);
            self.commit(db, key, Change::new(EventClass::GENERIC, "del"));
            self.journal.account_for(1);
        }
    }

    /// Chooses the events that are published.
    pub fn set_event_classes(&mut self, wanted: EventClass) {
        self.events.set_wanted(wanted);
    }

    pub fn event_classes(&self) -> EventClass {
        self.events.wanted()
    }

    #[inline]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// The events since the last call, in order.
    pub fn take_events(&mut self) -> Vec<KeyEvent> {
        self.events.drain()
    }

    /// Watches a key for a client (WATCH). Returns whether the client did not watch it before.
    pub fn watch(&mut self, client: ClientId, place: Place<'_>, now_ms: i64) -> bool {
        let expired = self.dbs[place.db].is_due(place.key, now_ms);
        self.watched.watch(client, place.db, place.key, expired)
    }

    /// Stops watching `keys` for a client, and drops what is known of their changes.
    pub fn unwatch<'a>(&mut self, client: ClientId, keys: impl Iterator<Item = (usize, &'a [u8])>) {
        self.watched.unwatch(client, keys);
    }

    /// Whether one of the keys that a client watches has changed, or has expired since.
    pub fn watched_changed<'a>(
        &self,
        client: ClientId,
        mut keys: impl Iterator<Item = (usize, &'a [u8])>,
        now_ms: i64,
    ) -> bool {
        self.watched.has_changed(client)
            || keys.any(|(db, key)| self.watched.has_expired(client, db, key, self.dbs[db].is_due(key, now_ms)))
    }

    /// Whether a key that a client watches has changed; one that has only expired does not count.
    pub fn has_watched_change(&self, client: ClientId) -> bool {
        self.watched.has_changed(client)
    }

    /// How many keys are watched by anyone.
    pub fn watched_len(&self) -> usize {
        self.watched.keys_len()
    }
}
