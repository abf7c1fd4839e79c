//! Bitmap commands: strings as rows of bits and of small numbers.
//! Owns:  the rows and handlers of BITCOUNT to SETBIT, offsets and ranges of bits, and what a number does that does not fit.
//! Uses:  keyspace, types, structures, resp, stdx.
//! Never: how bits are counted or combined, which the structure `bitmap` knows.

mod combine;
mod field;
mod number;
mod offset;
mod read;
mod rows;
mod write;

pub(super) use rows::COMMANDS;
