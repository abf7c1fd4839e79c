//! A pause that is on.

use std::time::{Duration, Instant};

use crate::commands::PauseMode;
use crate::stdx::clock::Now;

/// A pause that is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pause {
    pub until: Instant,
    pub mode: PauseMode,
}

impl Pause {
    /// How long it still lasts; nothing once it is over.
    pub fn left(&self, now: Now) -> Duration {
        self.until.saturating_duration_since(now.monotonic())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_lasts_as_long_as_it_should_whoever_sets_the_wall_clock() {
        const DAY_MS: i64 = 86_400_000;
        let now = Now::read();
        let pause = Pause { until: now.monotonic() + Duration::from_millis(500), mode: PauseMode::All };
        for set_by_ms in [0, -DAY_MS, DAY_MS] {
            let now = now.with_wall_clock_set(set_by_ms);
            assert_eq!(pause.left(now), Duration::from_millis(500));
            assert_eq!(pause.left(now.later(400_000_000)), Duration::from_millis(100));
            assert!(pause.left(now.later(500_000_000)).is_zero());
        }
    }
}
