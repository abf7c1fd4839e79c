//! Reading from several streams at once, or waiting for their next entry: XREAD, XREADGROUP.

use std::ops::Range;
use std::time::Instant;

use super::handover::{Handover, Recipient};
use super::range::{write_entries, write_entry};
use super::{ids, no_key_or_group};
use crate::commands::framework::arguments::deadline_in_ms;
use crate::commands::framework::arguments::{integer, unlimited_if_zero};
use crate::commands::framework::{Answer, CommandError, CommandResult, Effect, InVain, ReadCtx, Wait, WriteCtx};
use crate::keyspace::Awaited;
use crate::resp::{Args, ArgsBuf, Deferred, Protocol, Reply};
use crate::stdx::clock::Now;
use crate::types::Type;
use crate::types::stream::{Group, Log, StreamId, StreamValue};

/// Which of the two commands reads its options.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    Read,
    ReadGroup,
}

/// The options of both commands.
struct Options<'a> {
    /// How many entries of each stream are wanted.
    count: usize,
    /// The client waits, up to this moment if there is one.
    block: Option<Option<Instant>>,
    /// The group and the consumer in it.
    group: Option<(&'a [u8], &'a [u8])>,
    /// What is delivered need not be acknowledged.
    no_ack: bool,
    /// Which arguments are the keys; as many identifiers follow.
    keys: Range<usize>,
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>, reader: Reader, now: Now) -> Result<Self, CommandError> {
        let mut options = Self { count: usize::MAX, block: None, group: None, no_ack: false, keys: 0..0 };
        let mut index = 1;
        while let Some(option) = args.get(index) {
            let is = |word: &str| option.eq_ignore_ascii_case(word.as_bytes());
            let value = args.get(index + 1);
            index += match (value, args.get(index + 2)) {
                (Some(value), _) if is("BLOCK") => {
                    options.block = Some(deadline_in_ms(value, now)?);
                    2
                }
                (Some(value), _) if is("COUNT") => {
                    // All entries are wanted where the number is none.
                    options.count = unlimited_if_zero(usize::try_from(integer(value)?).unwrap_or(0));
                    2
                }
                (Some(_), _) if is("STREAMS") => {
                    options.keys = keys(args.len(), index + 1).ok_or_else(|| unbalanced(reader))?;
                    break;
                }
                (Some(group), Some(consumer)) if is("GROUP") => {
                    reader.require_group("GROUP")?;
                    options.group = Some((group, consumer));
                    3
                }
                _ if is("NOACK") => {
                    reader.require_group("NOACK")?;
                    options.no_ack = true;
                    1
                }
                _ => return Err(CommandError::Syntax),
            };
        }
        if options.keys.is_empty() { Err(CommandError::Syntax) } else { Ok(options) }
    }

    /// The keys, each with its identifier as the client has written it.
    fn streams(&self, args: Args<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        let ids = args.tail(self.keys.end).iter();
        args.head(self.keys.end).tail(self.keys.start).iter().zip(ids)
    }

    /// Answers that there is nothing, or lets the client wait with the command `line`, if it wants to and may.
    fn finish_without_entries(
        self,
        (may_wait, reply, effects): (bool, &mut Reply, &mut Vec<Effect>),
        line: ArgsBuf,
        awaited: Awaited,
    ) {
        match self.block {
            Some(deadline) if may_wait => {
                let wait = Wait { args: line, keys: self.keys, awaited, deadline, in_vain: InVain::NullArray };
                effects.push(Answer::Wait(Box::new(wait)).into());
            }
            _ => reply.null_array(),
        }
    }
}

impl Reader {
    fn require_group(self, option: &str) -> Result<(), CommandError> {
        match self {
            Self::ReadGroup => Ok(()),
            Self::Read => Err(CommandError::owned(format!(
                "ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."
            ))),
        }
    }
}

