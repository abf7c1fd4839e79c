//! MIGRATE, between two servers and with targets that are none.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

use super::dialogue;
use crate::support::{Client, Server, Value, against_redis, bulk, err, free_port, int, ok, simple, wait_until};

const READ_FAILED: &str = "IOERR error or timeout reading to target instance";
const CONNECT_FAILED: &str = "IOERR error or timeout connecting to the client";

/// MIGRATE of `key` to a server's database 9, and what follows the timeout.
fn migrate(client: &mut Client, port: u16, key: &str, rest: &str) -> Value {
    client.run(&format!("MIGRATE 127.0.0.1 {port} {key} 9 20000 {rest}"))
}

/// A client of a server whose database 9 is selected.
fn client_of_target(target: &Server) -> Client {
    let mut client = target.client();
    client.run("SELECT 9");
    client
}

#[test]
fn a_key_is_handed_over_with_its_time_to_live() {
    let (source, target) = (Server::start(), Server::start());
    let (mut here, mut there) = (source.client(), client_of_target(&target));
    here.run("SET stays 1");
    here.run("SET goes value EX 100");
    assert_eq!(migrate(&mut here, target.port(), "goes", ""), ok());
    assert_eq!(here.run("KEYS *").texts(), ["stays"]);
    assert_eq!(there.run("GET goes"), bulk("value"));
    assert!((90_000..=100_000).contains(&there.run("PTTL goes").integer()));
    assert_eq!(there.run("KEYS *").texts(), ["goes"]);
    here.run("SET past x PX 1");
    wait_until("the key has lapsed", 10, || here.run("PTTL past").integer() == -2);
    assert_eq!(migrate(&mut here, target.port(), "past", ""), simple("NOKEY"));
}

#[test]
fn every_type_and_size_is_handed_over() {
    let (source, target) = (Server::start(), Server::start());
    let mut here = source.client();
    let mut keys = Vec::new();
    for len in [3, 3000] {
        let words: Vec<String> =
            (0..len).map(|number| format!("element {number} {}", "x".repeat(number % 90))).collect();
        let with = |verb: &str, key: &str| [&[verb.to_owned(), key.to_owned()], words.as_slice()].concat();
        let scored: Vec<String> =
            words.iter().enumerate().flat_map(|(at, word)| [format!("{at}.5"), word.clone()]).collect();
        here.cmd(&with("RPUSH", &format!("list{len}")));
        here.cmd(&with("SADD", &format!("set{len}")));
        here.cmd(&with("HSET", &format!("hash{len}"))[..if len % 2 == 0 { len + 2 } else { len + 1 }]);
        here.cmd(&[&["ZADD".to_owned(), format!("zset{len}")], scored.as_slice()].concat());
        here.cmd(&["SET".to_owned(), format!("string{len}"), words.concat()]);
        keys.extend(["list", "set", "hash", "zset", "string"].map(|kind| format!("{kind}{len}")));
    }
    here.run("SET number 12345");
    // Larger than a piece, whether it can be compressed or not.
    here.cmd(&["SET".to_owned(), "long".to_owned(), "y".repeat(3 << 20)]);
    let mut state = 1;
    let noise: Vec<u8> = std::iter::repeat_with(|| pseudo_random_byte(&mut state)).take(1 << 20).collect();
    here.cmd(&[b"SET".as_slice(), b"noise", &noise]);
    keys.extend(["number", "long", "noise"].map(str::to_owned));
    assert_eq!(here.run("DBSIZE"), int(keys.len() as i64));
    let digest = source.digest();
    let line = format!("MIGRATE 127.0.0.1 {} \"\" 0 20000 COPY KEYS {}", target.port(), keys.join(" "));
    assert_eq!(here.run(&line), ok());
    assert_eq!(target.digest(), digest);
    assert_eq!(source.digest(), digest, "COPY leaves the keys where they are");
    let line = format!("MIGRATE 127.0.0.1 {} \"\" 0 20000 REPLACE KEYS {}", target.port(), keys.join(" "));
    assert_eq!(here.run(&line), ok());
    assert_eq!(target.digest(), digest);
    assert_eq!(here.run("DBSIZE"), int(0));
}

/// Bytes without a pattern, the same in every run.
fn pseudo_random_byte(state: &mut u64) -> u8 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as u8
}

