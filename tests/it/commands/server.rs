//! Commands about the server: INFO, COMMAND, DEBUG and the small ones. CONFIG, SAVE and SHUTDOWN have files of their
//! own beside this folder; here stand their argument checks.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::{dialogue, dialogue_resp3};
use crate::support::{Server, Value, against_redis, int, ok, wait_until};

#[test]
fn unknown_commands_are_named_with_their_arguments() {
    dialogue(
        r#"
        > bogus
        -ERR unknown command 'bogus', with args beginning with: ...
        > BOGUS one "two words"
        -ERR unknown command 'BOGUS', with args beginning with: 'one' 'two words' ...
        > "bo\r\ngus"
        -ERR unknown command 'bo  gus', with args beginning with: ...
        > GET
        -ERR wrong number of arguments for 'get' command
        > gEt a b
        -ERR wrong number of arguments for 'get' command
        > CONFIG GET
        -ERR wrong number of arguments for 'config|get' command
        > CONFIG BOGUS
        -ERR unknown subcommand 'BOGUS'. Try CONFIG HELP.
        > CONFIG
        -ERR wrong number of arguments for 'config' command
        "#,
    );
    let long = "x".repeat(300);
    let reply = Server::start().client().cmd(&[long.as_str(), &long]).text();
    assert!(reply.len() < 400, "what a client sends is not echoed without bound: {reply}");
}

#[test]
fn info_has_every_section_and_the_fields_that_tools_read() {
    let server = Server::start();
    let mut client = server.client();
    client.run("SET key value");
    let text = client.run("INFO").text();
    assert!(text.contains("\r\n"), "lines end in CRLF");
    let mut titles: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("# ")).collect();
    let expected = [
        "Server",
        "Clients",
        "Memory",
        "Persistence",
        "Stats",
        "Replication",
        "CPU",
        "Modules",
        "Errorstats",
        "Cluster",
        "Keyspace",
    ];
    // Not every release lists an empty section.
    titles.retain(|title| *title != "Modules");
    assert_eq!(titles, expected.iter().filter(|title| **title != "Modules").copied().collect::<Vec<_>>());

    let fields = [
        (
            "server",
            "redis_version redis_mode os arch_bits process_id run_id tcp_port uptime_in_seconds uptime_in_days hz \
                    configured_hz lru_clock executable config_file multiplexing_api gcc_version redis_git_sha1 \
                    redis_git_dirty redis_build_id monotonic_clock process_supervised server_time_usec io_threads_active",
        ),
        (
            "clients",
            "connected_clients cluster_connections maxclients client_recent_max_input_buffer \
                     client_recent_max_output_buffer blocked_clients tracking_clients clients_in_timeout_table",
        ),
        (
            "memory",
            "used_memory used_memory_human used_memory_rss used_memory_rss_human used_memory_peak \
                    used_memory_peak_human used_memory_peak_perc used_memory_overhead used_memory_startup \
                    used_memory_dataset used_memory_dataset_perc total_system_memory used_memory_lua maxmemory \
                    maxmemory_human maxmemory_policy mem_fragmentation_ratio mem_allocator lazyfree_pending_objects \
                    mem_clients_normal mem_not_counted_for_evict",
        ),
        (
            "persistence",
            "loading async_loading current_cow_peak current_cow_size current_cow_size_age \
                         current_fork_perc current_save_keys_processed current_save_keys_total \
                         rdb_changes_since_last_save rdb_bgsave_in_progress rdb_last_save_time rdb_last_bgsave_status \
                         rdb_last_bgsave_time_sec rdb_current_bgsave_time_sec rdb_saves rdb_last_cow_size \
                         rdb_last_load_keys_expired rdb_last_load_keys_loaded aof_enabled aof_rewrite_in_progress \
                         aof_rewrite_scheduled aof_last_bgrewrite_status aof_last_write_status",
        ),
        (
            "stats",
            "total_connections_received total_commands_processed instantaneous_ops_per_sec total_net_input_bytes \
                   total_net_output_bytes instantaneous_input_kbps instantaneous_output_kbps rejected_connections \
                   sync_full sync_partial_ok sync_partial_err expired_keys expired_stale_perc evicted_keys \
                   keyspace_hits keyspace_misses pubsub_channels pubsub_patterns latest_fork_usec total_forks \
                   migrate_cached_sockets total_error_replies  total_reads_processed \
                   total_writes_processed",
        ),
        ("replication", "role connected_slaves master_replid master_repl_offset repl_backlog_active"),
        ("cpu", "used_cpu_sys used_cpu_user used_cpu_sys_children used_cpu_user_children"),
        ("cluster", "cluster_enabled"),
        ("keyspace", "db0"),
    ];
    for (section, names) in fields {
        let reported = server.info(section);
        let missing: Vec<_> = names.split_whitespace().filter(|name| !reported.contains_key(*name)).collect();
        assert!(missing.is_empty(), "INFO {section} lacks {missing:?}");
    }
    if !against_redis() {
        let reported = server.info("server");
        assert_eq!(reported["redis_version"], "7.2.4");
        assert_eq!(reported["process_id"], server.pid().to_string());
        assert!(reported.contains_key("copal_version"));
        assert!(server.info("persistence").contains_key("rdb_last_bgsave_error"));
    }
    let subexpiry = if against_redis() { "" } else { ",subexpiry=0" };
    assert_eq!(server.info_field("keyspace", "db0"), format!("keys=1,expires=0,avg_ttl=0{subexpiry}"));
}

