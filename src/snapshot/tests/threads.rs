//! Laws of saving by several threads.

use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::{NOW_MS, Silent, conclude, digest, digest_of, keyspace, load, options, task};
use crate::keyspace::Keyspace;
use crate::rdb::{self, Sink};
use crate::snapshot::child::{Observer, SaveOptions, Saved, save, spawn_in_test};
use crate::snapshot::error::{SaveError, Step};
use crate::snapshot::history::Outcome;
use crate::snapshot::process::{self, End};
use crate::snapshot::supervisor::Supervisor;
use crate::snapshot::task::Task;
use crate::types::{Limits, LoadOptions, Value};

/// Bytes that do not compress.
fn noise(length: usize, seed: usize) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed as u64);
    (0..length).map(|_| random.u8(..)).collect()
}

/// Hashes, lists and sets as a file would bring them, of so many elements.
fn insert_collections(keyspace: &mut Keyspace, db: usize, elements: u64) {
    for tag in [rdb::Tag::Hash, rdb::Tag::List, rdb::Tag::Set] {
        let mut out = rdb::Encoder::detached(rdb::Options::default());
        out.length(elements).expect("memory takes it");
        for element in 0..elements {
            out.string(format!("element {element}").as_bytes()).expect("memory takes it");
            if tag == rdb::Tag::Hash {
                out.integer(element.cast_signed()).expect("memory takes it");
            }
        }
        let bytes = out.into_bytes();
        let limits = Limits::default();
        let settings = LoadOptions::checking_all(&limits);
        let value = Value::load(tag, &mut rdb::Decoder::new(&bytes), &settings);
        let key = format!("{tag:?} of {elements}");
        keyspace.insert(db, key.as_bytes(), value.expect("it loads"), None);
    }
}

/// Several databases; values from nothing to many times a thread's buffers.
fn large_sample() -> Keyspace {
    let mut keyspace = keyspace();
    for number in 0..20_000usize {
        let db = [0, 0, 0, 7, 15][number % 5];
        let value = if number % 3 == 0 { number.to_string().into_bytes() } else { noise(number % 200, number) };
        let expiry = (number % 4 == 0).then_some(NOW_MS + 1000 + number as i64);
        keyspace.set_string(db, format!("key:{number}").as_bytes(), &value, expiry);
    }
    for (number, length) in [100_000, 300_000, 1_000_000, 5_000_000].into_iter().enumerate() {
        keyspace.set_string(number * 5, format!("noise:{length}").as_bytes(), &noise(length, length), None);
        keyspace.set_string(7, format!("compressible:{length}").as_bytes(), &vec![b'c'; length], None);
    }
    for elements in [10, 1000, 60_000] {
        insert_collections(&mut keyspace, 2, elements);
    }
    keyspace
}

/// With enough data, as far as the options know, for every thread to have some.
fn by_threads(threads: u32) -> SaveOptions {
    SaveOptions { threads, used_memory_bytes: 20_000_000, ..options() }
}

fn written(keyspace: &mut Keyspace, options: &SaveOptions) -> (Vec<u8>, Saved) {
    let mut bytes = Vec::new();
    let saved = save::write_dataset(keyspace, options, &mut bytes, &mut Silent).expect("memory takes it");
    assert_eq!(saved.bytes, bytes.len() as u64);
    (bytes, saved)
}

#[test]
fn dumps_by_any_number_of_threads_hold_the_same_data() {
    let mut keyspace = large_sample();
    let expected = digest_of(&keyspace);
    let (alone, of_one) = written(&mut keyspace, &by_threads(1));
    assert_eq!(of_one.threads, 1);
    for threads in [2, 3, 8, 64] {
        for checksum in [true, false] {
            let mut options = by_threads(threads);
            options.format.checksum = checksum;
            let (bytes, saved) = written(&mut keyspace, &options);
            assert_eq!(saved.threads, u64::from(threads));
            assert_eq!((saved.keys, saved.expired_keys), (of_one.keys, 0));
            // Only databases that are selected again and again make a difference.
            assert!(saved.bytes.abs_diff(alone.len() as u64) < 10_000, "{} and {}", saved.bytes, alone.len());
            assert!(saved.raw_bytes.abs_diff(of_one.raw_bytes) < 10_000);
            let loaded = load(&bytes).expect("it loads");
            assert_eq!(digest(loaded.dbs.iter()), expected, "{threads} threads");
        }
    }
}

#[test]
fn keys_past_their_expiry_are_left_out_by_every_thread() {
    let mut keyspace = keyspace();
    for number in 0..30_000i64 {
        keyspace.set_string(0, format!("key:{number}").as_bytes(), b"value", Some(NOW_MS + number % 2));
    }
    for threads in [1, 4] {
        let (bytes, saved) = written(&mut keyspace, &by_threads(threads));
        assert_eq!((saved.keys, saved.expired_keys), (15_000, 15_000));
        assert_eq!(load(&bytes).expect("it loads").keys, 15_000);
    }
}

