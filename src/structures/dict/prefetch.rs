//! The one hint to the processor that the table gives, and readers of what it holds.

const LINE_BYTES: usize = 64;

/// Asks for the cache lines of these bytes without waiting for them.
#[inline]
pub fn prefetch_bytes(bytes: &[u8]) {
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        prefetch_line(core::ptr::from_ref(byte));
        at += LINE_BYTES;
    }
    // These steps leave out the last line where the bytes begin far behind in theirs.
    if let Some(last) = bytes.last() {
        prefetch_line(core::ptr::from_ref(last));
    }
}

/// Asks for the cache line at `address` without waiting for it. Any address is allowed, also one that is not mapped.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
#[expect(unsafe_code, reason = "the prefetch intrinsic takes a raw pointer")]
pub(in crate::structures) fn prefetch_line<T>(address: *const T) {
    use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a prefetch reads nothing that the program could see and never faults, whatever the address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast::<i8>()) }
}

/// Other processors have no stable intrinsic for it: they find the line when they need it.
#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(in crate::structures) fn prefetch_line<T>(_address: *const T) {}
