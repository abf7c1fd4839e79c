//! Bitmap commands.

use super::{dialogue, dialogue_resp3};
use crate::support::{Server, against_redis, bulk, err, int};

#[test]
fn setbit_makes_strings_grow_and_getbit_reads_behind_their_end() {
    dialogue(
        r#"
        > GETBIT missing 0
        :0
        > SETBIT key 1 1
        :0
        > GET key
        "@"
        > SETBIT key 1 1
        :1
        > SETBIT key 9 1
        :0
        > GET key
        "@@"
        > SETBIT key 9 0
        :1
        > STRLEN key
        :2
        > SETBIT key 40 0
        :0
        > STRLEN key
        :6
        > GETBIT key 1
        :1
        > GETBIT key 4294967295
        :0
        > SETBIT zeros 7 0
        :0
        > GET zeros
        "\x00"
        > OBJECT ENCODING zeros
        "raw"
        > SET number 1
        +OK
        > SETBIT number 6 1
        :0
        > GET number
        "3"
        > OBJECT ENCODING number
        "raw"
        > SET short abc
        +OK
        > SETBIT short 0 0
        :0
        > OBJECT ENCODING short
        "raw"
        > SET expires abc PXAT 4000000000000
        +OK
        > SETBIT expires 100 1
        :0
        > PEXPIRETIME expires
        :4000000000000
        "#,
    );
}

