use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::prelude::*;

use super::*;
use crate::types::{Digest, View as _};

fn limits(entries: usize) -> Limits {
    Limits { zset_max_listpack_entries: entries, ..Limits::default() }
}

fn zset_of(pairs: &[(&str, f64)], limits: &Limits) -> ZsetValue {
    let mut zset = ZsetValue::for_members(1, 1, limits, &mut Room::default());
    for (member, score) in pairs {
        zset.upsert(member.as_bytes(), limits, |_| Some(*score));
    }
    zset
}

fn pairs(zset: &ZsetValue) -> Vec<(String, f64)> {
    let mut pairs = Vec::new();
    zset.view().for_all(|member, score| pairs.push((String::from_utf8_lossy(&member.to_vec()).into_owned(), score)));
    pairs
}

fn saved(zset: &ZsetValue) -> Vec<u8> {
    let mut encoder = rdb::Encoder::detached(rdb::Options::default());
    zset.view().save(&mut encoder).expect("memory takes everything");
    encoder.into_bytes()
}

fn load(tag: rdb::Tag, bytes: &[u8], limits: &Limits) -> rdb::Result<ZsetValue> {
    let mut input = rdb::Decoder::new(bytes);
    let zset = ZsetValue::load(tag, &mut input, &LoadOptions::checking_all(limits))?;
    assert_eq!(input.remaining(), 0, "a value is read to its end");
    Ok(zset)
}

const SCORES: &[(&str, f64)] = &[
    ("inf", f64::INFINITY),
    ("-inf", f64::NEG_INFINITY),
    ("zero", 0.0),
    ("7", 7.0),
    ("tenth", 0.1),
    ("large", 1e300),
    ("tiny", 5e-324),
    ("", -12.0),
];

#[test]
fn what_is_saved_is_loaded_again_and_no_part_of_it_is() {
    for limits in [limits(128), limits(0)] {
        let zset = zset_of(SCORES, &limits);
        let (tag, bytes) = (zset.view().tag(rdb::VERSION_DEFAULT), saved(&zset));
        let loaded = load(tag, &bytes, &limits).expect("saved sorted sets load");
        assert_eq!(loaded, zset);
        assert_eq!(saved(&loaded), bytes);
        for cut in 0..bytes.len() {
            assert!(load(tag, &bytes[..cut], &limits).is_err(), "cut to {cut} bytes");
        }
    }
}

#[test]
fn encodings_show_neither_in_the_order_nor_in_the_digest() {
    let digest = |zset: &ZsetValue| {
        let mut digest = Digest::default();
        zset.view().digest(&mut digest);
        digest
    };
    let (packed, tree) = (zset_of(SCORES, &limits(128)), zset_of(SCORES, &limits(0)));
    assert_eq!((packed.view().encoding(), tree.view().encoding()), (Encoding::Listpack, Encoding::Skiplist));
    assert_eq!(pairs(&packed), pairs(&tree));
    assert_eq!(digest(&packed), digest(&tree));
    assert_eq!(packed.view().tag(rdb::VERSION_DEFAULT), rdb::Tag::ZsetListpack);
    assert_eq!(tree.view().tag(rdb::VERSION_DEFAULT), rdb::Tag::Zset2);
}

#[test]
fn listpacks_know_one_zero_only() {
    let zset = zset_of(&[("a", -0.0)], &limits(128));
    assert!(zset.view().score(b"a").is_some_and(f64::is_sign_positive));
}

#[test]
fn damaged_sorted_sets_are_refused_or_harmless() {
    let mut rng = fastrand::Rng::with_seed(20_261_122);
    for limits in [limits(128), limits(0)] {
        let zset = zset_of(SCORES, &limits);
        let golden = saved(&zset);
        for _ in 0..3_000 {
            let mut bytes = golden.clone();
            let at = rng.usize(..bytes.len());
            bytes[at] = rng.u8(..);
            let mut input = rdb::Decoder::new(&bytes);
            let options = LoadOptions::checking_all(&limits);
            if let Ok(mut zset) = ZsetValue::load(zset.view().tag(rdb::VERSION_DEFAULT), &mut input, &options) {
                assert!(pairs(&zset).iter().all(|(_, score)| !score.is_nan()));
                for (member, _) in pairs(&zset) {
                    zset.upsert(member.as_bytes(), &limits, |_| Some(1.0));
                }
                zset.remove_ranks(0..2);
            }
        }
    }
}

