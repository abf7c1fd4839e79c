//! A load by threads is the load by one: the same data, and the same fault where there is one.

use std::time::{Duration, Instant};

use super::crew::Crew;
use super::part::{Batch, Part};
use super::*;
use crate::keyspace::{AccessClock, Keyspace};
use crate::rdb::{self, Encoder, Records, Tag};
use crate::snapshot::child::SaveOptions;
use crate::snapshot::tests::{file_of, saved, write_string};
use crate::stdx::HashSeed;
use crate::types::hash::HashValue;
use crate::types::list::{End, ListValue};
use crate::types::set::SetValue;
use crate::types::zset::ZsetValue;
use crate::types::{Digest, Value};

const SEED: HashSeed = HashSeed { k0: 1, k1: 2 };
const DATABASES: usize = 4;
const NOW_MS: i64 = 1_700_000_000_000;
const ROUNDS: usize = 3;
const VALUE: &[u8] = b"a value";

/// Parts of a few entries, however small the file is.
fn by_threads(threads: usize) -> Division {
    Division { threads, part_bytes: 200, file_bytes_min: 0 }
}

const ALONE: Division = Division { threads: 0, part_bytes: 0, file_bytes_min: 0 };

fn encoder_options() -> SaveOptions {
    SaveOptions::new(&Config::default(), 0, false, Now::at_unix_ms(NOW_MS))
}

/// Values of every type and encoding, of a few members or of many.
fn collections(round: usize) -> Vec<Value> {
    let limits = Limits::default();
    let mut values = Vec::new();
    for members in [1 + round % 5, 600] {
        let names: Vec<Vec<u8>> = (0..members).map(|at| format!("member:{at}:{round}").into_bytes()).collect();
        let (mut hash, mut list) = (HashValue::new(), ListValue::new());
        let (mut words, mut numbers) = (SetValue::new(), SetValue::new());
        for (at, name) in names.iter().enumerate() {
            hash.set(name, at.to_string().as_bytes(), &limits);
            list.make_room(std::iter::once(name.as_slice()), &limits);
            list.push(End::Right, name);
            words.add(name, &limits);
            numbers.add((at * 7).to_string().as_bytes(), &limits);
        }
        let mut expiring = hash.clone();
        expiring.set_expiry(&names[0], Some(NOW_MS + 5000));
        let pairs: Vec<_> = names.iter().enumerate().map(|(at, name)| (name.clone(), at as f64 / 4.0)).collect();
        values.extend([Value::Hash(hash), list.into(), words.into(), numbers.into(), expiring.into()]);
        values.push(ZsetValue::from_pairs(&pairs, &limits).into());
    }
    values
}

/// Everything that a dump can hold, in three databases, and the dump.
fn sample() -> (Keyspace, Vec<u8>) {
    let mut keyspace = Keyspace::new(DATABASES, SEED);
    for round in 0..ROUNDS {
        let db = [0, 1, 3][round % 3];
        for (at, value) in collections(round).into_iter().enumerate() {
            let expiry = (at % 3 == 0).then_some(NOW_MS + 1000 + round as i64);
            keyspace.insert(db, format!("collection:{round}:{at}").as_bytes(), value, expiry);
        }
        for at in 0..20 {
            let value = [b"17".to_vec(), vec![b'x'; at * 9], (0..=255).collect(), vec![b'a'; 5000]][at % 4].clone();
            // A few of them are past their expiry when they are loaded.
            let expiry = [None, Some(NOW_MS + 77), Some(NOW_MS - 1)][at % 7 % 3];
            keyspace.set_string(db, format!("string:{round}:{at}").as_bytes(), &value, expiry);
        }
    }
    let bytes = saved(&mut keyspace, &encoder_options().holding_expiring_fields(&Config::default()));
    (keyspace, bytes)
}

fn digest<'a>(dbs: impl Iterator<Item = &'a Db>) -> String {
    let mut all = Digest::default();
    for (index, db) in dbs.enumerate() {
        for entry in db.iter() {
            let mut digest = Digest::default();
            digest.mix(index.to_string().as_bytes());
            digest.mix(entry.key());
            digest.mix(entry.value().encoding().name().as_bytes());
            entry.value().digest(&mut digest);
            digest.mix(entry.expiry().unwrap_or(-1).to_string().as_bytes());
            all.xor_digest(&digest);
        }
    }
    all.hex()
}

fn settings(division: Division, checksum: bool, duplicates: Duplicates) -> LoadSettings {
    LoadSettings { division, checksum, duplicates, ..LoadSettings::new(&Config::default(), Now::at_unix_ms(NOW_MS)) }
}

fn load(file: &[u8], settings: LoadSettings) -> Result<Loaded, LoadFault> {
    let mut loader = Loader::new(file.to_vec().into(), DATABASES, SEED, settings)?;
    let access = AccessClock::default();
    let deadline = Instant::now() + Duration::from_secs(600);
    loop {
        let position = loader.position();
        match loader.step(&access, deadline, 100)? {
            Progress::Working => {}
            Progress::Waiting => loader.wait(),
            Progress::Ended => return Ok(loader.finish()),
        }
        assert!(loader.position() >= position || loader.position() == 0);
    }
}

