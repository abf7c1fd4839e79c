//! The hash of an element, and what a sketch keeps of it.

use super::{INDEX_BITS, REGISTERS};

/// Sketches of two servers can be merged only where both hash with this.
const SEED: u64 = 0xadc8_3b19;

/// A register, and the value that it is to have at least.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rank {
    pub index: usize,
    pub value: u8,
}

impl Rank {
    /// The lowest bits of the hash are the register's index; of the others the zeros below the lowest one are counted,
    /// and that one with them.
    #[inline]
    pub fn of(element: &[u8]) -> Self {
        let hash = murmur_hash_64a(element, SEED);
        // A bit above the hash's own ends a run of nothing but zeros.
        let rest = (hash >> INDEX_BITS) | (1 << (u64::BITS - INDEX_BITS));
        Self { index: hash as usize % REGISTERS, value: rest.trailing_zeros() as u8 + 1 }
    }
}

/// MurmurHash64A by Austin Appleby, with the bytes read in little-endian order on every machine.
fn murmur_hash_64a(bytes: &[u8], seed: u64) -> u64 {
    const FACTOR: u64 = 0xc6a4_a793_5bd1_e995;
    const SHIFT: u32 = 47;
    let mut hash = seed ^ (bytes.len() as u64).wrapping_mul(FACTOR);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        let mut word = u64::from_le_bytes(*word).wrapping_mul(FACTOR);
        word ^= word >> SHIFT;
        hash = (hash ^ word.wrapping_mul(FACTOR)).wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        hash = (hash ^ u64::from_le_bytes(last)).wrapping_mul(FACTOR);
    }
    hash = (hash ^ (hash >> SHIFT)).wrapping_mul(FACTOR);
    hash ^ (hash >> SHIFT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_stay_within_the_registers_and_what_a_hash_can_yield() {
        for n in 0..100_000u32 {
            let rank = Rank::of(&n.to_le_bytes());
            assert!(rank.index < REGISTERS && (1..=51).contains(&rank.value), "{rank:?}");
        }
    }
}
