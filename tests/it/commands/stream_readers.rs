//! XREAD and XREADGROUP that wait: who is served, and how else a wait ends.

use super::blocking::{Scene, assert_waits};
use crate::support::{Client, Server, Value, against_redis, bulk, err, int, ok};

/// What XREAD answers in RESP2 with one entry of one field.
fn entry(key: &str, id: &str, field: &str, value: &str) -> Value {
    let pair = Value::Array(vec![bulk(field), bulk(value)]);
    let entries = Value::Array(vec![Value::Array(vec![bulk(id), pair])]);
    Value::Array(vec![Value::Array(vec![bulk(key), entries])])
}

#[track_caller]
fn assert_no_group(client: &mut Client, key: &str, group: &str) {
    if against_redis() {
        // 7.0 has other words for it.
        assert!(client.read().is_error());
        return;
    }
    let text = format!("NOGROUP No such key '{key}' or consumer group '{group}' in XREADGROUP with GROUP option");
    assert_eq!(client.read(), err(&text));
}

#[test]
fn what_a_group_does_with_a_stream_counts_as_reading_it() {
    let server = Server::start();
    let mut client = server.client();
    client.transcript("> XADD s 1-1 n 1\n...\n> XGROUP CREATE s g 0\n+OK");
    let commands = |key: &str| {
        [
            format!("XREADGROUP GROUP g c STREAMS {key} >"),
            format!("XCLAIM {key} g d 0 1-1"),
            format!("XAUTOCLAIM {key} g c 0 0"),
            format!("XACK {key} g 1-1"),
        ]
    };
    for (key, field) in [("s", "keyspace_hits"), ("missing", "keyspace_misses")] {
        for command in commands(key) {
            client.run("CONFIG RESETSTAT");
            client.run(&command);
            assert_ne!(server.info("stats")[field], "0", "{command}");
        }
    }
}

#[test]
fn every_client_that_waits_for_a_stream_is_served() {
    let mut scene = Scene::new();
    scene.run("XADD s 1-1 n 1");
    let mut clients = [
        scene.blocked("XREAD BLOCK 0 STREAMS s $"),
        scene.blocked("XREAD BLOCK 0 COUNT 1 STREAMS missing s 0 1-1"),
        scene.blocked("XREAD BLOCK 100000 STREAMS s s $ $"),
    ];
    assert_eq!(scene.run("XADD s 2-1 n 2"), bulk("2-1"));
    assert_waits(&mut scene, 0);
    for client in &mut clients[..2] {
        assert_eq!(client.read(), entry("s", "2-1", "n", "2"));
    }
    // 7.2 runs the command again, and so answers for each time that the stream is named.
    let named = if against_redis() { 1 } else { 2 };
    assert_eq!(clients[2].read().items().len(), named, "the stream is named twice");
}

#[test]
fn a_wait_for_what_comes_next_begins_where_the_stream_ended() {
    let mut scene = Scene::new();
    scene.run("XADD s 5-1 n 1");
    let mut next = scene.blocked("XREAD BLOCK 0 STREAMS s $");
    let mut later = scene.blocked("XREAD BLOCK 0 STREAMS s 7-0");
    scene.run("XADD s 6-1 n 2");
    assert_eq!(next.read(), entry("s", "6-1", "n", "2"));
    assert_waits(&mut scene, 1);
    if against_redis() {
        // 7.0 answers with no entries here.
        return;
    }
    // What is gone before the transaction ends was never there.
    scene.main.transcript("> MULTI\n+OK\n> XADD s 8-1 n 3\n+QUEUED\n> XDEL s 8-1\n+QUEUED\n> EXEC\n[\"8-1\", :1]");
    assert_waits(&mut scene, 1);
    scene.run("XADD s 8-2 n 4");
    assert_eq!(later.read(), entry("s", "8-2", "n", "4"));
}

#[test]
fn a_key_of_another_type_is_waited_through_by_readers_without_a_group() {
    let mut scene = Scene::new();
    let mut client = scene.blocked("XREAD BLOCK 0 STREAMS s $");
    for line in ["LPUSH s x", "DEL s", "SET s x", "DEL s"] {
        scene.run(line);
        assert_waits(&mut scene, 1);
    }
    scene.run("XADD s 1-1 n 1");
    assert_eq!(client.read(), entry("s", "1-1", "n", "1"));
}

