//! INFO: every section from what the executor knows.

use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeVal;

use crate::commands::ChannelKind;
use crate::observe::{InfoSection, InfoText};
use crate::server::clients::ClientKey;
use crate::server::executor::Executor;
use crate::stdx::version;

impl Executor {
    /// Answers INFO.
    pub(in crate::server) fn answer_info(&mut self, key: ClientKey, names: &[Box<[u8]>]) {
        let names: Vec<&[u8]> = names.iter().map(|name| &**name).collect();
        self.poll_child();
        let text = self.info(&names);
        self.clients.get_mut(key).reply.verbatim(b"txt", &text);
    }

    /// The text of INFO for these sections.
    pub fn info(&self, names: &[&[u8]]) -> Vec<u8> {
        let mut out = InfoText::default();
        for section in InfoSection::asked_for(names) {
            out.section(section);
            match section {
                InfoSection::Server => self.info_server(&mut out),
                InfoSection::Clients => self.info_clients(&mut out),
                InfoSection::Memory => self.info_memory(&mut out),
                InfoSection::Persistence => self.info_persistence(&mut out),
                InfoSection::Stats => self.info_stats(&mut out),
                InfoSection::Replication => self.info_replication(&mut out),
                InfoSection::Cpu => info_cpu(&mut out),
                InfoSection::Modules => {}
                InfoSection::CommandStats => self.info_command_stats(&mut out),
                InfoSection::ErrorStats => self.info_error_stats(&mut out),
                InfoSection::LatencyStats => self.info_latency_stats(&mut out),
                InfoSection::Cluster => out.flag("cluster_enabled", false),
                InfoSection::Keyspace => self.info_keyspace(&mut out),
                InfoSection::Debug => self.info_debug(&mut out),
            }
        }
        out.into_bytes()
    }

    fn info_server(&self, out: &mut InfoText) {
        let now = self.clock.latest();
        let uptime = self.uptime().as_secs();
        out.field("redis_version", version::REDIS);
        out.field("copal_version", version::COPAL);
        out.field("redis_git_sha1", version::COMMIT);
        out.field("redis_git_dirty", 0);
        out.field("redis_build_id", version::build_id());
        out.field("redis_mode", "standalone");
        out.field("os", &self.process.launch().system);
        out.field("arch_bits", usize::BITS);
        out.field("monotonic_clock", self.clock.source());
        out.field("multiplexing_api", "epoll");
        out.field("atomicvar_api", "rust-core");
        // The compiler of the parts that are in C; as with Redis 0.0.0 where it is another one.
        out.field("gcc_version", version::C_COMPILER);
        out.field("rustc_version", version::RUST_COMPILER);
        out.field("process_id", std::process::id());
        out.field("process_supervised", if self.process.launch().supervised { "systemd" } else { "no" });
        out.field("run_id", self.process.run_id());
        out.field("tcp_port", self.config.port);
        out.field("server_time_usec", now.unix_us);
        out.field("uptime_in_seconds", uptime);
        out.field("uptime_in_days", uptime / (24 * 60 * 60));
        out.field("hz", self.config.hz);
        out.field("configured_hz", self.config.hz);
        out.field("lru_clock", self.keyspace.access.lru_seconds());
        out.field("executable", self.process.launch().executable.display());
        let file = self.process.launch().config_file.as_ref().map(|file| file.display().to_string());
        out.field("config_file", file.unwrap_or_default());
        if let Some(left) = self.process.time_to_end(now) {
            out.field("shutdown_in_milliseconds", left.as_millis());
        }
        out.field("io_threads_active", 0);
        for (index, listener) in self.process.listeners.describe().iter().enumerate() {
            out.field(format_args!("listener{index}"), listener);
        }
    }

