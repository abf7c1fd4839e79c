//! From the bytes of a connection to the arguments of commands.

use memchr::{memchr, memchr3};

use super::args::{Args, ArgsBuf, Span};
use super::error::ProtocolError;
use crate::stdx::number::parse_i64;
use crate::stdx::text::split_args;

/// What a client may send at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest argument (`proto-max-bulk-len`).
    pub bulk_bytes_max: usize,
    /// The most arguments of one command.
    pub multibulk_max: usize,
    /// The longest line: an inline command, or a header that is not ended.
    pub inline_bytes_max: usize,
    /// Whoever has yet to authenticate may send only what an `AUTH` or a `HELLO` needs.
    pub authenticated: bool,
}

impl Limits {
    pub const UNAUTHENTICATED_ARGS_MAX: usize = 10;
    pub const UNAUTHENTICATED_BULK_BYTES_MAX: usize = 16 * 1024;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bulk_bytes_max: 512 * 1024 * 1024,
            multibulk_max: i32::MAX as usize,
            inline_bytes_max: 64 * 1024,
            authenticated: true,
        }
    }
}

/// What [`Decoder::decode`] made of the bytes that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A frame has begun and needs more bytes.
    Incomplete {
        /// How many bytes are missing for certain; at least one. It comes from the client's own claim, so a reader
        /// may make room for it step by step, but must not allocate it at once.
        need_hint: usize,
    },
    /// A command is complete: its arguments can be had from [`Decoder::args`], and it took `consumed` bytes.
    Frame { consumed: usize },
    /// `consumed` bytes hold no command: an empty line, or a multibulk of no arguments. They are answered by nothing.
    Empty { consumed: usize },
}

/// Reads one connection's frames. Of a frame that came in part it remembers how far it has read, relative to the
/// frame's first byte, so that no byte is looked at twice and the buffer may be moved between the calls.
#[derive(Debug, Default)]
pub struct Decoder {
    spans: Spans,
    /// The arguments of an inline command with quotes, which the buffer does not hold as they are meant.
    inline: ArgsBuf,
    state: State,
    /// Everything before this byte of the frame is taken in.
    position: usize,
    /// Everything before this byte is known not to end the line that begins at `position`.
    scanned: usize,
    /// How many arguments are still to come, the one being read included.
    remaining: usize,
    /// How many bytes the arguments have that are taken in.
    args_bytes: usize,
}

/// Where the arguments of a frame are. The slots behind `len` are left from longer frames, so that the arguments of another
/// frame can be noted without a look at how much room there is.
#[derive(Debug, Default)]
struct Spans {
    slots: Vec<Span>,
    len: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Between frames; what was decoded last is still in `spans` or, if it was `inline`, there.
    #[default]
    Between,
    /// In the line that begins a frame.
    FirstLine,
    /// In the line that states the length of an argument.
    BulkHeader,
    /// In an argument of so many bytes.
    Bulk { len: usize },
}

/// A frame of more arguments, or an inline command of more bytes, does not leave its allocation behind.
const KEPT_SPANS_MAX: usize = 1024;
const KEPT_INLINE_BYTES_MAX: usize = 4096;

/// What counts as a long argument; as in Redis, where one is received in a buffer of its own (`PROTO_MBULK_BIG_ARG`).
const LONG_ARGUMENT_BYTES: usize = 32 * 1024;

impl Decoder {
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads on in the frame that begins at `buf`'s first byte. After [`Step::Frame`] and [`Step::Empty`] the next
    /// frame begins `consumed` bytes further on; after [`Step::Incomplete`] the next call must be given the same bytes
    /// again and more behind them. After an error the decoder is of no further use.
    #[inline]
    pub fn decode(&mut self, buf: &[u8], limits: &Limits) -> Result<Step, ProtocolError> {
        match self.decode_whole(buf, limits) {
            Some(consumed) => Ok(Step::Frame { consumed }),
            None => self.decode_in_steps(buf, limits),
        }
    }

