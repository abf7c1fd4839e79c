//! The primary that this server follows, and what changes when it gets another one or none.

use super::primary::{Link, Restart, SyncProgress, Upstream};
use crate::commands::{ClientFilter, ClientType, CommandError};
use crate::config::PrimaryAddress;
use crate::rdb;
use crate::replication::{Backlog, Greeting, ReplicationId, Start};
use crate::server::clients::{ClientKey, Close};
use crate::server::executor::Executor;
use crate::snapshot::{Loaded, Origin};

impl Executor {
    /// Becomes a replica, or a replica of another primary. The data stay until those of the primary are here as a whole.
    pub(in crate::server) fn become_replica(&mut self, address: PrimaryAddress) {
        self.feed_replicas();
        self.keyspace.set_journal_wanted(false);
        self.end_waits();
        let now = self.clock.latest();
        let client = match self.replication.upstream.take() {
            // What the stream has selected so far stays selected: it may go on with another primary.
            Some(upstream) => upstream.client,
            None => {
                let client = self.connect_internal();
                self.select_for_stream(client, self.replication.writer.db());
                client
            }
        };
        self.config.replicaof = Some(address.clone());
        let number = self.replication.next_upstream_number();
        self.replication.upstream = Some(Upstream {
            address,
            number,
            link: Link::Connect,
            client,
            down_since: Some(now),
            heard_at: now,
            remote: Box::default(),
            unapplied_bytes: 0,
            progress: SyncProgress::default(),
            can_continue: true,
            was_in_sync: false,
            takes_over: false,
        });
        self.watch_own_writes();
        self.follow_pause();
        self.follow_refusals();
        // A score that cannot be set is logged.
        let _ = self.follow_oom_score();
        self.replication.upstream_wake.raise();
    }

    /// Becomes a primary: the stream goes on under another name.
    pub(super) fn become_primary(&mut self) {
        let Some(upstream) = self.replication.upstream.take() else { return };
        self.config.replicaof = None;
        self.disconnect(upstream.client);
        self.replication.own_keys.clear();
        self.keyspace.set_journal_wanted(false);
        self.replication.history.fork(super::state::new_id());
        self.replication.writer.select_anew();
        // They learn of the new name when they come back, and go on.
        self.close_replicas();
        if self.replication.backlog.is_some() {
            self.keyspace.set_journal_wanted(true);
            self.replication.lonely_since = Some(self.clock.latest());
        }
        self.follow_pause();
        self.follow_refusals();
        // A score that cannot be set is logged.
        let _ = self.follow_oom_score();
        self.replication.upstream_wake.raise();
    }

    /// Disconnects all replicas; they come back by themselves.
    pub(super) fn close_replicas(&mut self) {
        for key in self.replication.replicas.clone() {
            self.clients.get_mut(key).close(Close::Now);
        }
    }

    /// Ends all waits: for keys, which commands change that a replica refuses, and for replicas of this server's stream.
    fn end_waits(&mut self) {
        let changed = CommandError::text(
            "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
        );
        let waiting: Vec<ClientKey> =
            self.clients.iter().filter(|(_, client)| client.blocked().is_some()).map(|(key, _)| key).collect();
        for key in waiting {
            self.end_wait_with(key, &changed);
        }
        self.replication.waiting.clear();
    }

    /// Whether the data here can be given to replicas: on a replica, whether its own link is up.
    pub(super) fn is_in_sync_with_primary(&self) -> bool {
        self.replication.upstream.as_ref().is_none_or(|upstream| upstream.link == Link::Connected)
    }

    /// Whether clients are refused because the data may be old.
    pub(in crate::server) fn is_stale(&self) -> bool {
        let is_down = self.replication.upstream.as_ref().is_some_and(|upstream| upstream.link != Link::Connected);
        is_down && !self.config.replica_serve_stale_data
    }

    /// Whether the data of a full sync are arriving, or being loaded, while clients are answered from the old ones.
    pub(in crate::server) fn is_taking_data_in(&self) -> bool {
        let upstream = self.replication.upstream.as_ref();
        upstream.is_some_and(|upstream| upstream.link == Link::Sync && upstream.progress.read_bytes > 0)
    }

    /// The link with this number, if the server still follows that primary.
    pub(super) fn upstream(&mut self, number: u64) -> Option<&mut Upstream> {
        self.replication.upstream.as_mut().filter(|upstream| upstream.number == number)
    }

    /// What is said to a primary at first.
    pub(super) fn greeting(&self) -> Greeting {
        let Self { config, replication, .. } = self;
        let bytes = |text: &[u8]| Box::<[u8]>::from(text);
        let user = Some(&config.masteruser).filter(|user| !user.is_empty()).map(|user| bytes(user));
        let has_password = !config.masterauth.is_empty();
        let upstream = replication.upstream.as_ref();
        let can_continue = upstream.is_some_and(|upstream| upstream.can_continue);
        let history = &replication.history;
        Greeting {
            credentials: has_password.then(|| (user, bytes(&config.masterauth))),
            port: if config.replica_announce_port > 0 { config.replica_announce_port } else { config.port },
            announced_ip: Some(&*config.replica_announce_ip).filter(|ip| !ip.is_empty()).map(Into::into),
            position: can_continue.then(|| (history.id(), history.offset() + 1)),
            takes_over: upstream.is_some_and(|upstream| upstream.takes_over),
            rdb_version: rdb::VERSION_MAX,
        }
    }

