//! Ranges by name. They are defined for members of one score; with other scores they are what the walk of Redis makes of
//! them: from the first member within the range, from either end, to the first one behind that is not.

use std::cmp::Ordering;
use std::ops::{Bound, Range};

use super::{Member, ZsetView, packed};
use crate::structures::listpack::Lp;
use crate::structures::scored_set::ScoredSet;

/// A range of names, and how it is walked over.
#[derive(Clone, Copy, Debug)]
pub struct LexWalk<'a> {
    pub min: Bound<&'a [u8]>,
    pub max: Bound<&'a [u8]>,
    /// From the highest rank down.
    pub reverse: bool,
    /// So many members are passed over once the first is found, whether they lie within the range or not.
    pub skip: usize,
    pub most: usize,
}

impl LexWalk<'_> {
    fn is_above_min(&self, member: Member<'_>) -> bool {
        match self.min {
            Bound::Included(min) => packed::compare(member, min) != Ordering::Less,
            Bound::Excluded(min) => packed::compare(member, min) == Ordering::Greater,
            Bound::Unbounded => true,
        }
    }

    fn is_below_max(&self, member: Member<'_>) -> bool {
        match self.max {
            Bound::Included(max) => packed::compare(member, max) != Ordering::Greater,
            Bound::Excluded(max) => packed::compare(member, max) == Ordering::Less,
            Bound::Unbounded => true,
        }
    }

    /// Whether a member is within the range at the end where the walk begins.
    fn has_begun(&self, member: Member<'_>) -> bool {
        if self.reverse { self.is_below_max(member) } else { self.is_above_min(member) }
    }

    /// Whether a member is within the range at the end where the walk ends.
    fn goes_on(&self, member: Member<'_>) -> bool {
        if self.reverse { self.is_above_min(member) } else { self.is_below_max(member) }
    }

    /// How many members there are before the first one of a listpack, counted from where the walk begins.
    fn steps_to_first(&self, listpack: &Lp) -> usize {
        let outside = |&(member, _): &(Member<'_>, f64)| !self.has_begun(member);
        if self.reverse {
            packed::pairs(listpack).rev().take_while(outside).count()
        } else {
            packed::pairs(listpack).take_while(outside).count()
        }
    }

    /// The same in a tree, which is searched and not walked through. Where scores differ it need not be the very first, as
    /// it need not be in a skip list of Redis.
    fn steps_to_first_in_tree(&self, tree: &ScoredSet) -> usize {
        if self.reverse {
            tree.len() - tree.lex_range(Bound::Unbounded, self.max).end
        } else {
            tree.lex_range(self.min, Bound::Unbounded).start
        }
    }

    /// How many members the walk takes from this step on.
    fn run_from(&self, zset: ZsetView<'_>, step: usize) -> usize {
        let goes_on = |member: Member<'_>| self.goes_on(member);
        let len = zset.len();
        match (zset, self.reverse) {
            (ZsetView::Listpack(listpack), false) => {
                let pairs = packed::pairs(listpack).skip(step).take(self.most);
                pairs.take_while(|(member, _)| goes_on(*member)).count()
            }
            (ZsetView::Listpack(listpack), true) => {
                let pairs = packed::pairs(listpack).rev().skip(step).take(self.most);
                pairs.take_while(|(member, _)| goes_on(*member)).count()
            }
            (ZsetView::Tree(tree), false) => {
                let pairs = tree.range(step..len).take(self.most);
                pairs.take_while(|(member, _)| goes_on(Member::Bytes(member))).count()
            }
            (ZsetView::Tree(tree), true) => {
                let pairs = tree.range(0..len - step).rev().take(self.most);
                pairs.take_while(|(member, _)| goes_on(Member::Bytes(member))).count()
            }
        }
    }
}

