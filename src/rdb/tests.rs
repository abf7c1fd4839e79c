//! The room as a whole: files that real servers wrote, hand-made values of every tag, and bytes that nobody wrote.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

macro_rules! fixtures {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../tests/fixtures/rdb/", $name)))),*]
    };
}

const FIXTURES: &[(&str, &[u8])] = fixtures![
    "corrupt_empty_keys.rdb",
    "corrupt_ziplist.rdb",
    "encodings.rdb",
    "hash-ziplist.rdb",
    "hash-zipmap.rdb",
    "list-quicklist.rdb",
    "rdb-preamble.aof",
    "redis-7.0-empty.rdb",
    "redis-7.0-every-encoding.rdb",
    "redis-7.0-lfu.rdb",
    "redis-7.0-lru.rdb",
    "redis-7.0-neither-compressed-nor-summed.rdb",
    "redis-8.0-cluster.rdb",
    "redis-8.0-every-encoding.rdb",
    "redis-8.0-vector-set.rdb",
    "scriptbackup.rdb",
    "valkey-9.1-cluster.rdb",
    "valkey-9.1-every-encoding.rdb",
    "zset-ziplist.rdb",
];

fn fixture(name: &str) -> &'static [u8] {
    FIXTURES.iter().find(|(known, _)| *known == name).expect("a known fixture").1
}

/// What a file says, value bytes as they are in it.
fn records_of(file: &[u8]) -> Vec<(Record<'_>, &[u8])> {
    let mut records = Records::new(file).unwrap();
    let mut found = Vec::new();
    loop {
        let record = records.next().unwrap();
        let start = records.offset() as usize;
        match record {
            Record::Eof => return found,
            Record::Entry { tag, .. } => skip::value(tag, records.decoder()).unwrap(),
            _ => {}
        }
        found.push((record, &file[start..records.offset() as usize]));
    }
}

#[test]
fn every_file_is_walked_to_its_end_and_its_checksum_is_good() {
    for (name, file) in FIXTURES {
        let verified = verify_checksum(file).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut records = Records::new(file).unwrap();
        records.skip_to_end().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(records.offset(), verified.end, "{name}");
        assert_eq!(records.version(), verified.version, "{name}");
        assert_eq!(records.next(), Ok(Record::Eof), "{name}");
        match verified.checksum {
            Checksum::Absent => assert!(verified.version < 5, "{name}"),
            Checksum::Off => assert!(name.contains("nor-summed") || *name == "corrupt_ziplist.rdb", "{name}"),
            Checksum::Good(_) => {}
        }
        assert_eq!(verified.end < file.len() as u64, name.ends_with(".aof"), "{name}");
    }
}

#[test]
fn the_fixtures_reach_every_tag_that_redis_8_0_and_valkey_9_1_write() {
    let mut found = BTreeSet::new();
    for (_, file) in FIXTURES {
        for (record, _) in records_of(file) {
            if let Record::Entry { tag, .. } = record {
                found.insert(tag);
            }
        }
    }
    let unreached: Vec<_> = Tag::ALL.into_iter().filter(|tag| !found.contains(tag)).collect();
    // What release candidates wrote, the layout of streams before 7.0, and what later servers write.
    let others = [
        Tag::Module,
        Tag::StreamListpacks,
        Tag::HashMetadataPreGa,
        Tag::HashListpackExPreGa,
        Tag::StreamListpacks4,
        Tag::StreamListpacks5,
        Tag::Array,
    ];
    assert_eq!(unreached, others);
}

#[test]
fn opcodes_before_a_key_belong_to_it() {
    let entry = |file: &'static str, wanted: &str| {
        let found = records_of(fixture(file)).into_iter().find_map(|(record, _)| match record {
            Record::Entry { key, expiry_ms, idle, freq, .. } if key == wanted.as_bytes() => {
                Some((expiry_ms, idle.is_some(), freq.is_some()))
            }
            _ => None,
        });
        found.expect("the key is there")
    };
    let at = Some(32_503_680_000_123);
    assert_eq!(entry("redis-7.0-lru.rdb", "expiring"), (at, true, false));
    assert_eq!(entry("redis-7.0-lru.rdb", "touched"), (None, true, false));
    assert_eq!(entry("redis-7.0-lfu.rdb", "expiring"), (at, false, true));
    assert_eq!(entry("redis-7.0-every-encoding.rdb", "expiring"), (at, false, false));
    assert_eq!(entry("redis-7.0-every-encoding.rdb", "string:raw"), (None, false, false));
}

