use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use super::absent::ABSENT;
use super::*;
use crate::observe::{
    CommandFigures, CommandLatency, DOUBLINGS, ReplicaFigures, SnapshotFigures, UpstreamFigures, doubling_end_ns,
};

/// Figures of a server that has everything.
fn figures() -> Figures {
    let mut counts = [0; DOUBLINGS];
    (counts[1], counts[5], counts[DOUBLINGS - 1]) = (3, 4, 1);
    let latency = CommandLatency { counts, percentiles: vec![(50.0, 2000), (99.9, 4000)] };
    let command = CommandFigures { name: "client|list".into(), calls: 8, total_ns: 5000, ..CommandFigures::default() };
    let mut figures = Figures {
        commands: vec![CommandFigures { latency: Some(latency), ..command }],
        errors: vec![("A\"B\\C\nD".into(), 2)],
        snapshots: vec![SnapshotFigures { failure: Some(("rename", "why".into())), ..SnapshotFigures::default() }],
        ..Figures::default()
    };
    figures.replication.upstream = Some(UpstreamFigures { host: "h".into(), port: 1, ..UpstreamFigures::default() });
    figures.replication.replicas = vec![ReplicaFigures { ip: "::1".into(), ..ReplicaFigures::default() }];
    figures.slow_log.latest = vec![Default::default()];
    figures.slow_log.last_id = Some(4);
    figures.latency_events = vec![Default::default()];
    figures.databases = vec![Default::default()];
    figures
}

fn text(figures: &Figures, format: Format) -> String {
    let scrape = Scrape { figures, age: Duration::ZERO, is_stalled: false, http: HttpFigures::default() };
    write(&scrape, format)
}

#[test]
fn every_row_has_samples_with_its_labels_and_no_other_name() {
    let text = text(&figures(), Format::Prometheus);
    let mut names = BTreeSet::new();
    for row in rows() {
        assert!(names.insert(row.name), "{} occurs twice", row.name);
        assert!(row.help.ends_with(['.', ')']) && !row.help.contains('\n'), "{}", row.name);
        let head = format!("# HELP {} {}\n", row.name, row.help);
        let (_, samples) = text.split_once(&head).unwrap_or_else(|| panic!("{} has no sample", row.name));
        let samples: Vec<_> = samples.lines().skip(1).take_while(|line| !line.starts_with('#')).collect();
        assert!(!samples.is_empty(), "{}", row.name);
        for sample in samples {
            assert!(sample.starts_with(row.name), "{sample}");
            let (name, value) = sample.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{sample}");
            let labels = name.split_once('{').map_or("", |(_, labels)| labels);
            for label in row.labels.iter().filter(|label| !["le", "quantile"].contains(label)) {
                assert!(labels.contains(&format!("{label}=\"")), "{sample} lacks {label}");
            }
        }
    }
}

#[test]
fn a_label_is_escaped_and_a_histogram_adds_up() {
    let text = text(&figures(), Format::Prometheus);
    assert!(text.contains("redis_errors_total{err=\"A\\\"B\\\\C\\nD\"} 2\n"), "{text}");
    let name = "copal_command_duration_seconds";
    assert!(text.contains(&format!("{name}_bucket{{cmd=\"client|list\",le=\"0.000001024\"}} 3\n")), "{text}");
    assert!(text.contains(&format!("{name}_bucket{{cmd=\"client|list\",le=\"+Inf\"}} 8\n")));
    assert!(text.contains(&format!("{name}_count{{cmd=\"client|list\"}} 8\n")));
    assert!(text.contains(&format!("{name}_sum{{cmd=\"client|list\"}} 0.000005\n")));
    assert!(text.contains("redis_latency_percentiles_usec{cmd=\"client|list\",quantile=\"0.999\"} 4\n"));
    assert_eq!(doubling_end_ns(3), 1024);
    assert_eq!(text.matches("_bucket{").count(), DOUBLINGS - 3 + 1);
}

#[test]
fn open_metrics_ends_with_a_mark_and_names_counters_without_total() {
    let text = text(&figures(), Format::OpenMetrics);
    assert!(text.ends_with("\n# EOF\n"));
    assert!(text.contains("# TYPE redis_commands_processed counter\nredis_commands_processed_total 0\n"), "{text}");
    assert!(text.contains("# TYPE redis_total_error_replies unknown\nredis_total_error_replies 0\n"));
    for line in text.lines().filter(|line| line.starts_with("# TYPE ") && line.ends_with(" counter")) {
        assert!(!line.contains("_total "), "{line}");
    }
}

#[test]
fn a_format_is_chosen_by_what_is_accepted() {
    let prometheus = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.3";
    assert_eq!(Format::asked_for(Some(prometheus)), Format::OpenMetrics);
    assert_eq!(Format::asked_for(Some("text/html, */*")), Format::Prometheus);
    assert_eq!(Format::asked_for(None), Format::Prometheus);
}

