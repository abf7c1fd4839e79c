//! The hash table behind the keyspace, and behind large sets, hashes and sorted sets.
//! Owns:  the bucket arrays; the elements are handles of the caller's.
//! Uses:  stdx.
//! Never: a write through `&self`: a forked child walks the table without copying a page.
//!
//! A bucket is one cache line: seven slots and a byte of hash for each. A hit reads that line and the element, a miss
//! as a rule only the line. A full bucket chains another one in its last slot.
//!
//! Growing and shrinking make a second table and move a bucket per change to the first. While they do, the buckets of
//! the old table below its `first_live` are empty and the others still take new elements, so the hash alone says in
//! which bucket of which table an element must be: no lookup ever probes both.

mod bucket;
mod distinct;
mod prefetch;
mod resize;
mod slot;
mod table;
#[cfg(test)]
mod tests;
mod walk;

pub use resize::{ResizePolicy, set_thread_resize_policy};
pub use slot::{OccupiedSlot, Slot, VacantSlot};
pub use table::{MappedTable, huge_pages_for_tables, mapped_table_bytes, mapped_tables};
pub use walk::{Iter, TableStats};

use smallvec::SmallVec;

use bucket::{Bucket, Position, Tag};
pub use prefetch::prefetch_bytes;
pub(super) use prefetch::prefetch_line;
use table::Table;

use crate::stdx::HashSeed;

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

/// An owning handle of one element, which holds its own key.
///
/// # Safety
///
/// The type is a pointer in memory (`repr(transparent)` over `NonNull<_>` or `Box<_>`): the table reads that address to
/// fetch it into the cache. The key may not change while the element is in a table, and reading it may not panic.
#[expect(unsafe_code, reason = "the table relies on how an element lies in memory")]
pub unsafe trait Element: Sized {
    fn key(&self) -> &[u8];

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
    /// The only table, or the one that a rehash moves elements to.
    table: Table<E>,
    /// The table that a rehash moves elements from; without a bucket at other times.
    old: Table<E>,
    len: usize,
    /// Buckets outside of the two arrays.
    chained_buckets: usize,
    policy: ResizePolicy,
    /// A table shrinks only after something was removed from it, so that one sized ahead of loading stays as it is.
    removed_since_growth: bool,
    /// What a table to grow into may take, in an integer that costs the struct nothing.
    growth_kib_max: u32,
}

/// Where an element is; good until the table changes.
#[derive(Clone, Copy)]
struct Place {
    in_old: bool,
    index: usize,
    position: Position,
}

impl<E: Element> Dict<E> {
    pub fn new(seed: HashSeed) -> Self {
        Self {
            seed,
            table: Table::NONE,
            old: Table::NONE,
            len: 0,
            chained_buckets: 0,
            policy: ResizePolicy::Allow,
            removed_since_growth: false,
            growth_kib_max: u32::MAX,
        }
    }

    /// The hash of a key in this table; what the `_hashed` methods expect.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        E::hash_key(&self.seed, key)
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of the bucket arrays and of the chained buckets; the elements are the caller's to count.
    pub fn table_bytes(&self) -> usize {
        self.table.bytes() + self.old.bytes() + self.chained_buckets * size_of::<Bucket<E>>()
    }

    /// Bytes of the bucket array whose elements are moving to another one.
    pub fn old_table_bytes(&self) -> usize {
        self.old.bytes()
    }

    /// What [`Dict::table_bytes`] is on average for so many elements once a rehash is done. It depends on their number
    /// alone, not on the seed.
    pub fn typical_table_bytes(&self) -> usize {
        let buckets = self.table.len();
        self.table.bytes() + (chained_on_average(self.len, buckets) * size_of::<Bucket<E>>() as f64) as usize
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
        self.rehash_one();
        match self.locate(hash, key) {
            Some(place) => Slot::Occupied(OccupiedSlot::new(self, place)),
            None => Slot::Vacant(VacantSlot::new(self, hash)),
        }
    }

    /// Inserts an element whose key the caller knows to be absent.
    #[inline]
    pub fn insert_new_hashed(&mut self, hash: u64, element: E) -> &mut E {
        self.rehash_one();
        self.insert_absent(hash, element)
    }

    /// Inserts an element unless its key is there already; then it is given back.
    ///
    /// Its memory is looked at only if the chain holds an element of the same tag: a load inserts what another
    /// processor has just built.
    #[inline]
    pub fn insert_if_absent_hashed(&mut self, hash: u64, element: E) -> Result<&mut E, E> {
        self.rehash_one();
        let tag = Tag::of(hash);
        let present =
            self.chain(hash).is_some_and(|chain| chain.may_hold(tag) && chain.find(tag, element.key()).is_some());
        if present { Err(element) } else { Ok(self.insert_absent(hash, element)) }
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
        self.rehash_one();
        let place = self.locate(hash, key)?;
        Some(self.remove_at(place))
    }

    /// Drops every element and gives the memory back.
    pub fn clear(&mut self) {
        drop(self.take());
    }

    /// Leaves an empty table and returns the full one, which may be dropped on another thread.
    pub fn take(&mut self) -> Self {
        let empty = Self { policy: self.policy, growth_kib_max: self.growth_kib_max, ..Self::new(self.seed) };
        core::mem::replace(self, empty)
    }

    /// The chain that holds this hash if any does.
    #[inline]
    fn chain(&self, hash: u64) -> Option<&Bucket<E>> {
        let index = self.old.index(hash);
        if index >= self.old.first_live()
            && let Some(bucket) = self.old.buckets().get(index)
        {
            return Some(bucket);
        }
        self.table.chain(hash)
    }

    /// As `chain`: the table, whether it is the old one, and the index in it.
    #[inline]
    fn home(&self, hash: u64) -> (bool, usize) {
        let index = self.old.index(hash);
        if index >= self.old.first_live() && index < self.old.len() {
            return (true, index);
        }
        (false, self.table.index(hash))
    }

    #[inline]
    fn buckets_mut(&mut self, in_old: bool) -> &mut [Bucket<E>] {
        if in_old { self.old.buckets_mut() } else { self.table.buckets_mut() }
    }

    #[inline]
    fn locate(&self, hash: u64, key: &[u8]) -> Option<Place> {
        let (in_old, index) = self.home(hash);
        let buckets = if in_old { self.old.buckets() } else { self.table.buckets() };
        let position = buckets.get(index)?.locate(Tag::of(hash), key)?;
        Some(Place { in_old, index, position })
    }

    #[inline]
    fn at(&self, place: Place) -> &E {
        let buckets = if place.in_old { self.old.buckets() } else { self.table.buckets() };
        buckets[place.index].at(place.position)
    }

    #[inline]
    fn at_mut(&mut self, place: Place) -> &mut E {
        self.buckets_mut(place.in_old)[place.index].at_mut(place.position)
    }

    #[inline]
    fn insert_absent(&mut self, hash: u64, element: E) -> &mut E {
        self.make_room();
        self.len += 1;
        let (in_old, index) = self.home(hash);
        let buckets = if in_old { self.old.buckets_mut() } else { self.table.buckets_mut() };
        let (inserted, chained) = buckets[index].insert(Tag::of(hash), element);
        self.chained_buckets += usize::from(chained);
        inserted
    }

    fn remove_at(&mut self, place: Place) -> E {
        let (removed, unchained) = self.buckets_mut(place.in_old)[place.index].remove(place.position);
        self.len -= 1;
        self.chained_buckets -= usize::from(unchained);
        self.removed_since_growth = true;
        self.shrink_if_sparse();
        removed
    }
}
