//! Points on the earth as one number each, and the search for those that lie near one another.
//! Owns:  the curve that runs through all cells of a grid, the cells that cover an area, distances on a sphere.
//! Uses:  nothing of the house.
//! Never: a member, a unit other than the metre, or a container: it says which ranges of numbers to look through.

mod cell;
mod point;
mod search;
#[cfg(test)]
mod tests;

pub use point::Point;
#[cfg(test)]
pub use point::{LATITUDE_MAX, LONGITUDE_MAX};
pub use search::{Area, Search};
