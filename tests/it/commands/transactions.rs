//! MULTI, EXEC, DISCARD, WATCH and UNWATCH.

use std::time::Duration;

use super::{dialogue, dialogue_resp3};
use crate::support::{Server, bulk, nil, ok, render};

#[test]
fn queued_commands_run_together() {
    dialogue(
        r#"
        > MULTI
        +OK
        > SET a 1
        +QUEUED
        > INCR a
        +QUEUED
        > GET a
        +QUEUED
        > PING
        +QUEUED
        > EXEC
        [+OK, :2, "2", +PONG]
        > MULTI
        +OK
        > EXEC
        []
        > EXEC
        -ERR EXEC without MULTI
        > DISCARD
        -ERR DISCARD without MULTI
        > MULTI
        +OK
        > MULTI
        -ERR MULTI calls can not be nested
        > SET a 9
        +QUEUED
        > DISCARD
        +OK
        > GET a
        "2"
        "#,
    );
}

#[test]
fn an_error_while_queueing_discards_and_an_error_while_running_does_not() {
    dialogue(
        r#"
        > MULTI
        +OK
        > SET a 1
        +QUEUED
        > BOGUS
        -ERR unknown command 'BOGUS', with args beginning with: ...
        > SET a
        -ERR wrong number of arguments for 'set' command
        > EXEC
        -EXECABORT Transaction discarded because of previous errors.
        > EXISTS a
        :0
        > SET text x
        +OK
        > MULTI
        +OK
        > SET a 1
        +QUEUED
        > INCR text
        +QUEUED
        > SET b 2
        +QUEUED
        > EXEC
        [+OK, -ERR value is not an integer or out of range, +OK]
        > MGET a b
        ["1", "2"]
        > MULTI
        +OK
        > WATCH a
        -ERR WATCH inside MULTI is not allowed
        > EXEC
        ...
        "#,
    );
}

#[test]
fn a_watched_key_that_changes_stops_the_transaction() {
    let server = Server::start();
    let mut client = server.client();
    let mut other = server.client();
    let changes = [
        "SET a 2",
        "DEL a",
        "INCR a",
        "EXPIRE a 100",
        "APPEND a x",
        "RENAME b a",
        "FLUSHDB",
        "FLUSHALL",
        "MOVE a 5",
        "SWAPDB 0 1",
    ];
    for change in changes {
        client.transcript("> SELECT 0\n+OK\n> FLUSHALL\n+OK\n> MSET a 1 b 1\n+OK\n> WATCH a\n+OK\n> MULTI\n+OK\n> SET done 1\n+QUEUED");
        assert!(!other.run(change).is_error(), "{change}");
        assert_eq!(render(&client.run("EXEC")), "nil-array", "{change}");
    }
    for harmless in ["GET a", "SET b 2", "SET other 1", "TOUCH a"] {
        client.transcript("> FLUSHALL\n+OK\n> MSET a 1 b 1\n+OK\n> WATCH a\n+OK\n> MULTI\n+OK\n> SET done 1\n+QUEUED");
        other.run(harmless);
        assert_eq!(render(&client.run("EXEC")), "[+OK]", "{harmless}");
    }
    client.transcript("> WATCH a\n+OK\n> UNWATCH\n+OK\n> MULTI\n+OK\n> PING\n+QUEUED");
    other.run("SET a 5");
    assert_eq!(render(&client.run("EXEC")), "[+PONG]", "UNWATCH forgets");
    client.transcript("> WATCH a\n+OK\n> SET a mine\n+OK\n> MULTI\n+OK\n> PING\n+QUEUED\n> EXEC\nnil-array");
    client.transcript("> WATCH a\n+OK\n> MULTI\n+OK\n> DISCARD\n+OK\n> MULTI\n+OK\n> PING\n+QUEUED");
    other.run("SET a 6");
    assert_eq!(render(&client.run("EXEC")), "[+PONG]", "DISCARD forgets too");
}

#[test]
fn a_watched_key_that_expires_stops_the_transaction() {
    let server = Server::start();
    let mut client = server.client();
    client.transcript("> SET a 1 PX 50\n+OK\n> WATCH a\n+OK\n> MULTI\n+OK\n> PING\n+QUEUED");
    std::thread::sleep(Duration::from_millis(120));
    assert_eq!(render(&client.run("EXEC")), "nil-array");
}

#[test]
fn a_transaction_is_not_seen_half_done() {
    let server = Server::start();
    let mut reader = server.client();
    assert_eq!(reader.run("MSET left 0 right 0"), ok());
    let address = server.address();
    let writer = std::thread::spawn(move || {
        let mut client = crate::support::Client::connect(address);
        for _ in 0..2000 {
            client.pipeline(&["MULTI", "INCR left", "INCR right", "EXEC"]);
        }
    });
    while !writer.is_finished() {
        let both = reader.run("MGET left right").texts();
        assert_eq!(both[0], both[1]);
    }
    writer.join().expect("the writer ends");
    assert_eq!(reader.run("GET left"), bulk("2000"));
}

#[test]
fn commands_that_make_no_sense_in_a_transaction_are_refused() {
    let server = Server::start();
    let mut client = server.client();
    client.run("MULTI");
    assert!(client.run("SAVE").text().contains("not allowed inside a transaction"), "SAVE");
    assert!(client.run("EXEC").text().starts_with("EXECABORT"));
    client.transcript(
        "> RESET\n+RESET\n> EXEC\n-ERR EXEC without MULTI\n> MULTI\n+OK\n> SET a 1\n+QUEUED\n> RESET\n+RESET",
    );
    assert_eq!(client.run("GET a"), nil());
}

#[test]
fn transactions_take_their_resp3_forms() {
    let server = Server::start();
    let mut client = server.client_resp3();
    client.run("WATCH a");
    server.client().run("SET a 1");
    client.transcript("> MULTI\n+OK\n> GET missing\n+QUEUED\n> EXEC\n_");
    dialogue_resp3("> MULTI\n+OK\n> GET missing\n+QUEUED\n> EXEC\n[_]");
}
