//! Changing a listpack.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use super::encoding::{COUNT_UNKNOWN, END, Encoded, Entry, HEADER_BYTES, Short, backlen_size};
use super::view::{EMPTY, Lp, Pos};
use crate::stdx::text;
use crate::structures::evacuate::{Cursor, Evacuate, Part};
use crate::structures::row::Row;

/// A listpack of its own, one heap block with slack at both ends.
///
/// Values are anything that turns into an [`Entry`]; bytes that spell an integer are stored as one. A listpack is
/// limited to 4 GiB by its format: callers keep it far below, and a change that would go over panics.
#[derive(Clone, PartialEq, Eq)]
pub struct Listpack(Row);

impl Listpack {
    /// The size in bytes of a listpack without entries.
    pub const EMPTY_SIZE: usize = EMPTY.len();

    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// An empty listpack with room for `bytes` in all.
    pub fn with_capacity(bytes: usize) -> Self {
        Self::reusing(Row::with_capacity(bytes.max(EMPTY.len())))
    }

    /// A copy of bytes that are known to be a whole listpack.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self::copied(bytes, Row::default())
    }

    /// A copy of a whole listpack, in the memory of `row`, whatever that held.
    pub fn copied(bytes: &[u8], row: Row) -> Self {
        debug_assert!(super::validate(bytes, false, |_| true).is_ok(), "these bytes are no listpack");
        Self(row.holding(bytes))
    }

    /// An empty listpack in the memory of `row`, whatever that held.
    pub fn reusing(row: Row) -> Self {
        Self(row.holding(&EMPTY))
    }

    /// The memory, whatever it holds, to be used again.
    pub fn into_row(self) -> Row {
        self.0
    }

    /// Bytes taken on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.0.capacity()
    }

    /// The size that a listpack grows by when `value` is put in.
    pub fn growth<'a>(value: impl Into<Entry<'a>>) -> usize {
        Encoded::new(value.into()).size()
    }

    pub fn clear(&mut self) {
        self.0.truncate(EMPTY.len());
        self.0.as_mut_slice().copy_from_slice(&EMPTY);
    }

    /// Gives the slack back, for a listpack that is not expected to grow.
    pub fn shrink_to_fit(&mut self) {
        self.0.shrink_to_fit();
    }

    #[inline]
    pub fn push_back<'a>(&mut self, value: impl Into<Entry<'a>>) {
        self.push_back_entry(value.into());
    }

    fn push_back_entry(&mut self, value: Entry<'_>) {
        if self.push_back_in_slack(value) {
            return;
        }
        let encoded = Encoded::new(value);
        let size = encoded.size();
        // The end mark is written anew behind the entry instead of being moved.
        if let Some((end, entry)) = self.splice(self.end(), 1, size + 1).split_last_mut() {
            encoded.write_to(entry);
            *end = END;
        }
        self.write_header(1, 0);
    }

    #[inline]
    pub fn push_front<'a>(&mut self, value: impl Into<Entry<'a>>) {
        self.push_front_entry(value.into());
    }

    fn push_front_entry(&mut self, value: Entry<'_>) {
        if !self.push_front_in_slack(value) {
            self.insert_offset(HEADER_BYTES, value);
        }
    }

    /// Pushes an integer or a short string if there is slack for it in front. False, with nothing changed, if not.
    #[inline(always)]
    pub fn push_front_in_slack(&mut self, value: Entry<'_>) -> bool {
        let mut room = [0; 9];
        let Some(entry) = Short::new(value, &mut room) else { return false };
        let count = self.header_count().saturating_add(1);
        let size = entry.size();
        if self.0.len() > SIZE_MAX - size {
            return false;
        }
        let Some(row) = self.0.extend_front(size) else { return false };
        write_header(row, count);
        if let Some([head, payload @ .., backlen]) = row.get_mut(HEADER_BYTES..HEADER_BYTES + size) {
            let (head_byte, bytes, backlen_byte) = entry.pieces();
            *head = head_byte;
            text::copy(bytes, payload);
            *backlen = backlen_byte;
        }
        true
    }

    /// Pushes an integer or a short string if there is slack for it behind. False, with nothing changed, if not.
    #[inline(always)]
    pub fn push_back_in_slack(&mut self, value: Entry<'_>) -> bool {
        let mut room = [0; 9];
        let Some(entry) = Short::new(value, &mut room) else { return false };
        let count = self.header_count().saturating_add(1);
        let size = entry.size();
        if self.0.len() > SIZE_MAX - size {
            return false;
        }
        let old_end = self.end();
        let Some(row) = self.0.extend_back(size) else { return false };
        write_header(row, count);
        // The head takes the place of the end mark.
        if let Some([head, payload @ .., backlen, end]) = row.get_mut(old_end..) {
            let (head_byte, bytes, backlen_byte) = entry.pieces();
            *head = head_byte;
            text::copy(bytes, payload);
            *backlen = backlen_byte;
            *end = END;
        }
        true
    }

    /// Makes slack of `bytes` in front or behind for entries to come.
    pub fn reserve(&mut self, in_front: bool, bytes: usize) {
        self.0.reserve(in_front, bytes);
    }

    /// Takes the first entry out, and calls `read` with it before that. False if there is none.
    #[inline(always)]
    pub fn pop_front(&mut self, read: impl FnOnce(Entry<'_>)) -> bool {
        let Some((entry, size)) = self.entry_and_size(HEADER_BYTES) else { return false };
        read(entry);
        let count = self.count_less_one();
        self.0.cut_front(size + backlen_size(size));
        self.set_header(count);
        self.0.shrink_if_sparse();
        true
    }

    /// Takes the last entry out, and calls `read` with it before that. False if there is none.
    #[inline(always)]
    pub fn pop_back(&mut self, read: impl FnOnce(Entry<'_>)) -> bool {
        let Some(last) = self.last() else { return false };
        let Some((entry, _)) = self.entry_and_size(last.0 as usize) else { return false };
        read(entry);
        let count = self.count_less_one();
        self.0.truncate(last.0 as usize + 1);
        if let Some(end) = self.0.as_mut_slice().last_mut() {
            *end = END;
        }
        self.set_header(count);
        self.0.shrink_if_sparse();
        true
    }

    /// The number of entries for the header once one has gone.
    #[inline]
    fn count_less_one(&self) -> u16 {
        match self.header_count() {
            COUNT_UNKNOWN => COUNT_UNKNOWN,
            count => count.saturating_sub(1),
        }
    }

    /// Inserts before the entry at `pos` and returns the new entry's place, which is the same.
    pub fn insert_before<'a>(&mut self, pos: Pos, value: impl Into<Entry<'a>>) -> Pos {
        self.insert_offset(pos.0 as usize, value.into())
    }

    /// Inserts behind the entry at `pos` and returns the new entry's place.
    pub fn insert_after<'a>(&mut self, pos: Pos, value: impl Into<Entry<'a>>) -> Pos {
        let after = self.after(pos).unwrap_or(self.end());
        self.insert_offset(after, value.into())
    }

    /// Inserts so that the new entry has this index; the index of the end is allowed, further ones are refused.
    pub fn insert_at<'a>(&mut self, index: usize, value: impl Into<Entry<'a>>) -> bool {
        let offset = match self.at(index as i64) {
            Some(pos) => pos.0 as usize,
            None if index == self.len() => self.end(),
            None => return false,
        };
        self.insert_offset(offset, value.into());
        true
    }

    /// Puts a value in the place of the entry at `pos`, which stays its place.
    pub fn replace<'a>(&mut self, pos: Pos, value: impl Into<Entry<'a>>) {
        let offset = pos.0 as usize;
        let Some(after) = self.after(pos) else { return };
        let encoded = Encoded::new(value.into());
        encoded.write_to(self.splice(offset, after - offset, encoded.size()));
        self.write_header(0, 0);
    }

    /// Removes the entry at `pos` and returns the place of the one that followed it.
    pub fn remove(&mut self, pos: Pos) -> Option<Pos> {
        self.remove_from(pos, 1)
    }

    /// Removes up to `count` entries from `pos` on and returns the place of the one that followed them.
    pub fn remove_from(&mut self, pos: Pos, count: usize) -> Option<Pos> {
        self.remove_run(pos, count);
        ((pos.0 as usize) < self.end()).then_some(pos)
    }

    /// Removes up to `count` entries from `index` on, which may count from the end; returns how many went.
    pub fn remove_range(&mut self, index: i64, count: usize) -> usize {
        let Some(start) = self.at(index) else { return 0 };
        let stated = self.header_count();
        if stated != COUNT_UNKNOWN {
            // Where everything up to the end goes, there is no need to walk over it.
            let to_end = if index < 0 { index.unsigned_abs() as usize } else { usize::from(stated) - index as usize };
            if to_end <= count {
                self.cut(start.0 as usize, self.end(), to_end);
                return to_end;
            }
        }
        self.remove_run(start, count)
    }

    /// Removes the entries at these places, which ascend, with `group` entries going at each.
    pub fn remove_many(&mut self, places: &[Pos], group: usize) {
        // What stays is moved down in one pass; `to` is where the next kept byte goes.
        let Some(first) = places.first() else { return };
        let (mut to, mut removed) = (first.0 as usize, 0);
        for (index, &place) in places.iter().enumerate() {
            let mut after = place.0 as usize;
            for _ in 0..group {
                let Some(next) = self.after(Pos(after as u32)) else { break };
                after = next;
                removed += 1;
            }
            let kept_to = places.get(index + 1).map_or(self.end(), |next| next.0 as usize);
            self.0.as_mut_slice().copy_within(after..kept_to, to);
            to += kept_to - after;
        }
        self.cut(to, self.end(), removed);
    }

    /// Puts the entries of `other` behind the own ones.
    pub fn append(&mut self, other: &Lp) {
        let (own, added) = (self.len(), other.len());
        let entries = other.as_bytes().get(HEADER_BYTES..other.end()).unwrap_or_default();
        let end = self.end();
        self.splice(end, 0, entries.len()).copy_from_slice(entries);
        self.write_counts(own + added);
    }

    /// Puts the entries of `other` before the own ones.
    pub fn prepend(&mut self, other: &Lp) {
        let (own, added) = (self.len(), other.len());
        let entries = other.as_bytes().get(HEADER_BYTES..other.end()).unwrap_or_default();
        self.splice(HEADER_BYTES, 0, entries.len()).copy_from_slice(entries);
        self.write_counts(own + added);
    }

    /// Moves the entries from `pos` to the end into a listpack of their own.
    pub fn split_off(&mut self, pos: Pos) -> Self {
        let (start, end) = (pos.0 as usize, self.end());
        let moved = self.iter_from(pos).count();
        let mut tail = Self::with_capacity(EMPTY.len() + end - start);
        tail.splice(HEADER_BYTES, 0, end - start).copy_from_slice(&self.0.as_slice()[start..end]);
        tail.write_counts(moved);
        self.cut(start, end, moved);
        tail
    }

    fn insert_offset(&mut self, offset: usize, value: Entry<'_>) -> Pos {
        let encoded = Encoded::new(value);
        encoded.write_to(self.splice(offset, 0, encoded.size()));
        self.write_header(1, 0);
        Pos(offset as u32)
    }

    fn remove_run(&mut self, pos: Pos, count: usize) -> usize {
        let start = pos.0 as usize;
        let (mut after, mut removed) = (start, 0);
        while removed < count
            && let Some(next) = self.after(Pos(after as u32))
        {
            after = next;
            removed += 1;
        }
        self.cut(start, after, removed);
        removed
    }

    fn cut(&mut self, from: usize, to: usize, entries: usize) {
        self.splice(from, to - from, 0);
        self.write_header(0, entries);
        // A listpack that has lost most of its bytes gives the memory back.
        self.0.shrink_if_sparse();
    }

    /// Makes place for `added` bytes in the place of `removed` ones; the bytes and the header are the caller's to write.
    #[inline]
    fn splice(&mut self, offset: usize, removed: usize, added: usize) -> &mut [u8] {
        assert!(self.0.len() - removed + added <= SIZE_MAX, "a listpack cannot pass 4 GiB");
        self.0.splice(offset, removed, added)
    }

    /// Writes the size, and the number of entries if it was known.
    #[inline]
    fn write_header(&mut self, added: usize, removed: usize) {
        let count = match self.header_count() {
            COUNT_UNKNOWN => COUNT_UNKNOWN,
            // Adding to 65,534 yields the mark for "unknown", which is then the truth.
            count => (usize::from(count) + added).saturating_sub(removed) as u16,
        };
        self.set_header(count);
    }

    fn write_counts(&mut self, count: usize) {
        self.set_header(u16::try_from(count).unwrap_or(COUNT_UNKNOWN));
    }

    #[inline(always)]
    fn set_header(&mut self, count: u16) {
        write_header(self.0.as_mut_slice(), count);
    }
}

