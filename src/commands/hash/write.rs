//! Changing hashes: HSET and its relatives, HDEL.

use crate::commands::framework::{CommandError, CommandResult, WriteCtx};
use crate::keyspace::{Change, EventClass};
use crate::resp::Args;
use crate::types::hash::HashValue;

pub fn hset(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let created = set_fields(ctx, args, "hset")?;
    ctx.reply.integer(created as i64);
    Ok(())
}

pub fn hmset(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    set_fields(ctx, args, "hmset")?;
    ctx.reply.ok();
    Ok(())
}

/// Sets all fields and returns how many of them are new.
fn set_fields(ctx: &mut WriteCtx<'_>, args: Args<'_>, command: &str) -> Result<usize, CommandError> {
    let (key, pairs) = (args.arg(1), args.tail(2));
    if !pairs.len().is_multiple_of(2) {
        return Err(CommandError::wrong_arity(command));
    }
    let limits = ctx.limits;
    let count = pairs.len() / 2;
    ctx.expire_fields(key, pairs.iter().step_by(2));
    let edited = ctx.edit_or_insert(key, HashValue::new_in, |hash: &mut HashValue| {
        hash.expect_fields(count, limits);
        (0..count).filter(|pair| hash.set(pairs.arg(2 * pair), pairs.arg(2 * pair + 1), limits)).count()
    })?;
    ctx.commit(key, Change::new(EventClass::HASH, "hset").times(count));
    Ok(edited.result)
}

pub fn hsetnx(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (key, field, value) = (args.arg(1), args.arg(2), args.arg(3));
    let due_ms = ctx.fields_due_ms();
    ctx.expire_fields(key, std::iter::once(field));
    let found = ctx.find(key).map(|entry| entry.view::<HashValue>().map(|hash| hash.find(field, due_ms).is_some()));
    let exists = found.transpose()?.unwrap_or(false);
    if !exists {
        let limits = ctx.limits;
        ctx.edit_or_insert(key, HashValue::new_in, |hash: &mut HashValue| hash.set(field, value, limits))?;
        ctx.commit(key, Change::new(EventClass::HASH, "hset"));
    }
    ctx.reply.integer(i64::from(!exists));
    Ok(())
}

pub fn hdel(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (key, fields) = (args.arg(1), args.tail(2));
    ctx.expire_fields(key, fields.iter());
    let removed = remove_fields(ctx, key, fields.iter())?;
    ctx.reply.integer(removed as i64);
    Ok(())
}

/// Removes fields. Returns how many were there.
pub fn remove_fields<'f>(
    ctx: &mut WriteCtx<'_>,
    key: &[u8],
    mut fields: impl Iterator<Item = &'f [u8]>,
) -> Result<usize, CommandError> {
    let edited = ctx.edit(key, |hash: &mut HashValue| fields.by_ref().filter(|field| hash.remove(field)).count())?;
    let Some(edited) = edited else { return Ok(0) };
    if edited.result > 0 {
        ctx.commit(key, Change::new(EventClass::HASH, "hdel").times(edited.result));
    }
    if edited.emptied {
        ctx.notify(key, EventClass::GENERIC, "del");
    }
    Ok(edited.result)
}
