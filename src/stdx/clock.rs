//! The time, read once and handed on as a value.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// One reading of both clocks. Whatever runs within one wake-up of the server sees the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The wall clock in milliseconds since 1970, which is what expiry times are told in.
    pub unix_ms: i64,
    /// The wall clock in microseconds since 1970.
    pub unix_us: i64,
    /// The clock that never goes back, for measuring how long something takes.
    pub monotonic: Instant,
}

impl Now {
    pub fn read() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let unix_us = i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX);
        Self { unix_ms: unix_us / 1000, unix_us, monotonic: Instant::now() }
    }

    /// A reading made up for a test, or for replaying something at a given time.
    pub fn at_unix_ms(unix_ms: i64) -> Self {
        Self { unix_ms, unix_us: unix_ms.saturating_mul(1000), monotonic: Instant::now() }
    }

    pub fn unix_seconds(&self) -> i64 {
        self.unix_ms.div_euclid(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_of_a_reading_agree() {
        let now = Now::read();
        assert_eq!(now.unix_us.div_euclid(1000), now.unix_ms);
        assert_eq!(now.unix_ms.div_euclid(1000), now.unix_seconds());
        assert!(now.unix_seconds() > 1_500_000_000);
    }
}
