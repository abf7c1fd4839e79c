//! What a child may take of memory and of time, what ends it, and what is said of its end.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{Client, Server, Value, against_redis, encode_command, is_alive, ok, send_signal, wait_until};

const KEYS: usize = 30_000;

/// Keys of more than 30 MB together.
fn fill(client: &mut Client) {
    assert_eq!(client.run(&format!("DEBUG POPULATE {KEYS} key 1000")), ok());
}

/// Overwrites all of them.
fn overwrite(client: &mut Client) {
    let value = "v".repeat(1000);
    for first in (0..KEYS).step_by(1000) {
        let keys = first..first + 1000;
        client.send(
            &keys.clone().flat_map(|at| encode_command(&["SET", &format!("key:{at}"), &value])).collect::<Vec<_>>(),
        );
        keys.for_each(|_| assert_eq!(client.read(), ok()));
    }
}

fn latest(client: &mut Client, field: &str) -> Value {
    client.run("SNAPSHOT LATEST").field(field).clone()
}

#[test]
fn a_snapshot_that_takes_more_memory_than_it_may_is_given_up_and_the_old_dump_stays() {
    if against_redis() {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    client.transcript("> SET key old\n+OK\n> SAVE\n+OK");
    let old = fs::read(server.dump_path()).expect("the dump");
    fill(&mut client);
    client.transcript("> CONFIG SET snapshot-memory-limit 16mb rdb-key-save-delay 1000\n+OK");
    server.start_background_save();
    let child = server.wait_for_child();
    wait_until("the limit is known", 30, || server.info_number("persistence", "current_extra_limit_bytes") == 16 << 20);
    overwrite(&mut client);
    server.wait_for_save_end();
    assert!(!is_alive(child));
    assert_eq!(latest(&mut client, "outcome").text(), "failed");
    assert_eq!(latest(&mut client, "failed_step").text(), "memory-limit");
    let error = latest(&mut client, "error").text();
    assert!(error.contains("'snapshot-memory-limit' allows 16777216"), "{error}");
    assert!(latest(&mut client, "peak_extra_bytes").integer() >= 16 << 20);
    let reported = server.info("persistence");
    assert_eq!((&*reported["rdb_last_bgsave_status"], &reported["rdb_last_bgsave_error"]), ("err", &error));
    assert!(server.log().contains("Giving up the snapshot"), "{}", server.log());
    assert_eq!(fs::read(server.dump_path()).expect("the dump"), old);
    assert!(server.temp_files().is_empty());
    client.transcript("> CONFIG SET snapshot-memory-limit 50% rdb-key-save-delay 0\n+OK");
    server.background_save();
    assert_eq!(latest(&mut client, "outcome").text(), "saved");
    assert!(latest(&mut client, "peak_extra_bytes").integer() > 0);
}

#[test]
fn a_limit_that_is_set_while_a_child_saves_holds_for_it() {
    if against_redis() {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    fill(&mut client);
    client.run("CONFIG SET rdb-key-save-delay 1000");
    server.start_background_save();
    overwrite(&mut client);
    wait_until("the copies are counted", 30, || server.info_number("persistence", "current_extra_bytes") > 16 << 20);
    assert_eq!(server.info_field("persistence", "rdb_bgsave_in_progress"), "1");
    client.run("CONFIG SET snapshot-memory-limit 16mb");
    server.wait_for_save_end();
    assert_eq!(latest(&mut client, "failed_step").text(), "memory-limit");
}

#[test]
fn a_child_that_is_stopped_is_reported_and_then_ended_and_the_next_snapshot_comes_through() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("snapshot-stall-timeout 4\nrdb-key-save-delay 100000");
    let mut client = server.client();
    client.run("DEBUG POPULATE 1000");
    server.start_background_save();
    let child = server.wait_for_child();
    assert!(send_signal(child, Signal::SIGSTOP));
    wait_until("it is reported", 30, || server.info_field("persistence", "rdb_bgsave_stalled") == "1");
    server.wait_for_log("has made no progress for");
    server.wait_for_save_end();
    assert!(!is_alive(child));
    assert_eq!(latest(&mut client, "failed_step").text(), "stall");
    let error = latest(&mut client, "error").text();
    assert!(error.contains("'snapshot-stall-timeout'"), "{error}");
    assert_eq!(server.info_field("persistence", "rdb_last_bgsave_status"), "err");
    assert!(server.temp_files().is_empty());
    client.run("CONFIG SET rdb-key-save-delay 0");
    server.background_save();
    assert_eq!(server.info_field("persistence", "rdb_bgsave_stalled"), "0");
}

#[test]
fn a_child_that_goes_on_in_time_is_left_alone() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("snapshot-stall-timeout 20\nrdb-key-save-delay 10000");
    let mut client = server.client();
    client.run("DEBUG POPULATE 300");
    server.start_background_save();
    let child = server.wait_for_child();
    assert!(send_signal(child, Signal::SIGSTOP));
    wait_until("it is reported", 30, || server.info_field("persistence", "rdb_bgsave_stalled") == "1");
    assert!(send_signal(child, Signal::SIGCONT));
    server.wait_for_log("makes progress again");
    client.run("CONFIG SET rdb-key-save-delay 0");
    server.wait_for_save_end();
    assert_eq!(latest(&mut client, "outcome").text(), "saved");
}

