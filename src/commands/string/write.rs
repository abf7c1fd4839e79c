//! Setting strings: SET and its older forms, MSET, APPEND, SETRANGE, and the reads that change a key.

use super::expiry::{ExpiryOption, moment};
use super::read::bulk;
use crate::commands::framework::arguments::{Condition, TimeUnit, at_least, integer};
use crate::commands::framework::{CommandError, CommandResult, WriteCtx};
use crate::keyspace::{Change, EventClass, Touch};
use crate::resp::Args;
use crate::stdx::number::format_i64;
use crate::structures::try_zeros;
use crate::types::string::{StringValue, StringView};
use crate::types::{DataType as _, Value};

/// The options of SET.
struct SetOptions<'a> {
    condition: Condition,
    get: bool,
    expiry: ExpiryOption<'a>,
}

pub fn set(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (key, value) = (args.arg(1), args.arg(2));
    if args.len() == 3 {
        overwrite(ctx, key, value, None);
        ctx.reply.ok();
        return Ok(());
    }
    let options = parse_set_options(args)?;
    let expiry = match options.expiry {
        ExpiryOption::Set(unit, arg) => Some(moment(unit, arg, ctx.now_ms(), "set")?),
        _ => None,
    };
    if options.get {
        reply_current(ctx, key)?;
    }
    let old = ctx.find(key).map(|entry| entry.expiry());
    let Condition { only_new, only_existing, .. } = options.condition;
    if only_new && old.is_some() || only_existing && old.is_none() {
        if !options.get {
            ctx.reply.null();
        }
        return Ok(());
    }
    let kept = if options.expiry == ExpiryOption::KeepTtl { old.flatten() } else { None };
    overwrite(ctx, key, value, expiry.or(kept));
    if let Some(at_ms) = expiry {
        record_set_until(ctx, key, value, at_ms);
        ctx.notify(key, EventClass::GENERIC, "expire");
    }
    if !options.get {
        ctx.reply.ok();
    }
    Ok(())
}