/// What a load comes to, in words that can be compared.
fn outcome(file: &[u8], settings: LoadSettings) -> String {
    match load(file, settings) {
        Ok(Loaded { dbs, keys, expired_keys, empty_keys, left_out, libraries, bytes, origin }) => {
            let expiring: Vec<_> = dbs.iter().map(|db| (db.len(), db.expires_len())).collect();
            let digest = digest(dbs.iter());
            format!(
                "{keys} {expired_keys} {empty_keys} {left_out:?} {libraries:?} {bytes} {origin:?} {expiring:?} {digest}"
            )
        }
        Err(fault) => format!("{fault} at {:?}", fault.offset()),
    }
}

fn assert_same_outcome(file: &[u8], checksum: bool, duplicates: Duplicates, what: &dyn Fn() -> String) {
    let alone = outcome(file, settings(ALONE, checksum, duplicates));
    let together = outcome(file, settings(by_threads(2), checksum, duplicates));
    assert_eq!(together, alone, "{}", what());
}

/// Strings with what this server does not have between them, in the format of Redis 8.6 or of Valkey 9.
fn with_foreign_parts(version: u32) -> Vec<u8> {
    let mut out = Encoder::detached(rdb::Options { version, ..rdb::Options::default() });
    let mut write = || {
        out.header()?;
        out.function_library(b"#!lua name=mine")?;
        for at in 0..300 {
            let key = format!("key:{at}");
            match at % 60 {
                10 => out.aux(b"slot-info", b"5,1,0,0")?,
                20 => out.function_library(b"#!lua name=other")?,
                30 => out.raw(b"\xf7\x05\x02\x01\x00")?,
                40 if version < 80 => out.raw(b"\xf3\x01spec\x02\x07\x00")?,
                40 => out.raw(b"\xf3\x03job\x01\x00\x05")?,
                50 => {
                    out.tag(Tag::Module2)?;
                    out.string(format!("module:{at}").as_bytes())?;
                    out.raw(b"\x05\x02\x07\x00")?;
                }
                55 => out.raw(b"\xf6\x01n\x03LUA\x00\x04code")?,
                _ => {}
            }
            out.tag(Tag::String)?;
            out.string(key.as_bytes())?;
            out.string(b"some value")?;
        }
        out.eof()
    };
    write().expect("memory takes everything");
    out.into_bytes()
}

#[test]
fn what_is_left_out_is_the_same_with_any_number_of_threads() {
    for (version, metadata) in [(13, 5), (80, 0)] {
        let file = with_foreign_parts(version);
        for unknown in [UnknownTypes::Refuse, UnknownTypes::Skip] {
            let with = |division| LoadSettings { unknown, ..settings(division, true, Duplicates::Refused) };
            let alone = outcome(&file, with(ALONE));
            for threads in [1, 3] {
                assert_eq!(outcome(&file, with(by_threads(threads))), alone, "version {version}, {threads} threads");
            }
            assert_eq!(alone.starts_with("300 "), unknown == UnknownTypes::Skip, "{alone}");
        }
        let skipping =
            LoadSettings { unknown: UnknownTypes::Skip, ..settings(by_threads(2), true, Duplicates::Refused) };
        let Loaded { left_out, libraries, .. } = load(&file, skipping).expect("the rest loads");
        assert_eq!(libraries.len(), 6, "version {version}");
        let expected = LeftOut { values: 5, metadata, module_data: 5, candidates: 5 };
        assert_eq!(left_out, expected, "version {version}");
    }
}

#[test]
fn every_type_and_encoding_loads_the_same_with_any_number_of_threads() {
    let (mut keyspace, file) = sample();
    for (db, key) in (0..DATABASES).flat_map(|db| (0..ROUNDS * 20).map(move |at| (db, (at / 20, at % 20)))) {
        let key = format!("string:{}:{}", key.0, key.1);
        if keyspace.db_mut(db).peek(key.as_bytes()).is_some_and(|entry| entry.expiry() == Some(NOW_MS - 1)) {
            keyspace.db_mut(db).remove(key.as_bytes());
        }
    }
    let expected = digest(keyspace.dbs().map(|(_, db)| db));
    for threads in [0, 1, 2, 5] {
        for checksum in [true, false] {
            let division = Division { threads, ..by_threads(1) };
            let loaded = load(&file, settings(division, checksum, Duplicates::Refused)).expect("it loads");
            assert_eq!(digest(loaded.dbs.iter()), expected, "{threads} threads");
            assert_eq!(loaded.keys, keyspace.len() as u64);
            assert!(loaded.expired_keys > 0);
        }
    }
}

#[test]
fn truncated_dump_has_the_same_fault_with_threads_at_every_length() {
    let (_, file) = sample();
    let mut rng = fastrand::Rng::with_seed(1);
    let lengths = (0..60).chain((0..100).map(|_| rng.usize(..file.len()))).chain(file.len() - 30..file.len());
    for length in lengths {
        for checksum in [true, false] {
            assert_same_outcome(&file[..length], checksum, Duplicates::Refused, &|| format!("{length} bytes"));
        }
    }
}

