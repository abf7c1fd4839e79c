//! Reading a listpack: the borrowed view, its positions and its iterators.

use std::fmt;

use crate::stdx::number::parse_i64;

use super::Listpack;
use super::encoding::{
    COUNT_UNKNOWN, END, Entry, HEADER_BYTES, backlen_size, decode, decode_any, decode_backlen, entry_size, short_string,
};

/// A listpack in borrowed bytes, as `str` is to `String`.
///
/// Reading never goes out of bounds and never panics, whatever the bytes are; what it finds has a meaning only if the
/// bytes are a listpack, made by [`Listpack`] or accepted by [`validate`](super::validate).
#[repr(transparent)]
pub struct Lp([u8]);

/// The place of an entry in a listpack, good until the listpack changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pos(pub(super) u32);

impl Pos {
    /// The place of a first entry, whether there is one or not.
    pub const START: Self = Self(HEADER_BYTES as u32);
}

impl Lp {
    /// Looks at bytes that are known to be a whole listpack.
    #[expect(unsafe_code, reason = "std has no safe way from a slice to a wrapper of a slice")]
    #[inline]
    pub fn from_trusted(bytes: &[u8]) -> &Self {
        // SAFETY: `Lp` is a transparent wrapper of `[u8]` and asks nothing of the bytes.
        unsafe { &*(std::ptr::from_ref(bytes) as *const Self) }
    }

    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The size of the whole listpack in bytes.
    #[inline]
    pub fn size(&self) -> usize {
        self.0.len()
    }

    /// The number of entries: read from the header, or counted when the header cannot hold it.
    pub fn len(&self) -> usize {
        match self.header_count() {
            COUNT_UNKNOWN => self.iter().count(),
            count => usize::from(count),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.first().is_none()
    }

    #[inline]
    pub fn first(&self) -> Option<Pos> {
        self.checked(HEADER_BYTES)
    }

    #[inline]
    pub fn last(&self) -> Option<Pos> {
        self.before(self.end())
    }

    #[inline]
    pub fn next(&self, pos: Pos) -> Option<Pos> {
        self.checked(self.after(pos)?)
    }

    #[inline]
    pub fn prev(&self, pos: Pos) -> Option<Pos> {
        self.before(pos.0 as usize)
    }

    /// The place of the entry at `index`; a negative index counts from the end, -1 being the last entry.
    pub fn at(&self, index: i64) -> Option<Pos> {
        let backwards = match self.header_count() {
            COUNT_UNKNOWN => index < 0,
            count => {
                let count = i64::from(count);
                let from_front = if index < 0 { count + index } else { index };
                if !(0..count).contains(&from_front) {
                    return None;
                }
                let backwards = from_front > count / 2 || from_front == count - 1;
                return self.walk(if backwards { from_front - count } else { from_front }, backwards);
            }
        };
        self.walk(index, backwards)
    }

    /// The value at `index`; a negative index counts from the end.
    pub fn get(&self, index: i64) -> Option<Entry<'_>> {
        self.entry(self.at(index)?)
    }

