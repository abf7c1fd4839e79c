//! How large to make a block of bytes that grows in small steps.

/// The block that an allocator with four sizes to each doubling hands out for `bytes`: growing to its end is free.
pub(super) fn size_class(bytes: usize) -> usize {
    if bytes <= 128 { bytes.next_multiple_of(16) } else { bytes.next_multiple_of(1 << ((bytes - 1).ilog2() - 2)) }
}

/// A copy of `bytes` in the memory of `buffer`, whatever that held; where it is too small, in a block of their class.
pub(super) fn copied(bytes: &[u8], mut buffer: Vec<u8>) -> Vec<u8> {
    buffer.clear();
    if buffer.capacity() < bytes.len() {
        buffer.reserve_exact(size_class(bytes.len()));
    }
    buffer.extend_from_slice(bytes);
    buffer
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
