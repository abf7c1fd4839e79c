//! Whether a server can load the function libraries of a dump: they are loaded, as it would load them.

use crate::script::{Engine, Libraries, LoadLibraryError, LoadingHost};

/// What a server allows by default.
const MEMORY_LIMIT: usize = 256 << 20;

/// The libraries of one dump so far.
#[derive(Default)]
pub struct LibraryCheck {
    engine: Option<Engine>,
    libraries: Libraries,
}

impl LibraryCheck {
    /// Loads one more library. The error says why it cannot be loaded.
    pub fn add(&mut self, text: &[u8]) -> Result<(), String> {
        let engine = match &mut self.engine {
            Some(engine) => engine,
            None => {
                let engine = Engine::for_functions(MEMORY_LIMIT);
                self.engine.insert(engine.map_err(|error| format!("the interpreter cannot start: {error}"))?)
            }
        };
        let mut host = LoadingHost::new(LoadingHost::TIME_LIMIT_FROM_DUMP, |_, _| {});
        let loaded = engine.load_library(text, &mut host).and_then(|(name, library)| {
            let mut new = Libraries::default();
            new.add(name, library);
            self.libraries.join(new, false).map(|_| ()).map_err(LoadLibraryError)
        });
        loaded.map_err(|LoadLibraryError(why)| String::from_utf8_lossy(&why).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_loaded_one_beside_the_other() {
        let mut check = LibraryCheck::default();
        let text = |name: &str, code: &str| format!("#!lua name={name}\n{code}").into_bytes();
        let function = "redis.register_function('f', function() return redis.call('PING') end)";
        assert_eq!(check.add(&text("a", function)), Ok(()));
        assert_eq!(check.add(&text("a", function)), Err("Library a already exists".to_owned()));
        assert_eq!(check.add(&text("b", function)), Err("Function f already exists".to_owned()));
        assert_eq!(check.add(&text("b", "")), Err("No functions registered".to_owned()));
        let error = check.add(&text("b", "redis.call('PING')")).expect_err("not while it is loaded");
        assert!(error.starts_with("Error registering functions: ") && error.ends_with("variable 'call'"), "{error}");
    }
}
