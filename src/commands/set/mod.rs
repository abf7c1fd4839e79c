//! Set commands: members, random picks, and the algebra of several sets.

mod algebra;
mod read;
mod rows;
mod write;

pub(super) use rows::COMMANDS;
