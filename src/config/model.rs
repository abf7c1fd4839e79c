//! The values themselves.

use std::collections::BTreeMap;

use super::kinds::{
    AllowedFrom, ClientBufferLimit, DisklessLoad, EvictionPolicy, HugePages, LogLevel, MemoryShare, OomScoreAdj,
    OomScores, PrimaryAddress, PropagationErrors, RenamedCommand, SanitizePayload, SaveRule, ShutdownOnSignal,
    SnapshotIoPriority, Supervised, UnknownTypes,
};
use super::notify::NotifyFlags;
use super::table::KEYS;
use crate::stdx::size::ELEMENT_BYTES_MAX;

/// Every setting that has an effect, one field each; `table` says what each is for.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    // Network
    pub bind: Vec<String>,
    pub port: u16,
    pub tcp_backlog: u32,
    pub unixsocket: String,
    pub unixsocketperm: u32,
    pub protected_mode: bool,
    pub timeout_seconds: u32,
    pub tcp_keepalive_seconds: u32,

    // Process
    pub daemonize: bool,
    pub supervised: Supervised,
    pub pidfile: String,
    pub loglevel: LogLevel,
    pub logfile: String,
    pub always_show_logo: bool,
    pub set_proc_title: bool,
    pub locale_collate: String,
    pub proc_title_template: String,
    pub databases: u32,
    pub hz: u32,
    pub dynamic_hz: bool,
    pub activerehashing: bool,
    pub activedefrag: bool,
    pub active_defrag_ignore_bytes: u64,
    pub active_defrag_threshold_lower: u32,
    pub active_defrag_threshold_upper: u32,
    pub active_defrag_cycle_min: u32,
    pub active_defrag_cycle_max: u32,
    pub shutdown_timeout_seconds: u32,
    pub shutdown_on_sigint: ShutdownOnSignal,
    pub shutdown_on_sigterm: ShutdownOnSignal,
    pub oom_score_adj: OomScoreAdj,
    pub oom_score_adj_values: OomScores,
    pub crash_log_enabled: bool,
    pub use_exit_on_panic: bool,
    pub hide_user_data_from_log: bool,

    // Security
    pub requirepass: Vec<u8>,
    pub aclfile: String,
    pub acllog_max_len: u64,
    /// Whether new users may use all channels.
    pub acl_pubsub_default_all: bool,
    /// The `user` lines: of each the words behind `user`, a name and its rules.
    pub users: Vec<Vec<Vec<u8>>>,
    pub enable_protected_configs: AllowedFrom,
    pub enable_debug_command: AllowedFrom,
    pub enable_module_command: AllowedFrom,
    pub renamed_commands: Vec<RenamedCommand>,

    // Snapshots
    pub dir: String,
    pub dbfilename: String,
    pub save: Vec<SaveRule>,
    pub stop_writes_on_bgsave_error: bool,
    pub snapshot_keep: u32,
    pub snapshot_fallback: bool,
    pub rdbcompression: bool,
    pub rdbchecksum: bool,
    pub rdb_save_incremental_fsync: bool,
    /// The version of RDB to write; 0 for the lowest that holds the data.
    pub rdb_version: u16,
    /// Threads that serialise; 0 for as many as there are cores with nothing to do.
    pub snapshot_threads: u32,
    /// How much the child gives way to others that want a core.
    pub snapshot_nice: i32,
    pub snapshot_io_priority: SnapshotIoPriority,
    /// Megabytes a second; 0 for no limit.
    pub snapshot_rate_limit_mb: u32,
    pub snapshot_memory_limit: MemoryShare,
    pub snapshot_stall_timeout_seconds: u32,
    pub sanitize_dump_payload: SanitizePayload,
    pub rdb_unknown_types: UnknownTypes,
    /// Microseconds; a negative value is a fraction of one: -50 is a fiftieth.
    pub rdb_key_save_delay_us: i32,
    /// As `rdb_key_save_delay_us`.
    pub key_load_delay_us: i32,
    pub loading_process_events_interval_bytes: u64,

    // Memory
    pub maxmemory_bytes: u64,
    pub maxmemory_policy: EvictionPolicy,
    pub maxmemory_samples: u32,
    pub maxmemory_eviction_tenacity: u32,
    pub lfu_log_factor: u32,
    pub lfu_decay_time_minutes: u32,
    pub active_expire_effort: u32,
    pub lazyfree_lazy_eviction: bool,
    pub lazyfree_lazy_expire: bool,
    pub lazyfree_lazy_server_del: bool,
    pub lazyfree_lazy_user_del: bool,
    pub lazyfree_lazy_user_flush: bool,
    pub jemalloc_bg_thread: bool,
    pub huge_pages: HugePages,
    pub huge_page_healing_mb_per_second: u32,

    // Scripts
    /// 0: a script is never interrupted.
    pub busy_reply_threshold_ms: u64,
    /// 0: no limit.
    pub lua_memory_limit_bytes: u64,

    // Replication
    pub replicaof: Option<PrimaryAddress>,
    pub masterauth: Vec<u8>,
    pub masteruser: Vec<u8>,
    pub replica_serve_stale_data: bool,
    pub replica_read_only: bool,
    pub replica_lazy_flush: bool,
    pub replica_ignore_maxmemory: bool,
    pub replica_priority: u32,
    pub replica_announced: bool,
    pub replica_announce_ip: String,
    pub replica_announce_port: u16,
    pub bind_source_addr: String,
    pub repl_diskless_sync: bool,
    pub repl_diskless_sync_delay_seconds: u32,
    pub repl_diskless_sync_max_replicas: u32,
    pub repl_diskless_load: DisklessLoad,
    pub rdb_del_sync_files: bool,
    pub repl_disable_tcp_nodelay: bool,
    pub repl_ping_replica_period_seconds: u32,
    pub repl_timeout_seconds: u32,
    pub repl_backlog_size_bytes: u64,
    pub repl_backlog_ttl_seconds: u64,
    pub min_replicas_to_write: u32,
    pub min_replicas_max_lag_seconds: u32,
    pub replication_rdb_version: u16,
    pub replica_rewind_guard: bool,
    pub replica_rewind_guard_seconds: u32,
    pub propagation_error_behavior: PropagationErrors,

    // Clients
    pub maxclients: u32,
    /// What the buffers of all clients may take together; 0 for no limit.
    pub maxmemory_clients: MemoryShare,
    /// Indexed by `ClientClass`.
    pub client_output_buffer_limits: [ClientBufferLimit; 3],
    pub client_query_buffer_limit_bytes: u64,
    pub proto_max_bulk_len_bytes: u64,

    // Encodings
    pub hash_max_listpack_entries: u64,
    pub hash_max_listpack_value_bytes: u64,
    pub list_max_listpack_size: i32,
    pub list_compress_depth: u32,
    pub set_max_intset_entries: u64,
    pub set_max_listpack_entries: u64,
    pub set_max_listpack_value_bytes: u64,
    pub zset_max_listpack_entries: u64,
    pub zset_max_listpack_value_bytes: u64,
    pub hll_sparse_max_bytes: u64,
    pub stream_node_max_bytes: u64,
    pub stream_node_max_entries: u64,

    // Observing
    /// 0: no metrics over HTTP.
    pub metrics_port: u16,
    pub metrics_bind: Vec<String>,
    /// Negative: no slow log; 0: every command.
    pub slowlog_log_slower_than_us: i64,
    pub slowlog_max_len: u64,
    /// 0: no latency monitor.
    pub latency_monitor_threshold_ms: u64,
    pub latency_tracking: bool,
    pub latency_tracking_info_percentiles: Vec<f64>,
    pub notify_keyspace_events: NotifyFlags,

    /// What was given for settings of absent features, in canonical form, where it is not their default.
    pub(super) dormant: BTreeMap<&'static str, Vec<u8>>,
}

