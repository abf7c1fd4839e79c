//! What may run in the forked child: it writes the data set and reports on the way. A save in the foreground runs it too.
//! Owns:  the fork, the walk over the frozen keyspace, the threads that serialise, and the pipe's records.
//! Uses:  keyspace, rdb, config, stdx.
//! Never: tokio, tracing, a thread of the standard library, or a lock that a thread of the parent's may hold.

mod chunks;
mod fork;
mod observer;
mod options;
mod pace;
mod pipe;
mod priority;
pub mod report;
mod run;
pub mod save;
mod serialise;
mod thread_count;
mod threads;

pub use fork::Child;
#[cfg(test)]
pub use fork::spawn_in_test;
pub use observer::{Observer, Saved};
pub use options::{KnownDump, SaveOptions, delay_us};
pub use run::{Target, start};
