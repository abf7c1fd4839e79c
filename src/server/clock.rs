//! The server's time: one reading of the monotonic clock a command.

use std::time::{Duration, Instant};

use crate::stdx::clock::Now;

/// How long a reading of the wall clock is carried on by the monotonic one.
const RECALIBRATE_AFTER: Duration = Duration::from_millis(100);

/// The latest reading. The wall clock is read ten times a second and carried on by the monotonic clock in between,
/// since commands read the time twice each.
#[derive(Debug)]
pub struct ServerClock {
    base: Now,
    latest: Now,
}

impl ServerClock {
    pub fn new() -> Self {
        let now = Now::read();
        Self { base: now, latest: now }
    }

    /// The time as of the last [`ServerClock::advance`].
    #[inline]
    pub fn latest(&self) -> Now {
        self.latest
    }

    /// Reads the time.
    #[inline]
    pub fn advance(&mut self) -> Now {
        let monotonic = Instant::now();
        let elapsed = monotonic.saturating_duration_since(self.base.monotonic);
        if elapsed > RECALIBRATE_AFTER {
            self.base = Now::read();
            self.latest = self.base;
        } else {
            // The whole of it: it is less than a second.
            let unix_us = self.base.unix_us + i64::from(elapsed.subsec_micros());
            self.latest = Now { unix_ms: unix_us / 1000, unix_us, monotonic };
        }
        self.latest
    }
}