impl Config {
    /// Settings of absent features that were given another value than their default, each with the other names that
    /// a file may have it under.
    pub fn without_effect(&self) -> impl Iterator<Item = (&'static str, &'static [&'static str])> {
        KEYS.iter().filter(|key| self.dormant.contains_key(key.name)).map(|key| (key.name, key.aliases))
    }

    /// The most bytes of a string that a client may send or build: what is set, as far as the data can hold it.
    pub fn string_bytes_max(&self) -> u64 {
        self.proto_max_bulk_len_bytes.min(ELEMENT_BYTES_MAX as u64)
    }

    pub fn output_limit(&self, class: super::ClientClass) -> ClientBufferLimit {
        self.client_output_buffer_limits[class as usize]
    }

    /// Values that hold only until the table's defaults are written over them.
    fn blank() -> Self {
        Self {
            bind: Vec::new(),
            port: 0,
            tcp_backlog: 0,
            unixsocket: String::new(),
            unixsocketperm: 0,
            protected_mode: false,
            timeout_seconds: 0,
            tcp_keepalive_seconds: 0,
            daemonize: false,
            supervised: Supervised::No,
            pidfile: String::new(),
            loglevel: LogLevel::Notice,
            logfile: String::new(),
            always_show_logo: false,
            set_proc_title: false,
            locale_collate: String::new(),
            proc_title_template: String::new(),
            databases: 0,
            hz: 0,
            dynamic_hz: false,
            activerehashing: false,
            activedefrag: false,
            active_defrag_ignore_bytes: 0,
            active_defrag_threshold_lower: 0,
            active_defrag_threshold_upper: 0,
            active_defrag_cycle_min: 0,
            active_defrag_cycle_max: 0,
            shutdown_timeout_seconds: 0,
            shutdown_on_sigint: ShutdownOnSignal::default(),
            shutdown_on_sigterm: ShutdownOnSignal::default(),
            oom_score_adj: OomScoreAdj::No,
            oom_score_adj_values: OomScores::default(),
            crash_log_enabled: false,
            use_exit_on_panic: false,
            hide_user_data_from_log: false,
            requirepass: Vec::new(),
            aclfile: String::new(),
            acllog_max_len: 0,
            acl_pubsub_default_all: false,
            users: Vec::new(),
            enable_protected_configs: AllowedFrom::Nowhere,
            enable_debug_command: AllowedFrom::Nowhere,
            enable_module_command: AllowedFrom::Nowhere,
            renamed_commands: Vec::new(),
            dir: String::new(),
            dbfilename: String::new(),
            save: Vec::new(),
            stop_writes_on_bgsave_error: false,
            snapshot_keep: 0,
            snapshot_fallback: false,
            rdbcompression: false,
            rdbchecksum: false,
            rdb_save_incremental_fsync: false,
            rdb_version: 0,
            snapshot_threads: 0,
            snapshot_nice: 0,
            snapshot_io_priority: SnapshotIoPriority::Normal,
            snapshot_rate_limit_mb: 0,
            snapshot_memory_limit: MemoryShare::Bytes(0),
            snapshot_stall_timeout_seconds: 1800,
            sanitize_dump_payload: SanitizePayload::No,
            rdb_unknown_types: UnknownTypes::Refuse,
            rdb_key_save_delay_us: 0,
            key_load_delay_us: 0,
            loading_process_events_interval_bytes: 0,
            maxmemory_bytes: 0,
            maxmemory_policy: EvictionPolicy::NoEviction,
            maxmemory_samples: 0,
            maxmemory_eviction_tenacity: 0,
            lfu_log_factor: 0,
            lfu_decay_time_minutes: 0,
            active_expire_effort: 0,
            lazyfree_lazy_eviction: false,
            lazyfree_lazy_expire: false,
            lazyfree_lazy_server_del: false,
            lazyfree_lazy_user_del: false,
            lazyfree_lazy_user_flush: false,
            jemalloc_bg_thread: false,
            huge_pages: HugePages::Auto,
            huge_page_healing_mb_per_second: 0,
            replicaof: None,
            masterauth: Vec::new(),
            masteruser: Vec::new(),
            replica_serve_stale_data: false,
            replica_read_only: false,
            replica_lazy_flush: false,
            replica_ignore_maxmemory: false,
            replica_priority: 0,
            replica_announced: false,
            replica_announce_ip: String::new(),
            replica_announce_port: 0,
            bind_source_addr: String::new(),
            repl_diskless_sync: false,
            repl_diskless_sync_delay_seconds: 0,
            repl_diskless_sync_max_replicas: 0,
            repl_diskless_load: DisklessLoad::Disabled,
            rdb_del_sync_files: false,
            repl_disable_tcp_nodelay: false,
            repl_ping_replica_period_seconds: 0,
            repl_timeout_seconds: 0,
            repl_backlog_size_bytes: 0,
            repl_backlog_ttl_seconds: 0,
            min_replicas_to_write: 0,
            min_replicas_max_lag_seconds: 0,
            replication_rdb_version: 0,
            replica_rewind_guard: false,
            replica_rewind_guard_seconds: 0,
            propagation_error_behavior: PropagationErrors::Ignore,
            maxclients: 0,
            maxmemory_clients: MemoryShare::Bytes(0),
            client_output_buffer_limits: [ClientBufferLimit::default(); 3],
            client_query_buffer_limit_bytes: 0,
            proto_max_bulk_len_bytes: 0,
            hash_max_listpack_entries: 0,
            hash_max_listpack_value_bytes: 0,
            list_max_listpack_size: 0,
            list_compress_depth: 0,
            set_max_intset_entries: 0,
            set_max_listpack_entries: 0,
            set_max_listpack_value_bytes: 0,
            zset_max_listpack_entries: 0,
            zset_max_listpack_value_bytes: 0,
            hll_sparse_max_bytes: 0,
            stream_node_max_bytes: 0,
            stream_node_max_entries: 0,
            metrics_port: 0,
            metrics_bind: Vec::new(),
            slowlog_log_slower_than_us: 0,
            busy_reply_threshold_ms: 0,
            lua_memory_limit_bytes: 0,
            slowlog_max_len: 0,
            latency_monitor_threshold_ms: 0,
            latency_tracking: false,
            latency_tracking_info_percentiles: Vec::new(),
            notify_keyspace_events: NotifyFlags::NONE,
            dormant: BTreeMap::new(),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let mut config = Self::blank();
        for key in KEYS {
            key.write(&mut config, &key.default_args()).expect("a unit test writes every default");
        }
        config
    }
}
