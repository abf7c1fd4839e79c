//! Commands on keys of any type.

use std::collections::BTreeSet;

use super::{dialogue, dialogue_resp3};
use crate::support::{Client, Server, against_redis, bulk, int, ok, wait_until};

#[test]
fn keys_are_deleted_counted_and_touched() {
    dialogue(
        r#"
        > MSET a 1 b 2 c 3 d 4
        +OK
        > EXISTS a
        :1
        > EXISTS a a missing b
        :3
        > TOUCH a b missing
        :2
        > DEL a missing
        :1
        > UNLINK b c missing
        :2
        > DBSIZE
        :1
        > DEL d d
        :1
        > DBSIZE
        :0
        > TYPE d
        +none
        > SET d x
        +OK
        > TYPE d
        +string
        > DEL
        -ERR wrong number of arguments for 'del' command
        > UNLINK
        -ERR wrong number of arguments for 'unlink' command
        > EXISTS
        -ERR wrong number of arguments for 'exists' command
        > TOUCH
        -ERR wrong number of arguments for 'touch' command
        > TYPE
        -ERR wrong number of arguments for 'type' command
        "#,
    );
}

#[test]
fn keys_matches_by_pattern() {
    let server = Server::start();
    let mut client = server.client();
    client.run("MSET hello 1 hallo 2 hxllo 3 hllo 4 heello 5 h[llo 6 other 7");
    let mut matching = |pattern: &str| {
        let mut found = client.cmd(&["KEYS", pattern]).texts();
        found.sort();
        found.join(" ")
    };
    assert_eq!(matching("*"), "h[llo hallo heello hello hllo hxllo other");
    assert_eq!(matching("h?llo"), "h[llo hallo hello hxllo");
    assert_eq!(matching("h*llo"), "h[llo hallo heello hello hllo hxllo");
    assert_eq!(matching("h[ae]llo"), "hallo hello");
    assert_eq!(matching("h[^e]llo"), "h[llo hallo hxllo");
    assert_eq!(matching("h[a-f]llo"), "hallo hello");
    assert_eq!(matching("h[f-a]llo"), "hallo hello");
    assert_eq!(matching(r"h\[llo"), "h[llo");
    assert_eq!(matching("hello"), "hello");
    assert_eq!(matching("hello?"), "");
    assert_eq!(matching("[h"), "");
    assert_eq!(matching(""), "");
}

#[test]
fn a_glob_of_many_stars_ends_soon() {
    let server = Server::start();
    let mut client = server.client();
    client.cmd(&["SET", &"a".repeat(100), "1"]);
    let pattern = "a*".repeat(50) + "b";
    assert_eq!(client.cmd(&["KEYS", &pattern]).items().len(), 0);
}

fn scan_all(client: &mut Client, options: &[&str]) -> Vec<String> {
    let mut cursor = "0".to_owned();
    let mut found = Vec::new();
    loop {
        let reply = client.cmd(&[&["SCAN", &cursor], options].concat());
        found.extend(reply.items()[1].texts());
        cursor = reply.items()[0].text();
        if cursor == "0" {
            return found;
        }
        assert!(found.len() < 1_000_000, "SCAN ends");
    }
}

#[test]
fn scan_returns_every_key_that_stays() {
    let server = Server::start();
    let mut client = server.client();
    client.run("DEBUG POPULATE 1000");
    let all: BTreeSet<_> = scan_all(&mut client, &[]).into_iter().collect();
    assert_eq!(all.len(), 1000);
    assert_eq!(scan_all(&mut client, &["COUNT", "100000"]).len(), 1000);
    let some: BTreeSet<_> = scan_all(&mut client, &["MATCH", "key:99*", "COUNT", "7"]).into_iter().collect();
    assert_eq!(some.len(), 11);
    assert_eq!(scan_all(&mut client, &["TYPE", "string", "MATCH", "key:1"]), ["key:1"]);
    assert!(scan_all(&mut client, &["TYPE", "list"]).is_empty());
    client.transcript(
        r#"
        > SCAN 0 COUNT 0
        -ERR syntax error
        > SCAN 0 COUNT x
        -ERR value is not an integer or out of range
        > SCAN 0 BOGUS
        -ERR syntax error
        > SCAN 0 MATCH
        -ERR syntax error
        > SCAN abc
        -ERR invalid cursor
        > SCAN
        -ERR wrong number of arguments for 'scan' command
        "#,
    );
}

