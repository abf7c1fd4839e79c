//! The buckets of a table: an array to which buckets are added and from which they are taken at its end, one by one.
//!
//! A table of n buckets, 2^L <= n < 2^(L+1), is one of 2^(L+1) of which the last ones are not there yet: what belongs into
//! one of those is in the bucket 2^L before it, its buddy.

use core::marker::PhantomData;
use core::ptr::NonNull;
use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, realloc};

use super::Element;
use super::bucket::Bucket;
use super::link;
use super::mapping::Mapping;
use crate::structures::evacuate::Part;
use crate::structures::heap::Pool;

/// An array at least this large is mapped on its own; under Miri, which maps no parts and takes no advice, none is.
pub(super) const MAPPED_BUCKETS_MIN: usize = if cfg!(miri) { usize::MAX } else { (256 << 10) / 64 };

/// A mapped array that has so many buckets left goes back to the allocator.
const MAPPED_BUCKETS_KEPT: usize = MAPPED_BUCKETS_MIN / 4;

pub(super) struct Table<E: Element> {
    buckets: NonNull<Bucket<E>>,
    len: usize,
    /// The bits of a hash that say which bucket of 2^(L+1) it belongs to.
    mask: usize,
    /// Buckets for which there is room until `make_room` is asked: those from `len` on are vacant.
    capacity: usize,
    mapping: Option<Box<Mapping>>,
    owned: PhantomData<Bucket<E>>,
}

/// The bucket from which this one was split, and into which it is merged.
pub(super) fn buddy(index: usize) -> usize {
    index ^ (1 << index.ilog2())
}

/// The allocator's next size: there are four to each doubling.
fn heap_capacity(buckets: usize) -> usize {
    match buckets {
        0..=8 => buckets,
        _ => buckets.next_multiple_of(1 << ((buckets - 1).ilog2() - 2)),
    }
}

impl<E: Element> Table<E> {
    /// A table without a bucket, which owns no memory.
    pub(super) const NONE: Self =
        Self { buckets: NonNull::dangling(), len: 0, mask: 0, capacity: 0, mapping: None, owned: PhantomData };

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of the array.
    pub(super) fn bytes(&self) -> usize {
        self.mapping.as_ref().map_or(self.capacity * size_of::<Bucket<E>>(), |mapping| mapping.used_bytes())
    }

    #[inline]
    #[expect(unsafe_code, reason = "views the array as a slice")]
    pub(super) fn buckets(&self) -> &[Bucket<E>] {
        // SAFETY: the pointer is dangling with a length of 0, or holds `len` buckets, all valid since zeroed memory is.
        unsafe { core::slice::from_raw_parts(self.buckets.as_ptr(), self.len) }
    }

    /// A small array that a child sees moves first.
    #[inline]
    #[expect(unsafe_code, reason = "views the array as a slice")]
    pub(super) fn buckets_mut(&mut self) -> &mut [Bucket<E>] {
        if link::is_shared(self.buckets) {
            // SAFETY: what a child sees is in a page of the pool, where this array is alone in its block.
            unsafe { link::leave(&mut self.buckets, self.capacity) };
        }
        // SAFETY: as in `buckets`, and `&mut self` makes the view the only one.
        unsafe { core::slice::from_raw_parts_mut(self.buckets.as_ptr(), self.len) }
    }

    /// The index of the bucket for this hash; past the end when there is no bucket.
    #[inline]
    pub(super) fn index(&self, hash: u64) -> usize {
        let index = hash as usize & self.mask;
        if index < self.len { index } else { index & (self.mask >> 1) }
    }

    #[inline]
    pub(super) fn chain(&self, hash: u64) -> Option<&Bucket<E>> {
        self.buckets().get(self.index(hash))
    }

    /// How many buckets have a buddy beyond the end, and so the elements of two.
    pub(super) fn unsplit(&self) -> usize {
        if self.len == 0 { 0 } else { (self.mask + 1) - self.len }
    }

    /// The bits of the hash by which the elements of this bucket are alike, which are the lowest ones.
    #[inline]
    pub(super) fn mask_of(&self, index: usize) -> usize {
        let level = self.mask >> 1;
        if index <= level && index + level + 1 >= self.len { level } else { self.mask }
    }

    /// Adds vacant buckets at the end, before the first element is inserted or to be split into. Without memory for them
    /// everything stays as it is.
    pub(super) fn extend_to(&mut self, len: usize) -> bool {
        debug_assert!(len > self.len, "the table grows");
        if len > self.capacity && !self.make_room(len) {
            return false;
        }
        if let Some(mapping) = &mut self.mapping {
            mapping.use_bytes(len * size_of::<Bucket<E>>());
        }
        self.set_len(len);
        true
    }