#[test]
fn what_is_wrong_with_a_migrate_is_said_before_anybody_is_called() {
    dialogue(
        r#"
        > SET k v
        +OK
        > MIGRATE 127.0.0.1 1 missing 0 10
        +NOKEY
        > MIGRATE 127.0.0.1 1 "" 0 10 KEYS missing1 missing2
        +NOKEY
        > MIGRATE 127.0.0.1 1 "" 0 10 KEYS
        +NOKEY
        > MIGRATE 127.0.0.1 1 k 0 10 KEYS k
        -ERR When using MIGRATE KEYS option, the key argument must be set to the empty string
        > MIGRATE 127.0.0.1 1 k 0 x
        -ERR value is not an integer or out of range
        > MIGRATE 127.0.0.1 1 k x 10
        -ERR value is not an integer or out of range
        > MIGRATE 127.0.0.1 1 k 0 10 COPY SOMETHING
        -ERR syntax error
        > MIGRATE 127.0.0.1 1 k 0 10 AUTH
        -ERR syntax error
        > MIGRATE 127.0.0.1 1 k 0 10 AUTH2 user
        -ERR syntax error
        > MIGRATE 127.0.0.1 1 k 0
        -ERR wrong number of arguments for 'migrate' command
        > EXISTS k
        :1
        > COMMAND GETKEYS MIGRATE host 1 k 0 10 COPY
        ["k"]
        > COMMAND GETKEYS MIGRATE host 1 "" 0 10 AUTH keys KEYS a keys b
        ["a", "keys", "b"]
        "#,
    );
}

#[test]
fn a_target_that_is_not_there_is_an_error_and_the_key_stays() {
    let source = Server::start();
    let mut here = source.client();
    here.run("SET k v");
    assert_eq!(migrate(&mut here, free_port(), "k", ""), err(CONNECT_FAILED));
    assert_eq!(here.run("MIGRATE 127.0.0.1 nonsense k 0 1000"), err(CONNECT_FAILED));
    assert_eq!(here.run("GET k"), bulk("v"));
}

