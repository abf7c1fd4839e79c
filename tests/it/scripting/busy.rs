//! Scripts that run for long: what others may do meanwhile, and how such a script is ended.

use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::eval;
use crate::support::{Client, Server, Value, encode_command, int, ok, simple};

const BUSY: &str = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";

/// A server whose scripts are busy soon.
fn server() -> Server {
    Server::with_config("busy-reply-threshold 50")
}

/// Sends a script that runs for long, and waits until the server is busy with it. Returns its client and another one.
fn begin(server: &Server, script: &str) -> (Client, Client) {
    let mut caller = server.client();
    caller.send(&encode_command(&["EVAL", script, "0"]));
    let other = wait_until_busy(server);
    (caller, other)
}

fn wait_until_busy(server: &Server) -> Client {
    let mut other = server.client();
    let deadline = Instant::now() + Duration::from_secs(60);
    while other.run("PING") != Value::Error(BUSY.to_owned()) {
        assert!(Instant::now() < deadline, "the script is never busy");
        sleep(Duration::from_millis(10));
    }
    other
}

#[track_caller]
fn assert_killed(reply: &Value) {
    let text = reply.text();
    assert!(reply.is_error() && text.contains("Script killed by user with SCRIPT KILL..."), "{reply:?}");
}

/// What may not keep a script from being killed.
const LOOPS: &[(&str, &str)] = &[
    ("a loop", "while true do end"),
    ("a protected call", "while true do pcall(function() while true do end end) end"),
    ("a coroutine", "coroutine.wrap(function() while true do end end)()"),
    ("coroutines in a protected call", "while true do pcall(coroutine.wrap(function() while true do end end)) end"),
    ("a comparator", "local t = {3, 1, 2} table.sort(t, function(a, b) while true do end end)"),
    (
        "a metamethod",
        "local t = setmetatable({}, {__index = function() while true do end end}) while true do pcall(function() return t.a end) end",
    ),
    ("a replacement", "string.gsub('abc', '.', function() while true do end end)"),
    ("a handler of errors", "xpcall(function() error('a') end, function() while true do end end)"),
    ("calls of commands", "while true do redis.call('PING') end"),
    ("a reply without an end", "local t = {} t[1] = t t[2] = t return t"),
    ("protected calls of commands", "while true do redis.pcall('GET') end"),
];

#[test]
fn a_script_is_killed_whatever_it_does() {
    let server = server();
    for (what, script) in LOOPS {
        let (mut caller, mut other) = begin(&server, script);
        assert_eq!(other.run("SCRIPT KILL"), ok(), "{what}");
        assert_killed(&caller.read());
        assert_eq!(caller.run("PING"), simple("PONG"), "{what}");
        assert_eq!(eval(&mut other, "return 1"), int(1), "after {what}");
    }
    assert!(server.log().contains("Lua script killed by user with SCRIPT KILL."), "the log says so");
    assert!(server.log().contains("Slow script detected: still in execution after"), "the log says so");
}

