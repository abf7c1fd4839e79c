use proptest::prelude::*;

use super::*;
use crate::rdb::{Decoder, Encoder, Options, Tag};

fn limits() -> Limits {
    Limits { set_max_intset_entries: 8, set_max_listpack_entries: 6, set_max_listpack_value: 20, ..Limits::default() }
}

fn set_of(members: &[Vec<u8>]) -> SetValue {
    let mut set = SetValue::new();
    for member in members {
        set.add(member, &limits());
    }
    set
}

/// The versions before and after a listpack has a tag of its own.
const VERSIONS: [u32; 2] = [rdb::VERSION_DEFAULT, 11];

fn saved(set: &SetValue, version: u32) -> Vec<u8> {
    let mut out = Encoder::detached(Options { version, ..Options::default() });
    set.view().save(&mut out).expect("memory takes everything");
    out.into_bytes()
}

fn loaded(tag: Tag, bytes: &[u8]) -> rdb::Result<SetValue> {
    let limits = limits();
    SetValue::load(
        tag,
        &mut Decoder::new(bytes),
        &LoadOptions { sanitize: false, ..LoadOptions::checking_all(&limits) },
    )
}

fn as_string(bytes: &[u8]) -> Vec<u8> {
    let mut out = Encoder::detached(Options::default());
    out.string(bytes).expect("memory takes everything");
    out.into_bytes()
}

