//! What the server knows of itself at one moment, as plain values: the thread that executes commands copies them, and other
//! threads make text of them.

use super::counters::Counters;
use super::histogram::DOUBLINGS;
use super::persistence::PersistenceInfo;

/// Everything that the metrics, the status page and the health checks show. What has a field of INFO has its name.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// When they were copied, by the wall clock.
    pub unix_ms: i64,
    pub server: ServerFigures,
    pub clients: ClientFigures,
    pub memory: MemoryFigures,
    pub scripts: ScriptFigures,
    pub huge_pages: HugePageFigures,
    pub persistence: PersistenceInfo,
    /// A dump is being loaded.
    pub is_loading: bool,
    /// The last snapshots, the newest first.
    pub snapshots: Vec<SnapshotFigures>,
    pub counters: Counters,
    pub keys: KeyFigures,
    pub rates: RateFigures,
    pub event_loop: LoopFigures,
    pub databases: Vec<DatabaseFigures>,
    /// Commands that were called or refused.
    pub commands: Vec<CommandFigures>,
    pub errors: Vec<(Box<str>, u64)>,
    pub slow_log: SlowLogFigures,
    pub latency_events: Vec<LatencyEventFigures>,
    pub replication: ReplicationFigures,
    pub settings: SettingFigures,
}

#[derive(Clone, Debug, Default)]
pub struct ServerFigures {
    pub uptime_seconds: u64,
    pub started_unix_ms: i64,
    pub tcp_port: u16,
    pub run_id: Box<str>,
    pub os: Box<str>,
    pub is_ending: bool,
    /// Time of the processor for the thread that executes commands, in seconds.
    pub cpu_sys_main_thread: f64,
    pub cpu_user_main_thread: f64,
}

#[derive(Clone, Debug, Default)]
pub struct ClientFigures {
    pub connected: u64,
    pub blocked: u64,
    pub pubsub: u64,
    pub watching: u64,
    pub in_timeout_table: u64,
    pub total_watched_keys: u64,
    pub total_blocking_keys: u64,
    pub total_blocking_keys_on_nokey: u64,
    pub recent_max_input_buffer: u64,
    pub recent_max_output_buffer: u64,
    pub pubsub_channels: u64,
    pub pubsub_patterns: u64,
    pub pubsubshard_channels: u64,
    pub migrate_cached_sockets: u64,
}

/// In bytes, but for the ratios.
#[derive(Clone, Debug, Default)]
pub struct MemoryFigures {
    pub used: u64,
    pub peak: u64,
    pub resident: u64,
    pub startup: u64,
    pub overhead: u64,
    pub dataset: u64,
    /// The tables in which keys are found.
    pub tables: u64,
    pub clients_normal: u64,
    pub clients_slaves: u64,
    pub replication_backlog: u64,
    pub replication_buffers: u64,
    pub not_counted_for_evict: u64,
    pub allocated: u64,
    pub active: u64,
    pub allocator_resident: u64,
    pub muzzy: u64,
    pub allocator_frag: (f64, i64),
    pub allocator_rss: (f64, i64),
    pub fragmentation: (f64, i64),
    /// What is there for the server: the machine's memory, or less where a control group says so. 0 if nobody knows.
    pub limit: u64,
    /// Of the defragmentation: the percent of the time that it takes now, and what it moved and left.
    pub defrag_running_percent: u64,
    pub defrag_moved: u64,
    pub defrag_kept: u64,
    pub defrag_keys_moved: u64,
    pub defrag_keys_kept: u64,
    pub lazyfree_pending: u64,
    pub lazyfreed: u64,
    /// How long there was more data than `maxmemory` allows, in milliseconds: now, and all together.
    pub exceeded_now_ms: u64,
    pub exceeded_ms: u64,
}

#[derive(Clone, Debug, Default)]
pub struct ScriptFigures {
    pub vm_eval: u64,
    pub vm_functions: u64,
    pub cache: u64,
    pub function_cache: u64,
    pub cached: u64,
    pub functions: u64,
    pub libraries: u64,
    pub evicted: u64,
}

#[derive(Clone, Debug, Default)]
pub struct HugePageFigures {
    pub used: bool,
    pub huge_bytes: u64,
    pub split_bytes: u64,
    pub healed_bytes: u64,
    pub in_progress: bool,
}

