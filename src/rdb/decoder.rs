use std::borrow::Cow;

use crate::stdx::number::format_i64;
use crate::stdx::size::ELEMENT_BYTES_MAX;

use super::{Dialect, Error, Result, Tag, double, length, lzf, string};

const STRING_TOO_LONG: &str = "a string of more than 4,095 MiB, which the data cannot hold";

/// A string as it was read: nothing is copied unless it was compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text<'t> {
    Bytes(&'t [u8]),
    /// Stored in binary; the string is its decimal text.
    Integer(i64),
}

/// What the first bytes of a string say.
enum StringHeader {
    Raw { bytes: u64 },
    Integer(i64),
    Lzf { compressed: u64, bytes: u64 },
}

/// Reads the parts of an RDB file or of a DUMP payload from bytes in memory.
///
/// Every length is checked against the bytes that are left before anything is allocated for it.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    position: usize,
    base: u64,
    /// How long the strings are that were passed over, and the longest of them.
    passed_over: u64,
    longest_passed_over: u64,
}

impl<'a> Decoder<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::at(bytes, 0)
    }

    /// For bytes that begin at an offset other than 0 of the file that errors shall speak of.
    pub fn at(bytes: &'a [u8], base: u64) -> Self {
        Self { bytes, position: 0, base, passed_over: 0, longest_passed_over: 0 }
    }

    /// The offset of the next byte.
    pub fn offset(&self) -> u64 {
        self.base + self.position as u64
    }

    pub fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// An error about a value that was read at an earlier offset.
    pub fn invalid_at(&self, offset: u64, what: &'static str) -> Error {
        Error::InvalidValue { offset, what }
    }

    /// An error about what has just been read.
    pub fn invalid(&self, what: &'static str) -> Error {
        self.invalid_at(self.offset(), what)
    }

    #[cold]
    fn unexpected_end(&self, needed: u64) -> Error {
        Error::UnexpectedEnd { offset: self.offset(), needed, remaining: self.remaining() as u64 }
    }

    /// So many bytes, as they are.
    #[inline]
    pub fn raw(&mut self, count: u64) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.position..];
        match usize::try_from(count).ok().and_then(|count| rest.get(..count)) {
            Some(bytes) => {
                self.position += bytes.len();
                Ok(bytes)
            }
            None => Err(self.unexpected_end(count)),
        }
    }

    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        match self.bytes[self.position..].first_chunk() {
            Some(bytes) => {
                self.position += N;
                Ok(*bytes)
            }
            None => Err(self.unexpected_end(N as u64)),
        }
    }

    #[inline]
    pub fn byte(&mut self) -> Result<u8> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// The type byte of a value.
    pub fn tag(&mut self, dialect: Dialect) -> Result<Tag> {
        let offset = self.offset();
        let byte = self.byte()?;
        Tag::from_u8(byte, dialect).ok_or(Error::UnknownType { offset, byte, dialect })
    }

    #[inline]
    pub fn length(&mut self) -> Result<u64> {
        let offset = self.offset();
        let byte = self.byte()?;
        self.length_after(byte, offset)
    }

    #[inline]
    fn length_after(&mut self, byte: u8, offset: u64) -> Result<u64> {
        match byte & length::KIND_MASK {
            length::SIX_BITS => Ok(u64::from(byte)),
            length::FOURTEEN_BITS => Ok(u64::from(byte & length::VALUE_MASK) << 8 | u64::from(self.byte()?)),
            _ if byte == length::THIRTY_TWO_BITS => Ok(u64::from(u32::from_be_bytes(self.array()?))),
            _ if byte == length::SIXTY_FOUR_BITS => Ok(u64::from_be_bytes(self.array()?)),
            _ => Err(Error::BadLengthEncoding { offset, byte }),
        }
    }

    /// The number of elements that follow, each of which takes at least `bytes_each_min` bytes: so many of them can be
    /// expected, and allocated for, as the bytes that are left can hold.
    pub fn count(&mut self, bytes_each_min: usize) -> Result<usize> {
        let offset = self.offset();
        let count = self.length()?;
        let needed = count.saturating_mul(bytes_each_min.max(1) as u64);
        let remaining = self.remaining() as u64;
        match usize::try_from(count) {
            Ok(count) if needed <= remaining => Ok(count),
            _ => Err(Error::UnexpectedEnd { offset, needed, remaining }),
        }
    }

    /// The bytes of a string as they are in the input, which are no more than the data may hold.
    #[inline]
    fn string_bytes(&mut self, count: u64) -> Result<&'a [u8]> {
        let bytes = self.raw(count)?;
        if bytes.len() > ELEMENT_BYTES_MAX {
            return Err(self.string_too_long(bytes.len()));
        }
        Ok(bytes)
    }

    #[cold]
    fn string_too_long(&self, bytes: usize) -> Error {
        Error::InvalidValue { offset: self.offset() - bytes as u64, what: STRING_TOO_LONG }
    }

    #[inline]
    fn string_header(&mut self) -> Result<StringHeader> {
        let offset = self.offset();
        let byte = self.byte()?;
        if byte & length::KIND_MASK != length::ENCODED_STRING {
            return Ok(StringHeader::Raw { bytes: self.length_after(byte, offset)? });
        }
        Ok(match byte {
            string::INT8 => StringHeader::Integer(i64::from(i8::from_le_bytes(self.array()?))),
            string::INT16 => StringHeader::Integer(i64::from(i16::from_le_bytes(self.array()?))),
            string::INT32 => StringHeader::Integer(i64::from(i32::from_le_bytes(self.array()?))),
            string::LZF => StringHeader::Lzf { compressed: self.length()?, bytes: self.length()? },
            _ => return Err(Error::CorruptString { offset, what: "unknown string encoding" }),
        })
    }

    #[inline]
    fn decompress(&mut self, compressed: u64, bytes: u64, out: &mut Vec<u8>) -> Result<()> {
        let offset = self.offset();
        let compressed = self.raw(compressed)?;
        lzf::decompress(compressed, bytes, out).map_err(|cause| Error::CorruptLzf { offset, cause })
    }

    /// A string, borrowed from the input where it is there uncompressed.
    pub fn string(&mut self) -> Result<Cow<'a, [u8]>> {
        Ok(match self.string_header()? {
            StringHeader::Raw { bytes } => Cow::Borrowed(self.string_bytes(bytes)?),
            StringHeader::Integer(value) => Cow::Owned(format_i64(value).to_vec()),
            StringHeader::Lzf { compressed, bytes } => {
                let mut out = Vec::new();
                self.decompress(compressed, bytes, &mut out)?;
                Cow::Owned(out)
            }
        })
    }

    /// A string that may be an integer. A compressed one is decompressed into `scratch`, whose memory is used again.
    #[inline]
    pub fn text_in<'t>(&mut self, scratch: &'t mut Vec<u8>) -> Result<Text<'t>>
    where
        'a: 't,
    {
        Ok(match self.string_header()? {
            StringHeader::Raw { bytes } => Text::Bytes(self.string_bytes(bytes)?),
            StringHeader::Integer(value) => Text::Integer(value),
            StringHeader::Lzf { compressed, bytes } => {
                self.decompress(compressed, bytes, scratch)?;
                Text::Bytes(scratch)
            }
        })
    }

    /// A string. One that is not in the input as it is, is laid out in `scratch`.
    #[inline]
    pub fn string_in<'t>(&mut self, scratch: &'t mut Vec<u8>) -> Result<&'t [u8]>
    where
        'a: 't,
    {
        Ok(match self.string_header()? {
            StringHeader::Raw { bytes } => self.string_bytes(bytes)?,
            StringHeader::Integer(value) => {
                scratch.clear();
                scratch.extend_from_slice(&format_i64(value));
                scratch
            }
            StringHeader::Lzf { compressed, bytes } => {
                self.decompress(compressed, bytes, scratch)?;
                scratch
            }
        })
    }

    /// Passes over a string without decompressing it.
    pub fn skip_string(&mut self) -> Result<()> {
        let (stored, bytes) = match self.string_header()? {
            StringHeader::Raw { bytes } => (bytes, bytes),
            StringHeader::Integer(_) => return Ok(()),
            StringHeader::Lzf { compressed, bytes } => (compressed, bytes),
        };
        self.passed_over = self.passed_over.saturating_add(bytes);
        self.longest_passed_over = self.longest_passed_over.max(bytes);
        self.raw(stored).map(drop)
    }

    /// How much memory the strings take that were passed over, while the longest is there twice.
    pub(super) fn bytes_passed_over(&self) -> u64 {
        self.passed_over.saturating_add(self.longest_passed_over)
    }

    /// A double in its binary form.
    #[inline]
    pub fn double(&mut self) -> Result<f64> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    /// A double as text, as sorted sets had it before RDB version 8.
    pub fn ascii_double(&mut self) -> Result<f64> {
        let offset = self.offset();
        let text = match self.byte()? {
            double::NAN => return Ok(f64::NAN),
            double::POSITIVE_INFINITY => return Ok(f64::INFINITY),
            double::NEGATIVE_INFINITY => return Ok(f64::NEG_INFINITY),
            bytes => self.raw(u64::from(bytes))?,
        };
        let parsed = std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok());
        parsed.ok_or(Error::InvalidValue { offset, what: "text that is no number where a double is expected" })
    }

    /// A time in milliseconds since 1970, or any other 64-bit integer in its fixed form.
    #[inline]
    pub fn milliseconds(&mut self) -> Result<i64> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// A time in seconds since 1970, as the first versions had it.
    pub fn seconds(&mut self) -> Result<i64> {
        Ok(i64::from(i32::from_le_bytes(self.array()?)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Encoder, Options};
    use super::*;

    fn encoded(write: impl FnOnce(&mut Encoder<'_>) -> std::io::Result<()>) -> Vec<u8> {
        let mut encoder = Encoder::detached(Options::default());
        write(&mut encoder).unwrap();
        encoder.into_bytes()
    }

    /// Whatever is cut off must be an error, and reading the whole must end at the end.
    fn is_rejected_at_every_length<T>(bytes: &[u8], read: impl Fn(&mut Decoder<'_>) -> Result<T>) {
        for cut in 0..bytes.len() {
            let error = read(&mut Decoder::new(&bytes[..cut])).err().expect("a cut value is an error");
            assert!(matches!(error, Error::UnexpectedEnd { .. }), "{error}");
        }
        let mut decoder = Decoder::new(bytes);
        assert!(read(&mut decoder).is_ok());
        assert_eq!(decoder.remaining(), 0);
    }

    #[test]
    fn errors_speak_of_offsets_in_the_file() {
        let mut decoder = Decoder::at(&[0x05, b'a'], 1000);
        assert_eq!(decoder.string(), Err(Error::UnexpectedEnd { offset: 1001, needed: 5, remaining: 1 }));
        let mut decoder = Decoder::at(&[0xC0], 7);
        assert_eq!(decoder.length(), Err(Error::BadLengthEncoding { offset: 7, byte: 0xC0 }));
        let mut decoder = Decoder::at(&[0x82], 7);
        assert_eq!(decoder.length(), Err(Error::BadLengthEncoding { offset: 7, byte: 0x82 }));
        let mut decoder = Decoder::at(&[0xC4], 7);
        assert!(matches!(decoder.string(), Err(Error::CorruptString { offset: 7, .. })));
        let mut decoder = Decoder::at(&[8], 7);
        let dialect = Dialect::Valkey;
        assert_eq!(decoder.tag(dialect), Err(Error::UnknownType { offset: 7, byte: 8, dialect }));
    }

    #[test]
    fn hostile_lengths_are_refused_before_anything_is_allocated() {
        let huge = [0x81, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3];
        assert!(matches!(Decoder::new(&huge).string(), Err(Error::UnexpectedEnd { .. })));
        assert!(matches!(Decoder::new(&huge).count(1), Err(Error::UnexpectedEnd { .. })));
        let bomb = [&[0xC3, 3][..], &huge].concat();
        let error = Decoder::new(&bomb).string().unwrap_err();
        assert_eq!(
            error.to_string(),
            "corrupt compressed string at offset 11: its claimed length of 9223372036854775807 bytes is impossible"
        );
    }

    #[test]
    fn a_count_is_what_the_remaining_bytes_can_hold() {
        assert_eq!(Decoder::new(&[2, 0, 0, 0, 0]).count(2), Ok(2));
        assert_eq!(
            Decoder::new(&[3, 0, 0, 0, 0]).count(2),
            Err(Error::UnexpectedEnd { offset: 0, needed: 6, remaining: 4 })
        );
    }

    #[test]
    fn old_doubles_may_be_anything_that_scanf_reads() {
        for (bytes, value) in [(&b"\x033.5"[..], 3.5), (b"\x05 1e+2", 100.0), (b"\x03inf", f64::INFINITY)] {
            assert_eq!(Decoder::new(bytes).ascii_double(), Ok(value));
        }
        assert!(Decoder::new(&[253]).ascii_double().unwrap().is_nan());
        assert_eq!(Decoder::new(&[254]).ascii_double(), Ok(f64::INFINITY));
        assert_eq!(Decoder::new(&[255]).ascii_double(), Ok(f64::NEG_INFINITY));
        assert!(matches!(Decoder::new(b"\x03a.b").ascii_double(), Err(Error::InvalidValue { offset: 0, .. })));
        assert!(matches!(Decoder::new(b"\x00").ascii_double(), Err(Error::InvalidValue { offset: 0, .. })));
    }

    #[test]
    fn seconds_are_signed() {
        assert_eq!(Decoder::new(&[0xFF; 4]).seconds(), Ok(-1));
    }

    /// Strings that take every form: integers, compressible and other text.
    fn any_string() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            any::<i64>().prop_map(|value| value.to_string().into_bytes()),
            any::<i16>().prop_map(|value| value.to_string().into_bytes()),
            "[0-9-]{0,12}".prop_map(String::into_bytes),
            "[ab]{0,200}".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..200),
        ]
    }

    proptest! {
        #[test]
        fn lengths_come_back(value: u64, shift in 0u32..64) {
            let value = value >> shift;
            let bytes = encoded(|encoder| encoder.length(value));
            prop_assert_eq!(Decoder::new(&bytes).length(), Ok(value));
            is_rejected_at_every_length(&bytes, |decoder| decoder.length());
        }

        #[test]
        fn strings_come_back_in_every_way_of_reading(text in any_string()) {
            let bytes = encoded(|encoder| encoder.string(&text));
            let mut scratch = b"left from before".to_vec();
            let cow = Decoder::new(&bytes).string().unwrap();
            prop_assert_eq!(cow.as_ref(), &text);
            prop_assert_eq!(Decoder::new(&bytes).string_in(&mut scratch), Ok(text.as_slice()));
            match Decoder::new(&bytes).text_in(&mut scratch).unwrap() {
                Text::Bytes(read) => prop_assert_eq!(read, &text),
                Text::Integer(value) => prop_assert_eq!(value.to_string().into_bytes(), text),
            }
            is_rejected_at_every_length(&bytes, |decoder| decoder.string().map(drop));
            is_rejected_at_every_length(&bytes, |decoder| decoder.skip_string());
        }

        #[test]
        fn integers_come_back(value: i64, shift in 0u32..64) {
            let value = value >> shift;
            let bytes = encoded(|encoder| encoder.integer(value));
            let text = Decoder::new(&bytes).string().unwrap().into_owned();
            prop_assert_eq!(text, value.to_string().into_bytes());
        }

        #[test]
        fn doubles_and_times_come_back(value: f64, time: i64) {
            let bytes = encoded(|encoder| encoder.double(value));
            prop_assert_eq!(Decoder::new(&bytes).double().unwrap().to_bits(), value.to_bits());
            is_rejected_at_every_length(&bytes, |decoder| decoder.double());

            let bytes = encoded(|encoder| encoder.ascii_double(value));
            let back = Decoder::new(&bytes).ascii_double().unwrap();
            prop_assert!(back == value || back.is_nan() && value.is_nan());

            let bytes = encoded(|encoder| encoder.milliseconds(time));
            prop_assert_eq!(Decoder::new(&bytes).milliseconds(), Ok(time));
            is_rejected_at_every_length(&bytes, |decoder| decoder.milliseconds());
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut scratch = Vec::new();
            let _ = Decoder::new(&bytes).string();
            let _ = Decoder::new(&bytes).string_in(&mut scratch);
            let _ = Decoder::new(&bytes).skip_string();
            let _ = Decoder::new(&bytes).ascii_double();
            let _ = Decoder::new(&bytes).count(3);
        }
    }
}
