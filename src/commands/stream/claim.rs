//! Giving what one consumer has got and not acknowledged to another: XCLAIM, XAUTOCLAIM.

use super::handover::{Handover, Recipient};
use super::range::write_entry;
use super::{ids, no_key_or_group};
use crate::commands::framework::arguments::{count, integer, integer_or};
use crate::commands::framework::{CommandError, CommandResult, WriteCtx};
use crate::resp::{Args, Reply};
use crate::types::stream::{Group, Log, StreamId, StreamValue};

/// What XAUTOCLAIM looks at for each entry that it may claim.
const ATTEMPTS_PER_ENTRY: usize = 10;

/// How many entries XAUTOCLAIM claims at most, unless the client names a number.
const AUTO_COUNT_DEFAULT: usize = 100;

/// The greatest number that the client may name.
const AUTO_COUNT_MAX: usize = (i64::MAX / 16) as usize;

/// How a claimed entry is noted and answered.
#[derive(Clone, Copy)]
struct Claim {
    /// Entries that were delivered later than so long ago stay where they are.
    idle_ms_min: i64,
    /// The moment of the new delivery.
    delivered_ms: i64,
    /// The new number of deliveries, if it is not to be counted on.
    deliveries: Option<u64>,
    /// Entries that nobody has got are claimed too.
    force: bool,
    /// Answer with identifiers alone, and do not count this as a delivery.
    just_id: bool,
    now_ms: i64,
}

/// What became of one entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Claimed {
    Yes,
    No,
    /// The entry does not exist any more, and was taken off the pending ones.
    Gone,
}

impl Claim {
    /// Gives one entry to the consumer, and writes it, if that is to be.
    fn apply(
        self,
        (log, group): (&Log, &mut Group),
        handover: &mut Handover,
        id: StreamId,
        reply: &mut Reply,
    ) -> Claimed {
        let pending = group.pending_of(id).copied();
        let Some(entry) = log.entry(id) else {
            if !group.acknowledge(id) {
                return Claimed::No;
            }
            handover.note_gone(id);
            handover.count(1);
            return Claimed::Gone;
        };
        let is_idle =
            |delivered: i64| self.idle_ms_min == 0 || self.now_ms.saturating_sub(delivered) >= self.idle_ms_min;
        let before = match pending {
            Some(pending) if is_idle(pending.delivered_unix_ms) => pending.deliveries,
            None if self.force => 1,
            _ => return Claimed::No,
        };
        let deliveries = self.deliveries.unwrap_or(before.saturating_add(u64::from(!self.just_id)));
        group.assign(id, handover.consumer, self.delivered_ms, deliveries);
        group.consumer_mut(handover.consumer).active_unix_ms = Some(self.now_ms);
        handover.note_delivered(id, deliveries);
        handover.count(1);
        if self.just_id {
            ids::write(reply, id);
        } else {
            write_entry(reply, entry);
        }
        Claimed::Yes
    }
}

/// Refuses a key without the group.
fn require_group(ctx: &mut WriteCtx<'_>, key: &[u8], group: &[u8]) -> CommandResult {
    match ctx.read_view::<StreamValue>(key)?.and_then(|stream| stream.group(group)) {
        Some(_) => Ok(()),
        None => Err(no_key_or_group(key, group, "")),
    }
}

/// Reads the least idle time of the entries to claim.
fn idle_ms_min(arg: &[u8], refused: &'static str) -> Result<i64, CommandError> {
    integer_or(arg, CommandError::text(refused)).map(|idle| idle.max(0))
}

/// The arguments of XCLAIM behind the least idle time.
struct ClaimOptions {
    ids: Vec<StreamId>,
    claim: Claim,
    /// The group has read up to here at least.
    last_id: StreamId,
}

impl ClaimOptions {
    /// `repeats` says whether a record is repeated, whose numbers are taken as they are.
    fn parse(args: Args<'_>, idle_ms_min: i64, now_ms: i64, repeats: bool) -> Result<Self, CommandError> {
        // The first argument that is no identifier is an option, or a mistake.
        let ids: Vec<_> = args.iter().map_while(|arg| ids::strict(arg).ok()).collect();
        let mut claim =
            Claim { idle_ms_min, delivered_ms: now_ms, deliveries: None, force: false, just_id: false, now_ms };
        let mut last_id = StreamId::MIN;
        let mut delivered_ms = None;
        let mut options = args.tail(ids.len()).iter();
        while let Some(option) = options.next() {
            let is = |word: &str| option.eq_ignore_ascii_case(word.as_bytes());
            if is("FORCE") {
                claim.force = true;
                continue;
            }
            if is("JUSTID") {
                claim.just_id = true;
                continue;
            }
            let Some(value) = options.next() else { return Err(unrecognized(option)) };
            let number = |name: &str| {
                integer(value)
                    .map_err(|_| CommandError::owned(format!("ERR Invalid {name} option argument for XCLAIM")))
            };
            if is("IDLE") {
                delivered_ms = Some(now_ms.wrapping_sub(number("IDLE")?));
            } else if is("TIME") {
                delivered_ms = Some(number("TIME")?);
            } else if is("RETRYCOUNT") {
                let deliveries = number("RETRYCOUNT")?;
                // A negative number is as good as none.
                claim.deliveries = (deliveries >= 0 || repeats).then_some(deliveries.cast_unsigned());
            } else if is("LASTID") {
                last_id = ids::strict(value)?;
            } else {
                return Err(unrecognized(option));
            }
        }
        // Clients whose clocks are wrong mean now.
        claim.delivered_ms = delivered_ms.filter(|at| repeats || (0..=now_ms).contains(at)).unwrap_or(now_ms);
        Ok(Self { ids, claim, last_id })
    }
}

