//! Loading a dump: every version and encoding, damage of every kind, and the server meanwhile.

use std::fs;
use std::time::Duration;

use crate::support::{Client, RdbFile, Server, Setup, against_redis, bulk, err, int, nil, ok, simple, wait_until};

fn start_with(dump: Vec<u8>) -> Server {
    Setup::new().file("dump.rdb", dump).start()
}

#[test]
fn strings_of_every_version_load() {
    let newest = if against_redis() { 10 } else { 12 };
    for version in 1..=newest {
        let file = RdbFile::new(version).select(0).string(b"key", b"value").select(3).string(b"other", b"x");
        let dump = if version < 5 { file.finish_without_checksum() } else { file.finish() };
        let server = start_with(dump);
        let mut client = server.client();
        assert_eq!(client.run("GET key"), bulk("value"), "version {version}");
        client.run("SELECT 3");
        assert_eq!(client.run("GET other"), bulk("x"), "version {version}");
    }
}

#[test]
fn every_encoding_of_a_string_loads() {
    let long = "0123456789abcdef".repeat(2000);
    let dump = RdbFile::new(9)
        .aux("redis-ver", "7.2.4")
        .aux("an-unknown-field", "is skipped")
        .select(0)
        .sizes(9, 0)
        .raw(b"\x00\x04int8\xc0\xfe")
        .raw(b"\x00\x05int16\xc1\x18\xfc")
        .raw(b"\x00\x05int32\xc2\x60\x79\xfe\xff")
        // LZF: one literal `a`, then a match of 29 bytes at distance 1.
        .raw(b"\x00\x03lzf\xc3\x05\x1e\x00a\xe0\x14\x00")
        .string(b"", b"")
        .string(b"long", long.as_bytes())
        .raw(b"\x00\x0bwide length\x80\x00\x00\x00\x01w")
        .raw(b"\x00\x0cwider length\x81\x00\x00\x00\x00\x00\x00\x00\x01W")
        .raw(b"\x00\xc0\x2a\x05value")
        .finish();
    let server = start_with(dump);
    let mut client = server.client();
    client.transcript(
        r#"
        > GET int8
        "-2"
        > GET int16
        "-1000"
        > GET int32
        "-100000"
        > GET lzf
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        > GET ""
        ""
        > GET "wide length"
        "w"
        > GET "wider length"
        "W"
        > GET 42
        "value"
        > OBJECT ENCODING int32
        "int"
        "#,
    );
    assert_eq!(client.run("GET long"), bulk(&long));
}

#[test]
fn expiry_idle_time_and_frequency_load() {
    let dump = RdbFile::new(9)
        .select(0)
        .sizes(5, 3)
        .expires_at_ms(4_000_000_000_123)
        .string(b"late", b"1")
        .raw(b"\xfd")
        .raw(&2_000_000_000_u32.to_le_bytes())
        .string(b"late-in-seconds", b"1")
        .expires_at_ms(1000)
        .string(b"gone", b"1")
        .raw(b"\xf8")
        .length(1000)
        .string(b"idle", b"1")
        .raw(b"\xf9\x64")
        .string(b"frequent", b"1")
        .finish();
    let server = start_with(dump);
    server.client().transcript(
        r#"
        > PEXPIRETIME late
        :4000000000123
        > PEXPIRETIME late-in-seconds
        :2000000000000
        > GET gone
        nil
        > DBSIZE
        :4
        > TTL idle
        :-1
        "#,
    );
    let reported = server.info("persistence");
    assert_eq!(reported["rdb_last_load_keys_expired"], "1");
    assert_eq!(reported["rdb_last_load_keys_loaded"], "4");
}

#[test]
fn the_log_tells_what_was_loaded() {
    let server = start_with(RdbFile::new(9).select(0).string(b"a", b"1").string(b"b", b"2").finish());
    let log = server.log();
    assert!(log.contains("keys loaded: 2") || log.contains("2 keys"), "{log}");
    assert!(log.contains("DB loaded from disk"), "{log}");
}

/// A small dump with one string of each encoding.
fn small_dump() -> Vec<u8> {
    RdbFile::new(9)
        .select(0)
        .string(b"key", b"value")
        .raw(b"\x00\x05int16\xc1\x18\xfc")
        .raw(b"\x00\x03lzf\xc3\x05\x1e\x00a\xe0\x14\x00")
        .finish()
}

#[track_caller]
fn assert_refused(dump: &[u8], what: &str) -> String {
    let refused = Setup::new().file("dump.rdb", dump).start_refused();
    assert!(!refused.status.success(), "{what}: the start is stopped");
    let exits = refused.status.code().is_some();
    assert!(exits, "{what}: by an exit and not by a signal ({:?})\n{}", refused.status, refused.log);
    assert_eq!(refused.files.get("dump.rdb").map(Vec::as_slice), Some(dump), "{what}: the file is untouched");
    refused.log
}

