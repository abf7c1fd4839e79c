//! Bitmap commands: strings as rows of bits and of small numbers.

mod combine;
mod field;
mod number;
mod offset;
mod read;
mod rows;
mod write;

pub(super) use rows::COMMANDS;
