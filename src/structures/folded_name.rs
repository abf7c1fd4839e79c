//! A short name with its case folded, as three machine words: compared and hashed without a loop over its bytes.

/// A name in which capitals and small letters of ASCII are the same.
#[derive(Clone, Copy, Debug)]
pub struct FoldedName([u64; 3]);

/// Word by word: as an array they would be compared by a longer load than they were just written with, which waits.
impl PartialEq for FoldedName {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        let ([first, second, third], [a, b, c]) = (self.0, other.0);
        (first ^ a) | (second ^ b) | (third ^ c) == 0
    }
}

impl Eq for FoldedName {}

/// The name's length is in the last byte.
const BYTES_MAX: usize = 23;

const WORD_BYTES: usize = size_of::<u64>();

impl FoldedName {
    /// Equal to no name.
    pub const NONE: Self = Self([u64::MAX; 3]);

    /// `None` for a name of more than 23 bytes.
    #[inline(always)]
    pub fn new(name: &[u8]) -> Option<Self> {
        if name.len() > BYTES_MAX {
            return None;
        }
        let (first, rest) = name.split_at(name.len().min(WORD_BYTES));
        let len = (name.len() as u64) << (u64::BITS - u8::BITS);
        let (second, third) = if rest.is_empty() {
            (0, 0)
        } else {
            let (second, third) = rest.split_at(rest.len().min(WORD_BYTES));
            (in_lower_case(word(second)), in_lower_case(word(third)))
        };
        Some(Self([in_lower_case(word(first)), second, third | len]))
    }

    /// Folded multiplication, as in wyhash (<https://github.com/wangyi-fudan/wyhash>).
    #[inline]
    pub fn hash(&self) -> u64 {
        const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
        let [first, second, third] = self.0;
        let mixed = first ^ second.rotate_left(24) ^ third.rotate_left(48);
        let product = u128::from(mixed) * u128::from(SPREAD);
        (product >> u64::BITS) as u64 ^ product as u64
    }
}

/// Up to eight bytes as a number, the first one lowest. The two reads of a middling length overlap.
#[inline]
fn word(bytes: &[u8]) -> u64 {
    let half = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
    if let Some(whole) = bytes.first_chunk() {
        u64::from_le_bytes(*whole)
    } else if let (Some(low), Some(high)) = (bytes.first_chunk(), bytes.last_chunk()) {
        half(low) | half(high) << (u8::BITS as usize * (bytes.len() - 4))
    } else {
        let byte = |at: usize| bytes.get(at).map_or(0, |&byte| u64::from(byte) << (u8::BITS as usize * at));
        byte(0) | byte(1) | byte(2)
    }
}

/// Makes small letters of the capitals among eight bytes. No sum reaches into the next byte, since each has seven bits.
#[inline]
fn in_lower_case(word: u64) -> u64 {
    const EACH: u64 = u64::MAX / 0xff;
    const TOP: u64 = EACH * 0x80;
    let low = word & !TOP;
    let from_a = low + EACH * u64::from(0x80 - b'A');
    let beyond_z = low + EACH * u64::from(0x7f - b'Z');
    let capitals = from_a & !beyond_z & !word & TOP;
    word | capitals >> 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_folded_as_ascii_does() {
        for byte in 0..=u8::MAX {
            for at in 0..WORD_BYTES {
                let mut bytes = *b"aZ@[`{\xc1\x00";
                bytes[at] = byte;
                let folded = in_lower_case(u64::from_le_bytes(bytes)).to_le_bytes();
                assert_eq!(folded, bytes.to_ascii_lowercase()[..], "{bytes:?}");
            }
        }
    }

    #[test]
    fn names_are_equal_when_they_differ_in_case_alone() {
        let long = b"GeoRadiusByMember_RO-xy\0";
        for end in 0..=BYTES_MAX {
            let name = &long[..end];
            let folded = FoldedName::new(name).unwrap();
            assert_eq!(FoldedName::new(&name.to_ascii_lowercase()), Some(folded));
            assert_eq!(FoldedName::new(&name.to_ascii_uppercase()).unwrap().hash(), folded.hash());
            for at in 0..end {
                let mut other = name.to_vec();
                other[at] ^= 1;
                assert_ne!(FoldedName::new(&other), Some(folded), "{other:?}");
            }
            assert_ne!(FoldedName::new(&[name, b"\0"].concat()), Some(folded), "a zero byte counts");
        }
        assert_eq!(FoldedName::new(&[b'x'; BYTES_MAX + 1]), None);
    }
}
