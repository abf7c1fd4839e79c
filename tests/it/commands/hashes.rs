//! Hash commands.

use super::{are_refused_for_the_type, dialogue, dialogue_resp3, scanned};
use crate::support::{Server, against_redis, bulk, int, ok, wait_until};

#[test]
fn fields_are_set_read_and_removed() {
    dialogue(
        r#"
        > HSET hash a 1 b two
        :2
        > HSET hash a 3 c ""
        :1
        > HGET hash a
        "3"
        > HGET hash z
        nil
        > HGET missing a
        nil
        > HMGET hash a z b
        ["3", nil, "two"]
        > HMGET missing a b
        [nil, nil]
        > HLEN hash
        :3
        > HEXISTS hash c
        :1
        > HEXISTS hash z
        :0
        > HSTRLEN hash b
        :3
        > HSTRLEN hash a
        :1
        > HSTRLEN hash z
        :0
        > HKEYS hash
        ["a", "b", "c"]
        > HVALS hash
        ["3", "two", ""]
        > HGETALL hash
        ["a", "3", "b", "two", "c", ""]
        > HGETALL missing
        []
        > HKEYS missing
        []
        > HDEL hash a z
        :1
        > HDEL hash b c
        :2
        > HLEN hash
        :0
        > HDEL hash a
        :0
        > HMSET hash a 1 b 2
        +OK
        > HSETNX hash a 9
        :0
        > HSETNX hash c 9
        :1
        > HSETNX fresh c 9
        :1
        > HSET hash a
        -ERR wrong number of arguments for 'hset' command
        > HSET hash a 1 b
        -ERR wrong number of arguments for 'hset' command
        > HMSET hash a 1 b
        -ERR wrong number of arguments for 'hmset' command
        "#,
    );
}

#[test]
fn other_types_are_refused_by_every_hash_command() {
    let server = Server::start();
    let mut client = server.client();
    client.run("SET string value");
    are_refused_for_the_type(
        &mut client,
        &[
            "HSET string a 1",
            "HSETNX string a 1",
            "HMSET string a 1",
            "HGET string a",
            "HMGET string a",
            "HDEL string a",
            "HEXISTS string a",
            "HLEN string",
            "HSTRLEN string a",
            "HKEYS string",
            "HVALS string",
            "HGETALL string",
            "HINCRBY string a 1",
            "HINCRBYFLOAT string a 1",
            "HRANDFIELD string",
            "HRANDFIELD string 2",
            "HSCAN string 0",
        ],
    );
}

#[test]
fn fields_count_in_integers_and_in_decimals() {
    dialogue(
        r#"
        > HINCRBY hash count 5
        :5
        > HINCRBY hash count -7
        :-2
        > HSET hash text abc big 9223372036854775807 spaced " 1"
        :3
        > HINCRBY hash text 1
        -ERR hash value is not an integer
        > HINCRBY hash spaced 1
        -ERR hash value is not an integer
        > HINCRBY hash big 1
        -ERR increment or decrement would overflow
        > HINCRBY hash count x
        -ERR value is not an integer or out of range
        > HINCRBYFLOAT hash price 10.50
        "10.5"
        > HINCRBYFLOAT hash price 0.1
        "10.6"
        > HINCRBYFLOAT hash price -5
        "5.6"
        > HINCRBYFLOAT hash count 1.5
        "-0.5"
        > HINCRBYFLOAT hash text 1
        -ERR hash value is not a float
        > HINCRBYFLOAT hash price x
        -ERR value is not a valid float
        > HINCRBYFLOAT hash price inf
        -ERR value is NaN or Infinity
        > HINCRBYFLOAT hash price nan
        -ERR value is not a valid float
        > HGET hash big
        "9223372036854775807"
        > HINCRBY fresh text x
        -ERR value is not an integer or out of range
        > HLEN fresh
        :0
        "#,
    );
}

