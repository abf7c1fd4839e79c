//! The wire: framing, limits, and what happens to those who break either.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{
    Client, Server, Setup, Value, against_redis, bulk, encode_command, err, info_fields, int, nil, ok, simple,
    wait_until,
};

/// The next answer is this error in the protocol, which ends the connection.
#[track_caller]
fn ends_with_protocol_error(mut client: Client, reason: &str) {
    assert_eq!(client.read(), err(&format!("ERR Protocol error: {reason}")));
    assert!(client.is_closed_within(Duration::from_secs(10)), "{reason}");
}

#[test]
fn a_pipeline_may_be_split_at_any_byte() {
    let server = Server::start();
    let commands = [
        encode_command(&["SET", "key", "a\r\nb"]),
        b"PING\r\n".to_vec(),
        encode_command(&["GET", "key"]),
        b"\r\n".to_vec(),
        b"set \"in line\" 'x y'\n".to_vec(),
        encode_command(&["GET", "in line"]),
        encode_command(&["GET", ""]),
    ];
    let bytes = commands.concat();
    let expected = [ok(), simple("PONG"), bulk("a\r\nb"), ok(), bulk("x y"), nil()];
    let mut client = server.client();
    for cut in 0..bytes.len() {
        client.send(&bytes[..cut]);
        // Without a pause the kernel may well join the two halves again.
        if cut % 8 == 0 {
            std::thread::sleep(Duration::from_millis(2));
        }
        client.send(&bytes[cut..]);
        for reply in &expected {
            assert_eq!(client.read(), *reply, "cut at {cut}");
        }
    }
    for byte in &bytes {
        client.send(std::slice::from_ref(byte));
    }
    for reply in &expected {
        assert_eq!(client.read(), *reply, "byte by byte");
    }
}

#[test]
fn a_long_pipeline_is_read_in_large_pieces() {
    const COMMANDS: usize = 20_000;
    let server = Server::start();
    let mut client = server.client();
    // Of lengths that differ, so that reads end within commands.
    let pipeline: Vec<u8> =
        (0..COMMANDS).flat_map(|n| encode_command(&["SET", &format!("key:{n}"), &"v".repeat(n % 97)])).collect();
    client.send(&pipeline);
    for _ in 0..COMMANDS {
        assert_eq!(client.read(), ok());
    }
    let reads = server.info_number("stats", "total_reads_processed");
    assert!(reads < COMMANDS as u64 / 10, "{reads} reads of {} bytes", pipeline.len());
}

#[test]
fn inline_commands_are_split_and_unquoted() {
    let server = Server::start();
    let mut client = server.client();
    let mut inline = |line: &[u8]| {
        client.send(line);
        client.read()
    };
    assert_eq!(inline(b"PING\r\n"), simple("PONG"));
    assert_eq!(inline(b"  ping   \n"), simple("PONG"));
    assert_eq!(inline(b"ECHO \"a b\\n\\x41\\\"\"\r\n"), bulk("a b\nA\""));
    assert_eq!(inline(b"ECHO 'it\\'s \\n'\r\n"), bulk("it's \\n"));
    assert_eq!(inline(b"ECHO \"\"\r\n"), bulk(""));
    assert_eq!(inline(b"\r\n\r\n \r\nPING\r\n"), simple("PONG"));
    for broken in [&b"ECHO \"a\r\n"[..], b"ECHO 'a\r\n", b"ECHO \"a\"b\r\n"] {
        let mut client = server.client();
        client.send(broken);
        ends_with_protocol_error(client, "unbalanced quotes in request");
    }
}