    /// Notes where the link leads to.
    pub(super) fn note_remote(&mut self, number: u64, remote: String) {
        if let Some(upstream) = self.upstream(number) {
            upstream.remote = remote.into();
        }
    }

    /// Whether the link to the primary is one of the connections that CLIENT KILL names.
    pub(in crate::server) fn is_link_meant(&self, filter: &ClientFilter) -> bool {
        let Some(upstream) = &self.replication.upstream else { return false };
        let is_of_kind = filter.kind.is_none_or(|kind| kind == ClientType::Primary);
        let is_at = |address: &[u8]| !upstream.remote.is_empty() && *upstream.remote.as_bytes() == *address;
        let is_named = filter.kind.is_some() || filter.address.is_some();
        let is_other = filter.id.is_some() || filter.user.is_some() || filter.local_address.is_some();
        is_named && is_of_kind && !is_other && filter.address.as_deref().is_none_or(is_at)
    }

    /// Ends the link to the primary. It is made again at once.
    pub(in crate::server) fn cut_link(&mut self) {
        let next = self.replication.next_upstream_number();
        let Some(upstream) = &mut self.replication.upstream else { return };
        upstream.number = next;
        tracing::warn!("Connection with master lost: a client has ended it.");
        self.note_link(next, Link::Connect);
        self.replication.upstream_wake.raise();
    }

    /// Notes that the link is in another state.
    pub(super) fn note_link(&mut self, number: u64, link: Link) {
        let now = self.clock.advance();
        let Some(upstream) = self.upstream(number) else { return };
        upstream.heard_at = now;
        let was_up = upstream.link == Link::Connected;
        upstream.link = link;
        if link == Link::Connect {
            upstream.remote = Box::default();
            upstream.unapplied_bytes = 0;
        }
        if link == Link::Connected {
            upstream.down_since = None;
            upstream.was_in_sync = true;
            upstream.takes_over = false;
        } else if was_up {
            upstream.down_since = Some(now);
        }
    }

    /// The stream goes on where it ended.
    pub(super) fn continue_from_primary(&mut self, number: u64, start: Start) {
        let Start::Continued { id } = start else { return };
        if self.upstream(number).is_none() {
            return;
        }
        if let Some(id) = id.filter(|id| *id != self.replication.history.id()) {
            tracing::warn!("Master replication ID changed to {id}");
            self.replication.history.rename(id);
            // They have to know the new name too.
            self.close_replicas();
        }
        self.begin_stream();
        self.note_link(number, Link::Connected);
        tracing::info!("Successful partial resynchronization with master.");
    }

    /// Notes the database that the stream has selected so far, if it is known and there is such a one.
    fn select_for_stream(&mut self, client: ClientKey, db: Option<usize>) {
        let db = db.filter(|db| *db < self.keyspace.databases()).unwrap_or(0);
        self.clients.get_mut(client).session.db = db;
    }

    /// Puts the data of a full sync in the place of those that are here.
    pub(in crate::server) fn take_full_sync(&mut self, number: u64, start: Start, loaded: Loaded) {
        if self.upstream(number).is_none() {
            return;
        }
        let (id, offset) = match start {
            Start::Full { id, offset } => (id, offset),
            // Its stream has no numbers that mean anything to others.
            Start::Unnumbered | Start::Continued { .. } => (super::state::new_id(), 0),
        };
        self.close_replicas();
        let db = loaded.origin.db;
        self.take_loaded(loaded);
        self.replication.own_keys.clear();
        self.replication.history.adopt(id, offset);
        self.replication.backlog = Some(Backlog::new(offset));
        let upstream = self.replication.upstream.as_mut().expect("it was there above");
        upstream.can_continue = matches!(start, Start::Full { .. });
        let client = upstream.client;
        // A primary selects anew behind a full sync; a replica passes on a stream that has selected long before.
        self.select_for_stream(client, db);
        self.note_link(number, Link::Connected);
        tracing::info!("MASTER <-> REPLICA sync: Finished with success");
    }

    /// Takes over what a dump that the server starts with says of the history of its data.
    pub(in crate::server) fn resume_history(&mut self, origin: &Origin) {
        let (Some(id), Some(offset)) = (ReplicationId::parse(&origin.id), origin.offset) else { return };
        match &self.replication.upstream {
            Some(upstream) => {
                let client = upstream.client;
                self.replication.history.adopt(id, offset);
                self.replication.backlog = Some(Backlog::new(offset));
                self.select_for_stream(client, origin.db);
            }
            None => {
                self.replication.history.resume(id, offset);
                self.replication.restart = Some(Restart::new(self.clock.latest(), id, offset));
                self.begin_stream();
                self.replication.lonely_since = Some(self.clock.latest());
            }
        }
    }
}
