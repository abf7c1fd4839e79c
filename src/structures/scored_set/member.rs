//! One heap block per member: its score, its length and its bytes, without a gap between them.
#![expect(unsafe_code, reason = "a block is as long as its member")]

use std::ptr::{self, NonNull};
use std::slice;

use crate::stdx::size::ELEMENT_BYTES_MAX;
use crate::structures::dict::{Element, prefetch_line};
use crate::structures::evacuate::{Cursor, Evacuate, Part, START};
use crate::structures::heap::{Pool, block_bytes};
use crate::structures::order_tree::Member;

/// Where blocks come from.
const POOL: Pool = Pool::Elements;

const LENGTH_OFFSET: usize = size_of::<f64>();
const BYTES_OFFSET: usize = LENGTH_OFFSET + size_of::<u32>();

/// The handle that owns a block.
#[repr(transparent)]
pub(super) struct ScoredMember(NonNull<u8>);

/// A second handle to the block of a [`ScoredMember`]: how the order names it.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub(super) struct MemberRef(NonNull<u8>);

// SAFETY: a block is owned alone and nothing in it is tied to a thread; through a shared handle it is only read.
unsafe impl Send for ScoredMember {}
// SAFETY: as above.
unsafe impl Sync for ScoredMember {}
// SAFETY: whoever has made the handle has promised to use it only beside the owner of its block, which may be moved and
// shared.
unsafe impl Send for MemberRef {}
// SAFETY: as above.
unsafe impl Sync for MemberRef {}

impl ScoredMember {
    pub(super) fn new(member: &[u8], score: f64) -> Self {
        assert!(member.len() <= ELEMENT_BYTES_MAX, "a member has at most ELEMENT_BYTES_MAX bytes");
        Self::in_block(POOL.allocate(BYTES_OFFSET + member.len()), member, score)
    }

    /// The member with another score in a block of its own, if a child sees this one and there is one that it does not see.
    #[inline]
    pub(super) fn moved(&self, score: f64) -> Option<Self> {
        if !POOL.shares(self.0) {
            return None;
        }
        let member = self.member();
        Some(Self::in_block(POOL.allocate_apart(BYTES_OFFSET + member.len())?, member, score))
    }

    /// Puts a member into a fresh block for so many bytes.
    fn in_block(block: NonNull<u8>, member: &[u8], score: f64) -> Self {
        let length = member.len() as u32;
        // SAFETY: the block is fresh, and as long as score, length and bytes together.
        unsafe {
            block.cast::<f64>().write_unaligned(score);
            block.add(LENGTH_OFFSET).cast::<u32>().write(length);
            ptr::copy_nonoverlapping(member.as_ptr(), block.add(BYTES_OFFSET).as_ptr(), member.len());
        }
        Self(block)
    }

    #[inline]
    pub(super) fn score(&self) -> f64 {
        // SAFETY: a live block begins with its score.
        unsafe { self.0.cast::<f64>().read_unaligned() }
    }

    /// Whether a child sees the block.
    #[cfg(test)]
    pub(super) fn is_shared(&self) -> bool {
        POOL.shares(self.0)
    }

    #[inline]
    pub(super) fn set_score(&mut self, score: f64) {
        // SAFETY: as above, and nobody else refers to the score while `self` is borrowed mutably.
        unsafe { self.0.cast::<f64>().write_unaligned(score) };
    }

    #[inline]
    pub(super) fn member(&self) -> &[u8] {
        // SAFETY: the block lives as long as `self`.
        unsafe { MemberRef(self.0).bytes() }
    }

    /// A second handle.
    ///
    /// # Safety
    ///
    /// It is not used once the block is freed, nor by another thread than those that have the block's owner.
    #[inline]
    pub(super) unsafe fn reference(&self) -> MemberRef {
        MemberRef(self.0)
    }

    /// Bytes of the block.
    pub(super) fn block_bytes(&self) -> usize {
        block_bytes(BYTES_OFFSET + self.member().len())
    }
}

/// The order is to name the new block before it reads the member again.
impl Evacuate for ScoredMember {
    fn evacuate(&mut self, _cursor: Cursor, part: &mut Part) -> Cursor {
        if part.is_leaving(self.0) {
            let bytes = BYTES_OFFSET + self.member().len();
            // SAFETY: the block was allocated for so many bytes, and whoever has made another handle to it puts the new
            // one in its place.
            unsafe { part.move_out(&mut self.0, bytes) };
        }
        START
    }
}

impl Drop for ScoredMember {
    fn drop(&mut self) {
        let bytes = BYTES_OFFSET + self.member().len();
        // SAFETY: the block was allocated for so many bytes, and the handle that owned it goes.
        unsafe { POOL.free(self.0, bytes) };
    }
}

impl Element for ScoredMember {
    const BUCKETS: Option<Pool> = Some(POOL);

    type Key<'a> = &'a [u8];

    #[inline]
    fn key(&self) -> &[u8] {
        self.member()
    }

    #[inline]
    fn address(&self) -> *const u8 {
        self.0.as_ptr()
    }
}

impl MemberRef {
    /// Whether the member is to move.
    #[inline]
    pub(super) fn is_leaving(&self, part: &mut Part) -> bool {
        part.is_leaving(self.0)
    }

    /// # Safety
    ///
    /// The block lives for `'a`.
    #[inline]
    pub(super) unsafe fn bytes<'a>(self) -> &'a [u8] {
        // SAFETY: a live block holds its length and so many bytes behind it; they are never written again.
        unsafe {
            let length = self.0.add(LENGTH_OFFSET).cast::<u32>().read() as usize;
            slice::from_raw_parts(self.0.add(BYTES_OFFSET).as_ptr(), length)
        }
    }
}

impl Member for MemberRef {
    #[inline]
    fn member(&self) -> &[u8] {
        // SAFETY: whoever has made the handle has promised that the block lives.
        unsafe { self.bytes() }
    }

    #[inline]
    fn prefetch(&self) {
        prefetch_line(self.0.as_ptr().cast_const());
    }
}
