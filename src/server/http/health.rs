//! Whether the server is alive, whether it is ready for clients, and what is wrong with it.

use std::borrow::Cow;
use std::time::Duration;

use super::exchange::Reading;
use super::json::Json;
use crate::observe::{Figures, UpstreamFigures};
use crate::server::process::Lack;

/// An event loop that does not answer for so long is taken for dead, unless a save or a load holds it on purpose.
const DEAD_AFTER: Duration = Duration::from_secs(30);

/// A snapshot that a save rule wants is overdue after so many times the rule's time, and so many seconds more.
const OVERDUE_TIMES: u64 = 2;
const OVERDUE_SECONDS: u64 = 60;

/// Of the memory that is there, so many percent in use are worth a warning.
const MEMORY_PERCENT_MAX: u64 = 90;

/// Something that is wrong, and what to do.
#[derive(Clone, Debug)]
pub struct Finding {
    /// A word for programs.
    pub code: &'static str,
    /// Clients cannot be served, or not with what they ask for.
    pub blocks: bool,
    pub what: String,
    pub fix: Cow<'static, str>,
}

impl Finding {
    fn blocking(code: &'static str, what: String, fix: &'static str) -> Self {
        Self { code, blocks: true, what, fix: fix.into() }
    }

    fn warning(code: &'static str, what: String, fix: &'static str) -> Self {
        Self { code, blocks: false, what, fix: fix.into() }
    }

    pub fn of_machine(lack: &Lack) -> Self {
        let fix = lack.fix().to_owned().into();
        Self { code: lack.code(), blocks: false, what: lack.what().to_owned(), fix }
    }

    pub fn write(json: &mut Json, finding: &Self) {
        json.text("code", finding.code);
        json.flag("blocks", finding.blocks);
        json.text("what", &finding.what);
        json.text("fix", &finding.fix);
    }
}

/// The answer to /healthz: whether it is yes, and its text.
pub fn liveness(reading: &Reading, is_held: bool) -> (bool, String) {
    let stalled = reading.stalled.unwrap_or_default();
    let is_alive = stalled < DEAD_AFTER || is_held;
    let text = Json::document(|json| {
        json.flag("alive", is_alive);
        json.number("event_loop_stalled_seconds", stalled.as_secs_f64());
        json.flag("held_by_save_or_load", is_held);
    });
    (is_alive, text)
}

/// The answer to /readyz: whether it is yes, and its text. A strict one is only given where nothing at all is wrong.
pub fn readiness(reading: &Reading, strict: bool) -> (bool, String) {
    let findings = findings(reading);
    let is_ready = !findings.iter().any(|finding| finding.blocks || strict);
    let text = Json::document(|json| {
        json.flag("ready", is_ready);
        let loading = reading.figures.as_ref().and_then(|figures| figures.persistence.loading.as_ref());
        if let Some(loading) = loading {
            json.object("loading", |json| {
                json.number("percent", round(loading.loading_loaded_perc));
                json.number("seconds_left", loading.loading_eta_seconds as f64);
            });
        }
        json.array("findings", &findings, Finding::write);
    });
    (is_ready, text)
}

/// Everything that is wrong.
pub fn findings(reading: &Reading) -> Vec<Finding> {
    let mut found = Vec::new();
    let Some(figures) = &reading.figures else {
        return vec![Finding::blocking("starting", "The server has not started yet.".to_owned(), "Wait.")];
    };
    if let Some(stalled) = reading.stalled {
        found.push(Finding::blocking(
            "event_loop",
            format!("The event loop has not answered for {:.1} s.", stalled.as_secs_f64()),
            "A long command, DEBUG or SAVE holds it. See SLOWLOG GET afterwards, and use BGSAVE in place of SAVE.",
        ));
    }
    if figures.is_loading {
        let (percent, left) = match &figures.persistence.loading {
            Some(loading) => (loading.loading_loaded_perc, loading.loading_eta_seconds),
            None => (0.0, 0),
        };
        let what = format!("A dump is being loaded: {percent:.1} % are done, about {left} s are left.");
        found.push(Finding::blocking("loading", what, "Wait."));
    }
    if figures.server.is_ending {
        found.push(Finding::blocking("ending", "The server is about to end.".to_owned(), "Start it again."));
    }
    if let Some(upstream) = &figures.replication.upstream {
        found.extend(of_replica(upstream, figures.settings.replica_serve_stale_data));
    }
    found.extend(of_snapshots(figures));
    found.extend(of_memory(figures));
    found
}

