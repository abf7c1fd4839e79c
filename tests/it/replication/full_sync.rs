//! Full syncs: who takes part, what ends them, and what is on the wire.

use std::fs;
use std::process::Command;

use nix::sys::signal::Signal;

use super::*;
use crate::support::{Setup, send_signal};

/// So many keys that a child is busy for a while if each takes a moment.
const KEYS: usize = 2000;

#[track_caller]
fn fill(server: &Server) {
    run(server, &format!("DEBUG POPULATE {KEYS} key 100"));
}

/// Checks a dump with the tool, and returns what it says of it.
#[track_caller]
fn check(data: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("dump.rdb");
    fs::write(&path, data).expect("a file");
    let output = Command::new(env!("CARGO_BIN_EXE_copal-rdb")).args(["check".as_ref(), path.as_os_str()]).output();
    let output = output.expect("the tool runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    text
}

#[test]
fn data_come_whole_by_pipe_and_by_file_and_the_stream_begins_behind_them() {
    for diskless in ["yes", "no"] {
        let server = primary(&format!("repl-diskless-sync {diskless}"));
        fill(&server);
        run(&server, "SET late 1");
        let mut replica = FakeReplica::greeted(&server);
        let (id, data) = replica.full_sync();
        assert_eq!(id, server.info_field("replication", "master_replid"));
        assert_eq!(&data[..9], b"REDIS0010");
        check(&data);
        let text = String::from_utf8_lossy(&data).into_owned();
        assert!(text.contains("repl-id") && text.contains(&id) && text.contains("repl-stream-db"));
        assert_eq!(server.dump_path().exists(), diskless == "no");
        let persistence = server.info("persistence");
        assert_eq!(persistence["rdb_last_bgsave_time_sec"], "0", "a child for replicas counts as one");
        assert_ne!(persistence["rdb_last_cow_size"], "0", "{diskless}");
        run(&server, "SET after 1");
        replica.acknowledge();
        assert_eq!([replica.change(), replica.change()], ["SELECT 0", "SET after 1"], "{diskless}");
        let ahead = offset(&server).checked_sub(replica.offset).expect("what has come is counted");
        assert_eq!(ahead % 14, 0, "nothing but PINGs may have come since: {ahead}");
    }
}

#[test]
fn replicas_that_come_together_share_a_child_and_each_has_the_same_data() {
    let server = primary("repl-diskless-sync-delay 60\nrepl-diskless-sync-max-replicas 3");
    fill(&server);
    let mut replicas: Vec<FakeReplica> = (0..3).map(|_| FakeReplica::greeted(&server)).collect();
    replicas.iter_mut().for_each(|replica| replica.send("PSYNC ? -1"));
    let syncs: Vec<_> = replicas.iter_mut().map(FakeReplica::take_full_sync).collect();
    assert!(syncs.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(server.info_number("stats", "total_forks"), 1);
    assert_eq!(server.info_number("stats", "sync_full"), 3);
}

#[test]
fn a_replica_that_comes_while_the_dump_is_written_for_another_takes_it_too_and_what_has_changed_since() {
    let server = primary("repl-diskless-sync no\nrdb-key-save-delay 1000");
    fill(&server);
    let mut first = FakeReplica::greeted(&server);
    first.send("PSYNC ? -1");
    server.wait_for_child();
    run(&server, "SET since 1");
    let mut second = FakeReplica::greeted(&server);
    second.send("PSYNC ? -1");
    server.wait_for_log("waits for the dump that is being written");
    run(&server, "SET later 2");
    let syncs = [first.take_full_sync(), second.take_full_sync()];
    assert_eq!(syncs[0], syncs[1]);
    check(&syncs[1].1);
    for replica in [&mut first, &mut second] {
        replica.acknowledge();
        assert_eq!([replica.change(), replica.change(), replica.change()], ["SELECT 0", "SET since 1", "SET later 2"]);
    }
    assert_eq!(server.info_number("stats", "total_forks"), 1);
}

#[test]
fn a_replica_that_goes_leaves_the_others_their_data_and_the_last_one_ends_the_child() {
    let server = primary("repl-diskless-sync-delay 60\nrepl-diskless-sync-max-replicas 2\nrdb-key-save-delay 1000");
    fill(&server);
    let mut replicas: Vec<FakeReplica> = (0..2).map(|_| FakeReplica::greeted(&server)).collect();
    replicas.iter_mut().for_each(|replica| replica.send("PSYNC ? -1"));
    server.wait_for_child();
    drop(replicas.pop());
    check(&replicas[0].take_full_sync().1);
    drop(replicas);
    run(&server, "CONFIG SET rdb-key-save-delay 100000 repl-diskless-sync-delay 0");
    let mut replica = FakeReplica::greeted(&server);
    replica.send("PSYNC ? -1");
    server.wait_for_child();
    drop(replica);
    server.wait_for_log("Diskless rdb transfer, last replica dropped, killing fork child.");
    wait_until("the child has ended", 30, || server.child_pids().is_empty());
}

#[test]
fn a_child_that_is_killed_ends_the_sync_and_the_next_one_comes_through() {
    for diskless in ["yes", "no"] {
        let server = primary(&format!("repl-diskless-sync {diskless}\nrdb-key-save-delay 100000"));
        fill(&server);
        let mut replica = FakeReplica::greeted(&server);
        replica.send("PSYNC ? -1");
        send_signal(server.wait_for_child(), Signal::SIGKILL);
        assert!(replica.is_closed(), "{diskless}");
        run(&server, "CONFIG SET rdb-key-save-delay 0");
        check(&FakeReplica::greeted(&server).full_sync().1);
    }
}

#[test]
fn a_full_sync_whose_snapshot_takes_too_much_memory_fails_and_the_next_one_comes_through() {
    for diskless in ["yes", "no"] {
        let server = primary(&format!(
            "repl-diskless-sync {diskless}\nrdb-key-save-delay 1000\nsnapshot-memory-limit 16mb\nrdbcompression no"
        ));
        run(&server, "DEBUG POPULATE 30000 key 1000");
        let mut replica = FakeReplica::greeted(&server);
        replica.send("PSYNC ? -1");
        server.wait_for_child();
        let mut client = server.client();
        let text = "w".repeat(900);
        for first in (0..30_000).step_by(1000) {
            let change = |at| encode_command(&["SETRANGE", &format!("key:{at}"), "0", &text]);
            client.send(&(first..first + 1000).flat_map(change).collect::<Vec<_>>());
            (0..1000).for_each(|_| assert_eq!(client.read().integer(), 1000));
        }
        server.wait_for_save_end();
        let latest = client.run("SNAPSHOT LATEST");
        assert_eq!(latest.field("failed_step").text(), "memory-limit", "{diskless}");
        server.wait_for_log("Full sync with replica");
        client.run("CONFIG SET snapshot-memory-limit 0 rdb-key-save-delay 0");
        let (_, data) = FakeReplica::greeted(&server).full_sync();
        check(&data);
    }
}

#[test]
fn a_replica_that_reads_slowly_does_not_make_a_child_stalled() {
    let server = primary("repl-diskless-sync yes\nsnapshot-stall-timeout 2\nrdbcompression no");
    run(&server, "DEBUG POPULATE 10000 key 1000");
    let mut replica = FakeReplica::greeted(&server);
    replica.send("PSYNC ? -1");
    let child = server.wait_for_child();
    // Nothing is read for longer than a child may make no progress.
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(server.child_pids(), [child], "{}", server.log());
    check(&replica.take_full_sync().1);
    server.wait_for_save_end();
    assert!(!server.log().contains("no progress"), "{}", server.log());
}

#[test]
fn memory_stays_bounded_while_a_replica_takes_nothing() {
    let server = primary("repl-backlog-size 1mb");
    run(&server, "DEBUG POPULATE 2000 key 20000");
    run(&server, "CONFIG SET rdbcompression no");
    let mut replica = FakeReplica::greeted(&server);
    replica.send("PSYNC ? -1");
    server.wait_for_child();
    let before = server.info_number("memory", "used_memory");
    std::thread::sleep(Duration::from_millis(500));
    let grown = server.info_number("memory", "used_memory").saturating_sub(before);
    assert!(grown < 8 << 20, "the data wait in the child: {grown}");
    assert_eq!(server.child_pids().len(), 1);
    check(&replica.take_full_sync().1);
}

#[test]
fn a_replica_that_takes_nothing_is_dropped_after_its_time() {
    let server = primary("repl-timeout 2\nrepl-ping-replica-period 1\nrdbcompression no");
    run(&server, "DEBUG POPULATE 2000 key 20000");
    let mut replica = FakeReplica::greeted(&server);
    replica.send("PSYNC ? -1");
    server.wait_for_log("Disconnecting timedout replica (full sync): 127.0.0.1:7001");
    let mut replica = FakeReplica::synced(&server);
    server.wait_for_log("Disconnecting timedout replica (streaming sync): 127.0.0.1:7001");
    assert!(replica.is_closed());
}

#[test]
fn a_dump_without_keys_or_functions_never_replaces_the_dump() {
    let server = primary("repl-diskless-sync no");
    fill(&server);
    run(&server, "FUNCTION LOAD \"#!lua name=lib\\nredis.register_function('f', function() return 1 end)\"");
    server.background_save();
    let dump = fs::read(server.dump_path()).expect("a dump");
    for (filter, keys, functions) in [("functions", false, true), ("", false, false)] {
        let mut replica = FakeReplica::connect(&server);
        assert_eq!(replica.ask("REPLCONF capa eof"), "+OK");
        assert_eq!(replica.ask("REPLCONF rdb-only 1"), "+OK");
        assert_eq!(replica.ask(&format!("REPLCONF rdb-filter-only {filter}")), "+OK");
        replica.send("SYNC");
        let data = replica.payload();
        check(&data);
        let text = String::from_utf8_lossy(&data).into_owned();
        assert_eq!((text.contains("key:1"), text.contains("register_function")), (keys, functions), "{filter}");
        assert!(replica.is_closed(), "it has asked for the data alone");
    }
    assert_eq!(fs::read(server.dump_path()).expect("a dump"), dump);
}

#[test]
fn a_folder_that_takes_no_dump_is_named_and_the_replica_may_try_again() {
    let server = primary("repl-diskless-sync no");
    fs::create_dir(server.dump_path()).expect("a folder in the way");
    let mut replica = FakeReplica::greeted(&server);
    assert_eq!(replica.ask("PSYNC ? -1"), "-ERR BGSAVE failed, replication can't continue");
    assert!(replica.is_closed());
    server.wait_for_log("BGSAVE for replication failed: ");
    server.wait_for_log("With 'repl-diskless-sync yes' a full sync needs no file");
    run(&server, "CONFIG SET repl-diskless-sync yes");
    check(&FakeReplica::greeted(&server).full_sync().1);
}

#[test]
fn a_dump_that_was_only_for_replicas_goes_if_that_is_wanted() {
    let server = primary("repl-diskless-sync no\nrdb-del-sync-files yes");
    fill(&server);
    check(&FakeReplica::greeted(&server).full_sync().1);
    assert!(!server.dump_path().exists());
    run(&server, "CONFIG SET save \"3600 1\"");
    check(&FakeReplica::greeted(&server).full_sync().1);
    assert!(server.dump_path().exists());
}

#[test]
fn a_replica_that_cannot_keep_up_in_two_full_syncs_waits_for_the_third() {
    let server =
        primary("client-output-buffer-limit replica 64kb 0 0\nrepl-backlog-size 16kb\nrdb-key-save-delay 100000");
    fill(&server);
    let mut client = server.client();
    let value = "x".repeat(100_000);
    for _ in 0..2 {
        let mut replica = FakeReplica::greeted(&server);
        replica.send("PSYNC ? -1");
        server.wait_for_child();
        for _ in 0..3 {
            client.run(&format!("SET key {value}"));
        }
        assert!(replica.is_closed());
        wait_until("the child has ended", 30, || server.child_pids().is_empty());
    }
    server.wait_for_log("That was full sync number 2 in a row of replica 127.0.0.1:7001 that ended so");
    assert!(server.log().contains("raise client-output-buffer-limit replica above"), "{}", server.log());
    let mut replica = FakeReplica::greeted(&server);
    replica.send("PSYNC ? -1");
    server.wait_for_log("The full sync of replica 127.0.0.1:7001 begins in ");
    std::thread::sleep(Duration::from_millis(500));
    assert!(server.child_pids().is_empty());
    assert!(server.info_number("stats", "client_output_buffer_limit_disconnections") >= 2);
}

#[test]
fn the_version_on_the_wire_is_what_the_replica_can_read() {
    let server = Setup::new().config("repl-diskless-sync-delay 0").start();
    for (said, version) in [("7", &b"REDIS0010"[..]), ("11", b"REDIS0011"), ("99", b"REDIS0012")] {
        let mut replica = FakeReplica::greeted(&server);
        assert_eq!(replica.ask(&format!("REPLCONF rdb-version {said}")), "+OK");
        assert_eq!(&replica.full_sync().1[..9], version, "{said}");
    }
    run(&server, "CONFIG SET replication-rdb-version 9");
    assert_eq!(&FakeReplica::greeted(&server).full_sync().1[..9], b"REDIS0009");
}
