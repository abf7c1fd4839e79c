//! Ways through the whole table: in order, by cursor, at random.

use super::bucket::{Bucket, Elements};
use super::prefetch::prefetch_line;
use super::{Dict, Element};

/// How many buckets ahead of a walk its elements are asked for. Writing out 5 million elements of 128 bytes that lie all
/// over the heap took 490 ms with it and 950 ms without; 2 and 4 are little worse.
pub(super) const PREFETCH_DISTANCE: usize = 3;

/// An iteration asks for the line in which an element begins and for the one that lies so many bytes on: often it is the
/// same, but a short key and value may lie across two. Who reads more asks for the rest, as the walk of a snapshot does.
const ELEMENT_SPAN: usize = 40;

/// Buckets that `random` draws before it settles for a walk to the next element.
const RANDOM_DRAWS_MAX: usize = 100;

/// Buckets that `sample` visits at most for each element asked for.
const SAMPLE_BUCKETS_PER_ELEMENT: usize = 10;

/// A table's buckets that can hold elements: all those whose index modulo `period` is below `below`. During a growth
/// the others of the new table have not been reached, and may never have been touched in memory.
struct Region<'a, E: Element> {
    buckets: &'a [Bucket<E>],
    period: usize,
    below: usize,
}

impl<'a, E: Element> Region<'a, E> {
    fn whole(buckets: &'a [Bucket<E>]) -> Self {
        Self { buckets, period: buckets.len(), below: buckets.len() }
    }

    fn count(&self) -> usize {
        if self.below == 0 { 0 } else { self.buckets.len() / self.period * self.below }
    }

    /// The bucket with this number among those that count.
    fn nth(&self, number: usize) -> &'a Bucket<E> {
        let index =
            if self.below == self.period { number } else { number / self.below * self.period + number % self.below };
        &self.buckets[index]
    }

    /// The first index from `index` on that counts, or one past the end.
    #[inline]
    fn next_index(&self, index: usize) -> usize {
        if self.below < self.period && index & (self.period - 1) >= self.below {
            return if self.below == 0 { self.buckets.len() } else { (index | (self.period - 1)) + 1 };
        }
        index
    }
}

impl<E: Element> Dict<E> {
    /// What can hold elements of the old table, then of the only or new one.
    fn regions(&self) -> [Region<'_, E>; 2] {
        let moved = self.old.first_live();
        let mut new = Region::whole(self.table.buckets());
        if self.is_rehashing() {
            new.period = new.period.min(self.old.len());
            new.below = new.period.min(moved);
        }
        [Region::whole(&self.old.buckets()[moved..]), new]
    }

