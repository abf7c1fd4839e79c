//! Taking members out: ZREM and the ZREMRANGEBY commands.

use std::ops::Range;

use super::bounds::{By, Interval};
use super::report;
use crate::commands::framework::{CommandResult, WriteCtx};
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
    let ranks = ctx.view::<ZsetValue>(key)?.map_or(0..0, |zset| interval.ranks(zset, false));
    if ranks.is_empty() {
        ctx.reply.integer(0);
        return Ok(());
    }
    if event == "zremrangebylex" {
        // Among members of several scores, which ones are found depends on how the set is laid out.
        record_ranks(ctx, key, &ranks);
    }
    let edited = ctx.edit::<ZsetValue, _>(key, |zset| zset.remove_ranks(ranks))?;
    let (removed, emptied) = edited.map_or((0, false), |edited| (edited.result, edited.emptied));
    report(ctx, key, event, removed, emptied);
    ctx.reply.integer(removed as i64);
    Ok(())
}

fn record_ranks(ctx: &mut WriteCtx<'_>, key: &[u8], ranks: &Range<usize>) {
    ctx.record_instead(|out| {
        out.extend([b"ZREMRANGEBYRANK", key]);
        out.push(itoa::Buffer::new().format(ranks.start));
        out.push(itoa::Buffer::new().format(ranks.end - 1));
    });
}
