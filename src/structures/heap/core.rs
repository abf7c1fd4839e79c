//! A heap over a range of pages: what one thread does without the lock, and what it asks of the others under it.
#![expect(unsafe_code, reason = "whoever frees a block promises that it is one")]

use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Filling;
use super::cache::{Bin, Cache};
use super::class::Class;
use super::evacuation::{Evacuated, Next};
use super::memory::{Memory, PAGE_BYTES};
use super::shared::{SPANS, Shared};
use super::span::{NO_SPAN, SPAN_BYTES, Span};

pub(super) struct Heap<M: Memory> {
    memory: M,
    spans: &'static [Span],
    shared: Mutex<Shared>,
    /// Bytes of blocks in use, as far as threads have settled.
    used: AtomicIsize,
    /// See [`Self::wants_page`].
    wants_page: AtomicBool,
    /// The number of the last fork while a child lives, 0 otherwise.
    fork: AtomicU32,
    /// Bytes of blocks freed since the fork that a child sees: their memory stays in use for its sake.
    kept: AtomicUsize,
}

impl<M: Memory> Heap<M> {
    /// A heap with `spans` for all pages of `memory`, in no use yet.
    pub(super) fn new(memory: M, spans: &'static [Span]) -> Self {
        assert_eq!(spans.len(), memory.pages() * SPANS);
        Self {
            memory,
            spans,
            shared: Mutex::new(Shared::new()),
            used: AtomicIsize::new(0),
            wants_page: AtomicBool::new(false),
            fork: AtomicU32::new(0),
            kept: AtomicUsize::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block of this class whose contents mean nothing; `None` where there is no memory.
    #[inline]
    pub(super) fn allocate(&self, cache: &mut Cache, class: Class) -> Option<NonNull<u8>> {
        match cache.take(class) {
            Some(block) => Some(block),
            None => self.refill(cache, class),
        }
    }

    #[cold]
    #[inline(never)]
    fn refill(&self, cache: &mut Cache, class: Class) -> Option<NonNull<u8>> {
        self.settle(cache);
        let bin = &mut cache.bins[class.index()];
        loop {
            if bin.span != NO_SPAN {
                // The word in hand is used up; those before it may have got room, which waits for the next claim.
                if let Some((word, free)) = self.spans[bin.span as usize].claim(bin.word as usize) {
                    let block = word * u64::BITS as usize * class.bytes();
                    bin.start = self.address(bin.span).wrapping_add(block);
                    bin.free = free;
                    bin.word = word as u32;
                    break;
                }
                self.lock().let_go(self.spans, bin.span);
                bin.span = NO_SPAN;
            }
            let used = self.used.load(Ordering::Relaxed).max(0) as usize;
            let mut shared = self.lock();
            bin.span = shared.claim(&self.memory, self.spans, class, used)?;
            self.wants_page.store(shared.wants_page(), Ordering::Relaxed);
            bin.word = 0;
        }
        cache.take(class)
    }

    /// Frees a block.
    ///
    /// # Safety
    ///
    /// The block was allocated from this heap, of this class, and nobody uses it afterwards.
    #[inline]
    pub(super) unsafe fn free(&self, cache: &mut Cache, block: NonNull<u8>, class: Class) {
        let offset = block.as_ptr().addr() - self.memory.base().as_ptr().addr();
        let number = offset / SPAN_BYTES;
        let span = &self.spans[number];
        debug_assert_eq!(span.class(), class, "a block is freed as what it was allocated");
        cache.unsettled -= class.bytes() as isize;
        if span.epoch() < self.fork.load(Ordering::Relaxed) {
            self.kept.fetch_add(class.bytes(), Ordering::Relaxed);
        }
        let before = span.set_free(offset % SPAN_BYTES);
        if before == 0 || before + 1 == span.blocks() {
            self.look_at(cache, number as u32);
        }
    }

    #[cold]
    #[inline(never)]
    fn look_at(&self, cache: &mut Cache, number: u32) {
        self.settle(cache);
        self.lock().look_at(self.spans, number);
    }

    /// Whether a page is soon needed, as far as is known, and [`Self::touch_ahead`] would get memory for one.
    #[inline]
    pub(super) fn wants_page(&self) -> bool {
        self.wants_page.load(Ordering::Relaxed)
    }

    /// Gets memory for a page that is soon needed, on the thread that calls it.
    pub(super) fn touch_ahead(&self) {
        let Some((page, fork)) = self.lock().begin_ahead(&self.memory) else { return };
        self.wants_page.store(false, Ordering::Relaxed);
        self.memory.touch(page as usize);
        self.lock().note_touched(page, fork);
    }

    /// Whether the block is in a page that was touched before this fork, whose child sees it then: a write copies the page.
    #[inline]
    pub(super) fn is_older(&self, block: NonNull<u8>, fork: u32) -> bool {
        let offset = block.as_ptr().addr().wrapping_sub(self.memory.base().as_ptr().addr());
        // What is larger comes from elsewhere, and is in no span.
        self.spans.get(offset / SPAN_BYTES).is_some_and(|span| span.epoch() < fork)
    }

    /// A child is about to be forked, or was: new blocks of this thread are not where it sees them. Returns the number of the
    /// fork.
    pub(super) fn share(&self, cache: &mut Cache) -> u32 {
        self.flush(cache);
        let mut shared = self.lock();
        if shared.children == 0 {
            self.kept.store(0, Ordering::Relaxed);
        }
        let fork = shared.share(self.spans);
        self.fork.store(fork, Ordering::Relaxed);
        self.wants_page.store(shared.wants_page(), Ordering::Relaxed);
        fork
    }

    /// A child has ended.
    pub(super) fn unshare(&self) {
        let mut shared = self.lock();
        shared.unshare(self.spans);
        if shared.children == 0 {
            self.fork.store(0, Ordering::Relaxed);
        }
    }

    /// Bytes of blocks that were freed, or written anew elsewhere, while a child saw them: of the children that live, or of the
    /// last one.
    pub(super) fn kept_bytes(&self) -> usize {
        self.kept.load(Ordering::Relaxed)
    }

    /// Hands all claims back.
    pub(super) fn flush(&self, cache: &mut Cache) {
        self.settle(cache);
        for bin in &mut cache.bins {
            if bin.span == NO_SPAN {
                continue;
            }
            let Bin { free, span, word, .. } = *bin;
            if free != 0 {
                self.spans[span as usize].set_bits(word as usize, free);
            }
            self.lock().let_go(self.spans, span);
            (bin.free, bin.span) = (0, NO_SPAN);
        }
    }

    #[inline]
    fn settle(&self, cache: &mut Cache) {
        self.used.fetch_add(std::mem::take(&mut cache.unsettled), Ordering::Relaxed);
    }

    /// Bytes of blocks in use: exact as far as this thread is concerned. Less than 0 for a moment where it has freed what
    /// others have taken and not settled yet.
    #[inline]
    pub(super) fn used_bytes(&self, cache: &Cache) -> isize {
        self.used.load(Ordering::Relaxed) + cache.unsettled
    }

    /// Bytes of the spans that hold blocks, and of the pages that may have memory.
    pub(super) fn held_bytes(&self) -> (usize, usize) {
        let shared = self.lock();
        (shared.spans_bytes(), shared.pages_bytes())
    }

    pub(super) fn filling(&self, cache: &mut Cache) -> Filling {
        self.settle(cache);
        let used_bytes = self.used.load(Ordering::Relaxed).max(0) as usize;
        Filling { used_bytes, page_bytes: self.lock().used_pages() * PAGE_BYTES }
    }

    /// What is to be moved next, so that pages become empty. To be called by the thread that moves blocks, while no other
    /// thread uses or frees any.
    pub(super) fn evacuate(&self, cache: &mut Cache) -> Evacuated {
        self.settle(cache);
        let used = self.used.load(Ordering::Relaxed).max(0) as usize;
        let mut shared = self.lock();
        if !shared.may_evacuate(used) {
            return Evacuated::Nothing;
        }
        let is_idle = shared.evacuation.page.is_none();
        drop(shared);
        if is_idle {
            // What this thread has claimed could not be emptied.
            self.flush(cache);
        }
        let number = match self.lock().evacuate(self.spans, used) {
            Next::Nothing => return Evacuated::Nothing,
            Next::Later => return Evacuated::Later,
            Next::Span(number) => number,
        };
        let span = &self.spans[number as usize];
        let (start, bytes) = (self.address(number), span.class().bytes());
        let blocks = span.blocks_in_use().filter_map(|block| NonNull::new(start.wrapping_add(block * bytes)));
        Evacuated::Blocks(blocks.collect())
    }

    /// See [`Shared::give_back`].
    pub(super) fn give_back(&self, pages_max: usize) -> bool {
        self.lock().give_back(&self.memory, pages_max)
    }

    #[cfg(any(test, feature = "internals"))]
    pub(super) fn base(&self) -> NonNull<u8> {
        self.memory.base()
    }

    fn address(&self, span: u32) -> *mut u8 {
        self.memory.base().as_ptr().wrapping_add(span as usize * SPAN_BYTES)
    }
}

const _: () = assert!(PAGE_BYTES == SPANS * SPAN_BYTES);