#[test]
fn broken_frames_are_answered_with_an_error_and_end_the_connection() {
    let server = Server::start();
    let cases: [(&[u8], &str); 9] = [
        (b"*1\r\nSET\r\n", "expected '$', got 'S'"),
        (b"*3\r\n$3\r\nSET\r\n:1\r\n", "expected '$', got ':'"),
        (b"*x\r\n", "invalid multibulk length"),
        (b"*3000000000\r\n", "invalid multibulk length"),
        (b"*1\r\n$x\r\n", "invalid bulk length"),
        (b"*1\r\n$-5\r\n", "invalid bulk length"),
        (b"*1\r\n$2000000000\r\n", "invalid bulk length"),
        (b"*1\r\n$99999999999999999999\r\n", "invalid bulk length"),
        (b"*1\r\n$\r\n", "invalid bulk length"),
    ];
    for (bytes, reason) in cases {
        let mut client = server.client();
        client.send(&[&encode_command(&["PING"]), bytes].concat());
        assert_eq!(client.read(), simple("PONG"), "what came before is answered");
        ends_with_protocol_error(client, reason);
    }
    let mut client = server.client();
    client.send(b"*-10\r\n*0\r\nPING\r\n");
    assert_eq!(client.read(), simple("PONG"), "empty and negative counts are skipped");
}

#[test]
fn lines_without_an_end_are_not_kept_for_ever() {
    let server = Server::start();
    let cases: [(&[u8], &str); 4] = [
        (b"", "too big inline request"),
        (b"*", "too big mbulk count string"),
        (b"*1\r\n$", "too big bulk count string"),
        (b"\x00", "too big inline request"),
    ];
    for (head, reason) in cases {
        let mut client = server.client();
        client.send(&[head, &[b'1'; 70_000]].concat());
        ends_with_protocol_error(client, reason);
    }
}

#[test]
fn the_largest_bulk_is_configured() {
    let server = Server::with_config("proto-max-bulk-len 2mb");
    let mut client = server.client();
    let value = vec![b'v'; 2 * 1024 * 1024];
    assert_eq!(client.cmd(&[b"SET".as_slice(), b"key", &value]), ok());
    assert_eq!(client.run("STRLEN key"), int(2 * 1024 * 1024));
    client.send(b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$2097153\r\n");
    ends_with_protocol_error(client, "invalid bulk length");
}

#[test]
fn a_hundred_megabytes_come_back_whole() {
    let server = Server::start();
    let mut client = server.client();
    let value: Vec<u8> = (0..100_000_000u32).map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[2]).collect();
    let writer = client.send_in_background(encode_command(&[b"SET".as_slice(), b"key", &value]));
    assert_eq!(client.read(), ok());
    writer.join().expect("the writer ends").expect("everything was sent");
    assert!(client.run("GET key") == bulk(&value), "100 MB came back changed");
}

#[test]
fn a_client_that_writes_and_hangs_up_is_still_obeyed() {
    let server = Server::start();
    let mut client = server.client();
    client.send(&encode_command(&["SET", "key", "value"]));
    client.close_write_half();
    let mut reader = server.client();
    wait_until("the last command was executed", 10, || reader.run("GET key") == bulk("value"));
}

/// A hash, a set and a sorted set, of which random picks are taken.
fn fill_with_one_of_each(client: &mut Client) {
    client.run("HSET hash field value");
    client.run("SADD set member");
    client.run("ZADD zset 1 member");
}

#[test]
fn random_picks_end_with_the_connection_that_cannot_take_them() {
    let server = Server::with_config("client-output-buffer-limit normal 1mb 0 0");
    let mut client = server.client();
    fill_with_one_of_each(&mut client);
    for line in [
        "HRANDFIELD hash -999999999",
        "HRANDFIELD hash -999999999 WITHVALUES",
        "SRANDMEMBER set -999999999",
        "ZRANDMEMBER zset -999999999",
        "ZRANDMEMBER zset -999999999 WITHSCORES",
    ] {
        let mut greedy = server.client();
        greedy.send(format!("{line}\r\n").as_bytes());
        assert!(greedy.read_to_end().is_empty(), "{line}");
    }
    let peak = server.memory_peak();
    assert!(against_redis() || peak < 16 << 20, "the replies were not built to their end: {peak}");
}

