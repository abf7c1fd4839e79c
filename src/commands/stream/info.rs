//! What is known about a stream, its groups and their consumers: XINFO.

use super::range::{write_entries, write_entry};
use super::{ids, no_group};
use crate::commands::framework::arguments::{integer, unlimited_if_zero};
use crate::commands::framework::{ClientCtx, CommandError, CommandResult, ReadCtx, help};
use crate::resp::{Args, Reply};
use crate::types::stream::{Consumer, Group, StreamValue};

/// How many entries the full form shows, unless the client names a number.
const COUNT_DEFAULT: usize = 10;

/// The stream that is described.
fn find<'a>(ctx: &ReadCtx<'a>, args: Args<'_>) -> Result<&'a StreamValue, CommandError> {
    Ok(ctx.find(args.arg(2)).ok_or(CommandError::NoSuchKey)?.view::<StreamValue>()?)
}

pub fn stream(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let stream = find(ctx, args)?;
    let malformed = || help::unknown_or_wrong_arity(args, "XINFO");
    let options = args.tail(3);
    let Some(form) = options.get(0) else {
        write_stream(ctx.reply, stream);
        return Ok(());
    };
    if !form.eq_ignore_ascii_case(b"FULL") {
        return Err(malformed());
    }
    let count = match options.len() {
        1 => COUNT_DEFAULT,
        3 if options.arg(1).eq_ignore_ascii_case(b"COUNT") => match usize::try_from(integer(options.arg(2))?) {
            Ok(count) => unlimited_if_zero(count),
            Err(_) => COUNT_DEFAULT,
        },
        _ => return Err(malformed()),
    };
    write_stream_in_full(ctx.reply, stream, count);
    Ok(())
}

/// Writes what both forms begin with.
fn write_counters(reply: &mut Reply, stream: &StreamValue) {
    let blocks = stream.block_count() as i64;
    reply.bulk("length");
    reply.integer(stream.len() as i64);
    reply.bulk("radix-tree-keys");
    reply.integer(blocks);
    // The order of the blocks is kept in a tree of another kind. This is what a radix tree has at least: a root, a node
    // for each key, and one where several of them part.
    reply.bulk("radix-tree-nodes");
    reply.integer(1 + blocks + i64::from(blocks > 1));
    reply.bulk("last-generated-id");
    ids::write(reply, stream.last_id());
    reply.bulk("max-deleted-entry-id");
    ids::write(reply, stream.max_deleted_id());
    reply.bulk("entries-added");
    reply.integer(stream.entries_added().cast_signed());
    reply.bulk("recorded-first-entry-id");
    ids::write(reply, stream.first_id());
}

fn write_stream(reply: &mut Reply, stream: &StreamValue) {
    reply.map(10);
    write_counters(reply, stream);
    reply.bulk("groups");
    reply.integer(stream.groups().len() as i64);
    let ends = [stream.range(..).next(), stream.range(..).next_back()];
    for (name, entry) in ["first-entry", "last-entry"].into_iter().zip(ends) {
        reply.bulk(name);
        match entry {
            Some(entry) => write_entry(reply, entry),
            None => reply.null(),
        }
    }
}

fn write_stream_in_full(reply: &mut Reply, stream: &StreamValue, count: usize) {
    reply.map(9);
    write_counters(reply, stream);
    reply.bulk("entries");
    write_entries(reply, stream.range(..), count);
    reply.bulk("groups");
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(7);
        reply.bulk("name");
        reply.bulk(name);
        write_progress(reply, stream, group);
        reply.bulk("pel-count");
        reply.integer(group.pending_len() as i64);
        reply.bulk("pending");
        reply.array(group.pending_len().min(count));
        for (id, pending) in group.pending(..).take(count) {
            reply.array(4);
            ids::write(reply, *id);
            reply.bulk(group.consumer(pending.consumer).name());
            reply.integer(pending.delivered_unix_ms);
            reply.integer(pending.deliveries.cast_signed());
        }
        reply.bulk("consumers");
        reply.array(group.consumer_count());
        for (_, consumer) in group.consumers() {
            write_consumer_in_full(reply, group, consumer, count);
        }
    }
}

fn write_consumer_in_full(reply: &mut Reply, group: &Group, consumer: &Consumer, count: usize) {
    reply.map(5);
    reply.bulk("name");
    reply.bulk(consumer.name());
    reply.bulk("seen-time");
    reply.integer(consumer.seen_unix_ms);
    reply.bulk("active-time");
    reply.integer(consumer.active_unix_ms.unwrap_or(-1));
    reply.bulk("pel-count");
    reply.integer(consumer.pending_len() as i64);
    reply.bulk("pending");
    reply.array(consumer.pending_len().min(count));
    for id in consumer.pending().take(count) {
        let pending = group.pending_of(id);
        reply.array(3);
        ids::write(reply, id);
        reply.integer(pending.map_or(0, |pending| pending.delivered_unix_ms));
        reply.integer(pending.map_or(0, |pending| pending.deliveries.cast_signed()));
    }
}

/// Writes how far a group has come.
fn write_progress(reply: &mut Reply, stream: &StreamValue, group: &Group) {
    reply.bulk("last-delivered-id");
    ids::write(reply, group.last_delivered_id());
    reply.bulk("entries-read");
    integer_or_null(reply, group.entries_read().map(u64::cast_signed));
    reply.bulk("lag");
    integer_or_null(reply, stream.lag(group));
}

fn integer_or_null(reply: &mut Reply, number: Option<i64>) {
    match number {
        Some(number) => reply.integer(number),
        None => reply.null(),
    }
}

pub fn groups(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let stream = find(ctx, args)?;
    ctx.reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        ctx.reply.map(6);
        ctx.reply.bulk("name");
        ctx.reply.bulk(name);
        ctx.reply.bulk("consumers");
        ctx.reply.integer(group.consumer_count() as i64);
        ctx.reply.bulk("pending");
        ctx.reply.integer(group.pending_len() as i64);
        write_progress(ctx.reply, stream, group);
    }
    Ok(())
}

pub fn consumers(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let name = args.arg(3);
    let group = find(ctx, args)?.group(name).ok_or_else(|| no_group(args.arg(2), name))?;
    let since = |then_ms: i64| ctx.now.unix_ms.saturating_sub(then_ms).max(0);
    ctx.reply.array(group.consumer_count());
    for (_, consumer) in group.consumers() {
        ctx.reply.map(4);
        ctx.reply.bulk("name");
        ctx.reply.bulk(consumer.name());
        ctx.reply.bulk("pending");
        ctx.reply.integer(consumer.pending_len() as i64);
        ctx.reply.bulk("idle");
        ctx.reply.integer(since(consumer.seen_unix_ms));
        ctx.reply.bulk("inactive");
        ctx.reply.integer(consumer.active_unix_ms.map_or(-1, since));
    }
    Ok(())
}

pub fn help(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    help::reply(
        ctx.reply,
        "XINFO",
        &[
            ("CONSUMERS <key> <groupname>", "Show consumers of <groupname>."),
            ("GROUPS <key>", "Show the stream consumer groups."),
            ("STREAM <key> [FULL [COUNT <count>]", "Show information about the stream."),
        ],
    );
    Ok(())
}
