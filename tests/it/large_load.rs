//! Loads that several threads share: what clients are answered, an end in the middle, and damage.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{Client, Server, Setup, against_redis, err, info_fields, int, ok, wait_until};

/// Enough for a file of about 6 MB: threads take part from 4 MiB on.
const KEYS: u32 = 12_000;
const VALUE_BYTES: usize = 500;

/// So slow that a test can look on: about ten seconds for all keys.
const SLOW: &str = "key-load-delay 1000\nloading-process-events-interval-bytes 1024\nsave 100 1";

/// Keys with values of one length, and the digest of it all.
fn large_dump() -> (Vec<u8>, String) {
    let server = Server::with_config("rdbcompression no");
    let mut client = server.client();
    assert_eq!(client.run(&format!("DEBUG POPULATE {KEYS} key {VALUE_BYTES}")), ok());
    assert_eq!(client.run("SAVE"), ok());
    let dump = fs::read(server.dump_path()).expect("the dump");
    assert!(dump.len() > 5 << 20, "{} bytes", dump.len());
    (dump, server.digest())
}

/// A server that loads, as soon as it answers.
fn start_loading(dump: &[u8]) -> (Server, Client) {
    let server = Setup::new().file("dump.rdb", dump).config(SLOW).start_without_waiting();
    let mut client = None;
    wait_until("the loading server listens", 30, || {
        client = Client::try_connect(server.address()).ok();
        client.is_some()
    });
    (server, client.expect("just connected"))
}

/// How many threads that decode parts of a dump the server has.
fn decoding_threads(server: &Server) -> usize {
    let Ok(tasks) = fs::read_dir(format!("/proc/{}/task", server.pid())) else { return 0 };
    let name = |task: fs::DirEntry| fs::read_to_string(task.path().join("comm")).unwrap_or_default();
    tasks.flatten().filter(|task| task.path().is_dir()).map(name).filter(|name| name == "load\n").count()
}

fn loaded_bytes(client: &mut Client) -> u64 {
    let reported = info_fields(&client.run("INFO persistence"));
    assert_eq!(reported["loading"], "1");
    assert!(reported["loading_loaded_perc"].parse::<f64>().is_ok_and(|percent| percent < 100.0));
    reported["loading_loaded_bytes"].parse().expect("a number")
}

#[test]
fn clients_are_told_how_far_a_load_by_threads_is() {
    if against_redis() {
        return;
    }
    let (dump, digest) = large_dump();
    let (mut server, mut client) = start_loading(&dump);
    let loading = err("LOADING Redis is loading the dataset in memory");
    assert_eq!(client.run("GET key:1"), loading);
    assert_eq!(client.run("SET key:1 x"), loading);
    wait_until("threads decode", 30, || decoding_threads(&server) > 0);
    let first = loaded_bytes(&mut client);
    wait_until("more is loaded", 30, || loaded_bytes(&mut client) > first);
    assert_eq!(client.run("DBSIZE"), loading, "nobody sees half a data set");
    assert_eq!(client.run("CONFIG SET key-load-delay 0"), ok());
    server.wait_until_ready();
    assert_eq!(server.info_field("persistence", "loading"), "0");
    assert_eq!(client.run("DBSIZE"), int(i64::from(KEYS)), "the same connection goes on");
    assert_eq!(server.digest(), digest);
    wait_until("the threads have ended", 30, || decoding_threads(&server) == 0);
}

#[test]
fn a_server_that_is_killed_during_a_load_by_threads_starts_from_the_same_dump() {
    if against_redis() {
        return;
    }
    let (dump, digest) = large_dump();
    for milliseconds in [0, 20, 300] {
        let (mut server, mut client) = start_loading(&dump);
        assert!(client.run("GET key:1").text().starts_with("LOADING"));
        std::thread::sleep(Duration::from_millis(milliseconds));
        server.kill();
        let files = server.data_files();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["dump.rdb"]);
        assert!(files["dump.rdb"] == dump, "the file is untouched");
        server.set_config("save 100 1");
        server.start_again();
        assert_eq!(server.digest(), digest);
    }
}

#[test]
fn a_server_that_is_told_to_end_during_a_load_by_threads_ends_soon_and_saves_nothing() {
    if against_redis() {
        return;
    }
    let (dump, _) = large_dump();
    for way in ["SIGTERM", "SIGINT", "SHUTDOWN", "SHUTDOWN SAVE"] {
        let (mut server, mut client) = start_loading(&dump);
        wait_until("threads decode", 30, || decoding_threads(&server) > 0);
        let asked = Instant::now();
        match way {
            "SIGTERM" => server.signal(Signal::SIGTERM),
            "SIGINT" => server.signal(Signal::SIGINT),
            command => {
                // The connection ends without a reply.
                let words: Vec<_> = command.split(' ').collect();
                assert!(client.try_cmd(&words).is_err(), "{way}");
            }
        }
        assert!(server.wait_for_exit().success(), "{way}: {}", server.log());
        // The load alone would have taken longer than this by far.
        assert!(asked.elapsed() < Duration::from_secs(5), "{way}");
        let files = server.data_files();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["dump.rdb"], "{way}");
        assert!(files["dump.rdb"] == dump, "{way}: the file is untouched");
    }
}

#[test]
fn damage_near_the_end_of_a_large_dump_refuses_it_as_a_whole() {
    if against_redis() {
        return;
    }
    let (dump, _) = large_dump();
    let late = dump.len() - 1000;
    let mut flipped = dump.clone();
    flipped[late] ^= 1;
    // A type that nobody knows, under a checksum that is right: entries are found by their lengths up to there.
    let mut unknown = dump[..dump.len() - 9].to_vec();
    let place = unknown.len();
    unknown.extend_from_slice(b"\x64\x01a\x011\xff");
    unknown.extend_from_slice(&crc64::crc64(0, &unknown).to_le_bytes());
    for (what, file, words) in [
        ("a byte", flipped, ["checksum", "offset"]),
        ("a cut", dump[..late].to_vec(), ["offset", "dump.rdb"]),
        ("a type", unknown, ["type", &format!("offset {place}")]),
    ] {
        let refused = Setup::new().file("dump.rdb", file.clone()).start_refused();
        assert_eq!(refused.status.code(), Some(1), "{what}: {}", refused.log);
        for word in words {
            assert!(refused.log.contains(word), "{what}: {word:?} is in the log\n{}", refused.log);
        }
        assert!(refused.files["dump.rdb"] == file, "{what}: the file is untouched");
    }
}
