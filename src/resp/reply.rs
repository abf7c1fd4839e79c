//! Replies as bytes.

use std::collections::VecDeque;

use crate::stdx::number::{SHORT_NUMBER_END, format_f64, short_digits};

/// The dialect that a client has asked for by `HELLO`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    #[default]
    Resp2,
    Resp3,
}

impl Protocol {
    /// The number by which `HELLO` knows it.
    pub fn version(self) -> i64 {
        match self {
            Self::Resp2 => 2,
            Self::Resp3 => 3,
        }
    }

    pub fn from_version(version: i64) -> Option<Self> {
        match version {
            2 => Some(Self::Resp2),
            3 => Some(Self::Resp3),
            _ => None,
        }
    }
}

/// Where the header of an array, a map, a set or a push is to be whose length is known only afterwards.
#[must_use = "a reply without the header is broken"]
#[derive(Debug)]
pub struct Deferred {
    at: usize,
}

/// One client's output buffer, with one method for each thing a reply can be.
#[derive(Debug)]
pub struct Reply {
    /// What is written now.
    out: Vec<u8>,
    /// Whole replies that go out before `out`. Each block is freed once it is sent, and none of them moves while others
    /// are written.
    blocks: VecDeque<Vec<u8>>,
    blocks_len: usize,
    blocks_capacity: usize,
    /// Bytes at the front, of the first block or else of `out`, that are sent already.
    sent: usize,
    /// How many unsent bytes there may be. Looked at only where the buffer has to grow, which is rare.
    unsent_max: usize,
    overfull: Option<Overfull>,
    protocol: Protocol,
}

/// Why a reply is not built any further. Its client is to be closed: what it has asked for cannot be sent as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overfull {
    /// It would be longer than what may wait to be sent.
    Limit,
    /// There is no memory for it.
    Memory,
}

/// What an overfull reply is cut down to, or filled up to: as much as is surely noticed by whoever counts unsent bytes.
/// These bytes are never sent.
const OVERFULL_BYTES: usize = 32 * 1024;

/// What is written to an overfull reply goes into this room, over and over.
const OVERFULL_ROOM: usize = 32 * 1024;

/// From this length on, what is written is set aside as a block when it cannot be sent at once.
const BLOCK_BYTES_MIN: usize = 64 * 1024;

/// With so much set aside already, the blocks that follow have this length at least. The allocator gives the memory of
/// such large blocks back to the system soon after they are freed.
const LARGE_BLOCK_BYTES: usize = 1 << 20;

/// A buffer grows by this much at least.
const BUFFER_BYTES_MIN: usize = 64;

/// What a header of a short number takes, and with fewer digits while it is written.
const SHORT_HEADER_BYTES_MAX: usize = 11;

/// The room that a string needs beside its bytes.
const BULK_ROOM: usize = 24;

/// The room kept for a deferred header: that of fewer than ten elements.
const DEFERRED_HEADER: &[u8; 4] = b"*0\r\n";

impl Default for Reply {
    fn default() -> Self {
        Self::new(Protocol::default())
    }
}

impl Reply {
    pub fn new(protocol: Protocol) -> Self {
        Self::with_buffer(Vec::new(), protocol)
    }

