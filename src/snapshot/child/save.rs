//! Writing the data set: one writer for the foreground and the child.

use std::io;
use std::ops::ControlFlow;

use super::chunks::ChunkWriter;
use super::pace::Pace;
use super::serialise;
use crate::config::{Config, EvictionPolicy, SnapshotIoPriority};
use crate::keyspace::{Frozen, Keyspace};
use crate::rdb::{self, Sink};
use crate::snapshot::error::{SaveError, Unsavable};
use crate::snapshot::file::atomic_file::{AtomicFile, FileSystem, Place, Standing, Temp};
use crate::stdx::clock::Now;
use crate::stdx::version;

/// Bytes of a megabyte, as speeds of disks are told.
const MEGABYTE: u64 = 1_000_000;

/// How the data set is to be written.
#[derive(Clone, Debug)]
pub struct SaveOptions {
    pub format: rdb::Options,
    pub clocks: Clocks,
    /// Keys past their expiry are left out. Not where expiry is switched off, as tests do.
    pub skip_expired: bool,
    /// Brings the file to the disk bit by bit.
    pub incremental_sync: bool,
    /// As `rdb-key-save-delay`.
    pub key_delay_us: i32,
    /// Bytes that the data takes in memory, noted in the file.
    pub used_memory_bytes: u64,
    /// Threads that serialise; 0 for as many as there are cores with nothing to do.
    pub threads: u32,
    /// Nothing is written faster; 0 is no limit.
    pub bytes_per_second: u64,
    /// Cores that others have work for: in the background, the one that answers clients.
    pub reserved_cores: usize,
    pub manners: Manners,
    pub now: Now,
    /// The dump that holds the data as they are, if it is known that one does.
    pub same: Option<KnownDump>,
}

/// A dump of which it is known what it holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KnownDump {
    pub standing: Standing,
    pub keys: u64,
}

impl KnownDump {
    /// The dump that a save has written as this temp file, unless another one has taken its place since.
    pub fn saved_as(system: &dyn FileSystem, place: &Place, temp: Option<Temp>, keys: u64) -> Option<Self> {
        let standing = system.look_at(&place.path()).ok()??;
        (standing.identity == temp?.identity).then_some(Self { standing, keys })
    }
}

/// How a background save gives way to others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Manners {
    pub niceness: i32,
    pub io_priority: SnapshotIoPriority,
    /// 0 is no limit.
    pub bytes_per_second: u64,
}

/// What is noted of each key's use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clocks {
    None,
    /// How long it has not been used.
    Idle,
    /// How often it is used.
    Frequency,
}

impl SaveOptions {
    /// Takes the version that fields with an expiry need, unless another one is pinned: no lower one can hold them.
    pub fn holding_expiring_fields(mut self, config: &Config) -> Self {
        if config.rdb_version == 0 {
            self.format.version = rdb::Tag::HashMetadata.version();
        }
        self
    }

    pub fn new(config: &Config, used_memory_bytes: u64, skip_expired: bool, now: Now) -> Self {
        let version = match config.rdb_version {
            0 => rdb::VERSION_DEFAULT,
            pinned => u32::from(pinned),
        };
        let clocks = match config.maxmemory_policy {
            EvictionPolicy::VolatileLru | EvictionPolicy::AllKeysLru => Clocks::Idle,
            policy if policy.counts_frequency() => Clocks::Frequency,
            _ => Clocks::None,
        };
        Self {
            format: rdb::Options { compression: config.rdbcompression, checksum: config.rdbchecksum, version },
            clocks,
            skip_expired,
            incremental_sync: config.rdb_save_incremental_fsync,
            key_delay_us: config.rdb_key_save_delay_us,
            used_memory_bytes,
            threads: config.snapshot_threads,
            bytes_per_second: 0,
            reserved_cores: 0,
            manners: Manners {
                niceness: config.snapshot_nice,
                io_priority: config.snapshot_io_priority,
                bytes_per_second: u64::from(config.snapshot_rate_limit_mb) * MEGABYTE,
            },
            now,
            same: None,
        }
    }

    /// The same beside a server that goes on answering clients.
    pub fn in_background(&self) -> Self {
        Self { bytes_per_second: self.manners.bytes_per_second, reserved_cores: 1, ..self.clone() }
    }

    fn thread_count(&self) -> usize {
        if self.key_delay_us != 0 {
            // The delay is meant for one key after another.
            return 1;
        }
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let load = SystemLoad::of_now();
        // A client that waits for the end is worth more than the peace of a machine that was busy a minute ago.
        let load = if self.reserved_cores == 0 { load.average.min(load.at_work) } else { load.average };
        serialise::thread_count(self.threads, cores, load, self.reserved_cores)
    }
}

