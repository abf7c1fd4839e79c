//! Snapshots: SAVE, BGSAVE, save points, failures and what clients are answered, and the end of the server.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;

use crate::support::{
    Client, Confinement, Server, Setup, Value, against_redis, bulk, encode_command, err, int, is_alive, ok,
    send_signal, simple, wait_until,
};

const MISCONF: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
                       Commands that may modify the data set are disabled, because this instance is configured to \
                       report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). \
                       Please check the Redis logs for details about the RDB error.";

/// A child that takes long enough to be met: 1,000 keys at 10 ms each.
const SLOW: &str = "rdb-key-save-delay 10000";

/// Strings of every shape, in several databases, some with an expiry.
fn fill(client: &mut Client) {
    for at in 0..300usize {
        client.cmd(&["SET", &format!("text:{at}"), &"ab".repeat(at)]);
        client.cmd(&["SET", &format!("number:{at}"), &(at * at * at * 1_000_003).to_string()]);
    }
    for number in
        ["0", "-1", "127", "-128", "128", "32767", "32768", "-2147483648", "2147483648", "9223372036854775807"]
    {
        client.cmd(&["SET", &format!("edge:{number}"), number]);
    }
    let random: Vec<u8> = (0..100_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24).to_le_bytes()[0]).collect();
    client.cmd(&[b"SET".as_slice(), b"random", &random]);
    client.cmd(&["SET", "compressible", &"the same again and again; ".repeat(10_000)]);
    client.cmd(&[b"SET".as_slice(), b"\x00\xffbinary\r\n", b"\x00\x01\xfe\xff"]);
    client.cmd(&["SET", "", ""]);
    client.transcript("> SET expiring v EX 5000\n+OK\n> SET late v PXAT 4000000000123\n+OK\n> SELECT 9\n+OK");
    client.transcript("> MSET a 1 b 2\n+OK\n> EXPIRE a 5000\n:1\n> SELECT 15\n+OK\n> SET last x\n+OK\n> SELECT 0\n+OK");
}

#[test]
fn save_and_background_save_bring_everything_back() {
    for background in [false, true] {
        let mut server = Server::start();
        fill(&mut server.client());
        let before = server.digest();
        if background {
            server.background_save();
        } else {
            assert_eq!(server.client().run("SAVE"), ok());
        }
        assert_eq!(server.data_files().keys().collect::<Vec<_>>(), ["dump.rdb"], "no temp file stays");
        server.kill_and_start_again();
        assert_eq!(server.digest(), before);
        let mut client = server.client();
        assert_eq!(client.run("PEXPIRETIME late"), int(4_000_000_000_123));
        assert_eq!(client.run("DBSIZE"), int(616));
    }
}

#[test]
fn the_file_is_laid_out_as_redis_lays_it_out() {
    let server = Server::start();
    let mut client = server.client();
    client.transcript("> SET key value EX 1000\n+OK\n> SET number 12345\n+OK\n> SAVE\n+OK");
    let bytes = fs::read(server.dump_path()).expect("the dump");
    assert!(bytes.starts_with(b"REDIS00"));
    let version: u32 = String::from_utf8_lossy(&bytes[5..9]).parse().expect("a version");
    assert!((9..=11).contains(&version), "version {version}");
    let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(has(b"\xfa\x09redis-ver\x05") || has(b"\xfa\x09redis-ver\x06"), "the version of the writer");
    assert!(has(b"\xfa\x0aredis-bits\xc0\x40"));
    assert!(has(b"\xfa\x05ctime"));
    assert!(has(b"\xfa\x08used-mem"));
    assert!(has(b"\xfe\x00\xfb\x02\x01"), "SELECTDB 0 and RESIZEDB 2 1");
    assert!(has(b"\x00\x03key\x05value"));
    assert!(has(b"\x00\x06number\xc1\x39\x30"), "a 16-bit integer");
    let body = bytes.len() - 8;
    assert_eq!(bytes[body - 1], 0xff);
    assert_eq!(bytes[body..], crc64::crc64(0, &bytes[..body]).to_le_bytes());
    let server = Server::with_config("rdbchecksum no");
    server.client().transcript("> SET key value\n+OK\n> SAVE\n+OK");
    let bytes = fs::read(server.dump_path()).expect("the dump");
    assert_eq!(bytes[bytes.len() - 8..], [0; 8], "without a checksum there are zeros");
}

