use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn contents(set: &IntsetView) -> Vec<i64> {
    set.iter().collect()
}

/// Intsets of Redis 7.0.15, taken from DUMP payloads: the values in the order of their SADD, and the bytes.
const GOLDEN: [(&[i64], &[u8]); 4] = [
    (&[5, -1, 300, -32_768, 32_767], b"\x02\0\0\0\x05\0\0\0\x00\x80\xff\xff\x05\x00\x2c\x01\xff\x7f"),
    (
        &[1, 70_000, -5, -2_147_483_648],
        b"\x04\0\0\0\x04\0\0\0\x00\x00\x00\x80\xfb\xff\xff\xff\x01\x00\x00\x00\x70\x11\x01\x00",
    ),
    (
        &[1, -1, 2_147_483_648, i64::MAX, i64::MIN],
        b"\x08\0\0\0\x05\0\0\0\0\0\0\0\0\0\0\x80\xff\xff\xff\xff\xff\xff\xff\xff\x01\0\0\0\0\0\0\0\
          \0\0\0\x80\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\x7f",
    ),
    (
        &[3, 1, 2, 100_000, -100_000],
        b"\x04\0\0\0\x05\0\0\0\x60\x79\xfe\xff\x01\0\0\0\x02\0\0\0\x03\0\0\0\xa0\x86\x01\0",
    ),
];

#[test]
fn bytes_are_those_of_redis() {
    for (values, bytes) in GOLDEN {
        let set: Intset = values.iter().copied().collect();
        assert_eq!(set.as_bytes(), bytes);
        let mut sorted = values.to_vec();
        sorted.sort_unstable();
        assert_eq!(contents(validate(bytes, true).unwrap()), sorted);
    }
}

#[test]
fn width_stays_after_the_wide_value_is_gone() {
    let mut set: Intset = GOLDEN[3].0.iter().copied().collect();
    assert!(set.remove(100_000));
    assert!(set.remove(2));
    assert!(!set.remove(2));
    assert_eq!(set.as_bytes(), b"\x04\0\0\0\x03\0\0\0\x60\x79\xfe\xff\x01\0\0\0\x03\0\0\0");
}

#[test]
fn random_elements_reach_every_element() {
    let mut rng = fastrand::Rng::with_seed(3);
    let set: Intset = (0..10).collect();
    let seen: BTreeSet<i64> = (0..1_000).map(|_| set.random(&mut rng).unwrap()).collect();
    assert_eq!(seen.len(), 10);
    assert_eq!(Intset::new().random(&mut rng), None);
}

#[test]
fn malformed_intsets_are_refused_with_their_reason() {
    let good = GOLDEN[0].1.to_vec();
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        validate(&bytes, true).err()
    };
    assert_eq!(validate(&good[..7], true).err(), Some(Malformed::TooShort { size: 7 }));
    assert_eq!(with(0, 3), Some(Malformed::Width { width: 3 }));
    assert_eq!(with(1, 1), Some(Malformed::Width { width: 258 }));
    assert_eq!(with(4, 6), Some(Malformed::Size { stated: 6, size: 18 }));
    assert_eq!(with(0, 8), Some(Malformed::Size { stated: 5, size: 18 }));
    assert_eq!(with(11, 0x7F), Some(Malformed::Order { index: 2 }));
    for len in 0..good.len() {
        assert!(validate(&good[..len], false).is_err());
    }
}

/// Reads in all ways; then changes, where the bytes are known to be good.
fn use_every_operation(bytes: &[u8]) {
    let view = IntsetView::from_trusted(bytes);
    let _ = (view.len(), view.get(3), view.get(usize::MAX), view.contains(5), format!("{view:?}"));
    let _ = (view.iter().rev().count(), view.random(&mut fastrand::Rng::with_seed(1)));
    if validate(bytes, true).is_err() {
        return;
    }
    let mut set = view.to_owned();
    let first = set.get(0);
    for value in [0, 1 << 20, 1 << 40, -7].into_iter().chain(first) {
        set.insert(value);
        assert!(set.contains(value));
        validate(set.as_bytes(), true).unwrap();
        assert!(set.remove(value));
        validate(set.as_bytes(), true).unwrap();
    }
}

#[test]
fn flipped_bytes_are_refused_or_harmless() {
    let mut rng = fastrand::Rng::with_seed(20_261_122);
    let mut accepted = 0;
    for round in 0..10_000 {
        let mut bytes = GOLDEN[round % GOLDEN.len()].1.to_vec();
        for _ in 0..rng.usize(1..4) {
            let at = rng.usize(..bytes.len());
            bytes[at] = rng.u8(..);
        }
        accepted += usize::from(validate(&bytes, true).is_ok());
        use_every_operation(&bytes);
    }
    assert!(accepted > 100, "{accepted}");
}

fn value() -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => -20i64..20,
        1 => any::<i16>().prop_map(i64::from),
        1 => any::<i32>().prop_map(i64::from),
        1 => any::<i64>(),
    ]
}

proptest! {
    #[test]
    fn intset_behaves_like_a_sorted_set(steps in proptest::collection::vec((any::<bool>(), value()), 1..100)) {
        let mut set = Intset::new();
        let mut model = BTreeSet::new();
        for (insert, value) in steps {
            if insert {
                prop_assert_eq!(set.insert(value), model.insert(value));
            } else {
                prop_assert_eq!(set.remove(value), model.remove(&value));
            }
            validate(set.as_bytes(), true).unwrap();
            prop_assert_eq!(set.len(), model.len());
            prop_assert_eq!(set.contains(value), model.contains(&value));
        }
        prop_assert_eq!(contents(&set), model.iter().copied().collect::<Vec<_>>());
        prop_assert!(set.iter().rev().eq(model.iter().rev().copied()));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        use_every_operation(&bytes);
    }
}
