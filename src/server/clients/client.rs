//! The connected clients: their sessions, output buffers, and what may hold them up.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use hashbrown::HashMap;
use slab::Slab;

use super::memory::{ClientMemory, Counted};
use super::output_limit::OutputWatch;
use crate::commands::{Peer, ReplyMode, Session, User};
use crate::config::{ClientBufferLimit, ClientClass, Config};
use crate::keyspace::ClientId;
use crate::resp::{Protocol, Reply};
use crate::server::exec::Blocked;
use crate::server::net::Wake;
use crate::server::replication::Replica;
use crate::stdx::clock::Now;

/// Unsent bytes that no limit counts: as in Redis, where every client has so much room for small replies.
pub(super) const UNCOUNTED_OUTPUT_BYTES: usize = 16 * 1024;

/// In Redis replies beyond that take blocks of this size, which the limit counts whole.
const OUTPUT_BLOCK_BYTES: usize = 20_464;

/// What is so far beyond a limit is over it in whatever way it is counted.
const OUTPUT_BYTES_BEYOND_LIMIT: u64 = 64 * 1024;

/// A buffer for pushes that grew beyond this is not kept.
const HELD_BYTES_KEPT: usize = 64 * 1024;

/// A client's place in the registry, reused after it has gone.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ClientKey(usize);

/// One connected client.
pub struct Client {
    pub session: Session,
    /// Bytes on their way out; whoever appends from outside the client's own task raises `wake`.
    pub reply: Reply,
    pub(super) wake: Rc<Wake>,
    /// The socket's number, which CLIENT LIST shows.
    pub(super) fd: i32,
    pub(super) close: Option<Close>,
    /// Why the client's next command has to wait.
    pub(super) stall: Option<Stall>,
    /// Bytes read and not taken in yet, and the room for them and for what was taken in.
    pub(super) query_bytes: usize,
    pub(super) query_capacity: usize,
    /// Bytes taken in of a command of which more is to come, those of its arguments, and what reading it takes beside the
    /// buffer.
    pub(super) partial_bytes: usize,
    pub(super) partial_args_bytes: usize,
    pub(super) decoder_bytes: usize,
    /// With as many unsent bytes of replies, no further command is executed in this round.
    pub(super) reply_bytes_end: usize,
    /// What the client counts for in the memory of all.
    pub(super) counted: Counted,
    /// The most bytes of replies that were waiting at once.
    pub(super) reply_bytes_peak: usize,
    pub(super) output_watch: OutputWatch,
    pub(super) channels: super::subscriptions::Subscriptions,
    pub(super) input_bytes_total: u64,
    pub(super) output_bytes_total: u64,
    pub(super) commands_total: u64,
    /// What the connection is as a replica, if it has said that it is one.
    pub replica: Option<Box<Replica>>,
    /// The end of the stream behind the last command of the client that has changed something (WAIT).
    pub written_to: u64,
}

/// How a connection is to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Close {
    /// Once everything written so far is sent.
    AfterReply,
    /// At once.
    Now,
}

/// What a client waits for.
#[derive(Debug)]
pub enum Stall {
    /// The end of CLIENT PAUSE, or of a migration.
    Paused,
    /// A key, with a command that has been run (BLPOP).
    Blocked(Box<Blocked>),
    /// Another server, which is given keys (MIGRATE).
    Migrating,
    /// The end of the script that it has called. Its reply is not whole: nothing of it may be sent, and its place is
    /// needed whatever becomes of the connection.
    Script,
}

impl Client {
    /// What its next command waits for, if it does.
    #[inline]
    pub fn stall(&self) -> Option<&Stall> {
        self.stall.as_ref()
    }

    /// Lets the client's next command wait.
    pub fn wait_for(&mut self, stall: Stall) {
        self.stall = Some(stall);
    }

    /// Lets the client go on, whatever it has waited for.
    pub fn resume(&mut self) {
        self.stall = None;
        self.wake();
    }

    /// Makes the client's task look at what has changed.
    pub fn wake(&self) {
        self.wake.raise();
    }

    /// How the connection is to end, if it is.
    #[inline]
    pub fn closing(&self) -> Option<Close> {
        self.close
    }