#[test]
fn compression_can_be_switched_off() {
    let server = Server::start();
    let mut client = server.client();
    client.cmd(&["SET", "key", &"again ".repeat(10_000)]);
    client.run("SAVE");
    let small = fs::metadata(server.dump_path()).expect("the dump").len();
    client.transcript("> CONFIG SET rdbcompression no\n+OK\n> SAVE\n+OK");
    let large = fs::metadata(server.dump_path()).expect("the dump").len();
    assert!(small < 5_000 && large > 60_000, "{small} and {large} bytes");
    let before = server.digest();
    assert_eq!(client.run("DEBUG RELOAD NOSAVE"), ok());
    assert_eq!(server.digest(), before);
}

#[test]
fn the_file_goes_where_the_settings_say() {
    let server = Server::start();
    let mut client = server.client();
    let other = tempfile::tempdir().expect("a folder");
    client.run("SET key value");
    let settings = ["CONFIG", "SET", "dir", other.path().to_str().expect("a plain path"), "dbfilename", "other.rdb"];
    assert_eq!(client.cmd(&settings), ok());
    server.background_save();
    assert!(other.path().join("other.rdb").is_file());
    assert!(server.data_files().is_empty());
}

#[test]
fn info_follows_the_life_of_a_background_save() {
    let server = Server::with_config(SLOW);
    let mut client = server.client();
    client.run("DEBUG POPULATE 1000");
    client.run("CONFIG RESETSTAT");
    let last_save = client.run("LASTSAVE").integer();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    assert!(now.abs_diff(last_save.cast_unsigned()) < 60, "the start counts as a save");
    client.run("SET changed 1");
    let before = server.info("persistence");
    assert_eq!(before["rdb_bgsave_in_progress"], "0");
    assert_eq!(before["rdb_current_bgsave_time_sec"], "-1");
    assert_eq!(before["rdb_last_bgsave_time_sec"], "-1");
    let changes: i64 = before["rdb_changes_since_last_save"].parse().expect("a count");
    assert!(changes >= 1);

    server.start_background_save();
    assert_eq!(server.wait_for_child(), server.child_pids()[0]);
    let during = server.info("persistence");
    assert_eq!(during["rdb_bgsave_in_progress"], "1");
    assert_eq!(during["current_save_keys_total"], "1001");
    assert!(during["rdb_current_bgsave_time_sec"].parse::<i64>().expect("seconds") >= 0);
    wait_until("the child reports progress", 30, || {
        server.info_number("persistence", "current_save_keys_processed") > 0
    });
    client.run("SET during 1");
    client.transcript(
        r#"
        > BGSAVE
        -ERR Background save already in progress
        > BGSAVE SCHEDULE
        -ERR Background save already in progress
        > SAVE
        -ERR Background save already in progress
        > CONFIG SET rdb-key-save-delay 0
        +OK
        "#,
    );
    server.wait_for_save_end();
    let after = server.info("persistence");
    assert_eq!(after["rdb_last_bgsave_status"], "ok");
    assert_eq!(after["rdb_changes_since_last_save"], "1", "the write during the save is still unsaved");
    assert!(after["rdb_last_bgsave_time_sec"].parse::<i64>().expect("seconds") >= 0);
    assert!(after["rdb_last_cow_size"].parse::<i64>().expect("bytes") >= 0);
    assert_eq!(after["current_save_keys_total"], "0");
    let stats = server.info("stats");
    assert_eq!(stats["total_forks"], "1");
    assert!(stats["latest_fork_usec"].parse::<i64>().expect("microseconds") > 0);
    assert!(client.run("LASTSAVE").integer() >= last_save);
    assert!(server.log().contains("Background saving started by pid"), "{}", server.log());
    assert!(server.log().contains("DB saved on disk"), "{}", server.log());
    assert!(server.log().contains("Background saving terminated with success"), "{}", server.log());
}

