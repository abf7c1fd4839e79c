//! Running commands: from a client's bytes to the handler, its effects and the figures.
//! Owns:  frames, the gate, transactions, those who wait, pauses, and the state of the running command.
//! Uses:  commands, keyspace, config, resp, snapshot, structures, types, stdx.
//! Never: a socket, or what a command means.

mod batch;
pub(in crate::server) mod blocking;
mod call;
mod effects;
mod frame;
pub(in crate::server) mod gate;
mod pause;
#[cfg(test)]
mod recording_tests;
#[cfg(any(test, feature = "internals"))]
mod repeat;
mod replay;
mod round;
mod state;
mod transaction;
mod waits;

pub(in crate::server) use effects::current_dir;
pub(in crate::server) use frame::{Frame, Nesting};
#[cfg(any(test, feature = "internals"))]
pub(in crate::server) use repeat::RepeatError;
#[cfg(any(test, feature = "internals"))]
pub(in crate::server) use round::Flow;
pub(in crate::server) use round::{Processed, ROUND_REPLY_BYTES, Then};
pub(in crate::server) use state::{Execution, Freeze};
pub(in crate::server) use waits::Blocked;
