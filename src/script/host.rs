//! What a script asks of the server that runs it.

use crate::resp::{Args, Protocol};

/// The server, as a running script reaches it.
pub trait Host {
    /// Runs a command of the script. Returns its reply, or the error that refuses it, in the protocol that the script has
    /// asked for. `follows_closely` says that since its last command the script has only run a few instructions, so that the
    /// end of that one can count as the beginning of this one.
    fn call(&mut self, args: Args<'_>, follows_closely: bool) -> &[u8];

    /// Called at least every millisecond or so of a script's work.
    fn poll(&mut self) -> Verdict;

    /// redis.setresp: replies come in this protocol from now on.
    fn set_protocol(&mut self, protocol: Protocol);

    /// redis.set_repl: where the effects of the commands to come go.
    fn set_replication(&mut self, to: Replicate);

    /// redis.acl_check_cmd.
    fn check_permission(&mut self, args: Args<'_>) -> Permission;

    /// An error is part of the script's reply; statistics may count it already.
    fn note_error(&mut self, text: &[u8], is_counted: bool);

    /// redis.log, with one of the levels `LOG_DEBUG` (0) to `LOG_WARNING` (3).
    fn log(&mut self, level: u8, text: &[u8]);
}

/// Whether a script may go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    GoOn,
    /// Others have their turn now; the script goes on when it is resumed.
    Pause,
    /// It has been killed: it runs no further instruction.
    Kill,
}

/// What redis.acl_check_cmd finds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Permission {
    Granted,
    Denied,
    UnknownCommand,
}

/// Where the effects of a script's commands go, besides the data (redis.set_repl).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Replicate {
    pub to_log: bool,
    pub to_replicas: bool,
}

impl Replicate {
    pub const ALL: Self = Self { to_log: true, to_replicas: true };

    /// From the number that scripts use: `REPL_AOF` is 1, `REPL_REPLICA` 2.
    pub fn from_number(number: i64) -> Option<Self> {
        (0..=3).contains(&number).then_some(Self { to_log: number & 1 != 0, to_replicas: number & 2 != 0 })
    }
}
