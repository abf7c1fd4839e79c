//! A value in one heap block, which it leaves when it is to be changed while a child sees it: a node of a large collection,
//! or its head.
#![expect(unsafe_code, reason = "a box in memory that is not the global allocator's")]

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};

use super::evacuate::{Cursor, Evacuate, Part, START};
use super::heap::{Pool, block_bytes};

/// Where blocks come from.
const POOL: Pool = Pool::Elements;

/// What the addresses of blocks are multiples of, if their sizes are.
const BLOCK_ALIGN: usize = 8;

/// A box that moves to another block when it is borrowed mutably while a child sees the one in which it is (see
/// [`Pool::shares`]). So every write goes to memory of our own, and nobody has to think of it.
///
/// Whoever holds the box is written to then, so a tree of boxes moves from the root down to where it is changed.
#[repr(transparent)]
pub struct PoolBox<T>(NonNull<T>);

// SAFETY: the box owns its block alone, as a `Box` would.
unsafe impl<T: Send> Send for PoolBox<T> {}

// SAFETY: as above.
unsafe impl<T: Sync> Sync for PoolBox<T> {}

impl<T> PoolBox<T> {
    const FITS: () = assert!(
        size_of::<T>() > 0 && align_of::<T>() <= BLOCK_ALIGN && size_of::<T>().is_multiple_of(BLOCK_ALIGN),
        "the block of a value is at an address that suits it"
    );

    #[inline]
    pub fn new(value: T) -> Self {
        const { Self::FITS };
        let block = POOL.allocate(size_of::<T>()).cast::<T>();
        // SAFETY: the block is fresh, and large enough and aligned for a `T`, as is asserted above.
        unsafe { block.write(value) };
        Self(block)
    }

    pub fn into_inner(self) -> T {
        let this = ManuallyDrop::new(self);
        // SAFETY: the value is taken out of the block, which is freed without it and used by nobody afterwards.
        unsafe {
            let value = this.0.read();
            POOL.free(this.0.cast(), size_of::<T>());
            value
        }
    }

    /// Bytes of the block.
    pub fn block_bytes() -> usize {
        block_bytes(size_of::<T>())
    }

    /// Whether a child sees the value as it is now.
    #[cfg(test)]
    pub fn is_shared(&self) -> bool {
        POOL.shares(self.0.cast())
    }

    /// Moves the value, but nothing that it owns, if its block is leaving.
    pub fn evacuate_block(&mut self, part: &mut Part) {
        if part.is_leaving(self.0.cast()) {
            let mut block = self.0.cast();
            // SAFETY: the block is of a `T`'s size, and no other handle has it.
            unsafe { part.move_out(&mut block, size_of::<T>()) };
            self.0 = block.cast();
        }
    }

    #[cold]
    #[inline(never)]
    fn leave(&mut self) {
        let Some(block) = POOL.allocate_apart(size_of::<T>()) else { return };
        let block = block.cast::<T>();
        // SAFETY: both blocks are of a `T`'s size, and the new one is nobody else's. The value goes there as it is, and nobody
        // has the old block any more.
        unsafe {
            ptr::copy_nonoverlapping(self.0.as_ptr(), block.as_ptr(), 1);
            POOL.free(std::mem::replace(&mut self.0, block).cast(), size_of::<T>());
        }
    }
}

impl<T: Evacuate> Evacuate for PoolBox<T> {
    fn evacuate(&mut self, cursor: Cursor, part: &mut Part) -> Cursor {
        if cursor == START {
            self.evacuate_block(part);
        }
        T::evacuate(self, cursor, part)
    }
}

impl<T> Deref for PoolBox<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the block holds a live value as long as the box lives, and is changed only through a mutable borrow of that.
        unsafe { self.0.as_ref() }
    }
}

impl<T> DerefMut for PoolBox<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        if POOL.shares(self.0.cast()) {
            self.leave();
        }
        // SAFETY: as above, and the box is borrowed mutably.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Drop for PoolBox<T> {
    fn drop(&mut self) {
        // SAFETY: the block holds a live value, dropped here once, and the box that owned the block goes.
        unsafe {
            self.0.drop_in_place();
            POOL.free(self.0.cast(), size_of::<T>());
        }
    }
}

impl<T: Clone> Clone for PoolBox<T> {
    fn clone(&self) -> Self {
        Self::new(T::clone(self))
    }
}

impl<T: PartialEq> PartialEq for PoolBox<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: fmt::Debug> fmt::Debug for PoolBox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{share_blocks, unshare_blocks};
    use super::*;
    use crate::stdx::alone::is_alone;

    #[test]
    #[cfg_attr(miri, ignore = "blocks are the global allocator's there, and none is shared")]
    fn a_value_leaves_its_block_once_when_it_is_changed_while_a_child_sees_it() {
        if !is_alone(module_path!(), "a_value_leaves_its_block_once_when_it_is_changed_while_a_child_sees_it") {
            return;
        }
        let mut value = PoolBox::new(vec![1u64, 2]);
        let address = |value: &PoolBox<Vec<u64>>| ptr::from_ref::<Vec<u64>>(value);
        let old = address(&value);
        value.push(3);
        assert_eq!(address(&value), old);
        share_blocks();
        assert!(value.is_shared());
        assert_eq!((value.len(), address(&value)), (3, old));
        value.push(4);
        assert!(address(&value) != old && !value.is_shared());
        let new = address(&value);
        value.push(5);
        assert_eq!(address(&value), new);
        // A value that is only dropped, or taken out, stays where it is until then.
        let other = PoolBox::new(vec![6u64]);
        share_blocks();
        assert_eq!((value.into_inner(), other.clone()), (vec![1, 2, 3, 4, 5], other));
        unshare_blocks();
        unshare_blocks();
    }

    #[test]
    fn a_boxed_value_is_dropped_once() {
        let counted = std::rc::Rc::new(());
        let mut boxed = PoolBox::new((std::rc::Rc::clone(&counted), 1u64));
        boxed.evacuate_block(&mut Part::moving_all(1));
        assert_eq!(boxed.1, 1);
        assert_eq!(std::rc::Rc::strong_count(&counted), 2);
        drop(boxed);
        assert_eq!(std::rc::Rc::strong_count(&counted), 1);
        drop(PoolBox::new((std::rc::Rc::clone(&counted), 1u64)).into_inner());
        assert_eq!(std::rc::Rc::strong_count(&counted), 1);
    }
}
