//! Hashes in RDB: a listpack as its bytes, a table field by field; and every older form for reading.

use std::io;

use super::encoding::{listpack_holds_fields, listpack_takes};
use super::{Fields, HashValue, HashView};
use crate::rdb::{self, Tag};
use crate::structures::PoolBox;
use crate::structures::listpack::Listpack;
use crate::structures::ziplist::Ziplist;
use crate::structures::zipmap::Zipmap;
use crate::types::DataType as _;
use crate::types::{LoadOptions, packed};

/// Every tag that [`load`] reads.
pub const LOADS: &[Tag] = &[
    Tag::Hash,
    Tag::HashZipmap,
    Tag::HashZiplist,
    Tag::HashListpack,
    Tag::HashMetadataPreGa,
    Tag::HashListpackExPreGa,
    Tag::HashMetadata,
    Tag::HashListpackEx,
    Tag::Hash2,
];

/// The fewest bytes that a field and its value take in a file, on average over a hash whose table is worth sizing ahead.
const PAIR_BYTES_USUAL: usize = 6;

/// The expiry of a field that has none, in Valkey's form.
const NO_EXPIRY: i64 = -1;

const DUPLICATE: &str = "a field that the hash has already";

pub fn save(view: HashView<'_>, out: &mut rdb::Encoder<'_>) -> io::Result<()> {
    let fields = match view {
        HashView::Listpack(listpack) => return out.string(listpack.as_bytes()),
        HashView::Hashtable(fields) => fields,
    };
    // Expiries are written relative to the first one, so that most of them take few bytes.
    let first_expiry = fields.next_expiry();
    if let Some(first) = first_expiry {
        out.milliseconds(first)?;
    }
    out.length(fields.table().len() as u64)?;
    for pair in fields.table() {
        if let Some(first) = first_expiry {
            out.length(pair.expiry().map_or(0, |at_ms| at_ms.abs_diff(first).saturating_add(1)))?;
        }
        let (field, value) = pair.key_and_value();
        out.string(field)?;
        out.string(value)?;
    }
    Ok(())
}

pub fn load(tag: Tag, input: &mut rdb::Decoder<'_>, options: &LoadOptions<'_>) -> rdb::Result<HashValue> {
    match tag {
        Tag::HashZipmap => load_zipmap(input, options),
        Tag::HashZiplist | Tag::HashListpack => load_packed(tag, input, options),
        Tag::HashListpackEx => {
            input.milliseconds()?;
            load_triples(input)
        }
        Tag::HashListpackExPreGa => load_triples(input),
        Tag::HashMetadata => {
            let first = input.milliseconds()?;
            // A field's expiry is written as one more than its distance from the first.
            load_metadata(input, |stored| first.checked_add(i64::try_from(stored - 1).ok()?))
        }
        Tag::Hash2 => load_with_expiries(input, options),
        Tag::HashMetadataPreGa => load_metadata(input, |stored| i64::try_from(stored).ok()),
        _ => load_fields(input, options),
    }
}

fn load_fields(input: &mut rdb::Decoder<'_>, options: &LoadOptions<'_>) -> rdb::Result<HashValue> {
    let count = input.count(2)?;
    let mut hash = HashValue::new();
    if !listpack_holds_fields(count, options.limits) {
        // What is sized ahead is no more than what the bytes that are left can back.
        hash.make_hashtable().reserve(count.min(input.remaining() / PAIR_BYTES_USUAL));
    }
    let (mut field_room, mut value_room) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let offset = input.offset();
        let field = input.string_in(&mut field_room)?;
        let value = input.string_in(&mut value_room)?;
        let is_new = match &mut hash {
            HashValue::Hashtable(fields) => fields.set(field, value, None),
            compact => compact.set(field, value, options.limits),
        };
        if !is_new {
            return Err(input.invalid_at(offset, DUPLICATE));
        }
    }
    Ok(hash)
}

