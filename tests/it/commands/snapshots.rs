//! SNAPSHOT, and what else shows the snapshots that were taken.

use std::fs;

use nix::sys::signal::Signal;

use crate::support::{Client, Server, Setup, Value, against_redis, ok, send_signal, simple, wait_until};

/// A child that takes long enough to be met: 1,000 keys at 10 ms each.
const SLOW: &str = "rdb-key-save-delay 10000";

/// Keys `from` to `to`, as set by a script, in the order of their numbers.
fn set_keys(client: &mut Client, from: u32, to: u32, filler: &str) {
    let script = format!(
        "for number = {from}, {to} - 1 do redis.call('SET', 'key:' .. number, number .. string.rep('{filler}', 100)) end \
         return redis.status_reply('OK')"
    );
    assert_eq!(client.cmd(&["EVAL", &script, "0"]), ok());
}

/// The child reads pages in the order of addresses, which is that of the keys here.
#[test]
fn what_the_child_has_read_is_written_in_place_again_and_the_dump_is_of_the_fork() {
    const KEYS: u32 = 200_000;
    if against_redis() {
        return;
    }
    let server = Server::with_config("save ''\nrdbcompression no\nsnapshot-threads 1\nsnapshot-rate-limit 3");
    let mut client = server.client();
    set_keys(&mut client, 0, KEYS, "v");
    // A second database, and keys that no page takes.
    client.transcript("> SELECT 3\n+OK");
    set_keys(&mut client, 0, 1000, "w");
    client.cmd(&["SET", &"long".repeat(5_000), "value"]);
    client.transcript("> SELECT 0\n+OK");
    let digest = server.digest();
    server.start_background_save();
    let figure = |name: &str| server.info_number("persistence", name);
    wait_until("most is read", 60, || figure("current_save_keys_processed") >= u64::from(KEYS) / 2);
    // The server looks after its child now and then.
    let done = figure("current_save_keys_processed");
    wait_until("the server has looked again", 60, || figure("current_save_keys_processed") > done);
    set_keys(&mut client, 0, KEYS / 4, "x");
    let finished = figure("current_redirected_bytes");
    let processed = figure("current_save_keys_processed");
    set_keys(&mut client, KEYS - KEYS / 20, KEYS, "x");
    let unread = figure("current_redirected_bytes");
    assert!(processed < u64::from(KEYS / 20 * 18), "the last keys are not read yet: {processed}");
    let block = 120;
    assert!(finished < u64::from(KEYS / 4) * block / 10, "{finished} bytes of what was read were written elsewhere");
    assert!(unread >= u64::from(KEYS / 20) * 100, "{unread} bytes of what was not read were written elsewhere");
    server.wait_for_save_end();
    assert_eq!(server.info_field("persistence", "rdb_last_bgsave_status"), "ok");
    let dump = fs::read(server.dump_path()).expect("the dump");
    let other = Setup::new().config("save ''").file("dump.rdb", dump).start();
    assert_eq!(other.digest(), digest);
    assert_eq!(client.run("GET key:1").text(), format!("1{}", "x".repeat(100)));
}

