//! A report as one page: nothing on it comes from elsewhere, and nothing runs.

use std::io::{self, Write};

use super::flame::flame;
use super::gather::{Ranking, Report, Totals, by_bytes};
use super::html_parts::{Bar, bars, escape, section, shares, table, tile};
use super::text::{count, expiry_text, fact, keys_text, others, prefix_rows, shown, size, size_range};
use crate::tool::moment::shown_moment;

const STYLE: &str = "\
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--ink:#1d2330;--soft:#596274;--line:#dfe3ea;--accent:#3b6fb5;
--string:#4477aa;--list:#d9822b;--set:#3d9455;--zset:#cc4c58;--hash:#8a63b0;--stream:#2a9d9d;--module:#8c6d55;--rest:#e3e6ec;
--f0:#ffd9b0;--f1:#ffe6a3;--f2:#f9cdb8;--f3:#f3dcc0;--f4:#fbc9a0;--f5:#f5e0a8}
@media (prefers-color-scheme:dark){:root{--page:#14171d;--card:#1d2129;--ink:#e4e8ef;--soft:#9aa3b4;--line:#323845;
--accent:#6d9fe0;--string:#6c9fd8;--list:#eda25a;--set:#66b97d;--zset:#e57a84;--hash:#b08fd3;--stream:#54bdbd;--module:#b3947b;
--rest:#343a47;--f0:#6b4423;--f1:#6a551f;--f2:#6e3d2c;--f3:#5a4733;--f4:#74431c;--f5:#5f5226}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 20px 60px}
header h1{font-size:24px;margin:0;overflow-wrap:anywhere}
header p{color:var(--soft);margin:4px 0 20px;overflow-wrap:anywhere}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:12px;margin-bottom:12px}
.tile,section{background:var(--card);border:1px solid var(--line);border-radius:10px}
.tile{padding:12px 16px}
.tile b{display:block;font-size:21px;font-variant-numeric:tabular-nums}
.tile span,.hint{color:var(--soft);font-size:13px}
.hint{margin:0 0 8px}
section{padding:16px 20px;margin-top:12px;min-width:0}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(420px,1fr));gap:0 12px}
h2{font-size:16px;margin:0 0 12px}
ul{list-style:none;margin:0;padding:0}
.bars li{display:grid;grid-template-columns:minmax(0,3fr) minmax(0,4fr) minmax(0,3fr);gap:0 12px;align-items:center;
padding:3px 0;font-size:13.5px}
.bars .label{text-align:right;overflow-wrap:anywhere}
.bars .figures{color:var(--soft);font-variant-numeric:tabular-nums}
.track{display:block;height:16px}
.track i{display:block;height:100%;border-radius:3px}
.shares{display:flex;height:28px;border-radius:4px;overflow:hidden}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;margin:10px 0 0;color:var(--soft);font-size:13px}
.legend i{display:inline-block;width:10px;height:10px;margin-right:6px;border-radius:2px}
.accent{background:var(--accent)}.string{background:var(--string)}.list{background:var(--list)}.set{background:var(--set)}
.zset{background:var(--zset)}.hash{background:var(--hash)}.stream{background:var(--stream)}.module{background:var(--module)}
.flame{position:relative;padding-top:46px;font-size:12.5px}
.flame ul{display:flex;align-items:flex-start;width:100%}
.flame li{flex:none;min-width:0;overflow:hidden}
.flame span{display:block;height:22px;line-height:22px;margin:0 1px 1px 0;padding:0 4px;border-radius:2px;overflow:hidden;
white-space:nowrap;text-overflow:ellipsis;cursor:default}
.flame b{font-weight:400}
.flame small{position:absolute;left:0;top:0;width:100%;height:42px;line-height:20px;font-size:13px;white-space:normal;
overflow:hidden;overflow-wrap:anywhere;opacity:0;pointer-events:none}
.flame span:hover small,.flame span:focus small{opacity:1}
.flame:hover span:focus:not(:hover) small{opacity:0}
.flame span:hover{filter:brightness(1.12)}
.flame span:focus{outline:2px solid var(--accent);outline-offset:-2px}
.f0{background:var(--f0)}.f1{background:var(--f1)}.f2{background:var(--f2)}.f3{background:var(--f3)}.f4{background:var(--f4)}
.f5{background:var(--f5)}.rest{background:var(--rest)}
.wide{overflow-x:auto}
.wide:focus{outline:2px solid var(--accent);outline-offset:4px}
table{border-collapse:collapse;width:100%;font-size:14px}
th,td{text-align:left;padding:5px 14px 5px 0;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--soft);font-weight:600}
tbody th{color:var(--ink);font-weight:400;white-space:normal;overflow-wrap:anywhere;min-width:10em}
tr:last-child td,tbody tr:last-child th{border-bottom:0}
.number{text-align:right;font-variant-numeric:tabular-nums}
footer{color:var(--soft);font-size:13px;margin-top:18px}
@media (max-width:560px){main{padding:20px 12px 40px}section{padding:14px}.pair{grid-template-columns:minmax(0,1fr)}
.bars li{grid-template-columns:minmax(0,1fr) auto;padding:5px 0}.bars .label{text-align:left}.bars .figures{text-align:right}
.bars .track{grid-column:1/-1;grid-row:2;height:12px}}
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
    out.write_all(section("Bytes by type", &shares(&type_bars(&types))).as_bytes())?;
    if let Some(tree) = &report.tree {
        out.write_all(section("Memory by prefix", &flame(tree)).as_bytes())?;
    }
    out.write_all(b"<div class=\"pair\">\n")?;
    out.write_all(section("Encodings in memory", &bars("bytes of each encoding", &encodings(report))).as_bytes())?;
    out.write_all(section("Times to live", &bars("keys by time to live", &times(report))).as_bytes())?;
    out.write_all(b"</div>\n")?;
    out.write_all(section("Bytes of an entry", &bars("keys by size", &sizes(report))).as_bytes())?;
    let prefixes: Vec<Bar> =
        prefix_rows(report).into_iter().map(|(label, totals)| bar(label, &totals, "accent")).collect();
    out.write_all(section("Prefixes", &bars("bytes of each prefix", &prefixes)).as_bytes())?;
    for (title, ranking) in [
        ("Largest keys by memory", &report.largest_by_memory),
        ("Largest keys by bytes in the file", &report.largest_by_bytes),
    ] {
        out.write_all(section(title, &largest(title, ranking)).as_bytes())?;
    }
    out.write_all(b"<div class=\"pair\">\n")?;
    out.write_all(section("Databases", &databases(report)).as_bytes())?;
    out.write_all(section("Layouts in the file", &layouts(report)).as_bytes())?;
    out.write_all(b"</div>\n")?;
    write!(
        out,
        "<footer>Bytes are those of the file, memory is an estimate. Times to live count from {}.\
         </footer>\n</main>\n</body>\n</html>\n",
        shown_moment(report.reference_ms)
    )
}

