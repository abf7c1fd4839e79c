//! A report for programs. Fields are only ever added.

use std::io::{self, Write};

use super::gather::{Ranking, Report, Totals, by_bytes};
use crate::tool::json::Json;

type Out<'o> = Json<&'o mut dyn Write>;

pub fn write(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let mut json = Json::indented(out);
    let json = &mut json;
    json.begin_object()?;
    file(json, report)?;
    json.key("all")?;
    totals(json, &[], &report.all)?;
    numbers(
        json,
        &[
            ("keys_with_expiry", report.expires),
            ("fields_with_expiry", report.expiring_fields),
            ("empty_collections", report.empty),
            ("function_libraries", report.libraries.len() as u64),
            ("module_data", report.module_data),
        ],
    )?;
    list(json, "libraries", report.libraries.iter(), |json, (name, bytes)| {
        json.begin_object()?;
        json.key("name")?;
        json.text(name)?;
        json.key("bytes")?;
        json.integer(*bytes)?;
        json.end_object()
    })?;
    list(json, "databases", report.databases.iter(), |json, (db, of_db)| {
        json.begin_object()?;
        json.key("db")?;
        json.integer(*db)?;
        rest_of_totals(json, of_db)
    })?;
    list(json, "types", by_bytes(&report.types).iter(), |json, (name, of_type)| {
        totals(json, &[("type", name)], of_type)
    })?;
    list(json, "encodings", by_bytes(&report.encodings).iter(), |json, ((kind, encoding), of_encoding)| {
        totals(json, &[("type", kind), ("encoding", encoding)], of_encoding)
    })?;
    list(json, "layouts", by_bytes(&report.layouts).iter(), |json, (name, of_layout)| {
        totals(json, &[("layout", name)], of_layout)
    })?;
    prefixes(json, report)?;
    list(json, "ttl", report.ttl.iter(), |json, (name, of_ttl)| totals(json, &[("ttl", name)], of_ttl))?;
    list(json, "sizes", report.sizes().iter(), |json, (bound, of_size)| {
        json.begin_object()?;
        json.key("bytes_from")?;
        json.integer(*bound)?;
        rest_of_totals(json, of_size)
    })?;
    largest(json, "largest", &report.largest_by_bytes)?;
    largest(json, "largest_by_memory", &report.largest_by_memory)?;
    json.end_object()?;
    json.newline()
}

fn file(json: &mut Out<'_>, report: &Report) -> io::Result<()> {
    json.key("file")?;
    json.begin_object()?;
    json.key("path")?;
    json.text(&report.path.to_string_lossy())?;
    numbers(json, &[("bytes", report.file_bytes), ("rdb_version", u64::from(report.version))])?;
    json.key("ttl_counted_from_ms")?;
    json.integer(report.reference_ms)?;
    json.key("facts")?;
    json.begin_array()?;
    for (name, value) in &report.facts {
        json.begin_array()?;
        json.text(name)?;
        json.text(value)?;
        json.end_array()?;
    }
    json.end_array()?;
    json.end_object()
}

fn prefixes(json: &mut Out<'_>, report: &Report) -> io::Result<()> {
    let (top, known) = report.prefixes.top(report.top);
    numbers(json, &[("prefixes_in_all", known), ("prefixes_counted_together", report.prefixes.rest_prefixes)])?;
    json.key("keys_without_prefix")?;
    totals(json, &[], &report.prefixes.bare)?;
    list(json, "prefixes", top.iter(), |json, (prefix, of_prefix)| {
        json.begin_object()?;
        json.key("prefix")?;
        json.bytes(prefix)?;
        rest_of_totals(json, of_prefix)
    })
}

fn largest(json: &mut Out<'_>, name: &str, ranking: &Ranking) -> io::Result<()> {
    list(json, name, ranking.keys(), |json, large| {
        json.begin_object()?;
        json.key("db")?;
        json.integer(large.db)?;
        json.key("key")?;
        json.bytes(&large.key)?;
        json.key("type")?;
        json.text(large.kind)?;
        json.key("encoding")?;
        json.text(large.encoding)?;
        json.key("bytes")?;
        json.integer(large.bytes)?;
        json.key("elements")?;
        json.optional(large.elements.map(u64::cast_signed))?;
        json.key("memory")?;
        json.optional(large.memory.map(u64::cast_signed))?;
        json.key("expires_at_ms")?;
        json.optional(large.expiry_ms)?;
        json.end_object()
    })
}

fn list<T>(
    json: &mut Out<'_>,
    name: &str,
    items: impl Iterator<Item = T>,
    write: impl Fn(&mut Out<'_>, T) -> io::Result<()>,
) -> io::Result<()> {
    json.key(name)?;
    json.begin_array()?;
    for item in items {
        write(json, item)?;
    }
    json.end_array()
}

fn totals(json: &mut Out<'_>, names: &[(&str, &str)], totals: &Totals) -> io::Result<()> {
    json.begin_object()?;
    for (name, value) in names {
        json.key(name)?;
        json.text(value)?;
    }
    rest_of_totals(json, totals)
}

fn rest_of_totals(json: &mut Out<'_>, totals: &Totals) -> io::Result<()> {
    let Totals { keys, bytes, elements, memory, unknown } = *totals;
    let named = [("keys", keys), ("bytes", bytes), ("elements", elements), ("memory", memory)];
    numbers(json, &named)?;
    numbers(json, &[("keys_of_unknown_memory", unknown)])?;
    json.end_object()
}

fn numbers(json: &mut Out<'_>, named: &[(&str, u64)]) -> io::Result<()> {
    for (name, number) in named {
        json.key(name)?;
        json.integer(*number)?;
    }
    Ok(())
}