/// How many threads of the whole system want a core.
#[derive(Clone, Copy, PartialEq, Debug)]
struct SystemLoad {
    /// Over the last minute.
    average: f64,
    /// At this moment, but for the one that asks.
    at_work: f64,
}

impl SystemLoad {
    fn of_now() -> Self {
        Self::parse(&std::fs::read_to_string("/proc/loadavg").unwrap_or_default())
    }

    /// Reads `0.42 0.50 0.61 2/103 14906`; what is not there is no load.
    fn parse(text: &str) -> Self {
        let mut fields = text.split_ascii_whitespace();
        let average = fields.next().and_then(|load| load.parse().ok()).unwrap_or(0.0);
        let at_work = fields.nth(2).and_then(|threads| threads.split_once('/')?.0.parse().ok()).unwrap_or(1.0);
        Self { average, at_work: f64::max(at_work - 1.0, 0.0) }
    }
}

/// Who is told how a save gets on, and may end it.
pub trait Observer {
    /// The temp file is there, empty.
    fn created(&mut self, temp: Temp) {
        let _ = temp;
    }

    fn progress(&mut self, so_far: &Saved) -> ControlFlow<()>;

    /// Everything is written; what follows makes it durable and puts it in its place.
    fn before_commit(&mut self, saved: &Saved) {
        let _ = saved;
    }
}

/// What was written, or has been so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Saved {
    pub keys: u64,
    pub bytes: u64,
    /// What the bytes would be without compression.
    pub raw_bytes: u64,
    /// Keys left out because their expiry had passed.
    pub expired_keys: u64,
    /// Threads that serialise.
    pub threads: u64,
}

/// Puts a dump of the keyspace in its place.
pub fn save_to_file(
    keyspace: &mut Keyspace,
    place: &Place,
    options: &SaveOptions,
    system: &dyn FileSystem,
    observer: &mut dyn Observer,
) -> Result<Saved, SaveError> {
    let mut file = AtomicFile::create(system, place, options.incremental_sync)?;
    let temp = file.temp_path().to_path_buf();
    observer.created(file.temp());
    let written = write_dataset(keyspace, options, &mut file, observer);
    let written = written.map_err(|error| match error.downcast::<Unsavable>() {
        Ok(cause) => SaveError::Encode { path: place.path(), cause },
        Err(error) if error.kind() == io::ErrorKind::Interrupted => SaveError::Interrupted,
        Err(cause) => SaveError::Write { path: temp, cause },
    })?;
    observer.before_commit(&written);
    // Keys that have gone by themselves, evicted or past their expiry, are no changes that anybody has counted.
    let same = options.same.filter(|dump| dump.keys == written.keys && written.expired_keys == 0);
    let bytes = file.commit(same.map(|dump| dump.standing))?;
    Ok(Saved { bytes, ..written })
}

/// Writes a whole RDB file.
pub fn write_dataset(
    keyspace: &mut Keyspace,
    options: &SaveOptions,
    sink: &mut dyn Sink,
    observer: &mut dyn Observer,
) -> io::Result<Saved> {
    let frozen = Frozen::new(keyspace);
    let sizes = frozen.sizes().map(Some).collect();
    let pace = Pace::new(options.bytes_per_second);
    let mut writer = ChunkWriter::new(sink, observer, options.format, sizes, pace);
    writer.records(|out| {
        out.header()?;
        out.aux(b"redis-ver", version::REDIS.as_bytes())?;
        out.aux(b"redis-bits", b"64")?;
        out.aux(b"ctime", options.now.unix_seconds().to_string().as_bytes())?;
        out.aux(b"used-mem", options.used_memory_bytes.to_string().as_bytes())?;
        out.aux(b"aof-base", b"0")
    })?;
    serialise::write_entries(&frozen, options, options.thread_count(), &mut writer)?;
    writer.finish()
}

/// A negative delay of -n is one microsecond for one key in n, on average.
pub fn delay_us(configured: i32) -> u64 {
    match u64::try_from(configured) {
        Ok(microseconds) => microseconds,
        Err(_) => u64::from(fastrand::u32(..configured.unsigned_abs()) == 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn load_is_read_as_the_kernel_tells_it() {
        let load = |average, at_work| SystemLoad { average, at_work };
        assert_eq!(SystemLoad::parse("1.36 1.29 1.01 3/103 14906\n"), load(1.36, 2.0));
        assert_eq!(SystemLoad::parse("0.05 1.29 1.01 1/103 14906\n"), load(0.05, 0.0));
        assert_eq!(SystemLoad::parse("0.05 1.29 1.01 0/0 14906\n"), load(0.05, 0.0));
        assert_eq!(SystemLoad::parse("1.5"), load(1.5, 0.0));
        assert_eq!(SystemLoad::parse(""), load(0.0, 0.0));
    }
}
