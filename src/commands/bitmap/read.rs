//! Looking at bits: GETBIT, BITCOUNT, BITPOS.

use super::offset::{BitRange, bit_offset};
use crate::commands::framework::arguments::integer;
use crate::commands::framework::{CommandError, CommandResult, ReadCtx};
use crate::resp::Args;
use crate::structures::bitmap::{count_ones_between, find_bit_between, read_field};
use crate::types::string::StringValue;

pub fn getbit(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let offset = bit_offset(args.arg(2), None, ctx.config.string_bytes_max())?;
    let string = ctx.view::<StringValue>(args.arg(1))?;
    let bit = string.map_or(0, |view| view.with_bytes(|bytes| read_field(bytes, offset, 1)));
    ctx.reply.integer(bit as i64);
    Ok(())
}

pub fn bitcount(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let range = match args.len() {
        2 => BitRange::WHOLE,
        4 | 5 => BitRange::parse(args, 2, false)?,
        _ => return Err(CommandError::Syntax),
    };
    let string = ctx.view::<StringValue>(args.arg(1))?.filter(|_| !range.is_reversed_from_back());
    let count = string.map_or(0, |view| {
        view.with_bytes(|bytes| {
            range.bits(bytes.len()).map_or(0, |(first, last)| count_ones_between(bytes, first, last))
        })
    });
    ctx.reply.integer(count as i64);
    Ok(())
}

pub fn bitpos(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let bit = match integer(args.arg(2))? {
        0 => false,
        1 => true,
        _ => return Err(CommandError::text("ERR The bit argument must be 1 or 0.")),
    };
    let range = match args.len() {
        3 => BitRange::WHOLE,
        4..=6 => BitRange::parse(args, 3, true)?,
        _ => return Err(CommandError::Syntax),
    };
    let place = match ctx.view::<StringValue>(args.arg(1))? {
        // A missing key is all zeros, without an end.
        None => (!bit).then_some(0),
        Some(view) => view.with_bytes(|bytes| first_bit(bytes, bit, range)),
    };
    ctx.reply.integer(place.map_or(-1, |place| place as i64));
    Ok(())
}

/// The first bit of this value in the range. Without an end the string is taken to go on with zeros.
fn first_bit(bytes: &[u8], bit: bool, range: BitRange) -> Option<u64> {
    let (first, last) = range.bits(bytes.len())?;
    let found = find_bit_between(bytes, bit, first, last);
    found.or_else(|| (!bit && !range.has_end()).then_some(last + 1))
}
