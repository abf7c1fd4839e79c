//! String commands.

use super::{dialogue, dialogue_resp3};
use crate::support::{Server, bulk, err, int, ok, wait_until};

#[test]
fn set_and_get_round_trip_and_overwrite() {
    dialogue(
        r#"
        > GET key
        nil
        > SET key value
        +OK
        > GET key
        "value"
        > SET key "with space\r\n\x00\xff"
        +OK
        > GET key
        "with space\r\n\x00\xff"
        > SET key ""
        +OK
        > GET key
        ""
        > STRLEN key
        :0
        "#,
    );
}

#[test]
fn set_conditions_decide_and_get_returns_the_old_value() {
    dialogue(
        r#"
        > SET key 1 XX
        nil
        > SET key 1 NX
        +OK
        > SET key 2 nx
        nil
        > SET key 2 XX
        +OK
        > SET key 3 GET
        "2"
        > SET fresh 1 GET
        nil
        > GET fresh
        "1"
        > SET key 4 NX GET
        "3"
        > GET key
        "3"
        > SET absent 4 NX GET
        nil
        > GET absent
        "4"
        > SET key 5 XX GET
        "3"
        > SET key 5 NX XX
        -ERR syntax error
        > SET key 5 XX NX
        -ERR syntax error
        > SET key 5 BOGUS
        -ERR syntax error
        > SET key 5 EX
        -ERR syntax error
        > SET key
        -ERR wrong number of arguments for 'set' command
        "#,
    );
}

#[test]
fn set_takes_every_form_of_expiry_and_only_one() {
    dialogue(
        r#"
        > SET key v EX 100
        +OK
        > TTL key
        :100
        > SET key v PX 100000
        +OK
        > TTL key
        :100
        > SET key v EXAT 4000000000
        +OK
        > EXPIRETIME key
        :4000000000
        > SET key v PXAT 4000000000123
        +OK
        > PEXPIRETIME key
        :4000000000123
        > SET key w KEEPTTL
        +OK
        > PEXPIRETIME key
        :4000000000123
        > SET key w
        +OK
        > TTL key
        :-1
        > SET key v EX 10 PX 10
        -ERR syntax error
        > SET key v EX 10 KEEPTTL
        -ERR syntax error
        > SET key v EXAT 10 EX 10
        -ERR syntax error
        > SET key v PERSIST
        -ERR syntax error
        > SET key v EX 0
        -ERR invalid expire time in 'set' command
        > SET key v EX -1
        -ERR invalid expire time in 'set' command
        > SET key v PX 0
        -ERR invalid expire time in 'set' command
        > SET key v EXAT 0
        -ERR invalid expire time in 'set' command
        > SET key v PXAT -5
        -ERR invalid expire time in 'set' command
        > SET key v EX 9223372036854775807
        -ERR invalid expire time in 'set' command
        > SET key v PX 9223372036854775807
        -ERR invalid expire time in 'set' command
        > SET key v EX ten
        -ERR value is not an integer or out of range
        > SET past v EXAT 1
        +OK
        > GET past
        nil
        > EXISTS past
        :0
        > SET failed v NX EX 0
        -ERR invalid expire time in 'set' command
        > EXISTS failed
        :0
        "#,
    );
}

#[test]
fn setnx_setex_psetex_and_getset_behave_as_their_set_forms() {
    dialogue(
        r#"
        > SETNX key 1
        :1
        > SETNX key 2
        :0
        > GET key
        "1"
        > SETEX key 100 v
        +OK
        > TTL key
        :100
        > PSETEX key 100000 v
        +OK
        > TTL key
        :100
        > SETEX key 0 v
        -ERR invalid expire time in 'setex' command
        > SETEX key -10 v
        -ERR invalid expire time in 'setex' command
        > PSETEX key 0 v
        -ERR invalid expire time in 'psetex' command
        > SETEX key x v
        -ERR value is not an integer or out of range
        > GETSET key new
        "v"
        > TTL key
        :-1
        > GETSET other new
        nil
        > GET other
        "new"
        > SETNX key
        -ERR wrong number of arguments for 'setnx' command
        > SETEX key 10
        -ERR wrong number of arguments for 'setex' command
        "#,
    );
}

