//! Adding members and changing scores: ZADD, ZINCRBY.

use smallvec::SmallVec;

use super::report;
use crate::commands::framework::arguments::{Condition, float};
use crate::commands::framework::{CommandError, CommandResult, WriteCtx};
use crate::resp::Args;
use crate::types::Room;
use crate::types::zset::ZsetValue;

const NOT_A_NUMBER: CommandError = CommandError::text("ERR resulting score is not a number (NaN)");

/// The options of ZADD.
#[derive(Clone, Copy, Default, Debug)]
pub struct Options {
    pub condition: Condition,
    pub count_changed: bool,
    increment: bool,
}

/// What became of the members of one ZADD.
#[derive(Default, Debug)]
struct Outcome {
    added: usize,
    updated: usize,
    /// The last member's score, unless an option forbade to set it.
    score: Option<f64>,
    /// An increment led to no number.
    not_a_number: bool,
}

pub fn zadd(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (options, pairs) = Options::parse(args.tail(2))?;
    add(ctx, args.arg(1), options, pairs)
}

pub fn zincrby(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    // An option of ZADD is one here too, which leaves no pair.
    let (options, pairs) = Options::parse(args.tail(2))?;
    add(ctx, args.arg(1), Options { increment: true, ..options }, pairs)
}

impl Options {
    /// The options, and the scores and members behind them.
    fn parse(args: Args<'_>) -> Result<(Self, Args<'_>), CommandError> {
        let mut options = Self::default();
        let mut count = 0;
        for arg in args {
            if !options.read(arg) {
                break;
            }
            count += 1;
        }
        let pairs = args.tail(count);
        if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
            return Err(CommandError::Syntax);
        }
        let Condition { only_new, only_existing, only_greater, only_less } = options.condition;
        if only_new && only_existing {
            return Err(CommandError::text("ERR XX and NX options at the same time are not compatible"));
        }
        if [only_new, only_greater, only_less].into_iter().filter(|&given| given).count() > 1 {
            return Err(CommandError::text("ERR GT, LT, and/or NX options at the same time are not compatible"));
        }
        if options.increment && pairs.len() > 2 {
            return Err(CommandError::text("ERR INCR option supports a single increment-element pair"));
        }
        Ok((options, pairs))
    }

    /// Notes an option. Returns whether the argument was one.
    fn read(&mut self, arg: &[u8]) -> bool {
        // Nearly always a score is here, which begins with no letter.
        if !arg.first().is_some_and(u8::is_ascii_alphabetic) {
            return false;
        }
        let flag = match arg {
            _ if arg.eq_ignore_ascii_case(b"CH") => &mut self.count_changed,
            _ if arg.eq_ignore_ascii_case(b"INCR") => &mut self.increment,
            _ => return self.condition.read(arg),
        };
        *flag = true;
        true
    }

    /// The score that a member is to have, if it is to be set.
    fn decide(self, old: Option<f64>, given: f64, outcome: &mut Outcome) -> Option<f64> {
        let Some(old) = old else {
            let score = (!self.condition.only_existing).then_some(given);
            outcome.added += usize::from(score.is_some());
            outcome.score = score;
            return score;
        };
        if self.condition.only_new {
            outcome.score = None;
            return None;
        }
        let score = if self.increment { old + given } else { given };
        if score.is_nan() {
            outcome.not_a_number = true;
            return None;
        }
        if (self.condition.only_less && score >= old) || (self.condition.only_greater && score <= old) {
            outcome.score = None;
            return None;
        }
        outcome.updated += usize::from(score != old);
        outcome.score = Some(score);
        Some(score)
    }
}

/// Adds scores and members by turns. All scores are read before the first member is added.
fn add(ctx: &mut WriteCtx<'_>, key: &[u8], options: Options, pairs: Args<'_>) -> CommandResult {
    let mut scored: SmallVec<[(f64, &[u8]); 4]> = SmallVec::with_capacity(pairs.len() / 2);
    let mut words = pairs.iter();
    while let (Some(score), Some(member)) = (words.next(), words.next()) {
        scored.push((float(score)?, member));
    }
    add_scored(ctx, key, options, &scored)
}

/// Adds members with their scores to the sorted set at `key`, and answers as ZADD does.
pub fn add_scored(ctx: &mut WriteCtx<'_>, key: &[u8], options: Options, scored: &[(f64, &[u8])]) -> CommandResult {
    let limits = ctx.limits;
    let mut outcome = Outcome::default();
    let change = |zset: &mut ZsetValue, outcome: &mut Outcome| {
        zset.expect_members(scored.len(), limits);
        for &(score, member) in scored {
            zset.upsert(member, limits, |old| options.decide(old, score, outcome));
        }
    };
    if options.condition.only_existing {
        ctx.edit(key, |zset| change(zset, &mut outcome))?;
    } else {
        let fresh = |room: &mut Room| {
            let longest = scored.iter().map(|(_, member)| member.len()).max();
            ZsetValue::for_members(scored.len(), longest.unwrap_or(0), limits, room)
        };
        ctx.edit_or_insert(key, fresh, |zset| change(zset, &mut outcome))?;
    }
    if outcome.not_a_number {
        return Err(NOT_A_NUMBER);
    }
    let changes = outcome.added + outcome.updated;
    if changes > 0 {
        report(ctx, key, if options.increment { "zincr" } else { "zadd" }, changes, false);
    }
    match (options.increment, outcome.score) {
        (true, Some(score)) => ctx.reply.double(score),
        (true, None) => ctx.reply.null(),
        (false, _) => ctx.reply.integer(if options.count_changed { changes } else { outcome.added } as i64),
    }
    Ok(())
}
