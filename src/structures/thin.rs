//! Elements of large collections: one heap block each, behind a handle of one word.
//!
//! ```text
//! ThinMember | length: 1 byte, or 255 and 4 bytes | bytes |
//! ThinPair   | flags | expiry: 0 or 8 bytes | key length: 1 or 4 | value length: 1 or 4 | key | value |
//! ```
//!
//! Nothing in a block is aligned, so that short elements take the smallest blocks that there are. A member that is
//! an integer of up to 63 bits has none: the handle is the integer.
#![expect(unsafe_code, reason = "the blocks' layouts are chosen at run time")]

use std::num::NonZero;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::{fmt, slice};

use super::Element;
use super::evacuate::{Cursor, Evacuate, Part, START};
use super::heap::{Pool, block_bytes};
use super::listpack::Entry;
use crate::stdx::number::{IntText, format_i64, parse_i64};
use crate::stdx::size::ELEMENT_BYTES_MAX;
use crate::stdx::text::are_equal;

/// Where blocks come from.
const POOL: Pool = Pool::Elements;

const WIDE_LENGTH_BYTES: usize = size_of::<u32>();
const EXPIRY_BYTES: usize = size_of::<i64>();

/// Is in place of a length of one byte, and says that four bytes with the length follow.
const WIDE_MARK: u8 = u8::MAX;

/// Asked before a block is made or changed: bytes from outside are refused before.
///
/// # Panics
///
/// When no block holds an element of that length.
#[inline]
fn assert_storable(len: usize) {
    assert!(len <= ELEMENT_BYTES_MAX, "an element has at most ELEMENT_BYTES_MAX bytes");
}

const _: () = assert!(ELEMENT_BYTES_MAX <= u32::MAX as usize);

/// In the handle of a member: the bits above are a number. Blocks begin at multiples of 4, so no address of one has this bit.
const NUMBER: usize = 1;

/// The member of a set, which never changes. The text of an integer of up to 63 bits is kept as that integer, in the place of
/// a block's address.
#[repr(transparent)]
pub struct ThinMember(NonNull<u8>);

// SAFETY: the handle owns its block alone, and nothing in it is tied to a thread.
unsafe impl Send for ThinMember {}

// SAFETY: shared access only reads.
unsafe impl Sync for ThinMember {}

impl Element for ThinMember {
    const BUCKETS: Option<Pool> = Some(POOL);

    type Key<'a> = MemberText<'a>;

    #[inline]
    fn key(&self) -> MemberText<'_> {
        match self.get() {
            Entry::Int(number) => MemberText::Number(format_i64(number)),
            Entry::Bytes(bytes) => MemberText::Bytes(bytes),
        }
    }

    #[inline]
    fn has_key(&self, key: &[u8]) -> bool {
        match self.get() {
            Entry::Int(number) => is_text_of(number, key),
            Entry::Bytes(bytes) => are_equal(bytes, key),
        }
    }

    /// A number is in the handle, which the table has at hand.
    #[inline]
    fn address(&self) -> *const u8 {
        if self.is_number() { ptr::from_ref(self).cast() } else { self.0.as_ptr() }
    }
}

/// Out of line, so that members that are no numbers are compared as quickly as if there were none.
#[inline(never)]
fn is_text_of(number: i64, text: &[u8]) -> bool {
    parse_i64(text) == Some(number)
}

/// The bytes of a member.
pub enum MemberText<'a> {
    Number(IntText),
    Bytes(&'a [u8]),
}

impl Deref for MemberText<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Number(text) => text,
            Self::Bytes(bytes) => bytes,
        }
    }
}

impl ThinMember {
    #[inline]
    pub fn new(bytes: &[u8]) -> Self {
        // The first byte of most texts shows that they are no integers.
        if let [b'-' | b'0'..=b'9', ..] = bytes
            && let Some(member) = parse_i64(bytes).and_then(Self::of_number)
        {
            return member;
        }
        Self::of_bytes(bytes)
    }

