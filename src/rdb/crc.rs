use crc_fast::{CrcAlgorithm, Digest};

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
    ///
    /// What came before is shifted up by so many bytes, that is multiplied by a power of x, which takes a product for
    /// each one bit of the length. The crate's own way squares matrices and takes longer than a megabyte of `update`.
    pub fn combine(&mut self, crc: u64, bytes: u64) {
        let mut shifted = self.value;
        for (bit, power) in POWERS.iter().enumerate() {
            if bytes >> bit & 1 == 1 {
                shifted = product(*power, shifted);
            }
        }
        self.value = shifted ^ crc;
    }

    pub const fn value(&self) -> u64 {
        self.value
    }
}

/// The Jones polynomial, its highest power in the lowest bit.
const POLYNOMIAL: u64 = 0x95AC_9329_AC4B_C9B5;

/// x to the power of 8, 16, 32 and so on, modulo the polynomial: what shifts by 1, 2, 4 bytes.
const POWERS: [u64; u64::BITS as usize] = {
    let mut powers = [0; u64::BITS as usize];
    // The highest bit means 1, so x^8 is eight bits below.
    powers[0] = 1 << (u64::BITS - 1 - 8);
    let mut at = 1;
    while at < powers.len() {
        powers[at] = product(powers[at - 1], powers[at - 1]);
        at += 1;
    }
    powers
};

/// The product of two polynomials modulo the polynomial.
const fn product(a: u64, mut b: u64) -> u64 {
    let mut product = 0;
    let mut bit = u64::BITS;
    while bit > 0 {
        bit -= 1;
        // Masks instead of branches, since the bits are as good as random.
        product ^= b & (a >> bit & 1).wrapping_neg();
        b = b >> 1 ^ POLYNOMIAL & (b & 1).wrapping_neg();
    }
    product
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

    #[test]
    fn combining_long_lengths_agrees_with_the_crate() {
        for bytes in [0, 1, 1 << 20, (1 << 20) + 12345, u64::from(u32::MAX), 1 << 40, u64::MAX / 8] {
            let (first, second) = (0x0123_4567_89AB_CDEF, if bytes == 0 { 0 } else { 0xFEDC_BA98_7654_3210 });
            let mut combined = Crc64 { value: first };
            combined.combine(second, bytes);
            let expected = crc_fast::checksum_combine(Crc64::ALGORITHM, first, second, bytes);
            assert_eq!(combined.value(), expected, "{bytes} bytes");
        }
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
