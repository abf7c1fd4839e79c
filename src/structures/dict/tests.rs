use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::bucket::SLOTS;
use super::*;
use crate::stdx::alone::is_alone;
use crate::structures::{
    Cursor, Evacuate, Part, START, ThinMember, evacuate_all, share_blocks, unshare_blocks, used_block_bytes,
};

const SEED: HashSeed = HashSeed { k0: 0x0706_0504_0302_0100, k1: 0x0f0e_0d0c_0b0a_0908 };

/// How an element's key is hashed: well, or so that chains come about.
const WELL: u8 = 0;
const ONE_TAG: u8 = 1;
const ONE_BUCKET: u8 = 2;
const FEW_HASHES: u8 = 3;
/// As `FEW_HASHES`, with chained buckets in a pool.
const IN_POOL: u8 = 4;
/// As `IN_POOL`, in that of collections, where a child sees them.
const AS_ELEMENTS: u8 = 5;

thread_local! {
    static LIVING: Cell<isize> = const { Cell::new(0) };
}

fn living() -> isize {
    LIVING.get()
}

struct Node {
    key: Vec<u8>,
    value: u32,
}

impl Drop for Node {
    fn drop(&mut self) {
        LIVING.set(LIVING.get() - 1);
    }
}

struct Item<const HASHING: u8>(Box<Node>);

impl<const HASHING: u8> Element for Item<HASHING> {
    const BUCKETS: Option<Pool> = match HASHING {
        IN_POOL => Some(Pool::Buckets),
        AS_ELEMENTS => Some(Pool::Elements),
        _ => None,
    };

    type Key<'a> = &'a [u8];

    fn key(&self) -> &[u8] {
        &self.0.key
    }

    fn address(&self) -> *const u8 {
        (&raw const *self.0).cast()
    }

    fn hash_key(seed: &HashSeed, key: &[u8]) -> u64 {
        let hash = seed.hash(key);
        match HASHING {
            ONE_TAG => hash & (u64::MAX >> 8),
            ONE_BUCKET => hash & (0xff << 56),
            FEW_HASHES | IN_POOL | AS_ELEMENTS => ((hash % 5) << 56) | (hash % 5),
            _ => hash,
        }
    }
}

/// Counts how often that was done.
impl<const HASHING: u8> Evacuate for Item<HASHING> {
    fn evacuate(&mut self, _cursor: Cursor, part: &mut Part) -> Cursor {
        let Node { key, value } = &*self.0;
        LIVING.set(LIVING.get() + 1);
        *self = Self(Box::new(Node { key: key.clone(), value: value + 1 }));
        part.look();
        START
    }
}

fn key(number: u32) -> Vec<u8> {
    format!("key:{number}").into_bytes()
}

fn item<const HASHING: u8>(number: u32, value: u32) -> Item<HASHING> {
    LIVING.set(LIVING.get() + 1);
    Item(Box::new(Node { key: key(number), value }))
}

fn filled(numbers: impl IntoIterator<Item = u32>) -> Dict<Item<WELL>> {
    let mut dict = Dict::new(SEED);
    insert_all(&mut dict, numbers);
    dict
}

fn insert_all<const HASHING: u8>(dict: &mut Dict<Item<HASHING>>, numbers: impl IntoIterator<Item = u32>) {
    for number in numbers {
        let hash = dict.hash(&key(number));
        dict.insert_new_hashed(hash, item(number, number));
    }
}

/// Checks what holds after every operation: each element is found where its hash says, the walk and the statistics see
/// exactly `len` elements, and chained buckets are counted and no emptier than they may be.
fn check<const HASHING: u8>(dict: &Dict<Item<HASHING>>) {
    let mut keys = HashSet::new();
    for element in dict {
        assert!(keys.insert(element.key().to_vec()), "the walk gives an element once");
        let found = dict.find(element.key()).expect("an element of the walk is found");
        assert!(std::ptr::eq(found, element));
    }
    assert_eq!(keys.len(), dict.len());
    assert_eq!(dict.iter().size_hint().0, dict.len());
    let mut in_segments = HashSet::new();
    for segment in 0..7 {
        assert!(dict.iter_segment(segment, 7).all(|element| in_segments.insert(element.key())));
    }
    assert_eq!(in_segments.len(), dict.len());
    let marked: HashSet<_> = dict.iter_marked().map(|element| element.key().to_vec()).collect();
    assert_eq!((marked.len(), dict.iter_marked().count()), (dict.marked_len(), dict.marked_len()));
    assert!(marked.is_subset(&keys) && dict.marked_stats().elements == marked.len());
    let stats = dict.stats();
    assert_eq!((stats.elements, stats.buckets), (dict.len(), dict.table.len()));
    let mut chained = 0;
    for mut bucket in dict.table.buckets() {
        let mut left = bucket.elements().count();
        while let Some(next) = bucket.next() {
            left -= SLOTS - 1;
            assert!(left >= 2, "a chained bucket holds two elements at least");
            bucket = next;
            chained += 1;
        }
        assert!(left <= SLOTS);
    }
    assert_eq!(chained, dict.chained_buckets);
}