    /// Begins a round with so many bytes of input, which ends once so many bytes of replies are added.
    #[inline]
    pub fn begin_round(&mut self, query_bytes: usize, reply_bytes: usize) {
        self.query_bytes = query_bytes;
        self.reply_bytes_end = self.reply.len().saturating_add(reply_bytes);
    }

    /// Ends the round behind the command that is executed.
    pub fn end_round(&mut self) {
        self.reply_bytes_end = 0;
    }

    /// Whether no further command is executed before the replies are sent.
    #[inline]
    pub fn has_enough_replies(&self) -> bool {
        self.reply.len() >= self.reply_bytes_end
    }

    /// The room for bytes that were read and not taken in yet.
    pub fn query_capacity(&self) -> usize {
        self.query_capacity
    }

    #[cfg(any(test, feature = "internals"))]
    pub fn commands_total(&self) -> u64 {
        self.commands_total
    }

    #[inline]
    pub fn count_command(&mut self) {
        self.commands_total += 1;
    }

    /// Whether the connection is a replica's, which has asked for the stream.
    #[inline]
    pub fn is_replica(&self) -> bool {
        self.replica.as_deref().is_some_and(Replica::is_attached)
    }

    /// The class under whose output limits the client falls.
    pub fn class(&self) -> ClientClass {
        if self.is_replica() {
            ClientClass::Replica
        } else if self.session.subscriptions > 0 {
            ClientClass::PubSub
        } else {
            ClientClass::Normal
        }
    }

    /// The command with which the client waits for a key.
    pub fn blocked(&self) -> Option<&Blocked> {
        match &self.stall {
            Some(Stall::Blocked(blocked)) => Some(blocked),
            Some(Stall::Paused | Stall::Migrating | Stall::Script) | None => None,
        }
    }

    pub fn blocked_mut(&mut self) -> Option<&mut Blocked> {
        match &mut self.stall {
            Some(Stall::Blocked(blocked)) => Some(blocked),
            Some(Stall::Paused | Stall::Migrating | Stall::Script) | None => None,
        }
    }

    /// Ends the wait for a key. Returns the command that waited.
    pub fn take_blocked(&mut self) -> Option<Box<Blocked>> {
        match self.stall.take_if(|stall| matches!(stall, Stall::Blocked(_))) {
            Some(Stall::Blocked(blocked)) => Some(blocked),
            Some(Stall::Paused | Stall::Migrating | Stall::Script) | None => None,
        }
    }

    /// Bytes of memory held for the client, but for its share of tables that all clients share.
    pub fn memory_usage(&self) -> usize {
        size_of::<Self>()
            + self.session.memory_usage()
            + self.blocked().map_or(0, Blocked::memory_usage)
            + self.channels.memory_usage()
            + self.query_capacity
            + self.decoder_bytes
            + self.reply.capacity()
            + self.replica.as_deref().map_or(0, Replica::memory_usage)
    }

    /// Bounds what the commands that follow may answer: what is over the limit of the client's class would never be sent,
    /// and what takes more than the free memory could not be.
    #[inline]
    pub fn limit_reply(&mut self, config: &Config, free_bytes: usize) {
        let hard_bytes = config.output_limit(self.class()).hard_bytes;
        let is_limited = hard_bytes > 0 && self.session.reply_mode == ReplyMode::On;
        let limit = if is_limited { hard_bytes.saturating_add(OUTPUT_BYTES_BEYOND_LIMIT) } else { u64::MAX };
        self.reply.set_unsent_max(free_bytes.min(usize::try_from(limit).unwrap_or(usize::MAX)));
    }

    /// Whether the unsent output is over the limit of the client's class, now or for too long.
    pub(super) fn exceeds_output_limit(&mut self, limit: ClientBufferLimit, now: Instant) -> bool {
        let beyond = self.reply.len().saturating_sub(UNCOUNTED_OUTPUT_BYTES);
        let unsent = beyond.next_multiple_of(OUTPUT_BLOCK_BYTES) as u64;
        self.output_watch.exceeds(unsent, limit, now)
    }

