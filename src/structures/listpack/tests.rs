use proptest::prelude::*;

use super::super::row::Row;
use super::*;

fn text(entry: Entry<'_>) -> Vec<u8> {
    entry.to_vec()
}

fn contents(listpack: &Lp) -> Vec<Vec<u8>> {
    listpack.iter().map(text).collect()
}

fn listpack(values: &[&str]) -> Listpack {
    values.iter().map(|value| value.as_bytes()).collect()
}

fn checked(listpack: &Lp) {
    validate(listpack.as_bytes(), true, |_| true).unwrap();
}

fn hex(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    text.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// The node of a list in Redis 7.0.15 that holds each encoding at its limits, taken from a DUMP.
fn every_encoding() -> Vec<u8> {
    let short = "2b0100001f00800181610200017f01c08002dfff02cfff02f1001003d00002f1ffef03f1ff7f03f200800004f1008003f2ff7f\
        ff04f2ffff7f04f30000800005f200008004f3ffff7fff05f3ffffff7f05f4000000800000000009f30000008005f4ffffff7fffffffff\
        09f4ffffffffffffff7f09f400000000000000800993393232333337323033363835343737353830381483303037\
        04822b3103822d300383312e3504";
    let long = ["bf", &"78".repeat(63), "40e040", &"79".repeat(64), "42ff"].concat();
    hex(&[short, &long].concat())
}

fn every_encoding_values() -> Vec<Vec<u8>> {
    let mut values: Vec<Vec<u8>> = [
        "",
        "a",
        "0",
        "127",
        "128",
        "-1",
        "4095",
        "4096",
        "-4096",
        "-4097",
        "32767",
        "32768",
        "-32768",
        "-32769",
        "8388607",
        "8388608",
        "-8388608",
        "-8388609",
        "2147483647",
        "2147483648",
        "-2147483648",
        "-2147483649",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "007",
        "+1",
        "-0",
        "1.5",
    ]
    .iter()
    .map(|value| value.as_bytes().to_vec())
    .collect();
    values.extend([vec![b'x'; 63], vec![b'y'; 64]]);
    values
}

#[test]
fn bytes_are_those_of_redis_for_every_encoding() {
    let golden = every_encoding();
    let ours: Listpack = every_encoding_values().iter().collect();
    assert_eq!(ours.as_bytes(), golden);

    let theirs = validate(&golden, true, |_| true).unwrap();
    assert_eq!(contents(theirs), every_encoding_values());
}

#[test]
fn bytes_are_those_of_redis_around_each_length_step() {
    // The start and the end of a hash of one field `f` with a value of so many `v`.
    for (size, start, end) in [
        (63, "4b0000000200816602bf7676", "767640ff"),
        (64, "4d0000000200816602e0407676", "767642ff"),
        (125, "8a0000000200816602e07d7676", "76767fff"),
        (126, "8c0000000200816602e07e7676", "76760180ff"),
        (4095, "0d1000000200816602efff7676", "76762081ff"),
        (4096, "111000000200816602f0001000007676", "76762085ff"),
        (16380, "0e4000000200816602f0fc3f00007676", "7676018081ff"),
        (16384, "124000000200816602f0004000007676", "7676018085ff"),
    ] {
        let value = vec![b'v'; size];
        let hash: Listpack = [b"f".as_slice(), &value].into_iter().collect();
        assert!(hash.as_bytes().starts_with(&hex(start)), "{size}");
        assert!(hash.as_bytes().ends_with(&hex(end)), "{size}");
        assert_eq!(contents(&hash), [b"f".to_vec(), value]);
        checked(&hash);
    }
}

#[test]
fn bytes_are_those_of_redis_after_changes() {
    let mut hash = Listpack::new();
    hash.extend([b"field".as_slice(), b"value", b"n", b"42", b"neg", b"-300"]);
    assert_eq!(hash.as_bytes(), hex("220000000600856669656c64068576616c756506816e022a01836e656704ded402ff"));
    let n = hash.find_field(b"n").unwrap();
    hash.replace(hash.next(n).unwrap(), b"not a number any more");
    hash.remove_from(hash.find_field(b"field").unwrap(), 2);
    hash.extend([b"z".as_slice(), b"70000"]);
    assert_eq!(
        hash.as_bytes(),
        hex("310000000600816e02956e6f742061206e756d62657220616e79206d6f726516836e656704ded402817a02f270110104ff")
    );
}

#[test]
fn positions_walk_both_ways_and_indexes_count_from_both_ends() {
    let list = listpack(&["a", "1", "b", "2", "c"]);
    let first = list.first().unwrap();
    let second = list.next(first).unwrap();
    assert_eq!(list.entry(second), Some(Entry::Int(1)));
    assert_eq!(list.entry_and_next(first), Some((Entry::Bytes(b"a"), Some(second))));
    assert_eq!(list.entry_and_next(list.last().unwrap()), Some((Entry::Bytes(b"c"), None)));
    assert_eq!(list.prev(second), Some(first));
    assert_eq!(list.prev(first), None);
    assert_eq!(list.next(list.last().unwrap()), None);
    for index in 0..5 {
        assert_eq!(list.at(index), list.at(index - 5));
    }
    assert_eq!(list.get(5), None);
    assert_eq!(list.get(-6), None);
    assert_eq!(list.get(i64::MIN), None);
    assert_eq!(list.get(i64::MAX), None);
}

#[test]
fn sorted_set_of_redis_is_the_same_bytes() {
    // A ZADD of minus -3, one 1, "two and a half" 2.5 and big 10000000000.
    let golden =
        hex("3c0000000800856d696e757306dffd02836f6e650401018e74776f20616e6420612068616c660f83322e35048362696704f4\
        00e40b540200000009ff");
    let pairs = [("minus", "-3"), ("one", "1"), ("two and a half", "2.5"), ("big", "10000000000")];
    let ours = listpack(&pairs.map(|(member, score)| [member, score]).concat());
    assert_eq!(ours.as_bytes(), golden);
    let read = validate(&golden, true, |_| true).unwrap();
    assert!(read.pairs().eq(ours.pairs()));
    assert_eq!(read.pairs().next_back(), Some((Entry::Bytes(b"big"), Entry::Int(10_000_000_000))));
}

#[test]
fn text_of_an_integer_is_as_long_as_it_says() {
    for value in [0, 1, -1, 9, 10, -10, 99, 100, 12_345, -99_999, i64::MAX, i64::MIN] {
        let entry = Entry::Int(value);
        assert_eq!(entry.text_len(), value.to_string().len());
        assert_eq!(entry.to_vec(), value.to_string().into_bytes());
    }
}

#[test]
fn find_looks_at_fields_only_when_told_to_skip_values() {
    let hash = listpack(&["b", "a", "a", "b", "10", "a"]);
    assert_eq!(hash.find(b"a"), hash.at(1));
    assert_eq!(hash.find_field(b"a"), hash.at(2));
    assert_eq!(hash.find_field(b"10"), hash.at(4));
    assert_eq!(hash.find_field(b"010"), None);
    assert_eq!(hash.find_field(b"missing"), None);
    assert_eq!(Listpack::new().find(b""), None);
}

#[test]
fn count_past_sixteen_bits_is_found_by_walking() {
    let mut list: Listpack = (0..65_534).map(|n| Entry::Int(n % 100)).collect();
    assert_eq!(list.header_count(), 65_534);
    list.push_back(7);
    assert_eq!(list.header_count(), u16::MAX);
    assert_eq!(list.len(), 65_535);
    list.push_front(b"front");
    assert_eq!(list.len(), 65_536);
    assert_eq!(list.get(65_535), Some(Entry::Int(7)));
    assert_eq!(list.get(65_536), None);
    assert_eq!(list.get(-65_536), Some(Entry::Bytes(b"front")));
    assert_eq!(list.remove_range(-3, 10), 3);
    assert_eq!(list.remove_range(0, 65_000), 65_000);
    assert_eq!(list.len(), 533);
    checked(&list);
    let mut merged = Listpack::new();
    merged.append(&list);
    assert_eq!(merged.header_count(), 533);
}

/// Texts around each step of the format: integers, what only looks like one, and strings of all lengths that matter.
fn values_around_each_step() -> Vec<Vec<u8>> {
    let texts = ["", "-", "0", "-0", "00", "7", "-7", "1a", "-a", "9223372036854775808", "99999999999999999999"];
    let mut values: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
    values.extend(every_encoding_values());
    values.push(b"123456789012345678901".to_vec());
    for len in [1, 15, 16, 17, 62, 63, 64, 65, 124, 125, 126, 127, 128, 129, 4_095, 4_096] {
        values.push(vec![b'x'; len]);
        values.push(vec![b'5'; len]);
    }
    values
}

#[test]
fn pushing_where_there_is_slack_writes_what_insertion_writes() {
    for slack in [0, 1, 10, 65, 5_000] {
        for value in &values_around_each_step() {
            for start in [&[][..], &["a"], &["a", "1", "b"]] {
                let mut inserted = listpack(start);
                inserted.insert_at(0, value);
                let (mut front, mut back) = (listpack(start), listpack(start));
                front.reserve(true, slack);
                front.push_front(value);
                assert_eq!(front.as_bytes(), inserted.as_bytes());
                inserted = listpack(start);
                inserted.insert_at(start.len(), value);
                back.reserve(false, slack);
                back.push_back(value);
                assert_eq!(back.as_bytes(), inserted.as_bytes());
                checked(&back);
            }
        }
    }
}

#[test]
fn popping_at_an_end_takes_what_is_there_and_leaves_the_rest() {
    let values = values_around_each_step();
    let all: Listpack = values.iter().collect();
    let (mut from_front, mut from_back) = (all.clone(), all);
    for index in 0..values.len() {
        let (mut first, mut last) = (Vec::new(), Vec::new());
        assert!(from_front.pop_front(|entry| first = entry.to_vec()));
        assert!(from_back.pop_back(|entry| last = entry.to_vec()));
        assert_eq!((&first, &last), (&values[index], &values[values.len() - 1 - index]));
        assert_eq!(from_front, values[index + 1..].iter().collect());
        assert_eq!(from_back, values[..values.len() - 1 - index].iter().collect());
        checked(&from_front);
        checked(&from_back);
    }
    assert!(!from_front.pop_front(|_| panic!("nothing is left")));
    assert!(!from_back.pop_back(|_| panic!("nothing is left")));
    assert_eq!((from_front.as_bytes(), from_back.as_bytes()), (Listpack::new().as_bytes(), Listpack::new().as_bytes()));
}

#[test]
fn memory_of_popped_entries_is_given_back() {
    for front in [true, false] {
        let mut list: Listpack = (0..1_000).map(|_| Entry::Bytes(b"0123456789abcdef")).collect();
        while list.len() > 10 {
            if front {
                list.pop_front(|_| ())
            } else {
                list.pop_back(|_| ())
            };
            assert!(list.heap_bytes() <= list.size() * 2 + 256, "{} of {}", list.size(), list.heap_bytes());
        }
    }
}

#[test]
fn pushing_in_slack_and_popping_know_a_count_past_sixteen_bits() {
    let mut list: Listpack = (0..65_533).map(|n| Entry::Int(n % 100)).collect();
    list.reserve(true, 100);
    assert!(list.push_front_in_slack(Entry::Int(1)));
    assert_eq!(list.header_count(), 65_534);
    assert!(list.pop_back(|_| ()));
    assert_eq!(list.header_count(), 65_533);
    assert!(list.push_back_in_slack(Entry::Int(1)) && list.push_front_in_slack(Entry::Int(2)));
    assert_eq!((list.header_count(), list.len()), (u16::MAX, 65_535));
    assert!(list.push_front_in_slack(Entry::Bytes(b"front")) && list.push_back_in_slack(Entry::Bytes(b"back")));
    assert_eq!((list.header_count(), list.len()), (u16::MAX, 65_537));
    for _ in 0..4 {
        assert!(list.pop_front(|_| ()) && list.pop_back(|_| ()));
    }
    assert_eq!((list.header_count(), list.len()), (u16::MAX, 65_529));
    checked(&list);
}

#[test]
fn random_picks_are_places_of_fields_and_distinct_when_asked() {
    let mut rng = fastrand::Rng::with_seed(7);
    let hash: Listpack = (0..40).map(Entry::Int).collect();
    let mut seen = [false; 20];
    for _ in 0..2_000 {
        let Some(Entry::Int(field)) = hash.entry(hash.random(2, &mut rng).unwrap()) else { panic!() };
        assert_eq!(field % 2, 0);
        seen[field as usize / 2] = true;
    }
    assert_eq!(seen, [true; 20]);

    assert_eq!(hash.random_many(100, 2, &mut rng).len(), 100);
    let distinct = hash.random_distinct(7, 2, &mut rng);
    assert_eq!(distinct.len(), 7);
    assert!(distinct.is_sorted_by(|a, b| a < b));
    assert_eq!(hash.random_distinct(100, 1, &mut rng).len(), 40);
    assert_eq!(Listpack::new().random(1, &mut rng), None);
    assert!(Listpack::new().random_many(3, 1, &mut rng).is_empty());
}

#[test]
fn removing_many_takes_each_group_and_keeps_the_rest() {
    let mut hash: Listpack = (0..12).map(Entry::Int).collect();
    let places = [hash.at(2).unwrap(), hash.at(4).unwrap(), hash.at(10).unwrap()];
    hash.remove_many(&places, 2);
    assert_eq!(contents(&hash), [0, 1, 6, 7, 8, 9].map(|n: i32| n.to_string().into_bytes()));
    checked(&hash);
}

#[test]
fn buffer_is_reused_without_a_new_allocation() {
    let row = Row::with_capacity(256).holding(b"whatever was here");
    let address = row.as_slice().as_ptr();
    let mut list = Listpack::reusing(row);
    list.extend([b"a".as_slice(), b"b"]);
    let row = list.into_row();
    assert_eq!(row.as_slice().as_ptr(), address);
    assert_eq!(contents(Lp::from_trusted(row.as_slice())), [b"a".to_vec(), b"b".to_vec()]);
}

#[test]
fn malformed_listpacks_are_refused_with_their_reason() {
    let check = |bytes: &[u8]| validate(bytes, true, |_| true).err();
    let good = listpack(&["ab", "5"]).as_bytes().to_vec();
    assert_eq!(check(&good), None);
    assert_eq!(check(&good[..6]), Some(Malformed::TooShort { size: 6 }));
    assert_eq!(check(&good[..9]), Some(Malformed::Size { stated: 13, size: 9 }));
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    assert_eq!(check(&with(12, 0)), Some(Malformed::NoEnd));
    assert_eq!(check(&with(4, 3)), Some(Malformed::Count { stated: 3, count: 2 }));
    assert_eq!(check(&with(6, 0xF6)), Some(Malformed::Entry { offset: 6 }));
    assert_eq!(check(&with(6, 0xFF)), Some(Malformed::Entry { offset: 6 }));
    assert_eq!(check(&with(6, 0xBF)), Some(Malformed::Entry { offset: 6 }));
    assert_eq!(check(&with(9, 4)), Some(Malformed::Backlen { offset: 6 }));
    assert_eq!(validate(&good, true, |entry| entry != Entry::Int(5)).err(), Some(Malformed::Refused { offset: 10 }));
    assert!(validate(&with(6, 0xF6), false, |_| true).is_ok());
}

#[test]
fn listpack_cut_short_is_refused_at_every_length() {
    let golden = every_encoding();
    for len in 0..golden.len() {
        assert!(validate(&golden[..len], false, |_| true).is_err());
        // The same with a header that states the shorter size and an end mark in place.
        if len >= 7 {
            let mut cut = golden[..len].to_vec();
            cut[..4].copy_from_slice(&(len as u32).to_le_bytes());
            cut[len - 1] = 0xFF;
            assert!(validate(&cut, true, |_| true).is_err());
            use_every_operation(&cut);
        }
    }
}

/// Reads in all ways; then changes, where the bytes are known to be good.
fn use_every_operation(bytes: &[u8]) {
    let view = Lp::from_trusted(bytes);
    let mut rng = fastrand::Rng::with_seed(1);
    let _ = (view.len(), view.is_empty(), view.iter().count(), view.iter().rev().count());
    let _ = (view.pairs().count(), view.pairs().rev().count(), view.get(3), view.get(-3), view.get(100));
    let _ = (view.find(b"a"), view.find_field(b"1.5"), view.find(b"-4096"), format!("{view:?}"));
    let _ = (view.random(1, &mut rng), view.random_many(5, 2, &mut rng), view.random_distinct(5, 1, &mut rng));
    if validate(bytes, true, |_| true).is_err() {
        return;
    }
    assert_eq!(view.iter().count(), view.iter().rev().count());
    let mut list = view.to_owned();
    for index in [0, -1, list.len() as i64 / 2] {
        if let Some(pos) = list.at(index) {
            list.insert_before(pos, b"before");
            list.insert_after(pos, 12);
            list.replace(pos, b"a replacement");
            list.remove(pos);
            checked(&list);
        }
    }
    list.pop_front(|_| ());
    checked(&list);
    list.pop_back(|_| ());
    checked(&list);
    list.append(view);
    list.prepend(view);
    list.insert_at(1, b"x");
    if let Some(pos) = list.at(2) {
        checked(&list.split_off(pos));
    }
    list.remove_range(1, 2);
    let places = list.random_distinct(2, 1, &mut rng);
    list.remove_many(&places, 1);
    checked(&list);
}

#[test]
fn flipped_bytes_are_refused_or_harmless() {
    let golden = every_encoding();
    let mut rng = fastrand::Rng::with_seed(20_261_122);
    let mut accepted = 0;
    for _ in 0..10_000 {
        let mut bytes = golden.clone();
        for _ in 0..rng.usize(1..4) {
            let at = rng.usize(..bytes.len());
            bytes[at] = rng.u8(..);
        }
        accepted += usize::from(validate(&bytes, true, |_| true).is_ok());
        use_every_operation(&bytes);
    }
    assert!(accepted > 100, "flips inside of strings leave a good listpack: {accepted}");
}

#[derive(Clone, Debug)]
enum Step {
    PushBack(Vec<u8>),
    PushFront(Vec<u8>),
    InsertBefore(usize, Vec<u8>),
    InsertAfter(usize, Vec<u8>),
    Replace(usize, Vec<u8>),
    Remove(usize),
    RemoveRange(i64, usize),
    AppendSelf,
    SplitAndPrepend(usize),
    Clear,
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        any::<i64>().prop_map(|value| value.to_string().into_bytes()),
        (-5_000i64..5_000).prop_map(|value| value.to_string().into_bytes()),
        proptest::collection::vec(any::<u8>(), 0..80),
        (60usize..70, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
        (4_090usize..4_100, any::<u8>()).prop_map(|(len, byte)| vec![byte; len]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => value().prop_map(Step::PushBack),
        2 => value().prop_map(Step::PushFront),
        2 => (any::<usize>(), value()).prop_map(|(at, value)| Step::InsertBefore(at, value)),
        2 => (any::<usize>(), value()).prop_map(|(at, value)| Step::InsertAfter(at, value)),
        2 => (any::<usize>(), value()).prop_map(|(at, value)| Step::Replace(at, value)),
        2 => any::<usize>().prop_map(Step::Remove),
        1 => (-20i64..20, 0usize..6).prop_map(|(at, count)| Step::RemoveRange(at, count)),
        1 => Just(Step::AppendSelf),
        1 => any::<usize>().prop_map(Step::SplitAndPrepend),
        1 => Just(Step::Clear),
    ]
}

fn apply(step: Step, list: &mut Listpack, model: &mut Vec<Vec<u8>>) {
    let place = |list: &Listpack, at: usize, len: usize| (at % len, list.at((at % len) as i64).unwrap());
    match step {
        Step::PushBack(value) => {
            list.push_back(&value);
            model.push(value);
        }
        Step::PushFront(value) => {
            list.push_front(&value);
            model.insert(0, value);
        }
        Step::Clear => {
            list.clear();
            model.clear();
        }
        Step::AppendSelf if model.len() < 40 => {
            let copy = list.clone();
            list.append(&copy);
            model.extend_from_within(..);
        }
        Step::RemoveRange(at, count) => {
            let len = model.len() as i64;
            let start = if at < 0 { at + len } else { at };
            let removed = list.remove_range(at, count);
            if (0..len).contains(&start) {
                let end = (start as usize + count).min(model.len());
                assert_eq!(removed, end - start as usize);
                model.drain(start as usize..end);
            }
        }
        _ if model.is_empty() => {}
        Step::InsertBefore(at, value) => {
            let (index, pos) = place(list, at, model.len());
            assert_eq!(list.insert_before(pos, &value), pos);
            model.insert(index, value);
        }
        Step::InsertAfter(at, value) => {
            let (index, pos) = place(list, at, model.len());
            let new = list.insert_after(pos, &value);
            assert!(list.entry(new).unwrap().is(&value));
            model.insert(index + 1, value);
        }
        Step::Replace(at, value) => {
            let (index, pos) = place(list, at, model.len());
            list.replace(pos, &value);
            model[index] = value;
        }
        Step::Remove(at) => {
            let (index, pos) = place(list, at, model.len());
            let next = list.remove(pos);
            model.remove(index);
            assert_eq!(next.and_then(|next| list.entry(next)).map(text), model.get(index).cloned());
        }
        Step::SplitAndPrepend(at) => {
            let (index, pos) = place(list, at, model.len());
            let mut tail = list.split_off(pos);
            checked(&tail);
            tail.append(list);
            *list = tail;
            model.rotate_left(index);
        }
        Step::AppendSelf => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 200 }))]

    #[test]
    fn listpack_behaves_like_a_vector(steps in proptest::collection::vec(step(), 1..60), needle in value()) {
        let mut list = Listpack::new();
        let mut model = Vec::new();
        for step in steps {
            apply(step, &mut list, &mut model);
            checked(&list);
            prop_assert_eq!(contents(&list), model.clone());
            prop_assert_eq!(list.len(), model.len());
        }
        let backwards: Vec<_> = list.iter().rev().map(text).collect();
        model.reverse();
        prop_assert_eq!(backwards, model.clone());
        model.reverse();
        for (index, value) in model.iter().enumerate() {
            let found = list.find(value).unwrap();
            prop_assert_eq!(Some(found), list.at(model.iter().position(|other| other == value).unwrap() as i64));
            prop_assert!(list.get(index as i64).unwrap().is(value));
        }
        prop_assert_eq!(list.find(&needle).is_some(), model.contains(&needle));
        prop_assert_eq!(list.pairs().count(), model.len() / 2);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        use_every_operation(&bytes);
    }

    #[test]
    fn arbitrary_entries_between_a_good_header_and_end_never_panic(
        mut bytes in proptest::collection::vec(any::<u8>(), 7..200),
    ) {
        let len = bytes.len();
        bytes[..4].copy_from_slice(&(len as u32).to_le_bytes());
        bytes[4..6].copy_from_slice(&u16::MAX.to_le_bytes());
        bytes[len - 1] = 0xFF;
        use_every_operation(&bytes);
    }
}
