//! What is kept from one command to the next, and within one.

use std::time::{Duration, Instant};

use super::batch::AheadDecoders;
use super::waits::Deadlines;
use crate::commands::{Effect, PauseMode};
use crate::config::Config;
use crate::resp::Limits;
use crate::stdx::clock::Now;
use crate::types;

/// The state of running commands.
pub struct Execution {
    /// What the running command has asked for so far.
    pub effects: Vec<Effect>,
    /// An error was written that no command's figures hold yet.
    pub uncounted_error: bool,
    /// What a frame may have.
    pub limits: Limits,
    /// Up to which size collections keep their compact encodings.
    pub encodings: types::Limits,
    /// Lent out while a client's commands run.
    pub ahead: Option<Box<AheadDecoders>>,
    /// CLIENT PAUSE, while it is on.
    pub pause: Option<Pause>,
    pub deadlines: Deadlines,
}

impl Execution {
    pub fn new(config: &Config) -> Self {
        Self {
            effects: Vec::new(),
            uncounted_error: false,
            limits: Limits { bulk_bytes_max: config.string_bytes_max() as usize, ..Limits::default() },
            encodings: types::Limits::from(config),
            ahead: Some(Box::default()),
            pause: None,
            deadlines: Deadlines::default(),
        }
    }
}

/// CLIENT PAUSE, while it is on.
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
