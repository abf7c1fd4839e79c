//! Reading ziplists, the compact encoding of lists, hashes and sorted sets in RDB files up to version 9.
//!
//! Nothing writes them any more: a value that comes as a ziplist is read once and kept in another encoding.

use super::listpack::{Entry, Listpack};

/// Total size (32 bits), offset of the last entry (32 bits) and number of entries (16 bits), little-endian.
const HEADER_BYTES: usize = 10;
const END: u8 = 0xFF;
const COUNT_UNKNOWN: u16 = u16::MAX;

/// The first byte of an entry when the size of the entry before it takes four more bytes.
const LONG_PREVIOUS: u8 = 0xFE;

/// A ziplist that has been checked from end to end.
#[derive(Clone, Copy, Debug)]
pub struct Ziplist<'a> {
    entries: &'a [u8],
    #[allow(dead_code, reason = "tests compare it with a model")]
    len: usize,
}

/// Why bytes are no ziplist. Offsets are in bytes from the start of the ziplist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("ziplist of {size} bytes is too short for its header")]
    TooShort { size: usize },
    #[error("ziplist header says {stated} bytes, there are {size}")]
    Size { stated: u32, size: usize },
    #[error("ziplist has no end mark")]
    NoEnd,
    #[error("ziplist entry at offset {offset} is unknown or reaches past the end")]
    Entry { offset: usize },
    #[error("ziplist entry at offset {offset} states a wrong size for the entry before it")]
    Previous { offset: usize },
    #[error("ziplist header puts the last entry at offset {stated}, it is at {offset}")]
    Tail { stated: u32, offset: usize },
    #[error("ziplist header says {stated} entries, there are {count}")]
    Count { stated: u16, count: usize },
}

impl<'a> Ziplist<'a> {
    /// Checks every entry of `bytes`, which must be one whole ziplist and nothing else.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let size = bytes.len();
        let (Some((header, _)), true) = (bytes.split_first_chunk::<HEADER_BYTES>(), size > HEADER_BYTES) else {
            return Err(Malformed::TooShort { size });
        };
        let &[s0, s1, s2, s3, t0, t1, t2, t3, c0, c1] = header;
        let stated = u32::from_le_bytes([s0, s1, s2, s3]);
        if stated as usize != size {
            return Err(Malformed::Size { stated, size });
        }
        let Some((&END, up_to_end)) = bytes.split_last() else { return Err(Malformed::NoEnd) };

        let (mut offset, mut last, mut previous, mut len) = (HEADER_BYTES, HEADER_BYTES, 0, 0);
        while offset < up_to_end.len() {
            let (stated_previous, _, entry_size) = decode(&up_to_end[offset..]).ok_or(Malformed::Entry { offset })?;
            if stated_previous != previous {
                return Err(Malformed::Previous { offset });
            }
            (last, previous) = (offset, entry_size);
            offset += entry_size;
            len += 1;
        }

        let stated = u32::from_le_bytes([t0, t1, t2, t3]);
        if len > 0 && stated as usize != last || stated as usize > up_to_end.len() {
            return Err(Malformed::Tail { stated, offset: last });
        }
        let stated = u16::from_le_bytes([c0, c1]);
        if stated != COUNT_UNKNOWN && usize::from(stated) != len {
            return Err(Malformed::Count { stated, count: len });
        }
        Ok(Self { entries: &up_to_end[HEADER_BYTES..], len })
    }

    /// The number of entries.
    #[allow(dead_code, reason = "tests compare it with a model")]
    pub fn len(&self) -> usize {
        self.len
    }

    #[allow(dead_code, reason = "tests compare it with a model")]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The entries from the first to the last.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let mut rest = self.entries;
        std::iter::from_fn(move || {
            let (_, entry, size) = decode(rest)?;
            rest = &rest[size..];
            Some(entry)
        })
    }

    pub fn to_listpack(self) -> Listpack {
        let mut listpack = Listpack::with_capacity(self.entries.len());
        listpack.extend(self.iter());
        listpack
    }
}

/// Reads the entry at the start of `bytes`: the size that it states of the entry before, its value, and its own size.
fn decode(bytes: &[u8]) -> Option<(usize, Entry<'_>, usize)> {
    let (previous, previous_size) = match *bytes.first()? {
        LONG_PREVIOUS => (u32::from_le_bytes(*bytes[1..].first_chunk()?) as usize, 5),
        END => return None,
        short => (usize::from(short), 1),
    };
    let (entry, size) = decode_value(&bytes[previous_size..])?;
    Some((previous, entry, previous_size + size))
}

