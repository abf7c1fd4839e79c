//! Bytes in one heap block with room to grow at both ends: what listpacks and intsets are kept in.
#![expect(unsafe_code, reason = "memory that is not the global allocator's")]

use std::ptr::{self, NonNull};
use std::slice;

use super::evacuate::{Cursor, Evacuate, Part, START};
use super::heap::{Pool, block_bytes};
use super::size_class::size_class;

/// Where blocks come from.
const POOL: Pool = Pool::Elements;

/// A row of bytes in one heap block, with slack before and behind it, so that what is put in or taken out near one end
/// does not move all the rest.
///
/// A row that is to be written while a child sees its block moves to another one first (see [`Pool::shares`]).
pub struct Row {
    /// Dangles where the capacity is zero. All bytes of a block are initialised, those of the slack mean nothing.
    block: NonNull<u8>,
    capacity: u32,
    start: u32,
    len: u32,
}

// SAFETY: the row owns its block alone, and nothing in it is tied to a thread.
unsafe impl Send for Row {}

// SAFETY: shared access only reads.
unsafe impl Sync for Row {}

/// Slack that a row keeps however short it gets. A small node of a list is given half of it when it grows, so that pushing
/// and popping by turns does not ask for memory and give it back each time.
const SLACK_KEPT_BYTES: usize = 256;

/// A row that moves because a child sees it takes slack of this share of its length along.
const SLACK_SHARE: usize = 16;

impl Row {
    pub const BYTES_MAX: usize = u32::MAX as usize;

    /// An empty one with room for `bytes` at its back, in a block of their class.
    pub fn with_capacity(bytes: usize) -> Self {
        if bytes == 0 {
            return Self { block: NonNull::dangling(), capacity: 0, start: 0, len: 0 };
        }
        Self::made_of(&[], class(bytes), 0)
    }

    /// A copy of `bytes` in a block that suits them.
    pub fn copy_of(bytes: &[u8]) -> Self {
        Self::with_capacity(0).holding(bytes)
    }

    /// The row with a copy of `bytes` in the place of whatever it held; where it is too small, in a block of their class.
    #[inline]
    pub fn holding(mut self, bytes: &[u8]) -> Self {
        if bytes.len() <= self.capacity() {
            (self.start, self.len) = (0, bytes.len() as u32);
            self.as_mut_slice().copy_from_slice(bytes);
            self
        } else {
            Self::made_of(bytes, class(bytes.len()), 0)
        }
    }

    /// A row in a new block of `capacity` bytes, which a block has, with slack of `start` bytes in front.
    fn made_of(bytes: &[u8], capacity: usize, start: usize) -> Self {
        Self::made_in(POOL.allocate(capacity), bytes, capacity, start)
    }