#[test]
fn random_picks_of_which_no_reply_could_hold_as_many_are_refused_at_once() {
    if against_redis() {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    fill_with_one_of_each(&mut client);
    for line in [
        "HRANDFIELD hash -9223372036854775807",
        "HRANDFIELD hash -999999999 WITHVALUES",
        "SRANDMEMBER set -999999999",
        "ZRANDMEMBER zset -9223372036854775807",
        "ZRANDMEMBER zset -4611686018427387903 WITHSCORES",
    ] {
        assert_eq!(client.run(line), err("ERR value is out of range"), "{line}");
    }
    let peak = server.memory_peak();
    assert!(peak < 64 << 20, "no reply was built before it was refused: {peak}");
}

#[test]
fn nobody_waits_for_random_picks_that_a_large_output_limit_would_let_through() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("client-output-buffer-limit normal 8gb 0 0");
    let mut client = server.client();
    fill_with_one_of_each(&mut client);
    for (line, refused) in [
        ("SRANDMEMBER set -9223372036854775807", false),
        ("HRANDFIELD hash -9223372036854775807", false),
        ("HRANDFIELD hash -4611686018427387903 WITHVALUES", false),
        ("ZRANDMEMBER zset -9223372036854775807", false),
        ("ZRANDMEMBER zset -1000000000 WITHSCORES", true),
        ("SRANDMEMBER set -100000000", true),
        ("HRANDFIELD hash -1048577", true),
    ] {
        let mut greedy = server.client();
        if refused {
            assert_eq!(greedy.run(line), err("ERR value is out of range"), "{line}");
        } else {
            greedy.send(format!("{line}\r\n").as_bytes());
            assert!(greedy.read_to_end().is_empty(), "{line}");
        }
    }
    assert_eq!(client.run("SRANDMEMBER set -100000").items().len(), 100_000);
    let peak = server.memory_peak();
    assert!(peak < 32 << 20, "no reply was built: {peak}");
}

#[test]
fn a_reply_that_may_not_be_sent_is_not_built() {
    let server = Server::with_config("client-output-buffer-limit normal 1mb 0 0");
    let mut client = server.client();
    let long = "x".repeat(300_000);
    client.cmd(&["SET", "string", &long]);
    client.cmd(&["HSET", "hash", "field", &long]);
    client.cmd(&["RPUSH", "list", "element"]);
    client.cmd(&["XADD", "stream", "*", "field", &long]);
    client.cmd(&["SET", "gotten-element", &long]);
    let times = 2000;
    let repeated = |start: &[&str], word: &[&str], end: &[&str]| {
        let words = std::iter::repeat_n(word, times).flatten();
        encode_command(&start.iter().chain(words).chain(end).copied().collect::<Vec<_>>())
    };
    let streams = [vec!["XREAD", "STREAMS"], vec!["stream"; times], vec!["0"; times]].concat();
    let transaction = [
        encode_command(&["MULTI"]),
        encode_command(&["GET", "string"]).repeat(times),
        encode_command(&["SET", "written", "yes"]),
        encode_command(&["EXEC"]),
    ]
    .concat();
    for (name, request) in [
        ("MGET", repeated(&["MGET"], &["string"], &[])),
        ("HMGET", repeated(&["HMGET", "hash"], &["field"], &[])),
        ("SORT", repeated(&["SORT", "list", "ALPHA"], &["GET", "gotten-*"], &[])),
        ("SORT_RO", repeated(&["SORT_RO", "list", "ALPHA"], &["GET", "gotten-*"], &[])),
        ("XREAD", encode_command(&streams)),
        ("COMMAND DOCS", repeated(&["COMMAND", "DOCS"], &["set"], &[])),
        ("COMMAND INFO", repeated(&["COMMAND", "INFO"], &["client"], &[])),
        ("EXEC", transaction),
    ] {
        let mut greedy = server.client();
        greedy.send(&request);
        let received = greedy.read_to_end();
        assert!(received.len() < 1_200_000, "{name}: {} bytes", received.len());
    }
    assert_eq!(client.run("GET written"), bulk("yes"), "what a transaction writes is written");
    let closed = server.info_number("stats", "client_output_buffer_limit_disconnections");
    assert!(closed >= 8, "{closed} clients were closed");
    let peak = server.memory_peak();
    assert!(peak < 64 << 20, "the replies were not built to their end: {peak}");
    assert_eq!(client.run("PING"), simple("PONG"));
}

