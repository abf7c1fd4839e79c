//! Taking out the members of lowest or highest score: ZPOPMIN, ZPOPMAX, ZMPOP.

use super::{Layout, report};
use crate::commands::framework::arguments::count;
use crate::commands::framework::multi_pop::{MultiPop, record_taken};
use crate::commands::framework::{CommandError, CommandResult, WriteCtx};
use crate::resp::{Args, Protocol};
use crate::types::DataType as _;
use crate::types::zset::ZsetValue;

/// Which members go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Min,
    Max,
}

impl Side {
    /// Reads MIN or MAX.
    pub fn from_word(word: &[u8]) -> Result<Self, CommandError> {
        if word.eq_ignore_ascii_case(b"MIN") {
            Ok(Self::Min)
        } else if word.eq_ignore_ascii_case(b"MAX") {
            Ok(Self::Max)
        } else {
            Err(CommandError::Syntax)
        }
    }

    /// The command that takes members out of one sorted set at this side.
    pub fn pop_command(self) -> &'static str {
        match self {
            Self::Min => "ZPOPMIN",
            Self::Max => "ZPOPMAX",
        }
    }
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
    let count = args.get(2).map(|arg| count(arg, 0, CommandError::NotPositive)).transpose()?;
    let nested = count.is_some() && ctx.reply.protocol() == Protocol::Resp3;
    let layout = if nested { Layout::Nested } else { Layout::Flat };
    let len = ctx.view::<ZsetValue>(key)?.map_or(0, |zset| zset.len());
    let taken = count.unwrap_or(1).min(len);
    layout.header(ctx.reply, taken);
    if taken == 0 { Ok(()) } else { pop_into_reply(ctx, key, side, taken, layout) }
}

/// Takes `count` members out of the sorted set at `key`, which has as many, and writes them with their scores.
pub fn pop_into_reply(ctx: &mut WriteCtx<'_>, key: &[u8], side: Side, count: usize, layout: Layout) -> CommandResult {
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
    let options = MultiPop::parse(args.tail(1), Side::from_word)?;
    if !pop_many(ctx, &options)? {
        ctx.reply.null_array();
    }
    Ok(())
}

/// Takes members out of the first of the keys that holds a sorted set, and writes them with its name. Returns whether
/// there was one.
pub fn pop_many(ctx: &mut WriteCtx<'_>, options: &MultiPop<'_, Side>) -> Result<bool, CommandError> {
    for key in options.keys {
        let Some(zset) = ctx.view::<ZsetValue>(key)? else { continue };
        let taken = options.count.min(zset.len());
        ctx.reply.array(2);
        ctx.reply.bulk(key);
        ctx.reply.array(taken);
        pop_into_reply(ctx, key, options.side, taken, Layout::Nested)?;
        record_taken(ctx, options.side.pop_command(), key, taken);
        return Ok(true);
    }
    Ok(false)
}
