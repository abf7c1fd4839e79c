//! Stream commands that do not wait; those that do are in `stream_readers`.

use super::{dialogue, dialogue_resp3};
use crate::support::{Server, against_redis, bulk, int, ok};

#[test]
fn entries_are_added_under_ids_that_grow() {
    dialogue(
        r#"
        > XADD s 5-1 a 1
        "5-1"
        > XADD s 5-* b 2 c 3
        "5-2"
        > XADD s 7 d ""
        "7-0"
        > XADD s 7-0 x 1
        -ERR The ID specified in XADD is equal or smaller than the target stream top item
        > XADD s 6-* x 1
        -ERR The ID specified in XADD is equal or smaller than the target stream top item
        > XADD s 0-0 x 1
        -ERR The ID specified in XADD must be greater than 0-0
        > XADD s - x 1
        -ERR Invalid stream ID specified as stream command argument
        > XADD s 1-2-3 x 1
        -ERR Invalid stream ID specified as stream command argument
        > XADD s 8-0 x
        -ERR wrong number of arguments for 'xadd' command
        > XADD s 8-0 x 1 y
        -ERR wrong number of arguments for 'xadd' command
        > XADD s MAXLEN 5 NOMKSTREAM 8-0
        -ERR wrong number of arguments for 'xadd' command
        > XLEN s
        :3
        > XRANGE s - +
        [["5-1", ["a", "1"]], ["5-2", ["b", "2", "c", "3"]], ["7-0", ["d", ""]]]
        > TYPE s
        +stream
        > OBJECT ENCODING s
        "stream"
        > XADD s 18446744073709551615-18446744073709551615 last 1
        "18446744073709551615-18446744073709551615"
        > XADD s * x 1
        -ERR The stream has exhausted the last possible ID, unable to add more items
        > XADD zero 0-* x 1
        "0-1"
        > XLEN missing
        :0
        > SET string x
        +OK
        > XADD string * x 1
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > XLEN string
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn ids_of_the_clock_never_go_back() {
    let server = Server::start();
    let mut client = server.client();
    let first = client.run("XADD s * x 1").text();
    let (ms, seq) = first.split_once('-').expect("two numbers");
    assert!(ms.parse::<u64>().expect("milliseconds") > 1_600_000_000_000 && seq == "0", "{first}");
    client.run("XADD s 99999999999999-7 x 1");
    assert_eq!(client.run("XADD s * x 1"), bulk("99999999999999-8"));
    client.run("XADD s 99999999999999-18446744073709551615 x 1");
    assert_eq!(client.run("XADD s * x 1"), bulk("100000000000000-0"));
}

#[test]
fn a_stream_is_not_created_against_the_clients_will() {
    dialogue(
        r#"
        > XADD s NOMKSTREAM * x 1
        nil
        > EXISTS s
        :0
        > XADD s 1-1 x 1
        "1-1"
        > XADD s nomkstream 1-2 x 1
        "1-2"
        > XADD s NOMKSTREAM MAXLEN = 1 1-3 x 1
        "1-3"
        > XLEN s
        :1
        "#,
    );
}

#[test]
fn ranges_are_read_in_either_direction() {
    dialogue(
        r#"
        > XADD s 1-1 n 1
        > XADD s 1-2 n 2
        > XADD s 2-1 n 3
        > XADD s 3-1 other 4
        > XRANGE s - + COUNT 2
        [["1-1", ["n", "1"]], ["1-2", ["n", "2"]]]
        > XREVRANGE s + - COUNT 2
        [["3-1", ["other", "4"]], ["2-1", ["n", "3"]]]
        > XRANGE s 1 1
        [["1-1", ["n", "1"]], ["1-2", ["n", "2"]]]
        > XRANGE s (1-1 (3
        [["1-2", ["n", "2"]], ["2-1", ["n", "3"]], ["3-1", ["other", "4"]]]
        > XRANGE s (1-1 (3-1
        [["1-2", ["n", "2"]], ["2-1", ["n", "3"]]]
        > XREVRANGE s (2-1 (1-1
        [["1-2", ["n", "2"]]]
        > XRANGE s 3 1
        []
        > XRANGE s 4 +
        []
        > XRANGE s - + COUNT 0
        nil-array
        > XRANGE s - + COUNT -1
        nil-array
        > XRANGE missing - + COUNT 0
        []
        > XRANGE s - + COUNT
        -ERR syntax error
        > XRANGE s - + LIMIT 1
        -ERR syntax error
        > XRANGE s - + COUNT x
        -ERR value is not an integer or out of range
        > XRANGE s (18446744073709551615-18446744073709551615 +
        -ERR invalid start ID for the interval
        > XRANGE s - (0-0
        -ERR invalid end ID for the interval
        > XRANGE s (- +
        -ERR Invalid stream ID specified as stream command argument
        > XREVRANGE s x -
        -ERR Invalid stream ID specified as stream command argument
        > SET string x
        > XRANGE string - +
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > XREVRANGE string + -
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn deleted_entries_leave_an_empty_stream_behind() {
    dialogue(
        r#"
        > XADD s 1-1 a 1
        > XADD s 2-1 a 2
        > XADD s 3-1 a 3
        > XDEL s 2-1 2-1 9-9
        :1
        > XRANGE s - +
        [["1-1", ["a", "1"]], ["3-1", ["a", "3"]]]
        > XDEL s 1-1 x
        -ERR Invalid stream ID specified as stream command argument
        > XLEN s
        :2
        > XDEL s 1 3-1 1-1
        :2
        > XLEN s
        :0
        > EXISTS s
        :1
        > XRANGE s - +
        []
        > XADD s 3-1 a 4
        -ERR The ID specified in XADD is equal or smaller than the target stream top item
        > XADD s 3-* a 4
        "3-2"
        > XDEL missing x
        :0
        > SET string x
        > XDEL string 1-1
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn streams_are_trimmed_by_length_or_by_id() {
    dialogue(
        r#"
        > XADD s 1-1 n 1
        > XADD s 2-1 n 2
        > XADD s 3-1 n 3
        > XADD s 4-1 n 4
        > XTRIM s MAXLEN 3
        :1
        > XTRIM s MINID = 3
        :1
        > XTRIM s MAXLEN ~ 1
        :0
        > XRANGE s - +
        [["3-1", ["n", "3"]], ["4-1", ["n", "4"]]]
        > XADD s MINID 4 5-1 n 5
        "5-1"
        > XADD s MAXLEN 2 6-1 n 6
        "6-1"
        > XRANGE s - +
        [["5-1", ["n", "5"]], ["6-1", ["n", "6"]]]
        > XTRIM s MAXLEN 0
        :2
        > EXISTS s
        :1
        > XTRIM missing MAXLEN 0
        :0
        > XTRIM s MAXLEN 1 MINID 1
        -ERR syntax error, MAXLEN and MINID options at the same time are not compatible
        > XTRIM s MAXLEN -1
        -ERR The MAXLEN argument must be >= 0.
        > XTRIM s MAXLEN 1 LIMIT 1
        -ERR syntax error, LIMIT cannot be used without the special ~ option
        > XTRIM s MAXLEN ~ 1 LIMIT -1
        -ERR The LIMIT argument must be >= 0.
        > XTRIM s MAXLEN
        -ERR wrong number of arguments for 'xtrim' command
        > XTRIM s LIMIT 1
        -ERR syntax error, LIMIT cannot be used without specifying a trimming strategy
        > XTRIM s LIMIT 0 LIMIT 0
        -ERR syntax error, XTRIM must be called with a trimming strategy
        > XTRIM s MAXLEN 1 EXTRA
        -ERR syntax error
        > XADD s LIMIT 1 * n 1
        -ERR syntax error, LIMIT cannot be used without specifying a trimming strategy
        > SET string x
        > XTRIM string MAXLEN 0
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn an_approximate_trim_removes_whole_nodes_and_no_more_than_its_limit() {
    let server = Server::with_config("stream-node-max-entries 10");
    let mut client = server.client();
    for n in 1..=95 {
        client.run(&format!("XADD s {n}-0 n {n}"));
    }
    client.transcript(
        r#"
        > XTRIM s MAXLEN ~ 85
        :10
        > XTRIM s MINID ~ 25
        :10
        > XTRIM s MAXLEN ~ 0 LIMIT 30
        :30
        > XTRIM s MAXLEN ~ 0 LIMIT 9
        :0
        > XTRIM s MAXLEN ~ 0 LIMIT 0
        :45
        > XLEN s
        :0
        > CONFIG SET stream-node-max-entries 1 stream-node-max-bytes 64
        +OK
        > CONFIG GET stream-node-max-*
        "#,
    );
    // Without a limit of its own, a trim takes a hundred nodes at most.
    for n in 100..=350 {
        client.run(&format!("XADD s {n}-0 n {n}"));
    }
    assert_eq!(client.run("XTRIM s MAXLEN ~ 0"), int(100));
    assert_eq!(client.run("XLEN s"), int(151));
}

#[test]
fn the_counters_of_a_stream_can_be_set() {
    dialogue(
        r#"
        > XSETID s 1-1
        -ERR no such key
        > XADD s 5-1 n 1
        > XSETID s 5-0
        -ERR The ID specified in XSETID is smaller than the target stream top item
        > XSETID s 9-9
        +OK
        > XADD s 9-* n 2
        "9-10"
        > XSETID s 10-0 ENTRIESADDED 7 MAXDELETEDID 3-0
        +OK
        > XINFO STREAM s
        ["length", :2, "radix-tree-keys", :1, "radix-tree-nodes", :2, "last-generated-id", "10-0", "max-deleted-entry-id", "3-0", "entries-added", :7, "recorded-first-entry-id", "5-1", "groups", :0, "first-entry", ["5-1", ["n", "1"]], "last-entry", ["9-10", ["n", "2"]]]
        > XSETID s 10-0 ENTRIESADDED 1
        -ERR The entries_added specified in XSETID is smaller than the target stream length
        > XSETID s 10-0 ENTRIESADDED -1
        -ERR entries_added must be positive
        > XSETID s 10-0 MAXDELETEDID 11-0
        -ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id
        > XSETID s 10-0 MAXDELETEDID
        -ERR syntax error
        > XSETID s 10-0 OTHER 1
        -ERR syntax error
        > XSETID s +
        -ERR Invalid stream ID specified as stream command argument
        > XTRIM s MAXLEN 0
        :2
        7.2> XSETID s 2-0
        -ERR The ID specified in XSETID is smaller than current max_deleted_entry_id
        > SET string x
        > XSETID string 1-1
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn several_streams_are_read_at_once() {
    dialogue(
        r#"
        > XADD one 1-1 n 1
        > XADD one 2-1 n 2
        > XADD two 1-1 n 3
        > XREAD STREAMS one two missing 0 0 0
        [["one", [["1-1", ["n", "1"]], ["2-1", ["n", "2"]]]], ["two", [["1-1", ["n", "3"]]]]]
        > XREAD COUNT 1 STREAMS one two 0 1-1
        [["one", [["1-1", ["n", "1"]]]]]
        > XREAD COUNT 0 STREAMS one 0
        [["one", [["1-1", ["n", "1"]], ["2-1", ["n", "2"]]]]]
        > XREAD STREAMS one one 1 0-1
        [["one", [["1-1", ["n", "1"]], ["2-1", ["n", "2"]]]], ["one", [["1-1", ["n", "1"]], ["2-1", ["n", "2"]]]]]
        > XREAD STREAMS one $
        nil-array
        > XREAD STREAMS one 18446744073709551615-18446744073709551615
        nil-array
        > XREAD BLOCK 1 STREAMS missing $
        nil-array
        7.2> XREAD STREAMS one two 0
        -ERR Unbalanced 'xread' list of streams: for each stream key an ID or '$' must be specified.
        > XREAD COUNT 1 BLOCK 1
        -ERR syntax error
        > XREAD COUNT x STREAMS one 0
        -ERR value is not an integer or out of range
        > XREAD BLOCK x STREAMS one 0
        -ERR timeout is not an integer or out of range
        > XREAD BLOCK -1 STREAMS one 0
        -ERR timeout is negative
        7.2> XREAD BLOCK 9223372036854775807 STREAMS one 0
        -ERR timeout is out of range
        > XREAD STREAMS one >
        -ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.
        > XREAD STREAMS one x
        -ERR Invalid stream ID specified as stream command argument
        > XREAD GROUP g c STREAMS one 0
        -ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.
        > XREAD NOACK STREAMS one 0
        -ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.
        > SET string x
        > XREAD STREAMS string 0
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > MULTI
        > XREAD BLOCK 0 STREAMS one $
        > EXEC
        [nil-array]
        "#,
    );
}

#[test]
fn in_resp3_streams_are_maps() {
    dialogue_resp3(
        r#"
        > XADD one 1-1 n 1
        "1-1"
        > XADD two 1-1 n 2
        "1-1"
        > XREAD STREAMS one two missing 0 0 0
        {"one": [["1-1", ["n", "1"]]], "two": [["1-1", ["n", "2"]]]}
        > XREAD STREAMS one 1-1
        _
        > XRANGE one - +
        [["1-1", ["n", "1"]]]
        > XGROUP CREATE one group 0
        +OK
        > XREADGROUP GROUP group consumer STREAMS one >
        {"one": [["1-1", ["n", "1"]]]}
        > XREADGROUP GROUP group consumer STREAMS one >
        _
        > XREADGROUP GROUP group consumer STREAMS one 0
        {"one": [["1-1", ["n", "1"]]]}
        > XINFO GROUPS one
        [{"name": "group", "consumers": :1, "pending": :1, "last-delivered-id": "1-1", "entries-read": :1, "lag": :0}]
        7.2> XINFO CONSUMERS one group
        [{"name": "consumer", "pending": :1, "idle": :..., "inactive": :...}]
        > XPENDING one group
        [:1, "1-1", "1-1", [["consumer", "1"]]]
        > XDEL one 1-1
        :1
        > XREADGROUP GROUP group consumer STREAMS one 0
        {"one": [["1-1", _]]}
        > XINFO STREAM one
        {"length": :0, "radix-tree-keys": :0, "radix-tree-nodes": :1, "last-generated-id": "1-1", "max-deleted-entry-id": "1-1", "entries-added": :1, "recorded-first-entry-id": "0-0", "groups": :1, "first-entry": _, "last-entry": _}
        "#,
    );
}

#[test]
fn groups_are_created_changed_and_destroyed() {
    dialogue(
        r#"
        > XGROUP CREATE s g $
        -ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.
        > XGROUP CREATE s g $ MKSTREAM
        +OK
        > XLEN s
        :0
        > XGROUP CREATE s g 0 MKSTREAM
        -BUSYGROUP Consumer Group name already exists
        > XADD s 1-1 n 1
        > XADD s 2-1 n 2
        > XGROUP CREATE s late $
        +OK
        > XGROUP CREATE s counted 1-1 ENTRIESREAD 1
        +OK
        > XGROUP CREATE s unknown 1-1 ENTRIESREAD -1
        +OK
        > XINFO GROUPS s
        [["name", "counted", "consumers", :0, "pending", :0, "last-delivered-id", "1-1", "entries-read", :1, "lag", :1], ["name", "g", "consumers", :0, "pending", :0, "last-delivered-id", "0-0", "entries-read", nil, "lag", :2], ["name", "late", "consumers", :0, "pending", :0, "last-delivered-id", "2-1", "entries-read", nil, "lag", :0], ["name", "unknown", "consumers", :0, "pending", :0, "last-delivered-id", "1-1", "entries-read", nil, "lag", :1]]
        > XGROUP SETID s g 1-1 ENTRIESREAD 1
        +OK
        > XGROUP SETID s late $
        +OK
        > XGROUP SETID s late -
        +OK
        > XGROUP SETID s missing 0
        -NOGROUP No such consumer group 'missing' for key name 's'
        > XGROUP CREATE s x 0 ENTRIESREAD -2
        -ERR value for ENTRIESREAD must be positive or -1
        > XGROUP CREATE s x -
        -ERR Invalid stream ID specified as stream command argument
        > XGROUP CREATE s x 0 OTHER
        -ERR unknown subcommand or wrong number of arguments for 'CREATE'. Try XGROUP HELP.
        > XGROUP SETID s g 0 MKSTREAM
        -ERR unknown subcommand or wrong number of arguments for 'SETID'. Try XGROUP HELP.
        > XGROUP DESTROY s g
        :1
        > XGROUP DESTROY s g
        :0
        > XGROUP DESTROY missing g
        -ERR The XGROUP subcommand requires the key to exist...
        > XGROUP CREATECONSUMER s late Anne
        :1
        > XGROUP CREATECONSUMER s late Anne
        :0
        > XGROUP CREATECONSUMER s missing Anne
        -NOGROUP No such consumer group 'missing' for key name 's'
        > XREADGROUP GROUP late Anne STREAMS s >
        [["s", [["1-1", ["n", "1"]], ["2-1", ["n", "2"]]]]]
        > XGROUP DELCONSUMER s late Anne
        :2
        > XGROUP DELCONSUMER s late Anne
        :0
        > XPENDING s late
        [:0, nil, nil, nil-array]
        > XGROUP NONSENSE s late
        -ERR unknown subcommand 'NONSENSE'. Try XGROUP HELP.
        > XGROUP CREATE s
        -ERR wrong number of arguments for 'xgroup|create' command
        > SET string x
        > XGROUP CREATE string g 0
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > XGROUP HELP
        [+XGROUP <subcommand> [<arg> [value] [opt] ...]. Subcommands are:, +CREATE <key> <groupname> <id|$> [option], ...]
        > XINFO HELP
        [+XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:, +CONSUMERS <key> <groupname>, ...]
        "#,
    );
}

#[test]
fn consumers_of_a_group_share_its_entries() {
    dialogue(
        r#"
        > XADD s 1-1 n 1
        > XADD s 2-1 n 2
        > XADD s 3-1 n 3
        > XGROUP CREATE s g 0
        > XREADGROUP GROUP g Anne COUNT 1 STREAMS s >
        [["s", [["1-1", ["n", "1"]]]]]
        > XREADGROUP GROUP g Bert STREAMS s >
        [["s", [["2-1", ["n", "2"]], ["3-1", ["n", "3"]]]]]
        > XREADGROUP GROUP g Anne STREAMS s >
        nil-array
        > XREADGROUP GROUP g Bert COUNT 1 STREAMS s 0
        [["s", [["2-1", ["n", "2"]]]]]
        > XREADGROUP GROUP g Bert STREAMS s 2-1
        [["s", [["3-1", ["n", "3"]]]]]
        > XREADGROUP GROUP g Bert STREAMS s 3-1
        [["s", []]]
        > XPENDING s g
        [:3, "1-1", "3-1", [["Anne", "1"], ["Bert", "2"]]]
        > XACK s g 1-1 2-1 9-9
        :2
        > XACK s g 1-1
        :0
        > XACK s g 3-1 x
        -ERR Invalid stream ID specified as stream command argument
        > XACK s missing x
        :0
        > XACK missing g x
        :0
        > XDEL s 3-1
        :1
        > XREADGROUP GROUP g Bert STREAMS s 0
        [["s", [["3-1", nil-array]]]]
        > XADD s 4-1 n 4
        > XREADGROUP GROUP g Anne NOACK STREAMS s >
        [["s", [["4-1", ["n", "4"]]]]]
        > XPENDING s g
        [:1, "3-1", "3-1", [["Bert", "1"]]]
        > XREADGROUP GROUP g Anne STREAMS s missing > >
        -NOGROUP No such key 'missing' or consumer group 'g' in XREADGROUP with GROUP option
        > XREADGROUP GROUP missing Anne STREAMS s >
        -NOGROUP No such key 's' or consumer group 'missing' in XREADGROUP with GROUP option
        > XREADGROUP GROUP g Anne STREAMS s $
        -ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.
        > XREADGROUP COUNT 1 BLOCK 1 STREAMS s >
        -ERR Missing GROUP option for XREADGROUP
        7.2> XREADGROUP GROUP g Anne STREAMS s t >
        -ERR Unbalanced 'xreadgroup' list of streams: for each stream key an ID or '>' must be specified.
        > XREADGROUP GROUP g Anne COUNT 1 NOACK
        -ERR syntax error
        > SET string x
        > XREADGROUP GROUP g Anne STREAMS string >
        -WRONGTYPE Operation against a key holding the wrong kind of value
        > XACK string g 1-1
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn what_a_group_has_read_is_counted() {
    dialogue(
        r#"
        > XADD s 1-1 n 1
        > XADD s 2-1 n 2
        > XADD s 3-1 n 3
        > XADD s 4-1 n 4
        > XGROUP CREATE s g 0
        > XREADGROUP GROUP g c COUNT 1 STREAMS s >
        > XINFO GROUPS s
        [[..., "last-delivered-id", "1-1", "entries-read", :1, "lag", :3]]
        > XREADGROUP GROUP g c COUNT 1 STREAMS s >
        > XINFO GROUPS s
        [[..., "entries-read", :2, "lag", :2]]
        > XDEL s 4-1
        > XADD s 5-1 n 5
        > XINFO GROUPS s
        [[..., "entries-read", :2, "lag", nil]]
        > XREADGROUP GROUP g c COUNT 1 STREAMS s >
        > XINFO GROUPS s
        [[..., "entries-read", nil, "lag", nil]]
        > XREADGROUP GROUP g c COUNT 1 STREAMS s >
        > XINFO GROUPS s
        [[..., "entries-read", :5, "lag", :0]]
        > XGROUP SETID s g 2-1
        > XREADGROUP GROUP g other COUNT 1 STREAMS s >
        [["s", [["3-1", ["n", "3"]]]]]
        > XPENDING s g - + 10
        [["1-1", "c", :..., :1], ["2-1", "c", :..., :1], ["3-1", "other", :..., :1], ["5-1", "c", :..., :1]]
        "#,
    );
}

#[test]
fn pending_entries_can_be_listed() {
    dialogue(
        r#"
        > XADD s 1-1 n 1
        > XADD s 2-1 n 2
        > XADD s 3-1 n 3
        > XGROUP CREATE s g 0
        > XREADGROUP GROUP g Anne COUNT 2 STREAMS s >
        > XREADGROUP GROUP g Bert STREAMS s >
        > XPENDING s g - + 10
        [["1-1", "Anne", :..., :1], ["2-1", "Anne", :..., :1], ["3-1", "Bert", :..., :1]]
        > XPENDING s g - + 1
        [["1-1", "Anne", :..., :1]]
        > XPENDING s g (1-1 2 10 Anne
        [["2-1", "Anne", :..., :1]]
        > XPENDING s g - + 10 Nobody
        []
        > XPENDING s g + - 10
        []
        > XPENDING s g + - 10 Anne
        []
        > XPENDING s g - + -1
        []
        > XPENDING s g IDLE 0 - + 10 Bert
        [["3-1", "Bert", :..., :1]]
        > XPENDING s g IDLE 1000000 - + 10
        []
        > XPENDING s g IDLE x - + 10
        -ERR value is not an integer or out of range
        > XPENDING s g IDLE 5 - +
        -ERR syntax error
        > XPENDING s g -
        -ERR syntax error
        > XPENDING s g - + x
        -ERR value is not an integer or out of range
        > XPENDING s g x + 10
        -ERR Invalid stream ID specified as stream command argument
        > XPENDING s missing
        -NOGROUP No such key 's' or consumer group 'missing'
        > XPENDING missing g
        -NOGROUP No such key 'missing' or consumer group 'g'
        > SET string x
        > XPENDING string g
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn pending_entries_change_hands_by_claims() {
    dialogue(
        r#"
        > XADD s 1-1 n 1
        > XADD s 2-1 n 2
        > XADD s 3-1 n 3
        > XGROUP CREATE s g 0
        > XREADGROUP GROUP g Anne COUNT 2 STREAMS s >
        > XCLAIM s g Bert 0 1-1 3-1
        [["1-1", ["n", "1"]]]
        > XCLAIM s g Bert 1000000 2-1
        []
        > XCLAIM s g Bert 0 3-1 FORCE JUSTID
        ["3-1"]
        > XPENDING s g - + 10
        [["1-1", "Bert", :..., :2], ["2-1", "Anne", :..., :1], ["3-1", "Bert", :..., :1]]
        > XCLAIM s g Carl 0 1-1 2-1 RETRYCOUNT 7 IDLE 500000 JUSTID
        ["1-1", "2-1"]
        > XPENDING s g IDLE 500000 - + 10
        [["1-1", "Carl", :50..., :7], ["2-1", "Carl", :50..., :7]]
        > XCLAIM s g Carl 0 1-1 TIME 0 RETRYCOUNT -1
        [["1-1", ["n", "1"]]]
        > XCLAIM s g Carl 0 9-9 LASTID 5-0 FORCE
        []
        > XINFO GROUPS s
        [["name", "g", ..., "last-delivered-id", "5-0", ...]]
        > XDEL s 2-1
        :1
        > XCLAIM s g Bert 0 2-1
        []
        > XPENDING s g
        [:2, "1-1", "3-1", [["Bert", "1"], ["Carl", "1"]]]
        > XCLAIM s g Bert x 1-1
        -ERR Invalid min-idle-time argument for XCLAIM
        > XCLAIM s g Bert 0 1-1 IDLE x
        -ERR Invalid IDLE option argument for XCLAIM
        > XCLAIM s g Bert 0 1-1 TIME x
        -ERR Invalid TIME option argument for XCLAIM
        > XCLAIM s g Bert 0 1-1 RETRYCOUNT x
        -ERR Invalid RETRYCOUNT option argument for XCLAIM
        > XCLAIM s g Bert 0 1-1 LASTID x
        -ERR Invalid stream ID specified as stream command argument
        > XCLAIM s g Bert 0 1-1 OTHER
        -ERR Unrecognized XCLAIM option 'OTHER'
        > XCLAIM s g Bert 0 1-1 IDLE
        -ERR Unrecognized XCLAIM option 'IDLE'
        > XCLAIM s missing Bert 0 1-1
        -NOGROUP No such key 's' or consumer group 'missing'
        > SET string x
        > XCLAIM string g Bert 0 1-1
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn pending_entries_can_be_claimed_without_naming_them() {
    dialogue(
        r#"
        > XADD s 1-1 n 1
        > XADD s 2-1 n 2
        > XADD s 3-1 n 3
        > XADD s 4-1 n 4
        > XGROUP CREATE s g 0
        > XREADGROUP GROUP g Anne STREAMS s >
        > XAUTOCLAIM s g Bert 0 - COUNT 2
        ["3-1", [["1-1", ["n", "1"]], ["2-1", ["n", "2"]]], []]
        > XDEL s 3-1
        :1
        > XAUTOCLAIM s g Bert 0 3-1 COUNT 1
        ["4-1", [], ["3-1"]]
        > XAUTOCLAIM s g Bert 0 (2-1 JUSTID
        ["0-0", ["4-1"], []]
        > XAUTOCLAIM s g Carl 1000000 -
        ["0-0", [], []]
        > XPENDING s g - + 10
        [["1-1", "Bert", :..., :2], ["2-1", "Bert", :..., :2], ["4-1", "Bert", :..., :1]]
        7.2> XINFO CONSUMERS s g
        [["name", "Anne", "pending", :0, "idle", :..., "inactive", :...], ["name", "Bert", "pending", :3, "idle", :..., "inactive", :...], ["name", "Carl", "pending", :0, "idle", :..., "inactive", :-1]]
        > XAUTOCLAIM s g Bert x -
        -ERR Invalid min-idle-time argument for XAUTOCLAIM
        > XAUTOCLAIM s g Bert 0 x
        -ERR Invalid stream ID specified as stream command argument
        > XAUTOCLAIM s g Bert 0 - COUNT 0
        -ERR COUNT must be > 0
        > XAUTOCLAIM s g Bert 0 - COUNT 9223372036854775807
        -ERR COUNT must be > 0
        > XAUTOCLAIM s g Bert 0 - OTHER
        -ERR syntax error
        > XAUTOCLAIM s missing Bert 0 -
        -NOGROUP No such key 's' or consumer group 'missing'
        > SET string x
        > XAUTOCLAIM string g Bert 0 -
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn a_stream_tells_about_itself() {
    dialogue(
        r#"
        > XADD s 1-1 n 1
        > XADD s 2-1 n 2
        > XGROUP CREATE s g 0
        > XREADGROUP GROUP g Anne COUNT 1 STREAMS s >
        > XGROUP CREATECONSUMER s g Bert
        7.2> XINFO STREAM s FULL
        ["length", :2, "radix-tree-keys", :1, "radix-tree-nodes", :2, "last-generated-id", "2-1", "max-deleted-entry-id", "0-0", "entries-added", :2, "recorded-first-entry-id", "1-1", "entries", [["1-1", ["n", "1"]], ["2-1", ["n", "2"]]], "groups", [["name", "g", "last-delivered-id", "1-1", "entries-read", :1, "lag", :1, "pel-count", :1, "pending", [["1-1", "Anne", :..., :1]], "consumers", [["name", "Anne", "seen-time", :..., "active-time", :..., "pel-count", :1, "pending", [["1-1", :..., :1]]], ["name", "Bert", "seen-time", :..., "active-time", :-1, "pel-count", :0, "pending", []]]]]]
        > XINFO STREAM s FULL COUNT 1
        [..."entries", [["1-1", ["n", "1"]]], ...]
        > XINFO STREAM s FULL COUNT 0
        [..."entries", [["1-1", ["n", "1"]], ["2-1", ["n", "2"]]], ...]
        > XINFO STREAM s FULL COUNT x
        -ERR value is not an integer or out of range
        > XINFO STREAM s FULL COUNT
        -ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.
        > XINFO STREAM s PART
        -ERR unknown subcommand or wrong number of arguments for 'STREAM'. Try XINFO HELP.
        > XINFO STREAM missing
        -ERR no such key
        > XINFO GROUPS missing
        -ERR no such key
        > XINFO CONSUMERS missing g
        -ERR no such key
        > XINFO CONSUMERS s missing
        -NOGROUP No such consumer group 'missing' for key name 's'
        > XINFO NONSENSE s
        -ERR unknown subcommand 'NONSENSE'. Try XINFO HELP.
        > SET string x
        > XINFO STREAM string
        -WRONGTYPE Operation against a key holding the wrong kind of value
        "#,
    );
}

#[test]
fn a_consumer_is_idle_or_inactive() {
    if against_redis() {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    client.run("XGROUP CREATE s g $ MKSTREAM");
    let mut read = |line: &str| {
        client.run(line);
        let reply = client.run("XINFO CONSUMERS s g");
        let number = |field: &str| reply.items()[0].field(field).integer();
        (number("idle"), number("inactive"))
    };
    // A look for entries that finds none is not an activity.
    assert_eq!(read("XREADGROUP GROUP g Anne STREAMS s >").1, -1);
    assert_eq!(read("XADD s 1-1 n 1").1, -1);
    assert!(read("XREADGROUP GROUP g Anne STREAMS s >").1 >= 0);
    std::thread::sleep(std::time::Duration::from_millis(30));
    let (idle, inactive) = read("XREADGROUP GROUP g Anne STREAMS s >");
    assert!(idle < inactive, "seen {idle} ms ago, active {inactive} ms ago");
}

#[test]
fn changes_of_streams_are_published() {
    let server = Server::with_config("notify-keyspace-events Et");
    let mut listener = server.client();
    listener.run("SUBSCRIBE __keyevent@0__:del");
    listener.run("PSUBSCRIBE __keyevent@0__:x*");
    let mut client = server.client();
    let mut check = |line: &str, events: &[&str]| {
        client.run(line);
        for event in events {
            let message = listener.read();
            assert_eq!(message.items()[2], bulk(format!("__keyevent@0__:{event}")), "{line}");
            assert_eq!(message.items()[3], bulk("s"), "{line}");
        }
    };
    check("XADD s 1-1 n 1", &["xadd"]);
    check("XADD s MAXLEN 1 2-1 n 1", &["xadd", "xtrim"]);
    check("XADD s 3-1 n 1", &["xadd"]);
    check("XGROUP CREATE s g 0", &["xgroup-create"]);
    check("XGROUP CREATECONSUMER s g c", &["xgroup-createconsumer"]);
    check("XGROUP CREATECONSUMER s g c", &[]);
    check("XREADGROUP GROUP g d STREAMS s >", &["xgroup-createconsumer"]);
    check("XCLAIM s g e 0 2-1", &["xgroup-createconsumer"]);
    check("XAUTOCLAIM s g f 0 -", &["xgroup-createconsumer"]);
    check("XACK s g 2-1", &[]);
    check("XGROUP SETID s g 0", &["xgroup-setid"]);
    check("XGROUP DELCONSUMER s g c", &["xgroup-delconsumer"]);
    check("XGROUP DELCONSUMER s g c", &[]);
    check("XGROUP DESTROY s g", &["xgroup-destroy"]);
    check("XDEL s 2-1 3-1", &["xdel"]);
    check("XDEL s 2-1", &[]);
    check("XTRIM s MAXLEN 0", &[]);
    check("XSETID s 9-9", &["xsetid"]);
}

#[test]
fn watchers_are_told_of_entries_and_not_of_groups() {
    let server = Server::start();
    let (mut watcher, mut client) = (server.client(), server.client());
    client.run("XADD s 1-1 n 1");
    for (line, discards) in [
        ("XGROUP CREATE s g 0", false),
        ("XREADGROUP GROUP g c STREAMS s >", false),
        ("XACK s g 1-1", false),
        ("XADD s 2-1 n 1", true),
        ("XDEL s 2-1", true),
        ("XTRIM s MAXLEN 0", true),
        ("XGROUP CREATE new g 0 MKSTREAM", true),
    ] {
        watcher.transcript("> WATCH s new\n+OK\n> MULTI\n+OK\n> PING\n+QUEUED");
        client.run(line);
        assert_eq!(watcher.run("EXEC").is_null(), discards, "{line}");
    }
}

#[test]
fn streams_outlive_a_restart_with_their_groups() {
    let mut server = Server::start();
    let mut client = server.client();
    client.transcript(
        r#"
        > XADD s 1-1 n 1
        > XADD s 2-1 n 2
        > XADD s 3-1 n 3
        > XDEL s 2-1
        > XGROUP CREATE s g 0
        > XREADGROUP GROUP g Anne STREAMS s >
        "#,
    );
    let reported = |client: &mut crate::support::Client| client.run("XINFO STREAM s FULL");
    let before = reported(&mut client);
    assert_eq!(client.run("SAVE"), ok());
    server.kill_and_start_again();
    assert_eq!(reported(&mut server.client()), before);
}

#[test]
fn the_keys_of_stream_commands_can_be_told() {
    dialogue(
        r#"
        > COMMAND GETKEYS XADD key * f v
        ["key"]
        > COMMAND GETKEYS XREAD COUNT 2 STREAMS a b 0 0
        ["a", "b"]
        > COMMAND GETKEYS XREADGROUP GROUP g c STREAMS a b 0 0
        ["a", "b"]
        > COMMAND GETKEYS XGROUP CREATE key g $
        ["key"]
        > COMMAND GETKEYS XINFO STREAM key
        ["key"]
        "#,
    );
}

#[test]
fn identifiers_are_read_as_strtoull_reads_numbers() {
    dialogue(
        r#"
        > XADD s +5 a b
        "5-0"
        > XADD s " 6" a b
        "6-0"
        > XADD s "007- 08" a b
        "7-8"
        > XADD s " 8-*" a b
        "8-0"
        > XADD s +8-* a b
        "8-1"
        > XRANGE s +5 " 5"
        [["5-0", ["a", "b"]]]
        > XRANGE s (+5 " 6"
        [["6-0", ["a", "b"]]]
        > XDEL s +5-+0 " 6"
        :2
        > XREAD COUNT 1 STREAMS s +5
        [["s", [["7-8", ["a", "b"]]]]]
        > XGROUP CREATE s g +7
        +OK
        > XGROUP SETID s g " 7-8"
        +OK
        > XREADGROUP GROUP g c STREAMS s >
        [["s", [["8-0", ["a", "b"]], ["8-1", ["a", "b"]]]]]
        > XACK s g +8
        :1
        > XCLAIM s g other 0 +8-1 JUSTID LASTID +8
        ["8-1"]
        > XAUTOCLAIM s g third 0 +0 JUSTID
        ["0-0", ["8-1"], []]
        > XTRIM s MINID +8
        :1
        > XSETID s +9
        +OK
        > XADD s "10 " a b
        -ERR Invalid stream ID specified as stream command argument
        > XADD s 10--1 a b
        -ERR Invalid stream ID specified as stream command argument
        > XADD s "+ 10" a b
        -ERR Invalid stream ID specified as stream command argument
        > XADD s 0x10 a b
        -ERR Invalid stream ID specified as stream command argument
        "#,
    );
}
