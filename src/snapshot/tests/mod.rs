//! Laws of saving and loading as a whole.

mod power_cut;
pub(super) mod simulation;
mod threads;

use std::cell::RefCell;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use proptest::prelude::*;

use crate::config::{Config, UnknownTypes};
use crate::keyspace::{AccessClock, Change, Keyspace};
use crate::rdb::{Encoder, Opcode, Tag};
use crate::snapshot::child::{Observer, SaveOptions, Saved, save};
use crate::snapshot::error::{LoadError, LoadFault, ReplaceError, SaveError};
use crate::snapshot::file::{Access, Disk, DumpFile, FileSystem, Identity, Lock, OpenFile, Place, Standing};
use crate::snapshot::history::Outcome;
use crate::snapshot::load::check::check;
use crate::snapshot::load::{Duplicates, LoadSettings, Loaded, Loader, Progress};
use crate::snapshot::process::{self, End, State};
use crate::snapshot::supervisor::Supervisor;
use crate::snapshot::task::{Task, Trigger};
use crate::stdx::HashSeed;
use crate::stdx::clock::Now;
use crate::types::Digest;

const SEED: HashSeed = HashSeed { k0: 1, k1: 2 };
const DATABASES: usize = 16;
const NOW_MS: i64 = 1_700_000_000_000;

fn now() -> Now {
    Now::at_unix_ms(NOW_MS)
}

pub(super) fn options() -> SaveOptions {
    SaveOptions::new(&Config::default(), 12345, true, now())
}

pub(super) struct Silent;

impl Observer for Silent {
    fn progress(&mut self, _so_far: &Saved) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

fn keyspace() -> Keyspace {
    Keyspace::new(DATABASES, SEED)
}

/// Keys of every encoding that strings have, some with an expiry, in three databases.
pub(super) fn sample() -> Keyspace {
    let mut keyspace = keyspace();
    for number in 0..40 {
        let db = [0, 3, 15][number % 3];
        let key = format!("key:{number}");
        let value = match number % 5 {
            0 => number.to_string().into_bytes(),
            1 => vec![b'x'; number * 5],
            2 => format!("{}", i64::MIN + number as i64).into_bytes(),
            3 => (0..=255).collect(),
            _ => vec![b'a'; 5000],
        };
        let expiry = (number % 4 == 0).then_some(NOW_MS + 1000 + number as i64);
        keyspace.set_string(db, key.as_bytes(), &value, expiry);
    }
    keyspace.set_string(0, b"", b"", None);
    keyspace
}

pub(super) fn digest<'a>(dbs: impl Iterator<Item = &'a crate::keyspace::Db>) -> String {
    let mut all = Digest::default();
    for (index, db) in dbs.enumerate() {
        for entry in db.iter() {
            let mut digest = Digest::default();
            digest.mix(index.to_string().as_bytes());
            digest.mix(entry.key());
            entry.value().digest(&mut digest);
            digest.mix(entry.expiry().unwrap_or(-1).to_string().as_bytes());
            all.xor_digest(&digest);
        }
    }
    all.hex()
}

pub(super) fn digest_of(keyspace: &Keyspace) -> String {
    digest(keyspace.dbs().map(|(_, db)| db))
}

pub(super) fn saved(keyspace: &mut Keyspace, options: &SaveOptions) -> Vec<u8> {
    let mut bytes = Vec::new();
    save::write_dataset(keyspace, options, &mut bytes, &mut Silent).expect("memory takes it");
    bytes
}

fn load_with(file: &[u8], checksum: bool, duplicates: Duplicates) -> Result<Loaded, LoadFault> {
    let settings = LoadSettings { checksum, duplicates, ..LoadSettings::new(&Config::default(), now()) };
    load_as(file, settings)
}

fn load_as(file: &[u8], settings: LoadSettings) -> Result<Loaded, LoadFault> {
    let mut loader = Loader::new(Bytes::copy_from_slice(file), DATABASES, SEED, settings)?;
    let access = AccessClock::default();
    let deadline = Instant::now() + Duration::from_secs(600);
    loop {
        match loader.step(&access, deadline, 3)? {
            Progress::Working => {}
            Progress::Waiting => loader.wait(),
            Progress::Ended => return Ok(loader.finish()),
        }
    }
}

