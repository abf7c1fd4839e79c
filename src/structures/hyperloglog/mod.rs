//! HyperLogLog sketches: how many different elements were added, estimated from 16,384 registers of 6 bits.
//! Owns:  the layout of a sketch, and the checks of its header and runs.
//! Uses:  nothing.
//! Never: a key or a string value.
//!
//! ```text
//! 0      4          5          8                       16
//! | HYLL | encoding | 3 zeros  | cached cardinality: 8 | registers |
//! ```
//!
//! The layout is the one in which Redis keeps such sketches in strings. An element's hash picks a register, which keeps
//! the longest run of zeros that was seen in the rest of a hash. Dense registers take 12 KiB; while most are zero they
//! are encoded as runs (see `sparse`). The estimate is cached, with its highest bit set once it no longer holds.

mod dense;
mod estimate;
mod hash;
mod registers;
mod self_test;
mod sparse;
#[cfg(test)]
mod tests;

pub use registers::Registers;
pub use self_test::self_test;
pub use sparse::{Opcode, Opcodes};

use estimate::Histogram;
use hash::Rank;

/// The low bits of an element's hash pick one of so many registers.
const INDEX_BITS: u32 = 14;
pub const REGISTERS: usize = 1 << INDEX_BITS;
const REGISTER_BITS: usize = 6;

const MAGIC: &[u8; 4] = b"HYLL";
const ENCODING_AT: usize = 4;
const CARDINALITY_AT: usize = 8;
const HEADER_BYTES: usize = 16;
const DENSE_BYTES: usize = HEADER_BYTES + REGISTERS * REGISTER_BITS / 8;

/// Of the cached cardinality's bytes, the one with the highest bit.
const CACHE_STATE_AT: usize = HEADER_BYTES - 1;
const CACHE_IS_STALE: u8 = 0x80;

/// How a sketch keeps its registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Encoding {
    Dense = 0,
    Sparse = 1,
}

impl Encoding {
    pub const fn name(self) -> &'static str {
        match self {
            Encoding::Dense => "dense",
            Encoding::Sparse => "sparse",
        }
    }
}

/// What is wrong with bytes that should be a sketch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SketchError {
    /// The header is not one, or the length does not fit it.
    #[error("not a HyperLogLog sketch")]
    NotASketch,
    /// The runs of a sparse sketch do not tell exactly all registers.
    #[error("the runs of the sparse sketch do not fit its registers")]
    Corrupted,
}

/// A sketch as it is read. Its header is right; the runs of a sparse one are checked where they are read.
#[derive(Clone, Copy, Debug)]
pub struct SketchView<'a> {
    encoding: Encoding,
    bytes: &'a [u8],
}

impl<'a> SketchView<'a> {
    pub fn new(bytes: &'a [u8]) -> Result<Self, SketchError> {
        let header = bytes.first_chunk::<HEADER_BYTES>().filter(|header| header.starts_with(MAGIC));
        let encoding = match header.map(|header| header[ENCODING_AT]) {
            Some(0) if bytes.len() == DENSE_BYTES => Encoding::Dense,
            Some(1) => Encoding::Sparse,
            _ => return Err(SketchError::NotASketch),
        };
        Ok(Self { encoding, bytes })
    }

    pub fn encoding(self) -> Encoding {
        self.encoding
    }

    /// The estimate that was cached, unless registers were raised since.
    pub fn cached_cardinality(self) -> Option<u64> {
        let cached = self.bytes[CARDINALITY_AT..].first_chunk().map(|bytes| u64::from_le_bytes(*bytes))?;
        (self.bytes[CACHE_STATE_AT] & CACHE_IS_STALE == 0).then_some(cached)
    }

    /// Estimates how many different elements were added.
    pub fn cardinality(self) -> Result<u64, SketchError> {
        let mut histogram = Histogram::default();
        match self.encoding {
            Encoding::Dense => dense::count(self.body(), &mut histogram),
            Encoding::Sparse => sparse::count(self.body(), &mut histogram)?,
        }
        Ok(histogram.estimate())
    }

