//! A leaf: up to [`LEAF_MAX`] pairs in order, scores and handles apart so that a search reads few cache lines.

use std::ops::Range;

use super::tree::{Borders, Member, Pair, Probe, Rescored, partition, search};
use crate::structures::dict::prefetch_line;

/// With eight-byte handles a leaf takes 1,016 bytes and so fills a block of 1 KiB.
pub(super) const LEAF_MAX: usize = 63;

/// A leaf with fewer pairs is joined to its neighbour, or gets pairs from it.
pub(super) const LEAF_MIN: usize = LEAF_MAX / 3;

/// Neighbours are joined only up to here, so that the next insertion does not part them again.
pub(super) const LEAF_JOINED_MAX: usize = LEAF_MAX - LEAF_MAX / 8;

pub(super) struct Leaf<H> {
    len: usize,
    scores: [f64; LEAF_MAX],
    /// Places from `len` on hold handles that mean nothing any more and are never followed.
    handles: [H; LEAF_MAX],
}

impl<H: Member> Leaf<H> {
    pub(super) fn of(pair: Pair<H>) -> Self {
        Self { len: 1, scores: [pair.score; LEAF_MAX], handles: [pair.handle; LEAF_MAX] }
    }

    /// A leaf of pairs in order, at least one and at most [`LEAF_MAX`].
    pub(super) fn of_all(pairs: &[(f64, H)]) -> Self {
        let mut leaf = Self::of(Pair { score: pairs[0].0, handle: pairs[0].1 });
        for (index, &(score, handle)) in pairs.iter().enumerate() {
            leaf.scores[index] = score;
            leaf.handles[index] = handle;
        }
        leaf.len = pairs.len();
        leaf
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    pub(super) fn pair(&self, index: usize) -> Pair<H> {
        Pair { score: self.scores[index], handle: self.handles[index] }
    }

    /// Asks for the leaf itself: a search reads lines all over it, one after the other, and an insertion moves half of it.
    #[inline]
    pub(super) fn prefetch(&self) {
        let start = std::ptr::from_ref(self).cast::<u8>();
        for line in (0..size_of::<Self>()).step_by(64) {
            prefetch_line(start.wrapping_add(line));
        }
    }

    /// Asks for the members of some places, as far as there are such.
    #[inline]
    pub(super) fn prefetch_members(&self, places: Range<usize>) {
        for handle in self.handles[..self.len].get(places.start..places.end.min(self.len)).unwrap_or_default() {
            handle.prefetch();
        }
    }

    pub(super) fn search(&self, probe: Probe<'_>) -> Result<usize, usize> {
        search(&self.scores[..self.len], &self.handles[..self.len], probe)
    }

    pub(super) fn count_while(&self, holds: impl Fn(Pair<H>) -> bool) -> usize {
        partition(self.len, |index| holds(self.pair(index)))
    }

    /// Puts a pair in; a full leaf is split, and its right part is returned.
    pub(super) fn insert(&mut self, pair: Pair<H>, at: Borders) -> Option<Self> {
        let index = match self.search(Probe { score: pair.score, member: pair.handle.member() }) {
            Err(index) => index,
            Ok(_) => unreachable!("the pair is in the tree already"),
        };
        if self.len < LEAF_MAX {
            self.insert_at(index, pair);
            return None;
        }
        if at.right && index == self.len {
            return Some(Self::of(pair));
        }
        if at.left && index == 0 {
            return Some(std::mem::replace(self, Self::of(pair)));
        }
        let middle = LEAF_MAX / 2;
        let mut right = self.split_off(middle);
        if index <= middle {
            self.insert_at(index, pair);
        } else {
            right.insert_at(index - middle, pair);
        }
        Some(right)
    }

    pub(super) fn remove(&mut self, probe: Probe<'_>) -> Option<Pair<H>> {
        let index = self.search(probe).ok()?;
        let removed = self.pair(index);
        self.remove_places(index, 1);
        Some(removed)
    }

    pub(super) fn remove_run(&mut self, index: usize, most: usize, removed: &mut impl FnMut(f64, H)) -> usize {
        let count = most.min(self.len - index);
        for place in index..index + count {
            removed(self.scores[place], self.handles[place]);
        }
        self.remove_places(index, count);
        count
    }

    #[allow(dead_code, reason = "tests compare it with a model")]
    pub(super) fn replace_handle(&mut self, probe: Probe<'_>, handle: H) -> bool {
        let Ok(index) = self.search(probe) else { return false };
        self.handles[index] = handle;
        true
    }

    /// Lets `change` put other handles of the same members in the places of those that are there.
    pub(super) fn change_handles(&mut self, change: impl FnMut(&mut H)) {
        self.handles[..self.len].iter_mut().for_each(change);
    }

    pub(super) fn rescore_or_remove(&mut self, probe: Probe<'_>, new: Pair<H>) -> Option<Rescored> {
        let index = self.search(probe).ok()?;
        if self.rescore(index, probe.member, new) {
            return Some(Rescored::InPlace);
        }
        self.remove_places(index, 1);
        Some(Rescored::TakenOut)
    }

    /// Writes another score and handle in place if the pair stays between its neighbours, and in the inside of the leaf: what
    /// is first in a leaf is in the nodes above it too.
    fn rescore(&mut self, index: usize, member: &[u8], new: Pair<H>) -> bool {
        if index == 0 || index + 1 >= self.len {
            return false;
        }
        let (before, after) = (self.pair(index - 1), self.pair(index + 1));
        let score = new.score;
        let stays = (before.score < score || before.score == score && before.handle.member() < member)
            && (score < after.score || score == after.score && member < after.handle.member());
        if stays {
            self.scores[index] = score;
            self.handles[index] = new.handle;
        }
        stays
    }

    /// Takes over all pairs of the leaf to the right.
    pub(super) fn join(&mut self, right: &Self) {
        self.scores[self.len..self.len + right.len].copy_from_slice(&right.scores[..right.len]);
        self.handles[self.len..self.len + right.len].copy_from_slice(&right.handles[..right.len]);
        self.len += right.len;
    }

    /// Moves pairs over the border to the leaf on the right until both hold equally many.
    pub(super) fn even_out(&mut self, right: &mut Self) {
        let own = (self.len + right.len) / 2;
        if own < self.len {
            let moved = self.len - own;
            right.scores.copy_within(..right.len, moved);
            right.handles.copy_within(..right.len, moved);
            right.scores[..moved].copy_from_slice(&self.scores[own..self.len]);
            right.handles[..moved].copy_from_slice(&self.handles[own..self.len]);
            right.len += moved;
            self.len = own;
        } else {
            let moved = own - self.len;
            self.scores[self.len..own].copy_from_slice(&right.scores[..moved]);
            self.handles[self.len..own].copy_from_slice(&right.handles[..moved]);
            self.len = own;
            right.remove_places(0, moved);
        }
    }

    fn insert_at(&mut self, index: usize, pair: Pair<H>) {
        self.scores.copy_within(index..self.len, index + 1);
        self.handles.copy_within(index..self.len, index + 1);
        self.scores[index] = pair.score;
        self.handles[index] = pair.handle;
        self.len += 1;
    }

    fn remove_places(&mut self, index: usize, count: usize) {
        self.scores.copy_within(index + count..self.len, index);
        self.handles.copy_within(index + count..self.len, index);
        self.len -= count;
    }

    fn split_off(&mut self, at: usize) -> Self {
        let mut right = Self::of(self.pair(at));
        right.len = self.len - at;
        right.scores[..right.len].copy_from_slice(&self.scores[at..self.len]);
        right.handles[..right.len].copy_from_slice(&self.handles[at..self.len]);
        self.len = at;
        right
    }
}
