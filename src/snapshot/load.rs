//! Reading a dump: mapped, verified as a whole, decoded in steps into fresh databases that nobody sees until they
//! are complete.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use memmap2::{Advice, Mmap};

use super::error::{LoadError, LoadFault};
use crate::config::{Config, SanitizePayload};
use crate::keyspace::{AccessClock, AccessPolicy, Db};
use crate::rdb::{self, Crc64, HeldText, Record, Records, Tag, skip};
use crate::stdx::HashSeed;
use crate::stdx::clock::Now;
use crate::types::{EMPTY_VALUE, Limits, LoadOptions, Value};

/// Bytes that one step of the verification covers.
const VERIFIED_BYTES: usize = 8 << 20;

/// Entries between two looks at the clock.
const ENTRIES_A_LOOK: usize = 64;

/// Entries that are decoded ahead of inserting them, so that their buckets have arrived by then.
const ENTRIES_AHEAD: usize = 16;

/// An entry has at least a tag, a key's length and a value's.
const ENTRY_BYTES_MIN: u64 = 3;

/// Bytes behind the checksum's opcode.
const CHECKSUM_BYTES: usize = 8;

/// Files of older versions have no checksum.
const VERSION_WITH_CHECKSUM: u32 = 5;

/// A dump, mapped for reading.
pub struct DumpFile {
    path: PathBuf,
    map: Mmap,
}

impl DumpFile {
    /// Maps the file; `None` if there is none.
    ///
    /// A mapped file that somebody cuts short is a bus error: dumps are replaced by rename and never rewritten in
    /// place, so whoever does that here does it on purpose.
    #[expect(unsafe_code, reason = "mapping a file is unsafe as long as others can write to it")]
    pub fn open(path: &Path) -> Result<Option<Self>, LoadError> {
        let open = |error: io::Error| LoadFault::Open(error).of(path);
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(open(error)),
        };
        if !file.metadata().map_err(open)?.is_file() {
            return Err(open(io::Error::from_raw_os_error(libc::EISDIR)));
        }
        // SAFETY: the map is only read, as bytes that may be anything; see above for a file that is cut short.
        let map = unsafe { Mmap::map(&file) }.map_err(|error| LoadFault::Read(error).of(path))?;
        // Advice that is not taken makes it slower, no more.
        let _ = map.advise(Advice::Sequential);
        Ok(Some(Self { path: path.to_path_buf(), map }))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn bytes(&self) -> &[u8] {
        &self.map
    }
}

/// The check of a whole file's header and checksum, in steps.
pub struct Verification<'f> {
    file: &'f [u8],
    position: usize,
    /// Bytes that the checksum covers; `None` when it is not where a complete file has it.
    covered: Option<usize>,
    crc: Crc64,
}

impl<'f> Verification<'f> {
    /// Checks the header. Without `checksum`, that is all.
    pub fn new(file: &'f [u8], checksum: bool) -> Result<Self, LoadFault> {
        let version = Records::new(file).map_err(format_fault)?.version();
        let with_checksum = checksum && version >= VERSION_WITH_CHECKSUM;
        let covered = if with_checksum { file.len().checked_sub(CHECKSUM_BYTES) } else { Some(0) };
        Ok(Self { file, position: 0, covered, crc: Crc64::new() })
    }

    /// Goes on a little. Returns whether all is done.
    pub fn step(&mut self) -> Result<bool, LoadFault> {
        let covered = self.covered.unwrap_or(0);
        let end = covered.min(self.position + VERIFIED_BYTES);
        self.crc.update(&self.file[self.position..end]);
        self.position = end;
        if end < covered {
            return Ok(false);
        }
        let expects = covered > 0 || self.covered.is_none();
        if expects && !self.matches(covered) {
            // What exactly is wrong, or that other data follows the dump, takes another look.
            rdb::verify_checksum(self.file).map_err(|error| match error {
                error @ rdb::Error::BadChecksum { .. } => LoadFault::Checksum(error),
                cause => format_fault(cause),
            })?;
        }
        Ok(true)
    }

    fn matches(&self, covered: usize) -> bool {
        let ends = covered > 0 && self.file[covered - 1] == rdb::Opcode::Eof.as_u8();
        ends && self.file.get(covered..).and_then(|stored| stored.first_chunk()).is_some_and(|stored| {
            // Zero: the writer had checksums switched off.
            let stored = rdb::Decoder::new(stored as &[u8; CHECKSUM_BYTES]).milliseconds().unwrap_or(0) as u64;
            stored == 0 || stored == self.crc.value()
        })
    }
}