    fn info_clients(&self, out: &mut InfoText) {
        let clients = self.client_figures();
        out.field("connected_clients", clients.connected);
        out.field("cluster_connections", 0);
        out.field("maxclients", self.config.maxclients);
        out.field("client_recent_max_input_buffer", clients.recent_max_input_buffer);
        out.field("client_recent_max_output_buffer", clients.recent_max_output_buffer);
        out.field("blocked_clients", clients.blocked);
        out.field("tracking_clients", 0);
        out.field("pubsub_clients", clients.pubsub);
        out.field("watching_clients", clients.watching);
        out.field("clients_in_timeout_table", clients.in_timeout_table);
        out.field("total_watched_keys", clients.total_watched_keys);
        out.field("total_blocking_keys", clients.total_blocking_keys);
        // Keys whose disappearance somebody waits for, which are streams with groups.
        out.field("total_blocking_keys_on_nokey", clients.total_blocking_keys_on_nokey);
    }

    fn info_persistence(&self, out: &mut InfoText) {
        let info = self.persistence_info();
        out.flag("loading", self.snapshots.is_loading());
        out.flag("async_loading", info.async_loading);
        out.field("current_cow_peak", info.current_cow_peak);
        out.field("current_cow_size", info.current_cow_size);
        out.field("current_cow_size_age", info.current_cow_size_age);
        out.field("current_redirected_bytes", info.current_redirected_bytes);
        out.field("current_extra_bytes", info.current_extra_bytes);
        out.field("current_extra_limit_bytes", info.current_extra_limit_bytes);
        out.ratio("current_fork_perc", info.current_fork_perc);
        out.field("current_save_keys_processed", info.current_save_keys_processed);
        out.field("current_save_keys_total", info.current_save_keys_total);
        out.field("rdb_changes_since_last_save", info.rdb_changes_since_last_save);
        out.flag("rdb_bgsave_in_progress", info.rdb_bgsave_in_progress);
        out.flag("rdb_bgsave_stopped", info.rdb_bgsave_stopped);
        out.flag("rdb_bgsave_stalled", info.rdb_bgsave_stalled);
        out.field("rdb_last_save_time", info.rdb_last_save_time);
        out.field("rdb_last_bgsave_status", info.rdb_last_bgsave_status());
        out.field("rdb_last_bgsave_error", &info.rdb_last_bgsave_error);
        out.field("rdb_last_bgsave_time_sec", info.rdb_last_bgsave_time_sec);
        out.field("rdb_current_bgsave_time_sec", info.rdb_current_bgsave_time_sec);
        out.field("rdb_saves", info.rdb_saves);
        out.field("rdb_last_cow_size", info.rdb_last_cow_size);
        out.field("rdb_last_redirected_bytes", info.rdb_last_redirected_bytes);
        out.field("rdb_last_extra_peak_bytes", info.rdb_last_extra_peak_bytes);
        out.field("rdb_last_load_keys_expired", info.rdb_last_load_keys_expired);
        out.field("rdb_last_load_keys_loaded", info.rdb_last_load_keys_loaded);
        out.field("rdb_last_load_left_out", info.rdb_last_load_left_out);
        self.info_latest_snapshot(out);
        info_append_only(out);
        if let Some(loading) = &info.loading {
            out.field("loading_start_time", loading.loading_start_time);
            out.field("loading_total_bytes", loading.loading_total_bytes);
            out.field("loading_rdb_used_mem", loading.loading_rdb_used_mem);
            out.field("loading_loaded_bytes", loading.loading_loaded_bytes);
            out.ratio("loading_loaded_perc", loading.loading_loaded_perc);
            out.field("loading_eta_seconds", loading.loading_eta_seconds);
        }
    }