fn of_replica(upstream: &UpstreamFigures, serves_stale: bool) -> Option<Finding> {
    let name = format!("{}:{}", upstream.host, upstream.port);
    if !upstream.has_data {
        let progress = match upstream.sync_percent {
            Some(percent) => format!("{percent:.1} % have come"),
            None if upstream.sync_in_progress => "they are coming".to_owned(),
            None => "there is no link to it".to_owned(),
        };
        let what = format!("The replica does not have the data of its primary {name} yet: {progress}.");
        return Some(Finding::blocking("replica_without_data", what, "Wait, or see the logs of both servers."));
    }
    if upstream.link_is_up {
        return None;
    }
    let since = upstream.down_seconds.unwrap_or(0);
    let what = format!("The replica has had no link to its primary {name} for {since} s: its data are old.");
    let fix = "Start the primary, or make another server one. See the logs of both servers.";
    // Whoever lets old data be served takes them over none.
    Some(Finding { code: "replica_out_of_sync", blocks: !serves_stale, what, fix: fix.into() })
}

fn of_snapshots(figures: &Figures) -> Vec<Finding> {
    let mut found = Vec::new();
    let info = &figures.persistence;
    if !info.rdb_last_bgsave_ok && !figures.is_loading {
        let error = if info.rdb_last_bgsave_error.is_empty() { "see the log" } else { &info.rdb_last_bgsave_error };
        let refused = if figures.settings.writes_are_stopped { " Writes are refused until one succeeds." } else { "" };
        found.push(Finding::warning(
            "snapshot_failed",
            format!("The last snapshot failed: {error}.{refused}"),
            "Make room on the disk or mend what the message names, then send BGSAVE. SNAPSHOT HISTORY has the step.",
        ));
    }
    if info.rdb_bgsave_stopped || info.rdb_bgsave_stalled {
        let why = if info.rdb_bgsave_stopped { "a signal has stopped its process" } else { "it makes no progress" };
        found.push(Finding::warning(
            "snapshot_stalled",
            format!("A snapshot is being taken, but {why}."),
            "Send its process SIGCONT, look at the disk, or end it with BGSAVE CANCEL.",
        ));
    }
    if let Some(seconds) = overdue(figures) {
        found.push(Finding::warning(
            "snapshot_too_old",
            format!("The last snapshot is {seconds} s old, though a save rule asks for a newer one."),
            "See the log for why snapshots are not taken, then send BGSAVE.",
        ));
    }
    if info.rdb_last_load_left_out > 0 {
        found.push(Finding::warning(
            "load_left_out",
            format!("{} values of the dump were left out when it was loaded.", info.rdb_last_load_left_out),
            "See the log for which. The dump was kept under a second name.",
        ));
    }
    found
}

/// The age of the last snapshot, where a rule has asked for a newer one for long.
fn overdue(figures: &Figures) -> Option<u64> {
    let info = &figures.persistence;
    if figures.is_loading || info.rdb_bgsave_in_progress {
        return None;
    }
    let age = u64::try_from(figures.unix_ms / 1000 - info.rdb_last_save_time).ok()?;
    let rules = figures.settings.save_rules.iter().filter(|(_, changes)| info.rdb_changes_since_last_save >= *changes);
    let limit =
        rules.map(|(seconds, _)| OVERDUE_TIMES.saturating_mul(*seconds).saturating_add(OVERDUE_SECONDS)).min()?;
    (age > limit).then_some(age)
}

fn of_memory(figures: &Figures) -> Option<Finding> {
    let memory = &figures.memory;
    if memory.exceeded_now_ms > 0 {
        let what = format!("There has been more data than maxmemory allows for {} s.", memory.exceeded_now_ms / 1000);
        let fix = "Raise maxmemory, delete data, or choose a maxmemory-policy that evicts keys.";
        return Some(Finding::warning("maxmemory", what, fix));
    }
    if memory.limit > 0 && memory.resident > memory.limit / 100 * MEMORY_PERCENT_MAX {
        let what = format!("More than {MEMORY_PERCENT_MAX} % of the memory that is there for the server are in use.");
        let fix = "Set maxmemory with room for a snapshot, or raise the memory limit of the machine or container.";
        return Some(Finding::warning("memory", what, fix));
    }
    None
}