pub(super) fn load(file: &[u8]) -> Result<Loaded, LoadFault> {
    load_with(file, true, Duplicates::Refused)
}

#[test]
fn what_was_saved_is_what_is_loaded() {
    let mut keyspace = sample();
    let expected = digest_of(&keyspace);
    for compression in [true, false] {
        for checksum in [true, false] {
            let mut options = options();
            options.format.compression = compression;
            options.format.checksum = checksum;
            let loaded = load(&saved(&mut keyspace, &options)).expect("it loads");
            assert_eq!(digest(loaded.dbs.iter()), expected);
            assert_eq!((loaded.keys, loaded.expired_keys), (keyspace.len() as u64, 0));
        }
    }
}

proptest! {
    #[test]
    fn any_strings_survive_a_dump(
        entries in prop::collection::vec(
            (0..DATABASES, prop::collection::vec(any::<u8>(), 0..300), prop::collection::vec(any::<u8>(), 0..6000),
             prop::option::of(1i64..i64::MAX - NOW_MS)),
            0..20,
        ),
    ) {
        let mut keyspace = keyspace();
        for (db, key, value, expiry) in &entries {
            keyspace.set_string(*db, key, value, expiry.map(|after| NOW_MS + after));
        }
        let loaded = load(&saved(&mut keyspace, &options())).expect("it loads");
        prop_assert_eq!(digest(loaded.dbs.iter()), digest_of(&keyspace));
    }
}

#[test]
fn truncated_dump_is_rejected_at_every_length() {
    let bytes = saved(&mut sample(), &options());
    for length in 0..bytes.len() {
        assert!(load(&bytes[..length]).is_err(), "{length} bytes");
        assert!(load_with(&bytes[..length], false, Duplicates::Refused).is_err() || length >= bytes.len() - 8);
    }
}

#[test]
fn damaged_dump_is_refused_or_loads_equal() {
    let mut keyspace = sample();
    let expected = digest_of(&keyspace);
    let bytes = saved(&mut keyspace, &options());
    let mut rng = fastrand::Rng::with_seed(7);
    for _ in 0..10_000 {
        let mut damaged = bytes.clone();
        let position = rng.usize(..bytes.len());
        damaged[position] ^= rng.u8(1..);
        if let Ok(loaded) = load(&damaged) {
            assert_eq!(digest(loaded.dbs.iter()), expected, "byte {position}");
        }
        // Without the checksum anything may come out, but nothing may panic.
        let _ = load_with(&damaged, false, Duplicates::Replaced);
    }
}

#[test]
fn keys_past_their_expiry_are_left_out_when_saving_and_dropped_when_loading() {
    let mut keyspace = keyspace();
    keyspace.set_string(0, b"past", b"x", Some(NOW_MS));
    keyspace.set_string(0, b"future", b"x", Some(NOW_MS + 1));
    let skipping = load(&saved(&mut keyspace, &options())).expect("it loads");
    assert_eq!((skipping.keys, skipping.expired_keys), (1, 0));
    let keeping = load(&saved(&mut keyspace, &SaveOptions { skip_expired: false, ..options() })).expect("it loads");
    assert_eq!((keeping.keys, keeping.expired_keys), (1, 1));
    assert!(keeping.dbs[0].peek(b"future").is_some() && keeping.dbs[0].peek(b"past").is_none());
}

fn load_skipping(file: &[u8]) -> Result<Loaded, LoadFault> {
    load_as(file, LoadSettings { unknown: UnknownTypes::Skip, ..LoadSettings::new(&Config::default(), now()) })
}

/// A module's value: its type, one number, and its end.
fn write_module_value(out: &mut Encoder<'_>, tag: Tag, key: &[u8]) -> io::Result<()> {
    out.tag(tag)?;
    out.string(key)?;
    out.length(0x1234 << 10)?;
    out.length(2)?;
    out.length(7)?;
    out.length(0)
}

