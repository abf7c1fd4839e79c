//! Counting in fields: HINCRBY, HINCRBYFLOAT.

use std::iter;

use super::expiry::write_expiry;
use crate::commands::framework::arguments::integer;
use crate::commands::framework::{CommandError, CommandResult, WriteCtx};
use crate::keyspace::{Change, Entry, EventClass};
use crate::resp::Args;
use crate::stdx::number::{IntText, LongDouble, format_i64};
use crate::types::hash::{HashValue, Text};
use crate::types::{DataType as _, ValueRef};

pub fn hincrby(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let delta = integer(args.arg(3))?;
    let sum = change(ctx, args, "hincrby", |value| {
        let current = value.map_or(Some(0), Text::as_int);
        let current = current.ok_or(CommandError::text("ERR hash value is not an integer"))?;
        let sum = current.checked_add(delta).ok_or(CommandError::Overflow)?;
        Ok((sum, format_i64(sum)))
    })?;
    ctx.reply.integer(sum);
    Ok(())
}

pub fn hincrbyfloat(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let delta = LongDouble::parse(args.arg(3)).ok_or(CommandError::NotFloat)?;
    if delta.is_nan() || delta.is_infinite() {
        return Err(CommandError::text("ERR value is NaN or Infinity"));
    }
    let text = change(ctx, args, "hincrbyfloat", |value| {
        let current = match value {
            None => LongDouble::from(0),
            Some(value) => LongDouble::parse(value.text(&mut IntText::new()))
                .ok_or(CommandError::text("ERR hash value is not a float"))?,
        };
        let sum = current + delta;
        if sum.is_nan() || sum.is_infinite() {
            return Err(CommandError::NotFinite);
        }
        let text = sum.to_human_text();
        Ok((text.clone(), text))
    })?;
    if ctx.keyspace.journal.is_wanted() {
        record_set(ctx, args.arg(1), args.arg(2), text.as_ref());
    }
    ctx.reply.bulk(&text);
    Ok(())
}

/// Has a field recorded with its value, and with its expiry, which setting it takes away.
fn record_set(ctx: &mut WriteCtx<'_>, key: &[u8], field: &[u8], value: &[u8]) {
    let expiry = match ctx.keyspace.db(ctx.db()).peek(key).map(Entry::value) {
        Some(ValueRef::Hash(hash)) => hash.expiry(field, i64::MIN).flatten(),
        _ => None,
    };
    ctx.record_instead(|out| out.extend([b"HSET", key, field, value]));
    if let Some(at_ms) = expiry {
        ctx.record_instead(|out| write_expiry(out, key, at_ms, 1, iter::once(field)));
    }
}

/// Sets the field, which keeps its expiry, to the text that `compute` makes of its value beside what it answers.
fn change<R, T: AsRef<[u8]>>(
    ctx: &mut WriteCtx<'_>,
    args: Args<'_>,
    event: &'static str,
    compute: impl FnOnce(Option<Text<'_>>) -> Result<(R, T), CommandError>,
) -> Result<R, CommandError> {
    let (key, field, due_ms) = (args.arg(1), args.arg(2), ctx.fields_due_ms());
    let limits = ctx.limits;
    ctx.expire_fields(key, iter::once(field));
    let edited = ctx.edit_or_insert(key, HashValue::new_in, |hash: &mut HashValue| {
        let (answer, text) = compute(hash.view().find(field, due_ms))?;
        hash.set_keeping_expiry(field, text.as_ref(), limits);
        Ok::<_, CommandError>(answer)
    })?;
    let answer = edited.result?;
    ctx.commit(key, Change::new(EventClass::HASH, event));
    Ok(answer)
}
