//! Reading lists.

use std::io;

use super::encoding::{INLINE_BYTES_MAX, Lzf};
use super::{Direction, Element, End, persist};
use crate::rdb;
use crate::structures::listpack::{Lp, Pos};
use crate::structures::quicklist::{self, NodeView, Quicklist};
use crate::types::{Digest, Encoding, View};

/// A list as it is read.
#[derive(Clone, Copy)]
pub enum ListView<'a> {
    Listpack(&'a Lp),
    Quicklist(&'a Quicklist<Lzf>),
}

impl<'a> ListView<'a> {
    #[inline]
    pub fn len(self) -> usize {
        match self {
            Self::Listpack(listpack) => listpack.len(),
            Self::Quicklist(quicklist) => quicklist.len(),
        }
    }

    #[inline]
    pub fn is_empty(self) -> bool {
        match self {
            Self::Listpack(listpack) => listpack.is_empty(),
            Self::Quicklist(quicklist) => quicklist.is_empty(),
        }
    }

    /// The index that `index` means, which counts from the end if it is negative; `None` outside of the list.
    pub fn index_of(self, index: i64) -> Option<usize> {
        let len = self.len();
        let from_front = if index < 0 {
            len.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)?
        } else {
            usize::try_from(index).ok()?
        };
        (from_front < len).then_some(from_front)
    }

    /// Calls `read` with the element at `index`.
    pub fn get<R>(self, index: usize, read: impl FnOnce(Element<'_>) -> R) -> Option<R> {
        match self {
            Self::Listpack(listpack) => listpack.get(i64::try_from(index).ok()?).map(read),
            Self::Quicklist(quicklist) => quicklist.get(index).map(|item| read(item.as_entry())),
        }
    }

    /// How many bytes the element at one end has at most, where it may be a long one; 0 where it is short. What is at an end
    /// is not compressed.
    #[inline]
    pub fn bytes_of_long(self, end: End) -> usize {
        let Self::Quicklist(quicklist) = self else { return 0 };
        let mut nodes = quicklist.nodes();
        match if end == End::Left { nodes.next() } else { nodes.next_back() } {
            Some(NodeView::Plain(element)) => element.len(),
            Some(NodeView::Packed(listpack)) => listpack.size(),
            Some(NodeView::Compressed { .. }) | None => 0,
        }
    }

    /// The elements from the one at `index` on; none if there is no such index.
    pub fn iter_from(self, index: usize, direction: Direction) -> ListIter<'a> {
        match self {
            Self::Listpack(listpack) => {
                let next = i64::try_from(index).ok().and_then(|index| listpack.at(index));
                ListIter::Listpack { listpack, next, direction }
            }
            Self::Quicklist(quicklist) => ListIter::Quicklist(quicklist.iter_from(index, direction)),
        }
    }

    /// Calls `visit` with up to `count` elements from the one at `index` on.
    pub fn visit(self, index: usize, count: usize, direction: Direction, visit: impl FnMut(Element<'_>)) {
        match self {
            Self::Quicklist(quicklist) => quicklist.visit(index, count, direction, visit),
            Self::Listpack(listpack) => {
                let Some(start) = i64::try_from(index).ok().and_then(|index| listpack.at(index)) else { return };
                match direction {
                    Direction::Forward => listpack.iter_from(start).take(count).for_each(visit),
                    Direction::Backward => listpack.iter_to(start).rev().take(count).for_each(visit),
                }
            }
        }
    }

    /// All elements, from the end that `direction` starts at.
    pub fn iter(self, direction: Direction) -> ListIter<'a> {
        let first = match direction {
            Direction::Forward => 0,
            Direction::Backward => self.len().saturating_sub(1),
        };
        self.iter_from(first, direction)
    }

    /// The index of the first element that is `value`.
    pub fn find(self, value: &[u8]) -> Option<usize> {
        match self {
            Self::Listpack(listpack) => listpack.iter().position(|entry| entry.is(value)),
            Self::Quicklist(quicklist) => quicklist.find(value),
        }
    }

    /// Copies of all elements.
    pub fn elements(self) -> Vec<Vec<u8>> {
        let mut elements = Vec::new();
        let mut iter = self.iter(Direction::Forward);
        while let Some(element) = iter.advance() {
            elements.push(element.to_vec());
        }
        elements
    }
}

/// The elements of a list in one direction, each lent until the next is asked for.
pub enum ListIter<'a> {
    Listpack { listpack: &'a Lp, next: Option<Pos>, direction: Direction },
    Quicklist(quicklist::Iter<'a, Lzf>),
}

impl ListIter<'_> {
    #[inline]
    pub fn advance(&mut self) -> Option<Element<'_>> {
        match self {
            Self::Listpack { listpack, next, direction } => {
                let pos = (*next)?;
                let (entry, following) = listpack.entry_and_next(pos)?;
                *next = match direction {
                    Direction::Forward => following,
                    Direction::Backward => listpack.prev(pos),
                };
                Some(entry)
            }
            Self::Quicklist(iter) => iter.advance(),
        }
    }
}

impl View for ListView<'_> {
    fn encoding(self) -> Encoding {
        match self {
            Self::Listpack(_) => Encoding::Listpack,
            Self::Quicklist(_) => Encoding::Quicklist,
        }
    }

    fn memory_usage(self, samples: usize) -> usize {
        match self {
            Self::Listpack(listpack) if listpack.size() <= INLINE_BYTES_MAX => 0,
            Self::Listpack(listpack) => listpack.size(),
            Self::Quicklist(quicklist) => {
                let sampled = if samples == 0 { usize::MAX } else { samples };
                size_of::<Quicklist<Lzf>>() + quicklist.heap_bytes(sampled)
            }
        }
    }

    fn free_effort(self) -> usize {
        match self {
            Self::Listpack(_) => 1,
            Self::Quicklist(quicklist) => quicklist.node_count(),
        }
    }

    fn tag(self, _version: u32) -> rdb::Tag {
        rdb::Tag::ListQuicklist2
    }

    fn save(self, out: &mut rdb::Encoder<'_>) -> io::Result<()> {
        persist::save(self, out)
    }

    fn digest(self, digest: &mut Digest) {
        let mut text = Vec::new();
        let mut iter = self.iter(Direction::Forward);
        while let Some(element) = iter.advance() {
            text.clear();
            element.append_to(&mut text);
            digest.mix(&text);
        }
    }
}