fn assert_law(set: &SetValue) {
    for version in VERSIONS {
        let bytes = saved(set, version);
        let tag = set.view().tag(version);
        assert!(tag.version() <= version);
        assert_eq!(loaded(tag, &bytes).as_ref(), Ok(set));
        for cut in 0..bytes.len() {
            assert!(loaded(tag, &bytes[..cut]).is_err(), "cut to {cut} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn short_members_keep_their_listpack_in_files_that_know_it() {
    let set = set_of(&[b"a".to_vec(), b"12".to_vec()]);
    assert_eq!(VERSIONS.map(|version| set.view().tag(version)), [Tag::Set, Tag::SetListpack]);
    assert_eq!(VERSIONS.map(|version| saved(&set, version).len()), [5, 13]);
}

#[test]
fn encodings_change_where_redis_changes_them() {
    let mut set = SetValue::new();
    for number in 0..8 {
        assert!(set.add(number.to_string().as_bytes(), &limits()));
    }
    assert_eq!(set.view().encoding(), Encoding::Intset);
    assert!(!set.add(b"7", &limits()));
    assert!(set.add(b"8", &limits()));
    assert_eq!(set.view().encoding(), Encoding::Hashtable);

    let few = set_of(&[b"1".to_vec(), b"a".to_vec(), b"2".to_vec()]);
    assert_eq!(few.view().encoding(), Encoding::Listpack);
    let long = set_of(&[b"1".to_vec(), vec![b'x'; 21]]);
    assert_eq!(long.view().encoding(), Encoding::Hashtable);
    let mut many = set_of(&(0..6).map(|number| format!("m{number}").into_bytes()).collect::<Vec<_>>());
    assert_eq!(many.view().encoding(), Encoding::Listpack);
    many.add(b"m6", &limits());
    assert_eq!((many.view().encoding(), many.len()), (Encoding::Hashtable, 7));
}

#[test]
fn a_set_is_made_in_the_encoding_that_its_members_need() {
    let encoding =
        |first: &[u8], count| SetValue::for_members(first, count, &limits(), &mut Room::default()).view().encoding();
    assert_eq!(encoding(b"1", 8), Encoding::Intset);
    assert_eq!(encoding(b"1", 9), Encoding::Hashtable);
    assert_eq!(encoding(b"a", 6), Encoding::Listpack);
    assert_eq!(encoding(b"a", 7), Encoding::Hashtable);
}

#[test]
fn every_encoding_comes_back_from_a_dump_and_no_part_of_it_is_taken() {
    assert_law(&set_of(&[b"5".to_vec(), b"-70000".to_vec(), b"9223372036854775807".to_vec()]));
    assert_law(&set_of(&[b"5".to_vec(), b"five".to_vec(), b"".to_vec()]));
    assert_law(&set_of(&(0..60).map(|number| format!("member:{number}").into_bytes()).collect::<Vec<_>>()));
}

#[test]
fn duplicates_and_disorder_are_refused() {
    assert!(loaded(Tag::Set, &[2, 1, b'a', 1, b'a']).is_err());
    let twice: Listpack = [&b"a"[..], b"b", b"a"].into_iter().collect();
    assert!(loaded(Tag::SetListpack, &as_string(twice.as_bytes())).is_err());
    let disorder = [2, 0, 0, 0, 2, 0, 0, 0, 5, 0, 1, 0];
    assert!(loaded(Tag::SetIntset, &as_string(&disorder)).is_err());
}

#[test]
fn a_listpack_of_a_later_version_is_taken_and_converted_by_the_thresholds() {
    let few: Listpack = [&b"a"[..], b"1"].into_iter().collect();
    let set = loaded(Tag::SetListpack, &as_string(few.as_bytes())).expect("a whole set");
    assert_eq!((set.view().encoding(), set.len()), (Encoding::Listpack, 2));
    let many: Listpack = (0..7i64).collect();
    let set = loaded(Tag::SetListpack, &as_string(many.as_bytes())).expect("a whole set");
    assert_eq!((set.view().encoding(), set.len()), (Encoding::Hashtable, 7));
}

#[test]
fn random_picks_are_members_and_all_come_up() {
    let mut rng = fastrand::Rng::with_seed(11);
    for count in [5, 7, 60] {
        let integers = set_of(&(0..count).map(|number| number.to_string().into_bytes()).collect::<Vec<_>>());
        let texts = set_of(&(0..count).map(|number| format!("m{number}").into_bytes()).collect::<Vec<_>>());
        for mut set in [integers, texts] {
            let mut seen = std::collections::BTreeMap::new();
            for _ in 0..count * 200 {
                let member = set.view().random(&mut rng).expect("not empty").to_vec();
                assert!(set.view().contains(&member));
                *seen.entry(member).or_insert(0) += 1;
            }
            assert!(seen.len() == count && seen.values().all(|times| (50..800).contains(times)), "{seen:?}");
            let taken = set.take_random(count - 2, &mut rng);
            assert_eq!((taken.len(), set.len()), (count - 2, 2));
            assert!(taken.iter().all(|member| !set.view().contains(member)));
            assert_eq!(set.take_random(9, &mut rng).len(), 2);
            assert!(set.is_empty());
        }
    }
}

#[test]
fn an_integer_in_a_table_takes_nothing_but_its_slot() {
    let set =
        set_of(&(0..10_000u64).map(|number| (1_000_000_000_000 + number).to_string().into_bytes()).collect::<Vec<_>>());
    let SetView::Hashtable(members) = set.view() else { panic!("more than an intset holds") };
    assert_eq!(set.view().memory_usage(0), size_of::<Members>() + members.typical_table_bytes());
    assert!(set.view().iter().all(|member| matches!(member, Member::Int(_))));
}

#[test]
fn an_integer_is_found_by_its_text_alone() {
    let set = set_of(&(0..10).map(|number| number.to_string().into_bytes()).collect::<Vec<_>>());
    assert_eq!(set.view().encoding(), Encoding::Hashtable);
    assert!(set.view().contains(b"7") && set.view().contains_member(Member::Int(7)));
    for text in ["07", "+7", "7.0", " 7", "-7", "7\0"] {
        assert!(!set.view().contains(text.as_bytes()), "{text:?}");
    }
}

fn digest(set: &SetValue) -> Digest {
    let mut digest = Digest::default();
    set.view().digest(&mut digest);
    digest
}

fn member() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (-3..3i64, any::<bool>()).prop_map(|(near, above)| {
            let end = if above { 1 << 62 } else { -(1 << 62) };
            (end + near).to_string().into_bytes()
        }),
        (0..30i64).prop_map(|number| format!("0{number}").into_bytes()),
        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        (0..30i64).prop_map(|number| number.to_string().into_bytes()),
        "[ab]{0,3}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..30),
    ]
}

proptest! {
    #[test]
    fn a_set_behaves_as_a_model(steps in proptest::collection::vec((any::<bool>(), member()), 0..60)) {
        let mut model = std::collections::BTreeSet::new();
        let mut set = SetValue::new();
        for (adds, member) in steps {
            if adds {
                prop_assert_eq!(set.add(&member, &limits()), model.insert(member.clone()));
            } else {
                prop_assert_eq!(set.remove(&member), model.remove(&member));
            }
            prop_assert_eq!(set.view().contains(&member), model.contains(&member));
        }
        let members: std::collections::BTreeSet<_> = set.view().iter().map(Member::to_vec).collect();
        prop_assert_eq!(members, model);
        // A set that has lost members comes back in the encoding that the rest needs.
        for version in VERSIONS {
            let back = loaded(set.view().tag(version), &saved(&set, version)).expect("its own dump");
            prop_assert_eq!(back.len(), set.len());
            prop_assert!(set.view().iter().all(|member| back.view().contains_member(member)));
        }
        if let Some((encoding, bytes)) = set.inline() {
            prop_assert_eq!(&SetValue::from_inline(encoding, bytes, &mut Room::default()), &set);
        }
        prop_assert_eq!(&set.clone(), &set);
    }

    #[test]
    fn a_table_of_integers_and_texts_is_walked_drawn_from_and_compared_as_a_model(
        members in proptest::collection::btree_set(member(), 9..120),
        taken in 1..8usize,
        seed: u64,
    ) {
        let mut rng = fastrand::Rng::with_seed(seed);
        let ascending: Vec<_> = members.iter().cloned().collect();
        let descending: Vec<_> = members.iter().rev().cloned().collect();
        let (mut set, other) = (set_of(&ascending), set_of(&descending));
        prop_assert_eq!(set.view().encoding(), Encoding::Hashtable);
        prop_assert_eq!(&set, &other);
        prop_assert_eq!(digest(&set), digest(&other));
        prop_assert_eq!(digest(&set), digest(&set.clone()));
        let mut read: SetValue = SetValue::new();
        for member in set.view().iter() {
            prop_assert!(read.add_member(member, &limits()));
            prop_assert!(!read.add_member(member, &limits()));
        }
        prop_assert_eq!(&read, &set);

        let mut scanned = std::collections::BTreeSet::new();
        let mut cursor = 0;
        loop {
            cursor = set.view().scan(cursor, |member| {
                scanned.insert(member.to_vec());
            });
            if cursor == 0 {
                break;
            }
        }
        prop_assert_eq!(&scanned, &members);
        let drawn: std::collections::BTreeSet<_> =
            set.view().random_distinct(taken, &mut rng).into_iter().map(Member::to_vec).collect();
        prop_assert!(drawn.len() == taken && drawn.is_subset(&members));
        prop_assert!(set.view().random_many(5, &mut rng).iter().all(|member| members.contains(&member.to_vec())));

        let mut left = members;
        set.take_one(&mut rng, |member| assert!(left.remove(&member.to_vec())));
        for member in set.take_random(taken, &mut rng) {
            prop_assert!(left.remove(&member));
        }
        prop_assert_eq!(set.len(), left.len());
        prop_assert!(left.iter().all(|member| set.view().contains(member)));
        let dumped = saved(&set, rdb::VERSION_DEFAULT);
        let back = loaded(set.view().tag(rdb::VERSION_DEFAULT), &dumped).expect("its own dump");
        prop_assert_eq!(digest(&back), digest(&set));
    }

    #[test]
    fn any_bytes_are_loaded_or_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        for &tag in SetValue::LOADS {
            if let Ok(mut set) = loaded(tag, &bytes) {
                set.add(b"another", &limits());
                set.take_random(3, &mut fastrand::Rng::with_seed(1));
            }
            let _ = loaded(tag, &as_string(&bytes));
        }
    }
}
