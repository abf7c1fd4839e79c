//! What CLIENT asks about connections and does to them.

use std::fmt::Write as _;

use super::client::{Client, ClientKey, Close};
use crate::commands::{
    ChannelKind, ClientFilter, ClientRequest, ClientType, CommandError, Peer, Transaction, UnblockWith,
};
use crate::config::ClientClass;
use crate::server::exec::{Blocked, Frame};
use crate::server::executor::Executor;

/// What a static reply buffer holds in Redis: `obl` counts bytes up to here, `oll` and `omem` what is beyond.
const REPLY_CHUNK_BYTES: usize = 16 * 1024;

impl Executor {
    pub(in crate::server) fn answer_client(&mut self, frame: &Frame<'_>, request: ClientRequest) {
        let key = frame.client;
        match request {
            ClientRequest::Info { args_bytes } => {
                let line = self.describe_client(key, key, args_bytes);
                self.clients.get_mut(key).reply.verbatim(b"txt", line.as_bytes());
            }
            ClientRequest::List { filter, args_bytes } => {
                let keys: Vec<_> = self.matching_clients(key, &filter).collect();
                self.list_clients(key, keys, args_bytes);
            }
            ClientRequest::ListIds { ids, args_bytes } => {
                let ids = ids.into_iter().filter_map(|id| u64::try_from(id).ok());
                let keys = ids.filter_map(|id| self.clients.key_of(id)).collect();
                self.list_clients(key, keys, args_bytes);
            }
            ClientRequest::Kill { filter, by_address } => self.kill_clients(key, &filter, by_address),
            ClientRequest::Unblock { id, with } => self.unblock_client(key, id, with),
            ClientRequest::Monitor => self.start_monitoring(frame),
        }
    }

    fn matching_clients(&self, asking: ClientKey, filter: &ClientFilter) -> impl Iterator<Item = ClientKey> {
        let fits = move |key: ClientKey, client: &Client| {
            let session = &client.session;
            !(filter.skip_self && key == asking)
                && filter.id.is_none_or(|id| session.id == id)
                && filter.kind.is_none_or(|kind| type_of(client) == kind)
                && filter.address.as_ref().is_none_or(|address| session.peer.remote().as_bytes() == &**address)
                && filter.local_address.as_ref().is_none_or(|address| session.peer.local().as_bytes() == &**address)
                && filter.user.as_ref().is_none_or(|user| session.user().name() == &**user)
        };
        let mut found: Vec<(u64, ClientKey)> = self
            .clients
            .iter()
            .filter(|(key, client)| client.close != Some(Close::Now) && fits(*key, client))
            .map(|(key, client)| (client.session.id, key))
            .collect();
        // In the order in which they came, whatever places they were given.
        found.sort_unstable();
        found.into_iter().map(|(_, key)| key)
    }

    fn list_clients(&mut self, asking: ClientKey, keys: Vec<ClientKey>, args_bytes: usize) {
        let mut lines = String::new();
        for key in keys {
            lines.push_str(&self.describe_client(key, asking, args_bytes));
            // The same client may be named any number of times.
            if !self.clients.get(asking).reply.takes(lines.len()) {
                break;
            }
        }
        self.clients.get_mut(asking).reply.verbatim(b"txt", lines.as_bytes());
    }

