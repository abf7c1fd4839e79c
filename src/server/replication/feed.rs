//! From changes to the stream, and what a primary sends its replicas from time to time.

use crate::config::ClientClass;
use crate::replication::{Backlog, write_words};
use crate::server::clients::{ClientKey, Close};
use crate::server::executor::Executor;
use crate::stdx::clock::Now;

use super::replica::{Replica, Stage};

/// Less of the stream is not kept, whatever `repl-backlog-size` says.
const BACKLOG_BYTES_MIN: u64 = 16 * 1024;

impl Executor {
    /// Appends what has happened to the data since the last call to the stream. Nothing where nobody wants it.
    #[inline(never)]
    pub(in crate::server) fn feed_replicas(&mut self) {
        self.keyspace.journal.close_group();
        if self.replication.is_replica() {
            self.note_own_keys();
            return;
        }
        if self.replication.backlog.is_none() {
            return;
        }
        if !self.keyspace.journal.has_groups() {
            return;
        }
        let Self { keyspace, replication, .. } = self;
        replication.append(|writer, out| keyspace.journal.drain_groups(|group| writer.write(group, out)));
        if let Some(key) = self.clients.executing() {
            self.clients.get_mut(key).written_to = self.replication.history.offset();
        }
        if self.keeps_too_much() {
            self.drop_overrun_replicas();
            self.trim_backlog();
        }
        self.wake_replicas();
    }

    /// Whether more of the stream is kept than the limit asks for.
    fn keeps_too_much(&self) -> bool {
        let Some(backlog) = &self.replication.backlog else { return false };
        backlog.len() > self.backlog_bytes_max() + Backlog::BLOCK_BYTES as u64
    }

    /// Closes replicas that more of the stream waits for than `client-output-buffer-limit replica` allows.
    fn drop_overrun_replicas(&mut self) {
        let backlog_bytes_max = self.backlog_bytes_max();
        let now = self.clock.latest();
        let Self { replication, clients, config, .. } = self;
        let Some(backlog) = &replication.backlog else { return };
        let mut limit = config.output_limit(ClientClass::Replica);
        if limit.hard_bytes > 0 {
            // The stream is kept for others anyway: what is within the backlog's size costs nothing.
            limit.hard_bytes = limit.hard_bytes.max(backlog_bytes_max);
        }
        let mut is_overrun = |key: ClientKey| {
            let client = clients.get_mut(key);
            let is_open = client.closing() != Some(Close::Now);
            is_open
                && client
                    .replica
                    .as_deref_mut()
                    .is_some_and(|replica| replica.is_overrun(backlog, limit, now.monotonic()))
        };
        let overrun: Vec<ClientKey> = replication.replicas.iter().copied().filter(|&key| is_overrun(key)).collect();
        for key in overrun {
            self.drop_overrun_replica(key, now);
        }
    }

    fn drop_overrun_replica(&mut self, key: ClientKey, now: Now) {
        let name = self.name_of_replica(key);
        let Some(replica) = self.clients.get(key).replica.as_deref() else { return };
        let unsent = self.replication.backlog.as_ref().map_or(0, |backlog| replica.unsent(backlog));
        if replica.is_settled {
            tracing::warn!(
                "Replica {name} is {unsent} bytes behind and is disconnected: client-output-buffer-limit replica allows \
                 no more"
            );
        } else {
            let in_a_row = self.replication.overruns.note(&name, now.monotonic());
            tracing::warn!(
                "Replica {name} is disconnected during its full sync, because {unsent} bytes of changes wait for it \
                 already: client-output-buffer-limit replica allows no more"
            );
            if in_a_row > 1 {
                let delay = self.replication.overruns.delay(&name, now.monotonic()).unwrap_or_default().as_secs();
                tracing::warn!(
                    "That was full sync number {in_a_row} in a row of replica {name} that ended so, and each would end \
                     so: raise client-output-buffer-limit replica above the bytes that are written during a full sync. \
                     The next one begins in {delay} seconds at the earliest"
                );
            }
        }
        self.stats.counters.client_output_buffer_limit_disconnections += 1;
        self.clients.get_mut(key).close(Close::Now);
    }