fn decode_value(bytes: &[u8]) -> Option<(Entry<'_>, usize)> {
    let (&first, rest) = bytes.split_first()?;
    let string = |at: usize, len: usize| Some((Entry::Bytes(bytes.get(at..at.checked_add(len)?)?), at + len));
    let int = |value: i64, size: usize| Some((Entry::Int(value), size));
    match first {
        0x00..=0x3F => string(1, usize::from(first)),
        // Lengths of strings, unlike everything else here, have their highest byte first.
        0x40..=0x7F => string(2, usize::from(first & 0x3F) << 8 | usize::from(*rest.first()?)),
        0x80..=0xBF => string(5, u32::from_be_bytes(*rest.first_chunk()?) as usize),
        0xC0 => int(i16::from_le_bytes(*rest.first_chunk()?).into(), 3),
        0xD0 => int(i32::from_le_bytes(*rest.first_chunk()?).into(), 5),
        0xE0 => int(i64::from_le_bytes(*rest.first_chunk()?), 9),
        0xF0 => {
            let &[low, middle, high] = rest.first_chunk()?;
            int((i32::from_le_bytes([0, low, middle, high]) >> 8).into(), 4)
        }
        0xFE => int(i8::from_le_bytes(*rest.first_chunk()?).into(), 2),
        0xF1..=0xFD => int(i64::from(first) - 0xF1, 1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Lays out a ziplist as Redis 6 did: the smallest form of each value, and sizes of five bytes from 254 on.
    fn build(values: &[Vec<u8>]) -> Vec<u8> {
        let (mut bytes, mut previous, mut last) = (vec![0; HEADER_BYTES], 0usize, HEADER_BYTES);
        for value in values {
            last = bytes.len();
            match u8::try_from(previous) {
                Ok(short) if short < LONG_PREVIOUS => bytes.push(short),
                _ => {
                    bytes.push(LONG_PREVIOUS);
                    bytes.extend_from_slice(&(previous as u32).to_le_bytes());
                }
            }
            match Entry::canonical(value) {
                Entry::Int(value) => build_int(value, &mut bytes),
                Entry::Bytes(value) => {
                    match value.len() {
                        len @ 0..=0x3F => bytes.push(len as u8),
                        len @ 0x40..=0x3FFF => bytes.extend([0x40 | (len >> 8) as u8, len as u8]),
                        len => {
                            bytes.push(0x80);
                            bytes.extend_from_slice(&(len as u32).to_be_bytes());
                        }
                    }
                    bytes.extend_from_slice(value);
                }
            }
            previous = bytes.len() - last;
        }
        bytes.push(END);
        let size = bytes.len() as u32;
        bytes[..4].copy_from_slice(&size.to_le_bytes());
        bytes[4..8].copy_from_slice(&(last as u32).to_le_bytes());
        bytes[8..10].copy_from_slice(&(values.len() as u16).to_le_bytes());
        bytes
    }

    fn build_int(value: i64, bytes: &mut Vec<u8>) {
        let raw = value.to_le_bytes();
        let (tag, len) = match value {
            0..=12 => {
                bytes.push(0xF1 + raw[0]);
                return;
            }
            -0x80..=0x7F => (0xFE, 1),
            -0x8000..=0x7FFF => (0xC0, 2),
            -0x80_0000..=0x7F_FFFF => (0xF0, 3),
            -0x8000_0000..=0x7FFF_FFFF => (0xD0, 4),
            _ => (0xE0, 8),
        };
        bytes.push(tag);
        bytes.extend_from_slice(&raw[..len]);
    }

    fn contents(ziplist: Ziplist<'_>) -> Vec<Vec<u8>> {
        ziplist.iter().map(Entry::to_vec).collect()
    }

    #[test]
    fn hash_and_sorted_set_of_redis_6_are_read() {
        let hash = b"\x1b\0\0\0\x16\0\0\0\x04\0\0\x02f1\x04\x02v1\x04\x02f2\x04\x02v2\xff";
        let hash = Ziplist::parse(hash).unwrap();
        assert_eq!(contents(hash), ["f1", "v1", "f2", "v2"].map(|text| text.as_bytes().to_vec()));
        assert_eq!(hash.len(), 4);

        let zset = b"\x19\0\0\0\x16\0\0\0\x04\0\0\x03one\x05\xf2\x02\x03two\x05\xf3\xff";
        let zset = Ziplist::parse(zset).unwrap();
        let values: Vec<_> = zset.iter().collect();
        assert_eq!(values, [Entry::Bytes(b"one"), Entry::Int(1), Entry::Bytes(b"two"), Entry::Int(2)]);
        assert_eq!(zset.to_listpack().len(), 4);
    }

    #[test]
    fn every_form_of_an_integer_is_read() {
        for value in [0, 12, 13, -1, 127, -128, 128, 32_767, -32_768, 32_768, 8_388_607, -8_388_608] {
            for value in [value, value << 8, value << 16, value << 40] {
                let bytes = build(&[value.to_string().into_bytes()]);
                assert_eq!(Ziplist::parse(&bytes).unwrap().iter().next(), Some(Entry::Int(value)));
            }
        }
    }

    #[test]
    fn empty_ziplist_is_read() {
        let bytes = build(&[]);
        assert!(Ziplist::parse(&bytes).unwrap().is_empty());
    }

    #[test]
    fn malformed_ziplists_are_refused_with_their_reason() {
        let good = build(&[b"abc".to_vec(), b"def".to_vec()]);
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            Ziplist::parse(&bytes).err()
        };
        assert_eq!(Ziplist::parse(&good[..10]).err(), Some(Malformed::TooShort { size: 10 }));
        assert_eq!(with(0, 22), Some(Malformed::Size { stated: 22, size: 21 }));
        assert_eq!(with(20, 0), Some(Malformed::NoEnd));
        assert_eq!(with(4, 10), Some(Malformed::Tail { stated: 10, offset: 15 }));
        assert_eq!(with(8, 1), Some(Malformed::Count { stated: 1, count: 2 }));
        assert_eq!(with(15, 4), Some(Malformed::Previous { offset: 15 }));
        assert_eq!(with(15, END), Some(Malformed::Entry { offset: 15 }));
        assert_eq!(with(16, 9), Some(Malformed::Entry { offset: 15 }));
        assert_eq!(with(16, 0xFF), Some(Malformed::Entry { offset: 15 }));
    }

    #[test]
    fn flipped_bytes_are_refused_or_harmless() {
        let values: Vec<Vec<u8>> = (0..40)
            .map(
                |n: usize| {
                    if n.is_multiple_of(2) { vec![b'v'; n * 8] } else { (n * n * n * n * n).to_string().into_bytes() }
                },
            )
            .collect();
        let golden = build(&values);
        assert_eq!(contents(Ziplist::parse(&golden).unwrap()), values);
        let mut rng = fastrand::Rng::with_seed(20_261_122);
        for _ in 0..10_000 {
            let mut bytes = golden.clone();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..bytes.len());
                bytes[at] = rng.u8(..);
            }
            if let Ok(ziplist) = Ziplist::parse(&bytes) {
                assert_eq!(ziplist.iter().count(), ziplist.len());
                assert_eq!(ziplist.to_listpack().len(), ziplist.len());
            }
        }
    }

    proptest! {
        #[test]
        fn every_value_is_read_back(
            values in proptest::collection::vec(
                prop_oneof![
                    any::<i64>().prop_map(|value| value.to_string().into_bytes()),
                    (-200i64..200).prop_map(|value| value.to_string().into_bytes()),
                    proptest::collection::vec(any::<u8>(), 0..300),
                ],
                0..30,
            ),
        ) {
            let bytes = build(&values);
            let ziplist = Ziplist::parse(&bytes).unwrap();
            prop_assert_eq!(&contents(ziplist), &values);
            let listpack = ziplist.to_listpack();
            prop_assert_eq!(listpack.iter().map(Entry::to_vec).collect::<Vec<_>>(), values);
        }

        #[test]
        fn arbitrary_bytes_never_panic(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
            repair: bool,
        ) {
            if repair && bytes.len() > HEADER_BYTES {
                let size = bytes.len();
                bytes[..4].copy_from_slice(&(size as u32).to_le_bytes());
                bytes[HEADER_BYTES] = 0;
                bytes[size - 1] = END;
            }
            let _ = Ziplist::parse(&bytes);
        }
    }
}
