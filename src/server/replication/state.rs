//! What the server knows of its replicas and of its primary.

use std::rc::Rc;
use std::time::Instant;

use super::payload::FullSync;
use super::primary::{OwnKeys, Restart, Upstream};
use crate::config::PrimaryAddress;
use crate::keyspace::ClientId;
use crate::replication::{Backlog, History, Overruns, ReplicationId, StreamWriter, write_words};
use crate::resp::ArgsBuf;
use crate::server::clients::ClientKey;
use crate::server::executor::Executor;
use crate::server::net::Wake;
use crate::stdx::clock::Now;
use crate::stdx::random_name;

/// The state of replication.
pub struct Replication {
    pub(super) history: History,
    pub(super) writer: StreamWriter,
    /// Here once there has been a replica, and on every replica.
    pub(super) backlog: Option<Backlog>,
    /// Connections that have sent PSYNC or SYNC.
    pub(super) replicas: Vec<ClientKey>,
    /// Since when there has been no replica, if there was one.
    pub(super) lonely_since: Option<Now>,
    /// The full sync under way.
    pub(super) sync: Option<FullSync>,
    /// Raised when the task that fetches the data of a full sync has something to do.
    pub(super) sync_wake: Rc<Wake>,
    /// Clients that wait until replicas have what they have written.
    pub(super) waiting: Vec<WaitingClient>,
    /// Where the stream ended behind the last question to the replicas how far they are.
    pub(super) last_question: u64,
    /// So many clients may wait before the list is searched for those that do not any more.
    pub(super) waiting_max: usize,
    /// The hand-over of the role to a replica, while there is one.
    pub(super) failover: Option<Failover>,
    /// Replicas that were dropped because they could not keep up with the stream during a full sync.
    pub(super) overruns: Overruns,
    /// Full syncs that have failed one after the other, and when the next may begin.
    pub(super) failed_syncs: u32,
    pub(super) next_sync: Option<Instant>,
    /// The primary, on a replica.
    pub(super) upstream: Option<Upstream>,
    /// Raised when the server has another primary, or none any more.
    pub(super) upstream_wake: Rc<Wake>,
    /// The dump that the server has started with, as a primary.
    pub(super) restart: Option<Restart>,
    /// Keys of this replica's own that expire.
    pub(super) own_keys: OwnKeys,
    pub(super) last_ping: Option<Now>,
    pub(super) counters: Counters,
    /// What a simulation has in place of the snapshot child, and what it has made last.
    #[cfg(any(test, feature = "internals"))]
    pub(super) simulated: Option<super::full_sync::MakeData>,
    #[cfg(any(test, feature = "internals"))]
    pub(super) simulated_data: Option<Vec<u8>>,
    /// As [`Executor::follow_refusals`] has found it.
    pub(super) may_refuse: bool,
    last_newline: Option<Now>,
    syncs: u64,
    upstreams: u64,
    scratch: Vec<u8>,
}

/// What INFO counts.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counters {
    pub full_syncs: u64,
    pub partial_syncs_accepted: u64,
    pub partial_syncs_refused: u64,
}

/// One client that waits until replicas have what it has written.
#[derive(Clone, Copy, Debug)]
pub(super) struct WaitingClient {
    pub(super) id: ClientId,
    /// How far replicas must have come.
    pub(super) offset: u64,
    pub(super) replicas: usize,
}

/// The hand-over of the role, while there is one.
#[derive(Debug)]
pub(super) struct Failover {
    /// Who is to take over; whoever has everything first, where none was named.
    pub(super) target: Option<PrimaryAddress>,
    /// The target takes over even if it has not caught up in time.
    pub(super) forces: bool,
    pub(super) deadline: Option<Instant>,
    pub(super) stage: FailoverStage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum FailoverStage {
    /// No replica has everything yet.
    WaitsForSync,
    /// This server is a replica already, and its primary is to take over.
    InProgress,
}

impl Replication {
    pub fn new() -> Self {
        Self {
            history: History::new(new_id()),
            writer: StreamWriter::default(),
            backlog: None,
            replicas: Vec::new(),
            lonely_since: None,
            sync: None,
            sync_wake: Rc::default(),
            waiting: Vec::new(),
            last_question: 0,
            waiting_max: 0,
            failover: None,
            overruns: Overruns::default(),
            failed_syncs: 0,
            next_sync: None,
            upstream: None,
            upstream_wake: Rc::default(),
            restart: None,
            own_keys: OwnKeys::new(),
            last_ping: None,
            counters: Counters::default(),
            #[cfg(any(test, feature = "internals"))]
            simulated: None,
            #[cfg(any(test, feature = "internals"))]
            simulated_data: None,
            may_refuse: false,
            last_newline: None,
            syncs: 0,
            upstreams: 0,
            scratch: Vec::new(),
        }
    }

    /// Whether the state of replication may be a reason to refuse a command.
    #[inline]
    pub fn may_refuse(&self) -> bool {
        self.may_refuse
    }

    /// Whether this server is a replica.
    #[inline]
    pub fn is_replica(&self) -> bool {
        self.upstream.is_some()
    }

    /// Appends to the stream what `write` puts down.
    pub(super) fn append(&mut self, write: impl FnOnce(&mut StreamWriter, &mut Vec<u8>)) {
        let Some(backlog) = &mut self.backlog else { return };
        self.scratch.clear();
        write(&mut self.writer, &mut self.scratch);
        backlog.push(&self.scratch);
        self.history.advance(self.scratch.len() as u64);
        const KEPT_BYTES: usize = 64 * 1024;
        self.scratch.shrink_to(KEPT_BYTES);
    }

    /// Appends bytes of the primary's stream, as they came.
    pub(super) fn pass_on(&mut self, bytes: &[u8]) {
        if let Some(backlog) = &mut self.backlog {
            backlog.push(bytes);
        }
        self.history.advance(bytes.len() as u64);
    }

    /// Whether replicas that wait for data are to be sent an empty line, as once a second.
    pub(super) fn newline_due(&mut self, now: Now) -> bool {
        let is_due = self.last_newline.is_none_or(|last| now.since(last).as_millis() >= 1000);
        if is_due {
            self.last_newline = Some(now);
        }
        is_due
    }

    pub(super) fn next_upstream_number(&mut self) -> u64 {
        self.upstreams += 1;
        self.upstreams
    }

    pub(super) fn next_sync_number(&mut self) -> u64 {
        self.syncs += 1;
        self.syncs
    }

    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// CONFIG RESETSTAT.
    pub fn reset_statistics(&mut self) {
        self.counters = Counters::default();
    }
}

impl Executor {
    /// DEBUG REPLICATE.
    pub(in crate::server) fn replicate_anything(&mut self, args: &ArgsBuf) {
        self.feed_replicas();
        self.replication.append(|_, out| write_words(out, args.as_args().iter()));
        self.wake_replicas();
    }

    /// DEBUG CHANGE-REPL-ID.
    pub(in crate::server) fn change_replication_id(&mut self) {
        tracing::info!("Changing replication IDs after receiving change-repl-id");
        self.replication.history.restart(new_id());
    }
}

/// A name for a new history.
pub(super) fn new_id() -> ReplicationId {
    ReplicationId::parse(&random_name()).expect("its digits are printable")
}
