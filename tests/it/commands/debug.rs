//! DEBUG, as far as tests of other things stand on it.

use super::{dialogue, dialogue_resp3};
use crate::support::{Server, against_redis, int, ok, wait_until};

#[test]
fn arguments_of_debug_are_checked() {
    dialogue(
        r#"
        > DEBUG
        -ERR wrong number of arguments for 'debug' command
        > DEBUG POPULATE x
        -ERR value is out of range, must be positive
        > DEBUG POPULATE -1
        -ERR value is out of range, must be positive
        > DEBUG HTSTATS 16
        -ERR Out of range database
        > DEBUG HTSTATS-KEY missing
        -ERR no such key
        > DEBUG RELOAD QUICKLY
        -ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.
        > DEBUG QUICKLIST-PACKED-THRESHOLD much
        -ERR argument must be a memory value
        > DEBUG QUICKLIST-PACKED-THRESHOLD 4gb
        -ERR argument must be a memory value bigger than 1 and smaller than 4gb
        > DEBUG QUICKLIST-PACKED-THRESHOLD 200b
        +OK
        > DEBUG QUICKLIST-PACKED-THRESHOLD 0
        +OK
        > DEBUG ERROR CODE
        -CODE
        > DEBUG STRINGMATCH-LEN a*c abc
        :1
        > DEBUG STRINGMATCH-LEN a*c abd
        :0
        > DEBUG LOG message
        +OK
        > DEBUG REPLYBUFFER PEAK-RESET-TIME 100
        +OK
        > DEBUG REPLYBUFFER peak-reset-time never
        +OK
        > DEBUG REPLYBUFFER PEAK-RESET-TIME RESET
        +OK
        > DEBUG REPLYBUFFER PEAK-RESET-TIME soon
        -ERR value is not an integer or out of range
        > DEBUG REPLYBUFFER PEAK-RESET-TIME
        -ERR unknown subcommand or wrong number of arguments for 'REPLYBUFFER'. Try DEBUG HELP.
        > DEBUG PROTOCOL unheard-of
        -ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false
        > DEBUG PROTOCOL push
        -ERR RESP2 is not supported by this command
        > DEBUG PROTOCOL double
        "3.141"
        > DEBUG PROTOCOL map
        [:0, :0, :1, :1, :2, :0]
        "#,
    );
    dialogue_resp3(
        r#"
        > DEBUG PROTOCOL double
        ,3.141
        > DEBUG PROTOCOL true
        #t
        > DEBUG PROTOCOL null
        _
        "#,
    );
}

#[test]
fn checksums_of_payloads_can_be_left_aside() {
    let server = Server::start();
    let mut client = server.client();
    client.run("SET key hello");
    let mut payload = client.run("DUMP key").bytes();
    let last = payload.len() - 1;
    payload[last] ^= 1;
    let restore = [b"RESTORE".to_vec(), b"copy".to_vec(), b"0".to_vec(), payload];
    assert!(client.cmd(&restore).text().contains("checksum"));
    assert_eq!(client.run("DEBUG SET-SKIP-CHECKSUM-VALIDATION 1"), ok());
    assert_eq!(client.cmd(&restore), ok());
    assert_eq!(client.run("GET copy").text(), "hello");
    assert_eq!(client.run("DEBUG SET-SKIP-CHECKSUM-VALIDATION 0"), ok());
    client.run("DEL copy");
    assert!(client.cmd(&restore).is_error());
}

#[test]
fn tables_keep_their_size_while_resizing_is_off() {
    let server = Server::start();
    let mut client = server.client();
    client.run("DEBUG POPULATE 100");
    assert_eq!(client.run("DEBUG DICT-RESIZING 0"), ok());
    let table_size = |text: &str| {
        let size = text.lines().find_map(|line| line.trim().strip_prefix("table size: "));
        size.and_then(|size| size.parse::<u64>().ok()).expect("a table has a size")
    };
    let small = table_size(&client.run("DEBUG HTSTATS 0").text());
    for number in 0..200 {
        client.cmd(&["SET", &format!("more:{number}"), "value"]);
    }
    assert_eq!(table_size(&client.run("DEBUG HTSTATS 0").text()), small);
    assert_eq!(client.run("DEBUG DICT-RESIZING 1"), ok());
    client.run("SET last value");
    assert!(table_size(&client.run("DEBUG HTSTATS 0").text()) > small);
}

#[test]
fn paused_cron_expires_nothing_by_itself() {
    let server = Server::start();
    let mut client = server.client();
    assert_eq!(client.run("DEBUG PAUSE-CRON 1"), ok());
    client.run("SET key value PX 1");
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(client.run("DBSIZE"), int(1));
    assert_eq!(client.run("DEBUG PAUSE-CRON 0"), ok());
    wait_until("the key expires", 10, || client.run("DBSIZE") == int(0));
}

#[test]
fn idle_clients_keep_their_reply_buffers_only_when_told_to() {
    if against_redis() {
        return;
    }
    let server = Server::start();
    let (mut client, mut idle) = (server.client(), server.client());
    let room = |client: &mut crate::support::Client| -> usize {
        let list = client.run("CLIENT LIST").text();
        let line = list.lines().find(|line| line.contains(" name=idle ")).expect("the idle client");
        line.split(' ').find_map(|word| word.strip_prefix("rbs=")).expect("its room").parse().expect("a number")
    };
    idle.run("CLIENT SETNAME idle");
    assert_eq!(room(&mut client), 0);
    assert_eq!(client.run("DEBUG REPLYBUFFER RESIZING 0"), ok());
    idle.run("PING");
    assert!(room(&mut client) > 0);
    assert_eq!(client.run("DEBUG REPLYBUFFER RESIZING 1"), ok());
    idle.run("PING");
    assert_eq!(room(&mut client), 0);
}

#[test]
fn the_nodes_of_a_large_list_are_told_with_their_compression() {
    let server = Server::with_config("list-compress-depth 1\nlist-max-listpack-size 4");
    let mut client = server.client();
    let elements: Vec<String> = (0..10).map(|index| format!("element {index} {}", "x".repeat(50))).collect();
    for element in &elements {
        client.cmd(&["RPUSH", "list", element]);
    }
    let reported = client.run("DEBUG OBJECT list").text();
    // A header of 6 bytes, an end of 1, and two lengths for each element of 60 bytes.
    let bytes = 3 * (6 + 1) + 10 * (60 + 2);
    let nodes = format!(" ql_nodes:3 ql_avg_node:3.33 ql_listpack_max:4 ql_compressed:1 ql_uncompressed_size:{bytes}");
    assert!(reported.ends_with(&nodes), "{reported}");
}