    /// The member as it is kept.
    #[inline]
    pub fn get(&self) -> Entry<'_> {
        if self.is_number() {
            return Entry::Int(self.0.addr().get() as i64 >> 1);
        }
        let at = self.0.as_ptr();
        // SAFETY: the head says how many bytes follow it, all of them initialised and living as long as the handle.
        let bytes = unsafe {
            match at.read() {
                WIDE_MARK => {
                    let len = at.add(1).cast::<u32>().read_unaligned() as usize;
                    slice::from_raw_parts(at.add(1 + WIDE_LENGTH_BYTES), len)
                }
                len => slice::from_raw_parts(at.add(1), usize::from(len)),
            }
        };
        Entry::Bytes(bytes)
    }

    /// Bytes taken on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.used_bytes().map_or(0, block_bytes)
    }

    #[inline]
    fn of_number(number: i64) -> Option<Self> {
        let handle = NonZero::new(number.checked_mul(2)? as usize | NUMBER)?;
        Some(Self(NonNull::without_provenance(handle)))
    }

    fn of_bytes(bytes: &[u8]) -> Self {
        assert_storable(bytes.len());
        let head = Self::head_bytes(bytes.len());
        let block = POOL.allocate(head + bytes.len());
        debug_assert_eq!(block.addr().get() & NUMBER, 0, "a block begins at a multiple of 4");
        let at = block.as_ptr();
        // SAFETY: the block has room for the head and the bytes, and is nobody else's.
        unsafe {
            if head == 1 {
                at.write(bytes.len() as u8);
            } else {
                at.write(WIDE_MARK);
                at.add(1).cast::<u32>().write_unaligned(bytes.len() as u32);
            }
            ptr::copy_nonoverlapping(bytes.as_ptr(), at.add(head), bytes.len());
        }
        Self(block)
    }

    #[inline]
    fn is_number(&self) -> bool {
        self.0.addr().get() & NUMBER != 0
    }

    /// Of the block, if there is one.
    #[inline]
    fn used_bytes(&self) -> Option<usize> {
        match self.get() {
            Entry::Int(_) => None,
            Entry::Bytes(bytes) => Some(Self::head_bytes(bytes.len()) + bytes.len()),
        }
    }

    fn head_bytes(len: usize) -> usize {
        if len < usize::from(WIDE_MARK) { 1 } else { 1 + WIDE_LENGTH_BYTES }
    }
}

impl Evacuate for ThinMember {
    fn evacuate(&mut self, _cursor: Cursor, part: &mut Part) -> Cursor {
        if self.is_number() {
            part.look();
        } else if part.is_leaving(self.0)
            && let Some(bytes) = self.used_bytes()
        {
            // SAFETY: the block was allocated for so many bytes, and no other handle has it.
            unsafe { part.move_out(&mut self.0, bytes) };
        }
        START
    }
}

impl Drop for ThinMember {
    fn drop(&mut self) {
        if let Some(bytes) = self.used_bytes() {
            // SAFETY: the handle owns the block and ends here.
            unsafe { POOL.free(self.0, bytes) };
        }
    }
}

impl Clone for ThinMember {
    fn clone(&self) -> Self {
        match self.get() {
            Entry::Int(_) => Self(self.0),
            Entry::Bytes(bytes) => Self::of_bytes(bytes),
        }
    }
}

impl fmt::Debug for ThinMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key().escape_ascii().fmt(f)
    }
}

const HAS_EXPIRY: u8 = 1;
const WIDE_KEY: u8 = 2;
const WIDE_VALUE: u8 = 4;

/// A key that never changes with a value that does, and perhaps a moment at which both are gone: the field of a hash.
#[repr(transparent)]
pub struct ThinPair(NonNull<u8>);

// SAFETY: the handle owns its block alone, and nothing in it is tied to a thread.
unsafe impl Send for ThinPair {}

// SAFETY: shared access only reads.
unsafe impl Sync for ThinPair {}

impl Element for ThinPair {
    const BUCKETS: Option<Pool> = Some(POOL);

    type Key<'a> = &'a [u8];

    #[inline]
    fn key(&self) -> &[u8] {
        let shape = self.shape();
        self.part(shape.key_offset(), shape.key_len)
    }

    #[inline]
    fn address(&self) -> *const u8 {
        self.0.as_ptr()
    }
}

/// What a pair's block is made of.
#[derive(Clone, Copy, PartialEq, Eq)]
struct PairShape {
    expiry: bool,
    key_len: usize,
    value_len: usize,
}

