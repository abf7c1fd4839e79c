//! The running server: sockets, the one thread that executes commands, and what happens around a command.
//! Owns:  every connection, the executor and its subsystems, the listeners, signals and timers.
//! Uses:  commands, snapshot, keyspace, types, structures, resp, config, observe, stdx.
//! Never: a Redis rule about one command; that stands beside the command.

mod allocator;
mod apply;
mod banner;
mod batch;
mod blocking;
mod client;
mod client_memory;
mod clock;
mod connection;
mod crash;
mod cron;
mod effects;
mod event_loop;
mod execution;
mod executor;
mod fallback;
mod fatal_signal;
mod file_limit;
mod frame;
#[cfg(any(test, feature = "internals"))]
pub mod fuzzing;
mod gate;
mod info;
mod listener;
mod logging;
mod memory;
mod memory_info;
mod memory_limit;
mod migrate;
mod monitor;
mod observing;
mod oom_score;
mod pause;
mod pid_file;
mod process;
mod pubsub;
#[cfg(test)]
mod recording_tests;
#[cfg(any(test, feature = "internals"))]
mod repeat;
mod run;
mod service_manager;
mod shutdown;
mod signals;
#[cfg(any(test, feature = "internals"))]
pub mod simulation;
mod snapshot_history;
mod snapshots;
mod start;
mod stats;
mod timer;
mod title_setting;
mod transaction;
mod unix_socket;
mod users;
mod wake;

pub use start::start;
