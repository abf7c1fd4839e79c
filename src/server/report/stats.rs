//! What is counted and measured while the server runs.

use super::meters::Meters;
use crate::observe::{CommandStats, Counters, ErrorStats, LatencyMonitor, SlowLog};
use crate::server::net::RoundCounts;

/// A single command that takes so many nanoseconds ends the round of its client.
pub const ROUND_COMMAND_NS: u64 = 100_000;

/// Figures for INFO, SLOWLOG and LATENCY.
pub struct Stats {
    pub counters: Counters,
    pub command_stats: CommandStats,
    pub errors: ErrorStats,
    pub slow_log: SlowLog,
    pub latency: LatencyMonitor,
    pub meters: Meters,
    pub rounds: RoundCounts,
    /// A command that takes so many nanoseconds is of interest to the slow log or the latency monitor, or ends the round.
    pub noteworthy_ns: u64,
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
}
