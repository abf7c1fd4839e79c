//! The loader: what comes next, into which database, and what is wrong.

use std::collections::BTreeMap;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;

use super::crew::Crew;
use super::entry::{EntryMaker, Head, Made, access_clock};
use super::left_out::Unknown;
use super::part::{Batch, Entries, Part, Source, decode, find_entries};
use super::{Duplicates, LeftOut, LoadSettings, Loaded, Origin, Verification, format_fault};
use crate::config::UnknownTypes;
use crate::keyspace::{AccessClock, Db, ReadyEntry};
use crate::observe::UserData;
use crate::rdb::{self, Bookmark, Record, Records};
use crate::snapshot::error::LoadFault;
use crate::stdx::HashSeed;
use crate::stdx::number::parse_i64;

/// Entries between two looks at the clock.
const ENTRIES_A_LOOK: usize = 256;

/// Records between two looks at the clock; a single one may hold a large value.
const RECORDS_A_LOOK: usize = 64;

/// Entries whose buckets are asked for before they are inserted, so that these have arrived by then.
const ENTRIES_AHEAD: usize = 16;

/// An entry has at least a tag, a key's length and a value's.
const ENTRY_BYTES_MIN: u64 = 3;

/// Keys of empty collections that are named in the log.
const EMPTY_KEYS_NAMED: u64 = 10;

/// How far a load is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// There is more to do at once.
    Working,
    /// Nothing can be done before [`Loader::poll_ready`] says so.
    Waiting,
    Ended,
}

/// A dump on its way into databases.
pub struct Loader {
    file: Bytes,
    settings: LoadSettings,
    verification: Verification,
    verified: bool,
    maker: EntryMaker,
    dbs: Vec<Db>,
    /// Where reading goes on, between two records: where the crew's next part begins, while there is a crew.
    place: Bookmark,
    /// The database of what is read next.
    db: usize,
    crew: Option<Crew>,
    /// No more parts are to be found.
    parts_ended: bool,
    batch: Option<Inserting>,
    /// Decoded and not yet inserted, all for the database `db`, with their offsets.
    ahead: Vec<(ReadyEntry, u64)>,
    /// Up to where the data is in its databases.
    inserted_to: u64,
    /// The database whose tables have been sized ahead and wait for their memory.
    untouched: Option<usize>,
    keys: u64,
    expired_keys: u64,
    empty_keys: u64,
    left_out: LeftOut,
    /// The texts of function libraries by their places: one that is read again, without the crew, is there once.
    libraries: BTreeMap<u64, Box<[u8]>>,
    used_memory_bytes: u64,
    origin: Origin,
    ended: bool,
}

/// A batch on its way into its database.
struct Inserting {
    db: usize,
    start: u64,
    entries: Entries,
    end: u64,
    is_whole: bool,
}

/// Starting and watching a load.
impl Loader {
    /// Reads into empty databases.
    pub fn new(file: Bytes, databases: usize, seed: HashSeed, settings: LoadSettings) -> Result<Self, LoadFault> {
        Self::into_dbs(file, (0..databases).map(|_| Db::new(seed)).collect(), settings)
    }

    /// Reads into the databases given, beside what they hold. The checksum is only known to be right in the end.
    pub fn into_dbs(file: Bytes, dbs: Vec<Db>, settings: LoadSettings) -> Result<Self, LoadFault> {
        let verification = Verification::new(file.clone(), settings.checksum)?;
        let records = Records::new(&file).map_err(format_fault)?;
        if let Some(writer) = records.format().writer() {
            tracing::info!("RDB version {} ({}) is of {writer}", records.version(), records.format().header());
        }
        let place = records.bookmark();
        let maker = EntryMaker::new(&settings);
        let source = Source { file: file.clone(), with_checksum: verification.wants_checksums() };
        let division = settings.division;
        let threads = if file.len() >= division.file_bytes_min { division.threads } else { 0 };
        let mut makers = maker.clone();
        Ok(Self {
            crew: Crew::start(threads, move |part| decode(&source, part, &mut makers)),
            file,
            settings,
            verification,
            verified: false,
            maker,
            dbs,
            place,
            db: 0,
            parts_ended: false,
            batch: None,
            ahead: Vec::with_capacity(ENTRIES_AHEAD),
            inserted_to: 0,
            untouched: None,
            keys: 0,
            expired_keys: 0,
            empty_keys: 0,
            left_out: LeftOut::default(),
            libraries: BTreeMap::new(),
            used_memory_bytes: 0,
            origin: Origin::default(),
            ended: false,
        })
    }