    /// The value at a place; `None` only for a place of another listpack.
    #[inline]
    pub fn entry(&self, pos: Pos) -> Option<Entry<'_>> {
        decode(self.tail(pos.0 as usize)).map(|(entry, _)| entry)
    }

    /// The value at an offset and its size without the length behind it; quickest for a short string.
    #[inline]
    pub(super) fn entry_and_size(&self, offset: usize) -> Option<(Entry<'_>, usize)> {
        let tail = self.tail(offset);
        match short_string(tail) {
            Some(text) => Some((Entry::Bytes(text), 1 + text.len())),
            None => decode_any(tail),
        }
    }

    /// The value at a place, and the place of the entry that follows it.
    #[inline]
    pub fn entry_and_next(&self, pos: Pos) -> Option<(Entry<'_>, Option<Pos>)> {
        let offset = pos.0 as usize;
        let (entry, size) = decode(self.tail(offset))?;
        Some((entry, self.checked(offset + size + backlen_size(size))))
    }

    /// The first entry that is `needle`, looking at every entry.
    pub fn find(&self, needle: &[u8]) -> Option<Pos> {
        self.find_from(self.first()?, needle, 0)
    }

    /// The first field that is `needle` in a listpack of fields and values by turns.
    pub fn find_field(&self, needle: &[u8]) -> Option<Pos> {
        self.find_from(self.first()?, needle, 1)
    }

    /// The first entry from `start` on that is `needle`, passing over `skip` entries after each one it looks at.
    pub fn find_from(&self, start: Pos, needle: &[u8], skip: usize) -> Option<Pos> {
        let wanted = parse_i64(needle);
        let mut offset = start.0 as usize;
        loop {
            let rest = self.tail(offset);
            let size = match short_string(rest) {
                Some(stored) if stored == needle => return Some(Pos(offset as u32)),
                Some(stored) => stored.len() + 1,
                None => {
                    let (entry, size) = decode(rest)?;
                    let same = match entry {
                        Entry::Int(value) => wanted == Some(value),
                        Entry::Bytes(stored) => stored == needle,
                    };
                    if same {
                        return Some(Pos(offset as u32));
                    }
                    size
                }
            };
            offset += size + backlen_size(size);
            for _ in 0..skip {
                offset += entry_size(self.tail(offset))?;
            }
        }
    }

    pub fn iter(&self) -> Iter<'_> {
        Iter(self.entries())
    }

    /// The entries from `pos` to the end.
    pub fn iter_from(&self, pos: Pos) -> Iter<'_> {
        Iter(Entries { lp: self, front: pos.0 as usize, back: self.end() })
    }

    /// The entries from the first to the one at `pos`.
    pub fn iter_to(&self, pos: Pos) -> Iter<'_> {
        Iter(Entries { lp: self, front: HEADER_BYTES, back: self.after(pos).unwrap_or(HEADER_BYTES) })
    }

    /// The entries with their places.
    pub fn entries(&self) -> Entries<'_> {
        Entries { lp: self, front: HEADER_BYTES, back: self.end() }
    }

    /// The entries two by two: field and value, or member and score. A last one without a partner is left out.
    pub fn pairs(&self) -> Pairs<'_> {
        Pairs(self.iter())
    }

    /// The number of entries that the header states, `COUNT_UNKNOWN` when it cannot.
    #[inline]
    pub(super) fn header_count(&self) -> u16 {
        match self.0 {
            [_, _, _, _, low, high, ..] => u16::from_le_bytes([low, high]),
            _ => 0,
        }
    }

    /// The offset of the end mark.
    #[inline]
    pub(super) fn end(&self) -> usize {
        self.0.len().saturating_sub(1)
    }

    /// The offset behind the entry at `pos`.
    pub(super) fn after(&self, pos: Pos) -> Option<usize> {
        let offset = pos.0 as usize;
        Some(offset + entry_size(self.tail(offset))?).filter(|&after| after <= self.end())
    }

    /// The bytes from `offset` up to the end mark.
    #[inline]
    fn tail(&self, offset: usize) -> &[u8] {
        self.0.get(offset..self.end()).unwrap_or_default()
    }

    #[inline]
    fn checked(&self, offset: usize) -> Option<Pos> {
        (offset < self.end()).then_some(Pos(offset as u32))
    }

    /// The entry that ends at `offset`.
    #[inline]
    fn before(&self, offset: usize) -> Option<Pos> {
        let size = decode_backlen(self.0.get(HEADER_BYTES..offset)?)?;
        let start = offset.checked_sub(size + backlen_size(size))?;
        (start >= HEADER_BYTES).then_some(Pos(start as u32))
    }

    fn walk(&self, index: i64, backwards: bool) -> Option<Pos> {
        if backwards {
            (index..-1).try_fold(self.last()?, |pos, _| self.prev(pos))
        } else {
            (0..index).try_fold(self.first()?, |pos, _| self.next(pos))
        }
    }
}

impl ToOwned for Lp {
    type Owned = Listpack;

    fn to_owned(&self) -> Listpack {
        Listpack::from_bytes(&self.0)
    }
}

impl<'a> IntoIterator for &'a Lp {
    type Item = Entry<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl PartialEq for Lp {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Lp {}

impl fmt::Debug for Lp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self).finish()
    }
}

/// The entries of a listpack with their places, from both ends.
#[derive(Clone)]
pub struct Entries<'a> {
    lp: &'a Lp,
    front: usize,
    back: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Pos, Entry<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.lp.0.get(self.front..self.back)?;
        let (entry, size) = decode(rest)?;
        let pos = Pos(self.front as u32);
        self.front += size + backlen_size(size);
        Some((pos, entry))
    }
}

impl DoubleEndedIterator for Entries<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front >= self.back {
            return None;
        }
        let pos = self.lp.before(self.back).filter(|pos| pos.0 as usize >= self.front)?;
        let entry = self.lp.entry(pos)?;
        self.back = pos.0 as usize;
        Some((pos, entry))
    }
}

/// The values of a listpack, from both ends.
#[derive(Clone)]
pub struct Iter<'a>(Entries<'a>);

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        self.0.next().map(|(_, entry)| entry)
    }
}

impl DoubleEndedIterator for Iter<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(|(_, entry)| entry)
    }
}

/// The values of a listpack two by two, from both ends.
#[derive(Clone)]
pub struct Pairs<'a>(Iter<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = (Entry<'a>, Entry<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        Some((self.0.next()?, self.0.next()?))
    }
}

impl DoubleEndedIterator for Pairs<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let second = self.0.next_back()?;
        Some((self.0.next_back()?, second))
    }
}

/// The bytes of a listpack without entries.
pub(super) const EMPTY: [u8; HEADER_BYTES + 1] = [7, 0, 0, 0, 0, 0, END];
