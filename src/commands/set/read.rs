//! Reading one set: membership, size, random picks, SSCAN.

use crate::commands::framework::arguments::cursor;
use crate::commands::framework::element::bulk;
use crate::commands::framework::random_count::{PICKS_AT_ONCE, RandomCount, begin, goes_on};
use crate::commands::framework::scan::{self, OwnOption, Scan};
use crate::commands::framework::{CommandError, CommandResult, ReadCtx};
use crate::resp::Args;
use crate::stdx::number::IntText;
use crate::types::set::{SetValue, SetView};

pub fn sismember(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let is_member = ctx.view::<SetValue>(args.arg(1))?.is_some_and(|set| set.contains(args.arg(2)));
    ctx.reply.integer(i64::from(is_member));
    Ok(())
}

pub fn smismember(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let set = ctx.view::<SetValue>(args.arg(1))?;
    let members = args.tail(2);
    ctx.reply.array(members.len());
    for member in members {
        ctx.reply.integer(i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

pub fn scard(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let len = ctx.view::<SetValue>(args.arg(1))?.map_or(0, SetView::len);
    ctx.reply.integer(len as i64);
    Ok(())
}

pub fn smembers(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    match ctx.view::<SetValue>(args.arg(1))? {
        None => ctx.reply.empty_set(),
        Some(set) => {
            ctx.reply.set(set.len());
            set.iter().for_each(|member| bulk(ctx.reply, member));
        }
    }
    Ok(())
}

pub fn srandmember(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let mut rng = fastrand::Rng::new();
    if args.len() > 3 {
        return Err(CommandError::Syntax);
    }
    let Some(count) = args.get(2) else {
        match ctx.view::<SetValue>(args.arg(1))?.and_then(|set| set.random(&mut rng)) {
            None => ctx.reply.null(),
            Some(member) => bulk(ctx.reply, member),
        }
        return Ok(());
    };
    let count = RandomCount::parse(count)?;
    let set = match ctx.view::<SetValue>(args.arg(1))? {
        Some(set) if !count.is_zero() => set,
        _ => {
            ctx.reply.empty_array();
            return Ok(());
        }
    };
    match count {
        RandomCount::Distinct(count) if count >= set.len() => {
            ctx.reply.array(set.len());
            set.iter().for_each(|member| bulk(ctx.reply, member));
        }
        RandomCount::Distinct(count) => {
            let members = set.random_distinct(count, &mut rng);
            ctx.reply.array(members.len());
            members.into_iter().for_each(|member| bulk(ctx.reply, member));
        }
        RandomCount::Repeating(count) => {
            if !begin(ctx, count)? {
                return Ok(());
            }
            let start = ctx.reply.len();
            ctx.reply.array(count);
            let mut left = count;
            while left > 0 && goes_on(ctx.reply, start)? {
                let members = set.random_many(left.min(PICKS_AT_ONCE), &mut rng);
                members.iter().for_each(|member| bulk(ctx.reply, *member));
                left -= members.len();
            }
        }
    }
    Ok(())
}

pub fn sscan(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let cursor = cursor(args.arg(2))?;
    let Some(set) = ctx.view::<SetValue>(args.arg(1))? else {
        scan::reply_nothing(ctx.reply);
        return Ok(());
    };
    let options = Scan::parse(args.tail(3), OwnOption::None)?;
    let mut room = IntText::new();
    options.run(cursor, ctx.reply, |cursor, found| {
        let mut visited = 0;
        let next = set.scan(cursor, |member| {
            visited += 1;
            let member = member.text(&mut room);
            if options.matches(member) {
                found.push(member);
            }
        });
        (next, visited)
    });
    Ok(())
}
