//! 128 bits that stand for a key or a part of a value: two different ones are never taken for the same, save by a
//! chance that nobody has to reckon with.

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
