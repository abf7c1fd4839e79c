//! What a start finds after a power cut at any moment of a save, failed calls among them: the old dump or the new one,
//! whole, and as many generations as were promised.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::simulation::{self, Fault, Files, Remains, SimulatedDisk, all_faults};
use crate::keyspace::Keyspace;
use crate::rdb::Sink as _;
use crate::snapshot::child::save;
use crate::snapshot::error::{ReplaceError, SaveError};
use crate::snapshot::file::{FileSystem, NewDump, Place, generations};
use crate::snapshot::tests::{Silent, digest, digest_of, load, options, sample};

/// Saves that have ended well before the one that is looked at.
const EARLIER_SAVES: usize = 5;

/// With 0, all files are written in the same millisecond, and their names must differ all the same.
const TICKS_MS: [i64; 2] = [0, 10];

const KEEPS: [u32; 3] = [0, 1, 3];

fn place(keep: u32) -> Place {
    Place { directory: PathBuf::from("/data"), name: "dump.rdb".into(), keep }
}

/// The data set of a save: each has its own.
fn data(number: usize) -> Keyspace {
    let mut keyspace = sample();
    keyspace.set_string(0, b"number", number.to_string().as_bytes(), None);
    keyspace
}

fn save(disk: &SimulatedDisk, keep: u32, number: usize) -> Result<(), SaveError> {
    save::save_to_file(&mut data(number), &place(keep), &options(), disk, &mut Silent).map(drop)
}

/// A disk with some saves behind it.
fn lived(keep: u32, tick_ms: i64) -> SimulatedDisk {
    let disk = SimulatedDisk::new(tick_ms);
    for number in 0..EARLIER_SAVES {
        save(&disk, keep, number).expect("nothing fails");
    }
    disk.settle();
    disk
}

/// Tells which save a dump is of, by the real loader.
struct Reader {
    numbers: HashMap<String, usize>,
    seen: HashMap<Vec<u8>, Result<usize, String>>,
}

impl Reader {
    fn new() -> Self {
        let numbers = (0..EARLIER_SAVES + 3).map(|number| (digest_of(&data(number)), number)).collect();
        Self { numbers, seen: HashMap::new() }
    }

    fn number(&mut self, bytes: &[u8]) -> Result<usize, String> {
        if let Some(result) = self.seen.get(bytes) {
            return result.clone();
        }
        let result = match load(bytes) {
            Ok(loaded) => match self.numbers.get(&digest(loaded.dbs.iter())) {
                Some(number) => Ok(*number),
                None => Err("another data set".to_owned()),
            },
            Err(fault) => Err(fault.to_string()),
        };
        self.seen.insert(bytes.to_vec(), result.clone());
        result
    }

    /// Looks at everything that a start would find. Returns which save the dump is of.
    fn inspect(&mut self, files: &Files, keep: u32) -> Result<usize, String> {
        let dump = files.get("dump.rdb").ok_or("no dump")?;
        let number = self.number(dump)?;
        let mut whole = BTreeSet::from([number]);
        for (name, bytes) in files {
            if name != "dump.rdb" && !name.starts_with("temp-") && !name.ends_with(".damaged") {
                whole.insert(self.number(bytes).map_err(|fault| format!("{name}: {fault}"))?);
            }
        }
        let promised = keep as usize + 1;
        if whole.len() < promised { Err(format!("{whole:?} instead of {promised}")) } else { Ok(number) }
    }
}

fn has_temp(files: &Files) -> bool {
    files.keys().any(|name| name.starts_with("temp-"))
}

/// How many files there are that are no temp files.
fn lasting_files(files: &Files) -> usize {
    files.keys().filter(|name| !name.starts_with("temp-")).count()
}

/// Cuts the power at every moment since the disk last went on. `before` and `after` are the saves that a start may
/// find; from the call `safe_from` on it is `after` only.
fn cut_everywhere(
    reader: &mut Reader,
    disk: &SimulatedDisk,
    keep: u32,
    before: &[usize],
    after: usize,
    safe_from: Option<usize>,
) -> Result<BTreeSet<Remains>, String> {
    let mut all = BTreeSet::new();
    for moment in disk.moments() {
        let is_safe = safe_from.is_some_and(|call| moment.call >= call);
        for remains in moment.survivors() {
            let described = |what: &str| format!("after call {} of {:?}: {what}", moment.call, disk.calls());
            let number = reader.inspect(&remains.files(), keep).map_err(|fault| described(&fault))?;
            if number != after && (is_safe || !before.contains(&number)) {
                return Err(described(&format!("a start finds save {number}")));
            }
            all.insert(remains);
        }
    }
    Ok(all)
}

