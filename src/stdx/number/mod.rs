//! Numbers as text, read and written exactly as Redis reads and writes them.
//! Owns:  reading and writing of integers, binary doubles, and C's long doubles.
//! Uses:  nothing.
//! Never: an allocation that the text of a number does not need, or a rule of one command.

mod big;
mod binary;
mod double;
mod integer;
mod long_double;
#[cfg(all(test, feature = "peers"))]
mod peers;
mod significant;
mod stack_text;

pub use double::{format_f64, format_f64_17g, parse_f64};
pub use integer::{
    IntText, SHORT_NUMBER_END, format_i64, format_u64, parse_i64, parse_u64_like_strtoull, short_digits,
};
pub use long_double::LongDouble;
pub use significant::{format_significant, parse_f64_prefix};
pub use stack_text::StackText;

/// The text of one double; the longest, `-2.2250738585072014e-308`, has 24 bytes.
pub type FloatText = StackText<32>;
