//! Libraries of functions: what their first line says, loading one, and which are known.
//! Owns:  the book of libraries and of their functions.
//! Uses:  the interpreter, resp, stdx.
//! Never: a function without its library.

mod head;
mod libraries;
mod load;
mod loading_host;
mod register;
mod registration;

pub use head::{ENGINE_NAME, Head as LibraryHead};
pub use libraries::{Function, Libraries, Library};
pub use load::LoadLibraryError;
pub use loading_host::LoadingHost;
pub use registration::Registrations;
