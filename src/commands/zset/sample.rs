//! Members by chance and by part: ZRANDMEMBER, ZSCAN.

use std::collections::HashSet;

use super::Layout;
use crate::commands::framework::arguments::cursor;
use crate::commands::framework::random_count::{PICKS_AT_ONCE, RandomCount, begin, goes_on};
use crate::commands::framework::scan::{self, OwnOption, Scan};
use crate::commands::framework::{CommandError, CommandResult, ReadCtx, element};
use crate::resp::{Args, Reply};
use crate::stdx::number::format_f64_17g;
use crate::types::zset::{Member, ZsetValue, ZsetView};

pub fn zrandmember(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let Some(count) = args.get(2) else {
        let zset = ctx.view::<ZsetValue>(args.arg(1))?;
        let reply = &mut *ctx.reply;
        let rank = |zset: ZsetView<'_>| fastrand::usize(..zset.len());
        if zset.and_then(|zset| zset.at(rank(zset), |member, _| element::bulk(reply, member))).is_none() {
            ctx.reply.null();
        }
        return Ok(());
    };
    let count = RandomCount::parse(count)?;
    let with_scores = match (args.len(), args.get(3)) {
        (3, _) => false,
        (4, Some(word)) if word.eq_ignore_ascii_case(b"WITHSCORES") => true,
        _ => return Err(CommandError::Syntax),
    };
    let (RandomCount::Distinct(number) | RandomCount::Repeating(number)) = count;
    // Each member comes with its score, so that twice the count has to be a number as well.
    if with_scores && number > i64::MAX as usize / 2 {
        return Err(CommandError::OutOfRange);
    }
    let Some(zset) = ctx.view::<ZsetValue>(args.arg(1))? else {
        ctx.reply.empty_array();
        return Ok(());
    };
    let layout = Layout::with_scores(with_scores, ctx.reply);
    match count {
        RandomCount::Distinct(count) => pick_distinct(ctx.reply, zset, count, layout),
        RandomCount::Repeating(count) => pick_any(ctx, zset, count, layout)?,
    }
    Ok(())
}

/// Writes `count` members, each picked from all.
fn pick_any(ctx: &mut ReadCtx<'_>, zset: ZsetView<'_>, count: usize, layout: Layout) -> CommandResult {
    if !begin(ctx, count)? {
        return Ok(());
    }
    let start = ctx.reply.len();
    layout.header(ctx.reply, count);
    // One walk of a listpack serves all picks.
    let mut packed = Vec::new();
    if let ZsetView::Listpack(_) = zset {
        zset.for_all(|member, score| packed.push((member.to_vec(), score)));
    }
    for pick in 0..count {
        if pick.is_multiple_of(PICKS_AT_ONCE) && !goes_on(ctx.reply, start)? {
            break;
        }
        let rank = fastrand::usize(..zset.len());
        match packed.get(rank) {
            Some((member, score)) => layout.pair(ctx.reply, Member::Bytes(member), *score),
            None => {
                zset.at(rank, |member, score| layout.pair(ctx.reply, member, score));
            }
        }
    }
    Ok(())
}

/// Writes `count` different members, or all if there are no more. Each selection is equally likely.
fn pick_distinct(reply: &mut Reply, zset: ZsetView<'_>, count: usize, layout: Layout) {
    let len = zset.len();
    let count = count.min(len);
    layout.header(reply, count);
    if count * 3 > len || matches!(zset, ZsetView::Listpack(_)) {
        let (mut seen, mut wanted) = (0, count);
        zset.for_all(|member, score| {
            // Each member is taken with the chance that makes all selections of this size equally likely.
            if wanted > 0 && fastrand::usize(..len - seen) < wanted {
                layout.pair(reply, member, score);
                wanted -= 1;
            }
            seen += 1;
        });
        return;
    }
    let mut ranks = HashSet::with_capacity(count);
    while ranks.len() < count {
        let rank = fastrand::usize(..len);
        if ranks.insert(rank) {
            zset.at(rank, |member, score| layout.pair(reply, member, score));
        }
    }
}

pub fn zscan(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let cursor = cursor(args.arg(2))?;
    let Some(zset) = ctx.view::<ZsetValue>(args.arg(1))? else {
        scan::reply_nothing(ctx.reply);
        return Ok(());
    };
    let options = Scan::parse(args.tail(3), OwnOption::None)?;
    options.run(cursor, ctx.reply, |cursor, found| {
        let mut visited = 0;
        let next = match zset {
            ZsetView::Listpack(listpack) => {
                for (member, score) in listpack.pairs() {
                    let member = member.to_vec();
                    if options.matches(&member) {
                        found.extend([member, score.to_vec()]);
                    }
                }
                0
            }
            ZsetView::Tree(tree) => tree.scan(cursor, |member, score| {
                visited += 1;
                if options.matches(member) {
                    found.push(member);
                    found.push(format_f64_17g(score));
                }
            }),
        };
        (next, visited)
    });
    Ok(())
}
