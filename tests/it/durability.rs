//! Faults of the disk, older snapshots and the way back to them, and children that must not stay behind.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::support::{
    Client, Server, Setup, against_redis, bulk, encode_command, err, int, is_alive, ok, send_signal, simple, wait_until,
};

/// A child that takes long enough to be met: 1,000 keys at 10 ms each.
const SLOW: &str = "rdb-key-save-delay 10000";

/// The kept snapshots in the data folder, the oldest first.
fn generations(server: &Server) -> Vec<String> {
    server.data_files().into_keys().filter(|name| name.starts_with("dump-")).collect()
}

/// Saves once for each of the texts, as the value of `key`.
fn save_each(client: &mut Client, texts: &[&str]) {
    for text in texts {
        client.cmd(&["SET", "key", text]);
        assert_eq!(client.run("SAVE"), ok());
    }
}

/// What `key` is in a dump.
fn key_of(dump: Vec<u8>) -> String {
    Setup::new().file("dump.rdb", dump).start().client().run("GET key").text()
}

/// Changes a byte in the middle of a file.
fn damage(path: &Path) {
    let mut bytes = fs::read(path).expect("the file");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0xFF;
    fs::remove_file(path).expect("the file goes");
    fs::write(path, bytes).expect("the file");
}

/// A failed save in each of its two ways: what it says, and that it leaves the dump and no litter.
#[track_caller]
fn fails_with(server: &Server, reason: &str) {
    let mut client = server.client();
    let last_save = client.run("LASTSAVE");
    // Refused at once, or by the process that saves.
    client.run("BGSAVE");
    server.wait_for_save_end();
    let reported = server.info("persistence");
    assert_eq!(reported["rdb_last_bgsave_status"], "err");
    assert_eq!(client.run("LASTSAVE"), last_save);
    assert!(reported["rdb_last_bgsave_error"].contains(reason), "{}", reported["rdb_last_bgsave_error"]);
    assert_ne!(reported["rdb_changes_since_last_save"], "0", "what was not saved is still counted");
    let reply = client.run("SAVE");
    assert!(reply.is_error() && reply.text().contains(reason), "{reply:?}");
    assert!(client.run("SET key refused").text().starts_with("MISCONF"));
}

/// Saves work again, and writes with them.
#[track_caller]
fn is_well_again(server: &Server) {
    server.background_save();
    assert_eq!(server.info_field("persistence", "rdb_last_bgsave_error"), "");
    let mut client = server.client();
    assert_eq!(client.run("SET key new"), ok());
    assert_eq!(client.run("SAVE"), ok());
}

fn mount(arguments: &[&str], folder: &Path) -> bool {
    Command::new("mount").args(arguments).arg(folder).output().is_ok_and(|output| output.status.success())
}

/// Unmounts when dropped.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn tmpfs() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        mount(&["-t", "tmpfs", "-o", "size=2m", "tmpfs"], folder.path()).then_some(Self(folder))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Should this fail, the folder's own removal tells of it by failing too.
        drop(Command::new("umount").arg("-l").arg(self.0.path()).output());
    }
}

#[test]
fn directory_that_may_only_be_read_fails_the_save_until_it_may_be_written() {
    if against_redis() {
        return;
    }
    let Some(disk) = Mounted::tmpfs() else {
        eprintln!("skipped: mounting a small tmpfs is not permitted here");
        return;
    };
    let server = Setup::new().data_dir(disk.0.path()).config("save 10000 1").start();
    save_each(&mut server.client(), &["old"]);
    server.client().run("SET key unsaved");
    assert!(mount(&["-o", "remount,ro"], disk.0.path()), "a tmpfs of ours can be remounted");
    fails_with(&server, "cannot create temp-");
    fails_with(&server, "Read-only file system");
    assert_eq!(key_of(fs::read(server.dump_path()).expect("the dump")), "old");
    assert!(mount(&["-o", "remount,rw"], disk.0.path()), "a tmpfs of ours can be remounted");
    assert!(server.temp_files().is_empty());
    is_well_again(&server);
}

