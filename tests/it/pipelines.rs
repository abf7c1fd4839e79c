//! Clients that write far more than they read, and what others notice of them.

use crate::support::{Client, Server, Value, against_redis, bulk, encode_command, int, ok, simple, wait_until};

/// A number that INFO shows.
fn number(server: &Server, section: &str, field: &str) -> u64 {
    server.info_number(section, field)
}

/// What CLIENT LIST says of a client besides the one that asks.
fn field_of_other(asking: &mut Client, field: &str) -> Option<u64> {
    let list = asking.run("CLIENT LIST").text();
    let line = list.lines().find(|line| !line.contains("cmd=client|list"))?.to_owned();
    let value = line.split(' ').find_map(|word| word.strip_prefix(&format!("{field}=")))?;
    value.parse().ok()
}

#[test]
fn a_pipeline_that_is_written_before_it_is_read_is_answered_in_order() {
    const ROUNDS: usize = 20_000;
    let server = Server::start();
    let mut client = server.client();
    client.cmd(&["SET", "value", &"x".repeat(10_000)]);
    let mut bytes = Vec::new();
    for at in 0..ROUNDS {
        bytes.extend(encode_command(&["ECHO", &at.to_string()]));
        bytes.extend(encode_command(&["GET", "value"]));
    }
    client.send(&bytes);
    let mut observer = server.client();
    wait_until("all commands are executed", 60, || {
        number(&server, "stats", "total_net_input_bytes") > bytes.len() as u64
            && field_of_other(&mut observer, "qbuf") == Some(0)
    });
    assert!(field_of_other(&mut observer, "omem").expect("a client") > 100_000_000, "the replies wait");
    assert!(number(&server, "memory", "mem_clients_normal") > 100_000_000);
    for at in 0..ROUNDS {
        assert_eq!(client.read(), bulk(at.to_string()));
        assert_eq!(client.read().bytes().len(), 10_000);
    }
    wait_until("the memory for them is given back", 10, || {
        number(&server, "memory", "mem_clients_normal") < 10_000_000
    });
}

#[test]
fn replies_that_wait_are_sent_after_the_client_has_said_its_last_word() {
    // Redis lets go of a client at the end of its input, whatever waits for it.
    if against_redis() {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    client.cmd(&["SET", "value", &"x".repeat(100_000)]);
    client.send(&encode_command(&["GET", "value"]).repeat(500));
    client.close_write_half();
    for _ in 0..500 {
        assert_eq!(client.read().bytes().len(), 100_000);
    }
    assert!(client.read_to_end().is_empty());
    wait_until("the connection has ended", 10, || server.info_field("clients", "connected_clients") == "1");
}

#[test]
fn a_slow_reader_over_its_output_limit_is_closed() {
    for limit in ["normal 1mb 0 0", "normal 0 1mb 1"] {
        let server = Server::with_config(&format!("client-output-buffer-limit {limit}"));
        let mut admin = server.client();
        admin.cmd(&["SET", "big", &"x".repeat(500_000)]);
        let client = server.client();
        let writer = client.send_in_background(encode_command(&["GET", "big"]).repeat(200));
        wait_until("the slow reader is gone", 30, || admin.run("CLIENT LIST").text().lines().count() == 1);
        if !against_redis() {
            assert_eq!(number(&server, "stats", "client_output_buffer_limit_disconnections"), 1);
        }
        drop(client);
        // Whether everything was taken depends on when the server hung up.
        let _: std::io::Result<()> = writer.join().expect("the writer does not panic");
        assert_eq!(admin.run("PING"), simple("PONG"));
    }
}

#[test]
fn a_slow_reader_is_evicted_where_clients_have_a_limit_together() {
    let server = Server::with_config("maxmemory-clients 20mb");
    let mut admin = server.client();
    admin.cmd(&["SET", "big", &"x".repeat(500_000)]);
    let client = server.client();
    let writer = client.send_in_background(encode_command(&["GET", "big"]).repeat(200));
    wait_until("the slow reader is gone", 30, || admin.run("CLIENT LIST").text().lines().count() == 1);
    assert_eq!(number(&server, "stats", "evicted_clients"), 1);
    drop(client);
    let _: std::io::Result<()> = writer.join().expect("the writer does not panic");
}

#[test]
fn other_clients_are_served_between_the_heavy_commands_of_a_pipeline() {
    const COMMANDS: usize = 100;
    let server = Server::start();
    let mut heavy = server.client();
    heavy.cmd(&["SETRANGE", "bits", "10000000", "x"]);
    let mut other = server.client();
    heavy.send(&encode_command(&["BITCOUNT", "bits"]).repeat(COMMANDS));
    wait_until("the pipeline has begun", 10, || number(&server, "stats", "total_commands_processed") > 3);
    let mut served = 0;
    let done = |other: &mut Client| {
        let stats = other.run("INFO commandstats").text();
        stats.contains(&format!("cmdstat_bitcount:calls={COMMANDS},"))
    };
    while !done(&mut other) {
        served += 1;
    }
    assert!(served > 10 || against_redis(), "only {served} commands of another client in between");
    for _ in 0..COMMANDS {
        assert_eq!(heavy.read(), int(4));
    }
}

#[test]
fn the_query_buffer_limit_counts_what_is_not_taken_in() {
    const LIMIT: usize = 1 << 20;
    let server = Server::with_config("client-query-buffer-limit 1mb");
    let mut client = server.client();
    let third = "x".repeat(LIMIT * 2 / 3);
    assert_eq!(client.cmd(&["MSET", "a", &third, "b", &third, "c", &third]), ok(), "each argument is within the limit");
    // The two bytes that end an argument count.
    let largest = "x".repeat(LIMIT - 2);
    assert_eq!(client.cmd(&["SET", "key", &largest]), ok());
    if !against_redis() {
        // Redis counts what it has read of the next command.
        client.send(&encode_command(&["SET", "key", &largest]).repeat(5));
        for _ in 0..5 {
            assert_eq!(client.read(), ok());
        }
    }
    let writer = client.send_in_background(encode_command(&["SET", "key", &"x".repeat(LIMIT - 1)]));
    assert!(client.is_closed_within(std::time::Duration::from_secs(10)), "one byte more");
    let _: std::io::Result<()> = writer.join().expect("the writer does not panic");
    assert!(against_redis() || number(&server, "stats", "client_query_buffer_limit_disconnections") == 1);
}

#[test]
fn the_query_buffer_limit_counts_what_is_queued() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("client-query-buffer-limit 1mb");
    let mut client = server.client();
    client.run("MULTI");
    let writer = client.send_in_background(encode_command(&["SET", "key", &"x".repeat(20_000)]).repeat(60));
    let answers = client.read_to_end();
    assert!(answers.len() <= 53 * "+QUEUED\r\n".len(), "{} bytes of answers", answers.len());
    let _: std::io::Result<()> = writer.join().expect("the writer does not panic");
    assert_eq!(number(&server, "stats", "client_query_buffer_limit_disconnections"), 1);
}

