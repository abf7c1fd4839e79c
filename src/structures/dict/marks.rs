//! Marks: one bit for each element, which the caller sets and by which some elements are found among many.
//!
//! The bit is in the element's bucket. Beside it the table keeps for each page of buckets whether a marked element may
//! be there, so that a walk passes pages without one.

use core::ops::Range;

use super::bucket::Bucket;
use super::walk::TableStats;
use super::{Dict, Element};

/// Buckets of one page: 4 KiB.
const PAGE_BUCKETS: usize = 64;

/// Places that `random_marked` draws before it settles for the next marked element.
const RANDOM_DRAWS_MAX: usize = 100;

const WORD_BITS: usize = u64::BITS as usize;

#[derive(Default)]
pub(super) struct Marks {
    pub(super) len: usize,
    /// A bit for each page; where it is not set, or missing, no element is marked.
    pages: Vec<u64>,
}

impl Marks {
    /// Notes that an element in the bucket with this index is marked.
    #[inline]
    pub(super) fn note(&mut self, bucket: usize) {
        let page = bucket / PAGE_BUCKETS;
        if page / WORD_BITS >= self.pages.len() {
            self.pages.resize(page / WORD_BITS + 1, 0);
        }
        self.pages[page / WORD_BITS] |= 1 << (page % WORD_BITS);
    }

    fn forget(&mut self, page: usize) {
        if let Some(word) = self.pages.get_mut(page / WORD_BITS) {
            *word &= !(1 << (page % WORD_BITS));
        }
    }

    /// The first page from this one on that may hold a marked element.
    fn next_page(&self, page: usize) -> Option<usize> {
        let mut at = page / WORD_BITS;
        let mut word = self.pages.get(at)? >> (page % WORD_BITS) << (page % WORD_BITS);
        while word == 0 {
            at += 1;
            word = *self.pages.get(at)?;
        }
        Some(at * WORD_BITS + word.trailing_zeros() as usize)
    }
}

impl<E: Element> Dict<E> {
    /// How many elements are marked.
    #[inline]
    pub fn marked_len(&self) -> usize {
        self.marks.as_ref().map_or(0, |marks| marks.len)
    }

    /// Bytes that the marks take.
    pub fn marks_bytes(&self) -> usize {
        self.marks.as_ref().map_or(0, |marks| size_of::<Marks>() + marks.pages.capacity() * size_of::<u64>())
    }

    #[inline]
    pub(super) fn count_marked(&mut self, bucket: usize) {
        let marks = self.marks.get_or_insert_default();
        marks.len += 1;
        marks.note(bucket);
    }

    #[inline]
    pub(super) fn count_unmarked(&mut self) {
        let marks = self.marks.as_mut().expect("an element was marked");
        marks.len -= 1;
        if marks.len == 0 {
            self.marks = None;
        }
    }

    /// All marked elements.
    pub fn iter_marked(&self) -> impl Iterator<Item = &E> {
        self.marked_pages(0).flat_map(|buckets| &self.table.buckets()[buckets]).flat_map(Bucket::marked)
    }

    /// Passes marked elements to `visit`, from the bucket `start` on, until there were `enough` or the table ends. Returns
    /// where to go on, which is 0 at the end.
    ///
    /// An element is not missed for good: where the table has grown or shrunk meanwhile, a later pass finds it.
    pub fn visit_marked<'a>(&'a mut self, start: usize, enough: usize, mut visit: impl FnMut(&'a E)) -> usize {
        let Self { table, marks, .. } = self;
        let Some(marks) = marks else { return 0 };
        let buckets = table.buckets();
        let (mut visited, mut bucket) = (0, start);
        while let Some(page) = marks.next_page(bucket / PAGE_BUCKETS) {
            let whole = page_of_buckets(page, buckets.len());
            let rest = whole.start.max(bucket)..whole.end;
            let before = visited;
            for index in rest.clone() {
                for element in buckets[index].marked() {
                    visit(element);
                    visited += 1;
                }
                if visited >= enough {
                    return if index + 1 < buckets.len() { index + 1 } else { 0 };
                }
            }
            if visited == before && rest == whole {
                marks.forget(page);
            }
            bucket = (page + 1) * PAGE_BUCKETS;
        }
        0
    }

    /// A random marked element: as even as [`Dict::random`] where many are marked, and less so where few are.
    pub fn random_marked(&self, rng: &mut fastrand::Rng) -> Option<&E> {
        if self.marked_len() == 0 {
            return None;
        }
        let buckets = self.table.buckets();
        let places = self.places();
        for _ in 0..RANDOM_DRAWS_MAX {
            let chain = &buckets[rng.usize(..buckets.len())];
            let count = chain.marked().count();
            let place = rng.usize(..places.max(count));
            if place < count {
                return chain.marked().nth(place);
            }
        }
        let start = rng.usize(..buckets.len());
        self.marked_around(start).next()
    }

    /// Passes up to `count` marked elements to `out`, neighbours from a random place on. Returns how many there were.
    pub fn sample_marked<'a>(&'a self, count: usize, rng: &mut fastrand::Rng, out: impl FnMut(&'a E)) -> usize {
        if self.marked_len() == 0 {
            return 0;
        }
        let start = rng.usize(..self.table.len());
        let count = count.min(self.marked_len());
        self.marked_around(start).take(count).map(out).count()
    }

    /// As [`Dict::stats`], of the marked elements alone.
    pub fn marked_stats(&self) -> TableStats {
        TableStats::of(self.table.buckets().iter().map(|bucket| bucket.marked().count()))
    }

    /// All marked elements, those in the bucket `start` and behind it first.
    fn marked_around(&self, start: usize) -> impl Iterator<Item = &E> {
        let buckets = self.table.buckets();
        let behind = self.marked_pages(start).flat_map(move |page| &buckets[page.start.max(start)..page.end]);
        let before = self.marked_pages(0).take_while(move |page| page.start < start);
        let before = before.flat_map(move |page| &buckets[page.start..page.end.min(start)]);
        behind.chain(before).flat_map(Bucket::marked)
    }

    /// The buckets of the pages that may hold marked elements, from that of the bucket `start` on.
    fn marked_pages(&self, start: usize) -> impl Iterator<Item = Range<usize>> {
        let buckets = self.table.len();
        let next = move |page| self.marks.as_ref()?.next_page(page);
        core::iter::successors(next(start / PAGE_BUCKETS), move |page| next(page + 1))
            .map(move |page| page_of_buckets(page, buckets))
            .take_while(|page| !page.is_empty())
    }
}

/// The buckets of a page; none beyond the end of the table, which may have shrunk.
fn page_of_buckets(page: usize, buckets: usize) -> Range<usize> {
    let start = (page * PAGE_BUCKETS).min(buckets);
    start..(start + PAGE_BUCKETS).min(buckets)
}
