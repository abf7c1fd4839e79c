//! Memory that may not be there.
#![expect(unsafe_code, reason = "the standard library has no allocation of zeros that may fail")]

use std::alloc::{Layout, alloc_zeroed};

use super::size_class::size_class;

/// Numbers for which bytes of zero are the number zero.
///
/// # Safety
///
/// That is so.
pub unsafe trait Zero: Copy {}

// SAFETY: an integer of zero is bytes of zero.
unsafe impl Zero for u8 {}
// SAFETY: as above.
unsafe impl Zero for u32 {}

/// So many zeros in memory of exactly that size, whose pages are not touched; `None` where there is no such memory. For
/// sizes that somebody outside names: `vec![0; len]` would end the process.
pub fn try_zeros<T: Zero>(len: usize) -> Option<Vec<T>> {
    let layout = Layout::array::<T>(len).ok()?;
    if layout.size() == 0 {
        return Some(Vec::new());
    }
    // SAFETY: the size is not zero.
    let block = unsafe { alloc_zeroed(layout) }.cast::<T>();
    // SAFETY: the block was made by the global allocator for `len` numbers, all of which are zero.
    (!block.is_null()).then(|| unsafe { Vec::from_raw_parts(block, len, len) })
}

/// What is smaller is taken to be there.
const DOUBTFUL_BYTES_MIN: usize = 1 << 20;

/// What is kept beside so many bytes, such as the name of a field and the header of a block.
const BESIDE_BYTES: usize = 64 << 10;

/// Whether there is memory for so many bytes, before it is asked for in ways that would end the process: for a block that is as
/// large as those that hold them.
pub fn memory_holds(bytes: usize) -> bool {
    if bytes < DOUBTFUL_BYTES_MIN {
        return true;
    }
    let block = bytes.checked_add(BESIDE_BYTES).filter(|bytes| *bytes < isize::MAX as usize / 2).map(size_class);
    block.is_some_and(|bytes| Vec::<u8>::new().try_reserve_exact(bytes).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "ends where memory is asked for that is not there")]
    fn zeros_are_there_or_are_said_not_to_be() {
        assert_eq!(try_zeros::<u8>(0), Some(Vec::new()));
        assert_eq!(try_zeros::<u32>(3), Some(vec![0; 3]));
        let mut bytes = try_zeros::<u8>(100_000).expect("so much is there");
        assert!(bytes.capacity() == 100_000 && bytes.iter().all(|byte| *byte == 0));
        bytes.push(1);
        assert_eq!(bytes.len(), 100_001);
        assert_eq!(try_zeros::<u8>(isize::MAX as usize), None);
        assert_eq!(try_zeros::<u32>(usize::MAX), None);
        assert!(memory_holds(10 << 20) && !memory_holds(isize::MAX as usize));
    }
}
