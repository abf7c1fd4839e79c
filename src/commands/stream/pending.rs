//! What was delivered and not acknowledged: XACK, XPENDING.

use std::ops::RangeInclusive;

use super::{edit, ids, no_key_or_group};
use crate::commands::framework::arguments::integer;
use crate::commands::framework::{CommandError, CommandResult, ReadCtx, WriteCtx};
use crate::keyspace::Change;
use crate::resp::{Args, Reply};
use crate::types::stream::{Group, Pending, StreamId, StreamValue};

pub fn xack(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (key, group) = (args.arg(1), args.arg(2));
    // A group that is missing is answered before a bad identifier.
    if ctx.read_view::<StreamValue>(key)?.and_then(|stream| stream.group(group)).is_none() {
        ctx.reply.integer(0);
        return Ok(());
    }
    let ids: Vec<_> = args.tail(3).iter().map(ids::strict).collect::<Result<_, _>>()?;
    let acknowledged = edit(ctx, key, |stream| {
        let Some(group) = stream.group_mut(group) else { return 0 };
        ids.iter().filter(|id| group.acknowledge(**id)).count()
    })?;
    let acknowledged = acknowledged.unwrap_or(0);
    ctx.commit(key, Change::SILENT.times(acknowledged).unwatched());
    ctx.reply.integer(acknowledged as i64);
    Ok(())
}

/// The entries that the long form of XPENDING asks for.
struct Wanted<'a> {
    ids: RangeInclusive<StreamId>,
    count: usize,
    /// Not delivered for so many milliseconds.
    idle_ms_min: i64,
    consumer: Option<&'a [u8]>,
}

impl<'a> Wanted<'a> {
    fn parse(args: Args<'a>) -> Result<Self, CommandError> {
        if !(6..=9).contains(&args.len()) {
            return Err(CommandError::Syntax);
        }
        let mut rest = args.tail(3);
        let mut idle_ms_min = 0;
        if rest.arg(0).eq_ignore_ascii_case(b"IDLE") {
            idle_ms_min = integer(rest.arg(1))?;
            rest = rest.tail(2);
        }
        if rest.len() < 3 {
            return Err(CommandError::Syntax);
        }
        let count = usize::try_from(integer(rest.arg(2))?).unwrap_or(0);
        let ids = ids::range_start(rest.arg(0))?..=ids::range_end(rest.arg(1))?;
        Ok(Self { ids, count, idle_ms_min, consumer: rest.get(3) })
    }
}

pub fn xpending(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let wanted = (args.len() > 3).then(|| Wanted::parse(args)).transpose()?;
    let (key, name) = (args.arg(1), args.arg(2));
    let group = ctx
        .view::<StreamValue>(key)?
        .and_then(|stream| stream.group(name))
        .ok_or_else(|| no_key_or_group(key, name, ""))?;
    match wanted {
        None => write_summary(ctx.reply, group),
        Some(wanted) => write_pending(ctx.reply, group, &wanted, ctx.now.unix_ms),
    }
    Ok(())
}

fn write_summary(reply: &mut Reply, group: &Group) {
    reply.array(4);
    reply.integer(group.pending_len() as i64);
    let mut pending = group.pending(..).map(|(id, _)| *id);
    let Some(first) = pending.next() else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    ids::write(reply, first);
    ids::write(reply, pending.next_back().unwrap_or(first));
    let header = reply.deferred();
    let mut len = 0;
    for (_, consumer) in group.consumers().filter(|(_, consumer)| consumer.pending_len() > 0) {
        reply.array(2);
        reply.bulk(consumer.name());
        reply.bulk_i64(consumer.pending_len() as i64);
        len += 1;
    }
    reply.set_deferred_array_len(header, len);
}

fn write_pending(reply: &mut Reply, group: &Group, wanted: &Wanted<'_>, now_ms: i64) {
    // A map does not take a range that ends before it begins.
    if wanted.ids.is_empty() {
        reply.empty_array();
        return;
    }
    let header = reply.deferred();
    let mut len = 0;
    let mut write = |id: StreamId, pending: &Pending| {
        let idle_ms = now_ms.saturating_sub(pending.delivered_unix_ms);
        let is_idle = wanted.idle_ms_min == 0 || idle_ms >= wanted.idle_ms_min;
        if is_idle {
            reply.array(4);
            ids::write(reply, id);
            reply.bulk(group.consumer(pending.consumer).name());
            reply.integer(idle_ms.max(0));
            reply.integer(pending.deliveries.cast_signed());
            len += 1;
        }
        is_idle
    };
    match wanted.consumer {
        None => {
            let pending = group.pending(wanted.ids.clone());
            pending.filter(|(id, pending)| write(**id, pending)).take(wanted.count).for_each(drop);
        }
        Some(name) => {
            let consumer = group.consumer_id(name).map(|id| group.consumer(id));
            let ids = consumer.into_iter().flat_map(|consumer| consumer.pending_in(wanted.ids.clone()));
            let pending = ids.filter_map(|id| Some((id, group.pending_of(id)?)));
            pending.filter(|(id, pending)| write(*id, pending)).take(wanted.count).for_each(drop);
        }
    }
    reply.set_deferred_array_len(header, len);
}
