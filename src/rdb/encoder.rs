use std::io;

use crate::stdx::number::{format_f64_17g, format_i64, parse_i64};
use crate::stdx::text;

use super::lzf::{Compressor, Kind};
use super::{Crc64, Error, Format, Opcode, Tag, VERSION_DEFAULT, VERSION_WITH_CHECKSUM, double, length, string};

/// The longest text of an integer that is stored in binary: `-2147483648`.
const INTEGER_TEXT_BYTES_MAX: usize = 11;

/// Strings up to this length are not worth compressing.
const UNCOMPRESSED_BYTES_MAX: usize = 20;

/// How much is gathered before the sink is called, unless the caller wants another size.
const BUFFER_BYTES: usize = 256 << 10;

/// The least that an encoder without a sink asks for.
const GROWTH_BYTES_MIN: usize = 64;

/// From this length on a length takes fourteen bits, and from the other on it takes more.
const FOURTEEN_BITS_FROM: usize = 0x40;
const MORE_BITS_FROM: usize = 0x4000;

/// Where an encoder's bytes go: a file, a socket, a vector.
pub trait Sink {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Writes the first `used` bytes of a buffer. Another one of the same length may be put in its place: what passes
    /// bytes on to another thread so need not copy them.
    fn write_buffer(&mut self, buffer: &mut Vec<u8>, used: usize) -> io::Result<()> {
        self.write_all(&buffer[..used])
    }

    /// A chunk ends: the `bytes` many bytes written since the last one ended hold whole entries, and `crc` is the
    /// checksum of them alone. A sink that several encoders share keeps the others out from the first write of a chunk
    /// up to this call, and combines the checksums here, in the order of the file.
    fn end_chunk(&mut self, crc: u64, bytes: u64) -> io::Result<()> {
        let _ = (crc, bytes);
        Ok(())
    }
}

impl Sink for Vec<u8> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extend_from_slice(bytes);
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Whether strings are compressed where that saves something.
    pub compression: bool,
    /// Whether checksums are computed. Files have eight zero bytes in their place otherwise.
    pub checksum: bool,
    /// The version that the header names, and that no tag may exceed.
    pub version: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { compression: true, checksum: true, version: VERSION_DEFAULT }
    }
}

/// Writes the parts of an RDB file or of a DUMP payload.
///
/// Bytes are gathered in a buffer; the sink is called, and the checksum computed, once for each full buffer.
/// An encoder without a sink keeps everything in its buffer.
///
/// Several threads can write one file: the sink of each one's encoder is a door to it, which nobody else passes from the
/// first write of a chunk to its end. A thread calls `end_chunk` between two entries when `chunk_bytes` says that there
/// is enough, and so never holds more of a huge value than its buffer does.
pub struct Encoder<'s> {
    /// Its length is how much it takes before it is passed on; it has been filled up to `used`.
    buffer: Vec<u8>,
    used: usize,
    sink: Option<&'s mut dyn Sink>,
    /// What the sink has received.
    flushed: u64,
    /// How much shorter the strings that are compressed have become by it.
    spared: u64,
    /// Of what the sink has received since the last chunk ended.
    crc: Crc64,
    chunk_start: u64,
    options: Options,
    compressor: Compressor,
    /// Where the compressor writes what is too long for the rest of the buffer; it only ever grows.
    compressed: Vec<u8>,
    /// What the strings that come are a part of.
    kind: Kind,
}

impl<'s> Encoder<'s> {
    pub fn new(sink: &'s mut dyn Sink, options: Options) -> Self {
        Self::with_buffer(sink, options, BUFFER_BYTES)
    }

    pub fn with_buffer(sink: &'s mut dyn Sink, options: Options, buffer_bytes: usize) -> Self {
        Self::build(vec![0; buffer_bytes], Some(sink), options)
    }

    /// An encoder without a sink, for `into_bytes`.
    pub fn detached(options: Options) -> Self {
        Self::build(Vec::new(), None, options)
    }

    fn build(buffer: Vec<u8>, sink: Option<&'s mut dyn Sink>, options: Options) -> Self {
        Self {
            buffer,
            used: 0,
            sink,
            flushed: 0,
            spared: 0,
            crc: Crc64::new(),
            chunk_start: 0,
            options,
            compressor: Compressor::new(),
            compressed: Vec::new(),
            kind: Kind::default(),
        }
    }

