//! Clients that wait until replicas have what they have written (WAIT).

use std::time::Instant;

use super::replica::{Replica, Stage};
use super::state::WaitingClient;
use crate::commands::{InVain, UnblockWith, Wait};
use crate::keyspace::{Awaited, ClientId};
use crate::replication::write_words;
use crate::server::clients::ClientKey;
use crate::server::exec::Frame;
use crate::server::executor::Executor;

impl Executor {
    /// Bytes of a question to the replicas how far they are.
    pub(super) const QUESTION_BYTES: u64 = b"*3\r\n$8\r\nREPLCONF\r\n$6\r\nGETACK\r\n$1\r\n*\r\n".len() as u64;

    /// WAIT.
    pub(super) fn wait_for_replicas(&mut self, frame: &Frame<'_>, replicas: i64, deadline: Option<Instant>) {
        let key = frame.client;
        let offset = self.clients.get(key).written_to;
        let acked = self.replicas_at(offset);
        if acked as i64 >= replicas || !frame.may_wait() {
            self.clients.get_mut(key).reply.integer(acked as i64);
            return;
        }
        let (args, awaited, in_vain) = (frame.args.to_buf(), Awaited::AnyChange, InVain::Replicas { offset });
        self.block(frame, Wait { args, keys: 0..0, awaited, deadline, in_vain });
        let id = self.clients.get(key).session.id;
        self.drop_who_waits_no_more();
        self.replication.waiting.push(WaitingClient { id, offset, replicas: replicas as usize });
        self.ask_for_acks();
    }

    /// How many replicas have the stream up to this byte. One that loads the data of a full sync has nothing yet.
    pub(in crate::server) fn replicas_at(&self, offset: u64) -> usize {
        let has_it =
            |replica: &Replica| replica.stage == Stage::Online && replica.is_settled && replica.acked >= offset;
        self.replicas().filter(|(_, replica)| has_it(replica)).count()
    }

    /// Where the stream ends, but for a question at its end: a replica answers with what is before it.
    pub(in crate::server) fn end_of_changes(&self) -> u64 {
        let (asked, end) = (self.replication.last_question, self.replication.history.offset());
        if asked == end { end.saturating_sub(Self::QUESTION_BYTES) } else { end }
    }

    /// Replicas of the stream.
    fn stream_replicas(&self) -> impl Iterator<Item = (ClientKey, &Replica)> {
        self.replicas().filter(|(_, replica)| replica.is_attached() && !replica.capabilities.rdb_only)
    }

    /// Whether a replica lacks something of the stream before this byte.
    pub(in crate::server) fn replicas_lag(&self, end: u64) -> bool {
        self.stream_replicas().any(|(_, replica)| replica.acked < end)
    }

    /// Says in the log which replicas lack something, at the end of the server.
    pub(in crate::server) fn log_lagging_replicas(&self, end: u64) {
        let now = self.clock.latest();
        let (mut all, mut in_sync) = (0, 0);
        for (key, replica) in self.stream_replicas() {
            all += 1;
            if replica.acked >= end {
                in_sync += 1;
                continue;
            }
            tracing::warn!(
                "Lagging replica {} reported offset {} behind master, lag={}, state={}.",
                self.name_of_replica(key),
                end - replica.acked,
                now.since(replica.acked_at).as_secs(),
                self.state_of_replica(replica)
            );
        }
        if all > 0 {
            tracing::info!("{in_sync} of {all} replicas are in sync when shutting down.");
        }
    }

    /// Asks all replicas how far they are, unless they were asked after the last change.
    pub(in crate::server) fn ask_for_acks(&mut self) {
        self.feed_replicas();
        if self.replication.last_question == self.replication.history.offset() {
            return;
        }
        self.replication.append(|_, out| write_words(out, [&b"REPLCONF"[..], b"GETACK", b"*"]));
        self.replication.last_question = self.replication.history.offset();
        self.wake_replicas();
    }

    /// Clears those away, from time to time, whose time was up or whose connection has ended.
    fn drop_who_waits_no_more(&mut self) {
        if self.replication.waiting.len() < self.replication.waiting_max {
            return;
        }
        let mut waiting = std::mem::take(&mut self.replication.waiting);
        waiting.retain(|one| self.waiting_client(one.id).is_some());
        const WAITING_MIN: usize = 64;
        self.replication.waiting_max = (2 * waiting.len()).max(WAITING_MIN);
        self.replication.waiting = waiting;
    }

    /// Answers clients whose wait has come to its end, when a replica has said how far it is.
    pub(super) fn serve_waiting(&mut self) {
        let waiting = std::mem::take(&mut self.replication.waiting);
        for one in waiting {
            // Who has gone, or whose time was up, waits no more.
            let Some(key) = self.waiting_client(one.id) else { continue };
            if self.replicas_at(one.offset) >= one.replicas {
                self.unblock(key, UnblockWith::Timeout);
            } else {
                self.replication.waiting.push(one);
            }
        }
    }

    fn waiting_client(&self, id: ClientId) -> Option<ClientKey> {
        let key = self.clients.key_of(id)?;
        self.clients.get(key).blocked().filter(|blocked| blocked.waits_for_replicas()).map(|_| key)
    }
}
