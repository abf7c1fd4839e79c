//! When a list is one listpack and when a quicklist, and how a quicklist's inner nodes are compressed.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::rdb::lzf;
use crate::structures::quicklist::{self, NodeCodec};
use crate::types::Limits;

/// A listpack of at most this many bytes lives inside its key's block.
pub const INLINE_BYTES_MAX: usize = 512;

/// An element of this size in bytes has a node of its own, unless a test chose another size.
const PACKED_THRESHOLD_DEFAULT: usize = 1 << 30;

/// The sizes in bytes that a `list-max-listpack-size` of -1 to -5 means.
const LISTPACK_BYTES_MAX: [usize; 5] = [4 << 10, 8 << 10, 16 << 10, 32 << 10, 64 << 10];

/// The size in bytes that a listpack is kept in whose limit is a number of elements.
const COUNTED_LISTPACK_BYTES_MAX: usize = 8 << 10;

static PACKED_THRESHOLD: AtomicUsize = AtomicUsize::new(PACKED_THRESHOLD_DEFAULT);

/// Sets from which size on an element has a node of its own (DEBUG QUICKLIST-PACKED-THRESHOLD); 0 for the default.
pub fn set_packed_threshold(bytes: usize) {
    PACKED_THRESHOLD.store(if bytes == 0 { PACKED_THRESHOLD_DEFAULT } else { bytes }, Ordering::Relaxed);
}

/// The limits of a quicklist's nodes.
#[inline]
pub fn node_limits(limits: &Limits) -> quicklist::Limits {
    quicklist::Limits {
        // No elements at all cannot be meant; Redis too takes 0 for 1.
        fill: if limits.list_max_listpack_size == 0 { 1 } else { limits.list_max_listpack_size },
        compress_depth: limits.list_compress_depth,
        packed_threshold: PACKED_THRESHOLD.load(Ordering::Relaxed),
    }
}

/// Whether a listpack of this size and length is too large to be a list's only one, going by `list-max-listpack-size`.
#[inline]
pub fn exceeds(fill: i32, bytes: usize, count: usize) -> bool {
    match listpack_max(fill) {
        (Some(bytes_max), _) => bytes > bytes_max,
        (None, count_max) => bytes > COUNTED_LISTPACK_BYTES_MAX || count > count_max,
    }
}

/// Whether a quicklist's only node may become the list. Half of the limit is asked for where the list has shrunk, so
/// that one whose size goes up and down around the limit is not converted to and fro.
pub fn fits(fill: i32, bytes: usize, count: usize, shrinking: bool) -> bool {
    let share = if shrinking { 2 } else { 1 };
    match listpack_max(fill) {
        (Some(bytes_max), _) => bytes <= bytes_max / share,
        (None, count_max) => count <= count_max / share,
    }
}

/// The most bytes, or else the most elements.
#[inline]
fn listpack_max(fill: i32) -> (Option<usize>, usize) {
    match usize::try_from(fill) {
        Ok(count) => (None, count.max(1)),
        Err(_) => {
            let step = fill.unsigned_abs() as usize;
            (Some(LISTPACK_BYTES_MAX[step.min(LISTPACK_BYTES_MAX.len()) - 1]), usize::MAX)
        }
    }
}

/// Compression of inner nodes, in the format that RDB files have them in.
#[derive(Clone, Copy, Debug)]
pub enum Lzf {}

impl NodeCodec for Lzf {
    fn compress(raw: &[u8]) -> Option<Vec<u8>> {
        thread_local! {
            static COMPRESSOR: RefCell<lzf::Compressor> = const { RefCell::new(lzf::Compressor::new()) };
        }
        let mut out = Vec::new();
        COMPRESSOR.with_borrow_mut(|compressor| compressor.compress(raw, &mut out)).then_some(out)
    }

    fn decompress(compressed: &[u8], raw_len: usize) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        lzf::decompress(compressed, raw_len as u64, &mut out).ok()?;
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negative_sizes_limit_bytes_and_positive_ones_elements() {
        assert!(!exceeds(-2, 8192, 5_000) && exceeds(-2, 8193, 1));
        assert!(!exceeds(-100, 65_536, 1) && exceeds(-100, 65_537, 1));
        assert!(!exceeds(3, 8192, 3) && exceeds(3, 100, 4) && exceeds(3, 8193, 1));
        assert!(!exceeds(0, 100, 1) && exceeds(0, 100, 2));
    }

    #[test]
    fn shrunken_list_must_be_at_half_of_the_limit() {
        assert!(fits(-2, 8192, 9, false) && !fits(-2, 8192, 9, true));
        assert!(fits(-2, 4096, 9, true));
        assert!(fits(4, 100, 2, true) && !fits(4, 100, 3, true) && fits(4, 100, 4, false));
    }

    #[test]
    fn codec_reads_what_it_has_written() {
        let raw = b"abcabcabc".repeat(50);
        let compressed = Lzf::compress(&raw).expect("repetitions compress");
        assert!(compressed.len() < raw.len());
        assert_eq!(Lzf::decompress(&compressed, raw.len()), Some(raw));
        assert_eq!(Lzf::compress(b"a"), None);
    }
}
