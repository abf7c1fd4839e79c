//! What could have been in std: number text, globs, clock readings, quoting.
//! Owns:  nothing.
//! Uses:  nothing.
//! Never: a rule of one command, a file or a socket.

pub mod clock;
pub mod glob;
pub mod number;
pub mod text;
