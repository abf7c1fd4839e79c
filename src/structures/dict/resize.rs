//! When a table grows or shrinks: by a bucket at a time, which is split from its buddy or merged into it.

use core::cell::Cell;
use std::alloc::{Layout, handle_alloc_error};

use super::bucket::{Bucket, SLOTS};
use super::prefetch::prefetch_line;
use super::table::buddy;
use super::{Dict, Element};

/// Whether the table may be resized now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResizePolicy {
    Allow,
    /// While a snapshot child lives, whose memory every split bucket would unshare: none is split or merged, unless
    /// lookups would suffer badly.
    Avoid,
}

thread_local! {
    static OF_THREAD: Cell<ResizePolicy> = const { Cell::new(ResizePolicy::Allow) };
}

/// Sets the policy of all tables that this thread changes, beside each table's own: the tables inside of values are too
/// many to be notified one by one. What was put off follows with the next changes to a table.
pub fn set_thread_resize_policy(policy: ResizePolicy) {
    OF_THREAD.set(policy);
}

/// Mean elements in a bucket, in quarters, beyond which a table grows. The buckets that are not split yet hold up to
/// twice as many as the others, and chain another one where these do not fit. More elements cost more lookups a
/// second line: 11 of 100 that find something at 20, 14 at 22, 18 at 24; fewer cost memory: 15.0, 14.3 and
/// 13.8 bytes an element.
const FULL_QUARTERS: usize = 22;

/// Mean elements in a bucket beyond which a table grows whatever the policy: chains of four buckets.
const DANGEROUS_MEAN: usize = 21;

/// A table shrinks when it holds less than its capacity divided by this. It then has room for as many again: elements
/// that come and go move nothing.
const SPARSE_DIVISOR: usize = 2;

/// Buckets that a change to the table splits or merges when more than one is due: what was put off is caught up with.
const STEPS_PER_CHANGE: usize = 2;

/// A table up to this size (4 KiB) catches up at once: a few microseconds at worst, and no small collection stays
/// halfway when nothing changes it any more.
const WHOLE_RESIZE_BUCKETS_MAX: usize = 64;

/// Of a table that is sized ahead, what gets its memory in the same moment: a table of members is whole then.
const HUGE_PAGES_TOUCHED_AT_ONCE: usize = 4;

/// Vacant buckets that one step may take away before it finds one to merge.
const VACANT_BUCKETS_PER_STEP_MAX: usize = 16;

/// Elements that this many buckets hold before they grow.
fn capacity_of(buckets: usize) -> usize {
    match buckets {
        0 => 0,
        1 => SLOTS,
        _ => buckets.saturating_mul(FULL_QUARTERS) / 4,
    }
}

/// The smallest table for this many elements; `None` when no address space holds it.
fn buckets_for(elements: usize) -> Option<usize> {
    if elements <= SLOTS {
        return Some(1);
    }
    Some(elements.checked_mul(4)?.div_ceil(FULL_QUARTERS))
}

