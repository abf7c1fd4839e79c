//! The memory of a large table: a reserved range of addresses of which a prefix may be used, so that it grows in place.
//!
//! Invariants of a mapping:
//! - its start is that of a huge page, and its parts end at multiples of `OPENED_BYTES_MIN`;
//! - what is open of it can be read and written, the rest of `reserved` bytes cannot;
//! - the table uses nothing beyond what is ready ([`Ready`]), which is open;
//! - nothing beyond the first `used` bytes holds an element: it reads as zeroes, or as vacant buckets.

use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ready::{Place, Ready};
use crate::structures::reserved::{self, HUGE_PAGE_BYTES, allow, ask_for_huge_pages, give_back, unmap};

const PAGE_BYTES: usize = 4096;

/// A table that grows comes in small pages up to here, and in huge ones from here on, of which one or two are not in use yet:
/// 360,000 elements fill so much.
const SMALL_BYTES: usize = 4 << 20;

/// Of what is not used any more, whole parts of this size do not count.
const UNUSED_BYTES_MIN: usize = 256 << 10;

/// Addresses that a table reserves, as a multiple of its size, where the address space is limited fewer of them; and at least.
const RESERVED_FACTORS: [usize; 4] = [16, 4, 2, 1];
const RESERVED_BYTES_MIN: usize = 64 << 20;

static HUGE_PAGES: AtomicBool = AtomicBool::new(false);
static MAPPED_BYTES: AtomicIsize = AtomicIsize::new(0);
/// By their first address.
static MAPPED: Mutex<BTreeMap<usize, Arc<Ready>>> = Mutex::new(BTreeMap::new());

/// A table that is mapped on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedTable {
    /// The addresses that can be used, of which the first is that of a huge page.
    pub range: Range<usize>,
    /// Up to here its huge pages are full of buckets.
    pub filled_end: usize,
    /// Up to here it came in small pages, and beyond in huge ones.
    pub small_end: usize,
    /// Up to here it has buckets.
    pub used_end: usize,
}

impl MappedTable {
    fn at(start: usize, ready: &Ready) -> Self {
        let (open, used) = (ready.open_bytes(), ready.used_bytes());
        Self {
            range: start..start + open,
            filled_end: start + used / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES,
            small_end: start + ready.small_bytes().min(open),
            used_end: start + used,
        }
    }
}

/// The tables that are mapped on their own at this moment.
pub fn mapped_tables() -> Vec<MappedTable> {
    registered().iter().map(|(start, ready)| MappedTable::at(*start, ready)).collect()
}

fn registered() -> MutexGuard<'static, BTreeMap<usize, Arc<Ready>>> {
    MAPPED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes of all tables that are mapped on their own, which the allocator therefore does not know of. Those of tables
/// that another thread is dropping count until they are gone.
pub fn mapped_table_bytes() -> usize {
    MAPPED_BYTES.load(Ordering::Relaxed).max(0) as usize
}

/// Whether large tables ask for transparent huge pages. Off until the server has looked at what the kernel does with them.
///
/// The first touch of a huge page can take longer than an insertion may: one that is made at once is touched by whoever fills it, and
/// one that grows by another thread, ahead of the insertions.
pub fn huge_pages_for_tables(wanted: bool) {
    HUGE_PAGES.store(wanted, Ordering::Relaxed);
}

pub(super) struct Mapping {
    start: NonNull<u8>,
    reserved: usize,
    used: usize,
    /// So many bytes can be used before the table is to call `grow`, which sees to it that more get ready in time.
    limit: usize,
    /// Up to `used`, nothing from here on has memory behind it yet; see `touch_next`.
    untouched_from: usize,
    ready: Arc<Ready>,
}

impl Mapping {
    /// Memory of which so many bytes can be used, all zeroes.
    pub(super) fn new(bytes: usize) -> Option<Self> {
        Self::with_small(bytes, if HUGE_PAGES.load(Ordering::Relaxed) { SMALL_BYTES } else { usize::MAX })
    }

    fn with_small(bytes: usize, small: usize) -> Option<Self> {
        let wanted = bytes.checked_add(Ready::lead(bytes))?.checked_next_multiple_of(HUGE_PAGE_BYTES)?;
        let (start, reserved) = reserve(wanted, small)?;
        let ready = Ready::new(Place { start, reserved }, small);
        let mut mapping = Self { start, reserved, used: 0, limit: 0, untouched_from: usize::MAX, ready };
        registered().insert(start.addr().get(), Arc::clone(&mapping.ready));
        // Dropping it gives the addresses back.
        mapping.grow(bytes).then_some(mapping)
    }

    pub(super) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// What can be used before `grow` is called.
    pub(super) fn usable_bytes(&self) -> usize {
        self.limit
    }

