//! Several sorted sets, or sets, at once: union, intersection and difference, answered or stored.

use std::collections::HashMap;

use super::{Layout, store};
use crate::commands::framework::arguments::{count, float_or, integer, unlimited_if_zero};
use crate::commands::framework::{CommandError, CommandResult, ReadCtx, SIZE_SAMPLES, WriteCtx, require_memory};
use crate::keyspace::{Entry, Keyspace, Touch, WrongType};
use crate::resp::Args;
use crate::types::set::SetView;
use crate::types::zset::{Member, ZsetView};
use crate::types::{ValueRef, View as _};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// How the scores of a member that comes in several sets make one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

/// What may follow the keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Purpose {
    Answer,
    Store,
    Count,
}

/// `numkeys key [key ...]` and the options behind them.
struct Query<'a> {
    keys: Args<'a>,
    weights: Option<Vec<f64>>,
    aggregate: Aggregate,
    with_scores: bool,
    /// Where to stop counting.
    most: usize,
}

/// One input with its weight.
#[derive(Clone, Copy)]
struct Source<'a> {
    input: Input<'a>,
    weight: f64,
}

#[derive(Clone, Copy)]
enum Input<'a> {
    Missing,
    Zset(ZsetView<'a>),
    /// A set, each member of which has the score 1.
    Set(SetView<'a>),
}

type Pairs = Vec<(Vec<u8>, f64)>;

/// What a member of a plain set counts as among those of sorted sets.
const SET_MEMBER_SCORE: f64 = 1.0;

pub fn zunion(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    answer(ctx, args, Operation::Union, "zunion")
}

pub fn zinter(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    answer(ctx, args, Operation::Intersection, "zinter")
}

pub fn zdiff(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    answer(ctx, args, Operation::Difference, "zdiff")
}

fn answer(ctx: &mut ReadCtx<'_>, args: Args<'_>, operation: Operation, command: &str) -> CommandResult {
    let keys = keys(args.tail(1), command)?;
    let touch = ctx.session.touch();
    let inputs = inputs(ctx.keyspace, ctx.session.db, ctx.now.unix_ms, keys, touch)?;
    let query = Query::parse(keys, args.tail(2 + keys.len()), operation, Purpose::Answer)?;
    require_memory(operation.bytes_of_result(&inputs))?;
    let pairs = query.run(&inputs, operation);
    let layout = Layout::with_scores(query.with_scores, ctx.reply);
    layout.header(ctx.reply, pairs.len());
    for (member, score) in &pairs {
        layout.pair(ctx.reply, Member::Bytes(member), *score);
    }
    Ok(())
}

pub fn zunionstore(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    store_result(ctx, args, Operation::Union, "zunionstore")
}

pub fn zinterstore(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    store_result(ctx, args, Operation::Intersection, "zinterstore")
}

pub fn zdiffstore(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    store_result(ctx, args, Operation::Difference, "zdiffstore")
}

fn store_result(ctx: &mut WriteCtx<'_>, args: Args<'_>, operation: Operation, command: &'static str) -> CommandResult {
    let keys = keys(args.tail(2), command)?;
    ctx.expire_keys(keys);
    let inputs = inputs(ctx.keyspace, ctx.session.db, ctx.now.unix_ms, keys, Touch::Yes)?;
    let query = Query::parse(keys, args.tail(3 + keys.len()), operation, Purpose::Store)?;
    // The pairs, and what is made of them.
    require_memory(2 * operation.bytes_of_result(&inputs))?;
    let pairs = query.run(&inputs, operation);
    store(ctx, args.arg(1), &pairs, command);
    Ok(())
}

pub fn zintercard(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let keys = keys(args.tail(1), "zintercard")?;
    let touch = ctx.session.touch();
    let inputs = inputs(ctx.keyspace, ctx.session.db, ctx.now.unix_ms, keys, touch)?;
    let query = Query::parse(keys, args.tail(2 + keys.len()), Operation::Intersection, Purpose::Count)?;
    let mut count = 0;
    intersect(&query.sources(&inputs), query.aggregate, |_, _| {
        count += 1;
        count < query.most
    });
    ctx.reply.integer(count as i64);
    Ok(())
}

impl Operation {
    /// About how much memory the result takes at most, while the row of its pairs grows.
    fn bytes_of_result(self, inputs: &[Input<'_>]) -> usize {
        const BYTES_OF_PAIR: usize = 2 * size_of::<(Vec<u8>, f64)>();
        let bytes = |input: &Input<'_>| input.memory_usage() + input.len() * BYTES_OF_PAIR;
        match self {
            Self::Union => inputs.iter().map(bytes).sum(),
            Self::Intersection => inputs.iter().map(bytes).min().unwrap_or(0),
            Self::Difference => inputs.first().map_or(0, bytes),
        }
    }
}

/// Reads `numkeys key [key ...]`.
fn keys<'a>(args: Args<'a>, command: &str) -> Result<Args<'a>, CommandError> {
    let numkeys = integer(args.arg(0))?;
    if numkeys < 1 {
        return Err(CommandError::owned(format!("ERR at least 1 input key is needed for '{command}' command")));
    }
    match usize::try_from(numkeys) {
        Ok(numkeys) if numkeys < args.len() => Ok(args.tail(1).head(numkeys)),
        _ => Err(CommandError::Syntax),
    }
}