#[test]
fn scan_keeps_its_promise_while_the_table_grows_and_shrinks() {
    let server = Server::start();
    let mut client = server.client();
    for at in 0..500 {
        client.cmd(&["SET", &format!("stay:{at}"), "v"]);
    }
    let mut cursor = "0".to_owned();
    let mut found = BTreeSet::new();
    let mut turn = 0;
    loop {
        let reply = client.cmd(&["SCAN", &cursor, "COUNT", "5"]);
        found.extend(reply.items()[1].texts().into_iter().filter(|key| key.starts_with("stay:")));
        cursor = reply.items()[0].text();
        if cursor == "0" {
            break;
        }
        turn += 1;
        // First the table grows under the cursor, then it shrinks again.
        let names: Vec<_> = (0..200).map(|at| format!("go:{}", (turn % 20) * 200 + at)).collect();
        for name in &names {
            if turn % 40 < 20 {
                client.cmd(&["SET", name, "v"])
            } else {
                client.cmd(&["DEL", name])
            };
        }
        assert!(turn < 10_000, "SCAN ends");
    }
    assert_eq!(found.len(), 500);
}

#[test]
fn randomkey_finds_every_key_sometimes() {
    let server = Server::start();
    let mut client = server.client();
    assert!(client.run("RANDOMKEY").is_null());
    client.run("MSET a 1 b 2 c 3");
    let mut seen = BTreeSet::new();
    for _ in 0..2000 {
        seen.insert(client.run("RANDOMKEY").text());
    }
    assert_eq!(seen.len(), 3);
}

#[test]
fn rename_moves_value_and_expiry() {
    dialogue(
        r#"
        > RENAME missing x
        -ERR no such key
        > SET a 1 EX 100
        +OK
        > SET b 2
        +OK
        > RENAME a b
        +OK
        > GET b
        "1"
        > TTL b
        :100
        > EXISTS a
        :0
        > RENAME b b
        +OK
        > GET b
        "1"
        > RENAMENX b b
        :0
        > SET c 3
        +OK
        > RENAMENX b c
        :0
        > RENAMENX b d
        :1
        > TTL d
        :100
        > RENAMENX missing x
        -ERR no such key
        > SET e 1
        +OK
        > SET f 1 EX 100
        +OK
        > RENAME e f
        +OK
        > TTL f
        :-1
        "#,
    );
}

#[test]
fn copy_takes_value_and_expiry_to_any_database() {
    dialogue(
        r#"
        > SET a 1 EX 100
        +OK
        > COPY a b
        :1
        > GET b
        "1"
        > TTL b
        :100
        > COPY a b
        :0
        > SET a 2
        +OK
        > COPY a b REPLACE
        :1
        > GET b
        "2"
        > TTL b
        :-1
        > COPY missing x
        :0
        > COPY a a
        -ERR source and destination objects are the same
        > COPY a a DB 3
        :1
        > COPY a a DB 3
        :0
        > COPY a a DB 3 REPLACE
        :1
        > COPY a x DB 99
        -ERR DB index is out of range
        > COPY a x DB notanumber
        -ERR value is not an integer or out of range
        > COPY a x BOGUS
        -ERR syntax error
        > SELECT 3
        +OK
        > GET a
        "2"
        > APPEND a x
        :2
        > SELECT 0
        +OK
        > GET a
        "2"
        "#,
    );
}

#[test]
fn move_takes_a_key_to_another_database() {
    dialogue(
        r#"
        > SET a 1 EX 100
        +OK
        > MOVE a 1
        :1
        > EXISTS a
        :0
        > MOVE a 1
        :0
        > SET a 2
        +OK
        > MOVE a 1
        :0
        > MOVE a 0
        -ERR source and destination objects are the same
        > MOVE a 16
        -ERR DB index is out of range
        > MOVE a -1
        -ERR DB index is out of range
        > MOVE a x
        -ERR value is not an integer or out of range
        > SELECT 1
        +OK
        > GET a
        "1"
        > TTL a
        :100
        "#,
    );
}

