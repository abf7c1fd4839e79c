//! Several sets at once: intersection, union and difference, answered or stored.

use crate::commands::framework::arguments::{count, unlimited_if_zero};
use crate::commands::framework::element::bulk;
use crate::commands::framework::{CommandError, CommandResult, ReadCtx, SIZE_SAMPLES, WriteCtx, require_memory};
use crate::keyspace::{Entry, EventClass, Keyspace, Touch, WrongType};
use crate::resp::{Args, Reply};
use crate::types::set::{Member, SetValue, SetView};
use crate::types::{DataType as _, Limits, View as _};

/// Where the sets of a command are looked up.
struct Sources<'a> {
    keyspace: &'a Keyspace,
    db: usize,
    now_ms: i64,
    touch: Touch,
}

impl<'a> Sources<'a> {
    fn of_read(ctx: &ReadCtx<'a>) -> Self {
        let touch = ctx.session.touch();
        Self { keyspace: ctx.keyspace, db: ctx.session.db, now_ms: ctx.now.unix_ms, touch }
    }

    fn of_write(ctx: &'a WriteCtx<'_>) -> Self {
        Self { keyspace: ctx.keyspace, db: ctx.session.db, now_ms: ctx.now.unix_ms, touch: Touch::Yes }
    }

    /// The sets of `keys`; a missing key is an empty set, given as `None`.
    fn sets(&self, keys: Args<'_>) -> Result<Vec<Option<SetView<'a>>>, WrongType> {
        let find = |key: &[u8]| {
            self.keyspace.find(self.db, key, self.now_ms, self.touch).map(Entry::view::<SetValue>).transpose()
        };
        keys.iter().map(find).collect()
    }
}

/// Refuses sets for a copy of which there is no memory.
fn require_memory_for<'a>(sets: impl Iterator<Item = &'a Option<SetView<'a>>>) -> CommandResult {
    require_memory(sets.flatten().map(|set| set.memory_usage(SIZE_SAMPLES)).sum())
}

/// Calls `visit` with each member that all sets have, until it wants no more.
fn intersect<'a>(sets: Vec<Option<SetView<'a>>>, mut visit: impl FnMut(Member<'a>) -> bool) {
    let Some(mut sets) = sets.into_iter().collect::<Option<Vec<_>>>() else { return };
    // The smallest set is walked, and the others are asked from the smallest on.
    sets.sort_by_key(|set| set.len());
    let Some((first, others)) = sets.split_first() else { return };
    for member in first.iter() {
        if others.iter().all(|set| set.contains_member(member)) && !visit(member) {
            return;
        }
    }
}

fn intersection(sets: Vec<Option<SetView<'_>>>, limits: &Limits) -> SetValue {
    let mut result = SetValue::new();
    intersect(sets, |member| {
        result.add_member(member, limits);
        true
    });
    result
}

fn union(sets: Vec<Option<SetView<'_>>>, limits: &Limits) -> SetValue {
    let mut result = SetValue::new();
    for member in sets.into_iter().flatten().flat_map(SetView::iter) {
        result.add_member(member, limits);
    }
    result
}

/// The members of the first set that no other one has.
fn difference(sets: Vec<Option<SetView<'_>>>, limits: &Limits) -> SetValue {
    let mut result = SetValue::new();
    let Some((Some(first), others)) = sets.split_first() else { return result };
    let others: Vec<_> = others.iter().flatten().collect();
    // Either each member of the first set is looked up in the others, or each member of the others is taken out of a
    // copy of the first; what costs less depends on the sizes. Lookups stop at the first hit, hence their half price.
    let by_lookup = first.len() * (others.len() + 1) / 2;
    let by_removal = first.len() + others.iter().map(|set| set.len()).sum::<usize>();
    if by_lookup <= by_removal {
        for member in first.iter() {
            if !others.iter().any(|set| set.contains_member(member)) {
                result.add_member(member, limits);
            }
        }
        return result;
    }
    for member in first.iter() {
        result.add_member(member, limits);
    }
    let mut room = crate::stdx::number::IntText::new();
    for member in others.into_iter().flat_map(|set| set.iter()) {
        if result.remove(member.text(&mut room)) && result.is_empty() {
            break;
        }
    }
    // What was added in passing may have forced an encoding that the rest does not need.
    let mut settled = SetValue::new();
    for member in result.view().iter() {
        settled.add_member(member, limits);
    }
    settled
}

pub fn sinter(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let sets = Sources::of_read(ctx).sets(args.tail(1))?;
    let header = ctx.reply.deferred();
    let mut members = 0;
    intersect(sets, |member| {
        bulk(ctx.reply, member);
        members += 1;
        true
    });
    ctx.reply.set_deferred_set_len(header, members);
    Ok(())
}