fn inputs<'k>(
    keyspace: &'k Keyspace,
    db: usize,
    now_ms: i64,
    keys: Args<'_>,
    touch: Touch,
) -> Result<Vec<Input<'k>>, WrongType> {
    keys.iter().map(|key| Input::of(keyspace.find(db, key, now_ms, touch))).collect()
}

impl<'a> Input<'a> {
    fn of(entry: Option<&'a Entry>) -> Result<Self, WrongType> {
        match entry.map(Entry::value) {
            None => Ok(Self::Missing),
            Some(ValueRef::Zset(view)) => Ok(Self::Zset(view)),
            Some(ValueRef::Set(view)) => Ok(Self::Set(view)),
            Some(_) => Err(WrongType),
        }
    }

    fn len(self) -> usize {
        match self {
            Self::Missing => 0,
            Self::Zset(view) => view.len(),
            Self::Set(view) => view.len(),
        }
    }

    fn memory_usage(self) -> usize {
        match self {
            Self::Missing => 0,
            Self::Zset(view) => view.memory_usage(SIZE_SAMPLES),
            Self::Set(view) => view.memory_usage(SIZE_SAMPLES),
        }
    }

    /// The score of a member.
    fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Missing => None,
            Self::Zset(view) => view.score(member),
            Self::Set(view) => view.contains(member).then_some(SET_MEMBER_SCORE),
        }
    }

    /// Calls `visit` with all members and their scores until it returns false.
    fn visit(self, mut visit: impl FnMut(Member<'_>, f64) -> bool) {
        let mut going_on = true;
        match self {
            Self::Missing => {}
            Self::Zset(view) => view.for_all(|member, score| going_on = going_on && visit(member, score)),
            Self::Set(view) => {
                let _went_through = view.iter().all(|member| visit(member, SET_MEMBER_SCORE));
            }
        }
    }
}

impl<'a> Query<'a> {
    fn parse(keys: Args<'a>, options: Args<'a>, operation: Operation, purpose: Purpose) -> Result<Self, CommandError> {
        let mut query = Self { keys, weights: None, aggregate: Aggregate::Sum, with_scores: false, most: usize::MAX };
        let weighted = operation != Operation::Difference && purpose != Purpose::Count;
        let mut rest = options;
        while let Some(option) = rest.get(0) {
            let taken = if weighted && rest.len() > keys.len() && option.eq_ignore_ascii_case(b"WEIGHTS") {
                let weights = rest.tail(1).head(keys.len());
                let weight = |arg| float_or(arg, CommandError::text("ERR weight value is not a float"));
                query.weights = Some(weights.iter().map(weight).collect::<Result<_, _>>()?);
                keys.len() + 1
            } else if weighted && rest.len() > 1 && option.eq_ignore_ascii_case(b"AGGREGATE") {
                query.aggregate = Aggregate::parse(rest.arg(1))?;
                2
            } else if purpose == Purpose::Answer && option.eq_ignore_ascii_case(b"WITHSCORES") {
                query.with_scores = true;
                1
            } else if purpose == Purpose::Count && rest.len() > 1 && option.eq_ignore_ascii_case(b"LIMIT") {
                let most = count(rest.arg(1), 0, CommandError::text("ERR LIMIT can't be negative"))?;
                query.most = unlimited_if_zero(most);
                2
            } else {
                return Err(CommandError::Syntax);
            };
            rest = rest.tail(taken);
        }
        Ok(query)
    }

