//! `copal-rdb report` in all its forms, and the options that choose keys.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, SystemTime};

use crate::support::{RdbFile, Setup, against_redis};
use crate::tool::{Folder, complaint, filled, printed, tool};

/// A dump of every kind of hostile key.
fn hostile() -> Vec<u8> {
    let mut file = RdbFile::new(10).raw(b"\xfa\x05ctime\x0a1700000000\xfa\x04evil\x06\x1b[31mX").select(0);
    for key in HOSTILE {
        file = file.string(key, b"value");
    }
    file.finish()
}

const HOSTILE: [&[u8]; 9] = [
    b"<img onerror=alert(1)>:x",
    b"\x1b]0;title\x07",
    b"\xc2\x9b31m",
    "\u{202e}gpj.exe".as_bytes(),
    b"=HYPERLINK(\"x\")",
    b"line\nbreak",
    b"quote\"comma,",
    b"\xff\xfe",
    b"</script>:</ul>:x",
];

#[test]
fn a_report_says_the_same_in_each_run() {
    let (_server, dump) = filled();
    let dump = dump.to_str().expect("a plain path");
    for format in ["json", "csv", "html", "text"] {
        let first = printed(&["report", "--format", format, dump]);
        for _ in 0..3 {
            assert!(printed(&["report", "--format", format, dump]) == first, "{format}");
        }
    }
}

#[test]
fn a_report_of_a_dump_without_a_date_counts_from_that_of_its_file() {
    let folder = Folder::new();
    let dump = folder.write("undated.rdb", &RdbFile::new(10).select(0).string(b"key", b"1").finish());
    let written = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    fs::File::options().append(true).open(&dump).and_then(|file| file.set_modified(written)).expect("a date");
    let report = printed(&["report", &dump]);
    assert!(report.contains("time to live from 2023-11-14 22:13:20 UTC"), "{report}");
    assert!(printed(&["report", "--format", "json", &dump]).contains("1700000000000"));
}

/// The cells of a row, as RFC 4180 has them.
fn cells(row: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut in_quotes = false;
    let mut characters = row.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if in_quotes && characters.peek() == Some(&'"') => {
                characters.next();
                cells.last_mut().expect("a cell").push('"');
            }
            '"' => in_quotes = !in_quotes,
            ',' if !in_quotes => cells.push(String::new()),
            _ => cells.last_mut().expect("a cell").push(character),
        }
    }
    cells
}

#[test]
fn csv_has_a_row_for_each_key_and_none_that_a_spreadsheet_computes() {
    let folder = Folder::new();
    let dump = folder.write("hostile.rdb", &hostile());
    let rows = printed(&["report", "--format", "csv", &dump]);
    let rows: Vec<_> = rows.lines().map(cells).collect();
    assert_eq!(rows.len(), HOSTILE.len() + 1);
    assert_eq!(
        rows[0].join(","),
        "db,type,key,encoding,bytes,memory,elements,expires_at_ms,expires_at,idle_seconds,frequency,layout"
    );
    assert!(rows.iter().all(|row| row.len() == rows[0].len()));
    let keys: Vec<_> = rows[1..].iter().map(|row| row[2].as_str()).collect();
    assert_eq!(
        keys,
        [
            "<img onerror=alert(1)>:x",
            r#""\x1b]0;title\a""#,
            r#""\xc2\x9b31m""#,
            r#""\xe2\x80\xaegpj.exe""#,
            r#""=HYPERLINK(\"x\")""#,
            r#""line\nbreak""#,
            "quote\"comma,",
            r#""\xff\xfe""#,
            "</script>:</ul>:x",
        ]
    );
    let expiring = RdbFile::new(10).expires_at_ms(1_767_139_200_123).string(b"key", b"1").finish();
    let expiring = printed(&["report", "--format", "csv", &folder.write("expiring.rdb", &expiring)]);
    assert!(expiring.contains(",1767139200123,2025-12-31T00:00:00.123Z,,,string\n"), "{expiring}");
    let page = folder.path("page.html");
    printed(&["report", "-o", &page, &dump]);
    assert!(fs::read_to_string(&page).expect("a page").starts_with("<!DOCTYPE html>"));
}

#[test]
fn no_key_and_no_fact_steers_a_terminal_or_a_page() {
    let folder = Folder::new();
    let dump = folder.write("hostile.rdb", &hostile());
    for args in [
        &["report", &dump][..],
        &["report", "--format", "html", &dump],
        &["report", "--format", "csv", &dump],
        &["report", "--format", "json", &dump],
        &["convert", "--jsonl", &dump, "-"],
    ] {
        let out = printed(args);
        let bad = |character: char| character != '\n' && character.is_control() || character == '\u{202e}';
        assert!(!out.contains(bad), "{args:?}");
        assert!(!args.contains(&"html") || !out.contains("<img") && !out.contains("</script>"), "{args:?}");
    }
    let text = printed(&["report", &dump]);
    assert!(text.contains("ctime: 2023-11-14 22:13:20 UTC (1700000000)"), "{text}");
    assert!(text.contains("time to live from 2023-11-14 22:13:20 UTC"), "{text}");
}

