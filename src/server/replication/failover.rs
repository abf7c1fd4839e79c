//! FAILOVER: handing the primary's role to a replica without losing a write.

use crate::commands::{CommandError, FailoverRequest};
use crate::server::clients::ClientKey;
use crate::server::executor::Executor;

impl Executor {
    pub(super) fn failover(&mut self, key: ClientKey, request: FailoverRequest) -> Result<(), CommandError> {
        let _ = (key, request);
        Err(CommandError::text("ERR FAILOVER is not there yet"))
    }

    /// As INFO has it.
    pub(super) fn failover_state(&self) -> &'static str {
        "no-failover"
    }

    /// Whether a replica that asks to take over may: it must know the history.
    pub(super) fn check_takeover(&mut self, id: &[u8]) -> Result<(), CommandError> {
        let _ = id;
        Ok(())
    }

    pub(super) fn note_ack_for_failover(&mut self) {}
}
