//! The link to a primary: connecting, the handshake, taking in all data, and the stream.

use std::rc::Rc;

use crate::config::PrimaryAddress;
use crate::server::clients::ClientKey;
use crate::server::executor::Executor;
use crate::server::net::Shared;
use crate::stdx::clock::Now;

/// A primary, and how the link to it is.
pub(super) struct Upstream {
    pub address: PrimaryAddress,
    pub link: Link,
    /// Runs the commands of the stream.
    pub client: ClientKey,
    /// Since when the link has been down; nothing while it is up.
    pub down_since: Option<Now>,
    /// When the primary last gave a sign of life.
    pub heard_at: Now,
    /// Progress of a full sync.
    pub progress: SyncProgress,
    /// Whether the data here are of the history that the server has noted, so that it may ask to go on.
    pub can_continue: bool,
    /// It asks its primary to become its replica (FAILOVER).
    pub takes_over: bool,
}

/// How the link is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Link {
    /// There is none; it is tried again soon.
    Connect,
    Connecting,
    Handshake,
    /// All data are being taken in.
    Sync,
    Connected,
}

/// How far a full sync is.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct SyncProgress {
    /// Nothing where it is not known.
    pub total_bytes: Option<u64>,
    pub read_bytes: u64,
    pub last_read: Option<Now>,
}

impl Link {
    /// As ROLE has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Connecting => "connecting",
            Self::Handshake => "handshake",
            Self::Sync => "sync",
            Self::Connected => "connected",
        }
    }
}

/// Keeps the link to the primary that the server has, if it has one, until the server ends.
pub async fn follow_primary(shared: Rc<Shared>) {
    let wake = Rc::clone(&shared.executor.borrow().replication.upstream_wake);
    loop {
        wake.raised().await;
    }
}

impl Executor {
    /// Becomes a replica, or a replica of another primary.
    pub(super) fn become_replica(&mut self, address: PrimaryAddress) {
        let _ = address;
    }

    /// Becomes a primary.
    pub(super) fn become_primary(&mut self) {}

    /// Whether the data here can be given to replicas: on a replica, whether its own link is up.
    pub(super) fn is_in_sync_with_primary(&self) -> bool {
        self.replication.upstream.as_ref().is_none_or(|upstream| upstream.link == Link::Connected)
    }

    /// Whether clients are refused because the data may be old.
    pub(in crate::server) fn is_stale(&self) -> bool {
        let is_down = self.replication.upstream.as_ref().is_some_and(|upstream| upstream.link != Link::Connected);
        is_down && !self.config.replica_serve_stale_data
    }
}