    pub fn with_buffer(out: Vec<u8>, protocol: Protocol) -> Self {
        let blocks = VecDeque::new();
        let (blocks_len, blocks_capacity, sent) = (0, 0, 0);
        Self { out, blocks, blocks_len, blocks_capacity, sent, unsent_max: usize::MAX, overfull: None, protocol }
    }

    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    pub fn set_protocol(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// Sets how many unsent bytes there may be from now on. A reply that would be longer is given up: it takes no more
    /// memory, and nothing more is copied into it.
    #[inline]
    pub fn set_unsent_max(&mut self, bytes: usize) {
        self.unsent_max = bytes;
    }

    /// Whether the reply was given up, so that a command need not go on with it.
    #[inline]
    pub fn is_overfull(&self) -> bool {
        self.overfull.is_some()
    }

    pub fn overfull(&self) -> Option<Overfull> {
        self.overfull
    }

    /// Whether so many bytes may be added.
    pub fn takes(&self, bytes: usize) -> bool {
        self.len().saturating_add(bytes) <= self.unsent_max
    }

    /// Gives the reply up if `bytes` more would be too many.
    pub fn expect_more(&mut self, bytes: usize) {
        if !self.takes(bytes) {
            self.give_up(Overfull::Limit);
        }
    }

    #[inline]
    fn is_resp3(&self) -> bool {
        self.protocol == Protocol::Resp3
    }

    /// `+text`. The text has no line break in it.
    #[inline]
    pub fn simple(&mut self, text: &str) {
        debug_assert!(!text.contains(['\r', '\n']));
        self.line(b'+', text.as_bytes());
    }

    /// `+text`, of bytes that may come from a client. A line break becomes a space.
    pub fn status(&mut self, text: impl AsRef<[u8]>) {
        self.on_one_line(b'+', text.as_ref());
    }

    #[inline]
    pub fn ok(&mut self) {
        self.put(b"+OK\r\n");
    }

    /// `-text`, where the text begins with its code: `ERR no such key`. A line break in it, which only a client's own
    /// bytes quoted back can bring in, becomes a space.
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        let end = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
        self.on_one_line(b'-', &text[..end]);
    }

    fn on_one_line(&mut self, kind: u8, text: &[u8]) {
        if !self.has_room(text.len() + 3) {
            return;
        }
        self.out.push(kind);
        self.out.extend(text.iter().map(|&byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { byte }));
        self.out.extend_from_slice(b"\r\n");
    }

    pub fn integer(&mut self, value: i64) {
        match usize::try_from(value) {
            Ok(number) if number < SHORT_NUMBER_END as usize => self.header(b':', number),
            _ => self.long_integer(value),
        }
    }

    #[inline]
    pub fn bulk(&mut self, bytes: impl AsRef<[u8]>) {
        self.bulk_bytes(bytes.as_ref());
    }

    /// A number as a string.
    pub fn bulk_i64(&mut self, value: i64) {
        self.bulk(itoa::Buffer::new().format(value));
    }

    /// A string, or null where there is none.
    #[inline]
    pub fn bulk_or_null(&mut self, bytes: Option<impl AsRef<[u8]>>) {
        match bytes {
            Some(bytes) => self.bulk(bytes),
            None => self.null(),
        }
    }

    /// The null in place of a missing string.
    #[inline]
    pub fn null(&mut self) {
        self.put(if self.is_resp3() { b"_\r\n" } else { b"$-1\r\n" });
    }

    /// The null in place of a missing array.
    pub fn null_array(&mut self) {
        self.put(if self.is_resp3() { b"_\r\n" } else { b"*-1\r\n" });
    }

    /// The header of an array; `len` replies follow.
    pub fn array(&mut self, len: usize) {
        self.header(b'*', len);
    }

    /// The header of a map; `pairs` times a key and a value follow.
    pub fn map(&mut self, pairs: usize) {
        let (prefix, len) = if self.is_resp3() { (b'%', pairs) } else { (b'*', pairs * 2) };
        self.header(prefix, len);
    }

    /// The header of a set; `len` replies follow.
    pub fn set(&mut self, len: usize) {
        self.header(if self.is_resp3() { b'~' } else { b'*' }, len);
    }

    /// The header of a message that answers no request; `len` replies follow. In RESP2 it looks like any array.
    pub fn push(&mut self, len: usize) {
        self.header(if self.is_resp3() { b'>' } else { b'*' }, len);
    }

    /// The header of attributes, which precede the reply that they tell about. RESP2 has none: the caller leaves them
    /// out.
    pub fn attribute(&mut self, pairs: usize) {
        debug_assert!(self.is_resp3(), "RESP2 has no attributes");
        self.header(b'|', pairs);
    }

    pub fn empty_array(&mut self) {
        self.array(0);
    }

    pub fn empty_map(&mut self) {
        self.map(0);
    }

    pub fn empty_set(&mut self) {
        self.set(0);
    }

    pub fn empty_bulk(&mut self) {
        self.put(b"$0\r\n\r\n");
    }

    pub fn double(&mut self, value: f64) {
        self.double_text(&format_f64(value));
    }

    /// A floating-point number whose text is made already, such as that of an 80-bit one.
    pub fn double_text(&mut self, text: &[u8]) {
        if self.is_resp3() {
            self.line(b',', text);
        } else {
            self.bulk(text);
        }
    }

