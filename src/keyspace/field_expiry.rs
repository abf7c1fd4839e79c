//! Which hashes have fields that expire, and when the first of them does.

use std::collections::BTreeSet;
use std::time::Instant;

use hashbrown::HashMap;

use super::events::EventClass;
use super::lapsed::Lapsed;
use super::{Change, ExpireCycle, ExpiryPolicy, Keyspace, Record};
use crate::types::ValueRef;
use crate::types::hash::HashValue;

/// Fields deleted from one hash before the others and the clock are looked at again.
const FIELDS_A_ROUND: usize = 100;

/// Rounds for which one command deletes fields that it does not name; the others are left to the cycle, so that a command
/// takes no longer because many fields of its hash expire at once.
const ROUNDS_A_COMMAND: usize = 10;

/// One database's hashes with fields that expire, by key and by time.
#[derive(Default)]
pub struct FieldExpiries {
    by_key: HashMap<Box<[u8]>, i64>,
    by_time: BTreeSet<(i64, Box<[u8]>)>,
    lapsed: Lapsed,
}

/// The moment at which the first field of a value expires.
pub fn next_field_expiry(value: ValueRef<'_>) -> Option<i64> {
    match value {
        ValueRef::Hash(hash) => hash.next_expiry(),
        _ => None,
    }
}

impl FieldExpiries {
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Takes over what `key` has become: the moment at which its first field expires, if it has such fields at all.
    #[inline]
    pub fn note(&mut self, key: &[u8], next: Option<i64>) {
        if next.is_some() || !self.by_key.is_empty() {
            self.replace(key, next);
        }
    }

    fn replace(&mut self, key: &[u8], next: Option<i64>) {
        let old = match next {
            Some(at_ms) => self.by_key.insert(key.into(), at_ms),
            None => self.by_key.remove(key),
        };
        if old == next {
            return;
        }
        if let Some(at_ms) = old {
            self.by_time.remove(&(at_ms, key.into()));
        }
        if let Some(at_ms) = next {
            self.by_time.insert((at_ms, key.into()));
        }
    }

    fn is_due(&self, key: &[u8], now_ms: i64) -> bool {
        !self.by_key.is_empty() && self.by_key.get(key).is_some_and(|at_ms| *at_ms <= now_ms)
    }

    fn first_due(&self, now_ms: i64) -> Option<Box<[u8]>> {
        self.by_time.first().filter(|(at_ms, _)| *at_ms <= now_ms).map(|(_, key)| key.clone())
    }

    /// Notes a hash that a read found to have fields past their expiry.
    pub fn note_lapsed(&self, key: &[u8]) {
        self.lapsed.note(key);
    }

    #[inline]
    pub fn has_lapsed(&self) -> bool {
        !self.lapsed.is_empty()
    }

    pub fn take_lapsed(&mut self) -> Vec<Box<[u8]>> {
        self.lapsed.take()
    }
}

impl Keyspace {
    /// Deletes fields of `key` whose expiry has passed, as many as one command may, and the key with the last field.
    pub fn expire_fields(&mut self, db: usize, key: &[u8], now_ms: i64) {
        for _ in 0..ROUNDS_A_COMMAND {
            if self.expiry_policy != ExpiryPolicy::Delete || !self.dbs[db].field_expiries().is_due(key, now_ms) {
                break;
            }
            self.expire_fields_once(db, key, now_ms);
        }
    }

    /// Deletes those of the fields `named` whose expiry has passed, and as many others as one command may.
    pub fn expire_named_fields<'f>(
        &mut self,
        db: usize,
        key: &[u8],
        named: impl Iterator<Item = &'f [u8]>,
        now_ms: i64,
    ) {
        self.expire_fields(db, key, now_ms);
        if self.expiry_policy != ExpiryPolicy::Ignore && self.dbs[db].field_expiries().is_due(key, now_ms) {
            self.remove_fields(db, key, |hash, removed| {
                named.filter(|field| hash.remove_if_due(field, now_ms)).map(removed).count()
            });
        }
    }

    fn expire_fields_once(&mut self, db: usize, key: &[u8], now_ms: i64) {
        let removed = self.remove_fields(db, key, |hash, removed| hash.remove_due(now_ms, FIELDS_A_ROUND, removed));
        if removed == 0 {
            debug_assert!(false, "the index names hashes with fields that expire, and no others");
            self.dbs[db].field_expiries_mut().note(key, None);
        }
    }

    /// Runs `remove` on a hash, which names each field that has expired, and reports how many there were.
    fn remove_fields(
        &mut self,
        db: usize,
        key: &[u8],
        remove: impl FnOnce(&mut HashValue, &mut dyn FnMut(&[u8])) -> usize,
    ) -> usize {
        let hash = self.dbs[db].hash(key);
        let wanted = self.journal.is_wanted();
        let mut fields = Vec::new();
        let mut note = |field: &[u8]| {
            if wanted {
                fields.push(field.into());
            }
        };
        let edited = self.dbs[db].edit(hash, key, None, |hash| remove(hash, &mut note));
        let Some(edited) = edited.ok().flatten().filter(|edited| edited.result > 0) else { return 0 };
        self.stats.expired_fields += edited.result as u64;
        self.journal.push(|| Record::FieldsRemoved { db, key: key.into(), fields });
        self.journal.account_for(edited.result as u64);
        self.commit(db, key, Change::new(EventClass::HASH, "hexpired").times(edited.result));
        if edited.emptied {
            self.events.notify(EventClass::GENERIC, "del", db, key);
        }
        edited.result
    }

    /// Deletes the due fields of all hashes until none is left or the budget is spent. Returns whether time ran out.
    pub fn expire_fields_cycle(&mut self, cycle: &ExpireCycle) -> bool {
        let start = Instant::now();
        for db in 0..self.dbs.len() {
            while let Some(key) = self.dbs[db].field_expiries().first_due(cycle.now_ms) {
                self.expire_fields_once(db, &key, cycle.now_ms);
                if start.elapsed() >= cycle.budget {
                    return true;
                }
            }
        }
        false
    }

    /// The lowest RDB version that holds the data: only fields that expire need a later one than all else does.
    pub fn has_expiring_fields(&self) -> bool {
        self.dbs.iter().any(|db| db.field_expiries().len() > 0)
    }
}
