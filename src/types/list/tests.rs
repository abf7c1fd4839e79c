use proptest::prelude::*;

use super::*;
use crate::types::Digest;

fn limits(fill: i32, depth: usize) -> Limits {
    Limits { list_max_listpack_size: fill, list_compress_depth: depth, ..Limits::default() }
}

fn list_of(elements: &[Vec<u8>], limits: &Limits) -> ListValue {
    let mut list = ListValue::new();
    for element in elements {
        list.make_room(std::iter::once(element.as_slice()), limits);
        list.push(End::Right, element);
    }
    list
}

fn saved(list: &ListValue) -> Vec<u8> {
    let mut encoder = rdb::Encoder::detached(rdb::Options::default());
    list.view().save(&mut encoder).expect("memory takes everything");
    encoder.into_bytes()
}

fn load(tag: rdb::Tag, bytes: &[u8], limits: &Limits) -> rdb::Result<ListValue> {
    let mut input = rdb::Decoder::new(bytes);
    let list = ListValue::load(tag, &mut input, &LoadOptions::checking_all(limits))?;
    assert_eq!(input.remaining(), 0, "a value is read to its end");
    Ok(list)
}

fn texts(list: &ListValue) -> Vec<String> {
    list.view().elements().iter().map(|element| String::from_utf8_lossy(element).into_owned()).collect()
}

/// Lists of every encoding: one listpack, several nodes, and several of which the inner ones are compressed.
fn every_encoding() -> Vec<(ListValue, Limits)> {
    let elements: Vec<Vec<u8>> = (0..200).map(|n| format!("element number {n}").into_bytes()).collect();
    vec![
        (list_of(&elements[..3], &limits(-2, 0)), limits(-2, 0)),
        (list_of(&elements, &limits(10, 0)), limits(10, 0)),
        (list_of(&elements, &limits(10, 2)), limits(10, 2)),
    ]
}

#[test]
fn what_is_saved_is_loaded_again_and_no_part_of_it_is() {
    for (list, limits) in every_encoding() {
        let bytes = saved(&list);
        let loaded = load(rdb::Tag::ListQuicklist2, &bytes, &limits).expect("saved lists load");
        assert_eq!(loaded, list);
        assert_eq!(saved(&loaded), bytes);
        for cut in 0..bytes.len() {
            assert!(load(rdb::Tag::ListQuicklist2, &bytes[..cut], &limits).is_err(), "cut to {cut} bytes");
        }
    }
}

#[test]
fn damaged_lists_are_refused_or_harmless() {
    let mut rng = fastrand::Rng::with_seed(20_261_122);
    for (list, limits) in every_encoding() {
        let golden = saved(&list);
        for _ in 0..2_000 {
            let mut bytes = golden.clone();
            let at = rng.usize(..bytes.len());
            bytes[at] = rng.u8(..);
            let mut input = rdb::Decoder::new(&bytes);
            let options = LoadOptions::checking_all(&limits);
            if let Ok(mut list) = ListValue::load(rdb::Tag::ListQuicklist2, &mut input, &options) {
                assert_eq!(list.view().elements().len(), list.len());
                while list.pop(End::Left).is_some() {}
                assert!(list.is_empty());
            }
        }
    }
}

#[test]
fn old_layouts_are_read() {
    let list = load(rdb::Tag::List, b"\x03\x01a\x01b\xc0\x05", &limits(-2, 0)).expect("strings");
    assert_eq!((texts(&list), list.view().encoding()), (vec!["a".into(), "b".into(), "5".into()], Encoding::Listpack));

    let ziplist = b"\x13\x13\0\0\0\x0d\0\0\0\x02\0\0\x01a\x03\xfe\x63\0\xff";
    assert!(load(rdb::Tag::ListZiplist, ziplist, &limits(-2, 0)).is_err(), "a ziplist that does not add up");
    let ziplist = b"\x11\x11\0\0\0\x0d\0\0\0\x02\0\0\x01a\x03\xfe\x63\xff";
    let list = load(rdb::Tag::ListZiplist, ziplist, &limits(-2, 0)).expect("a ziplist");
    assert_eq!(texts(&list), ["a", "99"]);

    let nodes = [b"\x02", &ziplist[..], &ziplist[..]].concat();
    let list = load(rdb::Tag::ListQuicklist, &nodes, &limits(2, 0)).expect("two ziplists");
    assert_eq!((texts(&list).join(" "), list.view().encoding()), ("a 99 a 99".into(), Encoding::Quicklist));
}