fn unrecognized(option: &[u8]) -> CommandError {
    CommandError::Bytes([b"ERR Unrecognized XCLAIM option '", option, b"'"].concat())
}

pub fn xclaim(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (key, name, consumer) = (args.arg(1), args.arg(2), args.arg(3));
    require_group(ctx, key, name)?;
    let idle_ms_min = idle_ms_min(args.arg(4), "ERR Invalid min-idle-time argument for XCLAIM")?;
    let now_ms = ctx.now_ms();
    let options = ClaimOptions::parse(args.tail(5), idle_ms_min, now_ms, ctx.repeats_record())?;
    let wanted = ctx.keyspace.journal.is_wanted();
    let reply = &mut *ctx.reply;
    let db = ctx.session.db;
    let edited = ctx.keyspace.edit::<StreamValue, _>(db, key, now_ms, |stream| {
        let (log, group) = stream.log_and_group_mut(name)?;
        let handover = Handover::begin(group, consumer, now_ms, wanted)?;
        let mut handover = handover.delivered_at(options.claim.delivered_ms);
        if options.last_id > group.last_delivered_id() {
            group.set_last_delivered(options.last_id, group.entries_read());
            handover.count(1);
        }
        let header = reply.deferred();
        let mut len = 0;
        for &id in &options.ids {
            let claimed = options.claim.apply((log, group), &mut handover, id, reply);
            len += usize::from(claimed == Claimed::Yes);
        }
        reply.set_deferred_array_len(header, len);
        Some(handover.end(group))
    })?;
    if let Some(handover) = edited.and_then(|edited| edited.result) {
        handover.commit(ctx, Recipient { key, group: name, consumer });
    }
    Ok(())
}

/// The arguments of XAUTOCLAIM behind the least idle time.
struct AutoClaim {
    start: StreamId,
    count: usize,
    claim: Claim,
}

impl AutoClaim {
    fn parse(args: Args<'_>, idle_ms_min: i64, now_ms: i64) -> Result<Self, CommandError> {
        let start = ids::range_start(args.arg(0))?;
        let mut wanted = AUTO_COUNT_DEFAULT;
        let mut just_id = false;
        let mut options = args.tail(1).iter();
        while let Some(option) = options.next() {
            if option.eq_ignore_ascii_case(b"JUSTID") {
                just_id = true;
                continue;
            }
            let value = options.next().filter(|_| option.eq_ignore_ascii_case(b"COUNT"));
            const REFUSED: CommandError = CommandError::text("ERR COUNT must be > 0");
            wanted = count(value.ok_or(CommandError::Syntax)?, 1, REFUSED)?;
            if wanted > AUTO_COUNT_MAX {
                return Err(REFUSED);
            }
        }
        let claim = Claim { idle_ms_min, delivered_ms: now_ms, deliveries: None, force: false, just_id, now_ms };
        Ok(Self { start, count: wanted, claim })
    }

    /// Claims entries, and writes where the next call has to go on, the entries, and those that are gone.
    fn apply(&self, (log, group): (&Log, &mut Group), handover: &mut Handover, reply: &mut Reply) {
        let next_pending = |group: &Group, from: Option<StreamId>| group.pending(from?..).next().map(|(id, _)| *id);
        let mark = reply.len();
        let header = reply.deferred();
        let (mut claimed, mut gone) = (0, Vec::new());
        let mut attempts = self.count.saturating_mul(ATTEMPTS_PER_ENTRY);
        let mut from = Some(self.start);
        while attempts > 0
            && claimed + gone.len() < self.count
            && let Some(id) = next_pending(group, from)
        {
            attempts -= 1;
            from = id.next();
            match self.claim.apply((log, group), handover, id, reply) {
                Claimed::Yes => claimed += 1,
                Claimed::Gone => gone.push(id),
                Claimed::No => {}
            }
        }
        reply.set_deferred_array_len(header, claimed);
        let entries = reply.split_off(mark);
        reply.array(3);
        ids::write(reply, next_pending(group, from).unwrap_or(StreamId::MIN));
        reply.raw(&entries);
        reply.array(gone.len());
        for id in &gone {
            ids::write(reply, *id);
        }
    }
}

pub fn xautoclaim(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (key, name, consumer) = (args.arg(1), args.arg(2), args.arg(3));
    let idle_ms_min = idle_ms_min(args.arg(4), "ERR Invalid min-idle-time argument for XAUTOCLAIM")?;
    let now_ms = ctx.now_ms();
    let options = AutoClaim::parse(args.tail(5), idle_ms_min, now_ms)?;
    require_group(ctx, key, name)?;
    let wanted = ctx.keyspace.journal.is_wanted();
    let reply = &mut *ctx.reply;
    let db = ctx.session.db;
    let edited = ctx.keyspace.edit::<StreamValue, _>(db, key, now_ms, |stream| {
        let (log, group) = stream.log_and_group_mut(name)?;
        let mut handover = Handover::begin(group, consumer, now_ms, wanted)?;
        options.apply((log, group), &mut handover, reply);
        Some(handover.end(group))
    })?;
    if let Some(handover) = edited.and_then(|edited| edited.result) {
        handover.commit(ctx, Recipient { key, group: name, consumer });
    }
    Ok(())
}