#[test]
fn history_tells_of_every_snapshot_what_asked_for_it_and_how_it_went() {
    if against_redis() {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    client.transcript("> SNAPSHOT LATEST\nnil\n> SNAPSHOT HISTORY\n[]");
    assert!(!server.info("persistence").contains_key("snapshot_last_id"));
    client.run("DEBUG POPULATE 1000 key 100");
    client.transcript("> MSET a 1 b 2\n+OK\n> SAVE\n+OK");
    let latest = client.run("SNAPSHOT LATEST");
    let text = |record: &Value, name: &str| record.field(name).text();
    let number = |record: &Value, name: &str| record.field(name).integer();
    assert_eq!((number(&latest, "id"), number(&latest, "changes"), number(&latest, "keys")), (1, 2, 1002));
    assert_eq!((&*text(&latest, "trigger"), &*text(&latest, "mode")), ("command", "foreground"));
    assert!(latest.field("rule").is_null() && latest.field("error").is_null());
    let bytes = i64::try_from(fs::metadata(server.dump_path()).expect("the dump").len()).expect("small");
    assert_eq!(number(&latest, "bytes"), bytes);
    assert!(number(&latest, "raw_bytes") > bytes, "{latest:?}");

    client.run("SET c 3");
    server.background_save();
    let latest = client.run("SNAPSHOT LATEST");
    assert_eq!((number(&latest, "id"), number(&latest, "changes"), &*text(&latest, "mode")), (2, 1, "background"));
    assert!(number(&latest, "peak_extra_bytes") >= number(&latest, "copied_bytes"));
    assert!(number(&latest, "copied_bytes") > 0, "{latest:?}");
    assert!(number(&latest, "fork_us") > 0 && number(&latest, "duration_us") > 0 && number(&latest, "threads") > 0);
    assert!(number(&latest, "start_ms") > 1_700_000_000_000);

    client.run(&format!("CONFIG SET {SLOW}"));
    server.start_background_save();
    for key in 0..500 {
        client.run(&format!("SET key:{key} {key:0200}"));
    }
    wait_until("the old versions are counted", 30, || {
        server.info_number("persistence", "current_redirected_bytes") >= 500 * 100
    });
    assert_eq!(client.run("BGSAVE CANCEL"), simple("Background saving cancelled"));
    server.wait_for_save_end();
    let latest = client.run("SNAPSHOT LATEST");
    assert_eq!(text(&latest, "outcome"), "cancelled");
    let redirected = number(&latest, "redirected_bytes");
    assert!((500 * 100..1 << 20).contains(&redirected), "{latest:?}");
    assert!(number(&latest, "peak_extra_bytes") >= redirected, "{latest:?}");
    assert_eq!(server.info_number("persistence", "rdb_last_redirected_bytes"), redirected.unsigned_abs());
    let log = server.log();
    assert!(log.contains("* Background saving cancelled"), "{log}");
    assert!(!log.contains("terminated by signal"), "what was wanted is no warning: {log}");
    server.start_background_save();
    send_signal(server.wait_for_child(), Signal::SIGKILL);
    server.wait_for_save_end();
    let latest = client.run("SNAPSHOT LATEST");
    assert_eq!((&*text(&latest, "outcome"), &*text(&latest, "failed_step")), ("failed", "killed"));
    assert!(text(&latest, "error").contains("signal 9"), "{latest:?}");

    client.run("CONFIG SET rdb-key-save-delay 0");
    fs::remove_file(server.dump_path()).expect("the dump");
    fs::create_dir(server.dump_path()).expect("a folder");
    assert!(client.run("BGSAVE").text().contains("is a directory"));
    let latest = client.run("SNAPSHOT LATEST");
    assert_eq!((number(&latest, "id"), &*text(&latest, "failed_step")), (5, "rename"));
    assert_eq!(text(&latest, "error"), server.info_field("persistence", "rdb_last_bgsave_error"));
    let reported = server.info("persistence");
    assert_eq!((&*reported["snapshot_last_id"], &*reported["snapshot_last_failed_step"]), ("5", "rename"));
    assert_eq!((&*reported["snapshot_last_outcome"], &*reported["snapshot_last_rule"]), ("failed", ""));
    assert!(server.log().contains("Snapshot 5 by command (500 changes, background): failed"), "{}", server.log());

    let ids = |client: &mut Client, line: &str| -> Vec<i64> {
        client.run(line).items().iter().map(|record| number(record, "id")).collect()
    };
    assert_eq!(ids(&mut client, "SNAPSHOT HISTORY"), [5, 4, 3, 2, 1]);
    assert_eq!(ids(&mut client, "SNAPSHOT HISTORY 2"), [5, 4]);
    assert_eq!(ids(&mut client, "SNAPSHOT HISTORY -1"), [5, 4, 3, 2, 1]);
    assert_eq!(ids(&mut client, "SNAPSHOT HISTORY 0"), [0; 0]);
}

#[test]
fn history_names_the_rule_and_its_figures() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("save 1 3");
    let mut client = server.client_resp3();
    client.transcript("> MSET a 1 b 2 c 3 d 4\n+OK");
    wait_until("the rule fires", 15, || server.dump_path().exists());
    server.wait_for_save_end();
    let latest = client.run("SNAPSHOT LATEST");
    assert!(matches!(latest, Value::Map(_)), "{latest:?}");
    assert_eq!((latest.field("trigger").text(), latest.field("rule").text()), ("rule".to_owned(), "1 3".to_owned()));
    assert_eq!(latest.field("changes").integer(), 4);
    client.transcript("> FLUSHALL\n+OK");
    assert_eq!(client.run("SNAPSHOT LATEST").field("trigger").text(), "flush");
    client.transcript("> DEBUG RELOAD\n+OK");
    assert_eq!(client.run("SNAPSHOT LATEST").field("trigger").text(), "reload");
}

#[test]
fn snapshot_refuses_what_it_does_not_know() {
    if against_redis() {
        return;
    }
    Server::start().client().transcript(
        r#"
        > SNAPSHOT HISTORY -2
        -ERR count should be greater than or equal to -1
        > SNAPSHOT HISTORY many
        -ERR value is not an integer or out of range
        > SNAPSHOT HISTORY 1 2
        -ERR unknown subcommand or wrong number of arguments for 'HISTORY'. Try SNAPSHOT HELP.
        > SNAPSHOT NONSENSE
        -ERR unknown subcommand 'NONSENSE'. Try SNAPSHOT HELP.
        > SNAPSHOT HELP
        [+SNAPSHOT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:, ...]
        "#,
    );
}
