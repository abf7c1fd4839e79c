//! String commands: setting, reading, counting.

mod expiry;
mod lcs;
mod number;
mod read;
mod rows;
mod write;

pub(super) use rows::COMMANDS;
