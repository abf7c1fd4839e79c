//! How a data set is to be written.

use std::sync::Arc;

use crate::config::{Config, EvictionPolicy, SnapshotIoPriority};
use crate::rdb;
use crate::snapshot::file::{FileSystem, Place, Standing, Temp};
use crate::stdx::clock::Now;

/// Bytes of a megabyte, as speeds of disks are given.
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
    /// No keys are written, as for redis-cli --functions-rdb.
    pub without_keys: bool,
    /// What is noted at the head beside the usual.
    pub notes: Vec<(&'static str, String)>,
    /// The texts of the function libraries.
    pub libraries: Arc<[Arc<[u8]>]>,
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
            without_keys: false,
            notes: Vec::new(),
            libraries: Arc::default(),
            same: None,
        }
    }

    /// The same beside a server that goes on answering clients.
    pub fn in_background(&self) -> Self {
        Self { bytes_per_second: self.manners.bytes_per_second, reserved_cores: 1, ..self.clone() }
    }
}

/// A negative delay of -n is one microsecond for one key in n, on average.
pub fn delay_us(configured: i32) -> u64 {
    match u64::try_from(configured) {
        Ok(microseconds) => microseconds,
        Err(_) => u64::from(fastrand::u32(..configured.unsigned_abs()) == 0),
    }
}