impl<E: Element> Dict<E> {
    /// Elements that fit before the table grows.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.full_at
    }

    /// Makes an empty table large enough for so many elements at once, ahead of loading them. One that holds elements
    /// grows on the way, as every table does where memory is small.
    pub fn reserve(&mut self, elements: usize) {
        if !self.is_empty() || elements <= self.capacity() {
            return;
        }
        if let Some(buckets) = buckets_for(elements)
            && self.table.extend_to(buckets)
        {
            self.removed_since_growth = false;
            self.note_size();
            // Whoever loads does not mind that the first touch of a huge page takes long, and touches it many times.
            self.table.expect_filling();
            for _ in 0..HUGE_PAGES_TOUCHED_AT_ONCE {
                self.table.touch_next();
            }
        }
    }

    /// Gets memory for the next part of a large table that `reserve` has made, which takes a fraction of a millisecond
    /// as a rule. Returns whether there is more to get. Without it, insertions wait for it as they come upon it.
    pub fn touch_reserved(&mut self) -> bool {
        self.table.touch_next()
    }

    /// What `Avoid` puts off is done after `Allow`, by `resize_steps` and by changes to the table.
    pub fn set_resize_policy(&mut self, policy: ResizePolicy) {
        self.policy = policy;
    }

    pub fn resize_policy(&self) -> ResizePolicy {
        self.policy
    }

    /// Splits or merges up to so many buckets, for idle moments. Returns whether there is more to do.
    pub fn resize_steps(&mut self, buckets: usize) -> bool {
        for _ in 0..buckets {
            if !self.resize_once() {
                return false;
            }
        }
        self.may_split() || self.may_merge()
    }

    /// Before a change to the table: it catches up with what was put off.
    #[inline]
    pub(super) fn catch_up(&mut self) {
        if self.len > self.full_at {
            self.resize_some();
        }
    }

    /// Before an insertion: there is at least one bucket, and the table grows if it is full.
    #[inline]
    pub(super) fn make_room(&mut self) {
        if self.len >= self.full_at {
            self.grow();
        }
    }

    /// After a removal.
    #[inline]
    pub(super) fn shrink_if_sparse(&mut self) {
        if self.len < self.sparse_below() {
            self.resize_some();
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        if self.table.len() == 0 {
            if !self.table.extend_to(1) {
                handle_alloc_error(Layout::new::<Bucket<E>>());
            }
            self.note_size();
        }
        self.resize_some();
    }

    #[cold]
    #[inline(never)]
    fn resize_some(&mut self) {
        let mut steps = 0;
        while (steps < STEPS_PER_CHANGE || self.table.len() <= WHOLE_RESIZE_BUCKETS_MAX) && self.resize_once() {
            steps += 1;
        }
    }

    /// Returns whether there was something to do.
    fn resize_once(&mut self) -> bool {
        if self.may_split() {
            return self.split();
        }
        let merges = self.may_merge();
        if merges {
            self.merge();
        }
        merges
    }

    fn may_split(&self) -> bool {
        self.len >= self.full_at && self.table.len() > 0 && (self.policy_allows() || self.is_dangerously_full())
    }

    fn may_merge(&self) -> bool {
        self.removed_since_growth && self.len < self.sparse_below() && self.policy_allows()
    }

    #[inline]
    fn policy_allows(&self) -> bool {
        self.policy == ResizePolicy::Allow && OF_THREAD.get() == ResizePolicy::Allow
    }

    fn is_dangerously_full(&self) -> bool {
        self.len > self.table.len().saturating_mul(DANGEROUS_MEAN)
    }

    /// A table that has fewer elements shrinks. The last bucket stays.
    #[inline]
    fn sparse_below(&self) -> usize {
        if self.table.len() > 1 { self.full_at / SPARSE_DIVISOR } else { 0 }
    }

    fn note_size(&mut self) {
        self.full_at = capacity_of(self.table.len());
    }

    /// Adds a bucket, into which that half of its buddy's elements goes that have one more bit set in their hash. Without
    /// memory for it everything stays as it is, only fuller.
    fn split(&mut self) -> bool {
        let index = self.table.len();
        if !self.table.extend_to(index + 1) {
            return false;
        }
        self.note_size();
        self.removed_since_growth = false;
        let bit = 1u64 << index.ilog2();
        let (low, high) = self.table.buckets_mut().split_at_mut(index);
        let (low, high) = (&mut low[buddy(index)], &mut high[0]);
        let seed = &self.seed;
        let split = low.split(high, |element| E::hash_key(seed, &element.key()) & bit != 0);
        if split.is_marked
            && let Some(marks) = &mut self.marks
        {
            marks.note(index);
        }
        self.chained_buckets = self.chained_buckets + split.chained - split.unchained;
        self.prefetch_next_split();
        true
    }

    /// Moves the elements of the last bucket into its buddy, or takes a number of vacant ones away.
    fn merge(&mut self) {
        let mut len = self.table.len();
        let buckets = self.table.buckets_mut();
        for _ in 0..VACANT_BUCKETS_PER_STEP_MAX {
            if len <= 1 || self.len >= capacity_of(len) / SPARSE_DIVISOR {
                break;
            }
            let (low, high) = buckets.split_at_mut(len - 1);
            let (low, high) = (&mut low[buddy(len - 1)], &mut high[0]);
            len -= 1;
            if !high.is_vacant() {
                let (mut chained, mut marked) = (0, false);
                let unchained = high.drain(|label, element| {
                    marked |= label.is_marked;
                    chained += usize::from(low.insert(label, element).1);
                });
                if marked && let Some(marks) = &mut self.marks {
                    marks.note(buddy(len));
                }
                self.chained_buckets = self.chained_buckets + chained - unchained;
                break;
            }
        }
        self.table.truncate(len);
        self.note_size();
    }

    /// The next split comes a few insertions later: until then the elements that it hashes have arrived.
    #[inline]
    fn prefetch_next_split(&self) {
        let mut next = self.table.buckets().iter().skip(buddy(self.table.len()));
        if let Some(bucket) = next.next() {
            bucket.prefetch_elements();
        }
        if let Some(bucket) = next.next() {
            prefetch_line(core::ptr::from_ref(bucket));
        }
    }
}
