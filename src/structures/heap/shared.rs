//! What the threads of a heap share under its lock: pages, and the spans that have room.

use std::collections::BTreeSet;
use std::ops::Range;

use super::class::{CLASSES, Class};
use super::clearing::Stage;
use super::evacuation::Evacuation;
use super::memory::{Memory, PAGE_BYTES};
use super::owner::{OWNERS, Owner};
use super::span::{NO_SPAN, SPAN_BYTES, Span, State};

/// Spans in a page.
pub(super) const SPANS: usize = PAGE_BYTES / SPAN_BYTES;

/// All spans of a page.
pub(super) const ALL: u32 = u32::MAX;
const _: () = assert!(SPANS == u32::BITS as usize);

/// How many spans with room are looked at for the fullest.
const LOOKED_AT: usize = 8;

/// So much room in pages that a child sees is left alone in any case.
pub(super) const ROOM_LEFT_BYTES: usize = 4 * PAGE_BYTES;

/// A heap of fewer pages gets them when they are needed, so that a server with few data takes no more than these.
const PAGES_BEFORE_AHEAD: usize = 1;

/// More pages are committed when one part in so many of those that were committed together is left.
const UNUSED_SHARE: usize = 4;

/// One empty page for so many that have memory is kept, and one in any case.
const PAGES_TO_AN_EMPTY_ONE: usize = 64;

/// Work that needs the kernel, which may take milliseconds: it is done without the lock, for which commands would wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// Memory for a page that is soon needed, which nobody else has; it gives back what it may have.
    Touch { page: u32, fork: u32, may_have_memory: bool },
    /// More pages that can be used.
    Commit(Range<usize>),
    /// The memory of a page without a span in use, which nobody else has.
    GiveBack { page: u32 },
}

/// Spans of one class that have a free block, the first and the last.
#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

impl List {
    const EMPTY: Self = Self { first: NO_SPAN, last: NO_SPAN };
}

/// By owner, for those that have had spans with room, and class.
type Lists = [Option<Box<[List; CLASSES]>>; OWNERS];

fn no_spans() -> Box<[List; CLASSES]> {
    Box::new([List::EMPTY; CLASSES])
}

pub(super) struct Page {
    /// A bit for each span that is in no use.
    pub(super) unused: u32,
    /// The number of the fork after which the page was touched first.
    epoch: u32,
    /// It may have memory.
    pub(super) touched: bool,
    /// The last search for sparse pages that has emptied it, or filled it with what was in others.
    pub(super) evacuated_in: u32,
}

/// Which of two halves something belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Age {
    /// Nobody else sees its pages.
    Current = 0,
    /// A child sees its pages as they were.
    Shared = 1,
}

