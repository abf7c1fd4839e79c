//! List commands that do not wait.

use super::{are_refused_for_the_type, dialogue, dialogue_resp3};
use crate::support::{Server, against_redis, bulk, int, ok};

#[test]
fn pushes_put_elements_at_their_end_in_the_order_given() {
    dialogue(
        r#"
        > RPUSH list a b c
        :3
        > LPUSH list 1 2
        :5
        > LRANGE list 0 -1
        ["2", "1", "a", "b", "c"]
        > LLEN list
        :5
        > LLEN missing
        :0
        > LPUSHX list 3
        :6
        > RPUSHX list d e
        :8
        > LPUSHX missing x
        :0
        > RPUSHX missing x
        :0
        > LLEN missing
        :0
        > RPUSH list
        -ERR wrong number of arguments for 'rpush' command
        > RPUSH odd "" "\x00\xff" -9223372036854775808 007
        :4
        > LRANGE odd 0 -1
        ["", "\x00\xff", "-9223372036854775808", "007"]
        "#,
    );
}

#[test]
fn ranges_and_indexes_count_from_both_ends() {
    dialogue(
        r#"
        > RPUSH list a b c d e
        :5
        > LRANGE list 1 3
        ["b", "c", "d"]
        > LRANGE list -3 -2
        ["c", "d"]
        > LRANGE list -100 100
        ["a", "b", "c", "d", "e"]
        > LRANGE list 3 1
        []
        > LRANGE list 5 9
        []
        > LRANGE missing 0 -1
        []
        > LRANGE list x 1
        -ERR value is not an integer or out of range
        > LINDEX list 0
        "a"
        > LINDEX list -1
        "e"
        > LINDEX list 5
        nil
        > LINDEX list -6
        nil
        > LINDEX missing 0
        nil
        > LINDEX list x
        -ERR value is not an integer or out of range
        "#,
    );
}

#[test]
fn pops_take_one_or_several_and_delete_what_is_emptied() {
    dialogue(
        r#"
        > RPUSH list a b c d e f
        :6
        > LPOP list
        "a"
        > RPOP list
        "f"
        > LPOP list 2
        ["b", "c"]
        > RPOP list 0
        []
        > RPOP list 9
        ["e", "d"]
        > LLEN list
        :0
        > LPOP list
        nil
        > LPOP list 1
        nil-array
        > RPOP list -1
        -ERR value is out of range, must be positive
        > RPOP list x
        -ERR value is out of range, must be positive
        > LPOP list 1 2
        -ERR wrong number of arguments for 'lpop' command
        "#,
    );
    dialogue_resp3(
        r#"
        > LPOP list
        _
        > LPOP list 1
        _
        > LMPOP 1 list LEFT
        _
        > LINDEX list 0
        _
        "#,
    );
}

#[test]
fn elements_are_inserted_set_and_removed() {
    dialogue(
        r#"
        > RPUSH list a b c b a
        :5
        > LINSERT list BEFORE b x
        :6
        > LINSERT list after b y
        :7
        > LRANGE list 0 -1
        ["a", "x", "b", "y", "c", "b", "a"]
        > LINSERT list AFTER missing z
        :-1
        > LINSERT missing AFTER a z
        :0
        > LINSERT list BESIDE a z
        -ERR syntax error
        > LSET list 0 first
        +OK
        > LSET list -1 12345
        +OK
        > LSET list 7 x
        -ERR index out of range
        > LSET list x x
        -ERR value is not an integer or out of range
        > LSET missing 0 x
        -ERR no such key
        > LRANGE list 0 -1
        ["first", "x", "b", "y", "c", "b", "12345"]
        > LREM list -1 b
        :1
        > LREM list 0 12345
        :1
        > LREM list 1 b
        :1
        > LREM list 5 b
        :0
        > LRANGE list 0 -1
        ["first", "x", "y", "c"]
        > LREM missing 0 a
        :0
        > LREM list x a
        -ERR value is not an integer or out of range
        > LTRIM list 1 -2
        +OK
        > LRANGE list 0 -1
        ["x", "y"]
        > LTRIM missing 0 1
        +OK
        > LTRIM list 5 9
        +OK
        > LLEN list
        :0
        "#,
    );
}

#[test]
fn positions_are_found_by_rank_count_and_length() {
    dialogue(
        r#"
        > RPUSH list a b c 1 2 3 c c
        :8
        > LPOS list c
        :2
        > LPOS list c RANK 2
        :6
        > LPOS list c RANK -1
        :7
        > LPOS list c RANK 5
        nil
        > LPOS list c COUNT 2
        [:2, :6]
        > LPOS list c COUNT 0
        [:2, :6, :7]
        > LPOS list c COUNT 0 RANK -1
        [:7, :6, :2]
        > LPOS list c COUNT 1 RANK -2
        [:6]
        > LPOS list c COUNT 0 MAXLEN 3
        [:2]
        > LPOS list c MAXLEN 1 RANK -1
        :7
        > LPOS list 3
        :5
        > LPOS list x
        nil
        > LPOS list x COUNT 1
        []
        > LPOS missing x
        nil
        > LPOS missing x COUNT 1
        []
        > LPOS list c RANK 0
        -ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use negative to start from the end of the list
        > LPOS list c RANK -9223372036854775807
        nil
        7.2> LPOS list c RANK -9223372036854775808
        -ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807
        > LPOS list c COUNT -1
        -ERR COUNT can't be negative
        > LPOS list c MAXLEN -1
        -ERR MAXLEN can't be negative
        > LPOS list c COUNT
        -ERR syntax error
        > LPOS list c FOO 1
        -ERR syntax error
        "#,
    );
}

