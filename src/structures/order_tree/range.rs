//! Walking over a range of ranks.

use std::ops;

use super::leaf::Leaf;
use super::tree::{Member, OrderTree};

/// How many members are asked for ahead of the one that is handed out. They lie all over the heap.
const PREFETCH_DISTANCE: usize = 16;

/// So many pairs before a leaf ends the next one is looked for on the way back, in which snapshots write whole sets. It takes
/// a while until all of its lines are there.
const LEAF_DISTANCE: usize = 24;

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
    /// The leaf before that one and the place of its last pair, once that is near.
    before_back: Option<(&'a Leaf<H>, usize)>,
}

impl<'a, H: Member> Range<'a, H> {
    pub(super) fn new(tree: &'a OrderTree<H>, ranks: ops::Range<usize>) -> Self {
        Self { tree, ranks, front: None, back: None, before_back: None }
    }
}

impl<H: Member> Range<'_, H> {
    /// Asks for what is some steps before this pair of the leaf at the back.
    #[inline]
    fn prefetch_back(&mut self, leaf: &Leaf<H>, index: usize) {
        if let Some(ahead) = index.checked_sub(PREFETCH_DISTANCE) {
            leaf.prefetch_members(ahead..ahead + 1);
            if index == LEAF_DISTANCE && self.ranks.len() > index {
                self.before_back = self.tree.seek(self.ranks.end - index - 1);
                if let Some((before, _)) = self.before_back {
                    before.prefetch();
                }
            }
        } else if let Some((before, last)) = self.before_back
            && let Some(ahead) = (last + 1 + index).checked_sub(PREFETCH_DISTANCE)
        {
            before.prefetch_members(ahead..ahead + 1);
        }
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
                self.prefetch_back(leaf, index);
                (leaf, index)
            }
            _ => match self.before_back.take() {
                Some(place) => place,
                None => {
                    let (leaf, index) = self.tree.seek(rank)?;
                    leaf.prefetch_members(index.saturating_sub(self.ranks.len().min(PREFETCH_DISTANCE))..index);
                    (leaf, index)
                }
            },
        };
        self.back = Some((leaf, index));
        Some(leaf.pair(index).into())
    }

    fn nth_back(&mut self, n: usize) -> Option<(f64, H)> {
        (self.back, self.before_back) = (None, None);
        self.ranks.end = self.ranks.end.saturating_sub(n).max(self.ranks.start);
        self.next_back()
    }
}

impl<H: Member> ExactSizeIterator for Range<'_, H> {}
