//! Strings: integers, short bytes inside the key's block, longer bytes behind a pointer.
//! Owns:  the three string encodings and their conversions.
//! Uses:  rdb, structures, stdx.
//! Never: a reply or a command's option.

mod encoding;
mod persist;

pub use encoding::{EMBSTR_BYTES_MAX, INLINE_BYTES_MAX, IntBytes, canonical_integer};

use std::borrow::Cow;

use super::{DataType, Digest, Encoding, LoadOptions, Room, Type, Value, ValueRef, View};
use crate::rdb;
use crate::structures::{Cursor, Evacuate, Part, START, try_zeros};

/// A string on its own.
#[derive(Clone, Debug, PartialEq)]
pub enum StringValue {
    Int(IntBytes),
    /// Up to [`EMBSTR_BYTES_MAX`] bytes, as it was set.
    Embstr(Vec<u8>),
    /// Longer bytes, or any that were changed in place.
    Raw(Vec<u8>),
}

/// A string as it is read.
#[derive(Clone, Copy, Debug)]
pub enum StringView<'a> {
    Int(i64),
    Embstr(&'a [u8]),
    Raw(&'a [u8]),
}

impl StringValue {
    /// Lays `bytes` out as SET does: a canonical integer as an integer.
    pub fn new(bytes: &[u8]) -> Self {
        match canonical_integer(bytes) {
            Some(number) => Self::Int(IntBytes::new(number)),
            None if bytes.len() <= EMBSTR_BYTES_MAX => Self::Embstr(bytes.to_vec()),
            None => Self::Raw(bytes.to_vec()),
        }
    }

    /// As [`StringValue::new`], taking over long bytes without a copy.
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        if bytes.len() <= EMBSTR_BYTES_MAX { Self::new(&bytes) } else { Self::Raw(bytes) }
    }

    pub fn from_integer(number: i64) -> Self {
        Self::Int(IntBytes::new(number))
    }

    /// As [`StringValue::make_raw`], with zeros behind the end up to `len` bytes where there are fewer; `None`, and the same
    /// bytes as before, where there is no memory for that.
    pub fn make_raw_of(&mut self, len: usize) -> Option<&mut Vec<u8>> {
        let bytes = self.make_raw();
        grow(bytes, len)?;
        Some(bytes)
    }

    /// The bytes to be changed in place; the value is `raw` from here on.
    pub fn make_raw(&mut self) -> &mut Vec<u8> {
        let bytes = match std::mem::replace(self, Self::Raw(Vec::new())) {
            Self::Int(number) => itoa::Buffer::new().format(number.value()).as_bytes().to_vec(),
            Self::Embstr(bytes) | Self::Raw(bytes) => bytes,
        };
        *self = Self::Raw(bytes);
        let Self::Raw(bytes) = self else { unreachable!("just set") };
        bytes
    }
}

/// Appends zeros up to `len` bytes. Exactly the memory for them is asked for: the allocator's size classes are spare room
/// enough. Where most of it is to be zero, memory is taken that is zero by itself, and its pages are not touched.
fn grow(bytes: &mut Vec<u8>, len: usize) -> Option<()> {
    let added = len.saturating_sub(bytes.len());
    if len <= bytes.capacity() || added <= bytes.len() {
        bytes.try_reserve_exact(added).ok()?;
        bytes.resize(bytes.len() + added, 0);
    } else {
        let mut larger = try_zeros(len)?;
        larger[..bytes.len()].copy_from_slice(bytes);
        *bytes = larger;
    }
    Some(())
}

impl Evacuate for StringValue {
    /// Bytes that are not in their key's block are the allocator's.
    fn evacuate(&mut self, _cursor: Cursor, _part: &mut Part) -> Cursor {
        START
    }
}

impl From<StringValue> for Value {
    fn from(value: StringValue) -> Value {
        Value::String(value)
    }
}

impl DataType for StringValue {
    const TYPE: Type = Type::String;
    const LOADS: &'static [rdb::Tag] = &[rdb::Tag::String];
    type View<'a> = StringView<'a>;

