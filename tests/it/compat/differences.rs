//! docs/differences.md, whose tables are made from what this server and today's others answer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::support::{Server, Value, newer_server, redis_server};

/// Commands that are known here and answer that there is no such feature, each as a call that shows it.
const REFUSED: &[&str] = &[
    "ASKING",
    "CLIENT TRACKING ON",
    "CLUSTER INFO",
    "CLUSTER KEYSLOT key",
    "CLUSTER MYID",
    "CLUSTER NODES",
    "CLUSTER SHARDS",
    "CLUSTER SLOTS",
    "MODULE LOAD file",
    "MODULE UNLOAD name",
    "READONLY",
    "READWRITE",
    "SCRIPT DEBUG YES",
    "WAITAOF 1 0 0",
];

/// Settings whose values are those of this run.
const OF_THE_RUN: &[&str] =
    &["bind", "dir", "logfile", "pidfile", "port", "save", "unixsocket", "enable-debug-command"];

/// What one server knows.
struct Known {
    commands: BTreeSet<String>,
    settings: BTreeMap<String, String>,
}

impl Known {
    fn of(server: &Server) -> Self {
        let mut client = server.client();
        let mut commands = BTreeSet::new();
        note_commands(client.run("COMMAND").items(), &mut commands);
        let settings = client.run("CONFIG GET *").texts();
        let pairs = settings.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        Self { commands, settings: pairs.collect() }
    }
}

/// Names as `CLIENT KILL`, with those of subcommands.
fn note_commands(entries: &[Value], names: &mut BTreeSet<String>) {
    for entry in entries {
        let entry = entry.items();
        names.insert(entry[0].text().to_uppercase().replace('|', " "));
        note_commands(entry.get(9).map_or(&[], |subcommands| subcommands.items()), names);
    }
}

/// `x` for each server that has it.
fn marks(servers: &[&Known], has: impl Fn(&Known) -> bool) -> String {
    servers.iter().map(|server| if has(server) { " x |" } else { " |" }).collect()
}

fn tables(ours: &Known, peers: &[(&str, Known)]) -> String {
    let theirs: Vec<&Known> = peers.iter().map(|(_, known)| known).collect();
    let columns: String = peers.iter().map(|(name, _)| format!(" {name} |")).collect();
    let rule = "---|".repeat(peers.len());
    let mut out = String::new();
    let head = |out: &mut String, title: &str, first: &str| {
        let _infallible = write!(out, "### {title}\n\n| {first} |{columns}\n|---|{rule}\n");
    };
    let all: BTreeSet<&String> = theirs.iter().flat_map(|known| &known.commands).collect();
    head(&mut out, "Commands that Copal does not know", "command");
    for name in all.iter().filter(|name| !ours.commands.contains(**name)) {
        let _infallible = writeln!(out, "| {name} |{}", marks(&theirs, |known| known.commands.contains(*name)));
    }
    out.push('\n');
    head(&mut out, "Commands that Redis 7.0 does not know, and Copal does", "command");
    for name in ours.commands.difference(&theirs[0].commands) {
        let _infallible = writeln!(out, "| {name} |{}", marks(&theirs, |known| known.commands.contains(name)));
    }
    out.push_str("\n### Commands that Copal refuses, since it has no such feature\n\n");
    let refused: Vec<_> = REFUSED.iter().map(|call| format!("`{call}`")).collect();
    let _infallible = writeln!(out, "As in {}.\n", refused.join(", "));
    let all: BTreeSet<&String> = theirs.iter().flat_map(|known| known.settings.keys()).collect();
    head(&mut out, "Settings that CONFIG GET does not show in Copal", "setting");
    for name in all.iter().filter(|name| !ours.settings.contains_key(**name)) {
        let _infallible = writeln!(out, "| {name} |{}", marks(&theirs, |known| known.settings.contains_key(*name)));
    }
    out.push_str("\n### Settings of Copal's own\n\n");
    let own = ours.settings.keys().filter(|name| !all.contains(name)).map(|name| format!("`{name}`"));
    let _infallible = writeln!(out, "{}.\n", own.collect::<Vec<_>>().join(", "));
    let _infallible =
        write!(out, "### Settings with another default\n\n| setting | Copal |{columns}\n|---|---|{rule}\n");
    for (name, value) in ours.settings.iter().filter(|(name, _)| !OF_THE_RUN.contains(&name.as_str())) {
        let values: Vec<_> = theirs.iter().map(|known| known.settings.get(name)).collect();
        if values.iter().flatten().any(|theirs| *theirs != value) {
            let values: String = values.iter().map(|value| format!(" {} |", value.map_or("", |v| v))).collect();
            let _infallible = writeln!(out, "| {name} | {value} |{values}");
        }
    }
    out
}

/// `COPAL_WRITE_DOCS=1 cargo test --features peers the_documentation_of_differences` writes it anew.
#[test]
fn the_documentation_of_differences_is_what_the_servers_answer() {
    const BEGIN: &str = "<!-- The tables from here on are made by a test, from what the servers answer. -->\n\n";
    let Some(redis) = newer_server("redis-server", "") else { return };
    let Some(valkey) = newer_server("valkey-server", "") else { return };
    let (ours, older) = (Server::start(), redis_server(""));
    for call in REFUSED {
        assert!(ours.client().run(call).is_error(), "{call}");
    }
    let peers =
        [("Redis 7.0", Known::of(&older)), ("Redis 8.0", Known::of(&redis)), ("Valkey 9.1", Known::of(&valkey))];
    let tables = tables(&Known::of(&ours), &peers);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/differences.md");
    let document = fs::read_to_string(&path).expect("it is there");
    let (head, shown) = document.split_once(BEGIN).expect("the mark is there");
    if std::env::var_os("COPAL_WRITE_DOCS").is_some() {
        fs::write(&path, format!("{head}{BEGIN}{tables}")).expect("it can be written");
        return;
    }
    assert!(
        shown == tables,
        "docs/differences.md is out of date: COPAL_WRITE_DOCS=1 cargo test --features peers the_documentation_of_differences"
    );
}
