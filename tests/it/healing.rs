//! Huge pages that writes during a snapshot have split, and their healing after it, or beside it.
//!
//! Where the system gives no huge pages, the log must say why; these tests then have nothing more to ask for.

use nix::sys::signal::Signal;

use crate::support::{Client, Server, against_redis, int, ok, send_signal, wait_until};

/// A child that lives until it is ended.
const ENDLESS: &str = "rdb-key-save-delay 100000";

/// Long strings, which are overwritten in place: what is written to small values goes elsewhere while a child lives, and splits
/// nothing.
const KEYS: usize = 5_000;
const VALUE_BYTES: usize = 8_000;

fn server_with_data(config: &str) -> Server {
    let server = Server::with_config(&format!("{ENDLESS}\n{config}"));
    server.client().run(&format!("DEBUG POPULATE {KEYS} key {VALUE_BYTES}"));
    server
}

/// Takes a snapshot during which parts of values all over the heap are overwritten, and ends it.
fn split_pages(server: &Server, client: &mut Client) {
    server.start_background_save();
    let child = server.wait_for_child();
    for at in (0..KEYS).step_by(5) {
        assert_eq!(client.cmd(&["SETRANGE", &format!("key:{at}"), "7", "v"]), int(VALUE_BYTES as i64));
    }
    send_signal(child, Signal::SIGUSR1);
    server.wait_for_save_end();
}

fn number(server: &Server, field: &str) -> u64 {
    server.info_number("memory", field)
}

/// Whether the server has said why it does not heal.
fn is_excused(server: &Server) -> bool {
    let reasons = ["Huge pages are not used", "not put together", "stay so"];
    reasons.iter().any(|reason| server.log().contains(reason))
}

#[test]
fn pages_that_a_snapshot_split_are_healed_after_it() {
    if against_redis() {
        return;
    }
    let server = server_with_data("");
    let mut client = server.client();
    for field in ["mem_huge_pages", "mem_huge_page_bytes", "mem_huge_page_split_bytes", "mem_huge_page_healing"] {
        number(&server, field);
    }
    let whole = 20 << 20;
    wait_until("the data is in huge pages", 30, || {
        is_excused(&server) || number(&server, "mem_huge_page_bytes") > whole
    });
    for _ in 0..2 {
        let before = number(&server, "mem_huge_page_healed_bytes");
        split_pages(&server, &mut client);
        wait_until("most of the data is in huge pages again", 60, || {
            let healed = number(&server, "mem_huge_page_healed_bytes") - before;
            is_excused(&server) || healed > whole && number(&server, "mem_huge_page_bytes") > whole
        });
    }
    let stats = server.info("stats");
    let fork = |field: &str| stats[field].parse::<u64>().expect("microseconds");
    assert!(fork("worst_fork_usec") >= fork("latest_fork_usec"));
}

#[test]
fn the_rate_of_healing_can_be_set_and_zero_stops_it() {
    if against_redis() {
        return;
    }
    let server = server_with_data("huge-page-healing-rate 0");
    let mut client = server.client();
    split_pages(&server, &mut client);
    assert_eq!(number(&server, "mem_huge_page_healed_bytes"), 0);
    client.transcript(
        r#"
        > CONFIG SET huge-page-healing-rate -1
        -ERR CONFIG SET failed (possibly related to argument 'huge-page-healing-rate') - argument must be between 0 and 1000000 inclusive
        > CONFIG SET huge-page-healing-rate 500
        +OK
        "#,
    );
    assert_eq!(client.run("CONFIG GET huge-page-healing-rate").texts(), ["huge-page-healing-rate", "500"]);
    wait_until("it heals", 60, || is_excused(&server) || number(&server, "mem_huge_page_healed_bytes") > 0);
}