#[test]
fn random_fields_come_once_or_again_with_their_values_or_without() {
    let server = Server::start();
    let mut client = server.client();
    let long = "x".repeat(70);
    for value in ["v", &long] {
        client.run("DEL hash");
        client.cmd(&["HSET", "hash", "a", value, "b", value, "c", value]);
        for (count, answered) in [(0, 0), (1, 1), (2, 2), (3, 3), (9, 3), (-1, 1), (-20, 20), (-2500, 2500)] {
            let mut fields = client.run(&format!("HRANDFIELD hash {count}")).texts();
            assert_eq!(fields.len(), answered, "{count}");
            let pairs = client.run(&format!("HRANDFIELD hash {count} WITHVALUES")).texts();
            assert_eq!(pairs.len(), answered * 2, "{count}");
            assert!(pairs.chunks(2).all(|pair| "abc".contains(&pair[0]) && pair[1] == *value));
            fields.sort_unstable();
            fields.dedup();
            assert!(count < 0 || fields.len() == answered, "{count}");
        }
        assert!("abc".contains(&client.run("HRANDFIELD hash").text()));
    }
    client.transcript(
        r#"
        > HRANDFIELD missing
        nil
        > HRANDFIELD missing 2
        []
        > HRANDFIELD missing -3 WITHVALUES
        []
        > HRANDFIELD hash x
        -ERR value is not an integer or out of range
        > HRANDFIELD hash 1 VALUES
        -ERR syntax error
        > HRANDFIELD hash 1 WITHVALUES 2
        -ERR syntax error
        > HRANDFIELD hash -9223372036854775808
        -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
        > HRANDFIELD hash -9223372036854775807 WITHVALUES
        -ERR value is out of range
        "#,
    );
}

#[test]
fn a_scan_finds_every_field_of_a_large_hash() {
    let server = Server::start();
    let mut client = server.client();
    for number in 0..1000 {
        client.run(&format!("HSET hash field:{number} {number}"));
    }
    let pairs = scanned(&mut client, "HSCAN hash", |_, _| {});
    let found: std::collections::BTreeMap<_, _> = pairs.chunks(2).map(|pair| (&pair[0], &pair[1])).collect();
    assert_eq!(found.len(), 1000);
    assert!(found.iter().all(|(field, value)| **field == format!("field:{value}")));
    client.transcript(
        r#"
        > HSET few one 1 two 2
        :2
        > HSCAN few 0 MATCH t*
        ["0", ["two", "2"]]
        > HSCAN missing 0
        ["0", []]
        > HSCAN few 0 COUNT 0
        -ERR syntax error
        > HSCAN few -1
        ["0", ["one", "1", "two", "2"]]
        > HSCAN few 1x
        -ERR invalid cursor
        "#,
    );
    if !against_redis() {
        assert_eq!(client.run("HSCAN few 0 NOVALUES").items()[1].texts(), ["one", "two"]);
    }
}

#[test]
fn hashes_are_maps_in_resp3_and_random_pairs_are_nested() {
    dialogue_resp3(
        r#"
        > HSET hash a 1
        :1
        > HGETALL hash
        {"a": "1"}
        > HGETALL missing
        {}
        > HRANDFIELD hash 1 WITHVALUES
        [["a", "1"]]
        > HRANDFIELD hash -2 WITHVALUES
        [["a", "1"], ["a", "1"]]
        > HGET hash z
        _
        > HMGET hash a z
        ["1", _]
        "#,
    );
}

#[test]
fn encodings_follow_the_thresholds_and_fields_survive_the_change() {
    let server = Server::with_config("hash-max-listpack-entries 4\nhash-max-listpack-value 8");
    let mut client = server.client();
    for (key, pairs, encoding) in [
        ("few", "a 1 b 2 c 3 d 4", "listpack"),
        ("many", "a 1 b 2 c 3 d 4 e 5", "hashtable"),
        ("long-value", "a 123456789", "hashtable"),
        ("long-field", "123456789 a", "hashtable"),
    ] {
        client.run(&format!("HSET {key} {pairs}"));
        for pair in pairs.split(' ').collect::<Vec<_>>().chunks(2) {
            assert_eq!(client.run(&format!("HGET {key} {}", pair[0])), bulk(pair[1]), "{key}");
        }
        let answered = client.run(&format!("OBJECT ENCODING {key}"));
        assert!(answered == bulk(encoding), "{key}: {answered:?}");
    }
    assert_eq!(client.run("HLEN many"), int(5));
}

#[test]
fn changes_publish_their_events() {
    let server = Server::with_config("notify-keyspace-events KEA");
    let mut listener = server.client();
    listener.run("PSUBSCRIBE __keyevent@0__:*");
    let mut client = server.client();
    for line in [
        "HSET hash a 1 b 2",
        "HSETNX hash a 1",
        "HSETNX hash c 1",
        "HINCRBY hash a 1",
        "HINCRBYFLOAT hash a 1",
        "HDEL hash a z",
        "HDEL hash b c",
    ] {
        client.run(line);
    }
    let expected = ["hset", "hset", "hincrby", "hincrbyfloat", "hdel", "hdel", "del"];
    for event in expected {
        let message = listener.read().texts();
        assert_eq!(message[2].rsplit(':').next(), Some(event));
    }
}

