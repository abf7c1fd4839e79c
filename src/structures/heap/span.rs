//! A span: 64 KiB of blocks of one class, with what is known of it outside.
#![expect(unsafe_code, reason = "a span owns its bits")]

use std::sync::atomic::{AtomicI32, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering};

use super::class::Class;
use super::owner::Owner;

pub(super) const SPAN_BYTES: usize = 64 << 10;

/// The number of no span: the end of a list.
pub(super) const NO_SPAN: u32 = u32::MAX;

/// Who looks after a span. Changed under the heap's lock only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    /// In no use: a span is zeroed memory at first.
    Unused = 0,
    /// A thread takes blocks from it.
    Claimed = 1,
    /// In a list of its class: it has a free block.
    Listed = 2,
    /// Without a free block when it was let go, and in no list.
    Full = 3,
    /// Being emptied: in no list, and nobody takes blocks from it.
    Leaving = 4,
}

/// What is known of a span: a line of its own, so that threads do not meet there.
///
/// A thread that frees a block reads what the claim of the span has set before that block was handed out. All fields are
/// atomic, so that a mistake elsewhere cannot make a race of it; none but `free` and the bits is changed by more than one
/// thread at a time.
#[repr(C, align(64))]
#[derive(Default)]
pub(super) struct Span {
    /// A bit for each free block that nobody has claimed.
    bits: AtomicPtr<AtomicU64>,
    words: AtomicU32,
    /// `2^32 / block bytes`, rounded up: a division by multiplication.
    reciprocal: AtomicU32,
    blocks: AtomicU32,
    /// How many bits are set. A thread sets a bit first and counts it then, so that it can be short of them for a moment.
    free: AtomicI32,
    /// The number of the fork after which the span's page was touched first.
    epoch: AtomicU32,
    /// See [`Self::note_kept`].
    kept: AtomicU64,
    next: AtomicU32,
    previous: AtomicU32,
    class: AtomicU8,
    state: AtomicU8,
    owner: AtomicU8,
}

impl Span {
    /// Makes a span of free blocks of an unused one.
    pub(super) fn begin(&self, owner: Owner, class: Class, epoch: u32) {
        debug_assert_eq!(self.state(), State::Unused);
        let blocks = (SPAN_BYTES / class.bytes()) as u32;
        let words = blocks.div_ceil(u64::BITS);
        if self.words.load(Ordering::Relaxed) != words {
            self.drop_bits();
            let bits: Box<[AtomicU64]> = (0..words).map(|_| AtomicU64::new(0)).collect();
            self.bits.store(Box::into_raw(bits).cast(), Ordering::Relaxed);
            self.words.store(words, Ordering::Relaxed);
        }
        for (number, word) in self.words().iter().enumerate() {
            let blocks_here = (blocks - number as u32 * u64::BITS).min(u64::BITS);
            word.store(u64::MAX >> (u64::BITS - blocks_here), Ordering::Relaxed);
        }
        self.reciprocal.store((1u64 << 32).div_ceil(class.bytes() as u64) as u32, Ordering::Relaxed);
        self.blocks.store(blocks, Ordering::Relaxed);
        self.free.store(blocks as i32, Ordering::Relaxed);
        self.epoch.store(epoch, Ordering::Relaxed);
        self.class.store(class.index() as u8, Ordering::Relaxed);
        self.owner.store(owner.index() as u8, Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn words(&self) -> &[AtomicU64] {
        let (bits, words) = (self.bits.load(Ordering::Relaxed), self.words.load(Ordering::Relaxed));
        if bits.is_null() {
            return &[];
        }
        // SAFETY: `begin` has made a slice of so many words. It is replaced only while the span is unused, when nobody has
        // a block of it.
        unsafe { std::slice::from_raw_parts(bits, words as usize) }
    }

    fn drop_bits(&self) {
        let (bits, words) = (self.bits.load(Ordering::Relaxed), self.words.load(Ordering::Relaxed));
        if !bits.is_null() {
            self.bits.store(std::ptr::null_mut(), Ordering::Relaxed);
            self.words.store(0, Ordering::Relaxed);
            // SAFETY: `begin` has made the slice so, and nobody borrows it: the span is unused or goes.
            drop(unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(bits, words as usize)) });
        }
    }

    /// Sets the bit of the block that begins at `offset`. Returns how many were set before.
    #[inline]
    pub(super) fn set_free(&self, offset: usize) -> i32 {
        let block = ((offset as u64 * u64::from(self.reciprocal.load(Ordering::Relaxed))) >> 32) as usize;
        debug_assert_eq!(block * self.class().bytes(), offset, "a block begins there");
        self.set_bits(block / u64::BITS as usize, 1 << (block % u64::BITS as usize))
    }

