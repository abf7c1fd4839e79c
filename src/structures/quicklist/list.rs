//! The row of nodes: both ends, finding an index, and keeping the inner nodes compressed.

use std::borrow::Cow;
use std::marker::PhantomData;

use super::iter::Iter;
use super::node::{Limits, Node, NodeCodec, NodeView, Room};
use crate::structures::evacuate::{Cursor, Evacuate, Part, START};
use crate::structures::listpack::{Entry, Listpack, Lp};
use crate::structures::pool_deque::PoolDeque;

/// A list of byte strings, fast at both ends.
///
/// Its nodes' element counts are apart from the nodes, so that finding an index reads four bytes a node.
pub struct Quicklist<C> {
    pub(super) nodes: PoolDeque<Node>,
    /// How many elements each node holds; never zero.
    pub(super) counts: PoolDeque<u32>,
    pub(super) len: usize,
    pub(super) limits: Limits,
    /// What `limits` says about the size of a node.
    pub(super) room: Room,
    codec: PhantomData<fn() -> C>,
}

/// Which way to walk: `Forward` starts at the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Backward,
}

/// One element, borrowed from the list where its node is not compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item<'a> {
    Int(i64),
    Bytes(Cow<'a, [u8]>),
}

impl Item<'_> {
    pub fn as_entry(&self) -> Entry<'_> {
        match self {
            Self::Int(value) => Entry::Int(*value),
            Self::Bytes(bytes) => Entry::Bytes(bytes),
        }
    }

    pub fn into_owned(self) -> Item<'static> {
        match self {
            Self::Int(value) => Item::Int(value),
            Self::Bytes(bytes) => Item::Bytes(Cow::Owned(bytes.into_owned())),
        }
    }

    #[allow(dead_code, reason = "tests compare it with a model")]
    pub fn into_vec(self) -> Vec<u8> {
        match self {
            Self::Int(value) => Entry::Int(value).to_vec(),
            Self::Bytes(bytes) => bytes.into_owned(),
        }
    }
}

impl<'a> From<Entry<'a>> for Item<'a> {
    fn from(entry: Entry<'a>) -> Self {
        match entry {
            Entry::Int(value) => Self::Int(value),
            Entry::Bytes(bytes) => Self::Bytes(Cow::Borrowed(bytes)),
        }
    }
}

impl<C: NodeCodec> Quicklist<C> {
    pub fn new(limits: Limits) -> Self {
        Self {
            nodes: PoolDeque::new(),
            counts: PoolDeque::new(),
            len: 0,
            limits,
            room: limits.room(),
            codec: PhantomData,
        }
    }

    /// A list whose only node is `listpack`.
    pub fn from_listpack(limits: Limits, listpack: Listpack) -> Self {
        let mut list = Self::new(limits);
        list.push_node(listpack);
        list
    }

    /// The only node, if there is just one and it is a listpack.
    pub fn only_listpack(&self) -> Option<&Lp> {
        match (self.nodes.len(), self.nodes.first()) {
            (1, Some(Node::Packed(listpack))) => Some(listpack),
            _ => None,
        }
    }

    /// The number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Sets the limits for changes to come; what is there is not laid out anew.
    #[inline]
    pub fn set_limits(&mut self, limits: Limits) {
        if self.limits != limits {
            self.limits = limits;
            self.room = limits.room();
        }
    }

