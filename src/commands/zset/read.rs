//! Single questions to a sorted set: ZCARD, ZSCORE, ZMSCORE, ZRANK, ZREVRANK, ZCOUNT, ZLEXCOUNT.

use super::bounds::{By, Interval};
use crate::commands::framework::{CommandError, CommandResult, ReadCtx};
use crate::resp::{Args, Reply};
use crate::types::zset::{ZsetValue, ZsetView};

pub fn zcard(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let len = ctx.view::<ZsetValue>(args.arg(1))?.map_or(0, ZsetView::len);
    ctx.reply.integer(len as i64);
    Ok(())
}

pub fn zscore(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let score = ctx.view::<ZsetValue>(args.arg(1))?.and_then(|zset| zset.score(args.arg(2)));
    score_or_null(ctx.reply, score);
    Ok(())
}

pub fn zmscore(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let (zset, members) = (ctx.view::<ZsetValue>(args.arg(1))?, args.tail(2));
    ctx.reply.array(members.len());
    for member in members {
        score_or_null(ctx.reply, zset.and_then(|zset| zset.score(member)));
    }
    Ok(())
}

fn score_or_null(reply: &mut Reply, score: Option<f64>) {
    match score {
        Some(score) => reply.double(score),
        None => reply.null(),
    }
}

pub fn zrank(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    rank(ctx, args, false)
}

pub fn zrevrank(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    rank(ctx, args, true)
}

fn rank(ctx: &mut ReadCtx<'_>, args: Args<'_>, reverse: bool) -> CommandResult {
    let with_score = match args.get(3) {
        None => false,
        Some(_) if args.len() > 4 => {
            return Err(CommandError::wrong_arity(if reverse { "zrevrank" } else { "zrank" }));
        }
        Some(word) if word.eq_ignore_ascii_case(b"WITHSCORE") => true,
        Some(_) => return Err(CommandError::Syntax),
    };
    let zset = ctx.view::<ZsetValue>(args.arg(1))?;
    let found = zset.and_then(|zset| {
        let (rank, score) = zset.rank(args.arg(2))?;
        Some((if reverse { zset.len() - 1 - rank } else { rank }, score))
    });
    match found {
        Some((rank, score)) => {
            if with_score {
                ctx.reply.array(2);
            }
            ctx.reply.integer(rank as i64);
            if with_score {
                ctx.reply.double(score);
            }
        }
        None if with_score => ctx.reply.null_array(),
        None => ctx.reply.null(),
    }
    Ok(())
}

pub fn zcount(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    count(ctx, args, By::Score)
}

pub fn zlexcount(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    count(ctx, args, By::Lex)
}

fn count(ctx: &mut ReadCtx<'_>, args: Args<'_>, by: By) -> CommandResult {
    let interval = Interval::parse(by, args.arg(2), args.arg(3))?;
    let count = ctx.view::<ZsetValue>(args.arg(1))?.map_or(0, |zset| interval.ranks(zset, false).len());
    ctx.reply.integer(count as i64);
    Ok(())
}
