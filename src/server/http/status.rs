//! What the status page shows, as JSON.

use super::exchange::Reading;
use super::health::{Finding, findings};
use super::json::Json;
use crate::observe::{CommandFigures, DOUBLINGS, Figures, SnapshotFigures, doubling_end_ns};
use crate::stdx::version;

/// Commands that are shown, those that took most of the time.
const COMMANDS_MAX: usize = 20;

/// `system` is what the machine lacks, which does not change while the server runs.
pub fn status(reading: &Reading, system: &[Finding]) -> String {
    let findings = findings(reading);
    Json::document(|json| {
        json.flag("ready", !findings.iter().any(|finding| finding.blocks));
        json.flag("stalled", reading.stalled.is_some());
        json.number("age_seconds", reading.age.as_secs_f64());
        json.array("findings", findings.iter().chain(system), Finding::write);
        if let Some(figures) = &reading.figures {
            of_server(json, figures);
            of_traffic(json, figures);
            of_memory(json, figures);
            of_commands(json, figures);
            of_snapshots(json, figures);
            of_replication(json, figures);
        }
    })
}

fn of_server(json: &mut Json, figures: &Figures) {
    json.text("copal_version", version::COPAL);
    json.text("redis_version", version::REDIS);
    json.count("process_id", std::process::id().into());
    json.count("port", figures.server.tcp_port.into());
    json.text("run_id", &figures.server.run_id);
    json.number("time_ms", figures.unix_ms as f64);
    json.count("uptime_seconds", figures.server.uptime_seconds);
    if let Some(loading) = figures.persistence.loading.as_ref().filter(|_| figures.is_loading) {
        json.object("loading", |json| {
            json.number("percent", loading.loading_loaded_perc);
            json.number("seconds_left", loading.loading_eta_seconds as f64);
        });
    }
}

fn of_traffic(json: &mut Json, figures: &Figures) {
    json.object("rates", |json| {
        json.number("commands", figures.rates.commands);
        json.number("input_bytes", figures.rates.input_bytes);
        json.number("output_bytes", figures.rates.output_bytes);
        json.number("rounds", figures.rates.rounds);
    });
    json.object("totals", |json| {
        json.count("commands", figures.counters.total_commands_processed);
        json.count("connections", figures.counters.total_connections_received);
        json.count("rejected_connections", figures.counters.rejected_connections);
        json.count("errors", figures.counters.total_error_replies);
        json.count("hits", figures.keys.hits);
        json.count("misses", figures.keys.misses);
        json.count("expired", figures.keys.expired);
        json.count("evicted", figures.keys.evicted);
        json.count("busy_us", figures.event_loop.busy_us);
        json.count("longest_round_us", figures.event_loop.longest_us);
    });
    json.object("clients", |json| {
        json.count("connected", figures.clients.connected);
        json.count("blocked", figures.clients.blocked);
        json.count("pubsub", figures.clients.pubsub);
        json.count("max", figures.settings.maxclients.into());
    });
    json.array("databases", &figures.databases, |json, db| {
        json.count("db", db.index as u64);
        json.count("keys", db.keys);
        json.count("expires", db.expires);
        json.number("average_ttl_ms", db.average_ttl_ms as f64);
    });
}

fn of_memory(json: &mut Json, figures: &Figures) {
    let memory = &figures.memory;
    json.object("memory", |json| {
        json.count("used", memory.used);
        json.count("peak", memory.peak);
        json.count("resident", memory.resident);
        json.count("limit", memory.limit);
        json.count("maxmemory", figures.settings.maxmemory_bytes);
        json.text("policy", figures.settings.maxmemory_policy);
        json.count("dataset", memory.dataset);
        json.count("tables", memory.tables);
        json.count("clients", memory.clients_normal);
        json.count("replicas", memory.clients_slaves);
        json.count("backlog", memory.replication_backlog);
        json.count("scripts", figures.scripts.cache + figures.scripts.function_cache + figures.scripts.vm_eval);
        json.count("startup", memory.startup);
        json.flag("huge_pages", figures.huge_pages.used);
        json.count("huge_bytes", figures.huge_pages.huge_bytes);
        json.count("split_bytes", figures.huge_pages.split_bytes);
    });
}

