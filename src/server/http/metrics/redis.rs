//! The metrics that redis_exporter has, under its names and labels, so that what was made for it can be used as it is.

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};

use super::text::Text;
use super::{Kind, Row, Scrape, counter, each, gauge, histogram};
use crate::observe::{CommandFigures, UpstreamFigures};
use crate::stdx::version;

const CMD: &[&str] = &["cmd"];
const QUANTILE: &[&str] = &["cmd", "quantile"];
const DB: &[&str] = &["db"];
const EVENT: &[&str] = &["event_name"];
const MASTER: &[&str] = &["master_host", "master_port"];
const REPLICA: &[&str] = &["slave_ip", "slave_port", "slave_state"];
const INSTANCE: &[&str] = &[
    "role",
    "redis_version",
    "redis_build_id",
    "redis_mode",
    "os",
    "maxmemory_policy",
    "tcp_port",
    "run_id",
    "process_id",
    "master_replid",
];

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    gauge("redis_up", "Whether the server answers: 0 while it loads a dump, or while its event loop is held.", |s| flag(!s.is_stalled && !s.is_loading)),
    each("redis_instance_info", Kind::Gauge, INSTANCE, "What this server is.", instance),
    gauge("redis_uptime_in_seconds", "Seconds since the start.", |s| s.server.uptime_seconds as f64),
    gauge("redis_start_time_seconds", "When the server was started, in seconds since 1970.", |s| (s.server.started_unix_ms as f64 / 1000.0).floor()),
    gauge("redis_process_id", "The number of the process.", |_| std::process::id().into()),
    gauge("redis_hz", "How often a second background work is done.", |s| s.settings.hz.into()),
    gauge("redis_configured_hz", "The setting hz.", |s| s.settings.hz.into()),
    gauge("redis_config_maxclients", "The setting maxclients.", |s| s.settings.maxclients.into()),
    gauge("redis_config_maxmemory", "The setting maxmemory, in bytes; 0 for no limit.", |s| s.settings.maxmemory_bytes as f64),

    gauge("redis_connected_clients", "Connections of clients, without those of replicas.", |s| s.clients.connected as f64),
    gauge("redis_blocked_clients", "Clients whose command waits.", |s| s.clients.blocked as f64),
    gauge("redis_max_clients", "The setting maxclients.", |s| s.settings.maxclients.into()),
    gauge("redis_clients_in_timeout_table", "Clients that wait for a limited time.", |s| s.clients.in_timeout_table as f64),
    gauge("redis_pubsub_clients", "Clients that have subscribed.", |s| s.clients.pubsub as f64),
    gauge("redis_watching_clients", "Clients that watch keys.", |s| s.clients.watching as f64),
    gauge("redis_total_watched_keys", "Keys that are watched.", |s| s.clients.total_watched_keys as f64),
    gauge("redis_total_blocking_keys", "Keys that clients wait for.", |s| s.clients.total_blocking_keys as f64),
    gauge("redis_total_blocking_keys_on_nokey", "Keys whose deletion clients wait for too.", |s| s.clients.total_blocking_keys_on_nokey as f64),
    gauge("redis_client_recent_max_input_buffer_bytes", "The largest input buffer of the last seconds.", |s| s.clients.recent_max_input_buffer as f64),
    gauge("redis_client_recent_max_output_buffer_bytes", "The largest output buffer of the last seconds.", |s| s.clients.recent_max_output_buffer as f64),

    gauge("redis_memory_used_bytes", "Memory in use.", |s| s.memory.used as f64),
    gauge("redis_memory_used_rss_bytes", "Resident memory of the process.", |s| s.memory.resident as f64),
    gauge("redis_memory_used_peak_bytes", "The most memory that was in use.", |s| s.memory.peak as f64),
    gauge("redis_memory_used_overhead_bytes", "Memory for everything that is not data.", |s| s.memory.overhead as f64),
    gauge("redis_memory_used_startup_bytes", "Memory that a server without data needs.", |s| s.memory.startup as f64),
    gauge("redis_memory_used_dataset_bytes", "Memory for data.", |s| s.memory.dataset as f64),
    gauge("redis_memory_used_lua_bytes", "Memory of the interpreter for EVAL.", |s| s.scripts.vm_eval as f64),
    gauge("redis_memory_used_vm_eval_bytes", "Memory of the interpreter for EVAL.", |s| s.scripts.vm_eval as f64),
    gauge("redis_memory_used_scripts_eval_bytes", "Memory for the texts of scripts.", |s| s.scripts.cache as f64),
    gauge("redis_memory_used_vm_functions_bytes", "Memory of the interpreter for functions.", |s| s.scripts.vm_functions as f64),
    gauge("redis_memory_used_functions_bytes", "Memory for libraries of functions.", |s| s.scripts.function_cache as f64),
    gauge("redis_memory_used_scripts_bytes", "Memory for the texts of scripts and for libraries of functions.", |s| (s.scripts.cache + s.scripts.function_cache) as f64),
    gauge("redis_memory_used_vm_total", "Memory of both interpreters, in bytes.", |s| (s.scripts.vm_eval + s.scripts.vm_functions) as f64),
    gauge("redis_number_of_cached_scripts", "Scripts that EVALSHA knows.", |s| s.scripts.cached as f64),
    gauge("redis_number_of_functions", "Functions.", |s| s.scripts.functions as f64),
    gauge("redis_number_of_libraries", "Libraries of functions.", |s| s.scripts.libraries as f64),
    gauge("redis_memory_max_bytes", "The setting maxmemory; 0 for no limit.", |s| s.settings.maxmemory_bytes as f64),
    gauge("redis_total_system_memory_bytes", "Memory that the machine or the control group has for the server.", |s| s.memory.limit as f64),
    gauge("redis_allocator_active_bytes", "Pages that the allocator has in use.", |s| s.memory.active as f64),
    gauge("redis_allocator_allocated_bytes", "What is allocated of them.", |s| s.memory.allocated as f64),
    gauge("redis_allocator_resident_bytes", "Resident memory of the allocator.", |s| s.memory.allocator_resident as f64),
    gauge("redis_allocator_muzzy_bytes", "Pages that the kernel may take back from the allocator.", |s| s.memory.muzzy as f64),
    gauge("redis_allocator_frag_ratio", "Pages in use over what is allocated.", |s| s.memory.allocator_frag.0),
    gauge("redis_allocator_frag_bytes", "Pages in use beyond what is allocated.", |s| s.memory.allocator_frag.1 as f64),
    gauge("redis_allocator_rss_ratio", "Resident memory of the allocator over its pages in use.", |s| s.memory.allocator_rss.0),
    gauge("redis_allocator_rss_bytes", "Resident memory of the allocator beyond its pages in use.", |s| s.memory.allocator_rss.1 as f64),
    gauge("redis_mem_fragmentation_ratio", "Resident memory over memory in use.", |s| s.memory.fragmentation.0),
    gauge("redis_memory_fragmentation_ratio", "The same, by the name that the dashboard of the mixin asks for.", |s| s.memory.fragmentation.0),
    gauge("redis_mem_fragmentation_bytes", "Resident memory beyond memory in use.", |s| s.memory.fragmentation.1 as f64),
    gauge("redis_mem_clients_slaves", "Memory of the connections of replicas, in bytes.", |s| s.memory.clients_slaves as f64),
    gauge("redis_mem_clients_normal", "Memory of the connections of clients, in bytes.", |s| s.memory.clients_normal as f64),
    gauge("redis_mem_replication_backlog_bytes", "Memory of the replication backlog.", |s| s.memory.replication_backlog as f64),
    gauge("redis_mem_total_replication_buffers_bytes", "Memory of the backlog and of data that replicas are sent.", |s| s.memory.replication_buffers as f64),
    gauge("redis_mem_not_counted_for_eviction_bytes", "Memory that no key is evicted for.", |s| s.memory.not_counted_for_evict as f64),
    gauge("redis_mem_overhead_db_hashtable_rehashing_bytes", "Always 0: tables grow without a second one.", |_| 0.0),
    gauge("redis_active_defrag_running", "Percent of the time that defragmentation takes now.", |s| s.memory.defrag_running_percent as f64),
    gauge("redis_defrag_hits", "Blocks that defragmentation has moved.", |s| s.memory.defrag_moved as f64),
    gauge("redis_defrag_misses", "Blocks that it has left.", |s| s.memory.defrag_kept as f64),
    gauge("redis_defrag_key_hits", "Keys of which it has moved a block.", |s| s.memory.defrag_keys_moved as f64),
    gauge("redis_defrag_key_misses", "Keys that it has looked at and left.", |s| s.memory.defrag_keys_kept as f64),
    gauge("redis_lazyfree_pending_objects", "Values that wait to be freed by another thread.", |s| s.memory.lazyfree_pending as f64),
    gauge("redis_lazyfreed_objects", "Values that were freed by another thread.", |s| s.memory.lazyfreed as f64),

    gauge("redis_loading_dump_file", "Whether a dump is being loaded.", |s| flag(s.is_loading)),
    gauge("redis_async_loading", "Whether data of a primary are loaded while the old ones are served.", |s| flag(s.persistence.async_loading)),
    gauge("redis_rdb_changes_since_last_save", "Changes since the last snapshot.", |s| s.persistence.rdb_changes_since_last_save as f64),
    gauge("redis_rdb_bgsave_in_progress", "Whether a snapshot is being taken in the background.", |s| flag(s.persistence.rdb_bgsave_in_progress)),
    gauge("redis_rdb_last_save_timestamp_seconds", "When the last snapshot was saved, in seconds since 1970.", |s| s.persistence.rdb_last_save_time as f64),
    gauge("redis_rdb_last_bgsave_status", "Whether the last snapshot in the background succeeded.", |s| flag(s.persistence.rdb_last_bgsave_ok)),
    gauge("redis_rdb_last_bgsave_duration_sec", "How long the last one took, in seconds; -1 if there was none.", |s| s.persistence.rdb_last_bgsave_time_sec as f64),
    gauge("redis_rdb_current_bgsave_duration_sec", "How long the present one has taken, in seconds; -1 if there is none.", |s| s.persistence.rdb_current_bgsave_time_sec as f64),
    counter("redis_rdb_saves_total", "Snapshots that were saved.", |s| s.persistence.rdb_saves as f64),
    gauge("redis_rdb_last_cow_size_bytes", "Memory that was copied during the last one.", |s| s.persistence.rdb_last_cow_size as f64),
    gauge("redis_rdb_last_load_expired_keys", "Keys past their expiry in the dump that was loaded last.", |s| s.persistence.rdb_last_load_keys_expired as f64),
    gauge("redis_rdb_last_load_loaded_keys", "Keys that were loaded from it.", |s| s.persistence.rdb_last_load_keys_loaded as f64),
    gauge("redis_aof_enabled", "Always 0: there is no append-only file.", |_| 0.0),
    gauge("redis_latest_fork_seconds", "How long the last fork held the server up.", |s| s.persistence.latest_fork_usec as f64 / 1e6),

    counter("redis_connections_received_total", "Connections that were accepted.", |s| s.counters.total_connections_received as f64),
    counter("redis_rejected_connections_total", "Connections that were turned away.", |s| s.counters.rejected_connections as f64),
    counter("redis_commands_processed_total", "Commands that were executed.", |s| s.counters.total_commands_processed as f64),
    counter("redis_net_input_bytes_total", "Bytes read from clients.", |s| s.counters.total_net_input_bytes as f64),
    counter("redis_net_output_bytes_total", "Bytes sent to clients.", |s| s.counters.total_net_output_bytes as f64),
    counter("redis_net_repl_input_bytes_total", "Bytes read from a primary.", |s| s.counters.total_net_repl_input_bytes as f64),
    counter("redis_net_repl_output_bytes_total", "Bytes sent to replicas.", |s| s.counters.total_net_repl_output_bytes as f64),
    counter("redis_total_reads_processed", "Reads from sockets.", |s| s.counters.total_reads_processed as f64),
    counter("redis_total_writes_processed", "Writes to sockets.", |s| s.counters.total_writes_processed as f64),
    counter("redis_total_error_replies", "Error replies.", |s| s.counters.total_error_replies as f64),
    counter("redis_unexpected_error_replies", "Error replies to a primary's stream or a dump, which there should be none of.", |s| s.counters.unexpected_error_replies as f64),
    counter("redis_dump_payload_sanitizations", "Payloads of RESTORE that were checked element by element.", |s| s.keys.payloads_checked as f64),
    counter("redis_client_query_buffer_limit_disconnections_total", "Clients closed for their input buffer.", |s| s.counters.client_query_buffer_limit_disconnections as f64),
    counter("redis_client_output_buffer_limit_disconnections_total", "Clients closed for their output buffer.", |s| s.counters.client_output_buffer_limit_disconnections as f64),
    counter("redis_evicted_clients_total", "Clients closed for the memory that all took together.", |s| s.counters.evicted_clients as f64),
    counter("redis_acl_access_denied_auth_total", "Logins that failed.", |s| s.counters.acl_access_denied_auth as f64),
    counter("redis_acl_access_denied_cmd_total", "Commands that the user may not run.", |s| s.counters.acl_access_denied_cmd as f64),
    counter("redis_acl_access_denied_key_total", "Commands on keys that the user may not use.", |s| s.counters.acl_access_denied_key as f64),
    counter("redis_acl_access_denied_channel_total", "Commands on channels that the user may not use.", |s| s.counters.acl_access_denied_channel as f64),
    counter("redis_expired_keys_total", "Keys that have expired.", |s| s.keys.expired as f64),
    counter("redis_expired_subkeys_total", "Fields of hashes that have expired, by Redis's name.", |s| s.keys.expired_fields as f64),
    counter("redis_expired_fields_total", "The same by Valkey's name.", |s| s.keys.expired_fields as f64),
    gauge("redis_expired_stale_percentage", "Percent of keys with an expiry that are past it, as estimated.", |s| s.keys.expired_stale_percent),
    counter("redis_expired_time_cap_reached_total", "Expire cycles that ran out of time.", |s| s.keys.expired_time_cap_reached as f64),
    counter("redis_expire_cycle_cpu_time_ms_total", "Milliseconds spent on expiring keys in the background.", |s| (s.counters.expire_cycle_us / 1000) as f64),
    counter("redis_evicted_keys_total", "Keys evicted for maxmemory.", |s| s.keys.evicted as f64),
    counter("redis_evicted_scripts_total", "Scripts given up for others.", |s| s.scripts.evicted as f64),
    gauge("redis_current_eviction_exceeded_time_ms", "Since when there has been more data than maxmemory allows.", |s| s.memory.exceeded_now_ms as f64),
    counter("redis_eviction_exceeded_time_ms_total", "How long there was, all together.", |s| s.memory.exceeded_ms as f64),
    counter("redis_keyspace_hits_total", "Lookups of keys that were there.", |s| s.keys.hits as f64),
    counter("redis_keyspace_misses_total", "Lookups of keys that were not there.", |s| s.keys.misses as f64),
    gauge("redis_pubsub_channels", "Channels with subscribers.", |s| s.clients.pubsub_channels as f64),
    gauge("redis_pubsub_patterns", "Patterns with subscribers.", |s| s.clients.pubsub_patterns as f64),
    gauge("redis_pubsubshard_channels", "Shard channels with subscribers.", |s| s.clients.pubsubshard_channels as f64),
    gauge("redis_migrate_cached_sockets_total", "Connections that MIGRATE keeps.", |s| s.clients.migrate_cached_sockets as f64),
    counter("redis_eventloop_cycles_total", "Rounds of the event loop.", |s| s.event_loop.cycles as f64),
    counter("redis_eventloop_duration_sum_usec_total", "Microseconds in which the event loop was busy.", |s| s.event_loop.busy_us as f64),
    counter("redis_eventloop_duration_cmd_sum_usec_total", "Microseconds of it that commands took.", |s| s.event_loop.commands_us as f64),
    gauge("redis_instantaneous_eventloop_cycles_per_sec", "Rounds of the event loop in a second, of late.", |s| s.rates.rounds.floor()),
    gauge("redis_instantaneous_eventloop_duration_usec", "Microseconds that a round takes, of late.", |s| s.rates.round_us as f64),

    each("redis_cpu_sys_seconds_total", Kind::Counter, &[], "Time of the processor in the kernel.", |_, text| cpu(text, UsageWho::RUSAGE_SELF, Usage::system_time)),
    each("redis_cpu_user_seconds_total", Kind::Counter, &[], "Time of the processor outside of the kernel.", |_, text| cpu(text, UsageWho::RUSAGE_SELF, Usage::user_time)),
    each("redis_cpu_sys_children_seconds_total", Kind::Counter, &[], "That of children that have ended, in the kernel.", |_, text| cpu(text, UsageWho::RUSAGE_CHILDREN, Usage::system_time)),
    each("redis_cpu_user_children_seconds_total", Kind::Counter, &[], "That of children that have ended, outside of the kernel.", |_, text| cpu(text, UsageWho::RUSAGE_CHILDREN, Usage::user_time)),
    counter("redis_cpu_sys_main_thread_seconds_total", "That of the thread that executes commands, in the kernel.", |s| s.server.cpu_sys_main_thread),
    counter("redis_cpu_user_main_thread_seconds_total", "That of the thread that executes commands, outside of the kernel.", |s| s.server.cpu_user_main_thread),

    each("redis_commands_total", Kind::Counter, CMD, "Calls of each command.", |s, text| commands(s, text, |c| c.calls as f64)),
    each("redis_commands_duration_seconds_total", Kind::Counter, CMD, "The time that each command took.", |s, text| commands(s, text, |c| c.total_ns as f64 / 1e9)),
    each("redis_commands_rejected_calls_total", Kind::Counter, CMD, "Calls of each command that were refused before it ran.", |s, text| commands(s, text, |c| c.rejected as f64)),
    each("redis_commands_failed_calls_total", Kind::Counter, CMD, "Calls of each command that failed.", |s, text| commands(s, text, |c| c.failed as f64)),
    each("redis_latency_percentiles_usec", Kind::Summary, QUANTILE, "Percentiles of each command's latency since the start, those of latency-tracking-info-percentiles, in microseconds.", histogram::percentiles),
    each("redis_errors_total", Kind::Counter, &["err"], "Error replies by their first word.", |s, text| for (code, count) in &s.figures.errors { text.labelled(&[code], *count as f64); }),

    each("redis_db_keys", Kind::Gauge, DB, "Keys of each database that has some, and of database 0.", |s, text| databases(s, text, |keys, _, _| keys)),
    each("redis_db_keys_expiring", Kind::Gauge, DB, "Those of them that have an expiry.", |s, text| databases(s, text, |_, expires, _| expires)),
    each("redis_db_avg_ttl_seconds", Kind::Gauge, DB, "The average time that these have left.", |s, text| for db in &s.figures.databases { text.labelled(&[&format!("db{}", db.index)], db.average_ttl_ms as f64 / 1000.0); }),
    each("redis_db_keys_with_expiring_items", Kind::Gauge, DB, "Hashes with fields that have an expiry.", |s, text| databases(s, text, |_, _, hashes| hashes)),

    gauge("redis_slowlog_length", "Commands in the slow log.", |s| s.slow_log.length as f64),
    each("redis_slowlog_last_id", Kind::Gauge, &[], "The number of the last one.", |s, text| if let Some(id) = s.slow_log.last_id { text.value(id as f64); }),
    each("redis_last_slow_execution_duration_seconds", Kind::Gauge, &[], "How long it took.", |s, text| if let Some(last) = s.slow_log.latest.first() { text.value(last.duration_us as f64 / 1e6); }),
    each("redis_latency_spike_last", Kind::Gauge, EVENT, "When an event last held the server up, in seconds since 1970 (latency-monitor-threshold).", |s, text| for event in &s.figures.latency_events { text.labelled(&[event.event], event.last_unix_seconds as f64); }),
    each("redis_latency_spike_duration_seconds", Kind::Gauge, EVENT, "For how long it did.", |s, text| for event in &s.figures.latency_events { text.labelled(&[event.event], event.last_ms as f64 / 1000.0); }),

    gauge("redis_connected_slaves", "Replicas.", |s| s.replication.replicas.len() as f64),
    each("redis_connected_slave_offset_bytes", Kind::Gauge, REPLICA, "How much of the stream each replica has taken in.", |s, text| replicas(s, text, |offset, _| offset)),
    each("redis_connected_slave_lag_seconds", Kind::Gauge, REPLICA, "When each replica last said so.", |s, text| replicas(s, text, |_, lag| lag)),
    gauge("redis_master_repl_offset", "How long the stream is.", |s| s.replication.offset as f64),
    gauge("redis_second_repl_offset", "How much of the stream of the primary before holds here; -1 for none.", |s| s.replication.second_offset as f64),
    gauge("redis_repl_backlog_is_active", "Whether the stream is kept for replicas that come back.", |s| flag(s.replication.backlog_active)),
    gauge("redis_replication_backlog_bytes", "How much of it is kept at most.", |s| s.replication.backlog_bytes_max as f64),
    gauge("redis_repl_backlog_first_byte_offset", "Where in the stream the kept part begins.", |s| s.replication.backlog_start as f64),
    gauge("redis_repl_backlog_history_bytes", "How much is kept.", |s| s.replication.backlog_bytes as f64),
    gauge("redis_replica_resyncs_full", "Full syncs of replicas.", |s| s.replication.full_syncs as f64),
    gauge("redis_replica_partial_resync_accepted", "Replicas that could go on where they were.", |s| s.replication.partial_syncs_accepted as f64),
    gauge("redis_replica_partial_resync_denied", "Replicas that could not.", |s| s.replication.partial_syncs_refused as f64),
    each("redis_slave_info", Kind::Gauge, &["master_host", "master_port", "read_only"], "On a replica: what it follows.", replica_info),
    each("redis_slave_priority", Kind::Gauge, &[], "On a replica: the setting replica-priority.", |s, text| if s.replication.upstream.is_some() { text.value(s.settings.replica_priority.into()); }),
    each("redis_slave_repl_offset", Kind::Gauge, MASTER, "On a replica: how much of the stream it has taken in.", |s, text| upstream(s, text, |u| u.offset as f64)),
    each("redis_master_link_up", Kind::Gauge, MASTER, "On a replica: whether it is connected to its primary.", |s, text| upstream(s, text, |u| flag(u.link_is_up))),
    each("redis_master_sync_in_progress", Kind::Gauge, MASTER, "On a replica: whether it takes in all data.", |s, text| upstream(s, text, |u| flag(u.sync_in_progress))),
    each("redis_master_last_io_seconds_ago", Kind::Gauge, MASTER, "On a replica: when its primary last gave a sign of life; -1 while it is not connected.", |s, text| upstream(s, text, |u| u.last_io_seconds as f64)),

    counter("redis_exporter_scrapes_total", "Requests for these metrics.", |s| s.http.scrapes as f64),
    each("redis_exporter_last_scrape_error", Kind::Gauge, &["err"], "1 where the event loop did not answer, and older figures are shown.", |s, text| text.labelled(&[if s.is_stalled { "the event loop does not answer" } else { "" }], flag(s.is_stalled))),
];