#[test]
fn connections_beyond_maxclients_are_answered_with_an_error_and_closed() {
    let server = Server::with_config("maxclients 5");
    let mut clients: Vec<_> = (0..5).map(|_| server.client()).collect();
    for client in &mut clients {
        assert_eq!(client.run("PING"), simple("PONG"));
    }
    let mut refused = server.client();
    assert_eq!(refused.read(), err("ERR max number of clients reached"));
    assert!(refused.is_closed_within(Duration::from_secs(10)));
    drop(clients.pop());
    wait_until("a place is free again", 10, || {
        Client::try_connect(server.address()).and_then(|mut client| client.try_cmd(&["PING"])).ok()
            == Some(simple("PONG"))
    });
    let reported = info_fields(&clients[0].run("INFO stats"));
    assert_ne!(reported["rejected_connections"], "0");
}

#[test]
fn idle_connections_end_after_the_timeout() {
    let server = Server::with_config("timeout 1");
    let mut idle = server.client();
    assert_eq!(idle.run("PING"), simple("PONG"));
    assert!(idle.is_closed_within(Duration::from_secs(15)), "an idle connection is closed");
    let mut patient = server.client();
    assert_eq!(patient.run("CONFIG SET timeout 0"), ok());
    assert!(!patient.is_closed_within(Duration::from_millis(2500)), "without a timeout it stays");
    assert_eq!(patient.run("PING"), simple("PONG"));
}

#[test]
fn a_unix_socket_serves_beside_tcp_and_leaves_with_the_server() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("copal.sock");
    let mut server = Server::with_config(&format!("unixsocket {}\nunixsocketperm 700", path.display()));
    let mut client = Client::connect_unix(&path);
    assert_eq!(client.run("SET key value"), ok());
    assert_eq!(server.client().run("GET key"), bulk("value"));
    let info = client.run("CLIENT INFO").text();
    assert!(info.contains(&format!("addr={}:0", path.display())) && info.contains("flags=U"), "{info}");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).expect("the socket").permissions());
    assert_eq!(mode & 0o777, 0o700);
    server.signal(Signal::SIGTERM);
    assert!(server.wait_for_exit().success());
    assert!(!path.exists(), "the socket is removed");
}

#[test]
fn several_addresses_are_served() {
    let server = Server::with_config("bind 127.0.0.1 -::1 127.0.0.2 -192.0.2.1");
    let mut second = Client::connect(([127, 0, 0, 2], server.port()).into());
    assert_eq!(second.run("SET key value"), ok());
    assert_eq!(server.client().run("GET key"), bulk("value"));
    // IPv6 may be missing on the machine; its address is marked as optional.
    if std::net::TcpListener::bind("[::1]:0").is_ok() {
        let address = format!("[::1]:{}", server.port()).parse().expect("an address");
        assert_eq!(Client::connect(address).run("GET key"), bulk("value"));
    }
}

#[test]
fn an_address_that_cannot_be_bound_stops_the_start() {
    let refused = Setup::new().config("bind 192.0.2.1").start_refused();
    assert!(!refused.status.success());
    assert!(refused.log.contains("192.0.2.1"), "{}", refused.log);
}

#[test]
fn a_port_in_use_stops_the_start() {
    let server = Server::start();
    let refused = Setup::new().args(&["--port", &server.port().to_string()]).start_refused();
    assert!(!refused.status.success());
    assert!(refused.log.contains("Address already in use"), "{}", refused.log);
}