impl PairShape {
    fn flags(self) -> u8 {
        let wide_from = usize::from(u8::MAX) + 1;
        (u8::from(self.expiry) * HAS_EXPIRY)
            | (u8::from(self.key_len >= wide_from) * WIDE_KEY)
            | (u8::from(self.value_len >= wide_from) * WIDE_VALUE)
    }

    #[inline]
    fn lengths_offset(self) -> usize {
        1 + if self.expiry { EXPIRY_BYTES } else { 0 }
    }

    #[inline]
    fn key_offset(self) -> usize {
        let flags = self.flags();
        let width = |wide: u8| if flags & wide == 0 { 1 } else { WIDE_LENGTH_BYTES };
        self.lengths_offset() + width(WIDE_KEY) + width(WIDE_VALUE)
    }

    #[inline]
    fn value_offset(self) -> usize {
        self.key_offset() + self.key_len
    }

    fn bytes(self) -> usize {
        self.value_offset() + self.value_len
    }
}

impl ThinPair {
    /// `expiry` is in whatever unit and of whatever origin the caller counts in.
    pub fn new(key: &[u8], value: &[u8], expiry: Option<i64>) -> Self {
        assert_storable(key.len().max(value.len()));
        let shape = PairShape { expiry: expiry.is_some(), key_len: key.len(), value_len: value.len() };
        let mut pair = Self(POOL.allocate(shape.bytes()));
        pair.write_head(shape, expiry);
        pair.write_part(shape.key_offset(), key);
        pair.write_part(shape.value_offset(), value);
        pair
    }

    #[inline]
    pub fn key_and_value(&self) -> (&[u8], &[u8]) {
        let shape = self.shape();
        (self.part(shape.key_offset(), shape.key_len), self.part(shape.value_offset(), shape.value_len))
    }

    #[inline]
    pub fn value(&self) -> &[u8] {
        let shape = self.shape();
        self.part(shape.value_offset(), shape.value_len)
    }

    #[inline]
    pub fn expiry(&self) -> Option<i64> {
        // SAFETY: the flags are the block's first byte, and where they say so the expiry is right behind them.
        unsafe {
            let at = self.0.as_ptr();
            (at.read() & HAS_EXPIRY != 0).then(|| at.add(1).cast::<i64>().read_unaligned())
        }
    }

    /// Replaces value and expiry, in place where the block that they need is of the size that there is and no child sees it.
    pub fn set(&mut self, value: &[u8], expiry: Option<i64>) {
        assert_storable(value.len());
        let old = self.shape();
        let new = PairShape { expiry: expiry.is_some(), key_len: old.key_len, value_len: value.len() };
        let fits = old.key_offset() == new.key_offset() && block_bytes(old.bytes()) == block_bytes(new.bytes());
        if fits && !POOL.shares(self.0) {
            self.write_head(new, expiry);
            self.write_part(new.value_offset(), value);
        } else {
            *self = Self::new(self.key(), value, expiry);
        }
    }

    /// Replaces the expiry and keeps the value.
    pub fn set_expiry(&mut self, expiry: Option<i64>) {
        let shape = self.shape();
        if shape.expiry == expiry.is_some() && !POOL.shares(self.0) {
            self.write_head(shape, expiry);
        } else {
            *self = Self::new(self.key(), self.value(), expiry);
        }
    }

    /// Bytes taken on the heap.
    pub fn heap_bytes(&self) -> usize {
        block_bytes(self.shape().bytes())
    }

    #[inline]
    fn shape(&self) -> PairShape {
        let at = self.0.as_ptr();
        // SAFETY: the head is initialised, and its flags say where the lengths are and how wide they are.
        unsafe {
            let flags = at.read();
            let expiry = flags & HAS_EXPIRY != 0;
            let mut lengths = at.add(1 + if expiry { EXPIRY_BYTES } else { 0 });
            let mut length = |wide: u8| {
                if flags & wide == 0 {
                    let len = usize::from(lengths.read());
                    lengths = lengths.add(1);
                    return len;
                }
                let len = lengths.cast::<u32>().read_unaligned() as usize;
                lengths = lengths.add(WIDE_LENGTH_BYTES);
                len
            };
            PairShape { expiry, key_len: length(WIDE_KEY), value_len: length(WIDE_VALUE) }
        }
    }

