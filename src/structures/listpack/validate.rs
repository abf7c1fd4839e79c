//! Checking bytes from outside before they are used as a listpack.

use super::encoding::{COUNT_UNKNOWN, END, Entry, HEADER_BYTES, backlen_size, decode, encode_backlen};
use super::view::Lp;

/// Why bytes are no listpack. Offsets are in bytes from the start of the listpack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("listpack of {size} bytes is too short for its header")]
    TooShort { size: usize },
    #[error("listpack header says {stated} bytes, there are {size}")]
    Size { stated: u32, size: usize },
    #[error("listpack has no end mark")]
    NoEnd,
    #[error("listpack entry at offset {offset} is unknown or reaches past the end")]
    Entry { offset: usize },
    #[error("listpack entry at offset {offset} is followed by a wrong length")]
    Backlen { offset: usize },
    #[error("listpack header says {stated} entries, there are {count}")]
    Count { stated: u16, count: usize },
    #[error("listpack entry at offset {offset} is not allowed here")]
    Refused { offset: usize },
}

/// Checks that `bytes` are a whole listpack and nothing else.
///
/// A shallow check reads the header and the end mark only. A deep one walks over every entry and asks `accept` about
/// each. After a deep check every operation of [`Lp`] and [`Listpack`](super::Listpack) is sound on these bytes.
pub fn validate(bytes: &[u8], deep: bool, mut accept: impl FnMut(Entry<'_>) -> bool) -> Result<&Lp, Malformed> {
    let size = bytes.len();
    let &[a, b, c, d, low, high, .., last] = bytes else { return Err(Malformed::TooShort { size }) };
    let stated = u32::from_le_bytes([a, b, c, d]);
    if stated as usize != size {
        return Err(Malformed::Size { stated, size });
    }
    if last != END {
        return Err(Malformed::NoEnd);
    }
    if deep {
        let count = validate_entries(bytes, &mut accept)?;
        let stated = u16::from_le_bytes([low, high]);
        if stated != COUNT_UNKNOWN && usize::from(stated) != count {
            return Err(Malformed::Count { stated, count });
        }
    }
    Ok(Lp::from_trusted(bytes))
}

fn validate_entries(bytes: &[u8], accept: &mut impl FnMut(Entry<'_>) -> bool) -> Result<usize, Malformed> {
    let body = &bytes[..bytes.len() - 1];
    let (mut offset, mut count) = (HEADER_BYTES, 0);
    while offset < body.len() {
        let (entry, size) = decode(&body[offset..]).ok_or(Malformed::Entry { offset })?;
        let backlen_at = offset + size;
        let after = backlen_at + backlen_size(size);
        let stored = body.get(backlen_at..after).ok_or(Malformed::Entry { offset })?;
        // Walking backwards relies on each length having exactly the bytes that writing it gives.
        let right = match stored {
            &[byte] => usize::from(byte) == size,
            several => {
                let mut expected = [0; 5];
                let len = encode_backlen(size, &mut expected);
                *several == expected[..len]
            }
        };
        if !right {
            return Err(Malformed::Backlen { offset });
        }
        if !accept(entry) {
            return Err(Malformed::Refused { offset });
        }
        offset = after;
        count += 1;
    }
    Ok(count)
}