    /// One line of CLIENT LIST, its end included.
    pub(in crate::server) fn describe_client(&self, key: ClientKey, asking: ClientKey, args_bytes: usize) -> String {
        let client = self.clients.get(key);
        let session = &client.session;
        let now_ms = self.clock.latest().steady_ms();
        let seconds_since = |then_ms: i64| (now_ms - then_ms).max(0) / 1000;
        let args_bytes = if key == asking { args_bytes } else { client.blocked().map_or(0, Blocked::args_bytes) };
        let (partial_bytes, partial_args_bytes) =
            if key == asking { (0, 0) } else { (client.partial_bytes, client.partial_args_bytes) };
        // The one that asks is not done with its command, nor is one that waits.
        let unfinished = key == asking || client.blocked().is_some();
        let transaction = session.transaction.as_ref();
        let unsent = client.reply.len();
        let beyond = unsent.saturating_sub(REPLY_CHUNK_BYTES);
        let in_list = if beyond > 0 { client.reply.capacity() } else { 0 };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let command = session.last_command.map_or("NULL", |command| &self.table.row(command).full_name);
        let mut line = String::with_capacity(400);
        let result = writeln!(
            line,
            "id={} addr={} laddr={} fd={} name={} age={} idle={} flags={} db={} sub={} psub={} ssub={} multi={} \
             qbuf={} qbuf-free={} argv-mem={} multi-mem={} rbs={} rbp={} obl={} oll={} omem={} tot-mem={} \
             events={} cmd={} user={} redir=-1 resp={} lib-name={} lib-ver={} watch={} \
             io-thread=0 tot-net-in={} tot-net-out={} tot-cmds={}",
            session.id,
            session.peer.remote(),
            session.peer.local(),
            client.fd,
            text(&session.name),
            seconds_since(session.created_ms),
            seconds_since(session.last_used_ms),
            self.client_flags(client),
            session.db,
            client.channels.of(ChannelKind::Channel).len(),
            client.channels.of(ChannelKind::Pattern).len(),
            client.channels.of(ChannelKind::Shard).len(),
            transaction.map_or(-1, |transaction| transaction.queue().len() as i64),
            client.query_bytes,
            client.query_capacity.saturating_sub(client.query_bytes + partial_bytes),
            args_bytes + partial_args_bytes,
            transaction.map_or(0, Transaction::memory_usage),
            client.reply.capacity().min(REPLY_CHUNK_BYTES),
            client.reply_bytes_peak.min(REPLY_CHUNK_BYTES),
            unsent.min(REPLY_CHUNK_BYTES),
            beyond.div_ceil(REPLY_CHUNK_BYTES),
            in_list,
            client.memory_usage() + args_bytes,
            if unsent > 0 && key != asking { "rw" } else { "r" },
            command,
            text(session.user().name()),
            client.reply.protocol().version(),
            text(&session.lib_name),
            text(&session.lib_version),
            session.watched().len(),
            client.input_bytes_total,
            client.output_bytes_total,
            client.commands_total.saturating_sub(unfinished.into()),
        );
        debug_assert!(result.is_ok(), "writing to a string does not fail");
        line
    }

    fn client_flags(&self, client: &Client) -> String {
        let session = &client.session;
        let changed = self.keyspace.has_watched_change(session.id);
        let flags: String = [
            (client.is_replica(), 'S'),
            (session.listens && !client.is_replica(), 'O'),
            (session.subscriptions > 0, 'P'),
            (session.transaction.is_some(), 'x'),
            (client.stall.is_some(), 'b'),
            (changed, 'd'),
            (client.close == Some(Close::AfterReply), 'c'),
            (matches!(session.peer, Peer::Unix { .. }), 'U'),
            (session.no_evict, 'e'),
            (session.no_touch, 'T'),
        ]
        .into_iter()
        .filter_map(|(set, flag)| set.then_some(flag))
        .collect();
        if flags.is_empty() { "N".to_owned() } else { flags }
    }

    fn kill_clients(&mut self, key: ClientKey, filter: &ClientFilter, by_address: bool) {
        let keys: Vec<_> = self.matching_clients(key, filter).collect();
        let mut killed = keys.len();
        if self.is_link_meant(filter) {
            self.cut_link();
            killed += 1;
        }
        for victim in &keys {
            if *victim == key {
                self.clients.get_mut(key).close(Close::AfterReply);
            } else {
                self.drop_client(*victim);
                self.clients.close_before_reply();
            }
        }
        match (by_address, killed) {
            (true, 0) => self.reply_error(key, &CommandError::text("ERR No such client")),
            (true, _) => self.clients.get_mut(key).reply.ok(),
            (false, killed) => self.clients.get_mut(key).reply.integer(killed as i64),
        }
    }

    /// Ends another client's connection: from now on it counts for nothing, and its task lets go of it at its next look.
    pub(in crate::server) fn drop_client(&mut self, key: ClientKey) {
        self.end_wait(key);
        self.unwatch(key);
        self.unsubscribe_all(key);
        self.stop_monitoring(key);
        self.forget_replica(key);
        self.clients.retire(key);
    }

    fn unblock_client(&mut self, key: ClientKey, id: i64, with: UnblockWith) {
        let blocked = u64::try_from(id).ok().and_then(|id| self.clients.key_of(id));
        let unblocked = blocked.is_some_and(|blocked| self.unblock(blocked, with));
        self.clients.get_mut(key).reply.integer(unblocked.into());
    }
}

fn type_of(client: &Client) -> ClientType {
    match client.class() {
        ClientClass::Normal => ClientType::Normal,
        ClientClass::Replica => ClientType::Replica,
        ClientClass::PubSub => ClientType::PubSub,
    }
}
