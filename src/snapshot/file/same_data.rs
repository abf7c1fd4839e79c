//! Whether two dumps hold the same data, in whatever order and encoding.

use std::io;
use std::path::Path;

use super::file_system::FileSystem;
use crate::rdb::{self, Record, Records, Tag};
use crate::types::{Digest, Limits, LoadOptions, Value};

/// Larger dumps count as different: to read them twice would hold up the end of the save, and a server's shutdown.
const BYTES_MAX: usize = 64 << 20;

/// Types whose digest, as DEBUG DIGEST defines it, is of everything that a value holds. That of a stream leaves out
/// consumer groups, and that of a hash when its fields expire.
const DIGESTED: [Tag; 16] = [
    Tag::String,
    Tag::List,
    Tag::ListZiplist,
    Tag::ListQuicklist,
    Tag::ListQuicklist2,
    Tag::Set,
    Tag::SetIntset,
    Tag::SetListpack,
    Tag::Zset,
    Tag::Zset2,
    Tag::ZsetZiplist,
    Tag::ZsetListpack,
    Tag::Hash,
    Tag::HashZipmap,
    Tag::HashZiplist,
    Tag::HashListpack,
];

/// Whether two files hold the same data; not if they cannot be read.
pub fn are_equal(system: &dyn FileSystem, one: &Path, other: &Path) -> bool {
    let compare = || -> io::Result<bool> {
        let (one, other) = (system.read(one)?, system.read(other)?);
        if one.len() > BYTES_MAX || other.len() > BYTES_MAX {
            return Ok(false);
        }
        Ok(bytes_are_equal(&one, &other).unwrap_or(false))
    };
    compare().unwrap_or(false)
}

fn bytes_are_equal(one: &[u8], other: &[u8]) -> rdb::Result<bool> {
    let (mut one, mut other) = (Entries::new(one)?, Entries::new(other)?);
    // As long as both have the same keys in the same order, the first difference ends it.
    loop {
        let (before_one, before_other) = (one.clone(), other.clone());
        match (one.next()?, other.next()?) {
            (None, None) => return Ok(true),
            (Some(a), Some(b)) if a.place == b.place => {
                if a.value != b.value {
                    return Ok(false);
                }
            }
            (Some(_), Some(_)) => return Ok(before_one.rest()? == before_other.rest()?),
            _ => return Ok(false),
        }
    }
}

/// The entries of a dump, one after another.
#[derive(Clone)]
struct Entries<'a> {
    records: Records<'a>,
    db: u64,
}

#[derive(PartialEq, Eq)]
struct Entry {
    /// Of the database, the key and the expiry.
    place: Digest,
    value: Digest,
}

impl<'a> Entries<'a> {
    fn new(file: &'a [u8]) -> rdb::Result<Self> {
        Ok(Self { records: Records::new(file)?, db: 0 })
    }

    /// The order of keys, the encodings of their values and the times of their use are no data.
    fn next(&mut self) -> rdb::Result<Option<Entry>> {
        let limits = Limits::default();
        let options = LoadOptions { limits: &limits, sanitize: false, wrong_length: None };
        loop {
            let offset = self.records.offset();
            match self.records.next()? {
                Record::SelectDb(db) => self.db = db,
                Record::Entry { tag, key, expiry_ms, metadata: None, .. } => {
                    let mut entry = Entry { place: Digest::default(), value: Digest::default() };
                    entry.place.mix(self.db.to_string().as_bytes());
                    entry.place.mix(&key);
                    entry.place.mix(expiry_ms.unwrap_or(-1).to_string().as_bytes());
                    let value = Value::load(tag, self.records.decoder(), &options)?;
                    add_value(&mut entry.value, tag, &value);
                    return Ok(Some(entry));
                }
                Record::Aux { .. } | Record::ResizeDb { .. } => {}
                Record::Eof => return Ok(None),
                // What this server cannot hold is in no dump of its own.
                _ => return Err(rdb::Error::UnsupportedType { offset, name: "not an entry" }),
            }
        }
    }

    /// What all entries that follow come to, in any order.
    fn rest(mut self) -> rdb::Result<(u64, Digest)> {
        let (mut count, mut all) = (0, Digest::default());
        while let Some(entry) = self.next()? {
            let mut both = entry.place;
            both.xor_digest(&entry.value);
            all.xor_digest(&both);
            count += 1;
        }
        Ok((count, all))
    }
}

fn add_value(digest: &mut Digest, tag: Tag, value: &Value) {
    digest.mix(value.data_type().name().as_bytes());
    if DIGESTED.contains(&tag) {
        value.view().digest(digest);
        return;
    }
    let format = rdb::Options { compression: false, checksum: false, version: Tag::HashMetadata.version() };
    let mut bytes = rdb::Encoder::detached(format);
    value.view().save(&mut bytes).expect("memory takes it, and the version holds every type");
    digest.mix(&bytes.into_bytes());
}