    /// Counts the bytes of a block that is freed while the child of this fork sees it. Not the blocks: the span may be made one of
    /// another class before the child has finished its page.
    #[cold]
    pub(super) fn note_kept(&self, fork: u32, bytes: usize) {
        let so_far = |kept: u64| if (kept >> u32::BITS) as u32 == fork { kept as u32 } else { 0 };
        let add = |kept: u64| Some(u64::from(fork) << u32::BITS | u64::from(so_far(kept).saturating_add(bytes as u32)));
        let _ = self.kept.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// Bytes of the blocks that were freed while the child of this fork saw them; none from here on.
    pub(super) fn take_kept_bytes(&self, fork: u32) -> usize {
        let kept = self.kept.swap(0, Ordering::Relaxed);
        if (kept >> u32::BITS) as u32 == fork { kept as u32 as usize } else { 0 }
    }

    /// Sets bits of one word that are not set. Returns how many were set in all words before.
    #[inline]
    pub(super) fn set_bits(&self, word: usize, bits: u64) -> i32 {
        let before = self.words()[word].fetch_or(bits, Ordering::Release);
        debug_assert_eq!(before & bits, 0, "a block is freed once");
        self.free.fetch_add(bits.count_ones() as i32, Ordering::AcqRel)
    }

    /// Claims the free blocks of the next word that has any, from `word` on. Returns its number and the bits.
    pub(super) fn claim(&self, word: usize) -> Option<(usize, u64)> {
        let words = self.words();
        for (number, bits) in words.iter().enumerate().skip(word) {
            if bits.load(Ordering::Relaxed) != 0 {
                let claimed = bits.swap(0, Ordering::Acquire);
                self.free.fetch_sub(claimed.count_ones() as i32, Ordering::AcqRel);
                return Some((number, claimed));
            }
        }
        None
    }

    /// The numbers of the blocks that are not free, of a span that nobody claims.
    pub(super) fn blocks_in_use(&self) -> impl Iterator<Item = usize> {
        let blocks = self.blocks() as usize;
        let words = self.words().iter().enumerate();
        words.flat_map(move |(number, word)| {
            let first = number * u64::BITS as usize;
            let blocks_here = (blocks - first).min(u64::BITS as usize) as u32;
            let used = !word.load(Ordering::Acquire) & u64::MAX >> (u64::BITS - blocks_here);
            Bits(used).map(move |bit| first + bit as usize)
        })
    }

    /// How many blocks are not free, of a span that nobody claims.
    pub(super) fn count_in_use(&self) -> usize {
        let free: u32 = self.words().iter().map(|word| word.load(Ordering::Acquire).count_ones()).sum();
        self.blocks() as usize - free as usize
    }

    #[inline]
    pub(super) fn blocks(&self) -> i32 {
        self.blocks.load(Ordering::Relaxed) as i32
    }

    #[inline]
    pub(super) fn free(&self) -> i32 {
        self.free.load(Ordering::Acquire)
    }

    #[inline]
    pub(super) fn class(&self) -> Class {
        Class::with_index(usize::from(self.class.load(Ordering::Relaxed)))
    }

    #[inline]
    pub(super) fn owner(&self) -> Owner {
        Owner::with_index(usize::from(self.owner.load(Ordering::Relaxed)))
    }

    #[inline]
    pub(super) fn epoch(&self) -> u32 {
        self.epoch.load(Ordering::Relaxed)
    }

    pub(super) fn set_epoch(&self, epoch: u32) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }

    pub(super) fn state(&self) -> State {
        match self.state.load(Ordering::Relaxed) {
            0 => State::Unused,
            1 => State::Claimed,
            2 => State::Listed,
            3 => State::Full,
            _ => State::Leaving,
        }
    }

    pub(super) fn set_state(&self, state: State) {
        self.state.store(state as u8, Ordering::Relaxed);
    }

    pub(super) fn next(&self) -> u32 {
        self.next.load(Ordering::Relaxed)
    }

    pub(super) fn set_next(&self, next: u32) {
        self.next.store(next, Ordering::Relaxed);
    }

    pub(super) fn previous(&self) -> u32 {
        self.previous.load(Ordering::Relaxed)
    }

    pub(super) fn set_previous(&self, previous: u32) {
        self.previous.store(previous, Ordering::Relaxed);
    }
}

/// The numbers of the bits that are set.
struct Bits(u64);

impl Iterator for Bits {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        let bit = self.0.trailing_zeros();
        let rest = self.0.checked_sub(1)?;
        self.0 &= rest;
        Some(bit)
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        self.drop_bits();
    }
}