#[test]
fn unknown_nodes_are_refused() {
    assert!(load(rdb::Tag::ListQuicklist2, b"\x01\x03\x01a", &limits(-2, 0)).is_err());
    let plain = load(rdb::Tag::ListQuicklist2, b"\x01\x01\x01a", &limits(-2, 0)).expect("a plain node");
    assert_eq!((texts(&plain), plain.view().encoding()), (vec!["a".into()], Encoding::Quicklist));
}

#[test]
fn list_grows_into_a_quicklist_and_shrinks_back_at_half_of_the_limit() {
    let limits = limits(4, 0);
    let elements: Vec<Vec<u8>> = (0..5).map(|n| vec![b'0' + n]).collect();
    let mut list = list_of(&elements, &limits);
    assert_eq!(list.view().encoding(), Encoding::Quicklist);
    while list.len() > 3 {
        list.pop(End::Right);
        list.shrink(&limits);
    }
    assert_eq!(list.view().encoding(), Encoding::Quicklist);
    list.pop(End::Right);
    list.shrink(&limits);
    assert_eq!((list.view().encoding(), list.len()), (Encoding::Listpack, 2));
}

#[test]
fn encodings_do_not_show_in_the_digest() {
    let digest = |list: &ListValue| {
        let mut digest = Digest::default();
        list.view().digest(&mut digest);
        digest
    };
    let elements: Vec<Vec<u8>> = (0..9).map(|n| format!("{n}").into_bytes()).collect();
    assert_eq!(digest(&list_of(&elements, &limits(-2, 0))), digest(&list_of(&elements, &limits(2, 0))));
    assert_ne!(digest(&list_of(&elements, &limits(-2, 0))), digest(&list_of(&elements[1..], &limits(-2, 0))));
}

#[test]
fn small_lists_live_inside_their_keys_block() {
    let list = list_of(&[b"a".to_vec(), b"12".to_vec()], &limits(-2, 0));
    let (encoding, bytes) = list.inline().expect("it is small");
    assert_eq!(ListValue::from_inline(encoding, bytes, &mut Room::default()), list);
    assert_eq!(ListValue::view_inline(encoding, bytes).len(), 2);
    assert_eq!(list.view().memory_usage(0), 0);
    let large = list_of(&[vec![b'a'; INLINE_BYTES_MAX]], &limits(-2, 0));
    assert!(large.inline().is_none() && large.view().memory_usage(0) > INLINE_BYTES_MAX);
}

proptest! {
    #[test]
    fn any_series_of_changes_matches_a_vector(
        fill in prop_oneof![Just(-2), Just(1), Just(5)],
        depth in 0usize..3,
        steps in proptest::collection::vec((0u8..8, 0usize..40, "[a-c]{1,2}|[0-9]{1,3}"), 1..120),
    ) {
        let limits = limits(fill, depth);
        let mut list = ListValue::new();
        let mut model: Vec<Vec<u8>> = Vec::new();
        for (kind, index, text) in steps {
            let value = text.into_bytes();
            if kind < 5 {
                list.make_room(std::iter::once(value.as_slice()), &limits);
            }
            match kind {
                0 | 1 => {
                    list.push(End::Left, &value);
                    model.insert(0, value);
                }
                2 => {
                    list.push(End::Right, &value);
                    model.push(value);
                }
                3 => {
                    prop_assert_eq!(list.insert(index, &value), index <= model.len());
                    if index <= model.len() {
                        model.insert(index, value);
                    }
                }
                4 => {
                    prop_assert_eq!(list.replace(index, &value), index < model.len());
                    if let Some(element) = model.get_mut(index) {
                        *element = value;
                    }
                }
                5 => {
                    let end = if index % 2 == 0 { End::Left } else { End::Right };
                    let expected = match end {
                        End::Left if !model.is_empty() => Some(model.remove(0)),
                        End::Left => None,
                        End::Right => model.pop(),
                    };
                    prop_assert_eq!(list.pop(end), expected);
                }
                6 => {
                    let removed = list.remove_range(index, 3);
                    let end = model.len().min(index + 3);
                    prop_assert_eq!(removed, end.saturating_sub(index));
                    model.drain(index.min(end)..end);
                }
                _ => {
                    let removed = list.remove_matching(&value, 1, Direction::Backward);
                    match model.iter().rposition(|element| *element == value) {
                        Some(at) => {
                            prop_assert_eq!(removed, 1);
                            model.remove(at);
                        }
                        None => prop_assert_eq!(removed, 0),
                    }
                }
            }
            if kind > 3 {
                list.shrink(&limits);
            }
            prop_assert_eq!(&list.view().elements(), &model);
        }
        let loaded = load(rdb::Tag::ListQuicklist2, &saved(&list), &limits).expect("saved lists load");
        prop_assert_eq!(loaded.view().elements(), model);
    }
}
