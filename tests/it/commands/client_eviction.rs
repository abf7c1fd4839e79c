//! `maxmemory-clients`: clients that go because all take too much memory together.

use std::time::Duration;

use crate::support::{Client, Server, Value, encode_command, info_fields, ok, simple, wait_until};

const MIB: usize = 1 << 20;

/// A field of a client's line in CLIENT LIST, if the client is there.
fn client_field(observer: &mut Client, name: &str, field: &str) -> Option<String> {
    let list = observer.run("CLIENT LIST").text();
    let line = list.lines().find(|line| line.contains(&format!(" name={name} ")))?;
    let value = line.split(' ').find_map(|word| word.strip_prefix(&format!("{field}=")))?;
    Some(value.to_owned())
}

fn client_bytes(observer: &mut Client, name: &str, field: &str) -> usize {
    client_field(observer, name, field).expect("the client is there").parse().expect("a number")
}

fn evicted_clients(observer: &mut Client) -> u64 {
    info_fields(&observer.run("INFO stats"))["evicted_clients"].parse().expect("a number")
}

/// A connection that is not evicted itself.
fn observer(server: &Server) -> Client {
    let mut observer = server.client();
    assert_eq!(observer.run("CLIENT NO-EVICT ON"), ok());
    observer
}

fn named(server: &Server, name: &str) -> Client {
    let mut client = server.client();
    assert_eq!(client.run(&format!("CLIENT SETNAME {name}")), ok());
    client
}

/// Sends most of a command, so that so many bytes wait for its end.
#[track_caller]
fn fill_query_buffer(observer: &mut Client, client: &mut Client, name: &str, bytes: usize) {
    client.send(format!("*2\r\n$3\r\nGET\r\n${bytes}\r\n{}", "v".repeat(bytes)).as_bytes());
    wait_until("the query has come", 10, || {
        client_field(observer, name, "qbuf").is_some_and(|qbuf| qbuf.parse::<usize>().expect("a number") >= bytes)
    });
}

#[track_caller]
fn assert_evicted(server: &Server, observer: &mut Client, client: &mut Client) {
    assert!(client.is_closed_within(Duration::from_secs(10)));
    assert!(evicted_clients(observer) > 0);
    let log = server.log();
    assert!(log.contains("Evicting client: id="), "{log}");
}

#[test]
fn the_log_keeps_names_of_clients_out_where_it_must_not_hold_user_data() {
    for (hidden, shown) in [("no", "name=secret-name"), ("yes", "name=*redacted*")] {
        let server = Server::with_config(&format!("hide-user-data-from-log {hidden}\nmaxmemory-clients 1mb"));
        let mut observer = observer(&server);
        let mut client = named(&server, "secret-name");
        client.send(format!("*2\r\n$3\r\nGET\r\n${}\r\n{}", 4 * MIB, "v".repeat(2 * MIB)).as_bytes());
        assert_evicted(&server, &mut observer, &mut client);
        let log = server.log();
        let line = log.lines().find(|line| line.contains("Evicting client")).expect("just seen");
        assert!(line.contains(shown), "{line}");
        assert_eq!(line.contains("secret-name"), hidden == "no", "{line}");
    }
}

#[test]
fn nothing_limits_all_clients_together_unless_it_is_asked_for() {
    let server = Server::start();
    let mut observer = observer(&server);
    assert_eq!(observer.run("CONFIG GET maxmemory-clients").texts(), ["maxmemory-clients", "0"]);
    let mut client = named(&server, "large");
    fill_query_buffer(&mut observer, &mut client, "large", 4 * MIB);
    assert_eq!(evicted_clients(&mut observer), 0);
    wait_until("INFO shows it", 10, || server.info_number("memory", "mem_clients_normal") > 4 * MIB as u64);
}

