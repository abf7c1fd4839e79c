//! The keyspace against a plain map, under any series of changes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::types::list::{End, ListValue};
use crate::types::string::{StringValue, StringView};
use crate::types::{Limits, Value, ValueRef};

/// So few keys that most changes meet an existing one; one is wide, one empty.
const KEYS: [&[u8]; 7] = [b"", b"a", b"key:2", b"key:0000000000000003", &[b'w'; 254], &[b'w'; 255], &[b'w'; 70_000]];

/// Lengths on both sides of every border: of the size classes, of the inline form, and of the lazy-free thread.
fn lengths() -> impl Strategy<Value = usize> {
    prop_oneof![0usize..150, 4090usize..4100, Just(0), Just(4096), Just(4097), Just(60_000)]
}

fn expiries() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![Just(None), (1i64..200).prop_map(Some), Just(Some(i64::MAX)), Just(Some(-5))]
}

#[derive(Clone, Debug)]
enum Change {
    Insert { db: usize, key: usize, len: usize, expiry: Option<i64> },
    SetString { db: usize, key: usize, len: usize, expiry: Option<i64> },
    SetInteger { db: usize, key: usize, number: i64, expiry: Option<i64> },
    SetExpiry { db: usize, key: usize, expiry: Option<i64> },
    Append { db: usize, key: usize, len: usize },
    Shrink { db: usize, key: usize, len: usize },
    Overwrite { db: usize, key: usize },
    Relocate { from: (usize, usize), to: (usize, usize) },
    Duplicate { from: (usize, usize), to: (usize, usize) },
    Remove { db: usize, key: usize },
    Flush { db: usize, lazily: bool },
    Swap,
    Expire { now_ms: i64 },
    Cycle { now_ms: i64 },
    Fill { db: usize, count: usize },
    Thin { db: usize },
    Rehash,
    Child { alive: bool },
    Evict,
}

fn changes() -> impl Strategy<Value = Change> {
    let place = || (0..2usize, 0..KEYS.len());
    prop_oneof![
        4 => (place(), lengths(), expiries()).prop_map(|((db, key), len, expiry)| Change::Insert { db, key, len, expiry }),
        6 => (place(), lengths(), expiries()).prop_map(|((db, key), len, expiry)| Change::SetString { db, key, len, expiry }),
        2 => (place(), any::<i64>(), expiries()).prop_map(|((db, key), number, expiry)| Change::SetInteger { db, key, number, expiry }),
        5 => (place(), expiries()).prop_map(|((db, key), expiry)| Change::SetExpiry { db, key, expiry }),
        4 => (place(), lengths()).prop_map(|((db, key), len)| Change::Append { db, key, len }),
        3 => (place(), lengths()).prop_map(|((db, key), len)| Change::Shrink { db, key, len }),
        2 => place().prop_map(|(db, key)| Change::Overwrite { db, key }),
        4 => (place(), place()).prop_map(|(from, to)| Change::Relocate { from, to }),
        3 => (place(), place()).prop_map(|(from, to)| Change::Duplicate { from, to }),
        3 => place().prop_map(|(db, key)| Change::Remove { db, key }),
        1 => (0..2usize, any::<bool>()).prop_map(|(db, lazily)| Change::Flush { db, lazily }),
        1 => Just(Change::Swap),
        1 => (0..200i64).prop_map(|now_ms| Change::Expire { now_ms }),
        1 => (0..200i64).prop_map(|now_ms| Change::Cycle { now_ms }),
        1 => (0..2usize, 0..700usize).prop_map(|(db, count)| Change::Fill { db, count }),
        1 => (0..2usize).prop_map(|db| Change::Thin { db }),
        2 => Just(Change::Rehash),
        1 => any::<bool>().prop_map(|alive| Change::Child { alive }),
        1 => Just(Change::Evict),
    ]
}

/// Each key's string and expiry.
type Model = BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

/// The keyspace and what it ought to hold.
struct Pair {
    real: Keyspace,
    model: [Model; 2],
    /// So that each value differs from the last.
    stamp: u8,
}

impl Pair {
    fn new() -> Self {
        let mut real = Keyspace::new(2, HashSeed { k0: 5, k1: 6 });
        real.lazy_free.policy = LazyFreePolicy { expire: true, server_del: true, ..LazyFreePolicy::default() };
        Self { real, model: Default::default(), stamp: 0 }
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        self.stamp = self.stamp.wrapping_add(1);
        vec![self.stamp; len]
    }

