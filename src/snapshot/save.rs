//! Writing the data set: one writer for the foreground and the child.

use std::io;
use std::ops::ControlFlow;
use std::time::Duration;

use super::atomic_file::{AtomicFile, FileSystem, Place};
use super::error::SaveError;
use crate::config::{Config, EvictionPolicy};
use crate::keyspace::{AccessClock, Db, Entry, Keyspace};
use crate::rdb::{self, Encoder};
use crate::stdx::clock::Now;
use crate::stdx::version;

/// Keys between two looks at the observer, where no key is delayed.
const KEYS_A_LOOK: u64 = 1024;

/// Bytes gathered before a write.
const BUFFER_BYTES: usize = 1 << 20;

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
    pub now: Now,
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
            now,
        }
    }
}

/// Who is told how a save gets on, and may end it.
pub trait Observer {
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
    keyspace: &Keyspace,
    place: &Place,
    options: &SaveOptions,
    system: &dyn FileSystem,
    observer: &mut dyn Observer,
) -> Result<Saved, SaveError> {
    let mut file = AtomicFile::create(system, place, options.incremental_sync)?;
    let temp = file.temp_path().to_path_buf();
    let mut out = Encoder::with_buffer(&mut file, options.format, BUFFER_BYTES);
    let written = write_dataset(keyspace, options, &mut out, observer);
    let written = written.map_err(|error| match error.downcast::<rdb::Error>() {
        Ok(cause) => SaveError::Encode { path: place.path(), cause },
        Err(error) if error.kind() == io::ErrorKind::Interrupted => SaveError::Interrupted,
        Err(cause) => SaveError::Write { path: temp, cause },
    })?;
    drop(out);
    observer.before_commit(&written);
    let bytes = file.commit()?;
    Ok(Saved { bytes, ..written })
}

/// Writes a whole RDB file.
pub fn write_dataset(
    keyspace: &Keyspace,
    options: &SaveOptions,
    out: &mut Encoder<'_>,
    observer: &mut dyn Observer,
) -> io::Result<Saved> {
    out.header()?;
    out.aux(b"redis-ver", version::REDIS.as_bytes())?;
    out.aux(b"redis-bits", b"64")?;
    out.aux(b"ctime", options.now.unix_seconds().to_string().as_bytes())?;
    out.aux(b"used-mem", options.used_memory_bytes.to_string().as_bytes())?;
    out.aux(b"aof-base", b"0")?;
    let mut writer = Writer { access: &keyspace.access, options, observer, keys: 0, expired_keys: 0 };
    for (index, db) in keyspace.dbs() {
        if !db.is_empty() {
            out.select_db(index as u64)?;
            out.resize_db(db.len() as u64, db.expires_len() as u64)?;
            writer.write_db(db, out)?;
        }
    }
    out.eof()?;
    Ok(writer.so_far(out))
}

struct Writer<'a> {
    access: &'a AccessClock,
    options: &'a SaveOptions,
    observer: &'a mut dyn Observer,
    keys: u64,
    expired_keys: u64,
}

impl Writer<'_> {
    fn write_db(&mut self, db: &Db, out: &mut Encoder<'_>) -> io::Result<()> {
        let each_looks = self.options.key_delay_us != 0;
        for entry in db.iter() {
            self.write_entry(entry, out)?;
            if each_looks {
                delay(self.options.key_delay_us);
            }
            if each_looks || self.keys.is_multiple_of(KEYS_A_LOOK) {
                let so_far = self.so_far(out);
                if self.observer.progress(&so_far).is_break() {
                    return Err(io::ErrorKind::Interrupted.into());
                }
            }
        }
        Ok(())
    }

    fn so_far(&self, out: &Encoder<'_>) -> Saved {
        let (bytes, raw_bytes) = (out.written(), out.uncompressed());
        Saved { keys: self.keys, bytes, raw_bytes, expired_keys: self.expired_keys, threads: 1 }
    }

    #[inline]
    fn write_entry(&mut self, entry: &Entry, out: &mut Encoder<'_>) -> io::Result<()> {
        if let Some(at_ms) = entry.expiry() {
            if self.options.skip_expired && at_ms <= self.options.now.unix_ms {
                self.expired_keys += 1;
                return Ok(());
            }
            out.expiry(at_ms)?;
        }
        match self.options.clocks {
            Clocks::None => {}
            Clocks::Idle => out.idle(self.access.idle_seconds(entry.clock()))?,
            Clocks::Frequency => out.freq(self.access.frequency(entry.clock()) as u8)?,
        }
        let value = entry.value();
        out.tag(value.tag())?;
        out.string(entry.key())?;
        value.save(out)?;
        self.keys += 1;
        Ok(())
    }
}

/// Waits as `rdb-key-save-delay` and `key-load-delay` say: microseconds, or a microsecond every so many keys.
fn delay(microseconds: i32) {
    std::thread::sleep(Duration::from_micros(delay_us(microseconds)));
}

/// A negative delay of -n is one microsecond for one key in n, on average.
pub fn delay_us(configured: i32) -> u64 {
    match u64::try_from(configured) {
        Ok(microseconds) => microseconds,
        Err(_) => u64::from(fastrand::u32(..configured.unsigned_abs()) == 0),
    }
}