    /// The runs of a sparse sketch, which need not be right.
    pub fn opcodes(self) -> Opcodes<'a> {
        Opcodes::new(if self.encoding == Encoding::Sparse { self.body() } else { &[] })
    }

    /// Checks what [`SketchView::new`] leaves unchecked.
    pub fn check(self) -> Result<(), SketchError> {
        match self.encoding {
            Encoding::Dense => Ok(()),
            Encoding::Sparse => sparse::check(self.body()),
        }
    }

    fn body(self) -> &'a [u8] {
        &self.bytes[HEADER_BYTES..]
    }
}

/// A sketch to which nothing was added, laid out in `room`, whatever that held. Its estimate counts as stale, as that of
/// every sketch that a command of Redis has just made.
pub fn empty(mut room: Vec<u8>) -> Vec<u8> {
    room.clear();
    room.extend_from_slice(MAGIC);
    room.push(Encoding::Sparse as u8);
    room.resize(HEADER_BYTES, 0);
    room[CACHE_STATE_AT] = CACHE_IS_STALE;
    sparse::push_zeros(&mut room, REGISTERS);
    room
}

/// A sketch to be changed, whose encoding and length may change with it. The registers of a dense one rise where they are,
/// and nothing is written where none does.
pub struct Sketch<'a> {
    bytes: &'a mut Vec<u8>,
    encoding: Encoding,
    /// A sparse sketch that would grow beyond this becomes dense.
    sparse_bytes_max: usize,
}

impl<'a> Sketch<'a> {
    /// Takes bytes that are a sketch through and through.
    pub fn new(bytes: &'a mut Vec<u8>, sparse_bytes_max: usize) -> Result<Self, SketchError> {
        let view = SketchView::new(bytes)?;
        view.check()?;
        Ok(Self { encoding: view.encoding(), bytes, sparse_bytes_max })
    }

    /// Adds an element. Returns whether that changed a register.
    pub fn add(&mut self, element: &[u8]) -> bool {
        self.raise(Rank::of(element))
    }

    /// Raises every register to what it is in `registers`, where that is more.
    pub fn merge(&mut self, registers: &Registers) {
        for rank in registers.ranks() {
            self.raise(rank);
        }
    }

    pub fn is_dense(&self) -> bool {
        self.encoding == Encoding::Dense
    }

    /// Makes the sketch dense. Returns whether it was not.
    pub fn make_dense(&mut self) -> bool {
        if self.encoding == Encoding::Dense {
            return false;
        }
        let mut registers = Registers::new();
        registers.merge(SketchView { encoding: Encoding::Sparse, bytes: self.bytes }).expect("the sketch was checked");
        let mut dense = vec![0; DENSE_BYTES];
        dense[..HEADER_BYTES].copy_from_slice(&self.bytes[..HEADER_BYTES]);
        dense[ENCODING_AT] = Encoding::Dense as u8;
        for rank in registers.ranks() {
            dense::set(&mut dense[HEADER_BYTES..], rank);
        }
        *self.bytes = dense;
        self.encoding = Encoding::Dense;
        true
    }

    #[inline]
    fn raise(&mut self, rank: Rank) -> bool {
        let in_runs = match self.encoding {
            Encoding::Sparse => sparse::raise(self.bytes, rank, self.sparse_bytes_max),
            Encoding::Dense => None,
        };
        let raised = in_runs.unwrap_or_else(|| {
            self.make_dense();
            dense::raise(&mut self.bytes[HEADER_BYTES..], rank)
        });
        if raised {
            self.invalidate_cache();
        }
        raised
    }

    /// Notes that the cached estimate no longer holds. Where that is known, nothing is written.
    pub fn invalidate_cache(&mut self) {
        if self.bytes[CACHE_STATE_AT] & CACHE_IS_STALE == 0 {
            self.bytes[CACHE_STATE_AT] |= CACHE_IS_STALE;
        }
    }
}

/// Notes the estimate in the bytes of a sketch.
pub fn cache_cardinality(sketch: &mut [u8], cardinality: u64) {
    sketch[CARDINALITY_AT..HEADER_BYTES].copy_from_slice(&cardinality.to_le_bytes());
}
