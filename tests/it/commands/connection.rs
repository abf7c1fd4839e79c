//! Commands about the connection itself.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{dialogue, dialogue_resp3};
use crate::support::{Client, Server, Setup, Value, encode_command, err, int, nil, ok, simple, wait_until};

#[test]
fn ping_echo_and_select_answer() {
    dialogue(
        r#"
        > PING
        +PONG
        > ping "hello you"
        "hello you"
        > PING a b
        -ERR wrong number of arguments for 'ping' command
        > ECHO "a\r\nb"
        "a\r\nb"
        > ECHO
        -ERR wrong number of arguments for 'echo' command
        > SELECT 15
        +OK
        > SELECT 16
        -ERR DB index is out of range
        > SELECT -1
        -ERR DB index is out of range
        > SELECT 2147483648
        -ERR value is out of range, value must between -2147483648 and 2147483647
        > SELECT one
        -ERR value is not an integer or out of range
        > SELECT
        -ERR wrong number of arguments for 'select' command
        "#,
    );
}

#[test]
fn hello_negotiates_the_protocol() {
    let server = Server::start();
    let mut client = server.client();
    let greeting = client.run("HELLO");
    assert_eq!(greeting.field("server").text(), "redis");
    assert_eq!(greeting.field("proto").integer(), 2);
    assert_eq!(greeting.field("mode").text(), "standalone");
    assert_eq!(greeting.field("role").text(), "master");
    assert!(greeting.field("id").integer() > 0);
    assert!(greeting.field("modules").items().is_empty());
    assert!(greeting.field("version").text().starts_with("7."));
    let greeting = client.run("HELLO 3");
    assert!(matches!(greeting, Value::Map(_)), "RESP3 greets with a map: {greeting:?}");
    assert_eq!(greeting.field("proto").integer(), 3);
    client.transcript(
        r#"
        > HELLO 4
        -NOPROTO unsupported protocol version
        > HELLO 1
        -NOPROTO unsupported protocol version
        > HELLO x
        -ERR Protocol version is not an integer or out of range
        > HELLO 3 BOGUS
        -ERR Syntax error in HELLO option 'BOGUS'
        > HELLO 3 AUTH default
        -ERR Syntax error in HELLO option 'AUTH'
        > HELLO 3 SETNAME "a b"
        -ERR Client names cannot contain spaces, newlines or special characters.
        > GET missing
        _
        "#,
    );
    assert!(matches!(client.run("HELLO 2 SETNAME me"), Value::Array(_)));
    assert_eq!(client.run("CLIENT GETNAME").text(), "me");
    assert_eq!(client.run("GET missing"), nil());
    assert!(!client.run("HELLO 3 AUTH default whatever SETNAME you").is_error(), "a user without password takes any");
}

#[test]
fn a_password_guards_the_server() {
    let server = Server::with_config("requirepass foobared");
    server.client().transcript(
        r#"
        > GET key
        -NOAUTH Authentication required.
        > PING
        -NOAUTH Authentication required.
        > BOGUS
        -ERR unknown command 'BOGUS', with args beginning with: ...
        > AUTH wrong
        -WRONGPASS invalid username-password pair or user is disabled.
        > AUTH nobody foobared
        -WRONGPASS invalid username-password pair or user is disabled.
        > AUTH
        -ERR wrong number of arguments for 'auth' command
        > AUTH a b c
        -ERR syntax error
        > HELLO
        -NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO ...AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time
        > HELLO 3 AUTH default wrong
        -WRONGPASS invalid username-password pair or user is disabled.
        > AUTH foobared
        +OK
        > SET key 100
        +OK
        > INCR key
        :101
        > RESET
        +RESET
        > GET key
        -NOAUTH Authentication required.
        > AUTH default foobared
        +OK
        > GET key
        "101"
        > CONFIG SET requirepass ""
        +OK
        "#,
    );
    let mut client = server.client();
    client.transcript("> GET key\n\"101\"\n> CONFIG SET requirepass other\n+OK\n> GET key\n\"101\"");
    assert!(server.client().run("GET key").text().starts_with("NOAUTH"));
    assert!(!server.client().run("HELLO 3 AUTH default other").is_error());
}

#[test]
fn auth_without_a_password_explains_itself() {
    dialogue(
        r#"
        > AUTH foo
        -ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?
        > AUTH default anything
        +OK
        "#,
    );
}

