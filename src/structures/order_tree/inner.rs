//! An inner node: up to [`INNER_MAX`] children with the number of pairs below each, and the lowest of them.

use super::leaf::{LEAF_JOINED_MAX, LEAF_MIN};
use super::tree::{Borders, Member, Node, NodeCounts, Pair, Probe, Rescored, count_below, partition, search};
use crate::structures::evacuate::Part;

/// With eight-byte handles an inner node takes 2,024 bytes and so fills a block of 2 KiB.
pub(super) const INNER_MAX: usize = 56;

/// A node with fewer children is joined to its neighbour, or gets children from it.
const INNER_MIN: usize = INNER_MAX / 3;

const INNER_JOINED_MAX: usize = INNER_MAX - INNER_MAX / 8;

pub(super) struct Inner<H> {
    len: usize,
    counts: [u32; INNER_MAX],
    /// The lowest pair below each child, exactly: the handle of a pair that has gone must not be followed.
    scores: [f64; INNER_MAX],
    handles: [H; INNER_MAX],
    /// The first `len` are there.
    children: [Option<Node<H>>; INNER_MAX],
}

impl<H: Member> Inner<H> {
    /// A node of at least one and at most [`INNER_MAX`] children, none of them empty.
    pub(super) fn of(children: Vec<Node<H>>) -> Self {
        let lowest = children[0].lowest();
        let mut inner = Self {
            len: 0,
            counts: [0; INNER_MAX],
            scores: [lowest.score; INNER_MAX],
            handles: [lowest.handle; INNER_MAX],
            children: [const { None }; INNER_MAX],
        };
        for child in children {
            inner.insert_child(inner.len, child);
        }
        inner
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn lowest(&self) -> Pair<H> {
        self.lowest_of(0)
    }

    #[inline]
    pub(super) fn child(&self, index: usize) -> &Node<H> {
        self.children[index].as_ref().expect("a child stands at every place below the length")
    }

    pub(super) fn child_mut(&mut self, index: usize) -> &mut Node<H> {
        self.children[index].as_mut().expect("a child stands at every place below the length")
    }

    pub(super) fn into_only_child(mut self) -> Option<Node<H>> {
        self.children[0].take()
    }

    /// The child below which `probe` is or would be.
    pub(super) fn child_for(&self, probe: Probe<'_>) -> usize {
        match search(&self.scores[..self.len], &self.handles[..self.len], probe) {
            Ok(index) => index,
            Err(index) => index.saturating_sub(1),
        }
    }

    /// A child below which a pair of this score is or would be, as far as scores decide.
    #[inline]
    pub(super) fn child_for_score(&self, score: f64) -> usize {
        count_below(&self.scores[..self.len], score).saturating_sub(1)
    }

    /// The child that holds the pair of `rank` below this node, and the number of pairs before that child.
    pub(super) fn child_of_rank(&self, rank: usize) -> (usize, usize) {
        let mut before = 0;
        for (index, &count) in self.counts[..self.len].iter().enumerate() {
            let behind = before + count as usize;
            if rank < behind {
                return (index, before);
            }
            before = behind;
        }
        unreachable!("the rank is below the number of pairs")
    }

    /// The number of pairs below the children before `index`.
    pub(super) fn count_before(&self, index: usize) -> usize {
        self.counts[..index].iter().sum::<u32>() as usize
    }

    /// The last child of whose lowest pair `holds` is true.
    pub(super) fn last_child_while(&self, holds: impl Fn(Pair<H>) -> bool) -> Option<usize> {
        partition(self.len, |index| holds(self.lowest_of(index))).checked_sub(1)
    }

    /// Puts a pair in; if that needs another child and there is no place for it, the right part is split off.
    pub(super) fn insert(&mut self, pair: Pair<H>, at: Borders, size: &mut NodeCounts) -> Option<Self> {
        let probe = Probe { score: pair.score, member: pair.handle.member() };
        let index = self.child_for(probe);
        let below = Borders { left: at.left && index == 0, right: at.right && index + 1 == self.len };
        let split = self.child_mut(index).insert(pair, below, size);
        self.refresh(index, 1, split.as_ref());
        let right = split?;
        if self.len < INNER_MAX {
            self.insert_child(index + 1, right);
            return None;
        }
        if at.right && index + 1 == self.len {
            return Some(Self::of(vec![right]));
        }
        let middle = INNER_MAX / 2;
        let mut split = self.split_off(middle);
        if index < middle {
            self.insert_child(index + 1, right);
        } else {
            split.insert_child(index + 1 - middle, right);
        }
        Some(split)
    }

    pub(super) fn remove(&mut self, probe: Probe<'_>, size: &mut NodeCounts) -> Option<Pair<H>> {
        let index = self.child_for(probe);
        let removed = self.child_mut(index).remove(probe, size)?;
        self.after_removal(index, 1, size);
        Some(removed)
    }

    pub(super) fn rescore_or_remove(
        &mut self,
        probe: Probe<'_>,
        new: Pair<H>,
        size: &mut NodeCounts,
    ) -> Option<Rescored> {
        let index = self.child_for(probe);
        let rescored = self.child_mut(index).rescore_or_remove(probe, new, size)?;
        if let Rescored::TakenOut = rescored {
            self.after_removal(index, 1, size);
        }
        Some(rescored)
    }

    pub(super) fn remove_run(
        &mut self,
        rank: usize,
        most: usize,
        size: &mut NodeCounts,
        removed: &mut impl FnMut(f64, H),
    ) -> usize {
        let (index, before) = self.child_of_rank(rank);
        let gone = self.child_mut(index).remove_run(rank - before, most, size, removed);
        self.after_removal(index, gone, size);
        gone
    }

    pub(super) fn evacuate_leaf(
        &mut self,
        rank: usize,
        part: &mut Part,
        change: &mut impl FnMut(&mut H, &mut Part),
    ) -> usize {
        let (index, before) = self.child_of_rank(rank);
        let changed = self.child_mut(index).evacuate_leaf(rank - before, part, change);
        self.set_lowest(index);
        changed
    }

    #[allow(dead_code, reason = "tests compare it with a model")]
    pub(super) fn replace_handle(&mut self, probe: Probe<'_>, handle: H) -> bool {
        let index = self.child_for(probe);
        let done = self.child_mut(index).replace_handle(probe, handle);
        self.set_lowest(index);
        done
    }

    #[inline]
    fn lowest_of(&self, index: usize) -> Pair<H> {
        Pair { score: self.scores[index], handle: self.handles[index] }
    }

    fn set_lowest(&mut self, index: usize) {
        let lowest = self.child(index).lowest();
        self.scores[index] = lowest.score;
        self.handles[index] = lowest.handle;
    }

    /// Counts `added` pairs more below a child, less those that went into `split`, and notes its lowest pair anew.
    fn refresh(&mut self, index: usize, added: u32, split: Option<&Node<H>>) {
        let moved = split.map_or(0, |split| split.count() as u32);
        self.counts[index] = self.counts[index] + added - moved;
        // Only the first child takes pairs that are lower than all it had.
        if index == 0 {
            self.set_lowest(0);
        }
    }

    fn after_removal(&mut self, index: usize, gone: usize, size: &mut NodeCounts) {
        self.counts[index] -= gone as u32;
        let child = self.child(index);
        let (fill, min) = match child {
            Node::Leaf(leaf) => (leaf.len(), LEAF_MIN),
            Node::Inner(inner) => (inner.len, INNER_MIN),
        };
        if fill == 0 {
            size.forget(&self.remove_child(index));
            return;
        }
        self.set_lowest(index);
        if fill < min && self.len > 1 {
            self.fill_up(index.saturating_sub(1), size);
        }
    }

    /// Joins the child at `left` and the next one, or evens them out.
    fn fill_up(&mut self, left: usize, size: &mut NodeCounts) {
        let (head, tail) = self.children.split_at_mut(left + 1);
        let pair = (head[left].as_mut(), tail[0].as_mut());
        let joined = match pair {
            (Some(Node::Leaf(left)), Some(Node::Leaf(right))) => {
                let joined = left.len() + right.len() <= LEAF_JOINED_MAX;
                if joined {
                    left.join(right);
                } else {
                    left.even_out(right);
                }
                joined
            }
            (Some(Node::Inner(left)), Some(Node::Inner(right))) => {
                let joined = left.len + right.len <= INNER_JOINED_MAX;
                if joined {
                    left.join(right);
                } else {
                    left.even_out(right);
                }
                joined
            }
            _ => unreachable!("all children of a node are of one kind"),
        };
        if joined {
            self.counts[left] += self.counts[left + 1];
            size.forget(&self.remove_child(left + 1));
        } else {
            let both = self.counts[left] + self.counts[left + 1];
            self.counts[left] = self.child(left).count() as u32;
            self.counts[left + 1] = both - self.counts[left];
            self.set_lowest(left + 1);
        }
    }

    /// Takes over all children of the node to the right, which is left without any.
    fn join(&mut self, right: &mut Self) {
        self.take_front_of(right, right.len);
    }

    /// Moves children over the border to the node on the right until both have equally many.
    fn even_out(&mut self, right: &mut Self) {
        let own = (self.len + right.len) / 2;
        if own < self.len {
            let mut middle = self.split_off(own);
            middle.take_front_of(right, right.len);
            std::mem::swap(&mut middle, right);
        } else {
            self.take_front_of(right, own - self.len);
        }
    }

    /// Appends the first `moved` children of `right`.
    fn take_front_of(&mut self, right: &mut Self, moved: usize) {
        let (own, theirs) = (self.len, right.len);
        self.counts[own..own + moved].copy_from_slice(&right.counts[..moved]);
        self.scores[own..own + moved].copy_from_slice(&right.scores[..moved]);
        self.handles[own..own + moved].copy_from_slice(&right.handles[..moved]);
        self.children[own..own + moved].swap_with_slice(&mut right.children[..moved]);
        self.len += moved;

        right.counts.copy_within(moved..theirs, 0);
        right.scores.copy_within(moved..theirs, 0);
        right.handles.copy_within(moved..theirs, 0);
        right.children[..theirs].rotate_left(moved);
        right.len -= moved;
    }

    fn insert_child(&mut self, index: usize, child: Node<H>) {
        let lowest = child.lowest();
        self.counts.copy_within(index..self.len, index + 1);
        self.scores.copy_within(index..self.len, index + 1);
        self.handles.copy_within(index..self.len, index + 1);
        self.counts[index] = child.count() as u32;
        self.scores[index] = lowest.score;
        self.handles[index] = lowest.handle;
        self.children[index..=self.len].rotate_right(1);
        self.children[index] = Some(child);
        self.len += 1;
    }

    fn remove_child(&mut self, index: usize) -> Node<H> {
        self.counts.copy_within(index + 1..self.len, index);
        self.scores.copy_within(index + 1..self.len, index);
        self.handles.copy_within(index + 1..self.len, index);
        let child = self.children[index].take().expect("a child stands at every place below the length");
        self.children[index..self.len].rotate_left(1);
        self.len -= 1;
        child
    }

    fn split_off(&mut self, at: usize) -> Self {
        Self::of(self.children[at..std::mem::replace(&mut self.len, at)].iter_mut().filter_map(Option::take).collect())
    }
}

impl NodeCounts {
    fn forget<H>(&mut self, node: &Node<H>) {
        match node {
            Node::Leaf(_) => self.leaves -= 1,
            Node::Inner(_) => self.inners -= 1,
        }
    }
}
