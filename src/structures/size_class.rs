//! How large to make a block of bytes that grows in small steps.

/// The block that an allocator with four sizes to each doubling hands out for `bytes`: growing to its end is free.
pub(super) fn size_class(bytes: usize) -> usize {
    if bytes <= 128 { bytes.next_multiple_of(16) } else { bytes.next_multiple_of(1 << ((bytes - 1).ilog2() - 2)) }
}

#[cfg(test)]
mod tests {
    use super::size_class;
    use crate::stdx::size::ELEMENT_BYTES_MAX;

    #[test]
    fn classes_are_sixteen_bytes_apart_and_then_a_quarter_of_each_doubling() {
        for (bytes, class) in [(1, 16), (16, 16), (17, 32), (128, 128), (129, 160), (161, 192), (256, 256), (257, 320)]
        {
            assert_eq!(size_class(bytes), class);
        }
        assert_eq!(size_class(5_000), 5_120);
    }

    #[test]
    fn a_class_holds_what_it_is_for_wastes_at_most_a_quarter_and_is_its_own() {
        let around = (4..=33).flat_map(|bits| [5usize, 6, 7, 8].map(|quarters| (quarters << bits) / 4));
        for bytes in around.flat_map(|bytes| [bytes - 1, bytes, bytes + 1]).chain([2 * ELEMENT_BYTES_MAX + 64]) {
            let class = size_class(bytes);
            assert!(class >= bytes && (bytes <= 128 || class - bytes < bytes / 4), "{bytes} in {class}");
            assert_eq!(size_class(class), class);
        }
    }

    /// `thin` and the listpacks use the slack of a block without asking for it.
    #[cfg(not(miri))]
    #[test]
    #[expect(unsafe_code, reason = "asks the allocator about a block")]
    fn classes_are_those_of_the_allocator() {
        for bytes in (1..4_000).chain([4_097, 65_536, 100_000, 1 << 20]) {
            let class = size_class(bytes);
            let block = Vec::<u8>::with_capacity(class);
            // SAFETY: the block is a live one of the global allocator.
            assert_eq!(unsafe { tikv_jemallocator::usable_size(block.as_ptr()) }, class);
        }
    }
}
