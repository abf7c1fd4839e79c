//! Taking members out: ZREM and the ZREMRANGEBY commands.

use super::bounds::{By, Interval};
use super::{find_mut, report};
use crate::commands::context::WriteCtx;
use crate::commands::error::CommandResult;
use crate::resp::Args;
use crate::types::zset::ZsetValue;

pub fn zrem(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let key = args.arg(1);
    let edited = ctx
        .edit::<ZsetValue, _>(key, |zset| args.tail(2).iter().filter(|member| zset.remove(member).is_some()).count())?;
    let (removed, emptied) = edited.map_or((0, false), |edited| (edited.result, edited.emptied));
    if removed > 0 {
        report(ctx, key, "zrem", removed, emptied);
    }
    ctx.reply.integer(removed as i64);
    Ok(())
}

pub fn zremrangebyrank(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    remove_interval(ctx, args, By::Rank, "zremrangebyrank")
}

pub fn zremrangebyscore(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    remove_interval(ctx, args, By::Score, "zremrangebyscore")
}

pub fn zremrangebylex(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    remove_interval(ctx, args, By::Lex, "zremrangebylex")
}

fn remove_interval(ctx: &mut WriteCtx<'_>, args: Args<'_>, by: By, event: &'static str) -> CommandResult {
    let key = args.arg(1);
    let interval = Interval::parse(by, args.arg(2), args.arg(3))?;
    let ranks = find_mut(ctx, key)?.map_or(0..0, |zset| interval.ranks(zset, false));
    if ranks.is_empty() {
        ctx.reply.integer(0);
        return Ok(());
    }
    let edited = ctx.edit::<ZsetValue, _>(key, |zset| zset.remove_ranks(ranks))?;
    let (removed, emptied) = edited.map_or((0, false), |edited| (edited.result, edited.emptied));
    report(ctx, key, event, removed, emptied);
    ctx.reply.integer(removed as i64);
    Ok(())
}