impl ZsetView<'_> {
    /// The ranks of the members that a walk over a range of names takes.
    pub fn lex_ranks(self, walk: LexWalk<'_>) -> Range<usize> {
        let len = self.len();
        let is_ordered = |last: usize| self.at(0, |_, score| score) == self.at(last, |_, score| score);
        let steps = |from: usize, count: usize| {
            if walk.reverse { len - from - count..len - from } else { from..from + count }
        };
        if let Self::Tree(tree) = self
            && len > 0
            && is_ordered(len - 1)
        {
            let range = tree.lex_range(walk.min, walk.max);
            let skip = walk.skip.min(range.len());
            let first = if walk.reverse { len - range.end } else { range.start };
            return steps(first + skip, (range.len() - skip).min(walk.most));
        }
        // Redis looks no further where the ends of the whole set lie outside on the far sides.
        let lowest_fits = self.at(0, |member, _| walk.is_below_max(member));
        let highest_fits = len.checked_sub(1).and_then(|last| self.at(last, |member, _| walk.is_above_min(member)));
        if lowest_fits != Some(true) || highest_fits != Some(true) {
            return 0..0;
        }
        let first = match self {
            Self::Listpack(listpack) => walk.steps_to_first(listpack),
            Self::Tree(tree) => walk.steps_to_first_in_tree(tree),
        };
        let rank = if walk.reverse { len.checked_sub(first + 1) } else { Some(first) };
        let fits = rank.and_then(|rank| self.at(rank, |member, _| walk.goes_on(member)));
        let Some(from) = first.checked_add(walk.skip).filter(|from| fits == Some(true) && *from < len) else {
            return 0..0;
        };
        steps(from, walk.run_from(self, from))
    }
}

#[cfg(test)]
mod tests {
    use super::super::ZsetValue;
    use super::*;
    use crate::types::{DataType, Limits};

    fn both_encodings(pairs: &[(&str, f64)], check: impl Fn(ZsetView<'_>)) {
        let pairs: Vec<_> = pairs.iter().map(|(member, score)| (member.as_bytes().to_vec(), *score)).collect();
        for entries in [0, 128] {
            let limits = Limits { zset_max_listpack_entries: entries, ..Limits::default() };
            check(ZsetValue::from_pairs(&pairs, &limits).view());
        }
    }

    fn up<'a>(min: Bound<&'a [u8]>, max: Bound<&'a [u8]>) -> LexWalk<'a> {
        LexWalk { min, max, reverse: false, skip: 0, most: usize::MAX }
    }

    #[test]
    fn a_walk_over_other_scores_stops_at_the_first_member_outside() {
        both_encodings(&[("a", 1.0), ("c", 2.0), ("b", 3.0), ("d", 4.0)], |zset| {
            let walk = up(Bound::Unbounded, Bound::Included(b"b"));
            assert_eq!(zset.lex_ranks(walk), 0..1);
            // What LIMIT passes over is not looked at.
            assert_eq!(zset.lex_ranks(LexWalk { skip: 2, ..walk }), 2..3);
            assert_eq!(zset.lex_ranks(LexWalk { skip: 1, ..walk }).len(), 0);
            assert_eq!(zset.lex_ranks(LexWalk { skip: 9, ..walk }).len(), 0);
            let down = LexWalk { reverse: true, ..up(Bound::Included(b"c"), Bound::Unbounded) };
            assert_eq!(zset.lex_ranks(down), 3..4);
            assert_eq!(zset.lex_ranks(LexWalk { skip: 2, ..down }), 1..2);
            assert_eq!(zset.lex_ranks(LexWalk { most: 0, ..down }).len(), 0);
        });
    }

    #[test]
    fn nothing_is_found_where_the_ends_of_the_set_lie_outside() {
        both_encodings(&[("b", 1.0), ("1", 2.0), ("d", 3.0)], |zset| {
            let walk = up(Bound::Unbounded, Bound::Included(b"1"));
            assert_eq!(zset.lex_ranks(walk).len(), 0);
            let down = LexWalk { reverse: true, ..up(Bound::Excluded(b"y"), Bound::Included(b"b")) };
            assert_eq!(zset.lex_ranks(down).len(), 0);
        });
        both_encodings(&[], |zset| {
            assert_eq!(zset.lex_ranks(up(Bound::Unbounded, Bound::Unbounded)).len(), 0);
        });
    }
}
