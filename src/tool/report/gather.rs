//! The figures of a report.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::PathBuf;

use super::prefixes::Prefixes;
use super::tree::Tree;
use crate::keyspace::Entry;
use crate::stdx::clock::Now;
use crate::stdx::number::parse_i64;
use crate::tool::elements;
use crate::tool::filter::Filter;
use crate::tool::input::Input;
use crate::tool::trouble::Trouble;
use crate::tool::walk::{Content, Found, Item, library_name};
use crate::types::Type;

/// All elements of a value are looked at: which ones a sample finds depends on how they are hashed in this process.
const ALL_SAMPLES: usize = 0;

/// Facts about the file that are kept, and the bytes of one.
const FACTS_MAX: usize = 64;
const FACT_BYTES_MAX: usize = 256;

/// Databases that are counted apart.
const DATABASES_MAX: usize = 10_000;

/// The bounds of the times to live, in milliseconds, and what they are called.
const TTL_BOUNDS: [(i64, &str); 7] = [
    (60_000, "under a minute"),
    (3_600_000, "under an hour"),
    (86_400_000, "under a day"),
    (7 * 86_400_000, "under a week"),
    (30 * 86_400_000, "under 30 days"),
    (365 * 86_400_000, "under a year"),
    (i64::MAX, "a year or more"),
];

/// The largest power of two that sizes are sorted by.
const SIZE_BUCKETS: usize = 34;

pub struct Settings<'s> {
    pub separator: &'s [u8],
    pub depth: usize,
    pub top: usize,
    pub filter: &'s Filter,
    /// Counts by all prefixes too.
    pub with_tree: bool,
}

/// What an entry is and takes.
#[derive(Clone, Copy)]
pub struct Measured {
    pub kind: &'static str,
    pub encoding: &'static str,
    pub bytes: u64,
    /// `None` for values of modules, and so is the memory.
    pub elements: Option<u64>,
    pub memory: Option<u64>,
    pub expiring_fields: u64,
}

/// Loads an entry and measures it; `None` where no server would keep it.
pub fn measure(input: &Input, item: &Item<'_>) -> Result<Option<Measured>, Trouble> {
    let bytes = item.span.len() as u64;
    let kind = item.data_type().map_or("module", Type::name);
    Ok(match input.load(item)? {
        Content::Empty => None,
        Content::Opaque => {
            Some(Measured { kind, encoding: kind, bytes, elements: None, memory: None, expiring_fields: 0 })
        }
        Content::Value(value) => {
            let encoding = value.view().encoding().name();
            let elements = elements::count(&value) as u64;
            let expiring = elements::has_expiring_fields(&value);
            let expiring_fields = if expiring { elements::count_expiring_fields(&value) } else { 0 };
            let mut entry = Entry::of_no_database(&item.key, value, 0);
            entry.set_expiry(item.expiry_ms);
            let memory = entry.memory_usage_in_table(ALL_SAMPLES) as u64;
            let (elements, memory) = (Some(elements), Some(memory));
            Some(Measured { kind, encoding, bytes, elements, memory, expiring_fields })
        }
    })
}

/// What some of the entries amount to.
#[derive(Clone, Copy, Default)]
pub struct Totals {
    pub keys: u64,
    pub bytes: u64,
    pub elements: u64,
    pub memory: u64,
    /// Keys that `elements` and `memory` do not cover.
    pub unknown: u64,
}

impl Totals {
    pub fn add(&mut self, other: &Self) {
        self.keys += other.keys;
        self.bytes += other.bytes;
        self.elements += other.elements;
        self.memory += other.memory;
        self.unknown += other.unknown;
    }
}

/// One of the largest keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Large {
    pub db: u64,
    pub key: Vec<u8>,
    pub expiry_ms: Option<i64>,
    pub kind: &'static str,
    pub encoding: &'static str,
    pub bytes: u64,
    pub elements: Option<u64>,
    pub memory: Option<u64>,
}