#[test]
fn what_this_server_does_not_have_is_refused_or_left_out_and_counted() {
    let file = file_of(|out| {
        out.byte(Opcode::ModuleAux.as_u8())?;
        out.length(0x1234 << 10)?;
        out.length(2)?;
        out.length(1)?;
        out.length(0)?;
        write_module_value(out, Tag::Module2, b"module")?;
        write_string(out, b"key", b"value")?;
        write_module_value(out, Tag::Module, b"older")
    });
    let refused = load(&file).err().expect("refused");
    assert!(refused.can_be_skipped() && !refused.is_damage(), "{refused}");
    let loaded = load_skipping(&file).expect("the rest loads");
    assert_eq!((loaded.keys, loaded.dbs[0].len(), loaded.left_out.total()), (1, 1, 3));
    let said = loaded.left_out.to_string();
    assert_eq!(said, "2 keys of types that are not supported, 1 module's data");
    let refused = load(&file_of(|out| write_module_value(out, Tag::Module2, b"module"))).err().expect("refused");
    assert!(refused.can_be_skipped() && refused.to_string().contains("unsupported module type"), "{refused}");
}

#[test]
fn function_libraries_are_handed_over_with_their_places() {
    let file = file_of(|out| {
        out.function_library(b"#!lua name=x")?;
        write_string(out, b"key", b"value")?;
        out.function_library(b"#!lua name=y")
    });
    let loaded = load(&file).expect("it loads");
    let texts: Vec<_> = loaded.libraries.iter().map(|(offset, text)| (*offset, &**text)).collect();
    assert_eq!(texts, [(9, &b"#!lua name=x"[..]), (34, b"#!lua name=y")]);
    assert_eq!((loaded.keys, loaded.left_out.total()), (1, 0));
}

#[test]
fn function_libraries_are_written_before_the_keys_where_the_version_has_them() {
    let mut keyspace = keyspace();
    let write = |keyspace: &mut Keyspace, version| {
        let mut options = options();
        options.libraries = [b"#!lua name=a".as_slice().into(), b"#!lua name=b".as_slice().into()].into();
        options.format.version = version;
        let mut file = Vec::new();
        save::write_dataset(keyspace, &options, &mut file, &mut Silent).map(|_| file)
    };
    let loaded = load(&write(&mut keyspace, 10).expect("it is written")).expect("it loads");
    let names: Vec<_> = loaded.libraries.iter().map(|(_, text)| &**text).collect();
    assert_eq!(names, [b"#!lua name=a", b"#!lua name=b"]);
    let error = write(&mut keyspace, 9).expect_err("too old").to_string();
    assert!(error.contains("function libraries need RDB version 10, but version 9"), "{error}");
}

#[test]
fn metadata_beside_a_key_is_refused_or_left_out() {
    let file = file_of(|out| {
        out.byte(Opcode::KeyMetadata.as_u8())?;
        out.length(1)?;
        out.raw(b"spec")?;
        out.length(0)?;
        write_string(out, b"key", b"value")
    });
    let refused = load(&file).err().expect("refused");
    assert!(matches!(&refused, LoadFault::KeyMetadata { offset: 9, key } if key == b"key"), "{refused}");
    assert!(refused.can_be_skipped());
    let loaded = load_skipping(&file).expect("it loads");
    assert_eq!((loaded.keys, loaded.left_out.metadata, loaded.left_out.total()), (1, 1, 1));
}

#[test]
fn functions_of_release_candidates_are_always_left_out() {
    let file = file_of(|out| {
        out.byte(Opcode::FunctionPreGa.as_u8())?;
        out.string(b"name")?;
        out.string(b"LUA")?;
        out.length(0)?;
        out.string(b"code")?;
        write_string(out, b"key", b"value")
    });
    let loaded = load(&file).expect("it loads");
    assert_eq!((loaded.keys, loaded.left_out.candidates), (1, 1));
}

#[test]
fn types_that_are_not_known_are_no_damage_and_unknown_bytes_are() {
    for (byte, is_damage) in [(30, false), (242, false), (99, true)] {
        let fault = load(&file_of(|out| out.byte(byte))).err().expect("a fault");
        assert_eq!((fault.is_damage(), fault.can_be_skipped()), (is_damage, false), "{fault}");
    }
}

/// A file of the records that `write` writes.
pub(super) fn file_of(write: impl FnOnce(&mut Encoder<'_>) -> io::Result<()>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut out = Encoder::new(&mut bytes, options().format);
    let write = |out: &mut Encoder<'_>| -> io::Result<()> {
        out.header()?;
        write(out)?;
        out.eof()
    };
    write(&mut out).expect("memory takes it");
    drop(out);
    bytes
}

