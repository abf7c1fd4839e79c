use proptest::prelude::*;

use super::*;
use crate::rdb::{Decoder, Encoder, Options, Tag};

fn limits() -> Limits {
    Limits { hash_max_listpack_entries: 6, hash_max_listpack_value: 20, ..Limits::default() }
}

fn hash_of(pairs: &[(&str, &str)]) -> HashValue {
    let mut hash = HashValue::new();
    for (field, value) in pairs {
        hash.set(field.as_bytes(), value.as_bytes(), &limits());
    }
    hash
}

fn encoded(write: impl FnOnce(&mut Encoder<'_>) -> std::io::Result<()>) -> Vec<u8> {
    let mut out = Encoder::detached(Options { version: 12, ..Options::default() });
    write(&mut out).expect("memory takes everything");
    out.into_bytes()
}

fn loaded(tag: Tag, bytes: &[u8]) -> rdb::Result<HashValue> {
    let limits = limits();
    HashValue::load(
        tag,
        &mut Decoder::new(bytes),
        &LoadOptions { sanitize: false, ..LoadOptions::checking_all(&limits) },
    )
}

fn loaded_packed(tag: Tag, bytes: &[u8]) -> rdb::Result<HashValue> {
    loaded(tag, &encoded(|out| out.string(bytes)))
}

fn assert_law(hash: &HashValue) {
    let bytes = encoded(|out| hash.view().save(out));
    let tag = hash.view().tag(rdb::VERSION_DEFAULT);
    assert_eq!(loaded(tag, &bytes).as_ref(), Ok(hash));
    for cut in 0..bytes.len() {
        assert!(loaded(tag, &bytes[..cut]).is_err(), "cut to {cut} of {} bytes", bytes.len());
    }
}

fn value(hash: &HashValue, field: &str) -> Option<Vec<u8>> {
    hash.view().find(field.as_bytes(), 0).map(Text::to_vec)
}

#[test]
fn encodings_change_where_redis_changes_them() {
    let pairs: Vec<_> = (0..6).map(|number| format!("f{number}")).collect();
    let mut hash = HashValue::new();
    for field in &pairs {
        assert!(hash.set(field.as_bytes(), b"1", &limits()));
    }
    assert_eq!(hash.view().encoding(), Encoding::Listpack);
    assert!(!hash.set(b"f3", b"other", &limits()));
    assert!(hash.set(b"f6", b"x", &limits()));
    assert_eq!((hash.view().encoding(), hash.view().len()), (Encoding::Hashtable, 7));
    assert_eq!(
        (value(&hash, "f3"), value(&hash, "f5"), value(&hash, "f7")),
        (Some(b"other".to_vec()), Some(b"1".to_vec()), None)
    );
    for (field, value) in [("f", "123456789012345678901"), ("123456789012345678901", "v")] {
        assert_eq!(hash_of(&[(field, value)]).view().encoding(), Encoding::Hashtable);
    }
    let mut hash = HashValue::new();
    hash.expect_fields(7, &limits());
    assert_eq!(hash.view().encoding(), Encoding::Hashtable);
}

#[test]
fn every_encoding_comes_back_from_a_dump_and_no_part_of_it_is_taken() {
    assert_law(&hash_of(&[("a", "1"), ("b", "two"), ("3", "")]));
    let many: Vec<_> = (0..60).map(|number| (format!("field:{number}"), format!("value:{}", number * 77))).collect();
    let many: Vec<_> = many.iter().map(|(field, value)| (field.as_str(), value.as_str())).collect();
    let mut large = hash_of(&many);
    assert_law(&large);
    for (number, (field, _)) in many.iter().enumerate().step_by(3) {
        assert!(large.set_expiry(field.as_bytes(), Some(1_800_000_000_000 + number as i64 * 1000)));
    }
    assert_eq!(large.view().tag(rdb::VERSION_DEFAULT), Tag::HashMetadata);
    assert_law(&large);
}

#[test]
fn a_field_with_an_expiry_is_gone_at_that_moment() {
    let mut hash = hash_of(&[("a", "1"), ("b", "2"), ("c", "3")]);
    assert!(hash.set_expiry(b"a", Some(100)) && hash.set_expiry(b"b", Some(200)) && !hash.set_expiry(b"x", Some(1)));
    assert_eq!(hash.view().encoding(), Encoding::Hashtable);
    let fields = |now_ms| {
        let mut fields: Vec<_> = hash.view().iter(now_ms).map(|(field, _)| field.to_vec()).collect();
        fields.sort_unstable();
        fields.concat()
    };
    assert_eq!((fields(99), fields(100), fields(200)), (b"abc".to_vec(), b"bc".to_vec(), b"c".to_vec()));
    assert_eq!(hash.view().expiry(b"b", 100), Some(Some(200)));
    assert_eq!((hash.view().expiry(b"a", 100), hash.view().expiry(b"c", 100)), (None, Some(None)));
    let mut rng = fastrand::Rng::with_seed(5);
    assert!((0..50).all(|_| hash.view().random(200, &mut rng).is_some_and(|(field, _)| field.is(b"c"))));
    assert_eq!(hash.view().random_distinct(2, 150, &mut rng).len(), 2);
    assert_eq!(hash.view().random_distinct(3, 150, &mut rng).len(), 2);

    assert_eq!(hash.view().next_expiry(), Some(100));
    assert_eq!(hash.remove_due(150, usize::MAX, |_| {}), 1);
    assert!(!hash.set_keeping_expiry(b"b", b"22", &limits()));
    assert_eq!(hash.view().expiry(b"b", 150), Some(Some(200)));
    assert!(!hash.set(b"b", b"222", &limits()));
    assert_eq!((hash.view().expiry(b"b", 150), hash.view().next_expiry()), (Some(None), None));
    assert_eq!(hash.view().tag(rdb::VERSION_DEFAULT), Tag::Hash);
}

#[test]
fn forms_of_older_versions_are_read() {
    let zipmap = b"\x02\x02f1\x02\x00v1\x02f2\x02\x00v2\xff";
    let ziplist = b"\x1b\0\0\0\x16\0\0\0\x04\0\0\x02f1\x04\x02v1\x04\x02f2\x04\x02v2\xff";
    for (tag, bytes) in [(Tag::HashZipmap, &zipmap[..]), (Tag::HashZiplist, ziplist)] {
        assert_eq!(loaded_packed(tag, bytes), Ok(hash_of(&[("f1", "v1"), ("f2", "v2")])));
        for cut in 0..bytes.len() {
            assert!(loaded_packed(tag, &bytes[..cut]).is_err());
        }
    }
}

#[test]
fn expiries_of_every_form_of_redis_7_4_are_read() {
    let mut expected = hash_of(&[("a", "1"), ("b", "2")]);
    expected.set_expiry(b"a", Some(1000));
    let triples: Listpack =
        [Text::Bytes(b"a"), Text::Int(1), Text::Int(1000), Text::Bytes(b"b"), Text::Int(2), Text::Int(0)]
            .into_iter()
            .collect();
    assert_eq!(loaded_packed(Tag::HashListpackExPreGa, triples.as_bytes()), Ok(expected.clone()));
    let with_first = encoded(|out| {
        out.milliseconds(1000)?;
        out.string(triples.as_bytes())
    });
    assert_eq!(loaded(Tag::HashListpackEx, &with_first), Ok(expected.clone()));
    let absolute = encoded(|out| {
        out.length(2)?;
        for (expiry, field, value) in [(1000, b"a", b"1"), (0, b"b", b"2")] {
            out.length(expiry)?;
            out.string(field)?;
            out.string(value)?;
        }
        Ok(())
    });
    assert_eq!(loaded(Tag::HashMetadataPreGa, &absolute), Ok(expected));
}

/// A hash as Valkey 9 writes it.
fn with_expiries(fields: &[(&[u8], &[u8], i64)]) -> Vec<u8> {
    encoded(|out| {
        out.length(fields.len() as u64)?;
        for (field, value, expiry) in fields {
            out.string(field)?;
            out.string(value)?;
            out.milliseconds(*expiry)?;
        }
        Ok(())
    })
}

#[test]
fn expiries_of_valkeys_form_are_read() {
    let bytes = with_expiries(&[(b"a", b"1", 1000), (b"b", b"2", -1)]);
    let mut expected = hash_of(&[("a", "1"), ("b", "2")]);
    expected.set_expiry(b"a", Some(1000));
    assert_eq!(loaded(Tag::Hash2, &bytes), Ok(expected));
    for cut in 0..bytes.len() {
        assert!(loaded(Tag::Hash2, &bytes[..cut]).is_err(), "cut to {cut}");
    }
    // The expiring field may come after others that need none.
    let hash = loaded(Tag::Hash2, &with_expiries(&[(b"a", b"1", -1), (b"b", b"2", 0)])).expect("a hash");
    assert_eq!((hash.expiry(b"a"), hash.expiry(b"b")), (Some(None), Some(Some(0))));
    let plain = loaded(Tag::Hash2, &with_expiries(&[(b"a", b"1", -1), (b"b", b"2", -1)]));
    assert_eq!(plain, Ok(hash_of(&[("a", "1"), ("b", "2")])), "without any expiry it is as any other");
    // The latest moment there is comes back from a dump of this server.
    let mut latest = loaded(Tag::Hash2, &with_expiries(&[(b"a", b"1", i64::MAX), (b"b", b"2", 5)])).expect("a hash");
    assert_eq!(latest.expiry(b"a"), Some(Some(i64::MAX)));
    let saved = encoded(|out| latest.view().save(out));
    assert_eq!(loaded(Tag::HashMetadata, &saved), Ok(latest.clone()));
    latest.remove(b"b");
    let saved = encoded(|out| latest.view().save(out));
    assert_eq!(loaded(Tag::HashMetadata, &saved), Ok(latest));
    for malformed in [&[(&b"a"[..], &b"1"[..], -2)][..], &[(b"a", b"1", 5), (b"a", b"2", 5)], &[(b"a", b"", i64::MIN)]]
    {
        assert!(loaded(Tag::Hash2, &with_expiries(malformed)).is_err(), "{malformed:?}");
    }
}

#[test]
fn malformed_hashes_are_refused() {
    assert!(loaded(Tag::Hash, b"\x02\x01a\x01x\x01a\x01y").is_err());
    let twice: Listpack = [&b"a"[..], b"1", b"a", b"2"].into_iter().collect();
    assert!(loaded_packed(Tag::HashListpack, twice.as_bytes()).is_err());
    let odd: Listpack = [&b"a"[..], b"1", b"b"].into_iter().collect();
    assert!(loaded_packed(Tag::HashListpack, odd.as_bytes()).is_err());
    let triples: Listpack = [Text::Bytes(b"a"), Text::Int(1), Text::Bytes(b"soon")].into_iter().collect();
    assert!(loaded_packed(Tag::HashListpackExPreGa, triples.as_bytes()).is_err());
    let overflow = encoded(|out| {
        out.milliseconds(i64::MAX)?;
        out.length(1)?;
        out.length(9)?;
        out.string(b"a")?;
        out.string(b"1")
    });
    assert!(loaded(Tag::HashMetadata, &overflow).is_err());
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (0..20i64).prop_map(|number| number.to_string().into_bytes()),
        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        "[ab]{0,3}".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..30),
    ]
}

