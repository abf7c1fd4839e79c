//! What is recorded of commands on lists, sorted sets, places and streams that depend on the moment, on who waits or on the
//! configuration: the same words each time, by which a server with another clock and other nodes comes to the same data.

use std::time::Duration;

use super::{Machine, compare};
use crate::config::Config;
use crate::keyspace::Record;
use crate::resp::ArgsBuf;
use crate::stdx::HashSeed;

const NOW_MS: i64 = 1_700_000_000_000;
const HOUR_MS: i64 = 3_600_000;

/// A server that records, and one that repeats: with an earlier clock, and nodes and listpacks of other sizes.
struct Servers {
    first: Machine,
    second: Machine,
    passed: Duration,
}

impl Servers {
    fn new() -> Self {
        let mut small = Config::default();
        small.list_max_listpack_size = 2;
        small.zset_max_listpack_entries = 2;
        small.stream_node_max_entries = 3;
        Self::with_config(small, Config::default())
    }

    fn with_config(first: Config, second: Config) -> Self {
        let mut servers = Self {
            first: Machine::with_config(HashSeed { k0: 1, k1: 2 }, 3, first),
            second: Machine::with_config(HashSeed { k0: 3, k1: 4 }, 1, second),
            passed: Duration::ZERO,
        };
        servers.wait(Duration::ZERO);
        servers.first.record();
        servers.second.hide_expired();
        servers
    }

    fn wait(&mut self, time: Duration) {
        self.passed += time;
        let now_ms = NOW_MS + self.passed.as_millis() as i64;
        self.first.set_time(now_ms, self.passed);
        self.second.set_time(now_ms - HOUR_MS, self.passed);
    }

    /// Runs a command of a client, and returns the groups of records that come of it, which are repeated.
    fn run_as(&mut self, client: usize, line: &str) -> Vec<Vec<String>> {
        let args: ArgsBuf = line.split(' ').collect();
        self.first.execute(client, &args);
        let groups = self.first.take_groups();
        for group in &groups {
            assert_eq!(self.second.repeat(group), Ok(()), "{line}");
        }
        let difference = compare::difference(&self.first.executor.keyspace, &self.second.executor.keyspace);
        assert_eq!(difference, None, "{line}");
        groups.iter().map(|group| group.records.iter().map(words).collect()).collect()
    }

    /// As [`Servers::run_as`], for one client and the records of one group at most.
    fn run(&mut self, line: &str) -> Vec<String> {
        let mut groups = self.run_as(0, line);
        assert!(groups.len() <= 1, "{groups:?}");
        groups.pop().unwrap_or_default()
    }
}

fn words(record: &Record) -> String {
    match record {
        Record::Command { args, .. } => {
            args.as_args().iter().map(|arg| arg.escape_ascii().to_string()).collect::<Vec<_>>().join(" ")
        }
        Record::Removed { key, .. } => format!("removed {}", key.escape_ascii()),
        other => panic!("{other:?}"),
    }
}

/// Runs each line and compares its records, which are given one a line.
fn check(lines: &[(&str, &str)]) -> Servers {
    let mut servers = Servers::new();
    check_with(&mut servers, lines);
    servers
}

fn check_with(servers: &mut Servers, lines: &[(&str, &str)]) {
    for (line, expected) in lines {
        assert_eq!(servers.run(line).join("\n"), *expected, "{line}");
    }
}

#[test]
fn what_is_taken_from_one_of_several_lists_is_recorded_as_taken_from_that_one() {
    check(&[
        ("RPUSH l a b c d e f g h i", "RPUSH l a b c d e f g h i"),
        ("BLPOP x l 0", "LPOP l"),
        ("BRPOP x l 0", "RPOP l"),
        ("LMPOP 2 x l LEFT COUNT 2", "LPOP l 2"),
        ("BLMPOP 0 2 x l RIGHT", "RPOP l 1"),
        ("BLMOVE l m left right 0", "LMOVE l m left right"),
        ("BRPOPLPUSH l m 0", "RPOPLPUSH l m"),
        ("LMPOP 2 x l RIGHT COUNT 100", "RPOP l 2"),
        ("LMPOP 2 x l RIGHT COUNT 100", ""),
        ("LPOP l 0", ""),
        ("LREM m 0 none", ""),
        ("LTRIM m 0 -1", ""),
    ]);
}

