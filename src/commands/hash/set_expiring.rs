//! HSETEX: fields with their expiry, which servers since Redis 8 and Valkey 9 have and send their replicas.

use super::expiry::{moment, write_expiry};
use super::write::remove_fields;
use crate::commands::framework::arguments::{TimeUnit, count};
use crate::commands::framework::{CommandError, CommandResult, WriteCtx};
use crate::keyspace::{Change, EventClass};
use crate::resp::Args;
use crate::types::hash::HashValue;

const TWO_EXPIRIES: CommandError =
    CommandError::text("ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified");
const TWO_CONDITIONS: CommandError = CommandError::text("ERR Only one of FXX or FNX arguments can be specified");
const BAD_COUNT: CommandError = CommandError::text("ERR invalid number of fields");

/// What becomes of the fields' expiry.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expiry {
    None,
    Kept,
    At(i64),
}

/// Which fields must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Existing {
    Any,
    None,
    All,
}

struct Request<'a> {
    existing: Existing,
    expiry: Expiry,
    /// Fields and values.
    pairs: Args<'a>,
}

pub fn hsetex(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let key = args.arg(1);
    let Request { existing, expiry, pairs } = read(ctx, args)?;
    let fields = || pairs.iter().step_by(2);
    ctx.expire_fields(key, fields());
    let found = found_fields(ctx, key, pairs)?;
    let count = pairs.len() / 2;
    let is_met = match existing {
        Existing::Any => true,
        Existing::None => found == 0,
        Existing::All => found == count,
    };
    if is_met {
        match expiry {
            Expiry::At(at_ms) if ctx.has_passed(at_ms) => remove(ctx, key, pairs)?,
            _ => set(ctx, key, pairs, expiry)?,
        }
    }
    ctx.reply.integer(i64::from(is_met));
    Ok(())
}

fn read<'a>(ctx: &WriteCtx<'_>, args: Args<'a>) -> Result<Request<'a>, CommandError> {
    let (mut existing, mut expiry) = (Existing::Any, Expiry::None);
    let mut at = 2;
    loop {
        let Some(word) = args.get(at) else { return Err(CommandError::wrong_arity("hsetex")) };
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        let unit = TimeUnit::of_option(word);
        at += 1;
        if is(b"FIELDS") {
            break;
        } else if is(b"FNX") || is(b"FXX") {
            if existing != Existing::Any {
                return Err(TWO_CONDITIONS);
            }
            existing = if is(b"FNX") { Existing::None } else { Existing::All };
        } else if unit.is_some() || is(b"KEEPTTL") {
            if expiry != Expiry::None {
                return Err(TWO_EXPIRIES);
            }
            expiry = match unit {
                None => Expiry::Kept,
                Some(unit) => {
                    at += 1;
                    Expiry::At(moment(ctx, args.get(at - 1).unwrap_or_default(), unit, "hsetex")?)
                }
            };
        } else {
            return Err(CommandError::owned(format!("ERR unknown argument: {}", String::from_utf8_lossy(word))));
        }
    }
    let Some(number) = args.get(at) else { return Err(CommandError::wrong_arity("hsetex")) };
    let number = count(number, 1, BAD_COUNT)?;
    let pairs = args.tail(at + 1);
    if pairs.len() != number.saturating_mul(2) {
        return Err(CommandError::wrong_arity("hsetex"));
    }
    Ok(Request { existing, expiry, pairs })
}

/// How many of the fields are there.
fn found_fields(ctx: &mut WriteCtx<'_>, key: &[u8], pairs: Args<'_>) -> Result<usize, CommandError> {
    let due_ms = ctx.fields_due_ms();
    let found = ctx.find(key).map(|entry| {
        let hash = entry.view::<HashValue>()?;
        Ok(pairs.iter().step_by(2).filter(|field| hash.find(field, due_ms).is_some()).count())
    });
    found.unwrap_or(Ok(0))
}

fn set(ctx: &mut WriteCtx<'_>, key: &[u8], pairs: Args<'_>, expiry: Expiry) -> CommandResult {
    let limits = ctx.limits;
    let count = pairs.len() / 2;
    let edited = ctx.edit_or_insert(key, HashValue::new_in, |hash: &mut HashValue| {
        hash.expect_fields(count, limits);
        let mut moments = Vec::new();
        for pair in 0..count {
            let field = pairs.arg(2 * pair);
            let moment = match expiry {
                Expiry::None => None,
                Expiry::Kept => hash.expiry(field).flatten(),
                Expiry::At(at_ms) => Some(at_ms),
            };
            hash.set(field, pairs.arg(2 * pair + 1), limits);
            if let Some(at_ms) = moment {
                hash.set_expiry(field, Some(at_ms));
                moments.push((at_ms, field));
            }
        }
        moments
    })?;
    // Servers before Redis 8 know only these.
    ctx.record_instead(|out| {
        out.extend([b"HSET", key]);
        out.extend(pairs);
    });
    for same in edited.result.chunk_by(|(first, _), (second, _)| first == second) {
        let fields = same.iter().map(|(_, field)| *field);
        ctx.record_instead(|out| write_expiry(out, key, same[0].0, same.len(), fields));
    }
    ctx.commit(key, Change::new(EventClass::HASH, "hset").times(count));
    if matches!(expiry, Expiry::At(_)) {
        ctx.notify(key, EventClass::HASH, "hexpire");
    }
    Ok(())
}

/// An expiry that is past removes the fields.
fn remove(ctx: &mut WriteCtx<'_>, key: &[u8], pairs: Args<'_>) -> CommandResult {
    let fields = || pairs.iter().step_by(2);
    if remove_fields(ctx, key, fields())? > 0 {
        ctx.record_instead(|out| {
            out.extend([b"HDEL", key]);
            out.extend(fields());
        });
    }
    Ok(())
}