#[test]
fn page_has_a_flame_graph_and_tables_with_scopes() {
    let (_server, dump) = filled();
    let html = printed(&["report", "--format", "html", dump.to_str().expect("a plain path")]);
    crate::tool::assert_well_formed(&html);
    for part in [
        "<div class=\"flame\">",
        "<small>zset:*: ",
        "<th scope=\"col\">key</th>",
        "<th scope=\"row\">list:many</th>",
        "Largest keys by memory",
        "<td>2096-10-02 07:06:40 UTC</td>",
        "@media (max-width:560px)",
    ] {
        assert!(html.contains(part), "{part}");
    }
    assert_eq!(html.matches("<th>").count() + html.matches("<th class").count(), 0);
    let empty = Folder::new();
    let empty = empty.write("empty.rdb", &RdbFile::new(10).finish());
    crate::tool::assert_well_formed(&printed(&["report", "--format", "html", &empty]));
}

#[test]
fn largest_keys_are_ranked_by_memory_too() {
    let (server, dump) = filled();
    server.client().cmd(&["SET", "packed", &"abcd".repeat(200_000)]);
    server.client().run("SAVE");
    let json = printed(&["report", "--format", "json", "--top", "1", dump.to_str().expect("a plain path")]);
    let (by_bytes, by_memory) = json.split_once("\"largest_by_memory\"").expect("both rankings");
    assert!(by_memory.contains("\"key\": \"packed\""), "{by_memory}");
    assert!(by_bytes.contains("\"key\": \"zset:many\"") && !by_bytes.contains("\"key\": \"packed\""));
}

/// The keys of a report, by their rows.
fn keys(dump: &str, options: &[&str]) -> Vec<String> {
    let rows = printed(&[&["report", "--format", "csv", dump], options].concat());
    rows.lines().skip(1).map(|row| cells(row)[2].clone()).collect()
}

#[test]
fn keys_are_chosen_by_pattern_type_database_and_expiry() {
    let folder = Folder::new();
    let file = RdbFile::new(10)
        .select(0)
        .string(b"user:1", b"1")
        .expires_at_ms(1_000_000_000_000)
        .string(b"user:2", b"2")
        .expires_at_ms(4_000_000_000_000)
        .string(b"shop:1", b"3")
        .select(5)
        .raw(b"\x01\x06list:1\x01\x01a")
        .raw(b"\x02\x05set:1\x01\x01m")
        .finish();
    let dump = folder.write("dump.rdb", &file);
    for (options, expected) in [
        (&[][..], &["user:1", "user:2", "shop:1", "list:1", "set:1"][..]),
        (&["--match", "user:*"], &["user:1", "user:2"]),
        (&["--match", "user:*", "--match", "s*:1"], &["user:1", "user:2", "shop:1", "set:1"]),
        (&["--type", "list,set"], &["list:1", "set:1"]),
        (&["--db", "5"], &["list:1", "set:1"]),
        (&["--expiring"], &["user:2", "shop:1"]),
        (&["--no-expiry"], &["user:1", "list:1", "set:1"]),
        (&["--expires-before", "now"], &["user:2"]),
        (&["--expires-after", "2001-09-10"], &["shop:1"]),
        (&["--expires-after", "1000000000", "--expires-before", "1000000001"], &["user:2"]),
        (&["--match", "user:*", "--no-expiry", "--type", "string"], &["user:1"]),
        (&["--match", "nothing"], &[]),
    ] {
        assert_eq!(keys(&dump, options), expected, "{options:?}");
    }
    assert!(complaint(&["report", &dump, "--expires-before", "soon"]).contains("give now, 7d, 2026-12-31"));
    tool(2, &["report", &dump, "--expiring", "--no-expiry"]);
    assert!(printed(&["report", &dump, "--match", "user:*"]).contains("chosen: 2 keys in "));

    let lines = printed(&["convert", &dump, "-", "--jsonl", "--match", "*:1", "--no-expiry", "--type", "set"]);
    assert_eq!(lines, "{\"db\":5,\"key\":\"set:1\",\"type\":\"set\",\"expires_at_ms\":null,\"value\":[\"m\"]}\n");
    let out = folder.path("out.rdb");
    tool(0, &["convert", &dump, &out, "--rdb-version", "10", "--expiring"]);
    assert_eq!(keys(&out, &[]), ["user:2", "shop:1"]);
    assert!(!printed(&["convert", &dump, "-", "--resp", "--db", "5"]).contains("user:1"));
}

#[test]
fn memory_is_what_a_server_answers_for_the_loaded_file() {
    if against_redis() {
        return;
    }
    let (_server, dump) = filled();
    let dump = dump.to_str().expect("a plain path").to_owned();
    let server = Setup::new().file("dump.rdb", fs::read(&dump).expect("the dump")).start();
    let rows = printed(&["report", "--format", "csv", "--db", "0", &dump]);
    let estimates: BTreeMap<String, i64> = rows
        .lines()
        .skip(1)
        .map(cells)
        .filter(|row| !row[2].starts_with('"'))
        .map(|row| (row[2].clone(), row[5].parse().expect("a number")))
        .collect();
    assert!(estimates.len() > 15);
    for (key, estimate) in estimates {
        let answer = server.client().cmd(&["MEMORY", "USAGE", &key, "SAMPLES", "0"]).integer();
        let ratio = estimate as f64 / answer as f64;
        assert!((0.95..1.05).contains(&ratio), "{key}: {estimate} is reported, {answer} answered");
    }
}
