//! A report for a terminal, and how sizes and keys are shown to people.

use std::borrow::Cow;
use std::io::{self, Write};

use super::gather::{Ranking, Report, Totals, by_bytes};
use crate::stdx::number::parse_i64;
use crate::stdx::text::quoted;
use crate::tool::moment::shown_moment;
use crate::tool::plain_text::is_plain;
use crate::tool::words::counted;

/// Characters of a key that are shown.
const KEY_CHARACTERS_MAX: usize = 100;

pub fn write(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let name = report.path.to_string_lossy();
    writeln!(out, "{}: RDB version {}, {}", shown(name.as_bytes()), report.version, size(report.file_bytes))?;
    for (name, value) in &report.facts {
        writeln!(out, "  {}: {}", shown(name.as_bytes()), fact(name, value))?;
    }
    let Totals { keys, bytes, memory, unknown, .. } = report.all;
    let chosen = if report.is_filtered { "chosen: " } else { "" };
    write!(out, "{chosen}{} in {}, about {} of memory", keys_text(keys), size(bytes), size(memory))?;
    if unknown > 0 {
        write!(out, " without {}", counted(unknown, "value of a module", "values of modules"))?;
    }
    writeln!(out, "; {} with an expiry", count(report.expires))?;
    for (number, one, many) in others(report) {
        writeln!(out, "{} {}", count(number), if number == 1 { one } else { many })?;
    }
    for (name, bytes) in &report.libraries {
        writeln!(out, "  {}: {} of code", shown(name.as_bytes()), size(*bytes))?;
    }
    let databases: Vec<_> = report.databases.iter().map(|(db, totals)| (format!("db{db}"), *totals)).collect();
    table(out, "database", &databases)?;
    table(out, "type", &named(by_bytes(&report.types)))?;
    let encodings = by_bytes(&report.encodings).into_iter();
    let encodings: Vec<_> =
        encodings.map(|((kind, encoding), totals)| (format!("{kind} as {encoding}"), totals)).collect();
    table(out, "encoding", &encodings)?;
    table(out, "layout in the file", &named(by_bytes(&report.layouts)))?;
    table(out, "prefix", &prefix_rows(report))?;
    let ttl = report.ttl.iter().filter(|(_, totals)| totals.keys > 0).copied();
    table(out, &format!("time to live from {}", shown_moment(report.reference_ms)), &named(ttl.collect()))?;
    let sizes: Vec<_> = report.sizes().into_iter().map(|(from, totals)| (size_range(from), totals)).collect();
    table(out, "bytes of an entry", &sizes)?;
    largest(out, "largest keys by memory", &report.largest_by_memory)?;
    largest(out, "largest keys by bytes in the file", &report.largest_by_bytes)
}

/// What else there is, if there is any of it.
pub fn others(report: &Report) -> Vec<(u64, &'static str, &'static str)> {
    let all = [
        (report.expiring_fields, "field with an expiry", "fields with an expiry"),
        (report.empty, "collection without elements", "collections without elements"),
        (report.libraries.len() as u64, "function library", "function libraries"),
        (report.module_data, "part of a module", "parts of modules"),
    ];
    all.into_iter().filter(|(number, ..)| *number > 0).collect()
}

pub fn keys_text(keys: u64) -> String {
    format!("{} {}", count(keys), if keys == 1 { "key" } else { "keys" })
}

/// A fact of the file as people read it: times as dates, memory with its unit.
pub fn fact(name: &str, value: &str) -> String {
    let number = parse_i64(value.as_bytes());
    match (name, number) {
        ("ctime", Some(seconds)) => format!("{} ({value})", shown_moment(seconds.saturating_mul(1000))),
        ("used-mem", Some(bytes @ 0..)) => format!("{} ({value})", size(bytes.cast_unsigned())),
        _ => shown(value.as_bytes()).into_owned(),
    }
}

pub fn expiry_text(expiry_ms: Option<i64>) -> String {
    expiry_ms.map_or("never".to_owned(), shown_moment)
}