#[test]
fn unauthenticated_clients_cannot_send_much() {
    let server = Server::with_config("requirepass secret");
    let mut client = server.client();
    client.send(b"*11\r\n");
    assert_eq!(client.read(), err("ERR Protocol error: unauthenticated multibulk length"));
    assert!(client.is_closed_within(Duration::from_secs(10)));
    let mut client = server.client();
    client.send(b"*1\r\n$16385\r\n");
    assert_eq!(client.read(), err("ERR Protocol error: unauthenticated bulk length"));
    assert!(client.is_closed_within(Duration::from_secs(10)));
    let mut client = server.client();
    assert_eq!(client.run("AUTH secret"), ok());
    assert!(client.cmd(&["MGET"; 12]).items().len() == 11, "an authenticated client may");
}

#[test]
fn quit_answers_and_closes_and_drops_what_follows() {
    let server = Server::start();
    let mut client = server.client();
    let mut bytes = encode_command(&["SET", "a", "1"]);
    bytes.extend(encode_command(&["QUIT"]));
    bytes.extend(encode_command(&["SET", "a", "2"]));
    client.send(&bytes);
    assert_eq!(client.read(), ok());
    assert_eq!(client.read(), ok());
    assert_eq!(client.read_to_end(), b"");
    assert_eq!(server.client().run("GET a").text(), "1");
    let mut client = server.client();
    client.send(b"quit\r\n");
    assert_eq!(client.read_to_end(), b"+OK\r\n");
}

#[test]
fn reset_returns_the_connection_to_its_first_state() {
    let server = Server::start();
    let mut client = server.client_resp3();
    client.transcript(
        r#"
        > CLIENT SETNAME named
        +OK
        > SELECT 5
        +OK
        > CLIENT NO-EVICT ON
        +OK
        > RESET
        +RESET
        > CLIENT GETNAME
        nil
        > GET missing
        nil
        "#,
    );
    let me = client_fields(&client.run("CLIENT INFO").text());
    assert_eq!(me["db"], "0");
    assert_eq!(me["resp"], "2");
}