    /// Reads a frame of the usual kind that is there as a whole. It answers what [`decode_in_steps`](Self::decode_in_steps)
    /// would, or leaves to it whatever is out of the ordinary, without having changed anything that it looks at.
    #[inline]
    fn decode_whole(&mut self, buf: &[u8], limits: &Limits) -> Option<usize> {
        if self.state != State::Between || !limits.authenticated {
            return None;
        }
        let (count, mut position) = read_header(buf, 0, b'*')?;
        // There are as many slots as the longest frame so far has needed: room is never made because of a mere claim.
        if count == 0 || count > limits.multibulk_max || self.spans.slots.len() > KEPT_SPANS_MAX {
            return None;
        }
        for slot in self.spans.slots.get_mut(..count)? {
            let (len, start) = read_header(buf, position, b'$')?;
            if len > limits.bulk_bytes_max {
                return None;
            }
            *slot = Span { start, len };
            position = start + len + 2;
        }
        if position > buf.len() {
            return None;
        }
        self.spans.len = count;
        Some(position)
    }

    /// Reads a frame of any kind as far as it is there.
    #[inline(never)]
    fn decode_in_steps(&mut self, buf: &[u8], limits: &Limits) -> Result<Step, ProtocolError> {
        if self.state == State::Between {
            self.begin();
        }
        debug_assert!(self.position <= buf.len() && self.scanned <= buf.len());
        if self.state == State::FirstLine {
            match buf.first() {
                None => {
                    self.state = State::Between;
                    return Ok(Step::Incomplete { need_hint: 1 });
                }
                Some(b'*') => {}
                Some(_) => return self.decode_inline(buf, limits),
            }
            let Some((count, position)) = self.read_multibulk_count(buf, limits)? else {
                return Ok(Step::Incomplete { need_hint: 1 });
            };
            self.advance_to(position);
            if count == 0 {
                self.state = State::Between;
                return Ok(Step::Empty { consumed: position });
            }
            self.remaining = count;
            self.state = State::BulkHeader;
        }
        self.decode_bulks(buf, limits)
    }

    /// The arguments of the frame that was decoded last. `buf` is what [`decode`](Self::decode) was given.
    #[inline]
    pub fn args<'a>(&'a self, buf: &'a [u8]) -> Args<'a> {
        match self.spans.as_slice() {
            [] => self.inline.as_args(),
            spans => Args::new(buf, spans),
        }
    }

    /// Whether a frame has begun whose end is still to come.
    pub fn is_mid_frame(&self) -> bool {
        self.state != State::Between
    }

    /// How many bytes of a frame that has begun are taken in; an argument is when it is there as a whole.
    pub fn taken_in(&self) -> usize {
        if self.is_mid_frame() { self.position } else { 0 }
    }

    /// How many bytes the arguments have that are taken in of a frame that has begun.
    pub fn args_bytes_taken_in(&self) -> usize {
        if self.is_mid_frame() { self.args_bytes } else { 0 }
    }

    /// How many bytes are missing of a long argument that has begun, when `received` ones of its frame are there.
    pub fn long_argument_missing(&self, received: usize) -> Option<usize> {
        match self.state {
            State::Bulk { len } if len >= LONG_ARGUMENT_BYTES => (self.position + len + 2).checked_sub(received),
            _ => None,
        }
    }

    /// How many bytes of memory the decoder holds beside the connection's buffer.
    pub fn memory_usage(&self) -> usize {
        self.spans.slots.capacity() * size_of::<Span>() + self.inline.memory_usage()
    }

    fn begin(&mut self) {
        self.spans.clear();
        self.inline.clear();
        self.position = 0;
        self.scanned = 0;
        self.args_bytes = 0;
        self.state = State::FirstLine;
    }

    #[inline]
    fn advance_to(&mut self, position: usize) {
        self.position = position;
        self.scanned = position;
    }

