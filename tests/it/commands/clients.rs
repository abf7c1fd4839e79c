//! What connections see of each other: pushes, monitors, and clients that behave oddly.

use std::time::Duration;

use super::dialogue;
use crate::support::{Client, Server, Value, against_redis, bulk, encode_command, int, ok, simple, wait_until};

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
        let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("INFO has it");
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

/// Whatever reads keys past their expiry while `pause` holds, nothing is deleted and no event is published.
fn check_that_nothing_expires(pause: impl FnOnce(&Server) -> Client) {
    let server = Server::with_config("notify-keyspace-events KEA\nenable-debug-command yes");
    let (mut client, mut listener) = (server.client(), server.client_resp3());
    listener.run("PSUBSCRIBE __key*__:*expired");
    client.run("DEBUG SET-ACTIVE-EXPIRE 0");
    client.run("SET other value");
    client.run("HSET fields lapsing value lasting value");
    let has_fields_that_expire = !client.run("HPEXPIRE fields 1 FIELDS 1 lapsing").is_error();
    client.run("SET string value PX 1");
    for line in ["RPUSH list 1 2", "PEXPIRE list 1", "ZADD zset 1 member", "PEXPIRE zset 1"] {
        client.run(line);
    }
    let _pausing = pause(&server);
    client.run("DEBUG SET-ACTIVE-EXPIRE 1");
    std::thread::sleep(Duration::from_millis(300));
    for line in [
        "RANDOMKEY",
        "GET string",
        "EXISTS string",
        "TYPE list",
        "TTL string",
        "TOUCH string",
        "OBJECT ENCODING string",
        "DUMP string",
        "LRANGE list 0 -1",
        "SORT_RO list",
        "ZRANGE zset 0 -1",
        "SCAN 0 COUNT 100",
        "KEYS *",
        "HGETALL fields",
        "HGET fields lapsing",
        "HRANDFIELD fields 5",
        "HSCAN fields 0",
        "MEMORY USAGE string",
    ] {
        client.run(line);
        assert_eq!(client.run("DBSIZE"), int(5), "after {line}");
    }
    client.pipeline(&["WATCH string list", "MULTI", "RANDOMKEY", "GET string", "HGET fields lapsing", "EXEC"]);
    assert_eq!(client.run("EXISTS string list zset"), int(0), "they are answered as missing");
    assert_eq!(client.run("DBSIZE"), int(5));
    assert_eq!(client.run("HLEN fields"), int(2));
    assert_eq!(server.info_field("stats", "expired_keys"), "0");
    assert_eq!(listener.run("PING"), simple("PONG"), "no event came before");
    client.run("CLIENT UNPAUSE");
    wait_until("they expire behind the pause", 20, || {
        client.run("DBSIZE") == int(2) && client.run("HLEN fields") == int(2 - i64::from(has_fields_that_expire))
    });
}

#[test]
fn nothing_expires_while_writes_are_paused() {
    check_that_nothing_expires(|server| {
        let mut client = server.client();
        assert_eq!(client.run("CLIENT PAUSE 100000 WRITE"), ok());
        client
    });
}

#[test]
fn nothing_expires_while_keys_migrate() {
    // Redis serves nobody meanwhile.
    if against_redis() {
        return;
    }
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = silent.local_addr().expect("an address").port();
    check_that_nothing_expires(|server| {
        let client = server.client();
        let command = encode_command(&["MIGRATE", "127.0.0.1", &port.to_string(), "other", "0", "5000"]);
        client.send_in_background(command).join().expect("the writer ends").expect("it was sent");
        wait_until("the migration has begun", 10, || server.info_field("clients", "blocked_clients") == "1");
        client
    });
}

#[test]
fn a_key_is_found_by_chance_where_all_have_expired_in_a_pause() {
    let server = Server::with_config("enable-debug-command yes");
    let mut client = server.client();
    client.pipeline(&["DEBUG SET-ACTIVE-EXPIRE 0", "SET key value PX 1", "CLIENT PAUSE 100000 WRITE"]);
    std::thread::sleep(Duration::from_millis(20));
    assert!(against_redis() || client.run("RANDOMKEY") == bulk("key"));
    assert_eq!(client.run("DBSIZE"), int(1));
}

#[test]
fn client_list_tells_what_each_connection_has_said_and_heard() {
    if against_redis() {
        return;
    }
    let server = Server::start();
    let (mut observer, mut half, mut talker) = (server.client(), server.client(), server.client());
    half.run("CLIENT SETNAME half");
    talker.run("CLIENT SETNAME talker");
    let begun = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100000\r\n";
    half.send(&[begun.as_slice(), &[b'x'; 50_000]].concat());
    talker.run("ECHO hello");
    let mut field = |name: &str, field: &str| {
        let list = observer.run("CLIENT LIST").text();
        let line = list.lines().find(|line| line.contains(&format!(" name={name} "))).expect("it is listed").to_owned();
        let value = line.split(' ').find_map(|word| word.strip_prefix(&format!("{field}="))).expect("the field");
        value.parse::<u64>().expect("a number")
    };
    wait_until("half a command is read", 10, || field("half", "qbuf") == 50_000);
    assert_eq!(field("half", "argv-mem"), 4, "SET and k are taken in");
    assert!(field("half", "tot-mem") > 50_000);
    let named = encode_command(&["CLIENT", "SETNAME", "talker"]).len() as u64;
    assert_eq!(field("talker", "tot-net-in"), named + encode_command(&["ECHO", "hello"]).len() as u64);
    assert_eq!(field("talker", "tot-net-out"), "+OK\r\n$5\r\nhello\r\n".len() as u64);
    assert_eq!(field("talker", "tot-cmds"), 2);
    assert_eq!(field("talker", "io-thread"), 0);
    talker.send(&encode_command(&["BLPOP", "list", "0"]));
    wait_until("it waits", 10, || server.info_field("clients", "blocked_clients") == "1");
    assert_eq!(field("talker", "tot-cmds"), 2, "a command that waits is not done");
}

#[test]
fn a_connection_is_closed_before_the_answer_to_whoever_has_killed_it() {
    let server = Server::start();
    let mut killer = server.client();
    for round in 0..200 {
        let mut victim = server.client();
        let id = victim.run("CLIENT ID").integer();
        if round % 2 == 0 {
            assert_eq!(killer.run(&format!("CLIENT KILL ID {id}")), int(1));
        } else {
            killer.send(format!("MULTI\r\nCLIENT KILL ID {id}\r\nEXEC\r\n").as_bytes());
            assert_eq!([killer.read(), killer.read()], [simple("OK"), simple("QUEUED")]);
            assert_eq!(killer.read().items(), [int(1)]);
        }
        // The end is there already; the limit is only so that a wait has an end.
        assert!(victim.is_closed_within(Duration::from_millis(2)), "round {round}");
    }
}