    #[inline]
    fn part(&self, offset: usize, len: usize) -> &[u8] {
        // SAFETY: callers take offset and length from the shape, which describes initialised parts of the block, and the
        // block changes only by `&mut self`.
        unsafe { slice::from_raw_parts(self.0.as_ptr().add(offset), len) }
    }

    fn write_head(&mut self, shape: PairShape, expiry: Option<i64>) {
        let flags = shape.flags();
        // SAFETY: the block was allocated for at least as many bytes as the shape has, and `self` is borrowed mutably.
        unsafe {
            let at = self.0.as_ptr();
            at.write(flags);
            if let Some(expiry) = expiry {
                at.add(1).cast::<i64>().write_unaligned(expiry);
            }
            let mut lengths = at.add(shape.lengths_offset());
            for (len, wide_flag) in [(shape.key_len, WIDE_KEY), (shape.value_len, WIDE_VALUE)] {
                if flags & wide_flag == 0 {
                    lengths.write(len as u8);
                    lengths = lengths.add(1);
                } else {
                    lengths.cast::<u32>().write_unaligned(len as u32);
                    lengths = lengths.add(WIDE_LENGTH_BYTES);
                }
            }
        }
    }

    fn write_part(&mut self, offset: usize, bytes: &[u8]) {
        // SAFETY: callers take the offset from the shape that the block was allocated for; `bytes` cannot lie inside a
        // block that is borrowed mutably.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.0.as_ptr().add(offset), bytes.len()) };
    }
}

impl Evacuate for ThinPair {
    fn evacuate(&mut self, _cursor: Cursor, part: &mut Part) -> Cursor {
        if part.is_leaving(self.0) {
            let bytes = self.shape().bytes();
            // SAFETY: the block was allocated for so many bytes, and no other handle has it.
            unsafe { part.move_out(&mut self.0, bytes) };
        }
        START
    }
}

impl Drop for ThinPair {
    fn drop(&mut self) {
        // SAFETY: the handle owns the block and ends here.
        unsafe { POOL.free(self.0, self.shape().bytes()) };
    }
}

impl Clone for ThinPair {
    fn clone(&self) -> Self {
        Self::new(self.key(), self.value(), self.expiry())
    }
}