#[test]
fn expiry_is_set_read_and_removed_in_every_unit() {
    dialogue(
        r#"
        > TTL missing
        :-2
        > PTTL missing
        :-2
        > EXPIRETIME missing
        :-2
        > PEXPIRETIME missing
        :-2
        > SET key v
        +OK
        > TTL key
        :-1
        > PTTL key
        :-1
        > EXPIRETIME key
        :-1
        > PEXPIRETIME key
        :-1
        > EXPIRE key 100
        :1
        > TTL key
        :100
        > PEXPIRE key 200000
        :1
        > TTL key
        :200
        > EXPIREAT key 4000000000
        :1
        > EXPIRETIME key
        :4000000000
        > PEXPIRETIME key
        :4000000000000
        > PEXPIREAT key 4000000000999
        :1
        > PEXPIRETIME key
        :4000000000999
        > EXPIRETIME key
        :4000000001
        > PERSIST key
        :1
        > PERSIST key
        :0
        > PERSIST missing
        :0
        > TTL key
        :-1
        > EXPIRE missing 100
        :0
        > EXPIRE key abc
        -ERR value is not an integer or out of range
        > EXPIRE key 9223372036854775807
        -ERR invalid expire time in 'expire' command
        > EXPIRE key -9223372036854775808
        -ERR invalid expire time in 'expire' command
        > PEXPIRE key 9223372036854770000
        -ERR invalid expire time in 'pexpire' command
        > EXPIREAT key 9223372036854775807
        -ERR invalid expire time in 'expireat' command
        > PEXPIREAT key 9223372036854775807
        :1
        > PEXPIRETIME key
        :9223372036854775807
        > EXPIRE key -1
        :1
        > EXISTS key
        :0
        > SET key v
        +OK
        > EXPIREAT key 1
        :1
        > EXISTS key
        :0
        > SET key v
        +OK
        > EXPIRE key 0
        :1
        > EXISTS key
        :0
        > EXPIRE key
        -ERR wrong number of arguments for 'expire' command
        "#,
    );
}

#[test]
fn expiry_conditions_compare_with_the_expiry_that_is_there() {
    dialogue(
        r#"
        > SET key v
        +OK
        > EXPIRE key 100 XX
        :0
        > EXPIRE key 100 GT
        :0
        > EXPIRE key 200 LT
        :1
        > EXPIRE key 300 LT
        :0
        > EXPIRE key 100 NX
        :0
        > EXPIRE key 100 GT
        :0
        > EXPIRE key 300 GT
        :1
        > TTL key
        :300
        > EXPIRE key 100 XX
        :1
        > EXPIRE key 50 XX LT
        :1
        > EXPIRE key 20 XX GT
        :0
        > PEXPIRE key 900000 xx gt
        :1
        > EXPIREAT key 4000000000 GT
        :1
        > PEXPIREAT key 4100000000000 LT
        :0
        > PERSIST key
        :1
        > EXPIRE key 100 NX
        :1
        > EXPIRE key 1 NX XX
        -ERR NX and XX, GT or LT options at the same time are not compatible
        > EXPIRE key 1 NX GT
        -ERR NX and XX, GT or LT options at the same time are not compatible
        > EXPIRE key 1 GT LT
        -ERR GT and LT options at the same time are not compatible
        > EXPIRE key 1 BOGUS
        -ERR Unsupported option BOGUS
        > TTL key
        :100
        "#,
    );
}

#[test]
fn expired_keys_vanish_without_being_read() {
    let server = Server::start();
    let mut client = server.client();
    for at in 0..500 {
        client.cmd(&["SET", &format!("key:{at}"), "v", "PX", "50"]);
    }
    client.run("SET stays v");
    wait_until("active expiry has removed what nobody reads", 20, || client.run("DBSIZE") == int(1));
    let stats = server.info("stats");
    assert_eq!(stats["expired_keys"], "500");
}