#[test]
fn strangers_are_sent_to_http_and_other_protocols_elsewhere() {
    let server = Server::start();
    for request in [
        &b"POST / HTTP/1.1\r\nHost: x\r\n\r\nSET key hacked\r\n"[..],
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\nSET key hacked\r\n",
    ] {
        let mut client = server.client();
        client.send(request);
        client.read_to_end();
    }
    assert_eq!(server.client().run("EXISTS key"), int(0));
    server.wait_for_log("Possible SECURITY ATTACK detected");
}

#[test]
fn hundreds_of_connections_are_served_at_once() {
    let server = Server::start();
    let mut clients: Vec<_> = (0..300).map(|_| server.client()).collect();
    for (at, client) in clients.iter_mut().enumerate() {
        client.send(&encode_command(&["INCRBY", "sum", &at.to_string()]));
    }
    for client in &mut clients {
        assert!(matches!(client.read(), Value::Integer(_)));
    }
    assert_eq!(clients[7].run("GET sum"), bulk((0..300).sum::<i32>().to_string()));
}

#[test]
fn resp3_frames_are_not_taken_as_requests() {
    let server = Server::start();
    let mut client = server.client_resp3();
    client.send(b"%1\r\n$1\r\na\r\n$1\r\nb\r\n");
    assert!(client.read().is_error(), "a map is no request, it reads as an unknown inline command");
}

#[test]
fn lengths_beyond_what_the_data_can_hold_are_refused_whatever_is_configured() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("proto-max-bulk-len 9223372036854775807\nclient-query-buffer-limit 16gb");
    let mut client = server.client();
    const BYTES_MAX: u64 = 4095 << 20;
    for len in [BYTES_MAX + 1, 1 << 32, (1 << 62) - 1, i64::MAX as u64] {
        let mut greedy = server.client();
        greedy.send(format!("*3\r\n$4\r\nSADD\r\n$1\r\ns\r\n${len}\r\nx").as_bytes());
        ends_with_protocol_error(greedy, "invalid bulk length");
    }
    let mut patient = server.client();
    patient.send(format!("*3\r\n$4\r\nSADD\r\n$1\r\ns\r\n${BYTES_MAX}\r\nx").as_bytes());
    assert!(!patient.is_closed_within(Duration::from_millis(100)), "so long a member may come");
    let bit = BYTES_MAX * 8;
    for (line, error) in [
        (format!("SETRANGE key {BYTES_MAX} x"), "string exceeds maximum allowed size (proto-max-bulk-len)"),
        ("SETRANGE key 9223372036854775807 x".to_owned(), "string exceeds maximum allowed size (proto-max-bulk-len)"),
        (format!("SETBIT key {bit} 1"), "bit offset is not an integer or out of range"),
        (format!("BITFIELD key SET u8 {bit} 1"), "bit offset is not an integer or out of range"),
        (format!("BITFIELD key SET u8 {} 1", bit - 1), "bit offset is not an integer or out of range"),
        (format!("BITFIELD key SET u8 #{BYTES_MAX} 1"), "bit offset is not an integer or out of range"),
        (format!("BITFIELD key GET u8 #{BYTES_MAX}"), "bit offset is not an integer or out of range"),
        (format!("DEBUG POPULATE 1 key {}", BYTES_MAX + 1), "string exceeds maximum allowed size (proto-max-bulk-len)"),
    ] {
        assert_eq!(client.run(&line), err(&format!("ERR {error}")), "{line}");
    }
    assert_eq!(client.run("DBSIZE"), int(0));
    // Four bytes for each pair of prefixes would be 6.4 GB.
    for key in ["a", "b"] {
        client.cmd(&["SET", key, &"x".repeat(40_000)]);
    }
    let refused = "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len";
    assert_eq!(client.run("LCS a b LEN"), err(refused));
    let peak = server.memory_peak();
    assert!(peak < 32 << 20, "nothing was made room for: {peak}");
}

