//! The rates that INFO shows, and the largest buffers of late.

use std::time::{Duration, Instant};

use crate::observe::Meter;

/// Between two readings of the rates.
pub(super) const METER_PERIOD: Duration = Duration::from_millis(100);

/// Seconds over which the largest buffers of clients count as recent.
const RECENT_SECONDS: usize = 8;

/// The rates that INFO stats shows, and the largest buffers of late.
#[derive(Debug, Default)]
pub struct Meters {
    pub(super) commands: Meter,
    pub(super) input_bytes: Meter,
    pub(super) output_bytes: Meter,
    pub(super) rounds: Meter,
    pub(super) busy_us: Meter,
    pub(super) read_at: Option<Instant>,
    /// Largest input and output buffer within each second.
    buffers: [(usize, usize); RECENT_SECONDS],
    buffers_second: i64,
}

impl Meters {
    /// The largest input and output buffer of a client in the last seconds.
    pub fn recent_buffers_max(&self) -> (usize, usize) {
        let input = self.buffers.iter().map(|(input, _)| *input).max().unwrap_or(0);
        let output = self.buffers.iter().map(|(_, output)| *output).max().unwrap_or(0);
        (input, output)
    }

    /// How many microseconds a round of the event loop takes.
    pub fn round_us(&self) -> u64 {
        let rounds = self.rounds.per_second();
        if rounds > 0.0 { (self.busy_us.per_second() / rounds) as u64 } else { 0 }
    }

    pub(super) fn note_buffers(&mut self, second: i64, input: usize, output: usize) {
        let slot = second.rem_euclid(RECENT_SECONDS as i64) as usize;
        if self.buffers_second != second {
            self.buffers_second = second;
            self.buffers[slot] = (0, 0);
        }
        let (input_max, output_max) = &mut self.buffers[slot];
        *input_max = input.max(*input_max);
        *output_max = output.max(*output_max);
    }
}