    pub fn boolean(&mut self, value: bool) {
        self.put(match (self.is_resp3(), value) {
            (true, true) => b"#t\r\n",
            (true, false) => b"#f\r\n",
            (false, true) => b":1\r\n",
            (false, false) => b":0\r\n",
        });
    }

    /// An integer of any size, as its decimal digits.
    pub fn big_number(&mut self, digits: &[u8]) {
        if self.is_resp3() {
            self.line(b'(', digits);
        } else {
            self.bulk(digits);
        }
    }

    /// Text to be shown as it is. `format` is `txt` or `mkd`.
    pub fn verbatim(&mut self, format: &[u8; 3], text: &[u8]) {
        if self.is_resp3() {
            if !self.has_room(text.len() + 32) {
                return;
            }
            self.header(b'=', text.len() + 4);
            self.out.extend_from_slice(format);
            self.out.push(b':');
            self.out.extend_from_slice(text);
            self.out.extend_from_slice(b"\r\n");
        } else {
            self.bulk(text);
        }
    }

    /// Bytes that are a reply already.
    pub fn raw(&mut self, encoded: &[u8]) {
        self.put(encoded);
    }

    /// Keeps a place for a header. Where several are open, the one opened last is set first.
    pub fn deferred(&mut self) -> Deferred {
        let at = self.out.len();
        self.put(DEFERRED_HEADER);
        Deferred { at }
    }

    pub fn set_deferred_array_len(&mut self, deferred: Deferred, len: usize) {
        self.set_deferred(deferred, b'*', len);
    }

    pub fn set_deferred_map_len(&mut self, deferred: Deferred, pairs: usize) {
        if self.is_resp3() {
            self.set_deferred(deferred, b'%', pairs);
        } else {
            self.set_deferred(deferred, b'*', pairs * 2);
        }
    }

    pub fn set_deferred_set_len(&mut self, deferred: Deferred, len: usize) {
        self.set_deferred(deferred, if self.is_resp3() { b'~' } else { b'*' }, len);
    }

    #[allow(dead_code, reason = "pushes of a length that is not known yet are to come")]
    pub fn set_deferred_push_len(&mut self, deferred: Deferred, len: usize) {
        self.set_deferred(deferred, if self.is_resp3() { b'>' } else { b'*' }, len);
    }

