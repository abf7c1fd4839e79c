//! Streams in RDB: blocks as their bytes, counters, and the groups with what is pending.

use std::io;

use super::StreamValue;
use super::block::Block;
use super::group::{ConsumerId, Group};
use super::id::StreamId;
use super::log::Log;
use crate::rdb::{self, Tag};
use crate::types::LoadOptions;

/// Every tag that [`load`] reads.
pub const LOADS: &[Tag] =
    &[Tag::StreamListpacks, Tag::StreamListpacks2, Tag::StreamListpacks3, Tag::StreamListpacks4, Tag::StreamListpacks5];

/// The number of entries read where it is not known.
const UNKNOWN: u64 = u64::MAX;

/// The time of a consumer that never got anything.
const NEVER: i64 = -1;

/// The fewest bytes of a node, a group, a pending entry of a group, and a consumer.
const NODE_BYTES_MIN: usize = 2;
const GROUP_BYTES_MIN: usize = 5;
const PENDING_BYTES_MIN: usize = rdb::ENTRY_ID_BYTES + 9;
const CONSUMER_BYTES_MIN: usize = 10;

/// The tag for a file of this version. One below 10 has no counters, one below 11 no times of activity.
pub fn tag(version: u32) -> Tag {
    match version {
        ..10 => Tag::StreamListpacks,
        10 => Tag::StreamListpacks2,
        _ => Tag::StreamListpacks3,
    }
}

pub fn save(stream: &StreamValue, out: &mut rdb::Encoder<'_>) -> io::Result<()> {
    let (log, tag) = (&stream.log, tag(out.version()));
    out.length(log.blocks.len() as u64)?;
    for (&base, block) in &log.blocks {
        out.string(&rdb::entry_id_bytes(base.ms, base.seq))?;
        out.string(block.as_bytes())?;
    }
    out.length(log.len as u64)?;
    save_id(log.last_id, out)?;
    if tag != Tag::StreamListpacks {
        save_id(log.first_id, out)?;
        save_id(log.max_deleted_id, out)?;
        out.length(log.entries_added)?;
    }
    out.length(stream.groups.len() as u64)?;
    for (name, group) in &stream.groups {
        out.string(name)?;
        save_id(group.last_delivered_id(), out)?;
        if tag != Tag::StreamListpacks {
            out.length(group.entries_read().unwrap_or(UNKNOWN))?;
        }
        save_pending(group, out)?;
        save_consumers(group, tag, out)?;
    }
    Ok(())
}

fn save_id(id: StreamId, out: &mut rdb::Encoder<'_>) -> io::Result<()> {
    out.length(id.ms)?;
    out.length(id.seq)
}

fn save_pending(group: &Group, out: &mut rdb::Encoder<'_>) -> io::Result<()> {
    out.length(group.pending_len() as u64)?;
    for (id, pending) in group.pending(..) {
        out.raw(&rdb::entry_id_bytes(id.ms, id.seq))?;
        out.milliseconds(pending.delivered_unix_ms)?;
        out.length(pending.deliveries)?;
    }
    Ok(())
}

fn save_consumers(group: &Group, tag: Tag, out: &mut rdb::Encoder<'_>) -> io::Result<()> {
    out.length(group.consumer_count() as u64)?;
    for (_, consumer) in group.consumers() {
        out.string(consumer.name())?;
        out.milliseconds(consumer.seen_unix_ms)?;
        if tag == Tag::StreamListpacks3 {
            out.milliseconds(consumer.active_unix_ms.unwrap_or(NEVER))?;
        }
        out.length(consumer.pending_len() as u64)?;
        for id in consumer.pending() {
            out.raw(&rdb::entry_id_bytes(id.ms, id.seq))?;
        }
    }
    Ok(())
}

pub fn load(tag: Tag, input: &mut rdb::Decoder<'_>, options: &LoadOptions<'_>) -> rdb::Result<StreamValue> {
    let mut stream = StreamValue { log: load_blocks(input)?, ..StreamValue::default() };
    // What is stated is not needed. Older servers left streams where it is wrong: the entries that are there count.
    let stated = input.length()?;
    if stated != stream.log.len as u64
        && let Some(wrong) = options.wrong_length
    {
        wrong.set(true);
    }
    load_counters(&mut stream.log, tag, input)?;
    for _ in 0..input.count(GROUP_BYTES_MIN)? {
        let offset = input.offset();
        let name = input.string()?;
        let last_delivered_id = load_id(input)?;
        let entries_read = match tag {
            Tag::StreamListpacks => stream.log.entries_up_to(last_delivered_id),
            _ => Some(input.length()?).filter(|&read| read != UNKNOWN),
        };
        if !stream.create_group(&name, last_delivered_id, entries_read) {
            return Err(input.invalid_at(offset, "a consumer group that the stream has already"));
        }
        if let Some(group) = stream.group_mut(&name) {
            load_members(group, tag, input)?;
        }
    }
    if has_idempotency(tag) {
        // By which an entry that is added twice is detected: nothing here uses it.
        rdb::skip::stream_idempotency(input)?;
    }
    Ok(stream)
}

