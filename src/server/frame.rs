//! A command on its way through the server.

use super::client::{ClientKey, Stall};
use super::executor::Executor;
use crate::commands::CommandId;
use crate::resp::Args;
use crate::stdx::clock::Now;

/// One command that is to be run: for whom, when, and within what.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    pub client: ClientKey,
    pub command: CommandId,
    pub args: Args<'a>,
    /// The time that the command sees. Within a transaction all commands see that of EXEC, as in Redis.
    pub now: Now,
    pub nesting: Nesting,
    /// What earlier runs of a command that waits have taken.
    pub busy_ns: u64,
}

/// On whose behalf a command is run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nesting {
    /// A client has sent it.
    Command,
    /// A client that waits has sent it before, and may find now what it waits for.
    Served,
    /// It stands in the queue of a transaction.
    Exec,
    /// It repeats what another server has recorded.
    #[cfg_attr(not(any(test, feature = "internals")), allow(dead_code, reason = "a link to another server uses it"))]
    Replay,
}

/// What became of a command that was run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is answered.
    Done,
    /// It waits for a key or for another server, and is answered later.
    Waits,
}

impl Frame<'_> {
    /// Whether the command may wait for something; what is part of something else may not.
    #[inline]
    pub fn may_wait(&self) -> bool {
        matches!(self.nesting, Nesting::Command | Nesting::Served)
    }
}

impl Executor {
    /// What the effects of a command have come to.
    pub(super) fn outcome_of(&self, frame: &Frame<'_>) -> Outcome {
        match &self.clients.get(frame.client).stall {
            Some(Stall::Blocked(_) | Stall::Migrating) => Outcome::Waits,
            Some(Stall::Paused) | None => Outcome::Done,
        }
    }

    /// Notes how long a command has run that waits now.
    pub(super) fn note_busy(&mut self, frame: &Frame<'_>, elapsed_ns: u64) {
        if let Some(Stall::Blocked(blocked)) = &mut self.clients.get_mut(frame.client).stall {
            blocked.add_busy(elapsed_ns);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::ArgsBuf;
    use crate::server::fuzzing::executor_of_few_rights;

    #[test]
    fn a_client_without_a_connection_runs_commands_never_waits_and_is_in_no_list() {
        let mut executor = executor_of_few_rights();
        let key = executor.connect_internal();
        let mut answer = |line: &str| {
            let args: ArgsBuf = line.split(' ').collect();
            let args = args.as_args();
            let command = executor.table.find(args).expect("a command").id;
            let now = executor.clock.latest();
            let frame = Frame { client: key, command, args, now, nesting: Nesting::Replay, busy_ns: 0 };
            assert_eq!(executor.call(&frame), Outcome::Done, "{line}");
            String::from_utf8(executor.take_replies(key)).expect("text")
        };
        assert_eq!(answer("RPUSH list a"), ":1\r\n");
        assert_eq!(answer("BLPOP list 0"), "*2\r\n$4\r\nlist\r\n$1\r\na\r\n");
        assert_eq!(answer("BLPOP list 0"), "*-1\r\n");
        assert_eq!(answer("CLIENT LIST"), "$0\r\n\r\n");
        assert_eq!((executor.clients.len(), executor.clients.live_len()), (0, 0));
        executor.disconnect(key);
    }
}
