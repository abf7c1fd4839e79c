//! The rewind guard: a primary that was restarted from a dump older than what its replicas hold does not replace their data
//! by its own.
//!
//! The dump notes the history of its data and how far it had come. A replica of this history that asks for bytes beyond
//! proves that the data here are older. Its request is refused in a way that lets it keep its data and try again, writes
//! are refused, and so is PING, by which Sentinel takes this server for down and promotes the replica. With no Sentinel
//! about, the guard ends by itself after a while, and the replicas are given the older data, as by any other server.

use crate::commands::CommandError;
use crate::replication::ReplicationId;
use crate::server::executor::Executor;

impl Executor {
    /// Takes note of whether commands may have to be refused, so that each of them asks one question only. To be called
    /// whenever the role, the restart or `min-replicas-to-write` has changed.
    pub(in crate::server) fn follow_refusals(&mut self) {
        let replication = &self.replication;
        let is_behind = replication.restart.is_some_and(|restart| restart.behind.is_some());
        self.replication.may_refuse = replication.is_replica() || is_behind || self.config.min_replicas_to_write > 0;
    }

    /// Notes that a replica has asked for the stream from byte `next` on. Returns why it is refused if its data are newer
    /// than those here.
    pub(super) fn guard_against_rewind(
        &mut self,
        id: ReplicationId,
        next: u64,
        name: &str,
    ) -> Result<(), CommandError> {
        if !self.may_guard() {
            return Ok(());
        }
        let Some(restart) = self.replication.restart.as_mut().filter(|restart| restart.id == id) else { return Ok(()) };
        let Some(ahead) = next.checked_sub(restart.offset + 1).filter(|ahead| *ahead > 0) else { return Ok(()) };
        if restart.behind.is_none_or(|behind| ahead > behind) {
            tracing::warn!(
                "Replica {name} has {ahead} bytes of the stream that this server lacks: it was restarted from a dump that \
                 is older. Writes are refused, so that the replica can be promoted, for {} seconds after the start. \
                 CONFIG SET replica-rewind-guard no lets the older data win at once",
                self.config.replica_rewind_guard_seconds
            );
        }
        restart.behind = Some(restart.behind.map_or(ahead, |behind| behind.max(ahead)));
        self.follow_refusals();
        Err(CommandError::text(
            "NOMASTERLINK Can't SYNC: this server was restarted from a dump that is older than your data",
        ))
    }

    /// Whether the time and the settings allow the guard.
    fn may_guard(&self) -> bool {
        let seconds = u64::from(self.config.replica_rewind_guard_seconds);
        let now = self.clock.latest();
        self.config.replica_rewind_guard
            && !self.replication.is_replica()
            && self.replication.restart.is_some_and(|restart| now.since(restart.at).as_secs() < seconds)
    }

    /// How many bytes of the stream this server lacks that a replica has, while writes are refused because of it.
    #[inline]
    pub(in crate::server) fn rewound_by(&self) -> Option<u64> {
        let behind = self.replication.restart.as_ref()?.behind?;
        self.may_guard().then_some(behind)
    }
}
