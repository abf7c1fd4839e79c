//! Copies what the server knows of itself for other threads: no text is made here, and a command waits for microseconds.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike as _};

use crate::commands::ChannelKind;
use crate::config::ClientClass;
use crate::observe::{
    ClientFigures, CommandFigures, CommandLatency, DatabaseFigures, Figures, HugePageFigures, KeyFigures,
    LatencyEventFigures, LoopFigures, MemoryFigures, RateFigures, ScriptFigures, ServerFigures, SettingFigures,
    SlowCommandFigures, SlowLogFigures,
};
use crate::server::executor::Executor;

/// Slow commands that are copied, the newest ones.
const SLOW_COMMANDS_MAX: usize = 32;

impl Executor {
    pub(in crate::server) fn figures(&self) -> Figures {
        Figures {
            unix_ms: self.clock.latest().unix_ms,
            server: self.server_figures(),
            clients: self.client_figures(),
            memory: self.memory_figures(),
            scripts: self.script_figures(),
            huge_pages: self.huge_page_figures(),
            persistence: self.persistence_info(),
            is_loading: self.snapshots.is_loading(),
            snapshots: self.snapshot_figures(),
            counters: self.stats.counters.clone(),
            keys: self.key_figures(),
            rates: self.rate_figures(),
            event_loop: self.loop_figures(),
            databases: self.database_figures(),
            commands: self.command_figures(),
            errors: self.stats.errors.iter().map(|(code, count)| (code.into(), count)).collect(),
            slow_log: self.slow_log_figures(),
            latency_events: self.latency_event_figures(),
            replication: self.replication_figures(),
            settings: self.setting_figures(),
        }
    }

    fn server_figures(&self) -> ServerFigures {
        let now = self.clock.latest();
        let uptime = self.uptime();
        let usage = getrusage(UsageWho::RUSAGE_THREAD).ok();
        let seconds = |time: Option<TimeVal>| time.map_or(0.0, |time| time.num_microseconds() as f64 / 1e6);
        ServerFigures {
            uptime_seconds: uptime.as_secs(),
            started_unix_ms: now.unix_ms - uptime.as_millis() as i64,
            tcp_port: self.config.port,
            run_id: self.process.run_id().into(),
            os: self.process.launch().system.as_str().into(),
            is_ending: self.process.is_ending(),
            cpu_sys_main_thread: seconds(usage.map(|usage| usage.system_time())),
            cpu_user_main_thread: seconds(usage.map(|usage| usage.user_time())),
        }
    }

    pub(super) fn client_figures(&self) -> ClientFigures {
        let (input, output) = self.stats.meters.recent_buffers_max();
        let mut figures = ClientFigures {
            in_timeout_table: self.exec.deadlines_len() as u64,
            total_watched_keys: self.keyspace.watched_len() as u64,
            total_blocking_keys: self.keyspace.waiting.keys_len() as u64,
            total_blocking_keys_on_nokey: self.keyspace.waiting.keys_awaited_in_any_case() as u64,
            recent_max_input_buffer: input as u64,
            recent_max_output_buffer: output as u64,
            pubsub_channels: self.pubsub.of(ChannelKind::Channel).len() as u64,
            pubsub_patterns: self.pubsub.of(ChannelKind::Pattern).len() as u64,
            pubsubshard_channels: self.pubsub.of(ChannelKind::Shard).len() as u64,
            migrate_cached_sockets: self.migrations.links_len() as u64,
            ..ClientFigures::default()
        };
        let mut replicas = 0;
        for (_, client) in self.clients.iter() {
            replicas += usize::from(client.is_replica());
            figures.blocked += u64::from(client.stall().is_some());
            figures.pubsub += u64::from(client.class() == ClientClass::PubSub);
            figures.watching += u64::from(!client.session.watched().is_empty());
        }
        figures.connected = self.clients.live_len().saturating_sub(replicas) as u64;
        figures
    }

    fn memory_figures(&self) -> MemoryFigures {
        let report = self.memory_report();
        let (exceeded_now, exceeded) = self.memory.over_limit();
        let defragmentation = self.memory.defragmentation().done();
        let pair = |excess: crate::server::memory::Excess| (excess.ratio, excess.bytes);
        MemoryFigures {
            used: report.used,
            peak: report.peak,
            resident: report.resident,
            startup: report.startup,
            overhead: report.overhead,
            dataset: report.dataset(),
            tables: report.tables(),
            clients_normal: report.clients,
            clients_slaves: report.replication.clients,
            replication_backlog: report.replication.backlog,
            replication_buffers: report.replication.buffers,
            not_counted_for_evict: self.bytes_for_lagging_replicas(),
            allocated: report.allocator.allocated,
            active: report.allocator.active,
            allocator_resident: report.allocator.resident,
            muzzy: report.allocator.muzzy,
            allocator_frag: pair(report.allocator_fragmentation()),
            allocator_rss: pair(report.allocator_resident()),
            fragmentation: pair(report.fragmentation()),
            limit: self.memory.limit().bytes(),
            defrag_running_percent: self.memory.defragmentation().running_percent().into(),
            defrag_moved: defragmentation.moved,
            defrag_kept: defragmentation.kept,
            defrag_keys_moved: defragmentation.keys_moved,
            defrag_keys_kept: defragmentation.keys_kept,
            lazyfree_pending: self.keyspace.lazy_free.pending(),
            lazyfreed: self.keyspace.lazy_free.freed(),
            exceeded_now_ms: exceeded_now.as_millis() as u64,
            exceeded_ms: exceeded.as_millis() as u64,
        }
    }