/// Which of `len` arguments are keys, when the first of them is at `first` and half of those from there on are.
fn keys(len: usize, first: usize) -> Option<Range<usize>> {
    let rest = len - first;
    rest.is_multiple_of(2).then_some(first..first + rest / 2)
}

fn unbalanced(reader: Reader) -> CommandError {
    let (name, sign) = match reader {
        Reader::Read => ("xread", '$'),
        Reader::ReadGroup => ("xreadgroup", '>'),
    };
    CommandError::owned(format!(
        "ERR Unbalanced '{name}' list of streams: for each stream key an ID or '{sign}' must be specified."
    ))
}

pub fn xread(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let options = Options::parse(args, Reader::Read, ctx.now)?;
    let mut streams = Vec::with_capacity(options.keys.len());
    for (key, id) in options.streams(args) {
        let stream = ctx.view::<StreamValue>(key)?;
        let after = match id {
            b"$" => stream.map_or(StreamId::MIN, |stream| stream.last_id()),
            b">" => {
                return Err(CommandError::text(
                    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> \
                     option.",
                ));
            }
            id => ids::strict(id)?,
        };
        streams.push((key, stream, after));
    }
    let mut answer = Streams::begin(ctx.reply);
    for &(key, stream, after) in &streams {
        if ctx.reply.is_overfull() {
            break;
        }
        if let (Some(stream), Some(next)) = (stream, after.next())
            && stream.last_entry_id().is_some_and(|last| last > after)
        {
            answer.begin_stream(ctx.reply, key);
            write_entries(ctx.reply, stream.range(next..), options.count);
        }
    }
    if !answer.end(ctx.reply) {
        // What `$` stands for is fixed now: later it would be the very entry that the client waits for.
        let mut line = args.head(options.keys.end).to_buf();
        for (_, _, after) in streams {
            line.push(after.to_string());
        }
        options.finish_without_entries((ctx.may_wait, ctx.reply, ctx.effects), line, Awaited::Type(Type::Stream));
    }
    Ok(())
}

pub fn xreadgroup(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let options = Options::parse(args, Reader::ReadGroup, ctx.now)?;
    let (group, consumer) = options.group.ok_or(CommandError::text("ERR Missing GROUP option for XREADGROUP"))?;
    let mut streams = Vec::with_capacity(options.keys.len());
    for (key, id) in options.streams(args) {
        if ctx.read_view::<StreamValue>(key)?.and_then(|stream| stream.group(group)).is_none() {
            return Err(no_key_or_group(key, group, " in XREADGROUP with GROUP option"));
        }
        let after = match id {
            b"$" => {
                return Err(CommandError::text(
                    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this \
                     consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just \
                     return an empty result set.",
                ));
            }
            b">" => None,
            id => Some(ids::strict(id)?).filter(|id| *id != StreamId::MAX),
        };
        streams.push((key, after));
    }
    let mut answer = Streams::begin(ctx.reply);
    let delivery = Delivery { group, consumer, count: options.count, no_ack: options.no_ack };
    for (key, after) in streams {
        delivery.deliver(ctx, key, after, &mut answer)?;
    }
    if !answer.end(ctx.reply) {
        options.finish_without_entries((ctx.may_wait, ctx.reply, ctx.effects), args.to_buf(), Awaited::AnyChange);
    }
    Ok(())
}

/// How entries are given to a consumer.
struct Delivery<'a> {
    group: &'a [u8],
    consumer: &'a [u8],
    count: usize,
    no_ack: bool,
}

