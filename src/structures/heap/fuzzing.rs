//! A heap beside a model of it, driven by steps: for the fuzz target, and for the tests.
#![expect(unsafe_code, reason = "uses blocks")]

use std::alloc::{Layout, alloc, dealloc};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use super::cache::Cache;
use super::class::Class;
use super::clearing::Clearing;
use super::core::Heap;
use super::evacuation::Evacuated;
use super::memory::{Memory, PAGE_BYTES};
use super::owner::Owner;
use super::shared::{ROOM_LEFT_BYTES, SPANS};
use super::span::Span;

/// Pages of the model's heap.
pub(super) const PAGES: usize = 16;

/// Pages of the global allocator, which count what is asked of them.
pub(super) struct Lent {
    base: NonNull<u8>,
    pub(super) committed: AtomicUsize,
    pub(super) given_back: AtomicUsize,
    pub(super) touched: AtomicUsize,
    pub(super) together: usize,
    /// How many pages can be committed.
    pub(super) promised: AtomicUsize,
}

// SAFETY: the memory is owned, and not tied to a thread.
unsafe impl Send for Lent {}
// SAFETY: as above; blocks are handed out one by one.
unsafe impl Sync for Lent {}

fn layout() -> Layout {
    Layout::from_size_align(PAGES * PAGE_BYTES, PAGE_BYTES).expect("the test has memory")
}

impl Lent {
    pub(super) fn new() -> Self {
        // SAFETY: the layout is not empty.
        let base = NonNull::new(unsafe { alloc(layout()) }).expect("the test has memory");
        Self {
            base,
            committed: AtomicUsize::new(0),
            given_back: AtomicUsize::new(0),
            touched: AtomicUsize::new(0),
            together: 1,
            promised: AtomicUsize::new(PAGES),
        }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // SAFETY: allocated so in `new`.
        unsafe { dealloc(self.base.as_ptr(), layout()) };
    }
}

// SAFETY: the range is aligned, of that many pages, and owned.
unsafe impl Memory for Arc<Lent> {
    fn base(&self) -> NonNull<u8> {
        self.base
    }

    fn pages(&self) -> usize {
        PAGES
    }

    fn committed_together(&self) -> usize {
        self.together
    }

    fn commit(&self, pages: Range<usize>) -> bool {
        if pages.end > self.promised.load(Ordering::Relaxed) {
            return false;
        }
        self.committed.fetch_add(pages.len(), Ordering::Relaxed);
        true
    }

    fn touch(&self, page: usize) {
        self.touched.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the page lies within the range, and nobody has a block in it.
        unsafe { self.base.add(page * PAGE_BYTES).write_bytes(0xdd, PAGE_BYTES) };
    }

    fn give_back(&self, page: usize) {
        self.given_back.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the page lies within the range, and nobody has a block in it.
        unsafe { self.base.add(page * PAGE_BYTES).write_bytes(0xee, PAGE_BYTES) };
    }

    fn give_all_back(&self) {
        (0..PAGES).for_each(|page| self.give_back(page));
    }
}

/// What is known of the spans of such a heap, all in no use.
pub(super) fn spans() -> Box<[Span]> {
    (0..PAGES * SPANS).map(|_| Span::default()).collect()
}

/// A byte for each page of such a heap.
pub(super) fn finished() -> Box<[AtomicU8]> {
    (0..PAGES).map(|_| AtomicU8::new(0)).collect()
}

pub(super) fn class(bytes: usize) -> Class {
    Class::of(bytes).expect("the test has memory")
}

/// A block as the test has it: whose it is, its class, and the byte that all of it is.
struct Held {
    owner: Owner,
    class: Class,
    mark: u8,
}

/// A heap beside a model of it: which blocks there are, and which of them a child sees.
pub(super) struct Model {
    heap: Heap<Arc<Lent>>,
    caches: [Cache; 2],
    held: BTreeMap<NonNull<u8>, Held>,
    /// Bytes of the blocks that are held.
    used: usize,
    /// Blocks that were there at the last fork, while a child lives.
    shared: BTreeSet<NonNull<u8>>,
    children: usize,
    fork: u32,
    next_mark: u8,
}

impl Model {
    pub(super) fn new(heap: Heap<Arc<Lent>>) -> Self {
        let (held, shared) = (BTreeMap::new(), BTreeSet::new());
        Self { heap, caches: [Cache::EMPTY, Cache::EMPTY], held, used: 0, shared, children: 0, fork: 0, next_mark: 0 }
    }