proptest! {
    #[test]
    fn a_hash_behaves_as_a_model(
        steps in proptest::collection::vec((0..4u8, text(), text(), 1..1000i64), 0..60),
    ) {
        let mut model = std::collections::BTreeMap::new();
        let mut hash = HashValue::new();
        for (step, field, value, expiry) in steps {
            match step {
                0 => prop_assert_eq!(hash.remove(&field), model.remove(&field).is_some()),
                1 => {
                    let exists = model.get_mut(&field).map(|(_, at_ms)| *at_ms = Some(expiry)).is_some();
                    prop_assert_eq!(hash.set_expiry(&field, Some(expiry)), exists);
                }
                _ => prop_assert_eq!(hash.set(&field, &value, &limits()), model.insert(field, (value, None)).is_none()),
            }
        }
        let pairs: std::collections::BTreeMap<_, _> = hash
            .view()
            .iter(0)
            .map(|(field, value)| (field.to_vec(), (value.to_vec(), hash.view().expiry(&field.to_vec(), 0).flatten())))
            .collect();
        prop_assert_eq!(&pairs, &model);
        prop_assert_eq!(hash.view().next_expiry(), model.values().filter_map(|(_, at_ms)| *at_ms).min());
        // A hash that has lost fields comes back in the encoding that the rest needs.
        let bytes = encoded(|out| hash.view().save(out));
        let back = loaded(hash.view().tag(rdb::VERSION_DEFAULT), &bytes).expect("its own dump");
        prop_assert_eq!(back.view().len(), hash.view().len());
        for (field, value) in hash.view().iter(0) {
            let field = field.to_vec();
            prop_assert!(back.view().find(&field, 0).is_some_and(|other| other.is(&value.to_vec())));
            prop_assert_eq!(back.expiry(&field), hash.expiry(&field));
        }
        if let Some((encoding, bytes)) = hash.inline() {
            prop_assert_eq!(&HashValue::from_inline(encoding, bytes, &mut Room::default()), &hash);
        }
        prop_assert_eq!(&hash.clone(), &hash);
    }

    #[test]
    fn any_bytes_are_loaded_or_refused_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        for &tag in HashValue::LOADS {
            if let Ok(mut hash) = loaded(tag, &bytes) {
                hash.set(b"another", b"value", &limits());
            }
            let _ = loaded_packed(tag, &bytes);
        }
    }
}