/// The keys with the largest amounts of something. Ties are settled by the place in the file: the first stays.
#[derive(Default)]
pub struct Ranking {
    top: usize,
    keys: BTreeMap<(u64, Reverse<usize>), Large>,
}

impl Ranking {
    fn new(top: usize) -> Self {
        Self { top, keys: BTreeMap::new() }
    }

    /// Takes the key in if it is one of the largest so far.
    fn add(&mut self, amount: u64, item: &Item<'_>, measured: &Measured) {
        let rank = (amount, Reverse(item.span.start));
        if self.keys.len() >= self.top && self.keys.first_key_value().is_some_and(|(least, _)| *least > rank) {
            return;
        }
        let Measured { kind, encoding, bytes, elements, memory, .. } = *measured;
        let (db, key, expiry_ms) = (item.db, item.key.to_vec(), item.expiry_ms);
        self.keys.insert(rank, Large { db, key, expiry_ms, kind, encoding, bytes, elements, memory });
        if self.keys.len() > self.top {
            self.keys.pop_first();
        }
    }

    /// The largest first.
    pub fn keys(&self) -> impl Iterator<Item = &Large> {
        self.keys.values().rev()
    }
}

pub struct Report {
    pub path: PathBuf,
    pub file_bytes: u64,
    pub version: u32,
    pub facts: Vec<(String, String)>,
    /// Times to live count from here.
    pub reference_ms: i64,
    pub all: Totals,
    pub expires: u64,
    pub expiring_fields: u64,
    pub empty: u64,
    /// Names of function libraries, and the bytes of their code.
    pub libraries: Vec<(String, u64)>,
    pub module_data: u64,
    pub databases: BTreeMap<u64, Totals>,
    pub types: BTreeMap<&'static str, Totals>,
    /// By type and encoding.
    pub encodings: BTreeMap<(&'static str, &'static str), Totals>,
    pub layouts: BTreeMap<&'static str, Totals>,
    pub prefixes: Prefixes,
    pub top: usize,
    pub ttl: Vec<(&'static str, Totals)>,
    /// Entries of less than 2^(n+1) bytes and no less than 2^n.
    pub sizes: Vec<Totals>,
    pub largest_by_bytes: Ranking,
    pub largest_by_memory: Ranking,
    /// By all prefixes, if that was asked for.
    pub tree: Option<Tree>,
    /// Only some of the keys were counted.
    pub is_filtered: bool,
}

pub fn gather(input: &Input, settings: &Settings<'_>) -> Result<Report, Trouble> {
    let version = input.version()?;
    let mut report = Report::new(input, version, settings);
    input.each_chosen("reading", settings.filter, |found| {
        match found {
            Found::Entry(item) => report.entry(input, &item)?,
            Found::Aux { key, value } => report.fact(&key, &value),
            Found::Library(text) => {
                let name = String::from_utf8_lossy(&library_name(&text)).into_owned();
                report.libraries.push((name, text.len() as u64));
            }
            Found::ModuleAux { .. } => report.module_data += 1,
            Found::Database(_) | Found::Sizes { .. } | Found::LibraryOfCandidate | Found::End => {}
        }
        Ok(())
    })?;
    Ok(report)
}

impl Report {
    fn new(input: &Input, version: u32, settings: &Settings<'_>) -> Self {
        let names = ["no expiry", "past"].into_iter().chain(TTL_BOUNDS.iter().map(|(_, name)| *name));
        Self {
            path: input.path().to_path_buf(),
            file_bytes: input.bytes().len() as u64,
            version,
            facts: Vec::new(),
            // A dump that does not say when it was made is as old as its file, so that each run gives the same.
            reference_ms: input.modified_ms().unwrap_or_else(|| Now::read().unix_ms),
            all: Totals::default(),
            expires: 0,
            expiring_fields: 0,
            empty: 0,
            libraries: Vec::new(),
            module_data: 0,
            databases: BTreeMap::new(),
            types: BTreeMap::new(),
            encodings: BTreeMap::new(),
            layouts: BTreeMap::new(),
            prefixes: Prefixes::new(settings.separator, settings.depth),
            top: settings.top,
            ttl: names.map(|name| (name, Totals::default())).collect(),
            sizes: vec![Totals::default(); SIZE_BUCKETS],
            largest_by_bytes: Ranking::new(settings.top),
            largest_by_memory: Ranking::new(settings.top),
            tree: settings.with_tree.then(|| Tree::new(settings.separator)),
            is_filtered: settings.filter.is_active(),
        }
    }

