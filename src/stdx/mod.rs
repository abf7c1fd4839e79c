//! What could have been in std: number text, globs, clock readings, quoting, the hash of keys, the length of byte strings.
//! Owns:  nothing.
//! Uses:  nothing.
//! Never: a rule of one command, a file or a socket.

pub mod clock;
mod edit_distance;
pub mod glob;
mod hash;
pub mod number;
pub mod size;
pub mod text;
pub mod ticks;
pub mod version;

pub use edit_distance::edit_distance;
pub use hash::HashSeed;
