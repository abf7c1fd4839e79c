//! A replica and its primary, both servers of this program: what the replica does with the stream, and by itself.

use std::time::Duration;

use super::*;

/// A server that follows the primary, once it has its data.
#[track_caller]
fn replica_of(primary: &Server) -> Server {
    let replica = Server::with_config(&format!("replicaof 127.0.0.1 {}", primary.port()));
    wait_until("the link is up", 30, || replica.info_field("replication", "master_link_status") == "up");
    wait_for_replicas(primary, 1);
    replica
}

#[track_caller]
fn wait_for_same_offset(primary: &Server, replica: &Server) {
    wait_until("the replica has the stream", 30, || offset(primary) == offset(replica));
}

#[test]
fn keys_that_clients_of_a_writable_replica_let_expire_go_by_themselves_and_those_of_the_primary_do_not() {
    let primary = primary("");
    let replica = replica_of(&primary);
    run(&primary, "DEBUG SET-ACTIVE-EXPIRE 0");
    run(&primary, "SET theirs 1 PX 20");
    wait_for_same_offset(&primary, &replica);
    run(&replica, "CONFIG SET replica-read-only no");
    let mut client = replica.client();
    client.run("SET own 1 PX 20");
    client.run("SET later 1");
    client.run("PEXPIRE later 30");
    client.run("SET stays 1 EX 1000");
    assert!(replica.info_field("keyspace", "db0").starts_with("keys=4,"));
    wait_until("own keys are gone", 30, || replica.info_field("keyspace", "db0").starts_with("keys=2,"));
    assert_eq!(run(&replica, "EXISTS own later stays"), "1");
    assert_eq!(offset(&replica), offset(&primary), "what clients write to a replica is no part of the stream");
    // The primary says when its key goes.
    assert_eq!(run(&primary, "EXISTS theirs"), "0");
    wait_until("it goes here too", 30, || replica.info_field("keyspace", "db0").starts_with("keys=1,"));
}

#[test]
fn the_link_that_a_client_has_cut_is_made_again_and_the_stream_goes_on_in_its_database() {
    let primary = primary("");
    let replica = replica_of(&primary);
    let mut writer = primary.client();
    writer.run("SELECT 5");
    writer.run("SET a 1");
    wait_for_same_offset(&primary, &replica);
    assert_eq!(run(&replica, "CLIENT KILL TYPE master"), "1");
    writer.run("SET b 2");
    wait_until("the replica is back", 30, || primary.info_number("stats", "sync_partial_ok") == 1);
    wait_for_same_offset(&primary, &replica);
    assert_eq!(run(&replica, &format!("CLIENT KILL 127.0.0.1:{}", primary.port())), "OK");
    writer.run("SET c 3");
    wait_until("the replica is back", 30, || primary.info_number("stats", "sync_partial_ok") == 2);
    wait_for_same_offset(&primary, &replica);
    assert!(replica.info_field("keyspace", "db5").starts_with("keys=3,"));
    assert_eq!(primary.info_number("stats", "sync_full"), 1);
}

#[test]
fn a_replica_connects_from_the_address_that_it_is_given_if_it_can() {
    let primary = primary("");
    let replica = replica_of(&primary);
    for (source, seen) in [("127.0.0.2", "127.0.0.2"), ("127.0.0.3", "127.0.0.3"), ("192.0.2.1", "127.0.0.1")] {
        run(&replica, &format!("CONFIG SET bind-source-addr {source}"));
        run(&replica, "REPLICAOF NO ONE");
        run(&replica, &format!("REPLICAOF 127.0.0.1 {}", primary.port()));
        let expected = format!("ip={seen},port={}", replica.port());
        wait_until(&expected, 30, || primary.info("replication").values().any(|value| value.starts_with(&expected)));
    }
    replica.wait_for_log("bind-source-addr: no connection can come from '192.0.2.1'");
}

