//! SORT and SORT_RO.

use super::{dialogue, dialogue_resp3};
use crate::support::Server;

#[test]
fn elements_of_every_type_are_sorted_as_numbers_or_as_text() {
    dialogue(
        r#"
        > RPUSH list 10 9 2.5 -1 1e2
        :5
        > SORT list
        ["-1", "2.5", "9", "10", "1e2"]
        > SORT list DESC
        ["1e2", "10", "9", "2.5", "-1"]
        > SORT list DESC ASC ALPHA
        ["-1", "10", "1e2", "2.5", "9"]
        > SORT_RO list limit 1 2
        ["2.5", "9"]
        > SADD set 3 1 2
        :3
        > SORT set DESC
        ["3", "2", "1"]
        > ZADD zset 1 c 2 b 3 a
        :3
        > SORT zset ALPHA
        ["a", "b", "c"]
        > SORT missing
        []
        > SET string x
        +OK
        > SORT string
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > SORT_RO string
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > SORT
        -ERR wrong number of arguments for 'sort' command
        > SORT_RO
        -ERR wrong number of arguments for 'sort_ro' command
        "#,
    );
}

#[test]
fn elements_are_sorted_by_keys_and_fields_and_answered_with_others() {
    dialogue(
        r#"
        > RPUSH list 1 2 3
        :3
        > MSET w_1 30 w_2 20 w_3 10 name_1 one name_3 three
        +OK
        > HSET o_1 f 2 g x
        :2
        > HSET o_2 f 3 g y
        :2
        > HSET o_3 f 1
        :1
        > SORT list BY w_*
        ["3", "2", "1"]
        > SORT list BY o_*->f GET # GET o_*->g GET name_*
        ["3", nil, "three", "1", "x", "one", "2", "y", nil]
        > SORT_RO list BY w_* DESC GET name_* LIMIT 0 2
        ["one", nil]
        > SORT list BY name_* ALPHA
        ["2", "1", "3"]
        > SORT list BY o_*->g ALPHA DESC
        ["2", "1", "3"]
        // A constant is nothing to answer, nor is a value of another type.
        > SORT list GET w_1
        [nil, nil, nil]
        > SORT list GET o_* GET w_*->f
        [nil, nil, nil, nil, nil, nil]
        // Behind an arrow at the end there is no field.
        > SET w_2-> arrow
        +OK
        > SORT list GET w_*->
        [nil, "arrow", nil]
        "#,
    );
}

#[test]
fn a_missing_weight_counts_as_zero_and_equal_ones_leave_it_to_the_elements() {
    dialogue(
        r#"
        > RPUSH list d b c a
        :4
        > MSET w_d 1 w_b -1 w_c ""
        +OK
        > SORT list BY w_*
        ["b", "a", "c", "d"]
        > SORT list BY w_* DESC
        ["d", "c", "a", "b"]
        > MSET w_c inf w_a " 0x10"
        +OK
        > SORT list BY w_*
        ["b", "d", "a", "c"]
        > SET w_a x
        +OK
        > SORT list BY w_*
        -ERR One or more scores can't be converted into double
        > SORT list
        -ERR One or more scores can't be converted into double
        > SET w_a nan
        +OK
        > SORT list BY w_* STORE list
        -ERR One or more scores can't be converted into double
        > LLEN list
        :4
        "#,
    );
}

#[test]
fn by_a_constant_leaves_the_elements_as_they_are() {
    dialogue(
        r#"
        > RPUSH list 5 3 4 1 2
        :5
        > SORT list BY nosort
        ["5", "3", "4", "1", "2"]
        > SORT list BY nosort DESC LIMIT 1 2
        ["1", "4"]
        > SORT list BY nosort LIMIT 3 100
        ["1", "2"]
        > SORT list BY nosort DESC LIMIT 9 1
        []
        > ZADD zset 1 a 5 b 2 c 10 d 3 e
        :5
        > SORT zset BY nosort
        ["a", "c", "e", "b", "d"]
        > SORT zset BY nosort DESC LIMIT 1 2
        ["b", "e"]
        > SORT zset BY nosort DESC LIMIT 5 2
        []
        > SORT zset BY nosort LIMIT -10 100
        ["a", "c", "e", "b", "d"]
        > SORT zset BY nosort LIMIT 0 0
        []
        > SORT zset BY nosort LIMIT 9223372036854775807 9223372036854775807
        []
        // One constant is enough.
        > SORT list BY nosort BY w_*
        ["5", "3", "4", "1", "2"]
        // A set has no order, so a list of its members is given one.
        > SADD set d b a c e
        :5
        > SORT set BY nosort STORE sorted
        :5
        > LRANGE sorted 0 -1
        ["a", "b", "c", "d", "e"]
        "#,
    );
}

