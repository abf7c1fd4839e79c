//! A row for each key, for spreadsheets and databases. Columns are only ever added, behind the others.

use std::borrow::Cow;
use std::io::{self, Write};

use super::gather::{Measured, measure};
use crate::stdx::text::quoted;
use crate::tool::filter::Filter;
use crate::tool::input::Input;
use crate::tool::moment::iso_moment;
use crate::tool::output::Output;
use crate::tool::plain_text::is_plain;
use crate::tool::trouble::Trouble;
use crate::tool::walk::{Found, Item};

const HEADING: &[u8] =
    b"db,type,key,encoding,bytes,memory,elements,expires_at_ms,expires_at,idle_seconds,frequency,layout\n";

/// Writes the rows while the dump is read: nothing is held of it.
pub fn write(input: &Input, filter: &Filter, out: &mut Output) -> Result<(), Trouble> {
    let written = out.write_all(HEADING);
    out.written(written)?;
    input.each_chosen("reading", filter, |found| {
        let Found::Entry(item) = found else { return Ok(()) };
        let Some(measured) = measure(input, &item)? else { return Ok(()) };
        let written = row(&mut *out, &item, &measured);
        out.written(written)
    })
}

fn row(out: &mut dyn Write, item: &Item<'_>, measured: &Measured) -> io::Result<()> {
    let Measured { kind, encoding, bytes, elements, memory, .. } = *measured;
    write!(out, "{},{kind},", item.db)?;
    cell(out, &key_text(&item.key))?;
    write!(out, ",{encoding},{bytes},")?;
    for number in [memory, elements] {
        optional(out, number)?;
        out.write_all(b",")?;
    }
    match item.expiry_ms {
        Some(at_ms) => write!(out, "{at_ms},{},", iso_moment(at_ms))?,
        None => out.write_all(b",,")?,
    }
    optional(out, item.idle)?;
    out.write_all(b",")?;
    optional(out, item.freq)?;
    writeln!(out, ",{}", item.tag.name())
}

fn optional<N: std::fmt::Display>(out: &mut dyn Write, number: Option<N>) -> io::Result<()> {
    number.map_or(Ok(()), |number| write!(out, "{number}"))
}

/// A key as text that is that of no other key. Where it is not plain text, or a spreadsheet could take it for a formula, it
/// is in double quotes with escapes, as redis-cli shows it; and so is a key that begins with such a quote itself.
fn key_text(key: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(key) {
        Ok(text) if is_plain(text) && !text.starts_with('"') && !is_formula(text) => Cow::Borrowed(text),
        _ => Cow::Owned(String::from_utf8_lossy(&quoted(key)).into_owned()),
    }
}

/// Whether a spreadsheet may compute what begins like this. Some know the wide forms of the signs too.
fn is_formula(text: &str) -> bool {
    text.trim_start().starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'])
}

/// A cell as RFC 4180 has it.
fn cell(out: &mut dyn Write, text: &str) -> io::Result<()> {
    if !text.contains([',', '"', '\r', '\n', ';', ' ']) {
        return out.write_all(text.as_bytes());
    }
    write!(out, "\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_cell_of_its_own_and_none_is_a_formula() {
        for (key, expected) in [
            (&b"user:1"[..], "user:1"),
            (b"a,b", "\"a,b\""),
            (b"a b", "\"a b\""),
            (b"say \"hi\"", "\"say \"\"hi\"\"\""),
            (b"", "\"\"\"\"\"\""),
            (b"\xff\n", "\"\"\"\\xff\\n\"\"\""),
            (b"\"x\"", "\"\"\"\\\"\"x\\\"\"\"\"\""),
            (b"=1+1", "\"\"\"=1+1\"\"\""),
            (b" @x", "\"\"\" @x\"\"\""),
            (b"+1", "\"\"\"+1\"\"\""),
            (b"-1", "\"\"\"-1\"\"\""),
            (b"\t=1", "\"\"\"\\t=1\"\"\""),
            ("\u{fc}".as_bytes(), "\u{fc}"),
        ] {
            let mut out = Vec::new();
            cell(&mut out, &key_text(key)).expect("a vector takes everything");
            assert_eq!(String::from_utf8_lossy(&out), expected);
        }
    }
}
