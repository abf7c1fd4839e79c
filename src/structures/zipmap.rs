//! Reading zipmaps, the compact encoding of hashes in RDB files older than Redis 2.6.
//!
//! Nothing writes them any more: a hash that comes as a zipmap is read once and kept in another encoding.

/// The lowest first byte of a length that says something else than the length itself.
const LONG_LENGTH: u8 = 254;
const END: u8 = 255;

/// A zipmap that has been checked from end to end.
#[derive(Clone, Copy, Debug)]
pub struct Zipmap<'a> {
    pairs: &'a [u8],
    len: usize,
}

/// Why bytes are no zipmap. Offsets are in bytes from the start of the zipmap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("zipmap of {size} bytes is too short")]
    TooShort { size: usize },
    #[error("zipmap has no end mark")]
    NoEnd,
    #[error("zipmap pair at offset {offset} reaches past the end or has a wrong length")]
    Pair { offset: usize },
    #[error("zipmap header says {stated} pairs, there are {count}")]
    Count { stated: u8, count: usize },
}

impl<'a> Zipmap<'a> {
    /// Checks every pair of `bytes`, which must be one whole zipmap and nothing else.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let [stated, pairs @ .., last] = bytes else { return Err(Malformed::TooShort { size: bytes.len() }) };
        if *last != END {
            return Err(Malformed::NoEnd);
        }
        let (mut offset, mut len) = (0, 0);
        while offset < pairs.len() {
            let (_, size) = decode_pair(&pairs[offset..]).ok_or(Malformed::Pair { offset: 1 + offset })?;
            offset += size;
            len += 1;
        }
        if *stated < LONG_LENGTH && usize::from(*stated) != len {
            return Err(Malformed::Count { stated: *stated, count: len });
        }
        Ok(Self { pairs, len })
    }

    /// The number of pairs.
    pub fn len(&self) -> usize {
        self.len
    }

    #[allow(dead_code, reason = "tests compare it with a model")]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The fields with their values.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let mut rest = self.pairs;
        std::iter::from_fn(move || {
            let (pair, size) = decode_pair(rest)?;
            rest = &rest[size..];
            Some(pair)
        })
    }
}

type Pair<'a> = (&'a [u8], &'a [u8]);

/// Reads the pair at the start of `bytes` and its whole size.
fn decode_pair(bytes: &[u8]) -> Option<(Pair<'_>, usize)> {
    let (field_len, at) = decode_length(bytes)?;
    let field = bytes.get(at..at.checked_add(field_len)?)?;
    let rest = &bytes[at + field_len..];

    let (value_len, at) = decode_length(rest)?;
    // A value may be followed by bytes that an older, longer value has left; one byte says how many.
    let unused = usize::from(*rest.get(at)?);
    let value = rest.get(at + 1..(at + 1).checked_add(value_len)?)?;
    let size = bytes.len() - rest.len() + at + 1 + value_len + unused;
    (size <= bytes.len()).then_some(((field, value), size))
}