    /// Takes the last buckets away, which are vacant.
    pub(super) fn truncate(&mut self, len: usize) {
        debug_assert!(self.buckets()[len..].iter().all(Bucket::is_vacant), "only vacant buckets are taken away");
        self.set_len(len);
        match &mut self.mapping {
            Some(mapping) if len > MAPPED_BUCKETS_KEPT => {
                mapping.give_back_from(len * size_of::<Bucket<E>>());
                self.capacity = mapping.usable_bytes() / size_of::<Bucket<E>>();
            }
            Some(_) => self.leave_mapping(),
            None if heap_capacity(len) < self.capacity => {
                self.resize_heap(heap_capacity(len));
            }
            None => {}
        }
    }

    /// Prepares an array that was made at full size and is about to be filled; see `Mapping::expect_filling`.
    pub(super) fn expect_filling(&mut self) {
        if let Some(mapping) = &mut self.mapping {
            mapping.expect_filling();
        }
    }

    /// Gets memory for the next part of a table that is about to be filled. Returns whether there is more to get.
    pub(super) fn touch_next(&mut self) -> bool {
        self.mapping.as_mut().is_some_and(|mapping| mapping.touch_next())
    }

    /// Gives up the memory of an array that is mapped on its own.
    ///
    /// # Safety
    ///
    /// Nobody reads or writes the table again, nor drops it.
    #[expect(unsafe_code, reason = "gives memory up that the table has")]
    pub(super) unsafe fn give_up(&self) {
        if let Some(mapping) = &self.mapping {
            // SAFETY: by this function's contract.
            unsafe { mapping.give_up() };
        }
    }

    fn set_len(&mut self, len: usize) {
        self.len = len;
        self.mask = if len == 0 { 0 } else { usize::MAX >> len.leading_zeros() };
    }

    #[cold]
    fn make_room(&mut self, len: usize) -> bool {
        let Some(bytes) = len.checked_mul(size_of::<Bucket<E>>()) else { return false };
        if let Some(mapping) = &mut self.mapping {
            let grown = mapping.grow(bytes);
            self.buckets = mapping.start().cast();
            self.capacity = mapping.usable_bytes() / size_of::<Bucket<E>>();
            return grown;
        }
        if len >= MAPPED_BUCKETS_MIN
            && let Some(mapping) = Mapping::new(bytes)
        {
            self.enter_mapping(mapping);
            return true;
        }
        self.resize_heap(heap_capacity(len))
    }

    #[expect(unsafe_code, reason = "moves the array of buckets")]
    fn enter_mapping(&mut self, mut mapping: Mapping) {
        let target = mapping.start().cast::<Bucket<E>>();
        mapping.use_bytes(self.len * size_of::<Bucket<E>>());
        // SAFETY: the fresh mapping has room for more buckets than there are. Buckets may be moved as bytes, and the old
        // ones are freed without being dropped.
        unsafe { core::ptr::copy_nonoverlapping(self.buckets.as_ptr(), target.as_ptr(), self.len) };
        self.free_heap();
        self.buckets = target;
        self.capacity = mapping.usable_bytes() / size_of::<Bucket<E>>();
        self.mapping = Some(Box::new(mapping));
    }

    #[expect(unsafe_code, reason = "moves the array of buckets")]
    fn leave_mapping(&mut self) {
        let (old, mapping) = (self.buckets, self.mapping.take());
        (self.buckets, self.capacity) = (NonNull::dangling(), 0);
        if self.resize_heap(heap_capacity(self.len)) {
            // SAFETY: the new array has room for `len` buckets. Buckets may be moved as bytes, and those in the mapping
            // are not dropped when it goes.
            unsafe { core::ptr::copy_nonoverlapping(old.as_ptr(), self.buckets.as_ptr(), self.len) };
        } else {
            self.buckets = old;
            self.capacity = mapping.as_ref().map_or(0, |mapping| mapping.usable_bytes()) / size_of::<Bucket<E>>();
            self.mapping = mapping;
        }
    }

