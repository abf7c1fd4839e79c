//! The heaps of the process, one for each pool.
#![expect(unsafe_code, reason = "the caches of a thread, and the blocks of the global allocator")]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::{Cell, UnsafeCell};
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::cache::Cache;
use super::class::{Class, block_bytes};
use super::clearing::Clearing;
use super::core::{Done, Heap};
use super::memory::{Mapped, Reserved};
use super::owner::Owner;
use super::{Evacuated, Filling, HeapBytes, Kept, Pool};
use crate::structures::ahead::{self, Errands};

/// `None` where addresses are limited: blocks come from the global allocator then, and none counts as shared.
type ProcessHeap = LazyLock<Option<Heap<Mapped>>>;

static ENTRIES: ProcessHeap = LazyLock::new(reserve);
static ELEMENTS: ProcessHeap = LazyLock::new(reserve);
static BUCKETS: ProcessHeap = LazyLock::new(reserve);

const POOLS: [Pool; 3] = [Pool::Entries, Pool::Elements, Pool::Buckets];

/// The pools of which [`Pool::shares`] says what a child sees. Buckets are written where they are.
const SHARED_POOLS: [Pool; 2] = [Pool::Entries, Pool::Elements];

/// Where blocks begin that come from the global allocator. Whoever needs more, as buckets do, asks only for such as are in spans
/// of 64 KiB, where they begin at multiples of their size: where there are pages, and for at most [`Class`]'s largest.
const ALIGN: usize = 8;

/// How many threads have allocated blocks and have not ended.
static ALLOCATING: AtomicU32 = AtomicU32::new(0);

/// How many children all threads have that see the pages: a thread asks for its own only where there is any.
static ALL_CHILDREN: AtomicU32 = AtomicU32::new(0);

fn reserve() -> Option<Heap<Mapped>> {
    let Reserved { memory, spans, finished } = Mapped::reserve()?;
    Some(Heap::new(memory, spans, finished))
}

thread_local! {
    static CACHES: [UnsafeCell<ManuallyDrop<Cache>>; POOLS.len()] =
        const { [const { UnsafeCell::new(ManuallyDrop::new(Cache::EMPTY)) }; POOLS.len()] };
    static HANDS_BACK: Cell<bool> = const { Cell::new(false) };
    /// How many children this thread has that see the pages.
    static CHILDREN: Cell<u32> = const { Cell::new(0) };
    /// The number of its last fork, by pool.
    static FORKS: Cell<[u32; POOLS.len()]> = const { Cell::new([0; POOLS.len()]) };
    static AT_END: HandBack = const { HandBack };
}

/// Hands the claims of a thread back when it ends.
struct HandBack;

impl Drop for HandBack {
    fn drop(&mut self) {
        for (pool, heap) in heaps() {
            pool.with_cache(|cache| {
                heap.flush(cache);
                cache.end();
            });
        }
        ALLOCATING.fetch_sub(1, Ordering::Release);
    }
}

fn heaps() -> impl Iterator<Item = (Pool, &'static Heap<Mapped>)> {
    with_heaps(&POOLS)
}

fn with_heaps(pools: &'static [Pool]) -> impl Iterator<Item = (Pool, &'static Heap<Mapped>)> {
    pools.iter().filter_map(|pool| Some((*pool, pool.heap()?)))
}