pub(super) fn write_string(out: &mut Encoder<'_>, key: &[u8], value: &[u8]) -> io::Result<()> {
    out.tag(Tag::String)?;
    out.string(key)?;
    out.string(value)
}

#[test]
fn key_that_is_there_twice_is_refused_or_replaced_as_asked() {
    let file = file_of(|out| {
        write_string(out, b"key", b"first")?;
        write_string(out, b"key", b"second")
    });
    assert!(matches!(load(&file), Err(LoadFault::DuplicateKey { key, .. }) if key == b"key"));
    let loaded = load_with(&file, true, Duplicates::Replaced).expect("it loads");
    assert_eq!(loaded.dbs[0].len(), 1);
    let [mut present, mut expected] = [Digest::default(); 2];
    loaded.dbs[0].peek(b"key").expect("the key").value().digest(&mut present);
    expected.mix(b"second");
    assert_eq!(present, expected);
}

#[test]
fn what_the_server_has_no_place_for_is_refused_with_its_offset() {
    let file = file_of(|out| out.select_db(16));
    assert!(matches!(load(&file), Err(LoadFault::DatabaseOutOfRange { offset: 9, index: 16, databases: 16 })));
    let fault = load(&file_of(|out| out.byte(99))).err().expect("a fault");
    assert_eq!(fault.to_string(), "unknown type byte 99 at offset 9");
}

#[test]
fn sizes_that_the_file_cannot_hold_reserve_no_memory() {
    let file = file_of(|out| {
        out.select_db(0)?;
        out.resize_db(1 << 60, u64::MAX)?;
        write_string(out, b"key", b"value")
    });
    let loaded = load(&file).expect("it loads");
    assert!(loaded.dbs[0].table_bytes() < 1 << 16);
}

#[test]
fn unknown_facts_are_passed_over() {
    let file = file_of(|out| {
        out.aux(b"lua", b"return 1")?;
        out.aux(b"ctime", b"not a number")?;
        write_string(out, b"key", b"value")
    });
    assert_eq!(load(&file).expect("it loads").keys, 1);
}

/// A real directory whose calls fail at the one chosen.
struct Failing {
    calls: RefCell<Vec<&'static str>>,
    fail_at: usize,
}

impl Failing {
    fn at(fail_at: usize) -> Self {
        Self { calls: RefCell::default(), fail_at }
    }

    fn count(&self, call: &'static str) -> io::Result<()> {
        let mut calls = self.calls.borrow_mut();
        calls.push(call);
        if calls.len() - 1 == self.fail_at { Err(io::Error::from_raw_os_error(libc::EIO)) } else { Ok(()) }
    }
}

struct FailingFile<'a> {
    file: Box<dyn OpenFile>,
    system: &'a Failing,
}

impl FileSystem for &'static Failing {
    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn OpenFile>> {
        self.count("create")?;
        Ok(Box::new(FailingFile { file: Disk.create(path, mode)?, system: self }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.count("rename")?;
        Disk.rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.count("link")?;
        Disk.link(from, to)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        self.count("sync directory")?;
        Disk.sync_directory(path)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Disk.remove(path)
    }

    fn remove_leftover(&self, path: &Path) {
        Disk.remove_leftover(path);
    }

    fn read(&self, path: &Path) -> io::Result<Bytes> {
        self.count("read")?;
        Disk.read(path)
    }

    fn look_at(&self, path: &Path) -> io::Result<Option<Standing>> {
        self.count("look at")?;
        Disk.look_at(path)
    }

    fn names(&self, directory: &Path) -> io::Result<Vec<String>> {
        Disk.names(directory)
    }
}

impl OpenFile for FailingFile<'_> {
    fn lock(&mut self) -> Lock {
        self.system.count("lock").map_or(Lock::Unsupported, |()| self.file.lock())
    }

    fn identity(&self) -> io::Result<Identity> {
        self.file.identity()
    }

    fn set_access(&mut self, access: &Access) -> io::Result<()> {
        self.file.set_access(access)
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.system.count("write")?;
        self.file.write_all(bytes)
    }

    fn begin_writeback(&mut self, offset: u64, bytes: u64) {
        self.file.begin_writeback(offset, bytes);
    }

    fn sync(&mut self) -> io::Result<()> {
        self.system.count("sync")?;
        self.file.sync()
    }
}

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("the directory");
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
    names.sort();
    names
}