#[test]
fn getex_changes_the_expiry_and_getdel_removes() {
    dialogue(
        r#"
        > GETEX missing EX 10
        nil
        > SET key v
        +OK
        > GETEX key
        "v"
        > TTL key
        :-1
        > GETEX key EX 100
        "v"
        > TTL key
        :100
        > GETEX key PX 200000
        "v"
        > TTL key
        :200
        > GETEX key EXAT 4000000000
        "v"
        > EXPIRETIME key
        :4000000000
        > GETEX key PXAT 4000000000999
        "v"
        > PEXPIRETIME key
        :4000000000999
        > GETEX key
        "v"
        > PEXPIRETIME key
        :4000000000999
        > GETEX key PERSIST
        "v"
        > TTL key
        :-1
        > GETEX key EX 10 PERSIST
        -ERR syntax error
        > GETEX key KEEPTTL
        -ERR syntax error
        > GETEX key NX
        -ERR syntax error
        > GETEX key EX 0
        -ERR invalid expire time in 'getex' command
        > GETEX key EX
        -ERR syntax error
        > GETEX key EXAT 1
        "v"
        > EXISTS key
        :0
        > GETDEL key
        nil
        > SET key v
        +OK
        > GETDEL key
        "v"
        > EXISTS key
        :0
        > GETDEL
        -ERR wrong number of arguments for 'getdel' command
        "#,
    );
}

#[test]
fn ranges_count_from_both_ends_and_are_clamped() {
    dialogue(
        r#"
        > SET key "Hello World"
        +OK
        > GETRANGE key 0 4
        "Hello"
        > GETRANGE key -5 -1
        "World"
        > GETRANGE key 0 -1
        "Hello World"
        > GETRANGE key 5 3
        ""
        > GETRANGE key 3 5000
        "lo World"
        > GETRANGE key -5000 10000
        "Hello World"
        > GETRANGE key 0 -5000
        "H"
        > GETRANGE key -1 -5
        ""
        > GETRANGE missing 0 -1
        ""
        > SUBSTR key 0 1
        "He"
        > SET number 1234
        +OK
        > GETRANGE number 1 2
        "23"
        > GETRANGE number 0 2
        "123"
        > GETRANGE key a b
        -ERR value is not an integer or out of range
        > SUBSTR key 0
        -ERR wrong number of arguments for 'substr' command
        "#,
    );
}

#[test]
fn setrange_and_append_grow_a_string() {
    dialogue(
        r#"
        > SETRANGE missing 0 ""
        :0
        > EXISTS missing
        :0
        > SETRANGE key 3 abc
        :6
        > GET key
        "\x00\x00\x00abc"
        > SETRANGE key 0 xy
        :6
        > GET key
        "xy\x00abc"
        > SETRANGE key 1 ""
        :6
        > SETRANGE key -1 x
        -ERR offset is out of range
        > SETRANGE key 536870911 xx
        -ERR string exceeds maximum allowed size (proto-max-bulk-len)
        > SETRANGE key 9223372036854775807 x
        -ERR string exceeds maximum allowed size (proto-max-bulk-len)
        > SETRANGE key one x
        -ERR value is not an integer or out of range
        > SET number 1234
        +OK
        > SETRANGE number 1 9
        :4
        > GET number
        "1934"
        > APPEND number 5
        :5
        > GET number
        "19345"
        > INCR number
        :19346
        > APPEND new abc
        :3
        > APPEND new ""
        :3
        > GET new
        "abc"
        > STRLEN new
        :3
        > STRLEN number
        :5
        > STRLEN nowhere
        :0
        "#,
    );
}

#[test]
fn append_past_the_largest_string_is_refused() {
    let server = Server::with_config("proto-max-bulk-len 1mb");
    let mut client = server.client();
    let big = vec![b'x'; 1024 * 1024];
    assert_eq!(client.cmd(&[b"SET".as_slice(), b"key", &big]), ok());
    let refused = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    client
        .transcript(&format!("> APPEND key x\n{refused}\n> SETRANGE key 1048576 x\n{refused}\n> STRLEN key\n:1048576"));
    if !crate::support::against_redis() {
        // A prefix of that length may be sent, but not a key that is made of it.
        let populated = client.cmd(&[b"DEBUG".as_slice(), b"POPULATE", b"1", &big]);
        assert_eq!(populated, err("ERR string exceeds maximum allowed size (proto-max-bulk-len)"));
        assert_eq!(client.run("DBSIZE"), int(1));
    }
}

