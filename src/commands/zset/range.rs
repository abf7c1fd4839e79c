//! Ranges: ZRANGE with its older forms, and ZRANGESTORE.

use super::bounds::{By, Interval};
use super::{Layout, store};
use crate::commands::framework::arguments::Limit;
use crate::commands::framework::{CommandError, CommandResult, ReadCtx, SIZE_SAMPLES, WriteCtx, require_memory};
use crate::resp::Args;
use crate::types::View as _;
use crate::types::zset::{ZsetValue, ZsetView};

/// What a command leaves open, to be said by its options.
#[derive(Clone, Copy, Debug)]
struct Form {
    /// `None` where BYSCORE and BYLEX may be given.
    by: Option<By>,
    /// `None` where REV may be given.
    reverse: Option<bool>,
    /// Whether WITHSCORES may be given.
    scores: bool,
}

/// A range with all its options.
struct Query<'a> {
    key: &'a [u8],
    interval: Interval<'a>,
    reverse: bool,
    limit: Option<Limit>,
    with_scores: bool,
}

pub fn zrange(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    read(ctx, args, Form { by: None, reverse: None, scores: true })
}

pub fn zrevrange(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    read(ctx, args, Form { by: Some(By::Rank), reverse: Some(true), scores: true })
}

pub fn zrangebyscore(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    read(ctx, args, Form { by: Some(By::Score), reverse: Some(false), scores: true })
}

pub fn zrevrangebyscore(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    read(ctx, args, Form { by: Some(By::Score), reverse: Some(true), scores: true })
}

pub fn zrangebylex(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    read(ctx, args, Form { by: Some(By::Lex), reverse: Some(false), scores: true })
}

pub fn zrevrangebylex(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    read(ctx, args, Form { by: Some(By::Lex), reverse: Some(true), scores: true })
}

fn read(ctx: &mut ReadCtx<'_>, args: Args<'_>, form: Form) -> CommandResult {
    let query = Query::parse(args.tail(1), form)?;
    let Some(zset) = ctx.view::<ZsetValue>(query.key)? else {
        ctx.reply.empty_array();
        return Ok(());
    };
    let ranks = query.ranks(zset);
    let layout = Layout::with_scores(query.with_scores, ctx.reply);
    layout.header(ctx.reply, ranks.len());
    zset.for_each(ranks, query.reverse, |member, score| layout.pair(ctx.reply, member, score));
    Ok(())
}

pub fn zrangestore(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let query = Query::parse(args.tail(2), Form { by: None, reverse: None, scores: false })?;
    let mut pairs = Vec::new();
    let mut taken = 0..0;
    if let Some(zset) = ctx.read_view::<ZsetValue>(query.key)? {
        let ranks = query.ranks(zset);
        taken = ranks.clone();
        require_memory(2 * zset.memory_usage(SIZE_SAMPLES) / zset.len().max(1) * ranks.len())?;
        pairs.reserve(ranks.len());
        zset.for_each(ranks, false, |member, score| pairs.push((member.to_vec(), score)));
    }
    let destination = args.arg(1);
    // Among members of several scores, which ones are found depends on how the set is laid out.
    if matches!(query.interval, Interval::Members(..)) {
        if taken.is_empty() {
            if ctx.remove_destination(destination) {
                ctx.record_instead(|out| out.extend([b"DEL", destination]));
            }
            ctx.reply.integer(0);
            return Ok(());
        }
        ctx.record_instead(|out| {
            out.extend([b"ZRANGESTORE", destination, query.key]);
            out.push(itoa::Buffer::new().format(taken.start));
            out.push(itoa::Buffer::new().format(taken.end - 1));
        });
    }
    store(ctx, destination, &pairs, "zrangestore");
    Ok(())
}

impl<'a> Query<'a> {
    /// Reads `key min max` and the options behind them.
    fn parse(args: Args<'a>, form: Form) -> Result<Self, CommandError> {
        let (mut by, mut reverse) = (form.by, form.reverse);
        let (mut with_scores, mut limit) = (false, None);
        let mut index = 3;
        while let Some(option) = args.get(index) {
            index += 1;
            if form.scores && option.eq_ignore_ascii_case(b"WITHSCORES") {
                with_scores = true;
            } else if option.eq_ignore_ascii_case(b"LIMIT")
                && let (Some(offset), Some(count)) = (args.get(index), args.get(index + 1))
            {
                limit = Some(Limit::parse(offset, count)?);
                index += 2;
            } else if form.reverse.is_none() && option.eq_ignore_ascii_case(b"REV") && reverse.is_none() {
                reverse = Some(true);
            } else if by.is_none() && option.eq_ignore_ascii_case(b"BYLEX") {
                by = Some(By::Lex);
            } else if by.is_none() && option.eq_ignore_ascii_case(b"BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        let (by, reverse) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false));
        if by == By::Rank && limit.is_some_and(|limit: Limit| limit.count != -1) {
            return Err(CommandError::text(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if by == By::Lex && with_scores {
            return Err(CommandError::text("ERR syntax error, WITHSCORES not supported in combination with BYLEX"));
        }
        // A reversed range of scores or members names its upper end first.
        let (min, max) = if reverse && by != By::Rank { (2, 1) } else { (1, 2) };
        let interval = Interval::parse(by, args.arg(min), args.arg(max))?;
        let limit = limit.filter(|_| by != By::Rank);
        Ok(Self { key: args.arg(0), interval, reverse, limit, with_scores })
    }

    fn ranks(&self, zset: ZsetView<'_>) -> std::ops::Range<usize> {
        match self.limit {
            Some(limit) => self.interval.limited_ranks(zset, self.reverse, limit),
            None => self.interval.ranks(zset, self.reverse),
        }
    }
}
