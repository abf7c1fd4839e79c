//! Where the pages of a heap come from.
#![expect(unsafe_code, reason = "maps memory")]

use std::ptr::NonNull;

pub(super) const PAGE_BYTES: usize = 2 << 20;

/// A range of addresses that is divided into pages, which have memory once they are committed.
///
/// # Safety
///
/// The range begins at a multiple of [`PAGE_BYTES`], is `pages()` pages long, belongs to the heap alone, and stays where it is.
/// A committed page can be read and written.
pub(super) unsafe trait Memory: Sync {
    fn base(&self) -> NonNull<u8>;

    fn pages(&self) -> usize;

    /// Gets memory for a page that has had none. Returns whether there is some.
    fn commit(&self, page: usize) -> bool;

    /// Gives the memory of a committed page back, whose contents mean nothing; it stays committed, and gets other memory
    /// when it is touched.
    fn give_back(&self, page: usize);
}

#[cfg(all(target_os = "linux", not(miri)))]
pub(super) use mapped::Mapped;

#[cfg(all(target_os = "linux", not(miri)))]
mod mapped {
    use std::num::NonZeroUsize;
    use std::ptr::NonNull;

    use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous};
    use nix::sys::resource::{Resource, getrlimit};
    use nix::unistd::{SysconfVar, sysconf};

    use super::{Memory, PAGE_BYTES};
    use crate::structures::heap::shared::SPANS;
    use crate::structures::heap::span::Span;

    /// A range is so many times the machine's memory, since pages that hold little count in full.
    const MEMORIES: usize = 4;

    const RANGE_BYTES_MIN: usize = 4 << 30;
    const RANGE_BYTES_MAX: usize = 16 << 40;

    /// What is known of spans is made accessible for so many pages at a time: a multiple of the kernel's pages.
    const PAGES_KNOWN: usize = 32;
    const KNOWN_BYTES: usize = SPANS * size_of::<Span>();
    const _: () = assert!((PAGES_KNOWN * KNOWN_BYTES).is_multiple_of(64 << 10));

    /// Reserved addresses: for pages, and for what is known of them. They take memory when they are committed.
    pub(in crate::structures::heap) struct Mapped {
        base: NonNull<u8>,
        known: NonNull<u8>,
        pages: usize,
    }

    // SAFETY: a range of addresses is not tied to a thread, and what is behind them is shared by those who have blocks of
    // it.
    unsafe impl Send for Mapped {}
    // SAFETY: as above.
    unsafe impl Sync for Mapped {}

    impl Mapped {
        /// The largest range there is, with its spans, which may be used once their page is committed; `None` where address
        /// space is limited (RLIMIT_AS), which the reservation would use up.
        pub(in crate::structures::heap) fn reserve() -> Option<(Self, &'static [Span])> {
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

        fn of(bytes: usize) -> Option<(Self, &'static [Span])> {
            let pages = bytes / PAGE_BYTES;
            let known = map(pages * KNOWN_BYTES)?;
            let start = map(bytes + PAGE_BYTES)?;
            let skipped = start.as_ptr().align_offset(PAGE_BYTES);
            // SAFETY: at most one page is skipped, by which the mapping is longer than what is used of it.
            let base = unsafe { start.add(skipped) };
            // SAFETY: the mapping is there for good and is as long as so many spans. Each is zeroed memory, and so an unused
            // one, when it is first looked at, which nobody does before its page is committed.
            let spans = unsafe { std::slice::from_raw_parts(known.cast().as_ptr(), pages * SPANS) };
            Some((Self { base, known, pages }, spans))
        }
    }

    // SAFETY: `of` has mapped so many pages from an aligned address on, for good, and `commit` allows access.
    unsafe impl Memory for Mapped {
        fn base(&self) -> NonNull<u8> {
            self.base
        }

        fn pages(&self) -> usize {
            self.pages
        }

        fn commit(&self, page: usize) -> bool {
            // SAFETY: both ranges lie within their mappings, and nobody has used them yet.
            unsafe {
                if page.is_multiple_of(PAGES_KNOWN)
                    && !make_accessible(self.known.add(page * KNOWN_BYTES), PAGES_KNOWN * KNOWN_BYTES)
                {
                    return false;
                }
                let start = self.base.add(page * PAGE_BYTES);
                if !make_accessible(start, PAGE_BYTES) {
                    return false;
                }
                // A kernel without huge pages refuses, and one that is not to give any ignores it.
                libc::madvise(start.as_ptr().cast(), PAGE_BYTES, libc::MADV_HUGEPAGE);
            }
            true
        }

        fn give_back(&self, page: usize) {
            // SAFETY: the page lies within the mapping, and its contents mean nothing.
            unsafe { libc::madvise(self.base.add(page * PAGE_BYTES).as_ptr().cast(), PAGE_BYTES, libc::MADV_DONTNEED) };
        }
    }

    /// # Safety
    ///
    /// The range belongs to the caller.
    unsafe fn make_accessible(start: NonNull<u8>, bytes: usize) -> bool {
        // SAFETY: as the caller promises.
        unsafe { libc::mprotect(start.as_ptr().cast(), bytes, libc::PROT_READ | libc::PROT_WRITE) == 0 }
    }

    /// So many addresses without memory, for good.
    fn map(bytes: usize) -> Option<NonNull<u8>> {
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        // SAFETY: a new mapping, wherever there is room for it.
        let mapping = unsafe { mmap_anonymous(None, NonZeroUsize::new(bytes)?, ProtFlags::PROT_NONE, flags) }.ok()?;
        Some(mapping.cast())
    }
}
