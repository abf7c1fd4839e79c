//! Laws of the block of a key.
#![expect(unsafe_code, reason = "looks at a block that its entry has left, as a child does")]

use proptest::prelude::*;

use super::*;
use crate::keyspace::access::AccessClock;
use crate::keyspace::{Db, Keyspace};
use crate::stdx::HashSeed;
use crate::types::string::{StringValue, StringView};

fn text(entry: &Entry) -> Vec<u8> {
    match entry.value() {
        ValueRef::String(view) => view.bytes().into_owned(),
        _ => panic!("a string was put in"),
    }
}

#[test]
fn every_class_fits_into_the_header() {
    for bytes in (8..10_000).step_by(if cfg!(miri) { 997 } else { 1 }) {
        let (class, size) = class_for(bytes);
        assert!(size >= bytes && (class == CLASS_EXACT || Class::with_index(class).bytes() == size));
        let mut entry = Entry::of_no_database(b"key", StringValue::new(b"").into(), 0);
        let shape = Shape { inline_len: 0, ..entry.shape() };
        let class_before = entry.class();
        entry.describe(shape, class);
        assert_eq!((entry.class(), entry.shape().key_len), (class, 3));
        entry.describe(shape, class_before);
    }
}

#[test]
fn short_entry_wastes_less_than_four_bytes() {
    let entry = Entry::of_no_database(&[b'k'; 16], StringValue::new(&[b'v'; 100]).into(), 0);
    assert_eq!(entry.block_bytes(), 124);
    let entry = Entry::of_no_database(&[b'k'; 16], StringValue::new(&[b'v'; 101]).into(), 0);
    assert_eq!(entry.block_bytes(), 128);
}

#[test]
fn overwriting_with_a_value_that_fits_keeps_the_block() {
    let mut entry = Entry::of_no_database(b"key", StringValue::new(&[b'a'; 100]).into(), 7);
    let block = entry.0;
    entry.set_value(StringValue::new(&[b'b'; 90]).into());
    assert_eq!(entry.0, block);
    assert_eq!(text(&entry), [b'b'; 90]);
    assert_eq!(entry.clock(), 7);
}

#[test]
fn clock_is_independent_of_type_and_encoding() {
    let entry = Entry::of_no_database(b"key", StringValue::new(b"12").into(), 0);
    entry.set_clock(0x00ff_ffff);
    assert_eq!((entry.clock(), entry.data_type()), (0x00ff_ffff, Type::String));
    assert!(matches!(entry.value(), ValueRef::String(StringView::Int(12))));
}

#[test]
fn value_that_no_header_describes_is_refused_and_leaves_the_entry_as_it_was() {
    let long = vec![b'v'; 10_000];
    let mut entry = Entry::of_no_database(b"key", StringValue::new(&long).into(), 0);
    let too_long = vec![b'x'; INLINE_LEN_MAX + 1];
    let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        entry.set_inline(Type::String, Encoding::Raw, &too_long, Some(1));
    }));
    assert!(refused.is_err());
    assert_eq!((text(&entry), entry.expiry()), (long, None));
    let new = std::panic::catch_unwind(|| {
        Entry::with_inline(Owner::NOBODY, b"k", Type::String, Encoding::Raw, &too_long, None, 0)
    });
    assert!(new.is_err());
}

#[test]
fn types_and_encodings_come_back_from_their_byte() {
    let types = [Type::String, Type::List, Type::Set, Type::Zset, Type::Hash, Type::Stream];
    for data_type in types {
        for encoding in [Encoding::Int, Encoding::Embstr, Encoding::Raw, Encoding::Listpack, Encoding::Intset] {
            let kind = kind(data_type, encoding);
            assert_eq!((type_of_kind(kind), encoding_of_kind(kind)), (data_type, encoding));
        }
        for encoding in [Encoding::Quicklist, Encoding::Hashtable, Encoding::Skiplist, Encoding::Stream] {
            let kind = kind(data_type, encoding);
            assert_eq!((type_of_kind(kind), encoding_of_kind(kind)), (data_type, encoding));
        }
    }
}

