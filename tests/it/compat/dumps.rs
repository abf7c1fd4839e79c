//! Dumps and DUMP payloads of each are the other's data.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use super::data::fill;
use crate::support::{Server, Setup, bulk, ok, redis_server, wait_until};

/// Settings under which the same data is laid out differently.
const LAYOUTS: [&str; 5] = [
    "",
    "rdbcompression no\nlist-compress-depth 1",
    "rdbchecksum no\nlist-max-listpack-size 3\nstream-node-max-entries 7",
    "list-max-listpack-size -5\nset-max-intset-entries 10\nzset-max-listpack-entries 1000\nhash-max-listpack-entries 9\nstream-node-max-bytes 300",
    "hash-max-listpack-value 4\nzset-max-listpack-value 4\nset-max-intset-entries 2000\nlist-compress-depth 2\n\
     stream-node-max-entries 0\nstream-node-max-bytes 0",
];

#[test]
fn dumps_of_redis_load_here_with_an_equal_digest() {
    for layout in LAYOUTS {
        let peer = redis_server(layout);
        fill(&mut peer.client());
        peer.client().run("SAVE");
        let ours = Setup::new().file("dump.rdb", fs::read(peer.dump_path()).expect("the dump")).start();
        assert_eq!(ours.digest(), peer.digest(), "{layout}");
    }
}

/// Redis starts with our dump and holds the same data, and its checker finds nothing wrong.
#[track_caller]
fn loads_in_redis(peer: &mut Server, ours: &Server, config: &str) {
    peer.kill();
    fs::copy(ours.dump_path(), peer.dump_path()).expect("the dump can be copied");
    peer.start_again();
    assert_eq!(peer.digest(), ours.digest(), "{config}");
    let checked = Command::new("redis-check-rdb").arg(ours.dump_path()).output().expect("redis-check-rdb runs");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[test]
fn our_dumps_load_in_redis_with_an_equal_digest() {
    for layout in LAYOUTS {
        let ours = Server::with_config(layout);
        fill(&mut ours.client());
        ours.background_save();
        let mut peer = redis_server("");
        loads_in_redis(&mut peer, &ours, layout);
    }
}

#[test]
fn keys_migrate_between_redis_and_us_both_ways() {
    let (ours, peer) = (Server::start(), redis_server(""));
    fill(&mut peer.client());
    let digest = peer.digest();
    let databases: BTreeSet<String> =
        peer.info("keyspace").into_keys().filter_map(|name| name.strip_prefix("db").map(str::to_owned)).collect();
    for (from, to) in [(&peer, &ours), (&ours, &peer)] {
        for db in &databases {
            let mut client = from.client();
            client.run(&format!("SELECT {db}"));
            let to_port = to.port().to_string();
            let head = ["MIGRATE", "127.0.0.1", &to_port, "", db, "20000", "KEYS"].map(|word| word.as_bytes().to_vec());
            let keys: Vec<_> = client.run("KEYS *").items().iter().map(|key| key.bytes()).collect();
            assert_eq!(client.cmd(&[head.as_slice(), &keys].concat()), ok());
            assert_eq!(client.run("DBSIZE").integer(), 0);
        }
        assert_eq!(to.digest(), digest);
    }
}

#[test]
fn dumps_written_by_threads_load_in_redis_with_an_equal_digest() {
    for config in ["snapshot-threads 2", "snapshot-threads 5\nrdbchecksum no"] {
        let ours = Server::with_config(config);
        let mut client = ours.client();
        fill(&mut client);
        client.run("DEBUG POPULATE 50000 populated 30");
        for part in 0..50 {
            let members: Vec<_> = (0..1000).map(|member| format!("member:{part}:{member}")).collect();
            let command =
                |verb, key| [&[verb, key], members.iter().map(String::as_str).collect::<Vec<_>>().as_slice()].concat();
            client.cmd(&command("SADD", "large:set"));
            client.cmd(&command("RPUSH", "large:list"));
            client.cmd(&command("HSET", "large:hash"));
        }
        let mut peer = redis_server("");
        for background in [false, true] {
            if background {
                ours.background_save();
            } else {
                assert_eq!(client.run("SAVE"), ok());
            }
            loads_in_redis(&mut peer, &ours, config);
        }
    }
}

#[test]
fn the_data_of_these_tests_has_every_encoding() {
    let ours = Server::start();
    let mut client = ours.client();
    fill(&mut client);
    let found: BTreeSet<String> = client
        .run("KEYS *")
        .items()
        .iter()
        .map(|key| client.cmd(&[b"OBJECT".as_slice(), b"ENCODING", &key.bytes()]).text())
        .collect();
    let all = ["embstr", "hashtable", "int", "intset", "listpack", "quicklist", "raw", "skiplist", "stream"];
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), all);
}

