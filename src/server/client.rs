//! The connected clients: their sessions, output buffers, and what may hold them up.

use std::rc::Rc;
use std::time::Instant;

use hashbrown::HashMap;
use slab::Slab;

use super::executor::Executor;
use super::wake::Wake;
use crate::commands::{Peer, Session};
use crate::config::ClientClass;
use crate::keyspace::ClientId;
use crate::resp::{Protocol, Reply};

/// A client's place in the registry, reused after it has gone.
pub type ClientKey = usize;

/// One connected client.
pub struct Client {
    pub session: Session,
    /// Bytes on their way out; whoever appends from outside the client's own task raises `wake`.
    pub reply: Reply,
    pub wake: Rc<Wake>,
    pub close: Option<Close>,
    /// Why the client's next command has to wait.
    pub stall: Option<Stall>,
    /// Bytes read and not executed yet, and the room for them.
    pub query_bytes: usize,
    pub query_capacity: usize,
    pub args_bytes: usize,
    /// Since when the output has been over the soft limit.
    pub over_soft_limit_since: Option<Instant>,
    pub channels: super::pubsub::Subscriptions,
    pub input_bytes_total: u64,
    pub output_bytes_total: u64,
    pub commands_total: u64,
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
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stall {
    /// CLIENT PAUSE.
    Paused,
    /// SHUTDOWN waits for something.
    Shutdown,
}

impl Client {
    /// The class under whose output limits the client falls.
    pub fn class(&self) -> ClientClass {
        if self.session.subscriptions > 0 { ClientClass::PubSub } else { ClientClass::Normal }
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
}

impl Clients {
    pub fn len(&self) -> usize {
        self.slab.len()
    }

    pub fn add(&mut self, peer: Peer, authenticated: bool, now_ms: i64) -> ClientKey {
        self.last_id += 1;
        let id = self.last_id;
        let key = self.slab.insert(Client {
            session: Session::new(id, peer, authenticated, now_ms),
            reply: Reply::new(Protocol::Resp2),
            wake: Rc::default(),
            close: None,
            stall: None,
            query_bytes: 0,
            query_capacity: 0,
            args_bytes: 0,
            over_soft_limit_since: None,
            channels: Default::default(),
            input_bytes_total: 0,
            output_bytes_total: 0,
            commands_total: 0,
        });
        self.by_id.insert(id, key);
        key
    }

    pub fn remove(&mut self, key: ClientKey) -> Client {
        let client = self.slab.remove(key);
        self.by_id.remove(&client.session.id);
        client
    }

    #[inline]
    pub fn get(&self, key: ClientKey) -> &Client {
        &self.slab[key]
    }

    #[inline]
    pub fn get_mut(&mut self, key: ClientKey) -> &mut Client {
        &mut self.slab[key]
    }

    pub fn key_of(&self, id: ClientId) -> Option<ClientKey> {
        self.by_id.get(&id).copied()
    }

    /// The client with this number, if it is still connected.
    pub fn by_id_mut(&mut self, id: ClientId) -> Option<&mut Client> {
        let key = *self.by_id.get(&id)?;
        self.slab.get_mut(key)
    }

    pub fn iter(&self) -> impl Iterator<Item = (ClientKey, &Client)> {
        self.slab.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (ClientKey, &mut Client)> {
        self.slab.iter_mut()
    }
}

impl Executor {
    /// Takes a new connection in.
    pub fn connect(&mut self, peer: Peer) -> (ClientKey, Rc<Wake>) {
        let now = self.clock.advance();
        let authenticated = self.config.requirepass.is_empty();
        let key = self.clients.add(peer, authenticated, now.unix_ms);
        self.counters.total_connections_received += 1;
        (key, Rc::clone(&self.clients.get(key).wake))
    }

    /// Lets go of a connection that has ended, and of everything held for it.
    pub fn disconnect(&mut self, key: ClientKey) {
        self.unwatch(key);
        self.unsubscribe_all(key);
        self.clients.get_mut(key).reply.truncate(0);
        self.return_output(key);
        self.clients.remove(key);
    }

    pub fn count_read(&mut self, key: ClientKey, bytes: usize) {
        self.counters.total_net_input_bytes += bytes as u64;
        self.counters.total_reads_processed += 1;
        self.clients.get_mut(key).input_bytes_total += bytes as u64;
    }

    pub fn count_written(&mut self, key: ClientKey, bytes: usize) {
        self.counters.total_net_output_bytes += bytes as u64;
        self.counters.total_writes_processed += 1;
        let client = self.clients.get_mut(key);
        client.output_bytes_total += bytes as u64;
        client.reply.discard_front(bytes);
    }

    /// Notes how much of a connection's input waits, and closes one that exceeds `client-query-buffer-limit`.
    pub fn note_query_buffer(&mut self, key: ClientKey, bytes: usize, capacity: usize) {
        let client = self.clients.get_mut(key);
        client.query_bytes = bytes;
        client.query_capacity = capacity;
        if bytes as u64 > self.config.client_query_buffer_limit_bytes {
            self.counters.client_query_buffer_limit_disconnections += 1;
            tracing::warn!("Closing client that reached max query buffer length: id={}", client.session.id);
            client.close(Close::Now);
        }
    }

    /// Closes clients whose unsent output exceeds `client-output-buffer-limit`.
    pub fn enforce_output_limits(&mut self) {
        let now = self.clock.latest().monotonic;
        for (_, client) in self.clients.iter_mut() {
            let limit = self.config.output_limit(client.class());
            let unsent = client.reply.len() as u64;
            let over = |bytes: u64| bytes > 0 && unsent >= bytes;
            let mut exceeded = over(limit.hard_bytes);
            if over(limit.soft_bytes) {
                let since = *client.over_soft_limit_since.get_or_insert(now);
                exceeded |= now.saturating_duration_since(since).as_secs() > limit.soft_seconds;
            } else {
                client.over_soft_limit_since = None;
            }
            if exceeded && client.close.is_none() {
                self.counters.client_output_buffer_limit_disconnections += 1;
                tracing::warn!(
                    "Client id={} addr={} closed for overcoming of output buffer limits.",
                    client.session.id,
                    client.session.peer.remote()
                );
                client.close(Close::Now);
            }
        }
    }
}
