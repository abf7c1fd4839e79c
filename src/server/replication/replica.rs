//! One replica, as its primary knows it.

use std::time::Instant;

use crate::config::ClientBufferLimit;
use crate::replication::Backlog;
use crate::server::clients::OutputWatch;
use crate::stdx::clock::Now;

/// What a connection has said of itself with REPLCONF, and how far it is as a replica.
#[derive(Debug)]
pub struct Replica {
    pub(super) port: u16,
    /// Empty: the address that its connection comes from.
    pub(super) announced_ip: Box<str>,
    pub(super) capabilities: Capabilities,
    /// The newest version of RDB that it can read, if it has said so.
    pub(super) rdb_version: Option<u32>,
    pub(super) stage: Stage,
    /// It has sent PSYNC, and not SYNC.
    pub(super) knows_offsets: bool,
    /// The byte of the stream that it is sent next.
    pub(super) next: u64,
    /// Bytes of the stream that it has taken in, and when it last gave a sign of life.
    pub(super) acked: u64,
    pub(super) acked_at: Now,
    /// When the connection asked for the stream.
    pub(super) attached_at: Now,
    /// It has acknowledged something since it was given all data, or needed none.
    pub(super) is_settled: bool,
    /// Its full sync is not to begin before.
    pub(super) not_before: Option<Instant>,
    /// How much of the stream waits for it, and since when.
    pub(super) output_watch: OutputWatch,
    /// Lines to be sent before anything else: answers, and empty ones that show that the server is there.
    pub(super) lines: Vec<u8>,
    /// Its connection is to send at once what there is, or else to gather it (`repl-disable-tcp-nodelay`). Nothing once that
    /// is done.
    pub(super) gathers_packets: Option<bool>,
}

/// What a replica understands.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Capabilities {
    /// Data that end with a mark.
    pub(super) eof: bool,
    /// Another name of the history behind +CONTINUE.
    pub(super) psync2: bool,
    /// It wants the data alone, and no stream (redis-cli --rdb).
    pub(super) rdb_only: bool,
    /// It wants no keys (redis-cli --functions-rdb).
    pub(super) without_keys: bool,
    /// It wants no function libraries (redis-cli --replica).
    pub(super) without_functions: bool,
}

/// How far a replica is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stage {
    /// It has only said what it is.
    Greeting,
    /// It waits for a snapshot to begin.
    WaitsForSnapshot,
    /// It is sent the data of the full sync under way, of which this byte comes next.
    TakesData { at: u64 },
    /// It has all data, and the stream is held back until it says so.
    LoadsData,
    /// It is sent the stream.
    Online,
}

impl Replica {
    pub fn new(now: Now) -> Self {
        Self {
            port: 0,
            announced_ip: Box::default(),
            capabilities: Capabilities::default(),
            rdb_version: None,
            stage: Stage::Greeting,
            knows_offsets: true,
            next: 0,
            acked: 0,
            acked_at: now,
            attached_at: now,
            is_settled: false,
            not_before: None,
            output_watch: OutputWatch::default(),
            lines: Vec::new(),
            gathers_packets: None,
        }
    }

    /// Begins at this byte of the stream, or with all data.
    pub(super) fn attach(&mut self, stage: Stage, now: Now) {
        self.stage = stage;
        self.acked_at = now;
        self.attached_at = now;
        self.is_settled = stage == Stage::Online;
    }

    /// Bytes have come from it: acknowledgements, or empty lines while it loads data.
    #[inline]
    pub fn note_sign_of_life(&mut self, now: Now) {
        if matches!(self.stage, Stage::LoadsData | Stage::Online) {
            self.acked_at = now;
        }
    }

    /// Whether the connection has asked for the stream.
    #[inline]
    pub fn is_attached(&self) -> bool {
        self.stage != Stage::Greeting
    }

    /// Whether it is to be given the data of the next snapshot.
    pub(super) fn waits_for_snapshot(&self, now: Now) -> bool {
        let is_later = self.not_before.is_some_and(|then| then > now.monotonic());
        self.stage == Stage::WaitsForSnapshot && !is_later
    }

    /// The byte of the stream that is kept for it, if the stream is.
    pub(super) fn needed(&self) -> Option<u64> {
        let reads = matches!(self.stage, Stage::TakesData { .. } | Stage::LoadsData | Stage::Online);
        (reads && !self.capabilities.rdb_only).then_some(self.next)
    }

    /// Bytes of the stream that wait to be sent.
    pub(super) fn unsent(&self, backlog: &Backlog) -> u64 {
        self.needed().map_or(0, |next| backlog.end().saturating_sub(next))
    }

    /// Whether more waits for it than the limit allows, now or for too long.
    pub(super) fn is_overrun(&mut self, backlog: &Backlog, limit: ClientBufferLimit, now: Instant) -> bool {
        self.output_watch.exceeds(self.unsent(backlog), limit, now)
    }

    /// What a connection holds for it.
    pub(in crate::server) fn memory_usage(&self) -> usize {
        size_of::<Self>() + self.lines.capacity() + self.announced_ip.len()
    }
}

/// What replicas take of the memory.
#[derive(Clone, Copy, Default, Debug)]
pub struct ReplicationMemory {
    /// The stream, as far as it is kept for replicas that come back.
    pub backlog: u64,
    /// The stream, and data of a full sync.
    pub buffers: u64,
    /// The connections of replicas, and what is kept for them alone.
    pub clients: u64,
}