#[test]
fn compressed_and_plain_files_hold_the_same_strings() {
    let strings = |name| {
        let mut strings = BTreeMap::new();
        for (record, bytes) in records_of(fixture(name)) {
            if let Record::Entry { tag: Tag::String, key, .. } = record {
                strings.insert(key.into_owned(), Decoder::new(bytes).string().unwrap().into_owned());
            }
        }
        strings
    };
    let compressed = strings("redis-7.0-every-encoding.rdb");
    assert_eq!(compressed, strings("redis-7.0-neither-compressed-nor-summed.rdb"));
    assert_eq!(compressed[&b"string:compressible"[..]], b"abcd".repeat(100));
    assert_eq!(compressed[&b"string:int:-32768"[..]], b"-32768");
    assert_eq!(compressed[&b"12345"[..]], b"the key is an integer");
    assert_eq!(compressed[&b"long-key-".repeat(20)], b"the key is compressed");
}

/// Writes what a file says once more, its values by `value`.
fn written_again(file: &[u8], options: Options, value: impl Fn(&mut Encoder<'_>, Tag, &[u8])) -> Vec<u8> {
    let mut encoder = Encoder::detached(options);
    encoder.header().unwrap();
    for (record, bytes) in records_of(file) {
        match record {
            Record::Aux { key, value } => encoder.aux(&key, &value),
            Record::SelectDb(index) => encoder.select_db(index),
            Record::ResizeDb { keys, expires } => encoder.resize_db(keys, expires),
            Record::FunctionLibrary(code) => encoder.function_library(&code),
            Record::Entry { tag, key, expiry_ms, idle, freq, .. } => {
                expiry_ms.map_or(Ok(()), |at| encoder.expiry(at)).unwrap();
                idle.map_or(Ok(()), |seconds| encoder.idle(seconds)).unwrap();
                freq.map_or(Ok(()), |counter| encoder.freq(counter)).unwrap();
                encoder.tag(tag).unwrap();
                encoder.string(&key).unwrap();
                value(&mut encoder, tag, bytes);
                Ok(())
            }
            Record::ModuleAux { .. } | Record::FunctionOfCandidate { .. } | Record::Eof => {
                unreachable!("these files have none")
            }
        }
        .unwrap();
    }
    encoder.eof().unwrap();
    encoder.into_bytes()
}

#[test]
fn writing_a_plain_file_again_gives_the_bytes_that_redis_wrote() {
    let file = fixture("redis-7.0-neither-compressed-nor-summed.rdb");
    let options = Options { compression: false, checksum: false, version: 10 };
    let again = written_again(file, options, |encoder, tag, bytes| {
        if tag == Tag::String {
            encoder.string(&Decoder::new(bytes).string().unwrap()).unwrap();
        } else {
            encoder.raw(bytes).unwrap();
        }
    });
    assert!(again == file);
    for name in ["redis-7.0-lru.rdb", "redis-7.0-lfu.rdb", "redis-7.0-empty.rdb"] {
        let again = written_again(fixture(name), Options::default(), |encoder, _, bytes| encoder.raw(bytes).unwrap());
        assert!(again == fixture(name), "{name}");
    }
}

#[test]
fn truncated_file_is_rejected_at_every_length() {
    for (name, file) in FIXTURES {
        let Verified { version, end, .. } = verify_checksum(file).unwrap();
        for cut in 0..end as usize {
            let cut_file = &file[..cut];
            let walked = Records::new(cut_file).and_then(|mut records| records.skip_to_end());
            assert!(matches!(walked, Err(Error::UnexpectedEnd { .. })), "{name} cut to {cut} bytes: {walked:?}");
            if version >= 5 {
                let verified = verify_checksum(cut_file);
                assert!(verified.is_err(), "{name} cut to {cut} bytes: {verified:?}");
            }
        }
    }
}

#[test]
fn every_damaged_bit_is_noticed_before_anything_is_loaded() {
    let file = fixture("redis-7.0-every-encoding.rdb");
    for at in 0..file.len() {
        let mut damaged = file.to_vec();
        damaged[at] ^= 1 << (at % 8);
        assert!(verify_checksum(&damaged).is_err(), "byte {at}");
    }
}

#[test]
fn a_damaged_file_is_called_damaged_and_a_cut_one_cut() {
    let file = fixture("redis-7.0-every-encoding.rdb");
    let mut damaged = file.to_vec();
    damaged[300] ^= 0x10;
    let error = verify_checksum(&damaged).unwrap_err().to_string();
    assert!(error.starts_with(&format!("bad checksum at offset {}: stored 0x", file.len() - 8)), "{error}");
    let error = verify_checksum(&file[..1000]).unwrap_err();
    assert!(matches!(error, Error::UnexpectedEnd { .. }), "{error}");
}

#[test]
fn other_files_and_other_versions_are_refused() {
    assert_eq!(Records::new(b"VALKYRIE1").err(), Some(Error::BadMagic { offset: 0 }));
    assert_eq!(Records::new(b"*3\r\n").err(), Some(Error::BadMagic { offset: 0 }));
    assert_eq!(Records::new(b"REDISabcd").err(), Some(Error::BadMagic { offset: 5 }));
    for version in [0, 16, 80, 9999] {
        let header = format!("REDIS{version:04}");
        let format = Format { dialect: Dialect::Redis, version };
        let refused = Some(Error::UnsupportedVersion { offset: 5, format });
        assert_eq!(Records::new(header.as_bytes()).err(), refused);
        assert_eq!(verify_checksum(header.as_bytes()).err(), refused);
    }
    for version in VERSION_MIN..=VERSION_MAX {
        let header = format!("REDIS{version:04}");
        assert_eq!(Records::new(header.as_bytes()).unwrap().version(), version);
    }
}

/// A value of each tag as short as it may be while every part of its layout occurs.
fn sample(tag: Tag) -> Vec<u8> {
    let mut encoder = Encoder::detached(Options::default());
    let id = [7; 16];
    let write = |encoder: &mut Encoder<'_>| match tag {
        Tag::List | Tag::Set | Tag::ListQuicklist => {
            encoder.length(3)?;
            encoder.string(b"element")?;
            encoder.string(b"12")?;
            encoder.string(&[b'x'; 60])
        }
        Tag::Hash => {
            encoder.length(1)?;
            encoder.string(b"field")?;
            encoder.string(b"-70000")
        }
        Tag::Zset => {
            encoder.length(2)?;
            encoder.string(b"a")?;
            encoder.ascii_double(0.5)?;
            encoder.string(b"b")?;
            encoder.ascii_double(f64::INFINITY)
        }
        Tag::Zset2 => {
            encoder.length(1)?;
            encoder.string(b"a")?;
            encoder.double(0.5)
        }
        Tag::ListQuicklist2 => {
            encoder.length(2)?;
            encoder.length(1)?;
            encoder.string(b"plain")?;
            encoder.length(2)?;
            encoder.string(b"listpack")
        }
        Tag::HashMetadata | Tag::HashMetadataPreGa => {
            if tag == Tag::HashMetadata {
                encoder.milliseconds(1_700_000_000_000)?;
            }
            encoder.length(1)?;
            encoder.length(1)?;
            encoder.string(b"field")?;
            encoder.string(b"value")
        }
        Tag::HashListpackEx => {
            encoder.milliseconds(0)?;
            encoder.string(b"listpack")
        }
        Tag::StreamListpacks
        | Tag::StreamListpacks2
        | Tag::StreamListpacks3
        | Tag::StreamListpacks4
        | Tag::StreamListpacks5 => {
            encoder.length(1)?;
            encoder.string(&id)?;
            encoder.string(b"listpack")?;
            for field in 0..if tag == Tag::StreamListpacks { 3 } else { 8 } {
                encoder.length(field)?;
            }
            encoder.length(1)?;
            encoder.string(b"group")?;
            encoder.length(5)?;
            encoder.length(0)?;
            if tag != Tag::StreamListpacks {
                encoder.length(4)?;
            }
            encoder.length(1)?;
            encoder.raw(&id)?;
            encoder.milliseconds(1)?;
            encoder.length(1)?;
            encoder.length(1)?;
            encoder.string(b"consumer")?;
            encoder.milliseconds(2)?;
            if tag.version() >= Tag::StreamListpacks3.version() {
                encoder.milliseconds(3)?;
            }
            encoder.length(1)?;
            encoder.raw(&id)?;
            if tag == Tag::StreamListpacks5 {
                encoder.length(1)?;
                encoder.raw(&id)?;
            }
            if tag.version() >= Tag::StreamListpacks4.version() {
                stream_idempotency(encoder)?;
            }
            Ok(())
        }
        Tag::Hash2 => {
            encoder.length(1)?;
            encoder.string(b"field")?;
            encoder.string(b"value")?;
            encoder.milliseconds(-1)
        }
        Tag::Array => {
            encoder.length(3)?;
            encoder.length(1)?;
            encoder.length(70)?;
            for (index, kind) in [(0, 0), (3, 3), (5, 2)] {
                encoder.length(index)?;
                encoder.length(kind)?;
                if kind == 2 { encoder.double(0.5)? } else { encoder.string(b"element")? }
            }
            Ok(())
        }
        Tag::Module | Tag::Module2 => {
            encoder.length(u64::MAX)?;
            module_fields(encoder)
        }
        _ => encoder.string(b"one string"),
    };
    write(&mut encoder).unwrap();
    encoder.into_bytes()
}

