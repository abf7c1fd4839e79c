//! Quicklists: long lists as a row of listpacks of bounded size, large elements in nodes of their own.
//! Owns:  the nodes, their sizes and which of them are compressed.
//! Uses:  nothing of the house but the listpacks and the row of nodes beside it.
//! Never: how nodes are compressed, which its user brings along; a configured value, which comes as [`Limits`].

mod edit;
mod iter;
mod list;
mod node;

#[cfg(test)]
mod tests;

pub use iter::Iter;
#[cfg(test)]
pub use list::Item;
pub use list::{Direction, Quicklist};
pub use node::{Limits, NodeCodec, NodeView};