    fn apply(&mut self, change: &Change) {
        match *change {
            Change::Insert { db, key, len, expiry } => {
                let bytes = self.bytes(len);
                self.real.insert(db, KEYS[key], StringValue::new(&bytes).into(), expiry);
                self.model[db].insert(KEYS[key].to_vec(), (bytes, expiry));
            }
            Change::SetString { db, key, len, expiry } => {
                let bytes = self.bytes(len);
                self.real.set_string(db, KEYS[key], &bytes, expiry);
                self.model[db].insert(KEYS[key].to_vec(), (bytes, expiry));
            }
            Change::SetInteger { db, key, number, expiry } => {
                let bytes = number.to_string().into_bytes();
                self.real.set_string(db, KEYS[key], &bytes, expiry);
                self.model[db].insert(KEYS[key].to_vec(), (bytes, expiry));
            }
            Change::SetExpiry { db, key, expiry } => {
                let found = self.real.db_mut(db).set_expiry(KEYS[key], expiry);
                let known = self.model[db].get_mut(KEYS[key]).map(|(_, old)| *old = expiry).is_some();
                assert_eq!(found, known);
            }
            Change::Append { db, key, len } => {
                let bytes = self.bytes(len);
                self.edit(db, KEYS[key], |value| value.extend_from_slice(&bytes));
            }
            Change::Shrink { db, key, len } => self.edit(db, KEYS[key], |value| value.truncate(len)),
            Change::Overwrite { db, key } => self.overwrite(db, KEYS[key]),
            Change::Relocate { from, to } => self.relocate(from, to),
            Change::Duplicate { from, to } => self.duplicate(from, to),
            Change::Remove { db, key } => {
                let removed = self.real.remove(db, KEYS[key], key % 2 == 0);
                assert_eq!(removed, self.model[db].remove(KEYS[key]).is_some());
            }
            Change::Flush { db, lazily } => {
                let changes = self.real.changes();
                self.real.flush(db, lazily, 0);
                assert_eq!(self.real.changes() - changes, self.model[db].len() as u64);
                self.model[db].clear();
            }
            Change::Swap => {
                self.real.swap(0, 1, 0);
                self.model.swap(0, 1);
            }
            Change::Expire { now_ms } => self.expire(now_ms),
            Change::Cycle { now_ms } => self.cycle(now_ms),
            Change::Fill { db, count } => self.fill(db, count),
            Change::Thin { db } => self.thin(db),
            Change::Rehash => drop(self.real.resize_for(std::time::Duration::from_micros(50))),
            Change::Child { alive } => self.real.set_child_alive(alive),
            Change::Evict => self.evict(),
        }
    }

    fn edit(&mut self, db: usize, key: &[u8], change: impl Fn(&mut Vec<u8>)) {
        // An edit through the keyspace looks at the expiry first; the time before all others expires nothing.
        let edited = self.real.edit(db, key, i64::MIN, |value: &mut StringValue| change(value.make_raw()));
        let known = self.model[db].get_mut(key).map(|(bytes, _)| change(bytes));
        assert_eq!(edited.expect("all values are strings").is_some(), known.is_some());
    }

    fn overwrite(&mut self, db: usize, key: &[u8]) {
        let is_raw = |entry: &Entry| matches!(entry.value(), ValueRef::String(StringView::Raw(_)));
        let found = self.real.db(db).peek(key).is_some_and(is_raw);
        // As above: the time before all others expires nothing.
        let bytes = self.real.raw_string_mut(db, key, i64::MIN);
        assert_eq!(bytes.is_some(), found);
        if let Some(bytes) = bytes {
            bytes.fill(b'o');
            let (known, _) = self.model[db].get_mut(key).expect("both hold the key");
            assert_eq!(bytes.len(), known.len());
            known.fill(b'o');
        }
    }

    fn relocate(&mut self, (from_db, from): (usize, usize), (to_db, to): (usize, usize)) {
        if (from_db, from) == (to_db, to) {
            return;
        }
        let found = self.real.relocate(Place { db: from_db, key: KEYS[from] }, Place { db: to_db, key: KEYS[to] });
        let known = self.model[from_db].remove(KEYS[from]);
        assert_eq!(found, known.is_some());
        if let Some(known) = known {
            self.model[to_db].insert(KEYS[to].to_vec(), known);
        }
    }

