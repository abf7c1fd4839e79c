//! Changing an intset.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;

use super::view::{HEADER_BYTES, IntsetView, Width};
use crate::structures::evacuate::{Cursor, Evacuate, Part};
use crate::structures::row::Row;

/// An intset of its own, one heap block.
#[derive(Clone, PartialEq, Eq)]
pub struct Intset(Row);

impl Intset {
    pub fn new() -> Self {
        Self::reusing(Row::default())
    }

    /// A copy of bytes that are known to be a whole intset.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self::copied(bytes, Row::default())
    }

    /// A copy of a whole intset, in the memory of `row`, whatever that held.
    pub fn copied(bytes: &[u8], row: Row) -> Self {
        debug_assert!(super::validate(bytes, false).is_ok(), "these bytes are no intset");
        Self(row.holding(bytes))
    }

    /// An empty intset in the memory of `row`, whatever that held.
    pub fn reusing(row: Row) -> Self {
        Self(row.holding(&[Width::Two as u8, 0, 0, 0, 0, 0, 0, 0]))
    }

    /// The memory, whatever it holds, to be used again.
    pub fn into_row(self) -> Row {
        self.0
    }

    /// Bytes taken on the heap.
    pub fn heap_bytes(&self) -> usize {
        self.0.capacity()
    }

    /// Puts `value` in and returns whether it was missing. All elements are widened where it needs that.
    pub fn insert(&mut self, value: i64) -> bool {
        if Width::of(value) > self.width() {
            self.widen(Width::of(value));
        }
        let Err(index) = self.search(value) else { return false };
        let width = self.width().bytes();
        let offset = HEADER_BYTES + index * width;
        self.0.splice(offset, 0, width).copy_from_slice(&value.to_le_bytes()[..width]);
        self.write_count();
        true
    }

    /// Takes `value` out and returns whether it was there.
    pub fn remove(&mut self, value: i64) -> bool {
        let Ok(index) = self.search(value) else { return false };
        let width = self.width().bytes();
        let offset = HEADER_BYTES + index * width;
        self.0.splice(offset, width, 0);
        self.write_count();
        if self.0.len() * 2 < self.0.capacity() {
            self.0.trim();
        }
        true
    }

    /// Rewrites every element in a greater width, from the last to the first so that none is overwritten unread.
    fn widen(&mut self, width: Width) {
        let (len, old, new) = (self.len(), self.width().bytes(), width.bytes());
        let end = self.0.len();
        self.0.splice(end, 0, len * (new - old));
        let bytes = self.0.as_mut_slice();
        for index in (0..len).rev() {
            let from = HEADER_BYTES + index * old;
            let mut raw = [0; 8];
            raw[..old].copy_from_slice(&bytes[from..from + old]);
            let unused_bits = 64 - 8 * old as u32;
            let value = i64::from_le_bytes(raw) << unused_bits >> unused_bits;
            let to = HEADER_BYTES + index * new;
            bytes[to..to + new].copy_from_slice(&value.to_le_bytes()[..new]);
        }
        bytes[0] = width as u8;
    }

    fn write_count(&mut self) {
        let count = u32::try_from(self.len()).expect("an intset has less than 2^32 elements");
        self.0.as_mut_slice()[4..HEADER_BYTES].copy_from_slice(&count.to_le_bytes());
    }
}

impl Evacuate for Intset {
    fn evacuate(&mut self, cursor: Cursor, part: &mut Part) -> Cursor {
        self.0.evacuate(cursor, part)
    }
}

impl Default for Intset {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for Intset {
    type Target = IntsetView;

    #[inline]
    fn deref(&self) -> &IntsetView {
        IntsetView::from_trusted(self.0.as_slice())
    }
}

impl Borrow<IntsetView> for Intset {
    fn borrow(&self) -> &IntsetView {
        self
    }
}

impl Extend<i64> for Intset {
    fn extend<I: IntoIterator<Item = i64>>(&mut self, values: I) {
        for value in values {
            self.insert(value);
        }
    }
}

impl FromIterator<i64> for Intset {
    fn from_iter<I: IntoIterator<Item = i64>>(values: I) -> Self {
        let mut set = Self::new();
        set.extend(values);
        set
    }
}

impl fmt::Debug for Intset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
