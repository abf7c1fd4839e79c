//! The metrics: a table of them, and the two text formats in which Prometheus reads them.
//! Owns:  the names, kinds and help texts, and how a sample is written.
//! Uses:  observe, stdx.
//! Never: a figure of its own; it shows what it is given.

mod absent;
mod copal;
mod histogram;
mod redis;
#[cfg(test)]
mod tests;
mod text;

use std::ops::Deref;
use std::time::Duration;

use text::Text;

use crate::observe::Figures;

/// What a request for metrics shows.
pub struct Scrape<'a> {
    pub figures: &'a Figures,
    pub age: Duration,
    /// The event loop did not answer in time.
    pub is_stalled: bool,
    pub http: HttpFigures,
}

/// What the HTTP thread counts itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpFigures {
    pub requests: u64,
    pub scrapes: u64,
    pub connections: u64,
    pub connections_dropped: u64,
}

impl Deref for Scrape<'_> {
    type Target = Figures;

    fn deref(&self) -> &Figures {
        self.figures
    }
}

/// One metric.
struct Row {
    name: &'static str,
    kind: Kind,
    help: &'static str,
    /// As the documentation shows them.
    labels: &'static [&'static str],
    read: Read,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
}

enum Read {
    One(fn(&Scrape<'_>) -> f64),
    Each(fn(&Scrape<'_>, &mut Text)),
}

const fn gauge(name: &'static str, help: &'static str, read: fn(&Scrape<'_>) -> f64) -> Row {
    Row { name, kind: Kind::Gauge, help, labels: &[], read: Read::One(read) }
}

const fn counter(name: &'static str, help: &'static str, read: fn(&Scrape<'_>) -> f64) -> Row {
    Row { name, kind: Kind::Counter, help, labels: &[], read: Read::One(read) }
}

const fn each(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
    read: fn(&Scrape<'_>, &mut Text),
) -> Row {
    Row { name, kind, help, labels, read: Read::Each(read) }
}

fn rows() -> impl Iterator<Item = &'static Row> {
    redis::ROWS.iter().chain(copal::ROWS)
}

/// Which of the formats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Prometheus,
    OpenMetrics,
}

impl Format {
    /// The one that a request's `Accept` asks for.
    pub fn asked_for(accept: Option<&str>) -> Self {
        match accept {
            Some(accept) if accept.contains("application/openmetrics-text") => Self::OpenMetrics,
            _ => Self::Prometheus,
        }
    }

    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// All metrics.
pub fn write(scrape: &Scrape<'_>, format: Format) -> String {
    let mut text = Text::new(format);
    for row in rows() {
        text.begin(row);
        match row.read {
            Read::One(read) => text.value(read(scrape)),
            Read::Each(read) => read(scrape, &mut text),
        }
    }
    text.end()
}
