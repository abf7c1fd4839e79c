//! The memory of a large table: a reserved range of addresses of which a prefix may be used, so that it grows in place.
//!
//! Invariants of a mapping:
//! - its start is that of a huge page, and its parts end at multiples of `OPENED_BYTES_MIN`;
//! - the first `open` bytes can be read and written, the rest of `reserved` bytes cannot;
//! - nothing beyond the first `used` bytes was ever written, or it was given back since: it reads as zeroes, or as
//!   vacant buckets.

use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::structures::reserved::{self, HUGE_PAGE_BYTES, allow, ask_for_huge_pages, give_back, unmap};

const PAGE_BYTES: usize = 4096;

/// A mapping is opened by at least so many bytes at a time, and a small one by no more: the kernel gives no huge page to
/// a table that does not fill one.
const OPENED_BYTES_MIN: usize = 256 << 10;

/// A larger one is opened by this share of what is open.
const OPENED_SHARE: usize = 8;

/// What is given back at a time: freeing 512 small pages at once takes 300 us, 64 take 40.
const GIVEN_BACK_BYTES: usize = 256 << 10;

/// Addresses that a table reserves, as a multiple of its size, where the address space is limited fewer of them; and at least.
const RESERVED_FACTORS: [usize; 4] = [16, 4, 2, 1];
const RESERVED_BYTES_MIN: usize = 64 << 20;

static HUGE_PAGES: AtomicBool = AtomicBool::new(false);
static MAPPED_BYTES: AtomicIsize = AtomicIsize::new(0);
/// By their first address.
static MAPPED: Mutex<BTreeMap<usize, MappedTable>> = Mutex::new(BTreeMap::new());

/// A table that is mapped on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedTable {
    /// The addresses that can be used, of which the first is that of a huge page.
    pub range: Range<usize>,
    /// Up to here its huge pages are full of buckets, and beyond the pages come one by one as it grows.
    pub filled_end: usize,
}

/// The tables that are mapped on their own at this moment.
pub fn mapped_tables() -> Vec<MappedTable> {
    registered().values().cloned().collect()
}

fn registered() -> MutexGuard<'static, BTreeMap<usize, MappedTable>> {
    MAPPED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes of all tables that are mapped on their own, which the allocator therefore does not know of. Those of tables
/// that another thread is dropping count until they are gone.
pub fn mapped_table_bytes() -> usize {
    MAPPED_BYTES.load(Ordering::Relaxed).max(0) as usize
}

/// Whether large tables that are made at once for many elements ask for transparent huge pages. Off until the server has
/// looked at what the kernel does with them.
///
/// A table that grows while it is in use never asks: the first touch of a huge page can take longer than an insertion
/// may. Its pages become huge when they have been filled, if somebody sees to it (see [`mapped_tables`]).
pub fn huge_pages_for_tables(wanted: bool) {
    HUGE_PAGES.store(wanted, Ordering::Relaxed);
}

pub(super) struct Mapping {
    start: NonNull<u8>,
    reserved: usize,
    open: usize,
    used: usize,
    /// The first so many bytes ask for huge pages, which makes them a mapping of their own to the kernel.
    huge: usize,
    /// Up to `used`, nothing from here on has memory behind it yet; see `touch_next`.
    untouched_from: usize,
}

impl Mapping {
    /// Memory of which so many bytes can be used, all zeroes.
    #[expect(unsafe_code, reason = "opens a range")]
    pub(super) fn new(bytes: usize) -> Option<Self> {
        let open = opened(0, bytes)?;
        let (start, reserved) = reserve(open)?;
        let mapping = Self { start, reserved, open, used: 0, huge: 0, untouched_from: usize::MAX };
        // SAFETY: the range is new. Dropping the mapping gives the addresses back.
        if !unsafe { allow(start, 0, open) } {
            return None;
        }
        mapping.register();
        Some(mapping)
    }

    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    pub(super) fn open_bytes(&self) -> usize {
        self.open
    }

