//! LZF as liblzf defines it, which Redis uses for strings: literal runs of up to 32 bytes, and references of 3 to 264
//! bytes to what is at most 8,192 bytes back. There is no header: the length of the original is stored outside.
//! Owns:  the compressor with its tables, and what it has learnt of each kind of string.
//! Uses:  the tags of values, stdx.
//! Never: returns an error from compression, or allocates by a stated length that the input cannot have.

mod compressor;
mod decompress;
mod output;
mod small;
mod stretches;
#[cfg(test)]
mod tests;

pub use compressor::Compressor;
pub(super) use compressor::Kind;
pub use decompress::{Error, decompress};

/// How far back a reference reaches.
const DISTANCE_MAX: usize = 1 << 13;

const LITERALS_MAX: usize = 32;

const MATCH_MIN: usize = 3;

/// 7 + 255 + 2: what the three bytes of the long form of a reference can say.
const MATCH_MAX: usize = 264;

/// Compressing must save at least this many bytes, or the string is better stored as it is.
const SAVING_MIN: usize = 4;

/// The widest block that is copied at once. Buffers have this much room behind what they hold.
const BLOCK: usize = 32;

/// The slots of the tables for long inputs.
const SLOTS: usize = 1 << 13;

/// The slot of the first three of four little-endian bytes.
#[inline]
fn slot_of_three<const SLOTS: usize>(bytes: u32) -> usize {
    slot::<SLOTS>(bytes << 8)
}

/// The slot of four bytes.
#[inline]
fn slot<const SLOTS: usize>(bytes: u32) -> usize {
    const MULTIPLIER: u32 = 0x9E37_79B1;
    (bytes.wrapping_mul(MULTIPLIER) >> (u32::BITS - SLOTS.trailing_zeros())) as usize
}

#[inline]
fn four_bytes(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("four bytes are there"))
}

#[inline]
fn eight_bytes(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("eight bytes are there"))
}