    fn info_stats(&self, out: &mut InfoText) {
        let counters = &self.stats.counters;
        let kilobytes = |bytes: f64| bytes / 1024.0;
        out.field("total_connections_received", counters.total_connections_received);
        out.field("total_commands_processed", counters.total_commands_processed);
        out.field("instantaneous_ops_per_sec", self.stats.meters.commands.per_second() as u64);
        out.field("total_net_input_bytes", counters.total_net_input_bytes);
        out.field("total_net_output_bytes", counters.total_net_output_bytes);
        out.field("total_net_repl_input_bytes", counters.total_net_repl_input_bytes);
        out.field("total_net_repl_output_bytes", counters.total_net_repl_output_bytes);
        out.ratio("instantaneous_input_kbps", kilobytes(self.stats.meters.input_bytes.per_second()));
        out.ratio("instantaneous_output_kbps", kilobytes(self.stats.meters.output_bytes.per_second()));
        out.ratio("instantaneous_input_repl_kbps", 0.0);
        out.ratio("instantaneous_output_repl_kbps", 0.0);
        out.field("rejected_connections", counters.rejected_connections);
        let syncs = self.replication.counters();
        out.field("sync_full", syncs.full_syncs);
        out.field("sync_partial_ok", syncs.partial_syncs_accepted);
        out.field("sync_partial_err", syncs.partial_syncs_refused);
        self.info_keys(out);
        out.field("pubsub_channels", self.pubsub.of(ChannelKind::Channel).len());
        out.field("pubsub_patterns", self.pubsub.of(ChannelKind::Pattern).len());
        out.field("pubsubshard_channels", self.pubsub.of(ChannelKind::Shard).len());
        let snapshots = self.persistence_info();
        out.field("latest_fork_usec", snapshots.latest_fork_usec);
        out.field("worst_fork_usec", snapshots.worst_fork_usec);
        out.field("total_forks", snapshots.total_forks);
        out.field("migrate_cached_sockets", self.migrations.links_len());
        out.field("slave_expires_tracked_keys", 0);
        let defragmentation = self.memory.defragmentation();
        let done = defragmentation.done();
        let (current, total) = defragmentation.elapsed();
        out.field("active_defrag_hits", done.moved);
        out.field("active_defrag_misses", done.kept);
        out.field("active_defrag_key_hits", done.keys_moved);
        out.field("active_defrag_key_misses", done.keys_kept);
        out.field("total_active_defrag_time", total.as_millis());
        out.field("current_active_defrag_time", current.as_millis());
        for name in ["tracking_total_keys", "tracking_total_items", "tracking_total_prefixes"] {
            out.field(name, 0);
        }
        out.field("unexpected_error_replies", counters.unexpected_error_replies);
        out.field("total_error_replies", counters.total_error_replies);
        out.field("dump_payload_sanitizations", self.keyspace.stats.payloads_checked.get());
        out.field("total_reads_processed", counters.total_reads_processed);
        out.field("total_writes_processed", counters.total_writes_processed);
        out.field("io_threaded_reads_processed", 0);
        out.field("io_threaded_writes_processed", 0);
        let query = counters.client_query_buffer_limit_disconnections;
        out.field("client_query_buffer_limit_disconnections", query);
        let output = counters.client_output_buffer_limit_disconnections;
        out.field("client_output_buffer_limit_disconnections", output);
        // A client's buffer is lent to it while there is something to send. None of its own is resized.
        out.field("reply_buffer_shrinks", 0);
        out.field("reply_buffer_expands", 0);
        out.field("eventloop_cycles", self.stats.rounds.rounds());
        out.field("eventloop_duration_sum", self.stats.rounds.busy().as_micros());
        out.field("eventloop_duration_cmd_sum", self.command_time_us());
        out.field("instantaneous_eventloop_cycles_per_sec", self.stats.meters.rounds.per_second() as u64);
        out.field("instantaneous_eventloop_duration_usec", self.stats.meters.round_us());
        out.field("acl_access_denied_auth", counters.acl_access_denied_auth);
        out.field("acl_access_denied_cmd", counters.acl_access_denied_cmd);
        out.field("acl_access_denied_key", counters.acl_access_denied_key);
        out.field("acl_access_denied_channel", counters.acl_access_denied_channel);
    }

    /// The part of the stats that is about keys.
    fn info_keys(&self, out: &mut InfoText) {
        let keys = &self.keyspace.stats;
        // The name in Redis from 7.4 on, and that in Valkey from 9 on.
        out.field("expired_subkeys", keys.expired_fields);
        out.field("expired_fields", keys.expired_fields);
        out.field("expired_keys", keys.expired);
        out.ratio("expired_stale_perc", keys.expired_stale_percent);
        out.field("expired_time_cap_reached_count", keys.expired_time_cap_reached);
        out.field("expire_cycle_cpu_milliseconds", self.stats.counters.expire_cycle_us / 1000);
        out.field("evicted_keys", keys.evicted);
        out.field("evicted_clients", self.stats.counters.evicted_clients);
        out.field("evicted_scripts", self.scripts.evicted());
        let (over_limit_now, over_limit) = self.memory.over_limit();
        out.field("total_eviction_exceeded_time", over_limit.as_millis());
        out.field("current_eviction_exceeded_time", over_limit_now.as_millis());
        out.field("keyspace_hits", keys.hits.get());
        out.field("keyspace_misses", keys.misses.get());
    }

