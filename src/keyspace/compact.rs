//! Moving entries, and the elements of collections, out of pages that are filled less than others, so that these become empty
//! and are given back.

use std::time::{Duration, Instant};

use super::Keyspace;
use super::lazy_free::LazyFree;
use crate::structures::{Clearing, Cursor, Evacuated, Part, Pool, START};
use crate::types::Type;

/// Searches for a page with entries to be moved, in one round.
const SEARCHES_MAX: usize = 16;

/// Looks at blocks of collections between two at the clock.
const LOOKS: usize = 256;

/// Buckets of keys that are looked at for collections between two looks at the clock.
const BUCKETS: usize = 32;

/// What one round of compaction has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compaction {
    /// Blocks whose contents are now in another one.
    pub moved: u64,
    /// Blocks that were looked at and stay.
    pub kept: u64,
    /// Keys of which at least one block was moved.
    pub keys_moved: u64,
    /// Keys that were looked at and stay.
    pub keys_kept: u64,
    pub more: bool,
}

/// The way through all collections of all databases. It does not matter if some are missed that move between databases meanwhile,
/// or are changed at the right time: their pages stay.
#[derive(Default)]
pub(super) struct Round {
    db: usize,
    /// In the table of keys, before those that are in hand.
    cursor: u64,
    /// Collections of one bucket; the last one is next.
    in_hand: Vec<Box<[u8]>>,
    /// Where it goes on in that one.
    part: Cursor,
    /// Whether something of that one has moved.
    has_moved: bool,
}

impl Compaction {
    /// Both together, of which this one was done later.
    pub fn and(self, later: Self) -> Self {
        Self {
            moved: self.moved + later.moved,
            kept: self.kept + later.kept,
            keys_moved: self.keys_moved + later.keys_moved,
            keys_kept: self.keys_kept + later.keys_kept,
            more: self.more || later.more,
        }
    }
}

impl Keyspace {
    /// Moves entries for about `budget`, as long as some pages are filled less than others. While a child lives, or other
    /// threads have entries, nothing is moved.
    #[expect(unsafe_code, reason = "looks at entries by their blocks")]
    pub fn compact_for(&mut self, budget: Duration) -> Compaction {
        let mut done = Compaction::default();
        if self.child_alive || LazyFree::is_busy() {
            return done;
        }
        let start = Instant::now();
        let mut searches = 0;
        while start.elapsed() < budget {
            match Pool::Entries.evacuate() {
                Evacuated::Nothing => return done,
                Evacuated::Later if searches == SEARCHES_MAX => break,
                Evacuated::Later => searches += 1,
                Evacuated::Blocks(blocks) => {
                    for block in blocks {
                        // SAFETY: blocks of the pool hold entries, and no other thread has any: none lives that has
                        // allocated some, and those that free what they are given have nothing to do.
                        let is_moved =
                            self.dbs.iter_mut().filter(|db| !db.is_empty()).any(|db| unsafe { db.move_block(block) });
                        // Of each key there is one block.
                        let (blocks, keys) = if is_moved {
                            (&mut done.moved, &mut done.keys_moved)
                        } else {
                            (&mut done.kept, &mut done.keys_kept)
                        };
                        (*blocks, *keys) = (*blocks + 1, *keys + 1);
                    }
                }
            }
        }
        Compaction { more: true, ..done }
    }

    /// Moves what collections consist of for about `budget`, as long as some pages are filled less than others. While a child
    /// lives, nothing is moved. A way through all of them is begun only where it is `wanted`.
    pub fn compact_collections_for(&mut self, budget: Duration, wanted: bool) -> Compaction {
        let mut done = Compaction::default();
        if self.child_alive {
            return done;
        }
        let start = Instant::now();
        while start.elapsed() < budget {
            match Pool::Elements.clear(wanted) {
                Clearing::Nothing => return done,
                Clearing::Later => {}
                Clearing::Move if self.evacuate_part(&mut done) => {}
                Clearing::Move => self.end_compacting_collections(),
            }
        }
        Compaction { more: true, ..done }
    }

    /// Leaves collections where they are. What is left to be done then is a matter of steps with nothing wanted.
    pub fn end_compacting_collections(&mut self) {
        Pool::Elements.end_clearing();
        self.round = Round::default();
    }