/// The call after which the save is safe, if the save ended well.
fn safe_from(disk: &SimulatedDisk, result: &Result<(), SaveError>) -> Option<usize> {
    result.as_ref().ok()?;
    disk.calls().iter().rposition(|call| *call == "sync directory")
}

/// One save with at most one fault, cut everywhere; then the next save, cut everywhere too.
fn try_fault(
    reader: &mut Reader,
    lived: &SimulatedDisk,
    keep: u32,
    fault: Option<Fault>,
) -> Result<BTreeSet<Remains>, String> {
    let (old, new, next) = (EARLIER_SAVES - 1, EARLIER_SAVES, EARLIER_SAVES + 1);
    let disk = lived.copy();
    if let Some(fault) = fault {
        disk.fail(fault);
    }
    let result = save(&disk, keep, new);
    let mut remains = cut_everywhere(reader, &disk, keep, &[old], new, safe_from(&disk, &result))?;
    let present = reader.inspect(&disk.files(), keep)?;
    if fault.is_none_or(|fault| !fault.lasting) && has_temp(&disk.files()) {
        return Err("a temp file stays".to_owned());
    }
    if result.is_ok() && present != new {
        return Err(format!("the save is said to have ended well, and the dump is {present}"));
    }
    disk.go_on();
    let result = save(&disk, keep, next);
    result.as_ref().map_err(|error| format!("the next save fails: {error}"))?;
    remains.extend(cut_everywhere(reader, &disk, keep, &[old, new], next, safe_from(&disk, &result))?);
    if lasting_files(&disk.files()) != keep as usize + 1 {
        return Err(format!("{:?} are left", disk.files().keys()));
    }
    Ok(remains)
}

fn calls_of_a_save(lived: &SimulatedDisk, keep: u32) -> Vec<&'static str> {
    let disk = lived.copy();
    save(&disk, keep, EARLIER_SAVES).expect("nothing fails");
    disk.calls()
}

#[test]
fn power_cut_at_any_moment_leaves_the_old_dump_or_the_new_one() {
    let mut reader = Reader::new();
    let mut restarts = 0;
    for (keep, tick_ms) in KEEPS.into_iter().flat_map(|keep| TICKS_MS.map(|tick| (keep, tick))) {
        let lived = lived(keep, tick_ms);
        let calls = calls_of_a_save(&lived, keep);
        let mut remains = BTreeSet::new();
        for fault in all_faults(calls.len()) {
            let found = try_fault(&mut reader, &lived, keep, fault);
            remains.extend(found.unwrap_or_else(|what| panic!("keep {keep}, {fault:?}: {what}")));
        }
        // What a start finds, temp files of the dead among it, must serve for saves to come, whether a start clears it
        // away or not; and a start leaves no temp file but those that are whole or damaged.
        let last = EARLIER_SAVES + 2;
        for remains in remains {
            let clears = restarts % 2 == 0;
            let disk = SimulatedDisk::after(&remains, tick_ms);
            if clears {
                disk.start_another_after(0);
            }
            save(&disk, keep, last).expect("nothing fails");
            let files = disk.files();
            assert_eq!(reader.inspect(&files, keep), Ok(last), "{:?}", remains.files().keys());
            let mut temps = files.iter().filter(|(name, _)| name.starts_with("temp-"));
            assert!(!clears || !temps.any(|(_, bytes)| simulation::is_unfinished(bytes)), "{:?}", files.keys());
            restarts += 1;
        }
    }
    assert!(restarts > 100, "{restarts}");
}

#[test]
fn calls_of_a_save_stand_in_the_order_that_makes_it_safe() {
    let mut calls = calls_of_a_save(&lived(0, 10), 0);
    calls.dedup();
    let begin = ["look at", "create", "lock", "look at", "write", "sync"];
    assert_eq!(calls, [&begin[..], &["look at", "rename", "sync directory"]].concat());
    let mut calls = calls_of_a_save(&lived(3, 10), 3);
    calls.dedup();
    let keep = ["look at", "link", "look at", "rename", "sync directory", "read", "names", "look at", "remove"];
    assert_eq!(calls, [&begin[..], &keep].concat());
}