impl Pool {
    #[inline]
    pub(super) fn heap(self) -> Option<&'static Heap<Mapped>> {
        match self {
            Pool::Entries => ENTRIES.as_ref(),
            Pool::Elements => ELEMENTS.as_ref(),
            Pool::Buckets => BUCKETS.as_ref(),
        }
    }

    #[inline]
    fn with_cache<R>(self, run: impl FnOnce(&mut Cache) -> R) -> R {
        // SAFETY: the caches are this thread's, and what is run here calls nothing that comes here again: the heap's own
        // functions, which allocate nothing but from the global allocator. They are never dropped.
        CACHES.with(|caches| run(unsafe { &mut *caches[self as usize].get() }))
    }

    /// A block of [`block_bytes`]`(bytes)`, whose contents mean nothing. It begins at a multiple of 4, and at one of 8 if its
    /// size is one.
    #[inline]
    pub fn allocate(self, bytes: usize) -> NonNull<u8> {
        self.allocate_for(Owner::NOBODY, bytes)
    }

    /// As [`Self::allocate`], for an owner: from a span of its own, unless it is too large for spans.
    #[inline]
    pub fn allocate_for(self, owner: Owner, bytes: usize) -> NonNull<u8> {
        if let Some(class) = Class::of(bytes) {
            // What has been claimed is of a heap that is there.
            if let Some(block) = self.with_cache(|cache| cache.take(owner, class)) {
                return block;
            }
            if let Some(heap) = self.heap() {
                return self.allocate_slowly(heap, owner, class);
            }
        }
        allocate_elsewhere(bytes)
    }

    /// Whose block it is; nobody's in particular if it is too large for spans.
    #[inline]
    pub fn owner(self, block: NonNull<u8>) -> Owner {
        self.heap().and_then(|heap| heap.owner(block)).unwrap_or_default()
    }

    /// A block for what is to leave one that a child sees (see [`Pool::shares`]); `None` where there is no better one to be
    /// had, as after many snapshots without a pause: then it may as well be written where it is.
    #[inline]
    pub fn allocate_apart(self, bytes: usize) -> Option<NonNull<u8>> {
        let block = self.allocate(bytes);
        if !self.shares(block) {
            return Some(block);
        }
        if let Some(class) = Class::of(bytes) {
            self.with_cache(|cache| cache.put_back(Owner::NOBODY, block, class));
        }
        None
    }

    #[cold]
    #[inline(never)]
    fn allocate_slowly(self, heap: &Heap<Mapped>, owner: Owner, class: Class) -> NonNull<u8> {
        if !HANDS_BACK.replace(true) {
            ALLOCATING.fetch_add(1, Ordering::Relaxed);
            // The first use makes it be dropped when the thread ends; one that is ending already keeps its last claims.
            let _ = AT_END.try_with(|_| ());
        }
        let block = self.with_cache(|cache| heap.allocate(cache, owner, class));
        if heap.wants_page() {
            ahead::request(Errands::Heap, run_errands);
        }
        block.unwrap_or_else(|| handle_alloc_error(layout(class.bytes())))
    }

    /// Frees a block.
    ///
    /// # Safety
    ///
    /// The block was allocated from this pool for as many bytes, or for others of which [`block_bytes`] makes the same, and
    /// nobody uses it afterwards.
    #[inline]
    pub unsafe fn free(self, block: NonNull<u8>, bytes: usize) {
        if let (Some(class), Some(heap)) = (Class::of(bytes), self.heap()) {
            // SAFETY: it came from the heap, where blocks of this size come from, by the caller's promise.
            return self.with_cache(|cache| unsafe { heap.free(cache, block, class) });
        }
        // SAFETY: it came from the global allocator, with this layout.
        unsafe { dealloc(block.as_ptr(), layout(bytes)) };
    }

    /// Whether a child of this thread sees this block of the pool as it was at its fork. Then a write to it copies the page, and may split a
    /// huge page, and a new version is better written to another block.
    #[inline(always)]
    pub fn shares(self, block: NonNull<u8>) -> bool {
        // A thread sees its own changes of it in any case.
        ALL_CHILDREN.load(Ordering::Relaxed) > 0 && self.is_seen(block)
    }

    #[cold]
    #[inline(never)]
    fn is_seen(self, block: NonNull<u8>) -> bool {
        CHILDREN.get() > 0 && self.heap().is_some_and(|heap| heap.is_older(block, FORKS.get()[self as usize]))
    }

    /// Whether blocks are in pages of the heap, and not of the allocator.
    pub fn has_pages(self) -> bool {
        self.heap().is_some()
    }

    /// How full the pages are: nothing where blocks come from the allocator.
    pub fn filling(self) -> Filling {
        self.heap().map(|heap| self.with_cache(|cache| heap.filling(cache))).unwrap_or_default()
    }

    /// To be called before a walk through the pool, or before the fork of a child that is to do so.
    pub fn prepare_walk(self) {
        if let Some(heap) = self.heap() {
            self.with_cache(|cache| heap.prepare_walk(cache));
        }
    }

    /// In a child: gives up its view of all blocks in pages. What its parent writes there is not copied for it then, and splits no
    /// huge page.
    ///
    /// # Safety
    ///
    /// Until this process ends, no block of the pool is read, written or freed.
    pub unsafe fn give_up(self) {
        if let Some(heap) = self.heap() {
            heap.give_up();
        }
    }

    /// Takes in what a child has finished reading: that is written in place again, and filled. To be called now and then while
    /// one lives that walks through the pool.
    pub fn take_finished_pages(self) {
        if let Some(heap) = self.heap() {
            heap.take_finished();
        }
    }

    /// What is to be moved next, so that pages become empty: nothing while another thread lives that has allocated blocks, and
    /// may have some. To be called by the thread that moves blocks, while no other one has any that it was given.
    pub(crate) fn evacuate(self) -> Evacuated {
        let is_alone = HANDS_BACK.get() && ALLOCATING.load(Ordering::Acquire) == 1;
        self.heap()
            .filter(|_| is_alone)
            .map_or(Evacuated::Nothing, |heap| self.with_cache(|cache| heap.evacuate(cache)))
    }

    /// What is to be done next so that sparse pages become empty of whose blocks only their owners know; a beginning is made
    /// only where it is `wanted`.
    pub(crate) fn clear(self, wanted: bool) -> Clearing {
        self.heap().map_or(Clearing::Nothing, |heap| self.with_cache(|cache| heap.clear(cache, wanted)))
    }

    /// What is leaving was moved, or is not to be.
    pub(crate) fn end_clearing(self) {
        if let Some(heap) = self.heap() {
            heap.end_clearing();
        }
    }

    /// Whether what is in this block should move to another one, so that its page becomes empty.
    #[inline]
    pub fn is_leaving(self, block: NonNull<u8>) -> bool {
        self.heap().is_some_and(|heap| heap.is_leaving(block))
    }

    /// Moves what is in a block to another one, byte by byte, and frees the old one.
    ///
    /// # Safety
    ///
    /// The block was allocated from this pool for so many bytes, and nobody reads or writes it by another handle afterwards.
    #[cold]
    pub unsafe fn move_out(self, block: &mut NonNull<u8>, bytes: usize) {
        let new = self.allocate(bytes);
        // SAFETY: both blocks are of that size, and the new one is nobody else's.
        unsafe {
            ptr::copy_nonoverlapping(block.as_ptr(), new.as_ptr(), bytes);
            self.free(std::mem::replace(block, new), bytes);
        }
    }
}

