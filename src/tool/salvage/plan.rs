//! What of a damaged file is to be kept, and what is lost.

use std::collections::BTreeMap;
use std::ops::Range;

use hashbrown::HashSet;

use super::resync::Search;
use crate::rdb::{self, Dialect, Format, Opcode};
use crate::tool::fingerprint::Fingerprints;
use crate::tool::libraries::LibraryCheck;
use crate::tool::progress::Progress;
use crate::tool::walk::{Content, Fault, Found, Item, Walk, is_about_slot};

/// `REDIS` and four digits, or `VALKEY` and three.
const HEADER_BYTES: usize = 9;

/// Bytes of a damaged header that must be those of Valkey's, for it to be taken for one.
const HEADER_BYTES_ALIKE: usize = 4;

/// What is done with what this server does not load.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unknown {
    LeftOut,
    Kept,
}

/// What is to be written, in the order of the file.
pub struct Plan {
    /// Of the header, if that can be read, or at least whose it is.
    pub version: Option<u32>,
    /// The lowest version that knows every type that is kept.
    pub version_needed: u32,
    pub header_fault: Option<Fault>,
    pub kept: Vec<Kept>,
    pub databases: BTreeMap<u64, Counts>,
    pub losses: Vec<Loss>,
}

/// Bytes that are written as they are.
pub struct Kept {
    /// The database of the entries; `None` for what comes before the first.
    pub db: Option<u64>,
    pub bytes: Range<usize>,
}

#[derive(Default)]
pub struct Counts {
    pub keys: u64,
    pub expires: u64,
}

/// A place that is not kept.
#[derive(Debug)]
pub struct Loss {
    pub bytes: Range<usize>,
    pub what: String,
    /// Whose the bytes were, as far as that is known.
    pub key: Option<Vec<u8>>,
    /// The entry before, which may not be whole: where it ends is the first thing that is not known.
    pub after: Option<Vec<u8>>,
    /// Nothing is wrong with it: it is what this server does not load.
    pub is_unknown: bool,
}

impl Plan {
    pub fn keys(&self) -> u64 {
        self.databases.values().map(|counts| counts.keys).sum()
    }

    fn lose(&mut self, bytes: Range<usize>, what: impl Into<String>, key: Option<Vec<u8>>, after: Option<Vec<u8>>) {
        self.losses.push(Loss { bytes, what: what.into(), key, after, is_unknown: false });
    }

    fn leave_out(&mut self, bytes: Range<usize>, what: impl Into<String>, key: Option<Vec<u8>>) {
        self.losses.push(Loss { bytes, what: what.into(), key, after: None, is_unknown: true });
    }

    fn keep(&mut self, db: Option<u64>, bytes: Range<usize>) {
        match self.kept.last_mut() {
            Some(last) if last.db == db && last.bytes.end == bytes.start => last.bytes.end = bytes.end,
            _ => self.kept.push(Kept { db, bytes }),
        }
    }
}

/// Goes through the whole file.
pub fn make(file: &[u8], unknown: Unknown) -> Plan {
    let mut plan = Plan {
        version: None,
        version_needed: 1,
        header_fault: None,
        kept: Vec::new(),
        databases: BTreeMap::new(),
        losses: Vec::new(),
    };
    let walk = match Walk::new(file, false) {
        Ok(walk) => {
            plan.version = Some(walk.version());
            walk
        }
        Err(fault) => {
            plan.lose(0..file.len().min(HEADER_BYTES), fault.to_string(), None, None);
            plan.header_fault = Some(fault);
            let format = format_of_damaged(file);
            // Bytes of Valkey's mean something else in a file of Redis's.
            plan.version = (format.dialect == Dialect::Valkey).then_some(format.version);
            Walk::resume(file, format, HEADER_BYTES, 0)
        }
    };
    let rescue = Rescue {
        file,
        unknown,
        libraries: LibraryCheck::default(),
        search: Search::new(file, walk.format()),
        walk,
        db: 0,
        told_db: None,
        held: None,
        entries: false,
        fingerprints: Fingerprints::new(),
        seen: HashSet::new(),
        plan,
    };
    rescue.run()
}

