//! INFO's section about replication, and what dumps note of it.

use super::replica::{Replica, Stage};
use super::{Replication, ReplicationMemory};
use crate::observe::{InfoText, ReplicaFigures};
use crate::replication::ReplicationId;
use crate::server::executor::Executor;

impl Executor {
    /// How far a replica is, as INFO has it.
    pub(super) fn state_of_replica(&self, replica: &Replica) -> &'static str {
        let is_written = self.replication.sync.as_ref().is_none_or(|sync| sync.is_vouched_for);
        match replica.stage {
            Stage::Greeting | Stage::WaitsForSnapshot => "wait_bgsave",
            Stage::TakesData { .. } if !is_written => "wait_bgsave",
            Stage::TakesData { .. } => "send_bulk",
            Stage::LoadsData | Stage::Online => "online",
        }
    }

    pub(in crate::server) fn info_replication(&self, out: &mut InfoText) {
        let replication = &self.replication;
        let now = self.clock.latest();
        let figures = self.replication_figures();
        match replication.upstream.as_ref().zip(figures.upstream.as_ref()) {
            None => out.field("role", "master"),
            Some((upstream, shown)) => {
                out.field("role", "slave");
                out.field("master_host", &shown.host);
                out.field("master_port", shown.port);
                out.field("master_link_status", if shown.link_is_up { "up" } else { "down" });
                out.field("master_last_io_seconds_ago", shown.last_io_seconds);
                out.field("master_sync_in_progress", u8::from(shown.sync_in_progress));
                out.field("slave_read_repl_offset", shown.offset + upstream.unapplied_bytes);
                out.field("slave_repl_offset", shown.offset);
                if shown.sync_in_progress {
                    let progress = &upstream.progress;
                    let total = progress.total_bytes.unwrap_or(0);
                    out.field("master_sync_total_bytes", total);
                    out.field("master_sync_read_bytes", progress.read_bytes);
                    out.field("master_sync_left_bytes", total as i64 - progress.read_bytes as i64);
                    let share = if total == 0 { 0.0 } else { progress.read_bytes as f64 * 100.0 / total as f64 };
                    out.field("master_sync_perc", format!("{share:.2}"));
                    let silence = progress.last_read.map_or(-1, |at| now.since(at).as_secs() as i64);
                    out.field("master_sync_last_io_seconds_ago", silence);
                }
                if !shown.link_is_up {
                    out.field(
                        "master_link_down_since_seconds",
                        shown.down_seconds.map_or(-1, |seconds| seconds as i64),
                    );
                }
                out.field("slave_priority", self.config.replica_priority);
                out.field("slave_read_only", u8::from(self.config.replica_read_only));
                out.field("replica_announced", u8::from(self.config.replica_announced));
            }
        }
        out.field("connected_slaves", figures.replicas.len());
        if self.config.min_replicas_to_write > 0 && self.config.min_replicas_max_lag_seconds > 0 {
            out.field("min_slaves_good_slaves", self.good_replicas());
        }
        for (index, ReplicaFigures { ip, port, state, offset, lag_seconds }) in figures.replicas.iter().enumerate() {
            out.field(
                format!("slave{index}"),
                format!("ip={ip},port={port},state={state},offset={offset},lag={lag_seconds}"),
            );
        }
        if let Some(bytes) = self.rewound_by() {
            out.field("master_rewound_bytes", bytes);
        }
        out.field("master_failover_state", self.failover_state());
        let history = &replication.history;
        out.field("master_replid", history.id());
        out.field("master_replid2", history.before().map_or(ReplicationId::NONE, |(id, _)| id));
        out.field("master_repl_offset", figures.offset);
        out.field("second_repl_offset", figures.second_offset);
        out.field("repl_backlog_active", u8::from(figures.backlog_active));
        out.field("repl_backlog_size", figures.backlog_bytes_max);
        out.field("repl_backlog_first_byte_offset", figures.backlog_start);
        out.field("repl_backlog_histlen", figures.backlog_bytes);
    }

    /// What a dump notes of the history of the data, so that a server that starts with it can go on.
    pub(in crate::server) fn notes_of_replication(&self) -> Vec<(&'static str, String)> {
        let Replication { history, writer, backlog, .. } = &self.replication;
        if backlog.is_none() && !self.replication.is_replica() {
            return Vec::new();
        }
        // Where the stream comes from a primary, its commands have selected the database.
        let db = match &self.replication.upstream {
            Some(upstream) => Some(self.clients.get(upstream.client).session.db),
            None => writer.db(),
        };
        // Where none is selected, the stream goes on with a SELECT. A stock server takes no history from a dump with -1.
        let db = db.unwrap_or(0);
        vec![
            ("repl-stream-db", db.to_string()),
            ("repl-id", history.id().to_string()),
            ("repl-offset", history.offset().to_string()),
        ]
    }

    pub(in crate::server) fn replication_memory(&self) -> ReplicationMemory {
        let stream = self.replication.backlog.as_ref().map_or(0, |backlog| backlog.memory_usage() as u64);
        let data = self.replication.sync.as_ref().map_or(0, |sync| sync.memory_usage() as u64);
        let connections: u64 = self.replicas().map(|(key, _)| self.clients.get(key).memory_usage() as u64).sum();
        let backlog = stream.min(self.backlog_bytes_max());
        let buffers = stream + data;
        let for_replicas = if self.replication.replicas.is_empty() { 0 } else { buffers - backlog };
        ReplicationMemory { backlog, buffers, clients: connections + for_replicas }
    }

    /// Memory in which more of the stream is kept than `repl-backlog-size`, for replicas that lag. To evict keys for it would
    /// only make it more.
    #[inline]
    pub(in crate::server) fn bytes_for_lagging_replicas(&self) -> u64 {
        let kept = self.replication.backlog.as_ref().map_or(0, |backlog| backlog.memory_usage() as u64);
        kept.saturating_sub(self.backlog_bytes_max())
    }
}
