//! Files and payloads of today's Redis and Valkey are read here with everything that is in them.

use std::fs;

use super::data::fill;
use crate::support::{Client, Server, Setup, bulk, int, newer_server, ok};

/// What stands beside `redis-server`: its name, and the bytes that its dumps begin with.
const NEWER: [(&str, &[u8]); 2] = [("redis-server", b"REDIS0012"), ("valkey-server", b"VALKEY080")];

const FAR: i64 = 32_503_680_000_123;

/// Hashes with fields that expire, small and large.
fn fill_expiring(client: &mut Client) {
    client.run("HSET expiring:small f1 v1 f2 v2 f3 3");
    client.run(&format!("HPEXPIREAT expiring:small {FAR} FIELDS 1 f2"));
    for field in 0..1000 {
        client.run(&format!("HSET expiring:large field:{field} {field}"));
    }
    client.run(&format!("HPEXPIREAT expiring:large {FAR} FIELDS 2 field:1 field:999"));
}

#[track_caller]
fn assert_expiring(client: &mut Client) {
    assert_eq!(client.run("HMGET expiring:small f1 f2 f3").texts(), ["v1", "v2", "3"]);
    assert_eq!(client.run("HPEXPIRETIME expiring:small FIELDS 3 f1 f2 f3").items(), [int(-1), int(FAR), int(-1)]);
    assert_eq!(client.run("HLEN expiring:large"), int(1000));
    assert_eq!(client.run("HGET expiring:large field:999"), bulk("999"));
    let times = client.run("HPEXPIRETIME expiring:large FIELDS 3 field:0 field:1 field:999");
    assert_eq!(times.items(), [int(-1), int(FAR), int(FAR)]);
}

fn drop_expiring(server: &Server) {
    assert_eq!(server.client().run("DEL expiring:small expiring:large"), int(2));
}

/// Compares sorted sets by what they answer, since today's servers write scores otherwise into a digest, and takes them
/// out; then the digests of the rest must be equal.
#[track_caller]
fn assert_same(ours: &Server, peer: &Server, what: &str) {
    for db in 0..16 {
        let (mut here, mut there) = (ours.client(), peer.client());
        here.run(&format!("SELECT {db}"));
        there.run(&format!("SELECT {db}"));
        for key in there.run("KEYS *").items() {
            let key = key.bytes();
            if there.cmd(&[b"TYPE".as_slice(), &key]).text() == "zset" {
                let members = [b"ZRANGE".as_slice(), &key, b"0", b"-1", b"WITHSCORES"];
                assert_eq!(here.cmd(&members), there.cmd(&members), "{what}: {}", String::from_utf8_lossy(&key));
                let delete = [b"DEL".as_slice(), &key];
                assert_eq!((here.cmd(&delete), there.cmd(&delete)), (int(1), int(1)));
            }
        }
    }
    assert_eq!(ours.digest(), peer.digest(), "{what}");
}

#[test]
fn dumps_of_todays_servers_load_with_an_equal_digest() {
    for (name, header) in NEWER {
        for layout in ["", "rdbcompression no\nrdbchecksum no\nhash-max-listpack-entries 2\nset-max-listpack-entries 3"]
        {
            let Some(peer) = newer_server(name, layout) else { continue };
            fill(&mut peer.client());
            fill_expiring(&mut peer.client());
            assert_eq!(peer.client().run("SAVE"), ok());
            let dump = fs::read(peer.dump_path()).expect("the dump");
            assert!(dump.starts_with(header), "{name}");
            let ours = Setup::new().file("dump.rdb", dump).start();
            assert_expiring(&mut ours.client());
            drop_expiring(&ours);
            drop_expiring(&peer);
            assert_same(&ours, &peer, name);
        }
    }
}