/// The names that redis_exporter has, with its prefix.
fn exporter() -> Vec<String> {
    let names = include_str!("../../../../tests/fixtures/redis_exporter_metrics.txt").split_whitespace();
    names.map(|name| format!("redis_{name}")).collect()
}

fn covers(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

#[test]
fn each_metric_of_redis_exporter_is_there_or_absent_for_a_reason() {
    let here: BTreeSet<_> = rows().map(|row| row.name.to_owned()).collect();
    let patterns: Vec<_> = ABSENT.iter().flat_map(|(patterns, _)| patterns.iter()).collect();
    for name in exporter() {
        let is_absent = patterns.iter().any(|pattern| covers(pattern, &name));
        assert_eq!(here.contains(&name), !is_absent, "{name}: it is in one of the two tables");
    }
    let theirs: BTreeSet<_> = exporter().into_iter().collect();
    for pattern in patterns {
        assert!(theirs.iter().any(|name| covers(pattern, name)), "{pattern} is nothing of the exporter's");
    }
    // Its dashboards ask for one name that it does not have.
    let own: Vec<_> = here.iter().filter(|name| name.starts_with("redis_") && !theirs.contains(*name)).collect();
    assert_eq!(own, ["redis_memory_fragmentation_ratio"]);
}

/// Every metric that the exporter's dashboards ask for: that of grafana.com number 763, and that of its mixin.
#[test]
fn what_the_dashboards_of_redis_exporter_ask_for_is_there() {
    const QUERIED: &[&str] = &[
        "redis_blocked_clients",
        "redis_commands_duration_seconds_total",
        "redis_commands_processed_total",
        "redis_commands_total",
        "redis_connected_clients",
        "redis_connected_slaves",
        "redis_db_keys",
        "redis_db_keys_expiring",
        "redis_evicted_keys_total",
        "redis_expired_keys_total",
        "redis_keyspace_hits_total",
        "redis_keyspace_misses_total",
        "redis_memory_fragmentation_ratio",
        "redis_memory_max_bytes",
        "redis_memory_used_bytes",
        "redis_memory_used_rss_bytes",
        "redis_net_input_bytes_total",
        "redis_net_output_bytes_total",
        "redis_total_system_memory_bytes",
        "redis_up",
        "redis_uptime_in_seconds",
    ];
    // A new server that was sent one command.
    let command = CommandFigures { name: "ping".into(), calls: 1, ..CommandFigures::default() };
    let text = text(&Figures { commands: vec![command], ..Figures::default() }, Format::Prometheus);
    for name in QUERIED {
        let is_there =
            text.lines().any(|line| line.starts_with(&format!("{name} ")) || line.starts_with(&format!("{name}{{")));
        assert!(is_there, "{name}");
    }
}

fn tables() -> String {
    let mut out = String::new();
    let mut table = |title: &str, is_here: fn(&str) -> bool| {
        let _infallible = write!(out, "### {title}\n\n| metric | kind | labels | what it is |\n|---|---|---|---|\n");
        for row in rows().filter(|row| is_here(row.name)) {
            let kind = format!("{:?}", row.kind).to_lowercase();
            let _infallible = writeln!(out, "| `{}` | {kind} | {} | {} |", row.name, row.labels.join(", "), row.help);
        }
        out.push('\n');
    };
    table("By the names of redis_exporter", |name| name.starts_with("redis_"));
    table("Copal's own", |name| name.starts_with("copal_"));
    out.push_str("### Absent\n\n| metrics of redis_exporter | why they are absent |\n|---|---|\n");
    for (patterns, reason) in ABSENT {
        let names: Vec<_> = patterns.iter().map(|pattern| format!("`{pattern}`")).collect();
        let _infallible = writeln!(out, "| {} | {reason} |", names.join(", "));
    }
    out
}

/// `COPAL_WRITE_DOCS=1 cargo test the_documentation_lists` writes it anew.
#[test]
fn the_documentation_lists_the_metrics_as_they_are() {
    const BEGIN: &str = "<!-- The tables from here on are made from the source, by a test. -->\n\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let document = std::fs::read_to_string(&path).expect("it is there");
    let (head, shown) = document.split_once(BEGIN).expect("the mark is there");
    let tables = tables();
    if std::env::var_os("COPAL_WRITE_DOCS").is_some() {
        std::fs::write(&path, format!("{head}{BEGIN}{tables}")).expect("it can be written");
        return;
    }
    assert!(shown == tables, "docs/metrics.md is out of date: COPAL_WRITE_DOCS=1 cargo test the_documentation_lists");
}