#[test]
fn the_snapshot_is_of_the_moment_of_the_fork() {
    let mut server = Server::with_config(SLOW);
    let mut client = server.client();
    for at in 0..500 {
        client.cmd(&["SET", &format!("key:{at}"), "before"]);
    }
    let before = server.digest();
    server.start_background_save();
    server.wait_for_child();
    for at in 0..500 {
        client.cmd(&["SET", &format!("key:{at}"), "after!"]);
        client.cmd(&["SET", &format!("new:{at}"), &"x".repeat(500)]);
        client.cmd(&["DEL", &format!("key:{}", at / 2)]);
    }
    client.run("FLUSHDB");
    server.wait_for_save_end();
    server.kill_and_start_again();
    assert_eq!(server.digest(), before);
}

#[test]
fn every_snapshot_is_a_prefix_of_the_write_history() {
    let mut server = Server::start();
    let mut client = server.client();
    client.run("DEBUG POPULATE 20000");
    let mut written = 0u32;
    let mut write = |client: &mut Client, count: u32| {
        let mut bytes = Vec::new();
        for at in written..written + count {
            bytes.extend(encode_command(&["SET", &format!("w:{at}"), &at.to_string()]));
            // A pair of counters that are equal, or the first one ahead by one.
            bytes.extend(encode_command(&["INCR", "first"]));
            bytes.extend(encode_command(&["INCR", "second"]));
        }
        client.send(&bytes);
        for _ in 0..count * 3 {
            assert!(!client.read().is_error());
        }
        written += count;
    };
    for round in 0..5 {
        write(&mut client, 500);
        server.start_background_save();
        for _ in 0..200 {
            write(&mut client, 50);
            if server.child_pids().is_empty() {
                break;
            }
        }
        server.wait_for_save_end();
        let dump = fs::read(server.dump_path()).expect("the dump");
        let copy = Setup::new().file("dump.rdb", dump).start();
        let mut reader = copy.client();
        let first: u32 = reader.run("GET first").text().parse().expect("a count");
        let second: u32 = reader.run("GET second").text().parse().expect("a count");
        assert!(first == second || first == second + 1, "round {round}: {first} and {second}");
        let keys = reader.run("KEYS w:*").items().len();
        let keys = u32::try_from(keys).expect("small");
        assert!(keys == first || keys == first + 1, "round {round}: {keys} keys, {first} counted");
        for at in 0..keys {
            assert_eq!(reader.cmd(&["GET", &format!("w:{at}")]), bulk(at.to_string()), "round {round}: w:{at}");
        }
    }
    server.kill();
}

#[test]
fn save_points_need_both_changes_and_seconds() {
    let server = Server::start();
    let mut client = server.client();
    let saves = |client: &mut Client| client.run("LASTSAVE").integer();
    let start = saves(&mut client);
    assert_eq!(client.run("CONFIG SET save \"1 3\""), ok());
    client.transcript("> SET a 1\n+OK\n> SET b 1\n+OK");
    std::thread::sleep(Duration::from_millis(2500));
    assert!(!server.dump_path().exists(), "two changes are not three");
    client.run("SET c 1");
    wait_until("the third change is saved", 15, || server.dump_path().exists());
    server.wait_for_save_end();
    wait_until("the save is counted", 15, || saves(&mut client) > start);
    assert_eq!(server.info_field("persistence", "rdb_changes_since_last_save"), "0");
    assert!(server.log().contains("3 changes in 1 seconds. Saving..."), "{}", server.log());
    // A later point of several fires too.
    fs::remove_file(server.dump_path()).expect("the dump");
    assert_eq!(client.run("CONFIG SET save \"1000 1 1 2\""), ok());
    client.transcript("> SET a 2\n+OK\n> SET b 2\n+OK");
    wait_until("the second point fires", 15, || server.dump_path().exists());
    server.wait_for_save_end();
    fs::remove_file(server.dump_path()).expect("the dump");
    assert_eq!(client.run("CONFIG SET save \"\""), ok());
    client.transcript("> SET a 2\n+OK\n> SET b 2\n+OK\n> SET c 2\n+OK");
    std::thread::sleep(Duration::from_millis(2500));
    assert!(!server.dump_path().exists(), "without save points nothing is saved");
}