#[test]
fn damaged_dump_has_the_same_fault_with_threads_wherever_the_damage_is() {
    let (_, file) = sample();
    let mut rng = fastrand::Rng::with_seed(2);
    for _ in 0..200 {
        let mut damaged = file.clone();
        let position = rng.usize(..file.len());
        damaged[position] ^= rng.u8(1..);
        let duplicates = if rng.bool() { Duplicates::Refused } else { Duplicates::Replaced };
        assert_same_outcome(&damaged, rng.u8(..) < 32, duplicates, &|| format!("byte {position}"));
    }
}

#[test]
fn first_fault_of_a_file_is_the_one_that_is_reported() {
    let keys: Vec<String> = (0..500).map(|at| format!("key:{at}")).collect();
    for twice in [3, 77, 499] {
        for broken in [None, Some(60), Some(300)] {
            let file = file_of(|out| {
                for (at, key) in keys.iter().enumerate() {
                    if Some(at) == broken {
                        out.tag(Tag::Hash)?;
                        out.string(b"broken")?;
                        out.raw(&[0xC4])?;
                    }
                    write_string(out, key.as_bytes(), VALUE)?;
                }
                write_string(out, keys[twice].as_bytes(), VALUE)
            });
            for duplicates in [Duplicates::Refused, Duplicates::Replaced] {
                assert_same_outcome(&file, true, duplicates, &|| format!("{twice} {broken:?}"));
            }
            let fault = load(&file, settings(by_threads(2), true, Duplicates::Refused)).err().expect("a fault");
            match broken {
                Some(_) => assert!(fault.to_string().ends_with("(key 'broken')"), "{fault}"),
                None => assert!(matches!(fault, LoadFault::DuplicateKey { key, .. } if key == keys[twice].as_bytes())),
            }
        }
    }
}

#[test]
fn checksum_is_what_is_wrong_first_even_where_an_entry_is_wrong_too() {
    let mut file = file_of(|out| {
        for at in 0..300 {
            write_string(out, format!("key:{at}").as_bytes(), VALUE)?;
        }
        out.byte(99)
    });
    let alone = outcome(&file, settings(by_threads(2), true, Duplicates::Refused));
    assert!(alone.starts_with("unknown type byte 99"), "{alone}");
    file[20] ^= 1;
    for division in [ALONE, by_threads(2)] {
        let fault = load(&file, settings(division, true, Duplicates::Refused)).err().expect("a fault");
        assert!(matches!(fault, LoadFault::Checksum(_)), "{fault}");
    }
}

#[test]
fn empty_collections_and_unusual_records_between_entries_are_no_hindrance() {
    let file = file_of(|out| {
        out.aux(b"redis-ver", b"7.2.4")?;
        for db in [0, 2] {
            out.select_db(db)?;
            out.resize_db(200, 0)?;
            for at in 0..200 {
                write_string(out, format!("key:{at}").as_bytes(), VALUE)?;
                if at % 50 == 0 {
                    out.tag(Tag::Set)?;
                    out.string(format!("empty:{at}").as_bytes())?;
                    out.length(0)?;
                    out.aux(b"what", b"ever")?;
                }
            }
        }
        Ok(())
    });
    assert_same_outcome(&file, true, Duplicates::Refused, &String::new);
    let loaded = load(&file, settings(by_threads(3), true, Duplicates::Refused)).expect("it loads");
    assert_eq!((loaded.keys, loaded.empty_keys, loaded.dbs[2].len()), (400, 8, 200));
}

#[test]
fn load_that_is_given_up_ends_its_threads() {
    let (_, file) = sample();
    for steps in 0..20 {
        let division = by_threads(3);
        let settings = settings(division, true, Duplicates::Refused);
        let mut loader = Loader::new(file.clone().into(), DATABASES, SEED, settings).expect("a header");
        for _ in 0..steps {
            let _ = loader.step(&AccessClock::default(), Instant::now(), 1).expect("a sound file");
        }
        drop(loader);
    }
}

/// Whoever waits for a batch learns that the thread that was to fill it is gone, instead of waiting for ever.
#[test]
fn panic_of_a_thread_ends_the_load() {
    let broken = |_: Part| -> Batch { panic!("on purpose, in a thread of the load") };
    let mut crew = Crew::start(2, broken).expect("threads");
    let (_, file) = sample();
    let start = Records::new(&file).expect("a header").bookmark();
    for _ in 0..8 {
        let (room, access) = (crew.room(), AccessClock::default());
        crew.hand_in(Part { start, end: start.offset(), entries: 0, room, db: 0, home: Db::new(SEED).home(), access });
    }
    crew.wait();
    let taken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| crew.take().is_some()));
    let reported = taken.expect_err("the loader's thread panics too");
    assert_eq!(reported.downcast_ref::<&str>(), Some(&"a thread of the load has panicked"));
    let woken = crew.poll_ready(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    assert!(woken.is_ready());
}