#[test]
fn a_killed_script_is_answered_at_once() {
    let server = server();
    let (mut caller, mut other) = begin(&server, "while true do pcall(function() while true do end end) end");
    let start = Instant::now();
    assert_eq!(other.run("SCRIPT KILL"), ok());
    assert_killed(&caller.read());
    // In truth some milliseconds.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

/// Lua hashes every third byte of these, which are the same in all: each is compared with all before it.
#[test]
fn a_script_is_killed_while_it_takes_a_reply_of_strings_that_lua_hashes_alike() {
    let server = server();
    let mut client = server.client();
    let string = |number: usize| {
        let digits = format!("{number:06}");
        format!("x{}x{}x{}{}", &digits[..2], &digits[2..4], &digits[4..], "x".repeat(55))
    };
    for from in (0..200_000).step_by(1000) {
        let strings: Vec<String> = (from..from + 1000).map(string).collect();
        let command: Vec<&str> = ["RPUSH", "list"].into_iter().chain(strings.iter().map(String::as_str)).collect();
        client.send(&encode_command(&command));
        assert_eq!(client.read(), int(from as i64 + 1000));
    }
    let (mut caller, mut other) = begin(&server, "return #redis.call('LRANGE', 'list', 0, -1)");
    let start = Instant::now();
    assert_eq!(other.run("SCRIPT KILL"), ok());
    assert_killed(&caller.read());
    // To the end it would take a minute.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(eval(&mut other, "return #redis.call('LRANGE', 'list', 0, 99)"), int(100));
}

#[test]
fn others_are_refused_but_for_what_touches_no_data() {
    let server = server();
    let (mut caller, mut other) = begin(&server, "while true do end");
    for command in
        ["GET a", "SET a 1", "PING", "INFO", "CLIENT LIST", "EVAL 'return 1' 0", "SCRIPT EXISTS a", "PUBLISH a b"]
    {
        assert_eq!(other.run(command), Value::Error(BUSY.to_owned()), "{command}");
    }
    for command in ["MULTI", "DISCARD", "WATCH a", "UNWATCH"] {
        assert_eq!(other.run(command), ok(), "{command}");
    }
    assert_eq!(other.run("RESET"), simple("RESET"));
    assert!(!other.run("HELLO 3").is_error());
    assert_eq!(other.run("SHUTDOWN"), Value::Error(BUSY.to_owned()));
    assert_eq!(server.client().run("SCRIPT KILL"), ok());
    assert_killed(&caller.read());
    let mut client = server.client();
    assert_eq!(client.run("SCRIPT KILL").text(), "NOTBUSY No scripts in execution right now.");
    assert!(
        client
            .run("INFO commandstats")
            .text()
            .contains("cmdstat_get:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1")
    );
}

#[test]
fn a_transaction_that_was_begun_beside_a_busy_script_fails_as_a_whole() {
    let server = server();
    let mut waiting = server.client();
    assert_eq!(waiting.run("MULTI"), ok());
    assert_eq!(waiting.run("INCR a"), simple("QUEUED"));
    let (mut caller, mut other) = begin(&server, "while true do end");
    assert_eq!(waiting.run("EXEC").text(), format!("EXECABORT Transaction discarded because of: {BUSY}"));
    assert_eq!(other.run("MULTI"), ok());
    assert_eq!(other.run("INCR a"), Value::Error(BUSY.to_owned()));
    assert_eq!(server.client().run("SCRIPT KILL"), ok());
    assert_killed(&caller.read());
    assert_eq!(other.run("INCR a"), simple("QUEUED"));
    assert_eq!(other.run("EXEC").text(), "EXECABORT Transaction discarded because of previous errors.");
    assert_eq!(other.run("EXISTS a"), int(0));
}

#[test]
fn a_script_that_has_written_is_not_killed_and_ends_by_itself() {
    let server = server();
    server.client().run("CONFIG SET notify-keyspace-events KEA");
    let mut listener = server.client();
    listener.run("PSUBSCRIBE __key*__:*");
    let mut waiting = server.client();
    waiting.send(&encode_command(&["BLPOP", "list", "0"]));
    sleep(Duration::from_millis(100));
    // It goes on until a client has connected while it was busy: until it sees that its time is over.
    let script = "redis.call('RPUSH', 'list', 'x') redis.call('SET', 'a', '1') local n = 0 \
                  while n < 30000000 do n = n + 1 end redis.call('SET', 'a', '2') return n";
    let (mut caller, mut other) = begin(&server, script);
    let unkillable = other.run("SCRIPT KILL").text();
    assert_eq!(
        unkillable,
        "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script \
         termination or kill the server in a hard way using the SHUTDOWN NOSAVE command."
    );
    // Nobody sees half of it, whatever else is run meanwhile.
    assert_eq!(other.run("MULTI"), ok());
    assert_eq!(other.run("DISCARD"), ok());
    listener.set_read_limit(Duration::from_millis(50)).expect("a time limit");
    assert!(listener.try_read().is_err(), "no event is published before the script has ended");
    caller.set_read_limit(Duration::from_secs(120)).expect("a time limit");
    assert_eq!(caller.read(), int(30_000_000));
    assert_eq!(other.run("GET a").text(), "2");
    assert_eq!(waiting.read().texts(), ["list", "x"]);
    listener.set_read_limit(Duration::from_secs(30)).expect("a time limit");
    assert_eq!(listener.read().texts()[1..], ["__key*__:*", "__keyspace@0__:list", "rpush"]);
}

#[test]
fn shutdown_nosave_ends_a_server_whose_script_has_written() {
    let mut server = Server::with_config("busy-reply-threshold 50\nsave 3600 1");
    let (_caller, mut other) = begin(&server, "redis.call('SET', 'a', 1) while true do end");
    assert!(other.run("SCRIPT KILL").text().starts_with("UNKILLABLE"));
    assert_eq!(other.run("SHUTDOWN SAVE"), Value::Error(BUSY.to_owned()));
    other.send(&encode_command(&["SHUTDOWN", "NOSAVE"]));
    assert!(server.wait_for_exit().success());
    assert!(!server.dump_path().exists(), "half of a script is not saved");
}

#[test]
fn a_signal_ends_a_script_that_has_written_nothing_and_saves_what_was_there() {
    // Never busy of itself: the signal makes it so.
    let mut server = Server::with_config("busy-reply-threshold 0\nsave 3600 1");
    server.client().run("SET a 1");
    let mut caller = server.client();
    caller.send(&encode_command(&["EVAL", "while true do pcall(function() while true do end end) end", "0"]));
    sleep(Duration::from_millis(200));
    server.signal(Signal::SIGTERM);
    assert!(server.wait_for_exit().success());
    server.start_again();
    assert_eq!(server.client().run("GET a").text(), "1");
}

#[test]
fn a_signal_waits_for_the_end_of_a_script_that_has_written() {
    let mut server = Server::with_config("busy-reply-threshold 50\nsave 3600 1");
    let script =
        "redis.call('SET', 'a', '1') local n = 0 while n < 30000000 do n = n + 1 end redis.call('SET', 'a', '2')";
    let (_caller, _other) = begin(&server, script);
    server.signal(Signal::SIGTERM);
    server.wait_for_log("A script runs that has written already");
    assert!(server.wait_for_exit().success());
    server.start_again();
    assert_eq!(server.client().run("GET a").text(), "2", "all of the script was saved");
}

#[test]
fn a_signal_ends_the_server_at_once_where_nothing_would_be_saved() {
    let mut server = server();
    let (_caller, _other) = begin(&server, "redis.call('SET', 'a', 1) while true do end");
    server.signal(Signal::SIGTERM);
    assert!(server.wait_for_exit().success());
}

#[test]
fn a_transaction_goes_on_behind_a_script_that_was_busy() {
    let server = server();
    let mut caller = server.client();
    let long = "local n = 0 while n < 60000000 do n = n + 1 end return n";
    let commands: [&[&str]; 7] = [
        &["MULTI"],
        &["SET", "a", "1"],
        &["EVAL", long, "0"],
        &["INCR", "a"],
        &["EVAL", "while true do end", "0"],
        &["INCR", "a"],
        &["EXEC"],
    ];
    caller.send(&commands.iter().flat_map(|command| encode_command(command)).collect::<Vec<_>>());
    let mut other = wait_until_busy(&server);
    // The first script ends by itself; the second one is killed.
    let deadline = Instant::now() + Duration::from_secs(120);
    caller.set_read_limit(Duration::from_millis(300)).expect("a time limit");
    while caller.try_read().is_err() {
        if server.log().matches("Slow script detected").count() > 1 {
            other.run("SCRIPT KILL");
        }
        assert!(Instant::now() < deadline, "the second script is never busy");
    }
    for _ in 0..5 {
        assert_eq!(caller.read(), simple("QUEUED"));
    }
    let replies = caller.read();
    let replies = replies.items();
    assert_eq!(replies.len(), 5);
    assert_eq!((&replies[0], &replies[2], &replies[4]), (&ok(), &int(2), &int(3)));
    assert_killed(&replies[3]);
    assert_eq!(other.run("GET a").text(), "3");
}

#[test]
fn a_client_that_leaves_does_not_end_its_script() {
    let server = server();
    let script =
        "redis.call('SET', 'a', '1') local n = 0 while n < 20000000 do n = n + 1 end redis.call('SET', 'a', '2')";
    let (caller, mut other) = begin(&server, script);
    drop(caller);
    let deadline = Instant::now() + Duration::from_secs(60);
    while other.run("PING").is_error() {
        assert!(Instant::now() < deadline);
        sleep(Duration::from_millis(10));
    }
    assert_eq!(other.run("GET a").text(), "2");
    assert_eq!(eval(&mut other, "return 1"), int(1));
}

#[test]
fn commands_behind_a_busy_script_in_its_pipeline_are_answered_after_it() {
    let server = server();
    let mut caller = server.client();
    let mut bytes = encode_command(&["SET", "a", "1"]);
    bytes.extend(encode_command(&["EVAL", "while true do end", "0"]));
    bytes.extend(encode_command(&["GET", "a"]));
    caller.send(&bytes);
    let mut other = wait_until_busy(&server);
    assert_eq!(other.run("SCRIPT KILL"), ok());
    assert_eq!(caller.read(), ok());
    assert_killed(&caller.read());
    assert_eq!(caller.read().text(), "1");
}

#[test]
fn nothing_expires_and_nothing_is_saved_in_the_middle_of_a_script() {
    let server = Server::with_config("busy-reply-threshold 50\nsave 1 1\nhz 100");
    let mut client = server.client();
    client.run("SET short 1 PX 300");
    let script = "redis.call('SET', 'a', '1') local n = 0 while n < 40000000 do n = n + 1 end \
                  return {redis.call('GET', 'short'), redis.call('LASTSAVE')}";
    let before = client.run("LASTSAVE").integer();
    let (mut caller, mut other) = begin(&server, script);
    assert_eq!(other.run("WATCH short"), ok());
    caller.set_read_limit(Duration::from_secs(120)).expect("a time limit");
    let reply = caller.read();
    assert_eq!(reply.items()[0].text(), "1", "time is frozen for a script");
    assert_eq!(reply.items()[1].integer(), before);
}