/// Valkey's: the expiry of each field behind its value, -1 where there is none. It writes a hash so only where at least one
/// field expires; one without any is laid out here as any other.
fn load_with_expiries(input: &mut rdb::Decoder<'_>, options: &LoadOptions<'_>) -> rdb::Result<HashValue> {
    let count = input.count(2 + size_of::<i64>())?;
    let mut hash = HashValue::new();
    hash.expect_fields(count.min(input.remaining() / PAIR_BYTES_USUAL), options.limits);
    let (mut field_room, mut value_room) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let start = input.offset();
        let field = input.string_in(&mut field_room)?;
        let value = input.string_in(&mut value_room)?;
        let offset = input.offset();
        let expiry = match input.milliseconds()? {
            NO_EXPIRY => None,
            at_ms if at_ms >= 0 => Some(at_ms),
            _ => return Err(input.invalid_at(offset, "a field's expiry out of range")),
        };
        let is_new = match (&mut hash, expiry) {
            (HashValue::Listpack(_), None) => hash.set(field, value, options.limits),
            _ => hash.make_hashtable().set(field, value, expiry),
        };
        if !is_new {
            return Err(input.invalid_at(start, DUPLICATE));
        }
    }
    Ok(hash)
}

fn load_metadata(input: &mut rdb::Decoder<'_>, expiry_of: impl Fn(u64) -> Option<i64>) -> rdb::Result<HashValue> {
    let count = input.count(3)?;
    let mut fields = Fields::with_capacity(count.min(input.remaining() / PAIR_BYTES_USUAL));
    let (mut field_room, mut value_room) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let offset = input.offset();
        let expiry = match input.length()? {
            0 => None,
            stored => match expiry_of(stored) {
                Some(at_ms) if at_ms >= 0 => Some(at_ms),
                _ => return Err(input.invalid_at(offset, "a field's expiry out of range")),
            },
        };
        let field = input.string_in(&mut field_room)?;
        let value = input.string_in(&mut value_room)?;
        if !fields.set(field, value, expiry) {
            return Err(input.invalid_at(offset, DUPLICATE));
        }
    }
    Ok(HashValue::Hashtable(PoolBox::new(fields)))
}

fn load_packed(tag: Tag, input: &mut rdb::Decoder<'_>, options: &LoadOptions<'_>) -> rdb::Result<HashValue> {
    let offset = input.offset();
    let bytes = input.string()?;
    let listpack = match tag {
        Tag::HashZiplist => {
            Ziplist::parse(&bytes).map_err(|_| input.invalid_at(offset, "a malformed ziplist"))?.to_listpack()
        }
        _ if packed::listpack(&bytes, 2).is_none() => return Err(input.invalid_at(offset, "a malformed listpack")),
        _ => Listpack::from_bytes(&bytes),
    };
    if !listpack.len().is_multiple_of(2) {
        return Err(input.invalid_at(offset, "a field without a value"));
    }
    if packed::has_duplicates(&listpack, 2) {
        return Err(input.invalid_at(offset, "a ziplist or listpack with dup elements"));
    }
    let mut hash = HashValue::Listpack(listpack);
    if !listpack_holds_fields(hash.view().len(), options.limits) {
        hash.make_hashtable();
    }
    Ok(hash)
}

fn load_zipmap(input: &mut rdb::Decoder<'_>, options: &LoadOptions<'_>) -> rdb::Result<HashValue> {
    let offset = input.offset();
    let bytes = input.string()?;
    let zipmap = Zipmap::parse(&bytes).map_err(|_| input.invalid_at(offset, "a malformed zipmap"))?;
    let mut hash = HashValue::new();
    if !listpack_holds_fields(zipmap.len(), options.limits)
        || zipmap.iter().any(|(field, value)| !listpack_takes(0, field, value, options.limits))
    {
        hash.make_hashtable();
    }
    for (field, value) in zipmap.iter() {
        if !hash.set(field, value, options.limits) {
            return Err(input.invalid_at(offset, DUPLICATE));
        }
    }
    Ok(hash)
}

/// A listpack of fields, values and expiries by turns, where 0 says that a field does not expire.
fn load_triples(input: &mut rdb::Decoder<'_>) -> rdb::Result<HashValue> {
    let offset = input.offset();
    let bytes = input.string()?;
    let Some(listpack) = packed::listpack(&bytes, 3) else {
        return Err(input.invalid_at(offset, "a malformed listpack"));
    };
    let mut fields = Fields::with_capacity(listpack.len() / 3);
    let mut entries = listpack.iter();
    while let (Some(field), Some(value), Some(expiry)) = (entries.next(), entries.next(), entries.next()) {
        let expiry = match expiry.as_int() {
            Some(0) => None,
            Some(at_ms) if at_ms > 0 => Some(at_ms),
            _ => return Err(input.invalid_at(offset, "a field's expiry out of range")),
        };
        if !fields.set(&field.to_vec(), &value.to_vec(), expiry) {
            return Err(input.invalid_at(offset, DUPLICATE));
        }
    }
    Ok(HashValue::Hashtable(PoolBox::new(fields)))
}
