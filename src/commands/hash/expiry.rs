//! The expiry of single fields: HEXPIRE and its relatives, HTTL and its relatives, HPERSIST.

use super::hash;
use crate::commands::framework::arguments::{Condition, TimeUnit, count, integer};
use crate::commands::framework::{CommandError, CommandResult, ReadCtx, WriteCtx};
use crate::keyspace::{Change, Edited, EventClass};
use crate::resp::{Args, ArgsBuf};
use crate::stdx::number::format_i64;
use crate::types::hash::HashValue;

/// No field expires later than this, in milliseconds of the unix clock: Redis keeps 46 bits.
const MOMENT_MS_MAX: i64 = (1 << 46) - 1;

/// What is said of a number of fields below 1, which is not the same for all of these commands.
const TOO_FEW_FIELDS_TO_EXPIRE: CommandError = CommandError::text("ERR Parameter `numFields` should be greater than 0");
const TOO_FEW_FIELDS: CommandError = CommandError::text("ERR Number of fields must be a positive integer");

/// What is answered for one field.
const NO_FIELD: i64 = -2;
const NO_EXPIRY: i64 = -1;
const CONDITION_UNMET: i64 = 0;
const DONE: i64 = 1;
const DELETED: i64 = 2;

pub fn hexpire(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    set_expiry(ctx, args, TimeUnit::Seconds, "hexpire")
}

pub fn hpexpire(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    set_expiry(ctx, args, TimeUnit::Milliseconds, "hpexpire")
}

pub fn hexpireat(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    set_expiry(ctx, args, TimeUnit::UnixSeconds, "hexpireat")
}

pub fn hpexpireat(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    set_expiry(ctx, args, TimeUnit::UnixMilliseconds, "hpexpireat")
}

pub fn httl(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    answer_expiry(ctx, args, TimeUnit::Seconds)
}

pub fn hpttl(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    answer_expiry(ctx, args, TimeUnit::Milliseconds)
}

pub fn hexpiretime(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    answer_expiry(ctx, args, TimeUnit::UnixSeconds)
}

pub fn hpexpiretime(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    answer_expiry(ctx, args, TimeUnit::UnixMilliseconds)
}

fn set_expiry(ctx: &mut WriteCtx<'_>, args: Args<'_>, unit: TimeUnit, command: &'static str) -> CommandResult {
    let key = args.arg(1);
    check_type(ctx, key)?;
    let moment = moment(ctx, args.arg(2), unit, command)?;
    let deletes = ctx.has_passed(moment);
    let mut condition = Condition::default();
    let has_condition = condition.read(args.arg(3));
    let fields = fields(args.tail(3 + usize::from(has_condition)), TOO_FEW_FIELDS_TO_EXPIRE)?;
    let edited = edit_fields(ctx, key, fields, |hash, field| match hash.expiry(field) {
        None => NO_FIELD,
        Some(old) if !condition.allows_expiry(old, moment) => CONDITION_UNMET,
        Some(_) if deletes => {
            hash.remove(field);
            DELETED
        }
        Some(_) => {
            hash.set_expiry(field, Some(moment));
            DONE
        }
    })?;
    let Some(edited) = edited else { return answer_missing(ctx, fields) };
    let (done, event) = if deletes { (DELETED, "hdel") } else { (DONE, "hexpire") };
    let changed = || fields.iter().zip(&edited.result).filter(|(_, answer)| **answer == done).map(|(field, _)| field);
    let times = changed().count();
    if times > 0 {
        ctx.record_instead(|out| match deletes {
            true => {
                out.extend([b"HDEL", key]);
                out.extend(changed());
            }
            false => write_expiry(out, key, moment, times, changed()),
        });
        ctx.commit(key, Change::new(EventClass::HASH, event).times(times));
    }
    if edited.emptied {
        ctx.notify(key, EventClass::GENERIC, "del");
    }
    answer(ctx, &edited.result)
}

/// Writes the command that lets fields expire at this moment.
pub fn write_expiry<'f>(
    out: &mut ArgsBuf,
    key: &[u8],
    at_ms: i64,
    count: usize,
    fields: impl Iterator<Item = &'f [u8]>,
) {
    out.extend([b"HPEXPIREAT", key]);
    out.push(format_i64(at_ms));
    out.push("FIELDS");
    out.push(format_i64(count as i64));
    out.extend(fields);
}

