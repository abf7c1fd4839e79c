//! A value under another name: RENAME, MOVE and COPY.

use super::Keyspace;

/// A key in a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place<'a> {
    pub db: usize,
    pub key: &'a [u8],
}

impl Keyspace {
    /// Moves a value with its expiry and access clock, over whatever is there. Returns whether there was one.
    pub fn relocate(&mut self, from: Place<'_>, to: Place<'_>) -> bool {
        let Some(mut entry) = self.dbs[from.db].remove(from.key) else { return false };
        let (expiry, clock) = (entry.expiry(), entry.clock());
        let keys = self.dbs[to.db].len();
        let replaced = self.dbs[to.db].insert(to.key, entry.take_value(), expiry, clock);
        if let Some(old) = replaced {
            self.lazy_free.drop_value(old, self.lazy_free.policy.server_del);
        }
        self.notify_if_new(to.db, to.key, keys);
        true
    }

    /// Copies a value with its expiry, over whatever is there; the copy counts as just used. Returns whether there
    /// was one.
    pub fn duplicate(&mut self, from: Place<'_>, to: Place<'_>) -> bool {
        let Some(entry) = self.dbs[from.db].peek(from.key) else { return false };
        let (value, expiry) = (entry.clone_value(), entry.expiry());
        self.insert(to.db, to.key, value, expiry);
        true
    }
}
