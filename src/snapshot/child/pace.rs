//! How fast a background save may write, so that a slow disk has time for others.

use std::time::Duration;

/// Time that was not used may be made up for by so much at most: a pause is no reason for a flood after it.
const ARREARS_MAX: Duration = Duration::from_millis(100);

/// Spreads writes over time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pace {
    bytes_per_second: u64,
    /// When, since the start, what was written would have been written at this very pace.
    due: Duration,
}

impl Pace {
    /// `None` where there is no limit.
    pub fn new(bytes_per_second: u64) -> Option<Self> {
        (bytes_per_second > 0).then_some(Self { bytes_per_second, due: Duration::ZERO })
    }

    /// Notes that so many bytes were written, and says how long the next write has to wait. `elapsed` is the time since
    /// the start.
    pub fn after(&mut self, bytes: u64, elapsed: Duration) -> Duration {
        let nanoseconds = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second);
        let cost = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        self.due = self.due.max(elapsed.saturating_sub(ARREARS_MAX)).saturating_add(cost);
        self.due.saturating_sub(elapsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEGABYTE: u64 = 1_000_000;

    fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn no_limit_is_no_pace() {
        assert_eq!(Pace::new(0), None);
    }

    #[test]
    fn a_writer_that_waits_as_told_writes_at_the_pace() {
        let mut pace = Pace::new(50 * MEGABYTE).expect("a limit");
        let mut elapsed = Duration::ZERO;
        for _ in 0..1000 {
            elapsed += pace.after(MEGABYTE, elapsed);
            // What the work itself takes does not come on top.
            elapsed += milliseconds(3);
        }
        // 1,000 MB at 50 MB/s.
        assert!(elapsed.abs_diff(Duration::from_secs(20)) < milliseconds(50), "{elapsed:?}");
    }

    #[test]
    fn a_writer_slower_than_the_pace_never_waits() {
        let mut pace = Pace::new(50 * MEGABYTE).expect("a limit");
        for write in 1..1000 {
            assert_eq!(pace.after(MEGABYTE, milliseconds(21 * write)), Duration::ZERO);
        }
    }

    #[test]
    fn a_pause_is_made_up_for_by_a_tenth_of_a_second_only() {
        let mut pace = Pace::new(MEGABYTE).expect("a limit");
        assert_eq!(pace.after(MEGABYTE / 2, milliseconds(0)), milliseconds(500));
        let hour = Duration::from_secs(3600);
        assert_eq!(pace.after(MEGABYTE / 10, hour), Duration::ZERO);
        assert_eq!(pace.after(MEGABYTE, hour), Duration::from_secs(1));
    }

    #[test]
    fn no_amount_of_bytes_overflows() {
        let mut pace = Pace::new(1).expect("a limit");
        assert!(pace.after(u64::MAX, Duration::ZERO) > hours(1000));
        assert!(pace.after(u64::MAX, Duration::MAX) >= Duration::ZERO);
    }

    fn hours(count: u64) -> Duration {
        Duration::from_secs(count * 3600)
    }
}