fn round(percent: f64) -> f64 {
    (percent * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::observe::LoadingInfo;

    fn healthy() -> Figures {
        let mut figures = Figures { unix_ms: 1_000_000_000, ..Figures::default() };
        figures.persistence.rdb_last_bgsave_ok = true;
        figures.persistence.rdb_last_save_time = 999_000;
        figures.settings.save_rules = vec![(3600, 1), (300, 100)];
        figures.settings.replica_serve_stale_data = true;
        figures
    }

    fn reading(figures: Figures) -> Reading {
        Reading { figures: Some(Arc::new(figures)), age: Duration::ZERO, stalled: None }
    }

    /// What is found, which is a warning where it is in brackets.
    fn codes(figures: Figures) -> Vec<String> {
        let shown =
            |finding: Finding| if finding.blocks { finding.code.to_owned() } else { format!("({})", finding.code) };
        findings(&reading(figures)).into_iter().map(shown).collect()
    }

    #[test]
    fn nothing_is_wrong_with_a_server_that_serves() {
        assert_eq!(codes(healthy()), [""; 0]);
        assert_eq!(readiness(&reading(healthy()), true), (true, "{\"ready\":true,\"findings\":[]}\n".to_owned()));
    }

    #[test]
    fn what_loads_or_has_no_data_is_not_ready() {
        let mut figures = healthy();
        figures.is_loading = true;
        figures.persistence.loading = Some(LoadingInfo::new(1000, 3, 250, 1000, 5));
        let (is_ready, text) = readiness(&reading(figures.clone()), false);
        assert!(!is_ready && text.contains("\"loading\":{\"percent\":25,\"seconds_left\":9}"), "{text}");
        assert_eq!(codes(figures), ["loading"]);
        let none = Reading { figures: None, age: Duration::ZERO, stalled: Some(Duration::from_secs(1)) };
        assert_eq!(findings(&none)[0].code, "starting");
    }

    #[test]
    fn a_replica_is_ready_as_far_as_clients_are_answered() {
        let mut figures = healthy();
        figures.replication.upstream = Some(UpstreamFigures { host: "h".into(), ..UpstreamFigures::default() });
        assert_eq!(codes(figures.clone()), ["replica_without_data"]);
        figures.replication.upstream.as_mut().unwrap().has_data = true;
        assert_eq!(codes(figures.clone()), ["(replica_out_of_sync)"]);
        figures.settings.replica_serve_stale_data = false;
        assert_eq!(codes(figures.clone()), ["replica_out_of_sync"]);
        figures.replication.upstream.as_mut().unwrap().link_is_up = true;
        assert_eq!(codes(figures), [""; 0]);
    }

    #[test]
    fn a_snapshot_that_failed_or_is_overdue_is_a_warning_and_strictly_no_readiness() {
        let mut figures = healthy();
        figures.persistence.rdb_last_bgsave_ok = false;
        figures.settings.writes_are_stopped = true;
        assert_eq!(codes(figures.clone()), ["(snapshot_failed)"]);
        assert!(readiness(&reading(figures.clone()), false).0 && !readiness(&reading(figures), true).0);
        let mut figures = healthy();
        // A thousand seconds old, which the rule of five minutes would not have let pass.
        figures.persistence.rdb_changes_since_last_save = 99;
        assert_eq!(codes(figures.clone()), [""; 0]);
        figures.persistence.rdb_changes_since_last_save = 100;
        assert_eq!(codes(figures.clone()), ["(snapshot_too_old)"]);
        figures.persistence.rdb_bgsave_in_progress = true;
        assert_eq!(codes(figures), [""; 0]);
    }

    #[test]
    fn an_event_loop_that_is_held_is_not_ready_and_dead_only_after_long() {
        let stalled = |seconds| Reading { stalled: Some(Duration::from_secs(seconds)), ..reading(healthy()) };
        assert_eq!(findings(&stalled(2))[0].code, "event_loop");
        assert!(liveness(&stalled(29), false).0);
        assert!(!liveness(&stalled(30), false).0);
        assert!(liveness(&stalled(3000), true).0, "a SAVE holds it");
    }

    #[test]
    fn too_much_memory_is_a_warning() {
        let mut figures = healthy();
        (figures.memory.limit, figures.memory.resident) = (1000, 901);
        assert_eq!(codes(figures.clone()), ["(memory)"]);
        figures.memory.exceeded_now_ms = 1;
        assert_eq!(codes(figures), ["(maxmemory)"]);
    }
}