pub fn hpersist(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let key = args.arg(1);
    check_type(ctx, key)?;
    let fields = fields(args.tail(2), TOO_FEW_FIELDS)?;
    let edited = edit_fields(ctx, key, fields, |hash, field| match hash.expiry(field) {
        None => NO_FIELD,
        Some(None) => NO_EXPIRY,
        Some(Some(_)) => {
            hash.set_expiry(field, None);
            DONE
        }
    })?;
    let Some(edited) = edited else { return answer_missing(ctx, fields) };
    let times = edited.result.iter().filter(|&&answer| answer == DONE).count();
    if times > 0 {
        ctx.commit(key, Change::new(EventClass::HASH, "hpersist").times(times));
    }
    answer(ctx, &edited.result)
}

/// Changes each of the fields, and gathers what is answered for them; nothing where there is no hash.
fn edit_fields(
    ctx: &mut WriteCtx<'_>,
    key: &[u8],
    fields: Args<'_>,
    mut change: impl FnMut(&mut HashValue, &[u8]) -> i64,
) -> Result<Option<Edited<Vec<i64>>>, CommandError> {
    ctx.expire_fields(key, fields.iter());
    Ok(ctx.edit(key, |hash: &mut HashValue| fields.iter().map(|field| change(hash, field)).collect())?)
}

fn answer_expiry(ctx: &mut ReadCtx<'_>, args: Args<'_>, unit: TimeUnit) -> CommandResult {
    let now_ms = ctx.now.unix_ms;
    let hash = hash(ctx, args.arg(1))?;
    let fields = fields(args.tail(2), TOO_FEW_FIELDS)?;
    ctx.reply.array(fields.len());
    for field in fields {
        ctx.reply.integer(match hash.and_then(|hash| hash.expiry(field, now_ms)) {
            None => NO_FIELD,
            Some(None) => NO_EXPIRY,
            Some(Some(at_ms)) => {
                let ms = if unit.is_absolute() { at_ms } else { at_ms - now_ms };
                // A part of a second that is left counts as a whole one.
                let is_seconds = matches!(unit, TimeUnit::Seconds | TimeUnit::UnixSeconds);
                if is_seconds { ms / 1000 + i64::from(ms % 1000 > 0) } else { ms }
            }
        });
    }
    Ok(())
}

/// The moment that an argument names, in milliseconds of the unix clock. A record may name any that a payload of RESTORE had.
pub fn moment(ctx: &WriteCtx<'_>, arg: &[u8], unit: TimeUnit, command: &'static str) -> Result<i64, CommandError> {
    let number = integer(arg)?;
    if number < 0 {
        return Err(CommandError::text("ERR invalid expire time, must be >= 0"));
    }
    let moment = unit.moment(number, ctx.now_ms(), command)?;
    if moment <= MOMENT_MS_MAX || ctx.repeats_record() { Ok(moment) } else { Err(CommandError::InvalidExpire(command)) }
}

/// Refuses a key of another type, which Redis does before it reads any other argument.
fn check_type(ctx: &mut WriteCtx<'_>, key: &[u8]) -> CommandResult {
    ctx.view::<HashValue>(key)?;
    Ok(())
}

/// The fields behind `FIELDS numfields`; `too_few` says that this number is none, or not positive.
fn fields(args: Args<'_>, too_few: CommandError) -> Result<Args<'_>, CommandError> {
    if !args.get(0).is_some_and(|word| word.eq_ignore_ascii_case(b"FIELDS")) {
        return Err(CommandError::text("ERR Mandatory argument FIELDS is missing or not at the right position"));
    }
    let count = count(args.get(1).unwrap_or_default(), 1, too_few)?;
    let fields = args.tail(2);
    if count != fields.len() {
        return Err(CommandError::text("ERR The `numfields` parameter must match the number of arguments"));
    }
    Ok(fields)
}

fn answer(ctx: &mut WriteCtx<'_>, answers: &[i64]) -> CommandResult {
    ctx.reply.array(answers.len());
    answers.iter().for_each(|&answer| ctx.reply.integer(answer));
    Ok(())
}

fn answer_missing(ctx: &mut WriteCtx<'_>, fields: Args<'_>) -> CommandResult {
    ctx.reply.array(fields.len());
    (0..fields.len()).for_each(|_| ctx.reply.integer(NO_FIELD));
    Ok(())
}
