//! The keyed hash of everything that clients name: keys, members, fields.

use std::sync::OnceLock;

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

    /// SipHash-1-3 of a whole text. It is written out here since every command waits for it: a hasher that can be fed piece by
    /// piece has its state in memory, and takes a quarter more.
    #[inline(never)]
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        let Self { k0, k1 } = *self;
        let mut state = State([
            k0 ^ 0x736f_6d65_7073_6575,
            k1 ^ 0x646f_7261_6e64_6f6d,
            k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573,
        ]);
        let (words, rest) = bytes.as_chunks();
        for word in words {
            state.add(u64::from_le_bytes(*word));
        }
        state.add((bytes.len() as u64) << 56 | tail(bytes, rest.len()));
        state.0[2] ^= 0xff;
        for _ in 0..3 {
            state.round();
        }
        state.0.into_iter().fold(0, |sum, word| sum ^ word)
    }
}

struct State([u64; 4]);

impl State {
    #[inline(always)]
    fn add(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }

    #[inline(always)]
    fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.0;
        a = a.wrapping_add(b);
        c = c.wrapping_add(d);
        b = b.rotate_left(13) ^ a;
        d = d.rotate_left(16) ^ c;
        a = a.rotate_left(32).wrapping_add(d);
        c = c.wrapping_add(b);
        b = b.rotate_left(17) ^ c;
        d = d.rotate_left(21) ^ a;
        self.0 = [a, b, c.rotate_left(32), d];
    }
}

/// The last bytes, up to seven, as a number.
#[inline(always)]
fn tail(bytes: &[u8], count: usize) -> u64 {
    if let Some(last) = bytes.last_chunk() {
        // In two steps, since a shift by 64 is none.
        return u64::from_le_bytes(*last) >> 8 >> (56 - 8 * count);
    }
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        // The two overlap in bytes that they have in common.
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << (8 * (count - 4));
    }
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use siphasher::sip::SipHasher13;

    use super::*;

    proptest! {
        #[test]
        fn every_text_has_the_hash_that_another_siphash_gives_it(
            k0: u64,
            k1: u64,
            text in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let oracle = SipHasher13::new_with_keys(k0, k1);
            let seed = HashSeed { k0, k1 };
            for length in 0..=text.len() {
                prop_assert_eq!(seed.hash(&text[..length]), oracle.hash(&text[..length]));
            }
        }
    }

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
