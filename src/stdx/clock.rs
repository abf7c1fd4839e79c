//! The time, read once and handed on as a value.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The first reading of the process, by both clocks: where [`Now::steady_ms`] starts.
static ORIGIN: OnceLock<(Instant, i64)> = OnceLock::new();

/// One reading of both clocks. Whatever runs within one wake-up of the server sees the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// The wall clock in milliseconds since 1970, the unit of expiry times.
    pub unix_ms: i64,
    /// The wall clock in microseconds since 1970.
    pub unix_us: i64,
    /// The clock that never goes back is so much past a reading of it that others share.
    base: Instant,
    since_base_ns: u64,
    /// What is added to the wall clock for [`Now::steady_ms`].
    steady_ahead_ms: i64,
}

/// The most that a reading is carried on; see [`Now::later`].
const LATER_MAX_NS: u64 = 999_999_999;

impl Now {
    pub fn read() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let unix_us = i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX);
        let now = Self::at_unix_us(unix_us);
        let (origin, origin_unix_us) = *ORIGIN.get_or_init(|| (now.base, unix_us));
        let steady_us = origin_unix_us.saturating_add(now.base.saturating_duration_since(origin).as_micros() as i64);
        Self { steady_ahead_ms: steady_us / 1000 - now.unix_ms, ..now }
    }

    /// A reading made up for a test, or for replaying something at a given time.
    #[allow(dead_code, reason = "tests and fuzzing make up a time")]
    pub fn at_unix_ms(unix_ms: i64) -> Self {
        Self { unix_ms, ..Self::at_unix_us(unix_ms.saturating_mul(1000)) }
    }

    fn at_unix_us(unix_us: i64) -> Self {
        Self { unix_ms: unix_us / 1000, unix_us, base: Instant::now(), since_base_ns: 0, steady_ahead_ms: 0 }
    }

    /// A reading of clocks that a simulation sets: the wall clock, and how much of the clock that never goes back has passed
    /// since `origin`.
    #[cfg(any(test, feature = "internals"))]
    pub fn simulated(unix_ms: i64, origin: Instant, passed: Duration) -> Self {
        let steady_ahead_ms = (passed.as_millis() as i64).saturating_sub(unix_ms);
        Self { base: origin + passed, steady_ahead_ms, ..Self::at_unix_ms(unix_ms) }
    }

    /// The time so many nanoseconds after this one, which was read from the clocks; at most a second.
    #[inline]
    pub fn later(&self, nanoseconds: u64) -> Self {
        let since_base_ns = nanoseconds.min(LATER_MAX_NS);
        let unix_us = self.unix_us.saturating_add((since_base_ns / 1000) as i64);
        Self { unix_ms: unix_us / 1000, unix_us, since_base_ns, ..*self }
    }

    /// The clock that never goes back, for measuring how long something takes.
    #[inline]
    pub fn monotonic(&self) -> Instant {
        self.base + Duration::from_nanos(self.since_base_ns)
    }

    /// Milliseconds that go on evenly whoever sets the wall clock, for what is kept as a number and compared later. They
    /// begin as the wall clock's at the start of the process. From one reading of the clocks to the next a millisecond may
    /// be missing or come twice.
    #[inline]
    pub fn steady_ms(&self) -> i64 {
        self.unix_ms + self.steady_ahead_ms
    }

    /// As [`Now::steady_ms`], in seconds.
    pub fn steady_seconds(&self) -> i64 {
        self.steady_ms().div_euclid(1000)
    }

    /// The same moment where somebody has set the wall clock by so much.
    #[cfg(test)]
    pub fn with_wall_clock_set(self, by_ms: i64) -> Self {
        let (unix_ms, unix_us) = (self.unix_ms + by_ms, self.unix_us + by_ms * 1000);
        Self { unix_ms, unix_us, steady_ahead_ms: self.steady_ahead_ms - by_ms, ..self }
    }

    /// How long ago `earlier` was; nothing if it was not.
    pub fn since(&self, earlier: Now) -> Duration {
        Duration::from_nanos(self.nanoseconds_since(earlier))
    }

    /// As [`Now::since`], in nanoseconds.
    #[inline]
    pub fn nanoseconds_since(&self, earlier: Now) -> u64 {
        if self.base == earlier.base {
            self.since_base_ns.saturating_sub(earlier.since_base_ns)
        } else {
            self.monotonic().saturating_duration_since(earlier.monotonic()).as_nanos() as u64
        }
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

    #[test]
    fn a_later_time_is_later_by_both_clocks() {
        let now = Now::read();
        let later = now.later(2_345_678);
        assert_eq!(later.unix_us - now.unix_us, 2345);
        assert_eq!(later.unix_ms, later.unix_us / 1000);
        assert_eq!(later.monotonic() - now.monotonic(), Duration::from_nanos(2_345_678));
        assert_eq!(later.since(now), Duration::from_nanos(2_345_678));
        assert_eq!(now.since(later), Duration::ZERO);
        assert_eq!(now.later(u64::MAX).nanoseconds_since(now), LATER_MAX_NS);
    }

    #[test]
    fn steady_time_goes_on_whoever_sets_the_wall_clock() {
        const HOUR_MS: i64 = 3_600_000;
        let now = Now::read();
        assert!((now.steady_ms() - now.unix_ms).abs() < HOUR_MS, "both begin together");
        for by_ms in [-HOUR_MS, HOUR_MS] {
            let set = now.with_wall_clock_set(by_ms);
            assert_eq!(set.unix_ms - now.unix_ms, by_ms);
            assert_eq!(set.steady_ms(), now.steady_ms());
            assert_eq!(set.later(5_000_000).steady_ms(), now.steady_ms() + 5);
            assert_eq!(set.since(now), Duration::ZERO);
        }
        std::thread::sleep(Duration::from_millis(20));
        let elapsed = Now::read().steady_ms() - now.steady_ms();
        assert!(elapsed >= 19, "{elapsed}");
    }

    #[test]
    fn times_read_apart_are_compared_by_the_clock() {
        let first = Now::read();
        std::thread::sleep(Duration::from_millis(2));
        let second = Now::read();
        assert!(second.since(first) >= Duration::from_millis(2));
        assert_eq!(first.since(second), Duration::ZERO);
        assert_eq!(second.later(5).since(first), second.monotonic() - first.monotonic() + Duration::from_nanos(5));
    }
}