#[test]
fn what_a_blocked_client_sends_ahead_is_executed_when_it_goes_on() {
    let server = Server::start();
    let (mut client, mut other) = (server.client(), server.client());
    client.send(&encode_command(&["BLPOP", "list", "0"]));
    let writer = client.send_in_background(encode_command(&["INCR", "counter"]).repeat(200_000));
    wait_until("the client waits", 10, || server.info_field("clients", "blocked_clients") == "1");
    assert_eq!(other.run("RPUSH list element"), int(1));
    assert_eq!(client.read().texts(), ["list", "element"]);
    for number in 1..=200_000 {
        assert_eq!(client.read(), int(number));
    }
    writer.join().expect("the writer ends").expect("everything was sent");
}

#[test]
fn a_long_value_is_the_same_however_it_is_set() {
    let server = Server::start();
    let mut client = server.client();
    let long: Vec<u8> = (0..3_000_000u32).map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1]).collect();
    let long = long.as_slice();
    let get: &[&[u8]] = &[b"GET", b"key"];
    let set: &[&[u8]] = &[b"SET", b"key", long];
    let commands: [(&[&[u8]], Value); 23] = [
        (set, ok()),
        (get, bulk(long)),
        (&[b"SET", b"key", long, b"EX", b"100"], ok()),
        (get, bulk(long)),
        (&[b"SET", b"key", b"short", b"GET"], bulk(long)),
        (&[b"SETEX", b"key", b"100", long], ok()),
        (&[b"GETSET", b"key", long], bulk(long)),
        (&[b"SETNX", b"key", long], int(0)),
        (&[b"MSET", b"key", long, b"key", b"", b"other", b"1"], ok()),
        (get, bulk("")),
        (&[b"MSET", b"key", long, b"other", long], ok()),
        (&[b"GET", b"other"], bulk(long)),
        (&[b"MSET", b"key", long, b"other", &long[7..], b"key", &long[1..], b"third", &long[..2_000_001]], ok()),
        (get, bulk(&long[1..])),
        (&[b"GET", b"other"], bulk(&long[7..])),
        (&[b"GET", b"third"], bulk(&long[..2_000_001])),
        (&[b"MSET", b"other", &long[5..], b"key", b"1", b"key", long], ok()),
        (&[b"MGET", b"other", b"key"], Value::Array(vec![bulk(&long[5..]), bulk(long)])),
        (&[b"SET", b"key", long, b"PXAT", b"1"], ok()),
        (get, crate::support::nil()),
        (&[b"APPEND", b"key", long], int(long.len() as i64)),
        (&[b"SET", b"key", long, b"KEEPTTL"], ok()),
        (get, bulk(long)),
    ];
    let pipeline: Vec<u8> = commands.iter().flat_map(|(command, _)| encode_command(command)).collect();
    let writer = client.send_in_background(pipeline);
    for (at, (_, expected)) in commands.iter().enumerate() {
        assert!(client.read() == *expected, "reply {at}");
    }
    writer.join().expect("the writer ends").expect("everything was sent");
    client.run("DEL other third");
    client.run("MULTI");
    client.cmd(set);
    client.run("GET key");
    assert!(client.run("EXEC").items()[1] == bulk(long));
}

