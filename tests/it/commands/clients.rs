//! What connections see of each other: pushes, monitors, and clients that behave oddly.

use std::time::Duration;

use super::dialogue;
use crate::support::{Server, Value, against_redis, bulk, encode_command, int, ok, simple, wait_until};

#[test]
fn what_a_client_publishes_to_itself_comes_behind_the_reply() {
    if against_redis() {
        return;
    }
    let server = Server::start();
    let mut client = server.client_resp3();
    client.run("SUBSCRIBE news");
    let replies = client.pipeline(&["MULTI", "PUBLISH news one", "PUBLISH news two", "EXEC"]);
    assert_eq!(replies[3], Value::Array(vec![int(1), int(1)]));
    assert_eq!(client.read().texts(), ["message", "news", "one"]);
    assert_eq!(client.read().texts(), ["message", "news", "two"]);
}

#[test]
fn a_silent_client_still_hears_its_subscriptions() {
    let server = Server::start();
    let mut client = server.client_resp3();
    client.send(&encode_command(&["CLIENT", "REPLY", "OFF"]));
    client.send(&encode_command(&["SUBSCRIBE", "news"]));
    assert_eq!(client.read().items()[1].text(), "news");
    assert_eq!(server.client().run("PUBLISH news hello"), int(1));
    assert_eq!(client.read().texts(), ["message", "news", "hello"]);
}

#[test]
fn transactions_and_secrets_are_shown_to_monitors_as_they_ran() {
    let server = Server::start();
    let (mut monitor, mut client) = (server.client(), server.client());
    assert_eq!(monitor.run("MONITOR"), ok());
    client.pipeline(&["MULTI", "SET key \"a\\x00b\"", "EXEC", "AUTH default secret", "CONFIG GET port", "ECHO end"]);
    for expected in
        [r#""MULTI""#, r#""SET" "key" "a\x00b""#, r#""EXEC""#, r#""AUTH" "(redacted)" "(redacted)""#, r#""ECHO" "end""#]
    {
        let line = monitor.read().text();
        assert!(line.ends_with(expected), "{line} does not end with {expected}");
    }
    assert_eq!(client.run("GET key"), bulk(b"a\0b"));
}

#[test]
fn a_monitor_may_not_touch_keys() {
    dialogue(
        r#"
        > MONITOR
        +OK
        > GET key
        -ERR Replica can't interact with the keyspace
        > RESET
        +RESET
        > GET key
        nil
        "#,
    );
}

#[test]
fn refused_exec_ends_its_transaction() {
    dialogue(
        r#"
        > MULTI
        +OK
        > EXEC now
        -EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command
        > EXEC
        -ERR EXEC without MULTI
        "#,
    );
}

#[test]
fn announced_arguments_cost_nothing_before_they_come() {
    let server = Server::start();
    let mut observer = server.client();
    let mut used = || {
        let info = observer.run("INFO memory").text();
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("INFO tells it");
        line.trim().parse::<usize>().expect("a number")
    };
    let before = used();
    let clients: Vec<_> = (0..50)
        .map(|_| {
            let mut client = server.client();
            client.send(b"*1000000\r\n$500000000\r\nabc");
            client
        })
        .collect();
    wait_until("the server has read all of them", 10, || {
        let list = server.client().run("CLIENT LIST").text();
        list.lines().filter(|line| !line.contains(" qbuf=0 ")).count() > clients.len() || against_redis()
    });
    if !against_redis() {
        let grown = used() - before;
        assert!(grown < 50 * 64 * 1024, "{grown} bytes for fifty claims");
    }
}

#[test]
fn a_paused_connection_reads_no_more_than_a_little_ahead() {
    let server = Server::start();
    let (mut client, mut other) = (server.client(), server.client());
    assert_eq!(other.run("CLIENT PAUSE 60000 WRITE"), ok());
    let one = encode_command(&["INCR", "counter"]);
    let writer = client.send_in_background(one.repeat(200_000));
    wait_until("the client is held up", 10, || server.info_field("clients", "blocked_clients") == "1");
    if !against_redis() {
        let list = other.run("CLIENT LIST").text();
        let held = list.lines().find(|line| line.contains("flags=b")).expect("the held client");
        let waiting = held.split("qbuf=").nth(1).and_then(|rest| rest.split(' ').next()).expect("its buffer");
        assert!(waiting.parse::<usize>().expect("a number") <= 256 * 1024, "{held}");
    }
    assert_eq!(other.run("CLIENT UNPAUSE"), ok());
    for number in 1..=200_000 {
        assert_eq!(client.read(), int(number));
    }
    writer.join().expect("the writer ends").expect("everything was sent");
}

#[test]
fn command_tells_arguments_keys_and_categories() {
    dialogue(
        r#"
        > COMMAND GETKEYS MSET a 1 b 2
        ["a", "b"]
        > COMMAND GETKEYS NOSUCH a
        -ERR Invalid command specified
        > COMMAND GETKEYS PING
        -ERR The command has no key arguments
        > COMMAND LIST FILTERBY PATTERN "client|getn*"
        ["client|getname"]
        > COMMAND LIST FILTERBY MODULE none
        []
        > COMMAND INFO nosuch
        [nil]
        "#,
    );
    let server = Server::start();
    let mut client = server.client_resp3();
    let docs = client.run("COMMAND DOCS GET");
    let argument = &docs.field("get").field("arguments").items()[0];
    assert_eq!((argument.field("name").text(), argument.field("type").text()), ("key".into(), "key".into()));
    assert_eq!(client.run("ACL WHOAMI"), bulk("default"));
    assert_eq!(client.run("PING"), simple("PONG"));
}

#[test]
fn a_killed_client_is_gone_for_everyone_at_once() {
    let server = Server::start();
    let (mut victim, mut other) = (server.client(), server.client());
    victim.run("CLIENT SETNAME victim");
    victim.run("SUBSCRIBE news");
    assert_eq!(other.run("CLIENT KILL TYPE pubsub"), int(1));
    assert_eq!(other.run("PUBLISH news late"), int(0));
    assert!(!other.run("CLIENT LIST").text().contains("victim"));
    assert!(victim.is_closed_within(Duration::from_secs(5)));
}
