//! One entry of a listpack: its value, its bytes, and the length written backwards behind it.

use crate::stdx::number::{IntText, format_i64, parse_i64};

/// Bytes before the first entry: the total size (32 bits) and the number of entries (16 bits), little-endian.
pub(super) const HEADER_BYTES: usize = 6;

/// The byte that ends a listpack.
pub(super) const END: u8 = 0xFF;

/// Is in the header in place of a number of entries that 16 bits cannot hold.
pub(super) const COUNT_UNKNOWN: u16 = u16::MAX;

/// The longest text of an integer, `-9223372036854775808`.
const INT_TEXT_BYTES_MAX: usize = 20;

const STRING_6_BITS: u8 = 0x80;
const INT_13_BITS: u8 = 0xC0;
const STRING_12_BITS: u8 = 0xE0;
const STRING_32_BITS: u8 = 0xF0;
const INT_16_BITS: u8 = 0xF1;
const INT_24_BITS: u8 = 0xF2;
const INT_32_BITS: u8 = 0xF3;
const INT_64_BITS: u8 = 0xF4;

/// The value of one entry.
///
/// Bytes given to a listpack are stored as an integer when they are the one decimal spelling of a 64-bit integer,
/// so what comes back as `Int` may have been pushed as `Bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    Int(i64),
    Bytes(&'a [u8]),
}

impl<'a> Entry<'a> {
    /// The entry that a listpack would store for these bytes.
    pub fn canonical(bytes: &'a [u8]) -> Self {
        parse_i64(bytes).map_or(Self::Bytes(bytes), Self::Int)
    }

    /// The value as bytes; an integer is spelled out in `room`.
    pub fn text<'b>(self, room: &'b mut IntText) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Self::Int(value) => {
                *room = format_i64(value);
                room.as_bytes()
            }
            Self::Bytes(bytes) => bytes,
        }
    }

    /// The value as an integer, also when it happens to be stored as a string.
    pub fn as_int(self) -> Option<i64> {
        match self {
            Self::Int(value) => Some(value),
            Self::Bytes(bytes) => parse_i64(bytes),
        }
    }

    /// Whether the value is these bytes.
    #[inline]
    pub fn is(self, bytes: &[u8]) -> bool {
        match self {
            Self::Int(value) => parse_i64(bytes) == Some(value),
            Self::Bytes(stored) => stored == bytes,
        }
    }

    /// How many bytes the value's text has.
    #[inline]
    pub fn text_len(self) -> usize {
        match self {
            Self::Int(value) => {
                let digits = value.unsigned_abs().checked_ilog10().map_or(1, |log| log as usize + 1);
                digits + usize::from(value < 0)
            }
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    pub fn append_to(self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.text(&mut IntText::new()));
    }

    pub fn to_vec(self) -> Vec<u8> {
        self.text(&mut IntText::new()).to_vec()
    }
}

impl<'a> From<&'a [u8]> for Entry<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Entry<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Bytes(bytes)
    }
}

impl<'a> From<&'a Vec<u8>> for Entry<'a> {
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

impl From<i64> for Entry<'_> {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

/// Reads the entry at the start of `bytes`: its value and its size without the length behind it.
///
/// `None` where no entry starts, or where it would reach past the end of `bytes`.
#[inline]
pub(super) fn decode(bytes: &[u8]) -> Option<(Entry<'_>, usize)> {
    let (&first, rest) = bytes.split_first()?;
    let string = |at: usize, len: usize| Some((Entry::Bytes(bytes.get(at..at.checked_add(len)?)?), at + len));
    match first {
        0x00..=0x7F => Some((Entry::Int(i64::from(first)), 1)),
        STRING_6_BITS..=0xBF => string(1, usize::from(first & 0x3F)),
        INT_13_BITS..=0xDF => {
            let raw = u16::from(first & 0x1F) << 8 | u16::from(*rest.first()?);
            // The sign is the highest of thirteen bits: move it to the top of sixteen and back.
            Some((Entry::Int(i64::from((raw << 3) as i16 >> 3)), 2))
        }
        STRING_12_BITS..=0xEF => string(2, usize::from(first & 0x0F) << 8 | usize::from(*rest.first()?)),
        STRING_32_BITS => string(5, usize::try_from(u32::from_le_bytes(*rest.first_chunk()?)).ok()?),
        INT_16_BITS => Some((Entry::Int(i64::from(i16::from_le_bytes(*rest.first_chunk()?))), 3)),
        INT_24_BITS => {
            let &[low, middle, high] = rest.first_chunk()?;
            Some((Entry::Int(i64::from(i32::from_le_bytes([0, low, middle, high]) >> 8)), 4))
        }
        INT_32_BITS => Some((Entry::Int(i64::from(i32::from_le_bytes(*rest.first_chunk()?))), 5)),
        INT_64_BITS => Some((Entry::Int(i64::from_le_bytes(*rest.first_chunk()?)), 9)),
        0xF5..=END => None,
    }
}