#[test]
fn fields_expire_by_themselves_and_their_hash_goes_with_the_last_of_them() {
    if against_redis() {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    client.transcript(
        r#"
        > HSET hash a 1 b 2 c 3
        :3
        > HPEXPIRE hash 1 FIELDS 2 a z
        [:1, :-2]
        > HEXPIRE hash 100 FIELDS 1 b
        [:1]
        > HTTL hash FIELDS 3 b c z
        [:100, :-1, :-2]
        > HPERSIST hash FIELDS 3 b c z
        [:1, :-1, :-2]
        > HTTL hash FIELDS 1 b
        [:-1]
        "#,
    );
    wait_until("the field is gone", 20, || client.run("HLEN hash") == int(2));
    client.transcript(
        r#"
        > HGET hash a
        nil
        > HGETALL hash
        ["b", "2", "c", "3"]
        > HPEXPIRE hash 1 FIELDS 2 b c
        [:1, :1]
        "#,
    );
    wait_until("the key is gone", 20, || client.run("HLEN hash") == int(0));
    assert_eq!(client.run("TTL hash"), int(-2));
}

#[test]
fn moments_of_fields_are_told_in_every_unit() {
    if against_redis() {
        return;
    }
    dialogue(
        r#"
        > HSET hash a 1 b 2
        :2
        > HEXPIREAT hash 33177117420 FIELDS 1 a
        [:1]
        > HPEXPIREAT hash 33177117420123 FIELDS 1 b
        [:1]
        > HEXPIRETIME hash FIELDS 2 a b
        [:33177117420, :33177117421]
        > HPEXPIRETIME hash FIELDS 3 a b z
        [:33177117420000, :33177117420123, :-2]
        > HPTTL missing FIELDS 2 a b
        [:-2, :-2]
        > HSET hash a 3
        :0
        > HEXPIRETIME hash FIELDS 1 a
        [:-1]
        > HINCRBY hash b 1
        :3
        > HPEXPIRETIME hash FIELDS 1 b
        [:33177117420123]
        > HPEXPIREAT hash 1 FIELDS 1 b
        [:2]
        > HGETALL hash
        ["a", "3"]
        "#,
    );
}

#[test]
fn conditions_decide_whether_a_field_is_to_expire() {
    if against_redis() {
        return;
    }
    dialogue(
        r#"
        > HSET hash a 1
        :1
        > HEXPIRE hash 100 XX FIELDS 1 a
        [:0]
        > HEXPIRE hash 100 GT FIELDS 1 a
        [:0]
        > HEXPIRE hash 100 NX FIELDS 1 a
        [:1]
        > HEXPIRE hash 100 NX FIELDS 1 a
        [:0]
        > HEXPIRE hash 50 GT FIELDS 1 a
        [:0]
        > HEXPIRE hash 200 GT FIELDS 1 a
        [:1]
        > HEXPIRE hash 300 LT FIELDS 1 a
        [:0]
        > HEXPIRE hash 50 LT FIELDS 1 a
        [:1]
        > HEXPIRE hash 60 XX FIELDS 1 a
        [:1]
        > HTTL hash FIELDS 1 a
        [:60]
        > HEXPIRE missing 60 FIELDS 2 a b
        [:-2, :-2]
        > HEXPIRE hash -1 FIELDS 1 a
        -ERR invalid expire time, must be >= 0
        > HEXPIRE hash 9223372036854775807 FIELDS 1 a
        -ERR invalid expire time in 'hexpire' command
        > HEXPIRE hash x FIELDS 1 a
        -ERR value is not an integer or out of range
        > HEXPIRE hash 10 NX 1 a b
        -ERR Mandatory argument FIELDS is missing or not at the right position
        > HEXPIRE hash 10 FIELDS 0 a
        -ERR Parameter `numFields` should be greater than 0
        > HEXPIRE hash 10 FIELDS 2 a
        -ERR The `numfields` parameter must match the number of arguments
        > HTTL hash FIELDS 0 a
        -ERR Number of fields must be a positive integer
        > HPERSIST hash FIELDS x a
        -ERR Number of fields must be a positive integer
        > HTTL hash FIELDS 2 a
        -ERR The `numfields` parameter must match the number of arguments
        > HEXPIRE hash 10
        -ERR wrong number of arguments for 'hexpire' command
        > SET string value
        +OK
        // The type of the key is looked at before anything else.
        > HEXPIRE string x FIELD 0 a
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > HPERSIST string FIELD 0 a
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > HTTL string FIELD 0 a
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn a_command_deletes_a_part_of_many_fields_that_expire_at_once() {
    if against_redis() {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    client.run("DEBUG SET-ACTIVE-EXPIRE 0");
    let names: Vec<String> = (0..20_000).map(|index| format!("field:{index:05}")).collect();
    let mut set = vec!["HSET", "hash", "kept", "1"];
    set.extend(names.iter().flat_map(|name| [name.as_str(), "1"]));
    assert_eq!(client.cmd(&set), int(20_001));
    let mut expire = vec!["HPEXPIRE", "hash", "1", "FIELDS", "20000"];
    expire.extend(names.iter().map(String::as_str));
    assert_eq!(client.cmd(&expire).items().len(), 20_000);
    client.run("DEBUG SLEEP 0.01");
    client.transcript("> HMGET hash field:00000 field:19999 kept\n[nil, nil, \"1\"]");
    assert_eq!(client.run("HLEN hash"), int(19_001), "the first command has deleted some");
    assert_eq!(client.run("HRANDFIELD hash -5000").texts(), vec!["kept"; 5000]);
    // Those that a command names are gone in any case, whichever the others are.
    client.transcript(
        r#"
        > HSETNX hash field:19999 2
        :1
        > HINCRBY hash field:19998 5
        :5
        > HSET hash field:19997 3 field:19996 4
        :2
        > HDEL hash field:19995
        :0
        > HPERSIST hash FIELDS 1 field:19994
        [:-2]
        > HTTL hash FIELDS 3 field:19999 field:19998 field:19997
        [:-1, :-1, :-1]
        > DEBUG SET-ACTIVE-EXPIRE 1
        +OK
        "#,
    );
    wait_until("the others are deleted by themselves", 10, || client.run("HLEN hash") == int(5));
}

#[test]
fn fields_that_expire_survive_a_restart_and_publish_their_events() {
    if against_redis() {
        return;
    }
    let mut server = Server::with_config("notify-keyspace-events KEA");
    let mut client = server.client();
    client.run("HSET hash a 1 b 2 c 3");
    client.run("HPEXPIREAT hash 33177117420123 FIELDS 1 a");
    assert_eq!(client.run("SAVE"), ok());
    server.kill_and_start_again();
    let mut client = server.client();
    client.transcript(
        r#"
        > HPEXPIRETIME hash FIELDS 2 a b
        [:33177117420123, :-1]
        > HGET hash a
        "1"
        "#,
    );
    let mut listener = server.client();
    listener.run("PSUBSCRIBE __keyevent@0__:*");
    for line in [
        "HPEXPIRE hash 100000 FIELDS 1 b",
        "HPERSIST hash FIELDS 1 b",
        "HPEXPIREAT hash 1 FIELDS 1 b",
        "HPEXPIRE hash 1 FIELDS 2 a c",
    ] {
        client.run(line);
    }
    for event in ["hexpire", "hpersist", "hdel", "hexpire", "hexpired", "del"] {
        let message = listener.read().texts();
        assert_eq!(message[2].rsplit(':').next(), Some(event));
    }
}

#[test]
fn hsetex_sets_fields_with_one_expiry() {
    if against_redis() {
        return;
    }
    dialogue(
        r#"> HSETEX h EX 100 FIELDS 2 a 1 b 2
         :1
         > HTTL h FIELDS 2 a b
         [:100, :100]
         > HSETEX h KEEPTTL FIELDS 2 a 3 c 4
         :1
         > HTTL h FIELDS 3 a b c
         [:100, :100, :-1]
         > HSETEX h FNX FIELDS 2 c 9 d 9
         :0
         > HSETEX h FXX FIELDS 2 c 9 d 9
         :0
         > HSETEX h FXX FIELDS 2 a 5 b 6
         :1
         > HTTL h FIELDS 2 a b
         [:-1, :-1]
         > HGETALL h
         ["a", "5", "b", "6", "c", "4"]
         > HSETEX h PXAT 1 FIELDS 3 a 1 b 1 c 1
         :1
         > EXISTS h
         :0
         > HSETEX h FNX FXX FIELDS 1 a 1
         -ERR Only one of FXX or FNX arguments can be specified
         > HSETEX h EX 1 KEEPTTL FIELDS 1 a 1
         -ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified
         > HSETEX h MORE FIELDS 1 a 1
         -ERR unknown argument: MORE
         > HSETEX h FIELDS 0 a 1
         -ERR invalid number of fields
         > HSETEX h FIELDS 1 a 1 b 2
         -ERR wrong number of arguments for 'hsetex' command
         > HSETEX h EX 99999999999999 FIELDS 1 a 1
         -ERR invalid expire time in 'hsetex' command
         > SET s 1
         +OK
         > HSETEX s FIELDS 1 a 1
         -WRONGTYPE Operation against a key holding the wrong kind of value"#,
    );
}
