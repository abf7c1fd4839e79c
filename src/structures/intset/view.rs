//! Reading and checking an intset.

use std::fmt;

use super::Intset;

/// The width of an element in bytes (32 bits) and the number of elements (32 bits), little-endian.
pub(super) const HEADER_BYTES: usize = 8;

/// An intset in borrowed bytes, as `str` is to `String`.
///
/// Reading never goes out of bounds and never panics, whatever the bytes are; what it finds has a meaning only if the
/// bytes are an intset, made by [`Intset`] or accepted by [`validate`].
#[repr(transparent)]
pub struct IntsetView([u8]);

impl IntsetView {
    /// Looks at bytes that are known to be a whole intset.
    #[expect(unsafe_code, reason = "std has no safe way from a slice to a wrapper of a slice")]
    #[inline]
    pub fn from_trusted(bytes: &[u8]) -> &Self {
        // SAFETY: `IntsetView` is a transparent wrapper of `[u8]` and asks nothing of the bytes.
        unsafe { &*(std::ptr::from_ref(bytes) as *const Self) }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The size of the whole intset in bytes.
    pub fn size(&self) -> usize {
        self.0.len()
    }

    pub fn len(&self) -> usize {
        self.elements().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element at `index` in ascending order.
    pub fn get(&self, index: usize) -> Option<i64> {
        self.elements().get(index)
    }

    pub fn contains(&self, value: i64) -> bool {
        self.search(value).is_ok()
    }

    /// The index of `value`, or the one that it would have.
    pub fn search(&self, value: i64) -> Result<usize, usize> {
        match self.elements() {
            Elements::Two(all) => all.binary_search_by(|raw| i64::from(i16::from_le_bytes(*raw)).cmp(&value)),
            Elements::Four(all) => all.binary_search_by(|raw| i64::from(i32::from_le_bytes(*raw)).cmp(&value)),
            Elements::Eight(all) => all.binary_search_by(|raw| i64::from_le_bytes(*raw).cmp(&value)),
        }
    }

    /// The elements in ascending order.
    pub fn iter(&self) -> Iter<'_> {
        let elements = self.elements();
        Iter { elements, range: 0..elements.len() }
    }

    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<i64> {
        match self.len() {
            0 => None,
            len => self.get(rng.usize(..len)),
        }
    }

    #[inline]
    pub(super) fn width(&self) -> Width {
        match self.0.first() {
            Some(2) => Width::Two,
            Some(4) => Width::Four,
            _ => Width::Eight,
        }
    }

    #[inline]
    fn elements(&self) -> Elements<'_> {
        let body = self.0.get(HEADER_BYTES..).unwrap_or_default();
        match self.width() {
            Width::Two => Elements::Two(body.as_chunks().0),
            Width::Four => Elements::Four(body.as_chunks().0),
            Width::Eight => Elements::Eight(body.as_chunks().0),
        }
    }
}

impl ToOwned for IntsetView {
    type Owned = Intset;

    fn to_owned(&self) -> Intset {
        Intset::from_bytes(&self.0)
    }
}

impl PartialEq for IntsetView {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for IntsetView {}

impl<'a> IntoIterator for &'a IntsetView {
    type Item = i64;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl fmt::Debug for IntsetView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}

/// How many bytes each element takes; widths order as the ranges they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Width {
    Two = 2,
    Four = 4,
    Eight = 8,
}

impl Width {
    pub(super) fn of(value: i64) -> Self {
        if i16::try_from(value).is_ok() {
            Self::Two
        } else if i32::try_from(value).is_ok() {
            Self::Four
        } else {
            Self::Eight
        }
    }

    pub(super) fn bytes(self) -> usize {
        self as usize
    }
}

/// The elements in their width. The count follows from the size of the bytes, which [`validate`] has compared with
/// the header.
#[derive(Clone, Copy)]
enum Elements<'a> {
    Two(&'a [[u8; 2]]),
    Four(&'a [[u8; 4]]),
    Eight(&'a [[u8; 8]]),
}

impl Elements<'_> {
    fn len(self) -> usize {
        match self {
            Self::Two(all) => all.len(),
            Self::Four(all) => all.len(),
            Self::Eight(all) => all.len(),
        }
    }

    fn get(self, index: usize) -> Option<i64> {
        match self {
            Self::Two(all) => all.get(index).map(|raw| i16::from_le_bytes(*raw).into()),
            Self::Four(all) => all.get(index).map(|raw| i32::from_le_bytes(*raw).into()),
            Self::Eight(all) => all.get(index).map(|raw| i64::from_le_bytes(*raw)),
        }
    }
}

/// The elements of an intset in ascending order, from both ends.
#[derive(Clone)]
pub struct Iter<'a> {
    elements: Elements<'a>,
    range: std::ops::Range<usize>,
}

impl Iterator for Iter<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        self.elements.get(self.range.next()?)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.range.size_hint()
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<i64> {
        self.elements.get(self.range.next_back()?)
    }
}

impl ExactSizeIterator for Iter<'_> {}

/// Why bytes are no intset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    #[error("intset of {size} bytes is too short for its header")]
    TooShort { size: usize },
    #[error("intset elements of {width} bytes are unknown")]
    Width { width: u32 },
    #[error("intset header says {stated} elements, {size} bytes are not the size of that")]
    Size { stated: u32, size: usize },
    #[error("intset element {index} is not greater than the one before it")]
    Order { index: usize },
}

/// Checks that `bytes` are a whole intset and nothing else. A shallow check leaves the order of the elements out.
pub fn validate(bytes: &[u8], deep: bool) -> Result<&IntsetView, Malformed> {
    let size = bytes.len();
    let Some((&[w0, w1, w2, w3, c0, c1, c2, c3], body)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Err(Malformed::TooShort { size });
    };
    let width = u32::from_le_bytes([w0, w1, w2, w3]);
    if !matches!(width, 2 | 4 | 8) {
        return Err(Malformed::Width { width });
    }
    let stated = u32::from_le_bytes([c0, c1, c2, c3]);
    if u64::from(stated) * u64::from(width) != body.len() as u64 {
        return Err(Malformed::Size { stated, size });
    }
    let view = IntsetView::from_trusted(bytes);
    if deep {
        let unordered = view.iter().zip(view.iter().skip(1)).position(|(before, after)| before >= after);
        if let Some(index) = unordered {
            return Err(Malformed::Order { index: index + 1 });
        }
    }
    Ok(view)
}
