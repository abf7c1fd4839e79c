//! The memory of one table: a power-of-two array of buckets.

use core::marker::PhantomData;
use core::ops::Range;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, munmap};

use super::Element;
use super::bucket::Bucket;

/// The size of a huge page, to which arrays are aligned that are mapped on their own.
const HUGE_PAGE_BYTES: usize = 2 << 20;
const BUCKETS_PER_HUGE_PAGE: usize = HUGE_PAGE_BYTES / 64;

/// Arrays at least this large are mapped on their own; under Miri, which maps no parts and takes no advice, none are.
const MAPPED_BUCKETS_MIN: usize = if cfg!(miri) { usize::MAX } else { BUCKETS_PER_HUGE_PAGE };

/// What is given back at a time of an array: freeing 512 small pages at once takes 300 us, 64 take 40.
const GIVEN_BACK_BYTES: usize = 256 << 10;
const BUCKETS_GIVEN_BACK: usize = GIVEN_BACK_BYTES / 64;

static HUGE_PAGES: AtomicBool = AtomicBool::new(false);
static MAPPED_BYTES: AtomicIsize = AtomicIsize::new(0);
static MAPPED: Mutex<Vec<MappedTable>> = Mutex::new(Vec::new());

/// An array that is mapped on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappedTable {
    /// The addresses, whose ends are those of huge pages.
    pub range: Range<usize>,
    /// A rehash is moving elements to it, and its pages come one by one.
    pub is_filling: bool,
}

/// The arrays that are mapped on their own at this moment.
pub fn mapped_tables() -> Vec<MappedTable> {
    registered().clone()
}

fn registered() -> MutexGuard<'static, Vec<MappedTable>> {
    MAPPED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes of all arrays that are mapped on their own, which the allocator therefore does not know of. Those of tables
/// that another thread is dropping count until they are gone.
pub fn mapped_table_bytes() -> usize {
    MAPPED_BYTES.load(Ordering::Relaxed).max(0) as usize
}

/// Whether large tables that are made at once for many elements ask for transparent huge pages. Off until the server has
/// looked at what the kernel does with them.
///
/// A table that grows while it is in use never asks: the first touch of a huge page can take longer than an insertion
/// may. Its pages become huge when it has been filled, if somebody sees to it (see [`mapped_tables`]).
pub fn huge_pages_for_tables(wanted: bool) {
    HUGE_PAGES.store(wanted, Ordering::Relaxed);
}

/// Buckets and the elements in them. The buckets before `first_live` are vacant for good: a rehash moves on from there.
pub(super) struct Table<E: Element> {
    buckets: NonNull<Bucket<E>>,
    len: usize,
    first_live: usize,
    /// Buckets from here on have no memory behind them yet, in an array that was sized ahead; see `touch_next`.
    untouched_from: usize,
    owned: PhantomData<Bucket<E>>,
}

impl<E: Element> Table<E> {
    /// A table without a bucket, which owns no memory.
    pub(super) const NONE: Self =
        Self { buckets: NonNull::dangling(), len: 0, first_live: 0, untouched_from: 0, owned: PhantomData };

    /// A table of `len` vacant buckets, a power of two; `None` when there is no memory for it.
    #[expect(unsafe_code, reason = "allocates the array of buckets")]
    pub(super) fn with_buckets(len: usize) -> Option<Self> {
        const { Bucket::<E>::IS_ONE_LINE };
        assert!(len.is_power_of_two(), "tables are powers of two");
        let layout = Layout::array::<Bucket<E>>(len).ok()?;
        let buckets = if len >= MAPPED_BUCKETS_MIN {
            map_zeroed(layout.size())?.cast()
        } else {
            // SAFETY: the layout is not empty, since `len` is at least 1.
            NonNull::new(unsafe { alloc_zeroed(layout) })?.cast()
        };
        Some(Self { buckets, len, first_live: 0, untouched_from: len, owned: PhantomData })
    }

    /// Gets memory for the next huge page of a table that is about to be filled. Returns whether there is more to get.
    pub(super) fn touch_next(&mut self) -> bool {
        if self.untouched_from < self.len {
            let next = self.len.min(self.untouched_from + BUCKETS_PER_HUGE_PAGE);
            self.touch(self.untouched_from, next);
            self.untouched_from = next;
        }
        self.untouched_from < self.len
    }