pub fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}

fn instance(scrape: &Scrape<'_>, text: &mut Text) {
    let server = &scrape.figures.server;
    let role = if scrape.replication.upstream.is_some() { "slave" } else { "master" };
    let labels = [
        role,
        version::REDIS,
        &version::build_id(),
        "standalone",
        &server.os,
        scrape.settings.maxmemory_policy,
        &server.tcp_port.to_string(),
        &server.run_id,
        &std::process::id().to_string(),
        &scrape.replication.replication_id,
    ];
    text.labelled(&labels, 1.0);
}

/// Of the process as a whole, which any thread can ask for.
fn cpu(text: &mut Text, who: UsageWho, time: fn(&Usage) -> TimeVal) {
    if let Ok(usage) = getrusage(who) {
        text.value(time(&usage).num_microseconds() as f64 / 1e6);
    }
}

fn commands(scrape: &Scrape<'_>, text: &mut Text, read: fn(&CommandFigures) -> f64) {
    for command in &scrape.figures.commands {
        text.labelled(&[&command.name], read(command));
    }
}

/// Database 0 is there even if it is empty, so that a new server's dashboard is not.
fn databases(scrape: &Scrape<'_>, text: &mut Text, read: fn(u64, u64, u64) -> u64) {
    let databases = &scrape.figures.databases;
    if databases.first().is_none_or(|db| db.index != 0) {
        text.labelled(&["db0"], 0.0);
    }
    for db in databases {
        let name = format!("db{}", db.index);
        text.labelled(&[&name], read(db.keys, db.expires, db.expiring_hashes) as f64);
    }
}

fn replicas(scrape: &Scrape<'_>, text: &mut Text, read: fn(u64, u64) -> u64) {
    for replica in &scrape.figures.replication.replicas {
        let port = replica.port.to_string();
        let labels = [&*replica.ip, &port, replica.state];
        text.labelled(&labels, read(replica.offset, replica.lag_seconds) as f64);
    }
}

fn upstream(scrape: &Scrape<'_>, text: &mut Text, read: fn(&UpstreamFigures) -> f64) {
    if let Some(upstream) = &scrape.figures.replication.upstream {
        let port = upstream.port.to_string();
        text.labelled(&[&upstream.host, &port], read(upstream));
    }
}

fn replica_info(scrape: &Scrape<'_>, text: &mut Text) {
    if let Some(upstream) = &scrape.figures.replication.upstream {
        let read_only = if scrape.settings.replica_read_only { "1" } else { "0" };
        let port = upstream.port.to_string();
        text.labelled(&[&upstream.host, &port, read_only], 1.0);
    }
}