fn stream_idempotency(encoder: &mut Encoder<'_>) -> std::io::Result<()> {
    encoder.length(60)?;
    encoder.length(100)?;
    encoder.length(1)?;
    encoder.string(b"producer")?;
    encoder.length(1)?;
    encoder.string(b"name")?;
    encoder.length(5)?;
    encoder.length(0)?;
    encoder.length(1)?;
    encoder.length(0)
}

fn module_fields(encoder: &mut Encoder<'_>) -> std::io::Result<()> {
    encoder.length(1)?;
    encoder.length(1000)?;
    encoder.length(2)?;
    encoder.length(1 << 40)?;
    encoder.length(3)?;
    encoder.raw(&[0; 4])?;
    encoder.length(4)?;
    encoder.double(1.0)?;
    encoder.length(5)?;
    encoder.string(b"bytes")?;
    encoder.length(0)
}

#[test]
fn a_value_of_every_tag_is_passed_over_and_rejected_at_every_length() {
    for tag in Tag::ALL {
        let bytes = sample(tag);
        let mut decoder = Decoder::at(&bytes, 1000);
        skip::value(tag, &mut decoder).unwrap_or_else(|error| panic!("{}: {error}", tag.name()));
        assert_eq!(decoder.remaining(), 0, "{}", tag.name());
        for cut in 0..bytes.len() {
            let error = skip::value(tag, &mut Decoder::at(&bytes[..cut], 1000)).unwrap_err();
            assert!(matches!(error, Error::UnexpectedEnd { .. }), "{} cut to {cut} bytes: {error}", tag.name());
            assert!((1000..=1000 + cut as u64).contains(&error.offset()), "{} cut to {cut} bytes: {error}", tag.name());
        }
    }
}