    fn fact(&mut self, key: &[u8], value: &[u8]) {
        if key == b"ctime"
            && let Some(at_ms) = parse_i64(value).and_then(|seconds| seconds.checked_mul(1000))
        {
            self.reference_ms = at_ms;
        }
        if self.facts.len() < FACTS_MAX && key.len().max(value.len()) <= FACT_BYTES_MAX {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            self.facts.push((text(key), text(value)));
        }
    }

    fn entry(&mut self, input: &Input, item: &Item<'_>) -> Result<(), Trouble> {
        let Some(measured) = measure(input, item)? else {
            self.empty += 1;
            return Ok(());
        };
        self.expiring_fields += measured.expiring_fields;
        let Measured { kind, encoding, bytes, elements, memory, .. } = measured;
        let totals = Totals {
            keys: 1,
            bytes,
            elements: elements.unwrap_or(0),
            memory: memory.unwrap_or(0),
            unknown: u64::from(memory.is_none()),
        };
        self.count(item, kind, encoding, &totals);
        self.largest_by_bytes.add(bytes, item, &measured);
        if let Some(memory) = memory {
            self.largest_by_memory.add(memory, item, &measured);
        }
        Ok(())
    }

    fn count(&mut self, item: &Item<'_>, kind: &'static str, encoding: &'static str, totals: &Totals) {
        self.all.add(totals);
        self.expires += u64::from(item.expiry_ms.is_some());
        // A hostile file may name more databases than anyone has.
        if self.databases.len() < DATABASES_MAX || self.databases.contains_key(&item.db) {
            self.databases.entry(item.db).or_default().add(totals);
        }
        self.types.entry(kind).or_default().add(totals);
        self.encodings.entry((kind, encoding)).or_default().add(totals);
        self.layouts.entry(item.tag.name()).or_default().add(totals);
        self.prefixes.add(&item.key, totals);
        if let Some(tree) = &mut self.tree {
            tree.add(&item.key, totals);
        }
        let bucket = self.ttl_bucket(item.expiry_ms);
        if let Some((_, of_ttl)) = self.ttl.get_mut(bucket) {
            of_ttl.add(totals);
        }
        let power = totals.bytes.max(1).ilog2() as usize;
        if let Some(of_size) = self.sizes.get_mut(power.min(SIZE_BUCKETS - 1)) {
            of_size.add(totals);
        }
    }

    fn ttl_bucket(&self, expiry_ms: Option<i64>) -> usize {
        let Some(at_ms) = expiry_ms else { return 0 };
        let ttl = at_ms.saturating_sub(self.reference_ms);
        if ttl <= 0 {
            return 1;
        }
        2 + TTL_BOUNDS.iter().position(|(bound, _)| ttl < *bound).unwrap_or(TTL_BOUNDS.len() - 1)
    }

    /// The sizes that occur, from the smallest to the largest, by their lower bound.
    pub fn sizes(&self) -> Vec<(u64, Totals)> {
        let first = self.sizes.iter().position(|totals| totals.keys > 0);
        let last = self.sizes.iter().rposition(|totals| totals.keys > 0);
        let (Some(first), Some(last)) = (first, last) else { return Vec::new() };
        (first..=last).map(|power| (1 << power, self.sizes.get(power).copied().unwrap_or_default())).collect()
    }
}

/// The entries of a map with the most bytes first.
pub fn by_bytes<K: Copy + Ord>(map: &BTreeMap<K, Totals>) -> Vec<(K, Totals)> {
    let mut all: Vec<(K, Totals)> = map.iter().map(|(key, totals)| (*key, *totals)).collect();
    all.sort_by_key(|(_, totals)| Reverse(totals.bytes));
    all
}
