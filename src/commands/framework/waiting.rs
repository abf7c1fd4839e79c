//! What the commands that wait for a key have in common.

use std::ops::Range;
use std::time::Instant;

use super::arguments::deadline;
use super::context::WriteCtx;
use super::effect::{Answer, Effect, InVain, Wait};
use super::error::{CommandError, CommandResult};
use super::multi_pop::MultiPop;
use crate::keyspace::Awaited;
use crate::resp::Args;
use crate::types::Type;

/// Lets the client wait until one of the arguments `keys` names a key of type `wanted`. Returns whether it does: where a
/// command may not wait, it answers at once that there is nothing.
pub fn wait(
    ctx: &mut WriteCtx<'_>,
    args: Args<'_>,
    keys: Range<usize>,
    wanted: Type,
    deadline: Option<Instant>,
) -> bool {
    if ctx.may_wait {
        ctx.effects.push(Effect::Answer(Answer::Wait(Box::new(Wait {
            args: args.to_buf(),
            keys,
            awaited: Awaited::Type(wanted),
            deadline,
            in_vain: InVain::NullArray,
        }))));
    }
    ctx.may_wait
}

/// `command key [key ...] timeout`: takes from the first key that has something, or waits. `pop` writes the reply where
/// its key exists, and returns whether it does.
pub fn pop_or_wait(
    ctx: &mut WriteCtx<'_>,
    args: Args<'_>,
    wanted: Type,
    pop: impl Fn(&mut WriteCtx<'_>, &[u8]) -> Result<bool, CommandError>,
) -> CommandResult {
    let last = args.len() - 1;
    let deadline = deadline(args.arg(last), ctx.now)?;
    for key in args.head(last).tail(1) {
        if pop(ctx, key)? {
            return Ok(());
        }
    }
    if !wait(ctx, args, 1..last, wanted, deadline) {
        ctx.reply.null_array();
    }
    Ok(())
}

/// `command timeout numkeys key [key ...] <side> [COUNT count]`: takes from the first key that has something, or waits.
pub fn pop_many_or_wait<S>(
    ctx: &mut WriteCtx<'_>,
    args: Args<'_>,
    wanted: Type,
    side: fn(&[u8]) -> Result<S, CommandError>,
    pop_many: impl Fn(&mut WriteCtx<'_>, &MultiPop<'_, S>) -> Result<bool, CommandError>,
) -> CommandResult {
    const KEYS_FROM: usize = 3;
    let options = MultiPop::parse(args.tail(KEYS_FROM - 1), side)?;
    let deadline = deadline(args.arg(1), ctx.now)?;
    let keys = KEYS_FROM..KEYS_FROM + options.keys.len();
    if !pop_many(ctx, &options)? && !wait(ctx, args, keys, wanted, deadline) {
        ctx.reply.null_array();
    }
    Ok(())
}
