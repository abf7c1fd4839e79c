//! The registers of several sketches at once, a byte each.

use super::estimate::Histogram;
use super::hash::Rank;
use super::{Encoding, REGISTERS, SketchError, SketchView, dense, sparse};

/// The highest value that each register has in any of the sketches that were merged.
pub struct Registers {
    values: Box<[u8; REGISTERS]>,
}

impl Registers {
    pub fn new() -> Self {
        Self { values: Box::new([0; REGISTERS]) }
    }

    /// Raises every register to what it is in the sketch, where that is more. A corrupted sketch may be merged in part.
    pub fn merge(&mut self, sketch: SketchView<'_>) -> Result<(), SketchError> {
        match sketch.encoding() {
            Encoding::Dense => dense::merge(sketch.body(), &mut self.values),
            Encoding::Sparse => sparse::merge(sketch.body(), &mut self.values)?,
        }
        Ok(())
    }

    /// Estimates how many different elements were added to the sketches.
    pub fn cardinality(&self) -> u64 {
        let mut histogram = Histogram::default();
        histogram.add_all(&self.values[..]);
        histogram.estimate()
    }

    pub fn values(&self) -> &[u8; REGISTERS] {
        &self.values
    }

    /// The registers that are not zero.
    pub(super) fn ranks(&self) -> impl Iterator<Item = Rank> {
        let ranks = self.values.iter().enumerate().map(|(index, value)| Rank { index, value: *value });
        ranks.filter(|rank| rank.value > 0)
    }
}

impl Default for Registers {
    fn default() -> Self {
        Self::new()
    }
}
