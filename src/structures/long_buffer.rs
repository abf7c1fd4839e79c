//! Long buffers whose bytes move elsewhere without being in memory twice.
#![expect(unsafe_code, reason = "fills a buffer from its end, and gives pages of another back to the kernel")]

use super::size_class::size_class;

/// Pages go back in whole blocks of this size, so that no huge page is split.
const BLOCK_BYTES: usize = 2 << 20;

/// What is moved between two such steps.
const PIECE_BYTES: usize = 4 * BLOCK_BYTES;

/// A buffer that is emptied from its end on. What is taken from it leaves memory as it goes.
pub struct LongBuffer {
    bytes: Vec<u8>,
    /// The pages from this address on have gone, up to the end of the buffer's memory.
    held_end: usize,
}

impl LongBuffer {
    pub fn new(bytes: Vec<u8>) -> Self {
        let end = bytes.as_ptr().addr() + bytes.capacity();
        Self { bytes, held_end: end - end % BLOCK_BYTES }
    }

    /// Moves so many bytes from `start` on into `target`, which is empty and has room for them. Those behind them are
    /// dropped.
    ///
    /// The target's memory is not zeroed before, so that no page of it is there before its bytes are.
    pub fn take_end(&mut self, start: usize, len: usize, target: &mut Vec<u8>) {
        assert!(target.is_empty() && self.bytes.len() - start >= len);
        self.bytes.truncate(start + len);
        let room = &mut target.spare_capacity_mut()[..len];
        while self.bytes.len() > start {
            let last = self.bytes.as_ptr().addr() + self.bytes.len() - 1;
            let piece = (last % PIECE_BYTES + 1).min(self.bytes.len() - start);
            let piece_start = self.bytes.len() - piece;
            room[piece_start - start..][..piece].write_copy_of_slice(&self.bytes[piece_start..]);
            self.bytes.truncate(piece_start);
            self.give_back();
        }
        // SAFETY: the pieces are all of the first `len` bytes of the room, and each was written.
        unsafe { target.set_len(len) };
    }

    /// What is left.
    pub fn into_vec(self) -> Vec<u8> {
        self.bytes
    }

    #[cfg(target_os = "linux")]
    fn give_back(&mut self) {
        use std::ptr::NonNull;

        use nix::sys::mman::{MmapAdvise, madvise};
        let room = self.bytes.spare_capacity_mut();
        let start = room.as_ptr().addr().next_multiple_of(BLOCK_BYTES);
        if start >= self.held_end {
            return;
        }
        let bytes = self.held_end - start;
        let skipped = start - room.as_ptr().addr();
        self.held_end = start;
        // SAFETY: the range lies within the vector's spare room, which holds nothing: `held_end` is at most the end of its
        // memory. A refusal only costs memory until the buffer goes.
        let _ = unsafe {
            let start = NonNull::from(&mut room[skipped]);
            madvise(start.cast(), bytes, MmapAdvise::MADV_DONTNEED)
        };
    }

    #[cfg(not(target_os = "linux"))]
    fn give_back(&mut self) {}
}

/// Makes room for exactly so many further bytes. Where a long buffer has to move for that, its old memory goes as the new
/// one fills. Returns whether there is memory for it; the bytes are as before in any case.
pub fn try_grow(bytes: &mut Vec<u8>, additional: usize) -> bool {
    let Some(len) = bytes.len().checked_add(additional) else { return false };
    if bytes.len() < 2 * PIECE_BYTES || size_class(len) == size_class(bytes.capacity()) {
        return bytes.try_reserve_exact(additional).is_ok();
    }
    let mut larger = Vec::new();
    if larger.try_reserve_exact(len).is_err() {
        return false;
    }
    let mut old = LongBuffer::new(std::mem::take(bytes));
    old.take_end(0, old.bytes.len(), &mut larger);
    *bytes = larger;
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|at| (at ^ at >> 8 ^ at >> 16) as u8).collect()
    }

    /// How many bytes of the vector's memory are in pages that are there.
    #[cfg(target_os = "linux")]
    fn resident(room: &[std::mem::MaybeUninit<u8>]) -> usize {
        let start = room.as_ptr().addr().next_multiple_of(BLOCK_BYTES);
        let end = (room.as_ptr().addr() + room.len()) / BLOCK_BYTES * BLOCK_BYTES;
        let mut pages = vec![0_u8; end.saturating_sub(start) / 4096];
        // SAFETY: the range is mapped, and the kernel writes a byte for each of its pages, of which there are no more.
        let done = unsafe { libc::mincore(start as *mut _, pages.len() * 4096, pages.as_mut_ptr()) };
        assert_eq!(done, 0);
        pages.iter().filter(|page| **page & 1 == 1).count() * 4096
    }

    #[test]
    fn bytes_that_are_taken_are_right_and_leave_memory() {
        let whole = pattern(40 << 20);
        for (start, len) in [(30 << 20, 10 << 20), ((17 << 20) + 5, 9_999_999), (3, 30 << 20), (0, 1)] {
            let mut buffer = LongBuffer::new(whole.clone());
            let mut target = Vec::with_capacity(len + 1);
            buffer.take_end(start, len, &mut target);
            assert!(target == whole[start..start + len], "{start} {len}");
            #[cfg(target_os = "linux")]
            assert_eq!(resident(buffer.bytes.spare_capacity_mut()), 0, "{start} {len}");
            assert!(buffer.into_vec() == whole[..start], "{start} {len}");
        }
    }

    #[test]
    fn long_buffer_is_taken_apart_in_several_steps() {
        let whole = pattern(40 << 20);
        let mut buffer = LongBuffer::new(whole.clone());
        for range in [(35 << 20)..(39 << 20) + 7, (12 << 20)..(34 << 20), 5..(12 << 20) - 1] {
            let mut target = Vec::with_capacity(range.len());
            buffer.take_end(range.start, range.len(), &mut target);
            assert!(target == whole[range.clone()], "{range:?}");
        }
        assert_eq!(buffer.into_vec(), whole[..5]);
    }

    #[test]
    fn buffer_grows_whatever_its_length() {
        for (len, additional) in [(0, 10), (100_000, 1), (30 << 20, 15), (30 << 20, 50 << 20)] {
            let whole = pattern(len);
            let mut bytes = whole.clone();
            assert!(try_grow(&mut bytes, additional));
            assert!(bytes == whole && bytes.capacity() >= len + additional, "{len} {additional}");
        }
        let mut bytes = pattern(30 << 20);
        for too_many in [usize::MAX, isize::MAX as usize] {
            assert!(!try_grow(&mut bytes, too_many));
        }
        assert!(bytes == pattern(30 << 20));
    }
}
