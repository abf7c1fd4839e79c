//! A part of a dump: entries of one database, found by their lengths alone, and decoded on any thread.

use std::borrow::Cow;
use std::collections::VecDeque;

use bytes::Bytes;

use super::entry::{EntryMaker, Head, Made, access_clock};
use crate::keyspace::{AccessClock, Home, ReadyEntry};
use crate::rdb::{self, Bookmark, Crc64, Decoder, Record, Records, skip};

/// Entries beyond which a part is not made longer, so that inserting them takes a fraction of a millisecond.
const ENTRIES_MAX: usize = 8192;

/// What the threads need to know of the file.
#[derive(Clone)]
pub struct Source {
    pub file: Bytes,
    /// Whether the bytes of each part are summed too, while they are at hand.
    pub with_checksum: bool,
}

/// Entries in the order of the file, with the offset of each from its part's start.
pub type Entries = VecDeque<(ReadyEntry, u32)>;

/// Whole entries in a row, between two offsets of the file.
pub struct Part {
    pub start: Bookmark,
    pub end: u64,
    pub entries: usize,
    /// Empty; what they are put into.
    pub room: Entries,
    /// The database that they are for, and its hashes' secret.
    pub db: usize,
    pub home: Home,
    pub access: AccessClock,
}

/// What a part held.
pub struct Batch {
    pub db: usize,
    pub start: u64,
    pub entries: Entries,
    pub expired: u64,
    /// Keys of collections without elements.
    pub empty: Vec<Box<[u8]>>,
    /// Keys of which something is left out, with what that is: their value, or what modules keep beside them.
    pub left_out: Vec<(Box<[u8]>, Option<rdb::Error>)>,
    /// That of the part's bytes, if it was asked for.
    pub checksum: Option<u64>,
    /// Where the part ends, or the first entry that could not be read as it was expected.
    pub end: u64,
    pub is_whole: bool,
}

/// The end of the entries that follow `start`, and how many there are until there are `bytes` of them. None: what
/// follows is no entry, or not a whole one.
pub fn find_entries(file: &[u8], start: &Bookmark, bytes: u64) -> Option<(u64, usize)> {
    let mut input = Decoder::new(file);
    input.raw(start.offset()).ok()?;
    let entries = skip::entries(&mut input, start.dialect(), bytes, ENTRIES_MAX);
    (entries > 0).then_some((input.offset(), entries))
}

/// Reads the part's entries. What is wrong with an entry is not reported: the loader finds it where this one stops.
pub fn decode(source: &Source, mut part: Part, maker: &mut EntryMaker) -> Batch {
    let start = part.start.offset();
    let bytes = source.file.get(start as usize..part.end as usize).unwrap_or_default();
    let mut batch = Batch {
        db: part.db,
        start,
        entries: std::mem::take(&mut part.room),
        expired: 0,
        empty: Vec::new(),
        left_out: Vec::new(),
        checksum: source.with_checksum.then(|| Crc64::of(bytes)),
        end: start,
        is_whole: false,
    };
    batch.entries.reserve(part.entries);
    let mut records = Records::at(&source.file, &part.start);
    while batch.end < part.end {
        let Some(Next { key, made, without_metadata }) = next_entry(&mut records, &part, maker) else { break };
        if records.offset() > part.end {
            break;
        }
        if without_metadata {
            batch.left_out.push((key.clone().into(), None));
        }
        match made {
            Made::Ready(entry) => batch.entries.push_back((entry, (batch.end - start) as u32)),
            Made::Expired => batch.expired += 1,
            Made::Empty => batch.empty.push(key.into()),
            Made::LeftOut(cause) => batch.left_out.push((key.into(), Some(cause))),
        }
        batch.end = records.offset();
    }
    batch.is_whole = batch.end == part.end;
    batch
}

struct Next<'f> {
    key: Cow<'f, [u8]>,
    made: Made,
    /// Modules keep something beside the key, which is left out.
    without_metadata: bool,
}

fn next_entry<'f>(records: &mut Records<'f>, part: &Part, maker: &mut EntryMaker) -> Option<Next<'f>> {
    let Ok(Record::Entry { tag, key, expiry_ms, idle, freq, metadata }) = records.next() else { return None };
    if metadata.is_some() && !maker.skips_unknown() {
        return None;
    }
    let clock = access_clock(&part.access, idle, freq);
    let head = Head { tag, key: &key, expiry: expiry_ms, clock };
    let made = maker.make(&head, records.decoder(), &part.home).ok()?;
    Some(Next { key, made, without_metadata: metadata.is_some() })
}
