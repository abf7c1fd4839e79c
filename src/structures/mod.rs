//! The data structures that values and keyspaces are made of.
//! Owns:  its own memory layouts, and the `unsafe` that they need.
//! Uses:  stdx.
//! Never: a Redis rule, a configuration value, a file or a socket.

mod size_class;

pub mod intset;
pub mod listpack;
pub mod order_tree;
pub mod quicklist;
pub mod ziplist;
pub mod zipmap;
