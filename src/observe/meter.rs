//! How fast a counter grows, as an average over the last second and a half.

use std::time::Instant;

/// Readings averaged, taken ten times a second.
const READINGS: usize = 16;

/// Watches one counter.
#[derive(Debug, Default)]
pub struct Meter {
    latest: Option<(Instant, u64)>,
    per_second: [f64; READINGS],
    next: usize,
}

impl Meter {
    pub fn read(&mut self, now: Instant, count: u64) {
        if let Some((then, before)) = self.latest {
            let seconds = now.saturating_duration_since(then).as_secs_f64();
            // A counter that went back was reset: it says nothing about this stretch of time.
            let grown = count.saturating_sub(before) as f64;
            self.per_second[self.next] = if seconds > 0.0 { grown / seconds } else { 0.0 };
            self.next = (self.next + 1) % READINGS;
        }
        self.latest = Some((now, count));
    }

    pub fn per_second(&self) -> f64 {
        self.per_second.iter().sum::<f64>() / READINGS as f64
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_steady_counter_shows_its_rate_and_a_reset_one_shows_no_nonsense() {
        let start = Instant::now();
        let mut meter = Meter::default();
        for reading in 0..=16 {
            meter.read(start + Duration::from_millis(100 * reading), 50 * reading);
        }
        assert!((meter.per_second() - 500.0).abs() < 1e-6);
        meter.read(start + Duration::from_millis(1700), 0);
        assert!(meter.per_second() < 500.0 && meter.per_second() >= 0.0);
    }
}
