//! Small blocks of memory that Lua has given back, kept for what it takes next. It takes one for nearly every value, of few
//! sizes, and the collector gives many back at once.
#![expect(unsafe_code, reason = "blocks of memory for C")]

use std::alloc::{Layout, alloc, dealloc};
use std::cell::Cell;
use std::ptr;

/// What Lua aligns its blocks to. Sizes of small blocks are multiples of it.
pub const ALIGN: usize = 16;

/// Blocks up to this size are small.
pub const SMALL_MAX: usize = 128;

const SIZES: usize = SMALL_MAX / ALIGN;

/// So much memory is kept at most, of all sizes together; none where valgrind is to see what is freed.
const SPARE_BYTES_MAX: usize = if cfg!(feature = "system-allocator") { 0 } else { 512 << 10 };

/// The blocks that are kept, as one list for each size.
pub struct SpareBlocks {
    lists: [Cell<*mut Spare>; SIZES],
    bytes: Cell<usize>,
}

/// A block while it is kept.
struct Spare {
    next: *mut Spare,
}

/// The place of the list that a small block of `bytes`, more than none, belongs to.
pub fn size_index(bytes: usize) -> usize {
    (bytes - 1) / ALIGN
}

fn layout(index: usize) -> Layout {
    // SAFETY: the alignment is a power of two, and the size a small multiple of it.
    unsafe { Layout::from_size_align_unchecked((index + 1) * ALIGN, ALIGN) }
}

impl SpareBlocks {
    pub fn new() -> Self {
        Self { lists: [const { Cell::new(ptr::null_mut()) }; SIZES], bytes: Cell::new(0) }
    }

    /// A small block, or null if there is no memory.
    #[inline]
    pub fn take(&self, bytes: usize) -> *mut u8 {
        let index = size_index(bytes);
        let first = self.lists[index].get();
        if first.is_null() {
            // SAFETY: the size is not zero.
            return unsafe { alloc(layout(index)) };
        }
        // SAFETY: what is in the list is a block that nobody uses.
        self.lists[index].set(unsafe { (*first).next });
        self.bytes.set(self.bytes.get() - (index + 1) * ALIGN);
        first.cast()
    }

    /// Takes a small block back.
    ///
    /// # Safety
    /// It is from [`SpareBlocks::take`] for a size of the same list, and nobody uses it any more.
    #[inline]
    pub unsafe fn give_back(&self, block: *mut u8, bytes: usize) {
        let index = size_index(bytes);
        let kept = self.bytes.get() + (index + 1) * ALIGN;
        if kept > SPARE_BYTES_MAX {
            // SAFETY: it was taken with this layout.
            return unsafe { dealloc(block, layout(index)) };
        }
        let block = block.cast::<Spare>();
        // SAFETY: the block is large enough, aligned, and ours.
        unsafe { block.write(Spare { next: self.lists[index].get() }) };
        self.lists[index].set(block);
        self.bytes.set(kept);
    }
}

impl Drop for SpareBlocks {
    fn drop(&mut self) {
        for (index, list) in self.lists.iter().enumerate() {
            let mut block = list.get();
            while !block.is_null() {
                // SAFETY: each block of the list was taken with its layout, and is read before it is freed.
                unsafe {
                    let next = (*block).next;
                    dealloc(block.cast(), layout(index));
                    block = next;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(not(feature = "system-allocator"))]
    fn what_is_given_back_is_taken_again_by_what_has_its_size() {
        let spare = SpareBlocks::new();
        let (one, other) = (spare.take(40), spare.take(48));
        // SAFETY: both are taken, and given back once.
        unsafe {
            spare.give_back(one, 48);
            spare.give_back(other, 33);
        }
        assert_eq!(spare.bytes.get(), 96);
        let small = spare.take(32);
        assert!(small != one && small != other);
        assert_eq!((spare.take(33), spare.take(48)), (other, one));
        assert_eq!(spare.bytes.get(), 0);
        for block in [one, other] {
            // SAFETY: as above.
            unsafe { spare.give_back(block, 48) };
        }
        // SAFETY: as above.
        unsafe { spare.give_back(small, 32) };
    }

    #[test]
    fn no_more_is_kept_than_some_hundred_kilobytes() {
        let spare = SpareBlocks::new();
        let blocks: Vec<*mut u8> = (0..10_000).map(|_| spare.take(SMALL_MAX)).collect();
        for block in blocks {
            // SAFETY: each is taken, and given back once.
            unsafe { spare.give_back(block, SMALL_MAX) };
        }
        assert_eq!(spare.bytes.get(), SPARE_BYTES_MAX);
    }
}
