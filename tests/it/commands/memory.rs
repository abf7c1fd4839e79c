//! MEMORY, and what `maxmemory` does to keys and commands.

use super::dialogue;
use crate::support::{Client, Server, against_redis, bulk, int, nil, ok, wait_until};

fn info_number(client: &mut Client, section: &str, name: &str) -> u64 {
    let text = client.cmd(&["INFO", section]).text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{name} in {text}"))
}

/// Allows so many bytes more than are in use.
fn limit_memory(client: &mut Client, policy: &str, spare_bytes: u64) -> u64 {
    let limit = info_number(client, "memory", "used_memory") + spare_bytes;
    assert_eq!(client.cmd(&["CONFIG", "SET", "maxmemory", &limit.to_string(), "maxmemory-policy", policy]), ok());
    limit
}

#[test]
fn memory_subcommands_take_what_they_say() {
    dialogue(
        r#"
        > MEMORY USAGE missing
        nil
        > SET key value
        +OK
        > MEMORY USAGE key SAMPLES
        -ERR syntax error
        > MEMORY USAGE key SAMPLES -1
        -ERR syntax error
        > MEMORY USAGE key SAMPLES many
        -ERR value is not an integer or out of range
        > MEMORY PURGE
        +OK
        > MEMORY STATS more
        -ERR wrong number of arguments for 'memory|stats' command
        "#,
    );
    let server = Server::start();
    let mut client = server.client();
    assert!(client.run("MEMORY DOCTOR").text().starts_with("Hi Sam, this instance is empty"));
    assert!(client.run("MEMORY MALLOC-STATS").text().contains("jemalloc"));
    assert!(client.run("MEMORY HELP").texts().iter().any(|line| line == "PURGE"));
    client.cmd(&["SET", "key", &"x".repeat(100_000)]);
    assert!(client.run("MEMORY USAGE key SAMPLES 0").integer() > 100_000);
    let stats = client.run("MEMORY STATS");
    assert_eq!(stats.field("keys.count").integer(), 1);
    assert!(stats.field("total.allocated").integer() >= stats.field("startup.allocated").integer() + 100_000);
    assert!(stats.field("db.0").field("overhead.hashtable.main").integer() > 0);
    assert!(stats.field("overhead.db.hashtable.lut").integer() > 0);
    assert_eq!(stats.field("overhead.db.hashtable.rehashing").integer(), 0);
    assert_eq!(stats.field("db.dict.rehashing.count").integer(), 0);
    assert!(stats.field("allocator.muzzy").integer() >= 0);
}

#[test]
fn the_doctor_finds_nothing_in_a_server_full_of_data_with_one_client() {
    let server = Server::start();
    let mut client = server.client();
    client.run("DEBUG POPULATE 400000 key 100");
    // A long reply leaves a large output buffer for the next one who asks.
    client.cmd(&["SET", "large", &"x".repeat(250_000)]);
    client.run("GET large");
    let found = client.run("MEMORY DOCTOR").text();
    assert!(!found.contains("client buffers") && !found.contains("process RSS"), "{found}");
}

#[test]
fn freed_memory_is_seen_at_once() {
    let server = Server::start();
    let mut client = server.client();
    let before = info_number(&mut client, "memory", "used_memory");
    client.run("DEBUG POPULATE 20000 key 200");
    let full = info_number(&mut client, "memory", "used_memory");
    assert!(full > before + 4_000_000, "{before} to {full}");
    client.run("FLUSHALL SYNC");
    let after = info_number(&mut client, "memory", "used_memory");
    assert!(after < before + 200_000, "{before} to {full} to {after}");
    assert!(info_number(&mut client, "memory", "used_memory_peak") >= full);
}

#[test]
fn writes_are_refused_when_memory_is_short_and_nothing_may_go() {
    let server = Server::start();
    let mut client = server.client();
    let oom = "OOM command not allowed when used memory > 'maxmemory'.";
    assert_eq!(client.run("SET key value"), ok());
    assert_eq!(client.run("CONFIG SET maxmemory 1"), ok());
    assert_eq!(client.run("SET other value").text(), oom);
    assert_eq!(client.run("GET key"), bulk("value"));
    assert_eq!(client.run("MULTI"), ok());
    assert_eq!(client.run("GET key").text(), oom, "a queue takes memory too");
    assert!(client.run("EXEC").text().starts_with("EXECABORT"));
    assert_eq!(client.run("DEL key"), int(1));
    assert_eq!(client.run("CONFIG SET maxmemory 0"), ok());
    assert_eq!(client.run("MULTI"), ok());
    client.run("SET key value");
    server.client().run("CONFIG SET maxmemory 1");
    assert_eq!(client.run("EXEC").text(), format!("EXECABORT Transaction discarded because of: {oom}"));
    assert_eq!(client.run("EXISTS key"), int(0));
}