#[test]
fn elements_move_between_lists_and_within_one() {
    dialogue(
        r#"
        > RPUSH source a b c
        :3
        > LMOVE source target LEFT RIGHT
        "a"
        > LMOVE source target right left
        "c"
        > LRANGE target 0 -1
        ["c", "a"]
        > LMOVE target target LEFT RIGHT
        "c"
        > LRANGE target 0 -1
        ["a", "c"]
        > RPOPLPUSH source target
        "b"
        > LLEN source
        :0
        > LRANGE target 0 -1
        ["b", "a", "c"]
        > RPOPLPUSH target target
        "c"
        > RPOPLPUSH missing target
        nil
        > LMOVE missing target LEFT LEFT
        nil
        > LMOVE target other UP LEFT
        -ERR syntax error
        > RPUSH single x
        :1
        > LMOVE single single LEFT RIGHT
        "x"
        > LRANGE single 0 -1
        ["x"]
        > SET text value
        +OK
        > LMOVE target text LEFT LEFT
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > LRANGE target 0 -1
        ["c", "b", "a"]
        "#,
    );
}

#[test]
fn first_list_that_exists_is_popped() {
    dialogue(
        r#"
        > RPUSH second a b c
        :3
        > LMPOP 2 first second LEFT
        ["second", ["a"]]
        > LMPOP 2 first second RIGHT COUNT 5
        ["second", ["c", "b"]]
        > LLEN second
        :0
        > LMPOP 1 first LEFT
        nil-array
        > LMPOP 0 first LEFT
        -ERR numkeys should be greater than 0
        > LMPOP x first LEFT
        -ERR numkeys should be greater than 0
        > LMPOP 2 first LEFT
        -ERR syntax error
        > LMPOP 1 first UP
        -ERR syntax error
        > LMPOP 1 first LEFT COUNT 0
        -ERR count should be greater than 0
        > LMPOP 1 first LEFT COUNT 0 COUNT 1
        -ERR count should be greater than 0
        > LMPOP 1 first LEFT COUNT x more
        -ERR count should be greater than 0
        > LMPOP 1 first LEFT COUNT
        -ERR syntax error
        > LMPOP 1 first LEFT more COUNT 0
        -ERR syntax error
        > LMPOP 1 first LEFT COUNT 1 COUNT 1
        -ERR syntax error
        > LMPOP 9223372036854775807 first LEFT
        -ERR syntax error
        > SET text value
        +OK
        > LMPOP 2 text first LEFT
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn other_types_are_refused_by_every_list_command() {
    let server = Server::start();
    let mut client = server.client();
    assert_eq!(client.run("SET text value"), ok());
    are_refused_for_the_type(
        &mut client,
        &[
            "LPUSH text a",
            "RPUSH text a",
            "LPUSHX text a",
            "RPUSHX text a",
            "LPOP text",
            "RPOP text 2",
            "LLEN text",
            "LINDEX text 0",
            "LINSERT text BEFORE a b",
            "LSET text 0 a",
            "LRANGE text 0 -1",
            "LTRIM text 0 1",
            "LREM text 0 a",
            "LPOS text a",
            "LMOVE text other LEFT LEFT",
            "RPOPLPUSH text other",
            "LMPOP 1 text LEFT",
        ],
    );
    assert!(client.run("LPUSH").is_error());
}

#[test]
fn list_changes_its_encoding_with_its_size_and_back() {
    if against_redis() {
        return;
    }
    dialogue(
        r#"
        > CONFIG SET list-max-listpack-size 4 list-compress-depth 1
        +OK
        > RPUSH list a b c d
        :4
        > OBJECT ENCODING list
        "listpack"
        > RPUSH list e f g h i j k l
        :12
        > OBJECT ENCODING list
        "quicklist"
        > LRANGE list 0 -1
        ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]
        > LTRIM list 0 1
        +OK
        > OBJECT ENCODING list
        "listpack"
        "#,
    );
}

#[test]
fn large_lists_keep_their_elements_through_a_dump() {
    let server = Server::start();
    let mut client = server.client();
    let elements: Vec<String> = (0..3_000).map(|n| format!("element-{n}-{}", "x".repeat(n % 50))).collect();
    for part in elements.chunks(100) {
        let mut command = vec!["RPUSH", "list"];
        command.extend(part.iter().map(String::as_str));
        client.cmd(&command);
    }
    assert_eq!(client.run("LLEN list"), int(3_000));
    assert_eq!(client.run("LINDEX list 1234"), bulk(&elements[1234]));
    assert_eq!(client.run("LRANGE list 0 -1").texts(), elements);
    let payload = client.run("DUMP list").bytes();
    assert_eq!(client.cmd(&[b"RESTORE".as_slice(), b"copy", b"0", &payload]), ok());
    assert_eq!(client.run("LRANGE copy 0 -1").texts(), elements);
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
            assert_eq!(
                format!("{} {}", texts[2].rsplit(':').next().unwrap_or_default(), texts[3]),
                *event,
                "{command}"
            );
        }
    };
    expect("RPUSH a 1 2 3", &["rpush a"]);
    expect("LPUSH a 0", &["lpush a"]);
    expect("LINSERT a BEFORE 1 x", &["linsert a"]);
    expect("LSET a 0 y", &["lset a"]);
    expect("LREM a 0 x", &["lrem a"]);
    expect("LREM a 0 nothing", &[]);
    expect("LPOP a", &["lpop a"]);
    expect("LMOVE a b LEFT RIGHT", &["rpush b", "lpop a"]);
    expect("LTRIM a 0 0", &["ltrim a"]);
    expect("RPOP a", &["rpop a", "del a"]);
    expect("RPOPLPUSH b a", &["lpush a", "rpop b", "del b"]);
    expect("LMPOP 1 a RIGHT COUNT 2", &["rpop a", "del a"]);
}
