//! HRANDFIELD.

use super::hash;
use crate::commands::framework::element::bulk;
use crate::commands::framework::random_count::{PICKS_AT_ONCE, RandomCount, begin, goes_on};
use crate::commands::framework::{CommandError, CommandResult, ReadCtx};
use crate::resp::{Args, Protocol, Reply};
use crate::types::hash::Text;

pub fn hrandfield(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let now_ms = ctx.now.unix_ms;
    let mut rng = fastrand::Rng::new();
    let Some(count) = args.get(2) else {
        match hash(ctx, args.arg(1))?.and_then(|hash| hash.random(now_ms, &mut rng)) {
            None => ctx.reply.null(),
            Some((field, _)) => bulk(ctx.reply, field),
        }
        return Ok(());
    };
    let (count, with_values) = parse(count, args.tail(3))?;
    let hash = match hash(ctx, args.arg(1))? {
        Some(hash) if !count.is_zero() => hash,
        _ => {
            ctx.reply.empty_array();
            return Ok(());
        }
    };
    match count {
        RandomCount::Distinct(count) if count >= hash.len() => {
            let pairs: Vec<_> = hash.iter(now_ms).collect();
            header(ctx.reply, pairs.len(), with_values);
            answer(ctx.reply, &pairs, with_values);
        }
        RandomCount::Distinct(count) => {
            let pairs = hash.random_distinct(count, now_ms, &mut rng);
            header(ctx.reply, pairs.len(), with_values);
            answer(ctx.reply, &pairs, with_values);
        }
        RandomCount::Repeating(_) if hash.random(now_ms, &mut rng).is_none() => ctx.reply.empty_array(),
        RandomCount::Repeating(count) => {
            if !begin(ctx, count)? {
                return Ok(());
            }
            let start = ctx.reply.len();
            header(ctx.reply, count, with_values);
            let mut left = count;
            while left > 0 && goes_on(ctx.reply, start)? {
                // Picks may take a walk over the whole hash, however many they are.
                let pairs = hash.random_many(left.min(PICKS_AT_ONCE.max(hash.len())), now_ms, &mut rng);
                for pairs in pairs.chunks(PICKS_AT_ONCE) {
                    if !goes_on(ctx.reply, start)? {
                        return Ok(());
                    }
                    answer(ctx.reply, pairs, with_values);
                }
                left -= pairs.len();
            }
        }
    }
    Ok(())
}

fn parse(count: &[u8], options: Args<'_>) -> Result<(RandomCount, bool), CommandError> {
    let count = RandomCount::parse(count)?;
    let with_values = match options.get(0) {
        None => false,
        Some(option) if options.len() == 1 && option.eq_ignore_ascii_case(b"WITHVALUES") => true,
        Some(_) => return Err(CommandError::Syntax),
    };
    let (RandomCount::Distinct(number) | RandomCount::Repeating(number)) = count;
    // Each field comes with its value, so that twice the count has to be a number as well.
    if with_values && number > i64::MAX as usize / 2 {
        return Err(CommandError::OutOfRange);
    }
    Ok((count, with_values))
}

fn header(reply: &mut Reply, pairs: usize, with_values: bool) {
    let flat = with_values && reply.protocol() == Protocol::Resp2;
    reply.array(if flat { pairs * 2 } else { pairs });
}

fn answer(reply: &mut Reply, pairs: &[(Text<'_>, Text<'_>)], with_values: bool) {
    let nested = with_values && reply.protocol() == Protocol::Resp3;
    for &(field, value) in pairs {
        if nested {
            reply.array(2);
        }
        bulk(reply, field);
        if with_values {
            bulk(reply, value);
        }
    }
}
