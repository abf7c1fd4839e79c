//! The order of a sorted set: a B+tree of (score, member) pairs that knows how many pairs each of its parts holds.
//! Owns:  the nodes; not the members, which it reaches through handles.
//! Uses:  the heap of blocks.
//! Never: the member of a handle that has been removed; a score that is not a number; an infinite member for a bound.

mod build;
mod inner;
mod leaf;
mod range;
mod tree;

#[cfg(test)]
mod tests;

pub use range::Range;
pub use tree::{Member, OrderTree};
