//! How large to make a block of bytes that grows in small steps.

/// The block that an allocator with four sizes to each doubling hands out for `bytes`: growing to its end is free.
pub(super) fn size_class(bytes: usize) -> usize {
    if bytes <= 128 { bytes.next_multiple_of(16) } else { bytes.next_multiple_of(1 << ((bytes - 1).ilog2() - 2)) }
}

#[cfg(test)]
mod tests {
    use super::size_class;

    #[test]
    fn classes_are_sixteen_bytes_apart_and_then_a_quarter_of_each_doubling() {
        for (bytes, class) in [(1, 16), (16, 16), (17, 32), (128, 128), (129, 160), (161, 192), (256, 256), (257, 320)]
        {
            assert_eq!(size_class(bytes), class);
        }
        assert_eq!(size_class(5_000), 5_120);
    }
}
