//! One replica, as its primary knows it, and what it is sent next.

use crate::replication::Backlog;
use crate::server::clients::ClientKey;
use crate::server::executor::Executor;
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
}

/// What a replica understands.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Capabilities {
    /// Data that end with a mark.
    pub eof: bool,
    /// Another name of the history behind +CONTINUE.
    pub psync2: bool,
    /// It wants the data alone, and no stream (redis-cli --rdb).
    pub rdb_only: bool,
    /// It wants function libraries alone (redis-cli --functions-rdb).
    pub functions_only: bool,
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

impl Stage {
    /// As INFO has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Greeting | Self::WaitsForSnapshot => "wait_bgsave",
            Self::TakesData { .. } => "send_bulk",
            Self::LoadsData | Self::Online => "online",
        }
    }
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
        }
    }

    /// Whether the connection has asked for the stream.
    pub fn is_attached(&self) -> bool {
        self.stage != Stage::Greeting
    }

    /// Bytes of the stream that wait to be sent.
    pub(super) fn unsent(&self, backlog: &Backlog) -> u64 {
        if self.is_attached() { backlog.end().saturating_sub(self.next) } else { 0 }
    }
}

impl Executor {
    /// What a replica is sent next, beside its replies; nothing where there is nothing to send now.
    pub(in crate::server) fn piece_for_replica(&self, key: ClientKey) -> &[u8] {
        let Some(replica) = self.clients.get(key).replica.as_deref() else { return &[] };
        match replica.stage {
            Stage::TakesData { at } => self.replication.sync.as_ref().map_or(&[], |sync| sync.read(at)),
            Stage::Online => self.replication.backlog.as_ref().map_or(&[], |backlog| backlog.read(replica.next)),
            Stage::Greeting | Stage::WaitsForSnapshot | Stage::LoadsData => &[],
        }
    }

    /// Counts bytes of such a piece that were sent.
    pub(in crate::server) fn count_sent_to_replica(&mut self, key: ClientKey, bytes: usize) {
        self.stats.counters.total_net_repl_output_bytes += bytes as u64;
        let client = self.clients.get_mut(key);
        let Some(replica) = client.replica.as_deref_mut() else { return };
        match &mut replica.stage {
            Stage::TakesData { at } => {
                *at += bytes as u64;
                self.note_data_sent(key);
            }
            _ => replica.next += bytes as u64,
        }
    }

    /// The replicas, with what is known of them.
    pub(super) fn replicas(&self) -> impl Iterator<Item = (ClientKey, &Replica)> {
        self.replication.replicas.iter().filter_map(|&key| Some((key, self.clients.get(key).replica.as_deref()?)))
    }

    /// Lets the tasks of all replicas look at what there is to send.
    pub(super) fn wake_replicas(&self) {
        for &key in &self.replication.replicas {
            self.clients.get(key).wake();
        }
    }

    /// Lets go of a connection that was a replica.
    pub(in crate::server) fn forget_replica(&mut self, key: ClientKey) {
        if self.clients.get_mut(key).replica.take().is_none() {
            return;
        }
        let replication = &mut self.replication;
        replication.replicas.retain(|&other| other != key);
        if replication.replicas.is_empty() && replication.backlog.is_some() {
            replication.lonely_since = Some(self.clock.latest());
        }
        self.end_sync_without_replicas();
    }
}
