//! Running scripts: EVAL and its like, and what a script asks of the server.
//! Owns:  the interpreter, the scripts that are known, the script that runs.
//! Uses:  script, commands, and the rooms that run a command.
//! Never: a value of Lua's.

mod answer;
mod host;
mod run;

pub(in crate::server) use run::Current;

use crate::script::{Cache, Engine};
use crate::server::clients::ClientKey;

/// The state of scripts.
#[derive(Default)]
pub struct Scripts {
    /// Made for the first script. Not here while a script runs.
    engine: Option<Box<Engine>>,
    cache: Cache,
    /// The client for whom scripts run their commands.
    client: Option<ClientKey>,
    current: Option<Current>,
}