    #[inline]
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// The nodes as they are stored.
    pub fn nodes(&self) -> impl DoubleEndedIterator<Item = NodeView<'_>> + ExactSizeIterator {
        self.nodes.iter().map(Node::view)
    }

    /// Bytes taken on the heap; the nodes' part is reckoned from the first `samples` of them.
    pub fn heap_bytes(&self, samples: usize) -> usize {
        let sampled = samples.clamp(1, self.nodes.len().max(1));
        let content: usize = self.nodes.iter().take(sampled).map(Node::heap_bytes).sum();
        let row = self.nodes.heap_bytes() + self.counts.heap_bytes();
        row + (content as f64 / sampled as f64 * self.nodes.len() as f64) as usize
    }

    /// Appends a whole listpack as a node, for loading. An empty one is left out.
    pub fn push_node(&mut self, listpack: Listpack) {
        let count = listpack.len();
        if count > 0 {
            self.insert_node(self.nodes.len(), Node::Packed(listpack), count);
        }
    }

    /// Appends a large element as a node of its own, for loading.
    pub fn push_plain_node(&mut self, element: Vec<u8>) {
        self.insert_node(self.nodes.len(), Node::Plain(element), 1);
    }

    #[inline]
    pub fn push_back<'a>(&mut self, value: impl Into<Entry<'a>>) {
        let value = value.into();
        if let (Some(Node::Packed(listpack)), Some(count)) = (self.nodes.last_mut(), self.counts.last_mut())
            && self.room.admits(listpack.size(), *count as usize, value.text_len())
            && listpack.push_back_in_slack(value)
        {
            *count += 1;
            self.len += 1;
        } else {
            self.push_anywhere(Direction::Backward, value);
        }
    }

    #[inline]
    pub fn push_front<'a>(&mut self, value: impl Into<Entry<'a>>) {
        let value = value.into();
        if let (Some(Node::Packed(listpack)), Some(count)) = (self.nodes.first_mut(), self.counts.first_mut())
            && self.room.admits(listpack.size(), *count as usize, value.text_len())
            && listpack.push_front_in_slack(value)
        {
            *count += 1;
            self.len += 1;
        } else {
            self.push_anywhere(Direction::Forward, value);
        }
    }

    /// Pushes at the end that `end` starts at, whatever is there.
    #[inline(never)]
    pub(super) fn push_anywhere(&mut self, end: Direction, value: Entry<'_>) {
        let (nodes, in_front) = (self.nodes.len(), end == Direction::Forward);
        let node = if in_front { 0 } else { nodes.saturating_sub(1) };
        if self.admits(node, value) {
            let room = self.room.bytes;
            self.change_packed(node, 1, |listpack| {
                if nodes > 1 {
                    // A node at the end of a long list will soon be full, so it grows in fewer steps than others.
                    let more = (listpack.size() / 2).max(FIRST_GROWTH_BYTES);
                    listpack.reserve(in_front, more.min(room.saturating_sub(listpack.size())));
                }
                if in_front {
                    listpack.push_front(value);
                } else {
                    listpack.push_back(value);
                }
            });
        } else {
            if let Some(Node::Packed(full)) = self.nodes.get_mut(node) {
                full.shrink_to_fit();
            }
            self.insert_element_node(if in_front { 0 } else { nodes }, value);
        }
    }

    pub fn front(&self) -> Option<Item<'_>> {
        self.element(0, 0)
    }

    pub fn back(&self) -> Option<Item<'_>> {
        self.element(self.nodes.len().checked_sub(1)?, -1)
    }

    #[allow(dead_code, reason = "tests compare it with a model")]
    pub fn pop_front(&mut self) -> Option<Item<'static>> {
        self.pop_item(Direction::Forward)
    }

    #[allow(dead_code, reason = "tests compare it with a model")]
    pub fn pop_back(&mut self) -> Option<Item<'static>> {
        self.pop_item(Direction::Backward)
    }

    #[allow(dead_code, reason = "tests compare it with a model")]
    fn pop_item(&mut self, end: Direction) -> Option<Item<'static>> {
        let node = if end == Direction::Forward { 0 } else { self.nodes.len().checked_sub(1)? };
        if let Some(Node::Plain(bytes)) = self.nodes.get_mut(node) {
            let bytes = std::mem::take(bytes);
            self.remove_in_node(node, 0, 1);
            return Some(Item::Bytes(Cow::Owned(bytes)));
        }
        let mut item = None;
        let read = |entry: Entry<'_>| item = Some(Item::from(entry).into_owned());
        match end {
            Direction::Forward => self.pop_front_into(read),
            Direction::Backward => self.pop_back_into(read),
        }
        item
    }

    /// Takes out the first element, and calls `read` with it before that.
    #[inline]
    pub fn pop_front_into(&mut self, read: impl FnOnce(Entry<'_>)) {
        match (self.nodes.first_mut(), self.counts.first_mut()) {
            (Some(Node::Packed(listpack)), Some(count)) if *count > 1 => {
                listpack.pop_front(read);
                *count -= 1;
                self.len -= 1;
            }
            _ => self.pop_last_of_node(Direction::Forward, read),
        }
    }

    /// Takes out the last element, and calls `read` with it before that.
    #[inline]
    pub fn pop_back_into(&mut self, read: impl FnOnce(Entry<'_>)) {
        match (self.nodes.last_mut(), self.counts.last_mut()) {
            (Some(Node::Packed(listpack)), Some(count)) if *count > 1 => {
                listpack.pop_back(read);
                *count -= 1;
                self.len -= 1;
            }
            _ => self.pop_last_of_node(Direction::Backward, read),
        }
    }

    /// The same where a node goes with its only element, or is compressed.
    #[cold]
    fn pop_last_of_node(&mut self, end: Direction, read: impl FnOnce(Entry<'_>)) {
        let item = if end == Direction::Forward { self.front() } else { self.back() };
        if let Some(item) = item {
            read(item.as_entry());
            self.remove_end(end, 1);
        }
    }

    /// Moves the last element to the front.
    #[allow(dead_code, reason = "tests compare it with a model")]
    pub fn rotate_back_to_front(&mut self) {
        if self.len > 1
            && let Some(item) = self.pop_back()
        {
            self.push_front(item.as_entry());
        }
    }

    /// Moves the first element to the back.
    #[allow(dead_code, reason = "tests compare it with a model")]
    pub fn rotate_front_to_back(&mut self) {
        if self.len > 1
            && let Some(item) = self.pop_front()
        {
            self.push_back(item.as_entry());
        }
    }

    /// The element at `index`, counted from the front.
    pub fn get(&self, index: usize) -> Option<Item<'_>> {
        let (node, offset) = self.locate(index)?;
        self.element(node, offset as i64)
    }

    /// The elements from the front or from the back.
    pub fn iter(&self, direction: Direction) -> Iter<'_, C> {
        Iter::new(self, direction)
    }

    /// The elements from the one at `index` on; none if there is no such index.
    pub fn iter_from(&self, index: usize, direction: Direction) -> Iter<'_, C> {
        Iter::starting_at(self, index, direction)
    }

    /// The index of the first element that is `value`.
    pub fn find(&self, value: &[u8]) -> Option<usize> {
        let mut iter = self.iter(Direction::Forward);
        let mut index = 0;
        while let Some(entry) = iter.advance() {
            if entry.is(value) {
                return Some(index);
            }
            index += 1;
        }
        None
    }

    /// The node of an index and the place in that node, found from the nearer end.
    pub(super) fn locate(&self, index: usize) -> Option<(usize, usize)> {
        if index >= self.len {
            return None;
        }
        if index < self.len / 2 {
            let mut left = index;
            Some((skip_nodes(&self.counts, &mut left)?, left))
        } else {
            let mut left = self.len - 1 - index;
            let node = self.counts.len() - 1 - skip_nodes_back(&self.counts, &mut left)?;
            Some((node, self.counts[node] as usize - 1 - left))
        }
    }

    /// Whether `value` may join the elements of a node.
    pub(super) fn admits(&self, node: usize, value: Entry<'_>) -> bool {
        let Some(there) = self.nodes.get(node) else { return false };
        !there.is_plain() && self.room.admits(there.raw_len(), self.counts[node] as usize, value.text_len())
    }

    /// Puts `value` into a new node that has the index `at`.
    pub(super) fn insert_element_node(&mut self, at: usize, value: Entry<'_>) {
        let node = if value.text_len() >= self.limits.packed_threshold {
            Node::Plain(value.to_vec())
        } else {
            let mut listpack = Listpack::with_capacity(Listpack::EMPTY_SIZE + Listpack::growth(value));
            listpack.push_back(value);
            Node::Packed(listpack)
        };
        self.insert_node(at, node, 1);
    }

    pub(super) fn insert_node(&mut self, at: usize, node: Node, count: usize) {
        self.nodes.insert(at, node);
        self.counts.insert(at, u32::try_from(count).expect("a node holds less than 2^32 elements"));
        self.len += count;
        self.settle(Some(at));
    }

    /// Changes the listpack of a node that is not plain, and compresses it again if it was. `added` elements are new.
    pub(super) fn change_packed<R>(&mut self, node: usize, added: usize, change: impl FnOnce(&mut Listpack) -> R) -> R {
        let there = &mut self.nodes[node];
        there.decompress::<C>();
        let Node::Packed(listpack) = there else { unreachable!("the node is not plain") };
        let result = change(listpack);
        self.counts[node] += added as u32;
        self.len += added;
        self.compress_inner(node);
        result
    }

    /// Takes `count` elements out of one node, and the node with its last element.
    pub(super) fn remove_in_node(&mut self, node: usize, offset: usize, count: usize) {
        self.len -= count;
        if count == self.counts[node] as usize {
            self.nodes.remove(node);
            self.counts.remove(node);
            self.settle(None);
        } else {
            self.counts[node] -= count as u32;
            self.change_packed(node, 0, |listpack| listpack.remove_range(offset as i64, count));
        }
    }

    /// Restores what `compress_depth` asks for at both ends after nodes have come or gone. `touched` is a node that
    /// may need compressing wherever it is.
    pub(super) fn settle(&mut self, touched: Option<usize>) {
        let (depth, nodes) = (self.limits.compress_depth, self.nodes.len());
        if depth == 0 {
            return;
        }
        for distance in 0..depth.min(nodes) {
            self.nodes[distance].decompress::<C>();
            self.nodes[nodes - 1 - distance].decompress::<C>();
        }
        if nodes > depth * 2 {
            for node in [Some(depth), Some(nodes - 1 - depth), touched].into_iter().flatten() {
                self.compress_inner(node);
            }
        }
    }

    /// Compresses a node if it is far enough from both ends.
    pub(super) fn compress_inner(&mut self, node: usize) {
        let depth = self.limits.compress_depth;
        if depth > 0 && node >= depth && node + depth < self.nodes.len() {
            self.nodes[node].compress::<C>();
        }
    }

    fn element(&self, node: usize, offset: i64) -> Option<Item<'_>> {
        let node = self.nodes.get(node)?;
        match node {
            Node::Packed(listpack) => listpack.get(offset).map(Item::from),
            Node::Plain(bytes) => Some(Item::Bytes(Cow::Borrowed(bytes))),
            Node::Compressed { plain: true, .. } => Some(Item::Bytes(Cow::Owned(node.decompressed::<C>()))),
            Node::Compressed { .. } => {
                Lp::from_trusted(&node.decompressed::<C>()).get(offset).map(|entry| Item::from(entry).into_owned())
            }
        }
    }
}

