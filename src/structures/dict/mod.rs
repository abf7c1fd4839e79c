//! The hash table behind the keyspace, and behind large sets, hashes and sorted sets.
//! Owns:  the bucket arrays; the elements are handles of the caller's.
//! Uses:  stdx, and the heap of blocks.
//! Never: a write through `&self`: a forked child walks the table without copying a page.
//!
//! A bucket is one cache line: seven slots and a byte of hash for each. A hit reads that line and the element, a miss
//! as a rule only the line. A full bucket chains another one in its last slot.
//!
//! The table grows by one bucket at a time, into which half of another one's elements go, and shrinks by one that is
//! merged into another (linear hashing). So it is never moved, takes as much for each element at every size, and the hash
//! and the number of buckets say in which one an element must be.

mod bucket;
mod distinct;
mod link;
mod mapping;
mod marks;
mod prefetch;
mod ready;
mod resize;
mod slot;
mod table;
#[cfg(test)]
mod tests;
mod walk;

pub use mapping::{MappedTable, huge_pages_for_tables, mapped_table_bytes, mapped_tables};
pub use resize::{ResizePolicy, set_thread_resize_policy};
pub use slot::{OccupiedSlot, Slot, VacantSlot};
pub use walk::{Iter, TableStats};

use std::ops::Deref;

use smallvec::SmallVec;

use bucket::{Bucket, Label, Position, Tag};
use marks::Marks;
pub use prefetch::prefetch_bytes;
pub(super) use prefetch::prefetch_line;
use table::Table;

use super::heap::Pool;

use crate::stdx::HashSeed;
use crate::stdx::text::are_equal;

/// How many buckets are chained on average where hashes deal so many elements to so many buckets.
fn chained_on_average(elements: usize, buckets: usize) -> f64 {
    /// Above it, the distribution is as good as its mean.
    const LOAD_MAX: f64 = 64.0;
    const PROBABILITY_MIN: f64 = 1e-12;
    let load = elements as f64 / buckets.max(1) as f64;
    if load > LOAD_MAX {
        return buckets as f64 * load / (bucket::SLOTS - 1) as f64;
    }
    // The number of elements of a bucket follows Poisson's distribution. The eighth, the fourteenth and so on chain one.
    let (mut probability, mut more, mut chained) = ((-load).exp(), 1.0, 0.0);
    for count in 1..usize::from(u8::MAX) {
        more -= probability;
        if more < PROBABILITY_MIN {
            break;
        }
        // `more` is the probability of `count` elements or more.
        if count > bucket::SLOTS && (count - bucket::SLOTS - 1).is_multiple_of(bucket::SLOTS - 1) {
            chained += more;
        }
        probability *= load / count as f64;
    }
    chained * buckets as f64
}

/// An owning handle of one element, of the size of a pointer. The element holds its own key, which may not change while
/// it is in a table.
pub trait Element: Sized {
    /// Where chained buckets and small arrays of them are; `None` for the global allocator.
    const BUCKETS: Option<Pool> = None;

    /// The bytes of a key: borrowed from the element, or spelled out from what it holds.
    type Key<'a>: Deref<Target = [u8]>
    where
        Self: 'a;

    fn key(&self) -> Self::Key<'_>;

    #[inline]
    fn has_key(&self, key: &[u8]) -> bool {
        are_equal(&self.key(), key)
    }

    /// Where the memory begins that a reader of the key comes to. The table asks for it ahead, and does nothing else with it.
    fn address(&self) -> *const u8;

    /// The hash of a key. Elements keep this one; tests replace it to make chains.
    #[inline]
    fn hash_key(seed: &HashSeed, key: &[u8]) -> u64 {
        seed.hash(key)
    }
}

/// The hashes of keys that are looked up ahead.
pub type Hashes = SmallVec<[u64; 16]>;

/// A hash table of elements with unique keys. Empty, it owns no memory.
pub struct Dict<E: Element> {
    seed: HashSeed,
    table: Table<E>,
    len: usize,
    /// With so many elements a table of this size grows.
    full_at: usize,
    /// Buckets outside of the array.
    chained_buckets: usize,
    /// Of the marked elements, if there are any.
    marks: Option<Box<Marks>>,
    policy: ResizePolicy,
    /// A table shrinks only after something was removed from it, so that one sized ahead of loading stays as it is.
    removed_since_growth: bool,
}

