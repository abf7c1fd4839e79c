//! How much memory is used, what for, and which keys go when it is too much.
//! Owns:  the readings of the allocator and of the system, and eviction.
//! Uses:  config, keyspace, observe, snapshot, structures.
//! Never: which key is the best to go; the keyspace knows that.

mod allocator;
mod eviction;
mod limit;
mod usage;

pub(in crate::server) use usage::{Excess, Memory, MemoryReport};
