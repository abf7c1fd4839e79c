//! Taking members out of sorted sets, or waiting for the first of them: BZPOPMIN, BZPOPMAX, BZMPOP.

use super::pop::{Side, pop_into_reply, pop_many};
use super::{Layout, find_mut};
use crate::commands::context::WriteCtx;
use crate::commands::error::CommandResult;
use crate::commands::multi_pop::MultiPop;
use crate::commands::waiting::{deadline, wait};
use crate::resp::Args;
use crate::types::Type;

pub fn bzpopmin(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    pop_or_wait(ctx, args, Side::Min)
}

pub fn bzpopmax(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    pop_or_wait(ctx, args, Side::Max)
}

fn pop_or_wait(ctx: &mut WriteCtx<'_>, args: Args<'_>, side: Side) -> CommandResult {
    let last = args.len() - 1;
    let deadline = deadline(args.arg(last), ctx.now)?;
    for key in args.head(last).tail(1) {
        if find_mut(ctx, key)?.is_some() {
            ctx.reply.array(3);
            ctx.reply.bulk(key);
            return pop_into_reply(ctx, key, side, 1, Layout::Flat);
        }
    }
    if !wait(ctx, args, 1..last, Type::Zset, deadline) {
        ctx.reply.null_array();
    }
    Ok(())
}

pub fn bzmpop(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    const KEYS_FROM: usize = 3;
    let options = MultiPop::parse(args.tail(KEYS_FROM - 1), Side::from_word)?;
    let deadline = deadline(args.arg(1), ctx.now)?;
    let keys = KEYS_FROM..KEYS_FROM + options.keys.len();
    if !pop_many(ctx, &options)? && !wait(ctx, args, keys, Type::Zset, deadline) {
        ctx.reply.null_array();
    }
    Ok(())
}
