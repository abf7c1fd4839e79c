//! HyperLogLog commands.

use super::dialogue;
use crate::support::{Client, Server, against_redis, bulk, int, ok};

/// Adds numbers from a range, a hundred at a time.
fn add(client: &mut Client, key: &str, numbers: std::ops::Range<u32>) {
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    for part in numbers.chunks(100) {
        client.run(&format!("PFADD {key} {}", part.join(" ")));
    }
}

#[test]
fn pfadd_tells_whether_something_changed_and_pfcount_how_many_there_are() {
    dialogue(
        r#"
        > PFCOUNT missing
        :0
        > PFADD key
        :1
        > PFADD key
        :0
        > PFCOUNT key
        :0
        > STRLEN key
        :18
        > OBJECT ENCODING key
        "raw"
        > PFADD key a b c
        :1
        > PFADD key a b c
        :0
        > PFCOUNT key
        :3
        > PFADD key ""
        :1
        > PFCOUNT key
        :4
        > PFADD other b c d e
        :1
        > PFCOUNT key other missing
        :6
        > PFCOUNT missing missing
        :0
        > TYPE key
        +string
        > SET expires x PXAT 4000000000000
        +OK
        > DEL expires
        :1
        > PFADD
        -ERR wrong number of arguments for 'pfadd' command
        > PFCOUNT
        -ERR wrong number of arguments for 'pfcount' command
        "#,
    );
}

#[test]
fn a_sketch_has_the_bytes_that_redis_gives_it() {
    dialogue(
        r#"
        > PFADD key a
        :1
        > GET key
        "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80q\xa6\x84NW"
        > PFCOUNT key
        :1
        > GET key
        "HYLL\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00q\xa6\x84NW"
        > PFDEBUG DECODE key
        "Z:12711 v:2,1 Z:3672"
        "#,
    );
}

#[test]
fn pfmerge_makes_the_union() {
    dialogue(
        r#"
        > PFADD a 1 2 3
        :1
        > PFADD b 3 4 5
        :1
        > PFMERGE to a b missing
        +OK
        > PFCOUNT to
        :5
        > PFMERGE a b
        +OK
        > PFCOUNT a
        :5
        > PFMERGE alone
        +OK
        > PFCOUNT alone
        :0
        > PFDEBUG TODENSE b
        :1
        > PFMERGE third a b
        +OK
        > PFDEBUG ENCODING third
        +dense
        > PFCOUNT third
        :5
        > PFMERGE a b
        +OK
        > PFDEBUG ENCODING a
        +dense
        > PFCOUNT a
        :5
        > PFMERGE a to
        +OK
        > PFCOUNT a
        :5
        > PFMERGE
        -ERR wrong number of arguments for 'pfmerge' command
        "#,
    );
}

#[test]
fn pfdebug_shows_what_is_inside() {
    let server = Server::start();
    let mut client = server.client();
    client.transcript(
        r#"
        > PFDEBUG ENCODING missing
        -ERR The specified key does not exist
        > PFADD key a b
        :1
        > PFDEBUG ENCODING key
        +sparse
        > PFDEBUG decode key
        "Z:...
        > PFDEBUG BOGUS key
        -ERR Unknown PFDEBUG subcommand 'BOGUS'
        > PFDEBUG TODENSE key
        :1
        > PFDEBUG TODENSE key
        :0
        > PFDEBUG ENCODING key
        +dense
        > PFDEBUG DECODE key
        -ERR HLL encoding is not sparse
        > STRLEN key
        :12304
        > PFCOUNT key
        :2
        > PFADD key c
        :1
        > PFCOUNT key
        :3
        > PFADD sparse a b c
        :1
        > PFDEBUG
        -ERR wrong number of arguments for 'pfdebug' command
        "#,
    );
    let (dense, sparse) = (client.run("PFDEBUG GETREG key"), client.run("PFDEBUG GETREG sparse"));
    assert_eq!(dense.items().len(), 16_384);
    assert_eq!(dense, sparse);
    assert_eq!(client.run("PFDEBUG ENCODING sparse").text(), "dense");
}