#[test]
fn evicting_a_large_value_is_told_as_a_latency_event() {
    let server = Server::with_config("latency-monitor-threshold 1");
    let mut client = server.client();
    for batch in 0..20 {
        let members: Vec<String> = (0..10_000).map(|number| format!("member:{batch}:{number}")).collect();
        client.cmd(&[vec!["SADD".to_owned(), "large".to_owned()], members].concat());
    }
    client.run("LATENCY RESET");
    client.run("EXPIRE large 1000");
    limit_memory(&mut client, "volatile-ttl", 0);
    client.cmd(&["SET", "key", &"x".repeat(1_000_000)]);
    assert_eq!(client.run("EXISTS large"), int(0), "nothing else may go");
    for event in ["eviction-del", "eviction-cycle"] {
        assert!(!client.run(&format!("LATENCY HISTORY {event}")).items().is_empty(), "{event}");
    }
}

#[test]
fn every_policy_keeps_the_limit_without_emptying_the_database() {
    for policy in [
        "allkeys-lru",
        "allkeys-lfu",
        "allkeys-random",
        "volatile-lru",
        "volatile-lfu",
        "volatile-random",
        "volatile-ttl",
    ] {
        let server = Server::start();
        let mut client = server.client();
        client.run("CONFIG SET maxmemory-eviction-tenacity 100");
        let limit = limit_memory(&mut client, policy, 500_000);
        for number in 0..6000 {
            assert_eq!(
                client.cmd(&["SET", &format!("key:{number}"), &"x".repeat(200), "EX", "1000"]),
                ok(),
                "{policy}"
            );
        }
        let used = info_number(&mut client, "memory", "used_memory");
        assert!(used < limit + 50_000, "{policy}: {used} of {limit}");
        // Commands that look at the result evict too.
        client.run("CONFIG SET maxmemory 0");
        let kept = client.run("DBSIZE").integer();
        assert!((800..2500).contains(&kept), "{policy} keeps {kept} keys");
        assert_eq!(info_number(&mut client, "stats", "evicted_keys") as i64, 6000 - kept);
    }
}

#[test]
fn volatile_policies_leave_keys_without_an_expiry_alone() {
    for policy in ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"] {
        let server = Server::start();
        let mut client = server.client();
        client.run("DEBUG POPULATE 500 kept 200");
        client.run("CONFIG SET maxmemory-eviction-tenacity 100");
        limit_memory(&mut client, policy, 300_000);
        for number in 0..4000 {
            assert_eq!(
                client.cmd(&["SET", &format!("key:{number}"), &"x".repeat(200), "EX", "1000"]),
                ok(),
                "{policy}"
            );
        }
        for number in 0..500 {
            assert_eq!(client.cmd(&["EXISTS", &format!("kept:{number}")]), int(1), "{policy}");
        }
    }
}

#[test]
fn eviction_frees_more_than_its_events_take() {
    let server = Server::start();
    let mut client = server.client();
    client.run("CONFIG SET notify-keyspace-events KEA");
    for policy in ["allkeys-random", "volatile-random", "allkeys-lru"] {
        client.run("FLUSHALL");
        let limit = limit_memory(&mut client, policy, 200 * 1024);
        for number in 0..6000 {
            assert_eq!(
                client.run(&format!("SET key:{number} value EX 1000")),
                ok(),
                "{policy}: nothing is left to evict"
            );
        }
        assert!(client.run("DBSIZE").integer() > 500, "{policy}");
        let used = info_number(&mut client, "memory", "used_memory");
        assert!(used < limit + 8192, "{policy}: {used} of {limit}");
    }
}

#[test]
fn evicted_keys_are_told_to_subscribers() {
    let server = Server::start();
    let mut client = server.client();
    client.run("CONFIG SET notify-keyspace-events Ee");
    let mut listener = server.client();
    listener.run("SUBSCRIBE __keyevent@0__:evicted");
    client.run("SET key value");
    client.run("CONFIG SET maxmemory-policy allkeys-lru maxmemory 1");
    client.run("PING");
    let message = listener.read().texts();
    assert_eq!(message[2], "key");
}

