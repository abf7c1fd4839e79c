//! Which key goes when memory is short (<https://redis.io/docs/latest/develop/reference/eviction/>).
//!
//! As in Redis, the exact order is not kept: a few keys of each database are sampled for each eviction, and the best
//! candidates seen so far wait in a small pool.

use super::db::Db;
use super::entry::Entry;
use super::{AccessClock, EventClass, Keyspace};
use crate::config::EvictionPolicy;

/// Candidates that are remembered between evictions (Redis: EVPOOL_SIZE).
const POOL_KEYS_MAX: usize = 16;

/// Which keys may go, and how hard to look for the best.
#[derive(Clone, Copy, Debug)]
pub struct Eviction {
    pub policy: EvictionPolicy,
    /// Keys sampled from each database for each eviction.
    pub samples: usize,
}

/// The best candidates seen so far, the best one last.
#[derive(Default)]
pub struct EvictionPool {
    candidates: Vec<Candidate>,
    /// The database from which a random policy took last; it goes round.
    last_db: usize,
    rng: fastrand::Rng,
}

struct Candidate {
    /// The higher, the sooner it goes.
    score: u64,
    db: usize,
    key: Box<[u8]>,
}

impl EvictionPool {
    /// Drops all candidates: under another policy their scores mean nothing.
    pub fn clear(&mut self) {
        self.candidates.clear();
    }

    fn offer(&mut self, score: u64, db: usize, key: &[u8]) {
        let full = self.candidates.len() == POOL_KEYS_MAX;
        if full && self.candidates[0].score >= score {
            return;
        }
        if self.candidates.iter().any(|candidate| candidate.db == db && &*candidate.key == key) {
            return;
        }
        if full {
            self.candidates.remove(0);
        }
        let place = self.candidates.partition_point(|candidate| candidate.score < score);
        self.candidates.insert(place, Candidate { score, db, key: key.into() });
    }
}

impl Keyspace {
    /// Deletes the key that `eviction` says should go first, and reports that. Returns whether there was one.
    pub fn evict_one(&mut self, eviction: &Eviction) -> bool {
        let mut pool = std::mem::take(&mut self.eviction_pool);
        let victim = match eviction.policy {
            EvictionPolicy::NoEviction => None,
            EvictionPolicy::AllKeysRandom | EvictionPolicy::VolatileRandom => self.random_victim(&mut pool, eviction),
            _ => self.best_victim(&mut pool, eviction),
        };
        self.eviction_pool = pool;
        let Some((db, key)) = victim else { return false };
        self.evict(db, &key);
        true
    }

    fn evict(&mut self, db: usize, key: &[u8]) {
        let lazily = self.lazy_free.policy.eviction;
        if self.remove(db, key, lazily) {
            self.stats.evicted += 1;
            self.record_removed(db, key);
            self.signal(db, key);
            self.events.notify(EventClass::EVICTED, "evicted", db, key);
        }
    }

    fn best_victim(&self, pool: &mut EvictionPool, eviction: &Eviction) -> Option<(usize, Box<[u8]>)> {
        loop {
            let mut evictable = 0;
            for (index, db) in self.dbs() {
                let mut rng = pool.rng.clone();
                evictable += evictable_keys(db, eviction.policy);
                sample(db, eviction, &mut rng, |entry| {
                    pool.offer(score(entry, eviction.policy, &self.access), index, entry.key());
                });
                pool.rng = rng;
            }
            if evictable == 0 {
                return None;
            }
            // A candidate may have been deleted, or have lost its expiry, since it was sampled.
            while let Some(Candidate { db, key, .. }) = pool.candidates.pop() {
                let entry = self.dbs.get(db).and_then(|db| db.peek(&key));
                if entry.is_some_and(|entry| !eviction.policy.spares_persistent_keys() || entry.expiry().is_some()) {
                    return Some((db, key));
                }
            }
        }
    }

    fn random_victim(&self, pool: &mut EvictionPool, eviction: &Eviction) -> Option<(usize, Box<[u8]>)> {
        for _ in 0..self.databases() {
            pool.last_db = (pool.last_db + 1) % self.databases();
            let db = &self.dbs[pool.last_db];
            let entry = if eviction.policy.spares_persistent_keys() {
                db.keys().random_marked(&mut pool.rng)
            } else {
                db.random(&mut pool.rng)
            };
            if let Some(entry) = entry {
                return Some((pool.last_db, entry.key().into()));
            }
        }
        None
    }
}

fn evictable_keys(db: &Db, policy: EvictionPolicy) -> usize {
    if policy.spares_persistent_keys() { db.expires_len() } else { db.len() }
}