/// Reads a length and how many bytes it takes; the long form may hold only what the short one cannot.
fn decode_length(bytes: &[u8]) -> Option<(usize, usize)> {
    match *bytes.first()? {
        END => None,
        LONG_LENGTH => {
            let len = u32::from_le_bytes(*bytes[1..].first_chunk()?) as usize;
            (len >= usize::from(LONG_LENGTH)).then_some((len, 5))
        }
        short => Some((usize::from(short), 1)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn build(pairs: &[(Vec<u8>, Vec<u8>, u8)]) -> Vec<u8> {
        let length = |bytes: &mut Vec<u8>, len: usize| match u8::try_from(len) {
            Ok(short) if short < LONG_LENGTH => bytes.push(short),
            _ => {
                bytes.push(LONG_LENGTH);
                bytes.extend_from_slice(&(len as u32).to_le_bytes());
            }
        };
        let mut bytes = vec![u8::try_from(pairs.len()).map_or(LONG_LENGTH, |len| len.min(LONG_LENGTH))];
        for (field, value, unused) in pairs {
            length(&mut bytes, field.len());
            bytes.extend_from_slice(field);
            length(&mut bytes, value.len());
            bytes.push(*unused);
            bytes.extend_from_slice(value);
            bytes.resize(bytes.len() + usize::from(*unused), b'?');
        }
        bytes.push(END);
        bytes
    }

    #[test]
    fn hash_of_redis_2_4_is_read() {
        let bytes = b"\x02\x02f1\x02\x00v1\x02f2\x02\x00v2\xff";
        let zipmap = Zipmap::parse(bytes).unwrap();
        let pairs: Vec<_> = zipmap.iter().collect();
        assert_eq!(pairs, [(b"f1".as_slice(), b"v1".as_slice()), (b"f2", b"v2")]);
        assert_eq!(zipmap.len(), 2);
    }

    #[test]
    fn malformed_zipmaps_are_refused_with_their_reason() {
        let good = build(&[(b"f".to_vec(), b"value".to_vec(), 2)]);
        let with = |at: usize, byte: u8| {
            let mut bytes = good.clone();
            bytes[at] = byte;
            Zipmap::parse(&bytes).err()
        };
        assert_eq!(with(0, 1), None);
        assert_eq!(Zipmap::parse(&[END]).err(), Some(Malformed::TooShort { size: 1 }));
        assert_eq!(with(good.len() - 1, 0), Some(Malformed::NoEnd));
        assert_eq!(with(0, 2), Some(Malformed::Count { stated: 2, count: 1 }));
        assert_eq!(with(1, 20), Some(Malformed::Pair { offset: 1 }));
        assert_eq!(with(3, 200), Some(Malformed::Pair { offset: 1 }));
        assert_eq!(with(4, 3), Some(Malformed::Pair { offset: 1 }));
        // A short length in the long form.
        assert_eq!(Zipmap::parse(b"\x01\xfe\x01\0\0\0f\x01\0v\xff").err(), Some(Malformed::Pair { offset: 1 }));
        assert_eq!(Zipmap::parse(b"\x01\xfe\xff\xff\xff\xff\xff").err(), Some(Malformed::Pair { offset: 1 }));
    }

    #[test]
    fn flipped_bytes_are_refused_or_harmless() {
        let pairs: Vec<_> = (0..20u8).map(|n| (vec![b'f'; n.into()], vec![b'v'; usize::from(n) * 16], n % 4)).collect();
        let golden = build(&pairs);
        assert_eq!(Zipmap::parse(&golden).unwrap().len(), 20);
        let mut rng = fastrand::Rng::with_seed(20_261_122);
        for _ in 0..10_000 {
            let mut bytes = golden.clone();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..bytes.len());
                bytes[at] = rng.u8(..);
            }
            if let Ok(zipmap) = Zipmap::parse(&bytes) {
                assert_eq!(zipmap.iter().count(), zipmap.len());
            }
        }
    }

    proptest! {
        #[test]
        fn every_pair_is_read_back(
            pairs in proptest::collection::vec(
                (
                    proptest::collection::vec(any::<u8>(), 0..300),
                    proptest::collection::vec(any::<u8>(), 0..300),
                    0u8..5,
                ),
                0..20,
            ),
        ) {
            let bytes = build(&pairs);
            let zipmap = Zipmap::parse(&bytes).unwrap();
            let read: Vec<_> = zipmap.iter().map(|(field, value)| (field.to_vec(), value.to_vec())).collect();
            let written: Vec<_> = pairs.into_iter().map(|(field, value, _)| (field, value)).collect();
            prop_assert_eq!(read, written);
        }

        #[test]
        fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Zipmap::parse(&bytes);
            bytes.push(END);
            let _ = Zipmap::parse(&bytes);
        }
    }
}