    pub fn options(&self) -> Options {
        self.options
    }

    /// How many bytes have been written so far, those in the buffer among them.
    pub fn written(&self) -> u64 {
        self.flushed + self.used as u64
    }

    /// How many bytes it would have been without compression, but for a few that say how long the strings are.
    pub fn uncompressed(&self) -> u64 {
        self.written() + self.spared
    }

    /// How many bytes have been written since the last chunk ended.
    pub fn chunk_bytes(&self) -> u64 {
        self.written() - self.chunk_start
    }

    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(room) = self.buffer.get_mut(self.used..self.used + bytes.len()) else {
            return self.raw_beyond_buffer(bytes);
        };
        room.copy_from_slice(bytes);
        self.used += bytes.len();
        Ok(())
    }

    #[cold]
    fn raw_beyond_buffer(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.sink.is_none() {
            let needed = self.used + bytes.len();
            self.buffer.resize(needed.max(self.buffer.len() * 2).max(GROWTH_BYTES_MIN), 0);
        }
        self.flush()?;
        let Some(room) = self.buffer.get_mut(self.used..self.used + bytes.len()) else {
            return self.pass_on(bytes);
        };
        room.copy_from_slice(bytes);
        self.used += bytes.len();
        Ok(())
    }

    #[inline]
    pub fn byte(&mut self, byte: u8) -> io::Result<()> {
        self.raw(&[byte])
    }

    #[inline]
    pub fn length(&mut self, value: u64) -> io::Result<()> {
        match value {
            0..0x40 => self.byte(length::SIX_BITS | value as u8),
            0x40..0x4000 => self.raw(&[length::FOURTEEN_BITS | (value >> 8) as u8, value as u8]),
            _ => self.long_length(value),
        }
    }

    fn long_length(&mut self, value: u64) -> io::Result<()> {
        let mut bytes = [0; 9];
        let used = if let Ok(value) = u32::try_from(value) {
            bytes[0] = length::THIRTY_TWO_BITS;
            bytes[1..5].copy_from_slice(&value.to_be_bytes());
            5
        } else {
            bytes[0] = length::SIXTY_FOUR_BITS;
            bytes[1..9].copy_from_slice(&value.to_be_bytes());
            9
        };
        self.raw(&bytes[..used])
    }

    /// A string in the shortest form: as an integer, compressed, or as it is.
    #[inline]
    pub fn string(&mut self, bytes: &[u8]) -> io::Result<()> {
        let is_short = bytes.len() <= UNCOMPRESSED_BYTES_MAX;
        // Most elements of collections are such, and there are many of them.
        if is_short
            && !(bytes.len() <= INTEGER_TEXT_BYTES_MAX && matches!(bytes.first(), Some(b'-' | b'0'..=b'9')))
            && let Some(room) = self.buffer.get_mut(self.used..self.used + 1 + UNCOMPRESSED_BYTES_MAX)
            && let Some((head, room)) = room.split_first_mut()
        {
            *head = length::SIX_BITS | bytes.len() as u8;
            text::copy(bytes, &mut room[..bytes.len()]);
            self.used += 1 + bytes.len();
            return Ok(());
        }
        self.any_string(bytes)
    }

    fn any_string(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() <= INTEGER_TEXT_BYTES_MAX {
            if let Some(value) = parse_i64(bytes).and_then(|value| i32::try_from(value).ok()) {
                return self.short_integer(value);
            }
        } else if bytes.len() > UNCOMPRESSED_BYTES_MAX && self.options.compression && self.compressed_string(bytes)? {
            return Ok(());
        }
        self.length(bytes.len() as u64)?;
        self.raw(bytes)
    }

    /// The name of an entry: a string of which the compressor expects nothing that it has learnt from values.
    #[inline]
    pub fn key(&mut self, bytes: &[u8]) -> io::Result<()> {
        let kind = std::mem::take(&mut self.kind);
        let result = self.string(bytes);
        self.kind = kind;
        result
    }

    fn compressed_string(&mut self, bytes: &[u8]) -> io::Result<bool> {
        // Compressed where it is to be, behind the longest head that it can have.
        let head = if bytes.len() < FOURTEEN_BITS_FROM { 3 } else { 5 };
        let room = self.buffer.get_mut(self.used + head..).filter(|room| room.len() >= Compressor::room(bytes.len()));
        let Some(room) = room.filter(|_| bytes.len() < MORE_BITS_FROM) else {
            return self.compressed_apart(bytes);
        };
        let Some(used) = self.compressor.compress_into(bytes, self.kind, room) else {
            return Ok(false);
        };
        self.spared += (bytes.len() - used) as u64;
        let start = self.used + head;
        self.byte(string::LZF)?;
        self.length(used as u64)?;
        self.length(bytes.len() as u64)?;
        if self.used < start {
            // The length turned out to fit into one byte, so that there is less to move than that says.
            self.buffer.copy_within(start..start + FOURTEEN_BITS_FROM, self.used);
        }
        self.used += used;
        Ok(true)
    }

    #[cold]
    fn compressed_apart(&mut self, bytes: &[u8]) -> io::Result<bool> {
        let room = Compressor::room(bytes.len());
        if let Some(more) = room.checked_sub(self.compressed.len()) {
            // Where memory is short, data are better saved at their full length than not at all.
            if self.compressed.try_reserve_exact(more).is_err() {
                return Ok(false);
            }
            self.compressed.resize(room, 0);
        }
        let Some(used) = self.compressor.compress_into(bytes, self.kind, &mut self.compressed) else {
            return Ok(false);
        };
        self.spared += (bytes.len() - used) as u64;
        self.byte(string::LZF)?;
        self.length(used as u64)?;
        self.length(bytes.len() as u64)?;
        // The scratch buffer is lent to `raw` and put back, for it is a part of `self`.
        let compressed = std::mem::take(&mut self.compressed);
        let result = self.raw(&compressed[..used]);
        self.compressed = compressed;
        result.map(|()| true)
    }

    /// A string that its owner keeps compressed by LZF, and that has `original_bytes` bytes otherwise.
    pub fn lzf_string(&mut self, compressed: &[u8], original_bytes: u64) -> io::Result<()> {
        self.spared += original_bytes.saturating_sub(compressed.len() as u64);
        self.byte(string::LZF)?;
        self.length(compressed.len() as u64)?;
        self.length(original_bytes)?;
        self.raw(compressed)
    }

    /// An integer as a string: in binary if it has up to 32 bits, as decimal text otherwise.
    pub fn integer(&mut self, value: i64) -> io::Result<()> {
        if let Ok(value) = i32::try_from(value) {
            return self.short_integer(value);
        }
        let text = format_i64(value);
        self.length(text.len() as u64)?;
        self.raw(&text)
    }

    fn short_integer(&mut self, value: i32) -> io::Result<()> {
        let bytes = value.to_le_bytes();
        if i8::try_from(value).is_ok() {
            self.raw(&[string::INT8, bytes[0]])
        } else if i16::try_from(value).is_ok() {
            self.raw(&[string::INT16, bytes[0], bytes[1]])
        } else {
            self.raw(&[string::INT32, bytes[0], bytes[1], bytes[2], bytes[3]])
        }
    }

    /// A double in its binary form.
    pub fn double(&mut self, value: f64) -> io::Result<()> {
        self.raw(&value.to_le_bytes())
    }

    /// A double as text, as sorted sets had it before RDB version 8.
    pub fn ascii_double(&mut self, value: f64) -> io::Result<()> {
        if value.is_nan() {
            return self.byte(double::NAN);
        }
        if value.is_infinite() {
            return self.byte(if value > 0.0 { double::POSITIVE_INFINITY } else { double::NEGATIVE_INFINITY });
        }
        // Redis prints whole numbers up to here as integers, where `%.17g` would take to an exponent.
        const WHOLE_MAX: f64 = (i64::MAX / 2) as f64;
        if value.abs() <= WHOLE_MAX && value.trunc() == value {
            let text = format_i64(value as i64);
            self.byte(text.len() as u8)?;
            self.raw(&text)
        } else {
            let text = format_f64_17g(value);
            self.byte(text.len() as u8)?;
            self.raw(&text)
        }
    }

    /// A time in milliseconds since 1970, or any other 64-bit integer in its fixed form.
    pub fn milliseconds(&mut self, value: i64) -> io::Result<()> {
        self.raw(&value.to_le_bytes())
    }

    /// The first bytes of a file.
    pub fn header(&mut self) -> io::Result<()> {
        self.raw(Format::of_written(self.options.version).header().as_bytes())
    }

    pub fn aux(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        self.opcode(Opcode::Aux)?;
        self.string(key)?;
        self.string(value)
    }

    pub fn function_library(&mut self, code: &[u8]) -> io::Result<()> {
        self.opcode(Opcode::Function2)?;
        self.string(code)
    }

    pub fn select_db(&mut self, index: u64) -> io::Result<()> {
        self.opcode(Opcode::SelectDb)?;
        self.length(index)
    }

    pub fn resize_db(&mut self, keys: u64, expires: u64) -> io::Result<()> {
        self.opcode(Opcode::ResizeDb)?;
        self.length(keys)?;
        self.length(expires)
    }

    /// The expiry of the key that follows, in milliseconds since 1970.
    #[inline]
    pub fn expiry(&mut self, at: i64) -> io::Result<()> {
        self.opcode(Opcode::ExpireTimeMs)?;
        self.milliseconds(at)
    }

    /// For how many seconds nobody has touched the key that follows.
    pub fn idle(&mut self, seconds: u64) -> io::Result<()> {
        self.opcode(Opcode::Idle)?;
        self.length(seconds)
    }

    /// How often the key that follows is used, on the logarithmic scale of eviction.
    pub fn freq(&mut self, counter: u8) -> io::Result<()> {
        self.opcode(Opcode::Freq)?;
        self.byte(counter)
    }

    /// The version that is being written.
    pub fn version(&self) -> u32 {
        self.options.version
    }

    /// The type byte of the value that follows; an error if the version that is being written does not know it.
    #[inline]
    pub fn tag(&mut self, tag: Tag) -> io::Result<()> {
        if tag.version() > self.options.version {
            return Err(self.version_too_low(tag));
        }
        self.kind = Kind::of_values(tag);
        self.byte(tag.as_u8())
    }

    #[cold]
    fn version_too_low(&self, tag: Tag) -> io::Error {
        let (offset, version) = (self.written(), self.options.version);
        Error::VersionTooLow { offset, tag, version }.into()
    }

    #[inline]
    fn opcode(&mut self, opcode: Opcode) -> io::Result<()> {
        self.byte(opcode.as_u8())
    }

    /// Ends a file, with the checksum of everything that this encoder has written, and empties the buffer.
    ///
    /// One that has ended chunks knows the checksum of the last only: `trailer` ends such a file.
    pub fn eof(&mut self) -> io::Result<()> {
        assert!(self.chunk_start == 0, "an encoder of chunks does not end the file");
        self.flush()?;
        let mut crc = self.crc;
        if self.options.checksum {
            crc.update(&self.buffer[..self.used]);
        }
        self.raw(&trailer(crc, self.options))?;
        self.flush()
    }

    /// Passes the buffer on to the sink, if there is one.
    pub fn flush(&mut self) -> io::Result<()> {
        let Some(sink) = &mut self.sink else { return Ok(()) };
        // After an error, too, nothing may be left that would be written twice.
        let used = std::mem::take(&mut self.used);
        if used == 0 {
            return Ok(());
        }
        if self.options.checksum {
            self.crc.update(&self.buffer[..used]);
        }
        self.flushed += used as u64;
        sink.write_buffer(&mut self.buffer, used)
    }

    fn pass_on(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.options.checksum {
            self.crc.update(bytes);
        }
        self.flushed += bytes.len() as u64;
        self.sink.as_mut().map_or(Ok(()), |sink| sink.write_all(bytes))
    }

    /// Passes on what has been written since the last chunk, and informs the sink that a chunk of whole entries ends.
    pub fn end_chunk(&mut self) -> io::Result<()> {
        self.flush()?;
        let (crc, bytes) = (self.crc.value(), self.flushed - self.chunk_start);
        self.crc = Crc64::new();
        self.chunk_start = self.flushed;
        match &mut self.sink {
            Some(sink) if bytes > 0 => sink.end_chunk(crc, bytes),
            _ => Ok(()),
        }
    }

    /// What an encoder without a sink has in its buffer.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.buffer.truncate(self.used);
        self.buffer
    }
}