#[test]
fn active_defragmentation_gives_back_what_deleted_keys_have_left_and_counts_what_it_moves() {
    if against_redis() {
        return;
    }
    let server = Server::start();
    let mut client = server.client();
    // As slow as it can be: what is seen below is the doing of the setting.
    client.transcript("> CONFIG SET hz 1 dynamic-hz no\n+OK");
    client.run("DEBUG POPULATE 400000 key 100");
    client.run("EVAL \"for i = 0, 399999 do if i % 10 < 6 then redis.call('del', 'key:' .. i) end end\" 0");
    assert_eq!(client.run("DBSIZE").integer(), 160_000);
    let digest = client.run("DEBUG DIGEST").text();
    assert!(fragmentation(&server) > 1.4, "{}", fragmentation(&server));
    assert_eq!(server.info_field("memory", "active_defrag_running"), "0");
    defragment(&server, 1.2);
    assert!(server.info_number("stats", "active_defrag_hits") > 10_000);
    assert!(server.info_number("stats", "total_active_defrag_time") > 0);
    assert_eq!(client.run("DEBUG DIGEST").text(), digest);
    wait_until("nothing is left to be moved, and the counts begin anew", 60, || {
        client.run("CONFIG RESETSTAT");
        server.info_number("stats", "active_defrag_hits") == 0
    });
}

/// Bytes of pages for each byte of blocks in them.
fn fragmentation(server: &Server) -> f64 {
    server.info_field("memory", "allocator_frag_ratio").parse().expect("a ratio")
}

/// Lets `activedefrag` work until it rests, with less than this left.
fn defragment(server: &Server, fragmentation_end: f64) {
    server.client().transcript(
        "> CONFIG SET hz 100 active-defrag-ignore-bytes 2mb active-defrag-threshold-lower 5
        +OK
        > CONFIG SET active-defrag-cycle-min 20 active-defrag-cycle-max 40 activedefrag yes
        +OK",
    );
    wait_until("pages are filled evenly", 60, || {
        server.info_field("memory", "active_defrag_running") == "0" && fragmentation(server) < fragmentation_end
    });
}

/// Fills 400 collections of each kind with 200 elements, and leaves three of ten.
const THINNED_OUT: &str = r#"
    local function element(i, j) return 'element:' .. j .. string.rep('x', (i + j) % 5 * 8) end
    for i = 1, 400 do
        for j = 1, 200 do
            local e = element(i, j)
            redis.call('HSET', 'hash:' .. i, 'field:' .. j, e)
            redis.call('SADD', 'set:' .. i, e)
            redis.call('ZADD', 'zset:' .. i, j * 7919 % 100, e)
            redis.call('RPUSH', 'list:' .. i, e)
            redis.call('XADD', 'stream:' .. i, j, 'field', e)
        end
    end
    for i = 1, 400 do
        for j = 1, 200 do
            if (i + j * 7) % 10 >= 3 then
                local e = element(i, j)
                redis.call('HDEL', 'hash:' .. i, 'field:' .. j)
                redis.call('SREM', 'set:' .. i, e)
                redis.call('ZREM', 'zset:' .. i, e)
                redis.call('LREM', 'list:' .. i, 1, e)
            end
        end
        redis.call('XTRIM', 'stream:' .. i, 'MAXLEN', 60)
    end
"#;

#[test]
fn active_defragmentation_moves_the_elements_of_collections_together() {
    if against_redis() {
        return;
    }
    // A script that is busy lets the cron in, which then looks at half-filled pages.
    let server = Server::with_config("hash-max-listpack-entries 128\nbusy-reply-threshold 600000");
    let mut client = server.client();
    assert_eq!(client.cmd(&["EVAL", THINNED_OUT, "0"]), nil());
    let digest = client.run("DEBUG DIGEST").text();
    assert!(fragmentation(&server) > 1.8, "{}", fragmentation(&server));
    // Of so few data, a page that is begun is a fifth.
    defragment(&server, 1.75);
    let moved = |field: &str| server.info_number("stats", field);
    assert!(moved("active_defrag_hits") > 10 * moved("active_defrag_key_hits"), "a collection has many blocks");
    assert!(moved("active_defrag_key_hits") > 400 && moved("active_defrag_misses") > moved("active_defrag_key_misses"));
    assert_eq!(client.run("DEBUG DIGEST").text(), digest);
    // A change finds all that has moved.
    for key in ["hash:7", "set:7", "zset:7", "list:7", "stream:7"] {
        client.transcript(&format!("> COPY {key} copy:{key}\n:1\n> DEL {key}\n:1\n> RENAME copy:{key} {key}\n+OK"));
    }
    assert_eq!(client.run("DEBUG DIGEST").text(), digest);
}
