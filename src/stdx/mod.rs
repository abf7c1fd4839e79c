//! What could have been in std: number text, globs, clock readings, quoting, the hash of keys, the length of byte strings,
//! random names.
//! Owns:  nothing.
//! Uses:  nothing.
//! Never: a rule of one command, a file or a socket.

#[cfg(test)]
pub mod alone;
pub mod clock;
mod edit_distance;
pub mod glob;
mod hash;
mod name;
pub mod number;
pub mod size;
pub mod text;
pub mod ticks;
pub mod version;

pub use edit_distance::edit_distance;
pub use hash::HashSeed;
pub use name::{NAME_LEN, random_name};