#[test]
fn only_keys_that_the_target_has_taken_are_deleted() {
    let (source, target) = (Server::with_config("notify-keyspace-events Eg"), Server::start());
    let (mut here, mut there, mut listener) = (source.client(), client_of_target(&target), source.client());
    here.run("MSET a 1 b 2 c 3 d 4 e 5");
    there.run("MSET c busy d busy");
    listener.run("PSUBSCRIBE __keyevent@0__:*");
    let refused = err("ERR Target instance replied with error: BUSYKEY Target key name already exists.");
    assert_eq!(migrate(&mut here, target.port(), r#""""#, "KEYS a b c d e missing"), refused);
    assert_eq!(here.run("MGET c d").texts(), ["3", "4"]);
    assert_eq!(here.run("DBSIZE"), int(2));
    assert_eq!(there.run("MGET a b c d e").texts(), ["1", "2", "busy", "busy", "5"]);
    for key in ["a", "b", "e"] {
        assert_eq!(listener.read().texts()[2..], ["__keyevent@0__:del", key]);
    }
    assert_eq!(migrate(&mut here, target.port(), "c", "REPLACE"), ok());
    assert_eq!(there.run("GET c"), bulk("3"));
    let no_database = here.run(&format!("MIGRATE 127.0.0.1 {} d 99 20000", target.port()));
    assert_eq!(no_database, err("ERR Target instance replied with error: ERR DB index is out of range"));
    assert_eq!(here.run("GET d"), bulk("4"));
    assert_eq!(target.client().run("DBSIZE"), int(0), "nothing stands in a database that was not meant");
}

#[test]
fn the_target_is_told_who_we_are_and_no_log_shows_it() {
    let (source, target) = (Server::start(), Server::with_config("requirepass sesame"));
    let (mut here, mut monitor) = (source.client(), source.client());
    here.pipeline(&["SET a 1", "SET b 2", "SET c 3", "CONFIG SET slowlog-log-slower-than 0"]);
    monitor.run("MONITOR");
    let noauth = migrate(&mut here, target.port(), "a", "").text();
    assert!(noauth.starts_with("ERR Target instance replied with error: NOAUTH "), "{noauth}");
    let wrong = migrate(&mut here, target.port(), "a", "AUTH wrong").text();
    assert!(wrong.starts_with("ERR Target instance replied with error: WRONGPASS "), "{wrong}");
    assert_eq!(here.run("DBSIZE"), int(3));
    assert_eq!(migrate(&mut here, target.port(), "a", "AUTH sesame"), ok());
    assert_eq!(migrate(&mut here, target.port(), "b", "AUTH2 default sesame"), ok());
    assert_eq!(here.run("DBSIZE"), int(1));
    let mut shown = String::new();
    while !shown.contains("AUTH2") {
        shown += &monitor.read().text();
    }
    let slow = format!("{:?}", here.run("SLOWLOG GET -1"));
    for log in [shown, slow] {
        assert!(log.contains("AUTH2") && log.contains("(redacted)"), "{log}");
        assert!(!log.contains("sesame") && !log.contains("wrong"), "{log}");
    }
}

#[test]
fn a_link_is_kept_for_the_next_migration_and_opened_anew_when_it_broke() {
    let (source, mut target) = (Server::start(), Server::start());
    let mut here = source.client();
    here.run("MSET a 1 b 2 c 3 d 4");
    assert_eq!(source.info_field("stats", "migrate_cached_sockets"), "0");
    assert_eq!(migrate(&mut here, target.port(), "a", ""), ok());
    let connections = || target.info_number("stats", "total_connections_received");
    let before = connections();
    assert_eq!(migrate(&mut here, target.port(), "b", ""), ok());
    assert_eq!(connections() - before, 1, "that of the question itself");
    assert_eq!(source.info_field("stats", "migrate_cached_sockets"), "1");
    assert_eq!(client_of_target(&target).run("DBSIZE"), int(2));
    target.client().run("CLIENT KILL TYPE normal SKIPME yes");
    assert_eq!(migrate(&mut here, target.port(), "c", ""), ok());
    target.kill_and_start_again();
    assert_eq!(migrate(&mut here, target.port(), "d", ""), ok());
    assert_eq!(client_of_target(&target).run("GET d"), bulk("4"), "the database is selected again");
}

/// A target that is played by the test: it takes one connection.
struct Impostor {
    port: u16,
    accepted: JoinHandle<BufReader<TcpStream>>,
}

impl Impostor {
    fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let accept = move || BufReader::new(listener.accept().expect("a connection").0);
        Self { port, accepted: std::thread::spawn(accept) }
    }

    fn take(self) -> BufReader<TcpStream> {
        self.accepted.join().expect("accepting does not panic")
    }
}

/// Reads one command and returns its words.
fn read_command(stream: &mut BufReader<TcpStream>) -> Vec<Vec<u8>> {
    let number = |sigil: u8, stream: &mut BufReader<TcpStream>| -> usize {
        let mut line = String::new();
        stream.read_line(&mut line).expect("a line");
        assert_eq!(line.as_bytes()[0], sigil, "{line}");
        line[1..].trim_end().parse().expect("a number")
    };
    let words = number(b'*', stream);
    let mut command = Vec::new();
    for _ in 0..words {
        let mut word = vec![0; number(b'$', stream) + 2];
        stream.read_exact(&mut word).expect("an argument");
        word.truncate(word.len() - 2);
        command.push(word);
    }
    command
}

fn answer(stream: &BufReader<TcpStream>, text: &str) {
    stream.get_ref().write_all(text.as_bytes()).expect("the server reads");
}

#[test]
fn reads_go_on_and_writes_wait_while_the_target_takes_its_time() {
    if against_redis() {
        return;
    }
    let source = Server::start();
    let (mut mover, mut reader, mut writer) = (source.client(), source.client(), source.client());
    reader.run("MSET moved old other 1");
    let impostor = Impostor::listen();
    mover.send(format!("MIGRATE 127.0.0.1 {} moved 0 20000\r\n", impostor.port).as_bytes());
    let mut target = impostor.take();
    assert_eq!(read_command(&mut target), [&b"SELECT"[..], b"0"]);
    answer(&target, "+OK\r\n");
    let restore = read_command(&mut target);
    assert_eq!(restore[..3], [&b"RESTORE"[..], b"moved", b"0"]);
    assert_eq!(restore.len(), 4);
    // The target has the value and has not answered.
    assert_eq!(reader.run("GET moved"), bulk("old"));
    assert_eq!(reader.run("PING"), simple("PONG"));
    writer.send(b"SET moved new\r\n");
    wait_until("the writer is held up", 20, || reader.run("INFO clients").text().contains("blocked_clients:2"));
    assert_eq!(reader.run("GET moved"), bulk("old"));
    answer(&target, "+OK\r\n");
    assert_eq!(mover.read(), ok());
    assert_eq!(writer.read(), ok());
    assert_eq!(reader.run("GET moved"), bulk("new"), "written after the key had gone");
}

#[test]
fn a_target_that_does_not_answer_in_time_gets_nothing_for_good() {
    let source = Server::start();
    let (mut mover, mut writer) = (source.client(), source.client());
    mover.run("SET k v");
    let impostor = Impostor::listen();
    mover.send(format!("MIGRATE 127.0.0.1 {} k 0 200\r\n", impostor.port).as_bytes());
    let target = impostor.take();
    assert_eq!(mover.read(), err(READ_FAILED));
    assert_eq!(writer.run("APPEND k w"), int(2));
    assert_eq!(source.info_field("stats", "migrate_cached_sockets"), "0");
    drop(target);
}

#[test]
fn nothing_is_deleted_on_the_word_of_what_is_no_server() {
    for (reply, expected) in [
        (":1\r\n", READ_FAILED),
        ("HTTP/1.1 400 Bad Request\r\n\r\n", READ_FAILED),
        ("-ERR no\r\n", "ERR Target instance replied with error: ERR no"),
    ] {
        let source = Server::start();
        let mut mover = source.client();
        mover.run("SET k v");
        let impostor = Impostor::listen();
        mover.send(format!("MIGRATE 127.0.0.1 {} k 0 20000\r\n", impostor.port).as_bytes());
        let mut target = impostor.take();
        read_command(&mut target);
        answer(&target, "+OK\r\n");
        read_command(&mut target);
        answer(&target, reply);
        drop(target);
        if !against_redis() {
            assert_eq!(mover.read(), err(expected), "{reply:?}");
        }
        assert_eq!(source.client().run("GET k"), bulk("v"), "{reply:?}");
    }
}

#[test]
fn keys_that_were_taken_are_deleted_when_the_link_breaks_or_the_client_leaves() {
    if against_redis() {
        return;
    }
    let source = Server::start();
    let mut mover = source.client();
    mover.run("MSET a 1 b 2");
    let impostor = Impostor::listen();
    mover.send(format!("MIGRATE 127.0.0.1 {} \"\" 0 20000 KEYS a b\r\n", impostor.port).as_bytes());
    let mut target = impostor.take();
    read_command(&mut target);
    answer(&target, "+OK\r\n");
    read_command(&mut target);
    read_command(&mut target);
    answer(&target, "+OK\r\n");
    drop(target);
    assert_eq!(mover.read(), err(READ_FAILED));
    let mut reader = source.client();
    assert_eq!(reader.run("KEYS *").texts(), ["b"]);

    let impostor = Impostor::listen();
    mover.send(format!("MIGRATE 127.0.0.1 {} b 0 20000\r\n", impostor.port).as_bytes());
    let mut target = impostor.take();
    read_command(&mut target);
    answer(&target, "+OK\r\n");
    read_command(&mut target);
    drop(mover);
    wait_until("the client is gone", 20, || reader.run("CLIENT LIST").text().lines().count() == 1);
    answer(&target, "+OK\r\n");
    wait_until("the key is gone", 20, || reader.run("DBSIZE") == int(0));
    assert_eq!(reader.run("SET c 3"), ok(), "writers go on");
}

#[test]
fn a_migration_within_a_transaction_is_done_when_exec_answers() {
    let (source, target) = (Server::start(), Server::start());
    let mut here = source.client();
    let line = format!("MIGRATE 127.0.0.1 {} k 9 20000", target.port());
    let replies = here.pipeline(&["MULTI", "SET k v", &line, "EXISTS k", &line, "EXEC"]);
    assert_eq!(replies[5], Value::Array(vec![ok(), ok(), int(0), simple("NOKEY")]));
    assert_eq!(client_of_target(&target).run("GET k"), bulk("v"));
}

#[test]
fn as_many_keys_as_one_likes_go_in_one_command() {
    let (source, target) = (Server::start(), Server::start());
    let mut here = source.client();
    here.run("DEBUG POPULATE 20000 key 10");
    let keys: Vec<String> = (0..20_000).map(|number| format!("key:{number}")).collect();
    let target_port = target.port().to_string();
    let head = ["MIGRATE", "127.0.0.1", &target_port, "", "0", "20000", "KEYS"].map(str::to_owned);
    let digest = source.digest();
    assert_eq!(here.cmd(&[head.as_slice(), &keys].concat()), ok());
    assert_eq!(target.digest(), digest);
    assert_eq!(here.run("DBSIZE"), int(0));
}

#[test]
fn clients_that_wait_for_a_key_and_those_that_watch_it_learn_of_its_move() {
    let (source, target) = (Server::start(), Server::start());
    let (mut here, mut watcher) = (source.client(), source.client());
    here.run("SET k v");
    watcher.run("WATCH k");
    assert_eq!(migrate(&mut here, target.port(), "k", ""), ok());
    let replies = watcher.pipeline(&["MULTI", "SET k again", "EXEC"]);
    assert_eq!(replies[2], Value::NullArray);
    let mut waiting = target.client();
    waiting.send(b"BLPOP list 20\r\n");
    wait_until("it waits", 20, || target.info_field("clients", "blocked_clients") == "1");
    here.run("RPUSH list element");
    assert_eq!(here.run(&format!("MIGRATE 127.0.0.1 {} list 0 20000", target.port())), ok());
    assert_eq!(waiting.read().texts(), ["list", "element"]);
}
