//! How long something took, counted in classes whose width grows with the duration: never off by more than 1 %.

/// Classes in each doubling of the duration.
const CLASSES: usize = 128;
const CLASS_BITS: u32 = CLASSES.trailing_zeros();

/// Longer durations are counted as this one, which is a second.
const NANOSECONDS_MAX: u64 = 1_000_000_000;

/// Doublings up to `NANOSECONDS_MAX`, the first row counting every nanosecond below 128 by itself.
pub const DOUBLINGS: usize = row_and_class(NANOSECONDS_MAX).0 + 1;

/// The duration in nanoseconds that is longer than all that count in a doubling.
pub const fn doubling_end_ns(doubling: usize) -> u64 {
    (CLASSES as u64) << doubling
}

/// Counts of durations in nanoseconds. A row takes memory from its first count on, and most commands need few.
#[derive(Debug)]
pub struct Histogram {
    rows: [Option<Box<[u64; CLASSES]>>; DOUBLINGS],
    total: u64,
}

#[inline]
const fn row_and_class(nanoseconds: u64) -> (usize, usize) {
    if nanoseconds < CLASSES as u64 {
        return (0, nanoseconds as usize);
    }
    let shift = nanoseconds.ilog2() - CLASS_BITS;
    (shift as usize + 1, (nanoseconds >> shift) as usize - CLASSES)
}

/// The longest duration in a class.
const fn longest_in(row: usize, class: usize) -> u64 {
    match row {
        0 => class as u64,
        row => (((CLASSES + class + 1) as u64) << (row - 1)) - 1,
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self { rows: [const { None }; DOUBLINGS], total: 0 }
    }
}

impl Histogram {
    #[inline]
    pub fn record(&mut self, nanoseconds: u64) {
        let (row, class) = row_and_class(nanoseconds.min(NANOSECONDS_MAX));
        self.rows[row].get_or_insert_with(|| Box::new([0; CLASSES]))[class] += 1;
        self.total += 1;
    }

    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many are in each doubling.
    pub fn doublings(&self) -> [u64; DOUBLINGS] {
        std::array::from_fn(|row| self.rows[row].as_ref().map_or(0, |counts| counts.iter().sum()))
    }

    /// As [`Self::percentile`], by way of the counts of [`Self::doublings`]: only the one that it is in is looked at.
    pub fn percentile_by(&self, doublings: &[u64; DOUBLINGS], percent: f64) -> u64 {
        let wanted = ((percent / 100.0 * self.total as f64 + 0.5) as u64).max(1);
        let mut seen = 0;
        for (row, (count, classes)) in doublings.iter().zip(&self.rows).enumerate() {
            let Some(classes) = classes.as_ref().filter(|_| seen + count >= wanted) else {
                seen += count;
                continue;
            };
            let reached = classes.iter().position(|count| {
                seen += count;
                seen >= wanted
            });
            return longest_in(row, reached.unwrap_or(CLASSES - 1));
        }
        0
    }

    /// The longest duration of each class that holds something, with its count, in rising order.
    fn classes(&self) -> impl Iterator<Item = (u64, u64)> {
        let rows = self.rows.iter().enumerate().filter_map(|(row, counts)| Some((row, counts.as_ref()?)));
        rows.flat_map(|(row, counts)| {
            let filled = counts.iter().enumerate().filter(|(_, count)| **count > 0);
            filled.map(move |(class, count)| (longest_in(row, class), *count))
        })
    }

    /// The duration in nanoseconds within which so many percent ended.
    pub fn percentile(&self, percent: f64) -> u64 {
        self.percentile_by(&self.doublings(), percent)
    }

    /// How many ended within 1, 2, 4, 8, 16, 33 ... microseconds, as far as each step brings more.
    pub fn cumulative_by_microseconds(&self) -> Vec<(u64, u64)> {
        let mut steps = Vec::new();
        let mut classes = self.classes().peekable();
        let mut seen = 0;
        let mut bound_ns = 1024;
        while seen < self.total {
            let (row, class) = row_and_class(bound_ns);
            let longest = longest_in(row, class);
            let before = seen;
            while let Some((_, count)) = classes.next_if(|(nanoseconds, _)| *nanoseconds <= longest) {
                seen += count;
            }
            if seen > before {
                steps.push((longest / 1000, seen));
            }
            bound_ns *= 2;
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_falls_into_a_class_near_to_it() {
        for exponent in 0..30 {
            for nanoseconds in [1u64 << exponent, (1 << exponent) + 1, (3 << exponent) / 2, (2 << exponent) - 1] {
                let nanoseconds = nanoseconds.min(NANOSECONDS_MAX);
                let (row, class) = row_and_class(nanoseconds);
                let longest = longest_in(row, class);
                assert!(
                    longest >= nanoseconds && longest - nanoseconds <= nanoseconds / 100,
                    "{nanoseconds} {longest}"
                );
            }
        }
    }

    #[test]
    fn percentiles_are_those_of_the_recorded_durations() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(50.0), 0);
        for microseconds in 1..=100 {
            histogram.record(microseconds * 1000);
        }
        for (percent, microseconds) in [(0.0, 1), (50.0, 50), (99.0, 99), (99.9, 100), (100.0, 100)] {
            let found = histogram.percentile(percent);
            assert!(found.abs_diff(microseconds * 1000) <= microseconds * 10, "p{percent}: {found}");
            assert_eq!(histogram.percentile_by(&histogram.doublings(), percent), found, "p{percent}");
        }
    }

    #[test]
    fn doublings_end_where_durations_double() {
        let mut histogram = Histogram::default();
        for nanoseconds in [0, 127, 128, 255, 256, 1023, 1024, u64::MAX] {
            histogram.record(nanoseconds);
        }
        let counts = histogram.doublings();
        assert_eq!((counts[0], counts[1], counts[2], counts[3], counts[4]), (2, 2, 1, 1, 1));
        assert_eq!((counts[DOUBLINGS - 1], counts.iter().sum::<u64>()), (1, 8));
        assert_eq!((doubling_end_ns(0), doubling_end_ns(3)), (128, 1024));
        assert!(doubling_end_ns(DOUBLINGS - 1) > NANOSECONDS_MAX && doubling_end_ns(DOUBLINGS - 2) < NANOSECONDS_MAX);
        assert_eq!(Histogram::default().percentile_by(&[0; DOUBLINGS], 50.0), 0);
    }

    #[test]
    fn long_durations_count_as_a_second() {
        let mut histogram = Histogram::default();
        histogram.record(u64::MAX);
        assert_eq!((histogram.total(), histogram.percentile(50.0) / 10_000_000), (1, 100));
    }

    #[test]
    fn cumulative_counts_stand_at_the_steps_that_redis_shows() {
        let mut histogram = Histogram::default();
        for nanoseconds in [500, 1500, 1600, 30_000, 130_000] {
            histogram.record(nanoseconds);
        }
        assert_eq!(histogram.cumulative_by_microseconds(), [(1, 1), (2, 3), (33, 4), (132, 5)]);
        assert_eq!(Histogram::default().cumulative_by_microseconds(), []);
    }
}