    /// As [`Row::made_of`], in a block that was allocated for `capacity` bytes and is nobody's.
    fn made_in(block: NonNull<u8>, bytes: &[u8], capacity: usize, start: usize) -> Self {
        assert!(capacity <= Self::BYTES_MAX && start + bytes.len() <= capacity, "a row is within its block");
        let behind = start + bytes.len();
        // SAFETY: the block is fresh and has so many bytes.
        unsafe {
            block.write_bytes(0, start);
            ptr::copy_nonoverlapping(bytes.as_ptr(), block.add(start).as_ptr(), bytes.len());
            block.add(behind).write_bytes(0, capacity - behind);
        }
        Self { block, capacity: capacity as u32, start: start as u32, len: bytes.len() as u32 }
    }

    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: the row is within its block, all of which is initialised, and changes only by `&mut self`.
        unsafe { slice::from_raw_parts(self.block.add(self.start as usize).as_ptr(), self.len as usize) }
    }

    #[inline(always)]
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        self.leave_shared();
        // SAFETY: as above, and the row is borrowed as long as `self` is.
        unsafe { slice::from_raw_parts_mut(self.block.add(self.start as usize).as_ptr(), self.len as usize) }
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    #[allow(dead_code, reason = "tests ask for it")]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of the block.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.capacity as usize
    }

    /// The row in memory of its own size, for one that is not to grow any more.
    pub fn shrink_to_fit(&mut self) {
        let capacity = block_bytes(self.len().max(1));
        if capacity < self.capacity() {
            *self = Self::made_of(self.as_slice(), capacity, 0);
        }
    }

    /// Gives memory back if less than half of it is used, and more than a little is not.
    #[inline]
    pub fn shrink_if_sparse(&mut self) {
        if self.len() * 2 + SLACK_KEPT_BYTES < self.capacity() {
            self.trim();
        }
    }

    /// Gives memory back that the row would not need if it had been made in one go.
    #[cold]
    pub fn trim(&mut self) {
        let capacity = class(self.len().max(1));
        if capacity < self.capacity() {
            *self = Self::made_of(self.as_slice(), capacity, 0);
        }
    }

    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len as u32);
    }

    /// Makes place for `added` bytes at `offset` in the place of `removed` ones, and returns it to be written. The
    /// shorter side is moved where there is slack for it.
    #[inline]
    pub fn splice(&mut self, offset: usize, removed: usize, added: usize) -> &mut [u8] {
        if added > removed {
            self.widen(offset, offset + removed, added - removed);
        } else if added < removed {
            self.narrow(offset + added, offset + removed);
        }
        &mut self.as_mut_slice()[offset..offset + added]
    }

    /// The row with `more` bytes put before it, to be written, where there is slack for them.
    #[inline]
    pub fn extend_front(&mut self, more: usize) -> Option<&mut [u8]> {
        if !self.has_room(true, more) {
            return None;
        }
        self.start -= more as u32;
        self.len += more as u32;
        Some(self.as_mut_slice())
    }

    /// The row with `more` bytes put behind it, to be written, where there is slack for them.
    #[inline]
    pub fn extend_back(&mut self, more: usize) -> Option<&mut [u8]> {
        if !self.has_room(false, more) {
            return None;
        }
        self.len += more as u32;
        Some(self.as_mut_slice())
    }

    /// Takes the first `less` bytes away.
    #[inline]
    pub fn cut_front(&mut self, less: usize) {
        let less = self.len().min(less) as u32;
        self.start += less;
        self.len -= less;
    }

    /// Makes slack of `more` bytes at one end.
    pub fn reserve(&mut self, at_front: bool, more: usize) {
        if !self.has_room(at_front, more) {
            self.make_room(at_front, more);
        }
    }

    /// Moves what lies before `head` and what lies from `tail` on apart by so many bytes more.
    fn widen(&mut self, head: usize, tail: usize, more: usize) {
        let front_is_shorter = head < self.len() - tail;
        if self.has_room(front_is_shorter, more) {
            self.leave_shared();
        }
        if !self.has_room(front_is_shorter, more) {
            self.make_room(front_is_shorter, more);
        }
        let (start, end) = (self.start as usize, self.start as usize + self.len());
        if front_is_shorter {
            self.whole_mut().copy_within(start..start + head, start - more);
            self.start -= more as u32;
        } else if start + tail < end {
            self.whole_mut().copy_within(start + tail..end, start + tail + more);
        }
        self.len += more as u32;
    }

    /// Closes the gap from `head` to `tail`.
    fn narrow(&mut self, head: usize, tail: usize) {
        self.leave_shared();
        let (gap, start, end) = (tail - head, self.start as usize, self.start as usize + self.len());
        if head < self.len() - tail {
            self.whole_mut().copy_within(start..start + head, start + gap);
            self.start += gap as u32;
        } else if start + tail < end {
            self.whole_mut().copy_within(start + tail..end, start + head);
        }
        self.len -= gap as u32;
    }

    #[inline]
    fn has_room(&self, at_front: bool, more: usize) -> bool {
        let slack = if at_front { self.start } else { self.capacity - self.start - self.len };
        slack as usize >= more
    }

    /// Makes room for so many bytes more at one end: of the slack at the other end if there is plenty, else of a larger
    /// block.
    #[cold]
    fn make_room(&mut self, at_front: bool, more: usize) {
        let (len, capacity) = (self.len(), self.capacity());
        let slack = capacity - len;
        // Slack of an eighth is shared by both ends, so that a row which grows at both is moved a few times in all.
        if slack >= more && slack - more >= len / 8 {
            let room = more + (slack - more) / 2;
            let (old, start) = (self.start as usize, if at_front { room } else { slack - room });
            if POOL.shares(self.block) {
                *self = Self::made_of(self.as_slice(), capacity, start);
            } else {
                self.whole_mut().copy_within(old..old + len, start);
                self.start = start as u32;
            }
        } else {
            let capacity = class(len + more);
            *self = Self::made_of(self.as_slice(), capacity, if at_front { capacity - len } else { 0 });
        }
    }

    /// The block, to be asked for after [`Row::leave_shared`], which may change where the row is in it.
    #[inline]
    fn whole_mut(&mut self) -> &mut [u8] {
        // SAFETY: the block has so many bytes, all of them initialised, and is borrowed as long as `self` is.
        unsafe { slice::from_raw_parts_mut(self.block.as_ptr(), self.capacity as usize) }
    }

    #[inline]
    fn leave_shared(&mut self) {
        if POOL.shares(self.block) {
            self.leave();
        }
    }

    /// Moves the row to a block of its own, which is not larger than the old one and has a little slack where that had some.
    #[cold]
    #[inline(never)]
    fn leave(&mut self) {
        let (len, old_slack) = (self.len(), self.capacity() - self.len());
        let capacity = class((len + len / SLACK_SHARE).max(1)).min(self.capacity());
        let start = (self.start as usize * (capacity - len)).checked_div(old_slack).unwrap_or(0);
        if let Some(block) = POOL.allocate_apart(capacity) {
            *self = Self::made_in(block, self.as_slice(), capacity, start);
        }
    }
}