    /// Changes how many buckets an array of the allocator has room for.
    #[expect(unsafe_code, reason = "allocates the array of buckets")]
    fn resize_heap(&mut self, capacity: usize) -> bool {
        const { Bucket::<E>::IS_ONE_LINE };
        debug_assert!(capacity > 0 && self.mapping.is_none(), "a table keeps a bucket until it goes");
        if self.home().is_some() || link::home::<E>(capacity).is_some() {
            return self.move_heap(capacity);
        }
        let Ok(layout) = Layout::array::<Bucket<E>>(capacity) else { return false };
        // SAFETY: neither layout is empty, and the array was allocated with the old one. What is added is cleared before
        // it can be used: zeroed buckets are vacant.
        let resized = unsafe {
            if self.capacity == 0 {
                NonNull::new(alloc_zeroed(layout))
            } else {
                let resized = NonNull::new(realloc(self.buckets.as_ptr().cast(), self.heap_layout(), layout.size()));
                if let Some(array) = resized
                    && capacity > self.capacity
                {
                    let added = array.cast::<Bucket<E>>().add(self.capacity);
                    added.write_bytes(0, capacity - self.capacity);
                }
                resized
            }
        };
        let Some(array) = resized else { return false };
        self.buckets = array.cast();
        self.capacity = capacity;
        true
    }

    /// As [`Self::resize_heap`], where the old or the new array is in a pool.
    #[expect(unsafe_code, reason = "moves the array of buckets")]
    fn move_heap(&mut self, capacity: usize) -> bool {
        let Ok(layout) = Layout::array::<Bucket<E>>(capacity) else { return false };
        let array = match link::home::<E>(capacity) {
            Some(pool) => Some(pool.allocate(layout.size())),
            // SAFETY: the layout is not empty.
            None => NonNull::new(unsafe { alloc(layout) }),
        };
        let Some(array) = array.map(NonNull::cast::<Bucket<E>>) else { return false };
        debug_assert!(array.is_aligned());
        let kept = self.capacity.min(capacity);
        // SAFETY: both arrays have so many buckets, which may be moved as bytes; the old ones are freed without being dropped.
        // What is added is cleared: zeroed buckets are vacant.
        unsafe {
            core::ptr::copy_nonoverlapping(self.buckets.as_ptr(), array.as_ptr(), kept);
            array.add(kept).write_bytes(0, capacity - kept);
        }
        self.free_heap();
        (self.buckets, self.capacity) = (array, capacity);
        true
    }

    /// The pool that the array is in.
    fn home(&self) -> Option<Pool> {
        link::home::<E>(self.capacity).filter(|_| self.mapping.is_none())
    }

    /// Moves the array if its block is leaving.
    #[expect(unsafe_code, reason = "moves the array of buckets")]
    pub(super) fn evacuate_block(&mut self, part: &mut Part) {
        if self.mapping.is_none() {
            // SAFETY: the array is alone in its block.
            unsafe { link::evacuate(&mut self.buckets, self.capacity, part) };
        }
    }

    fn heap_layout(&self) -> Layout {
        Layout::array::<Bucket<E>>(self.capacity).expect("the array was allocated with this layout")
    }

    #[expect(unsafe_code, reason = "frees the array of buckets")]
    fn free_heap(&mut self) {
        match self.home() {
            // SAFETY: allocated by `move_heap` for so many bytes.
            Some(pool) => unsafe { pool.free(self.buckets.cast(), self.heap_layout().size()) },
            // SAFETY: allocated by `resize_heap` with this layout.
            None if self.capacity > 0 => unsafe { dealloc(self.buckets.as_ptr().cast(), self.heap_layout()) },
            None => {}
        }
        self.capacity = 0;
    }

    /// Drops the elements, where the buckets are.
    ///
    /// # Safety
    ///
    /// Nobody uses the buckets afterwards.
    #[expect(unsafe_code, reason = "the caller gives the buckets up")]
    unsafe fn drop_elements(&self) {
        let buckets = self.buckets();
        for (index, bucket) in buckets.iter().enumerate() {
            if let Some(ahead) = buckets.get(index + super::walk::PREFETCH_DISTANCE) {
                ahead.prefetch_elements();
            }
            // SAFETY: by this function's contract.
            unsafe { bucket.drop_elements() };
        }
    }
}

impl<E: Element> Drop for Table<E> {
    #[expect(unsafe_code, reason = "gives the buckets up")]
    fn drop(&mut self) {
        // SAFETY: the table goes, and frees no more than the array.
        unsafe { self.drop_elements() };
        if self.mapping.is_none() {
            self.free_heap();
        }
    }
}

// SAFETY: a table owns its buckets and elements like a `Box<[Bucket<E>]>`, and shares them only through borrows.
#[expect(unsafe_code, reason = "the raw pointer hides that the table owns its buckets")]
unsafe impl<E: Element + Send> Send for Table<E> {}

// SAFETY: `&Table` gives out `&E` and changes nothing.
#[expect(unsafe_code, reason = "the raw pointer hides that the table owns its buckets")]
unsafe impl<E: Element + Sync> Sync for Table<E> {}