fn load_file(path: &Path) -> Result<Loaded, LoadError> {
    let file = DumpFile::open(path)?.expect("a dump");
    load(file.bytes()).map_err(|fault| fault.of(path))
}

#[test]
fn failed_step_leaves_the_old_dump_and_no_temp_file() {
    let mut steps = Vec::new();
    for fail_at in 0.. {
        let directory = tempfile::tempdir().expect("a directory");
        let place = Place { directory: directory.path().to_path_buf(), name: "dump.rdb".into(), keep: 0 };
        let mut old = keyspace();
        old.set_string(0, b"old", b"value", None);
        save::save_to_file(&mut old, &place, &options(), &Disk, &mut Silent).expect("the old dump");
        let system: &'static Failing = Box::leak(Box::new(Failing::at(fail_at)));
        let mut new = sample();
        let result = save::save_to_file(&mut new, &place, &options(), &system, &mut Silent);
        assert_eq!(names(directory.path()), ["dump.rdb"], "call {fail_at}");
        let present = digest(load_file(&place.path()).expect("a whole dump").dbs.iter());
        let failed = system.calls.borrow().get(fail_at).copied();
        let Err(error) = result else {
            assert_eq!(present, digest_of(&new));
            // A file system without locks is no reason not to save, and what is in the way is looked for once more.
            if failed == Some("lock") || fail_at == 0 {
                continue;
            }
            assert_eq!(failed, None);
            break;
        };
        let step = failed.expect("a call");
        // Once renamed, the new dump is there, though nobody can say that it will survive a power cut.
        let expected = if step == "sync directory" { &new } else { &old };
        assert_eq!(present, digest_of(expected), "{step}");
        assert!(error.to_string().ends_with("Input/output error"), "{error}");
        steps.push(step);
    }
    steps.dedup();
    let expected = ["create", "look at", "write", "sync", "look at", "rename", "sync directory"];
    assert_eq!(steps, expected);
}

#[test]
fn failed_save_says_which_step_failed_on_what() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = Place { directory: directory.path().join("gone"), name: "dump.rdb".into(), keep: 0 };
    let error = save::save_to_file(&mut keyspace(), &place, &options(), &Disk, &mut Silent).expect_err("no directory");
    assert!(
        error.to_string().starts_with("cannot create ") && error.to_string().ends_with("No such file or directory")
    );
    let error = ReplaceError::Rename {
        from: PathBuf::from("temp-812.rdb"),
        to: PathBuf::from("dump.rdb"),
        cause: io::Error::from_raw_os_error(libc::EACCES),
    };
    assert_eq!(error.to_string(), "cannot rename temp-812.rdb to dump.rdb: Permission denied");
}

fn task(directory: &Path, key_delay_us: i32) -> Task {
    Task {
        place: Place { directory: directory.to_path_buf(), name: "dump.rdb".into(), keep: 0 },
        options: SaveOptions { key_delay_us, ..options() },
        trigger: Trigger::Command,
        title: None,
        pipe: None,
    }
}