fn largest(out: &mut dyn Write, title: &str, ranking: &Ranking) -> io::Result<()> {
    if ranking.keys().next().is_none() {
        return Ok(());
    }
    let heads = ["memory", "bytes", "elements"];
    writeln!(out, "\n{:>12} {:>12} {:>12}  {:23}  {:20}  {title}", heads[0], heads[1], heads[2], "expires", "type")?;
    for large in ranking.keys() {
        let memory = large.memory.map_or("?".to_owned(), size);
        let elements = large.elements.map_or("?".to_owned(), count);
        let kind = if large.kind == large.encoding {
            large.kind.to_owned()
        } else {
            format!("{} as {}", large.kind, large.encoding)
        };
        let (bytes, expiry, key) = (size(large.bytes), expiry_text(large.expiry_ms), shown(&large.key));
        writeln!(out, "{memory:>12} {bytes:>12} {elements:>12}  {expiry:23}  {kind:20}  db{} {key}", large.db)?;
    }
    Ok(())
}

fn table(out: &mut dyn Write, name: &str, rows: &[(String, Totals)]) -> io::Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{:>12} {:>12} {:>12} {:>12}  {name}", "keys", "bytes", "elements", "memory")?;
    for (label, totals) in rows {
        let Totals { keys, bytes, elements, memory, .. } = *totals;
        writeln!(out, "{:>12} {:>12} {:>12} {:>12}  {label}", count(keys), size(bytes), count(elements), size(memory))?;
    }
    Ok(())
}

fn named<N: ToString>(rows: Vec<(N, Totals)>) -> Vec<(String, Totals)> {
    rows.into_iter().map(|(name, totals)| (name.to_string(), totals)).collect()
}

/// The largest prefixes, and what they leave.
pub fn prefix_rows(report: &Report) -> Vec<(String, Totals)> {
    let (top, known) = report.prefixes.top(report.top);
    let others = known - top.len() as u64;
    let mut rest = report.all;
    let mut rows: Vec<(String, Totals)> = Vec::new();
    for (prefix, totals) in top {
        subtract(&mut rest, &totals);
        rows.push((format!("{}*", shown(prefix)), totals));
    }
    let bare = report.prefixes.bare;
    if bare.keys > 0 {
        subtract(&mut rest, &bare);
        rows.push(("(keys without a prefix)".to_owned(), bare));
    }
    if rest.keys > 0 {
        let prefixes = if others == 1 { "prefix" } else { "prefixes" };
        rows.push((format!("({} other {prefixes})", count(others)), rest));
    }
    rows
}

fn subtract(from: &mut Totals, part: &Totals) {
    from.keys = from.keys.saturating_sub(part.keys);
    from.bytes = from.bytes.saturating_sub(part.bytes);
    from.elements = from.elements.saturating_sub(part.elements);
    from.memory = from.memory.saturating_sub(part.memory);
    from.unknown = from.unknown.saturating_sub(part.unknown);
}

/// A number with its thousands set apart.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes with their unit.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let power = bytes.ilog2() as usize / 10;
    let unit = UNITS.get(power - 1).copied().unwrap_or("?");
    let amount = bytes as f64 / (1u64 << (power * 10)) as f64;
    let digits = if amount < 10.0 { 2 } else { usize::from(amount < 100.0) };
    format!("{amount:.digits$} {unit}")
}

pub fn size_range(from: u64) -> String {
    format!("{} to {}", size(from), size(from * 2))
}

/// A key as people read it: its text, or, where it is none, in quotes and escaped.
pub fn shown(key: &[u8]) -> Cow<'_, str> {
    let text = match std::str::from_utf8(key) {
        Ok(text) if is_plain(text) => Cow::Borrowed(text),
        _ => Cow::Owned(String::from_utf8_lossy(&quoted(key)).into_owned()),
    };
    match text.char_indices().nth(KEY_CHARACTERS_MAX) {
        Some((end, _)) => Cow::Owned(format!("{}...", &text[..end])),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_sizes_are_easy_to_read() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (15_000, "14.6 KiB"),
            (150 << 20, "150 MiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn keys_are_shown_as_text_where_they_are_text() {
        assert_eq!(shown(b"user:1"), "user:1");
        assert_eq!(shown("\u{fc}".as_bytes()), "\u{fc}");
        assert_eq!(shown(b""), "\"\"");
        assert_eq!(shown(b"a\n\xff"), "\"a\\n\\xff\"");
        assert_eq!(shown("\u{1b}[2J".as_bytes()), "\"\\x1b[2J\"");
        assert_eq!(shown("\u{9b}2J".as_bytes()), "\"\\xc2\\x9b2J\"");
        assert_eq!(shown(&[b'x'; 500]).len(), KEY_CHARACTERS_MAX + 3);
    }
}