/// What is done with a key that is there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Duplicates {
    Refused,
    /// The dump's key takes its place (DEBUG RELOAD MERGE).
    Replaced,
}

/// How a dump is read.
#[derive(Clone, Debug)]
pub struct LoadSettings {
    pub limits: Limits,
    /// Walk every element of packed encodings, not only their frame.
    pub sanitize: bool,
    /// Keys whose expiry is past are dropped.
    pub now: Now,
    pub duplicates: Duplicates,
}

impl LoadSettings {
    pub fn new(config: &Config, now: Now) -> Self {
        let sanitize = config.sanitize_dump_payload == SanitizePayload::Yes;
        Self { limits: Limits::from(config), sanitize, now, duplicates: Duplicates::Refused }
    }
}

/// What a dump held.
pub struct Loaded {
    pub dbs: Vec<Db>,
    pub keys: u64,
    pub expired_keys: u64,
    pub bytes: u64,
}

/// A dump on its way into databases.
pub struct Loader<'f> {
    records: Records<'f>,
    file_bytes: u64,
    settings: LoadSettings,
    dbs: Vec<Db>,
    db: usize,
    keys: u64,
    expired_keys: u64,
    used_memory_bytes: u64,
    /// Decoded and not yet inserted, all for the database `db`.
    ahead: Vec<Ahead<'f>>,
    /// Vectors to decompress into.
    spare: Vec<Vec<u8>>,
    ended: bool,
}

/// An entry that is decoded and not yet inserted.
struct Ahead<'f> {
    hash: u64,
    key: Cow<'f, [u8]>,
    value: Held<'f>,
    expiry: Option<i64>,
    clock: u32,
    offset: u64,
}

enum Held<'f> {
    Text(HeldText<'f>),
    Value(Value),
}

impl<'f> Loader<'f> {
    /// Reads into empty databases.
    pub fn new(file: &'f [u8], databases: usize, seed: HashSeed, settings: LoadSettings) -> Result<Self, LoadFault> {
        Self::into_dbs(file, (0..databases).map(|_| Db::new(seed)).collect(), settings)
    }

    /// Reads into the databases given, beside what they hold.
    pub fn into_dbs(file: &'f [u8], dbs: Vec<Db>, settings: LoadSettings) -> Result<Self, LoadFault> {
        Ok(Self {
            records: Records::new(file).map_err(format_fault)?,
            file_bytes: file.len() as u64,
            settings,
            dbs,
            db: 0,
            keys: 0,
            expired_keys: 0,
            used_memory_bytes: 0,
            ahead: Vec::with_capacity(ENTRIES_AHEAD),
            spare: Vec::new(),
            ended: false,
        })
    }

    /// Bytes of the file that have been decoded.
    pub fn position(&self) -> u64 {
        self.records.offset()
    }

    /// What the writer's data took in memory, as the file says.
    pub fn used_memory_bytes(&self) -> u64 {
        self.used_memory_bytes
    }

    /// Keys so far, those dropped among them.
    pub fn entries(&self) -> u64 {
        self.keys + self.expired_keys
    }