fn parse_set_options(args: Args<'_>) -> Result<SetOptions<'_>, CommandError> {
    let mut options = SetOptions { condition: Condition::default(), get: false, expiry: ExpiryOption::Default };
    let mut index = 3;
    while let Some(option) = args.get(index) {
        index += 1;
        if options.condition.read_existence(option) {
            if options.condition.only_new && options.condition.only_existing {
                return Err(CommandError::Syntax);
            }
        } else if option.eq_ignore_ascii_case(b"GET") {
            options.get = true;
        } else {
            options.expiry.read(args, &mut index, (b"KEEPTTL", ExpiryOption::KeepTtl))?;
        }
    }
    Ok(options)
}

/// Writes the string that `key` holds now, as a read of it.
fn reply_current(ctx: &mut WriteCtx<'_>, key: &[u8]) -> Result<bool, CommandError> {
    let (db, now_ms) = (ctx.db(), ctx.now_ms());
    ctx.keyspace.expire_if_due(db, key, now_ms);
    match ctx.keyspace.find(db, key, now_ms, Touch::Yes) {
        None => {
            ctx.reply.null();
            Ok(false)
        }
        Some(entry) => {
            bulk(ctx.reply, entry.view::<StringValue>()?);
            Ok(true)
        }
    }
}

pub fn setnx(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let absent = ctx.find(args.arg(1)).is_none();
    if absent {
        overwrite(ctx, args.arg(1), args.arg(2), None);
    }
    ctx.reply.integer(i64::from(absent));
    Ok(())
}

pub fn setex(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    set_until(ctx, args, TimeUnit::Seconds, "setex")
}

pub fn psetex(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    set_until(ctx, args, TimeUnit::Milliseconds, "psetex")
}

fn set_until(ctx: &mut WriteCtx<'_>, args: Args<'_>, unit: TimeUnit, command: &'static str) -> CommandResult {
    let key = args.arg(1);
    let expiry = moment(unit, args.arg(2), ctx.now_ms(), command)?;
    overwrite(ctx, key, args.arg(3), Some(expiry));
    record_set_until(ctx, key, args.arg(3), expiry);
    ctx.notify(key, EventClass::GENERIC, "expire");
    ctx.reply.ok();
    Ok(())
}

/// Has a value recorded with the moment of its expiry: the time that is left depends on when it is counted.
fn record_set_until(ctx: &mut WriteCtx<'_>, key: &[u8], value: &[u8], at_ms: i64) {
    ctx.record_instead(|out| {
        out.extend([b"SET", key, value, b"PXAT"]);
        out.push(format_i64(at_ms));
    });
}

/// Sets `key`, whatever it holds. A value past its expiry is not overwritten but deleted first, and reported.
#[inline]
fn overwrite(ctx: &mut WriteCtx<'_>, key: &[u8], value: &[u8], expiry: Option<i64>) {
    let (db, now_ms) = (ctx.db(), ctx.now_ms());
    ctx.keyspace.expire_if_due(db, key, now_ms);
    ctx.keyspace.set_string(db, key, value, expiry);
    ctx.commit(key, Change::new(EventClass::STRING, "set"));
}

pub fn mset(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    check_pairs(args, "mset")?;
    for index in (1..args.len()).step_by(2) {
        overwrite(ctx, args.arg(index), args.arg(index + 1), None);
    }
    ctx.reply.ok();
    Ok(())
}

pub fn msetnx(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    check_pairs(args, "msetnx")?;
    if (1..args.len()).step_by(2).any(|index| ctx.find(args.arg(index)).is_some()) {
        ctx.reply.integer(0);
        return Ok(());
    }
    for index in (1..args.len()).step_by(2) {
        overwrite(ctx, args.arg(index), args.arg(index + 1), None);
    }
    ctx.reply.integer(1);
    Ok(())
}

fn check_pairs(args: Args<'_>, command: &str) -> CommandResult {
    if args.len().is_multiple_of(2) { Err(CommandError::wrong_arity(command)) } else { Ok(()) }
}

pub fn getset(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (key, value) = (args.arg(1), args.arg(2));
    reply_current(ctx, key)?;
    overwrite(ctx, key, value, None);
    ctx.record_instead(|out| out.extend([b"SET", key, value]));
    Ok(())
}

pub fn getdel(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let key = args.arg(1);
    if reply_current(ctx, key)? {
        ctx.delete_instead(key, false);
    }
    Ok(())
}

pub fn getex(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let key = args.arg(1);
    let mut option = ExpiryOption::Default;
    let mut index = 2;
    while index < args.len() {
        index += 1;
        option.read(args, &mut index, (b"PERSIST", ExpiryOption::Persist))?;
    }
    if !reply_current(ctx, key)? {
        return Ok(());
    }
    match option {
        ExpiryOption::Default | ExpiryOption::KeepTtl => {}
        ExpiryOption::Persist => {
            if ctx.find(key).is_some_and(|entry| entry.expiry().is_some()) {
                set_expiry(ctx, key, None);
                ctx.record_instead(|out| out.extend([b"PERSIST", key]));
                ctx.commit(key, Change::new(EventClass::GENERIC, "persist"));
            }
        }
        ExpiryOption::Set(unit, arg) => {
            let at_ms = moment(unit, arg, ctx.now_ms(), "getex")?;
            if unit.is_absolute() && ctx.has_passed(at_ms) {
                ctx.delete_instead(key, ctx.keyspace.lazy_free.policy.expire);
            } else {
                set_expiry(ctx, key, Some(at_ms));
                ctx.record_expiry(key, at_ms);
                ctx.commit(key, Change::new(EventClass::GENERIC, "expire"));
            }
        }
    }
    Ok(())
}

fn set_expiry(ctx: &mut WriteCtx<'_>, key: &[u8], expiry: Option<i64>) {
    let db = ctx.db();
    ctx.keyspace.db_mut(db).set_expiry(key, expiry);
}

pub fn append(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (key, tail) = (args.arg(1), args.arg(2));
    let bytes_max = ctx.string_bytes_max();
    let edited = ctx.edit::<StringValue, _>(key, |value| {
        // Asked first: what is refused stays as it is.
        check_length(bytes_max, value.view().len() as u64, tail.len())?;
        let bytes = value.make_raw();
        // The room for further appends is done without where there is no memory for it.
        if bytes.try_reserve(tail.len()).is_err() && bytes.try_reserve_exact(tail.len()).is_err() {
            return Err(CommandError::NoMemory);
        }
        bytes.extend_from_slice(tail);
        Ok(bytes.len())
    })?;
    let len = match edited {
        Some(edited) => edited.result?,
        None => {
            set_fresh(ctx, key, StringValue::new(tail).into());
            tail.len()
        }
    };
    ctx.commit(key, Change::new(EventClass::STRING, "append"));
    ctx.reply.integer(len as i64);
    Ok(())
}

pub fn setrange(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (key, bytes) = (args.arg(1), args.arg(3));
    let offset = at_least(integer(args.arg(2))?, 0, CommandError::text("ERR offset is out of range"))? as u64;
    let len = ctx.view::<StringValue>(key)?.map(StringView::len);
    if bytes.is_empty() {
        ctx.reply.integer(len.unwrap_or(0) as i64);
        return Ok(());
    }
    check_length(ctx.string_bytes_max(), offset, bytes.len())?;
    let end = offset as usize + bytes.len();
    let new_len = match len {
        None => {
            let mut value = try_zeros(end).ok_or(CommandError::NoMemory)?;
            value[offset as usize..].copy_from_slice(bytes);
            set_fresh(ctx, key, StringValue::Raw(value).into());
            end
        }
        Some(len) if end <= len && overwrite_part(ctx, key, offset as usize, bytes) => len,
        Some(len) => {
            let edited = ctx.edit::<StringValue, _>(key, |value| {
                value.make_raw_of(end).map(|raw| raw[offset as usize..end].copy_from_slice(bytes))
            })?;
            if edited.is_some_and(|edited| edited.result.is_none()) {
                return Err(CommandError::NoMemory);
            }
            len.max(end)
        }
    };
    ctx.commit(key, Change::new(EventClass::STRING, "setrange"));
    ctx.reply.integer(new_len as i64);
    Ok(())
}

/// Overwrites a part of a raw string, touching nothing else. Returns whether it is one.
fn overwrite_part(ctx: &mut WriteCtx<'_>, key: &[u8], offset: usize, bytes: &[u8]) -> bool {
    let raw = ctx.raw_string_mut(key);
    let is_raw = raw.is_some();
    if let Some(raw) = raw {
        raw[offset..offset + bytes.len()].copy_from_slice(bytes);
    }
    is_raw
}

fn set_fresh(ctx: &mut WriteCtx<'_>, key: &[u8], value: Value) {
    ctx.insert(key, value, None);
}

/// Refuses strings that no client could be sent.
fn check_length(bytes_max: u64, offset: u64, added: usize) -> CommandResult {
    match offset.checked_add(added as u64) {
        Some(len) if len <= bytes_max => Ok(()),
        _ => Err(CommandError::StringTooLong),
    }
}
