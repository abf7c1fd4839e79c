//! What the server notes about its own speed: slow commands, events that held it up, rates.

use std::time::Duration;

use super::meters::{METER_PERIOD, Meters};
use super::stats::ROUND_COMMAND_NS;
use crate::commands::{Flags, SECRET, is_secret};
use crate::observe::{SlowCommand, shorten_args};
use crate::server::exec::Frame;
use crate::server::executor::Executor;

impl Executor {
    /// Takes over the settings of the slow log and of the latency histograms.
    pub(in crate::server) fn apply_observing_config(&mut self) {
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
    pub(in crate::server) fn note_slow_command(&mut self, frame: &Frame<'_>, elapsed: Duration) {
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
                command: row.full_name.clone(),
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
    pub(in crate::server) fn note_latency(&mut self, event: &'static str, elapsed: Duration) {
        let threshold_ms = self.config.latency_monitor_threshold_ms;
        let milliseconds = elapsed.as_millis() as u64;
        if threshold_ms > 0 && milliseconds >= threshold_ms {
            self.stats.latency.add(event, self.clock.latest().unix_seconds(), milliseconds);
        }
    }

    /// Reads the rates, ten times a second.
    pub(in crate::server) fn read_meters(&mut self) {
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
            (input.max(client.query_capacity()), output.max(client.reply.len()))
        });
        meters.note_buffers(now.steady_seconds(), input, output);
    }

    /// Resets what CONFIG RESETSTAT covers.
    pub(in crate::server) fn reset_statistics(&mut self) {
        self.snapshots.reset_statistics();
        self.replication.reset_statistics();
        self.stats.counters = Default::default();
        self.stats.command_stats.reset();
        self.stats.errors.reset();
        self.keyspace.stats = Default::default();
        self.keyspace.lazy_free.reset_freed();
        self.stats.meters = Meters::default();
        self.stats.rounds.reset();
        self.scripts.reset_evicted();
        self.memory.reset_over_limit();
        self.memory.reset_defragmentation();
    }
}

impl Executor {
    /// Microseconds that commands took, each counted once.
    pub(super) fn command_time_us(&self) -> u64 {
        let all: u64 = self.table.rows().iter().map(|row| self.stats.command_stats.get(row.id.index()).total_ns).sum();
        all.saturating_sub(self.stats.rounds.nested_ns()) / 1000
    }
}