    /// Lets a replica wait for its full sync that was dropped twice in a row during one.
    pub(super) fn delay_sync_after_overruns(&mut self, key: ClientKey, now: Now) {
        let name = self.name_of_replica(key);
        if let Some(delay) = self.replication.overruns.delay(&name, now.monotonic()) {
            tracing::info!("The full sync of replica {name} begins in {} seconds at the earliest", delay.as_secs());
            if let Some(replica) = self.clients.get_mut(key).replica.as_deref_mut() {
                replica.not_before = Some(now.monotonic() + delay);
            }
        }
    }

    /// A replica has come through its full sync.
    pub(super) fn note_settled_replica(&mut self, key: ClientKey) {
        let name = self.name_of_replica(key);
        self.replication.overruns.settle(&name);
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
        let needed = self.replicas().filter_map(|(_, replica)| replica.needed()).min();
        if let Some(backlog) = &mut self.replication.backlog {
            let needed = needed.unwrap_or(u64::MAX);
            backlog.trim(bytes_max, needed.max(backlog.start()));
        }
    }

    /// What is due by time: PING, replicas that are silent or too far behind, a backlog that nobody wants any more, full
    /// syncs, a hand-over of the role.
    pub(in crate::server) fn replication_cron(&mut self) {
        let now = self.clock.latest();
        if self.replication.replicas.is_empty() && self.replication.backlog.is_none() {
            return;
        }
        if self.is_ping_due(now) {
            self.feed_replicas();
            self.ping_replicas(now);
        }
        self.drop_late_replicas(now);
        self.drop_overrun_replicas();
        self.trim_backlog();
        self.drop_unused_backlog(now);
        self.sync_cron(now);
        self.failover_cron();
    }

    /// What of it is due while a script is in the middle of what it does: its changes so far are no part of the stream yet.
    pub(in crate::server) fn replication_cron_beside_script(&mut self) {
        let now = self.clock.latest();
        if self.is_ping_due(now) {
            self.ping_replicas(now);
        }
        self.drop_late_replicas(now);
        self.send_newlines(now);
    }

    fn is_ping_due(&self, now: Now) -> bool {
        let period = u64::from(self.config.repl_ping_replica_period_seconds);
        let is_due = self.replication.last_ping.is_none_or(|last| now.since(last).as_secs() >= period);
        // While the role is handed over, the stream has to come to its end.
        let is_frozen = self.replication.failover.is_some();
        is_due && !is_frozen && !self.replication.is_replica() && !self.replication.replicas.is_empty()
    }

    fn ping_replicas(&mut self, now: Now) {
        self.replication.last_ping = Some(now);
        self.replication.append(|_, out| write_words(out, [&b"PING"[..]]));
        self.wake_replicas();
    }

    fn drop_late_replicas(&mut self, now: Now) {
        let timeout = u64::from(self.config.repl_timeout_seconds);
        let is_late = |replica: &Replica| {
            let waits_for_it = match replica.stage {
                Stage::Greeting | Stage::WaitsForSnapshot => false,
                Stage::TakesData { at } => self.replication.sync.as_ref().is_some_and(|sync| sync.has_data(at)),
                // One that knows no offsets acknowledges nothing.
                Stage::LoadsData | Stage::Online => replica.knows_offsets,
            };
            waits_for_it && now.since(replica.acked_at).as_secs() > timeout
        };
        let late: Vec<(ClientKey, Stage)> = self
            .replicas()
            .filter(|(_, replica)| is_late(replica))
            .map(|(key, replica)| (key, replica.stage))
            .collect();
        for (key, stage) in late {
            let doing = if matches!(stage, Stage::TakesData { .. }) { "full sync" } else { "streaming sync" };
            tracing::warn!("Disconnecting timedout replica ({doing}): {}", self.name_of_replica(key));
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