    /// What buckets use or have used of it, in whole pages.
    pub(super) fn used_bytes(&self) -> usize {
        self.used
    }

    /// Makes at least so many bytes usable. The start may change, and what it holds moves along without being copied as
    /// a rule.
    #[expect(unsafe_code, reason = "opens more of a range")]
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        if bytes <= self.open {
            return true;
        }
        let Some(open) = opened(self.open, bytes) else { return false };
        if open > self.reserved && !self.move_to_larger(open) {
            return false;
        }
        // SAFETY: the part is within the range and has not been opened before.
        if !unsafe { allow(self.start, self.open, open) } {
            return false;
        }
        self.open = open;
        self.register();
        true
    }

    /// Notes that the first so many bytes are in use.
    #[inline]
    pub(super) fn use_bytes(&mut self, bytes: usize) {
        if bytes > self.used {
            self.count(bytes.next_multiple_of(PAGE_BYTES));
        }
    }

    /// Gives back what lies beyond the first so many bytes, which hold only vacant buckets there, once it is worth it.
    #[expect(unsafe_code, reason = "gives a part of a range back")]
    pub(super) fn give_back_from(&mut self, bytes: usize) {
        let kept = bytes.next_multiple_of(GIVEN_BACK_BYTES);
        if kept < self.used {
            // SAFETY: nobody borrows from the table, and zeroes are vacant buckets, which the part held before.
            unsafe { give_back(self.start, kept, self.used) };
            self.count(kept);
        }
    }

    /// Gives the memory of all buckets back.
    ///
    /// # Safety
    ///
    /// Nobody reads or writes the table again.
    #[expect(unsafe_code, reason = "gives a part of a range back")]
    pub(super) unsafe fn give_up(&self) {
        // SAFETY: the part is open, and nobody looks at it any more, by this function's contract.
        unsafe { give_back(self.start, 0, self.used) };
    }

    /// Prepares the used part, which nobody has touched yet and which is about to be filled: it lives in huge pages, where
    /// these are wanted, and `touch_next` gets memory for it ahead of the insertions.
    #[expect(unsafe_code, reason = "advises the kernel about a part of a range")]
    pub(super) fn expect_filling(&mut self) {
        let huge = self.used / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
        if HUGE_PAGES.load(Ordering::Relaxed) && huge > 0 {
            self.huge = huge;
            // SAFETY: the part is used, and so within the range.
            unsafe { ask_for_huge_pages(self.start, 0, huge) };
        }
        self.untouched_from = 0;
    }

    /// Gets memory for the next huge page of a table that is about to be filled. Returns whether there is more to get.
    ///
    /// Otherwise a bucket that is read first is given the page of zeroes, and another one when it is written: two faults,
    /// and every thread's view of it to be flushed.
    pub(super) fn touch_next(&mut self) -> bool {
        if self.untouched_from < self.used {
            let next = self.used.min(self.untouched_from + HUGE_PAGE_BYTES);
            self.touch(self.untouched_from, next);
            self.untouched_from = next;
        }
        self.untouched_from < self.used
    }

    fn count(&mut self, used: usize) {
        MAPPED_BYTES.fetch_add(used as isize - self.used as isize, Ordering::Relaxed);
        let filled = self.filled();
        self.used = used;
        if self.filled() != filled {
            self.register();
        }
    }

    fn filled(&self) -> usize {
        self.used / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES
    }

    fn register(&self) {
        let start = self.start.addr().get();
        let table = MappedTable { range: start..start + self.open, filled_end: start + self.filled() };
        registered().insert(start, table);
    }

    /// Moves to a range in which so many bytes can be opened.
    #[expect(unsafe_code, reason = "gives ranges up")]
    fn move_to_larger(&mut self, bytes: usize) -> bool {
        let Some((start, reserved)) = reserve(bytes) else { return false };
        registered().remove(&self.start.addr().get());
        let moved = self.move_part(start, 0, self.huge) && self.move_part(start, self.huge, self.open);
        if !moved {
            // Only possible before the first part has moved: there is no memory to copy it into.
            // SAFETY: the new range is of no use to anybody.
            unsafe { unmap(start, 0, reserved) };
            self.register();
            return false;
        }
        // SAFETY: what could be used of the old range has moved, and this was never open.
        unsafe { unmap(self.start, self.open, self.reserved) };
        (self.start, self.reserved) = (start, reserved);
        self.register();
        true
    }

    /// Moves one part, which the kernel knows as one mapping, to the same place in another range.
    #[expect(unsafe_code, reason = "moves or copies memory")]
    fn move_part(&self, target: NonNull<u8>, from: usize, to: usize) -> bool {
        if from == to {
            return true;
        }
        // SAFETY: both places lie within their ranges, which are ours; nobody borrows from the table while it grows.
        unsafe {
            if move_pages(self.start.add(from), target.add(from), to - from) {
                return true;
            }
            if !allow(target, from, to) {
                assert!(from == 0, "no memory to move the second part of a table to");
                return false;
            }
            core::ptr::copy_nonoverlapping(self.start.add(from).as_ptr(), target.add(from).as_ptr(), to - from);
            unmap(self.start, from, to);
        }
        true
    }

    #[cfg(target_os = "linux")]
    #[expect(unsafe_code, reason = "advises the kernel about a mapping")]
    fn touch(&mut self, from: usize, to: usize) {
        // SAFETY: the range lies within the mapping, and what it holds stays as it is. A refusal (before Linux 5.14)
        // leaves it to be touched by insertions.
        let _ = unsafe { libc::madvise(self.start.add(from).as_ptr().cast(), to - from, libc::MADV_POPULATE_WRITE) };
    }

    #[cfg(not(target_os = "linux"))]
    fn touch(&mut self, _from: usize, _to: usize) {}
}

