//! What may run in the forked child: it writes the data set and reports on the way. A save in the foreground runs it too.
//! Owns:  the walk over the frozen keyspace, the threads that serialise, and the pipe's records.
//! Uses:  keyspace, rdb, config, stdx.
//! Never: tokio, tracing, a thread of the standard library, or a lock that a thread of the parent's may hold.

pub mod chunks;
pub mod pace;
pub mod report;
mod run;
pub mod save;
pub mod serialise;

pub use run::start;
