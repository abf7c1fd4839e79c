//! Metrics that are Copal's own: snapshots, huge pages, the event loop, the latencies of commands.

use super::redis::flag;
use super::text::Text;
use super::{Kind, Row, Scrape, counter, each, gauge, histogram};
use crate::observe::SnapshotFigures;
use crate::stdx::version;

#[rustfmt::skip]
pub const ROWS: &[Row] = &[
    each("copal_build_info", Kind::Gauge, &["version", "commit", "rustc_version"], "What this server was built from.", |_, text| text.labelled(&[version::COPAL, version::COMMIT, version::RUST_COMPILER], 1.0)),
    gauge("copal_event_loop_stalled", "1 where the event loop did not answer within half a second, as during SAVE or a long command: what is shown then is older.", |s| flag(s.is_stalled)),
    gauge("copal_figures_age_seconds", "How old the figures are that are shown.", |s| s.age.as_secs_f64()),
    gauge("copal_event_loop_longest_round_seconds", "The longest that the event loop was busy at a stretch, since the start or CONFIG RESETSTAT.", |s| s.event_loop.longest_us as f64 / 1e6),
    gauge("copal_event_loop_commands_per_round_max", "The most commands in one round of the event loop.", |s| s.event_loop.commands_per_cycle_max as f64),
    counter("copal_event_loop_cron_seconds_total", "The time that background work took in the event loop.", |s| s.event_loop.cron_us as f64 / 1e6),
    each("copal_command_duration_seconds", Kind::Histogram, &["cmd", "le"], "How long each command took (latency-tracking).", histogram::durations),

    gauge("copal_snapshot_age_seconds", "Seconds since the last snapshot was saved, or since the start if none was.", |s| (s.figures.unix_ms as f64 / 1000.0 - s.persistence.rdb_last_save_time as f64).max(0.0)),
    gauge("copal_snapshot_in_progress", "Whether a snapshot is being taken in the background.", |s| flag(s.persistence.rdb_bgsave_in_progress)),
    gauge("copal_snapshot_stalled", "Whether its process makes no progress.", |s| flag(s.persistence.rdb_bgsave_stalled)),
    gauge("copal_snapshot_stopped", "Whether a signal has stopped its process.", |s| flag(s.persistence.rdb_bgsave_stopped)),
    gauge("copal_snapshot_progress_ratio", "The share of keys that it has saved.", |s| s.persistence.current_fork_perc / 100.0),
    gauge("copal_snapshot_extra_bytes", "Memory that it takes beside the data.", |s| s.persistence.current_extra_bytes as f64),
    gauge("copal_snapshot_extra_limit_bytes", "At so much it is given up; 0 for never.", |s| s.persistence.current_extra_limit_bytes as f64),
    counter("copal_snapshot_forks_total", "Forks.", |s| s.persistence.total_forks as f64),
    gauge("copal_snapshot_fork_seconds_max", "The longest that a fork has held the server up, since the start or CONFIG RESETSTAT.", |s| s.persistence.worst_fork_usec as f64 / 1e6),
    each("copal_snapshot_last_success", Kind::Gauge, &[], "0 if the last snapshot failed; 1 if it was saved, or ended on purpose.", |s, text| last(s, text, |r| flag(r.failure.is_none()))),
    each("copal_snapshot_last_failed_step", Kind::Gauge, &["step"], "1 for the step at which the last snapshot failed.", failed_step),
    each("copal_snapshot_last_start_timestamp_seconds", Kind::Gauge, &[], "When the last snapshot began, in seconds since 1970.", |s, text| last(s, text, |r| r.started_unix_ms as f64 / 1000.0)),
    each("copal_snapshot_last_duration_seconds", Kind::Gauge, &[], "How long it took.", |s, text| last(s, text, |r| r.duration_us as f64 / 1e6)),
    each("copal_snapshot_last_fork_seconds", Kind::Gauge, &[], "How long its fork held the server up.", |s, text| last(s, text, |r| r.fork_us as f64 / 1e6)),
    each("copal_snapshot_last_copied_bytes", Kind::Gauge, &[], "Memory that was copied because it changed meanwhile.", |s, text| last(s, text, |r| r.copied_bytes as f64)),
    each("copal_snapshot_last_redirected_bytes", Kind::Gauge, &[], "Old versions of values and keys that it kept to itself, since the new ones were written elsewhere.", |s, text| last(s, text, |r| r.redirected_bytes as f64)),
    each("copal_snapshot_last_peak_extra_bytes", Kind::Gauge, &[], "The most memory that it took beside the data.", |s, text| last(s, text, |r| r.peak_extra_bytes as f64)),
    each("copal_snapshot_last_keys", Kind::Gauge, &[], "Keys that it has written.", |s, text| last(s, text, |r| r.keys as f64)),
    each("copal_snapshot_last_file_bytes", Kind::Gauge, &[], "Bytes that it has written.", |s, text| last(s, text, |r| r.bytes as f64)),
    gauge("copal_writes_stopped", "Whether writes are refused because the last snapshot failed (stop-writes-on-bgsave-error).", |s| flag(s.settings.writes_are_stopped)),

    gauge("copal_loading_progress_ratio", "The share of the dump that is loaded; 1 while none is being loaded.", |s| s.persistence.loading.as_ref().map_or(1.0, |loading| loading.loading_loaded_perc / 100.0)),
    gauge("copal_loading_eta_seconds", "How many seconds loading takes yet, as estimated.", |s| s.persistence.loading.as_ref().map_or(0.0, |loading| loading.loading_eta_seconds as f64)),

    gauge("copal_huge_pages_used", "Whether the heap is in huge pages.", |s| flag(s.huge_pages.used)),
    each("copal_huge_page_bytes", Kind::Gauge, &["state"], "Memory in huge pages, and memory that could be in huge ones and is not.", |s, text| { text.labelled(&["huge"], s.huge_pages.huge_bytes as f64); text.labelled(&["split"], s.huge_pages.split_bytes as f64); }),
    counter("copal_huge_page_healed_bytes_total", "Memory that was put into huge pages again.", |s| s.huge_pages.healed_bytes as f64),
    gauge("copal_huge_page_healing", "Whether that is being done.", |s| flag(s.huge_pages.in_progress)),

    counter("copal_http_requests_total", "Requests over HTTP.", |s| s.http.requests as f64),
    gauge("copal_http_connections", "Connections over HTTP.", |s| s.http.connections as f64),
    counter("copal_http_connections_dropped_total", "Connections over HTTP that were closed to make room for others.", |s| s.http.connections_dropped as f64),
];

fn last(scrape: &Scrape<'_>, text: &mut Text, read: fn(&SnapshotFigures) -> f64) {
    if let Some(record) = scrape.figures.snapshots.first() {
        text.value(read(record));
    }
}

fn failed_step(scrape: &Scrape<'_>, text: &mut Text) {
    if let Some((step, _)) = scrape.figures.snapshots.first().and_then(|record| record.failure.as_ref()) {
        text.labelled(&[step], 1.0);
    }
}