#[test]
fn reads_and_failed_writes_are_no_changes() {
    let server = Server::start();
    let mut client = server.client();
    client.transcript("> MSET a 1 b x\n+OK\n> SAVE\n+OK");
    for line in
        ["GET a", "INCR b", "DEL missing", "SETNX a 2", "EXPIRE missing 1", "PERSIST a", "GETDEL missing", "TOUCH a"]
    {
        client.run(line);
    }
    assert_eq!(server.info_field("persistence", "rdb_changes_since_last_save"), "0");
    client.transcript("> DEL a b\n:2\n> MSET c 1 d 2\n+OK");
    assert_eq!(server.info_field("persistence", "rdb_changes_since_last_save"), "4");
}

/// A folder in the place of the dump: the temp file is written, and cannot be renamed.
fn block_the_dump(server: &Server) {
    fs::create_dir(server.dump_path()).expect("a folder in the dump's place");
    fs::write(server.dump_path().join("full"), "so that no rename replaces it").expect("a file");
}

fn unblock_the_dump(server: &Server) {
    fs::remove_dir_all(server.dump_path()).expect("the folder goes");
}

#[test]
fn a_failed_background_save_stops_writes_until_one_succeeds() {
    let server = Server::with_config("save 10000 1");
    let mut client = server.client();
    client.run("SET key old");
    let (mut reading, mut writing) = (server.client(), server.client());
    reading.transcript("> MULTI\n+OK\n> GET key\n+QUEUED");
    writing.transcript("> MULTI\n+OK\n> GET key\n+QUEUED\n> SET key queued\n+QUEUED");
    block_the_dump(&server);
    // Redis notices it when the dump is written, Copal before.
    client.run("BGSAVE");
    server.wait_for_save_end();
    let reported = server.info("persistence");
    assert_eq!(reported["rdb_last_bgsave_status"], "err");
    if !against_redis() {
        let reason = &reported["rdb_last_bgsave_error"];
        assert!(reason.contains("dump.rdb is a directory"), "the file and what it is: {reason}");
        assert!(server.log().contains("dump.rdb"), "{}", server.log());
    }
    assert!(server.temp_files().is_empty(), "the temp file is removed: {:?}", server.temp_files());
    assert_eq!(client.run("SET key new"), err(MISCONF));
    assert_eq!(client.run("DEL key"), err(MISCONF));
    // A primary whose disk is full is not down, and Sentinel must not take it for that.
    assert_eq!(client.run("PING"), if against_redis() { err(MISCONF) } else { simple("PONG") });
    assert_eq!(client.run("GET key"), bulk("old"));
    let aborted = format!("EXECABORT Transaction discarded because of: {MISCONF}");
    assert_eq!(writing.run("EXEC"), err(&aborted), "what was queued before is not run either");
    reading.transcript("> EXEC\n[\"old\"]");
    assert_eq!(client.run("CONFIG SET stop-writes-on-bgsave-error no"), ok());
    assert_eq!(client.run("SET key new"), ok());
    assert_eq!(client.run("CONFIG SET stop-writes-on-bgsave-error yes"), ok());
    assert_eq!(client.run("SET key new"), err(MISCONF));
    assert_eq!(client.run("CONFIG SET save \"\""), ok());
    assert_eq!(client.run("SET key new"), ok(), "without save points nobody counts on snapshots");
    assert_eq!(client.run("CONFIG SET save \"10000 1\""), ok());
    unblock_the_dump(&server);
    server.background_save();
    assert_eq!(client.run("SET key newer"), ok());
    assert_eq!(client.run("PING"), simple("PONG"));
    if !against_redis() {
        assert_eq!(server.info("persistence")["rdb_last_bgsave_error"], "");
    }
}