/// As [`decode`], for where it is seldom called.
#[inline(never)]
pub(super) fn decode_any(bytes: &[u8]) -> Option<(Entry<'_>, usize)> {
    decode(bytes)
}

/// The bytes of the entry at the start of `bytes`, if it is one of the strings that most entries are: shorter than 64
/// bytes. A quicker way than [`decode`] to look at many.
#[inline]
pub(super) fn short_string(bytes: &[u8]) -> Option<&[u8]> {
    match bytes {
        [first @ STRING_6_BITS..=0xBF, rest @ ..] => rest.get(..usize::from(first & 0x3F)),
        _ => None,
    }
}

/// The size of the whole entry at the start of `bytes`, with the length behind it, without looking at its value.
#[inline]
pub(super) fn entry_size(bytes: &[u8]) -> Option<usize> {
    match *bytes.first()? {
        0x00..=0x7F => Some(2),
        first @ STRING_6_BITS..=0xBF => Some(2 + usize::from(first & 0x3F)),
        _ => decode(bytes).map(|(_, size)| size + backlen_size(size)),
    }
}

/// How many bytes the length behind an entry of `size` bytes takes.
///
/// The steps are one lower than seven bits a byte would allow; this is part of the format.
#[inline]
pub(super) const fn backlen_size(size: usize) -> usize {
    match size {
        0..=127 => 1,
        128..=16_382 => 2,
        16_383..=2_097_150 => 3,
        2_097_151..=268_435_454 => 4,
        _ => 5,
    }
}

/// Reads the length that ends at the end of `bytes`: the size of the entry before it.
///
/// Its last byte holds the lowest seven bits; a set top bit says that the byte before belongs to it as well.
#[inline]
pub(super) fn decode_backlen(bytes: &[u8]) -> Option<usize> {
    let &last = bytes.last()?;
    if last < 0x80 { Some(usize::from(last)) } else { decode_long_backlen(bytes) }
}

#[inline(never)]
fn decode_long_backlen(bytes: &[u8]) -> Option<usize> {
    let mut size = 0;
    for (position, &byte) in bytes.iter().rev().take(5).enumerate() {
        size |= usize::from(byte & 0x7F) << (7 * position);
        if byte & 0x80 == 0 {
            return Some(size);
        }
    }
    None
}

/// An entry of the kind that most are: one byte at its head, less than 64 bytes, and one byte that states the length.
#[derive(Clone, Copy)]
pub(super) struct Short<'a> {
    head: u8,
    payload: &'a [u8],
}

impl<'a> Short<'a> {
    /// `None` for a long string. An integer is written into `room`.
    #[inline]
    pub(super) fn new(entry: Entry<'a>, room: &'a mut [u8; 9]) -> Option<Self> {
        match entry {
            Entry::Bytes(bytes) if !may_be_integer(bytes) => Self::string(bytes),
            _ => Self::integer_or_string(entry, room),
        }
    }

    #[inline]
    fn string(bytes: &'a [u8]) -> Option<Self> {
        (bytes.len() < 64).then_some(Self { head: STRING_6_BITS | bytes.len() as u8, payload: bytes })
    }

    #[inline(never)]
    fn integer_or_string(entry: Entry<'a>, room: &'a mut [u8; 9]) -> Option<Self> {
        let value = match entry {
            Entry::Int(value) => value,
            Entry::Bytes(bytes) => match parse_i64(bytes) {
                Some(value) => value,
                None => return Self::string(bytes),
            },
        };
        let len = encode_int(value, room);
        Some(Self { head: room[0], payload: room.get(1..len)? })
    }