    pub(super) fn run(&mut self, step: Step) {
        match step {
            Step::Allocate { thread, owner, bytes, count } => {
                (0..count).for_each(|_| self.allocate(thread, Owner::with_index(owner), bytes));
            }
            Step::Free { thread, choice, count } => {
                (0..count).for_each(|turn| self.free(thread, choice.wrapping_add(turn * 7)));
            }
            Step::Share if self.held.len() > 100 && self.children == 0 => self.share(),
            Step::Unshare if self.children > 0 => {
                self.heap.unshare();
                self.children -= 1;
                self.shared.clear();
            }
            Step::Finish { page } if self.children == 1 => self.finish(page),
            Step::Share | Step::Unshare | Step::Finish { .. } => {}
            Step::Walk => self.walk(),
            Step::GiveBack => drop(self.heap.give_back(2)),
            Step::Ahead => drop(self.heap.run_errand()),
            Step::Evacuate { count } => (0..count).for_each(|_| self.evacuate()),
            Step::Clear { count } => (0..count).for_each(|_| self.clear()),
            Step::Flush { thread } => self.heap.flush(&mut self.caches[thread]),
        }
        self.check();
    }

    /// Moves the blocks that are in the way, as the thread does that has all blocks.
    fn evacuate(&mut self) {
        let [own, other] = &mut self.caches;
        self.heap.flush(other);
        let Evacuated::Blocks(blocks) = self.heap.evacuate(own) else { return };
        assert!(self.children == 0, "nothing moves while a child lives");
        for block in blocks {
            let held = self.held.remove(&block).expect("only blocks in use are named");
            self.move_block(block, held);
        }
    }

    /// Does a step of clearing; where blocks are to be moved, some of those that are leaving.
    fn clear(&mut self) {
        let [own, _] = &mut self.caches;
        if self.heap.clear(own, true) != Clearing::Move {
            return;
        }
        assert!(self.children == 0, "nothing moves while a child lives");
        let leaving = self.held.keys().filter(|block| self.heap.is_leaving(**block)).take(MOVED_TOGETHER);
        let leaving: Vec<_> = leaving.copied().collect();
        if leaving.is_empty() {
            self.heap.end_clearing();
        }
        for block in leaving {
            let held = self.held.remove(&block).expect("it was found there");
            self.move_block(block, held);
        }
    }

    fn move_block(&mut self, block: NonNull<u8>, held: Held) {
        if let Some(moved) = self.heap.allocate(&mut self.caches[0], held.owner, held.class) {
            // SAFETY: both blocks are of that size, and the new one is nobody else's.
            unsafe { moved.copy_from_nonoverlapping(block, held.class.bytes()) };
            // SAFETY: it was allocated so, and is no longer held.
            unsafe { self.heap.free(&mut self.caches[0], block, held.class) };
            assert!(!self.heap.is_leaving(moved), "what has moved stays");
            assert!(self.held.insert(moved, held).is_none(), "a block is handed out once");
        } else {
            self.held.insert(block, held);
        }
    }

    fn page(&self, block: NonNull<u8>) -> usize {
        (block.as_ptr().addr() - self.heap_base()) / PAGE_BYTES
    }

    fn place(&self, offset: usize) -> NonNull<u8> {
        NonNull::new(self.heap.base().as_ptr().wrapping_add(offset)).expect("the range is not at address 0")
    }

    fn heap_base(&self) -> usize {
        self.heap.base().as_ptr().addr()
    }

    /// Each owner finds its own blocks, and no others, in the order of their addresses.
    fn walk(&mut self) {
        let [own, other] = &mut self.caches;
        self.heap.flush(other);
        self.heap.prepare_walk(own);
        let mut found = BTreeMap::<usize, Vec<NonNull<u8>>>::new();
        for (number, span) in self.heap.walked_spans() {
            let blocks: Vec<_> = self.heap.blocks_in_use(number).collect();
            assert_eq!(blocks.len(), span.count_in_use());
            assert!(blocks.iter().all(|block| self.heap.owner(*block) == Some(span.owner())));
            found.entry(span.owner().index()).or_default().extend(blocks);
        }
        let mut held = BTreeMap::<usize, Vec<NonNull<u8>>>::new();
        for (block, Held { owner, .. }) in &self.held {
            held.entry(owner.index()).or_default().push(*block);
            assert!(!self.heap.is_claimed(*owner));
        }
        assert_eq!(found, held);
    }

    /// The child has finished a page: what is there is no more shared.
    fn finish(&mut self, page: usize) {
        if self.heap.report_finished(page) {
            self.heap.take_finished();
            let page = page * PAGE_BYTES;
            let (start, end) = (self.place(page), self.place(page + PAGE_BYTES));
            self.shared.retain(|block| !(start..end).contains(block));
            assert!(self.held.range(start..end).all(|(block, _)| !self.heap.is_older(*block, self.fork)));
        }
    }