/// All that may be needed soon, and then one that is not urgent of each heap. Returns whether there are more of those.
fn run_errands() -> bool {
    heaps().fold(false, |more, (_, heap)| {
        let mut done = heap.run_errand();
        while done == Done::Ready {
            done = heap.run_errand();
        }
        more || done == Done::GivenBack
    })
}

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(block_bytes(bytes), ALIGN).expect("a block is smaller than the address space")
}

#[cold]
#[inline(never)]
fn allocate_elsewhere(bytes: usize) -> NonNull<u8> {
    let layout = layout(bytes);
    // SAFETY: a block has at least 8 bytes.
    let block = unsafe { alloc(layout) };
    NonNull::new(block).unwrap_or_else(|| handle_alloc_error(layout))
}

/// A child is about to be forked, or was just: new blocks are from here on not where it sees them. To be called by the thread
/// that writes.
pub fn share_blocks() {
    for (pool, heap) in with_heaps(&SHARED_POOLS) {
        let mut forks = FORKS.get();
        forks[pool as usize] = pool.with_cache(|cache| heap.share(cache));
        FORKS.set(forks);
        if heap.wants_page() {
            ahead::request(Errands::Heap, run_errands);
        }
    }
    CHILDREN.set(CHILDREN.get() + 1);
    ALL_CHILDREN.fetch_add(1, Ordering::Relaxed);
}

/// A child has ended: once for each [`share_blocks`], by the same thread.
pub fn unshare_blocks() {
    if let Some(children) = CHILDREN.get().checked_sub(1) {
        CHILDREN.set(children);
        ALL_CHILDREN.fetch_sub(1, Ordering::Relaxed);
    }
    with_heaps(&SHARED_POOLS).for_each(|(_, heap)| heap.unshare());
}

pub fn heap_bytes() -> HeapBytes {
    heaps().fold(HeapBytes { used: used_block_bytes(), ..HeapBytes::default() }, |sum, (_, heap)| {
        let (spans, pages) = heap.held_bytes();
        HeapBytes { spans: sum.spans + spans, pages: sum.pages + pages, ..sum }
    })
}

/// Bytes of blocks in use: exact as far as this thread is concerned.
#[inline]
pub fn used_block_bytes() -> usize {
    let used = heaps().map(|(pool, heap)| pool.with_cache(|cache| heap.used_bytes(cache))).sum::<isize>();
    used.max(0) as usize
}

/// What was freed while a child saw it: of the children that live, or of the last one.
pub fn kept_for_children() -> Kept {
    heaps().fold(Kept::default(), |sum, (_, heap)| {
        let Kept { now, once } = heap.kept();
        Kept { now: sum.now + now, once: sum.once + once }
    })
}

/// Lets another thread give the memory of empty pages back, one after another. Without one, one page is given back at once.
pub fn give_pages_back_later() {
    if heaps().any(|(_, heap)| heap.has_excess_page()) && !ahead::request(Errands::Heap, run_errands) {
        give_pages_back(1);
    }
}

/// Gives the memory of at most so many empty pages of each pool back. Returns whether there are more.
pub fn give_pages_back(pages_max: usize) -> bool {
    heaps().fold(false, |more, (_, heap)| heap.give_back(pages_max) || more)
}