    fn duplicate(&mut self, (from_db, from): (usize, usize), (to_db, to): (usize, usize)) {
        let found = self.real.duplicate(Place { db: from_db, key: KEYS[from] }, Place { db: to_db, key: KEYS[to] });
        let known = self.model[from_db].get(KEYS[from]).cloned();
        assert_eq!(found, known.is_some());
        if let Some(known) = known {
            self.model[to_db].insert(KEYS[to].to_vec(), known);
        }
    }

    /// Looks every key up as a command would, which deletes those that are due.
    fn expire(&mut self, now_ms: i64) {
        for db in 0..2 {
            for key in KEYS {
                let found = self.real.find(db, key, now_ms, Touch::Yes).is_some();
                let known = self.model[db].get(key);
                assert_eq!(found, known.is_some_and(|(_, expiry)| expiry.is_none_or(|at_ms| at_ms > now_ms)));
                if !found {
                    self.model[db].remove(key);
                }
            }
            self.real.delete_lapsed(db, now_ms);
        }
    }

    fn cycle(&mut self, now_ms: i64) {
        let cycle = ExpireCycle { now_ms, budget: std::time::Duration::from_secs(5), effort: 10 };
        self.real.expire_cycle(&cycle);
        // The cycle may leave some behind, and may take none that is not due.
        for (db, model) in self.model.iter_mut().enumerate() {
            let real = self.real.db(db);
            model.retain(|key, (_, expiry)| {
                let kept = real.peek(key).is_some();
                assert!(kept || expiry.is_some_and(|at_ms| at_ms <= now_ms));
                kept
            });
        }
    }

    fn fill(&mut self, db: usize, count: usize) {
        for number in 0..count {
            let key = format!("filler:{number}").into_bytes();
            let expiry = (number % 3 == 0).then_some(150);
            self.real.insert(db, &key, StringValue::new(b"f").into(), expiry);
            self.model[db].insert(key, (b"f".to_vec(), expiry));
        }
    }

    fn thin(&mut self, db: usize) {
        let fillers: Vec<_> = self.model[db].keys().filter(|key| key.starts_with(b"filler")).cloned().collect();
        for key in fillers {
            assert!(self.real.remove(db, &key, false));
            self.model[db].remove(&key);
        }
    }

    fn evict(&mut self) {
        let before = self.real.len();
        let eviction = Eviction { policy: crate::config::EvictionPolicy::VolatileTtl, samples: 5 };
        let evicted = self.real.evict_one(&eviction);
        let volatile: usize = self.model.iter().flat_map(BTreeMap::values).filter(|(_, at)| at.is_some()).count();
        assert_eq!(evicted, volatile > 0);
        assert_eq!(self.real.len() + usize::from(evicted), before);
        for (db, model) in self.model.iter_mut().enumerate() {
            model.retain(|key, _| self.real.db(db).peek(key).is_some());
        }
    }

    fn check(&self) {
        for (index, model) in self.model.iter().enumerate() {
            let db = self.real.db(index);
            assert_eq!(db.len(), model.len());
            let mut seen = 0;
            for entry in db.iter() {
                let (bytes, expiry) = model.get(entry.key()).expect("the model holds the key");
                let ValueRef::String(view) = entry.value() else { panic!("all values are strings") };
                assert!(view.with_bytes(|held| held == bytes), "{} bytes expected", bytes.len());
                assert_eq!(entry.expiry(), *expiry);
                seen += 1;
            }
            assert_eq!(seen, model.len());
            for key in KEYS {
                assert_eq!(db.peek(key).is_some(), model.contains_key(key));
            }
            check_marks(db, model);
        }
    }
}

/// Exactly the entries with an expiry are marked.
fn check_marks(db: &Db, model: &BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>) {
    let volatile = model.values().filter(|(_, expiry)| expiry.is_some()).count();
    assert_eq!(db.expires_len(), volatile);
    assert_eq!(db.expiring().count(), volatile);
    assert!(db.expiring().all(|entry| entry.expiry().is_some()));
}

/// Everything is checked after each step, which takes Miri seconds.
const STEPS_MAX: usize = if cfg!(miri) { 12 } else { 60 };

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 2 } else { 150 }, ..ProptestConfig::default() })]

    #[test]
    fn any_series_of_changes_leaves_what_a_map_would_hold(series in proptest::collection::vec(changes(), 1..STEPS_MAX)) {
        let mut pair = Pair::new();
        for change in &series {
            pair.apply(change);
            pair.check();
        }
    }
}