    /// The size of the whole entry.
    #[inline]
    pub(super) fn size(self) -> usize {
        self.payload.len() + 2
    }

    /// The pieces of the entry: the byte at its head, what follows that, and the length.
    #[inline]
    pub(super) fn pieces(self) -> (u8, &'a [u8], u8) {
        (self.head, self.payload, self.payload.len() as u8 + 1)
    }
}

/// Whether bytes might spell an integer, by a look at their length and the first of them.
#[inline]
fn may_be_integer(bytes: &[u8]) -> bool {
    matches!(bytes, [b'-' | b'0'..=b'9', ..]) && bytes.len() <= INT_TEXT_BYTES_MAX
}

/// An entry as the pieces in which it is written.
pub(super) struct Encoded<'a> {
    head: [u8; 9],
    head_len: usize,
    payload: &'a [u8],
    backlen: [u8; 5],
    backlen_len: usize,
}

impl<'a> Encoded<'a> {
    #[inline]
    pub(super) fn new(entry: Entry<'a>) -> Self {
        let mut head = [0; 9];
        let (head_len, payload): (_, &[u8]) = match entry {
            Entry::Int(value) => (encode_int(value, &mut head), &[]),
            Entry::Bytes(bytes) => match parse_i64(bytes) {
                Some(value) => (encode_int(value, &mut head), &[]),
                None => (encode_string_head(bytes.len(), &mut head), bytes),
            },
        };
        let size = head_len + payload.len();
        let mut backlen = [0; 5];
        let backlen_len = encode_backlen(size, &mut backlen);
        Self { head, head_len, payload, backlen, backlen_len }
    }

    #[inline]
    pub(super) fn size(&self) -> usize {
        self.head_len + self.payload.len() + self.backlen_len
    }

    /// Writes the entry into `place`, which has its size.
    #[inline]
    pub(super) fn write_to(&self, place: &mut [u8]) {
        // Most entries are short: a byte, the text, and a byte.
        if let (1, 1, [head, payload @ .., backlen]) = (self.head_len, self.backlen_len, &mut *place) {
            *head = self.head[0];
            payload.copy_from_slice(self.payload);
            *backlen = self.backlen[0];
            return;
        }
        let (head, rest) = place.split_at_mut(self.head_len);
        head.copy_from_slice(&self.head[..self.head_len]);
        let (payload, backlen) = rest.split_at_mut(self.payload.len());
        payload.copy_from_slice(self.payload);
        backlen.copy_from_slice(&self.backlen[..self.backlen_len]);
    }
}

/// Writes the length that follows an entry of `size` bytes and returns how many bytes it took.
#[inline]
pub(super) fn encode_backlen(size: usize, out: &mut [u8; 5]) -> usize {
    let len = backlen_size(size);
    for (position, byte) in out[..len].iter_mut().rev().enumerate() {
        let more = if position + 1 < len { 0x80 } else { 0 };
        *byte = (size >> (7 * position)) as u8 & 0x7F | more;
    }
    len
}

fn encode_int(value: i64, head: &mut [u8; 9]) -> usize {
    let bytes = value.to_le_bytes();
    let (tag, len) = match value {
        0..=127 => {
            head[0] = bytes[0];
            return 1;
        }
        -4_096..=4_095 => {
            head[0] = INT_13_BITS | bytes[1] & 0x1F;
            head[1] = bytes[0];
            return 2;
        }
        -32_768..=32_767 => (INT_16_BITS, 2),
        -8_388_608..=8_388_607 => (INT_24_BITS, 3),
        -2_147_483_648..=2_147_483_647 => (INT_32_BITS, 4),
        _ => (INT_64_BITS, 8),
    };
    head[0] = tag;
    head[1..=len].copy_from_slice(&bytes[..len]);
    1 + len
}

fn encode_string_head(len: usize, head: &mut [u8; 9]) -> usize {
    match len {
        0..=63 => {
            head[0] = STRING_6_BITS | len as u8;
            1
        }
        64..=4_095 => {
            head[0] = STRING_12_BITS | (len >> 8) as u8;
            head[1] = len as u8;
            2
        }
        _ => {
            let len = u32::try_from(len).expect("an element has at most ELEMENT_BYTES_MAX bytes");
            head[0] = STRING_32_BITS;
            head[1..5].copy_from_slice(&len.to_le_bytes());
            5
        }
    }
}
