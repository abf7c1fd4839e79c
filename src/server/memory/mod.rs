//! How much memory is used, what for, and which keys go when it is too much; MEMORY.
//! Owns:  the readings of the allocator and of the system, and eviction.
//! Uses:  commands, config, keyspace, observe, resp, snapshot, structures.
//! Never: which key is the best to go; the keyspace knows that.

mod allocator;
mod answer;
mod compaction;
mod defragmentation;
mod eviction;
mod limit;
mod usage;

pub(in crate::server) use limit::MemoryLimit;
pub(in crate::server) use usage::{Excess, Memory};
