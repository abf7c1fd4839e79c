//! One connection as commands see it.

use std::net::SocketAddr;
use std::rc::Rc;

use super::access::User;
use super::row::CommandId;
use crate::keyspace::{ClientId, Touch};
use crate::resp::ArgsBuf;

/// What a watched key takes beside its name, here and in the table of all watched keys.
const WATCHED_KEY_BYTES: usize = 64;

/// The state of one connection that commands read and change.
#[derive(Debug)]
pub struct Session {
    pub id: ClientId,
    /// The selected database.
    pub db: usize,
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
    watched: Vec<(usize, Box<[u8]>)>,
    /// What the watched keys take, their share of the table of all watched keys included.
    watched_bytes: usize,
    /// Subscriptions of all kinds; while there are any, a RESP2 connection may only manage them.
    pub subscriptions: usize,
    /// It is sent what others do, as a monitor or a replica: what the data hold is not its business.
    pub listens: bool,
    pub peer: Peer,
    /// In time that goes on evenly, as is the next.
    pub created_ms: i64,
    pub last_used_ms: i64,
    pub last_command: Option<CommandId>,
    /// Whether somebody has logged in on it, or did not need to when it was made.
    authenticated: bool,
    /// Of one who has not logged in, the default user.
    user: Rc<User>,
    /// Whether any command may run, so that nobody need look at the two above.
    free: bool,
}

/// Where a connection comes from and where it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    Tcp {
        remote: SocketAddr,
        local: SocketAddr,
    },
    Unix {
        path: Box<str>,
    },
    /// None: the server itself runs commands, such as those that repeat a record.
    Internal,
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
    queue: Vec<(CommandId, ArgsBuf)>,
    queue_bytes: usize,
    args_bytes: usize,
    /// A command was refused while queueing: EXEC aborts.
    pub failed: bool,
}

impl Transaction {
    pub fn queue(&self) -> &[(CommandId, ArgsBuf)] {
        &self.queue
    }

    pub fn push(&mut self, command: CommandId, args: ArgsBuf) {
        self.queue_bytes += size_of::<(CommandId, ArgsBuf)>() + args.memory_usage();
        self.args_bytes += args.as_args().bytes_len();
        self.queue.push((command, args));
    }

    /// How many bytes the arguments of the queued commands have.
    pub fn args_bytes(&self) -> usize {
        self.args_bytes
    }

    /// Bytes of memory that the queued commands take.
    pub fn memory_usage(&self) -> usize {
        self.queue_bytes
    }
}

impl Session {
    pub fn new(id: ClientId, peer: Peer, default_user: Rc<User>, now_ms: i64) -> Self {
        let mut session = Self {
            id,
            db: 0,
            name: Box::default(),
            lib_name: Box::default(),
            lib_version: Box::default(),
            reply_mode: ReplyMode::On,
            no_touch: false,
            no_evict: false,
            transaction: None,
            watched: Vec::new(),
            watched_bytes: 0,
            subscriptions: 0,
            listens: false,
            peer,
            created_ms: now_ms,
            last_used_ms: now_ms,
            last_command: None,
            authenticated: false,
            user: Rc::clone(&default_user),
            free: false,
        };
        session.log_out(default_user);
        session
    }

    /// How a read of a key counts for this connection.
    #[inline]
    pub fn touch(&self) -> Touch {
        if self.no_touch { Touch::No } else { Touch::Yes }
    }

    pub fn user(&self) -> &Rc<User> {
        &self.user
    }

    /// Whether the connection may run any command at all.
    #[inline]
    pub fn is_free(&self) -> bool {
        self.free
    }

    /// Whether nothing but AUTH and its like is answered. As long as the default user needs no password, everybody is it.
    #[inline]
    pub fn must_authenticate(&self) -> bool {
        !self.free && !self.authenticated && !self.user.is_open()
    }

    pub fn log_in(&mut self, user: Rc<User>) {
        self.authenticated = true;
        self.follow_user(user);
    }

    /// Makes the connection the default user's, as a new one is.
    pub fn log_out(&mut self, default_user: Rc<User>) {
        self.authenticated = default_user.is_open();
        self.follow_user(default_user);
    }

    /// Takes a user's new form in the place of the old one.
    pub fn follow_user(&mut self, user: Rc<User>) {
        self.free = (self.authenticated || user.is_open()) && user.is_unrestricted();
        self.user = user;
    }
}

impl Session {
    pub fn watched(&self) -> &[(usize, Box<[u8]>)] {
        &self.watched
    }

    pub fn note_watched(&mut self, db: usize, key: &[u8]) {
        self.watched_bytes += WATCHED_KEY_BYTES + key.len();
        self.watched.push((db, key.into()));
    }

    pub fn take_watched(&mut self) -> Vec<(usize, Box<[u8]>)> {
        self.watched_bytes = 0;
        std::mem::take(&mut self.watched)
    }

    /// Bytes of memory held for what the connection has set and asked for. Sums are kept, so that this costs the same
    /// however much that is.
    pub fn memory_usage(&self) -> usize {
        let names = self.name.len() + self.lib_name.len() + self.lib_version.len();
        names + self.watched_bytes + self.transaction.as_ref().map_or(0, Transaction::memory_usage)
    }
}

impl Peer {
    /// Whether the connection comes from this machine.
    pub fn is_local(&self) -> bool {
        match self {
            Peer::Tcp { remote, .. } => remote.ip().to_canonical().is_loopback(),
            Peer::Unix { .. } | Peer::Internal => true,
        }
    }

    /// The address alone.
    pub fn ip(&self) -> String {
        match self {
            Peer::Tcp { remote, .. } => remote.ip().to_canonical().to_string(),
            Peer::Unix { path } => path.to_string(),
            Peer::Internal => "?".to_owned(),
        }
    }

    /// `addr` of CLIENT LIST.
    pub fn remote(&self) -> String {
        match self {
            Peer::Tcp { remote, .. } => remote.to_string(),
            Peer::Unix { path } => format!("{path}:0"),
            Peer::Internal => "?:0".to_owned(),
        }
    }

    /// `laddr` of CLIENT LIST.
    pub fn local(&self) -> String {
        match self {
            Peer::Tcp { local, .. } => local.to_string(),
            Peer::Unix { path } => format!("{path}:0"),
            Peer::Internal => "?:0".to_owned(),
        }
    }
}