pub fn sintercard(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let numkeys = count(args.arg(1), 1, CommandError::text("ERR numkeys should be greater than 0"))?;
    let rest = args.tail(2);
    if numkeys > rest.len() {
        return Err(CommandError::text("ERR Number of keys can't be greater than number of args"));
    }
    let mut limit = usize::MAX;
    let mut options = rest.tail(numkeys).iter();
    while let Some(option) = options.next() {
        let value = options.next().filter(|_| option.eq_ignore_ascii_case(b"LIMIT")).ok_or(CommandError::Syntax)?;
        limit = unlimited_if_zero(count(value, 0, CommandError::text("ERR LIMIT can't be negative"))?);
    }
    let sets = Sources::of_read(ctx).sets(rest.head(numkeys))?;
    let mut members = 0;
    intersect(sets, |_| {
        members += 1;
        members != limit
    });
    ctx.reply.integer(members as i64);
    Ok(())
}

pub fn sunion(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let sets = Sources::of_read(ctx).sets(args.tail(1))?;
    require_memory_for(sets.iter())?;
    answer(ctx.reply, &union(sets, ctx.limits));
    Ok(())
}

pub fn sdiff(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let sets = Sources::of_read(ctx).sets(args.tail(1))?;
    require_memory_for(sets.iter().take(1))?;
    answer(ctx.reply, &difference(sets, ctx.limits));
    Ok(())
}

fn answer(reply: &mut Reply, set: &SetValue) {
    reply.set(set.len());
    set.view().iter().for_each(|member| bulk(reply, member));
}

pub fn sinterstore(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    ctx.expire_keys(args.tail(2));
    let sets = Sources::of_write(ctx).sets(args.tail(2))?;
    require_memory_for(sets.iter().min_by_key(|set| set.map_or(0, SetView::len)).into_iter())?;
    let result = intersection(sets, ctx.limits);
    store(ctx, args.arg(1), result, "sinterstore")
}

pub fn sunionstore(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    ctx.expire_keys(args.tail(2));
    let sets = Sources::of_write(ctx).sets(args.tail(2))?;
    require_memory_for(sets.iter())?;
    let result = union(sets, ctx.limits);
    store(ctx, args.arg(1), result, "sunionstore")
}

pub fn sdiffstore(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    ctx.expire_keys(args.tail(2));
    let sets = Sources::of_write(ctx).sets(args.tail(2))?;
    require_memory_for(sets.iter().take(1))?;
    let result = difference(sets, ctx.limits);
    store(ctx, args.arg(1), result, "sdiffstore")
}

/// Puts the result in the place of whatever the destination holds; an empty one deletes it.
fn store(ctx: &mut WriteCtx<'_>, destination: &[u8], result: SetValue, event: &'static str) -> CommandResult {
    let len = result.len();
    ctx.store(destination, (len > 0).then(|| result.into()), EventClass::SET, event, 1);
    ctx.reply.integer(len as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(members: &[&str]) -> SetValue {
        let mut set = SetValue::new();
        for member in members {
            set.add(member.as_bytes(), &Limits::default());
        }
        set
    }

    #[test]
    fn both_ways_to_a_difference_agree() {
        let limits = Limits::default();
        let numbers: Vec<String> = (0..40).map(|number| number.to_string()).collect();
        let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
        let first = set(&numbers);
        for others in [vec![set(&["1", "2"])], (0..20).map(|n| set(&numbers[n..n + 2])).collect()] {
            let mut views = vec![Some(first.view()), None];
            views.extend(others.iter().map(|set| Some(set.view())));
            let result = difference(views, &limits);
            for number in &numbers {
                let elsewhere = others.iter().any(|set| set.view().contains(number.as_bytes()));
                assert_eq!(result.view().contains(number.as_bytes()), !elsewhere, "{number}");
            }
        }
        assert_eq!(difference(vec![None, Some(first.view())], &limits).len(), 0);
        assert_eq!(difference(vec![Some(first.view()), Some(first.view())], &limits).len(), 0);
    }

    #[test]
    fn a_missing_set_empties_an_intersection() {
        let one = set(&["a", "b", "1"]);
        let two = set(&["1", "2", "b"]);
        let limits = Limits::default();
        assert_eq!(intersection(vec![Some(one.view()), Some(two.view())], &limits), set(&["b", "1"]));
        assert_eq!(intersection(vec![Some(one.view()), None], &limits).len(), 0);
        assert_eq!(union(vec![None, Some(one.view()), Some(two.view())], &limits), set(&["a", "b", "1", "2"]));
    }
}
