//! Combining whole strings, bit by bit.

use crate::structures::try_zeros;

/// How the bits of several strings become one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Combination {
    And,
    Or,
    Xor,
}

/// So much of the result is made of all sources before the next part is begun, so that it stays in the nearest cache.
const PART_BYTES: usize = 8 * 1024;

/// The combination of all sources. Behind its end a source is taken for zeros; the result is as long as the longest one.
/// `None` where there is no memory for it.
pub fn combine(how: Combination, sources: &[&[u8]]) -> Option<Vec<u8>> {
    let longest = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let shortest = sources.iter().map(|source| source.len()).min().unwrap_or(0);
    let mut result = try_zeros(longest)?;
    let Some((first, others)) = sources.split_first() else { return Some(result) };
    // Behind the end of the shortest source nothing but zeros comes of AND: memory that is zero already is not touched.
    let end = if how == Combination::And { shortest } else { longest };
    for start in (0..end).step_by(PART_BYTES) {
        let part = &mut result[start..end.min(start + PART_BYTES)];
        let own = part_of(first, start, part.len());
        part[..own.len()].copy_from_slice(own);
        for other in others {
            merge(how, part, part_of(other, start, part.len()));
        }
    }
    Some(result)
}

/// The bytes with every bit turned over; `None` where there is no memory for them.
pub fn invert(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut inverted = Vec::new();
    inverted.try_reserve_exact(bytes.len()).ok()?;
    inverted.extend(bytes.iter().map(|byte| !byte));
    Some(inverted)
}

fn part_of(source: &[u8], start: usize, len: usize) -> &[u8] {
    let rest = source.get(start..).unwrap_or_default();
    &rest[..len.min(rest.len())]
}

/// Combines `other` with the beginning of `part`.
fn merge(how: Combination, part: &mut [u8], other: &[u8]) {
    let pairs = part.iter_mut().zip(other);
    match how {
        Combination::And => pairs.for_each(|(byte, other)| *byte &= other),
        Combination::Or => pairs.for_each(|(byte, other)| *byte |= other),
        Combination::Xor => pairs.for_each(|(byte, other)| *byte ^= other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn nothing_combined_is_nothing() {
        assert_eq!(combine(Combination::Or, &[]), Some(Vec::new()));
        assert_eq!(combine(Combination::And, &[b"", b""]), Some(Vec::new()));
        assert_eq!(invert(b""), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn strings_are_combined_as_byte_by_byte(
            lens in proptest::collection::vec(prop_oneof![0usize..100, 8_000usize..20_000], 1..5),
            seed: u8,
        ) {
            let sources: Vec<Vec<u8>> = lens
                .iter()
                .enumerate()
                .map(|(n, len)| (0..*len).map(|at| (at as u8).wrapping_mul(31 + n as u8) ^ seed).collect())
                .collect();
            let sources: Vec<&[u8]> = sources.iter().map(Vec::as_slice).collect();
            let longest = lens.iter().copied().max().unwrap_or(0);
            for how in [Combination::And, Combination::Or, Combination::Xor] {
                let byte = |at: usize| {
                    let bytes = sources.iter().map(|source| source.get(at).copied().unwrap_or(0));
                    bytes.reduce(|left, right| match how {
                        Combination::And => left & right,
                        Combination::Or => left | right,
                        Combination::Xor => left ^ right,
                    })
                };
                let expected: Vec<u8> = (0..longest).filter_map(byte).collect();
                prop_assert_eq!(combine(how, &sources), Some(expected));
            }
            let twice = invert(sources[0]).and_then(|once| invert(&once));
            prop_assert_eq!(twice.as_deref(), Some(sources[0]));
        }
    }
}