/// Where an element is; good until the table changes.
#[derive(Clone, Copy)]
struct Place {
    index: usize,
    position: Position,
}

impl<E: Element> Dict<E> {
    pub fn new(seed: HashSeed) -> Self {
        Self {
            seed,
            table: Table::NONE,
            len: 0,
            full_at: 0,
            chained_buckets: 0,
            marks: None,
            policy: ResizePolicy::Allow,
            removed_since_growth: false,
        }
    }

    /// The hash of a key in this table; what the `_hashed` methods expect.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        E::hash_key(&self.seed, key)
    }

    /// The hash of an element that this table has or may get.
    #[inline]
    pub fn hash_of(&self, element: &E) -> u64 {
        self.hash(&element.key())
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// In a child that reads the elements by another way: gives up its view of a large table. What its parent writes there is
    /// not copied for the child then, and splits no huge page.
    ///
    /// # Safety
    ///
    /// Until this process ends nothing but the number of elements and of marked ones is asked of the table, and it is not dropped.
    #[expect(unsafe_code, reason = "gives memory up that the table has")]
    pub unsafe fn give_up_table(&self) {
        // SAFETY: by this function's contract.
        unsafe { self.table.give_up() };
    }

    /// Bytes of the buckets; the elements are the caller's to count, and see [`Dict::marks_bytes`].
    pub fn table_bytes(&self) -> usize {
        self.table.bytes() + self.chained_buckets * size_of::<Bucket<E>>()
    }

    /// What [`Dict::table_bytes`] is on average for so many elements in so many buckets, which does not depend on the seed.
    pub fn typical_table_bytes(&self) -> usize {
        let (buckets, unsplit) = (self.table.len(), self.table.unsplit());
        // Of all elements, those of the buckets that are not split yet, each of which holds the elements of two.
        let in_unsplit = (self.len * 2 * unsplit) / (buckets + unsplit).max(1);
        let chained =
            chained_on_average(in_unsplit, unsplit) + chained_on_average(self.len - in_unsplit, buckets - unsplit);
        self.table.bytes() + (chained * size_of::<Bucket<E>>() as f64) as usize
    }

    #[inline]
    pub fn find(&self, key: &[u8]) -> Option<&E> {
        if self.is_empty() {
            return None;
        }
        self.find_hashed(self.hash(key), key)
    }

    #[inline]
    pub fn find_hashed(&self, hash: u64, key: &[u8]) -> Option<&E> {
        self.chain(hash)?.find(Tag::of(hash), key)
    }

    /// The element may be replaced by another one of the same key.
    #[inline]
    pub fn find_mut(&mut self, key: &[u8]) -> Option<&mut E> {
        if self.is_empty() {
            return None;
        }
        self.find_mut_hashed(self.hash(key), key)
    }

    /// The element may be replaced by another one of the same key.
    #[inline]
    pub fn find_mut_hashed(&mut self, hash: u64, key: &[u8]) -> Option<&mut E> {
        let place = self.locate(hash, key)?;
        Some(self.at_mut(place))
    }

    /// Asks for the bucket of this hash, for a lookup that comes a little later.
    #[inline]
    pub fn prefetch(&self, hash: u64) {
        if let Some(bucket) = self.chain(hash) {
            prefetch_line(core::ptr::from_ref(bucket));
        }
    }

    /// Asks for the element of this hash if the table may hold it; a step after `prefetch`, when the bucket has arrived.
    #[inline]
    pub fn prefetch_element(&self, hash: u64) {
        if let Some(bucket) = self.chain(hash) {
            bucket.prefetch_tagged(Tag::of(hash));
        }
    }

    /// Asks for the memory in which these keys are or would be, for lookups that come a little later. Returns the hashes.
    pub fn prefetch_keys<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> Hashes {
        let hashes: Hashes = keys.map(|key| self.hash(key)).collect();
        for &hash in &hashes {
            self.prefetch(hash);
        }
        for &hash in &hashes {
            self.prefetch_element(hash);
        }
        hashes
    }

    /// Looks a key up to change, insert or remove its element.
    #[inline]
    pub fn entry_hashed(&mut self, hash: u64, key: &[u8]) -> Slot<'_, E> {
        self.catch_up();
        match self.locate(hash, key) {
            Some(place) => Slot::Occupied(OccupiedSlot::new(self, place)),
            None => Slot::Vacant(VacantSlot::new(self, hash)),
        }
    }

    /// Looks up an element to change, mark or remove it.
    #[inline]
    pub fn occupied_hashed(&mut self, hash: u64, key: &[u8]) -> Option<OccupiedSlot<'_, E>> {
        let place = self.locate(hash, key)?;
        Some(OccupiedSlot::new(self, place))
    }

    /// Inserts an element whose key the caller knows to be absent.
    #[inline]
    pub fn insert_new_hashed(&mut self, hash: u64, element: E) -> &mut E {
        self.insert_absent(hash, element, false)
    }

    /// Inserts an element, and marks it where asked to, unless its key is there already; then it is given back.
    ///
    /// Its memory is looked at only if the chain holds an element of the same tag: a load inserts what another
    /// processor has just built.
    #[inline]
    pub fn insert_if_absent_hashed(&mut self, hash: u64, element: E, is_marked: bool) -> Result<&mut E, E> {
        let tag = Tag::of(hash);
        let present =
            self.chain(hash).is_some_and(|chain| chain.may_hold(tag) && chain.find(tag, &element.key()).is_some());
        if present { Err(element) } else { Ok(self.insert_absent(hash, element, is_marked)) }
    }

    /// The secret of this table's hashes.
    pub fn seed(&self) -> HashSeed {
        self.seed
    }

    pub fn remove(&mut self, key: &[u8]) -> Option<E> {
        if self.is_empty() {
            return None;
        }
        self.remove_hashed(self.hash(key), key)
    }

    pub fn remove_hashed(&mut self, hash: u64, key: &[u8]) -> Option<E> {
        self.catch_up();
        let place = self.locate(hash, key)?;
        Some(self.remove_at(place))
    }

    /// Drops every element and gives the memory back.
    pub fn clear(&mut self) {
        drop(self.take());
    }

    /// Leaves an empty table and returns the full one, which may be dropped on another thread.
    pub fn take(&mut self) -> Self {
        let empty = Self { policy: self.policy, ..Self::new(self.seed) };
        core::mem::replace(self, empty)
    }

    /// The chain that holds this hash if any does.
    #[inline]
    fn chain(&self, hash: u64) -> Option<&Bucket<E>> {
        self.table.chain(hash)
    }

    #[inline]
    fn locate(&self, hash: u64, key: &[u8]) -> Option<Place> {
        let index = self.table.index(hash);
        let position = self.table.buckets().get(index)?.locate(Tag::of(hash), key)?;
        Some(Place { index, position })
    }

    #[inline]
    fn at(&self, place: Place) -> &E {
        self.table.buckets()[place.index].at(place.position)
    }

    #[inline]
    fn at_mut(&mut self, place: Place) -> &mut E {
        self.table.buckets_mut()[place.index].at_mut(place.position)
    }

    #[inline]
    fn insert_absent(&mut self, hash: u64, element: E, is_marked: bool) -> &mut E {
        self.make_room();
        self.len += 1;
        let index = self.table.index(hash);
        if is_marked {
            self.count_marked(index);
        }
        let label = Label { tag: Tag::of(hash), is_marked };
        let (inserted, chained) = self.table.buckets_mut()[index].insert(label, element);
        self.chained_buckets += usize::from(chained);
        inserted
    }

    fn set_mark_at(&mut self, place: Place, is_marked: bool) {
        if self.table.buckets_mut()[place.index].set_mark(place.position, is_marked) {
            if is_marked {
                self.count_marked(place.index);
            } else {
                self.count_unmarked();
            }
        }
    }

    fn remove_at(&mut self, place: Place) -> E {
        let (removed, was_marked, unchained) = self.table.buckets_mut()[place.index].remove(place.position);
        if was_marked {
            self.count_unmarked();
        }
        self.len -= 1;
        self.chained_buckets -= usize::from(unchained);
        self.removed_since_growth = true;
        self.shrink_if_sparse();
        removed
    }
}
