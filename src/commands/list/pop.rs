//! Taking elements out at the ends, and moving them from list to list.

use super::insert::push_event;
use super::{end, exists, report};
use crate::commands::framework::arguments::count;
use crate::commands::framework::multi_pop::{MultiPop, record_taken};
use crate::commands::framework::{CommandError, CommandResult, WriteCtx, element, require_memory};
use crate::resp::Args;
use crate::types::list::{End, ListValue};

pub fn lpop(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    pop(ctx, args, End::Left, "lpop")
}

pub fn rpop(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    pop(ctx, args, End::Right, "rpop")
}

fn pop_event(end: End) -> &'static str {
    match end {
        End::Left => "lpop",
        End::Right => "rpop",
    }
}

/// The command that takes elements out of one list at this end.
pub fn pop_command(end: End) -> &'static str {
    match end {
        End::Left => "LPOP",
        End::Right => "RPOP",
    }
}

fn pop(ctx: &mut WriteCtx<'_>, args: Args<'_>, end: End, command: &str) -> CommandResult {
    if args.len() > 2 {
        return pop_counted(ctx, args, end, command);
    }
    if !pop_into_reply(ctx, args.arg(1), end, 1)? {
        ctx.reply.null();
    }
    Ok(())
}

#[inline(never)]
fn pop_counted(ctx: &mut WriteCtx<'_>, args: Args<'_>, end: End, command: &str) -> CommandResult {
    if args.len() > 3 {
        return Err(CommandError::wrong_arity(command));
    }
    let (key, count) = (args.arg(1), count(args.arg(2), 0, CommandError::NotPositive)?);
    let Some(list) = ctx.view::<ListValue>(key)? else {
        ctx.reply.null_array();
        return Ok(());
    };
    let taken = count.min(list.len());
    ctx.reply.array(taken);
    if taken > 0 {
        pop_into_reply(ctx, key, end, taken)?;
    }
    Ok(())
}

/// Takes `count` elements out of the list at `key`, which has as many, and writes each as a bulk reply. Returns whether
/// there is a list.
pub fn pop_into_reply(ctx: &mut WriteCtx<'_>, key: &[u8], end: End, count: usize) -> Result<bool, CommandError> {
    let limits = ctx.limits;
    let (db, now_ms) = (ctx.db(), ctx.now_ms());
    let reply = &mut *ctx.reply;
    let edited = ctx.keyspace.edit::<ListValue, _>(db, key, now_ms, |list| {
        list.take(end, count, |element| element::bulk(reply, element));
        list.shrink(limits);
    })?;
    let Some(edited) = edited else { return Ok(false) };
    report(ctx, key, pop_event(end), count, edited.emptied);
    Ok(true)
}

pub fn lmpop(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let options = MultiPop::parse(args.tail(1), end)?;
    if !pop_many(ctx, &options)? {
        ctx.reply.null_array();
    }
    Ok(())
}

/// Takes elements out of the first of the keys that holds a list, and writes them with its name. Returns whether there
/// was one.
pub fn pop_many(ctx: &mut WriteCtx<'_>, options: &MultiPop<'_, End>) -> Result<bool, CommandError> {
    for key in options.keys {
        let Some(list) = ctx.view::<ListValue>(key)? else { continue };
        let taken = options.count.min(list.len());
        ctx.reply.array(2);
        ctx.reply.bulk(key);
        ctx.reply.array(taken);
        pop_into_reply(ctx, key, options.side, taken)?;
        record_taken(ctx, pop_command(options.side), key, taken);
        return Ok(true);
    }
    Ok(false)
}

pub fn lmove(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (from, to) = (end(args.arg(3))?, end(args.arg(4))?);
    move_element(ctx, (args.arg(1), from), (args.arg(2), to))
}

pub fn rpoplpush(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    move_element(ctx, (args.arg(1), End::Right), (args.arg(2), End::Left))
}

/// Moves one element from an end of a list to an end of another one, or of the same.
pub fn move_element(ctx: &mut WriteCtx<'_>, from: (&[u8], End), to: (&[u8], End)) -> CommandResult {
    let ((source, source_end), (target, target_end)) = (from, to);
    let Some(bytes) = ctx.view::<ListValue>(source)?.map(|list| list.bytes_of_long(source_end)) else {
        ctx.reply.null();
        return Ok(());
    };
    exists(ctx, target)?;
    // It is copied out of the one list and into the other.
    require_memory(2 * bytes)?;
    let limits = ctx.limits;
    let same = source == target;
    let popped = ctx.edit::<ListValue, _>(source, |list| {
        let element = list.pop(source_end)?;
        if same {
            list.push(target_end, &element);
        } else {
            list.shrink(limits);
        }
        Some(element)
    })?;
    let Some((element, emptied)) = popped.and_then(|popped| Some((popped.result?, popped.emptied))) else {
        ctx.reply.null();
        return Ok(());
    };
    if !same {
        ctx.edit_or_insert(target, ListValue::new_in, |list| {
            list.make_room(std::iter::once(element.as_slice()), limits);
            list.push(target_end, &element);
        })?;
    }
    report(ctx, target, push_event(target_end), 0, false);
    report(ctx, source, pop_event(source_end), 1, emptied);
    ctx.reply.bulk(element);
    Ok(())
}
