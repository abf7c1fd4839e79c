//! Who watches which key (WATCH), and whose watched keys have changed since.

use hashbrown::{HashMap, HashSet};

use super::db::Db;

/// A connection's number, never given out twice (CLIENT ID).
pub type ClientId = u64;

/// The watched keys of all clients.
#[derive(Default, Debug)]
pub struct WatchTable {
    watchers: HashMap<(usize, Box<[u8]>), Vec<Watcher>>,
    changed: HashSet<ClientId>,
}

#[derive(Debug)]
struct Watcher {
    client: ClientId,
    /// The key was already past its expiry when the watch began: its deletion then is no change.
    was_expired: bool,
}

impl WatchTable {
    /// Starts watching. Returns whether the client did not watch the key before.
    pub fn watch(&mut self, client: ClientId, db: usize, key: &[u8], expired: bool) -> bool {
        let watchers = self.watchers.entry((db, key.into())).or_default();
        let new = watchers.iter().all(|watcher| watcher.client != client);
        if new {
            watchers.push(Watcher { client, was_expired: expired });
        }
        new
    }

    /// Stops watching `keys` for `client`, and drops what is known of their changes.
    pub fn unwatch<'a>(&mut self, client: ClientId, keys: impl Iterator<Item = (usize, &'a [u8])>) {
        for (db, key) in keys {
            let name = (db, Box::from(key));
            if let Some(watchers) = self.watchers.get_mut(&name) {
                watchers.retain(|watcher| watcher.client != client);
                if watchers.is_empty() {
                    self.watchers.remove(&name);
                }
            }
        }
        self.changed.remove(&client);
    }

    /// How many keys are watched.
    pub fn keys_len(&self) -> usize {
        self.watchers.len()
    }

    /// Whether a key that `client` watches has changed.
    pub fn has_changed(&self, client: ClientId) -> bool {
        self.changed.contains(&client)
    }

    /// Whether a watched key that was alive when its watch began has passed its expiry.
    pub fn has_expired(&self, client: ClientId, db: usize, key: &[u8], due: bool) -> bool {
        due && self
            .watchers
            .get(&(db, Box::from(key)))
            .is_some_and(|watchers| watchers.iter().any(|watcher| watcher.client == client && !watcher.was_expired))
    }

    /// Notes a change of `key`; whether it exists now is asked only where that matters.
    #[inline]
    pub fn touch(&mut self, db: usize, key: &[u8], exists: impl Fn() -> bool) {
        if !self.watchers.is_empty() {
            self.touch_watched(db, key, exists);
        }
    }

    fn touch_watched(&mut self, db: usize, key: &[u8], exists: impl Fn() -> bool) {
        for watcher in self.watchers.get_mut(&(db, Box::from(key))).into_iter().flatten() {
            if watcher.was_expired && !exists() {
                // For whoever watches it the key was gone already. If it comes back, that is a change.
                watcher.was_expired = false;
            } else {
                self.changed.insert(watcher.client);
            }
        }
    }

    /// Notes that `replacement`, or nothing, takes the place of all keys of `current`.
    pub fn touch_db(&mut self, db: usize, current: &Db, replacement: Option<&Db>, now_ms: i64) {
        for ((watched_db, key), watchers) in &mut self.watchers {
            let existed = current.peek(key).is_some();
            let exists = replacement.is_some_and(|db| db.peek(key).is_some());
            if *watched_db != db || !(existed || exists) {
                continue;
            }
            let expired = replacement.is_some_and(|db| db.is_due(key, now_ms));
            for watcher in watchers {
                let was_gone = watcher.was_expired || !existed;
                if was_gone && (expired || !exists) {
                    // Gone before and gone now, be it as an expired key or as none.
                    watcher.was_expired = expired;
                } else {
                    self.changed.insert(watcher.client);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::HashSeed;
    use crate::types::Value;
    use crate::types::string::StringValue;

    const NOW_MS: i64 = 1_000;

    fn db_with(expiry: Option<i64>) -> Db {
        let mut db = Db::new(HashSeed::random());
        db.insert(b"key", Value::String(StringValue::new(b"value")), expiry, 0);
        db
    }

    fn watching(expired: bool) -> WatchTable {
        let mut table = WatchTable::default();
        assert!(table.watch(7, 0, b"key", expired));
        table
    }

    #[test]
    fn deletion_of_a_key_that_was_expired_when_watched_is_no_change() {
        let mut table = watching(true);
        table.touch(0, b"key", || false);
        assert!(!table.has_changed(7));
        table.touch(0, b"key", || true);
        assert!(table.has_changed(7), "the key came back");
        let mut table = watching(false);
        table.touch(0, b"key", || false);
        assert!(table.has_changed(7));
    }

    #[test]
    fn replacement_of_a_database_changes_what_a_reader_would_see() {
        let (live, stale, empty) = (db_with(None), db_with(Some(1)), Db::new(HashSeed::random()));
        let changed = |expired: bool, current: &Db, replacement: Option<&Db>| {
            let mut table = watching(expired);
            table.touch_db(0, current, replacement, NOW_MS);
            table.has_changed(7)
        };
        assert!(changed(false, &live, None));
        assert!(changed(false, &empty, Some(&live)));
        assert!(changed(true, &stale, Some(&live)));
        assert!(!changed(true, &stale, None));
        assert!(!changed(true, &stale, Some(&stale)));
        assert!(!changed(false, &empty, Some(&stale)));
        assert!(!changed(false, &empty, None));
    }
}
