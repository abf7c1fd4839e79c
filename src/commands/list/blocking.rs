//! Taking elements out of lists, or waiting for the first of them: BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH.

use super::pop::{move_element, pop_into_reply, pop_many};
use super::{end, exists};
use crate::commands::context::WriteCtx;
use crate::commands::error::CommandResult;
use crate::commands::multi_pop::MultiPop;
use crate::commands::waiting::{deadline, wait};
use crate::resp::Args;
use crate::types::Type;
use crate::types::list::End;

pub fn blpop(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    pop_or_wait(ctx, args, End::Left)
}

pub fn brpop(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    pop_or_wait(ctx, args, End::Right)
}

fn pop_or_wait(ctx: &mut WriteCtx<'_>, args: Args<'_>, end: End) -> CommandResult {
    let last = args.len() - 1;
    let deadline = deadline(args.arg(last), ctx.now)?;
    for key in args.head(last).tail(1) {
        if exists(ctx, key)? {
            ctx.reply.array(2);
            ctx.reply.bulk(key);
            pop_into_reply(ctx, key, end, 1)?;
            return Ok(());
        }
    }
    if !wait(ctx, args, 1..last, Type::List, deadline) {
        ctx.reply.null_array();
    }
    Ok(())
}

pub fn blmpop(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    const KEYS_FROM: usize = 3;
    let options = MultiPop::parse(args.tail(KEYS_FROM - 1), end)?;
    let deadline = deadline(args.arg(1), ctx.now)?;
    let keys = KEYS_FROM..KEYS_FROM + options.keys.len();
    if !pop_many(ctx, &options)? && !wait(ctx, args, keys, Type::List, deadline) {
        ctx.reply.null_array();
    }
    Ok(())
}

pub fn blmove(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let ends = (end(args.arg(3))?, end(args.arg(4))?);
    move_or_wait(ctx, args, ends)
}

pub fn brpoplpush(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    move_or_wait(ctx, args, (End::Right, End::Left))
}

fn move_or_wait(ctx: &mut WriteCtx<'_>, args: Args<'_>, ends: (End, End)) -> CommandResult {
    let (source, target) = (args.arg(1), args.arg(2));
    let deadline = deadline(args.arg(args.len() - 1), ctx.now)?;
    if exists(ctx, source)? {
        return move_element(ctx, (source, ends.0), (target, ends.1));
    }
    if !wait(ctx, args, 1..2, Type::List, deadline) {
        ctx.reply.null();
    }
    Ok(())
}