#[test]
fn active_expiry_can_be_switched_off_and_lazy_expiry_still_works() {
    let server = Server::start();
    let mut client = server.client();
    client.transcript("> DEBUG SET-ACTIVE-EXPIRE 0\n+OK\n> SET key v PX 1\n+OK\n> SET other v PX 1\n+OK");
    std::thread::sleep(std::time::Duration::from_millis(300));
    client.transcript(
        r#"
        > DBSIZE
        :2
        > GET key
        nil
        > DBSIZE
        :1
        > SCAN 0
        ["0", []]
        > KEYS *
        []
        > RANDOMKEY
        nil
        > DEL other
        :0
        > DEBUG SET-ACTIVE-EXPIRE 1
        +OK
        "#,
    );
}

#[test]
fn dump_and_restore_carry_a_value_with_its_expiry() {
    let server = Server::start();
    let mut client = server.client();
    assert!(client.run("DUMP missing").is_null());
    for value in ["", "short", "12345", "-7", "70000", "9223372036854775807", &"compressible ".repeat(40)] {
        client.cmd(&["SET", "key", value]);
        let payload = client.run("DUMP key").bytes();
        assert_eq!(client.cmd(&[b"RESTORE".as_slice(), b"copy", b"0", &payload, b"REPLACE"]), ok());
        assert_eq!(client.run("GET copy"), bulk(value));
        assert_eq!(client.run("TTL copy"), int(-1));
    }
    client.run("SET key value");
    let payload = client.run("DUMP key").bytes();
    let restore = |client: &mut Client, name: &str, ttl: &str, options: &[&str]| {
        let mut args = vec![b"RESTORE".to_vec(), name.as_bytes().to_vec(), ttl.as_bytes().to_vec(), payload.clone()];
        args.extend(options.iter().map(|option| option.as_bytes().to_vec()));
        crate::support::render(&client.cmd(&args))
    };
    assert_eq!(restore(&mut client, "ttl", "100000", &[]), "+OK");
    assert_eq!(client.run("TTL ttl"), int(100));
    assert_eq!(restore(&mut client, "abs", "4000000000123", &["ABSTTL"]), "+OK");
    assert_eq!(client.run("PEXPIRETIME abs"), int(4_000_000_000_123));
    assert_eq!(restore(&mut client, "past", "1", &["ABSTTL"]), "+OK");
    assert_eq!(client.run("EXISTS past"), int(0));
    assert_eq!(restore(&mut client, "key", "0", &[]), "-BUSYKEY Target key name already exists.");
    assert_eq!(restore(&mut client, "key", "0", &["REPLACE"]), "+OK");
    assert_eq!(restore(&mut client, "idle", "0", &["IDLETIME", "1000"]), "+OK");
    let idle = client.run("OBJECT IDLETIME idle").integer();
    assert!((1000..1010).contains(&idle), "idle for {idle} s");
    assert_eq!(restore(&mut client, "x", "0", &["IDLETIME", "-1"]), "-ERR Invalid IDLETIME value, must be >= 0");
    assert_eq!(restore(&mut client, "x", "0", &["FREQ", "256"]), "-ERR Invalid FREQ value, must be >= 0 and <= 255");
    assert_eq!(restore(&mut client, "x", "0", &["BOGUS"]), "-ERR syntax error");
    assert_eq!(restore(&mut client, "x", "-1", &[]), "-ERR Invalid TTL value, must be >= 0");
    assert_eq!(restore(&mut client, "x", "abc", &[]), "-ERR value is not an integer or out of range");
    assert_eq!(client.run("EXISTS x"), int(0));
    client.transcript("> CONFIG SET maxmemory-policy allkeys-lfu\n+OK");
    assert_eq!(restore(&mut client, "freq", "0", &["FREQ", "100"]), "+OK");
    assert_eq!(client.run("OBJECT FREQ freq"), int(100));
}

