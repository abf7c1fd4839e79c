//! Emptying pages that are filled less than others: which one is next, and which blocks are still in it.

use std::ptr::NonNull;

use super::clearing::used_in_page;
use super::memory::PAGE_BYTES;
use super::shared::{ALL, SPANS, Shared};
use super::span::{Span, State};

/// Pages of which the sparsest is emptied next.
const LOOKED_AT: usize = 64;

/// A heap is even enough when its pages take no more than the blocks and so much of them again.
const EVEN_PART: usize = 32;

/// And so much, which is what spans that are begun take.
const BEGUN_BYTES: usize = PAGE_BYTES;

/// What is to be moved next.
pub(crate) enum Evacuated {
    /// The pages are filled evenly, or a child sees them.
    Nothing,
    /// Nothing was found this time; there may be something later.
    Later,
    /// The blocks of one span. Those that are moved and freed before the next call leave it empty.
    Blocks(Vec<NonNull<u8>>),
}

/// Which page is being emptied, and how far the search for the next one has come.
pub(super) struct Evacuation {
    pub(super) page: Option<u32>,
    next_span: u32,
    look_from: usize,
    /// Whether this round of the search has found a page.
    has_found: bool,
    /// A whole round has found nothing: how much room there was. The search rests until there is more.
    resting_at: Option<usize>,
    /// Counts the times that the search has begun anew. A page is emptied once in each, and what is moved then is not moved
    /// again: pages of which another is needed for the same blocks would change places for ever.
    pub(super) search: u32,
}

impl Evacuation {
    pub(super) const NEW: Self =
        Self { page: None, next_span: 0, look_from: 0, has_found: true, resting_at: None, search: 1 };

    /// Begins the search anew.
    pub(super) fn wake(&mut self) {
        (self.resting_at, self.look_from, self.has_found) = (None, 0, true);
        self.search = self.search.wrapping_add(1).max(1);
    }
}

/// What becomes of a call of [`Shared::evacuate`].
pub(super) enum Next {
    Nothing,
    Later,
    Span(u32),
}

impl Shared {
    /// Bytes of the pages that hold blocks, without these.
    pub(super) fn room(&self, used_bytes: usize) -> usize {
        (self.used_pages() * PAGE_BYTES).saturating_sub(used_bytes)
    }

    /// Whether a page is being emptied, or is worth to be looked for.
    pub(super) fn may_evacuate(&mut self, used_bytes: usize) -> bool {
        if self.evacuation.page.is_some() {
            return true;
        }
        let room = self.room(used_bytes);
        if room <= used_bytes / EVEN_PART + BEGUN_BYTES {
            // The search begins anew as soon as there is more.
            self.evacuation.resting_at = Some(0);
            return false;
        }
        if self.children > 0 {
            return false;
        }
        match self.evacuation.resting_at {
            Some(then) if room <= then + used_bytes / EVEN_PART => false,
            Some(_) => {
                self.evacuation.wake();
                true
            }
            None => true,
        }
    }

    /// The next span to be emptied, where `may_evacuate` has said so. Pages in use are those that hold a block.
    pub(super) fn evacuate(&mut self, spans: &[Span], used_bytes: usize) -> Next {
        if let Some(page) = self.evacuation.page {
            while (self.evacuation.next_span as usize) < SPANS {
                let span = page * SPANS as u32 + self.evacuation.next_span;
                self.evacuation.next_span += 1;
                if spans[span as usize].state() == State::Leaving {
                    return Next::Span(span);
                }
            }
            self.end_evacuation(spans);
            return Next::Later;
        }
        if self.evacuation.look_from >= self.pages.len() {
            self.evacuation.look_from = 0;
            if !std::mem::replace(&mut self.evacuation.has_found, false) {
                self.evacuation.resting_at = Some(self.room(used_bytes));
                return Next::Nothing;
            }
        }
        let from = self.evacuation.look_from;
        self.evacuation.look_from += LOOKED_AT;
        if let Some(page) = self.sparsest(spans, from, used_bytes) {
            self.evacuation.has_found = true;
            self.begin_evacuation(spans, page);
        }
        Next::Later
    }

    /// The page that is filled least, of some, and less than pages are on average.
    fn sparsest(&self, spans: &[Span], from: usize, used_bytes: usize) -> Option<u32> {
        let average = used_bytes / self.used_pages().max(1);
        let end = self.pages.len().min(from + LOOKED_AT);
        let search = self.evacuation.search;
        let filled = (from..end).filter(|number| {
            let page = &self.pages[*number];
            page.touched && page.unused != ALL && page.evacuated_in != search
        });
        let filled = filled.filter_map(|number| Some((used_in_page(&spans[number * SPANS..][..SPANS])?, number)));
        filled.filter(|(bytes, _)| *bytes <= average).min().map(|(_, number)| number as u32)
    }

    fn begin_evacuation(&mut self, spans: &[Span], page: u32) {
        (self.evacuation.page, self.evacuation.next_span) = (Some(page), 0);
        self.pages[page as usize].evacuated_in = self.evacuation.search;
        self.leave(spans, page);
    }

    /// Puts what is left of the page to its usual use.
    pub(super) fn end_evacuation(&mut self, spans: &[Span]) {
        if let Some(page) = self.evacuation.page.take() {
            self.stay(spans, page);
        }
    }
}
