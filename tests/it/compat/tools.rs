//! redis-cli and redis-benchmark on our server.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use crate::support::{Server, encode_command, int, redis_cli};

#[test]
fn redis_cli_works_in_every_mode() {
    let server = Server::start();
    let mut client = server.client();
    client.run("DEBUG POPULATE 1000");
    client.cmd(&["SET", "the-biggest", &"x".repeat(5000)]);

    assert_eq!(redis_cli(&server, &["GET", "key:1"], b"").trim(), "value:1");
    assert_eq!(redis_cli(&server, &["-3", "HELLO"], b"").lines().next(), Some("server redis"));
    let several = redis_cli(&server, &[], b"SET a 1\nINCR a\nGET a\nEXISTS nothing\n");
    assert_eq!(several.lines().collect::<Vec<_>>(), ["OK", "2", "2", "0"]);

    let scanned = redis_cli(&server, &["--scan"], b"");
    assert_eq!(scanned.lines().collect::<BTreeSet<_>>().len(), 1002);
    let scanned = redis_cli(&server, &["--scan", "--pattern", "key:99*"], b"");
    assert_eq!(scanned.lines().count(), 11);
    let big = redis_cli(&server, &["--bigkeys"], b"");
    assert!(big.contains("Biggest string found '\"the-biggest\"' has 5000 bytes"), "{big}");
    let big = redis_cli(&server, &["--memkeys"], b"");
    assert!(big.contains("the-biggest"), "{big}");

    let mut commands = Vec::new();
    for at in 0..10_000 {
        commands.extend(encode_command(&["SET", &format!("piped:{at}"), "v"]));
    }
    let piped = redis_cli(&server, &["--pipe"], &commands);
    assert!(piped.contains("errors: 0, replies: 10000"), "{piped}");
    assert_eq!(client.run("DBSIZE"), int(11_002));

    let info = redis_cli(&server, &["INFO", "server"], b"");
    assert!(info.contains("redis_version:7."), "{info}");
    let repeated = redis_cli(&server, &["-r", "3", "-i", "0.01", "PING"], b"");
    assert_eq!(repeated.lines().filter(|line| *line == "PONG").count(), 3);
    let dumped = server.data_dir().join("by-cli.rdb");
    if !redis_cli(&server, &["COMMAND", "INFO", "SYNC"], b"").trim().is_empty() {
        redis_cli(&server, &["--rdb", dumped.to_str().expect("a plain path")], b"");
    }
}

/// Runs a mode of redis-cli that does not end by itself, and returns what it printed within `seconds`.
fn redis_cli_for(server: &Server, seconds: &str, args: &[&str]) -> String {
    let output = Command::new("timeout")
        .args(["-s", "INT", "-k", "5", seconds, "stdbuf", "-o0", "redis-cli", "-p", &server.port().to_string()])
        .args(args)
        .stdin(Stdio::null())
        .output()
        .expect("redis-cli and timeout are installed");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn redis_cli_watches_the_server() {
    let server = Server::start();
    server.client().run("DEBUG POPULATE 123");
    let stat = redis_cli_for(&server, "3", &["--stat", "-i", "1"]);
    let line = stat.lines().find(|line| line.starts_with("123 ")).unwrap_or_else(|| panic!("{stat}"));
    assert!(line.contains('M') || line.contains('K'), "memory is shown: {line}");
    let latency = redis_cli_for(&server, "2", &["--latency", "--raw"]);
    let numbers: Vec<f64> = latency.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(numbers.len() >= 4 && numbers[3] > 10.0, "min max avg samples: {latency}");
}

#[test]
fn redis_cli_gives_hints_from_our_command_docs() {
    let server = Server::start();
    let help = redis_cli(&server, &[], b"HELP SET\nHELP @string\n");
    assert!(help.contains("SET"), "{help}");
    // What redis-cli builds its hints from.
    let docs = redis_cli(&server, &["COMMAND", "DOCS"], b"");
    for word in ["summary", "arity", "arguments", "token"] {
        assert!(word == "arity" || docs.contains(word), "{word}");
    }
}

#[test]
fn redis_benchmark_runs_its_string_tests() {
    let server = Server::start();
    for pipeline in ["1", "16"] {
        let output = Command::new("timeout")
            .args(["120", "redis-benchmark", "-p", &server.port().to_string(), "-n", "5000", "-c", "20", "-q"])
            .args(["-t", "ping_inline,ping_mbulk,set,get,incr,mset", "-r", "1000", "-P", pipeline])
            .output()
            .expect("redis-benchmark and timeout are installed");
        let text = String::from_utf8_lossy(&output.stdout).replace('\r', "\n");
        assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
        for test in ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"] {
            let done = text
                .lines()
                .any(|line| line.starts_with(&format!("{test}: ")) && line.contains("requests per second, p50"));
            assert!(done, "{test} at -P {pipeline}:\n{text}");
        }
        assert!(!text.contains("rror"), "{text}");
    }
    assert!(server.client().run("DBSIZE").integer() > 500);
}