#[test]
fn dump_payloads_go_both_ways() {
    let ours = Server::start();
    let peer = redis_server("");
    for (from, to) in [(&ours, &peer), (&peer, &ours)] {
        let (mut source, mut target) = (from.client(), to.client());
        target.run("FLUSHALL");
        source.run("FLUSHALL");
        fill(&mut source);
        for database in 0..16 {
            source.run(&format!("SELECT {database}"));
            target.run(&format!("SELECT {database}"));
            for key in source.run("KEYS *").items() {
                let key = key.bytes();
                let payload = source.cmd(&[b"DUMP".as_slice(), &key]).bytes();
                let when = source.cmd(&[b"PEXPIRETIME".as_slice(), &key]).integer().max(0).to_string();
                let restored = target.cmd(&[b"RESTORE".as_slice(), &key, when.as_bytes(), &payload, b"ABSTTL"]);
                assert_eq!(restored, ok(), "{}", String::from_utf8_lossy(&key));
            }
        }
        assert_eq!(from.digest(), to.digest());
    }
}

#[test]
fn streams_are_laid_out_byte_for_byte_as_redis_does() {
    let config = "rdbcompression no\nrdb-version 10\nstream-node-max-entries 20";
    let ours = Server::with_config(config);
    let peer = redis_server(&config.replace("rdb-version 10\n", ""));
    for server in [&ours, &peer] {
        fill(&mut server.client());
    }
    for key in ["one", "full", "over", "edges", "empty"] {
        let payload = |server: &Server| server.client().run(&format!("DUMP stream:{key}")).bytes();
        assert!(payload(&ours) == payload(&peer), "{key}: {:?} {:?}", payload(&ours), payload(&peer));
    }
}

#[test]
fn consumer_groups_stay_what_they_are_on_a_journey() {
    let state = |server: &Server| {
        let mut client = server.client();
        let mut reported: Vec<_> =
            ["XINFO GROUPS stream:many", "XINFO GROUPS stream:groups:none", "XPENDING stream:many late"]
                .map(|line| client.run(line))
                .into();
        for group in ["readers", "late"] {
            for pending in client.run(&format!("XPENDING stream:many {group} - + 1000")).items() {
                // The time since the delivery is the third.
                reported.extend([0, 1, 3].map(|at| pending.items()[at].clone()));
            }
        }
        reported
    };
    let peer = redis_server("");
    fill(&mut peer.client());
    peer.client().run("SAVE");
    let ours = Setup::new().file("dump.rdb", fs::read(peer.dump_path()).expect("the dump")).start();
    assert_eq!(state(&ours), state(&peer));
    ours.client().run("DEBUG RELOAD");
    assert_eq!(state(&ours), state(&peer));
    ours.background_save();
    let mut back = redis_server("");
    back.kill();
    fs::copy(ours.dump_path(), back.dump_path()).expect("the dump can be copied");
    back.start_again();
    assert_eq!(state(&back), state(&peer));
}

#[test]
fn digests_are_computed_as_redis_computes_them() {
    let ours = Server::start();
    let peer = redis_server("");
    for server in [&ours, &peer] {
        fill(&mut server.client());
    }
    assert_eq!(ours.digest(), peer.digest());
    let values = |server: &Server| server.client().run("DEBUG DIGEST-VALUE key:1 key:2 key:3 missing");
    assert_eq!(values(&ours), values(&peer));
}

#[test]
fn the_life_of_data_over_both_servers() {
    // Written here, saved here, taken over by Redis, changed and saved there, and taken back.
    let ours = Server::start();
    fill(&mut ours.client());
    ours.background_save();
    let mut peer = redis_server("");
    peer.kill();
    fs::copy(ours.dump_path(), peer.dump_path()).expect("the dump can be copied");
    peer.start_again();
    peer.client().transcript("> SET added there\n+OK\n> INCR counted\n:1\n> DEL key:0\n:1\n> SAVE\n+OK");
    let back = Setup::new().file("dump.rdb", fs::read(peer.dump_path()).expect("the dump")).start();
    assert_eq!(back.digest(), peer.digest());
    wait_until("the loaded server answers", 5, || back.client().run("GET added") == bulk("there"));
}