fn facts(report: &Report) -> String {
    let mut facts = vec![format!("RDB version {}", report.version)];
    facts.extend(report.facts.iter().map(|(name, value)| format!("{} {}", shown(name.as_bytes()), fact(name, value))));
    if report.is_filtered {
        facts.push("only some of the keys were chosen".to_owned());
    }
    facts.join(" \u{b7} ")
}

fn tiles(report: &Report) -> String {
    let Totals { keys, memory, unknown, .. } = report.all;
    let mut tiles = vec![
        tile(&count(keys), if keys == 1 { "key" } else { "keys" }),
        tile(&size(report.file_bytes), "file"),
        tile(&size(memory), "memory, estimated"),
        tile(&count(report.expires), "keys with an expiry"),
    ];
    if unknown > 0 {
        tiles.push(tile(&count(unknown), "values of modules"));
    }
    for (number, one, many) in others(report) {
        tiles.push(tile(&count(number), if number == 1 { one } else { many }));
    }
    format!("<div class=\"tiles\">\n{}</div>\n", tiles.concat())
}

fn bar(label: String, totals: &Totals, class: &'static str) -> Bar {
    let figures = format!("{}, {}", size(totals.bytes), keys_text(totals.keys));
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

fn largest(title: &str, ranking: &Ranking) -> String {
    let rows: Vec<Vec<String>> = ranking
        .keys()
        .map(|large| {
            vec![
                shown(&large.key).into_owned(),
                format!("db{}", large.db),
                large.kind.to_owned(),
                large.encoding.to_owned(),
                expiry_text(large.expiry_ms),
                large.elements.map_or("?".to_owned(), count),
                size(large.bytes),
                large.memory.map_or("?".to_owned(), size),
            ]
        })
        .collect();
    let headings = ["key", "database", "type", "encoding", "expires", "elements", "bytes", "memory"];
    table(title, &headings, 5, &rows)
}

fn databases(report: &Report) -> String {
    let rows = report.databases.iter().map(|(db, totals)| totals_row(format!("db{db}"), totals)).collect::<Vec<_>>();
    table("Databases", &["database", "keys", "bytes", "memory"], 1, &rows)
}

fn layouts(report: &Report) -> String {
    let rows = by_bytes(&report.layouts).into_iter();
    let rows = rows.map(|(name, totals)| totals_row(name.to_owned(), &totals)).collect::<Vec<_>>();
    table("Layouts in the file", &["layout", "keys", "bytes", "memory"], 1, &rows)
}

fn totals_row(name: String, totals: &Totals) -> Vec<String> {
    vec![name, count(totals.keys), size(totals.bytes), size(totals.memory)]
}