    /// Bytes of the file whose data is in its database.
    pub fn position(&self) -> u64 {
        self.inserted_to
    }

    /// What the writer's data took in memory, as the file says.
    pub fn used_memory_bytes(&self) -> u64 {
        self.used_memory_bytes
    }

    /// Keys so far, those dropped among them.
    pub fn entries(&self) -> u64 {
        self.keys + self.expired_keys + self.left_out.values
    }

    /// Goes on until `deadline`, or for `entries_max` entries.
    pub fn step(&mut self, access: &AccessClock, deadline: Instant, entries_max: u64) -> Result<Progress, LoadFault> {
        let stop_at = self.entries().saturating_add(entries_max);
        while !self.ended && self.entries() < stop_at {
            let progress = if self.crew.is_some() {
                self.step_with_crew(access, stop_at)
            } else if !self.verified {
                self.verified = self.verification.step()?;
                Progress::Working
            } else {
                self.step_alone(access, stop_at)?
            };
            if progress == Progress::Waiting {
                return Ok(progress);
            }
            if Instant::now() >= deadline {
                break;
            }
        }
        Ok(if self.ended { Progress::Ended } else { Progress::Working })
    }

    /// Ready when there is something to do after [`Progress::Waiting`].
    pub fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        self.crew.as_ref().map_or(Poll::Ready(()), |crew| crew.poll_ready(context))
    }

    /// Blocks until there is something to do after [`Progress::Waiting`].
    pub fn wait(&self) {
        if let Some(crew) = &self.crew {
            crew.wait();
        }
    }

    /// The databases, once [`Loader::step`] has said that the end is reached.
    pub fn finish(self) -> Loaded {
        debug_assert!(self.ended);
        Loaded {
            dbs: self.dbs,
            keys: self.keys,
            expired_keys: self.expired_keys,
            empty_keys: self.empty_keys,
            left_out: self.left_out,
            libraries: self.libraries.into_iter().collect(),
            bytes: self.file.len() as u64,
            origin: self.origin,
        }
    }

    /// The databases as far as they came, after an error.
    pub fn into_partial(self) -> Vec<Db> {
        self.dbs
    }

    fn note_empty(&mut self, key: &[u8]) {
        if self.empty_keys < EMPTY_KEYS_NAMED {
            tracing::info!("skipping empty key: {}", UserData(key));
        }
        self.empty_keys += 1;
    }

    fn skips_unknown(&self) -> bool {
        self.settings.unknown == UnknownTypes::Skip
    }

    fn leave_out(&mut self, unknown: &Unknown<'_>) {
        self.left_out.note(unknown);
    }

    /// Of a key: its value for a reason, or else what modules keep beside it.
    fn leave_out_of(&mut self, key: &[u8], cause: Option<&rdb::Error>) {
        self.leave_out(&match cause {
            Some(cause) => Unknown::Value { key, cause },
            None => Unknown::Metadata { key },
        });
    }

    /// Sizes the table ahead.
    fn reserve(&mut self, keys: u64) {
        // A file cannot make us reserve more than it could fill.
        let possible = (self.file.len() as u64).saturating_sub(self.place.offset()) / ENTRY_BYTES_MIN;
        let db = &mut self.dbs[self.db];
        db.reserve(db.len() + keys.min(possible) as usize);
        self.untouched = Some(self.db);
    }

    /// Facts that the writer noted; unknown ones are for others.
    fn take_aux(&mut self, key: &[u8], value: &[u8]) {
        match key {
            b"redis-ver" if value.starts_with(b"df-") => {
                tracing::info!("Loading RDB produced by Dragonfly, version {}", value.escape_ascii());
            }
            b"redis-ver" => tracing::info!("Loading RDB produced by version {}", value.escape_ascii()),
            b"valkey-ver" => tracing::info!("Loading RDB produced by Valkey version {}", value.escape_ascii()),
            b"ctime" => {
                let now = self.settings.now.unix_seconds();
                let age = parse_i64(value).map_or(0, |created| now.saturating_sub(created));
                tracing::info!("RDB age {} seconds", age.max(0));
            }
            b"used-mem" => {
                let bytes = parse_i64(value).and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
                self.used_memory_bytes = bytes;
                tracing::info!("RDB memory usage when created {:.2} Mb", bytes as f64 / f64::from(1 << 20));
            }
            b"repl-id" => self.origin.id = value.to_vec(),
            b"repl-offset" => {
                self.origin.offset = parse_i64(value).and_then(|offset| u64::try_from(offset).ok());
            }
            b"repl-stream-db" => self.origin.db = parse_i64(value).and_then(|db| usize::try_from(db).ok()),
            _ => {}
        }
    }
}

