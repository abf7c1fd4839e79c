//! Counting: INCR and its relatives.

use crate::commands::framework::arguments::integer;
use crate::commands::framework::{CommandError, CommandResult, WriteCtx};
use crate::keyspace::{Change, EventClass};
use crate::resp::Args;
use crate::stdx::number::LongDouble;
use crate::types::string::{EMBSTR_BYTES_MAX, StringValue, StringView};

pub fn incr(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    add(ctx, args.arg(1), 1)
}

pub fn decr(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    add(ctx, args.arg(1), -1)
}

pub fn incrby(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let delta = integer(args.arg(2))?;
    add(ctx, args.arg(1), delta)
}

pub fn decrby(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let delta = integer(args.arg(2))?.checked_neg().ok_or(CommandError::text("ERR decrement would overflow"))?;
    add(ctx, args.arg(1), delta)
}

fn add(ctx: &mut WriteCtx<'_>, key: &[u8], delta: i64) -> CommandResult {
    let (db, now_ms) = (ctx.db(), ctx.now_ms());
    let sum = ctx.keyspace.update_integer(db, key, now_ms, |current| {
        let number = match current {
            None => 0,
            Some(StringView::Int(number)) => number,
            Some(StringView::Embstr(bytes) | StringView::Raw(bytes)) => integer(bytes)?,
        };
        number.checked_add(delta).ok_or(CommandError::Overflow)
    })?;
    ctx.commit(key, Change::new(EventClass::STRING, "incrby"));
    ctx.reply.integer(sum);
    Ok(())
}

pub fn incrbyfloat(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let key = args.arg(1);
    let current = match ctx.view::<StringValue>(key)? {
        None => LongDouble::from(0),
        Some(view) => view.with_bytes(LongDouble::parse).ok_or(CommandError::NotFloat)?,
    };
    let delta = LongDouble::parse(args.arg(2)).ok_or(CommandError::NotFloat)?;
    let sum = current + delta;
    if sum.is_nan() || sum.is_infinite() {
        return Err(CommandError::NotFinite);
    }
    let text = sum.to_human_text();
    let expiry = ctx.find(key).and_then(|entry| entry.expiry());
    ctx.record_instead(|out| out.extend([b"SET", key, text.as_bytes(), b"KEEPTTL"]));
    let bytes = text.as_bytes().to_vec();
    let value = if bytes.len() <= EMBSTR_BYTES_MAX { StringValue::Embstr(bytes) } else { StringValue::Raw(bytes) };
    ctx.insert(key, value.into(), expiry);
    ctx.commit(key, Change::new(EventClass::STRING, "incrbyfloat"));
    ctx.reply.bulk(&text);
    Ok(())
}
