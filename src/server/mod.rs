//! The running server: sockets, the one thread that executes commands, and what happens around a command.
//! Owns:  every connection, the executor and its subsystems, the listeners, signals and timers.
//! Uses:  commands, snapshot, replication, keyspace, types, script, structures, rdb, resp, config, observe, stdx.
//! Never: a Redis rule about one command; that is beside the command.

mod apply;
mod clients;
mod clock;
mod cron;
mod exec;
mod executor;
#[cfg(any(test, feature = "internals"))]
pub mod fuzzing;
mod http;
mod memory;
mod migrate;
mod net;
mod persistence;
mod process;
mod replication;
mod report;
mod scripts;
#[cfg(any(test, feature = "internals"))]
pub mod simulation;

pub use process::start::start;
