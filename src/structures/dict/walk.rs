//! Ways through the whole table: in order, by cursor, at random.

use super::bucket::{Bucket, Elements};
use super::prefetch::prefetch_line;
use super::{Dict, Element, Place};
use crate::structures::evacuate::{Cursor, Evacuate, Part, START};

/// How many buckets ahead of a walk its elements are asked for. Writing out 5 million elements of 128 bytes that lie all
/// over the heap took 490 ms with 3 and 950 ms without. The short members of a set are written in 10 ns each, which asks for
/// them earlier.
pub(super) const PREFETCH_DISTANCE: usize = 6;

/// An iteration asks for the line in which an element begins and for the one that lies so many bytes on: often it is the
/// same, but a short key and value may lie across two. Who reads more asks for the rest, as the walk of a snapshot does.
const ELEMENT_SPAN: usize = 40;

/// Buckets that `random` draws before it settles for a walk to the next element.
const RANDOM_DRAWS_MAX: usize = 100;

/// Buckets that `sample` visits at most for each element asked for.
const SAMPLE_BUCKETS_PER_ELEMENT: usize = 10;

impl<E: Element> Dict<E> {
    /// Every element once, in no particular order.
    pub fn iter(&self) -> Iter<'_, E> {
        Iter { left_at_least: self.len, ..self.iter_segment(0, 1) }
    }

    /// The elements in one of `segments` equal parts of the table, so that several threads can share a walk: each
    /// element is in one of the segments 0 to `segments - 1`.
    pub fn iter_segment(&self, segment: usize, segments: usize) -> Iter<'_, E> {
        let buckets = self.table.buckets();
        let part = buckets.len().div_ceil(segments);
        let start = part.saturating_mul(segment).min(buckets.len());
        let end = start.saturating_add(part).min(buckets.len());
        Iter { buckets, index: start, end, elements: None, left_at_least: 0 }
    }

    /// Visits a part of the table and returns the cursor for the next one; a scan starts with 0 and ends when 0 comes
    /// back. An element that is present from the start to the end is visited at least once, however the table
    /// is changed and resized between the calls; one may be visited more than once.
    ///
    /// The cursor counts through the bits of a bucket's index from the highest to the lowest. Read that way, it is a
    /// place among all hashes, whose bits are read alike; every bucket has those from one place up to another, whatever
    /// the number of buckets is. A call visits the bucket in which the cursor lies, to its end, where the next one begins.
    pub fn scan<'a>(&'a self, cursor: u64, mut visit: impl FnMut(&'a E)) -> u64 {
        let index = self.table.index(cursor);
        let Some(bucket) = self.table.buckets().get(index) else { return 0 };
        let next = next_cursor(cursor, self.table.mask_of(index) as u64);
        self.prefetch(next);
        bucket.prefetch_elements();
        bucket.elements().for_each(&mut visit);
        if let Some(bucket) = self.chain(next) {
            bucket.prefetch_elements();
        }
        next
    }

    /// A random element: each one is equally likely, save those in chains far longer than the others.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<&E> {
        self.random_place(rng).map(|place| self.at(place))
    }

    /// Takes a random element out: see [`Dict::random`].
    pub fn take_random(&mut self, rng: &mut fastrand::Rng) -> Option<E> {
        self.catch_up();
        let place = self.random_place(rng)?;
        Some(self.remove_at(place))
    }

    fn random_place(&self, rng: &mut fastrand::Rng) -> Option<Place> {
        if self.is_empty() {
            return None;
        }
        let buckets = self.table.buckets();
        // A bucket is drawn, then one of `places` in it. Drawing again when that place is empty is what makes the elements
        // of full and of half-empty buckets equally likely.
        let places = self.places();
        for _ in 0..RANDOM_DRAWS_MAX {
            let index = rng.usize(..buckets.len());
            let count = buckets[index].count();
            let place = rng.usize(..places.max(count));
            if place < count {
                return Some(Place { index, position: buckets[index].position(place)? });
            }
        }
        let start = rng.usize(..buckets.len());
        let mut indices = (start..buckets.len()).chain(0..start);
        indices.find_map(|index| Some(Place { index, position: buckets[index].position(0)? }))
    }

    /// More places than all but few chains have elements. A bucket that is not split yet holds those of two.
    pub(super) fn places(&self) -> usize {
        let mean = self.len as f64 * 2.0 / (self.table.len() + self.table.unsplit()) as f64;
        (mean * 1.5) as usize + 5
    }

    /// Passes up to `count` neighbouring elements from a random place to `out`: less even than `random`, and much
    /// cheaper. Returns how many there were; fewer than asked for when the table has only those, or is nearly vacant.
    pub fn sample<'a>(&'a self, count: usize, rng: &mut fastrand::Rng, mut out: impl FnMut(&'a E)) -> usize {
        if self.is_empty() || count == 0 {
            return 0;
        }
        let buckets = self.table.buckets();
        let start = rng.usize(..buckets.len());
        let visited_max = count.saturating_mul(SAMPLE_BUCKETS_PER_ELEMENT).min(buckets.len());
        let mut taken = 0;
        // The first chain is entered anywhere, or its later elements would never be the first ones.
        let first = &buckets[start];
        let in_first = first.count();
        let skipped = if in_first > 1 { rng.usize(..in_first) } else { 0 };
        for visited in 0..visited_max {
            let chain = &buckets[(start + visited) % buckets.len()];
            chain.prefetch_elements();
            for element in chain.elements().skip(if visited == 0 { skipped } else { 0 }) {
                out(element);
                taken += 1;
                if taken == count {
                    return taken;
                }
            }
        }
        taken + first.elements().take(skipped.min(count - taken)).map(out).count()
    }

    /// What DEBUG HTSTATS shows.
    pub fn stats(&self) -> TableStats {
        TableStats::of(self.table.buckets().iter().map(Bucket::count))
    }
}