/// The cursor is the number of a node.
impl<C> Evacuate for Quicklist<C> {
    fn evacuate(&mut self, cursor: Cursor, part: &mut Part) -> Cursor {
        if cursor == START {
            self.nodes.evacuate_block(part);
            self.counts.evacuate_block(part);
        }
        let first = usize::try_from(cursor).unwrap_or(usize::MAX).min(self.nodes.len());
        for (number, node) in (first..).zip(&mut self.nodes[first..]) {
            if number > first && part.is_done() {
                return number as Cursor;
            }
            node.evacuate(START, part);
        }
        START
    }
}

impl<C: NodeCodec> Clone for Quicklist<C> {
    fn clone(&self) -> Self {
        Self {
            nodes: self.nodes.clone(),
            counts: self.counts.clone(),
            len: self.len,
            limits: self.limits,
            room: self.room,
            codec: PhantomData,
        }
    }
}

impl<'a, C: NodeCodec, T: Into<Entry<'a>>> Extend<T> for Quicklist<C> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, values: I) {
        for value in values {
            self.push_back(value);
        }
    }
}

/// What a small node at the end of a long list grows by, in bytes.
const FIRST_GROWTH_BYTES: usize = 128;

/// Counts are added up in blocks, which the compiler does with vector instructions.
const COUNTS_BLOCK: usize = 64;

/// The first node whose elements, with all before, number more than `left`, which is left as the place in that node.
/// `None` if all nodes together do not, with their number taken off `left`.
fn skip_nodes(counts: &[u32], left: &mut usize) -> Option<usize> {
    let mut node = 0;
    for block in counts.chunks(COUNTS_BLOCK) {
        let sum: u64 = block.iter().map(|&count| u64::from(count)).sum();
        if sum > *left as u64 {
            for &count in block {
                if *left < count as usize {
                    return Some(node);
                }
                *left -= count as usize;
                node += 1;
            }
        }
        *left -= sum as usize;
        node += block.len();
    }
    None
}

/// The same from the back; nodes are numbered from the last one.
fn skip_nodes_back(counts: &[u32], left: &mut usize) -> Option<usize> {
    let mut behind = 0;
    for block in counts.rchunks(COUNTS_BLOCK) {
        let sum: u64 = block.iter().map(|&count| u64::from(count)).sum();
        if sum > *left as u64 {
            for &count in block.iter().rev() {
                if *left < count as usize {
                    return Some(behind);
                }
                *left -= count as usize;
                behind += 1;
            }
        }
        *left -= sum as usize;
        behind += block.len();
    }
    None
}
