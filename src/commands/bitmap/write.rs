//! Setting bits where they are: SETBIT, and what it shares with BITFIELD.

use std::cell::Cell;

use super::offset::bit_offset;
use crate::commands::framework::{CommandError, CommandResult, WriteCtx};
use crate::keyspace::{Change, EventClass};
use crate::resp::Args;
use crate::types::string::{INLINE_BYTES_MAX, StringValue};
use crate::types::{DataType as _, Room};

pub fn setbit(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let key = args.arg(1);
    let offset = bit_offset(args.arg(2), None, ctx.string_bytes_max())?;
    let bit = match args.arg(3) {
        b"0" => false,
        b"1" => true,
        _ => return Err(CommandError::text("ERR bit is not an integer or out of range")),
    };
    let (index, mask) = ((offset / 8) as usize, 0x80 >> (offset % 8));
    let (old, grown) = with_bytes(ctx, key, index + 1, |bytes| {
        let old = bytes[index] & mask != 0;
        if old != bit {
            bytes[index] ^= mask;
        }
        old
    })?;
    if grown || old != bit {
        ctx.commit(key, Change::new(EventClass::STRING, "setbit"));
    }
    ctx.reply.integer(i64::from(old));
    Ok(())
}

/// Changes the bytes of the string of `key`, which is made to have `len` of them at least. Returns besides whether it had
/// fewer. Where it is long enough, only the pages are touched that `change` writes to.
pub fn with_bytes<R>(
    ctx: &mut WriteCtx<'_>,
    key: &[u8],
    len: usize,
    change: impl FnOnce(&mut [u8]) -> R,
) -> Result<(R, bool), CommandError> {
    if let Some(bytes) = ctx.raw_string_mut(key).filter(|bytes| bytes.len() >= len) {
        return Ok((change(bytes), false));
    }
    let is_fresh = Cell::new(false);
    // What lives inside its key's block is laid out in lent memory, anything larger in its own.
    let fresh = |room: &mut Room| {
        is_fresh.set(true);
        StringValue::Raw(if len <= INLINE_BYTES_MAX { room.take_bytes() } else { Vec::new() })
    };
    let edited = ctx.edit_or_insert::<StringValue, _>(key, fresh, |value| {
        let grown = value.view().len() < len;
        value.make_raw_of(len).map(|bytes| (change(bytes), grown))
    })?;
    if edited.result.is_none() && is_fresh.get() {
        ctx.remove(key, false);
    }
    edited.result.ok_or(CommandError::NoMemory)
}
