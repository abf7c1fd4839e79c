//! The data structures that values and keyspaces are made of.
//! Owns:  its own memory layouts, and the `unsafe` that they need.
//! Uses:  stdx.
//! Never: a Redis rule, a configuration value, a file or a socket.

mod ahead;
mod dict;
mod evacuate;
mod folded_name;
mod heap;
mod long_buffer;
mod memory;
mod pool_box;
mod pool_deque;
mod reserved;
mod row;
mod size_class;
mod thin;

pub mod bitmap;
pub mod geohash;
pub mod hyperloglog;
pub mod intset;
pub mod listpack;
pub mod order_tree;
pub mod quicklist;
pub mod scored_set;
pub mod ziplist;
pub mod zipmap;

pub use ahead::start_pages_ahead_with;
pub use dict::{
    Dict, Element, Iter, MappedTable, OccupiedSlot, ResizePolicy, Slot, TableStats, huge_pages_for_tables,
    mapped_table_bytes, mapped_tables, prefetch_bytes, set_thread_resize_policy,
};
#[cfg(test)]
pub use evacuate::evacuate_all;
pub use evacuate::{Cursor, Evacuate, Part, START};
pub use folded_name::FoldedName;
#[cfg(feature = "internals")]
pub use heap::fuzzing;
pub(crate) use heap::{Class, Clearing, Evacuated};
pub use heap::{
    Filling, Finishing, Kept, Owner, Ownership, Pool, Walk, block_bytes, give_pages_back, give_pages_back_later,
    heap_bytes, kept_for_children, share_blocks, unshare_blocks, used_block_bytes,
};
pub use long_buffer::{LongBuffer, try_grow};
pub use memory::{memory_holds, try_zeros};
pub use pool_box::PoolBox;
pub use row::Row;
pub use thin::{ThinMember, ThinPair};