#[test]
fn counters_count_within_64_bits() {
    dialogue(
        r#"
        > INCR key
        :1
        > INCR key
        :2
        > INCRBY key 40
        :42
        > DECR key
        :41
        > DECRBY key 41
        :0
        > INCRBY key -5
        :-5
        > DECRBY key -5
        :0
        > GET key
        "0"
        > SET key 9223372036854775807
        +OK
        > INCR key
        -ERR increment or decrement would overflow
        > GET key
        "9223372036854775807"
        > SET key -9223372036854775808
        +OK
        > DECR key
        -ERR increment or decrement would overflow
        > DECRBY key -9223372036854775808
        -ERR decrement would overflow
        > INCRBY key 9223372036854775808
        -ERR value is not an integer or out of range
        > INCRBY key 1.5
        -ERR value is not an integer or out of range
        > SET key " 11"
        +OK
        > INCR key
        -ERR value is not an integer or out of range
        > SET key "11 "
        +OK
        > INCR key
        -ERR value is not an integer or out of range
        > SET key 011
        +OK
        > INCR key
        -ERR value is not an integer or out of range
        > SET key +1
        +OK
        > INCR key
        -ERR value is not an integer or out of range
        > SET key -0
        +OK
        > INCR key
        -ERR value is not an integer or out of range
        > SET key ""
        +OK
        > INCR key
        -ERR value is not an integer or out of range
        > SET key 17179869184 EX 100
        +OK
        > INCR key
        :17179869185
        > TTL key
        :100
        "#,
    );
}

#[test]
fn incrbyfloat_prints_as_redis_does() {
    dialogue(
        r#"
        > INCRBYFLOAT key 1
        "1"
        > INCRBYFLOAT key 0.25
        "1.25"
        > SET key 0.1
        +OK
        > INCRBYFLOAT key 0.2
        "0.3"
        > SET key 1.5
        +OK
        > INCRBYFLOAT key 1.5
        "3"
        > SET key 3.0e3
        +OK
        > INCRBYFLOAT key 200
        "3200"
        > SET key 17179869184
        +OK
        > INCRBYFLOAT key 1.5
        "17179869185.5"
        > SET key 1
        +OK
        > INCRBYFLOAT key -1.1
        "-0.1"
        > INCRBYFLOAT key 0.1
        "0"
        > SET key " 1"
        +OK
        > INCRBYFLOAT key 1
        -ERR value is not a valid float
        > SET key 1
        +OK
        > INCRBYFLOAT key abc
        -ERR value is not a valid float
        > INCRBYFLOAT key inf
        -ERR increment would produce NaN or Infinity
        > INCRBYFLOAT key nan
        -ERR value is not a valid float
        > SET key 5.0e3
        +OK
        > INCRBYFLOAT key 2.0e2
        "5200"
        > SET key 10.50
        +OK
        > INCRBYFLOAT key 0.1
        "10.6"
        > INCRBYFLOAT key -5
        "5.6"
        > TYPE key
        +string
        > SET keep 1 EX 100
        +OK
        > INCRBYFLOAT keep 1.5
        "2.5"
        > TTL keep
        :100
        "#,
    );
}

#[test]
fn many_keys_are_set_and_read_at_once() {
    dialogue(
        r#"
        > MSET a 1 b 2 a 3
        +OK
        > MGET a b missing a
        ["3", "2", nil, "3"]
        > MSET a
        -ERR wrong number of arguments for 'mset' command
        > MSET a 1 b
        -ERR wrong number of arguments for 'mset' command
        > MSETNX a 1 c 2
        :0
        > EXISTS c
        :0
        > MSETNX c 1 d 2 c 3
        :1
        > MGET c d
        ["3", "2"]
        > MSETNX x 1 y
        -ERR wrong number of arguments for 'msetnx' command
        > SET a 1 EX 100
        +OK
        > MSET a 2
        +OK
        > TTL a
        :-1
        > MGET
        -ERR wrong number of arguments for 'mget' command
        "#,
    );
}

#[test]
fn lcs_finds_the_longest_common_subsequence() {
    dialogue(
        r#"
        > MSET a ohmytext b mynewtext
        +OK
        > LCS a b
        "mytext"
        > LCS a b LEN
        :6
        > LCS a b IDX
        ["matches", [[[:4, :7], [:5, :8]], [[:2, :3], [:0, :1]]], "len", :6]
        > LCS a b IDX MINMATCHLEN 4
        ["matches", [[[:4, :7], [:5, :8]]], "len", :6]
        > LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN
        ["matches", [[[:4, :7], [:5, :8], :4]], "len", :6]
        > LCS a b IDX MINMATCHLEN -10 WITHMATCHLEN
        ["matches", [[[:4, :7], [:5, :8], :4], [[:2, :3], [:0, :1], :2]], "len", :6]
        > LCS a b IDX LEN
        -ERR If you want both the length and indexes, please just use IDX.
        > LCS a b BOGUS
        -ERR syntax error
        > LCS a b MINMATCHLEN
        -ERR syntax error
        > LCS a b MINMATCHLEN x
        -ERR value is not an integer or out of range
        > LCS missing b
        ""
        > LCS missing b LEN
        :0
        > LCS missing b IDX
        ["matches", [], "len", :0]
        > LCS a
        -ERR wrong number of arguments for 'lcs' command
        "#,
    );
    dialogue_resp3(
        r#"
        > MSET a ohmytext b mynewtext
        +OK
        > LCS a b IDX
        {"matches": [[[:4, :7], [:5, :8]], [[:2, :3], [:0, :1]]], "len": :6}
        "#,
    );
}

