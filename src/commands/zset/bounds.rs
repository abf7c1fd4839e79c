//! Ranges of scores, of members and of ranks, as clients write them.

use std::ops::{Bound, Range};

use crate::commands::framework::CommandError;
use crate::commands::framework::arguments::{Limit, index_range, integer};
use crate::stdx::number::parse_f64;
use crate::types::zset::{LexWalk, ZsetView};

/// What a range is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    Rank,
    Score,
    Lex,
}

/// A range that a client asked for, with both ends included unless excluded.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Interval<'a> {
    /// Counted from the end if negative.
    Ranks(i64, i64),
    Scores(Bound<f64>, Bound<f64>),
    Members(Bound<&'a [u8]>, Bound<&'a [u8]>),
    /// From above everything, or up to below everything.
    Empty,
}

impl<'a> Interval<'a> {
    pub fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Self, CommandError> {
        match by {
            By::Rank => Ok(Self::Ranks(integer(min)?, integer(max)?)),
            By::Score => {
                let both = score_bound(min).zip(score_bound(max));
                let (min, max) = both.ok_or(CommandError::text("ERR min or max is not a float"))?;
                Ok(Self::Scores(min, max))
            }
            By::Lex => {
                let both = LexEnd::parse(min).zip(LexEnd::parse(max));
                let both = both.ok_or(CommandError::text("ERR min or max not valid string range item"))?;
                Ok(match both {
                    (LexEnd::Highest, _) | (_, LexEnd::Lowest) => Self::Empty,
                    (min, max) => Self::Members(min.bound(), max.bound()),
                })
            }
        }
    }

    /// The ranks in `zset` that the interval covers. Ranks of a reversed range count from the highest score.
    pub fn ranks(self, zset: ZsetView<'_>, reverse: bool) -> Range<usize> {
        match self {
            Self::Ranks(start, stop) => {
                let len = zset.len();
                let range = index_range(start, stop, len);
                if reverse { len - range.end..len - range.start } else { range }
            }
            Self::Scores(min, max) => zset.score_ranks(min, max),
            Self::Members(min, max) => zset.lex_ranks(LexWalk { min, max, reverse, skip: 0, most: usize::MAX }),
            Self::Empty => 0..0,
        }
    }

    /// The part of those ranks that LIMIT leaves.
    pub fn limited_ranks(self, zset: ZsetView<'_>, reverse: bool, limit: Limit) -> Range<usize> {
        match (self, usize::try_from(limit.offset)) {
            (Self::Members(min, max), Ok(skip)) => {
                let most = usize::try_from(limit.count).unwrap_or(usize::MAX);
                zset.lex_ranks(LexWalk { min, max, reverse, skip, most })
            }
            _ => limited(self.ranks(zset, reverse), limit, reverse),
        }
    }
}

/// Reads one end of a range of scores: `1.5`, `(1.5`, `-inf`.
fn score_bound(arg: &[u8]) -> Option<Bound<f64>> {
    match arg.strip_prefix(b"(") {
        Some(text) => lenient_double(text).map(Bound::Excluded),
        None => lenient_double(arg).map(Bound::Included),
    }
}

/// Redis reads these by strtod alone, which passes over leading space, takes an empty text for zero and what is too
/// large for an infinity.
fn lenient_double(text: &[u8]) -> Option<f64> {
    if text.is_empty() {
        return Some(0.0);
    }
    let text = text.trim_ascii_start();
    let lenient = || std::str::from_utf8(text).ok()?.parse::<f64>().ok().filter(|value| !value.is_nan());
    parse_f64(text).or_else(lenient)
}

/// One end of a range of members.
enum LexEnd<'a> {
    Lowest,
    Highest,
    Included(&'a [u8]),
    Excluded(&'a [u8]),
}

impl<'a> LexEnd<'a> {
    fn parse(arg: &'a [u8]) -> Option<Self> {
        match arg {
            b"-" => Some(Self::Lowest),
            b"+" => Some(Self::Highest),
            [b'[', member @ ..] => Some(Self::Included(member)),
            [b'(', member @ ..] => Some(Self::Excluded(member)),
            _ => None,
        }
    }

    fn bound(self) -> Bound<&'a [u8]> {
        match self {
            Self::Lowest | Self::Highest => Bound::Unbounded,
            Self::Included(member) => Bound::Included(member),
            Self::Excluded(member) => Bound::Excluded(member),
        }
    }
}

/// The part of a range that LIMIT leaves.
fn limited(ranks: Range<usize>, limit: Limit, reverse: bool) -> Range<usize> {
    let left = limit.of(ranks.len());
    if reverse {
        ranks.end - left.end..ranks.end - left.start
    } else {
        ranks.start + left.start..ranks.start + left.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_scores_are_read_as_strtod_reads_them() {
        assert_eq!(score_bound(b"1.5"), Some(Bound::Included(1.5)));
        assert_eq!(score_bound(b"(1.5"), Some(Bound::Excluded(1.5)));
        assert_eq!(score_bound(b"(-inf"), Some(Bound::Excluded(f64::NEG_INFINITY)));
        assert_eq!(score_bound(b"+inf"), Some(Bound::Included(f64::INFINITY)));
        assert_eq!(score_bound(b" 7"), Some(Bound::Included(7.0)));
        assert_eq!(score_bound(b"1e999"), Some(Bound::Included(f64::INFINITY)));
        assert_eq!(score_bound(b"("), Some(Bound::Excluded(0.0)));
        for text in ["nan", "(nan", "1x", "((1", "one", " ", "( "] {
            assert_eq!(score_bound(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn bounds_of_members_need_their_bracket() {
        let members = |min: &'static str, max: &'static str| Interval::parse(By::Lex, min.as_bytes(), max.as_bytes());
        assert_eq!(members("-", "+"), Ok(Interval::Members(Bound::Unbounded, Bound::Unbounded)));
        assert_eq!(members("[a", "(b"), Ok(Interval::Members(Bound::Included(b"a"), Bound::Excluded(b"b"))));
        assert_eq!(members("+", "-"), Ok(Interval::Empty));
        assert_eq!(members("+", "[a"), Ok(Interval::Empty));
        for (min, max) in [("a", "[b"), ("[a", ""), ("-x", "+"), ("-", "++")] {
            assert!(members(min, max).is_err(), "{min} {max}");
        }
    }

    #[test]
    fn limit_cuts_from_the_end_that_the_range_starts_at() {
        let limited = |offset, count, reverse| limited(2..8, Limit { offset, count }, reverse);
        assert_eq!(limited(1, 2, false), 3..5);
        assert_eq!(limited(1, 2, true), 5..7);
        assert_eq!(limited(4, -1, false), 6..8);
        assert_eq!(limited(4, -1, true), 2..4);
        assert!(limited(6, 1, false).is_empty() && limited(100, 1, true).is_empty());
        assert!(limited(-1, 5, false).is_empty() && limited(0, 0, true).is_empty());
    }
}
