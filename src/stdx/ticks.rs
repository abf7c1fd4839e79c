//! The processor's time-stamp counter, which takes a third of the time that asking the kernel's clock takes.

/// The count of the processor's clock, at a rate that is not known, or `None` where there is no such counter to read.
///
/// It is of use only where [`are_steady`] says so.
#[inline]
pub fn read() -> Option<u64> {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        Some(counter())
    }
    #[cfg(any(not(target_arch = "x86_64"), miri))]
    {
        None
    }
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
#[inline]
#[expect(unsafe_code, reason = "an instruction of the processor")]
fn counter() -> u64 {
    // SAFETY: every processor of 64 bits has the instruction, and user programs may run it unless they forbade it themselves.
    unsafe { core::arch::x86_64::_rdtsc() }
}

/// Whether the kernel itself takes its time from the counter. It does so only where the count goes on at one rate in every
/// state of the processor and is the same on all of its cores
/// (<https://docs.kernel.org/virt/kvm/x86/timekeeping.html>).
pub fn are_steady(clock_source: &str) -> bool {
    read().is_some() && clock_source.trim() == "tsc"
}
