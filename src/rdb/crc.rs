use crc_fast::{CrcAlgorithm, Digest, checksum_combine};

/// Redis's CRC-64: the Jones polynomial, reflected, with nothing added at the start or the end.
///
/// One update costs some tens of nanoseconds before its first byte, so that it wants whole buffers and not fields.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Crc64 {
    value: u64,
}

impl Crc64 {
    const ALGORITHM: CrcAlgorithm = CrcAlgorithm::Crc64Redis;

    pub const fn new() -> Self {
        Self { value: 0 }
    }

    pub fn of(bytes: &[u8]) -> u64 {
        let mut crc = Self::new();
        crc.update(bytes);
        crc.value
    }

    pub fn update(&mut self, bytes: &[u8]) {
        let mut digest = Digest::new_with_init_state(Self::ALGORITHM, self.value);
        digest.update(bytes);
        self.value = digest.finalize();
    }

    /// Goes on as if the `bytes` many bytes whose own checksum is `crc` had been given to `update`.
    pub fn combine(&mut self, crc: u64, bytes: u64) {
        if bytes > 0 {
            self.value = checksum_combine(Self::ALGORITHM, self.value, crc, bytes);
        }
    }

    pub const fn value(&self) -> u64 {
        self.value
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn check_value_is_that_of_redis() {
        assert_eq!(Crc64::of(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(Crc64::of(b""), 0);
    }

    proptest! {
        #[test]
        fn agrees_with_a_table_driven_crc_however_the_bytes_are_cut(
            bytes in prop::collection::vec(any::<u8>(), 0..3000),
            cut in any::<prop::sample::Index>(),
        ) {
            let cut = cut.index(bytes.len() + 1);
            let expected = crc64::crc64(0, &bytes);
            let mut crc = Crc64::new();
            crc.update(&bytes[..cut]);
            crc.update(&bytes[cut..]);
            prop_assert_eq!(crc.value(), expected);
        }

        #[test]
        fn combining_equals_updating(
            first in prop::collection::vec(any::<u8>(), 0..600),
            second in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            let mut combined = Crc64::new();
            combined.update(&first);
            combined.combine(Crc64::of(&second), second.len() as u64);
            prop_assert_eq!(combined.value(), Crc64::of(&[first, second].concat()));
        }
    }
}
