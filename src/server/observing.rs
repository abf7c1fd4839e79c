//! What the server notes about its own speed: slow commands, events that held it up, rates.

use std::time::{Duration, Instant};

use super::executor::{Executor, ROUND_COMMAND_NS};
use super::frame::Frame;
use crate::commands::{Flags, SECRET, is_secret};
use crate::observe::{Meter, SlowCommand, shorten_args};

/// Between two readings of the rates.
const METER_PERIOD: Duration = Duration::from_millis(100);

/// Seconds over which the largest buffers of clients count as recent.
const RECENT_SECONDS: usize = 8;

/// The rates that INFO stats shows, and the largest buffers of late.
#[derive(Debug, Default)]
pub struct Meters {
    pub commands: Meter,
    pub input_bytes: Meter,
    pub output_bytes: Meter,
    pub rounds: Meter,
    pub busy_us: Meter,
    read_at: Option<Instant>,
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

    fn note_buffers(&mut self, second: i64, input: usize, output: usize) {
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

impl Executor {
    /// Takes over the settings of the slow log and of the latency histograms.
    pub(super) fn apply_observing_config(&mut self) {
        let config = &self.config;
        let slow_us = u64::try_from(config.slowlog_log_slower_than_us).unwrap_or(u64::MAX);
        let held_up_us = match config.latency_monitor_threshold_ms {
            0 => u64::MAX,
            milliseconds => milliseconds.saturating_mul(1000),
        };
        self.stats.noteworthy_ns = slow_us.min(held_up_us).saturating_mul(1000).min(ROUND_COMMAND_NS);
        self.stats.slow_log.cut(usize::try_from(config.slowlog_max_len).unwrap_or(usize::MAX));
        self.stats.command_stats.track_latency(config.latency_tracking);
    }

    /// Notes a command that took at least as long as the slow log or the latency monitor asks for, and ends the round of
    /// its client if it took long enough for that.
    #[cold]
    pub(super) fn note_slow_command(&mut self, frame: &Frame<'_>, elapsed: Duration) {
        let Frame { client: key, command: id, args, .. } = *frame;
        if elapsed.as_nanos() as u64 >= ROUND_COMMAND_NS {
            self.end_round(key);
        }
        let row = self.table.row(id);
        let event = if row.flags.has(Flags::FAST) { "fast-command" } else { "command" };
        let duration_us = elapsed.as_micros() as u64;
        let is_slow =
            u64::try_from(self.config.slowlog_log_slower_than_us).is_ok_and(|threshold| duration_us >= threshold);
        if is_slow && !row.flags.has(Flags::SKIP_SLOWLOG) {
            let client = self.clients.get(key);
            let shown = |index: usize| if is_secret(&row.full_name, args, index) { SECRET } else { args.arg(index) };
            let command = SlowCommand {
                id: 0,
                unix_seconds: self.clock.latest().unix_seconds(),
                duration_us,
                args: shorten_args((0..args.len()).map(shown)),
                peer: client.session.peer.remote(),
                client_name: client.session.name.to_vec(),
            };
            let len_max = usize::try_from(self.config.slowlog_max_len).unwrap_or(usize::MAX);
            self.stats.slow_log.push(command, len_max);
        }
        self.note_latency(event, elapsed);
    }

    /// Notes an event for the latency monitor, if it took long enough.
    pub(super) fn note_latency(&mut self, event: &'static str, elapsed: Duration) {
        let threshold_ms = self.config.latency_monitor_threshold_ms;
        let milliseconds = elapsed.as_millis() as u64;
        if threshold_ms > 0 && milliseconds >= threshold_ms {
            self.stats.latency.add(event, self.clock.latest().unix_seconds(), milliseconds);
        }
    }

    /// Reads the rates, ten times a second.
    pub(super) fn read_meters(&mut self) {
        let now = self.clock.latest();
        let due = |read_at| now.monotonic().saturating_duration_since(read_at) >= METER_PERIOD;
        if !self.stats.meters.read_at.is_none_or(due) {
            return;
        }
        let meters = &mut self.stats.meters;
        meters.read_at = Some(now.monotonic());
        meters.commands.read(now.monotonic(), self.stats.counters.total_commands_processed);
        meters.input_bytes.read(now.monotonic(), self.stats.counters.total_net_input_bytes);
        meters.output_bytes.read(now.monotonic(), self.stats.counters.total_net_output_bytes);
        meters.rounds.read(now.monotonic(), self.stats.rounds.rounds());
        meters.busy_us.read(now.monotonic(), self.stats.rounds.busy().as_micros() as u64);
        let (input, output) = self.clients.iter().fold((0, 0), |(input, output), (_, client)| {
            (input.max(client.query_capacity), output.max(client.reply.len()))
        });
        meters.note_buffers(now.steady_seconds(), input, output);
    }

    /// Forgets what CONFIG RESETSTAT makes forget.
    pub(super) fn reset_statistics(&mut self) {
        self.snapshots.supervisor.reset_statistics();
        self.stats.counters = Default::default();
        self.stats.command_stats.reset();
        self.stats.errors.reset();
        self.keyspace.stats = Default::default();
        self.keyspace.lazy_free.reset_freed();
        self.stats.meters = Meters::default();
        self.stats.rounds.reset();
        self.memory.reset_over_limit();
    }
}