fn sample(db: &Db, eviction: &Eviction, rng: &mut fastrand::Rng, visit: impl FnMut(&Entry)) {
    if eviction.policy.spares_persistent_keys() {
        db.keys().sample_marked(eviction.samples, rng, visit);
    } else {
        db.keys().sample(eviction.samples, rng, visit);
    }
}

fn score(entry: &Entry, policy: EvictionPolicy, access: &AccessClock) -> u64 {
    match policy {
        EvictionPolicy::AllKeysLfu | EvictionPolicy::VolatileLfu => 255 - u64::from(access.frequency(entry.clock())),
        // The sooner a key expires, the sooner it goes.
        EvictionPolicy::VolatileTtl => u64::MAX - entry.expiry().unwrap_or(i64::MAX).max(0) as u64,
        _ => access.idle_seconds(entry.clock()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::AccessPolicy;
    use crate::stdx::HashSeed;

    fn keyspace() -> Keyspace {
        Keyspace::new(2, HashSeed { k0: 1, k1: 2 })
    }

    fn eviction(policy: EvictionPolicy) -> Eviction {
        Eviction { policy, samples: 10 }
    }

    #[test]
    fn longest_unused_keys_go_first() {
        let mut keyspace = keyspace();
        for (index, age) in [("old", 0), ("older", -50), ("new", 100)].into_iter().enumerate() {
            keyspace.access.set_time((1_000 + age.1) * 1000);
            keyspace.set_string(index % 2, age.0.as_bytes(), b"v", None);
        }
        for expected in ["older", "old", "new"] {
            assert!(keyspace.evict_one(&eviction(EvictionPolicy::AllKeysLru)));
            assert!(keyspace.dbs().all(|(_, db)| db.peek(expected.as_bytes()).is_none()), "{expected}");
        }
        assert!(!keyspace.evict_one(&eviction(EvictionPolicy::AllKeysLru)));
        assert_eq!(keyspace.stats.evicted, 3);
    }

    #[test]
    fn least_often_used_keys_go_first() {
        let mut keyspace = keyspace();
        keyspace.access.set_policy(AccessPolicy::Lfu { log_factor: 0, decay_minutes: 1 });
        for (key, uses) in [("a", 3), ("b", 0), ("c", 9)] {
            keyspace.set_string(0, key.as_bytes(), b"v", None);
            for _ in 0..uses {
                keyspace.find(0, key.as_bytes(), 0, crate::keyspace::Touch::Yes);
            }
        }
        for expected in ["b", "a", "c"] {
            assert!(keyspace.evict_one(&eviction(EvictionPolicy::AllKeysLfu)));
            assert!(keyspace.db(0).peek(expected.as_bytes()).is_none(), "{expected}");
        }
    }

    #[test]
    fn volatile_policies_spare_keys_without_an_expiry() {
        for policy in EvictionPolicy::ALL.into_iter().filter(|policy| policy.spares_persistent_keys()) {
            let mut keyspace = keyspace();
            keyspace.set_string(0, b"kept", b"v", None);
            keyspace.set_string(0, b"late", b"v", Some(9_000));
            keyspace.set_string(1, b"soon", b"v", Some(5_000));
            assert!(keyspace.evict_one(&eviction(policy)), "{policy:?}");
            if policy == EvictionPolicy::VolatileTtl {
                assert!(keyspace.db(1).is_empty());
            }
            assert!(keyspace.evict_one(&eviction(policy)));
            assert!(!keyspace.evict_one(&eviction(policy)), "{policy:?}");
            assert_eq!(keyspace.len(), 1);
        }
    }

    #[test]
    fn random_policy_empties_all_databases_and_noeviction_none() {
        let mut keyspace = keyspace();
        for number in 0..50u8 {
            keyspace.set_string(usize::from(number % 2), &[number], b"v", None);
        }
        assert!(!keyspace.evict_one(&eviction(EvictionPolicy::NoEviction)));
        for left in (0..50).rev() {
            assert!(keyspace.evict_one(&eviction(EvictionPolicy::AllKeysRandom)));
            assert_eq!(keyspace.len(), left);
        }
    }

    #[test]
    fn pool_keeps_the_best_candidates_in_order() {
        let mut pool = EvictionPool::default();
        for number in 0..100u64 {
            let score = number * 37 % 101;
            pool.offer(score, 0, &score.to_string().into_bytes());
            pool.offer(score, 0, &score.to_string().into_bytes());
        }
        let scores: Vec<_> = pool.candidates.iter().map(|candidate| candidate.score).collect();
        assert_eq!(scores, (85..=100).collect::<Vec<u64>>());
    }
}