#[test]
fn truncated_dump_is_rejected_at_every_length() {
    let dump = small_dump();
    drop(start_with(dump.clone()));
    for length in 0..dump.len() {
        let log = assert_refused(&dump[..length], &format!("cut to {length} bytes"));
        if !against_redis() {
            assert!(log.contains("dump.rdb") && log.contains("offset"), "cut to {length} bytes: {log}");
        }
    }
}

#[test]
fn a_flipped_byte_is_rejected_at_every_place() {
    let dump = small_dump();
    for at in 0..dump.len() {
        let mut damaged = dump.clone();
        damaged[at] ^= 1 << (at % 8);
        assert_refused(&damaged, &format!("byte {at} flipped"));
    }
}

#[test]
fn what_cannot_be_read_is_refused_by_name_and_place() {
    if against_redis() {
        return;
    }
    let cases: [(&str, Vec<u8>, &[&str]); 9] = [
        ("magic", b"RUBBISH09 and more".to_vec(), &["magic"]),
        ("foreign version", RdbFile::new(80).select(0).string(b"a", b"1").finish(), &["version", "80"]),
        ("newer version", RdbFile::new(16).select(0).string(b"a", b"1").finish(), &["version 16", "Redis after 8.10"]),
        (
            "newer Valkey",
            RdbFile::with_header("VALKEY081").select(0).string(b"a", b"1").finish(),
            &["Valkey 9.2 or later (VALKEY081)", "up to REDIS0015 and VALKEY080"],
        ),
        (
            "Dragonfly",
            RdbFile::new(9).aux("redis-ver", "df-v1.30.0").raw(b"\x1e\x01a\x011").finish(),
            &["Dragonfly", "type byte 30"],
        ),
        ("templates", RdbFile::new(15).raw(b"\xf2\x01").finish(), &["templates of hashes, of Redis 8.10"]),
        ("unknown type", RdbFile::new(9).select(0).raw(b"\x64\x01a\x011").finish(), &["type", "100"]),
        ("checksum", [&small_dump()[..small_dump().len() - 1], b"\x00"].concat(), &["checksum"]),
        ("database", RdbFile::new(9).select(99).string(b"a", b"1").finish(), &["99"]),
    ];
    for (what, dump, words) in cases {
        let log = assert_refused(&dump, what);
        for word in words.iter().chain(&["dump.rdb", "offset"]) {
            assert!(log.contains(word), "{what}: {word:?} is in the log\n{log}");
        }
    }
}

#[test]
fn a_dump_of_valkey_9_is_loaded() {
    if against_redis() {
        return;
    }
    let expiry = 4_102_444_800_000u64.to_le_bytes();
    let dump = RdbFile::with_header("VALKEY080")
        .aux("valkey-ver", "9.1.2")
        .aux("slot-info", "5,1,0,0")
        .select(0)
        // A slot that was on its way: a job's name, and one range.
        .raw(b"\xf3\x03job\x01\x00\x05")
        .string(b"a", b"1")
        .raw(b"\x16\x01h\x02\x01f\x01v")
        .raw(&expiry)
        .raw(b"\x01g\x01w\xff\xff\xff\xff\xff\xff\xff\xff")
        .finish();
    let server = start_with(dump);
    let mut client = server.client();
    assert_eq!(client.run("MGET a").texts(), ["1"]);
    assert_eq!(client.run("HMGET h f g").texts(), ["v", "w"]);
    let times = client.run("HPEXPIRETIME h FIELDS 2 f g");
    assert_eq!(times.items(), [int(4_102_444_800_000), int(-1)]);
}

#[test]
fn an_expiry_of_minus_one_is_none() {
    let dump = RdbFile::new(9).select(0).expires_at_ms(u64::MAX).string(b"a", b"1").finish();
    let server = start_with(dump);
    assert_eq!(server.client().run("PTTL a"), int(-1));
}

#[test]
fn what_a_start_is_refused_for_names_the_way_out() {
    if against_redis() {
        return;
    }
    let twice = RdbFile::new(9).select(0).string(b"twin", b"1").string(b"twin", b"2").finish();
    let log = assert_refused(&twice, "a key twice");
    assert!(log.contains("dump.rdb --duplicates` shows more"), "{log}");
    let log = assert_refused(&with_a_library(), "a library");
    assert!(log.contains("start with `--rdb-unknown-types skip`") && log.contains("`copal-rdb salvage "), "{log}");
    let log = assert_refused(&RdbFile::new(9).select(20).string(b"a", b"1").finish(), "a database");
    assert!(log.contains("start with `--databases 21` or more"), "{log}");
}

