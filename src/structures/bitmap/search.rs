//! Searching for the first bit that is set, or clear.

/// Bytes that are looked at together where none of them has what is searched.
const BLOCK_BYTES: usize = 64;

/// The first bit that has this value.
pub fn find_bit(bytes: &[u8], bit: bool) -> Option<u64> {
    let index = first_other(bytes, if bit { 0 } else { 0xff })?;
    Some(index as u64 * 8 + u64::from(wanted(bytes[index], bit).leading_zeros()))
}

/// As [`find_bit`], among the bits from `first` to `last`, both within the bytes.
pub fn find_bit_between(bytes: &[u8], bit: bool, first: u64, last: u64) -> Option<u64> {
    let (from, to) = ((first / 8) as usize, (last / 8) as usize);
    let in_byte = |index: usize, mask: u8| {
        let found = wanted(bytes[index], bit) & mask;
        (found != 0).then(|| index as u64 * 8 + u64::from(found.leading_zeros()))
    };
    let (head, tail) = (0xff >> (first % 8), 0xff << (7 - last % 8));
    if from == to {
        return in_byte(from, head & tail);
    }
    let between = || find_bit(&bytes[from + 1..to], bit).map(|at| at + (from as u64 + 1) * 8);
    in_byte(from, head).or_else(between).or_else(|| in_byte(to, tail))
}

/// The byte with the bits set that are searched.
fn wanted(byte: u8, bit: bool) -> u8 {
    if bit { byte } else { !byte }
}

/// Where the first byte is that is not `skipped`.
fn first_other(bytes: &[u8], skipped: u8) -> Option<usize> {
    let (blocks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
    let differs = |block: &[u8; BLOCK_BYTES]| block.iter().fold(0, |all, byte| all | (byte ^ skipped)) != 0;
    let (start, tail) = match blocks.iter().position(differs) {
        Some(block) => (block * BLOCK_BYTES, &blocks[block][..]),
        None => (bytes.len() - rest.len(), rest),
    };
    tail.iter().position(|byte| *byte != skipped).map(|index| start + index)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_is_found_where_nothing_is() {
        for len in 0..300 {
            assert_eq!(find_bit(&vec![0; len], true), None);
            assert_eq!(find_bit(&vec![0xff; len], false), None);
        }
    }

    proptest! {
        #[test]
        fn the_first_bit_is_found_wherever_it_is(len in 1usize..400, at: u32, ends: [u32; 2], bit: bool) {
            let bits = len as u64 * 8;
            let at = u64::from(at) % bits;
            let (a, b) = (u64::from(ends[0]) % bits, u64::from(ends[1]) % bits);
            let (first, last) = (a.min(b), a.max(b));
            let mut bytes = vec![if bit { 0 } else { 0xff }; len];
            bytes[(at / 8) as usize] ^= 0x80 >> (at % 8);
            prop_assert_eq!(find_bit(&bytes, bit), Some(at));
            let expected = (first..=last).contains(&at).then_some(at);
            prop_assert_eq!(find_bit_between(&bytes, bit, first, last), expected);
            // Among random bits the first one counts.
            let bytes: Vec<u8> = (0..len).map(|index| (index as u8).wrapping_mul(167) ^ at as u8).collect();
            let holds = |at: &u64| (bytes[(at / 8) as usize] & (0x80 >> (at % 8)) != 0) == bit;
            prop_assert_eq!(find_bit_between(&bytes, bit, first, last), (first..=last).find(holds));
        }
    }
}
