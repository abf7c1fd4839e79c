//! The owner of a chained bucket.
#![expect(unsafe_code, reason = "a box that may be in memory of a pool")]

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use super::Element;
use super::bucket::Bucket;

/// A box of a bucket, in the pool of the element's choice.
pub(super) struct Link<E: Element>(NonNull<Bucket<E>>);

impl<E: Element> Link<E> {
    pub(super) fn new(bucket: Bucket<E>) -> Self {
        let Some(pool) = E::BUCKETS else { return Self(NonNull::from(Box::leak(Box::new(bucket)))) };
        let block = pool.allocate(size_of::<Bucket<E>>()).cast::<Bucket<E>>();
        debug_assert!(block.is_aligned());
        // SAFETY: the block is fresh, large enough, and at a multiple of its size.
        unsafe { block.write(bucket) };
        Self(block)
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
        // SAFETY: as above.
        unsafe { self.0.as_mut() }
    }
}

impl<E: Element> Drop for Link<E> {
    fn drop(&mut self) {
        match E::BUCKETS {
            // SAFETY: it was allocated there, with this size, has no destructor, and nobody has it any more.
            Some(pool) => unsafe { pool.free(self.0.cast(), size_of::<Bucket<E>>()) },
            // SAFETY: it is what `Box::leak` gave, and nobody has it any more.
            None => drop(unsafe { Box::from_raw(self.0.as_ptr()) }),
        }
    }
}
