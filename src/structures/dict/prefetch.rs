//! The one hint to the processor that the table gives.

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
