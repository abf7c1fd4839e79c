//! Blocks for entries, the elements of collections and the buckets of tables, in pages of the heap's own.
//! Owns:  a reserved range of addresses, and what is known of each 64 KiB of it.
//! Uses:  nothing.
//! Never: a look into a block, or a write to one: what is known of blocks is kept elsewhere, so that a page that a child
//! shares is not copied for it.
//!
//! A page is 2 MiB, the size of a huge page, and is divided into spans of 64 KiB. A span has blocks of one size, and a bit
//! for each that is free. A thread claims a span, and of that 64 blocks at a time, which it then hands out without a lock;
//! a block is freed by setting its bit, from any thread.
//!
//! While a child lives ([`share_blocks`]), blocks come from pages that were touched after its fork, and
//! [`Pool::shares`] says of a block whether the child sees it: its owner then writes the new version to another block
//! and frees the old one. So no page that the child sees is copied for it, and no huge page is split.
//!
//! A span has the blocks of one owner ([`Owner`]), and so a child finds all entries of a database in the order of their
//! addresses ([`Walk`]). A page in which it has read everything it gives up ([`Finishing`]), and its parent writes there again.

mod cache;
mod class;
mod clearing;
mod core;
mod evacuation;
#[cfg(any(test, feature = "internals"))]
pub mod fuzzing;
mod memory;
mod owner;
mod process;
mod shared;
mod span;
#[cfg(test)]
mod tests;
mod walk;

pub(crate) use class::Class;
pub use class::block_bytes;
pub(crate) use clearing::Clearing;
pub(crate) use evacuation::Evacuated;
pub use owner::{Owner, Ownership};
pub use process::{
    give_pages_back, give_pages_back_later, heap_bytes, kept_for_children, share_blocks, unshare_blocks,
    used_block_bytes,
};
pub use walk::{Finishing, Walk};

/// Which blocks are kept together, so that whoever looks at a page knows what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pool {
    /// A key, perhaps with its value.
    Entries,
    /// An element of a collection, or buckets of a collection's table: its array while that is small, and each chained one.
    Elements,
    /// Buckets of a database's table: its array while that is small, and each chained one. They are written where they are, even while
    /// a child sees them; a child that walks entries in the order of addresses has no use for them (see [`Pool::give_up`]).
    Buckets,
}

/// How full the pages of a pool are, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filling {
    /// Blocks in use.
    pub used_bytes: usize,
    /// Pages that hold any.
    pub page_bytes: usize,
}

impl Filling {
    pub fn unused_bytes(self) -> usize {
        self.page_bytes.saturating_sub(self.used_bytes)
    }
}

/// Bytes of blocks that were freed while a child saw them, or left for others that it does not see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Their memory waits for the child to finish with it.
    pub now: usize,
    /// Those too whose memory is used again.
    pub once: usize,
}

/// What the heap holds, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapBytes {
    /// Blocks in use.
    pub used: usize,
    /// Spans with at least one block in use.
    pub spans: usize,
    /// Pages that may have memory.
    pub pages: usize,
}
