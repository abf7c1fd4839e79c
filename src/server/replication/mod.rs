//! Replication: what this server is to its replicas and to its primary.
//! Owns:  the history of the data, the backlog, replicas and their full syncs, the link to a primary.
//! Uses:  commands, config, keyspace, observe, rdb, replication, resp, snapshot, stdx, and the rooms that run a command.
//! Never: what a command does to the data; what is applied here runs as a command.

mod answer;
mod apply;
mod failover;
mod feed;
mod figures;
mod following;
mod full_sync;
mod info;
mod link;
mod own_keys;
mod payload;
mod primary;
mod replica;
mod rewind;
mod sending;
mod state;
mod upstream;
mod waiting;

#[cfg(any(test, feature = "internals"))]
pub(in crate::server) use following::LinkTask;
pub use full_sync::feed_payload;
pub use link::follow_primary;
pub use payload::KindOfData;
pub use replica::{Replica, ReplicationMemory};
pub use state::Replication;
