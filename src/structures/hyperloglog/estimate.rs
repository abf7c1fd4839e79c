//! From registers to a number: Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches",
//! arXiv:1702.01284.
//!
//! The sums are made in the order in which Redis makes them, so that both servers round to the same number.

use super::{INDEX_BITS, REGISTER_BITS, REGISTERS};

/// The highest value of a register whose hash had a one, which is one less than of a hash without.
const RANK_MAX: usize = (u64::BITS - INDEX_BITS) as usize;

/// 1 / (2 ln 2): the bias of the estimator for infinitely many registers.
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// How many registers have each value; a corrupted sketch may have any that fits the bits.
pub struct Histogram {
    counts: [u32; 1 << REGISTER_BITS],
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: [0; 1 << REGISTER_BITS] }
    }
}

impl Histogram {
    #[inline]
    pub fn add(&mut self, value: u8, registers: usize) {
        self.counts[usize::from(value) % (1 << REGISTER_BITS)] += registers as u32;
    }

    /// Adds the values of several registers.
    pub fn add_all(&mut self, values: &[u8]) {
        // Several counters for each value: the same one time and again would wait for itself.
        let mut counts = [[0u32; 1 << REGISTER_BITS]; 4];
        let (groups, rest) = values.as_chunks::<4>();
        for group in groups {
            for (counts, value) in counts.iter_mut().zip(group) {
                counts[usize::from(*value) % (1 << REGISTER_BITS)] += 1;
            }
        }
        for (value, count) in self.counts.iter_mut().enumerate() {
            *count += counts.iter().map(|counts| counts[value]).sum::<u32>();
        }
        for value in rest {
            self.add(*value, 1);
        }
    }

    /// The estimate. Where the registers tell of more elements than can be counted, which those of a real sketch never
    /// do, only the bit is set that keeps it from being cached.
    pub fn estimate(&self) -> u64 {
        let registers = REGISTERS as f64;
        let share = |count: u32| f64::from(count) / registers;
        let mut z = registers * tau((registers - f64::from(self.counts[RANK_MAX + 1])) / registers);
        for count in self.counts[1..=RANK_MAX].iter().rev() {
            z = (z + f64::from(*count)) * 0.5;
        }
        z += registers * sigma(share(self.counts[0]));
        let estimate = (ALPHA * registers * registers / z).round();
        if estimate < (1u64 << 63) as f64 { estimate as u64 } else { 1 << 63 }
    }
}

/// What the registers that are still zero tell, x being their share.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let mut y = 1.0;
    let mut z = x;
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if before == z {
            return z;
        }
    }
}

/// What the registers with the highest value tell, x being the share of all others.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let mut y = 1.0;
    let mut z = 1.0 - x;
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if before == z {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_are_exact_while_few_registers_are_set() {
        for raised in 0..100 {
            let mut histogram = Histogram::default();
            histogram.add(0, REGISTERS - raised);
            histogram.add(1, raised);
            assert_eq!(histogram.estimate(), raised as u64, "{raised} registers");
        }
    }

    #[test]
    fn any_histogram_has_an_estimate() {
        for value in 0..64 {
            let mut histogram = Histogram::default();
            histogram.add(value, REGISTERS);
            let estimate = histogram.estimate();
            assert!(value == 0 || estimate > 0, "{value}: {estimate}");
        }
    }

    #[test]
    fn registers_are_counted_alike_one_by_one_and_together() {
        let values: Vec<u8> = (0..1_003u32).map(|n| (n * 7 % 51) as u8).collect();
        let (mut one_by_one, mut together) = (Histogram::default(), Histogram::default());
        values.iter().for_each(|value| one_by_one.add(*value, 1));
        together.add_all(&values);
        assert_eq!(one_by_one.counts, together.counts);
    }
}