#[test]
fn pfselftest_passes() {
    let server = Server::start();
    assert_eq!(server.client().run("PFSELFTEST"), ok());
}

#[test]
fn sketches_grow_dense_at_the_length_that_is_set() {
    let server = Server::start();
    let mut client = server.client();
    add(&mut client, "key", 0..500);
    assert_eq!(client.run("PFDEBUG ENCODING key").text(), "sparse");
    add(&mut client, "key", 500..20_000);
    assert_eq!(client.run("PFDEBUG ENCODING key").text(), "dense");
    let count = client.run("PFCOUNT key").integer();
    assert!((19_000..21_000).contains(&count), "{count}");
    client.run("CONFIG SET hll-sparse-max-bytes 200");
    add(&mut client, "other", 0..50);
    assert_eq!(client.run("PFDEBUG ENCODING other").text(), "sparse");
    add(&mut client, "other", 50..150);
    assert_eq!(client.run("PFDEBUG ENCODING other").text(), "dense");
    client.run("CONFIG SET hll-sparse-max-bytes 1mb");
    add(&mut client, "large", 0..10_000);
    assert_eq!(client.run("PFDEBUG ENCODING large").text(), "sparse");
    client.run("PFDEBUG TODENSE large");
    add(&mut client, "same", 0..10_000);
    assert_eq!(client.run("PFCOUNT same"), client.run("PFCOUNT large"));
}

#[test]
fn what_is_no_sketch_is_refused_and_left_alone() {
    dialogue(
        r#"
        > MSET text bar number 123 short HYLL long "HYLL\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
        +OK
        > RPUSH list a
        :1
        > PFADD text a
        -WRONGTYPE Key is not a valid HyperLogLog string value.
        > PFADD number a
        -WRONGTYPE Key is not a valid HyperLogLog string value.
        > PFADD short a
        -WRONGTYPE Key is not a valid HyperLogLog string value.
        > PFADD long a
        -WRONGTYPE Key is not a valid HyperLogLog string value.
        > PFADD list a
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > PFCOUNT text
        -WRONGTYPE Key is not a valid HyperLogLog string value.
        > PFCOUNT text missing
        -WRONGTYPE Key is not a valid HyperLogLog string value.
        > PFCOUNT list
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > PFMERGE to text
        -WRONGTYPE Key is not a valid HyperLogLog string value.
        > PFMERGE text missing
        -WRONGTYPE Key is not a valid HyperLogLog string value.
        > PFMERGE to list
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > PFDEBUG ENCODING number
        -WRONGTYPE Key is not a valid HyperLogLog string value.
        > EXISTS to
        :0
        > OBJECT ENCODING text
        "embstr"
        > OBJECT ENCODING number
        "int"
        "#,
    );
}

