//! Dense registers: six bits each, from the lowest bit of the first byte on.

use super::estimate::Histogram;
use super::hash::Rank;
use super::{REGISTER_BITS, REGISTERS};

const VALUE_MASK: u16 = (1 << REGISTER_BITS) - 1;

/// Registers that are unpacked together, and the bytes that they take.
const GROUP: usize = 4;
const GROUP_BYTES: usize = GROUP * REGISTER_BITS / 8;

/// Where a register begins: its byte, and the bits of that before it.
#[inline]
fn place(index: usize) -> (usize, usize) {
    let bit = index * REGISTER_BITS;
    (bit / 8, bit % 8)
}

/// The two bytes that hold a register. The last register ends with its first byte.
#[inline]
fn pair(registers: &[u8], byte: usize) -> u16 {
    u16::from(registers[byte]) | u16::from(registers.get(byte + 1).copied().unwrap_or(0)) << 8
}

#[inline]
pub fn register(registers: &[u8], index: usize) -> u8 {
    let (byte, before) = place(index);
    (pair(registers, byte) >> before & VALUE_MASK) as u8
}

/// Sets a register, whatever it was.
#[inline]
pub fn set(registers: &mut [u8], rank: Rank) {
    let (byte, before) = place(rank.index);
    let cleared = pair(registers, byte) & !(VALUE_MASK << before);
    let [low, high] = (cleared | (u16::from(rank.value) & VALUE_MASK) << before).to_le_bytes();
    registers[byte] = low;
    if before + REGISTER_BITS > 8 {
        registers[byte + 1] = high;
    }
}

/// Sets a register that is lower. Returns whether it was.
#[inline]
pub fn raise(registers: &mut [u8], rank: Rank) -> bool {
    let raised = register(registers, rank.index) < rank.value;
    if raised {
        set(registers, rank);
    }
    raised
}

pub fn count(registers: &[u8], histogram: &mut Histogram) {
    const PART: usize = 1024;
    let mut values = [0; PART];
    for part in registers.chunks(PART / GROUP * GROUP_BYTES) {
        unpack(part, &mut values);
        histogram.add_all(&values);
    }
}

pub fn merge(registers: &[u8], highest: &mut [u8; REGISTERS]) {
    let mut values = [0; REGISTERS];
    unpack(registers, &mut values);
    for (highest, value) in highest.iter_mut().zip(&values) {
        *highest = (*value).max(*highest);
    }
}

/// Gives each register a byte.
fn unpack(registers: &[u8], values: &mut [u8]) {
    let (groups, _) = registers.as_chunks::<GROUP_BYTES>();
    let (places, _) = values.as_chunks_mut::<GROUP>();
    for ([a, b, c], values) in groups.iter().zip(places) {
        *values = [a & 63, (a >> 6 | b << 2) & 63, (b >> 4 | c << 4) & 63, c >> 2];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn registers_keep_their_values_apart(sets in proptest::collection::vec((0..REGISTERS, 0u8..64), 1..200)) {
            let mut registers = vec![0; REGISTERS * REGISTER_BITS / 8];
            let mut expected = [0; REGISTERS];
            for (index, value) in sets {
                // The last register has no byte behind it.
                for index in [index, REGISTERS - 1 - index] {
                    set(&mut registers, Rank { index, value });
                    expected[index] = value;
                    prop_assert_eq!(register(&registers, index), value);
                }
            }
            let mut values = [0; REGISTERS];
            merge(&registers, &mut values);
            prop_assert_eq!(&values[..], &expected[..]);
        }
    }
}
