//! Sorted set commands that do not wait.

use std::collections::BTreeSet;

use super::{are_refused_for_the_type, dialogue, dialogue_resp3};
use crate::support::{Server, against_redis, bulk, int, ok};

#[test]
fn members_are_added_under_the_conditions_given() {
    dialogue(
        r#"
        > ZADD z 1 a 2 b 3 c
        :3
        > ZADD z 1 a 5 b 4 d
        :1
        > ZADD z CH 1 a 6 b 5 e
        :2
        > ZADD z NX 9 a 9 f
        :1
        > ZADD z XX CH 8 a 9 g
        :1
        > ZADD z GT CH 7 a 7 b
        :1
        > ZADD z LT CH 7 a 8 b
        :1
        > ZADD z INCR 1.5 a
        "8.5"
        > ZADD z NX INCR 1 a
        nil
        > ZADD z XX INCR 1 missing
        nil
        > ZADD z GT INCR -1 a
        nil
        > ZADD missing XX 1 a
        :0
        > EXISTS missing
        :0
        > ZRANGE z 0 -1 WITHSCORES
        ["c", "3", "d", "4", "e", "5", "b", "7", "a", "8.5", "f", "9"]
        > ZCARD z
        :6
        > ZADD z nx xx 1 a
        -ERR XX and NX options at the same time are not compatible
        > ZADD z GT NX 1 a
        -ERR GT, LT, and/or NX options at the same time are not compatible
        > ZADD z INCR 1 a 2 b
        -ERR INCR option supports a single increment-element pair
        > ZADD z 1 a 2
        -ERR syntax error
        > ZADD z NX CH
        -ERR syntax error
        > ZADD z x a
        -ERR value is not a valid float
        > ZADD z 1 good x bad
        -ERR value is not a valid float
        > ZSCORE z good
        nil
        > ZADD z nan a
        -ERR value is not a valid float
        > TYPE z
        +zset
        "#,
    );
}

#[test]
fn scores_are_incremented_and_never_become_no_number() {
    dialogue(
        r#"
        > ZINCRBY z 1 a
        "1"
        > ZINCRBY z 0.25 a
        "1.25"
        > ZINCRBY z +inf a
        "inf"
        > ZINCRBY z -inf a
        -ERR resulting score is not a number (NaN)
        > ZSCORE z a
        "inf"
        > ZINCRBY z NX a
        -ERR syntax error
        > ZINCRBY z x a
        -ERR value is not a valid float
        > ZADD z 1e20 large 1e-10 small -0 minus
        :3
        > ZMSCORE z large small minus missing
        ["1e+20", "1e-10", "0", nil]
        > ZMSCORE missing a b
        [nil, nil]
        > ZSCORE missing a
        nil
        "#,
    );
    dialogue_resp3(
        r#"
        > ZADD z 1.5 a 3 b inf c
        :3
        > ZSCORE z a
        ,1.5
        > ZINCRBY z 1 b
        ,4
        > ZMSCORE z c missing
        [,inf, _]
        > ZADD z INCR 1 a
        ,2.5
        > ZRANGE z 0 0 WITHSCORES
        [["a", ,2.5]]
        > ZPOPMIN z
        ["a", ,2.5]
        > ZPOPMIN z 1
        [["b", ,4]]
        > ZPOPMAX missing
        []
        > ZMPOP 1 z MAX
        ["z", [["c", ,inf]]]
        > ZMPOP 1 z MAX
        _
        > ZADD z 1 a
        :1
        7.2> ZRANK z a WITHSCORE
        [:0, ,1]
        7.2> ZRANK z missing WITHSCORE
        _
        > ZUNION 1 z WITHSCORES
        [["a", ,1]]
        > ZRANDMEMBER z 1 WITHSCORES
        [["a", ,1]]
        "#,
    );
}

#[test]
fn ranks_count_from_both_ends() {
    dialogue(
        r#"
        > ZADD z 10 x 20 y 30 z 30 zz
        :4
        > ZRANK z x
        :0
        > ZRANK z zz
        :3
        > ZREVRANK z zz
        :0
        > ZRANK z missing
        nil
        > ZRANK missing x
        nil
        7.2> ZRANK z y WITHSCORE
        [:1, "20"]
        7.2> ZREVRANK z y withscore
        [:2, "20"]
        7.2> ZRANK z missing WITHSCORE
        nil-array
        7.2> ZRANK z y WITHSCORES
        -ERR syntax error
        7.2> ZRANK z y WITHSCORE x
        -ERR wrong number of arguments for 'zrank' command
        "#,
    );
}

