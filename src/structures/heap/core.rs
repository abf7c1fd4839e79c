//! A heap over a range of pages: what one thread does without the lock, and what it asks of the others under it.
#![expect(unsafe_code, reason = "whoever frees a block promises that it is one")]

use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU8, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::cache::{Bin, Cache};
use super::class::Class;
use super::clearing::Clearing;
use super::evacuation::{Evacuated, Next};
use super::memory::{Memory, PAGE_BYTES};
use super::owner::{OWNERS, Owner};
use super::shared::{Errand, SPANS, Shared};
use super::span::{NO_SPAN, SPAN_BYTES, Span, State};
use super::{Filling, Kept};

pub(super) struct Heap<M: Memory> {
    memory: M,
    spans: &'static [Span],
    /// Memory that a child shares and writes: for each page, whether the child has no more use for it.
    finished: &'static [AtomicU8],
    shared: Mutex<Shared>,
    /// How many spans threads have claimed, by owner.
    claimed: [AtomicU32; OWNERS],
    /// How many pages there were when threads were last asked to hand claims back for a walk.
    walked_pages: AtomicUsize,
    /// Bytes of blocks in use, as far as threads have settled.
    used: AtomicIsize,
    /// See [`Self::wants_page`].
    wants_page: AtomicBool,
    /// The number of the last fork while a child lives, 0 otherwise.
    fork: AtomicU32,
    /// Bytes of blocks freed since the fork that a child sees: their memory stays in use for its sake.
    kept: AtomicUsize,
    /// As `kept`, with those in pages that the child has finished since.
    kept_once: AtomicUsize,
}

/// What [`Heap::run_errand`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// There was nothing to do.
    Nothing,
    /// Something is ready that may be needed soon, or is known not to be had.
    Ready,
    /// Memory was given back, for which nobody waits.
    GivenBack,
}

impl<M: Memory> Heap<M> {
    /// A heap with `spans` and a byte for all pages of `memory`, in no use yet.
    pub(super) fn new(memory: M, spans: &'static [Span], finished: &'static [AtomicU8]) -> Self {
        assert_eq!((spans.len(), finished.len()), (memory.pages() * SPANS, memory.pages()));
        Self {
            memory,
            spans,
            finished,
            shared: Mutex::new(Shared::new()),
            claimed: [const { AtomicU32::new(0) }; OWNERS],
            walked_pages: AtomicUsize::new(0),
            used: AtomicIsize::new(0),
            wants_page: AtomicBool::new(false),
            fork: AtomicU32::new(0),
            kept: AtomicUsize::new(0),
            kept_once: AtomicUsize::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block of this class whose contents mean nothing; `None` where there is no memory.
    #[inline]
    pub(super) fn allocate(&self, cache: &mut Cache, owner: Owner, class: Class) -> Option<NonNull<u8>> {
        match cache.take(owner, class) {
            Some(block) => Some(block),
            None => self.refill(cache, owner, class),
        }
    }

    #[cold]
    #[inline(never)]
    fn refill(&self, cache: &mut Cache, owner: Owner, class: Class) -> Option<NonNull<u8>> {
        self.settle(cache);
        let bin = cache.bin(owner, class);
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
                self.let_go(bin);
            }
            let used = self.used.load(Ordering::Relaxed).max(0) as usize;
            let mut shared = self.lock();
            if shared.wants_page() {
                // What the child has finished has room, perhaps.
                self.take_in_finished(&mut shared);
            }
            bin.span = shared.claim(&self.memory, self.spans, owner, class, used)?;
            self.claimed[owner.index()].fetch_add(1, Ordering::Relaxed);
            self.wants_page.store(shared.wants_page(), Ordering::Relaxed);
            bin.word = 0;
        }
        cache.take(owner, class)
    }