#[test]
fn what_is_taken_from_one_of_several_sorted_sets_is_recorded_as_taken_from_that_one() {
    check(&[
        ("ZADD z 1 a 2 b 3 c 4 d 5 e 6 f", "ZADD z 1 a 2 b 3 c 4 d 5 e 6 f"),
        ("BZPOPMIN x z 0", "ZPOPMIN z"),
        ("BZPOPMAX x z 0", "ZPOPMAX z"),
        ("ZMPOP 2 x z MIN", "ZPOPMIN z 1"),
        ("BZMPOP 0 2 x z MAX COUNT 2", "ZPOPMAX z 2"),
        ("ZADD z XX 4 none", ""),
        ("ZADD z GT 1 c", ""),
        ("ZMPOP 2 x z MAX COUNT 100", "ZPOPMAX z 1"),
        ("ZMPOP 2 x z MAX COUNT 100", ""),
    ]);
}

#[test]
fn scores_come_to_the_same_whatever_the_encoding_is() {
    check(&[
        ("ZADD a 0.1 m -0 n 1 o 2 p", "ZADD a 0.1 m -0 n 1 o 2 p"),
        ("ZADD b 0.2 m -0 n", "ZADD b 0.2 m -0 n"),
        ("ZADD c 0.3 m 1e300 o -0 q inf r", "ZADD c 0.3 m 1e300 o -0 q inf r"),
        ("ZUNIONSTORE d 3 a b c", "ZUNIONSTORE d 3 a b c"),
        ("ZUNIONSTORE d 4 a b c d WEIGHTS 0.1 -1 3 7", "ZUNIONSTORE d 4 a b c d WEIGHTS 0.1 -1 3 7"),
        ("ZINTERSTORE e 3 c b a WEIGHTS -0 3 0.7", "ZINTERSTORE e 3 c b a WEIGHTS -0 3 0.7"),
        ("ZINCRBY d 0.1 m", "ZINCRBY d 0.1 m"),
        ("ZINCRBY d -0 n", ""),
        ("ZRANGESTORE f d 0 1", "ZRANGESTORE f d 0 1"),
        ("ZDIFFSTORE f 2 f d", "ZDIFFSTORE f 2 f d"),
        ("ZDIFFSTORE f 2 f d", ""),
        (
            "GEOADD g 13.361389 38.115556 a 15.087269 37.502669 b",
            "GEOADD g 13.361389 38.115556 a 15.087269 37.502669 b",
        ),
        (
            "GEOSEARCHSTORE h g FROMLONLAT 15 37 BYRADIUS 200 km COUNT 1 ANY STOREDIST",
            "GEOSEARCHSTORE h g FROMLONLAT 15 37 BYRADIUS 200 km COUNT 1 ANY STOREDIST",
        ),
        ("GEORADIUS g 15 37 200 km", ""),
    ]);
}

#[test]
fn what_each_client_that_waits_is_given_is_recorded_by_itself_behind_the_command_that_served_it() {
    let mut servers = Servers::new();
    for (client, line) in [(1, "BLMOVE a b LEFT RIGHT 0"), (2, "BLPOP x b 0")] {
        assert!(servers.run_as(client, line).is_empty());
    }
    assert_eq!(servers.run_as(0, "RPUSH a 1 2"), [["RPUSH a 1 2"], ["LMOVE a b LEFT RIGHT"], ["LPOP b"]]);
    for (client, line) in [(1, "BZPOPMAX x z 0"), (2, "BLMPOP 0 1 l LEFT COUNT 5")] {
        assert!(servers.run_as(client, line).is_empty());
    }
    for line in ["MULTI", "ZADD z 1 a", "RPUSH l 1", "ZADD z 2 b", "RPUSH l 2", "RPUSH l 3"] {
        assert!(servers.run(line).is_empty());
    }
    let transaction = ["ZADD z 1 a", "RPUSH l 1", "ZADD z 2 b", "RPUSH l 2", "RPUSH l 3"];
    assert_eq!(servers.run_as(0, "EXEC"), [&transaction[..], &["ZPOPMAX z"], &["LPOP l 3"]]);
}