    #[inline]
    fn decode_bulks(&mut self, buf: &[u8], limits: &Limits) -> Result<Step, ProtocolError> {
        while self.remaining > 0 {
            let len = match self.state {
                State::Bulk { len } => len,
                _ => {
                    let Some((len, position)) = self.read_bulk_len(buf, limits)? else {
                        return Ok(Step::Incomplete { need_hint: self.header_bytes_missing(buf) });
                    };
                    self.advance_to(position);
                    len
                }
            };
            // The two bytes that end an argument are counted but, as in Redis, not looked at.
            if (buf.len() - self.position).saturating_sub(2) < len || buf.len() - self.position < 2 {
                self.state = State::Bulk { len };
                return Ok(Step::Incomplete { need_hint: len + 2 - (buf.len() - self.position) });
            }
            self.spans.push(Span { start: self.position, len });
            self.args_bytes += len;
            self.advance_to(self.position + len + 2);
            self.state = State::BulkHeader;
            self.remaining -= 1;
        }
        self.state = State::Between;
        Ok(Step::Frame { consumed: self.position })
    }

    /// Each argument still to come takes six bytes at least: `$0\r\n\r\n`.
    fn header_bytes_missing(&self, buf: &[u8]) -> usize {
        let received = buf.len() - self.position;
        self.remaining.saturating_mul(6).saturating_sub(received).clamp(1, 4096)
    }

    #[inline]
    fn read_multibulk_count(&mut self, buf: &[u8], limits: &Limits) -> Result<Option<(usize, usize)>, ProtocolError> {
        let (count, end) = match read_small_number(buf, 1) {
            Some((count, end)) => (i64::from(count), end),
            None => {
                let Some(end) = self.find_line_end(buf, limits, ProtocolError::MultibulkCountTooBig)? else {
                    return Ok(None);
                };
                (parse_i64(&buf[1..end]).ok_or(ProtocolError::InvalidMultibulkLength)?, end)
            }
        };
        // A negative count is a null array: no command, like an empty one.
        let count = usize::try_from(count).unwrap_or(0);
        if count > limits.multibulk_max {
            return Err(ProtocolError::InvalidMultibulkLength);
        }
        if !limits.authenticated && count > Limits::UNAUTHENTICATED_ARGS_MAX {
            return Err(ProtocolError::UnauthenticatedMultibulkLength);
        }
        Ok(Some((count, end + 2)))
    }

    #[inline]
    fn read_bulk_len(&mut self, buf: &[u8], limits: &Limits) -> Result<Option<(usize, usize)>, ProtocolError> {
        let start = self.position;
        let (len, end) = match read_small_number(buf, start + 1) {
            Some((len, end)) if buf[start] == b'$' => (len as usize, end),
            _ => {
                let Some(end) = self.find_line_end(buf, limits, ProtocolError::BulkCountTooBig)? else {
                    return Ok(None);
                };
                if buf[start] != b'$' {
                    return Err(ProtocolError::ExpectedDollar(buf[start]));
                }
                let len = parse_i64(buf.get(start + 1..end).unwrap_or_default());
                (len.and_then(|len| usize::try_from(len).ok()).ok_or(ProtocolError::InvalidBulkLength)?, end)
            }
        };
        // The second bound keeps the arithmetic on positions from overflowing whatever the configured limit is.
        if len > limits.bulk_bytes_max || len > isize::MAX as usize / 2 {
            return Err(ProtocolError::InvalidBulkLength);
        }
        if !limits.authenticated && len > Limits::UNAUTHENTICATED_BULK_BYTES_MAX {
            return Err(ProtocolError::UnauthenticatedBulkLength);
        }
        Ok(Some((len, end + 2)))
    }

    /// Where the carriage return is that ends the line at `position`, once the byte after it is there too.
    #[cold]
    fn find_line_end(
        &mut self,
        buf: &[u8],
        limits: &Limits,
        too_big: ProtocolError,
    ) -> Result<Option<usize>, ProtocolError> {
        match memchr(b'\r', &buf[self.scanned..]) {
            Some(offset) => {
                self.scanned += offset;
                Ok((self.scanned + 1 < buf.len()).then_some(self.scanned))
            }
            None if buf.len() - self.position > limits.inline_bytes_max => Err(too_big),
            None => {
                self.scanned = buf.len();
                Ok(None)
            }
        }
    }

