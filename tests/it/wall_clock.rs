//! A wall clock that is set forth and back under a running server: expiry follows it, all waiting does not.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{Client, Server, Setup, against_redis, bulk, int, nil, ok, wait_until};

const HOURS_2: i64 = 7200;

/// Longer than the server carries a reading of its clocks on.
const NOTICED: Duration = Duration::from_millis(300);

/// The wall clock of one server, which nobody else sees.
struct WallClock {
    folder: TempDir,
    shift: File,
}

impl WallClock {
    /// Nothing where the tests run against redis-server, which is not started under it.
    fn new() -> Option<Self> {
        if against_redis() {
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o", "wall_clock.so", "-I"])
            .args([&tests, &tests.join("it/wall_clock.c")])
            .current_dir(folder.path())
            .output();
        let compiled = compiled.expect("the C compiler that the allocator is built with");
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        let shift = File::create(folder.path().join("shift")).expect("a file");
        let clock = Self { folder, shift };
        clock.set(0);
        Some(clock)
    }

    /// Sets the clock to so many seconds after the machine's.
    fn set(&self, seconds: i64) {
        self.shift.write_all_at(&seconds.to_ne_bytes(), 0).expect("the file takes it");
    }

    fn start(&self, config: &str) -> Server {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let (preload, shift) = (format!("LD_PRELOAD={}", path("wall_clock.so")), path("shift"));
        Setup::new().config(config).launched_by(&["env", &preload, &format!("WALL_CLOCK_SHIFT={shift}")]).start()
    }
}

fn is_unanswered(client: &mut Client) -> bool {
    client.set_read_limit(Duration::from_millis(500)).expect("a limit");
    let answer = client.try_read();
    client.set_read_limit(Duration::from_secs(60)).expect("a limit");
    answer.is_err()
}

/// The day and the time of the log's last line.
fn time_of_last_line(server: &Server) -> String {
    let log = server.log();
    let last = log.lines().rfind(|line| line.contains(":M ")).expect("a line");
    last.split_whitespace().skip(1).take(4).collect::<Vec<_>>().join(" ")
}

fn seconds(server: &Server) -> i64 {
    server.client().run("TIME").texts()[0].parse().expect("a number")
}

#[test]
fn expiry_follows_a_wall_clock_that_is_set() {
    let Some(clock) = WallClock::new() else { return };
    let server = clock.start("save ''");
    let mut client = server.client();
    let before = seconds(&server);
    assert_eq!(client.run("SET early 1 EX 3600"), ok());
    assert_eq!(client.run("SET late 1 EX 36000"), ok());
    let moment = client.run("EXPIRETIME late");
    clock.set(HOURS_2);
    wait_until("the server sees the clock", 20, || seconds(&server) >= before + HOURS_2);
    assert_eq!(client.run("GET early"), nil());
    assert_eq!(client.run("GET late"), bulk("1"));
    assert!(client.run("TTL late").integer() <= 36_000 - HOURS_2);
    clock.set(-HOURS_2);
    wait_until("the server sees the clock", 20, || seconds(&server) < before);
    assert!(client.run("TTL late").integer() > 36_000);
    assert_eq!(client.run("EXPIRETIME late"), moment);
    assert_eq!(client.run("SET short 1 PX 100"), ok());
    wait_until("it expires", 20, || client.run("EXISTS short") == int(0));
    clock.set(8 * HOURS_2);
    wait_until("the expire cycle deletes what nobody asks for", 20, || client.run("DBSIZE") == int(0));
}

#[test]
fn save_rules_keep_their_time_when_the_wall_clock_is_set() {
    let Some(clock) = WallClock::new() else { return };
    let server = clock.start("save 3600 1 2 5");
    let mut client = server.client();
    assert_eq!(client.run("SET key value"), ok());
    clock.set(HOURS_2);
    sleep(Duration::from_secs(1));
    assert_eq!(server.info_field("persistence", "rdb_saves"), "0", "{}", server.log());
    clock.set(-HOURS_2);
    sleep(NOTICED);
    for number in 0..5 {
        assert_eq!(client.cmd(&["SET", "key", &number.to_string()]), ok());
    }
    wait_until("the rule is due", 30, || server.info_field("persistence", "rdb_saves") != "0");
    server.wait_for_save_end();
    assert_eq!(server.info_field("persistence", "rdb_last_bgsave_status"), "ok");
}

#[test]
fn pauses_and_blocking_pops_last_as_long_as_they_are_to_when_the_wall_clock_is_set() {
    let Some(clock) = WallClock::new() else { return };
    let server = clock.start("save ''");
    let (mut client, mut paused, mut popping) = (server.client(), server.client(), server.client());
    assert_eq!(client.run("CLIENT PAUSE 3600000 WRITE"), ok());
    paused.send(b"SET key value\r\n");
    popping.send(b"BLPOP list 3600\r\n");
    clock.set(HOURS_2);
    assert!(is_unanswered(&mut paused) && is_unanswered(&mut popping));
    clock.set(-HOURS_2);
    assert_eq!(client.run("CLIENT UNPAUSE"), ok());
    assert_eq!(paused.read(), ok());
    assert_eq!(client.run("RPUSH list element"), int(1));
    assert_eq!(popping.read().texts(), ["list", "element"]);

    // Short ones end however far the clock goes back meanwhile.
    assert_eq!(client.run("CLIENT PAUSE 800 WRITE"), ok());
    paused.send(b"SET key value\r\n");
    popping.send(b"BLPOP list 0.8\r\n");
    clock.set(-4 * HOURS_2);
    assert_eq!(paused.read(), ok());
    assert!(popping.read().is_null());
}

#[test]
fn idle_clients_end_by_the_time_that_has_passed_and_not_by_the_wall_clock() {
    let Some(clock) = WallClock::new() else { return };
    let server = clock.start("save ''\ntimeout 3600");
    let (mut client, mut idle) = (server.client(), server.client());
    assert_eq!(idle.run("PING").text(), "PONG");
    clock.set(HOURS_2);
    assert!(!idle.is_closed_within(Duration::from_millis(1500)));
    let listed = client.run("CLIENT LIST").text();
    let ages = listed.split([' ', '\n']).filter_map(|word| word.strip_prefix("idle=").or(word.strip_prefix("age=")));
    let ages: Vec<i64> = ages.map(|age| age.parse().expect("a number")).collect();
    assert!(!ages.is_empty() && ages.iter().all(|age| (0..3600).contains(age)), "{listed}");
    clock.set(-HOURS_2);
    sleep(NOTICED);
    assert_eq!(client.run("CONFIG SET timeout 1"), ok());
    assert!(idle.is_closed_within(Duration::from_secs(30)));
}

#[test]
fn a_failed_save_is_tried_again_when_the_wall_clock_was_set_back_after_it() {
    let Some(clock) = WallClock::new() else { return };
    let server = clock.start("save 1 1");
    let mut client = server.client();
    fs::create_dir(server.dump_path()).expect("a folder in the place of the dump");
    assert_eq!(client.run("SET key value"), ok());
    wait_until("a save fails", 30, || server.info_field("persistence", "rdb_last_bgsave_status") == "err");
    clock.set(-4 * HOURS_2);
    sleep(NOTICED);
    fs::remove_dir(server.dump_path()).expect("the folder goes");
    wait_until("the next try succeeds", 60, || {
        server.info_field("persistence", "rdb_last_bgsave_status") == "ok" && server.dump_path().is_file()
    });
    assert_eq!(server.info_field("persistence", "rdb_changes_since_last_save"), "0");
}

#[test]
fn times_to_live_are_kept_as_moments_of_the_wall_clock_however_they_were_given() {
    let Some(clock) = WallClock::new() else { return };
    let server = clock.start("save ''");
    let mut client = server.client();
    let now = seconds(&server);
    let later = (now + 3600).to_string();
    for (key, command) in [
        ("for", vec!["EXPIRE", "for", "3600"]),
        ("until", vec!["EXPIREAT", "until", &later]),
        ("field", vec!["HEXPIRE", "field", "3600", "FIELDS", "1", "f"]),
    ] {
        client.run(&if key == "field" { "HSET field f v".to_owned() } else { format!("SET {key} v") });
        assert!(!client.cmd(&command).is_error(), "{key}");
    }
    clock.set(-HOURS_2);
    wait_until("the server sees the clock", 20, || seconds(&server) < now);
    for key in ["for", "until"] {
        assert!(client.cmd(&["TTL", key]).integer() > HOURS_2, "{key}");
        assert!((client.cmd(&["EXPIRETIME", key]).integer() - now - 3600).abs() <= 2, "{key}");
    }
    // One that is given now counts from the time that is now.
    assert_eq!(client.run("SET late v EX 100"), ok());
    assert!((1..=100).contains(&client.run("TTL late").integer()));
    clock.set(HOURS_2);
    wait_until("all are past their end", 20, || client.run("EXISTS for until late") == int(0));
    assert_eq!(client.run("HGET field f"), nil());
}

#[test]
fn lines_of_the_log_have_the_time_of_the_wall_clock_as_it_is_set() {
    let Some(clock) = WallClock::new() else { return };
    let server = clock.start("save ''");
    let mut client = server.client();
    let before = time_of_last_line(&server);
    // So far that the day is another one.
    clock.set(-36 * 3600);
    sleep(NOTICED);
    assert_eq!(client.run("SAVE"), ok());
    let back = time_of_last_line(&server);
    assert_ne!(back.get(..2), before.get(..2), "{before} | {back}");
    clock.set(0);
    sleep(NOTICED);
    assert_eq!(client.run("SAVE"), ok());
    assert_ne!(time_of_last_line(&server).get(..2), back.get(..2), "{}", server.log());
}
