//! A row of values in one heap block with room to grow at both ends: the nodes of a list.
#![expect(unsafe_code, reason = "memory that is not the global allocator's")]

use std::ops::{Deref, DerefMut, Range};
use std::ptr::{self, NonNull};
use std::slice;

use super::evacuate::Part;
use super::heap::{Pool, block_bytes};
use super::size_class::size_class;

/// Where blocks come from.
const POOL: Pool = Pool::Elements;

/// A row of values, fast at both ends, which is one slice all the time.
///
/// A row that is borrowed mutably while a child sees its block moves to another one first (see [`Pool::shares`]), unless it
/// is longer than the blocks of the heap.
pub struct PoolDeque<T> {
    /// Dangles where the capacity is zero. Values are there from `start` on, `len` of them, and only these are initialised.
    block: NonNull<T>,
    capacity: u32,
    start: u32,
    len: u32,
}

// SAFETY: the row owns its values alone, as a `Vec` would.
unsafe impl<T: Send> Send for PoolDeque<T> {}

// SAFETY: as above.
unsafe impl<T: Sync> Sync for PoolDeque<T> {}

impl<T> PoolDeque<T> {
    const FITS: () = assert!(
        size_of::<T>() >= align_of::<T>() && align_of::<T>() <= 8,
        "a block of several values is at an address that suits them"
    );

    pub const fn new() -> Self {
        const { Self::FITS };
        Self { block: NonNull::dangling(), capacity: 0, start: 0, len: 0 }
    }

    /// Bytes of the block.
    pub fn heap_bytes(&self) -> usize {
        self.bytes()
    }

    /// Puts a value in before the one at `index`, or at the end. The shorter side makes room.
    ///
    /// # Panics
    ///
    /// When the index is past the end.
    pub fn insert(&mut self, index: usize, value: T) {
        let len = self.len as usize;
        assert!(index <= len, "the index is not past the end");
        let at_front = index < len - index;
        if !self.has_room(at_front) {
            self.make_room(at_front);
        }
        self.leave_shared();
        // SAFETY: there is room for a value at the side that moves, so both ranges lie within the block, and the place that is
        // written holds nothing any more.
        unsafe {
            let row = self.first();
            if at_front {
                ptr::copy(row, row.sub(1), index);
                self.start -= 1;
            } else {
                ptr::copy(row.add(index), row.add(index + 1), len - index);
            }
            self.len += 1;
            self.first().add(index).write(value);
        }
    }

    /// Takes a value out; `None` where there is none.
    pub fn remove(&mut self, index: usize) -> Option<T> {
        if index >= self.len as usize {
            return None;
        }
        self.leave_shared();
        // SAFETY: the value is there, and its place is closed or left behind the row.
        let value = unsafe { self.first().add(index).read() };
        self.close(index, index + 1);
        self.shrink_if_sparse();
        Some(value)
    }

    /// Takes values out and drops them.
    ///
    /// # Panics
    ///
    /// When the range is not within the row.
    pub fn remove_range(&mut self, range: Range<usize>) {
        assert!(range.start <= range.end && range.end <= self.len as usize, "the range is within the row");
        let Range { start, end } = range;
        if start == end {
            return;
        }
        self.leave_shared();
        // What is dropped is not the row's any more, should that panic.
        let rest = std::mem::replace(&mut self.len, start as u32) as usize;
        // SAFETY: the values are there, and nobody reads them afterwards: their places are closed.
        unsafe { ptr::drop_in_place(ptr::slice_from_raw_parts_mut(self.first().add(start), end - start)) };
        self.len = rest as u32;
        self.close(start, end);
        self.shrink_if_sparse();
    }

    /// Closes a gap of places whose values are gone.
    fn close(&mut self, from: usize, to: usize) {
        let len = self.len as usize;
        // SAFETY: both ranges lie within the block, which no child sees.
        unsafe {
            let row = self.first();
            if from < len - to {
                ptr::copy(row, row.add(to - from), from);
                self.start += (to - from) as u32;
            } else {
                ptr::copy(row.add(to), row.add(from), len - to);
            }
        }
        self.len -= (to - from) as u32;
    }

    #[inline]
    fn first(&self) -> *mut T {
        // SAFETY: the start is within the block, or at its end.
        unsafe { self.block.as_ptr().add(self.start as usize) }
    }

    fn bytes(&self) -> usize {
        self.capacity as usize * size_of::<T>()
    }

    fn has_room(&self, at_front: bool) -> bool {
        if at_front { self.start > 0 } else { self.start + self.len < self.capacity }
    }

    /// Makes room at one end: of that at the other end if there is plenty, else of a larger block.
    #[cold]
    fn make_room(&mut self, at_front: bool) {
        let len = self.len as usize;
        let slack = self.capacity as usize - len;
        if slack > len / 4 {
            self.leave_shared();
            let start = if at_front { slack.div_ceil(2) } else { slack / 2 };
            // SAFETY: both ranges lie within the block, which no child sees.
            unsafe { ptr::copy(self.first(), self.block.as_ptr().add(start), len) };
            self.start = start as u32;
        } else {
            self.move_to(len + 1, at_front);
        }
    }

    fn shrink_if_sparse(&mut self) {
        let len = self.len as usize;
        if len * 4 + 8 < self.capacity as usize {
            self.move_to(len.max(1), false);
        }
    }