#[test]
fn ranges_of_ranks_scores_and_members_are_read_in_both_directions() {
    dialogue(
        r#"
        > ZADD z 1 a 2 b 3 c 4 d 5 e
        :5
        > ZRANGE z 1 3
        ["b", "c", "d"]
        > ZRANGE z -2 -1 REV WITHSCORES
        ["b", "2", "a", "1"]
        > ZREVRANGE z 0 1 WITHSCORES
        ["e", "5", "d", "4"]
        > ZRANGE z 9 10
        []
        > ZRANGE z (1 3 BYSCORE
        ["b", "c"]
        > ZRANGE z +inf -inf BYSCORE REV LIMIT 1 2
        ["d", "c"]
        > ZRANGEBYSCORE z -inf (3 WITHSCORES
        ["a", "1", "b", "2"]
        > ZRANGEBYSCORE z 0 10 LIMIT 3 -1
        ["d", "e"]
        > ZRANGEBYSCORE z 0 10 LIMIT -1 2
        []
        > ZREVRANGEBYSCORE z 4 (2 LIMIT 0 1
        ["d"]
        > ZRANGEBYSCORE z 3 1
        []
        > ZCOUNT z (1 +inf
        :4
        > ZCOUNT missing 0 1
        :0
        > ZADD lex 0 alpha 0 bar 0 cool 0 down 0 10
        :5
        > ZRANGEBYLEX lex - +
        ["10", "alpha", "bar", "cool", "down"]
        > ZRANGEBYLEX lex [alpha (cool
        ["alpha", "bar"]
        > ZREVRANGEBYLEX lex [cool (alpha LIMIT 0 1
        ["cool"]
        > ZRANGE lex + [bar BYLEX REV
        ["down", "cool", "bar"]
        > ZRANGEBYLEX lex + -
        []
        > ZLEXCOUNT lex - (bar
        :2
        > ZLEXCOUNT missing - +
        :0
        "#,
    );
}

#[test]
fn ranges_refuse_what_they_cannot_read() {
    dialogue(
        r#"
        > ZRANGE z 0 1 LIMIT 0 1
        -ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX
        > ZRANGE z [a [b BYLEX WITHSCORES
        -ERR syntax error, WITHSCORES not supported in combination with BYLEX
        > ZRANGE z 0 1 BYSCORE BYLEX
        -ERR syntax error
        > ZRANGE z 0 1 REV REV
        -ERR syntax error
        > ZREVRANGE z 0 1 REV
        -ERR syntax error
        > ZRANGE z 0 1 BYSCORE LIMIT 0
        -ERR syntax error
        > ZRANGE z 0 1 BYSCORE LIMIT 0 x
        -ERR value is not an integer or out of range
        > ZRANGE z x 1
        -ERR value is not an integer or out of range
        > ZRANGEBYSCORE z x 1
        -ERR min or max is not a float
        > ZRANGEBYSCORE z nan 1
        -ERR min or max is not a float
        > ZCOUNT z 1 (x
        -ERR min or max is not a float
        > ZRANGEBYLEX z a [b
        -ERR min or max not valid string range item
        > ZLEXCOUNT z - x
        -ERR min or max not valid string range item
        > ZRANGESTORE out z 0 1 WITHSCORES
        -ERR syntax error
        "#,
    );
}

#[test]
fn range_is_stored_or_its_target_deleted() {
    dialogue(
        r#"
        > ZADD z 1 a 2 b 3 c 4 d
        :4
        > ZRANGESTORE out z 1 2
        :2
        > ZRANGE out 0 -1 WITHSCORES
        ["b", "2", "c", "3"]
        > ZRANGESTORE out z 0 0 REV
        :1
        > ZRANGE out 0 -1
        ["d"]
        > ZRANGESTORE z z (1 +inf BYSCORE LIMIT 0 2
        :2
        > ZRANGE z 0 -1
        ["b", "c"]
        > ZRANGESTORE out missing 0 -1
        :0
        > EXISTS out
        :0
        > SET text value
        +OK
        > ZRANGESTORE text z 0 -1
        :2
        > TYPE text
        +zset
        "#,
    );
}

#[test]
fn members_are_removed_one_by_one_and_by_ranges() {
    dialogue(
        r#"
        > ZADD z 1 a 2 b 3 c 4 d 5 e 6 f
        :6
        > ZREM z a missing f
        :2
        > ZREM missing a
        :0
        > ZREMRANGEBYRANK z 0 0
        :1
        > ZREMRANGEBYSCORE z (3 4
        :1
        > ZREMRANGEBYSCORE z x 4
        -ERR min or max is not a float
        > ZRANGE z 0 -1
        ["c", "e"]
        > ZREMRANGEBYRANK z 5 9
        :0
        > ZREMRANGEBYLEX missing - +
        :0
        > ZADD lex 0 a 0 b 0 c
        :3
        > ZREMRANGEBYLEX lex [b +
        :2
        > ZREMRANGEBYLEX lex x +
        -ERR min or max not valid string range item
        > ZREMRANGEBYRANK z x 1
        -ERR value is not an integer or out of range
        > ZREM z c e
        :2
        > EXISTS z
        :0
        "#,
    );
}

#[test]
fn lowest_and_highest_members_are_popped() {
    dialogue(
        r#"
        > ZADD z 1 a 2 b 3 c 4 d 5 e
        :5
        > ZPOPMIN z
        ["a", "1"]
        > ZPOPMAX z 2
        ["e", "5", "d", "4"]
        > ZPOPMIN z 0
        []
        > ZPOPMIN z -1
        -ERR value is out of range, must be positive
        > ZPOPMIN z 1 2
        -ERR syntax error
        > ZMPOP 2 missing z MAX COUNT 9
        ["z", [["c", "3"], ["b", "2"]]]
        > EXISTS z
        :0
        > ZPOPMIN z
        []
        > ZMPOP 1 z MIN
        nil-array
        > ZMPOP 0 z MIN
        -ERR numkeys should be greater than 0
        > ZMPOP 1 z UP
        -ERR syntax error
        > ZMPOP 2 z MIN
        -ERR syntax error
        > ZMPOP 1 z MIN COUNT 0
        -ERR count should be greater than 0
        "#,
    );
}

#[test]
fn several_sets_are_united_intersected_and_subtracted() {
    dialogue(
        r#"
        > ZADD one 1 a 2 b 3 c
        :3
        > ZADD two 10 b 20 c 30 d
        :3
        > ZUNION 2 one two
        ["a", "b", "c", "d"]
        > ZUNION 2 one two WITHSCORES
        ["a", "1", "b", "12", "c", "23", "d", "30"]
        > ZUNION 2 one two WEIGHTS 2 0.5 AGGREGATE MAX WITHSCORES
        ["a", "2", "b", "5", "c", "10", "d", "15"]
        > ZINTER 2 one two WITHSCORES AGGREGATE MIN
        ["b", "2", "c", "3"]
        > ZINTER 2 one missing
        []
        > ZDIFF 2 one two WITHSCORES
        ["a", "1"]
        > ZDIFF 2 missing two
        []
        > ZINTERCARD 2 one two
        :2
        > ZINTERCARD 2 one two LIMIT 1
        :1
        > ZINTERCARD 2 one two LIMIT 0
        :2
        > ZUNIONSTORE out 2 one two
        :4
        > ZRANGE out 0 -1 WITHSCORES
        ["a", "1", "b", "12", "c", "23", "d", "30"]
        > ZINTERSTORE out 2 one two WEIGHTS 1 inf
        :2
        > ZRANGE out 0 -1 WITHSCORES
        ["b", "inf", "c", "inf"]
        > ZDIFFSTORE out 2 one two
        :1
        > ZDIFFSTORE out 2 one one
        :0
        > EXISTS out
        :0
        > ZADD both +inf x
        :1
        > ZADD negative -inf x
        :1
        > ZUNION 2 both negative WITHSCORES
        ["x", "0"]
        > ZUNION 1 both WEIGHTS 0 WITHSCORES
        ["x", "0"]
        "#,
    );
}

#[test]
fn sets_count_as_sorted_sets_whose_scores_are_one() {
    dialogue(
        r#"
        > SADD words a b x
        :3
        > SADD numbers 1 2 3
        :3
        > ZADD z 5 a 6 c 7 2
        :3
        > ZUNION 2 z words WITHSCORES
        ["b", "1", "x", "1", "a", "6", "c", "6", "2", "7"]
        > ZINTER 2 numbers z WEIGHTS 10 1 WITHSCORES
        ["2", "17"]
        > ZDIFF 2 words z WITHSCORES
        ["b", "1", "x", "1"]
        > ZINTERCARD 2 words words
        :3
        > ZUNIONSTORE out 1 numbers WEIGHTS 3
        :3
        > ZRANGE out 0 -1 WITHSCORES
        ["1", "3", "2", "3", "3", "3"]
        "#,
    );
}

#[test]
fn combinations_refuse_what_they_cannot_read() {
    dialogue(
        r#"
        > ZUNION 0 one
        -ERR at least 1 input key is needed for 'zunion' command
        > ZUNIONSTORE out 0 one
        -ERR at least 1 input key is needed for 'zunionstore' command
        > ZINTERCARD 0 one
        -ERR at least 1 input key is needed for 'zintercard' command
        > ZINTER x one
        -ERR value is not an integer or out of range
        > ZDIFF 3 one two
        -ERR syntax error
        > ZUNION 2 one two WEIGHTS 1
        -ERR syntax error
        > ZUNION 2 one two WEIGHTS 1 x
        -ERR weight value is not a float
        > ZUNION 1 one AGGREGATE avg
        -ERR syntax error
        > ZDIFF 1 one WEIGHTS 1
        -ERR syntax error
        > ZUNIONSTORE out 1 one WITHSCORES
        -ERR syntax error
        > ZINTERCARD 1 one LIMIT -1
        -ERR LIMIT can't be negative
        > ZINTERCARD 1 one WITHSCORES
        -ERR syntax error
        > SET text value
        +OK
        > ZUNION 1 text
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn random_members_are_members_and_different_where_the_count_is_positive() {
    let server = Server::start();
    let mut client = server.client();
    for (key, members) in [("small", 20), ("large", 400)] {
        for n in 0..members {
            client.run(&format!("ZADD {key} {n} m{n}"));
        }
        let all: BTreeSet<String> = client.run(&format!("ZRANGE {key} 0 -1")).texts().into_iter().collect();
        assert!(all.contains(&client.run(&format!("ZRANDMEMBER {key}")).text()));
        for count in [1, 5, members / 2, members, members * 2] {
            let picked = client.run(&format!("ZRANDMEMBER {key} {count}")).texts();
            assert_eq!(picked.len(), count.min(members));
            let distinct: BTreeSet<String> = picked.into_iter().collect();
            assert!(distinct.len() == count.min(members) && distinct.is_subset(&all));
        }
        let picked = client.run(&format!("ZRANDMEMBER {key} -{} WITHSCORES", members * 2)).texts();
        assert_eq!(picked.len(), members * 4);
        assert!(picked.chunks(2).all(|pair| pair[0] == format!("m{}", pair[1])));
    }
    client.transcript(
        r#"
        > ZRANDMEMBER missing
        nil
        > ZRANDMEMBER missing 3
        []
        > ZRANDMEMBER small 0
        []
        > ZRANDMEMBER small x
        -ERR value is not an integer or out of range
        > ZRANDMEMBER small -9223372036854775808 WITHSCORE
        -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
        > ZRANDMEMBER small 1 WITHSCORE
        -ERR syntax error
        > ZRANDMEMBER small -9223372036854770000 WITHSCORES
        -ERR value is out of range
        "#,
    );
}

#[test]
fn scan_returns_every_member_with_its_score() {
    let server = Server::start();
    let mut client = server.client();
    for members in [10, 500] {
        let key = format!("z{members}");
        for n in 0..members {
            client.run(&format!("ZADD {key} {n}.5 m{n}"));
        }
        let mut found = BTreeSet::new();
        let mut cursor = "0".to_owned();
        loop {
            let reply = client.run(&format!("ZSCAN {key} {cursor} COUNT 20"));
            for pair in reply.items()[1].texts().chunks(2) {
                assert_eq!(format!("{}.5", &pair[0][1..]), pair[1]);
                found.insert(pair[0].clone());
            }
            cursor = reply.items()[0].text();
            if cursor == "0" {
                break;
            }
        }
        assert_eq!(found.len(), members);
    }
    client.transcript(
        r#"
        > ZSCAN missing 0
        ["0", []]
        > ZSCAN z10 0 MATCH m3
        ["0", ["m3", "3.5"]]
        > ZSCAN z10 x
        -ERR invalid cursor
        > ZSCAN z10 0 COUNT 0
        -ERR syntax error
        > ZSCAN z10 0 FOO 1
        -ERR syntax error
        "#,
    );
}

#[test]
fn other_types_are_refused_by_every_sorted_set_command() {
    let server = Server::start();
    let mut client = server.client();
    assert_eq!(client.run("SET text value"), ok());
    are_refused_for_the_type(
        &mut client,
        &[
            "ZADD text 1 a",
            "ZINCRBY text 1 a",
            "ZREM text a",
            "ZCARD text",
            "ZSCORE text a",
            "ZMSCORE text a",
            "ZRANK text a",
            "ZREVRANK text a",
            "ZCOUNT text 0 1",
            "ZLEXCOUNT text - +",
            "ZRANGE text 0 1",
            "ZREVRANGE text 0 1",
            "ZRANGEBYSCORE text 0 1",
            "ZREVRANGEBYSCORE text 1 0",
            "ZRANGEBYLEX text - +",
            "ZREVRANGEBYLEX text + -",
            "ZRANGESTORE out text 0 1",
            "ZREMRANGEBYRANK text 0 1",
            "ZREMRANGEBYSCORE text 0 1",
            "ZREMRANGEBYLEX text - +",
            "ZPOPMIN text",
            "ZPOPMAX text",
            "ZMPOP 1 text MIN",
            "ZRANDMEMBER text",
            "ZRANDMEMBER text 1",
            "ZUNION 1 text",
            "ZINTER 1 text",
            "ZDIFF 1 text",
            "ZINTERCARD 1 text",
            "ZUNIONSTORE out 1 text",
            "ZINTERSTORE out 1 text",
            "ZDIFFSTORE out 1 text",
            "ZSCAN text 0",
        ],
    );
}

#[test]
fn sorted_set_becomes_a_skiplist_by_members_or_length() {
    dialogue(
        r#"
        > CONFIG SET zset-max-listpack-entries 3 zset-max-listpack-value 5
        +OK
        > ZADD z 1 a 2 b 3 c
        :3
        > OBJECT ENCODING z
        "listpack"
        > ZADD z 4 d
        :1
        > OBJECT ENCODING z
        "skiplist"
        > ZADD long 1 longer
        :1
        > OBJECT ENCODING long
        "skiplist"
        > ZREMRANGEBYRANK z 2 -1
        :2
        > OBJECT ENCODING z
        "skiplist"
        > ZUNIONSTORE small 1 z
        :2
        > OBJECT ENCODING small
        "listpack"
        // Members that are named at once count as if all were new.
        7.2> ZADD small 1 a 1 a 1 a 1 a
        :0
        7.2> OBJECT ENCODING small
        "skiplist"
        "#,
    );
}

#[test]
fn large_sorted_sets_keep_their_members_through_a_dump() {
    let server = Server::start();
    let mut client = server.client();
    for part in 0..30 {
        let mut command = vec!["ZADD".to_owned(), "z".to_owned()];
        for n in part * 100..(part + 1) * 100 {
            command.extend([format!("{}", (n * 7919) % 3_000), format!("m{n}")]);
        }
        client.cmd(&command);
    }
    assert_eq!(client.run("ZCARD z"), int(3_000));
    assert_eq!(client.run("ZRANGE z 1234 1234 WITHSCORES").texts()[1], "1234");
    let all = client.run("ZRANGE z 0 -1 WITHSCORES");
    let payload = client.run("DUMP z").bytes();
    assert_eq!(client.cmd(&[b"RESTORE".as_slice(), b"copy", b"0", &payload]), ok());
    assert_eq!(client.run("ZRANGE copy 0 -1 WITHSCORES"), all);
    assert_eq!(client.run("ZSCORE copy m1"), bulk("1919"));
    if !against_redis() {
        assert!(client.run("MEMORY USAGE copy").integer() > 3_000 * 30);
    }
}

#[test]
fn changes_are_published_as_events() {
    let server = Server::with_config("notify-keyspace-events KEA");
    let mut listener = server.client();
    listener.run("PSUBSCRIBE __keyevent@*");
    let mut client = server.client();
    let mut expect = |command: &str, events: &[&str]| {
        client.run(command);
        for event in events {
            let message = listener.read();
            let texts = message.texts();
            let name = texts[2].rsplit(':').next().unwrap_or_default().to_owned();
            assert_eq!(format!("{name} {}", texts[3]), *event, "{command}");
        }
    };
    expect("ZADD a 1 x 2 y 3 z 4 w", &["zadd a"]);
    expect("ZADD a 1 x", &[]);
    expect("ZINCRBY a 1 x", &["zincr a"]);
    expect("ZREM a x", &["zrem a"]);
    expect("ZREM a x", &[]);
    expect("ZREMRANGEBYRANK a 0 0", &["zremrangebyrank a"]);
    expect("ZREMRANGEBYSCORE a 3 3", &["zremrangebyscore a"]);
    expect("ZUNIONSTORE b 1 a", &["zunionstore b"]);
    expect("ZINTERSTORE b 2 a missing", &["del b"]);
    expect("ZRANGESTORE b a 0 -1", &["zrangestore b"]);
    expect("ZDIFFSTORE b 1 a", &["zdiffstore b"]);
    expect("ZPOPMIN a", &["zpopmin a", "del a"]);
    expect("ZMPOP 1 b MAX COUNT 2", &["zpopmax b", "del b"]);
    expect("ZADD a 0 x", &["zadd a"]);
    expect("ZREMRANGEBYLEX a - +", &["zremrangebylex a", "del a"]);
}

#[test]
fn infinite_weights_zero_the_sum_and_not_the_product() {
    dialogue(
        r#"
        > ZADD a 5 k
        :1
        > ZADD b 0 k 1 x
        :2
        > ZADD c 1 k 1 y 1 w
        :3
        > ZINTER 3 a b c WEIGHTS 1 inf 1 WITHSCORES
        ["k", "1"]
        > ZINTER 3 a b c WEIGHTS inf 1 0 WITHSCORES
        ["k", "inf"]
        > ZINTER 3 a b c WEIGHTS inf 1 -inf WITHSCORES
        ["k", "0"]
        > ZINTER 3 a b c WEIGHTS 1 inf 1 AGGREGATE MIN WITHSCORES
        ["k", "1"]
        > ZINTER 3 a b c WEIGHTS 1 inf 1 AGGREGATE MAX WITHSCORES
        ["k", "5"]
        > ZINTER 2 b a WEIGHTS inf 0 AGGREGATE MAX WITHSCORES
        ["k", "0"]
        > ZINTERSTORE to 3 a b c WEIGHTS 1 -inf 1
        :1
        > ZSCORE to k
        "1"
        > ZUNION 3 a b c WEIGHTS 1 inf 1 WITHSCORES
        ["w", "1", "y", "1", "k", "6", "x", "inf"]
        > ZUNIONSTORE to 2 a b WEIGHTS inf -inf AGGREGATE MIN
        :2
        > ZRANGE to 0 -1 WITHSCORES
        ["x", "-inf", "k", "0"]
        > SADD s k x
        :2
        > ZINTER 2 b s WEIGHTS 0 inf WITHSCORES
        ["k", "inf", "x", "inf"]
        > ZADD far inf k
        :1
        > ZINTER 3 far s c WEIGHTS 1 1 0 WITHSCORES
        ["k", "inf"]
        > ZINTER 3 s far c WEIGHTS 0 0 3 WITHSCORES
        ["k", "3"]
        "#,
    );
}

#[test]
fn ranges_by_name_over_other_scores_stop_at_the_first_member_outside() {
    for config in ["", "zset-max-listpack-entries 0"] {
        let server = Server::with_config(config);
        server.client().transcript(
            r#"
            > ZADD z 1 b 2 1 3 d
            :3
            > ZRANGE z (y [b BYLEX REV
            ["d"]
            > ZRANGE z - + BYLEX
            ["b", "1", "d"]
            > ZREVRANGEBYLEX z + -
            ["d", "1", "b"]
            > ZRANGE z - [c BYLEX
            ["b", "1"]
            > ZRANGEBYLEX z - [c LIMIT 1 5
            ["1"]
            > ZRANGEBYLEX z - [b LIMIT 1 1
            ["1"]
            > ZRANGE z + (1 BYLEX REV
            ["d"]
            > ZREVRANGEBYLEX z + [a LIMIT 2 1
            ["b"]
            > ZREVRANGEBYLEX z + [a LIMIT -1 1
            []
            > ZRANGE z - [1 BYLEX
            []
            > ZLEXCOUNT z - [1
            :0
            > ZLEXCOUNT z - [c
            :2
            > ZLEXCOUNT z - +
            :3
            > ZRANGESTORE to z + (1 BYLEX REV
            :1
            > ZREMRANGEBYLEX z - [a
            :0
            > ZREMRANGEBYLEX z - [c
            :2
            > ZRANGE z 0 -1
            ["d"]
            "#,
        );
    }
}