    /// How many bytes are written so far and not sent.
    #[inline]
    pub fn len(&self) -> usize {
        self.blocks_len + self.out.len() - self.sent
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes that are to be sent first; all, unless blocks were set aside.
    #[inline]
    pub fn front(&self) -> &[u8] {
        &self.blocks.front().unwrap_or(&self.out)[self.sent..]
    }

    /// The room that the buffer has in all.
    pub fn capacity(&self) -> usize {
        self.blocks_capacity + self.out.capacity()
    }

    /// Takes back everything written since the buffer was `len` bytes long, unless the reply was given up. What was set
    /// aside stays.
    pub fn truncate(&mut self, len: usize) {
        // One that was given up has lost what came before, too.
        if !self.is_overfull() {
            self.out.truncate(self.place_of(len));
        }
    }

    /// Takes back what was written since the buffer was `len` bytes long, and returns it.
    pub fn split_off(&mut self, len: usize) -> Vec<u8> {
        if self.is_overfull() {
            return Vec::new();
        }
        self.out.split_off(self.place_of(len))
    }

    /// Where in `out` the byte is that has `len` unsent ones before it.
    fn place_of(&self, len: usize) -> usize {
        debug_assert!(len + self.sent >= self.blocks_len, "the place was noted before a block was set aside");
        len + self.sent - self.blocks_len
    }

    /// Takes the first `len` bytes away, which have been written to the socket.
    pub fn discard_front(&mut self, len: usize) {
        self.sent += len;
        while let Some(block) = self.blocks.front()
            && self.sent >= block.len()
        {
            self.sent -= block.len();
            self.blocks_len -= block.len();
            self.blocks_capacity -= block.capacity();
            self.blocks.pop_front();
        }
        if self.blocks.is_empty() && self.sent == self.out.len() {
            self.out.clear();
            self.sent = 0;
        }
    }

    /// Frees all that was written and not sent.
    pub fn discard(&mut self) {
        self.out = Vec::new();
        self.blocks = VecDeque::new();
        (self.sent, self.blocks_len, self.blocks_capacity) = (0, 0, 0);
    }

    /// Sets aside what was written if it is long: what follows goes into a buffer of its own, so that nothing has to be
    /// moved when there is more and more. Called between two replies.
    pub fn set_aside(&mut self) {
        let block_bytes_min = if self.blocks_len < LARGE_BLOCK_BYTES { BLOCK_BYTES_MIN } else { LARGE_BLOCK_BYTES };
        if self.out.len() >= block_bytes_min && !self.is_overfull() {
            let mut block = std::mem::take(&mut self.out);
            if block.capacity() - block.len() > block.len() / 8 {
                block.shrink_to_fit();
            }
            self.blocks_len += block.len();
            self.blocks_capacity += block.capacity();
            self.blocks.push_back(block);
        }
    }

    pub fn take(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        for block in self.blocks.drain(..).chain([std::mem::take(&mut self.out)]) {
            if out.is_empty() {
                out = block;
            } else {
                out.extend_from_slice(&block);
            }
        }
        out.drain(..self.sent);
        (self.sent, self.blocks_len, self.blocks_capacity) = (0, 0, 0);
        out
    }

    /// Appends another reply, in the same protocol.
    pub fn append(&mut self, mut other: Self) {
        if let Some(reason) = other.overfull {
            self.give_up(reason);
        } else if self.out.is_empty() && !self.is_overfull() && self.takes(other.len()) {
            // Nothing of a long one has to be copied.
            self.out = other.take();
        } else {
            self.put(&other.take());
        }
    }

    /// How many bytes may be added.
    pub fn room(&self) -> usize {
        self.unsent_max.saturating_sub(self.len())
    }

    /// Drops all that was written, for replies in `protocol` from now on. The buffer stays allocated if it is of usual size.
    #[inline]
    pub fn restart(&mut self, protocol: Protocol) {
        const KEPT_BYTES: usize = 64 << 10;
        if !self.blocks.is_empty() || self.out.capacity() > KEPT_BYTES {
            self.discard();
        }
        self.out.clear();
        self.sent = 0;
        self.overfull = None;
        self.protocol = protocol;
    }

    pub fn buffer_mut(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    fn set_deferred(&mut self, deferred: Deferred, prefix: u8, len: usize) {
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(len).as_bytes();
        // Room first: a reply that is given up has no place for the header any more.
        if !self.has_room(digits.len()) || self.is_overfull() {
            return;
        }
        let at = deferred.at;
        let placeholder = at..at + DEFERRED_HEADER.len();
        debug_assert_eq!(self.out.get(placeholder.clone()), Some(&DEFERRED_HEADER[..]));
        if len < 10 {
            self.out[at] = prefix;
            self.out[at + 1] = b'0' + len as u8;
            return;
        }
        let (body, end) = (placeholder.end, self.out.len());
        let header_len = digits.len() + 3;
        self.out.resize(end + header_len - DEFERRED_HEADER.len(), 0);
        self.out.copy_within(body..end, at + header_len);
        self.out[at] = prefix;
        self.out[at + 1..at + 1 + digits.len()].copy_from_slice(digits);
        self.out[at + 1 + digits.len()..at + header_len].copy_from_slice(b"\r\n");
    }

    fn bulk_bytes(&mut self, bytes: &[u8]) {
        let len = bytes.len();
        let room = self.out.capacity() - self.out.len();
        // Stated in two steps, from which it can be seen that the header needs no more room.
        if room < BULK_ROOM || room - BULK_ROOM < len || len >= SHORT_NUMBER_END as usize {
            return self.long_bulk(bytes);
        }
        self.short_header(b'$', len as u32);
        self.end_line(bytes);
    }

    /// Room is made for the whole of it at once: where it is large, each piece would take twice of what there is.
    #[cold]
    #[inline(never)]
    fn long_bulk(&mut self, bytes: &[u8]) {
        if self.has_room(bytes.len().saturating_add(BULK_ROOM)) {
            self.header(b'$', bytes.len());
            self.end_line(bytes);
        }
    }

    /// Out of line: what calls it keeps nothing, and so has no registers to save.
    #[inline(never)]
    fn end_line(&mut self, text: &[u8]) {
        // In two steps, from which it can be seen that neither piece needs more room.
        let room = self.out.capacity() - self.out.len();
        if room < 2 || room - 2 < text.len() {
            self.out.reserve(text.len().saturating_add(2));
        }
        self.out.extend_from_slice(text);
        self.out.extend_from_slice(b"\r\n");
    }

    /// A line of a number, such as begins most replies.
    #[inline(always)]
    fn header(&mut self, prefix: u8, number: usize) {
        // With the room looked at once, no line of a short number has to make room: there is no call to save registers for.
        if number < SHORT_NUMBER_END as usize && self.out.capacity() - self.out.len() >= SHORT_HEADER_BYTES_MAX {
            self.short_header(prefix, number as u32);
        } else {
            self.long_header(prefix, number);
        }
    }

    /// All eight bytes that a short number may take are written, since so many cost less than a number of bytes that has to
    /// be looked at.
    #[inline(always)]
    fn short_header(&mut self, prefix: u8, number: u32) {
        if number < 10 {
            self.out.extend_from_slice(&[prefix, b'0' + number as u8, b'\r', b'\n']);
        } else if number < 100 {
            let (tens, units) = (number / 10, number % 10);
            self.out.extend_from_slice(&[prefix, b'0' + tens as u8, b'0' + units as u8, b'\r', b'\n']);
        } else {
            let (digits, len) = short_digits(number);
            let mut line = [prefix; SHORT_HEADER_BYTES_MAX];
            line[1..9].copy_from_slice(&digits);
            // One by one: two bytes at a place that is not known are copied by a call.
            (line[1 + len], line[2 + len]) = (b'\r', b'\n');
            let end = self.out.len() + 1 + len + 2;
            self.out.extend_from_slice(&line);
            self.out.truncate(end);
        }
    }

    #[inline(never)]
    fn long_integer(&mut self, value: i64) {
        self.line(b':', itoa::Buffer::new().format(value).as_bytes());
    }

    #[cold]
    #[inline(never)]
    fn long_header(&mut self, prefix: u8, number: usize) {
        self.line(prefix, itoa::Buffer::new().format(number).as_bytes());
    }

    #[inline]
    fn line(&mut self, prefix: u8, text: &[u8]) {
        if self.has_room(text.len() + 3) {
            self.out.push(prefix);
            self.out.extend_from_slice(text);
            self.out.extend_from_slice(b"\r\n");
        }
    }

    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        if self.has_room(bytes.len()) {
            self.out.extend_from_slice(bytes);
        }
    }

    /// Whether so many bytes can be appended. All growth of the buffer begins here.
    #[inline]
    fn has_room(&mut self, bytes: usize) -> bool {
        self.out.capacity() - self.out.len() >= bytes || self.make_room(bytes)
    }

    #[cold]
    #[inline(never)]
    fn make_room(&mut self, bytes: usize) -> bool {
        if self.is_overfull() {
            self.out.truncate(OVERFULL_BYTES);
            return bytes <= OVERFULL_ROOM;
        }
        if !self.takes(bytes) {
            return self.give_up(Overfull::Limit);
        }
        // Growth by doubling must not claim more than may ever be used.
        let doubled = self.out.capacity().min(self.unsent_max - self.len());
        let more = self.out.try_reserve_exact(doubled.max(bytes).max(BUFFER_BYTES_MIN));
        if more.is_err() && self.out.try_reserve_exact(bytes).is_err() {
            return self.give_up(Overfull::Memory);
        }
        true
    }

    /// Frees what was written. Returns that nothing more has to be.
    #[cold]
    #[inline(never)]
    fn give_up(&mut self, reason: Overfull) -> bool {
        self.overfull = Some(reason);
        self.blocks = VecDeque::new();
        (self.sent, self.blocks_len, self.blocks_capacity) = (0, 0, 0);
        self.out = Vec::with_capacity(OVERFULL_BYTES + OVERFULL_ROOM);
        self.out.resize(OVERFULL_BYTES, 0);
        false
    }
}

#[cfg(test)]
mod tests;
