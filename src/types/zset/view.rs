//! Reading sorted sets.

use std::io;
use std::ops::{Bound, Range};

use super::{INLINE_BYTES_MAX, Member, packed, persist};
use crate::rdb;
use crate::stdx::number::format_f64_17g;
use crate::structures::listpack::Lp;
use crate::structures::scored_set::ScoredSet;
use crate::types::{Digest, Encoding, View};

/// A sorted set as it is read. Ranks count from zero at the lowest score.
#[derive(Clone, Copy)]
pub enum ZsetView<'a> {
    Listpack(&'a Lp),
    Tree(&'a ScoredSet),
}

impl ZsetView<'_> {
    pub fn len(self) -> usize {
        match self {
            Self::Listpack(listpack) => listpack.len() / 2,
            Self::Tree(tree) => tree.len(),
        }
    }

    pub fn is_empty(self) -> bool {
        match self {
            Self::Listpack(listpack) => listpack.is_empty(),
            Self::Tree(tree) => tree.is_empty(),
        }
    }

    pub fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Listpack(listpack) => packed::locate(listpack, member).map(|(_, score)| score),
            Self::Tree(tree) => tree.score(member),
        }
    }

    /// The rank of a member, and its score.
    pub fn rank(self, member: &[u8]) -> Option<(usize, f64)> {
        match self {
            Self::Listpack(listpack) => packed::rank(listpack, member),
            Self::Tree(tree) => tree.rank(member),
        }
    }

    /// The ranks of the members whose scores lie within the bounds.
    pub fn score_ranks(self, min: Bound<f64>, max: Bound<f64>) -> Range<usize> {
        let listpack = match self {
            Self::Tree(tree) => return tree.score_range(min, max),
            Self::Listpack(listpack) => listpack,
        };
        let start = count_while(listpack, |_, score| match min {
            Bound::Included(min) => score < min,
            Bound::Excluded(min) => score <= min,
            Bound::Unbounded => false,
        });
        let end = count_while(listpack, |_, score| match max {
            Bound::Included(max) => score <= max,
            Bound::Excluded(max) => score < max,
            Bound::Unbounded => true,
        });
        start..end.max(start)
    }

    /// Calls `visit` with the members of these ranks and their scores, from the lowest rank up or from the highest
    /// down.
    pub fn for_each(self, ranks: Range<usize>, reverse: bool, mut visit: impl FnMut(Member<'_>, f64)) {
        let (len, count) = (self.len(), ranks.len());
        match (self, reverse) {
            (Self::Listpack(listpack), false) => {
                packed::pairs(listpack).skip(ranks.start).take(count).for_each(|(member, score)| visit(member, score));
            }
            (Self::Listpack(listpack), true) => {
                let from_end = len.saturating_sub(ranks.end);
                packed::pairs(listpack)
                    .rev()
                    .skip(from_end)
                    .take(count)
                    .for_each(|(member, score)| visit(member, score));
            }
            (Self::Tree(tree), false) => {
                tree.range(ranks).for_each(|(member, score)| visit(Member::Bytes(member), score));
            }
            (Self::Tree(tree), true) => {
                tree.range(ranks).rev().for_each(|(member, score)| visit(Member::Bytes(member), score));
            }
        }
    }

    /// Calls `visit` with the members of these ranks and their scores, from the lowest rank up, until it returns false.
    pub fn visit_while(self, ranks: Range<usize>, mut visit: impl FnMut(Member<'_>, f64) -> bool) {
        let _went_through = match self {
            Self::Listpack(listpack) => {
                packed::pairs(listpack).skip(ranks.start).take(ranks.len()).all(|(member, score)| visit(member, score))
            }
            Self::Tree(tree) => tree.range(ranks).all(|(member, score)| visit(Member::Bytes(member), score)),
        };
    }

    /// Calls `visit` with all members and their scores, from the lowest rank up.
    pub fn for_all(self, visit: impl FnMut(Member<'_>, f64)) {
        self.for_each(0..self.len(), false, visit);
    }

    /// Calls `read` with the member of a rank and its score.
    pub fn at<R>(self, rank: usize, read: impl FnOnce(Member<'_>, f64) -> R) -> Option<R> {
        match self {
            Self::Listpack(listpack) => packed::pairs(listpack).nth(rank).map(|(member, score)| read(member, score)),
            Self::Tree(tree) => {
                tree.range(rank..rank + 1).next().map(|(member, score)| read(Member::Bytes(member), score))
            }
        }
    }
}

/// How many pairs there are before the first one of which `holds` is false.
fn count_while(listpack: &Lp, holds: impl Fn(Member<'_>, f64) -> bool) -> usize {
    packed::pairs(listpack).take_while(|&(member, score)| holds(member, score)).count()
}

impl View for ZsetView<'_> {
    fn encoding(self) -> Encoding {
        match self {
            Self::Listpack(_) => Encoding::Listpack,
            Self::Tree(_) => Encoding::Skiplist,
        }
    }

    fn memory_usage(self, samples: usize) -> usize {
        match self {
            Self::Listpack(listpack) if listpack.size() <= INLINE_BYTES_MAX => 0,
            Self::Listpack(listpack) => listpack.size(),
            Self::Tree(tree) => tree.heap_bytes(samples),
        }
    }

    fn free_effort(self) -> usize {
        match self {
            Self::Listpack(_) => 1,
            Self::Tree(tree) => tree.len(),
        }
    }

    fn tag(self, _version: u32) -> rdb::Tag {
        match self {
            Self::Listpack(_) => rdb::Tag::ZsetListpack,
            Self::Tree(_) => rdb::Tag::Zset2,
        }
    }

    fn save(self, out: &mut rdb::Encoder<'_>) -> io::Result<()> {
        persist::save(self, out)
    }

    fn digest(self, digest: &mut Digest) {
        let mut text = Vec::new();
        self.for_all(|member, score| {
            text.clear();
            member.append_to(&mut text);
            let mut pair = Digest::default();
            pair.mix(&text);
            pair.mix(&format_f64_17g(score));
            digest.xor_digest(&pair);
        });
    }
}
