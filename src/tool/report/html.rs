//! A report as one page: nothing on it comes from elsewhere, and nothing runs.

use std::io::{self, Write};

use super::gather::{Report, Totals, by_bytes};
use super::html_parts::{Bar, HALF, WHOLE, bars, columns, escape, section, shares, table, tile};
use super::text::{count, prefix_rows, shown, size, size_range};

const STYLE: &str = "\
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1d2330;--soft:#5d6678;--line:#dfe3ea;--accent:#3b6fb5;
--string:#4477aa;--list:#d9822b;--set:#3d9455;--zset:#cc4c58;--hash:#8a63b0;--stream:#2a9d9d;--module:#8c6d55}
@media (prefers-color-scheme:dark){:root{--page:#14171d;--card:#1d2129;--ink:#e4e8ef;--soft:#9aa3b4;--line:#323845;
--accent:#6d9fe0;--string:#6c9fd8;--list:#eda25a;--set:#66b97d;--zset:#e57a84;--hash:#b08fd3;--stream:#54bdbd;--module:#b3947b}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 20px 60px}
header h1{font-size:24px;margin:0;overflow-wrap:anywhere}
header p{color:var(--soft);margin:4px 0 20px}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin-bottom:12px}
.tile,section{background:var(--card);border:1px solid var(--line);border-radius:10px}
.tile{padding:12px 16px}
.tile b{display:block;font-size:21px;font-variant-numeric:tabular-nums}
.tile span{color:var(--soft);font-size:13px}
section{padding:16px 20px;margin-top:12px}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:0 12px}
h2{font-size:16px;margin:0 0 12px}
.chart{display:block;width:100%;height:auto}
.chart text{font-size:12.5px;fill:var(--ink);dominant-baseline:central}
.chart .label{text-anchor:end}
.chart .figures,.chart .tick{fill:var(--soft)}
.chart .tick{text-anchor:end;font-size:11px}
.axis{stroke:var(--line)}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;list-style:none;margin:10px 0 0;padding:0;color:var(--soft);font-size:13px}
.legend svg{width:10px;height:10px;margin-right:6px}
.accent{fill:var(--accent)}.string{fill:var(--string)}.list{fill:var(--list)}.set{fill:var(--set)}.zset{fill:var(--zset)}
.hash{fill:var(--hash)}.stream{fill:var(--stream)}.module{fill:var(--module)}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{text-align:left;padding:5px 12px 5px 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
th{color:var(--soft);font-weight:600}
tr:last-child td{border-bottom:0}
.number{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
footer{color:var(--soft);font-size:13px;margin-top:18px}
@media (max-width:560px){.pair{grid-template-columns:1fr}}
";

pub fn write(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    let name = report.path.file_name().map_or_else(|| report.path.to_string_lossy(), |name| name.to_string_lossy());
    let name = escape(&name);
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{name}: contents</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header>\n<h1>{name}</h1>\n<p>{}</p>\n</header>\n",
        escape(&facts(report))
    )?;
    out.write_all(tiles(report).as_bytes())?;
    let types = by_bytes(&report.types);
    out.write_all(section("Bytes by type", &shares("bytes by type", &type_bars(&types), WHOLE)).as_bytes())?;
    out.write_all(b"<div class=\"pair\">\n")?;
    out.write_all(section("Types", &bars("bytes of each type", &type_bars(&types), HALF)).as_bytes())?;
    out.write_all(
        section("Encodings in memory", &bars("bytes of each encoding", &encodings(report), HALF)).as_bytes(),
    )?;
    out.write_all(section("Times to live", &bars("keys by time to live", &times(report), HALF)).as_bytes())?;
    out.write_all(section("Bytes of an entry", &columns("keys by size", &sizes(report), HALF)).as_bytes())?;
    out.write_all(b"</div>\n")?;
    let prefixes: Vec<Bar> =
        prefix_rows(report).into_iter().map(|(label, totals)| bar(label, &totals, "accent")).collect();
    out.write_all(section("Prefixes", &bars("bytes of each prefix", &prefixes, WHOLE)).as_bytes())?;
    out.write_all(section("Largest keys", &largest(report)).as_bytes())?;
    out.write_all(b"<div class=\"pair\">\n")?;
    out.write_all(section("Databases", &databases(report)).as_bytes())?;
    out.write_all(section("Layouts in the file", &layouts(report)).as_bytes())?;
    out.write_all(b"</div>\n")?;
    write!(
        out,
        "<footer>Bytes are those of the file, memory is an estimate. Times to live count from {} ms of the unix clock.\
         </footer>\n</main>\n</body>\n</html>\n",
        report.reference_ms
    )
}

fn facts(report: &Report) -> String {
    let mut facts = vec![format!("RDB version {}", report.version)];
    facts.extend(report.facts.iter().map(|(name, value)| format!("{name} {value}")));
    facts.join(" \u{b7} ")
}

fn tiles(report: &Report) -> String {
    let Totals { keys, memory, unknown, .. } = report.all;
    let mut tiles = vec![
        tile(&count(keys), "keys"),
        tile(&size(report.file_bytes), "file"),
        tile(&size(memory), "memory, estimated"),
        tile(&count(report.expires), "keys with an expiry"),
    ];
    for (number, name) in [
        (report.expiring_fields, "fields with an expiry"),
        (unknown, "module values"),
        (report.empty, "empty collections"),
        (report.libraries, "function libraries"),
        (report.module_data, "parts of modules"),
    ] {
        if number > 0 {
            tiles.push(tile(&count(number), name));
        }
    }
    format!("<div class=\"tiles\">\n{}</div>\n", tiles.concat())
}

fn bar(label: String, totals: &Totals, class: &'static str) -> Bar {
    let figures = format!("{}, {} keys", size(totals.bytes), count(totals.keys));
    Bar { label, amount: totals.bytes, figures, class }
}

fn type_bars(types: &[(&'static str, Totals)]) -> Vec<Bar> {
    types.iter().map(|(name, totals)| bar((*name).to_owned(), totals, name)).collect()
}

fn encodings(report: &Report) -> Vec<Bar> {
    let rows = by_bytes(&report.encodings).into_iter();
    rows.map(|((kind, encoding), totals)| bar(format!("{kind} as {encoding}"), &totals, kind)).collect()
}

fn times(report: &Report) -> Vec<Bar> {
    let rows = report.ttl.iter().filter(|(_, totals)| totals.keys > 0);
    rows.map(|(name, totals)| Bar { amount: totals.keys, ..bar((*name).to_owned(), totals, "accent") }).collect()
}

fn sizes(report: &Report) -> Vec<Bar> {
    let rows = report.sizes().into_iter();
    rows.map(|(from, totals)| Bar { amount: totals.keys, ..bar(size_range(from), &totals, "accent") }).collect()
}

fn largest(report: &Report) -> String {
    let known = |number: Option<u64>| number.map_or("?".to_owned(), count);
    let rows: Vec<Vec<String>> = report
        .largest()
        .into_iter()
        .map(|large| {
            vec![
                shown(&large.key).into_owned(),
                format!("db{}", large.db),
                large.kind.to_owned(),
                large.encoding.to_owned(),
                known(large.elements),
                size(large.bytes),
                large.memory.map_or("?".to_owned(), size),
            ]
        })
        .collect();
    table(&["key", "database", "type", "encoding", "elements", "bytes", "memory"], 4, &rows)
}

fn databases(report: &Report) -> String {
    let rows = report.databases.iter().map(|(db, totals)| totals_row(format!("db{db}"), totals)).collect::<Vec<_>>();
    table(&["database", "keys", "bytes", "memory"], 1, &rows)
}

fn layouts(report: &Report) -> String {
    let rows = by_bytes(&report.layouts).into_iter();
    let rows = rows.map(|(name, totals)| totals_row(name.to_owned(), &totals)).collect::<Vec<_>>();
    table(&["layout", "keys", "bytes", "memory"], 1, &rows)
}

fn totals_row(name: String, totals: &Totals) -> Vec<String> {
    vec![name, count(totals.keys), size(totals.bytes), size(totals.memory)]
}