#[test]
fn removed_directory_fails_the_save_until_the_server_has_another() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("save 10000 1");
    let mut client = server.client();
    save_each(&mut client, &["old"]);
    client.run("SET key unsaved");
    fs::remove_dir_all(server.data_dir()).expect("the folder goes");
    fails_with(&server, "No such file or directory");
    fs::create_dir(server.data_dir()).expect("a folder");
    // A new folder under the old name is another folder.
    fails_with(&server, "No such file or directory");
    let path = server.data_dir().to_str().expect("a plain path");
    assert_eq!(client.cmd(&["CONFIG", "SET", "dir", path]), ok());
    is_well_again(&server);
}

#[test]
fn limit_of_the_files_size_fails_the_save_and_ends_nobody() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("save 10000 1\nrdbcompression no");
    let mut client = server.client();
    save_each(&mut client, &["old"]);
    let old = fs::read(server.dump_path()).expect("the dump");
    client.run("DEBUG POPULATE 20000 big 200");
    client.run("SET another value");
    let limit = |bytes: &str| {
        let limit = format!("--fsize={bytes}");
        let output = Command::new("prlimit").args(["--pid", &server.pid().to_string(), &limit]).output().ok()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Some(())
    };
    if limit("1000000:unlimited").is_none() {
        eprintln!("skipped: there is no prlimit here");
        return;
    }
    fails_with(&server, "File too large");
    assert_eq!(fs::read(server.dump_path()).expect("the dump"), old);
    assert!(server.temp_files().is_empty(), "{:?}", server.temp_files());
    limit("unlimited:unlimited").expect("it was there a moment ago");
    is_well_again(&server);
}

#[test]
fn folder_in_the_place_of_the_dump_fails_the_save_with_generations_too() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("save 10000 1\nsnapshot-keep 2");
    server.client().run("SET key value");
    fs::create_dir(server.dump_path()).expect("a folder");
    fails_with(&server, "dump.rdb is a directory, which a dump does not replace");
    assert!(server.data_files().is_empty(), "{:?}", server.data_files().keys());
    fs::remove_dir(server.dump_path()).expect("the folder goes");
    is_well_again(&server);
}

#[test]
fn older_snapshots_are_kept_as_many_as_are_wanted() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("snapshot-keep 2");
    let mut client = server.client();
    save_each(&mut client, &["1", "2", "3", "4"]);
    client.run("SET key 5");
    server.background_save();
    let kept: Vec<_> = generations(&server).iter().map(|name| key_of(server.data_files()[name].clone())).collect();
    assert_eq!(kept, ["3", "4"]);
    assert_eq!(key_of(fs::read(server.dump_path()).expect("the dump")), "5");
    assert_eq!(client.run("CONFIG SET snapshot-keep 1"), ok());
    save_each(&mut client, &["6"]);
    let kept: Vec<_> = generations(&server).iter().map(|name| key_of(server.data_files()[name].clone())).collect();
    assert_eq!(kept, ["5"]);
    assert_eq!(client.run("CONFIG SET snapshot-keep 0"), ok());
    save_each(&mut client, &["7", "8"]);
    assert_eq!(generations(&server).len(), 1, "none is kept, and none is removed");
}

#[test]
fn saves_of_the_same_data_keep_the_older_snapshots() {
    if against_redis() {
        return;
    }
    let mut server = Server::with_config("save 3600 1\nsnapshot-keep 2");
    save_each(&mut server.client(), &["1", "2", "3"]);
    let before = generations(&server);
    // Idle restarts, with the last save that a signal asks for.
    for _ in 0..3 {
        server.signal(Signal::SIGTERM);
        assert!(server.wait_for_exit().success());
        server.start_again();
        assert_eq!(generations(&server), before);
    }
    // Whatever was done on the way, what counts is what the data have come to; and that is so after a restart too,
    // in which keys and elements come in another order.
    let mut client = server.client();
    client.run("SADD set a b c d e");
    client.run("XADD stream 1-1 field value");
    client.run("HSET hash a 1 b 2 c 3");
    for number in 0..200 {
        client.run(&format!("SADD large member:{number}"));
    }
    assert_eq!(client.run("SAVE"), ok());
    let before = generations(&server);
    for _ in 0..3 {
        server.kill_and_start_again();
        let mut client = server.client();
        client.transcript("> SET key other\n+OK\n> SET key 3\n+OK\n> SREM set a\n:1\n> SADD set a\n:1");
        assert_eq!(client.run("SAVE"), ok());
        server.background_save();
        assert_eq!(generations(&server), before);
    }
    // What a consumer group knows is data, and so is a time to live.
    let mut client = server.client();
    for change in ["XGROUP CREATE stream group $", "EXPIRE key 1000", "XGROUP SETID stream group 0"] {
        let before = generations(&server);
        assert!(!client.run(change).is_error());
        assert_eq!(client.run("SAVE"), ok());
        assert_ne!(generations(&server), before, "{change}");
    }
}

