//! What scripts take of the server's memory, and how it is given back.

use std::thread;

use super::{Language, Scripts};
use crate::script::Engine;
use crate::server::executor::Executor;

/// Freeing less than this takes less time than starting a thread for it.
const LARGE_BYTES: usize = 1 << 20;

/// What scripts take, in bytes, and how many there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ScriptUsage {
    /// The interpreter for EVAL.
    pub vm_eval: u64,
    /// Texts of known scripts, and the tables in which they are found.
    pub cache: u64,
    pub cached: usize,
    pub vm_functions: u64,
    pub function_cache: u64,
    pub functions: usize,
    pub libraries: usize,
}

impl Scripts {
    pub fn usage(&self) -> ScriptUsage {
        ScriptUsage {
            vm_eval: self.engine.as_ref().map_or(self.vm_bytes, |engine| engine.memory_usage() as u64),
            cache: self.cache.memory_usage() as u64,
            cached: self.cache.len(),
            vm_functions: self.functions.vm_bytes(),
            function_cache: self.functions.libraries.memory_usage() as u64,
            functions: self.functions.libraries.functions_len(),
            libraries: self.functions.libraries.len(),
        }
    }

    /// How many scripts were given up for others.
    pub fn evicted(&self) -> u64 {
        self.cache.evicted
    }

    pub fn reset_evicted(&mut self) {
        self.cache.evicted = 0;
    }

    /// Puts an interpreter back whose script has ended.
    pub(super) fn put_back(&mut self, language: Language, engine: Box<Engine>) {
        match language {
            Language::Eval => self.vm_bytes = engine.memory_usage() as u64,
            Language::Function => self.functions.vm_bytes = engine.memory_usage() as u64,
        }
        *self.engine_of(language) = Some(engine);
    }
}

impl Executor {
    /// What an interpreter may take.
    pub(super) fn script_memory_limit(&self) -> usize {
        match self.config.lua_memory_limit_bytes {
            0 => usize::MAX,
            bytes => usize::try_from(bytes).unwrap_or(usize::MAX),
        }
    }

    /// Has the interpreters hold `lua-memory-limit`.
    pub(in crate::server) fn apply_script_limits(&mut self) {
        let limit = self.script_memory_limit();
        for engine in [&mut self.scripts.engine, &mut self.scripts.functions.engine].into_iter().flatten() {
            engine.set_memory_limit(limit);
        }
    }

    /// Drops all scripts, and the interpreter with all that they could have left in it.
    pub(super) fn flush_scripts(&mut self, lazily: bool) {
        let evicted = self.scripts.cache.evicted;
        let cache = std::mem::take(&mut self.scripts.cache);
        self.scripts.cache.evicted = evicted;
        self.scripts.vm_bytes = 0;
        let engine = self.scripts.engine.take();
        let bytes = cache.memory_usage() + engine.as_ref().map_or(0, |engine| engine.memory_usage());
        free(cache, engine, lazily && bytes >= LARGE_BYTES);
    }
}

/// Frees an interpreter and a table of what it had; where that is asked for on a thread of its own. Where none starts, it is
/// done here.
pub(super) fn free(table: impl Send + 'static, engine: Option<Box<Engine>>, elsewhere: bool) {
    if !elsewhere {
        return;
    }
    let garbage = (table, engine.map(|engine| engine.into_garbage()));
    drop(thread::Builder::new().name("free-scripts".to_owned()).spawn(move || drop(garbage)));
}
