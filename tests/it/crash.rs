//! Death at any moment: the file on disk is the old snapshot or the new one.

use std::fs;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{Client, Server, Setup, against_redis, bulk, encode_command, int, ok, send_signal, wait_until};

const ROUNDS: u64 = 15;
const FILLERS: u64 = 2000;

/// Moments spread over the life of a short save, different in each round.
fn moment(round: u64) -> Duration {
    Duration::from_micros(round.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20 & 0x7fff)
}

/// Writes a whole generation: afterwards every filler and the mark tell its number.
fn write_generation(client: &mut Client, generation: u64) {
    let text = generation.to_string();
    let mut bytes = Vec::new();
    for at in 0..FILLERS {
        bytes.extend(encode_command(&["SET", &format!("filler:{at}"), &format!("{text}:{}", "x".repeat(100))]));
    }
    bytes.extend(encode_command(&["SET", "generation", &text]));
    client.send(&bytes);
    for _ in 0..=FILLERS {
        assert_eq!(client.read(), ok());
    }
}

/// Reads the generation, and checks that the whole data set is of it.
#[track_caller]
fn read_generation(client: &mut Client) -> u64 {
    let text = client.run("GET generation").text();
    for at in (0..FILLERS).step_by(37) {
        let filler = client.cmd(&["GET", &format!("filler:{at}")]).text();
        assert!(filler.starts_with(&format!("{text}:")), "a mixture of generations: {text} and {filler}");
    }
    assert_eq!(client.run("DBSIZE"), int(i64::try_from(FILLERS + 1).expect("small")));
    text.parse().expect("a number")
}

#[test]
fn killed_parent_leaves_the_old_file_or_the_new_one() {
    let mut server = Server::start();
    write_generation(&mut server.client(), 0);
    server.background_save();
    let mut saved = 0;
    for round in 1..=ROUNDS {
        write_generation(&mut server.client(), round);
        server.start_background_save();
        std::thread::sleep(moment(round));
        let children = server.child_pids();
        server.kill();
        // Whether the child dies with its parent or finishes alone is the server's choice, but it must not stay.
        for child in children {
            wait_until("the orphan has ended", 30, || !crate::support::is_alive(child));
        }
        server.start_again();
        let found = read_generation(&mut server.client());
        assert!(found == saved || found == round, "round {round}: {found}, last saved {saved}");
        saved = found;
        if !against_redis() {
            let left = server.unfinished_temp_files();
            assert!(left.is_empty(), "round {round}: stale temp files are removed at start: {left:?}");
        }
    }
}

#[test]
fn killed_parent_during_a_foreground_save_leaves_the_old_file_or_the_new_one() {
    let mut server = Server::start();
    write_generation(&mut server.client(), 0);
    assert_eq!(server.client().run("SAVE"), ok());
    let mut saved = 0;
    for round in 1..=ROUNDS {
        let mut client = server.client();
        write_generation(&mut client, round);
        client.send(&encode_command(&["SAVE"]));
        std::thread::sleep(moment(round) / 4);
        server.kill();
        server.start_again();
        let found = read_generation(&mut server.client());
        assert!(found == saved || found == round, "round {round}: {found}, last saved {saved}");
        saved = found;
    }
}

#[test]
fn killed_child_leaves_the_old_file_or_the_new_one() {
    let server = Server::start();
    let mut client = server.client();
    write_generation(&mut client, 0);
    server.background_save();
    let mut saved = 0;
    for round in 1..=ROUNDS {
        write_generation(&mut client, round);
        server.start_background_save();
        let children = server.child_pids();
        std::thread::sleep(moment(round) / 2);
        for child in children {
            send_signal(child, Signal::SIGKILL);
        }
        server.wait_for_save_end();
        assert!(server.temp_files().is_empty(), "round {round}: {:?}", server.temp_files());
        let copy = Setup::new().file("dump.rdb", fs::read(server.dump_path()).expect("the dump")).start();
        let found = read_generation(&mut copy.client());
        assert!(found == saved || found == round, "round {round}: {found}, last saved {saved}");
        let status = server.info_field("persistence", "rdb_last_bgsave_status");
        // Killed behind the rename, the child has failed and the new file is there.
        assert!(status == "err" || found == round, "round {round}: {status} with {found}");
        saved = found;
    }
    server.background_save();
}

/// A file system of its own that is too small; unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(folder.path())
            .output()
            .is_ok_and(|output| output.status.success());
        mounted.then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Should this fail, the folder's own removal tells of it by failing too.
        drop(Command::new("umount").arg(self.0.path()).output());
    }
}

#[test]
fn a_full_disk_keeps_the_previous_dump_and_is_told() {
    let Some(disk) = SmallDisk::mount() else {
        eprintln!("skipped: mounting a small tmpfs is not permitted here");
        return;
    };
    let server = Setup::new().data_dir(disk.0.path()).config("save 10000 1\nrdbcompression no").start();
    let mut client = server.client();
    client.transcript("> SET key old\n+OK\n> SAVE\n+OK");
    let old = fs::read(server.dump_path()).expect("the dump");
    client.run("DEBUG POPULATE 20000 big 200");
    for command in ["BGSAVE", "SAVE"] {
        if command == "SAVE" {
            assert!(client.run("SAVE").is_error());
        } else {
            server.start_background_save();
            server.wait_for_save_end();
            assert_eq!(server.info_field("persistence", "rdb_last_bgsave_status"), "err");
            if !against_redis() {
                let reason = server.info_field("persistence", "rdb_last_bgsave_error");
                assert!(reason.contains("No space left on device"), "{reason}");
            }
        }
        assert!(server.log().contains("No space left on device"), "{}", server.log());
        assert!(server.temp_files().is_empty(), "{command}: the disk is given back");
        assert_eq!(fs::read(server.dump_path()).expect("the dump"), old, "{command}");
    }
    assert!(client.run("SET key new").text().starts_with("MISCONF"));
    assert_eq!(client.run("CONFIG SET stop-writes-on-bgsave-error no"), ok());
    assert_eq!(client.run("FLUSHDB ASYNC").text(), "OK");
    client.run("SET key new");
    server.background_save();
    let copy = Setup::new().file("dump.rdb", fs::read(server.dump_path()).expect("the dump")).start();
    assert_eq!(copy.client().run("GET key"), bulk("new"));
}
