//! Walking over a range of ranks.

use std::ops;

use super::leaf::Leaf;
use super::tree::{Member, OrderTree};

/// How many members are asked for ahead of the one that is handed out. They lie all over the heap.
const PREFETCH_DISTANCE: usize = 8;

/// The pairs of a range of ranks, from both ends.
///
/// It holds no path: where a leaf ends it goes down from the root again by the next rank, once in some fifty steps.
pub struct Range<'a, H> {
    tree: &'a OrderTree<H>,
    ranks: ops::Range<usize>,
    /// The leaf of the next pair and its place, which may be the leaf's end.
    front: Option<(&'a Leaf<H>, usize)>,
    /// The leaf of the next pair from the back and the place behind it, which may be the leaf's start.
    back: Option<(&'a Leaf<H>, usize)>,
}

impl<'a, H: Member> Range<'a, H> {
    pub(super) fn new(tree: &'a OrderTree<H>, ranks: ops::Range<usize>) -> Self {
        Self { tree, ranks, front: None, back: None }
    }
}

impl<H: Member> Iterator for Range<'_, H> {
    type Item = (f64, H);

    fn next(&mut self) -> Option<(f64, H)> {
        let rank = self.ranks.next()?;
        let (leaf, index) = match self.front {
            Some((leaf, index)) if index < leaf.len() => {
                let ahead = index + PREFETCH_DISTANCE;
                leaf.prefetch_members(ahead..ahead + 1);
                (leaf, index)
            }
            _ => {
                let (leaf, index) = self.tree.seek(rank)?;
                leaf.prefetch_members(index + 1..index + 1 + self.ranks.len().min(PREFETCH_DISTANCE));
                (leaf, index)
            }
        };
        self.front = Some((leaf, index + 1));
        Some(leaf.pair(index).into())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.ranks.size_hint()
    }

    fn nth(&mut self, n: usize) -> Option<(f64, H)> {
        self.front = None;
        self.ranks.start = self.ranks.start.saturating_add(n).min(self.ranks.end);
        self.next()
    }
}

impl<H: Member> DoubleEndedIterator for Range<'_, H> {
    fn next_back(&mut self) -> Option<(f64, H)> {
        let rank = self.ranks.next_back()?;
        let (leaf, index) = match self.back {
            Some((leaf, behind)) if behind > 0 => {
                let index = behind - 1;
                if let Some(ahead) = index.checked_sub(PREFETCH_DISTANCE) {
                    leaf.prefetch_members(ahead..ahead + 1);
                }
                (leaf, index)
            }
            _ => {
                let (leaf, index) = self.tree.seek(rank)?;
                leaf.prefetch_members(index.saturating_sub(self.ranks.len().min(PREFETCH_DISTANCE))..index);
                (leaf, index)
            }
        };
        self.back = Some((leaf, index));
        Some(leaf.pair(index).into())
    }

    fn nth_back(&mut self, n: usize) -> Option<(f64, H)> {
        self.back = None;
        self.ranks.end = self.ranks.end.saturating_sub(n).max(self.ranks.start);
        self.next_back()
    }
}

impl<H: Member> ExactSizeIterator for Range<'_, H> {}