impl fmt::Debug for ThinPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key().escape_ascii(), self.value().escape_ascii())?;
        match self.expiry() {
            Some(expiry) => write!(f, " until {expiry}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::evacuate_all;
    use super::*;

    /// Around the lengths at which a head or a block changes its size.
    fn lengths() -> impl Strategy<Value = usize> {
        prop_oneof![0..40usize, 120..140usize, 250..262usize, 65_530..65_540usize]
    }

    #[test]
    fn a_short_member_takes_the_smallest_block() {
        assert_eq!(ThinMember::new(b"element").heap_bytes(), 8);
        assert_eq!(ThinMember::new(b"elements").heap_bytes(), 12);
        assert_eq!(ThinPair::new(b"field", b"value", None).heap_bytes(), 16);
    }

    #[test]
    fn an_integer_of_63_bits_takes_no_block_and_what_only_looks_like_one_does() {
        assert_eq!(size_of::<ThinMember>(), size_of::<usize>());
        for number in [0, 1, -1, 1_000_000_000_000, (1 << 62) - 1, -(1 << 62)] {
            let text = number.to_string();
            let member = ThinMember::new(text.as_bytes());
            assert_eq!((member.get(), member.heap_bytes()), (Entry::Int(number), 0));
            assert_eq!(*member.key(), *text.as_bytes());
        }
        for number in [1 << 62, -(1 << 62) - 1, i64::MAX, i64::MIN] {
            let text = number.to_string();
            let member = ThinMember::new(text.as_bytes());
            assert_eq!(member.get(), Entry::Bytes(text.as_bytes()));
            assert!(member.heap_bytes() > text.len());
        }
        for text in ["", "-", "+1", "01", "-0", " 1", "1 ", "1.0", "9223372036854775808"] {
            let member = ThinMember::new(text.as_bytes());
            assert_eq!((member.get(), &*member.key()), (Entry::Bytes(text.as_bytes()), text.as_bytes()));
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes 4 GiB of address space")]
    fn what_no_block_holds_is_refused_before_a_block_is_made_or_changed() {
        // No page of it is ever touched.
        let Some(long) = super::super::try_zeros::<u8>(ELEMENT_BYTES_MAX + 1) else { return };
        assert!(std::panic::catch_unwind(|| ThinMember::new(&long)).is_err());
        assert!(std::panic::catch_unwind(|| ThinPair::new(b"key", &long, None)).is_err());
        assert!(std::panic::catch_unwind(|| ThinPair::new(&long, b"value", None)).is_err());
        let mut pair = ThinPair::new(b"key", b"value", Some(1));
        let set = std::panic::AssertUnwindSafe(|| pair.set(&long, Some(2)));
        assert!(std::panic::catch_unwind(set).is_err());
        assert_eq!((pair.key(), pair.value(), pair.expiry()), (&b"key"[..], &b"value"[..], Some(1)));
    }

    #[test]
    fn offsets_and_sizes_of_the_longest_pair_do_not_overflow() {
        for len in [0, 255, 256, ELEMENT_BYTES_MAX] {
            let shape = PairShape { expiry: true, key_len: len, value_len: ELEMENT_BYTES_MAX };
            let head = 1 + EXPIRY_BYTES + if len < 256 { 1 } else { WIDE_LENGTH_BYTES } + WIDE_LENGTH_BYTES;
            assert_eq!((shape.key_offset(), shape.value_offset()), (head, head + len));
            assert_eq!(shape.bytes(), head + len + ELEMENT_BYTES_MAX);
            assert!(block_bytes(shape.bytes()) >= shape.bytes());
        }
    }

    proptest! {
        #[test]
        fn bytes_come_back(len in lengths()) {
            let bytes = vec![b'x'; len];
            let member = ThinMember::new(&bytes);
            prop_assert_eq!(&*member.key(), &bytes);
            prop_assert!(member.has_key(&bytes) && !member.has_key(b"7"));
            let mut copy = member.clone();
            prop_assert_eq!(evacuate_all(&mut copy, 1), (1, 1));
            prop_assert_eq!(copy.get(), Entry::Bytes(&bytes));
            prop_assert!(member.heap_bytes() > len);
        }

        #[test]
        fn a_member_is_what_its_text_says_with_and_without_a_block(number: i64, shift in 0..64u32, other: i64) {
            let number = number >> shift;
            let (text, padded) = (number.to_string(), format!("0{number}"));
            let member = ThinMember::new(text.as_bytes());
            prop_assert_eq!(&*member.key(), text.as_bytes());
            prop_assert!(member.has_key(text.as_bytes()) && !member.has_key(padded.as_bytes()));
            prop_assert_eq!(member.has_key(other.to_string().as_bytes()), number == other);
            prop_assert_eq!(member.get().as_int(), Some(number));
            prop_assert_eq!(member.heap_bytes() == 0, (number << 1) >> 1 == number);
            let mut copy = member.clone();
            prop_assert_eq!(evacuate_all(&mut copy, 1).0 == 0, copy.heap_bytes() == 0);
            prop_assert_eq!((copy.get(), copy.heap_bytes()), (member.get(), member.heap_bytes()));
        }

        #[test]
        fn a_pair_keeps_its_key_through_every_change(
            key in lengths(),
            changes in proptest::collection::vec((lengths(), any::<Option<i64>>(), any::<bool>()), 1..8),
        ) {
            let key = vec![b'k'; key];
            let mut value = b"first".to_vec();
            let mut pair = ThinPair::new(&key, &value, None);
            for (len, expiry, keeps_value) in changes {
                if keeps_value {
                    pair.set_expiry(expiry);
                } else {
                    value = vec![b'v'; len];
                    pair.set(&value, expiry);
                }
                prop_assert_eq!(pair.key(), &key);
                prop_assert_eq!(pair.value(), &value);
                prop_assert_eq!(pair.key_and_value(), (&key[..], &value[..]));
                prop_assert_eq!(pair.expiry(), expiry);
                let mut copy = pair.clone();
                prop_assert_eq!(evacuate_all(&mut copy, 1), (1, 1));
                prop_assert_eq!((copy.key(), copy.value(), copy.expiry()), (pair.key(), pair.value(), expiry));
            }
        }
    }
}