#[test]
fn what_does_not_parse_is_refused_before_the_key_is_looked_at() {
    dialogue(
        r#"
        > SET key x
        +OK
        > SORT key BOGUS
        -ERR syntax error
        > SORT key LIMIT 1
        -ERR syntax error
        > SORT key LIMIT a 1
        -ERR value is not an integer or out of range
        > SORT key BY
        -ERR syntax error
        > SORT key GET
        -ERR syntax error
        > SORT key STORE
        -ERR syntax error
        > SORT_RO key STORE other
        -ERR syntax error
        "#,
    );
}

#[test]
fn a_result_is_stored_as_a_list_in_the_place_of_anything() {
    let server = Server::start();
    let mut client = server.client();
    client.run("CONFIG SET notify-keyspace-events KEA");
    let mut listener = server.client();
    listener.run("PSUBSCRIBE __keyevent@0__:*");
    client.transcript(
        r#"
        > RPUSH list 2 1
        :2
        > SET w_1 x EX 100
        +OK
        > SET target text EX 100
        +OK
        > SORT list GET # GET w_* STORE target
        :4
        > LRANGE target 0 -1
        ["1", "x", "2", ""]
        > TTL target
        :-1
        7.2> OBJECT ENCODING target
        "listpack"
        > SORT list STORE list
        :2
        > LRANGE list 0 -1
        ["1", "2"]
        > SORT missing STORE target
        :0
        > EXISTS target
        :0
        > SORT missing STORE target
        :0
        > SORT list LIMIT 5 5 STORE target
        :0
        "#,
    );
    for event in [
        "rpush:list",
        "set:w_1",
        "expire:w_1",
        "set:target",
        "expire:target",
        "sortstore:target",
        "sortstore:list",
        "del:target",
    ] {
        let (name, key) = event.split_once(':').expect("an event and a key");
        let message = listener.read();
        let texts = message.texts();
        assert_eq!(texts[2..], [format!("__keyevent@0__:{name}"), key.to_owned()]);
    }
}

#[test]
fn a_stored_result_counts_as_so_many_changes_and_fails_a_watch() {
    let server = Server::start();
    let (mut client, mut watching) = (server.client(), server.client());
    client.run("RPUSH list 3 1 2");
    watching.run("WATCH target");
    let changes =
        || -> i64 { server.info_field("persistence", "rdb_changes_since_last_save").parse().expect("a number") };
    let before = changes();
    client.run("SORT list STORE target");
    assert_eq!(changes() - before, 3);
    watching.transcript("> MULTI\n+OK\n> PING\n+QUEUED\n> EXEC\nnil-array");
}

#[test]
fn large_collections_are_sorted_within_limits_as_in_full() {
    let server = Server::start();
    let mut client = server.client();
    for number in 0..500_u32 {
        let number = number.wrapping_mul(2_654_435_761) % 1000;
        client.run(&format!("SADD set {number}"));
        client.run(&format!("SET w_{number} {}", number % 7));
    }
    let full = client.run("SORT set BY w_*").texts();
    assert!(full.is_sorted_by_key(|text| {
        let number: u32 = text.parse().expect("a number");
        (number % 7, text.clone())
    }));
    for (offset, count) in [(0, 10), (100, 1), (full.len() - 3, 10)] {
        let part = client.run(&format!("SORT_RO set BY w_* LIMIT {offset} {count}")).texts();
        assert_eq!(part, full[offset..(offset + count).min(full.len())]);
    }
}

#[test]
fn a_null_is_a_null_in_resp3_and_keys_are_told() {
    dialogue_resp3(
        r#"
        > RPUSH list 1
        :1
        > SORT list GET w_*
        [_]
        > COMMAND GETKEYS SORT abc STORE invalid STORE stillbad STORE def
        ["abc", "def"]
        > COMMAND GETKEYS SORT abc BY STORE GET STORE
        ["abc"]
        > COMMAND GETKEYS SORT_RO abc
        ["abc"]
        > COMMAND GETKEYSANDFLAGS SORT abc STORE def
        [["abc", ~[+RO, +access]], ["def", ~[+OW, +update]]]
        "#,
    );
}