impl Delivery<'_> {
    /// Answers with the new entries of one stream, or with those behind `after` that the consumer has already.
    fn deliver(
        &self,
        ctx: &mut WriteCtx<'_>,
        key: &[u8],
        after: Option<StreamId>,
        answer: &mut Streams,
    ) -> CommandResult {
        let (db, now_ms, wanted) = (ctx.db(), ctx.now_ms(), ctx.keyspace.journal.is_wanted());
        let reply = &mut *ctx.reply;
        let edited = ctx.keyspace.edit::<StreamValue, _>(db, key, now_ms, |stream| {
            let (log, group) = stream.log_and_group_mut(self.group)?;
            let mut handover = Handover::begin(group, self.consumer, now_ms, wanted)?;
            let served = match after {
                Some(after) => {
                    answer.begin_stream(reply, key);
                    self.write_history((log, group), &mut handover, after, now_ms, reply);
                    true
                }
                None => {
                    let begin = |reply: &mut Reply| answer.begin_stream(reply, key);
                    self.write_new((log, group), &mut handover, now_ms, reply, begin)
                }
            };
            handover.count(usize::from(served));
            Some(handover.end(group))
        })?;
        if let Some(handover) = edited.and_then(|edited| edited.result) {
            handover.commit(ctx, Recipient { key, group: self.group, consumer: self.consumer });
        }
        Ok(())
    }

    /// Gives the consumer the entries that nobody has got yet. Returns whether there are any.
    fn write_new(
        &self,
        (log, group): (&Log, &mut Group),
        handover: &mut Handover,
        now_ms: i64,
        reply: &mut Reply,
        begin: impl FnOnce(&mut Reply),
    ) -> bool {
        let last = group.last_delivered_id();
        let Some(next) = last.next().filter(|_| log.last_entry_id().is_some_and(|entry| entry > last)) else {
            return false;
        };
        begin(reply);
        let entries = log.range(next..).take(self.count).inspect(|entry| {
            group.advance(log, entry.id);
            if !self.no_ack {
                group.assign(entry.id, handover.consumer, now_ms, 1);
                group.consumer_mut(handover.consumer).active_unix_ms = Some(now_ms);
                handover.note_delivered(entry.id, 1);
            }
        });
        write_entries(reply, entries, self.count);
        true
    }

    /// Gives the consumer once more what it has got and not acknowledged. Of an entry that was deleted meanwhile the
    /// identifier alone is left.
    fn write_history(
        &self,
        (log, group): (&Log, &mut Group),
        handover: &mut Handover,
        after: StreamId,
        now_ms: i64,
        reply: &mut Reply,
    ) {
        let pending: Vec<_> = match after.next() {
            Some(next) => group.consumer(handover.consumer).pending_in(next..).take(self.count).collect(),
            None => Vec::new(),
        };
        reply.array(pending.len());
        for id in pending {
            match log.entry(id) {
                Some(entry) => {
                    write_entry(reply, entry);
                    let deliveries = group.pending_of(id).map_or(0, |pending| pending.deliveries);
                    group.set_delivery(id, now_ms, deliveries.saturating_add(1));
                    handover.note_delivered(id, deliveries.saturating_add(1));
                }
                None => {
                    reply.array(2);
                    ids::write(reply, id);
                    reply.null_array();
                }
            }
        }
    }
}

/// The answer of both commands: a key with its entries for each stream that has any.
struct Streams {
    header: Deferred,
    /// How long the reply was before.
    mark: usize,
    streams: usize,
}

impl Streams {
    fn begin(reply: &mut Reply) -> Self {
        Self { mark: reply.len(), header: reply.deferred(), streams: 0 }
    }

    /// Begins a stream; its entries follow as one array.
    fn begin_stream(&mut self, reply: &mut Reply, key: &[u8]) {
        self.streams += 1;
        if reply.protocol() == Protocol::Resp2 {
            reply.array(2);
        }
        reply.bulk(key);
    }

    /// Returns whether there was a stream; if there was none, nothing is written.
    fn end(self, reply: &mut Reply) -> bool {
        match (self.streams, reply.protocol()) {
            (0, _) => reply.truncate(self.mark),
            (streams, Protocol::Resp2) => reply.set_deferred_array_len(self.header, streams),
            (streams, Protocol::Resp3) => reply.set_deferred_map_len(self.header, streams),
        }
        self.streams > 0
    }
}
