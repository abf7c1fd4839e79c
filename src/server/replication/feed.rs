//! From changes to the stream, and what a primary sends its replicas from time to time.

use crate::config::ClientClass;
use crate::replication::{Backlog, write_words};
use crate::server::clients::{ClientKey, Close};
use crate::server::executor::Executor;
use crate::stdx::clock::Now;

use super::replica::Stage;

/// Less of the stream is not kept, whatever `repl-backlog-size` says.
const BACKLOG_BYTES_MIN: u64 = 16 * 1024;

impl Executor {
    /// Appends what has happened to the data since the last call to the stream. Nothing where nobody wants it.
    pub(in crate::server) fn feed_replicas(&mut self) {
        self.keyspace.journal.close_group();
        if self.replication.is_replica() {
            self.note_own_keys();
            return;
        }
        let groups = self.keyspace.journal.take_groups();
        if groups.is_empty() {
            return;
        }
        self.replication.append(|writer, out| groups.iter().for_each(|group| writer.write(group, out)));
        if let Some(key) = self.clients.executing() {
            self.clients.get_mut(key).written_to = self.replication.history.offset();
        }
        self.drop_overrun_replicas();
        self.trim_backlog();
        self.wake_replicas();
    }

    /// Closes replicas that more of the stream waits for than `client-output-buffer-limit replica` allows.
    fn drop_overrun_replicas(&mut self) {
        let Some(backlog) = &self.replication.backlog else { return };
        let limit = self.config.output_limit(ClientClass::Replica);
        // The stream is kept for others anyway: what is within the backlog's size costs nothing.
        let hard = if limit.hard_bytes == 0 { u64::MAX } else { limit.hard_bytes.max(self.backlog_bytes_max()) };
        let overrun: Vec<ClientKey> =
            self.replicas().filter(|(_, replica)| replica.unsent(backlog) > hard).map(|(key, _)| key).collect();
        for key in overrun {
            if self.clients.get(key).closing().is_none() {
                let name = self.name_of_replica(key);
                tracing::warn!(
                    "Replica {name} is {hard} bytes behind and is disconnected: raise client-output-buffer-limit \
                     replica if it cannot keep up during a full sync"
                );
                self.stats.counters.client_output_buffer_limit_disconnections += 1;
                self.clients.get_mut(key).close(Close::Now);
            }
        }
    }

    /// Begins to record changes, if that was not done before.
    pub(super) fn begin_stream(&mut self) {
        if self.replication.backlog.is_some() {
            return;
        }
        self.replication.backlog = Some(Backlog::new(self.replication.history.offset()));
        self.replication.writer.select_anew();
        if !self.replication.is_replica() {
            self.keyspace.set_journal_wanted(true);
        }
    }

    /// The most of the stream that is kept for replicas that come back.
    pub(super) fn backlog_bytes_max(&self) -> u64 {
        self.config.repl_backlog_size_bytes.max(BACKLOG_BYTES_MIN)
    }

    /// Frees what of the stream is neither needed by a replica nor within the limit.
    pub(super) fn trim_backlog(&mut self) {
        let bytes_max = self.backlog_bytes_max();
        let needed =
            self.replicas().filter(|(_, replica)| replica.is_attached()).map(|(_, replica)| replica.next).min();
        if let Some(backlog) = &mut self.replication.backlog {
            let needed = needed.unwrap_or(u64::MAX);
            backlog.trim(bytes_max, needed.max(backlog.start()));
        }
    }

    /// What is due by time: PING, replicas that are silent or too far behind, a backlog that nobody wants any more, full
    /// syncs.
    pub(in crate::server) fn replication_cron(&mut self) {
        let now = self.clock.latest();
        self.ping_replicas(now);
        self.drop_late_replicas(now);
        self.drop_unused_backlog(now);
        self.sync_cron(now);
    }

    fn ping_replicas(&mut self, now: Now) {
        let period = u64::from(self.config.repl_ping_replica_period_seconds);
        let is_due = self.replication.last_ping.is_none_or(|last| now.since(last).as_secs() >= period);
        if !is_due || self.replication.is_replica() || self.replication.replicas.is_empty() {
            return;
        }
        self.replication.last_ping = Some(now);
        if !self.is_paused() {
            self.feed_replicas();
            self.replication.append(|_, out| write_words(out, [&b"PING"[..]]));
            self.wake_replicas();
        }
    }

    fn drop_late_replicas(&mut self, now: Now) {
        let timeout = u64::from(self.config.repl_timeout_seconds);
        let late: Vec<ClientKey> = self
            .replicas()
            .filter(|(_, replica)| replica.stage == Stage::Online && now.since(replica.acked_at).as_secs() > timeout)
            .map(|(key, _)| key)
            .collect();
        for key in late {
            tracing::warn!("Disconnecting timedout replica (streaming sync): {}", self.name_of_replica(key));
            self.clients.get_mut(key).close(Close::Now);
        }
    }

    fn drop_unused_backlog(&mut self, now: Now) {
        let ttl = self.config.repl_backlog_ttl_seconds;
        let is_over = self.replication.lonely_since.is_some_and(|since| now.since(since).as_secs() > ttl);
        if !is_over || ttl == 0 || self.replication.is_replica() || !self.replication.replicas.is_empty() {
            return;
        }
        // Changes are not counted from here on: nobody may go on where the stream has ended.
        self.feed_replicas();
        self.replication.history.restart(super::state::new_id());
        self.replication.backlog = None;
        self.replication.lonely_since = None;
        self.keyspace.set_journal_wanted(false);
        tracing::warn!("Replication backlog freed after {ttl} seconds without connected replicas.");
    }

    /// How a replica is called in the log.
    pub(super) fn name_of_replica(&self, key: ClientKey) -> String {
        let client = self.clients.get(key);
        let (ip, port) = self.address_of_replica(key);
        match port {
            0 => format!("client id #{}", client.session.id),
            port => format!("{ip}:{port}"),
        }
    }

    /// The address under which a replica is known to others.
    pub(super) fn address_of_replica(&self, key: ClientKey) -> (String, u16) {
        let client = self.clients.get(key);
        let replica = client.replica.as_deref();
        let announced = replica.map(|replica| &*replica.announced_ip).filter(|ip| !ip.is_empty());
        let ip = announced.map_or_else(|| client.session.peer.ip(), str::to_owned);
        (ip, replica.map_or(0, |replica| replica.port))
    }

    /// Replicas that took in the stream so lately that they count for `min-replicas-to-write`.
    pub(in crate::server) fn good_replicas(&self) -> usize {
        let (now, lag_max) = (self.clock.latest(), u64::from(self.config.min_replicas_max_lag_seconds));
        let is_good = |at: Now| now.since(at).as_secs() <= lag_max;
        self.replicas().filter(|(_, replica)| replica.stage == Stage::Online && is_good(replica.acked_at)).count()
    }

    /// Whether writes are refused because too few replicas are there.
    pub(in crate::server) fn lacks_replicas(&self) -> bool {
        let Self { config, replication, .. } = self;
        config.min_replicas_to_write > 0
            && config.min_replicas_max_lag_seconds > 0
            && !replication.is_replica()
            && self.good_replicas() < config.min_replicas_to_write as usize
    }

    /// Whether a client may not write because this is a replica.
    pub(in crate::server) fn is_read_only(&self) -> bool {
        self.replication.is_replica() && self.config.replica_read_only
    }
}