    /// Decodes entries until `deadline`, or `entries_max` of them. Returns whether the file is at its end.
    pub fn step(&mut self, access: &AccessClock, deadline: Instant, entries_max: u64) -> Result<bool, LoadFault> {
        let stop_at = self.entries().saturating_add(entries_max);
        while !self.ended {
            for _ in 0..ENTRIES_A_LOOK {
                if self.entries() >= stop_at {
                    return Ok(self.ended);
                }
                self.next_record(access)?;
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        Ok(self.ended)
    }

    fn next_record(&mut self, access: &AccessClock) -> Result<(), LoadFault> {
        let offset = self.records.offset();
        match self.records.next().map_err(format_fault)? {
            Record::Entry { tag, key, expiry_ms, idle, freq } => {
                let clock = match (access.policy(), idle, freq) {
                    (AccessPolicy::Lfu { .. }, _, Some(freq)) => access.clock_of_frequency(freq),
                    (AccessPolicy::Lru, Some(seconds), _) => access.clock_of_idle(seconds),
                    _ => access.initial(),
                };
                self.entry(tag, key, expiry_ms, clock, offset)
            }
            Record::SelectDb(index) => {
                self.insert_ahead()?;
                let databases = self.dbs.len();
                let known = usize::try_from(index).ok().filter(|index| *index < databases);
                self.db = known.ok_or(LoadFault::DatabaseOutOfRange { offset, index, databases })?;
                Ok(())
            }
            Record::ResizeDb { keys, expires } => {
                // A file cannot make us reserve more than it could fill.
                let possible = (self.file_bytes - self.records.offset().min(self.file_bytes)) / ENTRY_BYTES_MIN;
                let bounded = |count: u64| count.min(possible) as usize;
                let db = &mut self.dbs[self.db];
                db.reserve(db.len() + bounded(keys), db.expires_len() + bounded(expires));
                Ok(())
            }
            Record::Aux { key, value } => {
                self.take_aux(&key, &value);
                Ok(())
            }
            Record::FunctionLibrary(_) => Err(LoadFault::FunctionLibrary { offset }),
            Record::ModuleAux { id, offset } => Err(LoadFault::ModuleData { offset, module: id }),
            Record::Eof => {
                self.insert_ahead()?;
                self.ended = true;
                Ok(())
            }
        }
    }

    #[inline]
    fn entry(
        &mut self,
        tag: Tag,
        key: Cow<'f, [u8]>,
        expiry: Option<i64>,
        clock: u32,
        offset: u64,
    ) -> Result<(), LoadFault> {
        let input = self.records.decoder();
        let now_ms = self.settings.now.unix_ms;
        let result = if expiry.is_some_and(|at_ms| at_ms <= now_ms) {
            skip::value(tag, input).map(|()| None)
        } else if tag == Tag::String {
            input.held_text(&mut self.spare).map(|text| Some(Held::Text(text)))
        } else {
            let options = LoadOptions { limits: &self.settings.limits, sanitize: self.settings.sanitize };
            match Value::load(tag, input, &options) {
                Err(rdb::Error::InvalidValue { what: EMPTY_VALUE, .. }) => {
                    tracing::info!("skipping empty key: {}", key.escape_ascii());
                    return Ok(());
                }
                result => result.map(|value| Some(Held::Value(value))),
            }
        };
        let Some(value) = result.map_err(|cause| LoadFault::Format { cause, key: key.to_vec() })? else {
            self.expired_keys += 1;
            return Ok(());
        };
        let db = &self.dbs[self.db];
        let hash = db.hash(&key);
        db.prefetch_hashed(hash);
        self.keys += 1;
        self.ahead.push(Ahead { hash, key, value, expiry, clock, offset });
        if self.ahead.len() == ENTRIES_AHEAD { self.insert_ahead() } else { Ok(()) }
    }

    fn insert_ahead(&mut self) -> Result<(), LoadFault> {
        let db = &mut self.dbs[self.db];
        for Ahead { hash, key, value, expiry, clock, offset } in self.ahead.drain(..) {
            if self.settings.duplicates == Duplicates::Replaced {
                db.remove(&key);
            }
            let added = match value {
                Held::Text(HeldText::Bytes(bytes)) => db.insert_absent_string(hash, &key, bytes, expiry, clock),
                Held::Text(HeldText::Integer(number)) => db.insert_absent_integer(hash, &key, number, expiry, clock),
                Held::Text(HeldText::Decompressed(bytes)) => {
                    let added = db.insert_absent_string(hash, &key, &bytes, expiry, clock);
                    self.spare.push(bytes);
                    added
                }
                Held::Value(value) => db.insert_absent(hash, &key, value, expiry, clock),
            };
            if !added {
                return Err(LoadFault::DuplicateKey { offset, key: key.into_owned() });
            }
        }
        Ok(())
    }

    /// Facts that the writer noted; unknown ones are for others.
    fn take_aux(&mut self, key: &[u8], value: &[u8]) {
        let number = || crate::stdx::number::parse_i64(value);
        match key {
            b"redis-ver" => tracing::info!("Loading RDB produced by version {}", value.escape_ascii()),
            b"ctime" => {
                let age = number().map_or(0, |created| self.settings.now.unix_seconds().saturating_sub(created));
                tracing::info!("RDB age {} seconds", age.max(0));
            }
            b"used-mem" => {
                let bytes = number().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
                self.used_memory_bytes = bytes;
                tracing::info!("RDB memory usage when created {:.2} Mb", bytes as f64 / f64::from(1 << 20));
            }
            _ => {}
        }
    }

    /// The databases, once [`Loader::step`] has said that the end is reached.
    pub fn finish(self) -> Loaded {
        debug_assert!(self.ended);
        Loaded { dbs: self.dbs, keys: self.keys, expired_keys: self.expired_keys, bytes: self.file_bytes }
    }

    /// The databases as far as they came, after an error.
    pub fn into_partial(self) -> Vec<Db> {
        self.dbs
    }
}

fn format_fault(cause: rdb::Error) -> LoadFault {
    LoadFault::Format { cause, key: Vec::new() }
}