#[test]
fn offsets_and_sizes_of_the_longest_key_do_not_overflow() {
    let inline_len = INLINE_LEN_MAX;
    for (expiry, boxed) in [(false, false), (true, false), (false, true), (true, true)] {
        let shape = Shape { key_len: ELEMENT_BYTES_MAX, expiry, boxed, inline_len }.checked();
        assert!(shape.bytes() > ELEMENT_BYTES_MAX + inline_len && u32::try_from(shape.key_len).is_ok());
        assert_eq!(class_for(shape.bytes()), (CLASS_EXACT, shape.bytes()));
        assert!(block_bytes(shape.bytes()) >= shape.bytes());
    }
    let longer = Shape { key_len: ELEMENT_BYTES_MAX + 1, expiry: false, boxed: false, inline_len: 0 };
    assert!(std::panic::catch_unwind(|| longer.checked()).is_err());
}

#[derive(Clone, Debug)]
enum Change {
    Value(usize),
    Inline(usize, Option<i64>),
    Expiry(Option<i64>),
    /// The value that lies inside the block, or the one behind it.
    Overwrite(u8),
    /// Taken out and put back.
    Move,
    /// To another block, as from one that a child sees.
    Leave,
    Clock(u32),
}

fn changes() -> impl Strategy<Value = Change> {
    let lengths = || prop_oneof![0usize..300, 4000usize..4200];
    prop_oneof![
        lengths().prop_map(Change::Value),
        (prop_oneof![lengths(), Just(INLINE_LEN_MAX)], any::<Option<i64>>())
            .prop_map(|(len, expiry)| Change::Inline(len, expiry)),
        any::<Option<i64>>().prop_map(Change::Expiry),
        any::<u8>().prop_map(Change::Overwrite),
        Just(Change::Move),
        Just(Change::Leave),
        any::<u32>().prop_map(Change::Clock),
    ]
}

/// So many bytes, none of which is like its neighbours.
fn filled(len: usize) -> Vec<u8> {
    let mut bytes = b"abcdefghijklmnopqrstuvwxyz0123456789?".repeat(len / 37 + 1);
    bytes.truncate(len);
    bytes
}

/// An entry, and what it should hold.
struct Checked {
    entry: Entry,
    key: Vec<u8>,
    bytes: Vec<u8>,
    expiry: Option<i64>,
    clock: u32,
}

impl Checked {
    fn new(key_len: usize) -> Self {
        let key = filled(key_len);
        let entry = Entry::of_no_database(&key, StringValue::new(b"").into(), 1);
        Self { entry, key, bytes: Vec::new(), expiry: None, clock: 1 }
    }

    fn apply(&mut self, change: &Change) {
        let entry = &mut self.entry;
        match *change {
            Change::Value(len) => {
                self.bytes = filled(len);
                entry.set_value(StringValue::new(&self.bytes).into());
            }
            Change::Inline(len, expiry) => {
                (self.bytes, self.expiry) = (filled(len), expiry);
                entry.set_inline(Type::String, Encoding::Raw, &self.bytes, expiry);
            }
            Change::Expiry(expiry) => {
                self.expiry = expiry;
                entry.set_expiry(expiry);
            }
            Change::Overwrite(byte) => {
                if let Some(bytes) = entry.inline_bytes_mut() {
                    bytes.fill(byte);
                    self.bytes.fill(byte);
                } else if let Some(Value::String(value)) = entry.boxed_mut() {
                    value.make_raw().push(byte);
                    self.bytes.push(byte);
                }
            }
            Change::Move => {
                let value = entry.take_value();
                entry.set_value(value);
            }
            Change::Leave => entry.leave(),
            Change::Clock(clock) => {
                self.clock = clock & CLOCK_MASK;
                entry.set_clock(clock);
            }
        }
    }