#[test]
fn a_failed_foreground_save_is_told() {
    let server = Server::start();
    let mut client = server.client();
    client.run("SET key value");
    block_the_dump(&server);
    let reply = client.run("SAVE");
    assert!(reply.is_error(), "{reply:?}");
    assert!(server.temp_files().is_empty());
    unblock_the_dump(&server);
    assert_eq!(client.run("SAVE"), ok());
}

#[test]
fn after_a_failure_the_next_try_waits_five_seconds() {
    let server = Server::start();
    let mut client = server.client();
    block_the_dump(&server);
    client.transcript("> SET key value\n+OK\n> CONFIG SET save \"1 1\"\n+OK");
    let failures = || server.info_number("stats", "total_forks");
    wait_until("the first try has failed", 15, || server.info_field("persistence", "rdb_last_bgsave_status") == "err");
    let first = failures();
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(failures(), first, "no try in the first seconds");
    unblock_the_dump(&server);
    wait_until("a later try succeeds", 15, || server.info_field("persistence", "rdb_last_bgsave_status") == "ok");
    assert!(server.dump_path().is_file());
}

#[test]
fn killed_child_keeps_previous_dump() {
    let server = Server::with_config(SLOW);
    let mut client = server.client();
    client.transcript("> SET key old\n+OK\n> SAVE\n+OK\n> DEBUG POPULATE 1000\n+OK");
    let old = fs::read(server.dump_path()).expect("the dump");
    for signal in [Signal::SIGKILL, Signal::SIGUSR2] {
        server.start_background_save();
        let child = server.wait_for_child();
        assert!(send_signal(child, signal));
        server.wait_for_save_end();
        assert_eq!(server.info_field("persistence", "rdb_last_bgsave_status"), "err", "{signal}");
        assert!(server.temp_files().is_empty(), "the temp file of {signal} is removed");
        assert_eq!(fs::read(server.dump_path()).expect("the dump"), old);
        assert!(!is_alive(child));
    }
    if !against_redis() {
        let reason = server.info_field("persistence", "rdb_last_bgsave_error");
        assert!(reason.contains("signal") || reason.contains("SIGTERM"), "{reason}");
    }
    client.run("CONFIG SET rdb-key-save-delay 0");
    server.background_save();
}

#[test]
fn already_expired_keys_are_not_saved() {
    if against_redis() {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    // In one pipeline, so that nothing but the save meets the expired key.
    client.pipeline(&["SET stays-key v PX 1000000", "SET gone-key v PX 1", "DEBUG SLEEP 0.02", "SAVE"]);
    let bytes = fs::read(server.dump_path()).expect("the dump");
    let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    assert!(has(b"stays-key") && !has(b"gone-key"));
}

#[test]
fn flushall_with_save_points_empties_the_file_and_ends_the_child() {
    let mut server = Server::with_config("save 10000 1\nrdb-key-save-delay 10000");
    let mut client = server.client();
    client.transcript("> CONFIG SET rdb-key-save-delay 0\n+OK\n> DEBUG POPULATE 1000\n+OK\n> SAVE\n+OK");
    client.run("CONFIG SET rdb-key-save-delay 10000");
    server.start_background_save();
    let child = server.wait_for_child();
    assert_eq!(client.run("FLUSHALL"), ok());
    wait_until("the child has ended", 15, || !is_alive(child));
    server.wait_for_save_end();
    assert!(server.temp_files().is_empty());
    server.kill_and_start_again();
    assert_eq!(server.client().run("DBSIZE"), int(0));
}

#[test]
fn shutdown_saves_when_there_are_save_points_or_when_told_to() {
    let cases = [
        ("SHUTDOWN", "save 10000 1", true),
        ("SHUTDOWN", "", false),
        ("SHUTDOWN SAVE", "", true),
        ("SHUTDOWN NOSAVE", "save 10000 1", false),
        ("SHUTDOWN NOW", "save 10000 1", true),
        ("shutdown nosave now force", "save 10000 1", false),
    ];
    for (command, config, saved) in cases {
        let mut server = Server::with_config(config);
        let mut client = server.client();
        client.run("SET key value");
        client.send(&encode_command(&command.split(' ').collect::<Vec<_>>()));
        assert_eq!(client.read_to_end(), b"", "{command}: no reply, the connection just ends");
        assert!(server.wait_for_exit().success(), "{command}");
        assert_eq!(server.dump_path().exists(), saved, "{command} with {config:?}");
        server.start_again();
        assert_eq!(server.client().run("EXISTS key"), int(i64::from(saved)));
    }
}

#[test]
fn signals_end_the_server_as_shutdown_does() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        for (config, saved) in [("save 10000 1", true), ("", false)] {
            let mut server = Server::with_config(config);
            server.client().run("SET key value");
            server.signal(signal);
            assert!(server.wait_for_exit().success(), "{signal}");
            assert_eq!(server.dump_path().exists(), saved, "{signal} with {config:?}");
            assert!(server.log().contains("scheduling shutdown"), "{}", server.log());
        }
    }
}

