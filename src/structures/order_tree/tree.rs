//! The tree as a whole, and the steps that go down from its root.

use std::ops::{self, Bound};

use super::inner::Inner;
use super::leaf::Leaf;
use super::range::Range;
use crate::structures::evacuate::Part;
use crate::structures::pool_box::PoolBox;

/// A handle of a member that something else owns.
///
/// The member of a handle must not change while the handle is in a tree.
pub trait Member: Copy {
    fn member(&self) -> &[u8];

    /// Asks for the member without waiting for it.
    fn prefetch(&self) {}
}

/// Pairs of a score and a member, ordered by score and then by the member's bytes.
///
/// Ranks count from zero at the lowest pair. Each single step takes time logarithmic in the number of pairs, and
/// touches the nodes from the root to one leaf.
pub struct OrderTree<H> {
    pub(super) root: Option<Node<H>>,
    pub(super) len: usize,
    pub(super) size: NodeCounts,
}

/// How many nodes there are, for the accounting of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct NodeCounts {
    pub(super) leaves: usize,
    pub(super) inners: usize,
}

pub(super) enum Node<H> {
    Leaf(PoolBox<Leaf<H>>),
    Inner(PoolBox<Inner<H>>),
}

#[derive(Clone, Copy)]
pub(super) struct Pair<H> {
    pub(super) score: f64,
    pub(super) handle: H,
}

/// What is looked for: a score and a member, without a handle.
#[derive(Clone, Copy)]
pub(super) struct Probe<'a> {
    pub(super) score: f64,
    pub(super) member: &'a [u8],
}

/// What became of a pair that was to get another score.
pub(super) enum Rescored {
    InPlace,
    /// It belongs somewhere else now.
    TakenOut,
}

/// Whether a node lies at the left or the right border of the tree. There a full node is split so that it stays full,
/// since pairs that come in order go on coming at that border.
#[derive(Clone, Copy)]
pub(super) struct Borders {
    pub(super) left: bool,
    pub(super) right: bool,
}

impl<H: Member> OrderTree<H> {
    pub const fn new() -> Self {
        Self { root: None, len: 0, size: NodeCounts { leaves: 0, inners: 0 } }
    }

    #[allow(dead_code, reason = "tests compare it with a model")]
    pub fn len(&self) -> usize {
        self.len
    }

    #[allow(dead_code, reason = "tests compare it with a model")]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes taken on the heap by the nodes.
    pub fn heap_bytes(&self) -> usize {
        self.size.leaves * PoolBox::<Leaf<H>>::block_bytes() + self.size.inners * PoolBox::<Inner<H>>::block_bytes()
    }

    #[allow(dead_code, reason = "tests compare it with a model")]
    pub fn clear(&mut self) {
        *self = Self::new();
    }

    /// Puts a pair in. A pair of this score and member must not be there yet.
    pub fn insert(&mut self, score: f64, handle: H) {
        debug_assert!(!score.is_nan(), "a score is a number");
        assert!(self.len < u32::MAX as usize, "an order tree holds less than 2^32 pairs");
        let pair = Pair { score, handle };
        self.len += 1;
        let Some(mut root) = self.root.take() else {
            self.size.leaves = 1;
            self.root = Some(Node::Leaf(PoolBox::new(Leaf::of(pair))));
            return;
        };
        let split = root.insert(pair, Borders { left: true, right: true }, &mut self.size);
        self.root = Some(match split {
            None => root,
            Some(right) => {
                self.size.inners += 1;
                Node::Inner(PoolBox::new(Inner::of(vec![root, right])))
            }
        });
    }

    /// Takes a pair out and returns its handle.
    pub fn remove(&mut self, score: f64, member: &[u8]) -> Option<H> {
        let removed = self.root.as_mut()?.remove(Probe { score, member }, &mut self.size)?;
        self.len -= 1;
        self.shrink_root();
        Some(removed.handle)
    }