#[test]
fn what_a_group_gets_goes_to_one_of_its_consumers() {
    let mut scene = Scene::new();
    scene.run("XGROUP CREATE s g $ MKSTREAM");
    let mut anne = scene.blocked("XREADGROUP GROUP g Anne BLOCK 0 STREAMS s >");
    let mut bert = scene.blocked("XREADGROUP GROUP g Bert BLOCK 0 STREAMS s >");
    let mut reader = scene.blocked("XREAD BLOCK 0 STREAMS s $");
    scene.run("XADD s 1-1 n 1");
    assert_eq!(anne.read(), entry("s", "1-1", "n", "1"));
    assert_eq!(reader.read(), entry("s", "1-1", "n", "1"));
    assert_waits(&mut scene, 1);
    scene.run("XADD s 2-1 n 2");
    assert_eq!(bert.read(), entry("s", "2-1", "n", "2"));
    assert_eq!(scene.run("XACK s g 1-1 2-1"), int(2));
}

#[test]
fn a_group_that_goes_ends_the_waits_for_it() {
    let mut scene = Scene::new();
    for line in ["DEL s", "XGROUP DESTROY s g", "FLUSHALL", "SET s x", "RENAME s t", "PEXPIREAT s 1"] {
        scene.run("DEL s t");
        scene.run("XGROUP CREATE s g $ MKSTREAM");
        let mut client = scene.blocked("XREADGROUP GROUP g Anne BLOCK 0 STREAMS s >");
        scene.run(line);
        if line == "SET s x" && !against_redis() {
            assert_eq!(client.read(), err("WRONGTYPE Operation against a key holding the wrong kind of value"));
        } else {
            assert_no_group(&mut client, "s", "g");
        }
        assert_waits(&mut scene, 0);
    }
}

#[test]
fn a_stream_that_comes_back_in_the_same_transaction_has_never_been_away() {
    if against_redis() {
        return;
    }
    let mut scene = Scene::new();
    scene.run("XGROUP CREATE s g $ MKSTREAM");
    let mut client = scene.blocked("XREADGROUP GROUP g Anne BLOCK 0 STREAMS s >");
    assert_eq!(scene.info("clients", "total_blocking_keys_on_nokey"), "1");
    for line in ["MULTI", "DEL s", "XGROUP CREATE s g $ MKSTREAM", "EXEC"] {
        scene.run(line);
    }
    assert_waits(&mut scene, 1);
    scene.run("XADD s 1-1 n 1");
    assert_eq!(client.read(), entry("s", "1-1", "n", "1"));
    assert_eq!(scene.info("clients", "total_blocking_keys_on_nokey"), "0");
}

#[test]
fn a_wait_ends_with_its_time_or_by_another_client() {
    let mut scene = Scene::new();
    scene.run("XGROUP CREATE s g $ MKSTREAM");
    let mut client = scene.server.client();
    assert_eq!(client.run("XREAD BLOCK 10 STREAMS s $"), Value::NullArray);
    assert_eq!(client.run("XREADGROUP GROUP g c BLOCK 10 STREAMS s >"), Value::NullArray);
    let id = client.run("CLIENT ID").integer();
    let mut client = scene.block(client, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >");
    assert_eq!(scene.run(&format!("CLIENT UNBLOCK {id} ERROR")), int(1));
    assert_eq!(client.read(), err("UNBLOCKED client unblocked via CLIENT UNBLOCK"));
    let mut client = scene.block(client, "XREAD BLOCK 0 STREAMS s $");
    assert_eq!(scene.run(&format!("CLIENT UNBLOCK {id}")), int(1));
    assert_eq!(client.read(), Value::NullArray);
}

#[test]
fn the_history_of_a_consumer_is_never_waited_for() {
    let mut scene = Scene::new();
    scene.run("XGROUP CREATE s g $ MKSTREAM");
    scene.main.transcript(
        r#"
        > XREADGROUP GROUP g c BLOCK 0 STREAMS s 0
        [["s", []]]
        > MULTI
        +OK
        > XREADGROUP GROUP g c BLOCK 0 STREAMS s >
        +QUEUED
        > EXEC
        [nil-array]
        "#,
    );
    assert_eq!(scene.run("XINFO GROUPS s").items()[0].field("consumers"), &int(1));
    assert_eq!(scene.run("XGROUP DESTROY s g"), int(1));
    assert_eq!(scene.run("CONFIG RESETSTAT"), ok());
}
