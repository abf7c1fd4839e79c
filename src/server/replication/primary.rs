//! What a server knows of the primary that it follows, and of the dump that it has started with.

use std::collections::BTreeSet;

use crate::config::PrimaryAddress;
use crate::replication::ReplicationId;
use crate::server::clients::ClientKey;
use crate::stdx::clock::Now;

/// Keys that clients of a writable replica let expire, by when they do, with their databases.
pub(super) type OwnKeys = BTreeSet<(i64, usize, Box<[u8]>)>;

/// A primary, and how the link to it is.
pub(super) struct Upstream {
    pub(super) address: PrimaryAddress,
    /// Which one it is, of all that this server has had.
    pub(super) number: u64,
    pub(super) link: Link,
    /// Runs the commands of the stream.
    pub(super) client: ClientKey,
    /// Since when the link has been down; nothing while it is up.
    pub(super) down_since: Option<Now>,
    /// When the primary last gave a sign of life.
    pub(super) heard_at: Now,
    /// Where the link leads to, as `ip:port`; empty while there is none.
    pub(super) remote: Box<str>,
    /// Bytes of the stream that have come and are not applied.
    pub(super) unapplied_bytes: u64,
    /// Progress of a full sync.
    pub(super) progress: SyncProgress,
    /// Whether the data here are of the history that the server has noted, so that it may ask to go on.
    pub(super) can_continue: bool,
    /// The data were those of this primary at some time.
    pub(super) was_in_sync: bool,
    /// It asks its primary to become its replica (FAILOVER).
    pub(super) takes_over: bool,
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
    pub(super) total_bytes: Option<u64>,
    pub(super) read_bytes: u64,
    pub(super) last_read: Option<Now>,
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

/// What is known of the dump that the server has started with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Restart {
    /// When the dump was loaded.
    pub(super) at: Now,
    pub(super) id: ReplicationId,
    /// Bytes of the stream that the dump contains.
    pub(super) offset: u64,
    /// How many bytes of the stream a replica has beyond, as it has said.
    pub(super) behind: Option<u64>,
}

impl Restart {
    pub fn new(at: Now, id: ReplicationId, offset: u64) -> Self {
        Self { at, id, offset, behind: None }
    }
}