impl Drop for Mapping {
    #[expect(unsafe_code, reason = "gives a range up")]
    fn drop(&mut self) {
        MAPPED_BYTES.fetch_sub(self.used as isize, Ordering::Relaxed);
        registered().remove(&self.start.addr().get());
        // SAFETY: the table that was here is gone.
        unsafe { unmap(self.start, 0, self.reserved) };
    }
}

// SAFETY: a mapping owns its memory, which no thread has a special right to.
#[expect(unsafe_code, reason = "the raw pointer hides that the mapping owns its memory")]
unsafe impl Send for Mapping {}

// SAFETY: `&Mapping` gives out no more than addresses.
#[expect(unsafe_code, reason = "the raw pointer hides that the mapping owns its memory")]
unsafe impl Sync for Mapping {}

/// What is to be open where so many bytes are needed and so many are open; `None` when no address space holds it.
fn opened(open: usize, bytes: usize) -> Option<usize> {
    let step = open / OPENED_SHARE / OPENED_BYTES_MIN * OPENED_BYTES_MIN;
    bytes.max(open + step).checked_next_multiple_of(OPENED_BYTES_MIN)
}

/// A range that starts with a huge page and can be opened to so many bytes, with room to grow where there is any.
fn reserve(bytes: usize) -> Option<(NonNull<u8>, usize)> {
    let sizes = RESERVED_FACTORS.into_iter().filter_map(|factor| {
        let room = if factor > 1 { RESERVED_BYTES_MIN } else { 0 };
        bytes.checked_mul(factor)?.max(room).checked_next_multiple_of(HUGE_PAGE_BYTES)
    });
    sizes.into_iter().find_map(|size| Some((reserved::reserve(size)?, size)))
}

/// Moves pages to an address where something of ours is mapped that nobody uses. Nothing changes where that is refused.
///
/// # Safety
///
/// Nobody refers to the memory at either place.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "moves a mapping")]
unsafe fn move_pages(from: NonNull<u8>, to: NonNull<u8>, bytes: usize) -> bool {
    use nix::sys::mman::{MRemapFlags, mremap};
    let flags = MRemapFlags::MREMAP_MAYMOVE | MRemapFlags::MREMAP_FIXED;
    // SAFETY: by this function's contract.
    unsafe { mremap(from.cast(), bytes, bytes, flags, Some(to.cast())) }.is_ok()
}

