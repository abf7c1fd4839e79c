//! The sizes of blocks.

use crate::structures::size_class::size_class;

/// The largest block of a page; what is larger comes from the global allocator.
pub(super) const BLOCK_BYTES_MAX: usize = 8 << 10;

/// How many sizes there are.
pub(super) const CLASSES: usize = SMALL_CLASSES + 5 * CLASSES_IN_DOUBLING;

const BLOCK_BYTES_MIN: usize = 8;
const SMALL_STEP: usize = 4;
const SMALL_BYTES_MAX: usize = 256;
const SMALL_CLASSES: usize = (SMALL_BYTES_MAX - BLOCK_BYTES_MIN) / SMALL_STEP + 1;
const CLASSES_IN_DOUBLING: usize = 16;

/// One of the sizes that blocks in pages have: 8 bytes, then steps of 4 up to 256, then 16 sizes to each doubling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class(u8);

impl Class {
    /// The smallest class that holds `bytes`; `None` where no page has such blocks.
    #[inline]
    pub(crate) const fn of(bytes: usize) -> Option<Self> {
        if bytes <= BLOCK_BYTES_MIN {
            return Some(Self(0));
        }
        if bytes <= SMALL_BYTES_MAX {
            return Some(Self((bytes.div_ceil(SMALL_STEP) - BLOCK_BYTES_MIN / SMALL_STEP) as u8));
        }
        if bytes > BLOCK_BYTES_MAX {
            return None;
        }
        let doubling = ((bytes - 1) / SMALL_BYTES_MAX).ilog2() as usize;
        let start = SMALL_BYTES_MAX << doubling;
        let step = start / CLASSES_IN_DOUBLING;
        Some(Self((SMALL_CLASSES + doubling * CLASSES_IN_DOUBLING + (bytes - start).div_ceil(step) - 1) as u8))
    }

    /// # Panics
    ///
    /// When there is no such class.
    #[inline]
    pub(crate) const fn with_index(index: usize) -> Self {
        assert!(index < CLASSES, "there is no such class");
        Self(index as u8)
    }

    #[inline]
    pub(crate) const fn index(self) -> usize {
        self.0 as usize
    }

    /// Bytes of a block.
    #[inline]
    pub(crate) fn bytes(self) -> usize {
        BYTES[self.index()] as usize
    }
}

/// Bytes of each class. The rest of the table makes every index one of it.
static BYTES: [u16; 1 << u8::BITS] = {
    let mut bytes = [0; 1 << u8::BITS];
    let mut index = 0;
    while index < CLASSES {
        bytes[index] = bytes_of(index) as u16;
        index += 1;
    }
    bytes
};

const fn bytes_of(index: usize) -> usize {
    if index < SMALL_CLASSES {
        return BLOCK_BYTES_MIN + index * SMALL_STEP;
    }
    let (doubling, step) =
        ((index - SMALL_CLASSES) / CLASSES_IN_DOUBLING, (index - SMALL_CLASSES) % CLASSES_IN_DOUBLING + 1);
    let start = SMALL_BYTES_MAX << doubling;
    start + start / CLASSES_IN_DOUBLING * step
}

/// Bytes of the block that is made for so many.
#[inline]
pub fn block_bytes(bytes: usize) -> usize {
    Class::of(bytes).map_or_else(|| size_class(bytes), Class::bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_the_smallest_that_holds_the_bytes() {
        let mut before = 0;
        for index in 0..CLASSES {
            let class = Class::with_index(index);
            assert!(class.bytes() > before && class.bytes().is_multiple_of(4));
            for bytes in [before + 1, class.bytes()] {
                assert_eq!(Class::of(bytes), Some(class), "{bytes}");
            }
            before = class.bytes();
        }
        assert_eq!((before, Class::of(before + 1)), (BLOCK_BYTES_MAX, None));
        assert_eq!(Class::of(0), Some(Class::with_index(0)));
    }

    #[test]
    fn a_block_wastes_little() {
        for bytes in 8..=20_000 {
            let waste = block_bytes(bytes) - bytes;
            assert!(waste < 4 || (bytes > 256 && waste * 16 < bytes) || (bytes > 8 << 10 && waste * 4 <= bytes));
        }
    }
}
