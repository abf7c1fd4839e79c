//! Large sorted sets: a table of members beside their order by score.
//! Owns:  one heap block per member, which the table owns and the order names.
//! Uses:  stdx, and the table and the order tree beside it.
//! Never: a block without its place in the order; a score that is not a number.

mod build;
mod member;
#[cfg(test)]
mod tests;

pub use build::ScoredSetBuilder;

use std::fmt;
use std::ops::{self, Bound};

use smallvec::SmallVec;

use member::{MemberRef, ScoredMember};

use super::dict::{Dict, Slot, TableStats};
use super::evacuate::{Cursor, Evacuate, Part, START};
use super::order_tree::{Member as _, OrderTree, Range};
use crate::stdx::HashSeed;

/// Members with a score each, found by member and by rank. Ranks count from zero at the lowest score; members of
/// equal scores are in the order of their bytes.
pub struct ScoredSet {
    members: Dict<ScoredMember>,
    /// Invariant: it holds exactly the pairs of `members`, by second handles to their blocks.
    order: OrderTree<MemberRef>,
}

/// What became of a member that was to be given a score.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Upserted {
    pub old: Option<f64>,
    /// The score that was decided on, if any was.
    pub new: Option<f64>,
}

impl ScoredSet {
    pub fn new(seed: HashSeed) -> Self {
        Self { members: Dict::new(seed), order: OrderTree::new() }
    }

    pub fn len(&self) -> usize {
        self.members.len()
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub fn score(&self, member: &[u8]) -> Option<f64> {
        self.members.find(member).map(ScoredMember::score)
    }

    /// Asks for the memory in which these members are or would be (see [`Dict::prefetch_keys`]), and for the places in
    /// the order of those that are to get a score: where they are and where they will be.
    pub fn prefetch<'m>(&self, members: impl Iterator<Item = (&'m [u8], Option<f64>)>) {
        let members: SmallVec<[_; 16]> = members.collect();
        let hashes = self.members.prefetch_keys(members.iter().map(|&(member, _)| member));
        for (hash, (member, score)) in hashes.into_iter().zip(members) {
            let Some(score) = score else { continue };
            self.order.prefetch(score);
            if let Some(block) = self.members.find_hashed(hash, member) {
                self.order.prefetch(block.score());
            }
        }
    }

    /// Gives `member` the score that `decide` makes of its present one; nothing changes if that is none.
    #[expect(unsafe_code, reason = "the order names blocks that the table owns")]
    pub fn upsert(&mut self, member: &[u8], decide: impl FnOnce(Option<f64>) -> Option<f64>) -> Upserted {
        let hash = self.members.hash(member);
        match self.members.entry_hashed(hash, member) {
            Slot::Occupied(slot) => {
                let block = slot.into_mut();
                let old = block.score();
                let new = decide(Some(old));
                if let Some(score) = new.filter(|&score| score != old) {
                    let moved = block.moved(score);
                    // SAFETY: the block that the handle names is the member's from the next step on, or is already.
                    let handle = unsafe { moved.as_ref().unwrap_or(block).reference() };
                    self.order.update_score(old, member, score, handle);
                    match moved {
                        // The old block goes, which the order does not name any more.
                        Some(moved) => *block = moved,
                        None => block.set_score(score),
                    }
                }
                Upserted { old: Some(old), new }
            }
            Slot::Vacant(slot) => {
                let new = decide(None);
                if let Some(score) = new {
                    let block = slot.insert(ScoredMember::new(member, score));
                    // SAFETY: by the invariant of the order, `remove` and `remove_range` take the handle out of it before the
                    // block goes; a set is moved and shared as a whole.
                    self.order.insert(score, unsafe { block.reference() });
                }
                Upserted { old: None, new }
            }
        }
    }

    /// Takes a member out; returns its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        if self.is_empty() {
            return None;
        }
        let hash = self.members.hash(member);
        let Slot::Occupied(slot) = self.members.entry_hashed(hash, member) else { return None };
        let score = slot.get().score();
        // The order drops the handle before the block is freed.
        self.order.remove(score, member);
        drop(slot.remove());
        Some(score)
    }

    /// The rank of a member, and its score.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let score = self.score(member)?;
        Some((self.order.rank(score, member)?, score))
    }

    /// The ranks of the members whose scores lie within the bounds.
    pub fn score_range(&self, min: Bound<f64>, max: Bound<f64>) -> ops::Range<usize> {
        self.order.score_range(min, max)
    }

    /// The ranks of the members that lie within the bounds, if all have one score; else some range.
    pub fn lex_range(&self, min: Bound<&[u8]>, max: Bound<&[u8]>) -> ops::Range<usize> {
        self.order.lex_range(min, max)
    }

    /// The members of these ranks with their scores, from both ends.
    pub fn range(&self, ranks: ops::Range<usize>) -> ScoredRange<'_> {
        ScoredRange { set: self, pairs: self.order.range(ranks) }
    }

    /// All members with their scores, from both ends.
    pub fn iter(&self) -> ScoredRange<'_> {
        self.range(0..self.len())
    }

    /// Takes out the members of these ranks. Returns how many there were.
    #[expect(unsafe_code, reason = "the key of a block that goes is read from that block")]
    pub fn remove_range(&mut self, ranks: ops::Range<usize>) -> usize {
        let mut handles = Vec::new();
        self.order.remove_range(ranks, |_, handle| handles.push(handle));
        for &handle in &handles {
            // SAFETY: the table owns the block until it has handed it over, and the key is not read after that.
            let member = unsafe { handle.bytes() };
            let hash = self.members.hash(member);
            drop(self.members.remove_hashed(hash, member));
        }
        handles.len()
    }

    /// Moves the leaf of a rank, and the members that it names, as far as their blocks are leaving. Returns the rank behind it.
    #[expect(unsafe_code, reason = "the order names blocks that the table owns")]
    fn evacuate_leaf(&mut self, rank: usize, part: &mut Part) -> usize {
        let Self { members, order } = self;
        order.evacuate_leaf(rank, part, |handle, part| {
            if !handle.is_leaving(part) {
                return;
            }
            let hash = members.hash(handle.member());
            let owner = members.find_mut_hashed(hash, handle.member()).expect("the order names members of the table");
            owner.evacuate(START, part);
            // SAFETY: as for the handle whose place it takes.
            *handle = unsafe { owner.reference() };
        })
    }

    /// A random member, with its score.
    #[allow(dead_code, reason = "tests compare it with a model")]
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<(&[u8], f64)> {
        self.order.random(rng).map(|pair| self.borrowed(pair))
    }

    /// A pair as long as this set is borrowed, which keeps its block.
    #[expect(unsafe_code, reason = "a handle has no lifetime of its own")]
    fn borrowed(&self, (score, handle): (f64, MemberRef)) -> (&[u8], f64) {
        // SAFETY: the order names only blocks that the table owns, and both are borrowed with `self`.
        (unsafe { handle.bytes() }, score)
    }

    /// Visits a part of the members; see [`Dict::scan`].
    pub fn scan(&self, cursor: u64, mut visit: impl FnMut(&[u8], f64)) -> u64 {
        self.members.scan(cursor, |block| visit(block.member(), block.score()))
    }

    /// What DEBUG HTSTATS-KEY shows of the table of members.
    pub fn table_stats(&self) -> TableStats {
        self.members.stats()
    }

    /// Bytes taken on the heap; the members' part is reckoned from `samples` of them (0: all).
    pub fn heap_bytes(&self, samples: usize) -> usize {
        let sampled = if samples == 0 { self.len() } else { samples.min(self.len()) };
        let blocks: usize = self.members.iter().take(sampled).map(ScoredMember::block_bytes).sum();
        let estimate = blocks as f64 / sampled.max(1) as f64 * self.len() as f64;
        size_of::<Self>() + self.members.typical_table_bytes() + self.order.heap_bytes() + estimate as usize
    }
}