/// Whether streams of this tag are those of Redis 8.6 and later.
fn has_idempotency(tag: Tag) -> bool {
    matches!(tag, Tag::StreamListpacks4 | Tag::StreamListpacks5)
}

/// Reads the blocks. Ids must ascend from block to block, or looking for one would go astray.
fn load_blocks(input: &mut rdb::Decoder<'_>) -> rdb::Result<Log> {
    let mut log = Log::default();
    for _ in 0..input.count(NODE_BYTES_MIN)? {
        let offset = input.offset();
        let Ok(base) = <[u8; rdb::ENTRY_ID_BYTES]>::try_from(&*input.string()?) else {
            return Err(input.invalid_at(offset, "a stream's node without an id"));
        };
        let (ms, seq) = rdb::entry_id(base);
        let base = StreamId { ms, seq };
        let offset = input.offset();
        let Some(block) = Block::from_bytes(base, &input.string()?) else {
            return Err(input.invalid_at(offset, "a stream's node that is malformed"));
        };
        log.len += block.live();
        if log.blocks.insert(base, block).is_some() {
            return Err(input.invalid_at(offset, "two nodes of a stream with one id"));
        }
    }
    // Redis keeps a node whose entries are all deleted, if the last one was deleted by name.
    log.blocks.retain(|_, block| block.live() > 0);
    let mut last = None;
    for (&base, block) in &log.blocks {
        let mut live = block.entries(base).filter(|entry| !entry.is_deleted()).map(|entry| entry.id);
        let first = live.next();
        if first < Some(base) || first <= last {
            return Err(input.invalid("nodes of a stream whose ids do not ascend"));
        }
        last = live.next_back().or(first);
    }
    log.find_first();
    Ok(log)
}

fn load_counters(log: &mut Log, tag: Tag, input: &mut rdb::Decoder<'_>) -> rdb::Result<()> {
    let offset = input.offset();
    log.last_id = load_id(input)?;
    if log.last_entry_id().is_some_and(|last| last > log.last_id) {
        return Err(input.invalid_at(offset, "a stream's last id that is less than that of an entry"));
    }
    if tag == Tag::StreamListpacks {
        log.entries_added = log.len as u64;
    } else {
        // The first id follows from the entries.
        load_id(input)?;
        log.max_deleted_id = load_id(input)?;
        log.entries_added = input.length()?;
    }
    Ok(())
}

fn load_id(input: &mut rdb::Decoder<'_>) -> rdb::Result<StreamId> {
    Ok(StreamId { ms: input.length()?, seq: input.length()? })
}

fn load_raw_id(input: &mut rdb::Decoder<'_>) -> rdb::Result<StreamId> {
    let (ms, seq) = rdb::entry_id(input.array()?);
    Ok(StreamId { ms, seq })
}

/// Reads a group's pending entries and its consumers, each of which names those that are its own.
fn load_members(group: &mut Group, tag: Tag, input: &mut rdb::Decoder<'_>) -> rdb::Result<()> {
    let count = input.count(PENDING_BYTES_MIN)?;
    let mut unowned = std::collections::BTreeMap::new();
    for _ in 0..count {
        let offset = input.offset();
        let id = load_raw_id(input)?;
        if unowned.insert(id, (input.milliseconds()?, input.length()?)).is_some() {
            return Err(input.invalid_at(offset, "a pending entry that the consumer group has already"));
        }
    }
    for _ in 0..input.count(CONSUMER_BYTES_MIN)? {
        let consumer = load_consumer(group, tag, input)?;
        for _ in 0..input.count(rdb::ENTRY_ID_BYTES)? {
            let offset = input.offset();
            let id = load_raw_id(input)?;
            let Some((delivered_unix_ms, deliveries)) = unowned.remove(&id) else {
                return Err(input.invalid_at(offset, "an entry of a consumer that is not pending, or another's"));
            };
            group.assign(id, consumer, delivered_unix_ms, deliveries);
        }
    }
    let offset = input.offset();
    if tag == Tag::StreamListpacks5 && input.length()? > 0 {
        // Nothing here can hold them: without a consumer they would never be delivered again.
        return Err(rdb::Error::UnsupportedType { offset, name: "pending entries that no consumer has, of Redis 8.8" });
    }
    if unowned.is_empty() {
        Ok(())
    } else {
        Err(input.invalid("a pending entry of a consumer group without a consumer"))
    }
}

fn load_consumer(group: &mut Group, tag: Tag, input: &mut rdb::Decoder<'_>) -> rdb::Result<ConsumerId> {
    let offset = input.offset();
    let name = input.string()?;
    let seen_unix_ms = input.milliseconds()?;
    let active_unix_ms = match tag {
        Tag::StreamListpacks3 | Tag::StreamListpacks4 | Tag::StreamListpacks5 => {
            Some(input.milliseconds()?).filter(|&active| active != NEVER)
        }
        // What older files say of a consumer's last sign of life.
        _ => Some(seen_unix_ms),
    };
    let Some(consumer) = group.create_consumer(&name, seen_unix_ms) else {
        return Err(input.invalid_at(offset, "Duplicate stream consumer detected"));
    };
    group.consumer_mut(consumer).active_unix_ms = active_unix_ms;
    Ok(consumer)
}