/// Waits for the end of a child that nobody else asks about.
pub(super) fn end_of(pid: u32) -> End {
    loop {
        if let State::Ended(end) = process::look(pid).expect("our child") {
            return end;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits for the child's end.
fn conclude(supervisor: &mut Supervisor, keyspace: &mut Keyspace) {
    while !supervisor.poll(keyspace, Now::read()) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn child_saves_the_moment_of_the_fork_and_its_changes_are_counted_off() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut keyspace = sample();
    let changes =
        |keyspace: &Keyspace, supervisor: &Supervisor| supervisor.info(keyspace, now()).rdb_changes_since_last_save;
    keyspace.commit(0, b"later", Change::SILENT.times(41));
    let expected = digest_of(&keyspace);
    let mut supervisor = Supervisor::new(now());
    supervisor.start(&mut keyspace, &task(directory.path(), 1000)).expect("a child");
    assert!(matches!(supervisor.start(&mut keyspace, &task(directory.path(), 0)), Err(SaveError::InProgress)));
    keyspace.set_string(0, b"later", b"value", None);
    keyspace.commit(0, b"later", Change::SILENT);
    assert_eq!(changes(&keyspace, &supervisor), 42);
    conclude(&mut supervisor, &mut keyspace);
    assert_eq!(changes(&keyspace, &supervisor), 1);
    assert_eq!(names(directory.path()), ["dump.rdb"]);
    let path = directory.path().join("dump.rdb");
    assert_eq!(digest(load_file(&path).expect("a dump").dbs.iter()), expected);
    let record = supervisor.history().latest().expect("a record");
    assert_eq!((record.figures.keys, &record.outcome), (41, &Outcome::Saved));
    assert!(record.figures.bytes > 0 && record.figures.copied_bytes > 0 && record.figures.threads > 0);
    assert!(record.figures.raw_bytes > record.figures.bytes, "5,000 times the same byte compress");
    assert_eq!(check(&path).expect("a whole dump").keys, 41);
}

#[test]
fn killed_child_keeps_previous_dump_and_leaves_no_temp_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut keyspace = sample();
    let mut supervisor = Supervisor::new(now());
    for (signal, ok) in [(libc::SIGUSR1, true), (libc::SIGKILL, false)] {
        let pid = supervisor.start(&mut keyspace, &task(directory.path(), 1_000_000)).expect("a child");
        let signal = nix::sys::signal::Signal::try_from(signal).expect("a signal");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid as i32), signal).expect("it lives");
        conclude(&mut supervisor, &mut keyspace);
        assert_eq!(supervisor.last_ok(), ok);
        assert!(names(directory.path()).is_empty());
    }
    let info = supervisor.info(&keyspace, Now::read());
    let reason = "the process that saves was killed by signal 9, and not by this server";
    assert!(info.rdb_last_bgsave_error.starts_with(reason), "{}", info.rdb_last_bgsave_error);
    supervisor.start(&mut keyspace, &task(directory.path(), 0)).expect("a child");
    conclude(&mut supervisor, &mut keyspace);
    let info = supervisor.info(&keyspace, Now::read());
    assert!(info.rdb_last_bgsave_ok && info.rdb_last_bgsave_error.is_empty());
    assert_eq!((info.rdb_saves, info.total_forks), (3, 3));
}

#[test]
fn failure_in_the_child_reaches_the_parent_with_its_step() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut keyspace = sample();
    let mut supervisor = Supervisor::new(now());
    supervisor.start(&mut keyspace, &task(directory.path(), 10_000)).expect("a child");
    while names(directory.path()).is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
    std::fs::create_dir(directory.path().join("dump.rdb")).expect("a directory in the way");
    conclude(&mut supervisor, &mut keyspace);
    assert!(!supervisor.last_ok());
    let info = supervisor.info(&keyspace, Now::read());
    assert!(info.rdb_last_bgsave_error.contains("is a directory, which a dump"), "{}", info.rdb_last_bgsave_error);
    assert_eq!(names(directory.path()), ["dump.rdb"]);
    // Now that it is known to be in the way, no child is started.
    let forks = info.total_forks;
    let refused = supervisor.start(&mut keyspace, &task(directory.path(), 0));
    assert!(matches!(refused, Err(SaveError::InTheWay { what: "a directory", .. })), "{refused:?}");
    assert_eq!(supervisor.info(&keyspace, Now::read()).total_forks, forks);
}

#[test]
fn check_names_offset_and_key_of_the_first_fault() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("dump.rdb");
    let mut bytes = file_of(|out| {
        write_string(out, b"whole", b"value")?;
        out.tag(Tag::String)?;
        out.string(b"broken")?;
        out.raw(&[0xC4])
    });
    std::fs::write(&path, &bytes).expect("a file");
    let fault = check(&path).expect_err("a fault");
    assert_eq!(fault.keys_before, 1);
    assert!(fault.error.to_string().ends_with("(key 'broken')"), "{}", fault.error);
    assert!(fault.error.fault.offset().is_some_and(|offset| offset > 20));

    bytes = saved(&mut sample(), &options());
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, &bytes).expect("a file");
    let fault = check(&path).expect_err("a fault");
    assert!(matches!(fault.error.fault, LoadFault::Checksum(_)));
    assert!(check(&directory.path().join("none.rdb")).is_err());
}
