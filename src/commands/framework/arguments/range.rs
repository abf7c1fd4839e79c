//! Ranges from one index to another, and LIMIT.

use std::ops::Range;

use super::number::integer;
use crate::commands::framework::error::CommandError;

/// The elements from `start` to `stop`, both included and counted from the end if negative. A range that ends before the
/// first element is empty.
pub fn index_range(start: i64, stop: i64, len: usize) -> Range<usize> {
    let signed = len as i64;
    let (start, stop) = (from_front(start, signed).max(0), from_front(stop, signed).min(signed - 1));
    if start > stop { 0..0 } else { start as usize..stop as usize + 1 }
}

/// The first and the last byte, or bit, from `start` to `end`, both included and counted from the end if negative. As in
/// Redis, a range that ends before the first one has that one.
pub fn byte_range(start: i64, end: i64, len: i64) -> Option<(i64, i64)> {
    let (first, last) = (from_front(start, len).max(0), from_front(end, len).max(0).min(len - 1));
    (first <= last).then_some((first, last))
}

/// Whether both ends are counted from the back and out of order, which they need not be once they are cut to the length:
/// both may be before the first byte.
pub fn is_reversed_from_back(start: i64, end: i64) -> bool {
    start < 0 && end < 0 && start > end
}

fn from_front(index: i64, len: i64) -> i64 {
    if index < 0 { len.saturating_add(index) } else { index }
}

/// `LIMIT offset count`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    pub offset: i64,
    /// Negative: all that are left.
    pub count: i64,
}

impl Limit {
    pub fn parse(offset: &[u8], count: &[u8]) -> Result<Self, CommandError> {
        Ok(Self { offset: integer(offset)?, count: integer(count)? })
    }

    /// Which of `len` elements are left; none where the offset is negative.
    pub fn of(self, len: usize) -> Range<usize> {
        let Ok(offset) = usize::try_from(self.offset) else { return 0..0 };
        let start = offset.min(len);
        start..start + usize::try_from(self.count).unwrap_or(usize::MAX).min(len - start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_elements_are_cut_to_the_length() {
        assert_eq!(index_range(0, -1, 5), 0..5);
        assert_eq!(index_range(-3, 100, 5), 2..5);
        assert_eq!(index_range(i64::MIN, i64::MAX, 5), 0..5);
        for (start, stop) in [(5, 9), (3, 2), (-1, -5), (0, -6), (-100, -90), (0, i64::MIN)] {
            assert!(index_range(start, stop, 5).is_empty(), "{start} {stop}");
        }
        assert!(index_range(0, -1, 0).is_empty());
    }

    #[test]
    fn ranges_of_bytes_are_cut_to_the_length() {
        assert_eq!(byte_range(0, -1, 5), Some((0, 4)));
        assert_eq!(byte_range(-3, 100, 5), Some((2, 4)));
        assert_eq!(byte_range(i64::MIN, i64::MAX, 5), Some((0, 4)));
        assert_eq!(byte_range(-100, -90, 5), Some((0, 0)));
        for (start, end) in [(5, 9), (3, 2), (-1, -5), (i64::MAX, -1)] {
            assert_eq!(byte_range(start, end, 5), None, "{start} {end}");
        }
        assert_eq!(byte_range(0, -1, 0), None);
        assert!(is_reversed_from_back(-5, -6) && !is_reversed_from_back(-6, -5) && !is_reversed_from_back(3, 2));
    }

    #[test]
    fn limit_takes_so_many_behind_the_offset() {
        let of = |offset, count, len| Limit { offset, count }.of(len);
        assert_eq!(of(1, 2, 6), 1..3);
        assert_eq!(of(4, -1, 6), 4..6);
        assert!(
            of(6, 1, 6).is_empty() && of(100, 1, 6).is_empty() && of(-1, 5, 6).is_empty() && of(0, 0, 6).is_empty()
        );
    }
}
