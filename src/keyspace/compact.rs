//! Moving entries out of pages that are filled less than others, so that these become empty and are given back.

use std::time::{Duration, Instant};

use super::Keyspace;
use super::lazy_free::LazyFree;
use crate::structures::{Evacuated, Pool};

/// Searches for a page with entries to be moved, in one round.
const SEARCHES_MAX: usize = 16;

/// What one round of compaction has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compaction {
    /// Entries that are now in another block.
    pub moved: u64,
    /// Blocks that were looked at and stay.
    pub kept: u64,
    pub more: bool,
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
                        *(if is_moved { &mut done.moved } else { &mut done.kept }) += 1;
                    }
                }
            }
        }
        Compaction { more: true, ..done }
    }
}

#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests {
    use super::*;
    use crate::stdx::HashSeed;
    use crate::stdx::alone::is_alone;
    use crate::structures::heap_bytes;

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
