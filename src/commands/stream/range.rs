//! Reading entries by their identifiers: XLEN, XRANGE, XREVRANGE; and entries as replies.

use super::ids;
use crate::commands::framework::arguments::integer;
use crate::commands::framework::{CommandError, CommandResult, ReadCtx, element};
use crate::resp::{Args, Reply};
use crate::types::stream::{StreamEntry, StreamValue};

pub fn xlen(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let len = ctx.view::<StreamValue>(args.arg(1))?.map_or(0, |stream| stream.len());
    ctx.reply.integer(len as i64);
    Ok(())
}

pub fn xrange(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let (start, end) = (ids::range_start(args.arg(2))?, ids::range_end(args.arg(3))?);
    read(ctx, args, |stream, count, reply| write_entries(reply, stream.range(start..=end), count))
}

pub fn xrevrange(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let (start, end) = (ids::range_start(args.arg(3))?, ids::range_end(args.arg(2))?);
    read(ctx, args, |stream, count, reply| write_entries(reply, stream.range(start..=end).rev(), count))
}

/// Reads the option COUNT and lets `write` answer with as many entries of the stream at most.
fn read(ctx: &mut ReadCtx<'_>, args: Args<'_>, write: impl FnOnce(&StreamValue, usize, &mut Reply)) -> CommandResult {
    let mut count = None;
    let mut options = args.tail(4).iter();
    while let Some(option) = options.next() {
        let value = options.next().filter(|_| option.eq_ignore_ascii_case(b"COUNT")).ok_or(CommandError::Syntax)?;
        count = Some(integer(value)?);
    }
    match (ctx.view::<StreamValue>(args.arg(1))?, count) {
        (None, _) => ctx.reply.empty_array(),
        (Some(_), Some(..=0)) => ctx.reply.null_array(),
        (Some(stream), count) => {
            let count = count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
            write(stream, count, ctx.reply);
        }
    }
    Ok(())
}

/// Writes `count` of these entries at most as an array.
pub fn write_entries<'a>(reply: &mut Reply, entries: impl Iterator<Item = StreamEntry<'a>>, count: usize) {
    let header = reply.deferred();
    let mut len = 0;
    for entry in entries.take(count) {
        write_entry(reply, entry);
        len += 1;
    }
    reply.set_deferred_array_len(header, len);
}

/// Writes an entry: its identifier, and an array of its fields and values.
pub fn write_entry(reply: &mut Reply, entry: StreamEntry<'_>) {
    reply.array(2);
    ids::write(reply, entry.id);
    let fields = entry.fields();
    reply.array(fields.len() * 2);
    for (field, value) in fields {
        element::bulk(reply, field);
        element::bulk(reply, value);
    }
}
