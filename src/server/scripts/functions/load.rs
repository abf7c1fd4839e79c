//! Loading libraries, all or none.

use std::time::Duration;

use super::Functions;
use super::host::LoadingHost;
use crate::commands::CommandError;
use crate::script::{Engine, Libraries, Library, LibraryHead, LoadLibraryError};
use crate::server::executor::Executor;
use crate::server::scripts::MEMORY_LIMIT;

/// So long may one library take to register its functions (FUNCTION LOAD and RESTORE).
pub(super) const TIME_LIMIT: Duration = Duration::from_millis(500);

/// The same where a dump is loaded, and the machine may be busy with other things.
const TIME_LIMIT_FROM_DUMP: Duration = Duration::from_secs(5);

/// Libraries that have been loaded and are not known yet.
pub(in crate::server) struct NewLibraries(pub(super) Libraries);

/// Why the libraries of a dump cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[error("the function library '{name}' cannot be loaded: {why}")]
pub(in crate::server) struct LibraryFault {
    name: String,
    why: String,
}

impl Functions {
    fn engine(&mut self) -> Result<&mut Engine, LoadLibraryError> {
        if self.engine.is_none() {
            let engine = Engine::for_functions(MEMORY_LIMIT).map_err(|why| {
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
        time_limit: Duration,
    ) -> Result<Box<[u8]>, LoadLibraryError> {
        let name = LibraryHead::read(text).map_err(LoadLibraryError)?.name;
        if libraries.contains(&name) {
            return Err(already_exists(&name));
        }
        let (name, library) = self.engine()?.load_library(text, &mut LoadingHost::new(time_limit))?;
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

    /// Loads several libraries, or none.
    pub(super) fn load_all<'a>(
        &mut self,
        texts: impl IntoIterator<Item = &'a [u8]>,
        time_limit: Duration,
    ) -> Result<Libraries, (&'a [u8], LoadLibraryError)> {
        let mut libraries = Libraries::default();
        for text in texts {
            if let Err(error) = self.load_into(&mut libraries, text, time_limit) {
                self.drop_libraries(&libraries);
                return Err((text, error));
            }
        }
        Ok(libraries)
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
    /// Loads the libraries of a dump. They are not known before [`Executor::take_libraries`].
    pub(in crate::server) fn load_libraries(&mut self, texts: &[Box<[u8]>]) -> Result<NewLibraries, LibraryFault> {
        let functions = &mut self.scripts.functions;
        let loaded = functions.load_all(texts.iter().map(|text| &**text), TIME_LIMIT_FROM_DUMP);
        loaded.map(NewLibraries).map_err(|(text, LoadLibraryError(why))| {
            let name = LibraryHead::read(text).map_or_else(
                |_| String::from_utf8_lossy(text.split(|byte| *byte == b'\n').next().unwrap_or_default()).into_owned(),
                |head| String::from_utf8_lossy(&head.name).into_owned(),
            );
            LibraryFault { name, why: String::from_utf8_lossy(&why).into_owned() }
        })
    }

    /// Puts the libraries of a dump in the place of those that are there, or, with `merge`, of those of the same name.
    pub(in crate::server) fn take_libraries(&mut self, new: NewLibraries, merge: bool) -> Result<(), LibraryFault> {
        let NewLibraries(new) = new;
        let functions = &mut self.scripts.functions;
        if !merge {
            let old = std::mem::take(&mut functions.libraries);
            functions.drop_libraries(&old);
        }
        functions.adopt(new, true).map_err(|LoadLibraryError(why)| LibraryFault {
            name: String::new(),
            why: String::from_utf8_lossy(&why).into_owned(),
        })
    }
}