    /// Moves the values to a block of the class of so many, with what it has more at one end.
    #[cold]
    fn move_to(&mut self, wanted: usize, slack_at_front: bool) {
        let (bytes, len) = (block_bytes(size_class(wanted * size_of::<T>())), self.len as usize);
        let capacity = bytes / size_of::<T>();
        let start = if slack_at_front { capacity - len } else { 0 };
        let moved = Self {
            block: POOL.allocate(capacity * size_of::<T>()).cast(),
            capacity: u32::try_from(capacity).expect("a row has less than 2^32 places"),
            start: start as u32,
            len: self.len,
        };
        // SAFETY: the new block has room for the values, which go there as they are; the old one is freed without them.
        unsafe { ptr::copy_nonoverlapping(self.first(), moved.first(), len) };
        self.len = 0;
        *self = moved;
    }

    /// Moves the row, but nothing that its values own, if its block is leaving.
    pub fn evacuate_block(&mut self, part: &mut Part) {
        if self.capacity > 0 && part.is_leaving(self.block.cast()) {
            let (mut block, bytes) = (self.block.cast(), self.bytes());
            // SAFETY: the block was allocated with this size, and no other handle has it.
            unsafe { part.move_out(&mut block, bytes) };
            self.block = block.cast();
        }
    }

    #[inline]
    fn leave_shared(&mut self) {
        if POOL.shares(self.block.cast()) {
            self.leave();
        }
    }

    #[cold]
    #[inline(never)]
    fn leave(&mut self) {
        let Some(block) = POOL.allocate_apart(self.bytes()) else { return };
        let block = block.cast::<T>();
        let (start, len) = (self.start as usize, self.len as usize);
        // SAFETY: both blocks are of one size, and the new one is nobody else's. The values go there as they are, and nobody
        // has the old block any more.
        unsafe {
            ptr::copy_nonoverlapping(self.first(), block.add(start).as_ptr(), len);
            let bytes = self.bytes();
            POOL.free(std::mem::replace(&mut self.block, block).cast(), bytes);
        }
    }
}

impl<T> Deref for PoolDeque<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: so many values are there, and change only by a mutable borrow of the row.
        unsafe { slice::from_raw_parts(self.first(), self.len as usize) }
    }
}

impl<T> DerefMut for PoolDeque<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        self.leave_shared();
        // SAFETY: as above, and the row is borrowed mutably.
        unsafe { slice::from_raw_parts_mut(self.first(), self.len as usize) }
    }
}

impl<T> Drop for PoolDeque<T> {
    fn drop(&mut self) {
        if self.capacity == 0 {
            return;
        }
        // SAFETY: so many values are there, dropped here once, and the row that owned the block goes.
        unsafe {
            ptr::drop_in_place(ptr::slice_from_raw_parts_mut(self.first(), self.len as usize));
            POOL.free(self.block.cast(), self.bytes());
        }
    }
}

impl<T: Clone> Clone for PoolDeque<T> {
    fn clone(&self) -> Self {
        let mut copy = Self::new();
        if !self.is_empty() {
            copy.move_to(self.len(), false);
        }
        self.iter().for_each(|value| copy.insert(copy.len(), value.clone()));
        copy
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::rc::Rc;

    use proptest::prelude::*;

    use super::super::{share_blocks, unshare_blocks};
    use super::*;
    use crate::stdx::alone::is_alone;

    #[test]
    #[cfg_attr(miri, ignore = "blocks are the global allocator's there, and none is shared")]
    fn a_row_that_a_child_sees_moves_once_when_it_is_changed() {
        if !is_alone(module_path!(), "a_row_that_a_child_sees_moves_once_when_it_is_changed") {
            return;
        }
        let mut row = PoolDeque::new();
        (0..10u64).for_each(|n| row.insert(0, n));
        share_blocks();
        let old = row.block;
        assert_eq!((row[0], row.block), (9, old));
        row[0] = 10;
        assert!(row.block != old && !POOL.shares(row.block.cast()));
        let new = row.block;
        row.remove(3);
        assert_eq!((row.block, &row[..4]), (new, &[10, 8, 7, 5][..]));
        unshare_blocks();
    }

    proptest! {
        #[test]
        fn any_series_of_changes_matches_a_deque_and_drops_each_value_once(
            steps in proptest::collection::vec((0u8..13, any::<u16>(), 0usize..6), 1..400),
        ) {
            let counted = Rc::new(());
            let value = |n: u16| (u64::from(n), Rc::clone(&counted));
            let (mut row, mut model) = (PoolDeque::new(), VecDeque::new());
            for (kind, n, count) in steps {
                // Mostly at the ends.
                let at = |len: usize| match n % 4 {
                    0 => 0,
                    1 => len,
                    _ => usize::from(n) % (len + 1),
                };
                match kind {
                    0..=5 => {
                        let at = at(model.len());
                        row.insert(at, value(n));
                        model.insert(at, u64::from(n));
                    }
                    6..=7 => {
                        let at = at(model.len());
                        prop_assert_eq!(row.remove(at).map(|value| value.0), model.remove(at));
                    }
                    8 => {
                        let start = at(model.len());
                        let end = model.len().min(start + count * count);
                        row.remove_range(start..end);
                        model.drain(start..end);
                    }
                    9 => share_blocks(),
                    10 => unshare_blocks(),
                    11 => row.evacuate_block(&mut Part::moving_all(1)),
                    _ => {
                        row = row.clone();
                        if let Some(last) = row.last_mut() {
                            *last = value(n);
                            *model.back_mut().expect("as long") = u64::from(n);
                        }
                    }
                }
                prop_assert!(row.iter().map(|value| value.0).eq(model.iter().copied()));
                prop_assert_eq!(Rc::strong_count(&counted), 1 + model.len());
                prop_assert!(row.heap_bytes() <= 16 * (6 * model.len() + 16));
            }
            drop(row);
            prop_assert_eq!(Rc::strong_count(&counted), 1);
        }
    }
}
