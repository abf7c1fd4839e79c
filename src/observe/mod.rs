//! What operators see: counters, command statistics, slow commands, latency events, and the text of INFO.
//! Owns:  the counters and histories, and whether the log may show user data.
//! Uses:  stdx.
//! Never: a client, a key, or I/O.

mod allocator;
mod commandstats;
mod counters;
mod error_stats;
mod figures;
mod histogram;
mod info;
mod latency;
mod meter;
mod persistence;
mod slowlog;
mod user_data;

pub use allocator::{
    Allocator, AllocatorArena, AllocatorStats, REFRESH_AFTER, allocator_report, allow_purging, decay_large,
    give_large_back_soon, purge_allocator,
};
pub use commandstats::CommandStats;
pub use counters::Counters;
pub use error_stats::ErrorStats;
pub use figures::{
    ClientFigures, CommandFigures, CommandLatency, DatabaseFigures, Figures, HugePageFigures, KeyFigures,
    LatencyEventFigures, LoopFigures, MemoryFigures, RateFigures, ReplicaFigures, ReplicationFigures, ScriptFigures,
    ServerFigures, SettingFigures, SlowCommandFigures, SlowLogFigures, SnapshotFigures, UpstreamFigures,
};
pub use histogram::{DOUBLINGS, doubling_end_ns};
pub use info::{InfoSection, InfoText};
pub use latency::{LatencyMonitor, LatencySample, LatencySetup};
pub use meter::Meter;
pub use persistence::{LoadingInfo, PersistenceInfo};
pub use slowlog::{SlowCommand, SlowLog, shorten_args};
pub use user_data::{UserData, client_line_for_log, hide_user_data, user_data_is_hidden};
