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
    pub(super) effects: Vec<Effect>,
    /// An error was written that no command's figures hold yet.
    pub(super) uncounted_error: bool,
    /// What a frame may have.
    pub(super) limits: Limits,
    /// Up to which size collections keep their compact encodings.
    pub(super) encodings: types::Limits,
    /// Lent out while a client's commands run.
    pub(super) ahead: Option<Box<AheadDecoders>>,
    /// CLIENT PAUSE, while it is on.
    pub(super) pause: Option<Pause>,
    pub(super) deadlines: Deadlines,
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

    /// Takes over the settings of which running commands keeps a copy of its own.
    pub fn follow(&mut self, config: &Config) {
        self.limits.bulk_bytes_max = config.string_bytes_max() as usize;
        self.encodings = types::Limits::from(config);
    }

    /// The running command has failed, by an error that it was not itself to count.
    pub fn note_failure(&mut self) {
        self.uncounted_error = true;
    }

    /// How long CLIENT PAUSE still lasts, while it is on.
    pub fn pause_left(&self, now: Now) -> Option<Duration> {
        self.pause.map(|pause| pause.left(now))
    }

    /// How many clients wait until a deadline.
    pub fn deadlines_len(&self) -> usize {
        self.deadlines.len()
    }
}

/// CLIENT PAUSE, while it is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pause {
    pub(super) until: Instant,
    pub(super) mode: PauseMode,
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