    /// Moves the pair of `member` from one score to another, and lets `handle` be its handle, which is another one if the
    /// member has moved; the old handle must still be good. False if there is none of the old score.
    pub fn update_score(&mut self, old: f64, member: &[u8], new: f64, handle: H) -> bool {
        debug_assert!(!new.is_nan(), "a score is a number");
        let (probe, pair) = (Probe { score: old, member }, Pair { score: new, handle });
        match self.root.as_mut().and_then(|root| root.rescore_or_remove(probe, pair, &mut self.size)) {
            None => return false,
            Some(Rescored::InPlace) => {}
            Some(Rescored::TakenOut) => {
                self.len -= 1;
                self.shrink_root();
                self.insert(new, handle);
            }
        }
        true
    }

    /// Puts another handle of the same member in the place of the present one, for a member that has moved. The
    /// old handle must still be good.
    #[allow(dead_code, reason = "tests compare it with a model")]
    pub fn replace_handle(&mut self, score: f64, member: &[u8], handle: H) -> bool {
        self.root.as_mut().is_some_and(|root| root.replace_handle(Probe { score, member }, handle))
    }

    /// Moves the leaf of a rank, and the nodes above it, out of blocks that are leaving, and lets `change` put another handle of
    /// the same member in the place of each one in the leaf, of a member that it has moved. Returns the rank behind the leaf.
    pub fn evacuate_leaf(&mut self, rank: usize, part: &mut Part, mut change: impl FnMut(&mut H, &mut Part)) -> usize {
        match &mut self.root {
            Some(root) if rank < self.len => rank + root.evacuate_leaf(rank, part, &mut change),
            _ => self.len,
        }
    }

    /// Asks for the leaf in which a pair of this score is or would be, for a step that comes a little later.
    pub fn prefetch(&self, score: f64) {
        let Some(mut node) = self.root.as_ref() else { return };
        loop {
            match node {
                Node::Leaf(leaf) => return leaf.prefetch(),
                Node::Inner(inner) => node = inner.child(inner.child_for_score(score)),
            }
        }
    }

    /// The rank of a pair that is there.
    pub fn rank(&self, score: f64, member: &[u8]) -> Option<usize> {
        let (probe, mut rank, mut node) = (Probe { score, member }, 0, self.root.as_ref()?);
        loop {
            match node {
                Node::Leaf(leaf) => return leaf.search(probe).ok().map(|index| rank + index),
                Node::Inner(inner) => {
                    let index = inner.child_for(probe);
                    rank += inner.count_before(index);
                    node = inner.child(index);
                }
            }
        }
    }

    /// The pair of a rank.
    #[allow(dead_code, reason = "tests compare it with a model")]
    pub fn at(&self, rank: usize) -> Option<(f64, H)> {
        let (leaf, index) = self.seek(rank)?;
        Some(leaf.pair(index).into())
    }

    #[allow(dead_code, reason = "tests compare it with a model")]
    pub fn first(&self) -> Option<(f64, H)> {
        self.at(0)
    }

    #[allow(dead_code, reason = "tests compare it with a model")]
    pub fn last(&self) -> Option<(f64, H)> {
        self.at(self.len.checked_sub(1)?)
    }

    #[allow(dead_code, reason = "tests compare it with a model")]
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<(f64, H)> {
        if self.is_empty() { None } else { self.at(rng.usize(..self.len)) }
    }

    /// The ranks of the pairs whose scores lie within the bounds.
    pub fn score_range(&self, min: Bound<f64>, max: Bound<f64>) -> ops::Range<usize> {
        let start = match min {
            Bound::Unbounded => 0,
            Bound::Included(min) => self.count_while(|pair| pair.score < min),
            Bound::Excluded(min) => self.count_while(|pair| pair.score <= min),
        };
        let end = match max {
            Bound::Unbounded => self.len,
            Bound::Included(max) => self.count_while(|pair| pair.score <= max),
            Bound::Excluded(max) => self.count_while(|pair| pair.score < max),
        };
        start..end.max(start)
    }

