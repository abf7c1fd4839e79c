//! Clearing the sparsest pages all at once, for a pool whose blocks do not say who has them: it is found out how full pages are,
//! those that the others have room for are marked, and whoever goes through all owners moves what is in them.
//!
//! Each call does a small part, so that a heap of many pages is looked through in many steps.

use super::memory::PAGE_BYTES;
use super::shared::{ALL, SPANS, Shared};
use super::span::{Span, State};

/// Pages that one call looks at, or gives back to their usual use.
const LOOKED_AT: usize = 32;

/// Pages are alike that differ by less than this share of a page.
const GRADES: usize = 64;

/// Pages are cleared where that makes one in so many empty, and two in any case.
const WORTHWHILE_PART: usize = 32;
const WORTHWHILE_PAGES: usize = 2;

/// The pages that stay take what is in all of them, and so much of it again, and so many pages for spans that are begun.
const SPARE_PART: usize = 32;
const SPARE_PAGES: usize = 1;

/// What is to be done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clearing {
    /// The pages are filled evenly, or a child sees them.
    Nothing,
    /// Nothing but to ask again.
    Later,
    /// Blocks are to be moved that are [leaving](super::Pool::is_leaving), and then an [end](super::Pool::end_clearing) is to
    /// be put to it.
    Move,
}

/// How far it has come.
pub(super) enum Stage {
    /// Nothing is done before there is more room than so many bytes, which are no more than there were since.
    Resting { at_room: usize },
    /// How many pages are filled how well is counted.
    Surveying { next: usize, grades: Box<[usize; GRADES + 1]>, claimed: usize },
    /// Pages of a lower grade are marked, and so many of this one.
    Marking { next: usize, grade: usize, of_grade: usize, plan: Plan },
    /// Blocks are being moved.
    Moving(Plan),
    /// What is left of the pages is put to its usual use.
    Ending { at_room: usize },
}

/// What is to be achieved.
#[derive(Clone, Copy)]
pub(super) struct Plan {
    /// Pages in use at the beginning.
    pages: usize,
    /// How many of them are to become empty.
    gain: usize,
}

impl Stage {
    pub(super) const NEW: Self = Self::Resting { at_room: 0 };
}

impl Shared {
    /// Whether spans are about to be looked at, so that the caller should not have claimed any.
    pub(super) fn wants_no_claims(&self) -> bool {
        matches!(self.stage, Stage::Surveying { .. } | Stage::Marking { .. })
    }

    /// The next step. It begins where it is `wanted`, and goes on until the end in any case.
    pub(super) fn clear(&mut self, spans: &[Span], used_bytes: usize, wanted: bool) -> Clearing {
        if self.children > 0 {
            return Clearing::Nothing;
        }
        match std::mem::replace(&mut self.stage, Stage::NEW) {
            Stage::Resting { at_room } => return self.begin_survey(used_bytes, at_room, wanted),
            Stage::Surveying { next, grades, claimed } => self.survey(spans, used_bytes, next, grades, claimed),
            Stage::Marking { next, grade, of_grade, plan } => self.mark(spans, next, grade, of_grade, plan),
            Stage::Moving(plan) => {
                self.stage = Stage::Moving(plan);
                return Clearing::Move;
            }
            Stage::Ending { at_room } => {
                let is_over = (0..LOOKED_AT).any(|_| !self.keep_a_page(spans));
                self.stage = if is_over { Stage::Resting { at_room } } else { Stage::Ending { at_room } };
            }
        }
        Clearing::Later
    }

    /// To be called when all blocks that are leaving were moved, and when no more are to be.
    pub(super) fn end_clearing(&mut self, used_bytes: usize) {
        let at_room = match &self.stage {
            Stage::Resting { .. } | Stage::Ending { .. } => return,
            Stage::Surveying { .. } | Stage::Marking { .. } => 0,
            // What has hardly helped would not help if it were done again.
            Stage::Moving(plan) if (plan.pages.saturating_sub(self.used_pages())) < plan.gain / 4 => {
                self.room(used_bytes)
            }
            Stage::Moving(_) => 0,
        };
        self.stage = Stage::Ending { at_room };
    }

