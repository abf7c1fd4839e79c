//! What one thread has claimed of a heap.

use std::ptr::{self, NonNull};

use super::class::{CLASSES, Class};
use super::owner::{OWNERS, Owner};
use super::span::NO_SPAN;

/// The free blocks of one class that a thread has claimed: those of one word of a span.
#[derive(Clone, Copy)]
pub(super) struct Bin {
    /// A bit for each of them.
    pub(super) free: u64,
    /// The block of the lowest bit.
    pub(super) start: *mut u8,
    /// The span that the thread looks after; [`NO_SPAN`] for none.
    pub(super) span: u32,
    /// The number of the word.
    pub(super) word: u32,
}

impl Bin {
    const EMPTY: Self = Self { free: 0, start: ptr::null_mut(), span: NO_SPAN, word: 0 };
}

/// The claims for one owner.
type Bins = [Bin; CLASSES];

/// The claims of one thread. To be handed back with [`super::Heap::flush`], else its blocks are never used again.
pub(super) struct Cache {
    /// By owner, once there has been a claim.
    bins: [Option<Box<Bins>>; OWNERS],
    /// Bytes that the thread has taken less those that it has freed, since they were last added to the heap's count.
    pub(super) unsettled: isize,
}

impl Cache {
    pub(super) const EMPTY: Self = Self { bins: [const { None }; OWNERS], unsettled: 0 };

    pub(super) fn bin(&mut self, owner: Owner, class: Class) -> &mut Bin {
        let bins = self.bins[owner.index()].get_or_insert_with(|| Box::new([Bin::EMPTY; CLASSES]));
        &mut bins[class.index()]
    }

    pub(super) fn bins(&mut self) -> impl Iterator<Item = &mut Bin> {
        self.bins.iter_mut().flatten().flat_map(|bins| bins.iter_mut())
    }

    /// Frees what it takes itself, after all claims were handed back.
    pub(super) fn end(&mut self) {
        self.bins = Self::EMPTY.bins;
    }

    /// A block of this class, if one is claimed.
    #[inline]
    pub(super) fn take(&mut self, owner: Owner, class: Class) -> Option<NonNull<u8>> {
        let bin = &mut self.bins[owner.index()].as_deref_mut()?[class.index()];
        if bin.free == 0 {
            return None;
        }
        let number = bin.free.trailing_zeros() as usize;
        bin.free &= bin.free - 1;
        self.unsettled += class.bytes() as isize;
        NonNull::new(bin.start.wrapping_add(number * class.bytes()))
    }

    /// Undoes the last [`Cache::take`], which has returned this block.
    pub(super) fn put_back(&mut self, owner: Owner, block: NonNull<u8>, class: Class) {
        let bin = self.bin(owner, class);
        let number = (block.as_ptr().addr() - bin.start.addr()) / class.bytes();
        debug_assert!(number < u64::BITS as usize && bin.free & 1 << number == 0, "the block was taken last");
        bin.free |= 1 << number;
        self.unsettled -= class.bytes() as isize;
    }
}
