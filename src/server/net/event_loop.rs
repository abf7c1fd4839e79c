//! How often the event loop goes round, and how long it is busy each time (INFO's `eventloop_` fields).
//!
//! A round begins where the loop's wait for something to do ends, and ends where it waits again. The runtime calls us at
//! both, on the one thread that executes commands; so two readings of the clock are what a round costs, however many
//! commands it executes.

use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

use crate::server::clock;
use crate::stdx::ticks;

static ROUNDS: AtomicU64 = AtomicU64::new(0);

/// The moment at which the round began; zero while the loop waits.
static BEGUN: AtomicU64 = AtomicU64::new(0);

static BUSY: AtomicU64 = AtomicU64::new(0);

static LONGEST: AtomicU64 = AtomicU64::new(0);

/// Whether moments are counts of the processor's counter, and not nanoseconds.
static USES_TICKS: AtomicBool = AtomicBool::new(false);

/// The moment from which others are measured, as the counter and the clock show it.
static ORIGIN: OnceLock<(u64, Instant)> = OnceLock::new();

/// Counts the rounds of the runtime that is built.
pub fn watch(builder: &mut Builder) {
    USES_TICKS.store(clock::ticks_are_steady(), Relaxed);
    ORIGIN.get_or_init(|| (ticks::read().unwrap_or(0), Instant::now()));
    builder.on_thread_unpark(begin_round).on_thread_park(end_round);
}

/// The number of the round that is under way.
#[inline]
fn round() -> u64 {
    ROUNDS.load(Relaxed)
}

fn moment() -> u64 {
    let ticks = if USES_TICKS.load(Relaxed) { ticks::read() } else { None };
    ticks.unwrap_or_else(|| ORIGIN.get().map_or(0, |(_, start)| start.elapsed().as_nanos() as u64)).max(1)
}

fn begin_round() {
    ROUNDS.store(ROUNDS.load(Relaxed).wrapping_add(1), Relaxed);
    BEGUN.store(moment(), Relaxed);
}

fn end_round() {
    let begun = BEGUN.swap(0, Relaxed);
    if begun != 0 {
        let busy = moment().saturating_sub(begun);
        BUSY.store(BUSY.load(Relaxed).wrapping_add(busy), Relaxed);
        LONGEST.store(LONGEST.load(Relaxed).max(busy), Relaxed);
    }
}

/// The time between two moments that lie so far apart.
fn duration_of(moments: u64) -> Duration {
    let nanoseconds = match ORIGIN.get().filter(|_| USES_TICKS.load(Relaxed)) {
        Some((origin, start)) => {
            // The counter's rate is what it has done since the start.
            let counted = ticks::read().unwrap_or(0).saturating_sub(*origin).max(1);
            (u128::from(moments) * start.elapsed().as_nanos() / u128::from(counted)) as u64
        }
        None => moments,
    };
    Duration::from_nanos(nanoseconds)
}

/// What the executor keeps beside the counts of the runtime's hooks.
#[derive(Debug, Default)]
pub struct RoundCounts {
    /// As of the last CONFIG RESETSTAT.
    rounds_then: u64,
    busy_then: u64,
    round: u64,
    /// Commands processed before the present round.
    commands_before: u64,
    commands_max: u64,
    /// Time of commands that others contained, which counts in both.
    nested_ns: u64,
    cron: Duration,
}

impl RoundCounts {
    pub fn rounds(&self) -> u64 {
        round().wrapping_sub(self.rounds_then)
    }

    pub fn busy(&self) -> Duration {
        duration_of(BUSY.load(Relaxed).wrapping_sub(self.busy_then))
    }

    pub fn longest(&self) -> Duration {
        duration_of(LONGEST.load(Relaxed))
    }

    /// The most commands of one round, the present one included.
    pub fn commands_max(&self, commands: u64) -> u64 {
        self.commands_max.max(commands.saturating_sub(self.commands_before))
    }

    /// Notes that commands are about to be executed, of which there were so many before.
    #[inline]
    pub fn note(&mut self, commands: u64) {
        let round = round();
        if self.round != round {
            self.commands_max = self.commands_max(commands);
            self.round = round;
            self.commands_before = commands;
        }
    }

    /// Notes the time of commands that another one contained.
    pub fn note_nested(&mut self, nanoseconds: u64) {
        self.nested_ns += nanoseconds;
    }

    pub fn nested_ns(&self) -> u64 {
        self.nested_ns
    }

    pub fn note_cron(&mut self, elapsed: Duration) {
        self.cron += elapsed;
    }

    /// The time that the cron has taken.
    pub fn cron(&self) -> Duration {
        self.cron
    }

    /// Starts anew, with CONFIG RESETSTAT.
    pub fn reset(&mut self) {
        LONGEST.store(0, Relaxed);
        *self = Self { rounds_then: round(), busy_then: BUSY.load(Relaxed), round: round(), ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_commands_of_one_round_are_kept() {
        let mut counts = RoundCounts { round: u64::MAX, ..RoundCounts::default() };
        counts.note(10);
        assert_eq!(counts.commands_max(12), 10, "those before the first round that is seen are one round");
        counts.commands_max = 0;
        assert_eq!(counts.commands_max(12), 2);
        counts.round = u64::MAX;
        counts.note(17);
        assert_eq!(counts.commands_max(17), 7);
        assert_eq!(counts.commands_max(30), 13);
        counts.reset();
        assert_eq!(counts.commands_max(0), 0);
    }
}
