//! FAILOVER: handing the primary's role to a replica without losing a write.
//!
//! Writes wait until a replica has everything; then this server becomes its replica, and asks it by PSYNC to take over.

use std::time::Duration;

use super::Replica;
use super::primary::Link;
use super::replica::Stage;
use super::state::{Failover, FailoverStage};
use crate::commands::{CommandError, FailoverRequest};
use crate::config::PrimaryAddress;
use crate::server::clients::ClientKey;
use crate::server::exec::Freeze;
use crate::server::executor::Executor;

impl Executor {
    pub(super) fn failover(&mut self, key: ClientKey, request: FailoverRequest) -> Result<(), CommandError> {
        if request.aborts {
            if self.replication.failover.is_none() {
                return Err(CommandError::text("ERR No failover in progress."));
            }
            self.abort_failover("Failover manually aborted");
            self.clients.get_mut(key).reply.ok();
            return Ok(());
        }
        self.check_failover(&request)?;
        let FailoverRequest { to, forces, timeout_ms, .. } = request;
        match &to {
            Some(to) => tracing::info!("FAILOVER requested to {to}."),
            None => tracing::info!("FAILOVER requested."),
        }
        let now = self.clock.latest();
        let deadline = timeout_ms.and_then(|ms| now.monotonic().checked_add(Duration::from_millis(ms)));
        let stage = FailoverStage::WaitsForSync;
        self.feed_replicas();
        self.freeze(Freeze::Failover);
        self.ask_for_acks();
        self.replication.failover = Some(Failover { target: to, forces, deadline, stage });
        self.clients.get_mut(key).reply.ok();
        self.failover_cron();
        Ok(())
    }

    fn check_failover(&self, request: &FailoverRequest) -> Result<(), CommandError> {
        let refuse = |text| Err(CommandError::text(text));
        if self.replication.failover.is_some() {
            return refuse("ERR FAILOVER already in progress.");
        }
        if self.replication.is_replica() {
            return refuse("ERR FAILOVER is not valid when server is a replica.");
        }
        if self.replicas().all(|(_, replica)| !replica.is_attached()) {
            return refuse("ERR FAILOVER requires connected replicas.");
        }
        if request.forces && (request.timeout_ms.is_none() || request.to.is_none()) {
            return refuse("ERR FAILOVER with force option requires both a timeout and target HOST and IP.");
        }
        let Some(target) = &request.to else { return Ok(()) };
        match self.replica_at(target) {
            None => refuse("ERR FAILOVER target HOST and PORT is not a replica."),
            Some(replica) if !matches!(replica.stage, Stage::LoadsData | Stage::Online) => {
                refuse("ERR FAILOVER target replica is not online.")
            }
            Some(_) => Ok(()),
        }
    }

    fn replica_at(&self, target: &PrimaryAddress) -> Option<&Replica> {
        let is_there = |key| {
            let (host, port) = self.address_of_replica(key);
            PrimaryAddress { host, port } == *target
        };
        self.replicas().find(|(key, replica)| replica.is_attached() && is_there(*key)).map(|(_, replica)| replica)
    }

    /// Goes on with a hand-over that waits for a replica to have everything, or whose time is up.
    pub(super) fn failover_cron(&mut self) {
        let Some(failover) = &self.replication.failover else { return };
        if failover.stage == FailoverStage::InProgress {
            let link = self.replication.upstream.as_ref().map(|upstream| upstream.link);
            if matches!(link, Some(Link::Sync | Link::Connected)) {
                self.complete_failover();
            }
            return;
        }
        let now = self.clock.latest();
        let is_over = failover.deadline.is_some_and(|deadline| deadline <= now.monotonic());
        match (is_over, failover.forces, &failover.target) {
            (true, true, Some(target)) => {
                tracing::info!("Failover to {target} time out exceeded, failing over.");
                let target = target.clone();
                self.hand_over_to(target);
            }
            (true, ..) => self.abort_failover("Replica never caught up before timeout"),
            (false, _, target) => {
                if let Some(target) = self.replica_with_everything(target.as_ref()) {
                    tracing::info!("Failover target is synced, failing over.");
                    self.hand_over_to(target);
                }
            }
        }
    }

    /// The replica that may take over: this one, or any, if it has the whole stream.
    fn replica_with_everything(&self, target: Option<&PrimaryAddress>) -> Option<PrimaryAddress> {
        let end = self.end_of_changes();
        let mut ready = self.replicas().filter(|(_, replica)| replica.stage == Stage::Online && replica.acked >= end);
        ready.find_map(|(key, _)| {
            let (host, port) = self.address_of_replica(key);
            let found = PrimaryAddress { host, port };
            (port != 0 && target.is_none_or(|target| *target == found)).then_some(found)
        })
    }

    fn hand_over_to(&mut self, target: PrimaryAddress) {
        if let Some(failover) = &mut self.replication.failover {
            failover.stage = FailoverStage::InProgress;
            failover.target = Some(target.clone());
        }
        self.become_replica(target);
        if let Some(upstream) = &mut self.replication.upstream {
            upstream.takes_over = true;
        }
    }

    /// The new primary has taken over (or gives the stream all the same): the hand-over is done.
    fn complete_failover(&mut self) {
        if self.replication.failover.take().is_some() {
            self.thaw(Freeze::Failover);
        }
    }

    /// Ends the hand-over: this server is the primary again, and writes go on.
    pub(super) fn abort_failover(&mut self, reason: &str) {
        let Some(failover) = self.replication.failover.take() else { return };
        match &failover.target {
            Some(target) => tracing::warn!("Aborting failover to {target}: {reason}"),
            None => tracing::warn!("Aborting failover: {reason}"),
        }
        if failover.stage == FailoverStage::InProgress && self.replication.is_replica() {
            self.become_primary();
        }
        self.thaw(Freeze::Failover);
    }

    /// As INFO has it.
    pub(super) fn failover_state(&self) -> &'static str {
        match self.replication.failover.as_ref().map(|failover| failover.stage) {
            None => "no-failover",
            Some(FailoverStage::WaitsForSync) => "waiting-for-sync",
            Some(FailoverStage::InProgress) => "failover-in-progress",
        }
    }

    /// Becomes the primary because its own asks for that, which has stopped its writes: this server must have its history.
    pub(super) fn take_over(&mut self, key: ClientKey, id: &[u8]) -> Result<(), CommandError> {
        tracing::warn!("Failover request received for replid {}.", String::from_utf8_lossy(id));
        if !self.replication.is_replica() {
            return Err(CommandError::text("ERR PSYNC FAILOVER can't be sent to a master."));
        }
        if !id.eq_ignore_ascii_case(self.replication.history.id().as_str().as_bytes()) {
            return Err(CommandError::text("ERR PSYNC FAILOVER replid must match my replid."));
        }
        let who = self.clients.get(key).session.peer.remote();
        self.become_primary();
        tracing::info!("MASTER MODE enabled (failover request from '{who}')");
        Ok(())
    }
}