#[test]
fn a_key_past_its_expiry_is_removed_before_what_comes_of_a_command() {
    let mut servers = check(&[("RPUSH l old", "RPUSH l old"), ("XADD s 1 f v", "XADD s 1 f v")]);
    let at_ms = NOW_MS + 1000;
    servers.run(&format!("PEXPIREAT l {at_ms}"));
    servers.run(&format!("PEXPIREAT s {at_ms}"));
    servers.run("RPUSH m 1");
    servers.wait(Duration::from_secs(2));
    let expected = ["removed s", "XADD s 1700000002000-0 f v"].join("\n");
    check_with(&mut servers, &[("BLPOP l m 0", "removed l\nLPOP m"), ("XADD s * f v", &expected)]);
}

#[test]
fn entries_are_recorded_under_the_identifier_that_they_got() {
    check(&[
        ("XADD s 5 f v", "XADD s 5 f v"),
        ("XADD s 5-* f v", "XADD s 5-1 f v"),
        ("XADD s * f v g w", "XADD s 1700000000000-0 f v g w"),
        ("XADD s NOMKSTREAM MAXLEN 2 * f v", "XADD s MAXLEN = 2 1700000000000-1 f v"),
        ("XADD none NOMKSTREAM * f v", ""),
        ("XADD s MAXLEN = 2 1700000000005 f v", "XADD s MAXLEN = 2 1700000000005 f v"),
        ("XADD s MAXLEN 0 * f v", "XADD s MAXLEN = 0 1700000000005-1 f v"),
        ("XDEL s 1-1", ""),
        ("XTRIM s MAXLEN 0", ""),
        (
            "XSETID s 1800000000000 ENTRIESADDED 9 MAXDELETEDID 7",
            "XSETID s 1800000000000 ENTRIESADDED 9 MAXDELETEDID 7",
        ),
    ]);
}

#[test]
fn approximate_trims_are_recorded_as_they_came_out() {
    let mut servers = Servers::new();
    for ms in 1..=10 {
        servers.run(&format!("XADD s {ms} f v"));
    }
    // The nodes of the server that records have three entries.
    check_with(
        &mut servers,
        &[
            ("XTRIM s MAXLEN ~ 8", ""),
            ("XTRIM s MAXLEN ~ 6", "XTRIM s MAXLEN = 7"),
            ("XTRIM s MINID ~ 6", ""),
            ("XTRIM s MINID ~ 9 LIMIT 3", "XTRIM s MINID = 7-0"),
            ("XTRIM s MINID 8", "XTRIM s MINID 8"),
            ("XADD s MAXLEN ~ 3 11 f v", "XADD s MAXLEN = 4 11-0 f v"),
            ("XADD s MINID ~ 10 LIMIT 100 * f v", "XADD s MINID = 10-0 1700000000000-0 f v"),
            ("XTRIM s MINID ~ 1700000000001", "XTRIM s MINID = 18446744073709551615-18446744073709551615"),
        ],
    );
    assert_eq!(servers.first.run("XLEN s"), b":0\r\n");
}

