//! Whether two servers hold the same: values whatever their encoding and their order, expiries of keys and fields, and all of a
//! stream but for when its consumers were seen. What is past its expiry counts too.

use std::fmt::Write as _;

use super::DATABASES;
use crate::keyspace::{Db, Entry, Keyspace};
use crate::types::ValueRef;
use crate::types::list::Direction;
use crate::types::stream::StreamValue;

/// Describes the first difference between two keyspaces, if there is one.
pub fn difference(first: &Keyspace, second: &Keyspace) -> Option<String> {
    (0..DATABASES).find_map(|db| difference_of_dbs(db, first.db(db), second.db(db)))
}

pub fn difference_of_dbs(index: usize, first: &Db, second: &Db) -> Option<String> {
    let keys = first.iter().chain(second.iter()).map(Entry::key);
    for key in keys {
        if let Some(difference) = difference_at(index, first, second, key) {
            return Some(difference);
        }
    }
    difference_of_counts(index, first, second)
}

/// As [`difference`], but of values only those of these keys are looked at.
pub fn difference_at_keys<'k>(
    first: &Keyspace,
    second: &Keyspace,
    keys: impl Iterator<Item = &'k [u8]>,
) -> Option<String> {
    for key in keys {
        for db in 0..DATABASES {
            if let Some(difference) = difference_at(db, first.db(db), second.db(db), key) {
                return Some(difference);
            }
        }
    }
    (0..DATABASES).find_map(|db| difference_of_counts(db, first.db(db), second.db(db)))
}

fn difference_of_counts(index: usize, first: &Db, second: &Db) -> Option<String> {
    let counts = |db: &Db| (db.len(), db.expires_len(), db.expiring_hashes_len());
    let (first, second) = (counts(first), counts(second));
    (first != second).then(|| {
        format!("database {index}: keys, keys with an expiry and hashes with such fields are {first:?} and {second:?}")
    })
}

fn difference_at(index: usize, first: &Db, second: &Db, key: &[u8]) -> Option<String> {
    let (first, second) = match (first.peek(key), second.peek(key)) {
        (None, None) => return None,
        (Some(first), Some(second)) => (described(first), described(second)),
        (first, second) => {
            let shown = |entry: Option<&Entry>| entry.map_or_else(|| b"nothing".to_vec(), described);
            (shown(first), shown(second))
        }
    };
    (first != second).then(|| {
        format!(
            "database {index}, key {}\n   first: {}\n  second: {}",
            key.escape_ascii(),
            first.escape_ascii(),
            second.escape_ascii()
        )
    })
}

/// The type, the expiry and the value of an entry, equal for equal ones.
fn described(entry: &Entry) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    if let Some(at_ms) = entry.expiry() {
        number(&mut out, "expires", at_ms as u64);
    }
    match entry.value() {
        ValueRef::String(string) => {
            out.extend_from_slice(b"string ");
            string.with_bytes(|bytes| out.extend_from_slice(bytes));
        }
        ValueRef::List(list) => {
            out.extend_from_slice(b"list");
            let mut elements = list.iter(Direction::Forward);
            while let Some(element) = elements.advance() {
                out.push(b' ');
                element.append_to(&mut out);
            }
        }
        ValueRef::Set(set) => {
            let members = set.iter().map(|member| {
                let mut text = Vec::new();
                member.append_to(&mut text);
                text
            });
            push_sorted(&mut out, "set", members.collect());
        }
        ValueRef::Zset(zset) => {
            let mut members = Vec::new();
            zset.for_all(|member, score| {
                let mut text = Vec::new();
                member.append_to(&mut text);
                // A tree keeps the sign of a zero and a listpack does not, as in Redis: it is one score.
                number(&mut text, "", (score + 0.0).to_bits());
                members.push(text);
            });
            push_sorted(&mut out, "zset", members);
        }
        ValueRef::Hash(hash) => {
            let fields = hash.iter(i64::MIN).map(|(field, value)| {
                let mut text = Vec::new();
                field.append_to(&mut text);
                let expiry = hash.expiry(&text, i64::MIN).flatten();
                text.push(b'=');
                value.append_to(&mut text);
                if let Some(at_ms) = expiry {
                    number(&mut text, "expires", at_ms as u64);
                }
                text
            });
            push_sorted(&mut out, "hash", fields.collect());
        }
        ValueRef::Stream(stream) => describe_stream(&mut out, stream),
    }
    out
}

fn number(out: &mut Vec<u8>, name: &str, value: u64) {
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    out.push(b' ');
}

fn push_sorted(out: &mut Vec<u8>, name: &str, mut items: Vec<Vec<u8>>) {
    items.sort_unstable();
    out.extend_from_slice(name.as_bytes());
    for item in items {
        out.push(b' ');
        out.extend_from_slice(&item);
    }
}

fn describe_stream(out: &mut Vec<u8>, stream: &StreamValue) {
    let mut text = format!(
        "stream last:{:?} deleted:{:?} added:{}",
        stream.last_id(),
        stream.max_deleted_id(),
        stream.entries_added()
    );
    for (name, group) in stream.groups() {
        // Writing to a string does not fail.
        let _ = write!(
            text,
            " group:{} last:{:?} read:{:?}",
            name.escape_ascii(),
            group.last_delivered_id(),
            group.entries_read()
        );
        let mut consumers: Vec<_> = group.consumers().collect();
        consumers.sort_unstable_by_key(|(_, consumer)| consumer.name());
        for (_, consumer) in consumers {
            let _ = write!(text, " consumer:{}", consumer.name().escape_ascii());
            for id in consumer.pending() {
                let pending = group.pending_of(id).map(|pending| (pending.delivered_unix_ms, pending.deliveries));
                let _ = write!(text, " {}-{} {pending:?}", id.ms, id.seq);
            }
        }
    }
    out.extend_from_slice(text.as_bytes());
    for entry in stream.range(..) {
        number(out, " entry", entry.id.ms);
        number(out, "", entry.id.seq);
        for (field, value) in entry.fields() {
            field.append_to(out);
            out.push(b'=');
            value.append_to(out);
            out.push(b' ');
        }
    }
}
