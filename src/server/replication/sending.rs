//! What replicas are sent next, piece by piece.

use super::replica::{Replica, Stage};
use crate::server::clients::ClientKey;
use crate::server::executor::Executor;

impl Executor {
    /// What a replica is sent next, beside its replies; nothing where there is nothing to send now.
    pub(in crate::server) fn piece_for_replica(&self, key: ClientKey) -> &[u8] {
        let Some(replica) = self.clients.get(key).replica.as_deref() else { return &[] };
        if !replica.lines.is_empty() {
            return &replica.lines;
        }
        match replica.stage {
            Stage::TakesData { at } => self.replication.sync.as_ref().map_or(&[], |sync| sync.read(at)),
            Stage::Online if replica.capabilities.rdb_only => &[],
            Stage::Online => self.replication.backlog.as_ref().map_or(&[], |backlog| backlog.read(replica.next)),
            Stage::Greeting | Stage::WaitsForSnapshot | Stage::LoadsData => &[],
        }
    }

    /// Counts bytes of such a piece that were sent.
    pub(in crate::server) fn count_sent_to_replica(&mut self, key: ClientKey, bytes: usize) {
        self.stats.counters.total_net_repl_output_bytes += bytes as u64;
        let client = self.count_output(key, bytes);
        let Some(replica) = client.replica.as_deref_mut() else { return };
        if !replica.lines.is_empty() {
            replica.lines.drain(..bytes);
            return;
        }
        match &mut replica.stage {
            Stage::TakesData { at } => {
                *at += bytes as u64;
                self.note_data_sent(key);
            }
            _ => replica.next += bytes as u64,
        }
    }

    /// Sends a replica a line, or the end of one, before what else it is sent.
    pub(super) fn send_line(&mut self, key: ClientKey, line: &[u8]) {
        let client = self.clients.get_mut(key);
        if let Some(replica) = client.replica.as_deref_mut() {
            replica.lines.extend_from_slice(line);
            client.wake();
        }
    }

    /// Whether a replica's connection is to gather small packets, or not to, which it has not done yet.
    pub(in crate::server) fn take_gathering_of_packets(&mut self, key: ClientKey) -> Option<bool> {
        self.clients.get_mut(key).replica.as_deref_mut()?.gathers_packets.take()
    }

    /// Replies that were not asked for would be in the middle of the stream: a client that causes one is no replica.
    #[cold]
    pub(in crate::server) fn reject_replies_to_replica(&self, key: ClientKey) {
        let client = self.clients.get(key);
        let command = client.session.last_command.map_or("?", |command| &self.table.row(command).full_name);
        let answer = client.reply.front().split(|byte| *byte == b'\r').next().unwrap_or_default();
        if answer.first() == Some(&b'-') {
            tracing::warn!(
                "== CRITICAL == This master is sending an error to its replica: '{}' after processing the command \
                 '{command}'",
                String::from_utf8_lossy(answer)
            );
        }
        tracing::warn!(
            "Replica generated a reply to command '{command}', disconnecting it: {}",
            self.name_of_replica(key)
        );
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
        self.trim_backlog();
    }
}
