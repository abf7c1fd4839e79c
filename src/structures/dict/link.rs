//! Where buckets are beside the large arrays: the owner of a chained bucket, and which pool small arrays are in.
#![expect(unsafe_code, reason = "a box that may be in memory of a pool")]

use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};

use super::Element;
use super::bucket::Bucket;
use crate::structures::evacuate::Part;
use crate::structures::heap::{Class, Pool};

/// The pool in which so many buckets together are; `None` for the global allocator. Only in its pages do blocks of whole cache
/// lines begin with one, so none is asked for that would be elsewhere.
#[inline]
pub(super) fn home<E: Element>(buckets: usize) -> Option<Pool> {
    let is_small = Class::of(buckets * size_of::<Bucket<E>>()).is_some();
    E::BUCKETS.filter(|pool| buckets > 0 && is_small && pool.has_pages())
}

/// Whether a child sees these buckets, so that they are to be moved before they are written.
#[inline(always)]
pub(super) fn is_shared<E: Element>(buckets: NonNull<Bucket<E>>) -> bool {
    match E::BUCKETS {
        Some(Pool::Elements) => Pool::Elements.shares(buckets.cast()),
        _ => false,
    }
}

/// Moves buckets to a block that no child sees, if there is one to be had.
///
/// # Safety
///
/// There are so many in a block of the elements' pool, and nobody has another handle to it.
#[cold]
#[inline(never)]
pub(super) unsafe fn leave<E: Element>(buckets: &mut NonNull<Bucket<E>>, count: usize) {
    let bytes = count * size_of::<Bucket<E>>();
    let Some(block) = Pool::Elements.allocate_apart(bytes) else { return };
    let block = block.cast::<Bucket<E>>();
    // SAFETY: both blocks are of that size, and the new one is nobody else's. Buckets may be moved as bytes, and nobody has the
    // old ones any more.
    unsafe {
        ptr::copy_nonoverlapping(buckets.as_ptr(), block.as_ptr(), count);
        Pool::Elements.free(std::mem::replace(buckets, block).cast(), bytes);
    }
}

/// Moves buckets that are in a block of the elements' pool, if it is to become empty.
///
/// # Safety
///
/// They are so many in a block of their own, and nobody has another handle to it.
pub(super) unsafe fn evacuate<E: Element>(buckets: &mut NonNull<Bucket<E>>, count: usize, part: &mut Part) {
    if home::<E>(count) == Some(Pool::Elements) && part.is_leaving(buckets.cast()) {
        let mut block = buckets.cast();
        // SAFETY: by this function's contract; buckets may be moved as bytes.
        unsafe { part.move_out(&mut block, count * size_of::<Bucket<E>>()) };
        *buckets = block.cast();
    }
}

/// A box of a bucket, in the pool of the element's choice.
pub(super) struct Link<E: Element>(NonNull<Bucket<E>>);

impl<E: Element> Link<E> {
    pub(super) fn new(bucket: Bucket<E>) -> Self {
        let Some(pool) = home::<E>(1) else { return Self(NonNull::from(Box::leak(Box::new(bucket)))) };
        let block = pool.allocate(size_of::<Bucket<E>>()).cast::<Bucket<E>>();
        debug_assert!(block.is_aligned());
        // SAFETY: the block is fresh, large enough, and at a multiple of its size.
        unsafe { block.write(bucket) };
        Self(block)
    }

    /// Moves the bucket, but nothing that it owns, if its block is leaving.
    pub(super) fn evacuate_block(&mut self, part: &mut Part) {
        // SAFETY: the link owns the bucket alone.
        unsafe { evacuate(&mut self.0, 1, part) };
    }
}

impl<E: Element> Deref for Link<E> {
    type Target = Bucket<E>;

    #[inline]
    fn deref(&self) -> &Bucket<E> {
        // SAFETY: the link owns the bucket alone.
        unsafe { self.0.as_ref() }
    }
}

impl<E: Element> DerefMut for Link<E> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Bucket<E> {
        if is_shared(self.0) {
            // SAFETY: what a child sees is in a page of the pool, where the link has it alone.
            unsafe { leave(&mut self.0, 1) };
        }
        // SAFETY: as above.
        unsafe { self.0.as_mut() }
    }
}

impl<E: Element> Drop for Link<E> {
    fn drop(&mut self) {
        match home::<E>(1) {
            // SAFETY: it was allocated there, with this size, has no destructor, and nobody has it any more.
            Some(pool) => unsafe { pool.free(self.0.cast(), size_of::<Bucket<E>>()) },
            // SAFETY: it is what `Box::leak` gave, and nobody has it any more.
            None => drop(unsafe { Box::from_raw(self.0.as_ptr()) }),
        }
    }
}