#[test]
fn old_layouts_are_read() {
    let ascii = load(rdb::Tag::Zset, b"\x03\x01a\x031.5\x01b\xfe\x01c\xff", &limits(128)).expect("text scores");
    assert_eq!(pairs(&ascii), [("c".into(), f64::NEG_INFINITY), ("a".into(), 1.5), ("b".into(), f64::INFINITY)]);
    let ziplist = b"\x19\x19\0\0\0\x16\0\0\0\x04\0\0\x03one\x05\xf2\x02\x03two\x05\xf3\xff";
    let zset = load(rdb::Tag::ZsetZiplist, ziplist, &limits(128)).expect("a ziplist");
    assert_eq!(pairs(&zset), [("one".into(), 1.0), ("two".into(), 2.0)]);
}

#[test]
fn members_that_come_twice_and_scores_that_are_none_are_refused() {
    let refused = |tag, bytes: &[u8]| {
        let error = load(tag, bytes, &limits(128)).expect_err("it is no sorted set");
        assert!(matches!(error, rdb::Error::InvalidValue { .. }), "{error}");
    };
    refused(rdb::Tag::Zset, b"\x01\x01a\xfd");
    let mut encoder = rdb::Encoder::detached(rdb::Options::default());
    encoder.raw(b"\x01\x01a").and_then(|()| encoder.double(f64::NAN)).expect("memory takes everything");
    refused(rdb::Tag::Zset2, &encoder.into_bytes());
    refused(rdb::Tag::Zset, b"\x02\x01a\xfe\x01a\xff");
    let packed = |entries: &[&str]| {
        let listpack: Listpack = entries.iter().map(|entry| entry.as_bytes()).collect();
        let mut encoder = rdb::Encoder::detached(rdb::Options::default());
        encoder.string(listpack.as_bytes()).expect("memory takes everything");
        encoder.into_bytes()
    };
    refused(rdb::Tag::ZsetListpack, &packed(&["a", "1", "a", "2"]));
    refused(rdb::Tag::ZsetListpack, &packed(&["a", "x"]));
    refused(rdb::Tag::ZsetListpack, &packed(&["a", "nan"]));
    refused(rdb::Tag::ZsetListpack, &packed(&["a", "1", "b"]));
    assert!(load(rdb::Tag::ZsetListpack, &packed(&[]), &limits(128)).expect("nothing in it").is_empty());
}

#[test]
fn pairs_that_are_out_of_order_are_put_in_order() {
    let packed = |entries: &[&str]| {
        let listpack: Listpack = entries.iter().map(|entry| entry.as_bytes()).collect();
        let mut encoder = rdb::Encoder::detached(rdb::Options::default());
        encoder.string(listpack.as_bytes()).expect("memory takes everything");
        encoder.into_bytes()
    };
    let expected = [("-5".into(), 1.0), ("10".into(), 1.0), ("9".into(), 1.0), ("a".into(), 1.5)];
    for entries in [["a", "1.5", "10", "1", "9", "1", "-5", "1"], ["-5", "1", "10", "1", "a", "1.5", "9", "1"]] {
        for entries_max in [4, 3] {
            let zset = load(rdb::Tag::ZsetListpack, &packed(&entries), &limits(entries_max)).expect("four pairs");
            assert_eq!(pairs(&zset), expected);
            let encoding = if entries_max == 4 { Encoding::Listpack } else { Encoding::Skiplist };
            assert_eq!(zset.view().encoding(), encoding);
        }
    }
    let ziplist = b"\x19\x19\0\0\0\x16\0\0\0\x04\0\0\x03two\x05\xf3\x02\x03one\x05\xf2\xff";
    let zset = load(rdb::Tag::ZsetZiplist, ziplist, &limits(128)).expect("a ziplist");
    assert_eq!(pairs(&zset), [("one".into(), 1.0), ("two".into(), 2.0)]);
}

#[test]
fn set_becomes_a_tree_by_its_members_or_by_their_length() {
    let limits = Limits { zset_max_listpack_entries: 3, zset_max_listpack_value: 4, ..Limits::default() };
    let mut zset = zset_of(&[("a", 1.0), ("b", 2.0), ("c", 3.0)], &limits);
    assert_eq!(zset.view().encoding(), Encoding::Listpack);
    zset.upsert(b"a", &limits, |_| Some(9.0));
    assert_eq!(zset.view().encoding(), Encoding::Listpack);
    zset.upsert(b"d", &limits, |_| Some(4.0));
    assert_eq!((zset.view().encoding(), zset.len()), (Encoding::Skiplist, 4));
    assert_eq!(zset_of(&[("a", 1.0), ("bcdef", 2.0)], &limits).view().encoding(), Encoding::Skiplist);
    let built = ZsetValue::from_pairs(&[(b"b".to_vec(), 2.0), (b"a".to_vec(), 1.0)], &limits);
    assert_eq!(
        (built.view().encoding(), pairs(&built)),
        (Encoding::Listpack, vec![("a".into(), 1.0), ("b".into(), 2.0)])
    );
}

