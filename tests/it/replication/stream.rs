//! What replicas are sent of changes.

use super::*;

/// The changes that follow from some commands.
#[track_caller]
fn changes(server: &Server, replica: &mut FakeReplica, lines: &[&str]) -> Vec<String> {
    let mut client = server.client();
    for line in lines {
        let reply = client.run(line);
        assert!(!reply.is_error(), "{line}: {reply:?}");
    }
    client.run("PUBLISH end x");
    let mut found = Vec::new();
    loop {
        match replica.change() {
            end if end == "PUBLISH end x" => return found,
            change => found.push(change),
        }
    }
}

#[test]
fn changes_come_as_commands_that_come_to_the_same() {
    let server = primary("");
    let mut replica = FakeReplica::synced(&server);
    let mut sent = |lines: &[&str]| changes(&server, &mut replica, lines);
    assert_eq!(sent(&["SET a 1", "GET a", "DEL nosuch"]), ["SELECT 0", "SET a 1"]);
    assert_eq!(sent(&["SELECT 3", "SET b 1", "SELECT 0", "INCR a"]), ["SELECT 3", "SET b 1", "SELECT 0", "INCR a"]);
    assert_eq!(sent(&["MULTI", "SET a 2", "INCR a", "EXEC"]), ["MULTI", "SET a 2", "INCR a", "EXEC"]);
    assert_eq!(sent(&["MULTI", "SET a 2", "GET a", "EXEC"]), ["SET a 2"]);
    assert_eq!(
        sent(&["EVAL \"redis.call('set','a','5') redis.call('incr','a')\" 0"]),
        ["MULTI", "set a 5", "incr a", "EXEC"]
    );
    assert_eq!(sent(&["EVAL \"return redis.call('set','a','5')\" 0"]), ["set a 5"]);
    assert_eq!(sent(&["FLUSHDB", "FLUSHALL", "SWAPDB 0 1"]), ["FLUSHDB", "FLUSHALL", "SWAPDB 0 1"]);
    assert_eq!(sent(&["SADD s x", "SPOP s"]), ["SADD s x", "SREM s x"]);
    assert_eq!(sent(&["PUBLISH channel text"]), ["PUBLISH channel text"]);
    let expiring = sent(&["SET e v EX 100"]);
    assert!(expiring.len() == 1 && expiring[0].starts_with("SET e v PXAT "), "{expiring:?}");
}

#[test]
fn keys_that_expire_or_are_evicted_are_deleted_on_replicas() {
    let server = primary("maxmemory-policy allkeys-random");
    let mut replica = FakeReplica::synced(&server);
    run(&server, "SET gone v PX 20");
    assert_eq!(replica.change(), "SELECT 0");
    assert!(replica.change().starts_with("SET gone v PXAT "));
    assert_eq!(replica.change(), "DEL gone");
    run(&server, "SET big 1");
    assert_eq!(replica.change(), "SET big 1");
    let used = server.info_number("memory", "used_memory");
    run(&server, &format!("CONFIG SET maxmemory {}", used / 2));
    assert_eq!(replica.change(), "DEL big");
}

#[test]
fn each_full_sync_is_followed_by_a_select() {
    let server = primary("");
    let mut first = FakeReplica::synced(&server);
    run(&server, "SET a 1");
    assert_eq!([first.change(), first.change()], ["SELECT 0", "SET a 1"]);
    let _second = FakeReplica::greeted(&server).full_sync();
    run(&server, "SET a 2");
    assert_eq!([first.change(), first.change()], ["SELECT 0", "SET a 2"]);
}

#[test]
fn pings_keep_the_stream_alive_and_count() {
    let server = primary("repl-ping-replica-period 1");
    let mut replica = FakeReplica::synced(&server);
    let before = replica.offset;
    assert_eq!([replica.command(), replica.command()], ["PING", "PING"]);
    assert_eq!(replica.offset, before + 28);
}

#[test]
fn a_replica_over_its_limit_is_disconnected_at_once_or_after_its_time() {
    for limit in ["1mb 0 0", "0 1mb 1"] {
        let server = primary(&format!("client-output-buffer-limit replica {limit}\nrepl-backlog-size 16kb"));
        let mut replica = FakeReplica::synced(&server);
        let mut client = server.client();
        let value = "x".repeat(1_000_000);
        for _ in 0..30 {
            client.run(&format!("SET key {value}"));
        }
        server.wait_for_log("and is disconnected: client-output-buffer-limit replica allows no more");
        assert!(replica.is_closed(), "{limit}");
        assert_eq!(server.info_number("stats", "client_output_buffer_limit_disconnections"), 1);
    }
}

#[test]
fn a_replica_is_a_client_of_its_own_class() {
    let server = primary("timeout 1");
    let mut replica = FakeReplica::synced(&server);
    let mut client = server.client();
    let list = client.run("CLIENT LIST TYPE replica").text();
    assert!(list.lines().count() == 1 && list.contains(" flags=S ") && list.contains("cmd=replconf"), "{list}");
    let role = client.run("ROLE");
    assert_eq!(role.items()[0].text(), "master");
    assert_eq!(role.items()[2].items()[0].texts()[..2], ["127.0.0.1", "7001"]);
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(server.info_number("replication", "connected_slaves"), 1, "it may be idle");
    let mut client = server.client();
    assert_eq!(client.run("CLIENT KILL TYPE replica").integer(), 1);
    assert!(replica.is_closed());
    assert_eq!(server.info_number("replication", "connected_slaves"), 0);
}

#[test]
fn info_and_memory_show_replicas_and_their_buffers() {
    let server = primary("min-replicas-to-write 1");
    let mut replica = FakeReplica::synced(&server);
    run(&server, "SET a 1");
    replica.change();
    replica.change();
    replica.acknowledge();
    wait_until("the acknowledgement has come", 30, || {
        let slave = server.info_field("replication", "slave0");
        slave.starts_with(&format!("ip=127.0.0.1,port=7001,state=online,offset={},lag=", offset(&server)))
    });
    let info = server.info("replication");
    for (name, value) in [
        ("role", "master"),
        ("connected_slaves", "1"),
        ("min_slaves_good_slaves", "1"),
        ("master_failover_state", "no-failover"),
        ("second_repl_offset", "-1"),
        ("repl_backlog_active", "1"),
        ("repl_backlog_size", "1048576"),
        ("repl_backlog_first_byte_offset", "1"),
    ] {
        assert_eq!(info[name], value, "{name}");
    }
    let memory = server.info("memory");
    let number = |name: &str| memory[name].parse::<u64>().expect("a number");
    assert!(number("mem_replication_backlog") > 0 && number("mem_clients_slaves") > 0, "{memory:?}");
    assert!(number("mem_total_replication_buffers") >= number("mem_replication_backlog"));
    let stats = server.client().run("MEMORY STATS");
    assert!(stats.field("replication.backlog").integer() > 0 && stats.field("clients.slaves").integer() > 0);
    assert!(server.info_number("stats", "total_net_repl_output_bytes") > 0);
}