    /// Asks the connection's task to end; it does so at its next look.
    pub fn close(&mut self, how: Close) {
        if self.close != Some(Close::Now) {
            self.close = Some(how);
        }
        self.wake.raise();
    }
}

/// All connected clients.
#[derive(Default)]
pub struct Clients {
    slab: Slab<Client>,
    by_id: HashMap<ClientId, ClientKey>,
    last_id: ClientId,
    /// How many of the clients have no connection.
    internal: usize,
    /// See [`Self::close_before_reply`].
    closes_before_reply: Cell<bool>,
    /// The client whose command is being executed. What is pushed to it meanwhile waits in `held_pushes`, so that it
    /// is not within the command's own reply.
    executing: Option<ClientKey>,
    held_pushes: Vec<u8>,
    /// Those that are sent every command.
    pub(super) monitors: Vec<ClientKey>,
    /// The output buffer that clients use by turns, so that idle ones have none.
    spare_output: Vec<u8>,
    /// Whether that is switched off (DEBUG REPLYBUFFER RESIZING).
    pub(super) keeps_output: bool,
    /// When a cross-protocol attack was last logged.
    pub(super) attack_logged: Option<Now>,
    pub(super) memory: ClientMemory,
}

impl Clients {
    /// Those with a connection.
    pub fn len(&self) -> usize {
        self.slab.len() - self.internal
    }

    /// Those that were not ended; a few more may be about to notice their end.
    pub fn live_len(&self) -> usize {
        self.by_id.len()
    }

    pub fn add(&mut self, peer: Peer, fd: i32, default_user: Rc<User>, now_ms: i64) -> ClientKey {
        self.last_id += 1;
        let id = self.last_id;
        let has_connection = peer != Peer::Internal;
        let key = self.slab.insert(Client {
            session: Session::new(id, peer, default_user, now_ms),
            reply: Reply::new(Protocol::Resp2),
            wake: Rc::default(),
            fd,
            close: None,
            stall: None,
            query_bytes: 0,
            query_capacity: 0,
            partial_bytes: 0,
            partial_args_bytes: 0,
            decoder_bytes: 0,
            reply_bytes_end: 0,
            counted: Counted::default(),
            reply_bytes_peak: 0,
            output_watch: OutputWatch::default(),
            channels: Default::default(),
            input_bytes_total: 0,
            output_bytes_total: 0,
            commands_total: 0,
            replica: None,
            written_to: 0,
        });
        let key = ClientKey(key);
        if !has_connection {
            self.internal += 1;
            return key;
        }
        self.by_id.insert(id, key);
        if self.memory.is_limited() {
            self.recount(key);
        }
        key
    }

    pub fn remove(&mut self, key: ClientKey) -> Client {
        self.discount(key);
        let client = self.slab.remove(key.0);
        self.by_id.remove(&client.session.id);
        self.internal -= usize::from(client.session.peer == Peer::Internal);
        client
    }

    #[inline]
    pub fn get(&self, key: ClientKey) -> &Client {
        // Not by an index, which is compiled as a call in builds without link-time optimisation.
        self.slab.get(key.0).expect("a client goes when its task ends")
    }

    #[inline]
    pub fn get_mut(&mut self, key: ClientKey) -> &mut Client {
        self.slab.get_mut(key.0).expect("a client goes when its task ends")
    }

    pub fn key_of(&self, id: ClientId) -> Option<ClientKey> {
        self.by_id.get(&id).copied()
    }

    /// Ends a client before its task does: it is found no more, gets nothing more, and only its place is left. Its replies
    /// are freed at once, or keys would be evicted for what is about to go anyway.
    pub fn retire(&mut self, key: ClientKey) {
        let client = &mut self.slab[key.0];
        self.by_id.remove(&client.session.id);
        client.reply.discard();
        client.close(Close::Now);
        self.discount(key);
    }

    /// Lets the tasks of clients that were retired run before the command is answered, so that their connections are closed
    /// then. Not where clients are evicted: others would add to their replies before any is sent.
    pub fn close_before_reply(&self) {
        self.closes_before_reply.set(true);
    }