/// The block in which so many bytes have room to grow a little.
fn class(bytes: usize) -> usize {
    assert!(bytes <= Row::BYTES_MAX, "a row has at most BYTES_MAX bytes");
    size_class(bytes).min(Row::BYTES_MAX)
}

impl Evacuate for Row {
    fn evacuate(&mut self, _cursor: Cursor, part: &mut Part) -> Cursor {
        if self.capacity > 0 && part.is_leaving(self.block) {
            // SAFETY: the block was allocated with this size, and no other handle has it.
            unsafe { part.move_out(&mut self.block, self.capacity as usize) };
        }
        START
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        if self.capacity > 0 {
            // SAFETY: the block was allocated with this size, and the row that owned it goes.
            unsafe { POOL.free(self.block, self.capacity as usize) };
        }
    }
}

impl Default for Row {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl Clone for Row {
    fn clone(&self) -> Self {
        Self::copy_of(self.as_slice())
    }
}

impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl Eq for Row {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{evacuate_all, share_blocks, unshare_blocks};
    use super::*;
    use crate::stdx::alone::is_alone;

    #[test]
    fn growing_at_the_front_moves_the_row_seldom() {
        let mut row = Row::default();
        let mut moves = 0;
        for n in 0..400_u32 {
            let before = row.as_slice().as_ptr() as usize + row.len();
            row.splice(0, 0, 20).fill(n as u8);
            moves += usize::from(row.as_slice().as_ptr() as usize + row.len() != before);
        }
        assert_eq!(row.len(), 8_000);
        assert!(moves <= 40, "{moves}");
        assert!(row.capacity() <= 8_192);
    }

    #[test]
    #[cfg_attr(miri, ignore = "blocks are the global allocator's there, and none is shared")]
    fn a_row_that_a_child_sees_moves_once_when_it_is_written_and_not_when_it_is_cut() {
        if !is_alone(module_path!(), "a_row_that_a_child_sees_moves_once_when_it_is_written_and_not_when_it_is_cut") {
            return;
        }
        let mut row = Row::copy_of(&[7; 8_000]);
        share_blocks();
        let old = row.block;
        row.cut_front(1);
        row.truncate(7_998);
        assert_eq!((row.block, row.len()), (old, 7_998));
        row.as_mut_slice()[0] = 8;
        assert!(row.block != old && !POOL.shares(row.block));
        let new = row.block;
        row.splice(1, 1, 2).fill(9);
        assert_eq!((row.block, row.as_slice()[..4].to_vec()), (new, vec![8, 9, 9, 7]));
        unshare_blocks();
    }

    #[test]
    fn a_row_is_kept_in_a_block_of_a_class_and_at_the_end_in_the_smallest_that_there_is() {
        let mut row = Row::copy_of(&[1; 5_000]);
        assert_eq!(row.capacity(), 5_120);
        row.splice(0, 0, 1_000);
        row.cut_front(2_000);
        row.trim();
        assert_eq!(row.capacity(), 4_096);
        row.truncate(2_050);
        row.shrink_to_fit();
        assert_eq!((row.capacity(), row.as_slice()), (2_176, &[1; 2_050][..]));
    }

    proptest! {
        #[test]
        fn any_series_of_splices_matches_a_vector(
            steps in proptest::collection::vec((any::<u16>(), 0usize..30, 0usize..40, any::<u8>()), 1..200),
        ) {
            let mut row = Row::default();
            let mut model: Vec<u8> = Vec::new();
            for (at, removed, added, byte) in steps {
                // Mostly at the ends, where the slack is.
                let at = match at % 4 {
                    0 => 0,
                    1 => model.len(),
                    _ => usize::from(at) % (model.len() + 1),
                };
                let removed = removed.min(model.len() - at);
                row.splice(at, removed, added).fill(byte);
                model.splice(at..at + removed, std::iter::repeat_n(byte, added));
                match byte % 16 {
                    0 => row.shrink_if_sparse(),
                    1 => row.shrink_to_fit(),
                    2 => share_blocks(),
                    3 => unshare_blocks(),
                    4 => row = Row::copy_of(b"whatever").holding(&model),
                    8 => drop(evacuate_all(&mut row, 1)),
                    5 => {
                        row.cut_front(3);
                        model.drain(..model.len().min(3));
                    }
                    6 => {
                        if let Some(extended) = row.extend_back(2) {
                            let at = extended.len() - 2;
                            extended[at..].fill(byte);
                            model.extend([byte; 2]);
                        }
                    }
                    7 => {
                        if let Some(extended) = row.extend_front(2) {
                            extended[..2].fill(byte);
                            model.splice(..0, [byte; 2]);
                        }
                    }
                    _ => {}
                }
                prop_assert_eq!(row.as_slice(), &model[..]);
                prop_assert!(row.clone() == row);
            }
            row.truncate(3);
            model.truncate(3);
            prop_assert_eq!(row.as_slice(), model);
        }
    }
}