/// With a crew: parts are handed in, batches are put into the databases in the order of the file.
///
/// Nothing is ever found wrong here. What is out of the ordinary ends the crew's work, and reading goes on alone from
/// there, once the checksum of the whole file is known to be right.
impl Loader {
    fn step_with_crew(&mut self, access: &AccessClock, stop_at: u64) -> Progress {
        while self.crew.as_ref().is_some_and(Crew::has_room) && self.hand_in_part(access) {}
        if let Some(db) = self.untouched {
            self.untouched = self.dbs[db].touch_reserved().then_some(db);
            return Progress::Working;
        }
        if self.batch.is_none() {
            let Some(crew) = &mut self.crew else { return Progress::Working };
            match crew.take() {
                Some(batch) => self.begin_batch(batch),
                None if crew.is_idle() => self.crew = None,
                None => return Progress::Waiting,
            }
        }
        self.insert_some(stop_at);
        Progress::Working
    }

    /// Finds the next part for the crew. Returns whether there may be another one behind it.
    fn hand_in_part(&mut self, access: &AccessClock) -> bool {
        while !self.parts_ended {
            let start = self.place;
            let found = find_entries(&self.file, &start, self.settings.division.part_bytes as u64);
            if let (Some((end, entries)), Some(crew)) = (found, &mut self.crew) {
                self.place = start.at(end);
                let home = self.dbs[self.db].home();
                let (db, room, access) = (self.db, crew.room(), access.clone());
                crew.hand_in(Part { start, end, entries, room, db, home, access });
                return true;
            }
            self.parts_ended = !self.pass_record();
        }
        false
    }

    /// Passes a record between entries that is as harmless as it is usual. Returns whether it was.
    fn pass_record(&mut self) -> bool {
        let file = self.file.clone();
        let mut records = Records::at(&file, &self.place);
        let offset = records.offset();
        let Ok(record) = records.next() else { return false };
        let behind = records.bookmark();
        if behind.is_inside_entry() {
            return false;
        }
        match record {
            Record::SelectDb(index) => match self.known_db(index) {
                Some(db) => self.db = db,
                None => return false,
            },
            Record::ResizeDb { keys, .. } => self.reserve(keys),
            Record::Aux { key, value } => self.take_aux(&key, &value),
            Record::FunctionLibrary(code) => {
                self.libraries.insert(offset, code.into());
            }
            Record::ModuleAux { id, .. } if self.skips_unknown() => self.leave_out(&Unknown::ModuleData(id)),
            Record::FunctionOfCandidate { offset } => self.leave_out(&Unknown::Candidate { offset }),
            _ => return false,
        }
        self.place = behind;
        true
    }

    fn begin_batch(&mut self, batch: Batch) {
        let Batch { db, start, entries, expired, empty, left_out, checksum, end, is_whole } = batch;
        if let Some(checksum) = checksum.filter(|_| is_whole) {
            self.verification.take_part(start, end, checksum);
        }
        self.expired_keys += expired;
        for key in empty {
            self.note_empty(&key);
        }
        for (key, cause) in &left_out {
            self.leave_out_of(key, cause.as_ref());
        }
        for (ready, _) in entries.iter().take(ENTRIES_AHEAD) {
            self.dbs[db].prefetch_ready(ready);
        }
        self.batch = Some(Inserting { db, start, entries, end, is_whole });
    }

    fn insert_some(&mut self, stop_at: u64) {
        let wanted = stop_at.saturating_sub(self.entries()).min(ENTRIES_A_LOOK as u64);
        let replaces = self.settings.duplicates == Duplicates::Replaced;
        let Some(batch) = &mut self.batch else { return };
        let db = &mut self.dbs[batch.db];
        for _ in 0..wanted {
            let Some((ready, offset)) = batch.entries.pop_front() else { break };
            if let Some((ahead, _)) = batch.entries.get(ENTRIES_AHEAD - 1) {
                db.prefetch_ready(ahead);
            }
            self.inserted_to = batch.start + u64::from(offset);
            if replaces {
                db.remove(ready.key());
            }
            if db.insert_ready(ready).is_err() {
                let (db, place) = (batch.db, self.inserted_to);
                self.go_on_alone(db, place);
                return;
            }
            self.keys += 1;
        }
        if batch.entries.is_empty() {
            self.end_batch();
        }
    }