#[test]
fn checks_find_a_disk_that_does_not_do_what_it_says() {
    for (broken, expected) in [("sync", "after call"), ("sync directory", "a start finds save")] {
        for keep in KEEPS {
            let lived = lived(keep, 10);
            lived.break_call(broken);
            let found = try_fault(&mut Reader::new(), &lived, keep, None).expect_err(broken);
            assert!(found.contains(expected), "{broken}: {found}");
        }
    }
}

#[test]
fn first_save_leaves_nothing_or_a_whole_dump() {
    let mut reader = Reader::new();
    for keep in KEEPS {
        let disk = SimulatedDisk::new(10);
        save(&disk, keep, 0).expect("nothing fails");
        let safe_from = disk.calls().iter().position(|call| *call == "sync directory").expect("a sync");
        for moment in disk.moments() {
            for remains in moment.survivors() {
                match remains.files().get("dump.rdb") {
                    Some(dump) => assert_eq!(reader.number(dump), Ok(0)),
                    None => assert!(moment.call < safe_from),
                }
            }
        }
    }
}

#[test]
fn names_of_generations_are_in_the_order_of_their_writing() {
    let mut reader = Reader::new();
    for tick_ms in TICKS_MS {
        let disk = lived(3, tick_ms);
        let names = generations::list(&disk, &place(3)).expect("the names");
        let numbers: Vec<_> = names.iter().map(|name| reader.number(&disk.files()[name])).collect();
        assert_eq!(numbers, [Ok(1), Ok(2), Ok(3)]);
        assert_eq!(names.len(), disk.files().len() - 1);
    }
}

#[test]
fn fewer_generations_are_kept_once_fewer_are_wanted_and_none_is_touched_when_none_is() {
    let disk = lived(3, 10);
    save(&disk, 0, 5).expect("nothing fails");
    assert_eq!(generations::list(&disk, &place(0)).expect("the names").len(), 3);
    save(&disk, 1, 6).expect("nothing fails");
    let names = generations::list(&disk, &place(1)).expect("the names");
    assert_eq!(names.len(), 1);
    assert_eq!(Reader::new().number(&disk.files()[&names[0]]), Ok(5));
}

#[test]
fn power_cut_while_a_generation_is_taken_back_leaves_the_damaged_dump_or_the_whole_one() {
    let mut reader = Reader::new();
    let lived = lived(3, 10);
    lived.damage("dump.rdb");
    let newest = generations::list(&lived, &place(3)).expect("the names").pop().expect("a generation");
    let calls = {
        let disk = lived.copy();
        generations::take_back(&disk, &place(3), &newest).expect("nothing fails");
        disk.calls()
    };
    let mut restarts = 0;
    for fault in all_faults(calls.len()) {
        let disk = lived.copy();
        if let Some(fault) = fault {
            disk.fail(fault);
        }
        let result = generations::take_back(&disk, &place(3), &newest).map(drop);
        let safe_from = safe_from(&disk, &result);
        for moment in disk.moments() {
            for remains in moment.survivors() {
                let files = remains.files();
                let number = reader.number(&files["dump.rdb"]);
                let is_safe = safe_from.is_some_and(|call| moment.call >= call);
                assert!(number == Ok(3) || !is_safe && files["dump.rdb"] == lived.files()["dump.rdb"], "{fault:?}");
                assert_eq!(reader.number(&files[&newest]), Ok(3), "{fault:?}");
                // The temp name may be one more of the generation's: the next save must not write through it.
                let disk = SimulatedDisk::after(&remains, 10);
                save(&disk, 4, 5).expect("nothing fails");
                assert_eq!(reader.number(&disk.files()[&newest]), Ok(3), "{fault:?}");
                assert_eq!(reader.number(&disk.files()["dump.rdb"]), Ok(5), "{fault:?}");
                restarts += 1;
            }
        }
        if result.is_ok() {
            assert_eq!(disk.files()["dump.rdb.damaged"], lived.files()["dump.rdb"]);
        }
    }
    assert!(restarts > 100, "{restarts}");
}

#[test]
fn temp_name_that_is_a_generations_too_is_not_written_through() {
    let disk = lived(3, 10);
    let newest = generations::list(&disk, &place(3)).expect("the names").pop().expect("a generation");
    let temp = place(3).temp_path(std::process::id());
    disk.link(Path::new(&newest), &temp).expect("nothing fails");
    let number_after_save = |disk: SimulatedDisk| {
        save(&disk, 4, 5).expect("nothing fails");
        Reader::new().number(&disk.files()[&newest])
    };
    let broken = disk.copy();
    broken.break_call("create");
    assert_ne!(number_after_save(broken), Ok(3), "the test would find it");
    assert_eq!(number_after_save(disk), Ok(3));
}