#[test]
fn dump_that_somebody_has_put_there_is_kept_though_nothing_was_changed_here() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("snapshot-keep 2");
    save_each(&mut server.client(), &["1"]);
    let other = Setup::new().start();
    save_each(&mut other.client(), &["from elsewhere"]);
    fs::copy(other.dump_path(), server.dump_path()).expect("a copy");
    assert_eq!(server.client().run("SAVE"), ok());
    let kept: Vec<_> = generations(&server).iter().map(|name| key_of(server.data_files()[name].clone())).collect();
    assert_eq!(kept, ["from elsewhere"]);
}

#[test]
fn start_in_a_directory_that_cannot_be_written_says_so() {
    if against_redis() {
        return;
    }
    let Some(disk) = Mounted::tmpfs() else {
        eprintln!("skipped: mounting a small tmpfs is not permitted here");
        return;
    };
    let mut server = Setup::new().data_dir(disk.0.path()).start();
    assert!(!server.log().contains("no snapshot can be saved"), "{}", server.log());
    save_each(&mut server.client(), &["old"]);
    server.kill();
    assert!(mount(&["-o", "remount,ro"], disk.0.path()), "a tmpfs of ours can be remounted");
    server.start_again();
    assert_eq!(server.client().run("GET key"), bulk("old"));
    assert!(server.log().contains("WARNING: no snapshot can be saved in the directory"), "{}", server.log());
    assert!(server.log().contains("Read-only file system"), "{}", server.log());
    assert!(mount(&["-o", "remount,rw"], disk.0.path()), "a tmpfs of ours can be remounted");
}

#[test]
fn failed_save_keeps_no_generation_of_a_dump_that_stays() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("snapshot-keep 2");
    let mut client = server.client();
    save_each(&mut client, &["1", "2"]);
    let before = server.data_files();
    client.run(&format!("CONFIG SET {SLOW}"));
    client.run("DEBUG POPULATE 1000");
    server.start_background_save();
    send_signal(server.wait_for_child(), Signal::SIGKILL);
    server.wait_for_save_end();
    assert_eq!(server.data_files(), before);
}

#[test]
fn start_with_a_damaged_dump_names_the_snapshot_that_is_whole_and_how_to_use_it() {
    if against_redis() {
        return;
    }
    let mut server = Server::with_config("snapshot-keep 3");
    save_each(&mut server.client(), &["1", "2", "3", "4"]);
    let kept = generations(&server);
    server.kill();
    damage(&server.dump_path());
    damage(&server.data_dir().join(&kept[2]));
    let before = server.data_files();
    let refused = server.start_again_refused();
    assert!(!refused.status.success());
    assert_eq!(refused.files, before, "nothing is touched");
    let log = refused.log;
    assert!(log.contains("Fatal error loading the DB"), "{log}");
    assert!(log.contains(&format!("{} is whole: 1 key, ", kept[1])), "{log}");
    assert!(log.contains("`--snapshot-fallback yes`") && log.contains("`snapshot-fallback yes`"), "{log}");
    // What it says is what helps.
    let line = log.split("do it by hand: `").nth(1).and_then(|rest| rest.split('`').next()).expect("a command line");
    let status = Command::new("sh").args(["-c", line]).status().expect("a shell");
    assert!(status.success(), "{line}");
    server.start_again();
    assert_eq!(server.client().run("GET key"), bulk("2"));
    assert!(server.data_files().contains_key("dump.rdb.damaged"));
}

#[test]
fn start_without_any_whole_snapshot_says_so() {
    if against_redis() {
        return;
    }
    for fallback in ["no", "yes"] {
        let mut server = Server::with_config(&format!("snapshot-keep 2\nsnapshot-fallback {fallback}"));
        save_each(&mut server.client(), &["1", "2", "3"]);
        server.kill();
        for name in server.data_files().into_keys() {
            damage(&server.data_dir().join(name));
        }
        let before = server.data_files();
        let refused = server.start_again_refused();
        assert!(refused.log.contains("None of the 2 kept snapshots is whole"), "{}", refused.log);
        assert!(refused.log.contains("dump.rdb: "), "the fault of the dump itself: {}", refused.log);
        assert_eq!(refused.files, before);
    }
}