#[test]
fn small_sets_live_inside_their_keys_block() {
    let zset = zset_of(SCORES, &limits(128));
    let (encoding, bytes) = zset.inline().expect("it is small");
    assert_eq!(ZsetValue::from_inline(encoding, bytes, &mut Room::default()), zset);
    assert_eq!(ZsetValue::view_inline(encoding, bytes).len(), zset.len());
    assert_eq!(zset.view().memory_usage(0), 0);
    assert!(zset_of(SCORES, &limits(0)).view().memory_usage(5) > 100);
}

#[test]
fn no_listpack_grows_beyond_a_gigabyte_whatever_the_limits_are() {
    let unlimited = Limits { zset_max_listpack_value: usize::MAX, ..limits(usize::MAX) };
    assert!(fits(0, 1, (1 << 30) - 1, &unlimited));
    assert!(!fits(0, 1, 1 << 30, &unlimited));
    assert!(fits(1 << 29, 2, (1 << 29) - 1, &unlimited));
    assert!(!fits(1 << 29, 2, 1 << 29, &unlimited));
}

proptest! {
    #[test]
    fn both_encodings_answer_alike(
        steps in proptest::collection::vec((0u8..6, 0u8..30, -4i8..4), 1..80),
        bounds in (-5i8..5, -5i8..5, any::<bool>(), any::<bool>()),
    ) {
        let (small, large) = (limits(1_000), limits(0));
        let mut packed = zset_of(&[], &small);
        let mut tree = zset_of(&[], &large);
        let mut model = BTreeMap::new();
        for (kind, member, score) in steps {
            let member = format!("{member}").into_bytes();
            let score = f64::from(score) / 2.0;
            match kind {
                0..=3 => {
                    let expected = model.insert(member.clone(), score);
                    prop_assert_eq!(packed.upsert(&member, &small, |_| Some(score)).old, expected);
                    prop_assert_eq!(tree.upsert(&member, &large, |_| Some(score)).old, expected);
                }
                4 => {
                    let expected = model.remove(&member);
                    prop_assert_eq!(packed.remove(&member), expected);
                    prop_assert_eq!(tree.remove(&member), expected);
                }
                _ => {
                    prop_assert_eq!(packed.remove_ranks(0..1), tree.remove_ranks(0..1));
                    model.clear();
                    packed.view().for_all(|member, score| {
                        model.insert(member.to_vec(), score);
                    });
                }
            }
        }
        prop_assert_eq!(pairs(&packed), pairs(&tree));
        prop_assert_eq!(packed.len(), model.len());
        let bound = |value: i8, excluded: bool| {
            let value = f64::from(value) / 2.0;
            if excluded { Bound::Excluded(value) } else { Bound::Included(value) }
        };
        let (min, max) = (bound(bounds.0, bounds.2), bound(bounds.1, bounds.3));
        let ranks = tree.view().score_ranks(min, max);
        prop_assert_eq!(&packed.view().score_ranks(min, max), &ranks);
        for reverse in [false, true] {
            let collect = |zset: &ZsetValue| {
                let mut found = Vec::new();
                zset.view().for_each(ranks.clone(), reverse, |member, score| found.push((member.to_vec(), score)));
                found
            };
            prop_assert_eq!(collect(&packed), collect(&tree));
        }
        for (rank, (member, score)) in pairs(&tree).into_iter().enumerate() {
            prop_assert_eq!(packed.view().rank(member.as_bytes()), Some((rank, score)));
            prop_assert_eq!(tree.view().rank(member.as_bytes()), Some((rank, score)));
            prop_assert_eq!(packed.view().at(rank, |found, _| found.to_vec()), Some(member.into_bytes()));
        }
    }

    #[test]
    fn lex_ranges_of_equal_scores_are_alike_in_both_encodings(
        members in proptest::collection::btree_set("[a-c0-9]{0,3}", 0..20),
        min in "[a-c0-9]{0,2}",
        max in "[a-c0-9]{0,2}",
        excluded: (bool, bool),
        reverse: bool,
        skip in 0..4usize,
        most in 0..9usize,
    ) {
        let scored: Vec<(&str, f64)> = members.iter().map(|member| (member.as_str(), 0.0)).collect();
        let bound = |text: &'static [u8], excluded: bool| if excluded { Bound::Excluded(text) } else { Bound::Included(text) };
        let (min, max) = (min.into_bytes().leak() as &'static [u8], max.into_bytes().leak() as &'static [u8]);
        let (min, max) = (bound(min, excluded.0), bound(max, excluded.1));
        let (tree, packed) = (zset_of(&scored, &limits(0)), zset_of(&scored, &limits(100)));
        let walk = LexWalk { min, max, reverse, skip, most };
        let (expected, found) = (tree.view().lex_ranks(walk), packed.view().lex_ranks(walk));
        prop_assert!(found == expected || found.is_empty() && expected.is_empty(), "{:?}, {:?}", found, expected);
    }
}