#[test]
fn modules_are_named_where_they_are_refused() {
    let error = skip::module_fields(&mut Decoder::at(&[9], 500)).unwrap_err();
    assert_eq!(error.to_string(), "invalid value at offset 500: unknown kind of field in a module's value");
    let id = skip::module(&mut Decoder::new(&sample(Tag::Module2))).unwrap();
    let error = Error::UnsupportedModule { offset: 9, module: id };
    assert_eq!(error.to_string(), "unsupported module type at offset 9: _________ (encoding version 1023)");
}

#[test]
fn what_modules_and_clusters_add_to_a_file_is_passed_over() {
    let mut encoder = Encoder::detached(Options { version: 12, ..Options::default() });
    let file = (|| {
        encoder.header()?;
        encoder.byte(Opcode::ModuleAux.as_u8())?;
        encoder.length(u64::MAX)?;
        encoder.length(2)?;
        encoder.length(1)?;
        module_fields(&mut encoder)?;
        encoder.select_db(0)?;
        encoder.byte(Opcode::SlotInfo.as_u8())?;
        encoder.length(16383)?;
        encoder.length(1)?;
        encoder.length(0)?;
        encoder.byte(Opcode::ExpireTime.as_u8())?;
        encoder.raw(&1_700_000_000u32.to_le_bytes())?;
        encoder.tag(Tag::HashMetadata)?;
        encoder.string(b"key")?;
        encoder.raw(&sample(Tag::HashMetadata))?;
        encoder.eof()?;
        std::io::Result::Ok(encoder.into_bytes())
    })()
    .unwrap();
    assert!(verify_checksum(&file).is_ok());
    let records: Vec<_> = records_of(&file).into_iter().map(|(record, _)| record).collect();
    let key = Record::Entry {
        tag: Tag::HashMetadata,
        key: b"key".into(),
        expiry_ms: Some(1_700_000_000_000),
        idle: None,
        freq: None,
        metadata: None,
    };
    assert_eq!(records, [Record::ModuleAux { id: ModuleId(u64::MAX), offset: 9 }, Record::SelectDb(0), key]);
}

