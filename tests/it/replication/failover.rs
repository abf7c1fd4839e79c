//! FAILOVER: handing the role over.

use super::*;

#[test]
fn what_cannot_be_handed_over_is_refused() {
    let server = primary("");
    assert_eq!(run(&server, "FAILOVER"), "ERR FAILOVER requires connected replicas.");
    assert_eq!(run(&server, "FAILOVER ABORT"), "ERR No failover in progress.");
    assert_eq!(run(&server, "FAILOVER TIMEOUT 0"), "ERR FAILOVER timeout must be greater than 0");
    assert_eq!(run(&server, "FAILOVER TO"), "ERR syntax error");
    let _replica = FakeReplica::synced(&server);
    assert_eq!(run(&server, "FAILOVER TO 127.0.0.1 7002"), "ERR FAILOVER target HOST and PORT is not a replica.");
    assert_eq!(
        run(&server, "FAILOVER TO 127.0.0.1 7001 FORCE"),
        "ERR FAILOVER with force option requires both a timeout and target HOST and IP."
    );
    let mut other = FakeReplica::greeted(&server);
    assert_eq!(
        other.ask(&format!("PSYNC {} 1 FAILOVER", "0".repeat(40))),
        "-ERR PSYNC FAILOVER can't be sent to a master."
    );
}

#[test]
fn writes_wait_for_the_replica_and_go_on_when_it_never_catches_up() {
    let server = primary("");
    let mut replica = FakeReplica::synced(&server);
    run(&server, "SET a 1");
    assert_eq!(run(&server, "FAILOVER TO 127.0.0.1 7001 TIMEOUT 1500"), "OK");
    assert_eq!(server.info_field("replication", "master_failover_state"), "waiting-for-sync");
    assert_eq!(run(&server, "FAILOVER"), "ERR FAILOVER already in progress.");
    assert_eq!(FakeReplica::greeted(&server).ask("PSYNC ? -1"), "-NOMASTERLINK Can't SYNC while failing over");
    let mut writer = server.client();
    writer.send(&encode_command(&["SET", "a", "2"]));
    assert_eq!(run(&server, "GET a"), "1");
    assert_eq!(writer.read().text(), "OK", "in the end it may write");
    server.wait_for_log("Replica never caught up before timeout");
    assert_eq!(server.info_field("replication", "master_failover_state"), "no-failover");
    while replica.change() != "SET a 2" {}
    // It can be ended before, too.
    assert_eq!(run(&server, "FAILOVER"), "OK");
    assert_eq!(run(&server, "FAILOVER ABORT"), "OK");
    server.wait_for_log("Failover manually aborted");
    assert_eq!(run(&server, "SET a 3"), "OK");
}

#[test]
fn a_replica_that_has_everything_takes_over_without_a_lost_write() {
    let first = primary("");
    run(&first, "SET a 1");
    let second = primary(&format!("replicaof 127.0.0.1 {}", first.port()));
    wait_for_replicas(&first, 1);
    run(&first, "SET b 2");
    assert_eq!(run(&first, &format!("FAILOVER TO 127.0.0.1 {} TIMEOUT 20000", second.port())), "OK");
    wait_until("the roles are exchanged", 30, || {
        second.info_field("replication", "role") == "master"
            && first.info("replication").get("master_link_status").is_some_and(|status| status == "up")
    });
    wait_until("the hand-over is done", 30, || {
        first.info_field("replication", "master_failover_state") == "no-failover"
    });
    assert_eq!(run(&second, "GET b"), "2");
    assert_eq!(run(&second, "SET c 3"), "OK");
    assert!(run(&first, "SET d 4").starts_with("READONLY"));
    wait_until("the new primary's writes come back", 30, || first.digest() == second.digest());
    assert_eq!(second.info_number("stats", "sync_full"), 0, "it goes on with the stream");
}