    fn begin_survey(&mut self, used_bytes: usize, at_room: usize, wanted: bool) -> Clearing {
        let room = self.room(used_bytes);
        // Of data that have gone nothing follows for those that came later.
        let at_room = at_room.min(room);
        self.stage = Stage::Resting { at_room };
        if !wanted || room <= at_room + used_bytes / WORTHWHILE_PART {
            return Clearing::Nothing;
        }
        self.stage = Stage::Surveying { next: 0, grades: Box::new([0; GRADES + 1]), claimed: 0 };
        Clearing::Later
    }

    fn survey(
        &mut self,
        spans: &[Span],
        used_bytes: usize,
        first: usize,
        mut grades: Box<[usize; GRADES + 1]>,
        mut claimed: usize,
    ) {
        let next = self.pages.len().min(first + LOOKED_AT);
        for page in (first..next).filter(|page| self.is_filled(*page)) {
            match grade(spans, page) {
                Some(grade) => grades[grade] += 1,
                None => claimed += 1,
            }
        }
        if next < self.pages.len() {
            self.stage = Stage::Surveying { next, grades, claimed };
            return;
        }
        let pages = grades.iter().sum::<usize>() + claimed;
        let staying = (used_bytes + used_bytes / SPARE_PART).div_ceil(PAGE_BYTES) + SPARE_PAGES;
        let gain = pages.saturating_sub(staying.max(claimed));
        if gain < WORTHWHILE_PAGES.max(pages / WORTHWHILE_PART) {
            self.stage = Stage::Resting { at_room: self.room(used_bytes) };
            return;
        }
        // The sparsest ones: all of the lower grades, and as many of the next one as are left.
        let (mut grade, mut of_grade) = (0, gain);
        while of_grade > grades[grade] {
            of_grade -= grades[grade];
            grade += 1;
        }
        self.stage = Stage::Marking { next: 0, grade, of_grade, plan: Plan { pages, gain } };
    }

    fn mark(&mut self, spans: &[Span], first: usize, limit: usize, mut of_limit: usize, plan: Plan) {
        let next = self.pages.len().min(first + LOOKED_AT);
        for page in first..next {
            let Some(grade) = grade(spans, page).filter(|_| self.is_filled(page)) else { continue };
            if grade < limit || (grade == limit && of_limit > 0) {
                of_limit -= usize::from(grade == limit);
                self.leave(spans, page as u32);
            }
        }
        self.stage = if next < self.pages.len() {
            Stage::Marking { next, grade: limit, of_grade: of_limit, plan }
        } else {
            Stage::Moving(plan)
        };
    }

    fn is_filled(&self, page: usize) -> bool {
        let page = &self.pages[page];
        page.touched && page.unused != ALL
    }

    /// Lets nobody take blocks from a page any more, none of whose spans is claimed.
    pub(super) fn leave(&mut self, spans: &[Span], page: u32) {
        self.leave_roomy(page);
        self.leaving.insert(page);
        for number in page * SPANS as u32..(page + 1) * SPANS as u32 {
            let span = &spans[number as usize];
            if span.state() == State::Listed {
                self.unlist(spans, number);
            }
            if span.state() == State::Full {
                span.set_state(State::Leaving);
            }
        }
    }

    /// Puts one of the pages that are being emptied to its usual use, if there is any.
    pub(super) fn keep_a_page(&mut self, spans: &[Span]) -> bool {
        let page = self.leaving.last().copied();
        page.inspect(|page| self.stay(spans, *page)).is_some()
    }

    /// Puts what is left of a page to its usual use.
    pub(super) fn stay(&mut self, spans: &[Span], page: u32) {
        if !self.leaving.remove(&page) {
            return;
        }
        self.enter_roomy(page);
        for number in page * SPANS as u32..(page + 1) * SPANS as u32 {
            if spans[number as usize].state() == State::Leaving {
                spans[number as usize].set_state(State::Full);
                self.look_at(spans, number);
            }
        }
    }
}

/// How full a page is; `None` where a thread has claimed a part of it.
fn grade(spans: &[Span], page: usize) -> Option<usize> {
    Some(used_in_page(&spans[page * SPANS..][..SPANS])? * GRADES / PAGE_BYTES)
}

/// Bytes of the blocks in a page; `None` where a thread has claimed a part of it.
pub(super) fn used_in_page(spans: &[Span]) -> Option<usize> {
    let mut bytes = 0;
    for span in spans {
        match span.state() {
            State::Unused => {}
            State::Claimed => return None,
            State::Listed | State::Full | State::Leaving => {
                bytes += (span.blocks() - span.free()).max(0) as usize * span.class().bytes();
            }
        }
    }
    Some(bytes)
}
