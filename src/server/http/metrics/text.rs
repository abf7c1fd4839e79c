//! Lines of metrics. A metric without samples has no lines at all.

use std::fmt::Write as _;

use super::{Format, Kind, Row};

pub struct Text {
    out: String,
    format: Format,
    row: Option<&'static Row>,
    has_head: bool,
}

impl Text {
    pub fn new(format: Format) -> Self {
        Self { out: String::new(), format, row: None, has_head: false }
    }

    pub fn begin(&mut self, row: &'static Row) {
        self.row = Some(row);
        self.has_head = false;
    }

    pub fn value(&mut self, value: f64) {
        self.sample("", &[], value);
    }

    pub fn labelled(&mut self, labels: &[&str], value: f64) {
        self.sample("", labels, value);
    }

    /// A sample whose name is that of the metric with `suffix` behind, with values of the first of its labels.
    pub fn sample(&mut self, suffix: &str, labels: &[&str], value: f64) {
        let Some(row) = self.row else { return };
        if !self.has_head {
            self.has_head = true;
            self.head(row);
        }
        self.out.push_str(row.name);
        self.out.push_str(suffix);
        for (index, (name, value)) in row.labels.iter().zip(labels).enumerate() {
            self.out.push(if index == 0 { '{' } else { ',' });
            let _infallible = write!(self.out, "{name}=\"");
            escape(&mut self.out, value);
            self.out.push('"');
        }
        if !labels.is_empty() {
            self.out.push('}');
        }
        self.out.push(' ');
        push_number(&mut self.out, value);
        self.out.push('\n');
    }

    /// OpenMetrics names a counter without the `_total` of its samples. What is called otherwise is of no known kind there, so
    /// that its name is the same in both formats.
    fn head(&mut self, row: &Row) {
        let (name, kind) = match (self.format, row.kind) {
            (Format::OpenMetrics, Kind::Counter) => match row.name.strip_suffix("_total") {
                Some(name) => (name, "counter"),
                None => (row.name, "unknown"),
            },
            (_, Kind::Counter) => (row.name, "counter"),
            (_, Kind::Gauge) => (row.name, "gauge"),
            (_, Kind::Histogram) => (row.name, "histogram"),
            (_, Kind::Summary) => (row.name, "summary"),
        };
        let _infallible = writeln!(self.out, "# HELP {name} {}\n# TYPE {name} {kind}", row.help);
    }

    pub fn end(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }
}

fn escape(out: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            other => out.push(other),
        }
    }
}

/// Rust's own form of a number has digits only, which both formats read.
pub fn push_number(out: &mut String, value: f64) {
    let _infallible = match value {
        value if value == f64::INFINITY => write!(out, "+Inf"),
        value if value == f64::NEG_INFINITY => write!(out, "-Inf"),
        value if value.is_nan() => write!(out, "NaN"),
        value => write!(out, "{value}"),
    };
}
