//! The hash of a key that is about to be looked up, computed once for a command and not once for each lookup.

use super::Keyspace;
use crate::stdx::HashSeed;

/// The hash of the bytes at one place in memory, which holds as long as these are borrowed.
#[derive(Clone, Copy, Default, Debug)]
pub struct KnownHash {
    /// Only compared, never followed.
    address: usize,
    len: usize,
    hash: u64,
}

impl KnownHash {
    fn new(key: &[u8], hash: u64) -> Self {
        Self { address: key.as_ptr().addr(), len: key.len(), hash }
    }

    /// The hash, if `key` is that very key.
    #[inline]
    pub fn of(&self, key: &[u8]) -> Option<u64> {
        (self.address == key.as_ptr().addr() && self.len == key.len()).then_some(self.hash)
    }
}

impl Keyspace {
    /// Lets one database know the hash of the bytes in this place, as its keys were hashed with `seed` when the hash was
    /// made; nothing else may come into that place before [`Keyspace::forget_hash`].
    #[inline]
    pub fn know_hash(&mut self, db: usize, key: &[u8], hash: u64, seed: HashSeed) {
        // A load in between brings tables with another seed.
        if self.dbs[db].seed() == seed {
            self.dbs[db].known = KnownHash::new(key, hash);
        }
    }

    /// Ends what [`Keyspace::know_hash`] began.
    #[inline]
    pub fn forget_hash(&mut self, db: usize) {
        self.dbs[db].known = KnownHash::default();
    }
}