#[test]
fn a_damaged_restore_payload_is_refused() {
    let server = Server::start();
    let mut client = server.client();
    let refused = "ERR DUMP payload version or checksum are wrong";
    client.run("SET key value");
    let payload = client.run("DUMP key").bytes();
    for length in 0..payload.len() {
        let reply = client.cmd(&[b"RESTORE".as_slice(), b"copy", b"0", &payload[..length]]);
        assert_eq!(reply, crate::support::err(refused), "cut to {length} bytes");
    }
    let mut longer = payload.clone();
    longer.push(0);
    assert_eq!(client.cmd(&[b"RESTORE".as_slice(), b"copy", b"0", &longer]), crate::support::err(refused));
    // A version from the future, with the right checksum.
    let mut body = payload[..payload.len() - 10].to_vec();
    body.extend_from_slice(&200u16.to_le_bytes());
    let checksum = crc64::crc64(0, &body);
    body.extend_from_slice(&checksum.to_le_bytes());
    assert_eq!(client.cmd(&[b"RESTORE".as_slice(), b"copy", b"0", &body]), crate::support::err(refused));
    assert_eq!(client.run("EXISTS copy"), int(0));
}

/// A payload of RESTORE; without a checksum of its own it gets the right one.
fn sealed(body: &[u8], version: u16, checksum: Option<u64>) -> Vec<u8> {
    let body = [body, &version.to_le_bytes()].concat();
    let checksum = checksum.unwrap_or_else(|| crc64::crc64(0, &body));
    [&body[..], &checksum.to_le_bytes()].concat()
}

