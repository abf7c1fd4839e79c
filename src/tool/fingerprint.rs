//! 128 bits that identify a key or a part of a value: two different ones are never taken for the same, save by a
//! chance that nobody has to reckon with.

use hashbrown::HashSet;
use siphasher::sip128::SipHasher13;

use crate::stdx::HashSeed;

/// A keyed hash, seeded anew in each process: nobody can make up keys that collide.
#[derive(Clone, Copy)]
pub struct Fingerprints {
    seed: HashSeed,
}

impl Fingerprints {
    pub fn new() -> Self {
        Self { seed: HashSeed::random() }
    }

    /// Equal bytes under another number have another fingerprint.
    #[inline]
    pub fn of(&self, number: u64, bytes: &[u8]) -> u128 {
        let hash = SipHasher13::new_with_keys(self.seed.k0 ^ number, self.seed.k1).hash(bytes);
        u128::from(hash.h1) << 64 | u128::from(hash.h2)
    }
}

/// Keys that have been met, to find those that a dump has twice.
pub struct KeysSeen {
    fingerprints: Fingerprints,
    /// Absent once there were too many.
    seen: Option<HashSet<u128>>,
    max: usize,
}

impl KeysSeen {
    /// So many keys take about 100 MB.
    pub const KEYS_MAX: usize = 4 << 20;

    /// Beyond `max` keys, none is compared any more.
    pub fn up_to(max: usize) -> Self {
        Self { fingerprints: Fingerprints::new(), seen: Some(HashSet::new()), max }
    }

    /// Notes a key. Returns whether it had been met before.
    pub fn met_before(&mut self, db: u64, key: &[u8]) -> bool {
        let Some(seen) = &mut self.seen else { return false };
        if seen.len() >= self.max {
            self.seen = None;
            return false;
        }
        !seen.insert(self.fingerprints.of(db, key))
    }

    /// Whether every key was compared.
    pub fn is_complete(&self) -> bool {
        self.seen.is_some()
    }
}
