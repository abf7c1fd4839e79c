//! The order-free digest of a data set, as DEBUG DIGEST defines it, so that two servers can be compared.

use sha1::{Digest as _, Sha1};

/// Twenty bytes that identify a value, a key, or a whole data set.
///
/// `xor` mixes parts whose order does not matter, `mix` parts whose order does: SHA-1 of what was gathered so far
/// exclusive-or'd with the SHA-1 of the part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Digest([u8; 20]);

impl Digest {
    /// Adds an unordered part.
    pub fn xor(&mut self, part: &[u8]) {
        let hash: [u8; 20] = Sha1::digest(part).into();
        self.xor_bytes(&hash);
    }

    /// Adds a digest gathered apart as an unordered part.
    pub fn xor_digest(&mut self, other: &Digest) {
        self.xor(&other.0);
    }

    /// Adds an ordered part.
    pub fn mix(&mut self, part: &[u8]) {
        self.xor(part);
        self.0 = Sha1::digest(self.0).into();
    }

    /// Adds a number as an ordered part, most significant byte first.
    pub fn mix_number(&mut self, number: u32) {
        let bytes = [24, 16, 8, 0].map(|shift| (number >> shift) as u8);
        self.mix(&bytes);
    }

    pub fn hex(&self) -> String {
        use std::fmt::Write as _;
        self.0.iter().fold(String::with_capacity(40), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    fn xor_bytes(&mut self, bytes: &[u8; 20]) {
        for (mine, theirs) in self.0.iter_mut().zip(bytes) {
            *mine ^= theirs;
        }
    }
}
