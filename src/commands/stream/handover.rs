//! Giving entries of a stream to a consumer of a group, and what is recorded of that.
//!
//! Which entries a consumer gets depends on the moment, and on how much there was before. So each is recorded by its
//! identifier, with the time and the number of its deliveries, in the words that Redis uses: XCLAIM for what the consumer
//! has got, XGROUP SETID for how far the group has read.

use super::note;
use crate::commands::framework::WriteCtx;
use crate::keyspace::Change;
use crate::stdx::number::format_i64;
use crate::types::stream::{ConsumerId, Group, StreamId};

/// One record names at most so many entries.
const IDS_A_RECORD: usize = 512;

/// A consumer of a group of a stream, by name.
#[derive(Clone, Copy)]
pub struct Recipient<'a> {
    pub key: &'a [u8],
    pub group: &'a [u8],
    pub consumer: &'a [u8],
}

/// How far a group has read.
type Position = (StreamId, Option<u64>);

/// What one command does to a group for one consumer. The entries are noted only where a record is wanted.
pub struct Handover {
    pub consumer: ConsumerId,
    created: bool,
    changes: usize,
    wanted: bool,
    delivered_ms: i64,
    delivered: Vec<(StreamId, u64)>,
    gone: Vec<StreamId>,
    before: Position,
    after: Position,
}

impl Handover {
    /// Begins to give entries to the consumer of this name, which is created if need be, as one that was seen now.
    pub fn begin(group: &mut Group, name: &[u8], now_ms: i64, wanted: bool) -> Option<Self> {
        let before = position(group);
        let known = group.consumer_id(name);
        let consumer = known.or_else(|| group.create_consumer(name, now_ms))?;
        group.consumer_mut(consumer).seen_unix_ms = now_ms;
        Some(Self {
            consumer,
            created: known.is_none(),
            changes: 0,
            wanted,
            delivered_ms: now_ms,
            delivered: Vec::new(),
            gone: Vec::new(),
            before,
            after: before,
        })
    }

    /// The moment of the deliveries, where it is another one than now.
    pub fn delivered_at(self, delivered_ms: i64) -> Self {
        Self { delivered_ms, ..self }
    }

    /// Counts changes.
    pub fn count(&mut self, changes: usize) {
        self.changes += changes;
    }

    /// Notes an entry that was given to the consumer, for the `deliveries`th time.
    #[inline]
    pub fn note_delivered(&mut self, id: StreamId, deliveries: u64) {
        if self.wanted {
            self.delivered.push((id, deliveries));
        }
    }

    /// Notes an entry that does not exist any more, and was taken off the pending ones.
    #[inline]
    pub fn note_gone(&mut self, id: StreamId) {
        if self.wanted {
            self.gone.push(id);
        }
    }

    /// Ends what the command does to the group.
    pub fn end(self, group: &Group) -> Self {
        Self { after: position(group), ..self }
    }

    /// Reports what was changed, and has it recorded.
    pub fn commit(self, ctx: &mut WriteCtx<'_>, to: Recipient<'_>) {
        if self.created {
            note(ctx, to.key, "xgroup-createconsumer");
        }
        ctx.commit(to.key, Change::SILENT.times(self.changes).unwatched());
        if self.wanted {
            self.record(ctx, to);
        }
    }

    fn record(self, ctx: &mut WriteCtx<'_>, to: Recipient<'_>) {
        ctx.record_nothing();
        let Recipient { key, group, consumer } = to;
        if self.created {
            ctx.record_instead(|out| out.extend([b"XGROUP", &b"CREATECONSUMER"[..], key, group, consumer]));
        }
        for gone in self.gone.chunks(IDS_A_RECORD) {
            ctx.record_instead(|out| {
                out.extend([b"XACK", key, group]);
                out.extend(gone.iter().map(StreamId::to_string));
            });
        }
        let (last, read) = self.after;
        for same in self.delivered.chunk_by(|one, next| one.1 == next.1) {
            for some in same.chunks(IDS_A_RECORD) {
                ctx.record_instead(|out| {
                    out.extend([b"XCLAIM", key, group, consumer, b"0"]);
                    out.extend(some.iter().map(|(id, _)| id.to_string()));
                    out.push("TIME");
                    out.push(format_i64(self.delivered_ms));
                    out.push("RETRYCOUNT");
                    out.push(format_i64(some[0].1.cast_signed()));
                    out.extend(["FORCE", "JUSTID", "LASTID"]);
                    out.push(last.to_string());
                });
            }
        }
        if self.after != self.before {
            ctx.record_instead(|out| {
                out.extend([b"XGROUP", &b"SETID"[..], key, group]);
                out.push(last.to_string());
                out.push("ENTRIESREAD");
                out.push(format_i64(read.map_or(-1, u64::cast_signed)));
            });
        }
    }
}

fn position(group: &Group) -> Position {
    (group.last_delivered_id(), group.entries_read())
}
