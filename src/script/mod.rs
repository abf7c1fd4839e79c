//! Scripts: the Lua interpreter, what scripts may call, and what keeps them within bounds.
//! Owns:  the interpreter's memory and stack, the compiled scripts, the libraries that scripts see.
//! Uses:  resp, stdx.
//! Never: the keyspace, a client, a socket; a script reaches the server only by its [`Host`].

mod api;
mod cache;
mod convert;
mod engine;
mod fiber;
mod functions;
#[cfg(any(test, feature = "internals"))]
pub mod fuzzing;
mod globals;
mod host;
mod library;
mod lists;
mod lua;
mod mentions;
mod places;
#[cfg(test)]
mod sandbox_tests;
mod shebang;
#[cfg(test)]
mod testing;

pub use cache::{Cache, Found, Sha};
pub use engine::{CompileError, Engine, Outcome, Progress, ScriptId};
pub use functions::{ENGINE_NAME, Function, Libraries, Library, LibraryHead, LoadLibraryError, LoadingHost};
pub use host::{Host, Permission, Replicate, Verdict};
pub use shebang::{ScriptFlags, Shebang};
