//! Sockets, timers and the event loop.
//! Owns:  listeners, connections and their tasks, wake-ups.
//! Uses:  commands, config, keyspace, resp, snapshot, stdx, structures.
//! Never: what a command means.

pub(in crate::server) mod accept;
mod connection;
pub(in crate::server) mod event_loop;
mod listener;
mod timer;
mod unix_socket;
mod wake;

pub(in crate::server) use connection::Shared;
pub(in crate::server) use event_loop::RoundCounts;
pub(in crate::server) use listener::{ListenError, Listeners, open_tcp};
pub(in crate::server) use timer::Timer;
pub(in crate::server) use wake::Wake;
