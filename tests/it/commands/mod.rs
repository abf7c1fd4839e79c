//! Every command by what a client sees: each option, each error text, both protocols.

mod acl;
mod bitmaps;
mod blocking;
mod client_eviction;
mod clients;
mod connection;
mod debug;
mod functions;
mod geo;
mod hashes;
mod hyperloglogs;
mod keys;
mod lists;
mod memory;
mod migrate;
mod observation;
mod pubsub;
mod server;
mod sets;
mod snapshots;
mod sort;
mod sorted_sets;
mod stream_readers;
mod stream_values;
mod streams;
mod strings;
mod transactions;

use std::fs;
use std::path::Path;

use crate::support::{Client, Server, against_redis, err};

/// Runs a dialogue against a fresh server.
#[track_caller]
fn dialogue(text: &str) {
    Server::start().client().transcript(text);
}

/// Runs a dialogue in RESP3 against a fresh server.
#[track_caller]
fn dialogue_resp3(text: &str) {
    Server::start().client_resp3().transcript(text);
}

/// Each of these commands is for another type than that of its key.
#[track_caller]
fn are_refused_for_the_type(client: &mut Client, lines: &[&str]) {
    for line in lines {
        let wrong = err("WRONGTYPE Operation against a key holding the wrong kind of value");
        assert_eq!(client.run(line), wrong, "{line}");
    }
}

/// What a whole scan (`SSCAN key`, say) answers, where `between` is done after each of its steps.
#[track_caller]
fn scanned(client: &mut Client, command: &str, mut between: impl FnMut(&mut Client, usize)) -> Vec<String> {
    let mut found = Vec::new();
    let mut cursor = "0".to_owned();
    for round in 0..10_000 {
        let reply = client.run(&format!("{command} {cursor} COUNT 50"));
        cursor = reply.items()[0].text();
        found.extend(reply.items()[1].texts());
        if cursor == "0" {
            return found;
        }
        between(client, round);
    }
    panic!("the scan does not end");
}

#[test]
fn every_command_of_the_table_occurs_in_these_tests() {
    if against_redis() {
        return;
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let files = ["commands", "scripting", "replication"]
        .map(|folder| fs::read_dir(tests.join(folder)).expect("the tests can be read"));
    let mut tested = String::new();
    for entry in files.into_iter().flatten().flatten() {
        tested.push_str(&fs::read_to_string(entry.path()).expect("tests are UTF-8").to_lowercase());
    }
    let tested: std::collections::HashSet<_> =
        tested.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').collect();
    let names = Server::start().client().run("COMMAND LIST").texts();
    assert!(names.len() > 50, "COMMAND LIST answers the table: {names:?}");
    let is_tested = |name: &String| name.to_lowercase().split('|').all(|word| tested.contains(word));
    let untested: Vec<_> = names.iter().filter(|name| !is_tested(name)).collect();
    assert!(
        untested.is_empty(),
        "no test in tests/it/commands or tests/it/scripting names these commands: {untested:?}"
    );
}