/// Keys beside a library of functions and a value of a module.
fn with_a_library() -> Vec<u8> {
    RdbFile::new(11)
        .raw(b"\xf5")
        .text(b"#!lua name=mine\nredis.register_function('mine', function() return 1 end)")
        .select(0)
        .string(b"a", b"1")
        .raw(b"\x07\x01m\x81\x00\x00\x00\x00\x00\x00\x48\x00\x02\x07\x00")
        .string(b"b", b"2")
        .finish()
}

#[test]
fn what_is_left_out_is_counted_and_its_dump_is_never_written_over() {
    if against_redis() {
        return;
    }
    let dump = with_a_library();
    let setup = || Setup::new().config("rdb-unknown-types skip\nsnapshot-keep 1");
    let mut server = setup().file("dump.rdb", dump.clone()).start();
    assert_eq!(server.client().run("MGET a b").texts(), ["1", "2"]);
    assert_eq!(server.info_field("persistence", "rdb_last_load_left_out"), "1");
    assert_eq!(server.client().run("FCALL mine 0"), int(1));
    let log = server.log();
    assert!(log.contains("key 'm': ") && log.contains("1 key of a type that is not supported"), "{log}");
    let originals = |server: &Server| -> Vec<String> {
        let files = server.data_files();
        files
            .iter()
            .filter(|(name, bytes)| *name != "dump.rdb" && **bytes == dump)
            .map(|(name, _)| name.clone())
            .collect()
    };
    let [kept] = &originals(&server)[..] else { panic!("{:?}", server.data_files().keys()) };
    assert!(kept.starts_with("dump-2") && kept.ends_with("Z-original.rdb"), "{kept}");
    // A start that saved nothing finds it kept.
    server.kill();
    server.start_again();
    assert_eq!(originals(&server).len(), 1);
    for round in 0..4 {
        let mut client = server.client();
        client.run(&format!("SET round {round}"));
        assert_eq!(client.run("SAVE"), ok());
    }
    assert!(originals(&server).contains(kept), "the rotation removes it never");
    server.kill();
    server.start_again();
    assert_eq!(server.info_field("persistence", "rdb_last_load_left_out"), "0");
    assert_eq!(server.client().run("MGET a b round").texts(), ["1", "2", "3"]);
    assert!(originals(&server).contains(kept));
}

#[test]
fn a_repeated_key_is_refused() {
    if against_redis() {
        // Redis aborts here.
        return;
    }
    let dump = RdbFile::new(9).select(0).string(b"twin", b"1").string(b"twin", b"2").finish();
    assert_refused(&dump, "two values of one key");
}

#[test]
fn a_length_beyond_the_file_allocates_nothing() {
    let dump = RdbFile::new(9).select(0).raw(b"\x00\x03key\x81\x00\x00\x00\xff\xff\xff\xff\xff").finish();
    assert_refused(&dump, "a string of a terabyte");
    let dump =
        RdbFile::new(9).select(0).raw(b"\xfb\x80\xff\xff\xff\xff\x80\xff\xff\xff\xff").string(b"a", b"1").finish();
    if !against_redis() {
        let server = start_with(dump);
        assert_eq!(server.client().run("GET a"), bulk("1"), "a size hint is only a hint");
        let used: i64 = server.info_field("memory", "used_memory_rss").parse().expect("bytes");
        assert!(used < 1 << 30, "{used} bytes");
    }
}

#[test]
fn an_empty_folder_starts_an_empty_server() {
    let server = Server::start();
    assert_eq!(server.client().run("DBSIZE"), int(0));
    assert!(server.data_files().is_empty(), "a start writes nothing");
}

#[test]
fn a_dump_that_is_a_folder_stops_the_start() {
    let mut server = Server::start();
    server.kill();
    fs::create_dir(server.dump_path()).expect("a folder");
    assert!(!server.start_again_refused().status.success());
}

#[test]
fn clients_are_told_while_the_server_loads() {
    let mut server = Server::start();
    let mut client = server.client();
    client.run("DEBUG POPULATE 20000");
    client.run("SAVE");
    drop(client);
    server.kill();
    // The delay is in microseconds per key.
    server.set_config("key-load-delay 100\nloading-process-events-interval-bytes 1024");
    server.start_again_without_waiting();
    let mut client = None;
    wait_until("the loading server listens", 30, || {
        client = Client::try_connect(server.address()).ok();
        client.is_some()
    });
    let mut client = client.expect("just connected");
    let loading = err("LOADING Redis is loading the dataset in memory");
    assert_eq!(client.run("GET key:1"), loading);
    assert_eq!(client.run("SET key:1 x"), loading);
    assert_eq!(client.run("PING"), loading);
    assert_eq!(client.run("BGSAVE"), loading);
    let mut reported = crate::support::info_fields(&client.run("INFO persistence"));
    assert_eq!(reported.remove("loading").as_deref(), Some("1"));
    for field in [
        "loading_start_time",
        "loading_total_bytes",
        "loading_loaded_bytes",
        "loading_loaded_perc",
        "loading_eta_seconds",
    ] {
        assert!(reported.contains_key(field), "INFO has {field} while loading");
    }
    assert_eq!(client.run("CONFIG SET key-load-delay 0"), ok(), "what may be asked while loading is answered");
    server.wait_until_ready();
    assert_eq!(server.info_field("persistence", "loading"), "0");
    assert_eq!(client.run("DBSIZE"), int(20_000), "the same connection goes on");
    assert_eq!(client.run("PING"), simple("PONG"));
}