fn of_commands(json: &mut Json, figures: &Figures) {
    let mut all = [0u64; DOUBLINGS];
    for latency in figures.commands.iter().filter_map(|command| command.latency.as_ref()) {
        all.iter_mut().zip(latency.counts).for_each(|(sum, count)| *sum += count);
    }
    json.object("latency", |json| {
        json.numbers("ends_us", (0..DOUBLINGS).map(|doubling| doubling_end_ns(doubling) as f64 / 1000.0));
        json.numbers("counts", all.map(|count| count as f64));
    });
    let mut commands: Vec<&CommandFigures> = figures.commands.iter().collect();
    commands.sort_by_key(|command| std::cmp::Reverse(command.total_ns));
    json.array("commands", commands.into_iter().take(COMMANDS_MAX), |json, command| {
        json.text("name", &command.name);
        json.count("calls", command.calls);
        json.number("total_us", command.total_ns as f64 / 1000.0);
        json.count("failed", command.failed + command.rejected);
        let percentiles = command.latency.as_ref().map_or(&[][..], |latency| &latency.percentiles);
        json.array("percentiles", percentiles, |json, (percent, nanoseconds)| {
            json.number("percent", *percent);
            json.number("us", *nanoseconds as f64 / 1000.0);
        });
    });
    json.count("slow_log_length", figures.slow_log.length);
    json.array("slow", &figures.slow_log.latest, |json, slow| {
        json.count("id", slow.id);
        json.number("at_ms", slow.unix_seconds as f64 * 1000.0);
        json.count("duration_us", slow.duration_us);
        json.text("command", &slow.command);
    });
    json.array("latency_events", &figures.latency_events, |json, event| {
        json.text("event", event.event);
        json.number("last_at_ms", event.last_unix_seconds as f64 * 1000.0);
        json.count("last_ms", event.last_ms);
        json.count("worst_ms", event.worst_ms);
    });
}

fn of_snapshots(json: &mut Json, figures: &Figures) {
    let info = &figures.persistence;
    json.object("snapshot", |json| {
        json.flag("in_progress", info.rdb_bgsave_in_progress);
        json.flag("last_ok", info.rdb_last_bgsave_ok);
        json.number("last_save_ms", info.rdb_last_save_time as f64 * 1000.0);
        json.count("changes", info.rdb_changes_since_last_save);
        json.count("worst_fork_us", info.worst_fork_usec);
        json.number("running_seconds", info.rdb_current_bgsave_time_sec as f64);
        json.number("percent", info.current_fork_perc);
        json.count("extra_bytes", info.current_extra_bytes);
        json.count("extra_limit_bytes", info.current_extra_limit_bytes);
    });
    json.array("snapshots", &figures.snapshots, record);
}

fn record(json: &mut Json, record: &SnapshotFigures) {
    json.count("id", record.id);
    json.text("trigger", record.trigger);
    json.flag("background", record.background);
    json.number("start_ms", record.started_unix_ms as f64);
    json.count("duration_us", record.duration_us);
    json.count("fork_us", record.fork_us);
    json.count("keys", record.keys);
    json.count("changes", record.changes);
    json.count("bytes", record.bytes);
    json.count("copied_bytes", record.copied_bytes);
    json.count("peak_extra_bytes", record.peak_extra_bytes);
    json.text("outcome", record.outcome);
    if let Some((step, error)) = &record.failure {
        json.text("failed_step", step);
        json.text("error", error);
    }
}

fn of_replication(json: &mut Json, figures: &Figures) {
    json.object("replication", |json| {
        json.text("role", if figures.replication.upstream.is_some() { "replica" } else { "primary" });
        if let Some(upstream) = &figures.replication.upstream {
            json.object("primary", |json| {
                json.text("address", &format!("{}:{}", upstream.host, upstream.port));
                json.flag("link_is_up", upstream.link_is_up);
                json.flag("sync_in_progress", upstream.sync_in_progress);
            });
        }
        json.array("replicas", &figures.replication.replicas, |json, replica| {
            json.text("address", &format!("{}:{}", replica.ip, replica.port));
            json.text("state", replica.state);
            let behind = figures.replication.offset.saturating_sub(replica.offset);
            json.count("behind_bytes", behind);
            json.count("lag_seconds", replica.lag_seconds);
        });
    });
}
