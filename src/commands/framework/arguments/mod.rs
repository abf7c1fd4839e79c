//! How arguments are read: numbers, times, conditions and ranges.
//! Owns:  the forms of arguments that several commands share, and the errors for what is wrong with them.
//! Uses:  config, stdx.
//! Never: a key, a reply, or an argument that one command alone has.

mod condition;
mod number;
mod range;
mod time;

pub use condition::Condition;
pub use number::{at_least, count, cursor, database, float, float_or, integer, integer_or, unlimited_if_zero};
pub use range::{Limit, byte_range, index_range, is_reversed_from_back};
pub use time::{TimeUnit, deadline, deadline_in_ms};
