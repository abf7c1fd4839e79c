//! Loading libraries, all or none.

use std::time::Duration;

use super::Functions;
use super::payload;
use crate::commands::{CommandError, RestorePolicy};
use crate::script::{Engine, Libraries, Library, LibraryHead, LoadLibraryError, LoadingHost};
use crate::server::executor::Executor;
use crate::server::scripts::host::log;
use crate::snapshot::LoadFault;

/// So long may one library take to register its functions (FUNCTION LOAD and RESTORE).
pub(super) const TIME_LIMIT: Duration = Duration::from_millis(500);

/// What the interpreter, and what registering functions may take.
pub(super) struct LoadingLimits {
    memory: usize,
    time: Duration,
}

/// Libraries that have been loaded and are not known yet.
pub(in crate::server) struct NewLibraries {
    libraries: Libraries,
    /// The place of the first in its file.
    first: u64,
}

impl Functions {
    fn engine(&mut self, memory: usize) -> Result<&mut Engine, LoadLibraryError> {
        if self.engine.is_none() {
            let engine = Engine::for_functions(memory).map_err(|why| {
                LoadLibraryError(format!("the interpreter for functions cannot start: {why}").into_bytes())
            })?;
            self.engine = Some(Box::new(engine));
        }
        Ok(self.engine.as_mut().expect("just made"))
    }

    /// Loads one library and adds it to others.
    pub(super) fn load_into(
        &mut self,
        libraries: &mut Libraries,
        text: &[u8],
        limits: &LoadingLimits,
    ) -> Result<Box<[u8]>, LoadLibraryError> {
        let name = LibraryHead::read(text).map_err(LoadLibraryError)?.name;
        if libraries.contains(&name) {
            return Err(already_exists(&name));
        }
        let (name, library) =
            self.engine(limits.memory)?.load_library(text, &mut LoadingHost::new(limits.time, log))?;
        let mut new = Libraries::default();
        new.add(name.clone(), library);
        // A copy of what only names numbers of the interpreter, in case they have to be given back.
        match libraries.join(new.clone(), false) {
            Ok(_) => Ok(name),
            Err(why) => {
                self.drop_libraries(&new);
                Err(LoadLibraryError(why))
            }
        }
    }

    /// Makes loaded libraries known, in the place of all others or beside them; if that fails, they are gone.
    pub(super) fn restore(&mut self, new: Libraries, policy: RestorePolicy) -> Result<(), LoadLibraryError> {
        if policy == RestorePolicy::Flush {
            let old = std::mem::take(&mut self.libraries);
            self.drop_libraries(&old);
        }
        self.adopt(new, policy == RestorePolicy::Replace)
    }

    /// Makes loaded libraries known. What they replace is gone.
    pub(super) fn adopt(&mut self, new: Libraries, replace: bool) -> Result<(), LoadLibraryError> {
        match self.libraries.join(new.clone(), replace) {
            Ok(replaced) => {
                replaced.iter().for_each(|library| self.drop_library(library));
                Ok(())
            }
            Err(why) => {
                self.drop_libraries(&new);
                Err(LoadLibraryError(why))
            }
        }
    }

    pub(super) fn drop_libraries(&mut self, libraries: &Libraries) {
        libraries.iter().for_each(|(_, library)| self.drop_library(library));
    }

    pub(super) fn drop_library(&mut self, library: &Library) {
        if let Some(engine) = &mut self.engine {
            engine.remove_library(library);
        }
    }
}

pub(super) fn already_exists(name: &[u8]) -> LoadLibraryError {
    LoadLibraryError([b"Library '", name, b"' already exists"].concat())
}

impl From<LoadLibraryError> for CommandError {
    fn from(LoadLibraryError(why): LoadLibraryError) -> Self {
        Self::Bytes([b"ERR ", &*why].concat())
    }
}

impl Executor {
    /// What a library may take that has so much time to register its functions.
    pub(super) fn limits_of_libraries(&self, time: Duration) -> LoadingLimits {
        LoadingLimits { memory: self.script_memory_limit(), time }
    }

    /// Loads the libraries of a dump, all or none. They are not known before [`Executor::take_libraries`].
    pub(in crate::server) fn load_libraries(&mut self, texts: &[(u64, Box<[u8]>)]) -> Result<NewLibraries, LoadFault> {
        let limits = self.limits_of_libraries(LoadingHost::TIME_LIMIT_FROM_DUMP);
        let functions = &mut self.scripts.functions;
        let mut libraries = Libraries::default();
        for (offset, text) in texts {
            if let Err(LoadLibraryError(why)) = functions.load_into(&mut libraries, text, &limits) {
                functions.drop_libraries(&libraries);
                return Err(fault(*offset, &why));
            }
        }
        Ok(NewLibraries { libraries, first: texts.first().map_or(0, |(offset, _)| *offset) })
    }

    /// Makes the libraries of a dump known, in the place of all others or beside them.
    pub(in crate::server) fn take_libraries(
        &mut self,
        new: NewLibraries,
        policy: RestorePolicy,
    ) -> Result<(), LoadFault> {
        let functions = &mut self.scripts.functions;
        let (had, brings) = (!functions.libraries.is_empty(), !new.libraries.is_empty());
        functions.restore(new.libraries, policy).map_err(|LoadLibraryError(why)| fault(new.first, &why))?;
        if self.keyspace.journal.is_wanted() && (had || brings) {
            let payload = payload::write(&self.scripts.functions.libraries, false).expect("memory takes every library");
            self.keyspace.journal.command(0, |out| {
                out.extend([&b"FUNCTION"[..], b"RESTORE", &payload, b"FLUSH"]);
            });
        }
        Ok(())
    }
}

fn fault(offset: u64, why: &[u8]) -> LoadFault {
    LoadFault::FunctionLibrary { offset, why: String::from_utf8_lossy(why).into_owned() }
}