    /// The inputs with their weights, the smallest first.
    fn sources<'k>(&self, inputs: &[Input<'k>]) -> Vec<Source<'k>> {
        let weight = |index: usize| self.weights.as_ref().map_or(1.0, |weights| weights[index]);
        let mut sources: Vec<_> =
            inputs.iter().enumerate().map(|(index, &input)| Source { input, weight: weight(index) }).collect();
        sources.sort_by_key(|source| source.input.len());
        sources
    }

    /// The resulting pairs in the order of a sorted set.
    fn run(&self, inputs: &[Input<'_>], operation: Operation) -> Pairs {
        debug_assert_eq!(inputs.len(), self.keys.len());
        let mut pairs = match operation {
            Operation::Union => unite(&self.sources(inputs), self.aggregate),
            Operation::Difference => subtract(inputs),
            Operation::Intersection => {
                let mut pairs = Vec::new();
                intersect(&self.sources(inputs), self.aggregate, |member, score| {
                    pairs.push((member.to_vec(), score));
                    true
                });
                pairs
            }
        };
        pairs.sort_unstable_by(|a, b| a.1.partial_cmp(&b.1).expect("scores are numbers").then_with(|| a.0.cmp(&b.0)));
        pairs
    }
}

impl Source<'_> {
    /// The first score of a result. An infinity weighted by zero, or zero weighted by an infinity, counts as zero.
    fn first_score(self, score: f64) -> f64 {
        number_or_zero(self.weight * score)
    }
}

impl Aggregate {
    fn parse(word: &[u8]) -> Result<Self, CommandError> {
        [(&b"SUM"[..], Self::Sum), (b"MIN", Self::Min), (b"MAX", Self::Max)]
            .into_iter()
            .find(|(name, _)| word.eq_ignore_ascii_case(name))
            .map(|(_, aggregate)| aggregate)
            .ok_or(CommandError::Syntax)
    }

    /// Takes one more score into a result. A sum that is no number, of infinities of both signs or of a product that was
    /// none, starts anew at zero; a minimum or maximum passes over such a product.
    fn apply(self, result: f64, score: f64) -> f64 {
        match self {
            Self::Sum => number_or_zero(result + score),
            Self::Min if score < result => score,
            Self::Max if score > result => score,
            Self::Min | Self::Max => result,
        }
    }
}

fn number_or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

fn unite(sources: &[Source<'_>], aggregate: Aggregate) -> Pairs {
    let mut scores: HashMap<Vec<u8>, f64> = HashMap::new();
    for source in sources {
        source.input.visit(|member, score| {
            let score = source.first_score(score);
            scores.entry(member.to_vec()).and_modify(|sum| *sum = aggregate.apply(*sum, score)).or_insert(score);
            true
        });
    }
    scores.into_iter().collect()
}

/// Calls `found` with each common member until it returns false. The smallest source comes first. Of the other ones, a
/// product of zero and infinity is not taken for zero: it makes the sum zero, as in Redis.
fn intersect(sources: &[Source<'_>], aggregate: Aggregate, mut found: impl FnMut(&[u8], f64) -> bool) {
    let Some((smallest, others)) = sources.split_first() else { return };
    let mut text = Vec::new();
    smallest.input.visit(|member, score| {
        text.clear();
        member.append_to(&mut text);
        let common = others.iter().try_fold(smallest.first_score(score), |result, other| {
            Some(aggregate.apply(result, other.weight * other.input.score(&text)?))
        });
        common.is_none_or(|score| found(&text, score))
    });
}

/// The members of the first input that no other one has.
fn subtract(inputs: &[Input<'_>]) -> Pairs {
    let Some((first, others)) = inputs.split_first() else { return Vec::new() };
    let mut pairs = Vec::new();
    first.visit(|member, score| {
        let member = member.to_vec();
        if others.iter().all(|other| other.score(&member).is_none()) {
            pairs.push((member, score));
        }
        true
    });
    pairs
}
