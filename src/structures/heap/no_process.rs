//! Where pages cannot be mapped, blocks come from the global allocator, and none counts as shared.
#![expect(unsafe_code, reason = "blocks of the global allocator")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use super::class::block_bytes;
use super::{Evacuated, HeapBytes, Pool};

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(block_bytes(bytes), 8).expect("a block is smaller than the address space")
}

impl Pool {
    /// A block of [`block_bytes`]`(bytes)`, whose contents mean nothing.
    pub fn allocate(self, bytes: usize) -> NonNull<u8> {
        let layout = layout(bytes);
        // SAFETY: a block has at least 8 bytes.
        let block = unsafe { alloc(layout) };
        NonNull::new(block).unwrap_or_else(|| handle_alloc_error(layout))
    }

    /// Frees a block.
    ///
    /// # Safety
    ///
    /// The block was allocated for as many bytes, or for others of which [`block_bytes`] makes the same, and nobody uses it
    /// afterwards.
    pub unsafe fn free(self, block: NonNull<u8>, bytes: usize) {
        // SAFETY: it was allocated with this layout.
        unsafe { dealloc(block.as_ptr(), layout(bytes)) };
    }

    pub fn shares(self, _block: NonNull<u8>) -> bool {
        false
    }

    pub(crate) fn evacuate(self) -> Evacuated {
        Evacuated::Nothing
    }
}

pub fn share_blocks() {}

pub fn unshare_blocks() {}

pub fn heap_bytes() -> HeapBytes {
    HeapBytes::default()
}

pub fn used_block_bytes() -> usize {
    0
}

pub fn give_pages_back(_pages_max: usize) -> bool {
    false
}
