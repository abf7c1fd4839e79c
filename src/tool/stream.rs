//! What a stream holds beside its entries, piece by piece: for commands, for JSON, and for comparing.

use std::io::{self, Write};

use super::elements::Piece;
use super::json::Json;
use crate::types::stream::{Group, Log, Pending, StreamEntry, StreamId, StreamValue};

/// Appends bytes that are the same for two pieces of streams exactly if the pieces are equal.
pub fn append_canonical(out: &mut Vec<u8>, piece: &Piece<'_>) {
    // A vector takes everything, so that this cannot fail.
    let _ = write_canonical(out, piece);
}

fn write_canonical(out: &mut Vec<u8>, piece: &Piece<'_>) -> io::Result<()> {
    match piece {
        Piece::Entry(entry) => {
            write!(out, "e{} ", entry.id)?;
            entry.fields().for_each(|(field, value)| {
                append_counted(out, &field.to_vec());
                append_counted(out, &value.to_vec());
            });
        }
        Piece::Counters(log) => {
            write!(out, "c{} {} {}", log.last_id(), log.max_deleted_id(), log.entries_added())?;
        }
        Piece::Group(name, group) => {
            append_counted(out, name);
            write!(out, "{} {:?} ", group.last_delivered_id(), group.entries_read())?;
            for (_, consumer) in group.consumers() {
                append_counted(out, consumer.name());
                write!(out, "{} {:?} ", consumer.seen_unix_ms, consumer.active_unix_ms)?;
            }
            for (id, consumer, pending) in deliveries(group) {
                append_counted(out, consumer);
                write!(out, "{id} {} {} ", pending.delivered_unix_ms, pending.deliveries)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn append_counted(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes.len().to_string().as_bytes());
    out.push(b':');
    out.extend_from_slice(bytes);
}

/// The pending entries of a group with the names of their consumers.
fn deliveries(group: &Group) -> impl Iterator<Item = (StreamId, &[u8], &Pending)> {
    group.pending(..).map(|(&id, pending)| (id, group.consumer(pending.consumer).name(), pending))
}

fn text(value: impl ToString) -> Vec<u8> {
    value.to_string().into_bytes()
}

/// The commands that make a piece of the stream under `key`, argument by argument.
pub fn commands(key: &[u8], piece: &Piece<'_>, send: &mut dyn FnMut(&[&[u8]]) -> io::Result<()>) -> io::Result<()> {
    match piece {
        Piece::Entry(entry) => add_entry(key, entry, send),
        Piece::Counters(log) => set_counters(key, log, send),
        Piece::Group(name, group) => make_group(key, name, group, send),
        _ => Ok(()),
    }
}

fn add_entry(key: &[u8], entry: &StreamEntry<'_>, send: &mut dyn FnMut(&[&[u8]]) -> io::Result<()>) -> io::Result<()> {
    let id = text(entry.id);
    let pairs: Vec<_> = entry.fields().flat_map(|(field, value)| [field.to_vec(), value.to_vec()]).collect();
    let mut arguments: Vec<&[u8]> = vec![b"XADD", key, &id];
    arguments.extend(pairs.iter().map(Vec::as_slice));
    send(&arguments)
}

fn set_counters(key: &[u8], log: &Log, send: &mut dyn FnMut(&[&[u8]]) -> io::Result<()>) -> io::Result<()> {
    if log.len() == 0 {
        // An entry that is trimmed at once makes the key; its id must be greater than 0-0 and not than the last one.
        let id = text(log.last_id().max(StreamId::new(0, 1)));
        send(&[b"XADD", key, b"MAXLEN", b"0", &id, b"x", b"y"])?;
    }
    let (last, added, deleted) = (text(log.last_id()), text(log.entries_added()), text(log.max_deleted_id()));
    send(&[b"XSETID", key, &last, b"ENTRIESADDED", &added, b"MAXDELETEDID", &deleted])
}

fn make_group(
    key: &[u8],
    name: &[u8],
    group: &Group,
    send: &mut dyn FnMut(&[&[u8]]) -> io::Result<()>,
) -> io::Result<()> {
    let last = text(group.last_delivered_id());
    let read = group.entries_read().map_or_else(|| b"-1".to_vec(), text);
    send(&[b"XGROUP", b"CREATE", key, name, &last, b"ENTRIESREAD", &read])?;
    for (_, consumer) in group.consumers() {
        send(&[b"XGROUP", b"CREATECONSUMER", key, name, consumer.name()])?;
    }
    for (id, consumer, pending) in deliveries(group) {
        let (id, at_ms, times) = (text(id), text(pending.delivered_unix_ms), text(pending.deliveries));
        let head: [&[u8]; 6] = [b"XCLAIM", key, name, consumer, b"0", &id];
        let tail: [&[u8]; 6] = [b"TIME", &at_ms, b"RETRYCOUNT", &times, b"FORCE", b"JUSTID"];
        send(&[head, tail].concat())?;
    }
    Ok(())
}

/// A stream as one object.
pub fn write_json(json: &mut Json<&mut dyn Write>, stream: &StreamValue) -> io::Result<()> {
    json.begin_object()?;
    json.key("entries")?;
    json.begin_array()?;
    for entry in stream.range(..) {
        json.begin_array()?;
        json.text(&entry.id.to_string())?;
        for (field, value) in entry.fields() {
            json.begin_array()?;
            json.bytes(&field.to_vec())?;
            json.bytes(&value.to_vec())?;
            json.end_array()?;
        }
        json.end_array()?;
    }
    json.end_array()?;
    json.key("last_id")?;
    json.text(&stream.last_id().to_string())?;
    json.key("max_deleted_id")?;
    json.text(&stream.max_deleted_id().to_string())?;
    json.key("entries_added")?;
    json.integer(stream.entries_added())?;
    json.key("groups")?;
    json.begin_array()?;
    stream.groups().try_for_each(|(name, group)| write_json_group(json, name, group))?;
    json.end_array()?;
    json.end_object()
}

fn write_json_group(json: &mut Json<&mut dyn Write>, name: &[u8], group: &Group) -> io::Result<()> {
    json.begin_object()?;
    json.key("name")?;
    json.bytes(name)?;
    json.key("last_delivered_id")?;
    json.text(&group.last_delivered_id().to_string())?;
    json.key("entries_read")?;
    match group.entries_read() {
        Some(read) => json.integer(read)?,
        None => json.null()?,
    }
    json.key("consumers")?;
    json.begin_array()?;
    for (_, consumer) in group.consumers() {
        json.begin_object()?;
        json.key("name")?;
        json.bytes(consumer.name())?;
        json.key("seen_at_ms")?;
        json.integer(consumer.seen_unix_ms)?;
        json.key("active_at_ms")?;
        json.optional(consumer.active_unix_ms)?;
        json.end_object()?;
    }
    json.end_array()?;
    json.key("pending")?;
    json.begin_array()?;
    for (id, consumer, pending) in deliveries(group) {
        json.begin_array()?;
        json.text(&id.to_string())?;
        json.bytes(consumer)?;
        json.integer(pending.delivered_unix_ms)?;
        json.integer(pending.deliveries)?;
        json.end_array()?;
    }
    json.end_array()?;
    json.end_object()
}