#[test]
fn a_shutdown_that_cannot_save_does_not_happen() {
    let mut server = Server::with_config("save 10000 1");
    let mut client = server.client();
    client.run("SET key value");
    block_the_dump(&server);
    assert_eq!(client.run("SHUTDOWN"), err("ERR Errors trying to SHUTDOWN. Check logs."));
    assert_eq!(client.run("GET key"), bulk("value"));
    let refusals = |server: &Server| server.log().matches("Errors trying to shut down the server").count();
    assert_eq!(refusals(&server), 1);
    server.signal(Signal::SIGTERM);
    wait_until("the signal is refused too", 15, || refusals(&server) == 2);
    assert_eq!(client.run("GET key"), bulk("value"));
    client.send(&encode_command(&["SHUTDOWN", "FORCE"]));
    assert!(client.is_closed_within(Duration::from_secs(10)), "FORCE ends it all the same");
    assert!(server.wait_for_exit().success());
}

#[test]
fn shutdown_during_a_background_save_ends_the_child_first() {
    for nosave in [true, false] {
        let mut server = Server::with_config("save 10000 1\nrdb-key-save-delay 1000");
        let mut client = server.client();
        client.run("DEBUG POPULATE 1000");
        server.start_background_save();
        let child = server.wait_for_child();
        client.send(&encode_command(&["SHUTDOWN", if nosave { "NOSAVE" } else { "SAVE" }]));
        assert!(server.wait_for_exit().success());
        wait_until("the child has ended", 15, || !is_alive(child));
        let left: Vec<_> = server.data_files().into_keys().collect();
        assert_eq!(left, if nosave { vec![] } else { vec!["dump.rdb"] });
    }
}

#[test]
fn clients_are_served_while_the_child_writes() {
    let server = Server::with_config(SLOW);
    let mut client = server.client();
    client.run("DEBUG POPULATE 1000");
    server.start_background_save();
    let child = server.wait_for_child();
    for at in 0..1000 {
        assert_eq!(client.cmd(&["SET", &format!("k{at}"), "v"]), ok());
    }
    assert!(is_alive(child), "the child still writes");
    assert!(matches!(client.run("INFO persistence"), Value::Bulk(_)));
    send_signal(child, Signal::SIGKILL);
    server.wait_for_save_end();
}

#[test]
fn the_table_grows_and_shrinks_around_a_living_child() {
    let mut server = Server::with_config("rdb-key-save-delay 300");
    let mut client = server.client();
    client.run("DEBUG POPULATE 3000");
    let mut model: BTreeMap<String, String> =
        (0..3000).map(|at| (format!("key:{at}"), format!("value:{at}"))).collect();
    server.start_background_save();
    server.wait_for_child();
    for at in 0..20_000 {
        let key = format!("grow:{at}");
        client.cmd(&["SET", &key, "v"]);
        model.insert(key, "v".to_owned());
    }
    for at in 0..19_900 {
        let key = format!("grow:{at}");
        client.cmd(&["DEL", &key]);
        model.remove(&key);
    }
    server.wait_for_save_end();
    assert_eq!(client.run("DBSIZE"), int(i64::try_from(model.len()).expect("small")));
    client.run("CONFIG SET rdb-key-save-delay 0");
    server.background_save();
    server.kill_and_start_again();
    let mut client = server.client();
    assert_eq!(client.run("DBSIZE"), int(i64::try_from(model.len()).expect("small")));
    for (key, value) in &model {
        assert_eq!(client.cmd(&["GET", key]), bulk(value));
    }
}