#[test]
fn payloads_of_valkey_9_are_restored() {
    if against_redis() {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    let mut restore =
        |key: &str, payload: &[u8]| client.cmd(&[b"RESTORE".as_slice(), key.as_bytes(), b"0", payload, b"REPLACE"]);
    assert_eq!(restore("string", &sealed(b"\x00\x03abc", 80, None)), ok());
    let mut hash = b"\x16\x02\x01f\x01v".to_vec();
    hash.extend_from_slice(&4_102_444_800_000u64.to_le_bytes());
    hash.extend_from_slice(b"\x01g\x01w\xff\xff\xff\xff\xff\xff\xff\xff");
    assert_eq!(restore("hash", &sealed(&hash, 80, None)), ok());
    // The same byte is another type in a payload of Redis.
    assert!(restore("other", &sealed(&hash, 12, None)).is_error());
    assert_eq!(restore("unchecked", &sealed(b"\x00\x03abc", 15, Some(0))), ok());
    let refused = crate::support::err("ERR DUMP payload version or checksum are wrong");
    for version in [0, 16, 79, 81, 200] {
        assert_eq!(restore("other", &sealed(b"\x00\x03abc", version, None)), refused, "{version}");
    }
    assert_eq!(restore("other", &sealed(b"\x00\x03abc", 80, Some(1))), refused);
    assert!(server.log().contains("RESTORE: unsupported RDB version 81 at offset 5: written by Valkey 9.2 or later"));
    let mut client = server.client();
    assert_eq!(client.run("MGET string unchecked").texts(), ["abc", "abc"]);
    assert_eq!(client.run("EXISTS other"), int(0));
    assert_eq!(client.run("HPEXPIRETIME hash FIELDS 2 f g").items(), [int(4_102_444_800_000), int(-1)]);
}

#[test]
fn a_forged_sorted_set_is_refused_or_put_in_order() {
    let server = Server::start();
    let mut client = server.client();
    client.run("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1");
    let mut restore = |pairs: [(u8, u8); 3]| {
        // A listpack of one-letter members and small scores, in the frame of DUMP.
        let mut payload = b"\x11\x16\x16\0\0\0\x06\0".to_vec();
        pairs.iter().for_each(|(member, score)| payload.extend([0x81, *member, 2, *score, 1]));
        payload.extend([0xFF, 0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        client.cmd(&[&b"RESTORE"[..], b"z", b"0", &payload, b"REPLACE"])
    };
    assert_eq!(restore([(b'a', 1), (b'a', 2), (b'b', 3)]), crate::support::err("ERR Bad data format"));
    assert_eq!(restore([(b'b', 9), (b'a', 9), (b'c', 3)]), ok());
    let mut client = server.client();
    client.transcript(
        r#"
        > ZRANGE z 0 -1
        ["c", "a", "b"]
        > ZRANGEBYSCORE z 2 4
        ["c"]
        > ZADD z 5 d
        :1
        > ZRANGE z 0 -1
        ["c", "d", "a", "b"]
        > OBJECT ENCODING z
        "listpack"
        "#,
    );
}

#[test]
fn what_is_wrong_with_a_payload_is_logged() {
    let server = Server::start();
    let mut client = server.client();
    client.run("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1");
    let envelope = [0x0A, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let cases: [(&[u8], &str); 9] = [
        // A sorted set's ziplist of one byte, a zipmap without an end, a list with an empty node, two bytes more than a
        // string, and a type that nobody has.
        (b"\x0c\x01x", "RESTORE: Zset ziplist integrity check failed: "),
        (b"\x09\x01\x00", "RESTORE: Zipmap integrity check failed: "),
        (b"\x12\x01\x01\x00", "RESTORE: List quicklist 2 integrity check failed: "),
        (b"\x00\x01abc", "RESTORE: String integrity check failed: invalid value at offset 3"),
        (b"\x1f\x01a", "RESTORE: Payload integrity check failed: unknown type byte 31 at offset 0"),
        // A zipmap whose field, whose value has a length of five bytes where one does, and a field of four gigabytes; a
        // string of almost 2^64 bytes.
        (b"\x09\x0c\x01\xfe\x01\0\0\0k\x01\0v\xff\0\0", "RESTORE: Zipmap integrity check failed: "),
        (b"\x09\x0c\x01\x01k\xfe\x01\0\0\0\0v\xff\0\0\0", "RESTORE: Zipmap integrity check failed: "),
        (b"\x09\x0a\x01\xfe\xfe\xff\xff\xffk\x01\0\xff", "RESTORE: Zipmap integrity check failed: "),
        (b"\x00\x81\xff\xff\xff\xff\xff\xff\xff\xf7", "RESTORE: String integrity check failed: "),
    ];
    for (value, logged) in cases {
        let payload = [value, &envelope].concat();
        let reply = client.cmd(&[b"RESTORE".as_slice(), b"key", b"0", &payload]);
        assert_eq!(reply, crate::support::err("ERR Bad data format"));
        if !against_redis() {
            server.wait_for_log(logged);
        }
    }
    assert_eq!(client.run("EXISTS key"), int(0));
}

/// Whoever pops one of two entries that share their owner must not leave the other without one.
#[test]
fn payload_in_which_two_consumers_wait_for_one_entry_is_refused() {
    let server = Server::start();
    let mut client = server.client();
    client.run("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1");
    client.pipeline(&[
        "XADD stream 1-0 field value",
        "XADD stream 2-0 field value",
        "XGROUP CREATE stream group 0",
        "XREADGROUP GROUP group one COUNT 1 STREAMS stream >",
        "XREADGROUP GROUP group two COUNT 1 STREAMS stream >",
    ]);
    let mut payload = client.run("DUMP stream").bytes();
    assert_eq!(client.cmd(&[b"RESTORE".as_slice(), b"copy", b"0", &payload]), ok());
    let of_second = [0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0];
    let at = payload.windows(16).rposition(|bytes| bytes == of_second).expect("what the second consumer waits for");
    payload[at + 7] = 1;
    let reply = client.cmd(&[b"RESTORE".as_slice(), b"forged", b"0", &payload]);
    assert_eq!(reply, crate::support::err("ERR Bad data format"));
    assert_eq!(client.run("EXISTS forged"), int(0));
}

#[test]
fn object_tells_encoding_idle_time_and_references() {
    dialogue(
        r#"
        > MSET int 12345 short abc
        +OK
        > SET long aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        +OK
        > OBJECT ENCODING int
        "int"
        > OBJECT ENCODING short
        "embstr"
        > OBJECT ENCODING long
        "raw"
        > SET edge aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
        +OK
        > OBJECT ENCODING edge
        "embstr"
        > APPEND short d
        :4
        > OBJECT ENCODING short
        "raw"
        > SET float 1.5
        +OK
        > OBJECT ENCODING float
        "embstr"
        > SET big 9223372036854775808
        +OK
        > OBJECT ENCODING big
        "embstr"
        > OBJECT REFCOUNT short
        :1
        > OBJECT IDLETIME short
        :0
        > OBJECT ENCODING missing
        nil
        > OBJECT IDLETIME missing
        nil
        > OBJECT REFCOUNT missing
        nil
        > OBJECT FREQ short
        -ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.
        > CONFIG SET maxmemory-policy volatile-lfu
        +OK
        > OBJECT IDLETIME short
        -ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at runtime LRU and LFU data will take some time to adjust.
        > OBJECT FREQ missing
        nil
        > OBJECT BOGUS key
        -ERR unknown subcommand 'BOGUS'. Try OBJECT HELP.
        > OBJECT ENCODING
        -ERR wrong number of arguments for 'object|encoding' command
        > OBJECT
        -ERR wrong number of arguments for 'object' command
        > OBJECT HELP
        [+OBJECT <subcommand> ...
        "#,
    );
}

#[test]
fn memory_usage_grows_with_the_value() {
    let server = Server::start();
    let mut client = server.client();
    assert!(client.run("MEMORY USAGE missing").is_null());
    client.cmd(&["SET", "small", "x"]);
    client.cmd(&["SET", "large", &"x".repeat(10_000)]);
    let small = client.run("MEMORY USAGE small").integer();
    let large = client.run("MEMORY USAGE large SAMPLES 5").integer();
    assert!((16..200).contains(&small), "a small key takes {small} bytes");
    assert!((10_000..16_000).contains(&large), "a large key takes {large} bytes");
    client.transcript(
        r#"
        > MEMORY USAGE large SAMPLES
        -ERR syntax error
        > MEMORY USAGE large SAMPLES -1
        -ERR syntax error
        > MEMORY USAGE large SAMPLES x
        -ERR value is not an integer or out of range
        > MEMORY BOGUS
        -ERR unknown subcommand 'BOGUS'. Try MEMORY HELP.
        > MEMORY HELP
        [+MEMORY <subcommand> ...
        > MEMORY PURGE
        +OK
        > MEMORY DOCTOR
        ...
        > MEMORY STATS
        ["peak.allocated", ...
        > MEMORY MALLOC-STATS
        ...
        "#,
    );
}

#[test]
fn databases_are_apart_and_can_be_swapped() {
    dialogue(
        r#"
        > SET a zero
        +OK
        > SELECT 1
        +OK
        > GET a
        nil
        > SET a one
        +OK
        > SET b one
        +OK
        > DBSIZE
        :2
        > SWAPDB 0 1
        +OK
        > GET a
        "zero"
        > SELECT 0
        +OK
        > DBSIZE
        :2
        > SWAPDB 0 0
        +OK
        > SWAPDB 0 16
        -ERR DB index is out of range
        > SWAPDB x 1
        -ERR invalid first DB index
        > SWAPDB 1 x
        -ERR invalid second DB index
        > SELECT 16
        -ERR DB index is out of range
        > SELECT -1
        -ERR DB index is out of range
        > SELECT x
        -ERR value is not an integer or out of range
        > FLUSHDB
        +OK
        > DBSIZE
        :0
        > SELECT 1
        +OK
        > DBSIZE
        :1
        > FLUSHDB ASYNC
        +OK
        > SET a 1
        +OK
        > FLUSHDB SYNC
        +OK
        > SET a 1
        +OK
        > SELECT 2
        +OK
        > SET a 1
        +OK
        > FLUSHALL BOGUS
        -ERR syntax error
        > FLUSHALL SYNC
        +OK
        > DBSIZE
        :0
        > SET a 1
        +OK
        > FLUSHALL ASYNC
        +OK
        > FLUSHALL
        +OK
        > DBSIZE
        :0
        > FLUSHDB a b
        -ERR syntax error
        "#,
    );
}

#[test]
fn key_commands_take_their_resp3_forms() {
    dialogue_resp3(
        r#"
        > DUMP missing
        _
        > RANDOMKEY
        _
        > OBJECT ENCODING missing
        _
        > SET key v
        +OK
        > SCAN 0
        ["0", ["key"]]
        > MEMORY USAGE missing
        _
        > MEMORY STATS
        {"peak.allocated": ...
        "#,
    );
}
