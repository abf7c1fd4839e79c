//! When snapshots are taken and dumps loaded, and what is answered about them.
//! Owns:  the supervisor of snapshots, the state of a load, and what to do about a damaged dump.
//! Uses:  commands, keyspace, observe, resp, snapshot, stdx.
//! Never: how a dump is written or read.

pub(in crate::server) mod fallback;
mod held;
mod history;
pub(in crate::server) mod loading;
pub(in crate::server) mod snapshots;
mod state;

pub(in crate::server) use held::is_held;
pub(in crate::server) use state::Snapshots;
