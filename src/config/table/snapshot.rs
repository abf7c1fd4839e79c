//! When and how the data set is written to dump files and read back.

use super::super::key::{Apply, Key, Value};
use super::super::kinds::{SanitizePayload, SaveRule, SnapshotIoPriority, UnknownTypes};
use super::super::model::Config;
use super::super::value::ValueError;
use super::{I32_MAX, any_text, choice, flag, growing_list, integer, text};
use crate::stdx::number::parse_i64;

pub const KEYS: &[Key] = &[
    growing_list("save", "3600 1 300 100 60 10000", 2, read_save, write_save).applies(Apply::SaveRules).doc(
        "Take a snapshot after so many seconds if at least so many keys changed: pairs of <seconds> <changes>, any of \
         which suffices. The first such line replaces the default, further lines add to it, and save \"\" takes no \
         snapshots.",
    ),
    text("dir", ".", any_text, |c| &c.dir, |c, v| c.dir = v)
        .applies(Apply::Directory)
        .protected()
        .refused_while_loading()
        .doc("The directory in which the server works and keeps its dump file. Relative paths in other settings count from it."),
    text("dbfilename", "dump.rdb", check_file_name, |c| &c.dbfilename, |c, v| c.dbfilename = v)
        .protected()
        .doc("The name of the dump file, without a path."),
    flag(
        "stop-writes-on-bgsave-error",
        "yes",
        |c| c.stop_writes_on_bgsave_error,
        |c, v| c.stop_writes_on_bgsave_error = v,
    )
    .doc(
        "Refuse writes while the last background save failed and there are save rules, so that somebody notices. \
         Writes go on after the next snapshot that succeeds.",
    ),
    integer("snapshot-keep", "0", (0, KEEP_MAX), |c| c.snapshot_keep.into(), |c, v| c.snapshot_keep = v as u32).doc(
        "How many of the snapshots before the last one stay beside the dump file, each under a name that says when it \
         was written, such as dump-20261122T153000.123Z.rdb. An old one is removed once a new one is safe on the disk. \
         0 keeps none, and removes none that are there.",
    ),
    flag("snapshot-fallback", "no", |c| c.snapshot_fallback, |c, v| c.snapshot_fallback = v).doc(
        "When the dump file is damaged at the start, load the newest of the kept snapshots that is whole, and make it \
         the dump file; the damaged one stays beside it with .damaged behind its name. Otherwise the server does not \
         start, and says which snapshot is whole.",
    ),
    flag("rdbcompression", "yes", |c| c.rdbcompression, |c, v| c.rdbcompression = v)
        .doc("Compress strings in dump files with LZF."),
    flag("rdbchecksum", "yes", |c| c.rdbchecksum, |c, v| c.rdbchecksum = v)
        .at_startup()
        .doc("End dump files with a CRC-64 and check it before they are loaded."),
    flag(
        "rdb-save-incremental-fsync",
        "yes",
        |c| c.rdb_save_incremental_fsync,
        |c, v| c.rdb_save_incremental_fsync = v,
    )
    .doc("Send a dump file to the disk bit by bit while it is written, and not all at once at its end."),
    choice(
        "rdb-version",
        "0",
        RDB_VERSIONS,
        |c| RDB_VERSIONS.iter().position(|version| **version == *c.rdb_version.to_string()).unwrap_or(0),
        |c, i| c.rdb_version = RDB_VERSIONS[i].parse().unwrap_or(0),
    )
    .doc(
        "The version of the dump file's format, from 9 to 12; 0 writes the lowest that holds the data. Redis 5 to 6.2 \
         read up to 9, 7.0 up to 10, 7.2 up to 11, 7.4 and later 12. A value that the version cannot hold fails the \
         save.",
    ),
    choice(
        "rdb-unknown-types",
        "refuse",
        UnknownTypes::NAMES,
        |c| c.rdb_unknown_types as usize,
        |c, i| c.rdb_unknown_types = UnknownTypes::ALL[i],
    )
    .doc(
        "What to do with a dump file that holds values and data of modules, which this server does not have. refuse does not start with it; skip loads the rest, counts what is left out in \
         rdb_last_load_left_out of INFO and names it in the log, and keeps the file beside the dump under a name such \
         as dump-20261122T153000.123Z-original.rdb, which nothing removes.",
    ),
    integer("snapshot-threads", "0", (0, 64), |c| c.snapshot_threads.into(), |c, v| c.snapshot_threads = v as u32).doc(
        "How many threads turn the data into the bytes of a dump file; one thread writes them. 0 takes the cores that \
         have nothing to do, four at most, and in the background leaves one to the clients.",
    ),
    integer("snapshot-nice", "10", (0, 19), |c| c.snapshot_nice.into(), |c, v| c.snapshot_nice = v as i32).doc(
        "How much more than the server itself a process that saves in the background gives way to others that want its \
         core: what is added to the server's niceness. 0 leaves it as it is, 19 is as far as it can. It then takes \
         longer, and more pages are copied meanwhile. Where a system-call filter forbids it, it is left out.",
    ),
    choice(
        "snapshot-io-priority",
        "low",
        SnapshotIoPriority::NAMES,
        |c| c.snapshot_io_priority as usize,
        |c, i| c.snapshot_io_priority = SnapshotIoPriority::ALL[i],
    )
    .doc(
        "The place in the queue for the disk of a process that saves in the background: normal is the server's own, low \
         is behind others, idle is only while nobody else wants the disk. Not every I/O scheduler of the kernel heeds \
         it. Where a system-call filter forbids it, it is left out.",
    ),
    integer(
        "snapshot-rate-limit",
        "0",
        (0, 1_000_000),
        |c| c.snapshot_rate_limit_mb.into(),
        |c, v| c.snapshot_rate_limit_mb = v as u32,
    )
    .doc(
        "Write a dump file in the background at no more than so many megabytes a second, so that a slow disk has time \
         for others; 0 for no limit. A change holds from the next snapshot on.",
    ),
    Key::new(
        "snapshot-memory-limit",
        "0",
        Value::MemoryShare { read: |c| c.snapshot_memory_limit, write: |c, v| c.snapshot_memory_limit = v },
    )
    .doc(
        "Give up a snapshot in the background, or a full sync, that takes so much memory beside the data: pages that \
         are copied when data are overwritten meanwhile, and what the process that saves needs for itself, some \
         megabytes. An amount, or a percentage of maxmemory such as 25% (without maxmemory, of the data at the start \
         of the snapshot), but never less than 64 mb then; 0 for no limit. The old dump file stays, and the snapshot \
         counts as failed. Needs /proc.",
    ),
    integer(
        "snapshot-stall-timeout",
        "1800",
        (0, I32_MAX),
        |c| c.snapshot_stall_timeout_seconds.into(),
        |c, v| c.snapshot_stall_timeout_seconds = v as u32,
    )
    .doc(
        "End a process that saves in the background when it has made no progress for so many seconds, because a signal \
         has stopped it or the disk does not answer; 0 for never. After half of them the log and INFO (rdb_bgsave_stalled) \
         say so. Writing slowly, as snapshot-rate-limit asks for or as replicas read, is progress. Bringing a large file \
         to the disk at once is none: allow for it where rdb-save-incremental-fsync is no.",
    ),
    choice(
        "sanitize-dump-payload",
        "no",
        SanitizePayload::NAMES,
        |c| c.sanitize_dump_payload as usize,
        |c, i| c.sanitize_dump_payload = SanitizePayload::ALL[i],
    )
    .doc(
        "Look for members that come twice in small sorted sets of a dump file too (yes); all else in it is always \
         checked, and so is all that RESTORE brings. Payloads of RESTORE are counted in dump_payload_sanitizations \
         with yes, and with clients where the user is not one with skip-sanitize-payload.",
    ),
    integer(
        "rdb-key-save-delay",
        "0",
        DELAY,
        |c| c.rdb_key_save_delay_us.into(),
        |c, v| c.rdb_key_save_delay_us = v as i32,
    )
    .hidden()
    .doc("Microseconds to wait after each key that is saved. Meant for tests."),
    integer("key-load-delay", "0", DELAY, |c| c.key_load_delay_us.into(), |c, v| c.key_load_delay_us = v as i32)
        .hidden()
        .doc("Microseconds to wait after each key that is loaded. Meant for tests."),
    integer(
        "loading-process-events-interval-bytes",
        "2097152",
        (1024, i32::MAX as i64),
        |c| c.loading_process_events_interval_bytes as i64,
        |c, v| c.loading_process_events_interval_bytes = v as u64,
    )
    .hidden()
    .doc("Answer clients each time so many bytes of a dump file are loaded. Meant for tests."),
];