    /// Moves a part of a collection, or finds the next ones. Returns whether there are more.
    fn evacuate_part(&mut self, done: &mut Compaction) -> bool {
        let round = &mut self.round;
        let Some(db) = self.dbs.get_mut(round.db) else { return false };
        if let Some(key) = round.in_hand.last() {
            let mut part = Part::of(LOOKS);
            round.part = db.evacuate(key, round.part, &mut part);
            round.has_moved |= part.moved > 0;
            (done.moved, done.kept) = (done.moved + part.moved, done.kept + part.kept);
            if round.part == START {
                *(if round.has_moved { &mut done.keys_moved } else { &mut done.keys_kept }) += 1;
                round.has_moved = false;
                round.in_hand.pop();
                if round.in_hand.is_empty() && round.cursor == 0 {
                    round.db += 1;
                }
            }
            return true;
        }
        if round.cursor == 0 {
            db.empty_room();
        }
        for _ in 0..BUCKETS {
            round.cursor = db.scan(round.cursor, |entry| {
                if entry.is_boxed() && entry.data_type() != Type::String {
                    round.in_hand.push(entry.key().into());
                }
            });
            if round.cursor == 0 || !round.in_hand.is_empty() {
                break;
            }
        }
        if round.in_hand.is_empty() && round.cursor == 0 {
            round.db += 1;
        }
        true
    }
}

