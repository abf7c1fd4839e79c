//! Channels, patterns and keyspace events.

use std::time::Duration;

use super::dialogue;
use crate::support::{Client, Server, bulk, encode_command, int, nil, ok, render, wait_until};

#[track_caller]
fn expect(client: &mut Client, replies: &[&str]) {
    for expected in replies {
        assert_eq!(render(&client.read()), *expected);
    }
}

fn send(client: &mut Client, line: &str) {
    client.send(&encode_command(&line.split(' ').collect::<Vec<_>>()));
}

#[test]
fn messages_reach_channels_and_patterns() {
    let server = Server::start();
    let mut listener = server.client();
    let mut speaker = server.client();
    send(&mut listener, "SUBSCRIBE news weather news");
    expect(
        &mut listener,
        &[r#"["subscribe", "news", :1]"#, r#"["subscribe", "weather", :2]"#, r#"["subscribe", "news", :2]"#],
    );
    send(&mut listener, "PSUBSCRIBE n?ws w*");
    expect(&mut listener, &[r#"["psubscribe", "n?ws", :3]"#, r#"["psubscribe", "w*", :4]"#]);
    assert_eq!(speaker.run("PUBLISH news hello"), int(2));
    expect(&mut listener, &[r#"["message", "news", "hello"]"#, r#"["pmessage", "n?ws", "news", "hello"]"#]);
    assert_eq!(speaker.run("PUBLISH nothing hello"), int(0));
    assert_eq!(speaker.run("PUBLISH wind \"\""), int(1));
    expect(&mut listener, &[r#"["pmessage", "w*", "wind", ""]"#]);
    send(&mut listener, "UNSUBSCRIBE news absent");
    expect(&mut listener, &[r#"["unsubscribe", "news", :3]"#, r#"["unsubscribe", "absent", :3]"#]);
    send(&mut listener, "PUNSUBSCRIBE");
    let mut left = vec![render(&listener.read()), render(&listener.read())];
    left.sort();
    assert!(
        left[0].starts_with(r#"["punsubscribe", "n?ws", :"#) && left[1].starts_with(r#"["punsubscribe", "w*", :"#),
        "{left:?}"
    );
    send(&mut listener, "UNSUBSCRIBE");
    expect(&mut listener, &[r#"["unsubscribe", "weather", :0]"#]);
    send(&mut listener, "UNSUBSCRIBE");
    expect(&mut listener, &[r#"["unsubscribe", nil, :0]"#]);
    assert_eq!(listener.run("GET key"), nil(), "a client without subscriptions is an ordinary one");
}

#[test]
fn a_subscriber_of_resp2_may_say_little_else() {
    let server = Server::start();
    let mut client = server.client();
    client.transcript(
        r#"
        > SUBSCRIBE news
        ["subscribe", "news", :1]
        > GET key
        -ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context
        > PING
        ["pong", ""]
        > PING hello
        ["pong", "hello"]
        > RESET
        +RESET
        > GET key
        nil
        > SUBSCRIBE
        -ERR wrong number of arguments for 'subscribe' command
        > PUBLISH news
        -ERR wrong number of arguments for 'publish' command
        "#,
    );
}

#[test]
fn a_subscriber_of_resp3_goes_on_talking() {
    let server = Server::start();
    let mut client = server.client_resp3();
    client.transcript(
        r#"
        > SUBSCRIBE news
        >["subscribe", "news", :1]
        > SET key value
        +OK
        > PING
        +PONG
        "#,
    );
    assert_eq!(server.client().run("PUBLISH news hello"), int(1));
    assert_eq!(render(&client.read()), r#">["message", "news", "hello"]"#);
    assert_eq!(client.run("GET key"), bulk("value"));
    send(&mut client, "PUBLISH news myself");
    let mut both = [render(&client.read()), render(&client.read())];
    both.sort();
    assert_eq!(both, [":1", r#">["message", "news", "myself"]"#]);
}

#[test]
fn pubsub_tells_who_listens() {
    let server = Server::start();
    let mut first = server.client();
    let mut second = server.client();
    first.run("SUBSCRIBE news");
    send(&mut second, "SUBSCRIBE news weather");
    expect(&mut second, &[r#"["subscribe", "news", :1]"#, r#"["subscribe", "weather", :2]"#]);
    send(&mut second, "PSUBSCRIBE x* y*");
    expect(&mut second, &[r#"["psubscribe", "x*", :3]"#, r#"["psubscribe", "y*", :4]"#]);
    let mut client = server.client();
    let mut channels = client.run("PUBSUB CHANNELS").texts();
    channels.sort();
    assert_eq!(channels, ["news", "weather"]);
    client.transcript(
        r#"
        > PUBSUB CHANNELS n*
        ["news"]
        > PUBSUB NUMSUB news weather none
        ["news", :2, "weather", :1, "none", :0]
        > PUBSUB NUMSUB
        []
        > PUBSUB NUMPAT
        :2
        > PUBSUB SHARDCHANNELS
        []
        > PUBSUB SHARDNUMSUB x
        ["x", :0]
        > PUBSUB BOGUS
        -ERR unknown subcommand 'BOGUS'. Try PUBSUB HELP.
        > PUBSUB HELP
        [+PUBSUB <subcommand> ...
        "#,
    );
    assert_eq!(server.info_field("stats", "pubsub_channels"), "2");
    assert_eq!(server.info_field("stats", "pubsub_patterns"), "2");
    assert_eq!(client.run("CLIENT LIST TYPE pubsub").text().lines().count(), 2);
    drop((first, second));
    wait_until("hung-up listeners are forgotten", 10, || client.run("PUBSUB CHANNELS").items().is_empty());
}

#[test]
fn sharded_channels_are_apart_from_the_others() {
    let server = Server::start();
    let mut listener = server.client();
    assert_eq!(render(&listener.run("SSUBSCRIBE orders")), r#"["ssubscribe", "orders", :1]"#);
    let mut speaker = server.client();
    assert_eq!(speaker.run("PUBLISH orders plain"), int(0));
    assert_eq!(speaker.run("SPUBLISH orders sharded"), int(1));
    expect(&mut listener, &[r#"["smessage", "orders", "sharded"]"#]);
    assert_eq!(render(&listener.run("SUNSUBSCRIBE orders")), r#"["sunsubscribe", "orders", :0]"#);
}

#[test]
fn keyspace_events_are_published_when_they_are_asked_for() {
    let server = Server::start();
    let mut client = server.client();
    let mut listener = server.client();
    listener.run("PSUBSCRIBE __key*__:*");
    client.transcript("> SET quiet 1\n+OK\n> CONFIG SET notify-keyspace-events KEA\n+OK");
    client.transcript(
        r#"
        > CONFIG GET notify-keyspace-events
        ["notify-keyspace-events", "AKE"]
        > SET key 1 EX 1000
        +OK
        > INCR key
        :2
        > RENAME key other
        +OK
        > DEL other
        :1
        > SELECT 3
        +OK
        > APPEND text x
        :1
        "#,
    );
    let events = [
        (0, "set", "key"),
        (0, "expire", "key"),
        (0, "incrby", "key"),
        (0, "rename_from", "key"),
        (0, "rename_to", "other"),
        (0, "del", "other"),
        (3, "append", "text"),
    ];
    for (database, event, key) in events {
        let space = format!(r#"["pmessage", "__key*__:*", "__keyspace@{database}__:{key}", "{event}"]"#);
        let event = format!(r#"["pmessage", "__key*__:*", "__keyevent@{database}__:{event}", "{key}"]"#);
        expect(&mut listener, &[&space, &event]);
    }
    client.transcript("> CONFIG SET notify-keyspace-events Ex\n+OK\n> SET brief v PX 20\n+OK");
    expect(&mut listener, &[r#"["pmessage", "__key*__:*", "__keyevent@3__:expired", "brief"]"#]);
    assert!(client.run("CONFIG SET notify-keyspace-events \"?\"").is_error());
}

#[test]
fn a_read_of_a_key_past_its_expiry_tells_of_that_first_and_of_the_miss_then() {
    let server = Server::with_config("notify-keyspace-events Exm");
    let mut client = server.client();
    client.run("DEBUG SET-ACTIVE-EXPIRE 0");
    client.transcript("> SET a 1 PX 1\n+OK\n> SET b 1 PX 1\n+OK");
    let mut listener = server.client();
    listener.run("PSUBSCRIBE __key*");
    std::thread::sleep(Duration::from_millis(20));
    client.run("MGET c a b");
    for event in ["keymiss:c", "expired:a", "keymiss:a", "expired:b", "keymiss:b"] {
        let (event, key) = event.split_once(':').expect("an event of a key");
        expect(&mut listener, &[&format!(r#"["pmessage", "__key*", "__keyevent@0__:{event}", "{key}"]"#)]);
    }
}

#[test]
fn a_key_that_takes_the_place_of_another_is_told_as_new() {
    let server = Server::with_config("notify-keyspace-events En");
    let mut client = server.client();
    client.transcript("> MSET a 1 b 2 c 3\n+OK");
    let payload = client.run("DUMP a").bytes();
    let mut listener = server.client();
    listener.run("PSUBSCRIBE *");
    client.transcript(
        r#"
        > SET b 4
        +OK
        > COPY a b REPLACE
        :1
        > RENAME a c
        +OK
        > RENAME c d
        +OK
        "#,
    );
    for options in [&["0"][..], &["1", "ABSTTL"]] {
        let command = [
            &[&b"RESTORE"[..], b"b", options[0].as_bytes(), &payload, b"REPLACE"],
            &options[1..].iter().map(|option| option.as_bytes()).collect::<Vec<_>>()[..],
        ]
        .concat();
        assert_eq!(client.cmd(&command), ok());
    }
    client.run("PUBLISH end of-it");
    for key in ["b", "c", "d", "b"] {
        expect(&mut listener, &[&format!(r#"["pmessage", "*", "__keyevent@0__:new", "{key}"]"#)]);
    }
    expect(&mut listener, &[r#"["pmessage", "*", "end", "of-it"]"#]);
}

#[test]
fn two_hundred_listeners_hear_one_message() {
    let server = Server::start();
    let mut listeners: Vec<_> = (0..200).map(|_| server.client()).collect();
    for listener in &mut listeners {
        listener.run("SUBSCRIBE news");
    }
    assert_eq!(server.client().run("PUBLISH news hello"), int(200));
    for listener in &mut listeners {
        assert_eq!(listener.read().items()[2], bulk("hello"));
    }
}

#[test]
fn a_listener_that_does_not_read_is_closed_at_its_limit() {
    let server = Server::with_config("client-output-buffer-limit pubsub 1mb 0 0");
    let mut listener = server.client();
    listener.run("SUBSCRIBE news");
    let mut speaker = server.client();
    let message = "x".repeat(100_000);
    wait_until("nobody listens any more", 30, || speaker.cmd(&["PUBLISH", "news", &message]) == int(0));
    listener.set_read_limit(Duration::from_secs(5)).expect("a limit");
    listener.read_to_end();
}

#[test]
fn transactions_may_publish() {
    dialogue(
        r#"
        > MULTI
        +OK
        > PUBLISH news hello
        +QUEUED
        > SET a 1
        +QUEUED
        > EXEC
        [:0, +OK]
        "#,
    );
}