    fn info_command_stats(&self, out: &mut InfoText) {
        for row in self.table.rows() {
            let stat = self.stats.command_stats.get(row.id.index());
            if stat.calls + stat.rejected + stat.failed == 0 {
                continue;
            }
            out.field(
                format_args!("cmdstat_{}", row.full_name),
                format_args!(
                    "calls={},usec={},usec_per_call={:.2},rejected_calls={},failed_calls={}",
                    stat.calls,
                    stat.total_us(),
                    stat.mean_us(),
                    stat.rejected,
                    stat.failed
                ),
            );
        }
    }

    fn info_error_stats(&self, out: &mut InfoText) {
        for (code, count) in self.stats.errors.iter() {
            out.field(format_args!("errorstat_{code}"), format_args!("count={count}"));
        }
    }

    fn info_latency_stats(&self, out: &mut InfoText) {
        if !self.config.latency_tracking {
            return;
        }
        let percentiles = &self.config.latency_tracking_info_percentiles;
        for row in self.table.rows() {
            let Some(histogram) = &self.stats.command_stats.get(row.id.index()).latency else { continue };
            let shown = |percent: &f64| format!("p{percent}={:.3}", histogram.percentile(*percent) as f64 / 1000.0);
            let shown: Vec<String> = percentiles.iter().map(shown).collect();
            out.field(format_args!("latency_percentiles_usec_{}", row.full_name), shown.join(","));
        }
    }

    fn info_keyspace(&self, out: &mut InfoText) {
        for (index, db) in self.keyspace.dbs().filter(|(_, db)| !db.is_empty()) {
            out.field(
                format_args!("db{index}"),
                format_args!(
                    "keys={},expires={},avg_ttl={},subexpiry={}",
                    db.len(),
                    db.expires_len(),
                    db.average_ttl_ms(),
                    db.expiring_hashes_len()
                ),
            );
        }
    }

    fn info_debug(&self, out: &mut InfoText) {
        // There is no append-only file.
        out.field("eventloop_duration_aof_sum", 0);
        out.field("eventloop_duration_cron_sum", self.stats.rounds.cron().as_micros());
        out.field("eventloop_duration_max", self.stats.rounds.longest().as_micros());
        out.field(
            "eventloop_cmd_per_cycle_max",
            self.stats.rounds.commands_max(self.stats.counters.total_commands_processed),
        );
    }
}

/// There is no append-only file; tools read its fields all the same.
fn info_append_only(out: &mut InfoText) {
    out.flag("aof_enabled", false);
    out.flag("aof_rewrite_in_progress", false);
    out.flag("aof_rewrite_scheduled", false);
    out.field("aof_last_rewrite_time_sec", -1);
    out.field("aof_current_rewrite_time_sec", -1);
    out.field("aof_last_bgrewrite_status", "ok");
    out.field("aof_rewrites", 0);
    out.field("aof_rewrites_consecutive_failures", 0);
    out.field("aof_last_write_status", "ok");
    out.field("aof_last_cow_size", 0);
    out.field("module_fork_in_progress", 0);
    out.field("module_fork_last_cow_size", 0);
}

fn info_cpu(out: &mut InfoText) {
    let mut usage = |who: UsageWho, behind: &str| {
        if let Ok(usage) = getrusage(who) {
            let mut time = |name: &str, time: fn(&Usage) -> TimeVal| {
                let time = time(&usage);
                out.field(
                    format_args!("used_cpu_{name}{behind}"),
                    format_args!("{}.{:06}", time.tv_sec(), time.tv_usec()),
                );
            };
            time("sys", Usage::system_time);
            time("user", Usage::user_time);
        }
    };
    usage(UsageWho::RUSAGE_SELF, "");
    usage(UsageWho::RUSAGE_CHILDREN, "_children");
    usage(UsageWho::RUSAGE_THREAD, "_main_thread");
}