#[test]
fn keys_of_todays_servers_are_restored_and_migrated_here() {
    for (name, _) in NEWER {
        let Some(peer) = newer_server(name, "") else { continue };
        fill(&mut peer.client());
        fill_expiring(&mut peer.client());
        let restored = Server::start();
        for db in 0..16 {
            let (mut source, mut target) = (peer.client(), restored.client());
            source.run(&format!("SELECT {db}"));
            target.run(&format!("SELECT {db}"));
            for key in source.run("KEYS *").items() {
                let key = key.bytes();
                let payload = source.cmd(&[b"DUMP".as_slice(), &key]).bytes();
                let when = source.cmd(&[b"PEXPIRETIME".as_slice(), &key]).integer().max(0).to_string();
                let reply = target.cmd(&[b"RESTORE".as_slice(), &key, when.as_bytes(), &payload, b"ABSTTL"]);
                assert_eq!(reply, ok(), "{name}: {}", String::from_utf8_lossy(&key));
            }
        }
        assert_expiring(&mut restored.client());
        let migrated = Server::start();
        let port = migrated.port().to_string();
        for db in 0..16 {
            let mut source = peer.client();
            source.run(&format!("SELECT {db}"));
            let keys: Vec<_> = source.run("KEYS *").items().iter().map(|key| key.bytes()).collect();
            if !keys.is_empty() {
                let db = db.to_string();
                let head = ["MIGRATE", "127.0.0.1", &port, "", &db, "20000", "COPY", "KEYS"];
                let head = head.map(|word| word.as_bytes().to_vec());
                assert_eq!(source.cmd(&[head.as_slice(), &keys].concat()), ok(), "{name}");
            }
        }
        assert_expiring(&mut migrated.client());
        [&peer, &restored, &migrated].into_iter().for_each(drop_expiring);
        assert_eq!(migrated.digest(), restored.digest(), "{name}");
        assert_same(&restored, &peer, name);
    }
}

#[test]
fn a_dump_of_a_server_of_a_cluster_loads() {
    for (name, _) in NEWER {
        let Some(peer) = newer_server(name, "cluster-enabled yes") else { continue };
        let mut client = peer.client();
        assert_eq!(client.run("CLUSTER ADDSLOTSRANGE 0 16383"), ok());
        crate::support::wait_until("the cluster is whole", 20, || {
            String::from_utf8_lossy(&peer.client().run("CLUSTER INFO").bytes()).contains("cluster_state:ok")
        });
        for key in 0..2000 {
            assert_eq!(client.run(&format!("SET key:{key} {key}")), ok());
        }
        assert_eq!(client.run("SAVE"), ok());
        let ours = Setup::new().file("dump.rdb", fs::read(peer.dump_path()).expect("the dump")).start();
        assert_eq!(ours.client().run("DBSIZE"), int(2000));
        assert_eq!(ours.digest(), peer.digest(), "{name}");
    }
}

#[test]
fn functions_load_and_vector_sets_are_left_out_where_that_is_wished() {
    let library = "#!lua name=mine\nredis.register_function('mine', function() return 1 end)";
    for (name, _) in NEWER {
        let Some(peer) = newer_server(name, "") else { continue };
        let mut client = peer.client();
        client.run("SET key value");
        assert!(!client.cmd(&["FUNCTION", "LOAD", library]).is_error(), "{name}");
        let has_vectors = !client.run("VADD vectors VALUES 3 1 2 3 element").is_error();
        assert_eq!(has_vectors, name == "redis-server");
        assert_eq!(client.run("SAVE"), ok());
        let dump = fs::read(peer.dump_path()).expect("the dump");
        if has_vectors {
            let refused = Setup::new().file("dump.rdb", dump.clone()).start_refused();
            assert!(refused.log.contains("--rdb-unknown-types skip"), "{}", refused.log);
        }
        let ours = Setup::new().config("rdb-unknown-types skip").file("dump.rdb", dump).start();
        assert_eq!(ours.client().run("GET key"), bulk("value"));
        assert_eq!(ours.client().run("DBSIZE"), int(1));
        assert_eq!(ours.client().run("FCALL mine 0"), int(1));
        let left_out = ours.info_field("persistence", "rdb_last_load_left_out");
        assert_eq!(left_out, if has_vectors { "1" } else { "0" }, "{name}");
    }
}