/// What the kernel says about a process, from the third field of its line on: its state.
fn process_stat(pid: u32) -> Vec<String> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process lives");
    let (_, fields) = line.rsplit_once(')').expect("a name in brackets");
    fields.split_ascii_whitespace().map(str::to_owned).collect()
}

#[test]
fn a_background_save_gives_way_as_the_settings_say() {
    if against_redis() {
        return;
    }
    const NICE: usize = 16;
    const POLICY: usize = 38;
    const BATCH: &str = "3";
    // The tests themselves may give way.
    let nice = |pid| process_stat(pid)[NICE].parse::<i32>().expect("a number");
    for (setting, own, more) in [("", 0, 10), ("", 5, 10), ("snapshot-nice 19\nsnapshot-io-priority idle", 0, 19)] {
        let expected = |own: i32| (own + more).min(19);
        let setup = Setup::new().config(&format!("{SLOW}\n{setting}"));
        let own = nice(std::process::id()).max(own);
        let server = setup.confined(Confinement::new().niceness(own)).start();
        server.client().run("DEBUG POPULATE 1000");
        server.start_background_save();
        let child = server.wait_for_child();
        wait_until("the child gives way", 30, || process_stat(child)[POLICY] == BATCH);
        assert_eq!(nice(child), expected(own), "{setting}");
        assert_eq!(nice(server.pid()), own);
    }
}

#[test]
fn a_background_save_is_left_as_it_is_where_the_settings_say_so() {
    if against_redis() {
        return;
    }
    const NICE: usize = 16;
    const POLICY: usize = 38;
    let server = Server::with_config(&format!("{SLOW}\nsnapshot-nice 0\nsnapshot-io-priority normal"));
    server.client().run("DEBUG POPULATE 1000");
    server.start_background_save();
    let child = server.wait_for_child();
    wait_until("the child writes", 30, || !server.temp_files().is_empty());
    for field in [NICE, POLICY] {
        assert_eq!(process_stat(child)[field], process_stat(server.pid())[field]);
    }
}

/// A server with save points whose child is stopped in the middle of its work.
fn server_with_stopped_child() -> (Server, u32) {
    let server = Server::with_config(&format!("{SLOW}\nsave 10000 100000"));
    server.client().run("DEBUG POPULATE 1000");
    server.start_background_save();
    let child = server.wait_for_child();
    wait_until("the child writes", 30, || !server.temp_files().is_empty());
    assert!(send_signal(child, Signal::SIGSTOP));
    wait_until("it has stopped", 30, || process_stat(child)[0] == "T");
    (server, child)
}

#[test]
fn a_stopped_child_is_reported_and_ends_when_it_is_cancelled() {
    if against_redis() {
        return;
    }
    let (server, child) = server_with_stopped_child();
    let mut client = server.client();
    let reply = client.run("BGSAVE").text();
    assert!(reply.starts_with("ERR Background save already in progress") && reply.contains("SIGCONT"), "{reply}");
    assert!(reply.contains(&child.to_string()), "{reply}");
    assert_eq!(client.run("SAVE").text(), reply);
    assert_eq!(server.info_field("persistence", "rdb_bgsave_stopped"), "1");
    server.wait_for_log("was stopped by signal 19");
    assert!(send_signal(child, Signal::SIGCONT));
    wait_until("it goes on", 30, || server.info_field("persistence", "rdb_bgsave_stopped") == "0");
    assert!(send_signal(child, Signal::SIGSTOP));
    wait_until("it has stopped again", 30, || server.info_field("persistence", "rdb_bgsave_stopped") == "1");
    assert_eq!(client.run("BGSAVE CANCEL"), Value::Simple("Background saving cancelled".to_owned()));
    server.wait_for_save_end();
    assert!(!is_alive(child));
    assert!(server.temp_files().is_empty());
    assert_eq!(server.info_field("persistence", "rdb_last_bgsave_status"), "ok");
    assert_eq!(server.info_field("persistence", "rdb_bgsave_stopped"), "0");
    client.run("CONFIG SET rdb-key-save-delay 0");
    server.background_save();
}

