//! Functions: FUNCTION and FCALL, and the libraries that dumps hold.
//! Owns:  the interpreter for functions, the libraries that are known.
//! Uses:  commands, rdb, resp, script, snapshot, stdx, and the rooms that run a command.
//! Never: a library of which the functions are known in part.

mod answer;
mod load;
mod payload;

use std::sync::Arc;

use super::{Language, Name, Runnable};
use crate::commands::{CommandError, function_keys};
use crate::script::{Engine, Libraries, ScriptFlags};
use crate::server::exec::Frame;
use crate::server::executor::Executor;

/// The state of functions.
#[derive(Default)]
pub(super) struct Functions {
    /// Made for the first library. Not here while a function runs.
    pub engine: Option<Box<Engine>>,
    pub libraries: Libraries,
    /// What the interpreter took when its last function ended: while one runs, it is not here to be asked.
    pub vm_bytes: u64,
}

impl Functions {
    /// Bytes of the interpreter.
    pub fn vm_bytes(&self) -> u64 {
        self.engine.as_ref().map_or(self.vm_bytes, |engine| engine.memory_usage() as u64)
    }
}

impl Executor {
    /// Calls a function for the command of `frame`, and writes its reply.
    pub(in crate::server) fn call_function(&mut self, frame: &Frame<'_>, read_only: bool) {
        if let Err(error) = self.try_call_function(frame, read_only) {
            self.reply_error(frame.client, &error);
        }
    }

    fn try_call_function(&mut self, frame: &Frame<'_>, read_only: bool) -> Result<(), CommandError> {
        let Some((name, function)) = self.scripts.functions.libraries.function(frame.args.arg(1)) else {
            return Err(CommandError::text("ERR Function not found"));
        };
        let (script, flags) = (function.script, function.flags);
        let name = Name::Function(String::from_utf8_lossy(name).into_owned());
        let keys = function_keys(frame.args)?;
        self.run_found(frame, Runnable { language: Language::Function, script, flags, name, keys, read_only })
    }

    /// The flags of a function, if there is one of this name.
    pub(in crate::server) fn function_flags(&self, name: &[u8]) -> Option<ScriptFlags> {
        self.scripts.functions.libraries.function(name).map(|(_, function)| function.flags)
    }

    /// The texts of all libraries, as a snapshot keeps them.
    pub(in crate::server) fn library_texts(&self) -> Arc<[Arc<[u8]>]> {
        self.scripts.functions.libraries.iter().map(|(_, library)| Arc::clone(&library.code)).collect()
    }
}
