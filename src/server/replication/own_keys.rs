//! Keys that clients of a writable replica let expire. The primary does not know of them and will never say that they go,
//! so that they go here by themselves.

use crate::keyspace::{Entry, ExpiryPolicy, Record};
use crate::server::executor::Executor;

impl Executor {
    /// Begins to look at what clients change, or ends it, where that has become another matter.
    pub(in crate::server) fn watch_own_writes(&mut self) {
        let is_wanted = !self.config.replica_read_only;
        if self.replication.is_replica() && is_wanted != self.keyspace.journal.is_wanted() {
            self.keyspace.set_journal_wanted(is_wanted);
        }
    }

    /// Notes keys that clients have let expire since the last call.
    pub(super) fn note_own_keys(&mut self) {
        let Self { keyspace, table, replication, .. } = self;
        for record in keyspace.journal.take_groups().into_iter().flat_map(|group| group.records) {
            let Record::Command { db, args } = record else { continue };
            for key in table.keys_named(args.as_args()) {
                if let Some(at_ms) = keyspace.db(db).peek(key).and_then(Entry::expiry) {
                    replication.own_keys.insert((at_ms, db, key.into()));
                }
            }
        }
    }

    /// Deletes those whose time has come.
    pub(in crate::server) fn expire_own_keys(&mut self) {
        if self.replication.own_keys.is_empty() || !self.keyspace.expires_actively() || self.is_paused() {
            return;
        }
        let now_ms = self.clock.latest().unix_ms;
        self.keyspace.set_expiry_policy(ExpiryPolicy::Delete);
        while self.replication.own_keys.first().is_some_and(|(at_ms, ..)| *at_ms <= now_ms) {
            let Some((_, db, key)) = self.replication.own_keys.pop_first() else { break };
            match self.keyspace.db(db).peek(&key).and_then(Entry::expiry) {
                Some(later_ms) if later_ms > now_ms => drop(self.replication.own_keys.insert((later_ms, db, key))),
                Some(_) => drop(self.keyspace.expire_if_due(db, &key, now_ms)),
                None => {}
            }
        }
        self.follow_pause();
        self.after_command();
    }
}
