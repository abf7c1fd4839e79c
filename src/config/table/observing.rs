//! What the server reports about itself and its data.

use super::super::key::{Apply, Key, Value};
use super::super::model::Config;
use super::super::notify::NotifyFlags;
use super::super::value::{ValueError, only, parse_percentile};
use super::{flag, integer, list, parse_addresses, show_addresses};

pub const KEYS: &[Key] = &[
    integer("metrics-port", "0", (0, 65_535), |c| c.metrics_port.into(), |c, v| c.metrics_port = v as u16)
        .at_startup()
        .doc(
            "The TCP port for HTTP: metrics for Prometheus, health checks and a status page; 0 for none. Whoever reaches it \
             needs no password. It shows figures only, no keys and no arguments. docs/metrics.md describes it.",
        ),
    list(
        "metrics-bind",
        "127.0.0.1",
        0,
        |c| show_addresses(&c.metrics_bind),
        |c, args| {
            c.metrics_bind = parse_addresses(args)?;
            Ok(())
        },
    )
    .at_startup()
    .doc("The addresses to listen on for it, as with bind. Browsers may ask by the names among them."),
    integer(
        "slowlog-log-slower-than",
        "10000",
        (-1, i64::MAX),
        |c| c.slowlog_log_slower_than_us,
        |c, v| c.slowlog_log_slower_than_us = v,
    )
    .also_foreign(&["commandlog-execution-slower-than"])
    .doc("Keep commands that ran longer than so many microseconds in the slow log; 0 keeps all, -1 none."),
    integer("slowlog-max-len", "128", (0, i64::MAX), |c| c.slowlog_max_len as i64, |c, v| c.slowlog_max_len = v as u64)
        .also_foreign(&["commandlog-slow-execution-max-len"])
        .applies(Apply::SlowLog)
        .doc("How many commands the slow log keeps."),
    integer(
        "latency-monitor-threshold",
        "0",
        (0, i64::MAX),
        |c| c.latency_monitor_threshold_ms as i64,
        |c, v| c.latency_monitor_threshold_ms = v as u64,
    )
    .doc("Keep events that took at least so many milliseconds for LATENCY; 0 keeps none."),
    flag("latency-tracking", "yes", |c| c.latency_tracking, |c, v| c.latency_tracking = v)
        .applies(Apply::LatencyTracking)
        .doc("Keep a histogram of each command's latency."),
    list("latency-tracking-info-percentiles", "50 99 99.9", 0, read_percentiles, write_percentiles)
        .doc("The percentiles of those histograms that INFO latencystats shows; \"\" for none."),
    Key::new(
        "notify-keyspace-events",
        "",
        Value::Scalar {
            read: |c| c.notify_keyspace_events.to_string(),
            write: |c, args| {
                c.notify_keyspace_events = NotifyFlags::parse(only(args)?).ok_or(ValueError::InvalidEventClass)?;
                Ok(())
            },
        },
    )
    .applies(Apply::Notifications)
    .doc(
        "Publish what happens to keys: K on channels named by key and E on channels named by event, of the classes g \
         generic, $ string, l list, s set, h hash, z sorted set, t stream, x expired, e evicted, d module, n new, m \
         missed; A is all of them but m and n. Empty publishes nothing.",
    ),
];

fn read_percentiles(config: &Config) -> Vec<Vec<u8>> {
    config.latency_tracking_info_percentiles.iter().map(|percentile| show_percentile(*percentile).into()).collect()
}

/// Six decimals at most, without zeros at the end.
fn show_percentile(percentile: f64) -> String {
    let text = format!("{percentile:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn write_percentiles(config: &mut Config, args: &[Vec<u8>]) -> Result<(), ValueError> {
    let args = if args == [b""] { &[] } else { args };
    config.latency_tracking_info_percentiles =
        args.iter().map(|arg| parse_percentile(arg)).collect::<Result<_, _>>()?;
    Ok(())
}