/// A table of which a third of the buckets hold the elements of two.
fn half_split() -> Dict<Item<WELL>> {
    let mut dict = filled(0..0);
    let mut number = 0;
    while dict.table.len() < 192 {
        insert_all(&mut dict, [number]);
        number += 1;
    }
    assert_eq!(dict.table.unsplit(), 64);
    dict
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn typical_bytes_are_those_of_a_table_whatever_the_seed() {
    for count in [1, 7, 8, 100, 3000, 40_000] {
        let mut typical = Vec::new();
        for _ in 0..3 {
            let mut dict: Dict<Item<WELL>> = Dict::new(HashSeed::random());
            insert_all(&mut dict, 0..count);
            while dict.resize_steps(1000) {}
            typical.push(dict.typical_table_bytes());
            let ratio = dict.table_bytes() as f64 / dict.typical_table_bytes() as f64;
            assert!((0.6..1.7).contains(&ratio), "{count}: {ratio}");
            assert!(count < 3000 || (0.95..1.05).contains(&ratio), "{count}: {ratio}");
        }
        assert!(typical.iter().all(|bytes| *bytes == typical[0]), "{count}: {typical:?}");
    }
    assert_eq!(Dict::<Item<WELL>>::new(HashSeed::random()).typical_table_bytes(), 0);
}

#[test]
fn empty_table_owns_no_memory_and_a_small_one_a_single_line() {
    let mut dict = filled(0..0);
    assert_eq!(dict.table_bytes(), 0);
    assert!(dict.find(b"key:1").is_none() && dict.remove(b"key:1").is_none() && dict.iter().next().is_none());
    assert!(dict.find_mut(b"key:1").is_none() && dict.random(&mut fastrand::Rng::with_seed(1)).is_none());
    assert_eq!(dict.scan(77, |_| panic!("nothing to visit")), 0);
    assert!(!dict.resize_steps(10));
    dict.prefetch(7);
    dict.prefetch_element(7);
    insert_all(&mut dict, 0..7);
    assert_eq!(dict.table_bytes(), 64);
    insert_all(&mut dict, 7..8);
    assert_eq!(dict.table_bytes() / 64, dict.table.len() + dict.chained_buckets);
    assert_eq!(dict.table.len(), 2);
    check(&dict);
    dict.clear();
    assert_eq!((dict.table_bytes(), living()), (0, 0));
}

#[test]
fn slot_looks_up_inserts_replaces_and_removes() {
    let mut dict = filled(0..100);
    let hash = dict.hash(b"key:100");
    let Slot::Vacant(vacant) = dict.entry_hashed(hash, b"key:100") else { panic!("the key is absent") };
    vacant.insert(item(100, 1)).0.value = 2;
    let Slot::Occupied(mut occupied) = dict.entry_hashed(hash, b"key:100") else { panic!("the key is there") };
    assert_eq!(occupied.get().0.value, 2);
    *occupied.get_mut() = item(100, 3);
    assert_eq!(occupied.into_mut().0.value, 3);
    assert_eq!(living(), 101);
    let Slot::Occupied(occupied) = dict.entry_hashed(hash, b"key:100") else { panic!("the key is there") };
    assert_eq!(occupied.remove().0.value, 3);
    assert!(matches!(dict.entry_hashed(hash, b"key:100"), Slot::Vacant(_)));
    check(&dict);
}

#[test]
fn table_may_be_dropped_on_another_thread() {
    fn assert_send_and_sync<T: Send + Sync>() {}
    assert_send_and_sync::<Dict<Item<WELL>>>();
    let mut dict = half_split();
    let held = dict.len() as isize;
    let taken = dict.take();
    assert!(dict.is_empty() && dict.table.len() == 0);
    let dropped = std::thread::spawn(move || drop(taken.take_apart())).join();
    assert!(dropped.is_ok());
    assert_eq!(living(), held, "the other thread counted them down");
}

impl Dict<Item<WELL>> {
    fn take_apart(mut self) -> Self {
        self.remove(b"key:1");
        self
    }
}

#[test]
fn avoiding_puts_resizing_off_until_the_table_is_dangerously_full() {
    let mut dict = filled(0..2_000);
    let buckets = dict.table.len();
    dict.set_resize_policy(ResizePolicy::Avoid);
    insert_all(&mut dict, 2_000..buckets as u32 * 21);
    assert!(!dict.resize_steps(10));
    assert_eq!(dict.table.len(), buckets);
    check(&dict);
    insert_all(&mut dict, buckets as u32 * 21..buckets as u32 * 22);
    let grown = dict.table.len();
    assert!(grown > buckets && grown < buckets * 2, "only as far as it must: {buckets} to {grown}");
    check(&dict);
    dict.set_resize_policy(ResizePolicy::Allow);
    assert_eq!(dict.table.len(), grown, "nothing is done at once");
    while dict.resize_steps(64) {}
    assert!(dict.capacity() >= dict.len());
    let buckets = dict.table.len();
    dict.set_resize_policy(ResizePolicy::Avoid);
    for number in 10..dict.len() as u32 {
        drop(dict.remove(&key(number)));
    }
    assert_eq!(dict.table.len(), buckets);
    dict.set_resize_policy(ResizePolicy::Allow);
    while dict.resize_steps(64) {}
    assert!(dict.table.len() <= 4, "what was put off is done without another removal");
    check(&dict);
}

#[test]
fn changes_catch_up_with_what_was_put_off() {
    let mut dict = filled(0..2_000);
    let buckets = dict.table.len();
    set_thread_resize_policy(ResizePolicy::Avoid);
    insert_all(&mut dict, 2_000..4_000);
    assert_eq!(dict.table.len(), buckets, "the policy of a thread reaches every table that it changes");
    set_thread_resize_policy(ResizePolicy::Allow);
    for number in 0..4_000 {
        let hash = dict.hash(&key(number));
        let Slot::Occupied(mut slot) = dict.entry_hashed(hash, &key(number)) else { panic!("the key is there") };
        *slot.get_mut() = item(number, 7);
        assert!(dict.table.len() <= buckets + 2 * (number as usize + 1), "in small steps");
    }
    assert!(dict.capacity() >= dict.len());
    check(&dict);
}

#[test]
fn the_table_grows_by_one_bucket_at_a_time_and_shrinks_when_half_of_its_elements_have_gone() {
    let mut dict = filled(0..0);
    let mut sizes = Vec::new();
    for number in 0..3_000 {
        insert_all(&mut dict, [number]);
        sizes.push(dict.table.len());
    }
    assert!(sizes.windows(2).all(|pair| pair[1] - pair[0] <= 1), "{sizes:?}");
    check(&dict);
    let largest = dict.table.len();
    for number in (0..3_000).rev() {
        drop(dict.remove(&key(number)).expect("the key is there"));
        assert!(dict.len() * 2 < dict.capacity() + 20 || dict.table.len() == largest);
        assert!(dict.len() * 2 + 20 >= dict.capacity(), "{} elements in {} buckets", dict.len(), dict.table.len());
    }
    assert_eq!(dict.table.len(), 1);
    // In between nothing moves.
    let mut dict = filled(0..3_000);
    let buckets = dict.table.len();
    for _ in 0..3 {
        for number in 1_600..3_000 {
            drop(dict.remove(&key(number)).expect("the key is there"));
        }
        insert_all(&mut dict, 1_600..3_000);
        assert_eq!(dict.table.len(), buckets);
    }
    check(&dict);
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn the_bytes_of_an_element_are_even_over_a_doubling() {
    let per_element: Vec<f64> = (0..12)
        .map(|twelfth| {
            let count = (150_000.0 * 2f64.powf(f64::from(twelfth) / 12.0)) as u32;
            let dict = filled(0..count);
            dict.table_bytes() as f64 / dict.len() as f64
        })
        .collect();
    let mean = per_element.iter().sum::<f64>() / 12.0;
    assert!(mean < 14.5 && per_element.iter().all(|&bytes| bytes < mean * 1.05), "{per_element:?}");
}

#[test]
#[cfg_attr(miri, ignore = "ends where memory is asked for that is not there")]
fn reserved_room_stays_until_something_is_removed() {
    let mut dict = filled(0..0);
    dict.reserve(usize::MAX);
    dict.reserve(usize::MAX / 64);
    assert_eq!(dict.table.len(), 0, "what cannot be had is not reserved");
    dict.reserve(10_000);
    let buckets = dict.table.len();
    assert!(dict.capacity() >= 10_000);
    insert_all(&mut dict, 0..10);
    assert!(!dict.resize_steps(100));
    dict.set_resize_policy(ResizePolicy::Allow);
    assert_eq!(dict.table.len(), buckets);
    insert_all(&mut dict, 10..10_000);
    assert_eq!(dict.table.len(), buckets);
    check(&dict);
    dict.reserve(100_000);
    assert_eq!(dict.table.len(), buckets, "one that is in use grows on the way");
    for number in 10..10_000 {
        drop(dict.remove(&key(number)).expect("the key is there"));
    }
    assert!(dict.table.len() < 10);
    check(&dict);
}

#[test]
#[cfg_attr(miri, ignore = "maps no tables")]
fn a_large_table_is_mapped_grows_in_place_and_gives_its_memory_back() {
    let mut dict = filled(0..250_000);
    let start = dict.table.buckets().as_ptr().addr();
    let table = || mapped_tables().into_iter().find(|table| table.range.start == start);
    let mapped = table().expect("it is mapped");
    let bytes = dict.table.len() * 64;
    assert!(mapped.range.len() >= bytes && mapped.range.len() < bytes * 5 / 4, "{} for {bytes}", mapped.range.len());
    assert_eq!(mapped.filled_end, start + bytes / (2 << 20) * (2 << 20));
    assert_eq!(dict.table.bytes(), bytes.next_multiple_of(4096), "only what it uses counts");
    assert!(mapped_table_bytes() >= bytes);
    insert_all(&mut dict, 250_000..300_000);
    assert_eq!(dict.table.buckets().as_ptr().addr(), start);
    check(&dict);
    for number in 60_000..300_000 {
        drop(dict.remove(&key(number)).expect("the key is there"));
    }
    let bytes = dict.table.len() * 64;
    assert!(dict.table.bytes() < bytes + (512 << 10), "{} bytes for {bytes}", dict.table.bytes());
    assert!(table().expect("it is mapped").filled_end - start <= bytes);
    check(&dict);
    for number in 1_000..60_000 {
        drop(dict.remove(&key(number)).expect("the key is there"));
    }
    assert_eq!(table(), None);
    assert!(dict.table_bytes() < 1_000 * 64);
    check(&dict);
    dict.clear();
    assert_eq!(living(), 0);
}

#[test]
fn a_full_scan_of_a_table_that_does_not_change_visits_each_element_once() {
    for count in (0..70).chain([100, 1_000, 1_001, 1_500, 3_000]) {
        let dict = filled(0..count);
        let (mut visited, mut cursor, mut calls) = (HashSet::new(), 0, 0);
        loop {
            cursor = dict.scan(cursor, |element| assert!(visited.insert(element.key()), "a second time"));
            calls += 1;
            if cursor == 0 {
                break;
            }
        }
        assert_eq!((visited.len(), calls), (count as usize, dict.table.len().max(1)));
    }
}

#[test]
fn each_element_is_evacuated_once_in_parts() {
    for count in [0, 5, 8, 100, 3_000] {
        let mut dict: Dict<Item<WELL>> = Dict::new(SEED);
        let mut crowded: Dict<Item<FEW_HASHES>> = Dict::new(SEED);
        for number in 0..count {
            insert_all(&mut dict, [number]);
            if number < 100 {
                insert_all(&mut crowded, [number]);
            }
        }
        let (_, parts) = evacuate_all(&mut dict, 20);
        assert!(parts <= count as usize / 15 + 1 && (parts > 1 || count <= 100), "{parts}");
        evacuate_all(&mut crowded, 1);
        assert!(dict.iter().all(|element| element.0.value == number_of(element) + 1));
        assert!(crowded.iter().all(|element| element.0.value == number_of(element) + 1));
        check(&dict);
        check(&crowded);
    }
}

#[test]
#[cfg_attr(miri, ignore = "blocks are the global allocator's there, and none is shared")]
fn buckets_of_a_small_table_that_a_child_sees_move_once_when_they_are_changed() {
    if !is_alone(module_path!(), "buckets_of_a_small_table_that_a_child_sees_move_once_when_they_are_changed") {
        return;
    }
    let mut dict: Dict<Item<AS_ELEMENTS>> = Dict::new(SEED);
    insert_all(&mut dict, 0..60);
    assert!(dict.chained_buckets > 0, "few hashes make chains");
    let all = |dict: &Dict<Item<AS_ELEMENTS>>| -> Vec<_> {
        let chains = dict.table.buckets().iter();
        chains
            .flat_map(|first| std::iter::successors(Some(first), |line| line.next()))
            .map(std::ptr::from_ref)
            .collect()
    };
    share_blocks();
    let (before, used) = (all(&dict), used_block_bytes());
    assert!(dict.find(b"key:7").is_some() && dict.find(b"key:77").is_none());
    assert_eq!(all(&dict), before, "a look moves nothing");
    for _ in 0..2 {
        for number in 0..60 {
            *dict.find_mut(&key(number)).expect("it is there") = item(number, number + 1);
        }
    }
    let after = all(&dict);
    assert!(before.len() == after.len() && before.iter().all(|line| !after.contains(line)), "all of them have moved");
    assert_eq!(used_block_bytes(), used);
    for number in 0..60 {
        *dict.find_mut(&key(number)).expect("it is there") = item(number, number + 2);
    }
    assert_eq!(all(&dict), after, "once");
    check(&dict);
    unshare_blocks();
}

#[test]
#[cfg_attr(miri, ignore = "blocks are the global allocator's there, and none is shared")]
#[expect(unsafe_code, reason = "looks at what is left of buckets")]
fn dropping_a_small_table_that_a_child_sees_copies_no_bucket_and_writes_to_none() {
    if !is_alone(module_path!(), "dropping_a_small_table_that_a_child_sees_copies_no_bucket_and_writes_to_none") {
        return;
    }
    let tables = [(); 2].map(|()| {
        let mut dict: Dict<Item<AS_ELEMENTS>> = Dict::new(SEED);
        insert_all(&mut dict, 0..60);
        assert!(dict.chained_buckets > 0, "few hashes make chains");
        dict
    });
    // SAFETY: nobody else uses the pool's blocks of this size; while the child lives they stay as they are, free or not.
    let words = |bucket: &usize| unsafe { std::ptr::with_exposed_provenance::<[u64; SLOTS + 1]>(*bucket).read() };
    let chains = tables.iter().flat_map(|dict| dict.table.buckets());
    let lines = chains.flat_map(|first| std::iter::successors(Some(first), |line| line.next()));
    let buckets: Vec<_> = lines.map(|line| std::ptr::from_ref(line).expose_provenance()).collect();
    let before: Vec<_> = buckets.iter().map(words).collect();
    share_blocks();
    let fresh = Pool::Elements.allocate(64);
    let [here, elsewhere] = tables;
    drop(here);
    assert_eq!(Pool::Elements.allocate(64).addr().get(), fresh.addr().get() + 64, "none was taken in between");
    std::thread::spawn(move || drop(elsewhere)).join().expect("it is dropped");
    assert_eq!(buckets.iter().map(words).collect::<Vec<_>>(), before);
    unshare_blocks();
}

#[test]
fn buckets_are_evacuated_with_the_elements() {
    let mut dict: Dict<ThinMember> = Dict::new(SEED);
    let members: Vec<_> = (0..500).map(|number| format!("member:{number}")).collect();
    for (number, member) in members.iter().enumerate() {
        let member = ThinMember::new(member.as_bytes());
        dict.insert_new_hashed(dict.hash_of(&member), member);
        let count = number as u64 + 1;
        if count.is_power_of_two() || count == 500 {
            let buckets =
                if cfg!(miri) { 0 } else { dict.chained_buckets as u64 + u64::from(dict.table.bytes() <= 8_192) };
            assert_eq!(evacuate_all(&mut dict, 10).0, count + buckets);
        }
    }
    assert!(members.iter().all(|member| dict.find(member.as_bytes()).is_some()));
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn five_million_elements_fit_the_promised_bytes() {
    // The estimate for that many...
    let buckets = 5_000_000 * 4 / 22_usize;
    let unsplit = buckets.next_power_of_two() - buckets;
    let in_unsplit = 5_000_000 * 2 * unsplit / buckets.next_power_of_two();
    let chained =
        chained_on_average(in_unsplit, unsplit) + chained_on_average(5_000_000 - in_unsplit, buckets - unsplit);
    let bytes = (buckets as f64 + chained) * 64.0 / 5_000_000.0;
    assert!(bytes < 14.6, "{bytes} bytes for each element");

    // ...holds for what the table really does, at the same fill.
    let dict = filled(0..5_000_000 / 64);
    let real = dict.table_bytes() as f64 / dict.len() as f64;
    assert!((real / bytes - 1.0).abs() < 0.02, "{real} bytes for each element, {bytes} expected");
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn every_element_is_equally_likely_however_many_buckets_are_split() {
    for dict in [filled(0..1_200), half_split(), filled(0..1_000), filled(0..700)] {
        let mut rng = fastrand::Rng::with_seed(42);
        let mut drawn = HashMap::new();
        for _ in 0..dict.len() * 400 {
            *drawn.entry(dict.random(&mut rng).expect("not empty").key().to_vec()).or_insert(0) += 1;
        }
        assert_eq!(drawn.len(), dict.len());
        let (least, most) = (drawn.values().min().unwrap(), drawn.values().max().unwrap());
        assert!(*least > 280 && *most < 520, "{least}..{most} draws of 400 expected");
    }
}

#[test]
fn random_finds_the_only_element_of_a_large_table() {
    let mut dict = filled(0..0);
    dict.reserve(100_000);
    insert_all(&mut dict, [5]);
    assert_eq!(dict.random(&mut fastrand::Rng::with_seed(3)).expect("not empty").key(), b"key:5");
}

#[test]
fn samples_are_distinct_and_reach_every_element() {
    for dict in [filled(0..5), filled(0..6), filled(0..30), half_split()] {
        let mut rng = fastrand::Rng::with_seed(7);
        let mut seen = HashSet::new();
        for _ in 0..dict.len() * 30 {
            let mut sample = Vec::new();
            assert_eq!(dict.sample(5, &mut rng, |element| sample.push(element.key())), 5);
            assert_eq!(sample.iter().collect::<HashSet<_>>().len(), 5);
            seen.extend(sample);
        }
        assert_eq!(seen.len(), dict.len());
        let mut all = 0;
        assert_eq!(dict.sample(usize::MAX, &mut rng, |_| all += 1), dict.len());
        assert_eq!(all, dict.len());
    }
}

#[test]
fn marked_elements_are_found_among_many() {
    for (count, every) in [(5, 1), (3_000, 1), (3_000, 7), (20_000, 3_000), (20_000, 20_000)] {
        let mut dict = filled(0..0);
        let mut marked = HashSet::new();
        for number in 0..count {
            let hash = dict.hash(&key(number));
            let is_marked = number.is_multiple_of(every);
            assert!(dict.insert_if_absent_hashed(hash, item(number, 0), is_marked).is_ok());
            assert!(dict.insert_if_absent_hashed(hash, item(number, 0), !is_marked).is_err());
            if is_marked {
                marked.insert(key(number));
            }
        }
        assert_eq!(dict.iter_marked().map(|element| element.key().to_vec()).collect::<HashSet<_>>(), marked);
        let mut rng = fastrand::Rng::with_seed(11);
        let mut drawn = HashSet::new();
        for _ in 0..marked.len() * 30 {
            drawn.insert(dict.random_marked(&mut rng).expect("some are marked").key().to_vec());
            let mut sample = HashSet::new();
            assert_eq!(dict.sample_marked(5, &mut rng, |it| assert!(sample.insert(it.key()))), marked.len().min(5));
            drawn.extend(sample.into_iter().map(<[u8]>::to_vec));
        }
        assert_eq!(drawn, marked);
        let (mut visited, mut start, mut calls) = (HashSet::new(), 0, 0);
        loop {
            let mut in_call = 0;
            start = dict.visit_marked(start, 4, |element| {
                assert!(visited.insert(element.key().to_vec()));
                in_call += 1;
            });
            assert!(in_call < 40);
            calls += 1;
            if start == 0 {
                break;
            }
        }
        assert!(visited == marked && calls <= marked.len() / 4 + 1);
        check(&dict);
        for number in marked {
            drop(dict.remove(&number).expect("the key is there"));
        }
        assert_eq!((dict.marked_len(), dict.marks_bytes(), dict.iter_marked().count()), (0, 0, 0));
        assert!(dict.random_marked(&mut rng).is_none() && dict.sample_marked(5, &mut rng, |_| ()) == 0);
        check(&dict);
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn a_walk_over_few_marked_elements_passes_pages_without_one() {
    let mut dict = filled(0..100_000);
    for number in [5, 50_000, 99_999] {
        let hash = dict.hash(&key(number));
        dict.occupied_hashed(hash, &key(number)).expect("the key is there").set_mark(true);
    }
    assert!(dict.marks_bytes() < 100);
    assert_eq!(dict.visit_marked(0, 10, |_| ()), 0);
    // Marks that moved on with a split leave pages behind, which the next walk passes.
    insert_all(&mut dict, 100_000..250_000);
    let mut visited = 0;
    dict.visit_marked(0, 10, |_| visited += 1);
    assert_eq!(visited, 3);
    assert!(dict.occupied_hashed(dict.hash(b"key:none"), b"key:none").is_none());
    check(&dict);
}

#[derive(Clone, Debug)]
enum Change {
    Mark(u32, bool),
    Insert(u32),
    Replace(u32),
    Remove(u32),
    InsertRange(u32, u32),
    RemoveRange(u32, u32),
    Steps(usize),
    Policy(bool),
    Reserve(usize),
    Take,
    Fork,
    ChildEnds,
    Evacuate(usize),
}

fn changes(keys: u32, range: u32) -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        4 => (0..keys, any::<bool>()).prop_map(|(number, is_marked)| Change::Mark(number, is_marked)),
        4 => (0..keys).prop_map(Change::Insert),
        2 => (0..keys).prop_map(Change::Replace),
        4 => (0..keys).prop_map(Change::Remove),
        6 => (0..keys, 0..range).prop_map(|(from, count)| Change::InsertRange(from, count)),
        5 => (0..keys, 0..range).prop_map(|(from, count)| Change::RemoveRange(from, count)),
        3 => (0..200usize).prop_map(Change::Steps),
        2 => any::<bool>().prop_map(Change::Policy),
        1 => (0..range as usize * 2).prop_map(Change::Reserve),
        1 => Just(Change::Take),
        1 => Just(Change::Fork),
        1 => Just(Change::ChildEnds),
        1 => (1..100usize).prop_map(Change::Evacuate),
    ];
    prop::collection::vec(change, 1..40)
}

fn number_of<const HASHING: u8>(element: &Item<HASHING>) -> u32 {
    std::str::from_utf8(&element.key()[4..]).unwrap().parse().unwrap()
}

/// The table and what it should hold.
struct Pair<const HASHING: u8> {
    dict: Dict<Item<HASHING>>,
    model: HashMap<u32, u32>,
    marked: HashSet<u32>,
    next_value: u32,
}

impl<const HASHING: u8> Pair<HASHING> {
    fn new() -> Self {
        Self { dict: Dict::new(SEED), model: HashMap::new(), marked: HashSet::new(), next_value: 0 }
    }

    fn insert(&mut self, number: u32) {
        self.next_value += 1;
        let (key, value) = (key(number), self.next_value);
        let hash = self.dict.hash(&key);
        let known = self.model.insert(number, value);
        match self.dict.entry_hashed(hash, &key) {
            Slot::Occupied(mut slot) => {
                assert_eq!(Some(slot.get().0.value), known);
                *slot.get_mut() = item(number, value);
            }
            Slot::Vacant(slot) => {
                assert_eq!(known, None);
                let is_marked = number.is_multiple_of(3);
                assert_eq!(slot.insert_marked(item(number, value), is_marked).0.value, value);
                if is_marked {
                    self.marked.insert(number);
                }
            }
        }
    }

    fn remove(&mut self, number: u32) {
        let removed = self.dict.remove(&key(number)).map(|item| item.0.value);
        assert_eq!(removed, self.model.remove(&number));
        self.marked.remove(&number);
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Insert(number) => self.insert(number),
            Change::Mark(number, is_marked) => {
                let hash = self.dict.hash(&key(number));
                let slot = self.dict.occupied_hashed(hash, &key(number));
                assert_eq!(slot.is_some(), self.model.contains_key(&number));
                if let Some(mut slot) = slot {
                    slot.set_mark(is_marked);
                    if is_marked {
                        self.marked.insert(number)
                    } else {
                        self.marked.remove(&number)
                    };
                }
            }
            Change::Remove(number) => self.remove(number),
            Change::InsertRange(from, count) => (from..from + count).for_each(|number| self.insert(number)),
            Change::RemoveRange(from, count) => (from..from + count).for_each(|number| self.remove(number)),
            Change::Replace(number) => {
                let found = self.dict.find_mut(&key(number));
                assert_eq!(found.as_ref().map(|item| item.0.value), self.model.get(&number).copied());
                if let Some(element) = found {
                    *element = item(number, self.model[&number]);
                }
            }
            Change::Steps(buckets) => {
                self.dict.resize_steps(buckets);
            }
            Change::Policy(true) => self.dict.set_resize_policy(ResizePolicy::Allow),
            Change::Policy(false) => self.dict.set_resize_policy(ResizePolicy::Avoid),
            Change::Reserve(elements) => self.dict.reserve(elements),
            Change::Take => {
                let taken = self.dict.take();
                assert_eq!(taken.len(), self.model.len());
                self.model.clear();
                self.marked.clear();
            }
            Change::Fork => share_blocks(),
            Change::ChildEnds => unshare_blocks(),
            Change::Evacuate(looks) => {
                evacuate_all(&mut self.dict, looks);
                self.model.values_mut().for_each(|value| *value += 1);
            }
        }
    }

    fn check(&self) {
        check(&self.dict);
        assert_eq!(living(), self.model.len() as isize);
        assert_eq!(self.dict.len(), self.model.len());
        let marked: HashSet<_> = self.dict.iter_marked().map(number_of).collect();
        assert_eq!(marked, self.marked);
        for element in &self.dict {
            assert_eq!(self.model.get(&number_of(element)), Some(&element.0.value));
        }
    }
}

fn agrees_with_a_hash_map<const HASHING: u8>(changes: Vec<Change>) {
    let mut pair = Pair::<HASHING>::new();
    for change in changes {
        pair.apply(change);
        pair.check();
    }
    drop(pair);
    assert_eq!(living(), 0, "every element was dropped once");
}

/// Scans while other elements come and go. Every key below `stable` has to be visited.
fn scan_visits_what_stays<const HASHING: u8>(stable: u32, changes: Vec<Vec<Change>>) {
    let mut pair = Pair::<HASHING>::new();
    (0..stable).for_each(|number| pair.insert(number));
    let mut changes = changes.into_iter();
    let mut visited = HashSet::new();
    let mut cursor = 0;
    let mut calls = 0;
    loop {
        cursor = pair.dict.scan(cursor, |element| {
            visited.insert(element.key().to_vec());
        });
        if cursor == 0 {
            break;
        }
        calls += 1;
        assert!(calls < 1_000_000, "the scan ends");
        for change in changes.next().into_iter().flatten() {
            match change {
                Change::Take => {}
                Change::Remove(number) => pair.remove(number + stable),
                Change::RemoveRange(from, count) => pair.apply(Change::RemoveRange(from + stable, count)),
                other => pair.apply(other),
            }
        }
    }
    for number in 0..stable {
        assert!(visited.contains(&key(number)), "key {number} was there throughout");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 64 }, ..ProptestConfig::default() })]

    #[test]
    fn random_changes_agree_with_a_hash_map(changes in changes(4_000, 1_500)) {
        agrees_with_a_hash_map::<WELL>(changes);
    }

    #[test]
    fn random_changes_to_a_small_table_agree_with_a_hash_map(changes in changes(40, 20)) {
        agrees_with_a_hash_map::<WELL>(changes);
    }

    #[test]
    fn elements_of_one_tag_agree_with_a_hash_map(changes in changes(1_000, 800)) {
        agrees_with_a_hash_map::<ONE_TAG>(changes);
    }

    #[test]
    fn elements_of_one_bucket_agree_with_a_hash_map(changes in changes(300, 300)) {
        agrees_with_a_hash_map::<ONE_BUCKET>(changes);
    }

    #[test]
    fn elements_of_few_hashes_agree_with_a_hash_map(changes in changes(300, 300)) {
        agrees_with_a_hash_map::<FEW_HASHES>(changes);
    }

    #[test]
    fn elements_whose_chained_buckets_are_in_a_pool_agree_with_a_hash_map(changes in changes(300, 300)) {
        agrees_with_a_hash_map::<IN_POOL>(changes);
    }

    #[test]
    fn elements_whose_buckets_a_child_sees_agree_with_a_hash_map(changes in changes(300, 300)) {
        agrees_with_a_hash_map::<AS_ELEMENTS>(changes);
    }

    #[test]
    fn scan_visits_what_stays_while_the_table_changes(
        stable in 1..1_500u32,
        changes in prop::collection::vec(changes(6_000, 3_000), 0..12),
    ) {
        scan_visits_what_stays::<WELL>(stable, changes);
    }

    #[test]
    fn scan_visits_what_stays_in_long_chains(
        stable in 1..300u32,
        changes in prop::collection::vec(changes(300, 300), 0..6),
    ) {
        scan_visits_what_stays::<FEW_HASHES>(stable, changes);
    }
}