pub(super) struct Shared {
    /// By age.
    lists: [Lists; 2],
    pub(super) pages: Vec<Page>,
    /// How many pages can be used, those in `pages` among them.
    committed: usize,
    /// The kernel promises no more memory: nobody asks for it ahead of need.
    is_refused: bool,
    /// The pages with spans in use and others in no use, by age.
    roomy: [BTreeSet<u32>; 2],
    /// The pages without a span in use that may have memory, by age.
    empty: [BTreeSet<u32>; 2],
    /// The pages without memory.
    bare: BTreeSet<u32>,
    /// How many forks there were.
    epoch: u32,
    /// How many children see the pages that were there before the last fork.
    pub(super) children: u32,
    /// There was more than one child at a time since there was none: what one has finished another may still read.
    several: bool,
    /// Pages that may have memory, but for one that is being touched ahead of need.
    pub(super) touched: usize,
    /// Spans in use.
    used: usize,
    pub(super) evacuation: Evacuation,
    pub(super) stage: Stage,
    /// The pages that are being emptied: nobody takes blocks or makes spans there. One that has become empty is none of them.
    pub(super) leaving: BTreeSet<u32>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            lists: [const { [const { None }; OWNERS] }; 2],
            pages: Vec::new(),
            committed: 0,
            is_refused: false,
            roomy: [const { BTreeSet::new() }; 2],
            empty: [const { BTreeSet::new() }; 2],
            bare: BTreeSet::new(),
            epoch: 0,
            children: 0,
            several: false,
            touched: 0,
            used: 0,
            evacuation: Evacuation::NEW,
            stage: Stage::NEW,
            leaving: BTreeSet::new(),
        }
    }

    fn age(&self, epoch: u32) -> Age {
        if self.children > 0 && epoch < self.epoch { Age::Shared } else { Age::Current }
    }

    /// From here on what is there is shared with a child. Returns the number of the fork.
    pub(super) fn share(&mut self, spans: &[Span]) -> u32 {
        self.end_evacuation(spans);
        self.epoch += 1;
        self.children += 1;
        self.several = self.children > 1;
        self.move_all(spans, Age::Current, Age::Shared);
        self.epoch
    }

    /// A child has ended.
    pub(super) fn unshare(&mut self, spans: &[Span]) {
        self.children = self.children.saturating_sub(1);
        if self.children == 0 {
            self.move_all(spans, Age::Shared, Age::Current);
            self.evacuation.wake();
        }
    }

    /// Whether pages that a child has finished are seen by no other.
    pub(super) fn believes_in_finished(&self) -> bool {
        self.children == 1 && !self.several
    }

    /// The child sees a page no more: what is in it may be written, and what is free used. Returns the bytes of the blocks that
    /// were freed while it saw them.
    pub(super) fn unshare_page(&mut self, spans: &[Span], number: u32) -> usize {
        if !self.pages[number as usize].touched {
            // It was emptied and gave its memory back; what it gets next no child has seen.
            return 0;
        }
        self.leave_roomy(number);
        let epoch = self.epoch;
        let mut free_again = 0;
        for number in number * SPANS as u32..(number + 1) * SPANS as u32 {
            let span = &spans[number as usize];
            let was_listed = span.state() == State::Listed;
            if was_listed {
                self.unlist(spans, number);
            }
            free_again += span.take_kept_bytes(epoch);
            span.set_epoch(epoch);
            if was_listed {
                self.list(spans, number);
            }
        }
        self.pages[number as usize].epoch = epoch;
        self.enter_roomy(number);
        free_again
    }

    fn move_all(&mut self, spans: &[Span], from: Age, to: Age) {
        let [current, shared] = &mut self.lists;
        let (from_lists, to_lists) = if from == Age::Current { (current, shared) } else { (shared, current) };
        let of_owners = from_lists.iter_mut().zip(to_lists).filter_map(|(from, to)| Some((from.as_mut()?, to)));
        let of_classes =
            of_owners.flat_map(|(from, to)| from.iter_mut().zip(to.get_or_insert_with(no_spans).iter_mut()));
        for (moved, list) in of_classes {
            let moved = std::mem::replace(moved, List::EMPTY);
            if moved.first == NO_SPAN {
                continue;
            }
            if list.first == NO_SPAN {
                *list = moved;
            } else {
                spans[moved.last as usize].set_next(list.first);
                spans[list.first as usize].set_previous(moved.last);
                list.first = moved.first;
            }
        }
        for pages in [&mut self.roomy, &mut self.empty] {
            let mut moved = std::mem::take(&mut pages[from as usize]);
            pages[to as usize].append(&mut moved);
        }
    }

    /// A span of this class with a free block, for the thread that asks: the fullest of some, and a new one where there is
    /// none. `None` where there is no memory.
    pub(super) fn claim(
        &mut self,
        memory: &impl Memory,
        spans: &[Span],
        owner: Owner,
        class: Class,
        used_bytes: usize,
    ) -> Option<u32> {
        let reuses_shared = self.may_reuse_shared(used_bytes);
        let span = loop {
            let listed = self.fullest(spans, owner, class, Age::Current).or_else(|| {
                // What was freed before a child or meanwhile is left alone, unless that leaves too much unused.
                reuses_shared.then(|| self.fullest(spans, owner, class, Age::Shared)).flatten()
            });
            if let Some(span) = listed {
                self.unlist(spans, span);
                break span;
            }
            // What is to be emptied after the child is room that it sees, too.
            if reuses_shared && self.keep_a_page(spans) {
                continue;
            }
            if let Some(span) = self.begin(memory, spans, owner, class, reuses_shared) {
                break span;
            }
            if !self.keep_a_page(spans) {
                return None;
            }
        };
        spans[span as usize].set_state(State::Claimed);
        Some(span)
    }

    /// Whether room in pages that a child sees is used: once there are pages for more than twice what they hold. Otherwise
    /// snapshots without a pause between them would leave ever more room behind.
    fn may_reuse_shared(&self, used_bytes: usize) -> bool {
        self.children > 0 && self.pages_bytes() > 2 * used_bytes + ROOM_LEFT_BYTES
    }

    fn fullest(&self, spans: &[Span], owner: Owner, class: Class, age: Age) -> Option<u32> {
        let mut next = self.lists[age as usize][owner.index()].as_ref()?[class.index()].first;
        let mut found = None;
        for _ in 0..LOOKED_AT {
            let Some(span) = spans.get(next as usize) else { break };
            if found.is_none_or(|(free, _)| span.free() < free) {
                found = Some((span.free(), next));
            }
            next = span.next();
        }
        found.map(|(_, number)| number)
    }

    /// Makes a span of this class in the first page that has room.
    fn begin(
        &mut self,
        memory: &impl Memory,
        spans: &[Span],
        owner: Owner,
        class: Class,
        reuses_shared: bool,
    ) -> Option<u32> {
        let of_age = |this: &Self, age: Age| {
            let used = this.roomy[age as usize].first();
            used.or_else(|| this.empty[age as usize].first()).copied()
        };
        let current = of_age(self, Age::Current);
        let shared = || of_age(self, Age::Shared).filter(|_| reuses_shared);
        // Better a copied page than none.
        let number = current
            .or_else(shared)
            .or_else(|| self.take_bare(memory).inspect(|number| self.note_touched(*number, self.epoch)))
            .or_else(|| of_age(self, Age::Shared))?;
        let age = self.age(self.pages[number as usize].epoch);
        let page = &mut self.pages[number as usize];
        if page.unused == ALL {
            page.evacuated_in = if self.evacuation.page.is_some() { self.evacuation.search } else { 0 };
            self.empty[age as usize].remove(&number);
            self.roomy[age as usize].insert(number);
        }
        let within = page.unused.trailing_zeros();
        page.unused &= page.unused - 1;
        let epoch = page.epoch;
        if page.unused == 0 {
            self.roomy[age as usize].remove(&number);
        }
        let span = number * SPANS as u32 + within;
        spans[span as usize].begin(owner, class, epoch);
        self.used += 1;
        Some(span)
    }

    /// A page without memory, for the caller to have. An empty one that a child sees gives its memory back for it.
    fn take_bare(&mut self, memory: &impl Memory) -> Option<u32> {
        if self.bare.is_empty() {
            match self.empty[Age::Shared as usize].last().copied() {
                Some(number) => self.drop_memory(memory, number),
                None => self.add_page(memory),
            }
        }
        self.bare.pop_first()
    }

    /// Counts a page that was without memory among the empty ones. A child that was forked later than this sees it.
    pub(super) fn note_touched(&mut self, number: u32, epoch: u32) {
        let page = &mut self.pages[number as usize];
        (page.touched, page.epoch) = (true, epoch);
        self.touched += 1;
        self.enter_roomy(number);
    }

    /// Gives the memory of an empty page back.
    fn drop_memory(&mut self, memory: &impl Memory, number: u32) {
        self.take_empty(number);
        memory.give_back(number as usize);
        self.note_bare(number);
    }

    /// Takes an empty page out, so that nobody else has it.
    fn take_empty(&mut self, number: u32) {
        self.leave_roomy(number);
        self.pages[number as usize].touched = false;
        self.touched -= 1;
    }

    /// Takes a page in whose memory was given back.
    pub(super) fn note_bare(&mut self, number: u32) {
        self.bare.insert(number);
    }

    fn add_page(&mut self, memory: &impl Memory) {
        if self.pages.len() == self.committed
            && let Some(pages) = self.next_committed(memory)
        {
            let first = pages.start..pages.start + 1;
            // Where the kernel counts what it promises, it may have enough for one.
            if let Some(pages) = [pages, first].into_iter().find(|pages| memory.commit(pages.clone())) {
                self.note_committed(pages.end);
            }
        }
        self.add_committed_page();
    }

    fn add_committed_page(&mut self) {
        if self.pages.len() < self.committed {
            self.bare.insert(self.pages.len() as u32);
            self.pages.push(Page { unused: ALL, epoch: self.epoch, touched: false, evacuated_in: 0 });
        }
    }

    pub(super) fn note_refused(&mut self) {
        self.is_refused = true;
    }

    fn next_committed(&self, memory: &impl Memory) -> Option<Range<usize>> {
        let end = (self.committed + 1).next_multiple_of(memory.committed_together()).min(memory.pages());
        (self.committed < end).then_some(self.committed..end)
    }

    pub(super) fn note_committed(&mut self, end: usize) {
        self.committed = self.committed.max(end);
        self.is_refused = false;
    }

    /// Whether a page is soon needed, and none is ready.
    pub(super) fn wants_page(&self) -> bool {
        let current = Age::Current as usize;
        let unused = |number: &u32| self.pages[*number as usize].unused.count_ones() as usize;
        let is_low = || self.roomy[current].iter().take(LOOKED_AT).map(unused).sum::<usize>() <= SPANS / 2;
        self.empty[current].is_empty() && self.touched >= PAGES_BEFORE_AHEAD && is_low()
    }

    /// What is to be done next without the lock, and to be noted then.
    pub(super) fn next_errand(&mut self, memory: &impl Memory) -> Option<Errand> {
        if self.wants_page() {
            let shared = self.empty[Age::Shared as usize].last().copied();
            if self.bare.is_empty() && shared.is_none() {
                self.add_committed_page();
            }
            if let Some(page) = self.bare.pop_first() {
                return Some(Errand::Touch { page, fork: self.epoch, may_have_memory: false });
            }
            if let Some(page) = shared {
                self.take_empty(page);
                return Some(Errand::Touch { page, fork: self.epoch, may_have_memory: true });
            }
        }
        let is_short = self.committed - self.pages.len() < memory.committed_together() / UNUSED_SHARE;
        if (self.wants_page() || is_short)
            && !self.is_refused
            && let Some(pages) = self.next_committed(memory)
        {
            return Some(Errand::Commit(pages));
        }
        let page = self.excess_page()?;
        self.take_empty(page);
        Some(Errand::GiveBack { page })
    }

    /// Takes a span back that a thread has claimed and handed its blocks back to.
    pub(super) fn let_go(&mut self, spans: &[Span], number: u32) {
        let span = &spans[number as usize];
        debug_assert_eq!(span.state(), State::Claimed);
        span.set_state(State::Full);
        self.look_at(spans, number);
    }

    /// Lists a span that has got room, and ends one that holds nothing any more.
    pub(super) fn look_at(&mut self, spans: &[Span], number: u32) {
        let span = &spans[number as usize];
        let free = span.free();
        match span.state() {
            State::Unused | State::Claimed => {}
            State::Full if free <= 0 => {}
            // Nobody has a block of it, and so nobody can free one.
            State::Full if free == span.blocks() => self.end(spans, number),
            State::Full => self.list(spans, number),
            State::Listed if free == span.blocks() => {
                self.unlist(spans, number);
                self.end(spans, number);
            }
            State::Leaving if free == span.blocks() => self.end(spans, number),
            State::Listed | State::Leaving => {}
        }
    }

    fn list_of(&mut self, span: &Span) -> &mut List {
        let lists = &mut self.lists[self.age(span.epoch()) as usize][span.owner().index()];
        &mut lists.get_or_insert_with(no_spans)[span.class().index()]
    }

    fn list(&mut self, spans: &[Span], number: u32) {
        let span = &spans[number as usize];
        let list = self.list_of(span);
        span.set_state(State::Listed);
        span.set_previous(NO_SPAN);
        span.set_next(list.first);
        match spans.get(list.first as usize) {
            Some(first) => first.set_previous(number),
            None => list.last = number,
        }
        list.first = number;
    }

    pub(super) fn unlist(&mut self, spans: &[Span], number: u32) {
        let span = &spans[number as usize];
        let (next, previous) = (span.next(), span.previous());
        let list = self.list_of(span);
        match spans.get(previous as usize) {
            Some(before) => before.set_next(next),
            None => list.first = next,
        }
        match spans.get(next as usize) {
            Some(after) => after.set_previous(previous),
            None => list.last = previous,
        }
        span.set_state(State::Full);
    }

    fn end(&mut self, spans: &[Span], number: u32) {
        spans[number as usize].set_state(State::Unused);
        self.used -= 1;
        let (page_number, within) = (number / SPANS as u32, number % SPANS as u32);
        self.leave_roomy(page_number);
        let page = &mut self.pages[page_number as usize];
        page.unused |= 1 << within;
        if page.unused == ALL {
            self.leaving.remove(&page_number);
        }
        self.enter_roomy(page_number);
    }

    /// Lets spans be made in a page that may have memory, if it has room for one.
    pub(super) fn enter_roomy(&mut self, number: u32) {
        if self.leaving.contains(&number) {
            return;
        }
        let page = &self.pages[number as usize];
        let age = self.age(page.epoch) as usize;
        match page.unused {
            0 => {}
            ALL => drop(self.empty[age].insert(number)),
            _ => drop(self.roomy[age].insert(number)),
        }
    }

    pub(super) fn leave_roomy(&mut self, number: u32) {
        if self.leaving.contains(&number) {
            return;
        }
        let page = &self.pages[number as usize];
        let age = self.age(page.epoch) as usize;
        match page.unused {
            0 => {}
            ALL => drop(self.empty[age].remove(&number)),
            _ => drop(self.roomy[age].remove(&number)),
        }
    }

    /// Gives the memory of at most `pages_max` empty pages back, the last ones first. Returns whether more could be.
    pub(super) fn give_back(&mut self, memory: &impl Memory, pages_max: usize) -> bool {
        let mut left = pages_max;
        while left > 0
            && let Some(number) = self.excess_page()
        {
            self.drop_memory(memory, number);
            left -= 1;
        }
        self.excess_page().is_some()
    }

    /// An empty page whose memory is to be given back.
    pub(super) fn excess_page(&self) -> Option<u32> {
        let is_excess = self.empty_pages() > self.empty_kept();
        let last = || [Age::Shared, Age::Current].iter().find_map(|age| self.empty[*age as usize].last().copied());
        if is_excess { last() } else { None }
    }

    /// Pages without a span in use that may have memory.
    fn empty_pages(&self) -> usize {
        self.empty.iter().map(BTreeSet::len).sum()
    }

    /// Pages with a span in use.
    pub(super) fn used_pages(&self) -> usize {
        self.touched - self.empty_pages()
    }

    fn empty_kept(&self) -> usize {
        (self.touched / PAGES_TO_AN_EMPTY_ONE).max(1)
    }

    /// Bytes of the pages that may have memory.
    pub(super) fn pages_bytes(&self) -> usize {
        self.touched * PAGE_BYTES
    }

    /// Bytes of the spans in use.
    pub(super) fn spans_bytes(&self) -> usize {
        self.used * SPAN_BYTES
    }
}
