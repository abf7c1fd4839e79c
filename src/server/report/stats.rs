//! What is counted and measured while the server runs.

use std::time::Duration;

use super::meters::Meters;
use crate::commands::{CommandId, Observed};
use crate::observe::{CommandStats, Counters, ErrorStats, LatencyMonitor, SlowLog};
use crate::server::net::RoundCounts;

/// A single command that takes so many nanoseconds ends the round of its client.
pub const ROUND_COMMAND_NS: u64 = 100_000;

/// Figures for INFO, SLOWLOG and LATENCY.
pub struct Stats {
    pub counters: Counters,
    pub(super) command_stats: CommandStats,
    pub(super) errors: ErrorStats,
    pub(super) slow_log: SlowLog,
    pub(super) latency: LatencyMonitor,
    pub(super) meters: Meters,
    pub(super) rounds: RoundCounts,
    /// A command that takes so many nanoseconds is of interest to the slow log or the latency monitor, or ends the round.
    pub(super) noteworthy_ns: u64,
}

impl Stats {
    /// For a table of so many commands.
    pub fn new(commands: usize) -> Self {
        Self {
            counters: Counters::default(),
            command_stats: CommandStats::new(commands),
            errors: ErrorStats::default(),
            slow_log: SlowLog::default(),
            latency: LatencyMonitor::default(),
            meters: Meters::default(),
            rounds: RoundCounts::default(),
            noteworthy_ns: ROUND_COMMAND_NS,
        }
    }

    /// What SLOWLOG and LATENCY show and reset.
    pub fn observed(&mut self) -> Observed<'_> {
        Observed { slow_log: &mut self.slow_log, latency: &mut self.latency, command_stats: &self.command_stats }
    }

    /// Counts a command that was executed. Returns whether it took long enough for `Executor::note_slow_command`.
    #[inline(always)]
    pub fn note_command(&mut self, command: CommandId, elapsed_ns: u64, failed: bool) -> bool {
        self.counters.total_commands_processed += 1;
        self.command_stats.record(command.index(), elapsed_ns, failed);
        elapsed_ns >= self.noteworthy_ns
    }

    /// Counts a command that was refused.
    pub fn note_rejection(&mut self, command: CommandId) {
        self.command_stats.reject(command.index());
    }

    /// Counts an error reply. Returns the known errors when no new one is counted by itself any more.
    pub fn note_error(&mut self, text: &[u8]) -> Option<String> {
        self.counters.total_error_replies += 1;
        self.errors.count(text)
    }

    /// Notes that commands of a client are about to be executed.
    #[inline]
    pub fn note_round(&mut self) {
        self.rounds.note(self.counters.total_commands_processed);
    }

    /// Notes the time of commands that EXEC contained, which counts in both.
    pub fn note_nested(&mut self, nanoseconds: u64) {
        self.rounds.note_nested(nanoseconds);
    }

    pub fn note_cron(&mut self, elapsed: Duration) {
        self.rounds.note_cron(elapsed);
    }
}