#[test]
fn empty_data_set_is_a_whole_file_however_many_threads_are_asked_for() {
    for threads in [0, 1, 4] {
        let (bytes, saved) = written(&mut keyspace(), &by_threads(threads));
        assert_eq!((load(&bytes).expect("it loads").keys, saved.threads), (0, 1));
    }
}

/// A disk that is full after so many bytes.
struct Full {
    left: usize,
}

impl Sink for Full {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.left = self.left.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        Ok(())
    }
}

#[test]
fn full_disk_ends_all_threads_wherever_it_is_met() {
    let mut keyspace = large_sample();
    let (bytes, _) = written(&mut keyspace, &by_threads(1));
    for threads in [1, 2, 5] {
        for part in 0..20 {
            let mut disk = Full { left: bytes.len() * part / 20 };
            let error = save::write_dataset(&mut keyspace, &by_threads(threads), &mut disk, &mut Silent);
            assert_eq!(error.expect_err("it is full").kind(), io::ErrorKind::StorageFull);
        }
    }
}

/// Ends the save after it was asked so often.
struct Patience {
    left: u32,
}

impl Observer for Patience {
    fn progress(&mut self, so_far: &Saved) -> ControlFlow<()> {
        assert!(so_far.keys <= 20_017);
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn observer_ends_all_threads_whenever_it_likes() {
    let mut keyspace = large_sample();
    for threads in [1, 3] {
        for left in 0..15 {
            let result =
                save::write_dataset(&mut keyspace, &by_threads(threads), &mut Vec::new(), &mut Patience { left });
            assert_eq!(result.expect_err("it was ended").kind(), io::ErrorKind::Interrupted);
        }
    }
}

#[test]
fn value_that_the_version_cannot_hold_fails_the_save_by_its_name() {
    let mut keyspace = keyspace();
    for number in 0..30_000 {
        keyspace.set_string(0, format!("key:{number}").as_bytes(), b"value", None);
    }
    insert_collections(&mut keyspace, 0, 10);
    let directory = tempfile::tempdir().expect("a directory");
    for threads in [1, 4] {
        let mut supervisor = Supervisor::new(super::now());
        let mut task = with_threads(directory.path(), threads);
        task.options.format.version = 9;
        supervisor.start(&mut keyspace, &task).expect("a child");
        conclude(&mut supervisor, &mut keyspace);
        let outcome = supervisor.history().latest().map(|record| record.outcome.clone());
        let Some(Outcome::Failed { step, error: reason }) = outcome else { panic!("{outcome:?}") };
        assert_eq!(step, Step::Encode);
        assert!(reason.starts_with("cannot save to ") && reason.contains("needs RDB version 10"), "{reason}");
        // The hash, the list or the set, whichever comes first.
        assert!(reason.ends_with(" of 10')"), "{reason}");
        assert_eq!(super::names(directory.path()), [""; 0]);
        let error = supervisor.save(&mut keyspace, &task, false).expect_err("no version for it");
        assert!(matches!(error, SaveError::Encode { .. }), "{error}");
    }
}

fn with_threads(directory: &std::path::Path, threads: u32) -> Task {
    Task { options: by_threads(threads), ..task(directory, 0) }
}

#[test]
fn key_delay_keeps_to_one_thread() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut keyspace = super::sample();
    let mut supervisor = Supervisor::new(super::now());
    let mut task = with_threads(directory.path(), 4);
    task.options.key_delay_us = 1;
    supervisor.start(&mut keyspace, &task).expect("a child");
    conclude(&mut supervisor, &mut keyspace);
    let record = supervisor.history().latest().expect("a record");
    assert_eq!((record.figures.threads, &record.outcome), (1, &Outcome::Saved));
}

/// Sets a flag when it goes away, however that comes.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn hundreds_of_children_with_threads_end_while_the_parents_threads_allocate() {
    const FORKS: usize = 300;
    let mut keyspace = {
        let mut keyspace = keyspace();
        for number in 0..3000usize {
            keyspace.set_string(number % 3, format!("key:{number}").as_bytes(), &noise(number % 300, number), None);
        }
        keyspace
    };
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _stop = Stop(&stop);
        for seed in 0..4 {
            let stop = &stop;
            scope.spawn(move || {
                let mut held = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    held.push(noise(seed * 1000 + held.len() % 5000, seed));
                    held.truncate(500 - seed);
                    // Threads of the parent come and go as well.
                    std::thread::spawn(|| vec![0u8; 100_000].len()).join().expect("it ends");
                }
            });
        }
        for number in 0..FORKS {
            let main = |_| {
                let saved = save::write_dataset(&mut keyspace, &by_threads(3), &mut Vec::new(), &mut Silent);
                i32::from(!saved.is_ok_and(|saved| saved.keys == 3000 && saved.threads == 3))
            };
            let child = spawn_in_test(main);
            let deadline = Instant::now() + Duration::from_secs(60);
            let end = loop {
                if let process::State::Ended(end) = process::look(child.pid).expect("our child") {
                    break end;
                }
                if Instant::now() > deadline {
                    process::dismiss(child.pid);
                    panic!("the child of fork {number} hangs");
                }
                std::thread::sleep(Duration::from_micros(200));
            };
            assert_eq!(end, End::Exited(0), "fork {number}");
        }
    });
}