/// One snapshot, as SNAPSHOT HISTORY has it.
#[derive(Clone, Debug, Default)]
pub struct SnapshotFigures {
    pub id: u64,
    pub trigger: &'static str,
    pub changes: u64,
    pub background: bool,
    pub started_unix_ms: i64,
    pub duration_us: u64,
    pub fork_us: u64,
    pub keys: u64,
    pub bytes: u64,
    pub copied_bytes: u64,
    pub redirected_bytes: u64,
    pub peak_extra_bytes: u64,
    pub outcome: &'static str,
    /// The step that failed, and why.
    pub failure: Option<(&'static str, Box<str>)>,
}

#[derive(Clone, Debug, Default)]
pub struct KeyFigures {
    pub hits: u64,
    pub misses: u64,
    pub expired: u64,
    pub expired_fields: u64,
    pub expired_stale_percent: f64,
    pub expired_time_cap_reached: u64,
    pub evicted: u64,
    pub payloads_checked: u64,
}

/// Averages over the last second and a half.
#[derive(Clone, Debug, Default)]
pub struct RateFigures {
    pub commands: f64,
    pub input_bytes: f64,
    pub output_bytes: f64,
    pub rounds: f64,
    pub round_us: u64,
}

#[derive(Clone, Debug, Default)]
pub struct LoopFigures {
    pub cycles: u64,
    pub busy_us: u64,
    pub longest_us: u64,
    pub commands_us: u64,
    pub cron_us: u64,
    pub commands_per_cycle_max: u64,
}

#[derive(Clone, Debug, Default)]
pub struct DatabaseFigures {
    pub index: usize,
    pub keys: u64,
    pub expires: u64,
    pub average_ttl_ms: i64,
    pub expiring_hashes: u64,
}

#[derive(Clone, Debug, Default)]
pub struct CommandFigures {
    /// As the table has it, `client|list`; not the name that `rename-command` may have given it, which is a secret.
    pub name: Box<str>,
    pub calls: u64,
    pub total_ns: u64,
    pub rejected: u64,
    pub failed: u64,
    pub latency: Option<CommandLatency>,
}

#[derive(Clone, Debug, Default)]
pub struct CommandLatency {
    /// How many took as long as each doubling of the duration covers; see `doubling_end_ns`.
    pub counts: [u64; DOUBLINGS],
    /// The percentiles of `latency-tracking-info-percentiles`, in nanoseconds.
    pub percentiles: Vec<(f64, u64)>,
}

#[derive(Clone, Debug, Default)]
pub struct SlowLogFigures {
    pub length: u64,
    pub last_id: Option<u64>,
    /// The newest first. Arguments, addresses and names of clients stay with the log.
    pub latest: Vec<SlowCommandFigures>,
}

#[derive(Clone, Debug, Default)]
pub struct SlowCommandFigures {
    pub id: u64,
    pub unix_seconds: i64,
    pub duration_us: u64,
    pub command: Box<str>,
}

#[derive(Clone, Debug, Default)]
pub struct LatencyEventFigures {
    pub event: &'static str,
    pub last_unix_seconds: i64,
    pub last_ms: u64,
    pub worst_ms: u64,
}

#[derive(Clone, Debug, Default)]
pub struct ReplicationFigures {
    /// On a replica.
    pub upstream: Option<UpstreamFigures>,
    pub replicas: Vec<ReplicaFigures>,
    pub replication_id: Box<str>,
    pub offset: u64,
    pub second_offset: i64,
    pub backlog_active: bool,
    pub backlog_bytes_max: u64,
    pub backlog_start: u64,
    pub backlog_bytes: u64,
    pub full_syncs: u64,
    pub partial_syncs_accepted: u64,
    pub partial_syncs_refused: u64,
}

#[derive(Clone, Debug, Default)]
pub struct UpstreamFigures {
    pub host: Box<str>,
    pub port: u16,
    pub link_is_up: bool,
    pub sync_in_progress: bool,
    /// How much of a full sync has come, where it is known.
    pub sync_percent: Option<f64>,
    /// -1 while the link is down.
    pub last_io_seconds: i64,
    pub down_seconds: Option<u64>,
    pub offset: u64,
    /// There are data, be they old: it was in sync, or has started with a dump.
    pub has_data: bool,
}

#[derive(Clone, Debug, Default)]
pub struct ReplicaFigures {
    pub ip: Box<str>,
    pub port: u16,
    pub state: &'static str,
    pub offset: u64,
    pub lag_seconds: u64,
}

/// Settings that metrics show, or that rules of health depend on.
#[derive(Clone, Debug, Default)]
pub struct SettingFigures {
    pub hz: u32,
    pub maxclients: u32,
    pub maxmemory_bytes: u64,
    pub maxmemory_policy: &'static str,
    /// Seconds and changes.
    pub save_rules: Vec<(u64, u64)>,
    /// Writes are refused because the last snapshot failed.
    pub writes_are_stopped: bool,
    pub replica_priority: u32,
    pub replica_read_only: bool,
    pub replica_serve_stale_data: bool,
}
