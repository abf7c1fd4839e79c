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
    /// Why and how long commands wait, while they do.
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
        self.pause?.wanted.map(|wanted| wanted.left(now))
    }

    /// How many clients wait until a deadline.
    pub fn deadlines_len(&self) -> usize {
        self.deadlines.len()
    }
}

/// Why commands wait.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Pause {
    /// By CLIENT PAUSE.
    pub(super) wanted: Option<TimedPause>,
    /// Those that may write wait, because the data must not change for one of these reasons.
    pub(super) freezes: [bool; Freeze::COUNT],
}

/// Why the data must not change for a while.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Freeze {
    /// A replica is to take over the role with all of them (FAILOVER).
    Failover,
    /// The server ends once replicas have them.
    Shutdown,
}

impl Freeze {
    const COUNT: usize = 2;
}

/// CLIENT PAUSE, while it is on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TimedPause {
    pub(super) until: Instant,
    pub(super) mode: PauseMode,
}

impl Pause {
    /// Which commands wait.
    pub fn mode(&self) -> PauseMode {
        self.wanted.map_or(PauseMode::Writes, |wanted| wanted.mode)
    }

    /// Whether nothing waits any more.
    pub(super) fn is_over(&self) -> bool {
        *self == Self::default()
    }
}

impl TimedPause {
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
        let pause = TimedPause { until: now.monotonic() + Duration::from_millis(500), mode: PauseMode::All };
        for set_by_ms in [0, -DAY_MS, DAY_MS] {
            let now = now.with_wall_clock_set(set_by_ms);
            assert_eq!(pause.left(now), Duration::from_millis(500));
            assert_eq!(pause.left(now.later(400_000_000)), Duration::from_millis(100));
            assert!(pause.left(now.later(500_000_000)).is_zero());
        }
    }
}
