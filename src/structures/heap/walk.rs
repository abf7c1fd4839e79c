//! Ways through all blocks of an owner in the order of their addresses, and pages that a child has no more use for.

use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU8, Ordering};

use super::Pool;
use super::core::Heap;
use super::memory::{Mapped, Memory};
use super::owner::Owner;
use super::shared::SPANS;

/// The spans of an owner, while nobody allocates or frees blocks of them.
#[derive(Debug)]
pub struct Walk {
    pool: Pool,
    owner: Owner,
    spans: Vec<u32>,
    blocks: usize,
}

impl Walk {
    /// The walk through all blocks of an owner, as they were when [`Pool::prepare_walk`] was called last: by this thread, before
    /// it forked if this is the child. `None` where a thread has claimed some of them.
    pub fn of(pool: Pool, owner: Owner) -> Option<Self> {
        let heap = pool.heap()?;
        if heap.is_claimed(owner) {
            return None;
        }
        Some(Self::through(pool, heap, owner))
    }

    fn through(pool: Pool, heap: &Heap<impl Memory>, owner: Owner) -> Self {
        let owned = heap.walked_spans().filter(|(_, span)| span.owner() == owner);
        let (mut spans, mut blocks) = (Vec::new(), 0);
        for (number, span) in owned {
            spans.push(number);
            blocks += span.count_in_use();
        }
        Self { pool, owner, spans, blocks }
    }

    /// How many blocks the owner has.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    /// How many spans there are, which is the most parts that the walk can be divided into.
    pub fn spans(&self) -> usize {
        self.spans.len()
    }

    /// Whether a block is one of the owner's.
    pub fn has(&self, block: NonNull<u8>) -> bool {
        self.pool.heap().and_then(|heap| heap.owner(block)) == Some(self.owner)
    }

    /// The blocks in one of `parts` parts: each is in one of the parts 0 to `parts - 1`.
    pub fn part(&self, part: usize, parts: usize) -> impl Iterator<Item = NonNull<u8>> + use<> {
        let heap = self.pool.heap().expect("the walk has been through it");
        self.spans_of(part, parts).to_vec().into_iter().flat_map(|span| heap.blocks_in_use(span))
    }

    fn spans_of(&self, part: usize, parts: usize) -> &[u32] {
        let end_of = |part: usize| self.spans.len() * part / parts;
        &self.spans[end_of(part)..end_of(part + 1)]
    }
}

/// Pages of which a child gives up its view, one after another, when it has read all that is in them.
///
/// The child takes less memory then, a write of its parent to such a page copies nothing, and the parent fills what is free
/// there.
pub struct Finishing {
    heap: &'static Heap<Mapped>,
    /// By page, for those with spans of these walks: how many of its spans are still to be read, by whomever.
    left: BTreeMap<u32, AtomicU8>,
}

impl Finishing {
    /// Of the pages of these walks, all of one pool. To be made in a child alone, which must not read a part of them again
    /// after [`Self::finish`].
    pub fn new(pool: Pool) -> Option<Self> {
        let heap = pool.heap()?;
        let mut left = BTreeMap::new();
        for (number, _) in heap.walked_spans() {
            *left.entry(number / SPANS as u32).or_insert(AtomicU8::new(0)).get_mut() += 1;
        }
        Some(Self { heap, left })
    }

    /// Notes that a part of a walk was read, and gives up the pages in which nothing is left to be read.
    pub fn finish(&self, walk: &Walk, part: usize, parts: usize) {
        for span in walk.spans_of(part, parts) {
            let page = span / SPANS as u32;
            // The last one to read the page has seen what the others did before it.
            if self.left.get(&page).is_some_and(|left| left.fetch_sub(1, Ordering::AcqRel) == 1) {
                self.heap.finish(page as usize);
            }
        }
    }
}
