//! The hash table of a large hash, and of every hash whose fields may expire.

use std::collections::BTreeSet;

use crate::stdx::HashSeed;
use crate::structures::{Cursor, Dict, Element, Evacuate, Part, Slot, ThinPair};

/// Moments in milliseconds with the fields that expire then.
type Expiries = BTreeSet<(i64, Box<[u8]>)>;

/// Fields with their values, and which of them expire when.
///
/// Invariant: `expiries` names exactly the fields of `table` that carry an expiry, and is `None` rather than empty.
pub struct Fields {
    table: Dict<ThinPair>,
    expiries: Option<Box<Expiries>>,
}

impl Fields {
    pub fn with_capacity(fields: usize) -> Self {
        let mut table = Dict::new(HashSeed::of_process());
        table.reserve(fields);
        Self { table, expiries: None }
    }

    /// Room for so many more fields.
    pub fn reserve(&mut self, fields: usize) {
        self.table.reserve(fields);
    }

    pub fn table(&self) -> &Dict<ThinPair> {
        &self.table
    }

    pub fn find(&self, field: &[u8]) -> Option<&ThinPair> {
        self.table.find(field)
    }

    /// Sets a field with an expiry or without one. Returns whether the field is new.
    pub fn set(&mut self, field: &[u8], value: &[u8], expiry: Option<i64>) -> bool {
        let hash = self.table.hash(field);
        let (old_expiry, is_new) = match self.table.entry_hashed(hash, field) {
            Slot::Occupied(mut slot) => {
                let pair = slot.get_mut();
                let old = pair.expiry();
                pair.set(value, expiry);
                (old, false)
            }
            Slot::Vacant(slot) => {
                slot.insert(ThinPair::new(field, value, expiry));
                (None, true)
            }
        };
        self.note(field, old_expiry, expiry);
        is_new
    }

    /// Sets or takes away the expiry of a field. Returns whether the field exists.
    pub fn set_expiry(&mut self, field: &[u8], expiry: Option<i64>) -> bool {
        let Some(pair) = self.table.find_mut(field) else { return false };
        let old = pair.expiry();
        if old != expiry {
            pair.set_expiry(expiry);
            self.note(field, old, expiry);
        }
        true
    }

    pub fn remove(&mut self, field: &[u8]) -> Option<ThinPair> {
        let pair = self.table.remove(field)?;
        self.note(field, pair.expiry(), None);
        Some(pair)
    }

    /// Fields that carry an expiry.
    pub fn expiring(&self) -> usize {
        self.expiries.as_ref().map_or(0, |expiries| expiries.len())
    }

    /// The moment at which the first field expires.
    pub fn next_expiry(&self) -> Option<i64> {
        self.expiries.as_ref()?.first().map(|(at_ms, _)| *at_ms)
    }

    /// Removes up to `count` fields whose expiry has passed. Returns how many there were.
    pub fn remove_due(&mut self, now_ms: i64, count: usize, mut visit: impl FnMut(&[u8])) -> usize {
        let mut removed = 0;
        while removed < count
            && let Some(expiries) = &mut self.expiries
            && expiries.first().is_some_and(|(at_ms, _)| *at_ms <= now_ms)
            && let Some((_, field)) = expiries.pop_first()
        {
            let pair = self.table.remove(&field);
            debug_assert!(pair.is_some(), "the index names only fields that are there");
            visit(&field);
            removed += 1;
        }
        if self.expiring() == 0 {
            self.expiries = None;
        }
        removed
    }

    /// Visits a part of the table; see [`Dict::scan`]. Unlike there, what is visited lives as long as the table is borrowed.
    pub fn scan<'a>(&'a self, cursor: u64, visit: impl FnMut(&'a ThinPair)) -> u64 {
        self.table.scan(cursor, visit)
    }

    /// Bytes of the index of expiries, about.
    pub fn index_bytes(&self) -> usize {
        const ENTRY_BYTES: usize = size_of::<(i64, Box<[u8]>)>();
        let fields = self.expiries.iter().flat_map(|expiries| expiries.iter());
        fields.map(|(_, field)| ENTRY_BYTES + field.len()).sum()
    }

    fn note(&mut self, field: &[u8], old: Option<i64>, new: Option<i64>) {
        if old == new {
            return;
        }
        if let (Some(at_ms), Some(expiries)) = (old, &mut self.expiries) {
            expiries.remove(&(at_ms, field.into()));
        }
        if let Some(at_ms) = new {
            self.expiries.get_or_insert_default().insert((at_ms, field.into()));
        }
        if self.expiring() == 0 {
            self.expiries = None;
        }
    }
}

impl Evacuate for Fields {
    fn evacuate(&mut self, cursor: Cursor, part: &mut Part) -> Cursor {
        self.table.evacuate(cursor, part)
    }
}

impl Clone for Fields {
    fn clone(&self) -> Self {
        let mut table = Dict::new(HashSeed::of_process());
        table.reserve(self.table.len());
        for pair in self.table.iter() {
            table.insert_new_hashed(table.hash(pair.key()), pair.clone());
        }
        Self { table, expiries: self.expiries.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_of_expiries_follows_every_change() {
        let mut fields = Fields::with_capacity(0);
        assert!(fields.set(b"a", b"1", Some(30)));
        assert!(fields.set(b"b", b"2", Some(10)));
        assert!(fields.set(b"c", b"3", None));
        assert_eq!((fields.expiring(), fields.next_expiry()), (2, Some(10)));
        assert!(!fields.set(b"b", b"2", Some(40)));
        assert_eq!(fields.next_expiry(), Some(30));
        assert!(fields.set_expiry(b"c", Some(5)) && !fields.set_expiry(b"d", Some(1)));
        assert_eq!(fields.remove_due(4, 10, |_| {}), 0);
        assert_eq!(fields.remove_due(30, 1, |_| {}), 1);
        assert!(fields.find(b"c").is_none());
        assert_eq!(fields.remove_due(30, 10, |_| {}), 1);
        assert_eq!(fields.next_expiry(), Some(40));
        assert!(fields.remove(b"b").is_some());
        assert_eq!((fields.expiring(), fields.next_expiry(), fields.table().len()), (0, None, 0));
    }
}