const NO_MEMORY: &str = "OOM there is not enough memory for what the command would make";

/// Lets the server take only so much more of its address space. False where there is no program for that.
fn leave_memory(server: &Server, bytes: u64) -> bool {
    let limit = format!("--as={}:unlimited", server.memory_figure("VmSize") + bytes);
    match std::process::Command::new("prlimit").args(["--pid", &server.pid().to_string(), &limit]).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            true
        }
        Err(error) => {
            eprintln!("skipped: prlimit: {error}");
            false
        }
    }
}

#[test]
fn copies_of_long_values_and_results_that_memory_cannot_give_are_errors_and_end_nobody() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("save ''");
    let mut client = server.client();
    for number in 0..50 {
        let member = format!("{number}{}", "x".repeat(1 << 20));
        client.cmd(&["RPUSH", "list", &member]);
        client.cmd(&["SADD", "set", &member]);
        client.cmd(&["ZADD", "zset", "1", &member]);
        client.cmd(&["SET", &format!("weight:{number}"), &member]);
        client.cmd(&["RPUSH", "numbers", &number.to_string()]);
    }
    if !leave_memory(&server, 48 << 20) {
        return;
    }
    let long = "y".repeat(30 << 20);
    for line in [
        "SORT list ALPHA STORE other",
        "SORT list ALPHA LIMIT 0 1",
        "SORT list BY nosort STORE other",
        "SORT numbers BY nosort GET weight:* GET weight:* GET weight:* STORE other",
        "SUNIONSTORE other set",
        "SINTERSTORE other set set",
        "SDIFFSTORE other set list:none",
        "SUNION set none",
        "ZUNIONSTORE other 1 zset",
        "ZINTERSTORE other 2 set zset",
        "ZDIFFSTORE other 2 zset none",
        "ZUNION 1 zset",
        "ZRANGESTORE other zset 0 -1",
    ] {
        assert_eq!(client.run(line), err(NO_MEMORY), "{line}");
        assert_eq!(client.run("EXISTS other"), int(0), "{line}");
    }
    for command in [["HSET", "hash", "field"].as_slice(), &["RPUSH", "list"], &["SADD", "other"], &["APPEND", "other"]]
    {
        assert_eq!(client.cmd(&[command, &[&long]].concat()), err(NO_MEMORY), "{command:?}");
    }
    assert_eq!(client.run("MULTI"), ok());
    assert_eq!(client.cmd(&["SET", "other", &long]), err(NO_MEMORY));
    assert!(client.run("EXEC").text().starts_with("EXECABORT"));
    assert_eq!(client.run("SORT list BY nosort LIMIT 0 1 STORE first"), int(1));
    assert_eq!(client.run("ZRANGESTORE some zset 0 1"), int(2));
    // It takes the memory over in which it came.
    let shorter = &long[..22 << 20];
    assert_eq!(client.cmd(&["SET", "other", shorter]), ok());
    assert_eq!(client.run("STRLEN other"), int(22 << 20));
    assert_eq!(client.run("LLEN list"), int(50));
}

