//! When a table grows or shrinks, and how elements move from the old one to the new one.

use core::cell::Cell;
use core::mem::replace;
use std::alloc::{Layout, handle_alloc_error};

use super::bucket::{Bucket, SLOTS, Tag};
use super::prefetch::prefetch_line;
use super::table::Table;
use super::{Dict, Element};

/// Whether the table may be resized now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResizePolicy {
    Allow,
    /// While a snapshot child lives, whose memory every moved bucket would unshare: no new table and no rehash step,
    /// unless lookups would suffer badly.
    Avoid,
}

thread_local! {
    static OF_THREAD: Cell<ResizePolicy> = const { Cell::new(ResizePolicy::Allow) };
}

/// Sets the policy of all tables that this thread changes, beside each table's own: the tables inside of values are too
/// many to be notified one by one. What was put off follows with the next change to a table.
pub fn set_thread_resize_policy(policy: ResizePolicy) {
    OF_THREAD.set(policy);
}

/// Mean elements in a bucket, in quarters, beyond which a table grows: three of four slots.
const FULL_QUARTERS: usize = 21;

/// Mean elements in a bucket beyond which a table is resized whatever the policy, and grows whatever the growth limit:
/// chains of four buckets.
const DANGEROUS_MEAN: usize = 21;

/// A table shrinks when it holds less than its capacity divided by this...
const SPARSE_DIVISOR: usize = 8;

/// ...and at most by this factor at a time, because a SCAN call visits all the buckets that become one.
const SHRINK_FACTOR_MAX: usize = 16;

/// Tables up to this size (4 KiB) move to their new one at once: a few microseconds at worst, and no small
/// collection stays halfway when nothing changes it any more.
const WHOLE_REHASH_BUCKETS_MAX: usize = 64;

/// Of a table that is sized ahead, what gets its memory in the same moment: a table of members is whole then.
const HUGE_PAGES_TOUCHED_AT_ONCE: usize = 4;

/// Vacant buckets that one step may pass before it finds one to move.
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
    elements.checked_mul(4)?.div_ceil(FULL_QUARTERS).checked_next_power_of_two()
}

impl<E: Element> Dict<E> {
    /// Elements that fit before the table grows.
    pub fn capacity(&self) -> usize {
        capacity_of(self.table.len())
    }

    /// Makes room for so many more elements at once, ahead of loading them. Small memory or `ResizePolicy::Avoid` may
    /// refuse it; the table then grows on the way.
    ///
    /// A rehash under way is finished first if its new table would be too small.
    pub fn reserve(&mut self, additional: usize) {
        let wanted = self.len.saturating_add(additional);
        if additional == 0 || wanted <= self.capacity() || (!self.policy_allows() && !self.is_empty()) {
            return;
        }
        while self.is_rehashing() {
            self.move_bucket();
        }
        if let Some(buckets) = buckets_for(wanted) {
            let was_empty = self.is_empty();
            self.resize_to(buckets);
            // Whoever loads does not mind that the first touch of a huge page takes long, and touches it many times.
            if was_empty {
                self.table.expect_filling();
                for _ in 0..HUGE_PAGES_TOUCHED_AT_ONCE {
                    self.table.touch_next();
                }
            }
        }
    }

    /// Gets memory for the next part of a large table that `reserve` has made, which takes a fraction of a millisecond
    /// as a rule. Returns whether there is more to get. Without it, insertions wait for it as they come upon it.
    pub fn touch_reserved(&mut self) -> bool {
        self.table.touch_next()
    }

    /// `Allow` after `Avoid` starts what was put off.
    pub fn set_resize_policy(&mut self, policy: ResizePolicy) {
        self.policy = policy;
        self.grow_if_full();
        self.shrink_if_sparse();
    }

    /// How large a table may be that insertions grow into; growth beyond it is put off until lookups would suffer badly.
    #[inline]
    pub fn set_growth_limit(&mut self, bytes_max: u64) {
        self.growth_kib_max = u32::try_from(bytes_max / 1024).unwrap_or(u32::MAX);
    }

    pub fn resize_policy(&self) -> ResizePolicy {
        self.policy
    }

    #[inline]
    pub fn is_rehashing(&self) -> bool {
        !self.old.is_none()
    }

    /// Moves up to so many buckets to the new table, for idle moments. Says whether there is more to do.
    pub fn rehash_steps(&mut self, buckets: usize) -> bool {
        for _ in 0..buckets {
            if !self.may_move() {
                break;
            }
            self.move_bucket();
        }
        self.may_move()
    }