#[test]
fn a_half_sent_command_counts_by_what_has_come() {
    let server = Server::with_config("maxmemory-clients 8mb");
    let mut observer = observer(&server);
    let mut client = named(&server, "half");
    let command = encode_command(&["SET", "key", &"v".repeat(2 * MIB)]);
    client.send(&command);
    assert_eq!(client.read(), ok());
    client.send(b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$1000000\r\n");
    client.send("v".repeat(900_000).as_bytes());
    wait_until("the query has come", 10, || client_bytes(&mut observer, "half", "qbuf") == 900_000);
    // What is taken in already counts as arguments.
    assert!(client_bytes(&mut observer, "half", "argv-mem") < 100);
    assert!(client_bytes(&mut observer, "half", "tot-mem") >= 900_000);
    let mut other = named(&server, "other");
    let _ = other.try_send(format!("*2\r\n$3\r\nGET\r\n$9000000\r\n{}", "v".repeat(8_900_000)).as_bytes());
    assert_evicted(&server, &mut observer, &mut other);
    assert!(client_field(&mut observer, "half", "id").is_some());
    assert!(client_field(&mut observer, "other", "id").is_none());
}

#[test]
fn queued_commands_watched_keys_and_subscriptions_count() {
    let server = Server::with_config("maxmemory-clients 200000");
    let mut observer = observer(&server);
    let grow = |lines: &mut dyn FnMut(usize) -> String| {
        let mut client = server.client();
        (0..20_000).any(|round| client.try_cmd(&lines(round).split(' ').collect::<Vec<_>>()).is_err())
    };
    let mut evicted = 0;
    for command in ["WATCH", "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"] {
        assert!(grow(&mut |round| format!("{command} name:{round}")), "{command}");
        evicted += 1;
        assert_eq!(evicted_clients(&mut observer), evicted, "{command}");
    }
    let value = "v".repeat(1000);
    assert!(grow(&mut |round| if round == 0 { "MULTI".to_owned() } else { format!("SET key {value}") }));
    // What is forgotten counts no more.
    let mut client = named(&server, "modest");
    for round in 0..200 {
        let line = format!("WATCH {}", "k".repeat(10_000 + round));
        assert_eq!(client.run(&line), ok());
        assert_eq!(client.run("UNWATCH"), ok());
        client.run(&format!("SUBSCRIBE {}", "c".repeat(10_000 + round)));
        client.run(&format!("UNSUBSCRIBE {}", "c".repeat(10_000 + round)));
        client.run("MULTI");
        client.run(&format!("SET key {}", "v".repeat(10_000)));
        assert_eq!(client.run("DISCARD"), ok());
    }
    assert!(client_bytes(&mut observer, "modest", "tot-mem") < 100_000);
}

#[test]
fn replies_that_nobody_reads_count_also_those_that_others_cause() {
    let server = Server::with_config("maxmemory-clients 3mb\nclient-output-buffer-limit pubsub 0 0 0");
    let mut observer = observer(&server);
    observer.cmd(&["SET", "key", &"x".repeat(200_000)]);
    let mut client = named(&server, "idle");
    let mut sent = 0;
    while client_field(&mut observer, "idle", "id").is_some() {
        assert!(sent < 1000, "200 MB of replies wait somewhere");
        if client.try_send(b"GET key\r\n").is_err() {
            break;
        }
        sent += 1;
    }
    wait_until("it is gone", 10, || client_field(&mut observer, "idle", "id").is_none());
    let mut subscriber = named(&server, "subscriber");
    subscriber.run("SUBSCRIBE news");
    let message = "x".repeat(100_000);
    let mut published = 0;
    while observer.cmd(&["PUBLISH", "news", &message]) != Value::Integer(0) {
        published += 1;
        assert!(published < 1000, "100 MB of messages wait somewhere");
    }
    assert_eq!(evicted_clients(&mut observer), 2);
}

#[test]
fn the_largest_go_first_and_only_as_many_as_must() {
    let server = Server::start();
    let mut observer = observer(&server);
    let mut clients = Vec::new();
    for (name, bytes) in [("a", 128 << 10), ("b", MIB), ("c", 3 * MIB), ("d", 128 << 10), ("e", MIB), ("f", 3 * MIB)] {
        let mut client = named(&server, name);
        fill_query_buffer(&mut observer, &mut client, name, bytes);
        clients.push(client);
    }
    let left = |observer: &mut Client| -> String {
        ["a", "b", "c", "d", "e", "f"].into_iter().filter(|name| client_field(observer, name, "id").is_some()).collect()
    };
    assert_eq!(left(&mut observer), "abcdef");
    for (limit, expected) in [("12mb", "abcdef"), ("3mb", "abde"), ("1mb", "ad"), ("1", "")] {
        assert_eq!(observer.run(&format!("CONFIG SET maxmemory-clients {limit}")), ok());
        assert_eq!(left(&mut observer), expected, "{limit}");
    }
    assert_eq!(evicted_clients(&mut observer), 6);
    observer.run("CONFIG RESETSTAT");
    assert_eq!(evicted_clients(&mut observer), 0);
}

#[test]
fn a_connection_can_be_kept_out_and_given_back() {
    let server = Server::with_config("maxmemory-clients 1mb");
    let mut observer = observer(&server);
    let mut client = named(&server, "kept");
    assert_eq!(client.run("CLIENT NO-EVICT ON"), ok());
    assert!(client_field(&mut observer, "kept", "flags").is_some_and(|flags| flags.contains('e')));
    fill_query_buffer(&mut observer, &mut client, "kept", 2 * MIB);
    assert_eq!(evicted_clients(&mut observer), 0);
    client.send(b"\r\n");
    assert_eq!(client.read(), Value::NullBulk);
    assert_eq!(client.run("CLIENT NO-EVICT OFF"), ok());
    let _ = client.try_send(format!("*2\r\n$3\r\nGET\r\n${}\r\n{}", 2 * MIB, "v".repeat(MIB)).as_bytes());
    assert_evicted(&server, &mut observer, &mut client);
}

#[test]
fn one_that_is_kept_and_over_the_limit_alone_leaves_the_others_some_room() {
    let server = Server::with_config("maxmemory-clients 1mb");
    let mut observer = observer(&server);
    let mut kept = named(&server, "kept");
    assert_eq!(kept.run("CLIENT NO-EVICT ON"), ok());
    fill_query_buffer(&mut observer, &mut kept, "kept", 2 * MIB);
    // Those that need little connect and are served, one by one and all together.
    let mut modest: Vec<Client> = (0..20).map(|_| server.client()).collect();
    for round in 0..3 {
        for client in &mut modest {
            assert_eq!(client.try_cmd(&["PING"]).ok(), Some(simple("PONG")), "round {round}");
        }
    }
    assert_eq!(evicted_clients(&mut observer), 0);
    // One that needs as much as could be spared goes, and no other with it.
    let mut greedy = named(&server, "greedy");
    let _ = greedy.try_send(format!("*2\r\n$3\r\nGET\r\n$900000\r\n{}", "v".repeat(200_000)).as_bytes());
    assert_evicted(&server, &mut observer, &mut greedy);
    for client in &mut modest {
        assert_eq!(client.run("PING"), simple("PONG"));
    }
    assert_eq!(evicted_clients(&mut observer), 1);
    // The log says once that it is not enough.
    assert_eq!(server.log().matches("Over client maxmemory").count(), 1);
}

#[test]
fn a_percentage_follows_maxmemory() {
    let server = Server::with_config("maxmemory-clients 10%");
    let mut observer = observer(&server);
    let mut client = named(&server, "large");
    // There is no maxmemory to take a share of.
    fill_query_buffer(&mut observer, &mut client, "large", 4 * MIB);
    observer.run("CONFIG SET maxmemory 100mb");
    assert!(client_field(&mut observer, "large", "id").is_some());
    observer.run("CONFIG SET maxmemory 30mb");
    assert!(client_field(&mut observer, "large", "id").is_none());
    assert_eq!(observer.run("CONFIG GET maxmemory-clients").texts()[1], "10%");
    let refused = |value: &str, why: &str| {
        let text = observer_error(&server, value);
        assert_eq!(
            text,
            format!("ERR CONFIG SET failed (possibly related to argument 'maxmemory-clients') - {why}"),
            "{value}"
        );
    };
    refused("101%", "percentage argument must be less or equal to 100");
    refused("-1%", "argument must be a memory or percent value");
    refused("many", "argument must be a memory or percent value");
}

fn observer_error(server: &Server, value: &str) -> String {
    match server.client().cmd(&["CONFIG", "SET", "maxmemory-clients", value]) {
        Value::Error(text) => text,
        other => panic!("{value} was taken: {other:?}"),
    }
}

/// Redis has freed a client while it went on with its list of those that wait for the key.
#[test]
fn clients_that_are_evicted_while_those_that_wait_for_one_key_are_served_leave_the_others_in_order() {
    let server = Server::start();
    let mut observer = observer(&server);
    let (mut first, mut second, mut third) =
        (named(&server, "first"), named(&server, "second"), named(&server, "third"));
    first.send(b"BLPOP list 0\r\n");
    wait_until("the first waits", 10, || server.info_field("clients", "blocked_clients") == "1");
    // The second takes more than all may, by what it has sent behind its command.
    second.send(b"BLPOP list 0\r\n");
    second.send(&encode_command(&["GET", &"q".repeat(2 * MIB)]));
    wait_until("the second waits", 10, || server.info_field("clients", "blocked_clients") == "2");
    third.send(b"BLMPOP 0 2 other list LEFT COUNT 10\r\n");
    wait_until("the third waits", 10, || server.info_field("clients", "blocked_clients") == "3");
    observer.send(b"CONFIG SET maxmemory-clients 1mb\r\nRPUSH list a b c\r\n");
    assert_eq!(observer.read(), ok());
    assert_eq!(observer.read(), Value::Integer(3));
    assert_eq!(first.read().texts(), ["list", "a"]);
    assert_evicted(&server, &mut observer, &mut second);
    assert_eq!(third.read().items()[0].text(), "list");
    assert_eq!(observer.run("PING"), simple("PONG"));
    // One that is evicted because of the reply that it has waited for.
    let mut greedy = named(&server, "greedy");
    greedy.send(b"BLMPOP 0 1 large LEFT COUNT 1000\r\n");
    wait_until("it waits", 10, || server.info_field("clients", "blocked_clients") == "1");
    let element = "e".repeat(20_000);
    let mut push = vec!["RPUSH", "large"];
    push.resize(402, &element);
    observer.cmd(&push);
    assert_evicted(&server, &mut observer, &mut greedy);
    assert_eq!(observer.run("PING"), simple("PONG"));
    assert_eq!(server.info_field("clients", "blocked_clients"), "0");
}