impl Clone for ScoredSet {
    fn clone(&self) -> Self {
        let mut builder = ScoredSetBuilder::with_capacity(HashSeed::of_process(), self.len());
        for (member, score) in self.iter() {
            builder.push(member, score);
        }
        builder.finish()
    }
}

/// The cursor is that of the table while its buckets are moved, and then [`RANKS`] and a rank.
impl Evacuate for ScoredSet {
    fn evacuate(&mut self, cursor: Cursor, part: &mut Part) -> Cursor {
        let Some(rank) = cursor.checked_sub(RANKS) else {
            let next = self.members.evacuate_buckets(cursor, part);
            return if next == START { RANKS } else { next };
        };
        let mut rank = rank as usize;
        while rank < self.len() {
            rank = self.evacuate_leaf(rank, part);
            if part.is_done() {
                return RANKS + rank as Cursor;
            }
        }
        START
    }
}

/// Beyond all cursors of a table.
const RANKS: Cursor = 1 << u64::BITS;

impl PartialEq for ScoredSet {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl fmt::Debug for ScoredSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(member, score)| (String::from_utf8_lossy(member), score))).finish()
    }
}

/// The members of a range of ranks with their scores, from both ends.
pub struct ScoredRange<'a> {
    set: &'a ScoredSet,
    pairs: Range<'a, MemberRef>,
}

impl<'a> Iterator for ScoredRange<'a> {
    type Item = (&'a [u8], f64);

    fn next(&mut self) -> Option<Self::Item> {
        self.pairs.next().map(|pair| self.set.borrowed(pair))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.pairs.size_hint()
    }

    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        self.pairs.nth(n).map(|pair| self.set.borrowed(pair))
    }
}

impl DoubleEndedIterator for ScoredRange<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.pairs.next_back().map(|pair| self.set.borrowed(pair))
    }

    fn nth_back(&mut self, n: usize) -> Option<Self::Item> {
        self.pairs.nth_back(n).map(|pair| self.set.borrowed(pair))
    }
}

impl ExactSizeIterator for ScoredRange<'_> {}