#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests {
    use super::*;
    use crate::stdx::HashSeed;
    use crate::stdx::alone::is_alone;
    use crate::structures::heap_bytes;
    use crate::types::hash::HashValue;
    use crate::types::list::{End, ListValue};
    use crate::types::set::SetValue;
    use crate::types::stream::{StreamId, StreamValue};
    use crate::types::zset::ZsetValue;
    use crate::types::{Digest, Limits, Room, Value};

    const KEYS: usize = 150_000;

    fn key(number: usize) -> String {
        format!("key:{number:07}")
    }

    fn value(number: usize) -> Vec<u8> {
        vec![b'a' + (number % 26) as u8; 60 + number % 60]
    }

    fn filled() -> Keyspace {
        let mut keyspace = Keyspace::new(2, HashSeed { k0: 1, k1: 2 });
        for number in 0..KEYS {
            let expiry = number.is_multiple_of(3).then_some(i64::MAX);
            keyspace.set_string(number % 2, key(number).as_bytes(), &value(number), expiry);
        }
        keyspace
    }

    fn assert_holds(keyspace: &Keyspace, numbers: impl Iterator<Item = usize>) {
        let mut count = 0;
        for number in numbers {
            let entry = keyspace.db(number % 2).peek(key(number).as_bytes()).expect("the key is there");
            let (_, _, bytes) = entry.inline().expect("the value is in the block");
            assert!(bytes == value(number) && entry.expiry().is_some() == number.is_multiple_of(3));
            count += 1;
        }
        assert_eq!(keyspace.len(), count);
    }

    #[test]
    fn what_is_left_after_most_keys_were_deleted_moves_together_with_its_expiries() {
        if !is_alone(module_path!(), "what_is_left_after_most_keys_were_deleted_moves_together_with_its_expiries") {
            return;
        }
        let mut keyspace = filled();
        let is_kept = |number: &usize| number % 10 < 3;
        for number in (0..KEYS).filter(|number| !is_kept(number)) {
            assert!(keyspace.remove(number % 2, key(number).as_bytes(), false));
        }
        let before = heap_bytes();
        assert!(before.pages > 2 * before.used, "deleting leaves pages with a little in each");
        for _ in 0..10_000 {
            if !keyspace.compact_for(Duration::from_millis(5)).more {
                break;
            }
        }
        while crate::structures::give_pages_back(usize::MAX) {}
        let after = heap_bytes();
        assert_eq!(after.used, before.used);
        assert!(after.pages < after.used + after.used / 2 + (10 << 20), "{before:?} {after:?}");
        assert_holds(&keyspace, (0..KEYS).filter(is_kept));
        // The marks of keys with an expiry are still at the entries that have one.
        let expired = (0..2).map(|db| keyspace.db(db).expires_len()).sum::<usize>();
        assert_eq!(expired, (0..KEYS).filter(|number| is_kept(number) && number.is_multiple_of(3)).count());
        for number in (0..KEYS).filter(is_kept) {
            keyspace.remove(number % 2, key(number).as_bytes(), false);
        }
        assert_eq!((0..2).map(|db| keyspace.db(db).expires_len()).sum::<usize>(), 0);
    }

    const COLLECTIONS: usize = 400;
    const ELEMENTS: usize = 240;

    fn element(number: usize) -> Vec<u8> {
        format!("element:{number}:{}", "x".repeat(number % 40)).into_bytes()
    }

    /// Hashes, sets, sorted sets, lists and streams, all by turns, and one set of very many members.
    fn collections() -> Keyspace {
        let mut keyspace = Keyspace::new(2, HashSeed { k0: 1, k1: 2 });
        let limits = &Limits { hash_max_listpack_entries: 128, ..Limits::default() };
        for number in 0..COLLECTIONS {
            let mut hash = HashValue::new();
            let mut set = SetValue::new();
            let mut zset = ZsetValue::for_members(ELEMENTS, 40, limits, &mut Room::default());
            let (mut list, mut stream) = (ListValue::new(), StreamValue::new());
            for index in 0..ELEMENTS {
                let element = element(number + index);
                hash.set(format!("field:{index}").as_bytes(), &element, limits);
                set.add(&element, limits);
                zset.upsert(&element, limits, |_| Some((index * 7_919 % 100) as f64));
                list.push_all(End::Right, std::iter::once(&element[..]), limits);
                let id = StreamId { ms: index as u64 + 1, seq: 0 };
                stream.append(id, std::iter::once((&b"field"[..], &element[..])), limits).expect("ids ascend");
            }
            let values: [Value; 5] = [hash.into(), set.into(), zset.into(), list.into(), stream.into()];
            for (kind, value) in values.into_iter().enumerate() {
                keyspace.insert(number % 2, format!("{kind}:{number}").as_bytes(), value, None);
            }
        }
        let mut large = SetValue::new();
        (0..COLLECTIONS * ELEMENTS).for_each(|number| _ = large.add(&element(number), limits));
        keyspace.insert(0, b"large", large.into(), None);
        keyspace
    }

    /// Leaves three of ten elements.
    fn thin_out(keyspace: &mut Keyspace) {
        let is_kept = |number: usize| number * 7 % 10 < 3;
        for number in 0..COLLECTIONS {
            let db = number % 2;
            let key = |kind: usize| format!("{kind}:{number}").into_bytes();
            let doomed = || (0..ELEMENTS).filter(|index| !is_kept(*index));
            let change = |hash: &mut HashValue| doomed().for_each(|i| _ = hash.remove(format!("field:{i}").as_bytes()));
            keyspace.edit(db, &key(0), 0, change).expect("a hash");
            let change = |set: &mut SetValue| doomed().for_each(|i| _ = set.remove(&element(number + i)));
            keyspace.edit(db, &key(1), 0, change).expect("a set");
            let change = |zset: &mut ZsetValue| doomed().for_each(|i| _ = zset.remove(&element(number + i)));
            keyspace.edit(db, &key(2), 0, change).expect("a sorted set");
            let change = |list: &mut ListValue| doomed().rev().for_each(|i| _ = list.remove_range(i, 1));
            keyspace.edit(db, &key(3), 0, change).expect("a list");
            let change = |stream: &mut StreamValue| _ = stream.trim_by_len(ELEMENTS / 4, true, None);
            keyspace.edit(db, &key(4), 0, change).expect("a stream");
        }
        let doomed = (0..COLLECTIONS * ELEMENTS).filter(|number| !is_kept(*number));
        let change = |set: &mut SetValue| doomed.for_each(|number| _ = set.remove(&element(number)));
        keyspace.edit(0, b"large", 0, change).expect("a set");
    }

    fn digest(keyspace: &Keyspace) -> Digest {
        let mut all = Digest::default();
        for entry in (0..2).flat_map(|db| keyspace.db(db).iter()) {
            let mut digest = Digest::default();
            digest.mix(entry.key());
            entry.value().digest(&mut digest);
            all.xor_digest(&digest);
        }
        all
    }

    #[test]
    fn what_is_left_of_thinned_out_collections_moves_together() {
        if !is_alone(module_path!(), "what_is_left_of_thinned_out_collections_moves_together") {
            return;
        }
        let mut keyspace = collections();
        thin_out(&mut keyspace);
        let (before, filling, content) = (heap_bytes(), Pool::Elements.filling(), digest(&keyspace));
        assert!(filling.page_bytes > 2 * filling.used_bytes, "{filling:?}");
        assert!(!keyspace.compact_collections_for(Duration::from_secs(1), false).more, "nobody has asked for it");
        keyspace.set_child_alive(true);
        assert!(!keyspace.compact_collections_for(Duration::from_secs(1), true).more);
        assert_eq!(Pool::Elements.filling(), filling);
        keyspace.set_child_alive(false);
        let mut done = Compaction { more: true, ..Compaction::default() };
        for _ in 0..100_000 {
            let step = keyspace.compact_collections_for(Duration::from_micros(100), true);
            done = Compaction { more: step.more, ..done.and(step) };
            if !step.more {
                break;
            }
        }
        assert!(!done.more && done.moved > 10_000 && done.keys_moved > COLLECTIONS as u64, "{done:?}");
        let after = Pool::Elements.filling();
        assert_eq!((heap_bytes().used, digest(&keyspace)), (before.used, content));
        // Rows of the databases' own are given up.
        assert!(after.used_bytes <= filling.used_bytes);
        assert!(after.page_bytes < after.used_bytes + after.used_bytes / 8 + (8 << 20), "{filling:?} {after:?}");
        // What a collection finds by other ways than a walk is where it was.
        let live = keyspace.db(0).peek(b"2:0").map(|entry| entry.view::<ZsetValue>().expect("a sorted set"));
        let zset = live.expect("it is there");
        zset.for_all(|member, score| assert_eq!(zset.score(&member.to_vec()), Some(score)));
        drop(keyspace);
    }

    #[test]
    fn compaction_of_collections_that_is_given_up_leaves_pages_in_use() {
        if !is_alone(module_path!(), "compaction_of_collections_that_is_given_up_leaves_pages_in_use") {
            return;
        }
        let mut keyspace = collections();
        thin_out(&mut keyspace);
        let (content, pages) = (digest(&keyspace), Pool::Elements.filling().page_bytes);
        while keyspace.compact_collections_for(Duration::from_micros(10), true).moved == 0 {}
        keyspace.end_compacting_collections();
        while keyspace.compact_collections_for(Duration::from_micros(10), false).more {}
        assert_eq!(digest(&keyspace), content);
        // As many again find room where the others were.
        let more = collections();
        assert!(Pool::Elements.filling().page_bytes < pages + pages / 2);
        drop(more);
    }

    #[test]
    fn nothing_moves_while_a_child_lives_or_others_have_entries() {
        if !is_alone(module_path!(), "nothing_moves_while_a_child_lives_or_others_have_entries") {
            return;
        }
        let mut keyspace = filled();
        for number in (0..KEYS).filter(|number| number % 10 > 1) {
            keyspace.remove(number % 2, key(number).as_bytes(), false);
        }
        // Of the pages that hold blocks: another thread may make an empty one ready at any time.
        let (pages, filling) = (heap_bytes().pages, Pool::Entries.filling());
        let (go_on, waits) = std::sync::mpsc::channel::<()>();
        let (ready, is_ready) = std::sync::mpsc::channel::<()>();
        let other = std::thread::spawn(move || {
            let mut others = Keyspace::new(1, HashSeed { k0: 3, k1: 4 });
            others.set_string(0, b"key", b"value", None);
            ready.send(()).unwrap();
            waits.recv().unwrap();
        });
        is_ready.recv().unwrap();
        assert!(!keyspace.compact_for(Duration::from_secs(1)).more);
        go_on.send(()).unwrap();
        other.join().unwrap();
        keyspace.set_child_alive(true);
        assert!(!keyspace.compact_for(Duration::from_secs(1)).more);
        keyspace.set_child_alive(false);
        assert_eq!(Pool::Entries.filling(), filling);
        while keyspace.compact_for(Duration::from_secs(1)).more {
            crate::structures::give_pages_back(usize::MAX);
        }
        while crate::structures::give_pages_back(usize::MAX) {}
        assert!(heap_bytes().pages < pages);
    }

    #[test]
    fn snapshots_under_writes_take_no_more_room_each_time() {
        if !is_alone(module_path!(), "snapshots_under_writes_take_no_more_room_each_time") {
            return;
        }
        let mut keyspace = filled();
        let mut most = [0; 2];
        for round in 0..20 {
            keyspace.set_child_alive(true);
            for turn in 0..20_000 {
                let number = (round * 7_919 + turn * 104_729) % KEYS;
                let expiry = number.is_multiple_of(3).then_some(i64::MAX);
                keyspace.set_string(number % 2, key(number).as_bytes(), &value(number), expiry);
            }
            most[round / 10] = most[round / 10].max(heap_bytes().pages);
            keyspace.set_child_alive(false);
            while keyspace.compact_for(Duration::from_secs(1)).more {}
        }
        assert!(most[1] <= most[0] + (4 << 20), "{most:?}");
        assert_holds(&keyspace, 0..KEYS);
    }
}