#[test]
fn lookups_past_the_expiry_delete_at_the_end_of_the_command() {
    let mut keyspace = Keyspace::new(1, HashSeed { k0: 1, k1: 2 });
    keyspace.set_string(0, b"k", b"v", Some(100));
    assert!(keyspace.find(0, b"k", 99, Touch::Yes).is_some());
    assert!(keyspace.find(0, b"k", 100, Touch::Yes).is_none());
    assert_eq!(keyspace.len(), 1);
    keyspace.delete_lapsed(0, 100);
    assert_eq!((keyspace.len(), keyspace.stats.expired), (0, 1));
}

#[test]
fn random_key_of_a_database_of_expired_keys_is_none_and_leaves_none() {
    let mut keyspace = Keyspace::new(1, HashSeed { k0: 1, k1: 2 });
    for number in 0..1000u32 {
        keyspace.set_string(0, number.to_string().as_bytes(), b"v", Some(100));
    }
    assert!(keyspace.random_key(0, 99).is_some());
    assert_eq!(keyspace.random_key(0, 100), None);
    assert_eq!((keyspace.len(), keyspace.stats.expired), (0, 1000));
}

#[test]
fn copy_of_a_large_value_is_independent_of_the_first() {
    let mut keyspace = Keyspace::new(1, HashSeed { k0: 1, k1: 2 });
    let value = Value::from(StringValue::new(&[b'x'; 10_000]));
    keyspace.insert(0, b"a", value, Some(50));
    let (from, to) = (Place { db: 0, key: b"a" }, Place { db: 0, key: b"b" });
    assert!(keyspace.duplicate(from, to));
    let edited = keyspace.edit(0, b"a", 0, |value: &mut StringValue| value.make_raw().truncate(1));
    assert!(edited.is_ok());
    let copy = keyspace.db(0).peek(b"b").expect("the copy is there");
    assert_eq!(copy.expiry(), Some(50));
    assert!(matches!(copy.value(), ValueRef::String(view) if view.len() == 10_000));
}

/// Pushes into a list, in whatever encoding it then has.
fn push(keyspace: &mut Keyspace, key: &[u8], element: &[u8]) {
    let limits = Limits::default();
    let edited = keyspace.edit_or_insert(0, key, 0, ListValue::new_in, |list: &mut ListValue| {
        list.make_room(std::iter::once(element), &limits);
        list.push(End::Right, element);
    });
    assert!(edited.is_ok());
}

/// Takes one element out. Returns whether that emptied the list.
fn pop(keyspace: &mut Keyspace, key: &[u8]) -> bool {
    let limits = Limits::default();
    let edited = keyspace.edit(0, key, 0, |list: &mut ListValue| {
        list.pop(End::Left);
        list.shrink(&limits);
    });
    edited.expect("the key holds a list").expect("the key exists").emptied
}

proptest! {
    #[test]
    fn lists_that_grow_shrink_and_vanish_keep_the_index_in_step(
        series in proptest::collection::vec((0..3usize, 0..4u8, prop_oneof![Just(1usize), Just(100), Just(5000)]), 1..80),
    ) {
        let keys: [&[u8]; 3] = [b"a", b"b", &[b'w'; 300]];
        let mut keyspace = Keyspace::new(1, HashSeed { k0: 7, k1: 8 });
        let mut model: BTreeMap<&[u8], (usize, Option<i64>)> = BTreeMap::new();
        for (key, action, len) in series {
            let key = keys[key];
            match action {
                0 | 1 => {
                    push(&mut keyspace, key, &vec![b'e'; len]);
                    model.entry(key).or_insert((0, None)).0 += 1;
                }
                2 => {
                    let expiry = (len != 100).then_some(len as i64);
                    keyspace.db_mut(0).set_expiry(key, expiry);
                    model.entry(key).and_modify(|(_, at_ms)| *at_ms = expiry);
                }
                _ => {
                    if let Some((elements, _)) = model.get_mut(key) {
                        *elements -= 1;
                        let emptied = *elements == 0;
                        assert_eq!(pop(&mut keyspace, key), emptied);
                        if emptied {
                            model.remove(key);
                        }
                    }
                }
            }
            let db = keyspace.db(0);
            assert_eq!(db.len(), model.len());
            for (key, (elements, expiry)) in &model {
                let entry = db.peek(key).expect("the list is there");
                assert!(matches!(entry.value(), ValueRef::List(list) if list.len() == *elements));
                assert_eq!(entry.expiry(), *expiry);
            }
            let volatile = model.iter().map(|(key, (_, at_ms))| (key.to_vec(), (Vec::new(), *at_ms))).collect();
            check_marks(db, &volatile);
        }
    }
}