    /// The ranks of the pairs whose members lie within the bounds, in a tree whose pairs all have one score. In any
    /// other tree each end is one that a search finds: the member before it is outside, and the one behind it within, or
    /// the other way round.
    pub fn lex_range(&self, min: Bound<&[u8]>, max: Bound<&[u8]>) -> ops::Range<usize> {
        let start = match min {
            Bound::Unbounded => 0,
            Bound::Included(min) => self.count_while(|pair| pair.handle.member() < min),
            Bound::Excluded(min) => self.count_while(|pair| pair.handle.member() <= min),
        };
        let end = match max {
            Bound::Unbounded => self.len,
            Bound::Included(max) => self.count_while(|pair| pair.handle.member() <= max),
            Bound::Excluded(max) => self.count_while(|pair| pair.handle.member() < max),
        };
        start..end.max(start)
    }

    /// The pairs of these ranks, from both ends; ranks past the last one are left out.
    pub fn range(&self, ranks: ops::Range<usize>) -> Range<'_, H> {
        let end = ranks.end.min(self.len);
        Range::new(self, ranks.start.min(end)..end)
    }

    /// All pairs, from both ends.
    #[allow(dead_code, reason = "tests compare it with a model")]
    pub fn iter(&self) -> Range<'_, H> {
        self.range(0..self.len)
    }

    /// Takes out the pairs of these ranks, and hands each to `removed` in ascending order.
    pub fn remove_range(&mut self, ranks: ops::Range<usize>, mut removed: impl FnMut(f64, H)) {
        let mut left = ranks.end.min(self.len).saturating_sub(ranks.start);
        while left > 0
            && let Some(root) = &mut self.root
        {
            let gone = root.remove_run(ranks.start, left, &mut self.size, &mut removed);
            debug_assert!(gone > 0, "the rank is within the tree");
            left -= gone;
            self.len -= gone;
            self.shrink_root();
        }
    }

    /// The leaf of a rank and the place in it.
    pub(super) fn seek(&self, rank: usize) -> Option<(&Leaf<H>, usize)> {
        let (mut rank, mut node) = (rank, self.root.as_ref().filter(|_| rank < self.len)?);
        loop {
            match node {
                Node::Leaf(leaf) => return Some((leaf, rank)),
                Node::Inner(inner) => {
                    let (index, before) = inner.child_of_rank(rank);
                    rank -= before;
                    node = inner.child(index);
                }
            }
        }
    }

    /// How many pairs there are before the first one of which `holds` is false; behind that one it is false as well.
    fn count_while(&self, holds: impl Fn(Pair<H>) -> bool) -> usize {
        let Some(mut node) = self.root.as_ref() else { return 0 };
        let mut count = 0;
        loop {
            match node {
                Node::Leaf(leaf) => return count + leaf.count_while(holds),
                Node::Inner(inner) => {
                    let Some(index) = inner.last_child_while(&holds) else { return count };
                    count += inner.count_before(index);
                    node = inner.child(index);
                }
            }
        }
    }

    /// Takes levels away from the top that do not branch any more.
    fn shrink_root(&mut self) {
        while let Some(root) = self.root.take_if(|root| root.fill() <= 1) {
            match root {
                Node::Leaf(leaf) if leaf.is_empty() => self.size.leaves -= 1,
                Node::Inner(inner) => {
                    self.size.inners -= 1;
                    self.root = inner.into_inner().into_only_child();
                }
                leaf => {
                    self.root = Some(leaf);
                    return;
                }
            }
        }
    }
}

impl<H: Member> Default for OrderTree<H> {
    fn default() -> Self {
        Self::new()
    }
}

impl<H> From<Pair<H>> for (f64, H) {
    fn from(pair: Pair<H>) -> Self {
        (pair.score, pair.handle)
    }
}

impl<H: Member> Node<H> {
    /// Puts a pair in; where the node was full, it returns what is now the node to its right.
    pub(super) fn insert(&mut self, pair: Pair<H>, at: Borders, size: &mut NodeCounts) -> Option<Self> {
        match self {
            Self::Leaf(leaf) => {
                let right = leaf.insert(pair, at)?;
                size.leaves += 1;
                Some(Self::Leaf(PoolBox::new(right)))
            }
            Self::Inner(inner) => {
                let right = inner.insert(pair, at, size)?;
                size.inners += 1;
                Some(Self::Inner(PoolBox::new(right)))
            }
        }
    }