#[test]
fn corrupted_sketches_are_refused_and_left_alone() {
    if against_redis() {
        // Some commands of Redis get by with the part that is whole.
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    // The tail of one is cut off, one goes on behind its last register, and one has more registers than there are.
    for (tail, line) in [("", "SETRANGE key 17 \\x00"), ("hello", ""), ("\\xff\\xff", "")] {
        client.run("DEL key");
        client.run("PFADD key a b c");
        client.run(&format!("APPEND key \"{tail}\""));
        if !line.is_empty() {
            client.run(&line.replace("\\x00", "\"\\x00\""));
        }
        let before = client.run("GET key");
        for command in [
            "PFADD key d",
            "PFCOUNT key",
            "PFCOUNT key key",
            "PFMERGE to key",
            "PFMERGE key",
            "PFDEBUG GETREG key",
            "PFDEBUG TODENSE key",
            "PFDEBUG DECODE key",
        ] {
            assert_eq!(client.run(command).text(), "INVALIDOBJ Corrupted HLL object detected", "{command}");
        }
        assert_eq!(client.run("GET key"), before);
    }
    // A dense one is of one length.
    client.run("DEL key");
    client.run("PFADD key a b c");
    client.run("SETRANGE key 4 \"\\x00\"");
    assert_eq!(client.run("PFCOUNT key").text(), "WRONGTYPE Key is not a valid HyperLogLog string value.");
    // Registers that no element could have raised.
    let full = [&b"HYLL\0\0\0\0\0\0\0\0\0\0\0\x80"[..], &[0xff; 12_288]].concat();
    client.cmd(&[&b"SET"[..], b"full", &full]);
    assert_eq!(client.run("PFCOUNT full"), int(i64::MIN));
    assert_eq!(client.run("PFADD full a"), int(0));
    assert_eq!(client.run("PFCOUNT full missing"), int(i64::MIN));
}

#[test]
fn the_cached_cardinality_is_used_until_a_register_rises() {
    let server = Server::with_config("save ''");
    let mut client = server.client();
    let changes = || server.info_field("persistence", "rdb_changes_since_last_save");
    client.run("PFADD key a b c");
    assert_eq!(changes(), "4");
    client.run("PFCOUNT key");
    assert_eq!(changes(), "5");
    client.run("PFCOUNT key");
    assert_eq!(changes(), "5");
    client.run("SETRANGE key 8 \"\\x2a\"");
    assert_eq!(client.run("PFCOUNT key"), int(42));
    client.run("PFADD key a");
    assert_eq!(client.run("PFCOUNT key"), int(42));
    client.run("PFADD key d");
    assert_eq!(client.run("PFCOUNT key"), int(4));
    assert_eq!(client.run("GETRANGE key 8 15"), bulk(b"\x04\0\0\0\0\0\0\0"));
}

#[test]
fn pfcount_counts_as_a_read_and_changes_are_told() {
    let server = Server::with_config("notify-keyspace-events KEA");
    let mut client = server.client();
    let flags = client.run("COMMAND INFO PFCOUNT").items()[0].items()[2].texts();
    assert_eq!(flags, ["readonly"]);
    let mut listener = server.client();
    listener.run("PSUBSCRIBE __keyevent@0__:*");
    for line in ["PFADD a x y", "PFADD a x", "PFCOUNT a", "PFMERGE b a", "PFMERGE b a", "PFADD c", "PFDEBUG TODENSE c"]
    {
        client.run(line);
    }
    for event in ["pfadd a", "pfadd b", "pfadd b", "pfadd c"] {
        let message = listener.read().texts();
        let name = message[2].rsplit(':').next().expect("a channel").to_owned();
        assert_eq!(format!("{name} {}", message[3]), event);
    }
}

#[test]
fn sketches_outlive_a_restart() {
    let mut server = Server::start();
    let mut client = server.client();
    add(&mut client, "sparse", 0..700);
    add(&mut client, "dense", 0..9_000);
    let counts = [client.run("PFCOUNT sparse"), client.run("PFCOUNT dense"), client.run("PFCOUNT sparse dense")];
    client.run("PFADD tiny x");
    client.run("SAVE");
    server.kill_and_start_again();
    let mut client = server.client();
    assert_eq!([client.run("PFCOUNT sparse"), client.run("PFCOUNT dense"), client.run("PFCOUNT sparse dense")], counts);
    assert_eq!(client.run("PFADD tiny x"), int(0));
    assert_eq!(client.run("PFADD tiny y"), int(1));
    assert_eq!(client.run("PFCOUNT tiny"), int(2));
}

#[test]
fn a_new_sketch_has_no_estimate_yet() {
    let server = Server::start();
    let mut client = server.client();
    let header = |client: &mut Client, key: &str| client.run(&format!("GETRANGE {key} 0 15"));
    let stale = bulk(b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80");
    assert_eq!(client.run("PFADD empty"), int(1));
    assert_eq!(header(&mut client, "empty"), stale);
    assert_eq!(client.run("PFMERGE merged missing"), ok());
    assert_eq!(header(&mut client, "merged"), stale);
    assert_eq!(client.run("PFCOUNT empty"), int(0));
    assert_eq!(header(&mut client, "empty"), bulk(b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0"));
    // Nothing is new, so that the estimate still holds.
    assert_eq!(client.run("PFADD empty"), int(0));
    assert_eq!(header(&mut client, "empty"), bulk(b"HYLL\x01\0\0\0\0\0\0\0\0\0\0\0"));
}
