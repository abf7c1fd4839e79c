//! Putting elements in: the pushes, LINSERT, LSET.

use super::{exists, report};
use crate::commands::framework::arguments::integer;
use crate::commands::framework::{CommandError, CommandResult, WriteCtx};
use crate::resp::Args;
use crate::types::list::{End, ListValue};

pub fn lpush(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    push(ctx, args, End::Left)
}

pub fn rpush(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    push(ctx, args, End::Right)
}

pub fn lpushx(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    push_existing(ctx, args, End::Left)
}

pub fn rpushx(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    push_existing(ctx, args, End::Right)
}

/// The event that a push at this end publishes.
pub fn push_event(end: End) -> &'static str {
    match end {
        End::Left => "lpush",
        End::Right => "rpush",
    }
}

fn push_existing(ctx: &mut WriteCtx<'_>, args: Args<'_>, end: End) -> CommandResult {
    if exists(ctx, args.arg(1))? {
        return push(ctx, args, end);
    }
    ctx.reply.integer(0);
    Ok(())
}

fn push(ctx: &mut WriteCtx<'_>, args: Args<'_>, end: End) -> CommandResult {
    let (key, values) = (args.arg(1), args.tail(2));
    let limits = ctx.limits;
    let edited = ctx.edit_or_insert(key, ListValue::new_in, |list| {
        // Here, so that only what the list asks for is read.
        list.push_all(end, values.iter(), limits)
    })?;
    report(ctx, key, push_event(end), values.len(), false);
    ctx.reply.integer(edited.result as i64);
    Ok(())
}

pub fn linsert(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (key, place, pivot, value) = (args.arg(1), args.arg(2), args.arg(3), args.arg(4));
    let behind = if place.eq_ignore_ascii_case(b"AFTER") {
        true
    } else if place.eq_ignore_ascii_case(b"BEFORE") {
        false
    } else {
        return Err(CommandError::Syntax);
    };
    let limits = ctx.limits;
    let Some(list) = ctx.view::<ListValue>(key)? else {
        ctx.reply.integer(0);
        return Ok(());
    };
    let Some(index) = list.find(pivot) else {
        ctx.reply.integer(-1);
        return Ok(());
    };
    let edited = ctx.edit::<ListValue, _>(key, |list| {
        list.make_room(std::iter::once(value), limits);
        list.insert(index + usize::from(behind), value);
        list.len()
    })?;
    report(ctx, key, "linsert", 1, false);
    ctx.reply.integer(edited.map_or(0, |edited| edited.result) as i64);
    Ok(())
}

pub fn lset(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (key, value) = (args.arg(1), args.arg(3));
    let Some(list) = ctx.view::<ListValue>(key)? else { return Err(CommandError::NoSuchKey) };
    let index = list.index_of(integer(args.arg(2))?).ok_or(CommandError::IndexOutOfRange)?;
    let limits = ctx.limits;
    ctx.edit::<ListValue, _>(key, |list| {
        list.make_room(std::iter::once(value), limits);
        list.replace(index, value);
        list.shrink(limits);
    })?;
    report(ctx, key, "lset", 1, false);
    ctx.reply.ok();
    Ok(())
}
