//! PSYNC: who may go on where the stream ended, and who gets all data.

use super::*;

#[test]
fn a_replica_goes_on_where_it_was_cut_off() {
    let server = primary("");
    run(&server, "SET before 1");
    let mut replica = FakeReplica::greeted(&server);
    let (id, _) = replica.full_sync();
    replica.acknowledge();
    run(&server, "SET a 1");
    assert_eq!([replica.change(), replica.change()], ["SELECT 0", "SET a 1"]);
    let next = replica.offset + 1;
    drop(replica);
    run(&server, "SET b 2");
    let mut replica = FakeReplica::greeted(&server);
    assert_eq!(replica.ask(&format!("PSYNC {id} {next}")), format!("+CONTINUE {id}"));
    assert_eq!(replica.change(), "SET b 2");
    assert_eq!(server.info_number("stats", "sync_partial_ok"), 1);
    assert_eq!(server.info_number("stats", "sync_full"), 1);
    // One that does not know of new names is given none.
    let mut replica = FakeReplica::connect(&server);
    assert_eq!(replica.ask(&format!("PSYNC {id} {next}")), "+CONTINUE");
    assert_eq!(replica.change(), "SET b 2");
    run(&server, "CONFIG RESETSTAT");
    assert_eq!(server.info_number("stats", "sync_partial_ok"), 0);
}

#[test]
fn what_is_not_kept_or_not_ours_needs_all_data() {
    let server = primary("");
    let mut replica = FakeReplica::synced(&server);
    run(&server, "SET a 1");
    replica.change();
    let id = server.info_field("replication", "master_replid");
    let end = offset(&server);
    for asked in [format!("PSYNC {} 1", "0".repeat(40)), format!("PSYNC {id} {}", end + 1000), format!("PSYNC {id} 0")]
    {
        let mut other = FakeReplica::greeted(&server);
        assert!(other.ask(&asked).starts_with(&format!("+FULLRESYNC {id} ")), "{asked}");
    }
    assert_eq!(server.info_number("stats", "sync_partial_err"), 3);
    server.wait_for_log("Partial resynchronization not possible for replica 127.0.0.1:7001");
    assert_eq!(FakeReplica::greeted(&server).ask("PSYNC ? x"), "-ERR value is not an integer or out of range");
}

#[test]
fn a_promoted_replica_serves_the_history_that_it_went_on_from() {
    let first = primary("");
    run(&first, "SET a 1");
    let second = primary(&format!("replicaof 127.0.0.1 {}", first.port()));
    wait_for_replicas(&first, 1);
    run(&first, "SET b 1");
    wait_until("the write has come", 30, || run(&second, "GET b") == "1");
    let id = first.info_field("replication", "master_replid");
    assert_eq!(run(&second, "SLAVEOF NO ONE"), "OK");
    let info = second.info("replication");
    let end = info["second_repl_offset"].parse::<u64>().expect("a number");
    assert_eq!((&info["master_replid2"], end > 1), (&id, true));
    assert_ne!(info["master_replid"], id);
    let answer = FakeReplica::greeted(&second).ask(&format!("PSYNC {id} {end}"));
    assert_eq!(answer, format!("+CONTINUE {}", info["master_replid"]));
    run(&second, "SET c 1");
    let answer = FakeReplica::greeted(&second).ask(&format!("PSYNC {id} {}", end + 1));
    assert!(answer.starts_with("+FULLRESYNC "), "{answer}");
}

#[test]
fn the_backlog_keeps_as_much_as_it_should_and_no_more_than_replicas_need() {
    let server = primary("repl-backlog-size 16kb");
    let mut replica = FakeReplica::synced(&server);
    let id = server.info_field("replication", "master_replid");
    let mut client = server.client();
    let value = "x".repeat(10_000);
    for _ in 0..50 {
        client.run(&format!("SET key {value}"));
    }
    for _ in 0..51 {
        replica.change();
    }
    wait_until("the rest is freed", 30, || {
        client.run("SET small 1");
        server.info_number("replication", "repl_backlog_histlen") < 300_000
    });
    let first = server.info_number("replication", "repl_backlog_first_byte_offset");
    let mut other = FakeReplica::greeted(&server);
    assert_eq!(other.ask(&format!("PSYNC {id} {first}")), format!("+CONTINUE {id}"));
    let mut other = FakeReplica::greeted(&server);
    assert!(other.ask(&format!("PSYNC {id} {}", first - 1)).starts_with("+FULLRESYNC"));
}

#[test]
fn a_backlog_that_nobody_has_used_for_its_time_is_freed_with_its_history() {
    let server = primary("repl-backlog-ttl 1");
    let replica = FakeReplica::synced(&server);
    let id = server.info_field("replication", "master_replid");
    drop(replica);
    server.wait_for_log("Replication backlog freed after 1 seconds without connected replicas.");
    let info = server.info("replication");
    assert_eq!(info["repl_backlog_active"], "0");
    assert_ne!(info["master_replid"], id);
}

#[test]
fn commands_that_are_no_replicas_are_refused() {
    let server = primary("");
    let mut replica = FakeReplica::greeted(&server);
    replica.send("REPLCONF capa eof");
    replica.send("PSYNC ? -1");
    assert_eq!(replica.line(), "+OK");
    // Where both came at once, the answer to the first was still to be sent.
    let answer = replica.line();
    assert!(answer.starts_with("+FULLRESYNC") || answer == "-ERR SYNC and PSYNC are invalid with pending output");
    let mut client = server.client();
    assert_eq!(client.run("REPLCONF listening-port x").text(), "ERR value is not an integer or out of range");
    assert_eq!(client.run("REPLCONF one").text(), "ERR syntax error");
    assert_eq!(client.run("REPLCONF nosuch 1").text(), "ERR Unrecognized REPLCONF option: nosuch");
    assert_eq!(client.run("REPLCONF rdb-filter-only keys").text(), "ERR Unsupported rdb-filter-only option: keys");
    let mut replica = FakeReplica::connect(&server);
    assert_eq!(replica.ask("REPLCONF rdb-filter-only functions"), "+OK");
    assert_eq!(replica.ask("SYNC"), "-ERR Filtered replica requires EOF capability");
}

#[test]
fn a_replica_that_sends_commands_with_answers_is_disconnected() {
    let server = primary("");
    let mut replica = FakeReplica::synced(&server);
    replica.send("PING");
    assert!(replica.is_closed());
    server.wait_for_log("Replica generated a reply to command 'ping', disconnecting it");
    wait_until("it is no replica any more", 30, || server.info_number("replication", "connected_slaves") == 0);
}