#[cfg(not(target_os = "linux"))]
#[expect(unsafe_code, reason = "as where mappings can be moved")]
unsafe fn move_pages(_from: NonNull<u8>, _to: NonNull<u8>, _bytes: usize) -> bool {
    false
}

#[cfg(all(test, not(miri)))]
mod tests {
    use super::*;

    #[expect(unsafe_code, reason = "views the mapping as bytes")]
    fn bytes(mapping: &mut Mapping) -> &mut [u8] {
        // SAFETY: so many bytes can be read and written, and nobody else has a view of them.
        unsafe { core::slice::from_raw_parts_mut(mapping.start.as_ptr(), mapping.open) }
    }

    fn registered_at(start: usize) -> Option<MappedTable> {
        mapped_tables().into_iter().find(|table| table.range.start == start)
    }

    #[test]
    fn a_mapping_grows_in_place_and_moves_when_its_addresses_are_used_up() {
        let mut mapping = Mapping::new(300 << 10).expect("there is memory");
        let first = mapping.start.addr().get();
        assert_eq!((first % HUGE_PAGE_BYTES, mapping.open), (0, 512 << 10));
        bytes(&mut mapping)[0] = 1;
        mapping.use_bytes(300 << 10);
        assert_eq!((mapping.used, registered_at(first).expect("it is there").filled_end), (300 << 10, first));
        assert!(mapping.grow(5 << 20));
        assert_eq!(mapping.start.addr().get(), first);
        mapping.use_bytes(5 << 20);
        assert_eq!(registered_at(first).expect("it is there").filled_end, first + (4 << 20));
        bytes(&mut mapping)[5 << 20 >> 1] = 2;
        // As if it had been made at this size: the kernel then knows two mappings.
        huge_pages_for_tables(true);
        mapping.expect_filling();
        huge_pages_for_tables(false);
        assert_eq!(mapping.huge, 4 << 20);
        assert!(mapping.touch_next() && mapping.touch_next() && !mapping.touch_next());
        bytes(&mut mapping)[(5 << 20) - 1] = 3;
        let reserved = mapping.reserved;
        assert!(mapping.grow(reserved + 1) && mapping.open > reserved);
        let moved = mapping.start.addr().get();
        assert!(moved != first && moved.is_multiple_of(HUGE_PAGE_BYTES));
        assert_eq!(registered_at(first), None);
        assert_eq!(registered_at(moved).expect("it is there").filled_end, moved + (4 << 20));
        let held = bytes(&mut mapping);
        assert_eq!((held[0], held[5 << 20 >> 1], held[(5 << 20) - 1], held[5 << 20], held[reserved]), (1, 2, 3, 0, 0));
        drop(mapping);
        assert_eq!(registered_at(moved), None);
    }

    #[test]
    fn what_is_given_back_reads_as_zeroes_and_does_not_count() {
        let mut mapping = Mapping::new(4 << 20).expect("there is memory");
        mapping.use_bytes(4 << 20);
        bytes(&mut mapping).fill(7);
        mapping.give_back_from((4 << 20) - 1);
        assert_eq!(mapping.used, 4 << 20);
        mapping.give_back_from((1 << 20) + 5);
        assert_eq!(mapping.used, (1 << 20) + (256 << 10));
        let (kept, given_back) = bytes(&mut mapping).split_at((1 << 20) + (256 << 10));
        assert!(kept.iter().all(|byte| *byte == 7) && given_back.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn what_no_address_space_holds_is_refused() {
        assert!(Mapping::new(usize::MAX - 5).is_none());
        assert!(Mapping::new(1 << 60).is_none());
        let mut mapping = Mapping::new(1).expect("there is memory");
        let start = mapping.start;
        assert!(!mapping.grow(1 << 60) && !mapping.grow(usize::MAX));
        assert_eq!((mapping.start, mapping.open), (start, OPENED_BYTES_MIN));
        bytes(&mut mapping)[0] = 1;
    }
}
