//! Listpacks: sequences of short strings and integers in one run of bytes, in the format that RDB files store.
//! Owns:  the byte format, reading it through [`Lp`], changing it through [`Listpack`], and checking foreign bytes.
//! Uses:  stdx, and the row of bytes beside it.
//! Never: a threshold of a data type; a panic or a read out of bounds on bytes that [`validate`] has refused.

mod encoding;
mod owned;
mod random;
mod validate;
mod view;

#[cfg(test)]
mod tests;

pub use encoding::Entry;
pub use owned::Listpack;
#[cfg(test)]
pub use validate::Malformed;
pub use validate::validate;
pub use view::{Iter, Lp, Pairs, Pos};
