//! The running server: sockets, the one thread that executes commands, and what happens around a command.
//! Owns:  every connection, the executor and its subsystems, the listeners, signals and timers.
//! Uses:  commands, snapshot, keyspace, types, structures, rdb, resp, config, observe, stdx.
//! Never: a Redis rule about one command; that stands beside the command.

mod batch;
mod client;
mod clock;
mod connection;
mod cron;
mod effects;
mod executor;
mod gate;
mod listener;
mod pubsub;
mod run;
mod transaction;
mod wake;

pub use run::run;