    fn view(&self) -> StringView<'_> {
        match self {
            Self::Int(number) => StringView::Int(number.value()),
            Self::Embstr(bytes) => StringView::Embstr(bytes),
            Self::Raw(bytes) => StringView::Raw(bytes),
        }
    }

    fn inline(&self) -> Option<(Encoding, &[u8])> {
        match self {
            Self::Int(number) => Some((Encoding::Int, number.bytes())),
            Self::Embstr(bytes) => Some((Encoding::Embstr, bytes)),
            Self::Raw(bytes) if bytes.len() <= INLINE_BYTES_MAX => Some((Encoding::Raw, bytes)),
            Self::Raw(_) => None,
        }
    }

    fn view_inline(encoding: Encoding, bytes: &[u8]) -> StringView<'_> {
        match encoding {
            Encoding::Int => StringView::Int(IntBytes::read(bytes)),
            Encoding::Embstr => StringView::Embstr(bytes),
            _ => StringView::Raw(bytes),
        }
    }

    fn from_inline(encoding: Encoding, bytes: &[u8], room: &mut Room) -> Self {
        if encoding == Encoding::Int {
            return Self::from_integer(IntBytes::read(bytes));
        }
        let mut copy = room.take_bytes();
        copy.extend_from_slice(bytes);
        if encoding == Encoding::Embstr { Self::Embstr(copy) } else { Self::Raw(copy) }
    }

    fn give_back(self, room: &mut Room) {
        match self {
            Self::Int(_) => {}
            Self::Embstr(bytes) | Self::Raw(bytes) => room.put_bytes(bytes),
        }
    }

    #[inline]
    fn from_value_ref(value: ValueRef<'_>) -> Option<Self::View<'_>> {
        match value {
            ValueRef::String(view) => Some(view),
            _ => None,
        }
    }

    fn from_value_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::String(value) => Some(value),
            _ => None,
        }
    }

    fn is_empty(&self) -> bool {
        false
    }

    fn load(_tag: rdb::Tag, input: &mut rdb::Decoder<'_>, _options: &LoadOptions<'_>) -> rdb::Result<Self> {
        persist::load(input)
    }
}

impl<'a> StringView<'a> {
    /// The bytes as a client reads them.
    pub fn bytes(self) -> Cow<'a, [u8]> {
        match self {
            Self::Int(number) => Cow::Owned(itoa::Buffer::new().format(number).as_bytes().to_vec()),
            Self::Embstr(bytes) | Self::Raw(bytes) => Cow::Borrowed(bytes),
        }
    }

    /// Calls `read` with the bytes, without an allocation for integers.
    pub fn with_bytes<R>(self, read: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Self::Int(number) => read(itoa::Buffer::new().format(number).as_bytes()),
            Self::Embstr(bytes) | Self::Raw(bytes) => read(bytes),
        }
    }

    pub fn len(self) -> usize {
        self.with_bytes(<[u8]>::len)
    }
}

impl View for StringView<'_> {
    fn encoding(self) -> Encoding {
        match self {
            Self::Int(_) => Encoding::Int,
            Self::Embstr(_) => Encoding::Embstr,
            Self::Raw(_) => Encoding::Raw,
        }
    }

    fn memory_usage(self, _samples: usize) -> usize {
        match self {
            Self::Raw(bytes) if bytes.len() > INLINE_BYTES_MAX => bytes.len(),
            _ => 0,
        }
    }

    fn free_effort(self) -> usize {
        1
    }

    fn tag(self, _version: u32) -> rdb::Tag {
        rdb::Tag::String
    }

    fn save(self, out: &mut rdb::Encoder<'_>) -> std::io::Result<()> {
        persist::save(self, out)
    }

    fn digest(self, digest: &mut Digest) {
        self.with_bytes(|bytes| digest.mix(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_grow_by_zeros_and_take_no_more_memory_than_they_need() {
        for (text, len) in [("", 1), ("abc", 2), ("abc", 100), ("abc", 1 << 20), ("-17", 5)] {
            let mut value = StringValue::new(text.as_bytes());
            let raw = value.make_raw_of(len).expect("memory");
            assert_eq!(raw.len(), len.max(text.len()), "{text}");
            assert!(raw.starts_with(text.as_bytes()) && raw[text.len()..].iter().all(|byte| *byte == 0));
            assert!(raw.capacity() <= raw.len().max(8), "{} bytes for {}", raw.capacity(), raw.len());
            let raw = value.make_raw_of(len + len / 3).expect("memory");
            assert!(raw.capacity() <= raw.len().max(8), "{} bytes for {}", raw.capacity(), raw.len());
        }
        for text in ["", "abc", "-17"] {
            let mut value = StringValue::new(text.as_bytes());
            assert_eq!(value.make_raw_of(isize::MAX as usize), None);
            assert_eq!(value.make_raw(), text.as_bytes());
        }
    }
}
