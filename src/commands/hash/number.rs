//! Counting in fields: HINCRBY, HINCRBYFLOAT.

use super::as_hash;
use crate::commands::context::{WriteCtx, integer};
use crate::commands::error::{CommandError, CommandResult};
use crate::keyspace::EventClass;
use crate::resp::Args;
use crate::stdx::number::{IntText, LongDouble};
use crate::types::Limits;
use crate::types::hash::{HashValue, Text};

pub fn hincrby(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let delta = integer(args.arg(3))?;
    let current = read(ctx, args, |value| {
        value.map_or(Some(0), Text::as_int).ok_or(CommandError::text("ERR hash value is not an integer"))
    })?;
    let sum = current.checked_add(delta).ok_or(CommandError::Overflow)?;
    write(ctx, args, itoa::Buffer::new().format(sum).as_bytes(), "hincrby")?;
    ctx.reply.integer(sum);
    Ok(())
}

pub fn hincrbyfloat(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let delta = LongDouble::parse(args.arg(3)).ok_or(CommandError::NotFloat)?;
    if delta.is_nan() || delta.is_infinite() {
        return Err(CommandError::text("ERR value is NaN or Infinity"));
    }
    let current = read(ctx, args, |value| match value {
        None => Ok(LongDouble::from(0)),
        Some(value) => LongDouble::parse(value.text(&mut IntText::new()))
            .ok_or(CommandError::text("ERR hash value is not a float")),
    })?;
    let sum = current + delta;
    if sum.is_nan() || sum.is_infinite() {
        return Err(CommandError::NotFinite);
    }
    let text = sum.to_human_text();
    write(ctx, args, text.as_bytes(), "hincrbyfloat")?;
    ctx.reply.bulk(&text);
    Ok(())
}

/// What `take` makes of the field's value.
fn read<R>(
    ctx: &mut WriteCtx<'_>,
    args: Args<'_>,
    take: impl FnOnce(Option<Text<'_>>) -> Result<R, CommandError>,
) -> Result<R, CommandError> {
    let now_ms = ctx.now_ms();
    ctx.expire_fields(args.arg(1));
    match ctx.find(args.arg(1)) {
        None => take(None),
        Some(entry) => take(as_hash(entry)?.find(args.arg(2), now_ms)),
    }
}

/// Sets the field, which keeps its expiry.
fn write(ctx: &mut WriteCtx<'_>, args: Args<'_>, value: &[u8], event: &'static str) -> CommandResult {
    let (key, field) = (args.arg(1), args.arg(2));
    let limits = Limits::from(ctx.config);
    ctx.edit_or_insert(key, HashValue::new_in, |hash: &mut HashValue| hash.set_keeping_expiry(field, value, &limits))?;
    ctx.changed(key, EventClass::HASH, event);
    Ok(())
}