#[test]
fn a_stopped_child_holds_up_neither_flushall_nor_shutdown_and_outlives_no_server() {
    if against_redis() {
        return;
    }
    for way in ["FLUSHALL", "SHUTDOWN", "SHUTDOWN NOSAVE", "SIGTERM", "SIGKILL"] {
        let (mut server, child) = server_with_stopped_child();
        let mut client = server.client();
        client.run("CONFIG SET rdb-key-save-delay 0");
        match way {
            "SIGTERM" => server.signal(Signal::SIGTERM),
            "SIGKILL" => server.kill(),
            "FLUSHALL" => assert_eq!(client.run("FLUSHALL"), ok()),
            _ => client.send(&encode_command(&way.split(' ').collect::<Vec<_>>())),
        }
        match way {
            "SIGKILL" => wait_until("the child has ended with its parent", 30, || !is_alive(child)),
            "FLUSHALL" => assert!(!is_alive(child), "the child has ended before the answer"),
            _ => {
                assert!(server.wait_for_exit().success(), "{way}");
                wait_until("the child has ended", 30, || !is_alive(child));
                assert!(server.temp_files().is_empty(), "{way}");
            }
        }
    }
}

#[test]
fn a_limit_of_the_rate_holds_from_the_next_background_save_on() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("rdbcompression no\nsnapshot-threads 2");
    let mut client = server.client();
    // 200 MB would take minutes.
    client.run("DEBUG POPULATE 200 key 1000000");
    client.transcript("> CONFIG SET snapshot-rate-limit 1\n+OK");
    server.start_background_save();
    let child = server.wait_for_child();
    wait_until("the child reports progress", 30, || {
        server.info_number("persistence", "current_save_keys_processed") > 0
    });
    assert_eq!(server.info_field("persistence", "rdb_bgsave_in_progress"), "1");
    // The clients wait for no limit.
    client.transcript("> FLUSHALL\n+OK\n> SET key value\n+OK\n> CONFIG SET snapshot-rate-limit 0\n+OK");
    send_signal(child, Signal::SIGUSR1);
    server.wait_for_save_end();
    assert!(server.temp_files().is_empty());
    server.background_save();
}

#[test]
fn a_child_that_is_killed_with_its_threads_at_work_leaves_the_old_file() {
    if against_redis() {
        return;
    }
    let mut server = Server::with_config("rdbcompression no\nsnapshot-threads 4\nsnapshot-rate-limit 1");
    let mut client = server.client();
    client.transcript("> SET key old\n+OK\n> SAVE\n+OK\n> DEBUG POPULATE 20000 key 1000\n+OK");
    let old = fs::read(server.dump_path()).expect("the dump");
    server.start_background_save();
    let child = server.wait_for_child();
    let threads = || fs::read_dir(format!("/proc/{child}/task")).map_or(0, Iterator::count);
    wait_until("all threads are at work", 30, || threads() == 5);
    wait_until("something is written", 30, || server.data_files().values().any(|file| file.len() > 100_000));
    assert!(send_signal(child, Signal::SIGKILL));
    server.wait_for_save_end();
    assert!(server.temp_files().is_empty());
    assert_eq!(fs::read(server.dump_path()).expect("the dump"), old);
    assert_eq!(server.info_field("persistence", "rdb_last_bgsave_status"), "err");
    client.transcript("> CONFIG SET snapshot-rate-limit 0\n+OK");
    server.background_save();
    let before = server.digest();
    server.kill_and_start_again();
    assert_eq!(server.digest(), before);
}
