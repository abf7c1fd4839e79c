//! Changes in the middle of a quicklist.

use super::list::{Direction, Quicklist};
use super::node::{Node, NodeCodec};
use crate::structures::listpack::{Entry, Listpack, Lp, Pos};

impl<C: NodeCodec> Quicklist<C> {
    /// Puts `value` in so that it has this index; the length is allowed, and anything above refused.
    pub fn insert<'a>(&mut self, index: usize, value: impl Into<Entry<'a>>) -> bool {
        let value = value.into();
        if index == 0 {
            self.push_front(value);
            return true;
        }
        if index == self.len {
            self.push_back(value);
            return true;
        }
        let Some((node, offset)) = self.locate(index) else { return false };
        if self.admits(node, value) {
            self.change_packed(node, 1, |listpack| listpack.insert_at(offset, value));
        } else if offset > 0 {
            self.split_node(node, offset);
            if self.admits(node, value) {
                self.change_packed(node, 1, |listpack| listpack.push_back(value));
            } else {
                self.insert_element_node(node + 1, value);
            }
            self.merge_around(node);
        } else if node > 0 && self.admits(node - 1, value) {
            self.change_packed(node - 1, 1, |listpack| listpack.push_back(value));
        } else {
            self.insert_element_node(node, value);
        }
        true
    }

    /// Puts `value` in the place of the element at `index`; false if there is none.
    pub fn replace<'a>(&mut self, index: usize, value: impl Into<Entry<'a>>) -> bool {
        let value = value.into();
        let Some((node, offset)) = self.locate(index) else { return false };
        if self.replace_in_node(node, offset, value) {
            return true;
        }
        if self.counts[node] == 1 {
            self.remove_in_node(node, 0, 1);
            self.insert_element_node(node, value);
            self.merge_around(node);
        } else {
            self.remove_in_node(node, offset, 1);
            self.insert(index, value);
        }
        true
    }

    /// Takes out up to `count` elements from `start` on, and returns how many went.
    pub fn remove_range(&mut self, start: usize, count: usize) -> usize {
        let Some((mut node, offset)) = self.locate(start) else { return 0 };
        let removed = count.min(self.len - start);
        let mut left = removed;
        if offset > 0 {
            let here = left.min(self.counts[node] as usize - offset);
            if here > 0 {
                self.remove_in_node(node, offset, here);
            }
            left -= here;
            node += 1;
        }
        let mut behind = node;
        while left > 0 && self.counts[behind] as usize <= left {
            left -= self.counts[behind] as usize;
            self.len -= self.counts[behind] as usize;
            behind += 1;
        }
        if behind > node {
            self.nodes.remove_range(node..behind);
            self.counts.remove_range(node..behind);
            self.settle(None);
        }
        if left > 0 {
            self.remove_in_node(node, 0, left);
        }
        removed
    }

    /// Takes out up to `count` elements from the end that `direction` starts at, and returns how many went.
    pub fn remove_end(&mut self, direction: Direction, count: usize) -> usize {
        let mut left = count;
        while left > 0
            && let Some(last) = self.nodes.len().checked_sub(1)
        {
            let node = if direction == Direction::Forward { 0 } else { last };
            let there = self.counts[node] as usize;
            let here = left.min(there);
            self.remove_in_node(node, if direction == Direction::Forward { 0 } else { there - here }, here);
            left -= here;
        }
        count - left
    }

    /// Takes out up to `most` of the elements that are `value`, the first ones in this direction; returns how many.
    pub fn remove_matching(&mut self, value: &[u8], most: usize, direction: Direction) -> usize {
        let mut left = most;
        let mut distance = 0;
        while left > 0 && distance < self.nodes.len() {
            let node = match direction {
                Direction::Forward => distance,
                Direction::Backward => self.nodes.len() - 1 - distance,
            };
            let places = self.matches_in(node, value, left, direction);
            left -= places.len();
            if places.len() == self.counts[node] as usize {
                self.remove_in_node(node, 0, places.len());
                continue;
            }
            if !places.is_empty() {
                self.counts[node] -= places.len() as u32;
                self.len -= places.len();
                self.change_packed(node, 0, |listpack| listpack.remove_many(&places, 1));
            }
            distance += 1;
        }
        most - left
    }

    /// The places in one node, in ascending order, of the first elements in this direction that are `value`. A plain
    /// node has one place, which only counts.
    fn matches_in(&self, node: usize, value: &[u8], most: usize, direction: Direction) -> Vec<Pos> {
        let node = &self.nodes[node];
        let raw;
        let bytes = match node {
            Node::Packed(listpack) => listpack.as_bytes(),
            Node::Plain(bytes) => bytes,
            Node::Compressed { .. } => {
                raw = node.decompressed::<C>();
                &raw
            }
        };
        if node.is_plain() {
            let here = std::iter::once(Pos::START);
            return here.filter(|_| bytes == value).take(most).collect();
        }
        let matching = Lp::from_trusted(bytes).entries().filter(|(_, entry)| entry.is(value)).map(|(pos, _)| pos);
        match direction {
            Direction::Forward => matching.take(most).collect(),
            Direction::Backward => {
                let mut places: Vec<Pos> = matching.rev().take(most).collect();
                places.reverse();
                places
            }
        }
    }

    /// Writes over an element within its listpack, unless the node would become too large. A node of one element may
    /// become as large as that is.
    fn replace_in_node(&mut self, node: usize, offset: usize, value: Entry<'_>) -> bool {
        let (room, count) = (self.room, self.counts[node] as usize);
        if self.nodes[node].is_plain() || value.text_len() >= self.limits.packed_threshold {
            return false;
        }
        self.change_packed(node, 0, |listpack| {
            let Some((pos, old)) = listpack.at(offset as i64).and_then(|pos| Some((pos, listpack.entry(pos)?))) else {
                return false;
            };
            let size = listpack.size() - Listpack::growth(old) + Listpack::growth(value);
            let fits = count == 1 || room.allows(size, count);
            if fits {
                listpack.replace(pos, value);
            }
            fits
        })
    }

    /// Parts a node before the element at `offset`, which is not its first.
    fn split_node(&mut self, node: usize, offset: usize) {
        let tail = self.change_packed(node, 0, |listpack| {
            let pos = listpack.at(offset as i64).expect("the offset lies within the node");
            listpack.split_off(pos)
        });
        let moved = self.counts[node] as usize - offset;
        self.counts[node] = offset as u32;
        self.len -= moved;
        self.insert_node(node + 1, Node::Packed(tail), moved);
    }

    /// Joins neighbours near `center` where both fit into one node.
    fn merge_around(&mut self, center: usize) {
        for left in (center.saturating_sub(2)..=center + 1).rev() {
            self.merge_with_next(left);
        }
    }

    fn merge_with_next(&mut self, left: usize) {
        let (Some(first), Some(second)) = (self.nodes.get(left), self.nodes.get(left + 1)) else { return };
        let count = self.counts[left] as usize + self.counts[left + 1] as usize;
        let fits = !first.is_plain()
            && !second.is_plain()
            && self.room.allows(first.raw_len() + second.raw_len() - Listpack::EMPTY_SIZE, count);
        if !fits {
            return;
        }
        let Some(mut second) = self.nodes.remove(left + 1) else { return };
        let moved = self.counts.remove(left + 1).unwrap_or(0);
        second.decompress::<C>();
        if let Node::Packed(second) = second {
            self.len -= moved as usize;
            self.change_packed(left, moved as usize, |listpack| listpack.append(&second));
        }
        self.settle(Some(left));
    }
}