#[test]
fn fallback_loads_the_newest_whole_snapshot_and_makes_it_the_dump() {
    if against_redis() {
        return;
    }
    let mut server = Server::with_config("snapshot-keep 3\nsnapshot-fallback yes");
    save_each(&mut server.client(), &["1", "2", "3", "4"]);
    let kept = generations(&server);
    server.kill();
    damage(&server.dump_path());
    let damaged = fs::read(server.dump_path()).expect("the dump");
    // Damaged in its header, in its middle and cut to nothing: none stops the search.
    fs::write(server.data_dir().join(&kept[2]), "").expect("a file");
    server.start_again();
    assert_eq!(server.client().run("GET key"), bulk("2"));
    server.wait_for_log(&format!("Loaded the kept snapshot {} in the place of the damaged dump", kept[1]));
    assert_eq!(server.data_files()["dump.rdb.damaged"], damaged);
    assert!(server.temp_files().is_empty());
    // Without the setting too, the next start finds a whole dump; and saves go on from there.
    server.kill();
    server.set_config("snapshot-keep 3");
    server.start_again();
    assert_eq!(server.client().run("GET key"), bulk("2"));
    save_each(&mut server.client(), &["5", "6"]);
    let whole = |name: &String| {
        let refused = Setup::new().file("dump.rdb", server.data_files()[name].clone());
        refused.start().client().run("GET key").text()
    };
    let kept = generations(&server);
    assert_eq!(kept.len(), 3);
    assert_eq!(whole(&kept[2]), "5");
}

#[test]
fn fallback_is_for_damage_only() {
    if against_redis() {
        return;
    }
    let mut server = Server::with_config("snapshot-keep 1\nsnapshot-fallback yes");
    save_each(&mut server.client(), &["1", "2"]);
    server.kill();
    // A dump of a version to come is whole: going back behind it would lose data for nothing.
    let mut bytes = fs::read(server.dump_path()).expect("the dump");
    bytes[5..9].copy_from_slice(b"0099");
    fs::write(server.dump_path(), &bytes).expect("the dump");
    let refused = server.start_again_refused();
    assert!(refused.log.contains("unsupported RDB version 99"), "{}", refused.log);
    assert_eq!(fs::read(server.dump_path()).expect("the dump"), bytes);
    // And where there is no dump, somebody has taken it away.
    fs::remove_file(server.dump_path()).expect("the dump");
    server.start_again();
    assert_eq!(server.client().run("DBSIZE"), int(0));
    assert!(server.log().contains("There is no dump.rdb, so the server starts empty"), "{}", server.log());
}

#[test]
fn background_save_is_cancelled_by_command() {
    if against_redis() {
        return;
    }
    let server = Server::with_config(&format!("save 10000 1\n{SLOW}"));
    let mut client = server.client();
    client.transcript("> CONFIG SET rdb-key-save-delay 0\n+OK\n> SET key old\n+OK\n> SAVE\n+OK");
    client.transcript("> CONFIG SET rdb-key-save-delay 10000\n+OK\n> DEBUG POPULATE 1000\n+OK");
    client.transcript("> MSET key newer other newer\n+OK");
    let nothing = err("ERR Background saving is currently not in progress or scheduled");
    assert_eq!(client.run("BGSAVE CANCEL"), nothing);
    let old = fs::read(server.dump_path()).expect("the dump");
    let last_save = client.run("LASTSAVE");
    server.start_background_save();
    let child = server.wait_for_child();
    assert_eq!(client.run("bgsave cancel"), simple("Background saving cancelled"));
    wait_until("the child has ended", 15, || !is_alive(child));
    server.wait_for_save_end();
    assert_eq!(client.run("BGSAVE CANCEL"), nothing);
    assert_eq!(server.data_files().keys().collect::<Vec<_>>(), ["dump.rdb"]);
    assert_eq!(fs::read(server.dump_path()).expect("the dump"), old);
    // That was no failure: writes go on, and nothing counts as saved.
    let reported = server.info("persistence");
    assert_eq!((&*reported["rdb_last_bgsave_status"], &*reported["rdb_changes_since_last_save"]), ("ok", "2"));
    assert_eq!(client.run("LASTSAVE"), last_save);
    assert_eq!(client.run("SET key new"), ok());
    client.run("CONFIG SET rdb-key-save-delay 0");
    server.background_save();
}

