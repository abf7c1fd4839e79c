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
    pub fn is_empty(&self) -> bool {
        self.watchers.is_empty()
    }

    /// Number of watched keys, over all clients (INFO's `watching_clients` counts clients instead).
    pub fn len(&self) -> usize {
        self.watchers.len()
    }

    /// Starts watching. Returns whether the client did not watch the key before.
    pub fn watch(&mut self, client: ClientId, db: usize, key: &[u8], expired: bool) -> bool {
        let watchers = self.watchers.entry((db, key.into())).or_default();
        let new = watchers.iter().all(|watcher| watcher.client != client);
        if new {
            watchers.push(Watcher { client, was_expired: expired });
        }
        new
    }

    /// Stops watching `keys` for `client`, and forgets what changed.
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

    #[inline]
    pub fn touch(&mut self, db: usize, key: &[u8]) {
        if !self.watchers.is_empty() {
            self.touch_watched(db, key);
        }
    }

    fn touch_watched(&mut self, db: usize, key: &[u8]) {
        if let Some(watchers) = self.watchers.get(&(db, Box::from(key))) {
            self.changed.extend(watchers.iter().map(|watcher| watcher.client));
        }
    }

    /// Notes the change of every watched key that `current` holds, or that `other` holds in its stead.
    pub fn touch_db(&mut self, db: usize, current: &Db, other: Option<&Db>) {
        for ((watched_db, key), watchers) in &self.watchers {
            let exists = |db: &Db| db.peek(key).is_some();
            if *watched_db == db && (exists(current) || other.is_some_and(exists)) {
                self.changed.extend(watchers.iter().map(|watcher| watcher.client));
            }
        }
    }
}
