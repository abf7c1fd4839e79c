//! Changing sets: SADD, SREM, SMOVE, SPOP.

use crate::commands::framework::arguments::count;
use crate::commands::framework::element::bulk;
use crate::commands::framework::{CommandError, CommandResult, SIZE_SAMPLES, WriteCtx, require_memory};
use crate::keyspace::{Change, EventClass};
use crate::resp::Args;
use crate::types::View as _;
use crate::types::set::{Member, SetValue};

pub fn sadd(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (key, members) = (args.arg(1), args.tail(2));
    let limits = ctx.limits;
    let edited = ctx.edit_or_insert(
        key,
        |room| SetValue::for_members(members.arg(0), members.len(), limits, room),
        |set: &mut SetValue| {
            set.expect_members(members.len(), limits);
            members.iter().filter(|member| set.add(member, limits)).count()
        },
    )?;
    if edited.result > 0 {
        ctx.commit(key, Change::new(EventClass::SET, "sadd").times(edited.result));
    }
    ctx.reply.integer(edited.result as i64);
    Ok(())
}

pub fn srem(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (key, members) = (args.arg(1), args.tail(2));
    let edited = ctx.edit(key, |set: &mut SetValue| members.iter().filter(|member| set.remove(member)).count())?;
    let mut removed = 0;
    if let Some(edited) = edited {
        removed = edited.result;
        if removed > 0 {
            ctx.commit(key, Change::new(EventClass::SET, "srem").times(removed));
        }
        if edited.emptied {
            ctx.notify(key, EventClass::GENERIC, "del");
        }
    }
    ctx.reply.integer(removed as i64);
    Ok(())
}

pub fn smove(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (source, destination, member) = (args.arg(1), args.arg(2), args.arg(3));
    let Some(is_member) = ctx.find(source).map(|entry| entry.view::<SetValue>().map(|set| set.contains(member))) else {
        ctx.reply.integer(0);
        return Ok(());
    };
    let is_member = is_member?;
    if let Some(entry) = ctx.find(destination) {
        entry.view::<SetValue>()?;
    }
    if !is_member || source == destination {
        ctx.reply.integer(i64::from(is_member));
        return Ok(());
    }
    let removed = ctx.edit(source, |set: &mut SetValue| set.remove(member))?;
    ctx.commit(source, Change::new(EventClass::SET, "srem"));
    if removed.is_some_and(|edited| edited.emptied) {
        ctx.notify(source, EventClass::GENERIC, "del");
    }
    let limits = ctx.limits;
    let added = ctx.edit_or_insert(
        destination,
        |room| SetValue::for_members(member, 1, limits, room),
        |set: &mut SetValue| set.add(member, limits),
    )?;
    if added.result {
        ctx.commit(destination, Change::new(EventClass::SET, "sadd"));
    }
    ctx.reply.integer(1);
    Ok(())
}

pub fn spop(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    if args.len() > 3 {
        return Err(CommandError::Syntax);
    }
    let key = args.arg(1);
    let mut rng = fastrand::Rng::new();
    let Some(wanted) = args.get(2) else {
        let (db, now_ms) = (ctx.db(), ctx.now_ms());
        let (reply, wanted) = (&mut *ctx.reply, ctx.keyspace.journal.is_wanted());
        let take = |set: &mut SetValue| {
            let mut taken = None;
            set.take_one(&mut rng, |member| {
                bulk(reply, member);
                taken = wanted.then(|| member.to_vec());
            });
            taken
        };
        match ctx.keyspace.edit(db, key, now_ms, take)? {
            Some(edited) => {
                record_popped(ctx, key, edited.result.as_slice());
                report_popped(ctx, key, 1, edited.emptied);
            }
            None => ctx.reply.null(),
        }
        return Ok(());
    };
    let count = count(wanted, 0, CommandError::NotPositive)?;
    let Some(set) = ctx.view::<SetValue>(key)?.filter(|_| count > 0) else {
        ctx.reply.empty_set();
        return Ok(());
    };
    require_memory(set.memory_usage(SIZE_SAMPLES) / set.len() * count.min(set.len()))?;
    if let Some(edited) = ctx.edit(key, |set: &mut SetValue| set.take_random(count, &mut rng))? {
        ctx.reply.set(edited.result.len());
        edited.result.iter().for_each(|member| bulk(ctx.reply, Member::Bytes(member)));
        record_popped(ctx, key, &edited.result);
        report_popped(ctx, key, edited.result.len(), edited.emptied);
    }
    Ok(())
}

/// Has the members recorded that chance has taken.
fn record_popped(ctx: &mut WriteCtx<'_>, key: &[u8], members: &[impl AsRef<[u8]>]) {
    ctx.record_instead(|out| {
        out.extend([b"SREM", key]);
        out.extend(members);
    });
}

fn report_popped(ctx: &mut WriteCtx<'_>, key: &[u8], count: usize, emptied: bool) {
    ctx.commit(key, Change::new(EventClass::SET, "spop").times(count));
    if emptied {
        ctx.notify(key, EventClass::GENERIC, "del");
    }
}