    /// What buckets use or have used of it, in whole pages.
    pub(super) fn used_bytes(&self) -> usize {
        self.used
    }

    /// Makes at least so many bytes usable. The start may change, and what it holds moves along without being copied as
    /// a rule.
    pub(super) fn grow(&mut self, bytes: usize) -> bool {
        let lead = Ready::lead(bytes);
        let Some(end) = bytes.checked_add(lead) else { return false };
        if end > self.reserved && !self.move_to_larger(end) && bytes > self.reserved {
            return false;
        }
        if bytes > self.ready.bytes() && !self.open(bytes) {
            return false;
        }
        let ready = self.ready.bytes();
        self.limit = if end <= ready {
            ready - lead
        } else if self.used == 0 {
            // One that is made for many elements at once may never have more.
            bytes
        } else {
            self.ready.want(end);
            ready
        };
        true
    }

    fn open(&self, bytes: usize) -> bool {
        let place = self.ready.lock();
        let place = place.as_ref().expect("the mapping is there");
        // While this waited for the lock, it may have got ready.
        let ready = self.ready.bytes();
        bytes <= ready || self.ready.end_for(place, bytes).is_some_and(|end| self.ready.open_to(place, ready, end))
    }

    /// Notes that the first so many bytes are in use.
    #[inline]
    pub(super) fn use_bytes(&mut self, bytes: usize) {
        if bytes > self.used {
            self.count(bytes.next_multiple_of(PAGE_BYTES));
        }
    }

