//! Running scripts: EVAL and its like, and what a script asks of the server.
//! Owns:  the interpreter, the scripts that are known, the script that runs.
//! Uses:  commands, keyspace, rdb, resp, script, snapshot, stdx, and the rooms that run a command.
//! Never: a value of Lua's.

mod answer;
pub(in crate::server) mod busy;
mod flags;
mod functions;
mod host;
mod run;
mod usage;

use functions::Functions;
pub(in crate::server) use run::Current;
use run::{Name, Runnable};
pub(in crate::server) use usage::ScriptUsage;

use std::rc::Rc;

use self::busy::Paused;
use crate::script::{Cache, Engine};
use crate::server::clients::ClientKey;
use crate::server::net::Wake;

/// The state of scripts.
#[derive(Default)]
pub struct Scripts {
    /// Made for the first script. Not here while a script runs.
    engine: Option<Box<Engine>>,
    cache: Cache,
    /// The client for whom scripts run their commands.
    client: Option<ClientKey>,
    current: Option<Current>,
    /// The script that was left in the middle so that others are served.
    paused: Option<Box<Paused>>,
    /// A script has run for longer than `busy-reply-threshold` allows, and others are refused until it ends.
    busy: bool,
    /// What the interpreter took when its last script ended: while one runs, it is not here to be asked.
    vm_bytes: u64,
    /// Whether scripts may call DEBUG.
    allows_debug: bool,
    /// Monitors were shown the command that runs a script, before the commands of the script.
    is_shown: bool,
    /// Raised when a script has paused.
    wake: Rc<Wake>,
    functions: Functions,
}

/// Whose interpreter is meant: scripts and functions have one each, so that neither finds what the other has left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::server) enum Language {
    /// EVAL and its like.
    Eval,
    /// FCALL.
    Function,
}

impl Scripts {
    pub fn allow_debug(&mut self, allowed: bool) {
        self.allows_debug = allowed;
    }

    pub fn allows_debug(&self) -> bool {
        self.allows_debug
    }

    /// Whether monitors were shown the command that has run a script, which has ended. They were not where none was found.
    pub fn take_shown(&mut self) -> bool {
        if self.is_paused() { true } else { std::mem::take(&mut self.is_shown) }
    }

    /// Who has called the script that runs its commands as this client.
    pub fn caller_of(&self, client: ClientKey) -> Option<ClientKey> {
        self.current.as_ref().filter(|_| self.client == Some(client)).map(|current| current.caller)
    }

    /// The interpreter, where there is one: not before the first script, and not while one runs in it.
    fn engine_of(&mut self, language: Language) -> &mut Option<Box<Engine>> {
        match language {
            Language::Eval => &mut self.engine,
            Language::Function => &mut self.functions.engine,
        }
    }
}