    /// The share of a rehash that each change to the table pays.
    #[inline]
    pub(super) fn rehash_one(&mut self) {
        if self.is_rehashing() && self.may_move() {
            self.move_bucket();
        }
    }

    /// Before an insertion: there is at least one bucket, and the table grows if it is full.
    #[inline]
    pub(super) fn make_room(&mut self) {
        if self.len >= self.capacity() {
            self.grow();
        }
    }

    #[cold]
    fn grow(&mut self) {
        if self.table.is_none() {
            self.table = Table::with_buckets(1).unwrap_or_else(|| handle_alloc_error(Layout::new::<Bucket<E>>()));
        }
        self.grow_if_full();
    }

    fn grow_if_full(&mut self) {
        let full = self.len >= self.capacity() && !self.table.is_none();
        if full
            && !self.is_rehashing()
            && self.may_resize()
            && let Some(buckets) = buckets_for(self.len + 1)
            && self.may_grow_to(buckets)
        {
            self.resize_to(buckets);
        }
    }

    fn may_grow_to(&self, buckets: usize) -> bool {
        let kib = buckets.saturating_mul(size_of::<Bucket<E>>()).div_ceil(1024);
        self.growth_kib_max == u32::MAX || kib <= self.growth_kib_max as usize || self.is_dangerously_full()
    }

    pub(super) fn shrink_if_sparse(&mut self) {
        let sparse = self.len < self.capacity() / SPARSE_DIVISOR && self.removed_since_growth;
        if sparse
            && !self.is_rehashing()
            && self.policy_allows()
            && let Some(buckets) = buckets_for(self.len * 2)
        {
            self.resize_to(buckets.max(self.table.len() / SHRINK_FACTOR_MAX));
        }
    }

    fn may_resize(&self) -> bool {
        self.policy_allows() || self.is_dangerously_full()
    }

    #[inline]
    fn policy_allows(&self) -> bool {
        self.policy == ResizePolicy::Allow && OF_THREAD.get() == ResizePolicy::Allow
    }

    fn may_move(&self) -> bool {
        self.is_rehashing() && self.may_resize()
    }

    fn is_dangerously_full(&self) -> bool {
        self.len > self.fullest_buckets().saturating_mul(DANGEROUS_MEAN)
    }

    /// The size of the table that has the fuller buckets: of the smaller one while there are two.
    pub(super) fn fullest_buckets(&self) -> usize {
        if self.is_rehashing() { self.table.len().min(self.old.len()) } else { self.table.len() }
    }

    /// Starts to move to a table of this size. Without memory for it everything stays as it is, only fuller.
    fn resize_to(&mut self, buckets: usize) {
        debug_assert!(!self.is_rehashing(), "there are only two tables");
        if buckets == self.table.len() {
            return;
        }
        let Some(table) = Table::with_buckets(buckets) else { return };
        self.old = replace(&mut self.table, table);
        self.removed_since_growth &= buckets < self.old.len();
        if self.old.is_none() {
            self.table.settle();
        }
        if self.old.len() <= WHOLE_REHASH_BUCKETS_MAX {
            while self.is_rehashing() {
                self.move_bucket();
            }
        }
    }

    /// Moves the next bucket that has elements, or passes a number of vacant ones.
    fn move_bucket(&mut self) {
        for _ in 0..VACANT_BUCKETS_PER_STEP_MAX {
            let first_live = self.old.first_live();
            let Some(bucket) = self.old.buckets_mut().get_mut(first_live) else { break };
            let was_vacant = bucket.is_vacant();
            if !was_vacant {
                let (seed, table, chained) = (&self.seed, &mut self.table, &mut self.chained_buckets);
                *chained -= bucket.drain(|element| {
                    let hash = E::hash_key(seed, element.key());
                    let home = table.chain_mut(hash).expect("the new table has buckets");
                    *chained += usize::from(home.insert(Tag::of(hash), element).1);
                });
            }
            self.old.retire_first();
            if !was_vacant {
                break;
            }
        }
        self.prefetch_next_move();
        if self.old.first_live() == self.old.len() {
            self.old = Table::NONE;
            self.table.settle();
            self.grow_if_full();
            self.shrink_if_sparse();
        }
    }

    /// The next step comes with the next change to the table: until then the elements that it hashes have arrived.
    #[inline]
    fn prefetch_next_move(&self) {
        let mut next = self.old.buckets().iter().skip(self.old.first_live());
        if let Some(bucket) = next.next() {
            bucket.prefetch_elements();
        }
        if let Some(bucket) = next.next() {
            prefetch_line(core::ptr::from_ref(bucket));
        }
    }
}