    /// Lets go of what lies beyond the first so many bytes, which hold only vacant buckets there, once it is worth it.
    pub(super) fn give_back_from(&mut self, bytes: usize) {
        let kept = bytes.next_multiple_of(UNUSED_BYTES_MIN);
        if kept >= self.used {
            return;
        }
        let used = self.used;
        self.count(kept);
        // Less than a huge page is not given back where it would split one, nor what may soon be needed again.
        let small = self.ready.small_bytes();
        let kept = if kept <= small { kept } else { (kept + Ready::lead(kept)).next_multiple_of(HUGE_PAGE_BYTES) };
        if self.ready.lower_to(kept, used) {
            self.limit = self.limit.min(kept);
            self.ready.send_for_errand();
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
        unsafe { give_back(self.start, 0, self.used.max(self.ready.bytes())) };
    }

    /// Prepares the used part, which nobody has touched yet and which is about to be filled: it lives in huge pages, where
    /// these are wanted, and `touch_next` gets memory for it ahead of the insertions.
    #[expect(unsafe_code, reason = "advises the kernel about a part of a range")]
    pub(super) fn expect_filling(&mut self) {
        let small = self.ready.small_bytes();
        if HUGE_PAGES.load(Ordering::Relaxed) && self.used >= HUGE_PAGE_BYTES && small > 0 {
            // SAFETY: the part lies within the range.
            unsafe { ask_for_huge_pages(self.start, 0, small.min(self.reserved)) };
            self.ready.set_small(0);
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
        self.used = used;
        self.ready.note_used(used);
    }

    /// Moves to a range in which so many bytes can be opened.
    #[expect(unsafe_code, reason = "gives ranges up")]
    fn move_to_larger(&mut self, bytes: usize) -> bool {
        let Some(bytes) = bytes.checked_next_multiple_of(HUGE_PAGE_BYTES) else { return false };
        let small = self.ready.small_bytes();
        let Some((start, reserved)) = reserve(bytes, small) else { return false };
        let ready = Arc::clone(&self.ready);
        let mut place = ready.lock();
        let place = place.as_mut().expect("the mapping is there");
        let open = ready.open_bytes();
        registered().remove(&self.start.addr().get());
        // The kernel knows them as two mappings.
        let small = small.min(open);
        let moved = self.move_part(start, 0, small) && self.move_part(start, small, open);
        if moved {
            // SAFETY: what could be used of the old range has moved, and this was never open.
            unsafe { unmap(self.start, open, self.reserved) };
            (self.start, self.reserved) = (start, reserved);
            (place.start, place.reserved) = (start, reserved);
        } else {
            // Only possible before the first part has moved: there is no memory to copy it into.
            // SAFETY: the new range is of no use to anybody.
            unsafe { unmap(start, 0, reserved) };
        }
        registered().insert(self.start.addr().get(), Arc::clone(&ready));
        moved
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
        *self.ready.lock() = None;
        // SAFETY: the table that was here is gone, and no errand finds its place any more.
        unsafe { unmap(self.start, 0, self.reserved) };
    }
}

// SAFETY: a mapping owns its memory, which no thread has a special right to.
#[expect(unsafe_code, reason = "the raw pointer hides that the mapping owns its memory")]
unsafe impl Send for Mapping {}

// SAFETY: `&Mapping` gives out no more than addresses.
#[expect(unsafe_code, reason = "the raw pointer hides that the mapping owns its memory")]
unsafe impl Sync for Mapping {}

/// A range that starts with a huge page and can be opened to so many bytes, with room to grow where there is any. Beyond the first
/// `small` bytes it asks for huge pages.
#[expect(unsafe_code, reason = "advises the kernel about a part of a range")]
fn reserve(bytes: usize, small: usize) -> Option<(NonNull<u8>, usize)> {
    let sizes = RESERVED_FACTORS.into_iter().filter_map(|factor| {
        let room = if factor > 1 { RESERVED_BYTES_MIN } else { 0 };
        bytes.checked_mul(factor)?.max(room).checked_next_multiple_of(HUGE_PAGE_BYTES)
    });
    let (start, reserved) = sizes.into_iter().find_map(|size| Some((reserved::reserve(size)?, size)))?;
    if small < reserved {
        // SAFETY: the part lies within the range.
        unsafe { ask_for_huge_pages(start, small, reserved) };
    }
    Some((start, reserved))
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
    use crate::structures::dict::ready::OPENED_BYTES_MIN;

    #[expect(unsafe_code, reason = "views the mapping as bytes")]
    fn bytes(mapping: &mut Mapping) -> &mut [u8] {
        // SAFETY: so many bytes can be read and written, and nobody else has a view of them.
        unsafe { core::slice::from_raw_parts_mut(mapping.start.as_ptr(), mapping.ready.bytes()) }
    }

    fn registered_at(start: usize) -> Option<MappedTable> {
        mapped_tables().into_iter().find(|table| table.range.start == start)
    }

    /// Waits until errands have moved the end of what has memory.
    fn settle(mapping: &Mapping, is_done: impl Fn(usize) -> bool) {
        let is_settled = || {
            let _no_errand_runs = mapping.ready.lock();
            is_done(mapping.ready.memory_end())
        };
        while !is_settled() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_mapping_grows_in_place_and_moves_when_its_addresses_are_used_up() {
        let mut mapping = Mapping::new(300 << 10).expect("there is memory");
        let first = mapping.start.addr().get();
        assert_eq!((first % HUGE_PAGE_BYTES, mapping.ready.bytes()), (0, 512 << 10));
        bytes(&mut mapping)[0] = 1;
        mapping.use_bytes(300 << 10);
        assert_eq!((mapping.used, registered_at(first).expect("it is there").filled_end), (300 << 10, first));
        assert!(mapping.grow(5 << 20));
        assert_eq!(mapping.start.addr().get(), first);
        mapping.use_bytes(5 << 20);
        assert_eq!(registered_at(first).expect("it is there").filled_end, first + (4 << 20));
        bytes(&mut mapping)[5 << 20 >> 1] = 2;
        mapping.expect_filling();
        assert!(mapping.touch_next() && mapping.touch_next() && !mapping.touch_next());
        bytes(&mut mapping)[(5 << 20) - 1] = 3;
        let reserved = mapping.reserved;
        assert!(mapping.grow(reserved + 1) && mapping.ready.bytes() > reserved);
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
    fn a_mapping_in_huge_pages_gets_more_of_them_ready_before_it_is_full() {
        const STEP: usize = 64;
        let mut mapping = Mapping::with_small(SMALL_BYTES, SMALL_BYTES).expect("there is memory");
        mapping.use_bytes(SMALL_BYTES);
        assert!(mapping.grow(SMALL_BYTES + STEP));
        mapping.use_bytes(SMALL_BYTES + STEP);
        let ready = mapping.ready.bytes();
        assert_eq!(ready, SMALL_BYTES + HUGE_PAGE_BYTES);
        for used in [ready, ready + HUGE_PAGE_BYTES, RESERVED_BYTES_MIN, RESERVED_BYTES_MIN * 2] {
            assert!(mapping.grow(used));
            mapping.use_bytes(used);
            let end = used + Ready::lead(used);
            settle(&mapping, |memory_end| memory_end >= end);
            let ready = mapping.ready.bytes();
            assert!(ready.is_multiple_of(HUGE_PAGE_BYTES) && (end..end + HUGE_PAGE_BYTES).contains(&ready));
            assert_eq!(mapping.used_bytes(), used, "what is ready does not count before it is used");
            let table = registered_at(mapping.start.addr().get()).expect("it is there");
            assert_eq!(table.small_end, table.range.start + SMALL_BYTES);
            assert!(bytes(&mut mapping).iter().all(|byte| *byte == 0));
        }
        bytes(&mut mapping).fill(7);
        let kept = SMALL_BYTES * 2;
        mapping.give_back_from(kept);
        assert_eq!((mapping.used_bytes(), mapping.limit), (kept, kept + HUGE_PAGE_BYTES));
        settle(&mapping, |memory_end| memory_end == kept + HUGE_PAGE_BYTES);
        assert!(mapping.grow(kept * 2));
        let (before, after) = bytes(&mut mapping).split_at(kept + HUGE_PAGE_BYTES);
        assert!(before.iter().all(|byte| *byte == 7) && after.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn what_is_given_back_reads_as_zeroes_and_does_not_count() {
        let mut mapping = Mapping::new(4 << 20).expect("there is memory");
        mapping.use_bytes(4 << 20);
        bytes(&mut mapping).fill(7);
        mapping.give_back_from((4 << 20) - 1);
        assert_eq!(mapping.used, 4 << 20);
        mapping.give_back_from((1 << 20) + 5);
        let kept = (1 << 20) + (256 << 10);
        assert_eq!((mapping.used, mapping.limit), (kept, kept));
        settle(&mapping, |memory_end| memory_end == kept);
        assert!(mapping.grow(4 << 20));
        let (kept, given_back) = bytes(&mut mapping).split_at(kept);
        assert!(kept.iter().all(|byte| *byte == 7) && given_back.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_mapping_in_small_pages_grows_bucket_by_bucket_beyond_the_addresses_that_it_reserved_first() {
        const BUCKET: usize = 64;
        let mut mapping = Mapping::with_small(OPENED_BYTES_MIN, usize::MAX).expect("there is memory");
        let (first, reserved) = (mapping.start, mapping.reserved);
        let mut end = OPENED_BYTES_MIN;
        while end <= reserved + OPENED_BYTES_MIN {
            mapping.use_bytes(end);
            end += BUCKET;
            assert!(end <= mapping.limit || mapping.grow(end), "{end}");
        }
        assert!(mapping.start != first && mapping.reserved > reserved);
    }

    #[test]
    fn a_mapping_that_grows_and_shrinks_again_and_again_does_not_open_more_each_time() {
        for small in [SMALL_BYTES, usize::MAX] {
            let mut mapping = Mapping::with_small(OPENED_BYTES_MIN, small).expect("there is memory");
            let mut opened = Vec::new();
            for _ in 0..30 {
                let mut end = mapping.used_bytes().max(OPENED_BYTES_MIN);
                while end < 4 << 20 {
                    end += OPENED_BYTES_MIN;
                    assert!(end <= mapping.limit || mapping.grow(end), "{end}");
                    mapping.use_bytes(end);
                }
                opened.push(mapping.ready.open_bytes());
                mapping.give_back_from(1 << 20);
            }
            assert!(opened.iter().all(|open| *open <= 6 << 20), "{opened:?}");
        }
    }

    #[test]
    fn the_last_huge_page_is_given_back_whole() {
        const USED: usize = SMALL_BYTES + HUGE_PAGE_BYTES + (256 << 10);
        let mut mapping = Mapping::with_small(USED, SMALL_BYTES).expect("there is memory");
        mapping.use_bytes(USED);
        // As where the kernel gives the whole of the last one.
        bytes(&mut mapping).fill(7);
        mapping.give_back_from(1 << 20);
        settle(&mapping, |memory_end| memory_end == 1 << 20);
        assert!(mapping.grow(SMALL_BYTES + HUGE_PAGE_BYTES * 2));
        let (kept, given_back) = bytes(&mut mapping).split_at(1 << 20);
        assert!(kept.iter().all(|byte| *byte == 7) && given_back.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_table_shrinks_while_the_thread_for_pages_is_at_its_mapping() {
        let mut mapping = Mapping::new(4 << 20).expect("there is memory");
        mapping.use_bytes(4 << 20);
        let ready = Arc::clone(&mapping.ready);
        let held = ready.lock();
        mapping.give_back_from(1 << 20);
        assert_eq!((mapping.used, mapping.limit, ready.bytes()), (1 << 20, 1 << 20, 1 << 20));
        let place = held.as_ref().expect("the mapping is there");
        assert!(!ready.open_to(place, 4 << 20, 8 << 20), "what was lowered meanwhile is not raised");
        drop(held);
        settle(&mapping, |memory_end| memory_end == 1 << 20);
    }

    #[test]
    fn what_no_address_space_holds_is_refused() {
        assert!(Mapping::new(usize::MAX - 5).is_none());
        assert!(Mapping::new(1 << 60).is_none());
        let mut mapping = Mapping::new(1).expect("there is memory");
        let start = mapping.start;
        assert!(!mapping.grow(1 << 60) && !mapping.grow(usize::MAX));
        assert_eq!((mapping.start, mapping.ready.bytes()), (start, OPENED_BYTES_MIN));
        bytes(&mut mapping)[0] = 1;
    }
}