/// The most bytes that a listpack may have.
const SIZE_MAX: usize = Row::BYTES_MAX;

/// Writes the size, which is that of `row`, and the number of entries.
#[inline(always)]
fn write_header(row: &mut [u8], count: u16) {
    let size = row.len() as u32;
    if let Some(header) = row.first_chunk_mut::<HEADER_BYTES>() {
        let ([a, b, c, d], [e, f]) = (size.to_le_bytes(), count.to_le_bytes());
        *header = [a, b, c, d, e, f];
    }
}

impl Evacuate for Listpack {
    fn evacuate(&mut self, cursor: Cursor, part: &mut Part) -> Cursor {
        self.0.evacuate(cursor, part)
    }
}

impl Default for Listpack {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Listpack {
    type Target = Lp;

    #[inline]
    fn deref(&self) -> &Lp {
        Lp::from_trusted(self.0.as_slice())
    }
}

impl Borrow<Lp> for Listpack {
    fn borrow(&self) -> &Lp {
        self
    }
}

impl<'a, T: Into<Entry<'a>>> Extend<T> for Listpack {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        for value in values {
            self.push_back(value);
        }
    }
}

impl<'a, T: Into<Entry<'a>>> FromIterator<T> for Listpack {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut listpack = Self::new();
        listpack.extend(values);
        listpack
    }
}

impl fmt::Debug for Listpack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