    /// Whether that was asked for since this was last asked.
    #[inline]
    pub fn take_closes_before_reply(&self) -> bool {
        self.closes_before_reply.get() && self.closes_before_reply.replace(false)
    }

    /// Whether anybody is sent every command.
    #[inline]
    pub fn has_monitors(&self) -> bool {
        !self.monitors.is_empty()
    }

    /// Lets clients keep their output buffers, or use one by turns again.
    pub fn keep_output(&mut self, keep: bool) {
        self.keeps_output = keep;
    }

    /// Gives a client without an output buffer the spare one.
    pub fn lend_output(&mut self, key: ClientKey) {
        let buffer = self.slab[key.0].reply.buffer_mut();
        if buffer.capacity() == 0 {
            std::mem::swap(buffer, &mut self.spare_output);
        }
    }

    /// Takes the output buffer of a client that has nothing to send.
    pub fn return_output(&mut self, key: ClientKey) {
        const SPARE_BYTES_MAX: usize = 1 << 18;
        let buffer = self.slab[key.0].reply.buffer_mut();
        if buffer.is_empty() && buffer.capacity() > 0 && !self.keeps_output {
            let taken = std::mem::take(buffer);
            if taken.capacity() <= SPARE_BYTES_MAX && taken.capacity() > self.spare_output.capacity() {
                self.spare_output = taken;
            }
        }
    }

    /// The client whose command is being executed.
    #[inline]
    pub fn executing(&self) -> Option<ClientKey> {
        self.executing
    }

    pub fn begin_command(&mut self, key: ClientKey) {
        self.executing = Some(key);
    }

    /// Appends what was pushed to the client during its command, behind its reply.
    #[inline]
    pub fn end_command(&mut self) {
        let key = self.executing.take();
        if let (Some(key), false) = (key, self.held_pushes.is_empty()) {
            let client = &mut self.slab[key.0];
            client.reply.raw(&self.held_pushes);
            self.held_pushes.clear();
            self.held_pushes.shrink_to(HELD_BYTES_KEPT);
        }
    }

    /// Leaves the command that is being executed for later. Returns what was pushed to its client.
    pub fn suspend_command(&mut self) -> Vec<u8> {
        self.executing = None;
        std::mem::take(&mut self.held_pushes)
    }

    /// Goes on with a command that was left.
    pub fn resume_command(&mut self, key: ClientKey, held_pushes: Vec<u8>) {
        self.executing = Some(key);
        self.held_pushes = held_pushes;
    }

    /// Writes to a client something that is no reply to its commands. Returns its place, or nothing if the client is
    /// not there any more.
    pub fn push(&mut self, id: ClientId, write: impl FnOnce(&mut Reply)) -> Option<ClientKey> {
        let key = self.key_of(id)?;
        self.push_to(key, write);
        Some(key)
    }

    /// As [`Clients::push`], for a client that is there.
    pub fn push_to(&mut self, key: ClientKey, write: impl FnOnce(&mut Reply)) {
        if self.executing == Some(key) {
            self.hold(key, write);
        } else if self.slab[key.0].close.is_none() {
            write(&mut self.slab[key.0].reply);
            self.slab[key.0].wake.raise();
        }
    }

    /// Writes something that goes out behind the reply of the command being executed, even where that is not wanted.
    pub fn hold(&mut self, key: ClientKey, write: impl FnOnce(&mut Reply)) {
        let held = std::mem::take(&mut self.held_pushes);
        let mut reply = Reply::with_buffer(held, self.slab[key.0].reply.protocol());
        write(&mut reply);
        self.held_pushes = reply.take();
    }

    /// Those with a connection.
    pub fn iter(&self) -> impl Iterator<Item = (ClientKey, &Client)> {
        let all = self.slab.iter().map(|(key, client)| (ClientKey(key), client));
        all.filter(|(_, client)| client.session.peer != Peer::Internal)
    }

    /// As [`Clients::iter`].
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (ClientKey, &mut Client)> {
        let all = self.slab.iter_mut().map(|(key, client)| (ClientKey(key), client));
        all.filter(|(_, client)| client.session.peer != Peer::Internal)
    }
}
