//! One connection as commands see it.

use std::net::SocketAddr;

use super::table::CommandId;
use crate::keyspace::ClientId;
use crate::resp::ArgsBuf;

/// The state of one connection that commands read and change.
#[derive(Debug)]
pub struct Session {
    pub id: ClientId,
    /// The selected database.
    pub db: usize,
    pub authenticated: bool,
    pub user: Box<str>,
    pub name: Box<[u8]>,
    pub lib_name: Box<[u8]>,
    pub lib_version: Box<[u8]>,
    pub reply_mode: ReplyMode,
    /// CLIENT NO-TOUCH: reads leave access clocks alone.
    pub no_touch: bool,
    /// CLIENT NO-EVICT.
    pub no_evict: bool,
    pub transaction: Option<Transaction>,
    /// Watched keys with their database.
    pub watched: Vec<(usize, Box<[u8]>)>,
    /// Subscriptions of all kinds; while there are any, a RESP2 connection may only manage them.
    pub subscriptions: usize,
    pub monitor: bool,
    pub peer: Peer,
    pub created_ms: i64,
    pub last_used_ms: i64,
    pub last_command: Option<CommandId>,
}

/// Where a connection comes from and where it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    Tcp { remote: SocketAddr, local: SocketAddr },
    Unix { path: Box<str> },
}

/// Which replies the client wants (CLIENT REPLY).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ReplyMode {
    #[default]
    On,
    Off,
    /// Not that of the next command.
    SkipNext,
    /// Not that of this command.
    SkipThis,
}

/// Commands queued between MULTI and EXEC.
#[derive(Debug, Default)]
pub struct Transaction {
    pub queue: Vec<(CommandId, ArgsBuf)>,
    /// A command was refused while queueing: EXEC aborts.
    pub failed: bool,
}

impl Session {
    pub fn new(id: ClientId, peer: Peer, authenticated: bool, now_ms: i64) -> Self {
        Self {
            id,
            db: 0,
            authenticated,
            user: "default".into(),
            name: Box::default(),
            lib_name: Box::default(),
            lib_version: Box::default(),
            reply_mode: ReplyMode::On,
            no_touch: false,
            no_evict: false,
            transaction: None,
            watched: Vec::new(),
            subscriptions: 0,
            monitor: false,
            peer,
            created_ms: now_ms,
            last_used_ms: now_ms,
            last_command: None,
        }
    }
}

impl Peer {
    /// Whether the connection comes from this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Peer::Tcp { remote, .. } => remote.ip().to_canonical().is_loopback(),
            Peer::Unix { .. } => true,
        }
    }

    /// `addr` of CLIENT LIST.
    pub fn remote(&self) -> String {
        match self {
            Peer::Tcp { remote, .. } => remote.to_string(),
            Peer::Unix { path } => format!("{path}:0"),
        }
    }

    /// `laddr` of CLIENT LIST.
    pub fn local(&self) -> String {
        match self {
            Peer::Tcp { local, .. } => local.to_string(),
            Peer::Unix { path } => format!("{path}:0"),
        }
    }
}
