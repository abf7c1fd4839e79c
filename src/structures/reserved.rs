//! Ranges of addresses that are reserved first and given memory later, part by part.
#![expect(unsafe_code, reason = "maps and unmaps memory")]

use std::ffi::c_void;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

/// The size of a huge page, to which ranges are aligned.
pub(super) const HUGE_PAGE_BYTES: usize = 2 << 20;

/// So many addresses without memory, from the start of a huge page on. Only their number counts, against a limit of the
/// address space where there is one.
pub(super) fn reserve(bytes: usize) -> Option<NonNull<u8>> {
    let with_slack = NonZeroUsize::new(bytes.checked_add(HUGE_PAGE_BYTES)?)?;
    // SAFETY: a fresh private mapping at an address of the kernel's choice touches no existing memory.
    let mapped = unsafe { mmap_anonymous(None, with_slack, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE) };
    let start: NonNull<u8> = mapped.ok()?.cast();
    let head = start.as_ptr().align_offset(HUGE_PAGE_BYTES);
    // SAFETY: what is cut off is not used yet. The slack is as long as a huge page, so that what follows the head lies within
    // the mapping.
    unsafe {
        unmap(start, 0, head);
        unmap(start, head + bytes, with_slack.get());
        Some(start.add(head))
    }
}

/// So many bytes that this process and its children share: what one writes all see. They are zeroed, and take memory when they
/// are written.
pub(super) fn share_with_children(bytes: usize) -> Option<NonNull<u8>> {
    let flags = MapFlags::MAP_SHARED | MapFlags::MAP_NORESERVE;
    // SAFETY: a fresh mapping at an address of the kernel's choice touches no existing memory.
    let mapped =
        unsafe { mmap_anonymous(None, NonZeroUsize::new(bytes)?, ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, flags) };
    mapped.ok().map(NonNull::cast)
}

/// Lets the part from one offset to another be read and written, which gives it memory as it is touched. False where the
/// kernel promises no more.
///
/// # Safety
///
/// The part lies within a range that the caller has reserved, and is not in use.
pub(super) unsafe fn allow(start: NonNull<u8>, from: usize, to: usize) -> bool {
    let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: by this function's contract.
    unsafe { mprotect(start.add(from).cast::<c_void>(), to - from, protection) }.is_ok()
}

/// Gives the memory of the part back, which reads as zeroes from now on. A refusal leaves it as it is.
///
/// # Safety
///
/// The part lies within a range that the caller has reserved, nobody refers to it, and zeroes will do.
#[cfg(target_os = "linux")]
pub(super) unsafe fn give_back(start: NonNull<u8>, from: usize, to: usize) {
    use nix::sys::mman::{MmapAdvise, madvise};
    // SAFETY: by this function's contract.
    let _ = unsafe { madvise(start.add(from).cast(), to - from, MmapAdvise::MADV_DONTNEED) };
}

#[cfg(not(target_os = "linux"))]
pub(super) unsafe fn give_back(_start: NonNull<u8>, _from: usize, _to: usize) {}

/// Asks for huge pages in the part. A kernel that has none, or is not to give any, leaves small ones.
///
/// # Safety
///
/// The part lies within a range that the caller has reserved.
#[cfg(target_os = "linux")]
pub(super) unsafe fn ask_for_huge_pages(start: NonNull<u8>, from: usize, to: usize) {
    use nix::sys::mman::{MmapAdvise, madvise};
    // SAFETY: by this function's contract; the advice changes how the part is backed, not what it holds.
    let _ = unsafe { madvise(start.add(from).cast(), to - from, MmapAdvise::MADV_HUGEPAGE) };
}

#[cfg(not(target_os = "linux"))]
pub(super) unsafe fn ask_for_huge_pages(_start: NonNull<u8>, _from: usize, _to: usize) {}

/// Gives up the addresses from one offset to another.
///
/// # Safety
///
/// The part lies within a range that the caller has reserved, and nobody refers to it any more.
pub(super) unsafe fn unmap(start: NonNull<u8>, from: usize, to: usize) {
    if from < to {
        // SAFETY: by this function's contract.
        let unmapped = unsafe { munmap(start.add(from).cast::<c_void>(), to - from) };
        debug_assert!(unmapped.is_ok(), "a mapping of our own can be unmapped");
    }
}