    #[cold]
    fn decode_inline(&mut self, buf: &[u8], limits: &Limits) -> Result<Step, ProtocolError> {
        let Some(offset) = memchr(b'\n', &buf[self.scanned..]) else {
            if buf.len() > limits.inline_bytes_max {
                return Err(ProtocolError::InlineTooBig);
            }
            self.scanned = buf.len();
            return Ok(Step::Incomplete { need_hint: 1 });
        };
        let newline = self.scanned + offset;
        let line = &buf[..newline];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if memchr3(b'"', b'\'', 0, line).is_none() {
            self.split_unquoted(line);
        } else {
            let args = split_args(line).ok_or(ProtocolError::UnbalancedQuotes)?;
            self.inline.shrink_to(KEPT_INLINE_BYTES_MAX, KEPT_SPANS_MAX);
            self.inline.extend(&args);
        }
        self.state = State::Between;
        let consumed = newline + 1;
        let is_empty = self.spans.as_slice().is_empty() && self.inline.as_args().is_empty();
        Ok(if is_empty { Step::Empty { consumed } } else { Step::Frame { consumed } })
    }

    /// Splits a line without quotes as `split_args` does, but in place.
    fn split_unquoted(&mut self, line: &[u8]) {
        let mut position = 0;
        while position < line.len() {
            if matches!(line[position], b' ' | 0x09..=0x0d) {
                position += 1;
                continue;
            }
            let rest = &line[position..];
            let len = rest.iter().position(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')).unwrap_or(rest.len());
            self.spans.push(Span { start: position, len });
            position += len;
        }
    }
}

impl Spans {
    #[inline]
    fn as_slice(&self) -> &[Span] {
        &self.slots[..self.len]
    }

    fn push(&mut self, span: Span) {
        match self.slots.get_mut(self.len) {
            Some(slot) => *slot = span,
            None => self.slots.push(span),
        }
        self.len += 1;
    }

    fn clear(&mut self) {
        self.len = 0;
        self.slots.truncate(KEPT_SPANS_MAX);
        self.slots.shrink_to(KEPT_SPANS_MAX);
    }
}

/// Reads a header of one to nine digits: its number, and where what follows it begins. Whatever else is at
/// `position` is `None` and left to a slower look.
#[inline(always)]
fn read_header(buf: &[u8], position: usize, sigil: u8) -> Option<(usize, usize)> {
    const ZERO: usize = b'0' as usize;
    match *buf.get(position..)? {
        [first, units @ b'0'..=b'9', b'\r', _, ..] if first == sigil => Some((usize::from(units) - ZERO, position + 4)),
        [first, tens @ b'1'..=b'9', units @ b'0'..=b'9', b'\r', _, ..] if first == sigil => {
            Some((usize::from(tens) * 10 + usize::from(units) - 11 * ZERO, position + 5))
        }
        [first, ..] if first == sigil => read_long_header(buf, position),
        _ => None,
    }
}

/// Out of line, so that it takes no registers from the loop over short arguments.
#[cold]
#[inline(never)]
fn read_long_header(buf: &[u8], position: usize) -> Option<(usize, usize)> {
    let (number, end) = read_small_number(buf, position + 1)?;
    Some((number as usize, end + 2))
}

/// Reads a number of one to nine digits without a leading zero that begins at `start` and is followed by a carriage
/// return and one more byte: the number and where the carriage return is. Everything else, an end of the bytes in the
/// middle included, is `None` and left to a slower look.
#[inline]
fn read_small_number(buf: &[u8], start: usize) -> Option<(u32, usize)> {
    let digits = buf.get(start..)?;
    let first = digits.first()?.wrapping_sub(b'0');
    if first > 9 {
        return None;
    }
    let mut number = u32::from(first);
    let mut len = 1;
    loop {
        let byte = *digits.get(len)?;
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            let ended = byte == b'\r' && len + 1 < digits.len();
            return ended.then_some((number, start + len));
        }
        if len == 9 || number == 0 {
            return None;
        }
        number = number * 10 + u32::from(digit);
        len += 1;
    }
}

#[cfg(test)]
mod tests;