#[test]
fn info_selects_the_sections_it_is_asked_for() {
    let server = Server::start();
    let mut client = server.client();
    let titles = |text: String| -> Vec<String> {
        text.lines().filter_map(|line| line.strip_prefix("# ")).map(str::to_owned).collect()
    };
    assert_eq!(titles(client.run("INFO cpu SERVER cpu").text()), ["Server", "CPU"]);
    assert_eq!(client.run("INFO bogus").text(), "");
    assert!(titles(client.run("INFO all").text()).contains(&"Commandstats".to_owned()));
    assert!(titles(client.run("INFO everything").text()).contains(&"Commandstats".to_owned()));
    assert!(!titles(client.run("INFO default").text()).contains(&"Commandstats".to_owned()));
    assert!(matches!(server.client_resp3().run("INFO server"), Value::Verbatim(_)));
}

#[test]
fn info_tells_of_rounds_of_the_event_loop_and_their_commands() {
    if against_redis() {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    client.pipeline(&["SET a 1"; 50]);
    client.transcript("> MULTI\n+OK\n> DEBUG SLEEP 0.05\n+QUEUED\n> EXEC\n[+OK]");
    let number = |section: &str, name: &str| server.info_number(section, name);
    assert!(number("stats", "eventloop_cycles") >= 4);
    let (busy, commands) = (number("stats", "eventloop_duration_sum"), number("stats", "eventloop_duration_cmd_sum"));
    assert!((50_000..=busy).contains(&commands), "{commands} of {busy} us, where EXEC and SLEEP are the same 50 ms");
    let longest = number("debug", "eventloop_duration_max");
    assert!(longest >= 50_000, "{longest}");
    assert!(number("debug", "eventloop_cmd_per_cycle_max") >= 2);
    assert_eq!(number("debug", "eventloop_duration_aof_sum"), 0);
    wait_until("the cron has run", 10, || number("debug", "eventloop_duration_cron_sum") > 0);
    wait_until("the rates are known", 10, || {
        number("stats", "instantaneous_eventloop_cycles_per_sec") > 0
            && number("stats", "instantaneous_eventloop_duration_usec") > 0
    });
    client.run("CONFIG RESETSTAT");
    assert!(number("stats", "eventloop_duration_cmd_sum") < 50_000);
    // What is not asked for by its name is not shown.
    assert!(!client.run("INFO everything").text().contains("# Debug"));
}

#[test]
fn info_counts_subscribers_watchers_and_expiring_fields() {
    if against_redis() {
        return;
    }
    let server = Server::start();
    let (mut client, mut watcher, mut subscriber) = (server.client(), server.client(), server.client());
    client.transcript(
        r#"
        > HSET hash a 1 b 2
        :2
        > HPEXPIRE hash 10000 FIELDS 1 a
        [:1]
        > HSET other a 1
        :1
        > HPEXPIRE other 1 FIELDS 1 a
        [:1]
        "#,
    );
    watcher.run("WATCH a b");
    client.run("WATCH b");
    subscriber.run("SUBSCRIBE channel");
    let reported = server.info("clients");
    assert_eq!(
        (&*reported["pubsub_clients"], &*reported["watching_clients"], &*reported["total_watched_keys"]),
        ("1", "2", "2")
    );
    wait_until("the field is gone", 10, || server.info_field("stats", "expired_fields") == "1");
    assert_eq!(server.info_field("stats", "expired_subkeys"), "1");
    assert_eq!(server.info_field("keyspace", "db0"), "keys=1,expires=0,avg_ttl=0,subexpiry=1");
    watcher.run("UNWATCH");
    client.run("UNWATCH");
    let reported = server.info("clients");
    assert_eq!((&*reported["watching_clients"], &*reported["total_watched_keys"]), ("0", "0"));
}

#[test]
fn the_version_of_our_own_command_is_our_own() {
    if against_redis() {
        return;
    }
    let server = Server::start();
    let docs = server.client().run("COMMAND DOCS SNAPSHOT");
    assert_eq!(docs.field("snapshot").field("since").text(), server.info_field("server", "copal_version"));
    let reported = server.info("server");
    for compiler in ["gcc_version", "rustc_version"] {
        assert_eq!(reported[compiler].split(['.', '-']).take(3).filter(|part| part.parse::<u32>().is_ok()).count(), 3);
    }
}

#[test]
fn statistics_count_what_happened_and_can_be_reset() {
    let server = Server::start();
    let mut client = server.client();
    client.transcript(
        r#"
        > SET key v
        +OK
        > GET key
        "v"
        > GET missing
        nil
        > INCR key
        -ERR value is not an integer or out of range
        > GET
        -ERR wrong number of arguments for 'get' command
        > OBJECT ENCODING key
        "embstr"
        "#,
    );
    let stats = server.info("stats");
    assert_eq!(stats["keyspace_hits"], "2", "OBJECT counts as a read");
    assert_eq!(stats["keyspace_misses"], "1");
    assert_eq!(stats["total_error_replies"], "2");
    let commands = server.info("commandstats");
    assert!(commands["cmdstat_get"].starts_with("calls=2,usec="), "{commands:?}");
    assert!(commands["cmdstat_get"].ends_with("rejected_calls=1,failed_calls=0"), "{commands:?}");
    assert!(commands["cmdstat_incr"].ends_with("rejected_calls=0,failed_calls=1"), "{commands:?}");
    assert!(commands.contains_key("cmdstat_object|encoding"));
    assert_eq!(server.info("errorstats")["errorstat_ERR"], "count=2");
    assert_eq!(client.run("CONFIG RESETSTAT"), ok());
    let stats = server.info("stats");
    assert_eq!((stats["keyspace_hits"].as_str(), stats["total_error_replies"].as_str()), ("0", "0"));
    assert!(!server.info("commandstats").contains_key("cmdstat_get"));
    assert!(!server.info("errorstats").contains_key("errorstat_ERR"));
}

#[test]
fn keyspace_section_counts_keys_and_expiries_per_database() {
    let server = Server::start();
    let mut client = server.client();
    client.transcript("> MSET a 1 b 2\n+OK\n> EXPIRE a 1000\n:1\n> SELECT 9\n+OK\n> SET c 3\n+OK");
    let keyspace = server.info("keyspace");
    assert!(keyspace["db0"].starts_with("keys=2,expires=1,avg_ttl="), "{keyspace:?}");
    assert!(keyspace["db9"].starts_with("keys=1,expires=0,avg_ttl=0"), "{keyspace:?}");
    assert!(!keyspace.contains_key("db1"));
}

#[test]
fn time_and_lolwut_answer() {
    let server = Server::start();
    let mut client = server.client();
    let reply = client.run("TIME");
    let reported: u64 = reply.items()[0].text().parse().expect("seconds");
    let micros: u64 = reply.items()[1].text().parse().expect("microseconds");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    assert!(now.abs_diff(reported) <= 2 && micros < 1_000_000);
    assert!(client.run("LOLWUT").text().contains("ver."));
    assert!(client.run("LOLWUT VERSION 5 1 1 1").text().contains("ver."));
    assert!(matches!(server.client_resp3().run("LOLWUT"), Value::Verbatim(_)));
}

#[test]
fn command_describes_the_table() {
    let server = Server::start();
    let mut client = server.client();
    let count = client.run("COMMAND COUNT").integer();
    let mut list = client.run("COMMAND LIST").texts();
    assert!(list.contains(&"config|get".to_owned()), "subcommands are listed too");
    list.retain(|name| !name.contains('|'));
    assert_eq!(i64::try_from(list.len()).expect("small"), count);
    assert_eq!(i64::try_from(client.run("COMMAND").items().len()).expect("small"), count);
    let names: BTreeSet<_> = list.iter().map(|name| name.to_lowercase()).collect();
    assert_eq!(names.len(), list.len(), "names are unique");
    client.transcript(
        r#"
        > COMMAND INFO bogus
        [nil]
        > COMMAND LIST FILTERBY PATTERN mset*
        ...
        > COMMAND LIST FILTERBY MODULE bogus
        []
        > COMMAND LIST FILTERBY BOGUS x
        -ERR syntax error
        > COMMAND GETKEYS GET key
        ["key"]
        > COMMAND GETKEYS MSET a 1 b 2
        ["a", "b"]
        > COMMAND GETKEYS LCS a b
        ["a", "b"]
        > COMMAND GETKEYS PING x
        -ERR The command has no key arguments
        > COMMAND GETKEYS BOGUS key
        -ERR Invalid command specified
        > COMMAND GETKEYS SET a
        -ERR Invalid number of arguments specified for command
        > COMMAND GETKEYSANDFLAGS SET a 1
        [["a", [+OW, +update]]]
        > COMMAND GETKEYSANDFLAGS GET a
        [["a", [+RO, +access]]]
        > COMMAND GETKEYSANDFLAGS DEL a b
        [["a", [+RM, +delete]], ["b", [+RM, +delete]]]
        > COMMAND BOGUS
        -ERR unknown subcommand 'BOGUS'. Try COMMAND HELP.
        > COMMAND HELP
        [+COMMAND <subcommand> ...
        > COMMAND DOCS bogus
        []
        "#,
    );
    let mut matching = client.run("COMMAND LIST FILTERBY PATTERN mset*").texts();
    matching.sort();
    assert_eq!(matching, ["mset", "msetnx"]);
    let dangerous = client.run("COMMAND LIST FILTERBY ACLCAT dangerous").texts();
    assert!(dangerous.contains(&"flushall".to_owned()) && !dangerous.contains(&"get".to_owned()));
}

#[test]
fn command_info_tells_arity_flags_keys_and_subcommands() {
    let server = Server::start();
    let mut client = server.client();
    let info = client.run("COMMAND INFO get set config");
    let [get, set, config] = info.items() else { panic!("three answers: {info:?}") };
    let shown = crate::support::render(get);
    assert!(
        shown.starts_with(r#"["get", :2, [+readonly, +fast], :1, :1, :1, [+@read, +@string, +@fast], [], "#),
        "{shown}"
    );
    assert!(
        shown.contains(r#""flags", [+RO, +access], "begin_search", ["type", "index", "spec", ["index", :1]]"#),
        "{shown}"
    );
    let shown = crate::support::render(set);
    assert!(
        shown.starts_with(r#"["set", :-3, [+write, +denyoom], :1, :1, :1, [+@write, +@string, +@slow]"#),
        "{shown}"
    );
    let subcommands: BTreeSet<_> = config.items()[9].items().iter().map(|sub| sub.items()[0].text()).collect();
    assert!(subcommands.contains("config|get") && subcommands.contains("config|rewrite"), "{subcommands:?}");
    let resp3 = server.client_resp3().run("COMMAND INFO get");
    assert!(matches!(resp3.items()[0].items()[2], Value::Set(_)), "flags are a set in RESP3");
}

#[test]
fn command_docs_gives_hints_for_every_command() {
    let server = Server::start();
    let mut client = server.client_resp3();
    let docs = client.run("COMMAND DOCS");
    let Value::Map(pairs) = &docs else { panic!("a map: {docs:?}") };
    let count = client.run("COMMAND COUNT").integer();
    assert_eq!(i64::try_from(pairs.len()).expect("small"), count);
    for (name, doc) in pairs {
        assert!(!doc.field("summary").text().is_empty(), "{name:?} has a summary");
        assert!(!doc.field("since").text().is_empty(), "{name:?} has a version");
        assert!(!doc.field("group").text().is_empty(), "{name:?} is in a group");
    }
    let set = client.run("COMMAND DOCS SET");
    let arguments = set.field("set").field("arguments").items();
    let names: Vec<_> = arguments.iter().map(|argument| argument.field("name").text()).collect();
    assert_eq!(names, ["key", "value", "condition", "get", "expiration"]);
    assert_eq!(arguments[4].field("arguments").items().len(), 5);
    let config = client.run("COMMAND DOCS config");
    assert_eq!(config.field("config").field("subcommands").field("config|get").field("group").text(), "server");
}

#[test]
fn debug_populates_digests_sleeps_and_reloads() {
    let server = Server::start();
    let mut client = server.client();
    client.transcript(
        r#"
        > DEBUG DIGEST
        +0000000000000000000000000000000000000000
        > DEBUG POPULATE 100
        +OK
        > DBSIZE
        :100
        > GET key:7
        "value:7"
        > DEBUG POPULATE 10 other 50
        +OK
        > STRLEN other:3
        :50
        > DEBUG POPULATE 100
        +OK
        > DBSIZE
        :110
        > SET expiring v EX 1000
        +OK
        > DEBUG DIGEST-VALUE missing
        [+0000000000000000000000000000000000000000]
        > DEBUG OBJECT missing
        -ERR no such key
        > DEBUG OBJECT key:7
        +Value at:0x... refcount:1 encoding:embstr serializedlength:8 lru:... lru_seconds_idle:0
        > DEBUG BOGUS
        -ERR unknown subcommand or wrong number of arguments for 'BOGUS'. Try DEBUG HELP.
        > DEBUG HELP
        [+DEBUG <subcommand> ...
        "#,
    );
    let before = server.digest();
    assert_eq!(client.run("DEBUG RELOAD"), ok());
    assert_eq!(server.digest(), before);
    assert_eq!(client.run("DBSIZE"), int(111));
    assert_eq!(client.run("DEBUG RELOAD NOSAVE"), ok());
    assert_eq!(client.run("DBSIZE"), int(111));
    assert_eq!(client.run("DEBUG RELOAD NOSAVE NOFLUSH MERGE"), ok());
    assert_eq!(server.digest(), before);
    let same = client.run("DEBUG DIGEST-VALUE key:1 key:1").texts();
    assert_eq!(same[0], same[1]);
    let start = Instant::now();
    assert_eq!(client.run("DEBUG SLEEP 0.2"), ok());
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[test]
fn digests_follow_the_data_and_not_its_history() {
    let server = Server::start();
    let mut client = server.client();
    let digest = |client: &mut crate::support::Client| client.run("DEBUG DIGEST").text();
    client.transcript("> MSET a 1 b 2\n+OK");
    let first = digest(&mut client);
    client.run("SET c 3");
    assert_ne!(digest(&mut client), first);
    client.run("DEL c");
    assert_eq!(digest(&mut client), first);
    client.run("EXPIRE a 1000");
    let expiring = digest(&mut client);
    assert_ne!(expiring, first, "an expiry is data");
    client.transcript("> FLUSHALL\n+OK\n> SET b 2\n+OK\n> SET a 1 EX 5000\n+OK");
    assert_eq!(digest(&mut client), expiring);
    // A digest that is known: Redis 7.0.15 computed it.
    client.transcript(
        "> FLUSHALL\n+OK\n> SET key value\n+OK\n> DEBUG DIGEST-VALUE key\n[+d59ec93db87f4cd915db3cdf44bb63755bc4a635]",
    );
}

#[test]
fn arguments_of_the_server_commands_are_checked() {
    dialogue(
        r#"
        > SAVE now
        -ERR wrong number of arguments for 'save' command
        > BGSAVE BOGUS
        -ERR syntax error
        > LASTSAVE x
        -ERR wrong number of arguments for 'lastsave' command
        > SHUTDOWN BOGUS
        -ERR syntax error
        > SHUTDOWN SAVE NOSAVE
        -ERR syntax error
        > SHUTDOWN ABORT NOW
        -ERR syntax error
        > SHUTDOWN ABORT
        -ERR No shutdown in progress.
        > TIME x
        -ERR wrong number of arguments for 'time' command
        > DBSIZE x
        -ERR wrong number of arguments for 'dbsize' command
        > CONFIG HELP
        [+CONFIG <subcommand> ...
        "#,
    );
}

#[test]
fn server_commands_take_their_resp3_forms() {
    dialogue_resp3(
        r#"
        > COMMAND INFO bogus
        [_]
        > COMMAND DOCS bogus
        {}
        > CONFIG GET maxclients
        {"maxclients": "10000"}
        "#,
    );
}

#[test]
fn unknown_commands_of_absent_features_say_so() {
    if against_redis() {
        return;
    }
    let server = Server::with_config("rename-command EVAL \"\"");
    let mut client = server.client();
    for (command, feature) in [
        ("BGREWRITEAOF", "the append-only file is"),
        ("SENTINEL MASTERS", "Sentinel is"),
        ("JSON.GET doc", "modules are"),
        ("FT.SEARCH idx x", "modules are"),
        ("VADD set", "vector sets are"),
        ("CLUSTERSCAN 0", "a cluster is"),
    ] {
        let error = client.run(command).text();
        let name = command.split(' ').next().expect("a name");
        assert!(error.starts_with(&format!("ERR unknown command '{name}', with args beginning with: ")), "{error}");
        assert!(error.ends_with(&format!("({feature} not available in Copal)")), "{error}");
    }
    client.transcript(
        r#"
        > NOSUCH x
        -ERR unknown command 'NOSUCH', with args beginning with: 'x' ...
        > MODULE LOADEX m.so
        -ERR unknown subcommand 'LOADEX'. Try MODULE HELP. (modules are not available in Copal)
        > CLUSTER ADDSLOTS 1
        -ERR This instance has cluster support disabled
        > CLUSTER NOSUCH
        -ERR unknown subcommand 'NOSUCH'. Try CLUSTER HELP.
        > CLIENT TRACKING ON
        -ERR CLIENT TRACKING is not available in Copal: it does not track keys for clients
        "#,
    );
    assert!(!client.run("NOSUCH x").text().contains("Copal"));
}