/// Saves while another server starts after the call of this number. Returns whether a whole new dump has come of it.
fn saves_beside_a_start(lived: &SimulatedDisk, keep: u32, call: usize) -> bool {
    let disk = lived.copy();
    disk.start_another_after(call);
    let result = save(&disk, keep, EARLIER_SAVES);
    let number = Reader::new().inspect(&disk.files(), keep);
    result.is_ok() && number == Ok(EARLIER_SAVES)
}

#[test]
fn another_server_that_starts_at_any_moment_takes_nothing_from_a_save() {
    for keep in [0, 3] {
        let lived = lived(keep, 10);
        for call in 0..calls_of_a_save(&lived, keep).len() {
            assert!(saves_beside_a_start(&lived, keep, call), "keep {keep}, call {call}");
        }
        lived.break_call("lock");
        let spoilt = (0..10).filter(|call| !saves_beside_a_start(&lived, keep, *call)).count();
        assert!(spoilt > 0, "the test would find it");
    }
}

#[test]
fn save_takes_another_name_where_its_own_is_taken_and_touches_nothing_that_has_it() {
    let own = std::process::id();
    let whole = lived(0, 10).files()["dump.rdb"].clone();
    for foreign in [&b""[..], b"a user's own", &whole, &whole[..whole.len() / 2]] {
        let disk = lived(1, 10);
        let names = [own, own + 1].map(|number| format!("temp-{number}.rdb"));
        for name in &names {
            disk.put(name, foreign);
        }
        save(&disk, 1, 5).expect("nothing fails");
        assert_eq!(Reader::new().inspect(&disk.files(), 1), Ok(5));
        assert!(names.iter().all(|name| disk.files()[name] == foreign));
    }
}

#[test]
fn save_whose_temp_file_was_replaced_fails_and_leaves_the_other_file() {
    let lived = lived(0, 10);
    let temp = format!("temp-{}.rdb", std::process::id());
    let (disk, place) = (lived.copy(), place(0));
    let mut file = NewDump::create(&disk, &place, false).expect("nothing fails");
    file.write_all(b"what nobody wants").expect("nothing fails");
    disk.remove(Path::new(&temp)).expect("nothing fails");
    disk.put(&temp, b"another process's");
    let error = file.commit(None).expect_err("another file has its name");
    assert!(matches!(error, SaveError::Replace(ReplaceError::TempGone { .. })), "{error}");
    assert_eq!(disk.files()["dump.rdb"], lived.files()["dump.rdb"]);
    assert_eq!(disk.files()[&temp], b"another process's");
}

#[test]
fn save_of_the_same_data_keeps_the_generations_that_are_there() {
    let disk = lived(2, 10);
    let kept = |disk: &SimulatedDisk| generations::list(disk, &place(2)).expect("the names");
    let before = kept(&disk);
    for _ in 0..3 {
        save(&disk, 2, EARLIER_SAVES - 1).expect("nothing fails");
        assert_eq!(kept(&disk), before);
    }
    save(&disk, 2, EARLIER_SAVES).expect("nothing fails");
    assert_ne!(kept(&disk), before);
}

#[test]
fn files_that_only_have_the_name_of_a_generation_are_neither_counted_nor_removed() {
    let disk = lived(2, 10);
    let foreign = ["dump-19990101T000000.000Z.rdb", "dump-29990101T000000.000Z.rdb"];
    for name in foreign {
        disk.put(name, b"a user's own");
    }
    save(&disk, 2, 5).expect("nothing fails");
    let names = generations::list(&disk, &place(2)).expect("the names");
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(foreign.iter().all(|name| disk.files()[*name] == b"a user's own"));
}

#[test]
fn damaged_dump_that_is_set_aside_takes_nothing_elses_name() {
    let disk = lived(1, 10);
    disk.damage("dump.rdb");
    disk.put("dump.rdb.damaged", b"an earlier one");
    let damaged = disk.files()["dump.rdb"].clone();
    let newest = generations::list(&disk, &place(1)).expect("the names").pop().expect("a generation");
    let aside = generations::take_back(&disk, &place(1), &newest).expect("nothing fails");
    assert!(aside.ends_with("dump.rdb.2.damaged"), "{aside:?}");
    assert_eq!(disk.files()["dump.rdb.damaged"], b"an earlier one");
    assert_eq!(disk.files()["dump.rdb.2.damaged"], damaged);
}
