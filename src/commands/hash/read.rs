//! Reading hashes: fields, sizes, listings, HSCAN.

use super::hash;
use crate::commands::framework::arguments::cursor;
use crate::commands::framework::element::bulk;
use crate::commands::framework::scan::{self, OwnOption, Scan};
use crate::commands::framework::{CommandResult, ReadCtx};
use crate::resp::Args;
use crate::stdx::number::IntText;
use crate::types::hash::HashView;

pub fn hget(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let now_ms = ctx.now.unix_ms;
    match hash(ctx, args.arg(1))?.and_then(|hash| hash.find(args.arg(2), now_ms)) {
        None => ctx.reply.null(),
        Some(value) => bulk(ctx.reply, value),
    }
    Ok(())
}

pub fn hmget(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let now_ms = ctx.now.unix_ms;
    let hash = hash(ctx, args.arg(1))?;
    let fields = args.tail(2);
    ctx.reply.array(fields.len());
    for field in fields {
        match hash.and_then(|hash| hash.find(field, now_ms)) {
            None => ctx.reply.null(),
            Some(value) => bulk(ctx.reply, value),
        }
        if ctx.reply.is_overfull() {
            break;
        }
    }
    Ok(())
}

pub fn hexists(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let now_ms = ctx.now.unix_ms;
    let exists = hash(ctx, args.arg(1))?.is_some_and(|hash| hash.find(args.arg(2), now_ms).is_some());
    ctx.reply.integer(i64::from(exists));
    Ok(())
}

pub fn hlen(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let len = hash(ctx, args.arg(1))?.map_or(0, HashView::len);
    ctx.reply.integer(len as i64);
    Ok(())
}

pub fn hstrlen(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let now_ms = ctx.now.unix_ms;
    let value = hash(ctx, args.arg(1))?.and_then(|hash| hash.find(args.arg(2), now_ms));
    ctx.reply.integer(value.map_or(0, |value| value.text_len()) as i64);
    Ok(())
}

pub fn hkeys(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    list(ctx, args, Parts::Fields)
}

pub fn hvals(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    list(ctx, args, Parts::Values)
}

pub fn hgetall(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    list(ctx, args, Parts::Both)
}

#[derive(Clone, Copy, PartialEq)]
enum Parts {
    Fields,
    Values,
    Both,
}

fn list(ctx: &mut ReadCtx<'_>, args: Args<'_>, parts: Parts) -> CommandResult {
    let now_ms = ctx.now.unix_ms;
    let Some(hash) = hash(ctx, args.arg(1))? else {
        if parts == Parts::Both {
            ctx.reply.empty_map();
        } else {
            ctx.reply.empty_array();
        }
        return Ok(());
    };
    // Only fields past their expiry make the number of fields that is answered differ from the length.
    let len = if hash.has_due(now_ms) { hash.iter(now_ms).count() } else { hash.len() };
    if parts == Parts::Both {
        ctx.reply.map(len);
    } else {
        ctx.reply.array(len);
    }
    for (field, value) in hash.iter(now_ms) {
        if parts != Parts::Values {
            bulk(ctx.reply, field);
        }
        if parts != Parts::Fields {
            bulk(ctx.reply, value);
        }
    }
    Ok(())
}

pub fn hscan(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let now_ms = ctx.now.unix_ms;
    let cursor = cursor(args.arg(2))?;
    let Some(hash) = hash(ctx, args.arg(1))? else {
        scan::reply_nothing(ctx.reply);
        return Ok(());
    };
    let options = Scan::parse(args.tail(3), OwnOption::NoValues)?;
    let (mut field_room, mut value_room) = (IntText::new(), IntText::new());
    options.run(cursor, ctx.reply, |cursor, found| {
        let mut visited = 0;
        let next = hash.scan(cursor, now_ms, |field, value| {
            visited += 1;
            let field = field.text(&mut field_room);
            if options.matches(field) {
                found.push(field);
                if !options.names_only {
                    found.push(value.text(&mut value_room));
                }
            }
        });
        (next, visited)
    });
    Ok(())
}
