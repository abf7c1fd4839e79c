//! Beside the real thing: Debian's redis-server reads our dumps and we read its, and its tools work on our server.
#![cfg(feature = "peers")]

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use crate::support::{Client, Server, Setup, bulk, encode_command, int, ok, redis_cli, redis_server, wait_until};

/// Strings of every shape that a dump knows, over several databases.
fn fill(client: &mut Client) {
    let mut random = 7u32;
    for at in 0..2000usize {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let value = match at % 7 {
            0 => at.to_string(),
            1 => (i64::from(random) * 2_000_000_000 - 4_000_000_000_000_000_000).to_string(),
            2 => "again and ".repeat(at % 50),
            3 => format!("{random:x}").repeat(at % 9),
            4 => String::new(),
            5 => "x".repeat(at % 300),
            _ => format!("-{at}"),
        };
        client.cmd(&["SET", &format!("key:{at}"), &value]);
        if at % 5 == 0 {
            client.cmd(&["PEXPIREAT", &format!("key:{at}"), &(4_000_000_000_000 + at).to_string()]);
        }
    }
    for length in [16_383, 16_384, 70_000, 1_000_000] {
        let value: Vec<u8> =
            (0..length).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 21).to_le_bytes()[0]).collect();
        client.cmd(&[b"SET".as_slice(), format!("large:{length}").as_bytes(), &value]);
    }
    client.cmd(&[b"SET".as_slice(), b"\x00\xff\r\n", b"\x80\x81"]);
    for database in [1, 7, 15] {
        client.cmd(&["SELECT", &database.to_string()]);
        client.cmd(&["SET", &format!("in:{database}"), "v", "EX", "100000"]);
        client.cmd(&["SET", "plain", "v"]);
    }
    client.run("SELECT 0");
}

#[test]
fn dumps_of_redis_load_here_with_an_equal_digest() {
    let peer = redis_server("");
    fill(&mut peer.client());
    peer.client().run("SAVE");
    let ours = Setup::new().file("dump.rdb", fs::read(peer.dump_path()).expect("the dump")).start();
    assert_eq!(ours.digest(), peer.digest());
}

#[test]
fn our_dumps_load_in_redis_with_an_equal_digest() {
    for config in ["", "rdbcompression no", "rdbchecksum no"] {
        let ours = Server::with_config(config);
        fill(&mut ours.client());
        ours.background_save();
        let mut peer = redis_server("");
        peer.kill();
        fs::copy(ours.dump_path(), peer.dump_path()).expect("the dump can be copied");
        peer.start_again();
        assert_eq!(peer.digest(), ours.digest(), "{config}");
        let checked = Command::new("redis-check-rdb").arg(ours.dump_path()).output().expect("redis-check-rdb runs");
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }
}

#[test]
fn dump_payloads_go_both_ways() {
    let ours = Server::start();
    let peer = redis_server("");
    for (from, to) in [(&ours, &peer), (&peer, &ours)] {
        let (mut from, mut to) = (from.client(), to.client());
        for value in ["", "12", "-70000", "9223372036854775807", "short", &"abc".repeat(500)] {
            from.cmd(&["SET", "key", value]);
            let payload = from.run("DUMP key").bytes();
            assert_eq!(to.cmd(&[b"RESTORE".as_slice(), b"key", b"0", &payload, b"REPLACE"]), ok());
            assert_eq!(to.run("GET key"), bulk(value));
        }
    }
}

#[test]
fn digests_are_computed_as_redis_computes_them() {
    let ours = Server::start();
    let peer = redis_server("");
    for server in [&ours, &peer] {
        fill(&mut server.client());
    }
    assert_eq!(ours.digest(), peer.digest());
    let values = |server: &Server| server.client().run("DEBUG DIGEST-VALUE key:1 key:2 key:3 missing");
    assert_eq!(values(&ours), values(&peer));
}

#[test]
fn both_answer_the_same_to_the_same_history() {
    let ours = Server::start();
    let peer = redis_server("");
    let (mut left, mut right) = (ours.client(), peer.client());
    let mut random = 99u64;
    let mut next = |limit: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % limit
    };
    for _ in 0..20_000 {
        let (a, b) = (format!("k{}", next(30)), format!("k{}", next(30)));
        let number = (next(2000).cast_signed() - 1000).to_string();
        let line = match next(28) {
            0 => format!("SET {a} {number}"),
            1 => format!("SET {a} text{number} NX"),
            2 => format!("SET {a} {number} XX GET"),
            3 => format!("GET {a}"),
            4 => format!("GETRANGE {a} {} {}", next(20).cast_signed() - 10, next(20).cast_signed() - 10),
            5 => format!("SETRANGE {a} {} xyz", next(60)),
            6 => format!("APPEND {a} {number}"),
            7 => format!("STRLEN {a}"),
            8 => format!("INCRBY {a} {number}"),
            9 => format!("DECRBY {a} {number}"),
            10 => format!("INCRBYFLOAT {a} {number}.25"),
            11 => format!("DEL {a} {b}"),
            12 => format!("EXISTS {a} {b} {a}"),
            13 => format!("RENAME {a} {b}"),
            14 => format!("RENAMENX {a} {b}"),
            15 => format!("COPY {a} {b}"),
            16 => format!("COPY {a} {b} REPLACE"),
            17 => format!("MSET {a} {number} {b} v{number}"),
            18 => format!("MSETNX {a} {number} {b} v{number}"),
            19 => format!("MGET {a} {b}"),
            20 => format!("GETDEL {a}"),
            21 => format!("GETSET {a} {number}"),
            22 => format!("PEXPIREAT {a} {}", 4_000_000_000_000 + next(1000)),
            23 => format!("PEXPIRETIME {a}"),
            24 => format!("PERSIST {a}"),
            25 => format!("OBJECT ENCODING {a}"),
            26 => format!("LCS {a} {b} IDX WITHMATCHLEN"),
            _ => format!("TYPE {a}"),
        };
        assert_eq!(left.run(&line), right.run(&line), "{line}");
    }
    assert_eq!(ours.digest(), peer.digest());
}

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
    assert!(line.contains('M') || line.contains('K'), "memory is told: {line}");
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

#[test]
fn the_life_of_data_over_both_servers() {
    // Written here, saved here, taken over by Redis, changed and saved there, and taken back.
    let ours = Server::start();
    fill(&mut ours.client());
    ours.background_save();
    let mut peer = redis_server("");
    peer.kill();
    fs::copy(ours.dump_path(), peer.dump_path()).expect("the dump can be copied");
    peer.start_again();
    peer.client().transcript("> SET added there\n+OK\n> INCR counted\n:1\n> DEL key:0\n:1\n> SAVE\n+OK");
    let back = Setup::new().file("dump.rdb", fs::read(peer.dump_path()).expect("the dump")).start();
    assert_eq!(back.digest(), peer.digest());
    wait_until("the loaded server answers", 5, || back.client().run("GET added") == bulk("there"));
}
