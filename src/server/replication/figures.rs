//! What metrics and health checks show of replication, copied.

use super::primary::{Link, Upstream};
use crate::observe::{ReplicaFigures, ReplicationFigures, UpstreamFigures};
use crate::server::executor::Executor;
use crate::stdx::clock::Now;

impl Executor {
    pub(in crate::server) fn replication_figures(&self) -> ReplicationFigures {
        let now = self.clock.latest();
        let replication = &self.replication;
        let history = &replication.history;
        let backlog = replication.backlog.as_ref();
        let attached = self.replicas().filter(|(_, replica)| replica.is_attached());
        let replicas = attached.map(|(key, replica)| {
            let (ip, port) = self.address_of_replica(key);
            let state = self.state_of_replica(replica);
            let lag_seconds = if state == "online" { now.since(replica.acked_at).as_secs() } else { 0 };
            ReplicaFigures { ip: ip.into(), port, state, offset: replica.acked, lag_seconds }
        });
        ReplicationFigures {
            upstream: replication.upstream.as_ref().map(|upstream| UpstreamFigures {
                has_data: upstream.was_in_sync || self.keyspace.len() > 0,
                ..upstream_figures(upstream, history.offset(), now)
            }),
            replicas: replicas.collect(),
            replication_id: history.id().to_string().into(),
            offset: history.offset(),
            second_offset: history.before().map_or(-1, |(_, end)| end as i64),
            backlog_active: backlog.is_some(),
            backlog_bytes_max: self.backlog_bytes_max(),
            backlog_start: backlog.map_or(0, |backlog| backlog.start()),
            backlog_bytes: backlog.map_or(0, |backlog| backlog.len()),
            full_syncs: replication.counters.full_syncs,
            partial_syncs_accepted: replication.counters.partial_syncs_accepted,
            partial_syncs_refused: replication.counters.partial_syncs_refused,
        }
    }
}

fn upstream_figures(upstream: &Upstream, offset: u64, now: Now) -> UpstreamFigures {
    let link_is_up = upstream.link == Link::Connected;
    let sync_in_progress = upstream.link == Link::Sync;
    let progress = &upstream.progress;
    let total = progress.total_bytes.filter(|total| sync_in_progress && *total > 0);
    UpstreamFigures {
        host: upstream.address.host.as_str().into(),
        port: upstream.address.port,
        link_is_up,
        sync_in_progress,
        sync_percent: total.map(|total| (progress.read_bytes as f64 * 100.0 / total as f64).min(100.0)),
        last_io_seconds: if link_is_up { now.since(upstream.heard_at).as_secs() as i64 } else { -1 },
        down_seconds: upstream.down_since.filter(|_| !link_is_up).map(|since| now.since(since).as_secs()),
        offset: if upstream.can_continue { offset } else { 0 },
        has_data: false,
    }
}