#[test]
fn bits_and_offsets_that_cannot_be_are_refused() {
    dialogue(
        r#"
        > SETBIT key -1 1
        -ERR bit offset is not an integer or out of range
        > SETBIT key 4294967296 1
        -ERR bit offset is not an integer or out of range
        > SETBIT key one 1
        -ERR bit offset is not an integer or out of range
        > SETBIT key #1 1
        -ERR bit offset is not an integer or out of range
        > SETBIT key 0 2
        -ERR bit is not an integer or out of range
        > SETBIT key 0 -1
        -ERR bit is not an integer or out of range
        > SETBIT key 0 one
        -ERR bit is not an integer or out of range
        > SETBIT key 0
        -ERR wrong number of arguments for 'setbit' command
        > GETBIT key -1
        -ERR bit offset is not an integer or out of range
        > GETBIT key 4294967296
        -ERR bit offset is not an integer or out of range
        > EXISTS key
        :0
        > RPUSH list a
        :1
        > SETBIT list 0 1
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > GETBIT list 0
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > BITCOUNT list
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > BITPOS list 0
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > BITFIELD list GET u8 0
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > BITFIELD list SET u8 0 1
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > BITFIELD_RO list GET u8 0
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn strings_grow_up_to_the_longest_bulk_and_take_memory_for_no_more() {
    let server = Server::with_config("proto-max-bulk-len 64mb");
    let mut client = server.client();
    if !against_redis() {
        // Redis lets a field end behind the longest string.
        let refused = client.run("BITFIELD key SET u8 536870905 255");
        assert_eq!(refused, err("ERR bit offset is not an integer or out of range"));
    }
    client.transcript(
        r#"
        > SETBIT key 536870912 1
        -ERR bit offset is not an integer or out of range
        > BITFIELD key GET u8 536870905
        [:0]
        > EXISTS key
        :0
        > SETBIT key 536870911 1
        :0
        > STRLEN key
        :67108864
        > BITCOUNT key
        :1
        > BITPOS key 1
        :536870911
        > BITFIELD key SET u8 536870904 255
        [:1]
        > STRLEN key
        :67108864
        > SETBIT other 400000000 1
        :0
        > SETRANGE other 50000100 x
        :50000101
        > SETBIT other 500000000 1
        :0
        > STRLEN other
        :62500001
        "#,
    );
    let usage = client.run("MEMORY USAGE other").integer();
    assert!((62_500_001..63_500_000).contains(&usage), "{usage}");
}

#[test]
fn bitcount_counts_ranges_of_bytes_and_of_bits() {
    dialogue(
        r#"
        > BITCOUNT missing
        :0
        > BITCOUNT missing 0 1000 BIT
        :0
        > SET key foobar
        +OK
        > BITCOUNT key
        :26
        > BITCOUNT key 0 0
        :4
        > BITCOUNT key 1 1
        :6
        > BITCOUNT key 1 1 BYTE
        :6
        > BITCOUNT key 5 30 bit
        :17
        > BITCOUNT key -2 -1
        :7
        > BITCOUNT key 0 -1 BIT
        :26
        > BITCOUNT key -5 -6
        :0
        > BITCOUNT key -100 -101
        :0
        > BITCOUNT key -100 -99
        :4
        > BITCOUNT key 6 10
        :0
        > BITCOUNT key 0 9223372036854775807
        :26
        > BITCOUNT key -9223372036854775808 9223372036854775807 BIT
        :26
        > SET number 123
        +OK
        > BITCOUNT number
        :10
        > BITCOUNT key 0
        -ERR syntax error
        > BITCOUNT key 0 1 BITS
        -ERR syntax error
        > BITCOUNT key 0 1 BIT 2
        -ERR syntax error
        > BITCOUNT key a 1
        -ERR value is not an integer or out of range
        > BITCOUNT key 0 b BITS
        -ERR value is not an integer or out of range
        7.2> BITCOUNT missing a 1
        -ERR value is not an integer or out of range
        7.2> BITCOUNT missing 0 1 BITS
        -ERR syntax error
        7.2> BITCOUNT missing 0
        -ERR syntax error
        "#,
    );
}

#[test]
fn bitpos_finds_the_first_bit_and_minds_whether_the_end_was_given() {
    dialogue(
        r#"
        > BITPOS missing 0
        :0
        > BITPOS missing 1
        :-1
        > BITPOS missing 0 0 -1 BIT
        :0
        > SET key "\xff\xf0\x00"
        +OK
        > BITPOS key 0
        :12
        > BITPOS key 1
        :0
        > BITPOS key 1 2
        :-1
        > BITPOS key 0 2
        :16
        > BITPOS key 1 7 15 BIT
        :7
        > BITPOS key 0 7 15 BIT
        :12
        > BITPOS key 0 13 15 BIT
        :13
        > BITPOS key 1 12 20 BIT
        :-1
        > SET ones "\xff\xff\xff"
        +OK
        > BITPOS ones 0
        :24
        > BITPOS ones 0 1
        :24
        > BITPOS ones 0 0 -1
        :-1
        > BITPOS ones 0 0 -1 BIT
        :-1
        > BITPOS ones 0 3
        :-1
        > BITPOS ones 1 -100 -101
        :0
        > BITPOS ones 1 2 1
        :-1
        > SET empty ""
        +OK
        > BITPOS empty 0
        :-1
        > BITPOS empty 1 0 -1 BIT
        :-1
        > SET number 12
        +OK
        > BITPOS number 1
        :2
        > BITPOS key 2
        -ERR The bit argument must be 1 or 0.
        > BITPOS key one
        -ERR value is not an integer or out of range
        > BITPOS key 1 a
        -ERR value is not an integer or out of range
        > BITPOS key 1 0 b
        -ERR value is not an integer or out of range
        > BITPOS key 1 0 b BITS
        -ERR syntax error
        > BITPOS key 1 0 1 BIT 2
        -ERR syntax error
        7.2> BITPOS missing 1 a
        -ERR value is not an integer or out of range
        "#,
    );
}

#[test]
fn bitop_combines_strings_of_any_length() {
    dialogue(
        r#"
        > MSET a "\x01\x02\xff\xff" b "\x01\x02\xff" number 12
        +OK
        > BITOP AND to a b
        :4
        > GET to
        "\x01\x02\xff\x00"
        > OBJECT ENCODING to
        "raw"
        > BITOP or to a b
        :4
        > GET to
        "\x01\x02\xff\xff"
        > BITOP XOR to a b
        :4
        > GET to
        "\x00\x00\x00\xff"
        > BITOP NOT to a
        :4
        > GET to
        "\xfe\xfd\x00\x00"
        > BITOP NOT to to
        :4
        > GET to
        "\x01\x02\xff\xff"
        > BITOP AND to a missing
        :4
        > GET to
        "\x00\x00\x00\x00"
        > BITOP OR to missing a missing
        :4
        > BITOP XOR to number number number
        :2
        > GET to
        "12"
        > BITOP AND to missing missing
        :0
        > EXISTS to
        :0
        > BITOP OR to missing
        :0
        > SET to kept EX 100
        +OK
        > BITOP AND to a b
        :4
        > TTL to
        :-1
        > RPUSH list x
        :1
        > BITOP AND to a list
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > BITOP AND list a b
        :4
        > TYPE list
        +string
        > BITOP NAND to a b
        -ERR syntax error
        > BITOP NOT to a b
        -ERR BITOP NOT must be called with a single source key.
        > BITOP AND to
        -ERR wrong number of arguments for 'bitop' command
        "#,
    );
}

#[test]
fn bitfield_reads_and_writes_numbers_of_any_width() {
    dialogue(
        r#"
        > BITFIELD key
        []
        > EXISTS key
        :0
        > BITFIELD key SET i8 0 -100 SET i8 0 101 GET i8 0
        [:0, :-100, :101]
        > BITFIELD key SET u8 #0 65 SET u8 #1 66 SET u8 #2 67
        [:101, :0, :0]
        > GET key
        "ABC"
        > BITFIELD key GET u4 0 GET i4 4 GET u63 1 GET i64 0 GET u1 7
        [:4, :1, :4702394628207280128, :4702394628207280128, :1]
        > BITFIELD key GET u16 16 GET u8 1000 GET i5 #100
        [:17152, :0, :0]
        > BITFIELD key INCRBY i5 100 1 GET u4 0
        [:1, :4]
        > STRLEN key
        :14
        > SET number 1
        +OK
        > BITFIELD number GET u8 0
        [:49]
        > OBJECT ENCODING number
        "int"
        > BITFIELD number INCRBY u8 0 1
        [:50]
        > GET number
        "2"
        > OBJECT ENCODING number
        "raw"
        > BITFIELD_RO number GET u8 0 GET u4 #1
        [:50, :2]
        > BITFIELD_RO number
        []
        > BITFIELD_RO missing GET i64 0
        [:0]
        "#,
    );
}

#[test]
fn bitfield_numbers_that_do_not_fit_wrap_saturate_or_fail() {
    let text = r#"
        > BITFIELD key SET u8 0 100 INCRBY u8 0 257
        [:0, :101]
        > BITFIELD key OVERFLOW SAT INCRBY u8 0 257 OVERFLOW WRAP INCRBY u8 0 2
        [:255, :1]
        > BITFIELD key OVERFLOW sat INCRBY u8 0 -5 INCRBY i8 8 -1000 INCRBY i8 16 1000
        [:0, :-128, :127]
        > BITFIELD key SET u8 0 -1 SET u8 0 256 GET u8 0
        [:0, :255, :0]
        > BITFIELD key OVERFLOW SAT SET u8 0 -1 SET i8 0 -1000 GET i8 0
        [:0, :-1, :-128]
        > BITFIELD key OVERFLOW FAIL SET u2 100 3 INCRBY u2 100 1 GET u2 100
        [:0, NULL, :3]
        > BITFIELD key SET i64 0 9223372036854775807 INCRBY i64 0 1
        [:...
        > BITFIELD key GET i64 0
        [:-9223372036854775808]
        > BITFIELD fresh OVERFLOW FAIL SET u1 50 2
        [NULL]
        > STRLEN fresh
        :7
    "#;
    dialogue(&text.replace("NULL", "nil"));
    dialogue_resp3(&text.replace("NULL", "_"));
}

#[test]
fn bitfield_refuses_what_it_cannot_read_and_changes_nothing() {
    dialogue(
        r#"
        > BITFIELD key SET u8 0 1 GET u64 0
        -ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.
        > BITFIELD key GET i65 0
        -ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.
        > BITFIELD key GET 8 0
        -ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.
        > BITFIELD key SET u8 -1 1
        -ERR bit offset is not an integer or out of range
        > BITFIELD key SET u8 #-1 1
        -ERR bit offset is not an integer or out of range
        > BITFIELD key SET u8 #9223372036854775807 1
        -ERR bit offset is not an integer or out of range
        > BITFIELD key GET u8 4294967296
        -ERR bit offset is not an integer or out of range
        > BITFIELD key SET u8 0 x
        -ERR value is not an integer or out of range
        > BITFIELD key INCRBY u8 0 9223372036854775808
        -ERR value is not an integer or out of range
        > BITFIELD key SET u8 0 1 OVERFLOW NEVER
        -ERR Invalid OVERFLOW type specified
        > BITFIELD key SET u8 0 1 OVERFLOW
        -ERR syntax error
        > BITFIELD key SET u8 0 1 GET u8
        -ERR syntax error
        > BITFIELD key SET u8 0 1 PUT u8 0 1
        -ERR syntax error
        > BITFIELD_RO key SET u8 0 1
        -ERR BITFIELD_RO only supports the GET subcommand
        > BITFIELD_RO key GET u8 0 INCRBY u8 0 1
        -ERR BITFIELD_RO only supports the GET subcommand
        > EXISTS key
        :0
        "#,
    );
}

#[test]
fn only_what_changes_is_counted_and_told() {
    let server = Server::with_config("notify-keyspace-events KEA\nsave ''");
    let mut listener = server.client();
    listener.run("PSUBSCRIBE __keyevent@0__:*");
    let mut client = server.client();
    let changes = || server.info_field("persistence", "rdb_changes_since_last_save");
    for (line, expected) in [
        ("SETBIT key 0 0", "1"),
        ("SETBIT key 0 0", "1"),
        ("SETBIT key 0 1", "2"),
        ("SETBIT key 90 0", "3"),
        ("BITFIELD field SET i5 0 0", "4"),
        ("BITFIELD field SET i5 0 0", "4"),
        ("BITFIELD field SET i5 0 1 SET i5 5 1 SET i5 10 0", "7"),
        ("BITFIELD field INCRBY i5 200 0", "8"),
        ("BITFIELD field GET i5 0", "8"),
        ("BITOP OR to key field", "9"),
        ("BITOP OR to missing", "10"),
        ("BITOP OR to missing", "10"),
    ] {
        client.run(line);
        assert_eq!(changes(), expected, "{line}");
    }
    let expected = "setbit key, setbit key, setbit key, setbit field, setbit field, setbit field, set to, del to";
    for event in expected.split(", ") {
        let message = listener.read().texts();
        let name = message[2].rsplit(':').next().expect("a channel").to_owned();
        assert_eq!(format!("{name} {}", message[3]), event);
    }
}

#[test]
fn a_watched_bit_that_changes_undoes_the_transaction() {
    let server = Server::start();
    let (mut client, mut other) = (server.client(), server.client());
    for (line, undone) in [("SETBIT key 5 1", true), ("SETBIT key 5 1", false), ("BITFIELD key SET u8 0 9", true)] {
        client.run("WATCH key");
        other.run(line);
        client.run("MULTI");
        client.run("PING");
        assert_eq!(client.run("EXEC").is_null(), undone, "{line}");
    }
}

#[test]
fn large_bitmaps_are_changed_counted_and_kept_by_a_snapshot() {
    let mut server = Server::start();
    let mut client = server.client();
    let mut expected = vec![0u8; 100_000];
    let mut at = 1u32;
    for _ in 0..2_000 {
        at = at.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let offset = at as usize % 800_000;
        expected[offset / 8] |= 0x80 >> (offset % 8);
        client.run(&format!("SETBIT map {offset} 1"));
    }
    let len = expected.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    expected.truncate(len);
    let ones: u32 = expected.iter().map(|byte| byte.count_ones()).sum();
    assert_eq!(client.run("BITCOUNT map"), int(ones.into()));
    client.run("BITOP NOT inverse map");
    assert_eq!(client.run("BITCOUNT inverse"), int((len * 8) as i64 - i64::from(ones)));
    client.run("BITOP XOR same inverse map inverse");
    assert_eq!(client.run("GET same"), bulk(&expected));
    client.run("SAVE");
    server.kill_and_start_again();
    assert_eq!(server.client().run("GET map"), bulk(&expected));
}
