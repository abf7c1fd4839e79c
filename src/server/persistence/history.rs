//! What is remembered of snapshots, as SNAPSHOT answers it and INFO shows it.

use crate::observe::{InfoText, SnapshotFigures};
use crate::resp::Reply;
use crate::server::clients::ClientKey;
use crate::server::executor::Executor;
use crate::snapshot::{Outcome, Record, Trigger};

/// Snapshots that the status page shows.
const FIGURES_MAX: usize = 60;

/// What a field of a record holds.
enum Field {
    Number(u64),
    Text(String),
    /// This snapshot has no such thing.
    Absent,
}

impl Executor {
    /// SNAPSHOT HISTORY.
    pub(super) fn snapshot_history_for(&mut self, key: ClientKey, count: usize) {
        let records = self.snapshots.supervisor.history().records();
        let reply = &mut self.clients.get_mut(key).reply;
        reply.array(records.len().min(count));
        for record in records.rev().take(count) {
            write_record(reply, record);
        }
    }

    /// The last snapshots for metrics and the status page, the newest first.
    pub(in crate::server) fn snapshot_figures(&self) -> Vec<SnapshotFigures> {
        self.snapshots.supervisor.history().records().rev().take(FIGURES_MAX).map(figures).collect()
    }

    /// SNAPSHOT LATEST.
    pub(super) fn latest_snapshot_for(&mut self, key: ClientKey) {
        let reply = &mut self.clients.get_mut(key).reply;
        match self.snapshots.supervisor.history().latest() {
            Some(record) => write_record(reply, record),
            None => reply.null(),
        }
    }

    /// The last snapshot in INFO persistence.
    pub(in crate::server) fn info_latest_snapshot(&self, out: &mut InfoText) {
        let Some(record) = self.snapshots.supervisor.history().latest() else { return };
        for (name, field) in fields(record) {
            let name = format_args!("snapshot_last_{name}");
            match field {
                Field::Number(number) => out.field(name, number),
                Field::Text(text) => out.field(name, text),
                Field::Absent => out.field(name, ""),
            }
        }
    }
}

fn figures(record: &Record) -> SnapshotFigures {
    let failure = match &record.outcome {
        Outcome::Failed { step, error } => Some((step.name(), error.as_str().into())),
        Outcome::Saved | Outcome::Cancelled => None,
    };
    SnapshotFigures {
        id: record.id,
        trigger: record.trigger.name(),
        changes: record.changes,
        background: record.background,
        started_unix_ms: record.started_unix_ms,
        duration_us: record.duration_us,
        fork_us: record.fork_us,
        keys: record.figures.keys,
        bytes: record.figures.bytes,
        copied_bytes: record.figures.copied_bytes,
        redirected_bytes: record.redirected_bytes,
        peak_extra_bytes: record.peak_extra_bytes,
        outcome: record.outcome.name(),
        failure,
    }
}

fn write_record(reply: &mut Reply, record: &Record) {
    let fields = fields(record);
    reply.map(fields.len());
    for (name, field) in fields {
        reply.bulk(name);
        match field {
            Field::Number(number) => reply.integer(i64::try_from(number).unwrap_or(i64::MAX)),
            Field::Text(text) => reply.bulk(text),
            Field::Absent => reply.null(),
        }
    }
}

/// Every field of a record under its name.
fn fields(record: &Record) -> [(&'static str, Field); 18] {
    let text = |text: &str| Field::Text(text.to_owned());
    let rule = match record.trigger {
        Trigger::Rule(rule) => Field::Text(format!("{} {}", rule.seconds, rule.changes)),
        _ => Field::Absent,
    };
    let (failed_step, error) = match &record.outcome {
        Outcome::Failed { step, error } => (text(step.name()), text(error)),
        Outcome::Saved | Outcome::Cancelled => (Field::Absent, Field::Absent),
    };
    [
        ("id", Field::Number(record.id)),
        ("trigger", text(record.trigger.name())),
        ("rule", rule),
        ("changes", Field::Number(record.changes)),
        ("mode", text(if record.background { "background" } else { "foreground" })),
        ("start_ms", Field::Number(u64::try_from(record.started_unix_ms).unwrap_or(0))),
        ("duration_us", Field::Number(record.duration_us)),
        ("fork_us", Field::Number(record.fork_us)),
        ("keys", Field::Number(record.figures.keys)),
        ("raw_bytes", Field::Number(record.figures.raw_bytes)),
        ("bytes", Field::Number(record.figures.bytes)),
        ("copied_bytes", Field::Number(record.figures.copied_bytes)),
        ("redirected_bytes", Field::Number(record.redirected_bytes)),
        ("peak_extra_bytes", Field::Number(record.peak_extra_bytes)),
        ("threads", Field::Number(record.figures.threads)),
        ("outcome", text(record.outcome.name())),
        ("failed_step", failed_step),
        ("error", error),
    ]
}
