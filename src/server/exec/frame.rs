//! A command on its way through the server.

use crate::commands::CommandId;
use crate::resp::Args;
use crate::server::clients::ClientKey;
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
    /// It is in the queue of a transaction.
    Exec,
    /// A script has called it.
    Script,
    /// It repeats what another server has recorded.
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

impl<'a> Frame<'a> {
    /// A command that has not run before.
    #[inline]
    pub fn new(client: ClientKey, command: CommandId, args: Args<'a>, now: Now, nesting: Nesting) -> Self {
        Self { client, command, args, now, nesting, busy_ns: 0 }
    }

    /// Whether the command may wait for something; what is part of something else may not.
    #[inline]
    pub fn may_wait(&self) -> bool {
        matches!(self.nesting, Nesting::Command | Nesting::Served)
    }
}