/// The fields of one line of CLIENT LIST.
fn client_fields(line: &str) -> BTreeMap<String, String> {
    let pairs = line.trim().split(' ').filter_map(|field| field.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn client_list_and_info_tell_the_connections() {
    let server = Server::start();
    let mut client = server.client();
    let mut other = server.client_resp3();
    client.transcript("> CLIENT SETNAME me\n+OK\n> SELECT 3\n+OK");
    let id = client.run("CLIENT ID").integer();
    let me = client_fields(&client.run("CLIENT INFO").text());
    assert_eq!(me["id"], id.to_string());
    assert_eq!(me["name"], "me");
    assert_eq!(me["db"], "3");
    assert_eq!(me["cmd"], "client|info");
    assert_eq!(me["user"], "default");
    assert_eq!(me["resp"], "2");
    assert_eq!(me["flags"], "N");
    assert_eq!(me["multi"], "-1");
    assert_eq!(me["laddr"], format!("127.0.0.1:{}", server.port()));
    assert!(me["addr"].starts_with("127.0.0.1:"));
    let names = "id addr laddr fd name age idle flags db sub psub ssub multi qbuf qbuf-free argv-mem multi-mem rbs rbp \
                 obl oll omem tot-mem events cmd user redir resp";
    for name in names.split_whitespace() {
        assert!(me.contains_key(name), "CLIENT INFO has {name}: {me:?}");
    }
    let list = client.run("CLIENT LIST").text();
    assert_eq!(list.lines().count(), 2);
    let other_id = other.run("CLIENT ID").integer();
    assert!(other_id > id, "ids grow");
    let both = client.run(&format!("CLIENT LIST ID {id} {other_id} 99999")).text();
    assert_eq!(both.lines().count(), 2);
    let one = client_fields(&client.run(&format!("CLIENT LIST ID {other_id}")).text());
    assert_eq!((one["resp"].as_str(), one["cmd"].as_str()), ("3", "client|id"));
    assert_eq!(client.run("CLIENT LIST TYPE normal").text().lines().count(), 2);
    assert_eq!(client.run("CLIENT LIST TYPE pubsub").text(), "");
    assert!(matches!(other.run("CLIENT LIST"), Value::Verbatim(_)), "RESP3 marks the text");
    assert!(matches!(other.run("CLIENT INFO"), Value::Verbatim(_)));
    client.transcript(
        r#"
        > CLIENT LIST TYPE bogus
        -ERR Unknown client type 'bogus'
        > CLIENT LIST ID
        -ERR syntax error
        > CLIENT LIST ID x
        -ERR Invalid client ID
        > CLIENT LIST BOGUS x
        -ERR syntax error
        > CLIENT BOGUS
        -ERR unknown subcommand 'BOGUS'. Try CLIENT HELP.
        > CLIENT
        -ERR wrong number of arguments for 'client' command
        > CLIENT ID x
        -ERR wrong number of arguments for 'client|id' command
        > CLIENT HELP
        [+CLIENT <subcommand> ...
        "#,
    );
}

#[test]
fn client_names_are_set_read_and_checked() {
    dialogue(
        r#"
        > CLIENT GETNAME
        nil
        > CLIENT SETNAME ok-name
        +OK
        > CLIENT GETNAME
        "ok-name"
        > CLIENT SETNAME "a b"
        -ERR Client names cannot contain spaces, newlines or special characters.
        > CLIENT SETNAME "a\n"
        -ERR Client names cannot contain spaces, newlines or special characters.
        > CLIENT SETNAME ""
        +OK
        > CLIENT GETNAME
        nil
        > CLIENT NO-EVICT on
        +OK
        > CLIENT NO-EVICT off
        +OK
        > CLIENT NO-EVICT maybe
        -ERR syntax error
        7.2> CLIENT NO-TOUCH on
        +OK
        7.2> CLIENT NO-TOUCH off
        +OK
        7.2> CLIENT NO-TOUCH maybe
        -ERR syntax error
        7.2> CLIENT SETINFO lib-name redis-py
        +OK
        7.2> CLIENT SETINFO LIB-VER 1.2.3
        +OK
        7.2> CLIENT INFO
        "id=... lib-name=redis-py lib-ver=1.2.3...
        7.2> CLIENT SETINFO lib-name "redis py"
        -ERR lib-name cannot contain spaces, newlines or special characters.
        7.2> CLIENT SETINFO lib-ver "1 2"
        -ERR lib-ver cannot contain spaces, newlines or special characters.
        7.2> CLIENT SETINFO bogus x
        -ERR Unrecognized option 'bogus'
        "#,
    );
}

#[test]
fn client_kill_ends_the_connections_it_names() {
    let server = Server::start();
    let mut killer = server.client();
    let closed = |client: &mut Client| client.is_closed_within(Duration::from_secs(10));
    let address = |client: &mut Client| client_fields(&client.run("CLIENT INFO").text())["addr"].clone();

    let mut victim = server.client();
    let id = victim.run("CLIENT ID").integer();
    assert_eq!(killer.run(&format!("CLIENT KILL ID {id}")), int(1));
    assert!(closed(&mut victim));
    assert_eq!(killer.run(&format!("CLIENT KILL ID {id}")), int(0));

    let mut victim = server.client();
    let name = address(&mut victim);
    assert_eq!(killer.run(&format!("CLIENT KILL {name}")), ok());
    assert!(closed(&mut victim));
    assert_eq!(killer.run(&format!("CLIENT KILL {name}")), err("ERR No such client"));

    let mut victim = server.client();
    let name = address(&mut victim);
    assert_eq!(killer.run(&format!("CLIENT KILL ADDR {name} TYPE normal")), int(1));
    assert!(closed(&mut victim));

    // SKIPME is the default, so that the killer survives its own broad filters.
    let mut victims = [server.client(), server.client()];
    victims.iter_mut().for_each(|victim| assert_eq!(victim.run("PING"), simple("PONG")));
    let laddr = format!("127.0.0.1:{}", server.port());
    // The connection that waited for the server to start may not have been seen to end yet.
    wait_until("nobody else is there", 10, || killer.run("CLIENT LIST").text().lines().count() == 3);
    assert_eq!(killer.run(&format!("CLIENT KILL LADDR {laddr} USER default SKIPME yes")), int(2));
    assert!(victims.iter_mut().all(closed));
    killer.transcript(
        r#"
        > CLIENT KILL TYPE bogus
        -ERR Unknown client type 'bogus'
        > CLIENT KILL ID x
        -ERR client-id should be greater than 0
        > CLIENT KILL ID 0
        -ERR client-id should be greater than 0
        > CLIENT KILL USER nobody
        -ERR No such user 'nobody'
        > CLIENT KILL SKIPME maybe
        -ERR syntax error
        > CLIENT KILL ID
        -ERR No such client
        > CLIENT KILL BOGUS x
        -ERR syntax error
        "#,
    );
    let own = killer.run("CLIENT ID").integer();
    assert_eq!(killer.run(&format!("CLIENT KILL ID {own} SKIPME no")), int(1), "the reply still arrives");
    assert!(closed(&mut killer));
}

#[test]
fn client_reply_silences_a_connection() {
    let server = Server::start();
    let mut client = server.client();
    client.send(&[encode_command(&["CLIENT", "REPLY", "SKIP"]), encode_command(&["SET", "a", "1"])].concat());
    assert_eq!(client.run("GET a").text(), "1");
    client.send(&[encode_command(&["CLIENT", "REPLY", "OFF"]), encode_command(&["SET", "a", "2"])].concat());
    assert_eq!(client.run("CLIENT REPLY ON"), ok());
    assert_eq!(client.run("GET a").text(), "2");
    assert_eq!(client.run("CLIENT REPLY MAYBE"), err("ERR syntax error"));
}

#[test]
fn client_pause_holds_writes_or_everything_until_unpause() {
    let server = Server::start();
    let mut control = server.client();
    let mut client = server.client();
    assert_eq!(control.run("CLIENT PAUSE 100000 WRITE"), ok());
    client.transcript("> GET a\nnil\n> PING\n+PONG");
    client.send(&encode_command(&["SET", "a", "1"]));
    client.set_read_limit(Duration::from_millis(200)).expect("a limit");
    assert!(client.try_read().is_err(), "the write waits");
    assert_eq!(control.run("CLIENT UNPAUSE"), ok());
    client.set_read_limit(Duration::from_secs(30)).expect("a limit");
    assert_eq!(client.read(), ok());

    let start = Instant::now();
    assert_eq!(control.run("CLIENT PAUSE 300"), ok());
    assert_eq!(client.run("GET a").text(), "1");
    assert!(start.elapsed() >= Duration::from_millis(250), "reads wait too without WRITE");
    control.transcript(
        r#"
        > CLIENT PAUSE x
        -ERR timeout is not an integer or out of range
        > CLIENT PAUSE -1
        -ERR timeout is negative
        > CLIENT PAUSE 10 BOGUS
        -ERR CLIENT PAUSE mode must be WRITE or ALL
        > CLIENT PAUSE 10 BOGUS x
        -ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.
        > CLIENT PAUSE 1 ALL
        +OK
        > CLIENT UNPAUSE
        +OK
        "#,
    );
}

#[test]
fn a_pipeline_goes_on_in_order_after_a_pause() {
    let server = Server::start();
    let mut control = server.client();
    let mut client = server.client();
    assert_eq!(control.run("CLIENT PAUSE 100000 WRITE"), ok());
    let commands = [encode_command(&["GET", "a"]), encode_command(&["SET", "a", "1"]), encode_command(&["GET", "a"])];
    client.send(&commands.concat());
    assert_eq!(client.read(), nil());
    assert_eq!(control.run("CLIENT UNPAUSE"), ok());
    assert_eq!(client.read(), ok());
    assert_eq!(client.read().text(), "1");
}

#[test]
fn closed_connections_leave_the_list() {
    let server = Server::start();
    let mut client = server.client();
    let others: Vec<_> = (0..20).map(|_| server.client_resp3()).collect();
    assert_eq!(client.run("CLIENT LIST").text().lines().count(), 21);
    drop(others);
    wait_until("the list has shrunk", 10, || client.run("CLIENT LIST").text().lines().count() == 1);
    assert_eq!(server.info_field("clients", "connected_clients"), "2");
}

#[test]
fn connection_commands_take_their_resp3_forms() {
    dialogue_resp3(
        r#"
        > CLIENT GETNAME
        _
        > PING
        +PONG
        > CLIENT ID
        :...
        "#,
    );
}

#[test]
fn a_client_that_asks_for_no_touch_leaves_no_trace_by_writes_either() {
    if crate::support::against_redis() {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    client.run("SET key value");
    let payload = client.run("DUMP key").bytes();
    let mut quiet = server.client();
    assert_eq!(quiet.run("CLIENT NO-TOUCH ON"), ok());
    for command in ["APPEND idle x", "SETRANGE idle 0 y", "EXPIRE idle 100", "GETEX idle PERSIST"] {
        let restore: [&[u8]; 7] = [b"RESTORE", b"idle", b"0", &payload, b"REPLACE", b"IDLETIME", b"1000"];
        assert_eq!(client.cmd(&restore), ok());
        assert!(!quiet.run(command).is_error(), "{command}");
        let idle = client.run("OBJECT IDLETIME idle").integer();
        assert!((1000..1010).contains(&idle), "idle for {idle} s after {command}");
    }
    client.run("APPEND idle x");
    assert!(client.run("OBJECT IDLETIME idle").integer() < 10, "other clients leave theirs");
}

#[test]
fn the_command_shown_of_a_client_is_the_last_it_sent_even_if_it_did_not_run() {
    let server = Server::start();
    let mut client = server.client();
    let shown = |server: &Server| {
        let list = server.client().run("CLIENT LIST").text();
        let line = list.lines().next().expect("the first client is there").to_owned();
        line.split(' ').find_map(|field| field.strip_prefix("cmd=")).expect("a field").to_owned()
    };
    client.run("MULTI");
    assert_eq!(client.run("GET a"), simple("QUEUED"));
    assert_eq!(shown(&server), "get");
    assert!(client.run("LPUSH").is_error());
    assert_eq!(shown(&server), "lpush");
    assert!(client.run("NOSUCHCOMMAND").is_error());
    assert_eq!(shown(&server), "NULL");
    client.transcript(
        r#"
        > DISCARD
        +OK
        > MULTI
        +OK
        > GET a
        +QUEUED
        > CLIENT LIST
        +QUEUED
        > EXEC
        [nil, "... cmd=exec ..."]
        "#,
    );
    assert_eq!(shown(&server), "exec");
}

#[test]
fn a_container_without_a_subcommand_counts_as_refused() {
    let server = Server::start();
    let mut client = server.client();
    assert_eq!(client.run("CONFIG"), err("ERR wrong number of arguments for 'config' command"));
    assert!(client.run("CONFIG NOSUCH").is_error());
    let stats = server.info("commandstats");
    assert!(stats["cmdstat_config"].ends_with("rejected_calls=1,failed_calls=0"), "{stats:?}");
}

#[test]
fn commands_of_a_pipeline_find_their_keys_whatever_happens_to_the_databases_between_them() {
    let server = Setup::new().config("enable-debug-command local").start();
    let mut client = server.client();
    let keys: Vec<String> = (0..200).map(|number| format!("key:{number}")).collect();
    for between in ["DEBUG RELOAD", "SWAPDB 0 1", "SELECT 1", "FLUSHDB", "PING", "MULTI"] {
        client.run("DISCARD");
        client.run("SELECT 0");
        client.run("FLUSHALL");
        // Sixteen commands are decoded together.
        let sets: Vec<String> = keys.iter().map(|key| format!("SET {key} {key}")).collect();
        let gets: Vec<String> = keys.iter().map(|key| format!("GET {key}")).collect();
        for round in 0..4 {
            let mut lines: Vec<&str> = sets.iter().map(String::as_str).collect();
            lines.insert(5 + round * 40, between);
            lines.extend(gets.iter().map(String::as_str));
            client.pipeline(&lines);
            client.run("EXEC");
        }
        client.run("SELECT 0");
        let mut found: Vec<Value> = keys.iter().map(|key| client.run(&format!("GET {key}"))).collect();
        client.run("SELECT 1");
        found.extend(keys.iter().map(|key| client.run(&format!("GET {key}"))));
        for (key, value) in keys.iter().cycle().zip(&found) {
            assert!(value.is_null() || value.text() == *key, "{between}: {key} is {value:?}");
        }
        let sizes: i64 = [0, 1]
            .iter()
            .map(|db| {
                client.run(&format!("SELECT {db}"));
                client.run("DBSIZE").integer()
            })
            .sum();
        let present = found.iter().filter(|value| !value.is_null()).count() as i64;
        assert_eq!(sizes, present, "{between}: no key is there twice or cannot be found");
        assert!(present > 50, "{between}");
    }
}