/// A file of this format: what `write` writes, and an end.
fn file_of(format: Format, write: impl FnOnce(&mut Encoder<'_>) -> std::io::Result<()>) -> Vec<u8> {
    let mut encoder = Encoder::detached(Options { version: format.version, ..Options::default() });
    let written = encoder.header().and_then(|()| write(&mut encoder)).and_then(|()| encoder.eof());
    written.expect("a vector takes everything");
    encoder.into_bytes()
}

#[test]
fn the_opcodes_of_valkey_9_are_read_as_what_they_are_there() {
    let valkey = Format { dialect: Dialect::Valkey, version: 80 };
    let file = file_of(valkey, |encoder| {
        encoder.aux(b"slot-info", b"16383,1,0,0")?;
        encoder.byte(Opcode::SlotImport.as_u8())?;
        encoder.string(b"job")?;
        encoder.length(2)?;
        for bound in [0, 5, 100, 16383] {
            encoder.length(bound)?;
        }
        encoder.tag(Tag::Hash2)?;
        encoder.string(b"key")?;
        encoder.raw(&sample(Tag::Hash2))
    });
    assert!(file.starts_with(b"VALKEY080\xFA"));
    assert!(verify_checksum(&file).is_ok());
    let records: Vec<_> = records_of(&file).into_iter().map(|(record, _)| record).collect();
    let no = None;
    let key = b"key".into();
    let entry = Record::Entry { tag: Tag::Hash2, key, expiry_ms: no, idle: None, freq: None, metadata: None };
    assert_eq!(records, [Record::Aux { key: b"slot-info".into(), value: b"16383,1,0,0".into() }, entry]);
}

#[test]
fn metadata_of_a_key_is_passed_over_and_its_place_is_known() {
    let redis = Format { dialect: Dialect::Redis, version: 13 };
    let file = file_of(redis, |encoder| {
        encoder.expiry(1_700_000_000_000)?;
        encoder.byte(Opcode::KeyMetadata.as_u8())?;
        encoder.length(1)?;
        encoder.raw(b"spec")?;
        module_fields(encoder)?;
        encoder.tag(Tag::String)?;
        encoder.string(b"key")?;
        encoder.string(b"value")
    });
    let found = records_of(&file).into_iter().map(|(record, _)| record).collect::<Vec<_>>();
    let [Record::Entry { expiry_ms: Some(1_700_000_000_000), metadata: Some((start, end)), .. }] = found[..] else {
        panic!("{found:?}")
    };
    assert_eq!((start, file[start as usize], file[end as usize]), (18, 243, 0));
}

#[test]
fn an_expiry_of_minus_one_is_none() {
    let redis = Format { dialect: Dialect::Redis, version: 10 };
    for (at_ms, expected) in [(-1, None), (-2, Some(-2)), (0, Some(0))] {
        let file = file_of(redis, |encoder| {
            encoder.expiry(at_ms)?;
            encoder.tag(Tag::String)?;
            encoder.string(b"key")?;
            encoder.string(b"value")
        });
        let Some((Record::Entry { expiry_ms, .. }, _)) = records_of(&file).into_iter().next() else { panic!("no key") };
        assert_eq!(expiry_ms, expected);
    }
}

#[test]
fn functions_of_release_candidates_are_passed_over_in_both_forms() {
    let redis = Format { dialect: Dialect::Redis, version: 10 };
    for parts in
        [&[b"name".as_slice(), b"LUA", b"", b"code"][..], &[b"name", b"LUA", b"\x01about", b"code"], &[b"code"]]
    {
        let file = file_of(redis, |encoder| {
            encoder.byte(Opcode::FunctionPreGa.as_u8())?;
            for (index, part) in parts.iter().enumerate() {
                match (index, part.strip_prefix(b"\x01")) {
                    (2, Some(description)) => encoder.length(1).and_then(|()| encoder.string(description))?,
                    (2, None) => encoder.length(0)?,
                    _ => encoder.string(part)?,
                }
            }
            encoder.select_db(3)
        });
        let records: Vec<_> = records_of(&file).into_iter().map(|(record, _)| record).collect();
        assert_eq!(records, [Record::FunctionOfCandidate { offset: 9 }, Record::SelectDb(3)]);
    }
}

#[test]
fn unknown_bytes_are_refused_by_offset_and_by_whose_they_are() {
    let after = |file: &[u8], byte: u8| {
        let file = [file, &[byte]].concat();
        let mut records = Records::new(&file).expect("a header");
        loop {
            match records.next() {
                Ok(Record::Aux { .. }) => {}
                result => return result.expect_err("an unknown byte"),
            }
        }
    };
    let dialect = Dialect::Redis;
    for byte in [8].into_iter().chain(29..=242) {
        assert_eq!(after(b"REDIS0012", byte), Error::UnknownType { offset: 9, byte, dialect });
    }
    let dialect = Dialect::Valkey;
    for byte in [8].into_iter().chain(23..=242) {
        assert_eq!(after(b"VALKEY080", byte), Error::UnknownType { offset: 9, byte, dialect });
    }
    let dragonfly = b"REDIS0009\xFA\x09redis-ver\x07df-1.30";
    for byte in [30, 37, 200, 224] {
        let error = after(dragonfly, byte).to_string();
        assert!(error.contains("a type or opcode of Dragonfly's own"), "{error}");
    }
}

/// Reads what there is up to the end or the first fault.
fn walk(file: &[u8]) -> Result<()> {
    let mut records = Records::new(file)?;
    let mut scratch = Vec::new();
    loop {
        match records.next()? {
            Record::Eof => return Ok(()),
            Record::Entry { tag: Tag::String, .. } => records.decoder().string_in(&mut scratch).map(drop)?,
            Record::Entry { tag, .. } => skip::value(tag, records.decoder())?,
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_behind_a_header_are_walked_without_panic(
        version in VERSION_MIN..=VERSION_MAX,
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), 0u8..29, 243u8..=255], 0..200),
        valkey: bool,
    ) {
        let header = if valkey { "VALKEY080".to_owned() } else { format!("REDIS{version:04}") };
        let file = [header.as_bytes(), &bytes].concat();
        let _ = walk(&file);
        let _ = verify_checksum(&file);
    }

    #[test]
    fn any_bytes_are_no_value_that_panics(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        for tag in Tag::ALL {
            let _ = skip::value(tag, &mut Decoder::new(&bytes));
        }
    }

    #[test]
    fn damaged_files_are_walked_without_panic(
        which in 0..FIXTURES.len(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut file = FIXTURES[which].1.to_vec();
        for (at, byte) in damage {
            let at = at.index(file.len());
            file[at] = byte;
        }
        let _ = walk(&file);
        let _ = verify_checksum(&file);
    }
}