    /// Every element once, in no particular order.
    pub fn iter(&self) -> Iter<'_, E> {
        Iter { left_at_least: self.len, ..self.iter_segment(0, 1) }
    }

    /// The elements in one of `segments` equal parts of the table, so that several threads can share a walk: each
    /// element is in one of the segments 0 to `segments - 1`.
    pub fn iter_segment(&self, segment: usize, segments: usize) -> Iter<'_, E> {
        let regions = self.regions();
        let walks = regions.map(|region| {
            let part = region.buckets.len().div_ceil(segments);
            let start = part.saturating_mul(segment).min(region.buckets.len());
            RegionWalk { index: start, end: start.saturating_add(part).min(region.buckets.len()), region }
        });
        Iter { walks, current: 0, elements: None, left_at_least: 0 }
    }

    /// Visits a part of the table and returns the cursor for the next one; a scan starts with 0 and ends when 0 comes
    /// back. An element that is present from the start to the end is visited at least once, however the table
    /// is changed and resized between the calls; one may be visited more than once.
    ///
    /// The cursor counts through the bits of a bucket's index from the highest to the lowest. The buckets that
    /// a smaller or larger table has in place of those already visited then all lie behind it.
    pub fn scan<'a>(&'a self, cursor: u64, mut visit: impl FnMut(&'a E)) -> u64 {
        if self.table.is_none() {
            return 0;
        }
        if !self.is_rehashing() {
            let mask = self.table.len() as u64 - 1;
            let next = next_cursor(cursor, mask);
            self.prefetch(next);
            self.visit_chain(false, cursor & mask, &mut visit);
            self.table.buckets()[next as usize].prefetch_elements();
            return next;
        }
        let old_is_small = self.old.len() < self.table.len();
        let small_mask = self.old.len().min(self.table.len()) as u64 - 1;
        let large_mask = self.old.len().max(self.table.len()) as u64 - 1;
        self.visit_chain(old_is_small, cursor & small_mask, &mut visit);
        let mut cursor = cursor;
        loop {
            // All the buckets of the larger table whose index ends in that of the smaller one's bucket.
            self.visit_chain(!old_is_small, cursor & large_mask, &mut visit);
            cursor = next_cursor(cursor, large_mask);
            if cursor & (small_mask ^ large_mask) == 0 {
                return cursor;
            }
        }
    }

    fn visit_chain<'a>(&'a self, in_old: bool, index: u64, visit: &mut impl FnMut(&'a E)) {
        let index = index as usize;
        let buckets = if in_old { self.old.buckets() } else { self.table.buckets() };
        if in_old && index < self.old.first_live() {
            return;
        }
        let Some(bucket) = buckets.get(index) else { return };
        bucket.prefetch_elements();
        bucket.elements().for_each(visit);
    }

    /// A random element: each one is equally likely, save those in chains far longer than the others.
    pub fn random(&self, rng: &mut fastrand::Rng) -> Option<&E> {
        if self.is_empty() {
            return None;
        }
        let regions = self.regions();
        let buckets = regions[0].count() + regions[1].count();
        // A bucket is drawn, then one of `places` in it. Drawing again when that place is empty is what makes the
        // elements of full and of half-empty buckets equally likely; only few chains are longer than that.
        let places = self.len * 3 / (self.fullest_buckets() * 2) + 5;
        for _ in 0..RANDOM_DRAWS_MAX {
            let chain = nth_bucket(&regions, rng.usize(..buckets));
            let count = chain.count();
            let place = rng.usize(..places.max(count));
            if place < count {
                return chain.elements().nth(place);
            }
        }
        let start = rng.usize(..buckets);
        (start..buckets).chain(0..start).find_map(|number| nth_bucket(&regions, number).elements().next())
    }

    /// Passes up to `count` neighbouring elements from a random place to `out`: less even than `random`, and much
    /// cheaper. Returns how many there were; fewer than asked for when the table has only those, or is nearly vacant.
    pub fn sample<'a>(&'a self, count: usize, rng: &mut fastrand::Rng, mut out: impl FnMut(&'a E)) -> usize {
        if self.is_empty() || count == 0 {
            return 0;
        }
        let regions = self.regions();
        let buckets = regions[0].count() + regions[1].count();
        let start = rng.usize(..buckets);
        let visited_max = count.saturating_mul(SAMPLE_BUCKETS_PER_ELEMENT).min(buckets);
        let mut taken = 0;
        // The first chain is entered anywhere, or its later elements would never be the first ones.
        let first = nth_bucket(&regions, start);
        let in_first = first.count();
        let skipped = if in_first > 1 { rng.usize(..in_first) } else { 0 };
        for visited in 0..visited_max {
            let chain = nth_bucket(&regions, (start + visited) % buckets);
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

    /// What DEBUG HTSTATS shows, for one table or for the new and the old one.
    pub fn stats(&self) -> (TableStats, Option<TableStats>) {
        let [old, new] = self.regions();
        let old_stats = self.is_rehashing().then(|| TableStats::of(self.old.len(), &old));
        (TableStats::of(self.table.len(), &new), old_stats)
    }
}

fn nth_bucket<'a, E: Element>(regions: &[Region<'a, E>; 2], number: usize) -> &'a Bucket<E> {
    let in_first = regions[0].count();
    if number < in_first { regions[0].nth(number) } else { regions[1].nth(number - in_first) }
}

/// Adds one to the masked bits as read from the highest to the lowest.
fn next_cursor(cursor: u64, mask: u64) -> u64 {
    (cursor | !mask).reverse_bits().wrapping_add(1).reverse_bits()
}

/// The part of a region that an iteration has ahead of it.
struct RegionWalk<'a, E: Element> {
    region: Region<'a, E>,
    index: usize,
    end: usize,
}

impl<'a, E: Element> RegionWalk<'a, E> {
    /// The next bucket, having asked for the elements of one that comes a little later.
    #[inline]
    fn next(&mut self) -> Option<&'a Bucket<E>> {
        let index = self.region.next_index(self.index);
        let buckets = self.region.buckets;
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

/// See `Dict::iter` and `Dict::iter_segment`.
pub struct Iter<'a, E: Element> {
    walks: [RegionWalk<'a, E>; 2],
    current: usize,
    elements: Option<Elements<'a, E>>,
    left_at_least: usize,
}

impl<'a, E: Element> Iter<'a, E> {
    #[inline]
    fn next_bucket(&mut self) -> Option<&'a Bucket<E>> {
        while let Some(walk) = self.walks.get_mut(self.current) {
            if let Some(bucket) = walk.next() {
                return Some(bucket);
            }
            self.current += 1;
        }
        None
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

/// How one table is filled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableStats {
    pub buckets: usize,
    pub elements: usize,
    pub vacant_buckets: usize,
    /// Elements of the fullest chain.
    pub longest: usize,
    /// How many chains hold so many elements; the last number counts the longer ones too.
    pub chains_by_elements: [usize; 50],
}

impl TableStats {
    fn of<E: Element>(buckets: usize, region: &Region<'_, E>) -> Self {
        let mut stats = Self { buckets, elements: 0, vacant_buckets: buckets, longest: 0, chains_by_elements: [0; 50] };
        let chains = (0..region.count()).map(|number| region.nth(number).count());
        for count in chains.filter(|&count| count > 0) {
            stats.elements += count;
            stats.vacant_buckets -= 1;
            stats.longest = stats.longest.max(count);
            stats.chains_by_elements[count.min(49)] += 1;
        }
        stats.chains_by_elements[0] = stats.vacant_buckets;
        stats
    }
}