#[test]
fn what_a_consumer_is_given_is_recorded_entry_by_entry() {
    let mut servers = check(&[
        ("XGROUP CREATE s g $ MKSTREAM", "XGROUP CREATE s g $ MKSTREAM"),
        ("XADD s 1 f v", "XADD s 1 f v"),
        ("XADD s 2 f v", "XADD s 2 f v"),
        ("XADD s 3 f v", "XADD s 3 f v"),
        (
            "XREADGROUP GROUP g c COUNT 2 STREAMS s >",
            "XGROUP CREATECONSUMER s g c\n\
             XCLAIM s g c 0 1-0 2-0 TIME 1700000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 2-0\n\
             XGROUP SETID s g 2-0 ENTRIESREAD 2",
        ),
        ("XREADGROUP GROUP g d NOACK STREAMS s >", "XGROUP CREATECONSUMER s g d\nXGROUP SETID s g 3-0 ENTRIESREAD 3"),
        ("XREADGROUP GROUP g c STREAMS s >", ""),
        ("XREADGROUP GROUP g d STREAMS s 0", ""),
    ]);
    servers.wait(Duration::from_millis(5));
    check_with(
        &mut servers,
        &[
            // Delivered once more.
            (
                "XREADGROUP GROUP g c STREAMS s 1",
                "XCLAIM s g c 0 2-0 TIME 1700000000005 RETRYCOUNT 2 FORCE JUSTID LASTID 3-0",
            ),
            (
                "XREADGROUP GROUP g c STREAMS s 0",
                "XCLAIM s g c 0 1-0 TIME 1700000000005 RETRYCOUNT 2 FORCE JUSTID LASTID 3-0\n\
             XCLAIM s g c 0 2-0 TIME 1700000000005 RETRYCOUNT 3 FORCE JUSTID LASTID 3-0",
            ),
            ("XGROUP SETID s g 0", "XGROUP SETID s g 0"),
            ("XDEL s 2", "XDEL s 2"),
            // How many entries the group has read is not known any more.
            (
                "XREADGROUP GROUP g c COUNT 1 STREAMS s >",
                "XCLAIM s g c 0 1-0 TIME 1700000000005 RETRYCOUNT 1 FORCE JUSTID LASTID 1-0\n\
             XGROUP SETID s g 1-0 ENTRIESREAD -1",
            ),
            ("XACK s g 1 2 9", "XACK s g 1 2 9"),
            ("XACK s g 1 2 9", ""),
            ("XGROUP DELCONSUMER s g c", "XGROUP DELCONSUMER s g c"),
            ("XGROUP DELCONSUMER s g c", ""),
            ("XGROUP DESTROY s g", "XGROUP DESTROY s g"),
            ("XGROUP DESTROY s g", ""),
        ],
    );
}

