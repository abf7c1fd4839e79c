//! What redis_exporter shows and Copal does not, with the reason. The documentation shows this table.

/// Patterns of names, and why these are absent. A `*` at the end matches any rest.
#[cfg(test)]
pub const ABSENT: &[(&[&str], &str)] = &[
    (
        &[
            "redis_aof_base_size_bytes",
            "redis_aof_buffer_length",
            "redis_aof_current_*",
            "redis_aof_delayed_fsync",
            "redis_aof_last_*",
            "redis_aof_pending_*",
            "redis_aof_rewrite_*",
            "redis_mem_aof_buffer_bytes",
        ],
        "There is no append-only file; `redis_aof_enabled` says so.",
    ),
    (&["redis_cluster_*", "redis_mem_cluster_links_bytes"], "There is no cluster."),
    (&["redis_tracking_clients", "redis_tracking_total_*"], "There is no client tracking."),
    (
        &[
            "redis_module_*",
            "redis_search_*",
            "redis_bf_*",
            "redis_json_*",
            "redis_tile38_*",
            "redis_scripting_engine*",
        ],
        "They are of modules, and there are none.",
    ),
    (&["redis_sentinel_*"], "They are of Sentinel, whose exporter shows them."),
    (&["redis_tls_*", "redis_acl_access_denied_tls_cert_total"], "There is no TLS."),
    (&["redis_acl_access_denied_db_total"], "Rules about databases are of Valkey 9.1."),
    (
        &[
            "redis_io_threads_active",
            "redis_io_threaded_reads_processed",
            "redis_io_threaded_writes_processed",
            "redis_active_time_io_thread_seconds_total",
            "redis_active_time_main_thread_seconds_total",
        ],
        "There are no threads for I/O; `redis_eventloop_duration_sum_usec_total` is the time in which the one thread was busy.",
    ),
    (
        &["redis_reply_buffer_shrinks_total", "redis_reply_buffer_expands_total"],
        "A client's buffer is lent to it, and never resized.",
    ),
    (
        &[
            "redis_key_*",
            "redis_keys_count",
            "redis_number_of_distinct_key_groups",
            "redis_last_key_groups_scrape_duration_milliseconds",
            "redis_stream_*",
            "redis_script_*",
        ],
        "They are of keys that the exporter is asked to look at; a scrape reads no key.",
    ),
    (
        &["redis_connected_client_*", "redis_connected_clients_details"],
        "They are of single clients, which CLIENT LIST shows to those who may see them.",
    ),
    (
        &[
            "redis_config_key_value",
            "redis_config_value",
            "redis_config_client_output_buffer_limit_*",
            "redis_config_io_threads",
        ],
        "Settings are shown by CONFIG GET, to those who may see them.",
    ),
    (
        &["redis_commands_latencies_usec"],
        "`copal_command_duration_seconds` is this histogram, in seconds, with the same bounds for all commands.",
    ),
    (
        &["redis_commandlog_*", "redis_commands_slowlog_*", "redis_slowlog_commands_*"],
        "They are of later versions: the slow log has a length and a last number here.",
    ),
    (
        &[
            "redis_active_clients",
            "redis_client_processing_*",
            "redis_eventloop_cycles_with_clients_processing_total",
            "redis_hash_template*",
            "redis_memory_used_hash_templates_bytes",
            "redis_backup_in_progress",
            "redis_expired_keys_with_volatile_items_stale_percentage",
            "redis_mem_replicas_repl_buffer_bytes",
            "redis_replicas_*",
        ],
        "They are of Redis 8.8, Redis 8.10 or Valkey 9, and have no counterpart.",
    ),
    (&["redis_client_longest_output_list", "redis_client_biggest_input_buf"], "They are of Redis 4."),
    (
        &[
            "redis_memory_max_reservation_*",
            "redis_memory_max_fragmentation_reservation_*",
            "redis_server_threads_total",
            "redis_long_lock_waits_total",
            "redis_current_client_thread",
            "redis_cached_keys_total",
            "redis_db_keys_cached",
            "redis_storage_provider_*",
        ],
        "They are of a cloud's Redis or of KeyDB.",
    ),
    (&["redis_slave_expires_tracked_keys"], "Keys that a writable replica lets expire are not counted."),
    (&["redis_rdb_current_size_bytes"], "`copal_snapshot_last_file_bytes` is the size of the last snapshot."),
    (
        &[
            "redis_exporter_build_info",
            "redis_exporter_scrape_duration_seconds",
            "redis_exporter_last_scrape_duration_seconds",
            "redis_exporter_last_scrape_connect_time_seconds",
            "redis_exporter_last_scrape_ping_time_seconds",
            "redis_target_scrape_request_errors_total",
        ],
        "There is no exporter between the server and Prometheus, which measures scrapes itself.",
    ),
];
