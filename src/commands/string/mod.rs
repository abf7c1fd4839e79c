//! String commands: setting, reading, counting.
//! Owns:  the rows and handlers of APPEND to SUBSTR, and the options of expiry that SET and GETEX share.
//! Uses:  keyspace, types, structures, resp, stdx.
//! Never: how a string is laid out.

mod expiry;
mod lcs;
mod number;
mod read;
mod rows;
mod write;

pub(super) use rows::COMMANDS;