#[test]
fn a_consumer_that_waits_is_recorded_when_it_is_made_and_when_it_is_served() {
    let mut servers = check(&[("XGROUP CREATE s g 0 MKSTREAM", "XGROUP CREATE s g 0 MKSTREAM")]);
    let made = servers.run_as(1, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >");
    assert_eq!(made, [["XGROUP CREATECONSUMER s g c"]]);
    let added = "XADD s 1700000000000-0 f v";
    let served = [
        "XCLAIM s g c 0 1700000000000-0 TIME 1700000000000 RETRYCOUNT 1 FORCE JUSTID LASTID 1700000000000-0",
        "XGROUP SETID s g 1700000000000-0 ENTRIESREAD 1",
    ];
    assert_eq!(servers.run_as(0, "XADD s * f v"), [&[added][..], &served]);
    assert!(servers.run_as(1, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >").is_empty());
    assert_eq!(servers.run("XGROUP DESTROY s g"), ["XGROUP DESTROY s g"]);
}

#[test]
fn claims_are_recorded_with_the_time_and_the_number_of_deliveries() {
    let mut servers = check(&[("XGROUP CREATE s g 0 MKSTREAM", "XGROUP CREATE s g 0 MKSTREAM")]);
    for ms in 1..=4 {
        servers.run(&format!("XADD s {ms} f v"));
    }
    servers.run("XREADGROUP GROUP g c COUNT 3 STREAMS s >");
    servers.wait(Duration::from_millis(1000));
    check_with(
        &mut servers,
        &[
            (
                "XCLAIM s g d 500 1 2 9 IDLE 100",
                "XGROUP CREATECONSUMER s g d\n\
             XCLAIM s g d 0 1-0 2-0 TIME 1700000000900 RETRYCOUNT 2 FORCE JUSTID LASTID 3-0",
            ),
            ("XCLAIM s g c 500 1 2", ""),
            (
                "XCLAIM s g c 0 1 4 FORCE RETRYCOUNT 7 LASTID 8",
                "XCLAIM s g c 0 1-0 4-0 TIME 1700000001000 RETRYCOUNT 7 FORCE JUSTID LASTID 8-0\n\
             XGROUP SETID s g 8-0 ENTRIESREAD 3",
            ),
            ("XCLAIM s g c 5000 1 LASTID 9", "XGROUP SETID s g 9-0 ENTRIESREAD 3"),
            ("XDEL s 2 4", "XDEL s 2 4"),
            ("XCLAIM s g c 0 2", "XACK s g 2-0"),
            (
                "XAUTOCLAIM s g e 0 - COUNT 10 JUSTID",
                "XGROUP CREATECONSUMER s g e\n\
             XACK s g 4-0\n\
             XCLAIM s g e 0 1-0 TIME 1700000001000 RETRYCOUNT 7 FORCE JUSTID LASTID 9-0\n\
             XCLAIM s g e 0 3-0 TIME 1700000001000 RETRYCOUNT 1 FORCE JUSTID LASTID 9-0",
            ),
            ("XAUTOCLAIM s g e 5000 -", ""),
        ],
    );
}

#[test]
fn long_deliveries_are_recorded_in_parts() {
    let mut servers = check(&[("XGROUP CREATE s g 0 MKSTREAM", "XGROUP CREATE s g 0 MKSTREAM")]);
    for ms in 1..=600 {
        let args: ArgsBuf = format!("XADD s {ms} f v").split(' ').collect();
        servers.first.execute(0, &args);
    }
    let groups = servers.first.take_groups();
    groups.iter().for_each(|group| assert_eq!(servers.second.repeat(group), Ok(())));
    let records = servers.run("XREADGROUP GROUP g c STREAMS s >");
    assert_eq!(records.len(), 4);
    assert!(records[2].starts_with("XCLAIM s g c 0 513-0 ") && records[2].ends_with(" LASTID 600-0"));
    assert_eq!(records[3], "XGROUP SETID s g 600-0 ENTRIESREAD 600");
}

#[test]
fn ranges_of_names_among_several_scores_are_recorded_by_their_ranks() {
    let mut servers = Servers::new();
    servers.run("ZADD z 1 d 2 h 3 a 4 f 5 b 6 g 7 c 8 e");
    assert_eq!(servers.run("ZRANGESTORE y z - + BYLEX"), ["ZRANGESTORE y z 0 7"]);
    assert_eq!(servers.run("ZRANGESTORE y z + - BYLEX REV LIMIT 1 2"), ["ZRANGESTORE y z 5 6"]);
    assert_eq!(servers.run("ZRANGESTORE y z [x [x BYLEX"), ["DEL y"]);
    assert!(servers.run("ZRANGESTORE y z [x [x BYLEX").is_empty());
    for min in "abcdefgh".chars() {
        for max in "abcdefgh".chars() {
            servers.run(&format!("ZRANGESTORE up z [{min} [{max} BYLEX"));
            servers.run(&format!("ZRANGESTORE down z ({max} [{min} BYLEX REV LIMIT 1 3"));
        }
    }
}

#[test]
fn sketches_are_the_same_bytes_whatever_the_limit_of_sparse_ones_is() {
    let with_limit = |bytes| {
        let mut config = Config::default();
        config.hll_sparse_max_bytes = bytes;
        config
    };
    for (first, second) in [(100, 3000), (3000, 100), (0, 3000), (3000, 0)] {
        let mut servers = Servers::with_config(with_limit(first), with_limit(second));
        for round in 0..40 {
            servers.run(&format!("PFADD h a{round} b{round} c{round}"));
            servers.run(&format!("PFADD g d{round}"));
            servers.run("PFCOUNT h");
            servers.run("PFMERGE merged h g");
        }
        servers.run("PFADD few a");
        servers.run("PFMERGE fresh few g");
        for line in ["PFCOUNT h", "PFCOUNT merged", "PFCOUNT fresh", "PFDEBUG ENCODING h"] {
            assert_eq!(servers.first.run(line), servers.second.run(line), "{line}");
        }
    }
}

#[test]
fn strings_are_as_long_as_their_records_say_whatever_a_client_may_send() {
    let mut small = Config::default();
    small.proto_max_bulk_len_bytes = 1 << 20;
    let mut servers = Servers::with_config(Config::default(), small);
    for line in [
        "SETBIT bits 8388608 1",
        "SETBIT bits 9000000 1",
        "BITFIELD fields SET u8 #1048576 7",
        "BITFIELD fields INCRBY u8 8388600 1 SET u16 8388599 5",
        "SETRANGE range 1048576 x",
    ] {
        assert_eq!(servers.run(line), [line]);
    }
}
