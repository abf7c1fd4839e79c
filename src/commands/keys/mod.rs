//! Commands that work on keys of any type.
//! Owns:  the rows and handlers of the generic group.
//! Uses:  keyspace, types, rdb, config, resp, stdx.
//! Never: an operation of one data type.

pub(super) mod existence;
pub(super) mod expiry;
pub(super) mod iterate;
pub(super) mod migrate;
pub(super) mod object;
pub(super) mod relocate;
pub(super) mod serialize;
