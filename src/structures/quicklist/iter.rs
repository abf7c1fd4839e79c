//! Walking over a quicklist.

use super::list::{Direction, Quicklist};
use super::node::{Node, NodeCodec};
use crate::structures::listpack::{Entry, Lp, Pos};

/// The elements of a list in one direction.
///
/// An element is lent until the next one is asked for, because a compressed node is unpacked into the iterator's own
/// memory; the list itself is not touched.
pub struct Iter<'a, C> {
    list: &'a Quicklist<C>,
    direction: Direction,
    /// The node of the next element.
    node: Option<usize>,
    place: Place,
    /// The raw bytes of `node`, if that is compressed and has been entered.
    unpacked: Vec<u8>,
}

/// The next element within the node.
#[derive(Clone, Copy)]
enum Place {
    /// The node has not been entered yet: the element at this offset, where -1 is the last.
    Offset(i64),
    Pos(Pos),
}

impl<C: NodeCodec> Quicklist<C> {
    /// Calls `visit` with up to `count` elements from the one at `index` on, in one direction. For more than a few
    /// elements that is quicker than asking an iterator for each.
    pub fn visit(&self, index: usize, count: usize, direction: Direction, mut visit: impl FnMut(Entry<'_>)) {
        let Some((mut node, offset)) = self.locate(index) else { return };
        let mut place = Some(offset as i64);
        let mut left = count;
        while left > 0
            && let Some(here) = self.nodes.get(node)
        {
            let raw;
            let bytes = match here {
                Node::Packed(listpack) => listpack.as_bytes(),
                Node::Plain(bytes) => bytes,
                Node::Compressed { .. } => {
                    raw = here.decompressed::<C>();
                    &raw
                }
            };
            left -= if here.is_plain() {
                visit(Entry::Bytes(bytes));
                1
            } else {
                visit_listpack(Lp::from_trusted(bytes), place, left, direction, &mut visit)
            };
            place = None;
            // Before the first node comes none: no list has so many.
            node = if direction == Direction::Forward { node + 1 } else { node.wrapping_sub(1) };
        }
    }
}

/// Calls `visit` with up to `most` entries, from the one at `index` on or else from the end that `direction` starts at.
/// Returns how many there were.
fn visit_listpack(
    listpack: &Lp,
    index: Option<i64>,
    most: usize,
    direction: Direction,
    visit: &mut impl FnMut(Entry<'_>),
) -> usize {
    let mut visited = 0;
    let mut each = |entry| {
        visit(entry);
        visited += 1;
    };
    match direction {
        Direction::Forward => {
            if let Some(start) = listpack.at(index.unwrap_or(0)) {
                listpack.iter_from(start).take(most).for_each(&mut each);
            }
        }
        Direction::Backward => {
            if let Some(start) = listpack.at(index.unwrap_or(-1)) {
                listpack.iter_to(start).rev().take(most).for_each(&mut each);
            }
        }
    }
    visited
}

impl<'a, C: NodeCodec> Iter<'a, C> {
    pub(super) fn new(list: &'a Quicklist<C>, direction: Direction) -> Self {
        let (node, offset) = match direction {
            Direction::Forward => (0, 0),
            Direction::Backward => (list.nodes.len().wrapping_sub(1), -1),
        };
        Self {
            list,
            direction,
            node: (!list.is_empty()).then_some(node),
            place: Place::Offset(offset),
            unpacked: Vec::new(),
        }
    }

    pub(super) fn starting_at(list: &'a Quicklist<C>, index: usize, direction: Direction) -> Self {
        let (node, offset) = list.locate(index).map_or((None, 0), |(node, offset)| (Some(node), offset as i64));
        Self { list, direction, node, place: Place::Offset(offset), unpacked: Vec::new() }
    }

    /// The next element.
    pub fn advance(&mut self) -> Option<Entry<'_>> {
        let node = &self.list.nodes[self.node?];
        if let (Place::Offset(_), Node::Compressed { .. }) = (self.place, node) {
            self.unpacked = node.decompressed::<C>();
        }
        match node {
            Node::Packed(listpack) => {
                let (_, entry, following) = self.step(listpack)?;
                self.follow(following);
                Some(entry)
            }
            Node::Plain(bytes) => {
                self.follow(None);
                Some(Entry::Bytes(bytes))
            }
            // The memory of an unpacked node is still there after its last element has been left.
            Node::Compressed { plain: true, .. } => {
                self.follow(None);
                Some(Entry::Bytes(&self.unpacked))
            }
            Node::Compressed { .. } => {
                let (pos, _, following) = self.step(Lp::from_trusted(&self.unpacked))?;
                self.follow(following);
                Lp::from_trusted(&self.unpacked).entry(pos)
            }
        }
    }

    /// The element that is next in the present node's listpack, with its place and the one after it.
    #[inline]
    fn step<'b>(&self, listpack: &'b Lp) -> Option<(Pos, Entry<'b>, Option<Pos>)> {
        let pos = match self.place {
            Place::Offset(offset) => listpack.at(offset)?,
            Place::Pos(pos) => pos,
        };
        let (entry, next) = listpack.entry_and_next(pos)?;
        Some(match self.direction {
            Direction::Forward => (pos, entry, next),
            Direction::Backward => (pos, entry, listpack.prev(pos)),
        })
    }

    /// Goes on to a place in the present node, or else to the next node.
    #[inline]
    fn follow(&mut self, following: Option<Pos>) {
        match following {
            Some(following) => self.place = Place::Pos(following),
            None => self.leave_node(),
        }
    }

    fn leave_node(&mut self) {
        let next = match self.direction {
            Direction::Forward => self.node.map(|node| node + 1),
            Direction::Backward => self.node.and_then(|node| node.checked_sub(1)),
        };
        self.node = next.filter(|&node| node < self.list.nodes.len());
        self.place = Place::Offset(match self.direction {
            Direction::Forward => 0,
            Direction::Backward => -1,
        });
    }
}
