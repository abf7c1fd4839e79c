//! Set commands: members, random picks, and the algebra of several sets.
//! Owns:  the rows and handlers of SADD to SUNIONSTORE.
//! Uses:  keyspace, types, resp, stdx.
//! Never: how a set is laid out.

mod algebra;
mod read;
mod rows;
mod write;

pub(super) use rows::COMMANDS;