    /// Otherwise a bucket that is read first is given the page of zeroes, and another one when it is written: two faults, and every
    /// thread's view of it to be flushed.
    #[cfg(target_os = "linux")]
    #[expect(unsafe_code, reason = "advises the kernel about a mapping")]
    fn touch(&mut self, start: usize, end: usize) {
        // SAFETY: the range lies within the mapping, and what it holds stays as it is. A refusal (before Linux 5.14)
        // leaves it to be touched by insertions.
        let _ = unsafe {
            let bytes = (end - start) * size_of::<Bucket<E>>();
            libc::madvise(self.buckets.add(start).as_ptr().cast(), bytes, libc::MADV_POPULATE_WRITE)
        };
    }

    #[cfg(not(target_os = "linux"))]
    fn touch(&mut self, _start: usize, _end: usize) {}

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn is_none(&self) -> bool {
        self.len == 0
    }

    #[inline]
    pub(super) fn first_live(&self) -> usize {
        self.first_live
    }

    #[inline]
    #[expect(unsafe_code, reason = "views the array as a slice")]
    pub(super) fn buckets(&self) -> &[Bucket<E>] {
        // SAFETY: the pointer is dangling with a length of 0, or holds `len` buckets, all valid since zeroed memory is.
        unsafe { core::slice::from_raw_parts(self.buckets.as_ptr(), self.len) }
    }

    #[inline]
    #[expect(unsafe_code, reason = "views the array as a slice")]
    pub(super) fn buckets_mut(&mut self) -> &mut [Bucket<E>] {
        // SAFETY: as in `buckets`, and `&mut self` makes the view the only one.
        unsafe { core::slice::from_raw_parts_mut(self.buckets.as_ptr(), self.len) }
    }

    /// The index of the bucket for this hash; past the end when there is no bucket.
    #[inline]
    pub(super) fn index(&self, hash: u64) -> usize {
        hash as usize & self.len.wrapping_sub(1)
    }

    #[inline]
    pub(super) fn chain(&self, hash: u64) -> Option<&Bucket<E>> {
        self.buckets().get(self.index(hash))
    }

    #[inline]
    pub(super) fn chain_mut(&mut self, hash: u64) -> Option<&mut Bucket<E>> {
        let index = self.index(hash);
        self.buckets_mut().get_mut(index)
    }

    /// Declares the first live bucket dead and gives its part of the array back once that holds only dead ones,
    /// so that there is little left to unmap in the end.
    pub(super) fn retire_first(&mut self) {
        debug_assert!(self.buckets()[self.first_live].is_vacant(), "only a vacant bucket is retired");
        self.first_live += 1;
        if self.is_mapped() && self.first_live.is_multiple_of(BUCKETS_GIVEN_BACK) {
            MAPPED_BYTES.fetch_sub(GIVEN_BACK_BYTES as isize, Ordering::Relaxed);
            self.give_back_before(self.first_live);
        }
    }

    /// Bytes of the array, less what has been given back.
    pub(super) fn bytes(&self) -> usize {
        let given_back = if self.is_mapped() { self.first_live / BUCKETS_GIVEN_BACK * BUCKETS_GIVEN_BACK } else { 0 };
        (self.len - given_back) * size_of::<Bucket<E>>()
    }

    /// Nothing is moved to this table any more, or nothing was to be.
    pub(super) fn settle(&mut self) {
        if self.is_mapped() {
            let start = self.buckets.addr().get();
            registered()
                .iter_mut()
                .filter(|table| table.range.start == start)
                .for_each(|table| table.is_filling = false);
        }
    }

    /// Prepares an array that nobody has touched yet and that is about to be filled: it lives in huge pages, where these
    /// are wanted, and `touch_next` gets memory for it ahead of the insertions.
    pub(super) fn expect_filling(&mut self) {
        if !self.is_mapped() {
            return;
        }
        if HUGE_PAGES.load(Ordering::Relaxed) {
            ask_for_huge_pages(self.buckets.cast(), self.len * size_of::<Bucket<E>>());
        }
        self.untouched_from = 0;
    }

    fn is_mapped(&self) -> bool {
        self.len >= MAPPED_BUCKETS_MIN
    }