#[test]
fn a_paused_replica_takes_the_stream_in_and_applies_it_later() {
    let primary = primary("");
    let replica = replica_of(&primary);
    run(&replica, "CLIENT PAUSE 100000 WRITE");
    run(&primary, "SET a 1");
    let end = offset(&primary);
    wait_until("it has come", 30, || replica.info_number("replication", "slave_read_repl_offset") >= end);
    assert_eq!(run(&replica, "GET a"), "");
    assert!(replica.info_number("replication", "slave_repl_offset") < end);
    run(&replica, "CLIENT UNPAUSE");
    wait_until("it is applied", 30, || run(&replica, "GET a") == "1");
}

#[test]
fn a_primary_that_was_restarted_says_which_keys_have_expired_meanwhile_and_nothing_else() {
    let mut primary = primary("repl-ping-replica-period 3600\nsave 3600 1000000");
    let replica = replica_of(&primary);
    run(&primary, "SET stays 1");
    run(&primary, "DEBUG SET-ACTIVE-EXPIRE 0");
    for key in ["a", "b", "c"] {
        run(&primary, &format!("SET {key} 1 PX 10"));
    }
    wait_for_same_offset(&primary, &replica);
    let before = offset(&primary);
    run(&primary, "SAVE");
    // Their time is past when the server starts again, however quick that is.
    std::thread::sleep(Duration::from_millis(20));
    primary.kill_and_start_again();
    wait_until("the replica is back", 30, || primary.info_number("stats", "sync_partial_ok") == 1);
    wait_for_same_offset(&primary, &replica);
    assert!(replica.info_field("keyspace", "db0").starts_with("keys=1,"));
    assert_eq!(primary.info_number("persistence", "rdb_last_load_keys_expired"), 3);
    let said = offset(&primary) - before;
    assert!((60..200).contains(&said), "a SELECT and three times DEL, and not all data: {said}");
}

#[test]
fn a_primary_that_was_restarted_from_an_older_dump_leaves_its_replica_the_newer_data() {
    let mut primary = primary("save 3600 1000000");
    let replica = replica_of(&primary);
    run(&primary, "SET old 1");
    run(&primary, "SAVE");
    run(&primary, "SET new 1");
    wait_for_same_offset(&primary, &replica);
    primary.kill_and_start_again();
    wait_until("the replica has asked", 30, || primary.info("replication").contains_key("master_rewound_bytes"));
    let mut client = primary.client();
    let script: &[&str] = &["EVAL", "return redis.call('SET', 'x', '1')", "0"];
    for line in [&["PING"][..], &["SET", "x", "1"], script] {
        let answer = format!("{:?}", client.cmd(line));
        assert!(answer.contains("MISCONF This server was restarted from a dump that is older"), "{line:?}: {answer}");
    }
    assert_eq!(run(&primary, "GET new"), "", "reads are answered");
    assert_eq!(run(&replica, "GET new"), "1", "the replica keeps what it has");
    // Whoever wants the older data has them.
    run(&primary, "CONFIG SET replica-rewind-guard no");
    assert_eq!(run(&primary, "PING"), "PONG");
    wait_until("the replica follows again", 30, || replica.info_field("replication", "master_link_status") == "up");
    assert_eq!(run(&replica, "EXISTS old new"), "1");
}

#[test]
fn a_replica_that_takes_data_in_reports_async_loading_and_answers_from_the_old_ones() {
    let primary = primary("repl-diskless-sync-delay 0\nrdbcompression no");
    run(&primary, "DEBUG POPULATE 300 key 10000");
    run(&primary, "CONFIG SET rdb-key-save-delay 10000");
    let replica = Server::with_config("repl-diskless-load swapdb");
    run(&replica, "SET own 1");
    assert_eq!(replica.info_field("persistence", "async_loading"), "0");
    run(&replica, &format!("REPLICAOF 127.0.0.1 {}", primary.port()));
    wait_until("data arrive", 30, || replica.info_field("persistence", "async_loading") == "1");
    assert_eq!((run(&replica, "GET own"), run(&replica, "DBSIZE")), ("1".to_owned(), "1".to_owned()));
    assert_eq!(replica.info_field("persistence", "loading"), "0");
    run(&primary, "CONFIG SET rdb-key-save-delay 0");
    wait_until("the link is up", 30, || replica.info_field("replication", "master_link_status") == "up");
    assert_eq!(replica.info_field("persistence", "async_loading"), "0");
    assert_eq!(run(&replica, "EXISTS own"), "0");
}