const RDB_VERSIONS: &[&str] = &["0", "9", "10", "11", "12"];
const KEEP_MAX: i64 = 10_000;
const DELAY: (i64, i64) = (i32::MIN as i64, i32::MAX as i64);

fn read_save(config: &Config) -> Vec<Vec<u8>> {
    config.save.iter().flat_map(|rule| [rule.seconds.to_string().into(), rule.changes.to_string().into()]).collect()
}

fn write_save(config: &mut Config, args: &[Vec<u8>]) -> Result<(), ValueError> {
    let args = if args == [b""] { &[] } else { args };
    let (pairs, rest) = args.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(ValueError::InvalidSave);
    }
    let rule = |[seconds, changes]: &[Vec<u8>; 2]| {
        let number = |arg: &[u8]| parse_i64(arg).and_then(|value| u64::try_from(value).ok());
        let seconds = number(seconds).filter(|seconds| *seconds >= 1);
        match (seconds, number(changes)) {
            (Some(seconds), Some(changes)) => Ok(SaveRule { seconds, changes }),
            _ => Err(ValueError::InvalidSave),
        }
    };
    config.save = pairs.iter().map(rule).collect::<Result<_, _>>()?;
    Ok(())
}

fn check_file_name(name: &str) -> Result<(), ValueError> {
    if name.contains('/') || name.contains('\\') { Err(ValueError::FileNameIsPath) } else { Ok(()) }
}