#[test]
fn commands_that_move_or_gather_long_values_answer_or_are_refused_where_memory_is_short() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("save ''");
    let mut client = server.client();
    for number in 0..60 {
        let member = format!("{number}{}", "x".repeat(1 << 20));
        client.cmd(&["RPUSH", "list", &member]);
        client.cmd(&["SADD", "set", &member]);
        client.cmd(&["ZADD", "zset", "1", &member]);
        client.cmd(&["GEOADD", "places", "13.361389", "38.115556", &member]);
        client.cmd(&["HSET", "hash", &number.to_string(), &member]);
        client.cmd(&["XADD", "stream", "*", "field", &member]);
    }
    let long = "y".repeat(30 << 20);
    // Moves take some of them.
    client.cmd(&["RPUSH", "long", &long, "short", "short", "short"]);
    client.cmd(&["SADD", "long:set", &long, "short"]);
    client.cmd(&["ZADD", "long:zset", "1", &long]);
    client.cmd(&["SET", "long:string", &long]);
    client.run("XGROUP CREATE stream group 0");
    if !leave_memory(&server, 40 << 20) {
        return;
    }
    for line in [
        "GEOSEARCHSTORE other places FROMLONLAT 13 38 BYRADIUS 500 km",
        "GEOSEARCHSTORE other places FROMLONLAT 13 38 BYRADIUS 500 km STOREDIST",
        "GEORADIUS places 13 38 500 km STORE other",
        "GEOSEARCH places FROMLONLAT 13 38 BYRADIUS 500 km WITHDIST",
        "GEORADIUS_RO places 13 38 500 km",
        "LMOVE long other LEFT LEFT",
        "LMOVE other long LEFT LEFT",
        "LMOVE long long LEFT RIGHT",
        "RPOPLPUSH long other",
        "BLMOVE long other LEFT RIGHT 1",
        "LINSERT long BEFORE short another",
        "LSET long 0 another",
        "LREM long 0 none",
        "LPOS list none",
        "SMOVE set other none",
        "SINTER set set",
        "SUNION set long:set",
        "SDIFF set none",
        "SINTERCARD 2 set set",
        "SINTERSTORE other long:set long:set",
        "SMEMBERS set",
        "SRANDMEMBER set 50",
        "SRANDMEMBER set -500",
        "SPOP long:set 2",
        "ZINTER 2 zset set",
        "ZDIFF 2 zset none",
        "ZINTERCARD 2 zset set",
        "ZUNIONSTORE other 2 long:zset set",
        "ZRANGE zset 0 -1 WITHSCORES",
        "ZRANDMEMBER zset -500",
        "ZPOPMIN long:zset",
        "HGETALL hash",
        "HRANDFIELD hash -500 WITHVALUES",
        "HVALS hash",
        "HMGET hash 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32 33 34 35 36",
        "LRANGE list 0 -1",
        "LPOP list 50",
        "LMPOP 1 list LEFT COUNT 50",
        "SORT set BY nosort",
        "SORT_RO list ALPHA",
        "XRANGE stream - +",
        "XREAD STREAMS stream 0",
        "XREADGROUP GROUP group consumer STREAMS stream >",
        "XCLAIM stream group other 0 1-1",
        "COPY long copied",
        "COPY hash other",
        "COPY stream other",
        "RENAME long other",
        "DUMP list",
        "GETDEL long:string",
        "OBJECT ENCODING list",
        "DEBUG DIGEST",
        "MEMORY USAGE set SAMPLES 0",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        // Replies for which there is no memory end the connection.
        if let Ok(reply) = server.client().try_cmd(&words) {
            assert!(!reply.is_error() || reply == err(NO_MEMORY), "{line}: {}", reply.text());
        }
        assert_eq!(server.client().run("PING"), simple("PONG"), "{line}");
        client.run("DEL other");
    }
    assert_eq!(client.run("SCARD set"), int(60));
}