    #[cfg(target_os = "linux")]
    #[expect(unsafe_code, reason = "gives pages back to the kernel")]
    fn give_back_before(&mut self, end: usize) {
        use nix::sys::mman::{MmapAdvise, madvise};
        // SAFETY: the range lies within the mapping, nobody borrows from it, and the zeroes that it reads as from
        // now on are vacant buckets, which it held before. A refusal only costs memory until the table goes.
        let _ = unsafe {
            let start = self.buckets.add(end - BUCKETS_GIVEN_BACK);
            madvise(start.cast(), GIVEN_BACK_BYTES, MmapAdvise::MADV_DONTNEED)
        };
    }

    #[cfg(not(target_os = "linux"))]
    fn give_back_before(&mut self, _end: usize) {}

    /// Drops what is left in the live buckets.
    fn drop_elements(&mut self) {
        let first_live = self.first_live;
        let live = &mut self.buckets_mut()[first_live..];
        for index in 0..live.len() {
            if let Some(ahead) = live.get(index + super::walk::PREFETCH_DISTANCE) {
                ahead.prefetch_elements();
            }
            live[index].drain(drop);
        }
    }
}

impl<E: Element> Drop for Table<E> {
    #[expect(unsafe_code, reason = "frees the array of buckets")]
    fn drop(&mut self) {
        if self.len == 0 {
            return;
        }
        self.drop_elements();
        let layout = Layout::array::<Bucket<E>>(self.len).expect("the array was allocated with this layout");
        if self.is_mapped() {
            MAPPED_BYTES.fetch_sub(self.bytes() as isize, Ordering::Relaxed);
            let start = self.buckets.addr().get();
            registered().retain(|table| table.range.start != start);
            // SAFETY: the whole mapping was made by `map_zeroed` and nobody refers to it any more.
            let unmapped = unsafe { munmap(self.buckets.cast(), layout.size()) };
            debug_assert!(unmapped.is_ok(), "a mapping of our own can be unmapped");
        } else {
            // SAFETY: allocated by `with_buckets` with this layout.
            unsafe { dealloc(self.buckets.as_ptr().cast(), layout) };
        }
    }
}

// SAFETY: a table owns its buckets and elements like a `Box<[Bucket<E>]>`, and shares them only through borrows.
#[expect(unsafe_code, reason = "the raw pointer hides that the table owns its buckets")]
unsafe impl<E: Element + Send> Send for Table<E> {}

// SAFETY: `&Table` gives out `&E` and changes nothing.
#[expect(unsafe_code, reason = "the raw pointer hides that the table owns its buckets")]
unsafe impl<E: Element + Sync> Sync for Table<E> {}

/// Zeroed memory of its own mapping, aligned to a huge page; `bytes` is a multiple of one.
#[expect(unsafe_code, reason = "maps anonymous memory")]
fn map_zeroed(bytes: usize) -> Option<NonNull<u8>> {
    let with_slack = NonZeroUsize::new(bytes.checked_add(HUGE_PAGE_BYTES)?)?;
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a fresh private mapping at an address of the kernel's choice touches no existing memory.
    let start: NonNull<u8> =
        unsafe { mmap_anonymous(None, with_slack, protection, MapFlags::MAP_PRIVATE) }.ok()?.cast();
    let head = start.as_ptr().align_offset(HUGE_PAGE_BYTES);
    // SAFETY: the aligned range and what is cut off before and after it lie within the mapping that was just made.
    let aligned = unsafe {
        let aligned = start.add(head);
        if head > 0 {
            let _ = munmap(start.cast(), head);
        }
        let _ = munmap(aligned.add(bytes).cast(), HUGE_PAGE_BYTES - head);
        aligned
    };
    MAPPED_BYTES.fetch_add(bytes as isize, Ordering::Relaxed);
    let start = aligned.addr().get();
    registered().push(MappedTable { range: start..start + bytes, is_filling: true });
    Some(aligned)
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "advises the kernel about a mapping")]
fn ask_for_huge_pages(start: NonNull<u8>, bytes: usize) {
    use nix::sys::mman::{MmapAdvise, madvise};
    // SAFETY: the advice changes how the range is backed, not what it holds. A refusal leaves small pages.
    let _ = unsafe { madvise(start.cast(), bytes, MmapAdvise::MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
fn ask_for_huge_pages(_start: NonNull<u8>, _bytes: usize) {}