    fn script_figures(&self) -> ScriptFigures {
        let usage = self.scripts.usage();
        ScriptFigures {
            vm_eval: usage.vm_eval,
            vm_functions: usage.vm_functions,
            cache: usage.cache,
            function_cache: usage.function_cache,
            cached: usage.cached as u64,
            functions: usage.functions as u64,
            libraries: usage.libraries as u64,
            evicted: self.scripts.evicted(),
        }
    }

    fn huge_page_figures(&self) -> HugePageFigures {
        let progress = self.snapshots.healing();
        HugePageFigures {
            used: self.memory.uses_huge_pages(),
            huge_bytes: progress.huge_bytes,
            split_bytes: progress.split_bytes,
            healed_bytes: progress.healed_bytes,
            in_progress: progress.in_progress,
        }
    }

    fn key_figures(&self) -> KeyFigures {
        let keys = &self.keyspace.stats;
        KeyFigures {
            hits: keys.hits.get(),
            misses: keys.misses.get(),
            expired: keys.expired,
            expired_fields: keys.expired_fields,
            expired_stale_percent: keys.expired_stale_percent,
            expired_time_cap_reached: keys.expired_time_cap_reached,
            evicted: keys.evicted,
            payloads_checked: keys.payloads_checked.get(),
        }
    }

    fn rate_figures(&self) -> RateFigures {
        let meters = &self.stats.meters;
        RateFigures {
            commands: meters.commands.per_second(),
            input_bytes: meters.input_bytes.per_second(),
            output_bytes: meters.output_bytes.per_second(),
            rounds: meters.rounds.per_second(),
            round_us: meters.round_us(),
        }
    }

    fn loop_figures(&self) -> LoopFigures {
        let rounds = &self.stats.rounds;
        LoopFigures {
            cycles: rounds.rounds(),
            busy_us: rounds.busy().as_micros() as u64,
            longest_us: rounds.longest().as_micros() as u64,
            commands_us: self.command_time_us(),
            cron_us: rounds.cron().as_micros() as u64,
            commands_per_cycle_max: rounds.commands_max(self.stats.counters.total_commands_processed),
        }
    }

    fn database_figures(&self) -> Vec<DatabaseFigures> {
        let filled = self.keyspace.dbs().filter(|(_, db)| !db.is_empty());
        let figures = filled.map(|(index, db)| DatabaseFigures {
            index,
            keys: db.len() as u64,
            expires: db.expires_len() as u64,
            average_ttl_ms: db.average_ttl_ms(),
            expiring_hashes: db.expiring_hashes_len() as u64,
        });
        figures.collect()
    }

    fn command_figures(&self) -> Vec<CommandFigures> {
        let percents = &self.config.latency_tracking_info_percentiles;
        let stats = self.table.rows().iter().map(|row| (row, self.stats.command_stats.get(row.id.index())));
        let used = stats.filter(|(_, stat)| stat.calls + stat.rejected + stat.failed > 0);
        let figures = used.map(|(row, stat)| CommandFigures {
            name: row.full_name.clone(),
            calls: stat.calls,
            total_ns: stat.total_ns,
            rejected: stat.rejected,
            failed: stat.failed,
            latency: stat.latency.as_ref().map(|histogram| {
                let counts = histogram.doublings();
                let percentile = |percent: &f64| (*percent, histogram.percentile_by(&counts, *percent));
                CommandLatency { counts, percentiles: percents.iter().map(percentile).collect() }
            }),
        });
        figures.collect()
    }

    fn slow_log_figures(&self) -> SlowLogFigures {
        let log = &self.stats.slow_log;
        let latest = log.iter().take(SLOW_COMMANDS_MAX).map(|command| SlowCommandFigures {
            id: command.id,
            unix_seconds: command.unix_seconds,
            duration_us: command.duration_us,
            command: command.command.clone(),
        });
        let latest: Vec<_> = latest.collect();
        SlowLogFigures { length: log.len() as u64, last_id: latest.first().map(|command| command.id), latest }
    }

    fn latency_event_figures(&self) -> Vec<LatencyEventFigures> {
        let figures = self.stats.latency.iter().map(|(event, series)| {
            let last = series.latest();
            LatencyEventFigures {
                event,
                last_unix_seconds: last.unix_seconds,
                last_ms: last.milliseconds,
                worst_ms: series.worst_ms,
            }
        });
        figures.collect()
    }

    fn setting_figures(&self) -> SettingFigures {
        let config = &self.config;
        SettingFigures {
            hz: config.hz,
            maxclients: config.maxclients,
            maxmemory_bytes: config.maxmemory_bytes,
            maxmemory_policy: config.maxmemory_policy.name(),
            save_rules: config.save.iter().map(|rule| (rule.seconds, rule.changes)).collect(),
            writes_are_stopped: self.writes_are_stopped(),
            replica_priority: config.replica_priority,
            replica_read_only: config.replica_read_only,
            replica_serve_stale_data: config.replica_serve_stale_data,
        }
    }
}
