//! The keyed hash of everything that clients name: keys, members, fields.

use std::sync::OnceLock;

use siphasher::sip::SipHasher13;

/// The secret of SipHash-1-3. Clients choose the keys and SCAN shows their order, so the seed has to be
/// random for each process, or they could choose keys that all fall into one chain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct HashSeed {
    pub k0: u64,
    pub k1: u64,
}

#[cfg(any(test, feature = "internals"))]
thread_local! {
    static CHOSEN: std::cell::Cell<Option<HashSeed>> = const { std::cell::Cell::new(None) };
}

impl HashSeed {
    /// A seed from the kernel's random source, which is read once as the process starts.
    ///
    /// # Panics
    ///
    /// When the kernel has no randomness to give: without it no table is safe to open to clients.
    pub fn random() -> Self {
        #[cfg(any(test, feature = "internals"))]
        if let Some(seed) = CHOSEN.get() {
            return seed;
        }
        let k0 = getrandom::u64().expect("the kernel's random source answers");
        let k1 = getrandom::u64().expect("the kernel's random source answers");
        Self { k0, k1 }
    }

    /// The seed that all tables inside values share, drawn once for each process: a value can then be made, copied and
    /// loaded without one being handed down to it.
    pub fn of_process() -> Self {
        static SEED: OnceLock<HashSeed> = OnceLock::new();
        #[cfg(any(test, feature = "internals"))]
        if let Some(seed) = CHOSEN.get() {
            return seed;
        }
        *SEED.get_or_init(Self::random)
    }

    /// Chooses the seed of all tables that this thread makes from now on, so that a simulation comes to the same each time.
    #[cfg(any(test, feature = "internals"))]
    pub fn choose_for_thread(seed: Option<Self>) {
        CHOSEN.set(seed);
    }

    #[inline]
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        SipHasher13::new_with_keys(self.k0, self.k1).hash(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_gives_the_same_hash_and_another_seed_another() {
        let seed = HashSeed { k0: 1, k1: 2 };
        assert_eq!(seed.hash(b"key"), HashSeed { k0: 1, k1: 2 }.hash(b"key"));
        assert_ne!(seed.hash(b"key"), HashSeed { k0: 1, k1: 3 }.hash(b"key"));
        assert_ne!(seed.hash(b"key"), seed.hash(b"kez"));
    }

    #[test]
    fn seed_of_the_process_stays() {
        assert!(HashSeed::of_process() == HashSeed::of_process());
    }

    #[test]
    fn random_seeds_differ() {
        assert!(HashSeed::random() != HashSeed::random());
    }
}
