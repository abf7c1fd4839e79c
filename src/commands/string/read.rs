//! Reading strings: GET, MGET, GETRANGE, STRLEN.

use crate::commands::framework::arguments::{byte_range, integer, is_reversed_from_back};
use crate::commands::framework::{CommandResult, ReadCtx};
use crate::keyspace::Entry;
use crate::resp::{Args, Reply};
use crate::types::string::{StringValue, StringView};

pub fn get(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    match ctx.view::<StringValue>(args.arg(1))? {
        None => ctx.reply.null(),
        Some(view) => bulk(ctx.reply, view),
    }
    Ok(())
}

/// Writes a string as a bulk reply.
#[inline]
pub fn bulk(reply: &mut Reply, view: StringView<'_>) {
    match view {
        StringView::Int(number) => reply.bulk_i64(number),
        StringView::Embstr(bytes) | StringView::Raw(bytes) => reply.bulk(bytes),
    }
}

pub fn mget(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let keys = args.tail(1);
    let db = ctx.keyspace.db(ctx.session.db);
    // Buckets of several keys are fetched side by side instead of one after the other.
    for key in keys.iter().take(16) {
        db.prefetch(key);
    }
    ctx.reply.array(keys.len());
    for key in keys.iter() {
        match ctx.find(key).map(Entry::view::<StringValue>) {
            Some(Ok(view)) => bulk(ctx.reply, view),
            Some(Err(_)) | None => ctx.reply.null(),
        }
        if ctx.reply.is_overfull() {
            break;
        }
    }
    Ok(())
}

pub fn strlen(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let len = ctx.view::<StringValue>(args.arg(1))?.map_or(0, StringView::len);
    ctx.reply.integer(len as i64);
    Ok(())
}

pub fn getrange(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let (start, end) = (integer(args.arg(2))?, integer(args.arg(3))?);
    let Some(view) = ctx.view::<StringValue>(args.arg(1))? else {
        ctx.reply.empty_bulk();
        return Ok(());
    };
    view.with_bytes(|bytes| match byte_range(start, end, bytes.len() as i64) {
        Some((first, last)) if !is_reversed_from_back(start, end) => {
            ctx.reply.bulk(&bytes[first as usize..=last as usize]);
        }
        _ => ctx.reply.empty_bulk(),
    });
    Ok(())
}