/// What follows the last entry of a file: the end opcode and the checksum, given the checksum of all that precedes.
pub fn trailer(mut crc: Crc64, options: Options) -> Vec<u8> {
    let mut bytes = vec![Opcode::Eof.as_u8()];
    if options.version >= VERSION_WITH_CHECKSUM {
        crc.update(&bytes);
        let stored = if options.checksum { crc.value() } else { 0 };
        bytes.extend_from_slice(&stored.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::Decoder;
    use super::*;

    const PLAIN: Options = Options { compression: false, checksum: true, version: 10 };

    fn encoded(write: impl FnOnce(&mut Encoder<'_>) -> io::Result<()>) -> Vec<u8> {
        let mut encoder = Encoder::detached(PLAIN);
        write(&mut encoder).unwrap();
        encoder.into_bytes()
    }

    #[test]
    fn lengths_take_the_shortest_form() {
        assert_eq!(encoded(|encoder| encoder.length(63)), [63]);
        assert_eq!(encoded(|encoder| encoder.length(64)), [0x40, 64]);
        assert_eq!(encoded(|encoder| encoder.length(16383)), [0x7F, 0xFF]);
        assert_eq!(encoded(|encoder| encoder.length(16384)), [0x80, 0, 0, 0x40, 0]);
        assert_eq!(encoded(|encoder| encoder.length(u64::from(u32::MAX))), [0x80, 255, 255, 255, 255]);
        assert_eq!(encoded(|encoder| encoder.length(1 << 32)), [0x81, 0, 0, 0, 1, 0, 0, 0, 0]);
    }

    #[test]
    fn strings_that_are_integers_are_stored_as_integers() {
        assert_eq!(encoded(|encoder| encoder.string(b"12")), [0xC0, 12]);
        assert_eq!(encoded(|encoder| encoder.string(b"-128")), [0xC0, 0x80]);
        assert_eq!(encoded(|encoder| encoder.string(b"128")), [0xC1, 0x80, 0]);
        assert_eq!(encoded(|encoder| encoder.string(b"-2147483648")), [0xC2, 0, 0, 0, 0x80]);
        assert_eq!(encoded(|encoder| encoder.string(b"2147483648")), b"\x0a2147483648");
        assert_eq!(encoded(|encoder| encoder.string(b"007")), b"\x03007");
        assert_eq!(encoded(|encoder| encoder.string(b"")), [0]);
        assert_eq!(encoded(|encoder| encoder.integer(32768)), [0xC2, 0, 0x80, 0, 0]);
        assert_eq!(encoded(|encoder| encoder.integer(-2147483649)), b"\x0b-2147483649");
        assert_eq!(encoded(|encoder| encoder.integer(i64::MIN)), b"\x14-9223372036854775808");
    }

    #[test]
    fn long_strings_are_compressed_only_when_that_saves_bytes() {
        let mut encoder = Encoder::detached(Options::default());
        encoder.string(&[b'a'; 100]).unwrap();
        assert!(encoder.written() < 20);
        let before = encoder.written();
        encoder.string(b"abcdefghijklmnopqrstuvwxyz").unwrap();
        assert_eq!(encoder.written() - before, 27);
        assert_eq!(encoded(|encoder| encoder.string(&[b'a'; 100])).len(), 102);
    }

    #[test]
    fn a_tag_beyond_the_pinned_version_is_refused() {
        let mut encoder = Encoder::detached(PLAIN);
        encoder.header().unwrap();
        let error = encoder.tag(Tag::HashMetadata).unwrap_err();
        assert_eq!(error.to_string(), "type hash-metadata needs RDB version 12, but version 10 is being written");
        assert_eq!(encoder.written(), 9);
    }

    #[test]
    fn doubles_have_their_special_lengths() {
        assert_eq!(encoded(|encoder| encoder.ascii_double(f64::NAN)), [253]);
        assert_eq!(encoded(|encoder| encoder.ascii_double(f64::INFINITY)), [254]);
        assert_eq!(encoded(|encoder| encoder.ascii_double(f64::NEG_INFINITY)), [255]);
        assert_eq!(encoded(|encoder| encoder.ascii_double(-1.5)), b"\x04-1.5");
        assert_eq!(encoded(|encoder| encoder.ascii_double(0.1)), b"\x130.10000000000000001");
        assert_eq!(encoded(|encoder| encoder.ascii_double(-0.0)), b"\x010");
        assert_eq!(encoded(|encoder| encoder.ascii_double(1e17)), b"\x12100000000000000000");
        assert_eq!(encoded(|encoder| encoder.ascii_double(1e20)), b"\x051e+20");
        assert_eq!(encoded(|encoder| encoder.double(1.0)), [0, 0, 0, 0, 0, 0, 0xF0, 0x3F]);
    }

    fn write_entries(encoder: &mut Encoder<'_>, entries: std::ops::Range<u32>) {
        for entry in entries {
            encoder.expiry(i64::from(entry)).unwrap();
            encoder.tag(Tag::String).unwrap();
            encoder.string(format!("key:{entry}").as_bytes()).unwrap();
            encoder.string(format!("a value that is long enough: {entry}").as_bytes()).unwrap();
        }
    }

    #[test]
    fn the_size_of_the_buffer_does_not_change_the_bytes() {
        let mut whole = Encoder::detached(Options::default());
        whole.header().unwrap();
        write_entries(&mut whole, 0..200);
        whole.eof().unwrap();
        let whole = whole.into_bytes();
        assert_eq!(crc64::crc64(0, &whole[..whole.len() - 8]).to_le_bytes(), whole[whole.len() - 8..]);

        for buffer_bytes in [1, 7, 64, 1000, 1 << 20] {
            let mut file = Vec::new();
            let mut encoder = Encoder::with_buffer(&mut file, Options::default(), buffer_bytes);
            encoder.header().unwrap();
            write_entries(&mut encoder, 0..200);
            encoder.eof().unwrap();
            assert_eq!(encoder.written(), whole.len() as u64);
            assert_eq!(file, whole, "buffer of {buffer_bytes} bytes");
        }
    }

    #[test]
    fn compressed_strings_are_read_back_wherever_the_buffer_ends() {
        // Both lengths, that of the original and that of the compressed bytes, go from one byte to two here.
        let text = |length: usize, period: usize| (0..length).map(|at| (at % period) as u8 + b'0').collect::<Vec<_>>();
        let strings: Vec<_> =
            (21..300).flat_map(|length| [3, 40, 58, 59, 60, 61, 62].map(|period| text(length, period))).collect();
        let mut files = Vec::new();
        for buffer_bytes in [100, 1000, 1 << 20] {
            let mut file = Vec::new();
            let mut encoder = Encoder::with_buffer(&mut file, Options::default(), buffer_bytes);
            strings.iter().for_each(|string| encoder.string(string).unwrap());
            encoder.flush().unwrap();
            let mut decoder = Decoder::new(&file);
            assert!(strings.iter().all(|string| *decoder.string().unwrap() == **string));
            assert_eq!(decoder.remaining(), 0);
            files.push(file);
        }
        assert!(files.iter().all(|file| *file == files[0] && file.len() < strings.concat().len()));
    }

    /// A file that several encoders share.
    #[derive(Default)]
    struct Shared {
        file: Vec<u8>,
        crc: Crc64,
    }

    impl Sink for Shared {
        fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
            self.file.extend_from_slice(bytes);
            Ok(())
        }

        fn end_chunk(&mut self, crc: u64, bytes: u64) -> io::Result<()> {
            self.crc.combine(crc, bytes);
            Ok(())
        }
    }

    #[test]
    fn a_shared_sink_learns_the_checksum_of_each_chunk() {
        let mut shared = Shared::default();
        for part in 0..3 {
            let mut encoder = Encoder::with_buffer(&mut shared, Options::default(), 100);
            if part == 0 {
                encoder.header().unwrap();
            }
            for entry in part * 10..part * 10 + 10 {
                write_entries(&mut encoder, entry..entry + 1);
                encoder.end_chunk().unwrap();
            }
            encoder.end_chunk().unwrap();
        }
        shared.file.extend_from_slice(&trailer(shared.crc, Options::default()));
        assert!(super::super::verify_checksum(&shared.file).is_ok());
    }

    #[test]
    fn without_checksum_the_last_eight_bytes_are_zero() {
        let mut encoder = Encoder::detached(Options { checksum: false, ..PLAIN });
        encoder.header().unwrap();
        encoder.eof().unwrap();
        assert_eq!(encoder.into_bytes(), b"REDIS0010\xFF\0\0\0\0\0\0\0\0");
    }

    #[test]
    fn an_error_of_the_sink_reaches_the_caller() {
        struct Full;
        impl Sink for Full {
            fn write_all(&mut self, _: &[u8]) -> io::Result<()> {
                Err(io::Error::other("disk full"))
            }
        }
        let mut full = Full;
        let mut encoder = Encoder::with_buffer(&mut full, PLAIN, 16);
        assert!(encoder.raw(&[0; 16]).is_ok());
        assert_eq!(encoder.raw(&[0; 1]).unwrap_err().to_string(), "disk full");
    }
}
