//! Taking elements out of lists, or waiting for the first of them: BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH.

use super::pop::{move_element, pop_command, pop_into_reply, pop_many};
use super::{end, exists};
use crate::commands::framework::arguments::deadline;
use crate::commands::framework::waiting::{pop_many_or_wait, pop_or_wait, wait};
use crate::commands::framework::{CommandError, CommandResult, WriteCtx};
use crate::resp::Args;
use crate::types::Type;
use crate::types::list::End;

pub fn blpop(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    pop_or_wait(ctx, args, Type::List, |ctx, key| pop_with_key(ctx, key, End::Left))
}

pub fn brpop(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    pop_or_wait(ctx, args, Type::List, |ctx, key| pop_with_key(ctx, key, End::Right))
}

fn pop_with_key(ctx: &mut WriteCtx<'_>, key: &[u8], end: End) -> Result<bool, CommandError> {
    if !exists(ctx, key)? {
        return Ok(false);
    }
    ctx.reply.array(2);
    ctx.reply.bulk(key);
    let popped = pop_into_reply(ctx, key, end, 1)?;
    ctx.record_instead(|out| out.extend([pop_command(end).as_bytes(), key]));
    Ok(popped)
}

pub fn blmpop(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    pop_many_or_wait(ctx, args, Type::List, end, pop_many)
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
        move_element(ctx, (source, ends.0), (target, ends.1))?;
        ctx.record_instead(|out| {
            // Between the keys and the timeout BLMOVE names the ends, and BRPOPLPUSH nothing.
            let named = args.head(args.len() - 1).tail(1);
            out.push(if named.len() > 2 { "LMOVE" } else { "RPOPLPUSH" });
            out.extend(named);
        });
        return Ok(());
    }
    if !wait(ctx, args, 1..2, Type::List, deadline) {
        ctx.reply.null();
    }
    Ok(())
}