impl<E: Element> Dict<E> {
    /// Moves buckets, and not the elements; see [`Evacuate::evacuate`]. The cursor is that of [`Dict::scan`].
    pub fn evacuate_buckets(&mut self, cursor: Cursor, part: &mut Part) -> Cursor {
        self.evacuate_with(cursor, part, |_, _| {})
    }

    fn evacuate_with(&mut self, cursor: Cursor, part: &mut Part, mut each: impl FnMut(&mut E, &mut Part)) -> Cursor {
        if cursor == START {
            self.table.evacuate_block(part);
        }
        let mut cursor = cursor as u64;
        loop {
            let index = self.table.index(cursor);
            let Some(bucket) = self.table.buckets_mut().get_mut(index) else { return START };
            part.look();
            bucket.evacuate(part, &mut each);
            cursor = next_cursor(cursor, self.table.mask_of(index) as u64);
            if cursor == 0 || part.is_done() {
                return cursor.into();
            }
            if let Some(bucket) = self.chain(cursor) {
                bucket.prefetch_elements();
            }
        }
    }
}

/// The cursor is that of [`Dict::scan`].
impl<E: Element + Evacuate> Evacuate for Dict<E> {
    fn evacuate(&mut self, cursor: Cursor, part: &mut Part) -> Cursor {
        self.evacuate_with(cursor, part, |element, part| _ = element.evacuate(START, part))
    }
}

/// Adds one to the masked bits as read from the highest to the lowest.
fn next_cursor(cursor: u64, mask: u64) -> u64 {
    (cursor | !mask).reverse_bits().wrapping_add(1).reverse_bits()
}

/// See `Dict::iter` and `Dict::iter_segment`.
pub struct Iter<'a, E: Element> {
    buckets: &'a [Bucket<E>],
    index: usize,
    end: usize,
    elements: Option<Elements<'a, E>>,
    left_at_least: usize,
}

impl<'a, E: Element> Iter<'a, E> {
    /// The next bucket, having asked for the elements of one that comes a little later.
    #[inline]
    fn next_bucket(&mut self) -> Option<&'a Bucket<E>> {
        let (buckets, index) = (self.buckets, self.index);
        if index >= self.end {
            return None;
        }
        self.index = index + 1;
        if let Some(ahead) = buckets.get(index + 2 * PREFETCH_DISTANCE) {
            prefetch_line(core::ptr::from_ref(ahead));
        }
        if let Some(ahead) = buckets.get(index + PREFETCH_DISTANCE) {
            ahead.prefetch_spans::<ELEMENT_SPAN>();
        }
        buckets.get(index)
    }
}

impl<'a, E: Element> Iterator for Iter<'a, E> {
    type Item = &'a E;

    #[inline]
    fn next(&mut self) -> Option<&'a E> {
        loop {
            if let Some(element) = self.elements.as_mut().and_then(Iterator::next) {
                self.left_at_least = self.left_at_least.saturating_sub(1);
                return Some(element);
            }
            self.elements = Some(self.next_bucket()?.elements());
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left_at_least, None)
    }
}

impl<'a, E: Element> IntoIterator for &'a Dict<E> {
    type Item = &'a E;
    type IntoIter = Iter<'a, E>;

    fn into_iter(self) -> Iter<'a, E> {
        self.iter()
    }
}

/// Chains of so many elements and more are counted together.
const CHAINS_COUNTED: usize = 50;

/// How a table is filled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableStats {
    pub buckets: usize,
    pub elements: usize,
    pub vacant_buckets: usize,
    /// Elements of the fullest chain.
    pub longest: usize,
    /// How many chains hold so many elements; the last number counts the longer ones too.
    pub chains_by_elements: [usize; CHAINS_COUNTED],
}

impl TableStats {
    /// Of a table of which each bucket holds so many elements.
    pub(super) fn of(counts: impl Iterator<Item = usize>) -> Self {
        let (mut buckets, mut elements, mut longest, mut chains_by_elements) = (0, 0, 0, [0; CHAINS_COUNTED]);
        for count in counts {
            buckets += 1;
            elements += count;
            longest = longest.max(count);
            chains_by_elements[count.min(CHAINS_COUNTED - 1)] += 1;
        }
        Self { buckets, elements, vacant_buckets: chains_by_elements[0], longest, chains_by_elements }
    }
}