    /// Takes a pair out; the node may be empty afterwards, which its parent puts right.
    pub(super) fn remove(&mut self, probe: Probe<'_>, size: &mut NodeCounts) -> Option<Pair<H>> {
        match self {
            Self::Leaf(leaf) => leaf.remove(probe),
            Self::Inner(inner) => inner.remove(probe, size),
        }
    }

    /// Takes out pairs from a rank on, up to `most` of them and only within one leaf; returns how many.
    pub(super) fn remove_run(
        &mut self,
        rank: usize,
        most: usize,
        size: &mut NodeCounts,
        removed: &mut impl FnMut(f64, H),
    ) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.remove_run(rank, most, removed),
            Self::Inner(inner) => inner.remove_run(rank, most, size, removed),
        }
    }

    /// See [`OrderTree::evacuate_leaf`]. Returns how many pairs the leaf has from the rank on.
    pub(super) fn evacuate_leaf(
        &mut self,
        rank: usize,
        part: &mut Part,
        change: &mut impl FnMut(&mut H, &mut Part),
    ) -> usize {
        match self {
            Self::Leaf(leaf) => {
                leaf.evacuate_block(part);
                leaf.change_handles(|handle| change(handle, part));
                leaf.len() - rank
            }
            Self::Inner(inner) => {
                if rank == 0 {
                    inner.evacuate_block(part);
                }
                inner.evacuate_leaf(rank, part, change)
            }
        }
    }

    #[allow(dead_code, reason = "tests compare it with a model")]
    pub(super) fn replace_handle(&mut self, probe: Probe<'_>, handle: H) -> bool {
        match self {
            Self::Leaf(leaf) => leaf.replace_handle(probe, handle),
            Self::Inner(inner) => inner.replace_handle(probe, handle),
        }
    }

    /// Gives a pair another score and handle where it is, if it stays between its neighbours; otherwise takes it out.
    pub(super) fn rescore_or_remove(
        &mut self,
        probe: Probe<'_>,
        new: Pair<H>,
        size: &mut NodeCounts,
    ) -> Option<Rescored> {
        match self {
            Self::Leaf(leaf) => leaf.rescore_or_remove(probe, new),
            Self::Inner(inner) => inner.rescore_or_remove(probe, new, size),
        }
    }

    /// The lowest pair. A node below another one is never empty but for the moment of a removal.
    pub(super) fn lowest(&self) -> Pair<H> {
        match self {
            Self::Leaf(leaf) => leaf.pair(0),
            Self::Inner(inner) => inner.lowest(),
        }
    }

    /// The number of pairs below.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.len(),
            Self::Inner(inner) => inner.count_before(inner.len()),
        }
    }

    /// The number of pairs in a leaf, or of children in an inner node.
    pub(super) fn fill(&self) -> usize {
        match self {
            Self::Leaf(leaf) => leaf.len(),
            Self::Inner(inner) => inner.len(),
        }
    }
}

/// Where `probe` is among pairs in order, or where it would be.
#[inline]
pub(super) fn search<H: Member>(scores: &[f64], handles: &[H], probe: Probe<'_>) -> Result<usize, usize> {
    let start = count_below(scores, probe.score);
    // Members are somewhere else in memory: they are looked at only among equal scores.
    if scores.get(start).is_none_or(|&score| score != probe.score) {
        return Err(start);
    }
    let equal = scores[start..].partition_point(|&score| score <= probe.score);
    match handles[start..start + equal].binary_search_by(|handle| handle.member().cmp(probe.member)) {
        Ok(index) => Ok(start + index),
        Err(index) => Err(start + index),
    }
}

/// How many of the scores, which are in order, are lower than this one.
///
/// Comparing all of them, several at once and none waiting for another, is quicker than halving: the lines of a node that
/// is not in the cache arrive side by side.
#[inline]
pub(super) fn count_below(scores: &[f64], score: f64) -> usize {
    scores.iter().map(|&other| u64::from(other < score)).sum::<u64>() as usize
}

/// The first index below `len` of which `holds` is false, where it is true of all before and false of all behind.
#[inline]
pub(super) fn partition(len: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, len);
    while low < high {
        let middle = low.midpoint(high);
        if holds(middle) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}