#[test]
fn values_are_saved_and_restored_and_migrated_or_refused_where_memory_is_short() {
    if against_redis() {
        return;
    }
    let (mut server, target) = (Server::with_config("save ''"), Server::with_config("save ''"));
    let mut client = server.client();
    let (long, medium) = ("y".repeat(60 << 20), "z".repeat(1 << 20));
    for command in [
        &["SET", "string", &long][..],
        &["RPUSH", "list", &long],
        &["SADD", "set", &long],
        &["ZADD", "zset", "1", &long],
        &["HSET", "hash", "field", &long],
        &["XADD", "stream", "*", "field", &long],
    ] {
        client.cmd(command);
    }
    for number in 0..60 {
        client.cmd(&["HSET", "many", &number.to_string(), &medium]);
    }
    let keys = ["string", "list", "set", "zset", "hash", "stream", "many"];
    let payloads = keys.map(|key| client.cmd(&["DUMP", key]).bytes().to_vec());
    if !leave_memory(&server, 20 << 20) {
        return;
    }
    for (key, payload) in keys.iter().zip(&payloads) {
        for line in [
            &[&b"RESTORE"[..], b"other", b"0", payload][..],
            &[b"MIGRATE", b"127.0.0.1", target.port().to_string().as_bytes(), key.as_bytes(), b"0", b"60000", b"COPY"],
        ] {
            // The allocator may have kept the memory of what is gone.
            let reply = client.cmd(line);
            assert!(reply == ok() || reply == err(NO_MEMORY), "{key}: {}", reply.text());
            client.run("DEL other");
        }
    }
    // What has no room to be compressed is written as it is.
    assert_eq!(client.run("SAVE"), ok());
    assert_eq!(client.run("BGSAVE").text(), "Background saving started");
    server.wait_for_save_end();
    assert_eq!(server.info_field("persistence", "rdb_last_bgsave_status"), "ok");
    server.kill_and_start_again();
    assert_eq!(server.client().run("DBSIZE"), int(7));
    assert_eq!(server.client().run("STRLEN string"), int(60 << 20));
}

#[test]
fn what_memory_cannot_give_is_an_error_and_ends_nobody() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("save ''\nproto-max-bulk-len 4gb");
    let mut client = server.client();
    client.cmd(&["SET", "text", &"ab".repeat(10_000)]);
    client.run("SET small abc");
    client.run("SETRANGE large 199999999 x");
    if !leave_memory(&server, 100 << 20) {
        return;
    }
    for line in [
        "SETRANGE new 536870911 x",
        "SETRANGE small 536870911 x",
        "SETRANGE large 536870911 x",
        "SETBIT new 4294967295 1",
        "SETBIT small 4294967295 1",
        "SETBIT large 4294967295 0",
        "BITFIELD new SET u8 4294967287 1",
        "BITFIELD small INCRBY u8 #536870911 1",
        "BITOP NOT copy large",
        "BITOP OR copy large small",
        "LCS text text",
        "LCS text text LEN",
        "COPY large copy",
        "DUMP large",
        "DEBUG POPULATE 1 key 1000000000",
    ] {
        let error = client.run(line);
        assert_eq!(error, err(NO_MEMORY), "{line}");
    }
    let mut reader = server.client();
    reader.send(b"GET large\r\n");
    assert!(reader.read_to_end().is_empty());
    server.wait_for_log("closed: there is not enough memory for its replies");
    let mut writer = server.client();
    writer.send(format!("*3\r\n$3\r\nSET\r\n$3\r\nnew\r\n$1000000000\r\n{}", "x".repeat(1 << 20)).as_bytes());
    assert!(!writer.is_closed_within(Duration::from_millis(100)));
    assert_eq!(client.run("DBSIZE"), int(3));
    assert_eq!(client.run("STRLEN large"), int(200_000_000));
    assert_eq!(client.run("GET small"), bulk("abc"));
    assert_eq!(client.run("APPEND small def"), int(6));
    assert_eq!(client.run("SETBIT new 7 1"), int(0));
}

#[test]
fn bytes_that_are_no_command_are_answered_after_the_commands_before_them() {
    let server = Server::start();
    let mut client = server.client();
    client.send(b"BLPOP list 0\r\n*1\r\n!\r\n");
    let mut pusher = server.client();
    wait_until("the client waits", 10, || pusher.run("INFO clients").text().contains("blocked_clients:1"));
    assert_eq!(pusher.run("RPUSH list element"), int(1));
    assert_eq!(client.read().texts(), ["list", "element"]);
    assert_eq!(client.read(), err("ERR Protocol error: expected '$', got '!'"));
    assert!(client.is_closed_within(Duration::from_secs(10)));
    let mut leaving = server.client();
    leaving.send(b"QUIT\r\n*1\r\n!\r\n");
    assert_eq!(leaving.read_to_end(), b"+OK\r\n");
}