/// The likeliest format of a file whose header cannot be read.
fn format_of_damaged(file: &[u8]) -> Format {
    let alike = file.iter().zip(b"VALKEY").filter(|(byte, expected)| byte == expected).count();
    if alike >= HEADER_BYTES_ALIKE { Format::of_written(80) } else { Format::NEWEST }
}

/// An entry that is whole in itself. It is kept once what follows it is a record too: until then its length, however
/// well it reads, may be a wrong one that swallows others.
struct Held {
    db: u64,
    span: Range<usize>,
    /// What is cut out of it, since this server does not load it.
    cut: Option<Range<usize>>,
    key: Vec<u8>,
    fingerprint: u128,
    expires: bool,
    version: u32,
}

struct Rescue<'a> {
    file: &'a [u8],
    unknown: Unknown,
    libraries: LibraryCheck,
    walk: Walk<'a>,
    search: Search<'a>,
    /// The database of entries: what a record said, once another record has followed that one.
    db: u64,
    told_db: Option<u64>,
    held: Option<Held>,
    /// Entries have begun.
    entries: bool,
    fingerprints: Fingerprints,
    seen: HashSet<u128>,
    plan: Plan,
}

impl Rescue<'_> {
    fn run(mut self) -> Plan {
        let progress = Progress::new("reading", self.file.len());
        loop {
            let start = self.walk.offset();
            progress.at(start);
            let goes_on = match self.walk.next() {
                Ok(Found::Entry(item)) => self.entry(&item),
                Ok(Found::Database(index)) => {
                    self.settle();
                    self.told_db = Some(index);
                    true
                }
                Ok(Found::End) => self.end(start),
                Ok(found) => {
                    self.settle();
                    self.other(&found, start);
                    true
                }
                Err(fault) => self.resync(start, &fault),
            };
            if !goes_on {
                self.settle();
                return self.plan;
            }
        }
    }

    fn entry(&mut self, item: &Item<'_>) -> bool {
        match item.load() {
            Ok(Content::Empty) => {
                self.settle();
                let key = Some(item.key.to_vec());
                self.plan.lose(item.span.clone(), "a collection without elements, which no server keeps", key, None);
            }
            Ok(Content::Opaque) if self.unknown == Unknown::LeftOut => {
                self.settle();
                let cause = item.unsupported().map_or_else(String::new, |cause| cause.to_string());
                self.plan.leave_out(item.span.clone(), cause, Some(item.key.to_vec()));
            }
            Ok(_) => {
                self.settle();
                self.hold(item);
            }
            Err(cause) if self.search.is_aligned(item.span.end) => {
                self.settle();
                self.plan.lose(item.span.clone(), cause.to_string(), Some(item.key.to_vec()), None);
            }
            Err(cause) => return self.resync(item.span.start, &item.fault(cause)),
        }
        self.entries = true;
        true
    }

    fn hold(&mut self, item: &Item<'_>) {
        self.held = Some(Held {
            db: self.db,
            span: item.span.clone(),
            cut: item.metadata.clone().filter(|_| self.unknown == Unknown::LeftOut),
            key: item.key.to_vec(),
            fingerprint: self.fingerprints.of(self.db, &item.key),
            expires: item.expiry_ms.is_some(),
            version: item.tag.version(),
        });
    }

    /// A record has followed: what was held and said before it is taken as it is.
    fn settle(&mut self) {
        if let Some(held) = self.held.take() {
            if self.seen.insert(held.fingerprint) {
                let counts = self.plan.databases.entry(held.db).or_default();
                counts.keys += 1;
                counts.expires += u64::from(held.expires);
                self.plan.version_needed = self.plan.version_needed.max(held.version);
                match held.cut {
                    Some(cut) => {
                        self.plan.keep(Some(held.db), held.span.start..cut.start);
                        self.plan.keep(Some(held.db), cut.end..held.span.end);
                        let what = "metadata of modules beside a key that is kept";
                        self.plan.leave_out(cut, what, Some(held.key));
                    }
                    None => self.plan.keep(Some(held.db), held.span),
                }
            } else {
                self.plan.lose(held.span, "the key is there already", Some(held.key), None);
            }
        }
        if let Some(db) = self.told_db.take() {
            self.db = db;
        }
    }

    fn other(&mut self, found: &Found<'_>, start: usize) {
        let bytes = start..self.walk.offset();
        match found {
            Found::Aux { key, .. } if is_about_slot(key) => {}
            // Nobody writes another field among the keys: it is an entry whose type byte is damaged.
            Found::Aux { key, .. } if self.entries => {
                self.plan.lose(bytes, "a field about the file among its keys", Some(key.to_vec()), None);
            }
            Found::ModuleAux { .. } if self.unknown == Unknown::LeftOut => {
                self.plan.leave_out(bytes, "data of a module, which this server does not load", None);
            }
            Found::Library(text) if self.unknown == Unknown::LeftOut && self.libraries.add(text).is_err() => {
                self.plan.leave_out(bytes, "a function library that no server can load", None);
            }
            Found::LibraryOfCandidate => {
                self.plan.leave_out(bytes, "a function of a release candidate, which no server loads", None);
            }
            Found::Aux { .. } | Found::Library(_) | Found::ModuleAux { .. } => {
                let version = if matches!(found, Found::Aux { .. }) { 7 } else { 10 };
                self.plan.version_needed = self.plan.version_needed.max(version);
                // What a module wants loaded after the keys stays behind them.
                let db = if self.entries { Some(self.db) } else { None };
                self.plan.keep(db, bytes);
            }
            Found::Entry(_) | Found::Database(_) | Found::Sizes { .. } | Found::End => {}
        }
    }

    /// Returns whether there is more: an end may be a damaged byte.
    fn end(&mut self, start: usize) -> bool {
        let end = self.walk.offset();
        if end < self.file.len()
            && let Some(next) = self.search.next(start + 1, 0)
        {
            self.settle();
            self.plan.lose(start..next, "an end mark where more follows", None, None);
            self.go_on(next);
            return true;
        }
        self.settle();
        if self.plan.losses.iter().all(|loss| loss.is_unknown)
            && let Some(fault) = self.checksum_fault(end)
        {
            let what = format!("{fault}; every entry can be read: some text or number is not what was written");
            self.plan.lose(end..end, what, None, None);
        }
        false
    }

    fn checksum_fault(&self, end: usize) -> Option<rdb::Error> {
        rdb::verify_checksum(self.file.get(..end)?).err()
    }

    /// Looks for the next record behind a place that is none. Returns whether there is one.
    fn resync(&mut self, start: usize, fault: &Fault) -> bool {
        self.told_db = None;
        let held_span = self.held.as_ref().map(|held| held.span.clone()).filter(|span| span.end == start);
        // The entry before may have swallowed others: then they are inside it, and lead on past it.
        let from = held_span.as_ref().map_or(start, |span| span.start) + 1;
        let next = self.search.next(from, start);
        let stop = next.unwrap_or(self.file.len());
        let what = fault.cause.to_string();
        let swallowed = stop < start && self.ends_by(stop, start);
        match self.held.take() {
            Some(held) if swallowed => {
                self.plan.lose(held.span.start..stop, "other entries lie inside the value", Some(held.key), None);
            }
            held => {
                let after = held_span.and(held.as_ref().map(|held| held.key.clone()));
                self.held = held;
                self.settle();
                // One of two entries that overlap is not what it was: which one is not known, and both are kept.
                self.plan.lose(start..stop.max(start), what, fault.key.clone(), after);
            }
        }
        match next {
            Some(next) => {
                self.go_on(next);
                true
            }
            None => false,
        }
    }

    /// Whether the record at `at` ends before or at `limit`.
    fn ends_by(&self, at: usize, limit: usize) -> bool {
        let mut walk = Walk::resume(self.file, self.walk.format(), at, 0);
        walk.next().is_ok() && walk.offset() <= limit
    }

    fn go_on(&mut self, next: usize) {
        self.walk = Walk::resume(self.file, self.walk.format(), next, self.db);
    }
}

/// Whether a record can begin with this byte.
pub fn can_begin(byte: u8, dialect: Dialect) -> bool {
    rdb::Tag::from_u8(byte, dialect).is_some() || Opcode::from_u8(byte, dialect).is_some()
}
