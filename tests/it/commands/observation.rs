//! What tells an operator how the server is doing: SLOWLOG, LATENCY, MONITOR; and what asks for features that are not
//! there: CLUSTER and MODULE.

use super::{dialogue, dialogue_resp3};
use crate::support::{Server, Value, against_redis, encode_command, int, ok, simple, wait_until};

#[test]
fn slow_commands_are_kept_with_their_arguments() {
    let server = Server::with_config("slowlog-log-slower-than 20000\nslowlog-max-len 3");
    let mut client = server.client();
    client.run("CLIENT SETNAME sleeper");
    client.transcript(
        r#"
        > SLOWLOG LEN
        :0
        > PING
        +PONG
        > DEBUG SLEEP 0.05
        +OK
        > SLOWLOG LEN
        :1
        "#,
    );
    let entry = client.run("SLOWLOG GET").items()[0].clone();
    let fields = entry.items();
    assert_eq!(fields.len(), 6);
    assert!(fields[1].integer() > 1_600_000_000, "when");
    assert!(fields[2].integer() >= 50_000, "how long, in microseconds");
    assert_eq!(fields[3].texts(), ["DEBUG", "SLEEP", "0.05"]);
    assert!(fields[4].text().starts_with("127.0.0.1:"));
    assert_eq!(fields[5].text(), "sleeper");
    for _ in 0..4 {
        client.run("DEBUG SLEEP 0.03");
    }
    assert_eq!(client.run("SLOWLOG LEN"), int(3), "the oldest go");
    assert_eq!(client.run("SLOWLOG GET 2").items().len(), 2);
    assert_eq!(client.run("SLOWLOG GET -1").items().len(), 3);
    client.transcript(
        r#"
        > SLOWLOG GET -2
        -ERR count should be greater than or equal to -1
        > SLOWLOG GET ten
        -ERR count should be greater than or equal to -1
        > SLOWLOG RESET
        +OK
        > SLOWLOG LEN
        :0
        > SLOWLOG BOGUS
        -ERR unknown subcommand 'BOGUS'. Try SLOWLOG HELP.
        > SLOWLOG HELP
        [+SLOWLOG <subcommand> ...
        "#,
    );
    assert_eq!(client.run("CONFIG SET slowlog-log-slower-than 0"), ok());
    client.cmd(&[vec!["ECHO".to_owned()], vec!["x".repeat(1000)]].concat());
    let entry = client.run("SLOWLOG GET 10").items()[0].clone();
    let shown = entry.items()[3].texts();
    assert!(shown[1].ends_with("... (872 more bytes)"), "long arguments are cut: {shown:?}");
}

#[test]
fn latency_events_are_kept_and_told() {
    let server = Server::with_config("latency-monitor-threshold 20");
    let mut client = server.client();
    client.transcript("> LATENCY RESET\n...\n> DEBUG SLEEP 0.05\n+OK");
    let latest = client.run("LATENCY LATEST");
    let event = latest.items().iter().find(|event| event.items()[0].text() == "command").expect("the slow command");
    assert!(event.items()[2].integer() >= 50 && event.items()[3].integer() >= 50);
    assert_eq!(client.run("LATENCY HISTORY command").items().len(), 1);
    assert!(client.run("LATENCY GRAPH command").text().contains("command - high"));
    assert!(client.run("LATENCY DOCTOR").text().contains("command"));
    assert_eq!(client.run("LATENCY RESET command"), int(1));
    client.transcript(
        r#"
        > LATENCY HISTORY command
        []
        > LATENCY GRAPH bogus
        -ERR No samples available for event 'bogus'
        > LATENCY BOGUS
        -ERR unknown subcommand 'BOGUS'. Try LATENCY HELP.
        > LATENCY HELP
        [+LATENCY <subcommand> ...
        > CONFIG RESETSTAT
        +OK
        > SET key value
        +OK
        "#,
    );
    let histogram = server.client_resp3().run("LATENCY HISTOGRAM set");
    assert_eq!(histogram.field("set").field("calls"), &int(1));
    assert!(matches!(histogram.field("set").field("histogram_usec"), Value::Map(pairs) if !pairs.is_empty()));
    assert!(server.info("latencystats").contains_key("latency_percentiles_usec_set"));
}

#[test]
fn a_latency_graph_has_rows_of_equal_width() {
    let server = Server::with_config("latency-monitor-threshold 20");
    let mut client = server.client();
    client.transcript("> LATENCY RESET\n...\n> DEBUG SLEEP 0.05\n+OK");
    let graph = client.run("LATENCY GRAPH command").text();
    let rows: Vec<&str> = graph.strip_suffix('\n').expect("a line feed at the end").split('\n').skip(2).collect();
    assert_eq!(rows[..5], [" ", " ", " ", "_", " "], "{graph}");
    assert!(rows.len() >= 7 && rows.iter().all(|row| row.len() == 1), "{graph}");
}

#[test]
fn histograms_outlive_the_tracking_of_latency() {
    let server = Server::start();
    let mut client = server.client_resp3();
    client.transcript(
        r#"
        > CONFIG RESETSTAT
        +OK
        > GET key
        _
        > CONFIG SET latency-tracking no
        +OK
        > GET key
        _
        "#,
    );
    assert_eq!(client.run("LATENCY HISTOGRAM get").field("get").field("calls"), &int(1));
    assert!(!server.info("latencystats").contains_key("latency_percentiles_usec_get"));
    client.transcript("> CONFIG SET latency-tracking yes\n+OK\n> GET key\n_");
    assert_eq!(client.run("LATENCY HISTOGRAM get").field("get").field("calls"), &int(2));
}

#[test]
fn monitor_shows_what_others_do() {
    let server = Server::start();
    let mut watcher = server.client();
    assert_eq!(watcher.run("MONITOR"), ok());
    let mut client = server.client();
    client.transcript("> SELECT 3\n+OK\n> SET key \"two words\\n\"\n+OK\n> BOGUS\n-ERR ...");
    let mut line = || {
        let Value::Simple(line) = watcher.read() else { panic!("a line") };
        line
    };
    let select = line();
    assert!(select.contains("[0 127.0.0.1:") || select.contains("[3 127.0.0.1:"), "{select}");
    assert!(select.ends_with("\"SELECT\" \"3\""), "{select}");
    let set = line();
    assert!(set.contains(" [3 127.0.0.1:") && set.ends_with(r#"] "SET" "key" "two words\n""#), "{set}");
    client.run("PING");
    assert!(line().ends_with("\"PING\""), "what failed is not shown");
    watcher.send(&encode_command(&["RESET"]));
    assert_eq!(watcher.read(), simple("RESET"));
    client.run("PING");
    assert_eq!(watcher.run("PING"), simple("PONG"), "RESET ends it");
}

#[test]
fn tracking_tells_which_cached_keys_changed() {
    let server = Server::start();
    let mut reader = server.client_resp3();
    let mut writer = server.client();
    reader.transcript(
        r#"
        > CLIENT TRACKINGINFO
        {"flags": ~["off"], "redirect": :-1, "prefixes": []}
        > CLIENT GETREDIR
        :-1
        > CLIENT CACHING YES
        -ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled
        > CLIENT TRACKING OFF
        +OK
        "#,
    );
    if reader.run("CLIENT TRACKING ON").is_error() {
        assert!(!against_redis(), "Redis has it");
        return;
    }
    reader.run("GET key");
    writer.run("SET key 1");
    assert_eq!(crate::support::render(&reader.read()), r#">["invalidate", ["key"]]"#);
    writer.run("SET key 2");
    assert_eq!(reader.run("PING"), simple("PONG"), "it is not answered twice");
}

#[test]
fn unblock_finds_nobody_to_wake() {
    dialogue(
        r#"
        > CLIENT UNBLOCK 99999
        :0
        > CLIENT UNBLOCK x
        -ERR value is not an integer or out of range
        > CLIENT UNBLOCK 1 BOGUS
        -ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR
        > CLIENT UNBLOCK 1 BOGUS x
        -ERR unknown subcommand or wrong number of arguments for 'UNBLOCK'. Try CLIENT HELP.
        "#,
    );
}

#[test]
fn features_that_are_not_there_say_so() {
    dialogue(
        r#"
        > CLUSTER INFO
        -ERR This instance has cluster support disabled
        > CLUSTER KEYSLOT key
        -ERR This instance has cluster support disabled
        > CLUSTER NODES
        -ERR This instance has cluster support disabled
        > CLUSTER SLOTS
        -ERR This instance has cluster support disabled
        > CLUSTER SHARDS
        -ERR This instance has cluster support disabled
        > CLUSTER MYID
        -ERR This instance has cluster support disabled
        > CLUSTER HELP
        [+CLUSTER <subcommand> ...
        > READONLY
        -ERR This instance has cluster support disabled
        > READWRITE
        -ERR This instance has cluster support disabled
        > ASKING
        -ERR This instance has cluster support disabled
        > ROLE
        ["master", :0, []]
        > MODULE LIST
        []
        > MODULE HELP
        [+MODULE <subcommand> ...
        "#,
    );
    let server = Server::start();
    let mut client = server.client();
    assert!(client.run("MODULE LOAD /no/such/module.so").is_error());
    assert!(client.run("MODULE UNLOAD nothing").is_error());
    wait_until("the server is well", 5, || client.run("PING") == simple("PONG"));
    dialogue_resp3("> CLIENT GETREDIR\n:-1");
}