    fn allocate(&mut self, thread: usize, owner: Owner, bytes: usize) {
        let class = class(bytes);
        let Some(block) = self.heap.allocate(&mut self.caches[thread], owner, class) else { return };
        assert!(!self.heap.is_leaving(block), "nobody takes blocks from a page that is to become empty");
        self.next_mark = self.next_mark.wrapping_add(1);
        let start = block.as_ptr().addr();
        assert!(start.is_multiple_of(if class.bytes().is_multiple_of(8) { 8 } else { 4 }));
        // SAFETY: the block is fresh and of that size.
        unsafe { block.write_bytes(self.next_mark, class.bytes()) };
        assert!(
            self.held.insert(block, Held { owner, class, mark: self.next_mark }).is_none(),
            "a block is handed out once"
        );
        self.used += class.bytes();
        let (pages, used) = (self.heap.held_bytes().1, self.used);
        if thread == 0 && self.children > 0 && pages < PAGES * PAGE_BYTES && pages <= 2 * used + ROOM_LEFT_BYTES / 2 {
            let page = self.page(block) * PAGE_BYTES;
            let is_seen = self.shared.range(self.place(page)..self.place(page + PAGE_BYTES)).next().is_some();
            assert!(!is_seen, "a new block is not where a child sees it");
            assert!(!self.heap.is_older(block, self.fork));
        }
    }

    fn free(&mut self, thread: usize, choice: usize) {
        // The first block from a place on, which `choice` scatters over the range.
        let place = self.place(choice.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (PAGES * PAGE_BYTES));
        let first = self.held.range(place..).next().or_else(|| self.held.iter().next());
        let Some((block, _)) = first else { return };
        let block = *block;
        let held = self.held.remove(&block).expect("it was found there");
        self.used -= held.class.bytes();
        // SAFETY: the block is held and of that size.
        let bytes = unsafe { std::slice::from_raw_parts(block.as_ptr(), held.class.bytes()) };
        assert!(bytes.iter().all(|byte| *byte == held.mark), "nobody else has written to the block");
        self.shared.remove(&block);
        // SAFETY: it was allocated so, and is no longer held.
        unsafe { self.heap.free(&mut self.caches[thread], block, held.class) };
    }

    fn share(&mut self) {
        // Only the thread that forks leaves its claims.
        let mut other = std::mem::replace(&mut self.caches[1], Cache::EMPTY);
        self.heap.flush(&mut other);
        self.heap.prepare_walk(&mut self.caches[0]);
        self.fork = self.heap.share(&mut self.caches[0]);
        self.children += 1;
        self.shared = self.held.keys().copied().collect();
    }

    fn check(&self) {
        let used: usize = self.held.values().map(|held| held.class.bytes()).sum();
        assert_eq!(self.heap.used_bytes(&self.caches[0]) + self.caches[1].unsettled, used as isize);
        for block in &self.shared {
            assert!(self.heap.is_older(*block, self.fork));
        }
        let (spans, pages) = self.heap.held_bytes();
        assert!(used <= spans && spans <= pages);
        let kept = self.heap.kept();
        assert!(kept.now <= kept.once, "{kept:?}");
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Allocate { thread: usize, owner: usize, bytes: usize, count: usize },
    Free { thread: usize, choice: usize, count: usize },
    Share,
    Unshare,
    GiveBack,
    Ahead,
    Evacuate { count: usize },
    Clear { count: usize },
    Flush { thread: usize },
    Walk,
    Finish { page: usize },
}

/// Blocks that one step of clearing moves.
const MOVED_TOGETHER: usize = 100;

/// Steps of one run, which bounds its time.
const STEPS_MAX: usize = 400;

/// Reads steps, four bytes each, and runs them: blocks are handed out once and keep what is in them, a child sees no new ones,
/// and the figures are right.
pub fn heap_of_blocks(bytes: &[u8]) {
    let (spans, finished) = (Box::into_raw(spans()), Box::into_raw(finished()));
    {
        // SAFETY: both are there until the model is gone, and nothing else keeps what it borrows of them.
        let heap = unsafe { Heap::new(Arc::new(Lent::new()), &*spans, &*finished) };
        let mut model = Model::new(heap);
        for step in bytes.chunks_exact(4).take(STEPS_MAX) {
            model.run(Step::read([step[0], step[1], step[2], step[3]]));
        }
    }
    // SAFETY: the pointers came from boxes, and the only borrower is gone.
    unsafe { drop((Box::from_raw(spans), Box::from_raw(finished))) };
}

impl Step {
    fn read([kind, thread_and_count, low, high]: [u8; 4]) -> Self {
        let (thread, count) = (usize::from(thread_and_count & 1), usize::from(thread_and_count >> 1));
        let number = usize::from(u16::from_le_bytes([low, high]));
        match kind % 16 {
            0..5 => Self::Allocate { thread, owner: usize::from(kind >> 4) % 3, bytes: number % 8_192 + 1, count },
            5..10 => Self::Free { thread, choice: number, count },
            10 => Self::Share,
            11 => Self::Unshare,
            12 if kind < 128 => Self::GiveBack,
            12 => Self::Clear { count },
            13 => Self::Ahead,
            14 if kind < 128 => Self::Flush { thread },
            14 => Self::Walk,
            _ if kind < 128 => Self::Evacuate { count },
            _ => Self::Finish { page: number % PAGES },
        }
    }
}