    fn end_batch(&mut self) {
        let Some(Inserting { db, entries, end, is_whole, .. }) = self.batch.take() else { return };
        self.inserted_to = end;
        if !is_whole {
            self.go_on_alone(db, end);
        } else if let Some(crew) = &mut self.crew {
            crew.give_back(entries);
        }
    }

    /// Drops what the crew has done behind this place.
    fn go_on_alone(&mut self, db: usize, offset: u64) {
        self.crew = None;
        self.batch = None;
        self.db = db;
        self.place = self.place.at(offset);
    }
}

/// Alone: record by record.
impl Loader {
    fn step_alone(&mut self, access: &AccessClock, stop_at: u64) -> Result<Progress, LoadFault> {
        let file = self.file.clone();
        let mut records = Records::at(&file, &self.place);
        let mut result = Ok(());
        for _ in 0..RECORDS_A_LOOK {
            result = self.read_record(&mut records, access);
            if result.is_err() || self.ended || self.entries() >= stop_at {
                break;
            }
        }
        // What comes before a fault is inserted first: one among them that is there twice is the first fault.
        self.insert_ahead()?;
        result?;
        self.place = records.bookmark();
        self.inserted_to = self.place.offset();
        Ok(Progress::Working)
    }

    fn read_record(&mut self, records: &mut Records<'_>, access: &AccessClock) -> Result<(), LoadFault> {
        let offset = records.offset();
        match records.next().map_err(format_fault)? {
            Record::Entry { tag, key, expiry_ms, idle, freq, metadata } => {
                if let Some((offset, _)) = metadata {
                    if !self.skips_unknown() {
                        return Err(LoadFault::KeyMetadata { offset, key: key.into_owned() });
                    }
                    self.leave_out_of(&key, None);
                }
                let clock = access_clock(access, idle, freq);
                let head = Head { tag, key: &key, expiry: expiry_ms, clock };
                let made = self.maker.make(&head, records.decoder(), &self.dbs[self.db].home());
                match made.map_err(|cause| LoadFault::Format { cause, key: key.to_vec() })? {
                    Made::Ready(entry) => {
                        self.dbs[self.db].prefetch_ready(&entry);
                        self.keys += 1;
                        self.ahead.push((entry, offset));
                        return if self.ahead.len() == ENTRIES_AHEAD { self.insert_ahead() } else { Ok(()) };
                    }
                    Made::Expired => self.expired_keys += 1,
                    Made::Empty => self.note_empty(&key),
                    Made::LeftOut(cause) => self.leave_out_of(&key, Some(&cause)),
                }
            }
            Record::SelectDb(index) => {
                self.insert_ahead()?;
                let databases = self.dbs.len();
                self.db = self.known_db(index).ok_or(LoadFault::DatabaseOutOfRange { offset, index, databases })?;
            }
            Record::ResizeDb { keys, .. } => {
                self.place = records.bookmark();
                self.reserve(keys);
            }
            Record::Aux { key, value } => self.take_aux(&key, &value),
            Record::FunctionLibrary(code) => {
                self.libraries.insert(offset, code.into());
            }
            Record::FunctionOfCandidate { offset } => self.leave_out(&Unknown::Candidate { offset }),
            Record::ModuleAux { id, .. } if self.skips_unknown() => self.leave_out(&Unknown::ModuleData(id)),
            Record::ModuleAux { id, offset } => return Err(LoadFault::ModuleData { offset, module: id }),
            Record::Eof => self.ended = true,
        }
        Ok(())
    }

    fn insert_ahead(&mut self) -> Result<(), LoadFault> {
        let db = &mut self.dbs[self.db];
        for (ready, offset) in self.ahead.drain(..) {
            if self.settings.duplicates == Duplicates::Replaced {
                db.remove(ready.key());
            }
            if let Err(entry) = db.insert_ready(ready) {
                return Err(LoadFault::DuplicateKey { offset, key: entry.key().to_vec() });
            }
        }
        Ok(())
    }

    fn known_db(&self, index: u64) -> Option<usize> {
        usize::try_from(index).ok().filter(|index| *index < self.dbs.len())
    }
}
