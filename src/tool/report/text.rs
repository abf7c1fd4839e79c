//! A report for a terminal, and how sizes and keys are shown to people.

use std::borrow::Cow;
use std::io::{self, Write};

use super::gather::{Report, Totals, by_bytes};
use crate::stdx::text::quoted;

/// Characters of a key that are shown.
const KEY_CHARACTERS_MAX: usize = 100;

pub fn write(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    writeln!(out, "{}: RDB version {}, {}", report.path.display(), report.version, size(report.file_bytes))?;
    for (name, value) in &report.facts {
        writeln!(out, "  {name}: {value}")?;
    }
    let Totals { keys, bytes, memory, unknown, .. } = report.all;
    write!(out, "{} keys in {}, about {} of memory", count(keys), size(bytes), size(memory))?;
    if unknown > 0 {
        write!(out, " without {} values of modules", count(unknown))?;
    }
    writeln!(out, "; {} with an expiry", count(report.expires))?;
    for (number, what) in [
        (report.expiring_fields, "fields with an expiry"),
        (report.empty, "collections without elements"),
        (report.libraries, "function libraries"),
        (report.module_data, "parts of modules"),
    ] {
        if number > 0 {
            writeln!(out, "{} {what}", count(number))?;
        }
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
    table(out, "time to live", &named(ttl.collect()))?;
    let sizes: Vec<_> = report.sizes().into_iter().map(|(from, totals)| (size_range(from), totals)).collect();
    table(out, "bytes of an entry", &sizes)?;
    largest(out, report)
}

fn largest(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    writeln!(out, "\n{:>12} {:>12} {:>12}  {:20} largest keys", "bytes", "elements", "memory", "type")?;
    for large in report.largest() {
        let known = |number: Option<u64>| number.map_or("?".to_owned(), count);
        write!(out, "{:>12} {:>12} {:>12}", count(large.bytes), known(large.elements), known(large.memory))?;
        let kind = if large.kind == large.encoding {
            large.kind.to_owned()
        } else {
            format!("{} as {}", large.kind, large.encoding)
        };
        writeln!(out, "  {kind:20} db{} {}", large.db, shown(&large.key))?;
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
        writeln!(
            out,
            "{:>12} {:>12} {:>12} {:>12}  {label}",
            count(keys),
            count(bytes),
            count(elements),
            count(memory)
        )?;
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
        rows.push((format!("({} other prefixes)", count(others)), rest));
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
        Ok(text) if !text.is_empty() && !text.chars().any(char::is_control) => Cow::Borrowed(text),
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
        assert_eq!(shown(&[b'x'; 500]).len(), KEY_CHARACTERS_MAX + 3);
    }
}
