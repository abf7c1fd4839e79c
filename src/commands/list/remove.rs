//! Taking elements out anywhere: LTRIM, LREM.

use super::{exists, report};
use crate::commands::framework::arguments::{index_range, integer};
use crate::commands::framework::{CommandResult, WriteCtx};
use crate::resp::Args;
use crate::types::list::{Direction, ListValue};

pub fn ltrim(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let key = args.arg(1);
    let (start, stop) = (integer(args.arg(2))?, integer(args.arg(3))?);
    let limits = ctx.limits;
    let edited = ctx.edit::<ListValue, _>(key, |list| {
        let len = list.len();
        let kept = index_range(start, stop, len);
        list.remove_range(kept.end, len - kept.end);
        list.remove_range(0, kept.start);
        list.shrink(limits);
        len - kept.len()
    })?;
    if let Some(edited) = edited {
        report(ctx, key, "ltrim", edited.result, edited.emptied);
    }
    ctx.reply.ok();
    Ok(())
}

pub fn lrem(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (key, value) = (args.arg(1), args.arg(3));
    let count = integer(args.arg(2))?;
    if !exists(ctx, key)? {
        ctx.reply.integer(0);
        return Ok(());
    }
    let direction = if count < 0 { Direction::Backward } else { Direction::Forward };
    let most = match usize::try_from(count.unsigned_abs()) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(most) => most,
    };
    let limits = ctx.limits;
    let edited = ctx.edit::<ListValue, _>(key, |list| {
        let removed = list.remove_matching(value, most, direction);
        list.shrink(limits);
        removed
    })?;
    let (removed, emptied) = edited.map_or((0, false), |edited| (edited.result, edited.emptied));
    if removed > 0 {
        report(ctx, key, "lrem", removed, emptied);
    }
    ctx.reply.integer(removed as i64);
    Ok(())
}
