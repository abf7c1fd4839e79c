//! Taking out the members of lowest or highest score: ZPOPMIN, ZPOPMAX, ZMPOP.

use super::{Layout, find_mut, report};
use crate::commands::context::{WriteCtx, integer_from};
use crate::commands::error::{CommandError, CommandResult};
use crate::resp::{Args, Protocol};
use crate::types::DataType as _;
use crate::types::zset::ZsetValue;

/// Which members go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Min,
    Max,
}

pub fn zpopmin(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    pop(ctx, args, Side::Min)
}

pub fn zpopmax(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    pop(ctx, args, Side::Max)
}

fn pop(ctx: &mut WriteCtx<'_>, args: Args<'_>, side: Side) -> CommandResult {
    if args.len() > 3 {
        return Err(CommandError::Syntax);
    }
    let key = args.arg(1);
    let count = args.get(2).map(|arg| integer_from(arg, 0, CommandError::NotPositive)).transpose()?;
    let nested = count.is_some() && ctx.reply.protocol() == Protocol::Resp3;
    let layout = if nested { Layout::Nested } else { Layout::Flat };
    let len = find_mut(ctx, key)?.map_or(0, |zset| zset.len());
    let taken = count.map_or(1, |count| usize::try_from(count).unwrap_or(usize::MAX)).min(len);
    layout.header(ctx.reply, taken);
    if taken == 0 { Ok(()) } else { pop_into_reply(ctx, key, side, taken, layout) }
}

/// Takes `count` members out of the sorted set at `key`, which has as many, and writes them with their scores.
fn pop_into_reply(ctx: &mut WriteCtx<'_>, key: &[u8], side: Side, count: usize, layout: Layout) -> CommandResult {
    let (db, now_ms) = (ctx.db(), ctx.now_ms());
    let reply = &mut *ctx.reply;
    let edited = ctx.keyspace.edit::<ZsetValue, _>(db, key, now_ms, |zset| {
        let len = zset.len();
        let ranks = match side {
            Side::Min => 0..count,
            Side::Max => len - count..len,
        };
        zset.view().for_each(ranks.clone(), side == Side::Max, |member, score| layout.pair(reply, member, score));
        zset.remove_ranks(ranks);
    })?;
    let event = match side {
        Side::Min => "zpopmin",
        Side::Max => "zpopmax",
    };
    report(ctx, key, event, count, edited.is_some_and(|edited| edited.emptied));
    Ok(())
}

pub fn zmpop(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let options = MultiPop::parse(args.tail(1))?;
    for key in options.keys {
        let Some(zset) = find_mut(ctx, key)? else { continue };
        let taken = options.count.min(zset.len());
        ctx.reply.array(2);
        ctx.reply.bulk(key);
        ctx.reply.array(taken);
        return pop_into_reply(ctx, key, options.side, taken, Layout::Nested);
    }
    ctx.reply.null_array();
    Ok(())
}

/// What follows the name of ZMPOP: `numkeys key [key ...] MIN | MAX [COUNT count]`.
struct MultiPop<'a> {
    keys: Args<'a>,
    side: Side,
    count: usize,
}

impl<'a> MultiPop<'a> {
    fn parse(args: Args<'a>) -> Result<Self, CommandError> {
        let numkeys = CommandError::text("ERR numkeys should be greater than 0");
        let numkeys = integer_from(args.arg(0), 1, numkeys)?;
        let numkeys = usize::try_from(numkeys).unwrap_or(usize::MAX);
        let side = match args.get(numkeys.saturating_add(1)) {
            Some(word) if word.eq_ignore_ascii_case(b"MIN") => Side::Min,
            Some(word) if word.eq_ignore_ascii_case(b"MAX") => Side::Max,
            _ => return Err(CommandError::Syntax),
        };
        let (keys, rest) = (args.tail(1).head(numkeys), args.tail(numkeys + 2));
        let count = match (rest.len(), rest.get(0), rest.get(1)) {
            (0, ..) => 1,
            (2, Some(word), Some(count)) if word.eq_ignore_ascii_case(b"COUNT") => {
                integer_from(count, 1, CommandError::text("ERR count should be greater than 0"))?
            }
            _ => return Err(CommandError::Syntax),
        };
        Ok(Self { keys, side, count: usize::try_from(count).unwrap_or(usize::MAX) })
    }
}