#[test]
fn scheduled_save_is_cancelled_by_command() {
    if against_redis() {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    client.transcript(
        r#"
        > MULTI
        +OK
        > BGSAVE
        +QUEUED
        > BGSAVE CANCEL
        +QUEUED
        > BGSAVE CANCEL
        +QUEUED
        > EXEC
        [+Background saving scheduled, +Scheduled background saving cancelled, -ERR Background saving is currently not in progress or scheduled]
        > BGSAVE NONSENSE
        -ERR syntax error
        > BGSAVE CANCEL SCHEDULE
        -ERR syntax error
        "#,
    );
    std::thread::sleep(Duration::from_millis(500));
    assert!(server.data_files().is_empty());
}

#[test]
fn reload_ends_a_child_whose_dump_would_take_the_place_of_the_newer_one() {
    if against_redis() {
        return;
    }
    let server = Server::with_config(SLOW);
    let mut client = server.client();
    client.run("DEBUG POPULATE 1000");
    server.start_background_save();
    let child = server.wait_for_child();
    client.transcript("> CONFIG SET rdb-key-save-delay 0\n+OK\n> SET key new\n+OK\n> DEBUG RELOAD\n+OK");
    assert!(!is_alive(child));
    assert_eq!(server.data_files().keys().collect::<Vec<_>>(), ["dump.rdb"]);
    assert_eq!(key_of(fs::read(server.dump_path()).expect("the dump")), "new");
    assert_eq!(server.info_field("persistence", "rdb_bgsave_in_progress"), "0");
}

#[test]
fn killed_parent_takes_its_child_along() {
    for round in 0..5 {
        let mut server = Server::with_config(SLOW);
        let mut client = server.client();
        client.run("DEBUG POPULATE 1000");
        server.start_background_save();
        let children = server.child_pids();
        // The first round meets the child as early as can be.
        std::thread::sleep(Duration::from_millis(round * 20));
        server.kill();
        for child in children {
            wait_until("the child has ended", 15, || !is_alive(child));
        }
        // Nobody holds the port or the folder any more.
        server.start_again();
        assert!(server.temp_files().is_empty());
        assert_eq!(server.client().run("DBSIZE"), int(0));
    }
}

#[test]
fn server_that_moves_while_its_child_saves_leaves_no_litter_behind() {
    if against_redis() {
        return;
    }
    let server = Server::with_config(SLOW);
    let mut client = server.client();
    client.run("DEBUG POPULATE 1000");
    let other = tempfile::tempdir().expect("a folder");
    for signal in [Signal::SIGKILL, Signal::SIGUSR1] {
        let path = server.data_dir().to_str().expect("a plain path");
        assert_eq!(client.cmd(&["CONFIG", "SET", "dir", path]), ok());
        server.start_background_save();
        let child = server.wait_for_child();
        wait_until("the child has its temp file", 15, || !server.temp_files().is_empty());
        assert_eq!(client.cmd(&["CONFIG", "SET", "dir", other.path().to_str().expect("a plain path")]), ok());
        send_signal(child, signal);
        server.wait_for_save_end();
        assert!(server.data_files().is_empty(), "{:?}", server.data_files().keys());
    }
    assert_eq!(server.info_field("persistence", "rdb_last_bgsave_status"), "err");
}

#[test]
fn child_holds_none_of_the_servers_sockets() {
    let mut server = Server::with_config(SLOW);
    let mut client = server.client();
    client.run("DEBUG POPULATE 1000");
    server.start_background_save();
    let child = server.wait_for_child();
    if !against_redis() {
        wait_until("the child has settled in", 15, || {
            let open = fs::read_dir(format!("/proc/{child}/fd")).expect("the child lives");
            let targets = open.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
            !targets.into_iter().any(|target| target.to_string_lossy().starts_with("socket:"))
        });
    }
    // A connection that the server closes is closed, whatever the child does.
    client.send(&encode_command(&["QUIT"]));
    assert!(client.is_closed_within(Duration::from_secs(10)));
    server.kill();
}
