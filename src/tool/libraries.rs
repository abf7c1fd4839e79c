//! Whether a server can load the function libraries of a dump: they are loaded, as it would load them.

use std::time::{Duration, Instant};

use crate::resp::{Args, Protocol};
use crate::script::{Engine, Host, Libraries, LoadLibraryError, Permission, Replicate, Verdict};

/// What a server allows by default.
const MEMORY_LIMIT: usize = 256 << 20;

/// As a server allows when it loads a dump.
const TIME_LIMIT: Duration = Duration::from_secs(5);

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
        let mut host = Alone { deadline: Instant::now() + TIME_LIMIT };
        let loaded = engine.load_library(text, &mut host).and_then(|(name, library)| {
            let mut new = Libraries::default();
            new.add(name, library);
            self.libraries.join(new, false).map(|_| ()).map_err(LoadLibraryError)
        });
        loaded.map_err(|LoadLibraryError(why)| String::from_utf8_lossy(&why).into_owned())
    }
}

/// There is no server: a library that is loaded may ask for nothing but the time.
struct Alone {
    deadline: Instant,
}

impl Host for Alone {
    fn call(&mut self, _args: Args<'_>, reply: &mut Vec<u8>) {
        reply.extend_from_slice(b"-ERR there is no server\r\n");
    }

    fn poll(&mut self) -> Verdict {
        if Instant::now() < self.deadline { Verdict::GoOn } else { Verdict::Kill }
    }

    fn set_protocol(&mut self, _protocol: Protocol) {}

    fn set_replication(&mut self, _to: Replicate) {}

    fn check_permission(&mut self, _args: Args<'_>) -> Permission {
        Permission::Denied
    }

    fn log(&mut self, _level: u8, _text: &[u8]) {}
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