#[test]
fn a_long_value_is_in_memory_once_and_its_memory_goes_back_when_it_is_deleted() {
    const MIB: u64 = 1 << 20;
    if against_redis() || !std::path::Path::new("/proc/self/statm").exists() {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    let resident = || number(&server, "memory", "used_memory_rss");
    let before = resident();
    let writer = client.send_in_background(encode_command(&[b"SET", b"key".as_slice(), &vec![b'x'; 100 << 20]]));
    assert_eq!(client.read(), ok());
    writer.join().expect("the writer ends").expect("everything was sent");
    let used = number(&server, "memory", "used_memory_peak");
    assert!(used < 150 * MIB, "{} MiB at most in use", used / MIB);
    assert_eq!(client.run("GET key").bytes().len(), 100 << 20);
    assert_eq!(client.run("DEL key"), int(1));
    wait_until("the memory is given back", 20, || resident() < before + 20 * MIB);
}

#[test]
fn several_long_values_of_one_command_are_in_memory_once() {
    const MIB: usize = 1 << 20;
    if against_redis() || !std::path::Path::new("/proc/self/status").exists() {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    let before = server.memory_figure("VmHWM");
    let value = vec![b'x'; 50 * MIB];
    let command: [&[u8]; 9] = [b"MSET", b"a", &value, b"b", &value, b"c", b"small", b"d", &value];
    let writer = client.send_in_background(encode_command(&command));
    assert_eq!(client.read(), ok());
    writer.join().expect("the writer ends").expect("everything was sent");
    let grown = (server.memory_figure("VmHWM") - before) as usize / MIB;
    assert!(grown < 200, "{grown} MiB at most for 150 MiB of values");
    for key in ["a", "b", "d"] {
        assert!(client.cmd(&["GET", key]) == bulk(&value[..]), "{key}");
    }
    assert_eq!(client.run("GET c"), bulk("small"));
}

#[test]
fn megabytes_of_empty_lines_are_passed_over() {
    let server = Server::start();
    let mut client = server.client();
    // Behind a command that is cut, so that they come in a buffer of the connection's own.
    client.send(b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$100000\r\n");
    let lines = [vec![b'x'; 100_000], b"\r\n".repeat(2_000_000), b"PING\r\n".to_vec()].concat();
    let writer = client.send_in_background(lines);
    assert_eq!(client.read(), ok());
    assert_eq!(client.read(), simple("PONG"));
    writer.join().expect("the writer ends").expect("everything was sent");
}

/// Reads of a value of 20,000 bytes, behind each of which the round of the client's task is over.
fn rounds_in_one_read(client: &mut Client, rounds: usize) -> Vec<u8> {
    assert_eq!(client.cmd(&["SET", "key", &"x".repeat(20_000)]), ok());
    [encode_command(&["GET", "key"]), encode_command(&["DEBUG", "SLEEP", "0.005"])].concat().repeat(rounds)
}

#[test]
fn a_client_whose_replies_to_one_read_are_over_its_limit_gets_none_of_them() {
    let server = Server::with_config("client-output-buffer-limit normal 100000 0 0");
    let mut client = server.client();
    let commands = rounds_in_one_read(&mut client, 10);
    client.send(&commands);
    assert_eq!(client.read_to_end().len(), 0);
}

#[test]
fn replies_that_are_gathered_count_as_their_clients_memory() {
    let server = Server::with_config("maxmemory-clients 400kb");
    let mut client = server.client();
    let commands = rounds_in_one_read(&mut client, 40);
    client.send(&commands);
    assert_eq!(client.read_to_end().len(), 0);
    assert_eq!(number(&server, "stats", "evicted_clients"), 1);
}

#[test]
fn other_clients_are_served_while_replies_are_gathered() {
    let server = Server::start();
    let (mut client, mut other) = (server.client(), server.client());
    let commands = rounds_in_one_read(&mut client, 40);
    client.send(&commands);
    wait_until("the pipeline has begun", 10, || number(&server, "stats", "total_commands_processed") > 5);
    let before = number(&server, "stats", "total_commands_processed");
    assert_eq!(other.run("PING"), simple("PONG"));
    for _ in 0..40 {
        assert_eq!(client.read().bytes().len(), 20_000);
        assert_eq!(client.read(), ok());
    }
    assert!(before < 80 || against_redis(), "{before} commands before another client was served");
}