    /// Hands the span of a bin back, of which no block is claimed any more.
    fn let_go(&self, bin: &mut Bin) {
        self.lock().let_go(self.spans, bin.span);
        let owner = self.spans[bin.span as usize].owner();
        self.claimed[owner.index()].fetch_sub(1, Ordering::Release);
        bin.span = NO_SPAN;
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
        let fork = self.fork.load(Ordering::Relaxed);
        if span.epoch() < fork {
            self.kept_once.fetch_add(class.bytes(), Ordering::Relaxed);
            // Before the span's count, of which `take_finished` takes as much away.
            self.kept.fetch_add(class.bytes(), Ordering::Release);
            span.note_kept(fork, class.bytes());
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

    /// Whether a page is soon needed, as far as is known, and [`Self::run_errand`] would get memory for one.
    #[inline]
    pub(super) fn wants_page(&self) -> bool {
        self.wants_page.load(Ordering::Relaxed)
    }

    /// Asks the kernel for what is soon needed, or gives back what is not, on the thread that calls it.
    pub(super) fn run_errand(&self) -> Done {
        let errand = {
            let mut shared = self.lock();
            if shared.wants_page() {
                self.take_in_finished(&mut shared);
            }
            shared.next_errand(&self.memory)
        };
        let Some(errand) = errand else { return Done::Nothing };
        match errand {
            Errand::Touch { page, fork, may_have_memory } => {
                self.wants_page.store(false, Ordering::Relaxed);
                if may_have_memory {
                    self.memory.give_back(page as usize);
                }
                self.memory.touch(page as usize);
                self.lock().note_touched(page, fork);
            }
            Errand::Commit(pages) => {
                let end = pages.end;
                let is_committed = self.memory.commit(pages);
                let mut shared = self.lock();
                if is_committed { shared.note_committed(end) } else { shared.note_refused() }
            }
            Errand::GiveBack { page } => {
                self.memory.give_back(page as usize);
                self.lock().note_bare(page);
                return Done::GivenBack;
            }
        }
        Done::Ready
    }

    /// Whether the memory of pages is to be given back.
    pub(super) fn has_excess_page(&self) -> bool {
        self.lock().excess_page().is_some()
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
            self.kept_once.store(0, Ordering::Relaxed);
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

    /// Of the children that live, or of the last one.
    pub(super) fn kept(&self) -> Kept {
        Kept { now: self.kept.load(Ordering::Relaxed), once: self.kept_once.load(Ordering::Relaxed) }
    }

    /// Hands all claims back.
    pub(super) fn flush(&self, cache: &mut Cache) {
        self.settle(cache);
        for bin in cache.bins().filter(|bin| bin.span != NO_SPAN) {
            let Bin { free, span, word, .. } = *bin;
            if free != 0 {
                self.spans[span as usize].set_bits(word as usize, free);
                bin.free = 0;
            }
            self.let_go(bin);
        }
    }

    /// To be called before a walk, or before the fork of a child that walks: this thread hands its claims back, and no page
    /// is finished.
    pub(super) fn prepare_walk(&self, cache: &mut Cache) {
        self.flush(cache);
        let shared = self.lock();
        self.walked_pages.store(shared.pages.len(), Ordering::Relaxed);
        if shared.children == 0 {
            for page in self.finished[..shared.pages.len()].iter().filter(|page| page.load(Ordering::Relaxed) != 0) {
                page.store(0, Ordering::Relaxed);
            }
        }
    }

    /// The spans that hold blocks as they were at `prepare_walk`. Takes no lock, which nobody might have released in a child.
    pub(super) fn walked_spans(&self) -> impl Iterator<Item = (u32, &Span)> {
        let spans = &self.spans[..self.walked_pages.load(Ordering::Relaxed) * SPANS];
        (0..).zip(spans).filter(|(_, span)| span.state() != State::Unused)
    }

    /// Whether any thread has claimed blocks for this owner, which look as if they were in use.
    pub(super) fn is_claimed(&self, owner: Owner) -> bool {
        self.claimed[owner.index()].load(Ordering::Acquire) != 0
    }

    pub(super) fn blocks_in_use(&self, span: u32) -> impl Iterator<Item = NonNull<u8>> {
        let (start, span) = (self.address(span), &self.spans[span as usize]);
        let bytes = span.class().bytes();
        span.blocks_in_use().filter_map(move |block| NonNull::new(start.wrapping_add(block * bytes)))
    }

    /// Whose blocks are in the span of this one; `None` for a block from elsewhere.
    #[inline]
    pub(super) fn owner(&self, block: NonNull<u8>) -> Option<Owner> {
        let offset = block.as_ptr().addr().wrapping_sub(self.memory.base().as_ptr().addr());
        self.spans.get(offset / SPAN_BYTES).map(Span::owner)
    }

    /// In a child: gives up its view of a page, which it must not read again, and reports that.
    pub(super) fn finish(&self, page: usize) {
        self.memory.give_back(page);
        self.finished[page].store(1, Ordering::Release);
    }

    /// In a child: gives up its view of all pages, which it must not read again. Takes no lock, as `walked_spans`.
    pub(super) fn give_up(&self) {
        self.memory.give_all_back();
    }

    /// As [`Self::finish`] reports, of a page that there is.
    #[cfg(any(test, feature = "internals"))]
    pub(super) fn report_finished(&self, page: usize) -> bool {
        let is_there = page < self.lock().pages.len();
        self.finished[page].store(u8::from(is_there), Ordering::Release);
        is_there
    }

    /// Takes in which pages the child has finished: they are no more shared with it.
    pub(super) fn take_finished(&self) {
        self.take_in_finished(&mut self.lock());
    }

    fn take_in_finished(&self, shared: &mut Shared) {
        if !shared.believes_in_finished() {
            return;
        }
        // A child finishes pages of its walk alone: there are none in a heap that nobody walks through.
        for page in 0..self.walked_pages.load(Ordering::Relaxed) {
            if self.finished[page].load(Ordering::Relaxed) != 0 && self.finished[page].swap(0, Ordering::Acquire) != 0 {
                let free_again = shared.unshare_page(self.spans, page as u32);
                self.kept.fetch_sub(free_again, Ordering::Relaxed);
            }
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
        Evacuated::Blocks(self.blocks_in_use(number).collect())
    }

    /// See [`Shared::clear`].
    pub(super) fn clear(&self, cache: &mut Cache, wanted: bool) -> Clearing {
        if self.lock().wants_no_claims() {
            self.flush(cache);
        }
        self.settle(cache);
        let used = self.used.load(Ordering::Relaxed).max(0) as usize;
        self.lock().clear(self.spans, used, wanted)
    }

    /// See [`Shared::end_clearing`].
    pub(super) fn end_clearing(&self) {
        let used = self.used.load(Ordering::Relaxed).max(0) as usize;
        self.lock().end_clearing(used);
    }

    /// Whether the block's page is to become empty.
    #[inline]
    pub(super) fn is_leaving(&self, block: NonNull<u8>) -> bool {
        let offset = block.as_ptr().addr().wrapping_sub(self.memory.base().as_ptr().addr());
        // What is larger comes from elsewhere, and is in no span.
        self.spans.get(offset / SPAN_BYTES).is_some_and(|span| span.state() == State::Leaving)
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
