//! Intsets: sorted sets of integers, all of one width, in the format that RDB files store.
//! Owns:  the byte format, reading it through [`IntsetView`], changing it through [`Intset`], checking foreign bytes.
//! Uses:  the row of bytes beside it.
//! Never: a threshold of a data type; a narrower width after a removal, which the format's first writer does not do.

mod owned;
mod view;

#[cfg(test)]
mod tests;

pub use owned::Intset;
#[cfg(test)]
pub use view::Malformed;
pub use view::{IntsetView, Iter, validate};
