//! Bits in a string of bytes: counting, searching, combining, and fields of up to 64 bits.
//! Owns:  nothing; the bytes are the caller's.
//! Uses:  nothing.
//! Never: a length limit, which is the caller's too.
//!
//! Bit 0 is the most significant bit of the first byte, so that bits are in the order in which one writes them.

mod combine;
mod count;
mod field;
mod search;

pub use combine::{Combination, combine, invert};
pub use count::count_ones_between;
pub use field::{FIELD_BITS_MAX, read_field, write_field};
pub use search::find_bit_between;