#[test]
fn a_server_that_is_told_to_end_while_loading_ends() {
    let mut server = Server::start();
    server.client().run("DEBUG POPULATE 20000");
    server.client().run("SAVE");
    let dump = fs::read(server.dump_path()).expect("the dump");
    server.kill();
    server.set_config("save 100 1\nkey-load-delay 200\nloading-process-events-interval-bytes 1024");
    server.start_again_without_waiting();
    wait_until("the server listens", 30, || Client::try_connect(server.address()).is_ok());
    server.signal(nix::sys::signal::Signal::SIGTERM);
    server.wait_for_exit();
    assert_eq!(fs::read(server.dump_path()).expect("the dump"), dump, "half-loaded data is never saved");
}

/// A small, fast generator: the tests must not differ from run to run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).expect("a byte")
    }
}

#[test]
fn ten_thousand_damaged_payloads_are_refused_or_restored_equal() {
    let server = Server::start();
    let mut client = server.client();
    let mut random = Random(1);
    let values = ["short", "12345", &"compressible text, ".repeat(20), &"x".repeat(70)];
    for value in values {
        client.cmd(&["SET", "key", value]);
        let payload = client.run("DUMP key").bytes();
        for _ in 0..2500 {
            let mut damaged = payload.clone();
            for _ in 0..=random.below(3) {
                let at = random.below(damaged.len());
                damaged[at] = random.byte();
            }
            let reply = client.cmd(&[b"RESTORE".as_slice(), b"copy", b"0", &damaged, b"REPLACE"]);
            if reply == ok() {
                assert_eq!(client.run("GET copy"), bulk(value), "only what is equal is taken");
            } else {
                assert_eq!(reply, err("ERR DUMP payload version or checksum are wrong"));
            }
        }
    }
    assert_eq!(client.run("PING"), simple("PONG"));
}

#[test]
fn ten_thousand_forged_payloads_do_no_harm() {
    // Here the checksum is made right again, so that the decoder itself meets the damage.
    let server = Server::start();
    let mut client = server.client();
    let mut random = Random(2);
    let values = ["short", "12345", &"compressible text, ".repeat(20), &"x".repeat(70)];
    for value in values {
        client.cmd(&["SET", "key", value]);
        let payload = client.run("DUMP key").bytes();
        for _ in 0..2500 {
            let mut body = payload[..payload.len() - 8].to_vec();
            for _ in 0..=random.below(3) {
                let at = random.below(body.len());
                body[at] = random.byte();
            }
            if random.below(4) == 0 {
                body.remove(random.below(body.len()));
            }
            let checksum = crc64::crc64(0, &body);
            body.extend_from_slice(&checksum.to_le_bytes());
            let reply = client.cmd(&[b"RESTORE".as_slice(), b"copy", b"0", &body, b"REPLACE"]);
            if reply == ok() {
                assert!(!client.run("TYPE copy").is_error());
                client.run("GET copy");
            } else {
                assert!(reply.is_error());
            }
        }
    }
    assert_eq!(client.run("DEL missing"), int(0));
    assert_eq!(client.run("GET missing"), nil());
}

#[test]
fn a_reload_that_fails_keeps_the_data() {
    if against_redis() {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    client.transcript("> MSET a 1 b 2\n+OK\n> SAVE\n+OK");
    let before = server.digest();
    let dump = fs::read(server.dump_path()).expect("the dump");
    let mut random = Random(3);
    for _ in 0..2000 {
        let mut damaged = dump.clone();
        let at = random.below(damaged.len());
        damaged[at] ^= 1 << random.below(8);
        fs::write(server.dump_path(), &damaged).expect("a damaged dump");
        assert!(client.run("DEBUG RELOAD NOSAVE").is_error(), "byte {at}");
    }
    assert_eq!(server.digest(), before);
    std::thread::sleep(Duration::from_millis(1));
    fs::write(server.dump_path(), &dump).expect("the whole dump");
    assert_eq!(client.run("DEBUG RELOAD NOSAVE"), ok());
    assert_eq!(server.digest(), before);
}