#[test]
fn a_child_that_writes_slowly_is_not_stalled() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("snapshot-stall-timeout 3\nsnapshot-rate-limit 1\nrdbcompression no");
    let mut client = server.client();
    client.run("DEBUG POPULATE 8000 key 1000");
    server.start_background_save();
    server.wait_for_save_end();
    assert_eq!(latest(&mut client, "outcome").text(), "saved", "{}", server.log());
    assert!(latest(&mut client, "duration_us").integer() > 6_000_000, "it takes twice the time that it may do nothing");
    assert!(!server.log().contains("no progress"), "{}", server.log());
}

#[test]
fn shutdown_waits_for_no_child_that_is_stopped() {
    if against_redis() {
        return;
    }
    for how in ["NOSAVE", "SAVE"] {
        let mut server = Server::with_config("rdb-key-save-delay 100000");
        let mut client = server.client();
        client.run("DEBUG POPULATE 1000");
        server.start_background_save();
        let child = server.wait_for_child();
        assert!(send_signal(child, Signal::SIGSTOP));
        client.run("CONFIG SET rdb-key-save-delay 0");
        client.send(&encode_command(&["SHUTDOWN", how]));
        assert!(server.wait_for_exit().success());
        wait_until("the child is gone", 30, || !is_alive(child));
        assert!(server.temp_files().is_empty(), "{how}");
        assert_eq!(server.dump_path().exists(), how == "SAVE");
    }
}

#[test]
fn a_kill_by_others_is_no_crash_of_the_child() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("rdb-key-save-delay 100000");
    let mut client = server.client();
    client.run("DEBUG POPULATE 1000");
    server.start_background_save();
    assert!(send_signal(server.wait_for_child(), Signal::SIGKILL));
    server.wait_for_save_end();
    let error = latest(&mut client, "error").text();
    let says_who = error.contains("signal 9, and not by this server") || error.contains("for want of memory");
    assert!(says_who, "another process of the same control group may have been killed for memory: {error}");
    assert_eq!(latest(&mut client, "failed_step").text(), "killed");
}

/// A control group whose processes do not run, and do not even die of SIGKILL, as one does not that waits for a disk.
struct Freezer(PathBuf);

impl Freezer {
    /// None where there are no such groups, or they are not ours to make.
    fn new() -> Option<Self> {
        let path = Path::new("/sys/fs/cgroup/freezer").join(format!("copal-test-{}", std::process::id()));
        fs::create_dir(&path).ok()?;
        path.join("freezer.state").exists().then_some(Self(path))
    }

    /// Freezes all threads of a process.
    fn freeze(&self, pid: u32) {
        fs::write(self.0.join("cgroup.procs"), pid.to_string()).expect("a process moves");
        fs::write(self.0.join("freezer.state"), "FROZEN").expect("it freezes");
        wait_until("it is frozen", 30, || {
            fs::read_to_string(self.0.join("freezer.state")).is_ok_and(|state| state.trim() == "FROZEN")
        });
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("freezer.state"), "THAWED");
        // Those that were killed meanwhile end now.
        for _ in 0..100 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn a_child_that_cannot_be_killed_holds_up_neither_the_next_snapshot_nor_the_end_of_the_server() {
    if against_redis() {
        return;
    }
    let Some(freezer) = Freezer::new() else {
        eprintln!("not tested here: no control group can be made that freezes processes");
        return;
    };
    let mut server = Server::with_config("snapshot-stall-timeout 2\nrdb-key-save-delay 100000");
    let mut client = server.client();
    client.run("DEBUG POPULATE 1000");
    server.start_background_save();
    let child = server.wait_for_child();
    wait_until("it has a temp file", 30, || !server.temp_files().is_empty());
    freezer.freeze(child);
    server.wait_for_save_end();
    assert!(is_alive(child), "it does not die");
    assert_eq!(latest(&mut client, "failed_step").text(), "stall");
    assert!(server.log().contains("does not end: nobody waits for it"), "{}", server.log());
    assert!(server.temp_files().is_empty(), "its temp file was taken away");
    client.run("CONFIG SET rdb-key-save-delay 0");
    server.background_save();
    assert_eq!(latest(&mut client, "outcome").text(), "saved");
    client.send(&encode_command(&["SHUTDOWN"]));
    assert!(server.wait_for_exit().success());
}