#[test]
fn what_is_not_written_is_not_healed_while_a_child_lives() {
    if against_redis() {
        return;
    }
    let server = server_with_data("huge-page-healing-rate 4");
    let mut client = server.client();
    split_pages(&server, &mut client);
    wait_until("it heals", 60, || is_excused(&server) || number(&server, "mem_huge_page_healed_bytes") > 0);
    server.start_background_save();
    let child = server.wait_for_child();
    wait_until("healing has stopped", 60, || number(&server, "mem_huge_page_healing") == 0);
    let healed = number(&server, "mem_huge_page_healed_bytes");
    client.run("CONFIG SET huge-page-healing-rate 1000");
    for at in 0..KEYS / 10 {
        client.cmd(&["GET", &format!("key:{at}")]);
    }
    assert_eq!(number(&server, "mem_huge_page_healed_bytes"), healed);
    send_signal(child, Signal::SIGUSR1);
    server.wait_for_save_end();
    wait_until("it goes on", 60, || is_excused(&server) || number(&server, "mem_huge_page_healed_bytes") > healed);
}

#[test]
fn tables_are_in_huge_pages_again_while_the_child_still_lives() {
    const SMALL_KEYS: usize = 1_500_000;
    /// Of the table and of what is chained to it there are three times as much.
    const LEFT_SPLIT: u64 = 8 << 20;
    if against_redis() {
        return;
    }
    let server = Server::with_config(ENDLESS);
    let mut client = server.client();
    client.run(&format!("DEBUG POPULATE {SMALL_KEYS} key 5"));
    wait_until("the tables are in huge pages", 60, || {
        is_excused(&server)
            || number(&server, "mem_huge_page_split_bytes") == 0 && number(&server, "mem_huge_page_bytes") > 0
    });
    if is_excused(&server) || !tells_huge_pages() {
        eprintln!("skipped: there are no huge pages, or the kernel does not say where");
        return;
    }
    let before = huge_bytes(&server);
    server.start_background_save();
    let child = server.wait_for_child();
    for at in (0..SMALL_KEYS).step_by(150) {
        assert_eq!(client.cmd(&["SET", &format!("key:{at}"), "other"]), ok());
    }
    wait_until("they are again", 60, || huge_bytes(&server) + LEFT_SPLIT >= before);
    assert_eq!(server.info_number("persistence", "rdb_bgsave_in_progress"), 1);
    send_signal(child, Signal::SIGUSR1);
    server.wait_for_save_end();
}

/// What the server has in huge pages, as the kernel says.
fn huge_bytes(server: &Server) -> u64 {
    let path = format!("/proc/{}/smaps_rollup", server.pid());
    let text = std::fs::read_to_string(&path).expect("the server runs");
    let field = text.lines().find_map(|line| line.strip_prefix("AnonHugePages:")).expect("the kernel says so");
    field.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

/// Whether the kernel says which pages are huge, as it does since Linux 6.7.
fn tells_huge_pages() -> bool {
    let release = nix::sys::utsname::uname().expect("the system has a name").release().to_string_lossy().into_owned();
    let mut numbers = release.split(|character: char| !character.is_ascii_digit()).map(|number| number.parse::<u32>());
    let mut next = || numbers.next().and_then(Result::ok);
    (next(), next()) >= (Some(6), Some(7))
}

#[test]
fn writes_to_small_values_split_no_pages() {
    const SMALL_KEYS: usize = 150_000;
    if against_redis() {
        return;
    }
    let server = Server::with_config(&format!("{ENDLESS}\nhuge-page-healing-rate 0"));
    let mut client = server.client();
    client.run(&format!("DEBUG POPULATE {SMALL_KEYS} key 200"));
    let whole = 24 << 20;
    if is_excused(&server) || number(&server, "mem_huge_page_bytes") < whole {
        eprintln!("skipped: the data is not in huge pages");
        return;
    }
    server.start_background_save();
    let child = server.wait_for_child();
    let value = "v".repeat(200);
    for at in (0..SMALL_KEYS).step_by(75) {
        assert_eq!(client.cmd(&["SET", &format!("key:{at}"), &value]), ok());
    }
    let after = number(&server, "mem_huge_page_bytes");
    send_signal(child, Signal::SIGUSR1);
    server.wait_for_save_end();
    assert!(after >= whole, "of more than {whole} bytes in huge pages, {after} are left");
}
