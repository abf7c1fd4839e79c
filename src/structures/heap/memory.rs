//! Where the pages of a heap come from.
#![expect(unsafe_code, reason = "maps memory")]

use std::ops::Range;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU8;

use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::{SysconfVar, sysconf};

use super::shared::SPANS;
use super::span::Span;
use crate::structures::reserved::{self, HUGE_PAGE_BYTES, allow, ask_for_huge_pages, give_back};

pub(super) const PAGE_BYTES: usize = HUGE_PAGE_BYTES;

/// A range of addresses that is divided into pages, which have memory once they are committed.
///
/// # Safety
///
/// The range begins at a multiple of [`PAGE_BYTES`], is `pages()` pages long, belongs to the heap alone, and stays where it is.
/// A committed page can be read and written.
pub(super) unsafe trait Memory: Sync {
    fn base(&self) -> NonNull<u8>;

    fn pages(&self) -> usize;

    /// How many pages are best committed together: each time the kernel changes its list of mappings, which takes it longer the
    /// more threads touch memory meanwhile.
    fn committed_together(&self) -> usize;

    /// Lets pages be used that were not, or that another thread is committing: all of them lie between two multiples of
    /// `committed_together`. Returns whether the kernel promises memory for them.
    fn commit(&self, pages: Range<usize>) -> bool;

    /// Makes the kernel find memory for a committed page that holds nothing. No other thread uses the page.
    fn touch(&self, page: usize);

    /// Gives the memory of a committed page back, whose contents mean nothing; it stays committed, and gets other memory
    /// when it is touched.
    fn give_back(&self, page: usize);

    /// The same for all pages, committed or not.
    fn give_all_back(&self);
}

/// A range is so many times the machine's memory, since pages that hold little count in full.
const MEMORIES: usize = 4;

const RANGE_BYTES_MIN: usize = 4 << 30;
const RANGE_BYTES_MAX: usize = 16 << 40;

/// Pages that are made accessible at a time, 64 MiB of addresses, and what is known of so many: a multiple of the kernel's pages.
const COMMITTED_TOGETHER: usize = 32;
const KNOWN_BYTES: usize = SPANS * size_of::<Span>();
const _: () = assert!((COMMITTED_TOGETHER * KNOWN_BYTES).is_multiple_of(64 << 10));

/// Reserved addresses: for pages, and for what is known of them. They take memory when they are committed.
pub(super) struct Mapped {
    base: NonNull<u8>,
    known: NonNull<u8>,
    pages: usize,
}

/// A range with what is known of it, as a heap takes them.
pub(super) struct Reserved {
    pub(super) memory: Mapped,
    pub(super) spans: &'static [Span],
    pub(super) finished: &'static [AtomicU8],
}

// SAFETY: a range of addresses is not tied to a thread, and what is behind them is shared by those who have blocks of it.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// The largest range there is, with its spans, which may be used once their page is committed; `None` where address
    /// space is limited (RLIMIT_AS), which the reservation would use up, and under Miri, which maps no parts.
    pub(super) fn reserve() -> Option<Reserved> {
        if cfg!(miri) {
            return None;
        }
        let (limit, _) = getrlimit(Resource::RLIMIT_AS).ok()?;
        if limit != libc::RLIM_INFINITY {
            return None;
        }
        let figure = |name| sysconf(name).ok().flatten().and_then(|value| usize::try_from(value).ok());
        let memory = figure(SysconfVar::_PHYS_PAGES)?.saturating_mul(figure(SysconfVar::PAGE_SIZE)?);
        let wanted = memory.saturating_mul(MEMORIES).clamp(RANGE_BYTES_MIN, RANGE_BYTES_MAX).next_power_of_two();
        let halves = std::iter::successors(Some(wanted), |bytes| Some(bytes / 2));
        halves.take_while(|bytes| *bytes >= RANGE_BYTES_MIN).find_map(Self::of)
    }

    fn of(bytes: usize) -> Option<Reserved> {
        let pages = bytes / PAGE_BYTES;
        let known = reserved::reserve(pages * KNOWN_BYTES)?;
        let base = reserved::reserve(bytes)?;
        let finished = reserved::share_with_children(pages)?;
        // SAFETY: the range is there for good and is as long as so many spans. Each is zeroed memory, and so an unused one,
        // when it is first looked at, which nobody does before its page is committed.
        let spans = unsafe { std::slice::from_raw_parts(known.cast().as_ptr(), pages * SPANS) };
        // SAFETY: so many bytes are there for good, are zeroed at first, and are changed by atomic stores alone.
        let finished = unsafe { std::slice::from_raw_parts(finished.cast().as_ptr(), pages) };
        Some(Reserved { memory: Self { base, known, pages }, spans, finished })
    }
}

// SAFETY: `of` has reserved so many pages from an aligned address on, for good, and `commit` allows access.
unsafe impl Memory for Mapped {
    fn base(&self) -> NonNull<u8> {
        self.base
    }

    fn pages(&self) -> usize {
        self.pages
    }

    fn committed_together(&self) -> usize {
        COMMITTED_TOGETHER
    }

    fn commit(&self, pages: Range<usize>) -> bool {
        let known = pages.start * KNOWN_BYTES;
        let (start, end) = (pages.start * PAGE_BYTES, pages.end * PAGE_BYTES);
        // SAFETY: both parts lie within their ranges. What another thread has committed meanwhile stays as it is.
        unsafe {
            let is_known = !pages.start.is_multiple_of(COMMITTED_TOGETHER)
                || allow(self.known, known, known + COMMITTED_TOGETHER * KNOWN_BYTES);
            if !is_known || !allow(self.base, start, end) {
                return false;
            }
            // The first page gets memory as it is used, so that a server with few data takes little.
            ask_for_huge_pages(self.base, start.max(PAGE_BYTES), end);
        }
        true
    }

    fn touch(&self, page: usize) {
        // A write, rather than advice to the kernel about the range, which would hold up changes to other mappings meanwhile.
        // SAFETY: the page lies within the range, can be written, and nobody else uses it.
        unsafe { self.base.add(page * PAGE_BYTES).write_volatile(0) };
    }

    fn give_back(&self, page: usize) {
        // SAFETY: the page lies within the range, and its contents mean nothing.
        unsafe { give_back(self.base, page * PAGE_BYTES, (page + 1) * PAGE_BYTES) };
    }

    fn give_all_back(&self) {
        // SAFETY: the range is the heap's alone, and its contents mean nothing.
        unsafe { give_back(self.base, 0, self.pages * PAGE_BYTES) };
    }
}
