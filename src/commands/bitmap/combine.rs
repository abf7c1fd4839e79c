//! BITOP: whole strings combined into one.

use crate::commands::framework::{CommandError, CommandResult, WriteCtx};
use crate::keyspace::EventClass;
use crate::resp::Args;
use crate::structures::bitmap::{Combination, combine, invert};
use crate::types::string::{StringValue, StringView};

pub fn bitop(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (operation, destination, keys) = (args.arg(1), args.arg(2), args.tail(3));
    let combination = match operation {
        _ if operation.eq_ignore_ascii_case(b"AND") => Some(Combination::And),
        _ if operation.eq_ignore_ascii_case(b"OR") => Some(Combination::Or),
        _ if operation.eq_ignore_ascii_case(b"XOR") => Some(Combination::Xor),
        _ if operation.eq_ignore_ascii_case(b"NOT") => None,
        _ => return Err(CommandError::Syntax),
    };
    if combination.is_none() && keys.len() != 1 {
        return Err(CommandError::text("ERR BITOP NOT must be called with a single source key."));
    }
    ctx.expire_keys(keys);
    let mut sources = Vec::with_capacity(keys.len());
    for key in keys.iter() {
        sources.push(ctx.read_one::<StringValue>(key)?.map(StringView::bytes).unwrap_or_default());
    }
    let bytes: Vec<&[u8]> = sources.iter().map(AsRef::as_ref).collect();
    let result = match combination {
        Some(combination) => combine(combination, &bytes),
        None => invert(bytes[0]),
    };
    let result = result.ok_or(CommandError::NoMemory)?;
    let len = result.len();
    let result = (len > 0).then(|| StringValue::Raw(result).into());
    ctx.store(destination, result, EventClass::STRING, "set", 1);
    ctx.reply.integer(len as i64);
    Ok(())
}