#[test]
fn replies_take_their_resp3_forms() {
    dialogue_resp3(
        r#"
        > GET missing
        _
        > SET key v NX
        +OK
        > SET key v NX
        _
        > MGET key missing
        ["v", _]
        > GETDEL missing
        _
        > GETEX missing
        _
        > SET key w GET
        "v"
        > INCRBYFLOAT f 1.5
        "1.5"
        "#,
    );
}

#[test]
fn an_expired_string_is_gone_for_every_reader() {
    let server = Server::start();
    let mut client = server.client();
    client.transcript("> SET key v PX 30\n+OK\n> SET counter 5 PX 30\n+OK\n> SET text abc PX 30\n+OK");
    wait_until("the key has expired", 10, || client.run("GET key").is_null());
    wait_until("the counter has expired", 10, || client.run("EXISTS counter") == int(0));
    client.transcript(
        r#"
        > GETSET key new
        nil
        > INCR counter
        :1
        > TTL counter
        :-1
        > STRLEN text
        :0
        > APPEND text x
        :1
        > TTL text
        :-1
        "#,
    );
}

#[test]
fn values_of_every_length_come_back_whole() {
    let server = Server::start();
    let mut client = server.client();
    for length in (0..200).chain([255, 256, 1000, 4095, 4096, 16383, 16384, 65535, 65536, 1_000_000]) {
        let value: Vec<u8> = (0..length).map(|at: u32| at.to_le_bytes()[0] ^ 0x5a).collect();
        let key = format!("key:{length}");
        assert_eq!(client.cmd(&[b"SET".as_slice(), key.as_bytes(), &value]), ok());
        // Overwriting goes through another length first, so that growing and shrinking are both walked.
        assert_eq!(client.cmd(&[b"SET".as_slice(), b"reused", &value]), ok());
        assert_eq!(client.cmd(&["GET", "reused"]), bulk(&value));
    }
    for length in (0..200u32).chain([255, 256, 1000, 4095, 4096, 16383, 16384, 65535, 65536, 1_000_000]) {
        let value: Vec<u8> = (0..length).map(|at: u32| at.to_le_bytes()[0] ^ 0x5a).collect();
        assert_eq!(client.cmd(&["GET", &format!("key:{length}")]), bulk(&value));
    }
}

#[test]
fn keys_of_every_length_are_found_again() {
    let server = Server::start();
    let mut client = server.client();
    for length in (0..300usize).chain([1000, 16384, 70_000, 1_000_000]) {
        let key = vec![b'k'; length];
        assert_eq!(client.cmd(&[b"SET".as_slice(), &key, length.to_string().as_bytes()]), ok());
    }
    for length in (0..300usize).chain([1000, 16384, 70_000, 1_000_000]) {
        let key = vec![b'k'; length];
        assert_eq!(client.cmd(&[b"GET".as_slice(), &key]), bulk(length.to_string()));
    }
    assert_eq!(client.run("DBSIZE"), int(304));
}

#[test]
fn a_random_history_of_writes_reads_as_in_a_model() {
    let server = Server::start();
    let mut client = server.client();
    let mut model: std::collections::HashMap<String, Vec<u8>> = std::collections::HashMap::new();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    for _ in 0..20_000 {
        let key = format!("k{}", next(200));
        match next(8) {
            0..3 => {
                let value =
                    vec![b'a' + u8::try_from(next(26)).expect("a letter"); usize::try_from(next(150)).expect("small")];
                assert_eq!(client.cmd(&[b"SET".as_slice(), key.as_bytes(), &value]), ok());
                model.insert(key, value);
            }
            3 => {
                let removed = model.remove(&key).is_some();
                assert_eq!(client.cmd(&["DEL", &key]), int(i64::from(removed)));
            }
            4 => {
                let entry = model.entry(key.clone()).or_default();
                entry.extend_from_slice(b"tail");
                let length = i64::try_from(entry.len()).expect("small");
                assert_eq!(client.cmd(&["APPEND", &key, "tail"]), int(length));
            }
            5 => {
                let number = next(u64::MAX).cast_signed();
                assert_eq!(client.cmd(&["SET", &key, &number.to_string()]), ok());
                model.insert(key, number.to_string().into_bytes());
            }
            _ => {
                let reply = client.cmd(&["GET", &key]);
                match model.get(&key) {
                    Some(value) => assert_eq!(reply, bulk(value)),
                    None => assert!(reply.is_null()),
                }
            }
        }
    }
    assert_eq!(client.run("DBSIZE"), int(i64::try_from(model.len()).expect("small")));
}