    fn check(&self) {
        let entry = &self.entry;
        assert_eq!(entry.key(), self.key);
        assert_eq!(text(entry), self.bytes);
        assert_eq!((entry.expiry(), entry.clock(), entry.data_type()), (self.expiry, self.clock, Type::String));
        assert!(entry.block_bytes() >= entry.shape().bytes());
        assert!(entry.header().flags & BOXED == 0 || entry.value_slot().is_aligned());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 256 }, ..ProptestConfig::default() })]

    #[test]
    fn any_series_of_changes_keeps_key_value_expiry_and_clock(
        key_len in prop_oneof![0usize..40, 240usize..270, Just(70_000usize)],
        series in proptest::collection::vec(changes(), 1..30),
    ) {
        let mut checked = Checked::new(key_len);
        for change in &series {
            checked.apply(change);
            checked.check();
        }
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
#[test]
fn no_way_to_change_a_small_value_writes_to_a_block_that_a_child_sees() {
    type Way = fn(&mut Db, u64, &[u8], &AccessClock);
    let ways: [(&str, Way); 8] = [
        ("SET", |db, _, key, access| drop(db.set_string(key, b"12345", Some(9), 1, access))),
        ("insert", |db, _, key, _| drop(db.insert(key, StringValue::new(b"54321").into(), Some(9), 1))),
        ("INCR", |db, hash, key, access| {
            let sum = db.update_integer::<WrongType>(hash, key, 1, access, |_| Ok(10_001));
            assert!(sum.is_ok());
        }),
        ("APPEND", |db, hash, key, access| {
            let edited = db.edit(hash, key, Some(access), |value: &mut StringValue| value.make_raw().push(b'0'));
            assert!(edited.is_ok());
        }),
        ("PEXPIRE", |db, _, key, _| assert!(db.set_expiry(key, Some(77)))),
        ("PEXPIREAT", |db, hash, key, access| assert!(db.change_expiry(hash, key, access, |_| Some(Some(78))))),
        ("PERSIST", |db, _, key, _| assert!(db.set_expiry(key, None))),
        ("SETRANGE", |db, hash, key, access| {
            db.edit(hash, key, None, |value: &mut StringValue| value.make_raw().len()).unwrap();
            if let Some(bytes) = db.raw_string_mut(hash, key, access) {
                bytes[0] = b'9';
            }
        }),
    ];
    for (name, change) in ways {
        for expiry in [None, Some(5)] {
            let mut keyspace = Keyspace::new(1, HashSeed { k0: 1, k1: 2 });
            keyspace.set_string(0, b"key", b"10000", expiry);
            let access = AccessClock::default();
            keyspace.set_child_alive(true);
            let db = &mut keyspace.dbs[0];
            let entry = db.peek(b"key").unwrap();
            assert!(entry.is_shared());
            // What the child sees is copied here, and compared where it was.
            let seen = (entry.expiry(), entry.inline().map(|(_, _, bytes)| bytes.to_vec()));
            // SAFETY: nothing is written to pages that are shared, and they stay mapped.
            let old = unsafe { Entry::in_block(entry.0.cast()) };
            change(db, db.hash(b"key"), b"key", &access);
            let entry = db.peek(b"key").unwrap();
            let is_changed = seen != (entry.expiry(), entry.inline().map(|(_, _, bytes)| bytes.to_vec()));
            assert!(!entry.is_shared() || !is_changed, "{name}");
            assert_eq!(seen, (old.expiry(), old.inline().map(|(_, _, bytes)| bytes.to_vec())), "{name}");
            assert_eq!(db.expires_len(), usize::from(entry.expiry().is_some()), "{name}");
            // From here on it is changed in place.
            db.set_expiry(b"key", Some(1));
            let address = db.peek(b"key").unwrap().key().as_ptr();
            db.set_expiry(b"key", Some(2));
            assert_eq!(db.peek(b"key").unwrap().key().as_ptr(), address, "{name}");
            keyspace.set_child_alive(false);
        }
    }
}
