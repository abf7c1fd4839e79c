//! Stock servers as replicas.

use super::*;
use crate::support::{Setup, newer_server, redis_cli, redis_server};

#[track_caller]
fn stock_replica(primary: &Server, config: &str) -> Server {
    let replica = redis_server(&format!("replicaof 127.0.0.1 {}\n{config}", primary.port()));
    wait_until("the stock replica is in sync", 60, || {
        replica.info("replication").get("master_link_status").is_some_and(|status| status == "up")
    });
    replica
}

#[track_caller]
fn wait_for_equal_data(primary: &Server, replica: &Server) {
    run(primary, "PUBLISH x x");
    wait_until("the replica has the whole stream", 30, || {
        replica.info_number("replication", "slave_repl_offset") == offset(primary)
    });
    assert_eq!(primary.digest(), replica.digest());
}

/// Commands of every kind that change data, twice where that differs.
const WRITES: &str = "
SET s hello|SETRANGE s 2 xx|APPEND s y|SETBIT s 7 1|INCR n|INCRBY n 5|DECR n|DECRBY n 3|INCRBYFLOAT f 1.5|GETSET s z|GETDEL s
SET s v EX 1000|SETEX s 1000 v|PSETEX s 1000000 v|SETNX nx 1|MSET a 1 b 2|MSETNX c 1 d 2|GETEX s PERSIST|GETEX s EX 500
EXPIRE a 1000|PEXPIRE b 1000000|EXPIREAT a 4000000000|PEXPIREAT b 4000000000000|PERSIST a|EXPIRE c -1|COPY a a2|RENAME a2 a3
RENAMENX a3 a4|MOVE a4 2|DEL d|UNLINK nx|BITOP AND s2 s b|BITFIELD bf SET u8 0 200|SORT l STORE l2
LPUSH l a b c d e f|RPUSH l g h|LPUSHX l z|RPUSHX l y|LPOP l|RPOP l 2|LINSERT l BEFORE a q|LSET l 0 w|LREM l 1 q|LTRIM l 0 4
RPOPLPUSH l m|LMOVE l m LEFT RIGHT|LMPOP 1 l LEFT|BLPOP l 0|BRPOP l 0|BLMOVE m l LEFT LEFT 0|BRPOPLPUSH l m 0|BLMPOP 0 1 m LEFT
SADD t 1 2 3 4 5 x y|SREM t 1|SPOP t|SPOP t 2|SMOVE t u 2|SADD t2 3 4|SINTERSTORE t3 t t2|SUNIONSTORE t4 t t2|SDIFFSTORE t5 t t2
ZADD z 1 a 2 b 3 c 4 d 5 e|ZINCRBY z 2 a|ZREM z b|ZPOPMIN z|ZPOPMAX z|ZADD z 1 q 2 r 3 s|ZREMRANGEBYRANK z 0 0
ZREMRANGEBYSCORE z 0 1|ZREMRANGEBYLEX z [zz [zzz|ZRANGESTORE z2 z 0 -1|ZUNIONSTORE z3 2 z z2|ZINTERSTORE z4 2 z z2
ZDIFFSTORE z5 2 z z2|ZMPOP 1 z MIN|BZPOPMIN z3 0|BZPOPMAX z3 0|ZADD z3 1 a|BZMPOP 0 1 z3 MIN|GEOADD g 13.3 38.1 p 15.0 37.5 c
GEOSEARCHSTORE g2 g FROMMEMBER p BYRADIUS 200 km|GEORADIUS g 15 37 200 km STORE g3
HSET h a 1 b 2 c 3|HMSET h d 4|HSETNX h e 5|HINCRBY h a 5|HINCRBYFLOAT h b 0.5|HDEL h c
PFADD p a b c|PFADD p2 c d|PFMERGE p3 p p2|PFCOUNT p3
XADD x * a 1|XADD x 9999999999999-1 b 2|XADD x MAXLEN ~ 10 * c 3|XGROUP CREATE x gr 0|XGROUP CREATECONSUMER x gr co
XREADGROUP GROUP gr co COUNT 2 STREAMS x >|XACK x gr 9999999999999-1|XCLAIM x gr co2 0 9999999999999-1|XAUTOCLAIM x gr co3 0 0
XGROUP SETID x gr 0|XTRIM x MAXLEN 5|XDEL x 9999999999999-1|XSETID x 99999999999999-1|XGROUP DELCONSUMER x gr co|XGROUP DESTROY x gr
EVAL \"redis.call('set','e1',ARGV[1]) redis.call('rpush','e2','a','b')\" 0 v|FUNCTION LOAD \"#!lua name=lib\\nredis.register_function('f', function(k, a) return redis.call('incr', k[1]) end)\"
FCALL f 1 fn|MULTI|SET m1 1|LPUSH m2 a|EXEC|SELECT 5|SET five 5|SELECT 0|SWAPDB 5 6|SELECT 7|SET gone 1|FLUSHDB|SELECT 0|PUBLISH ch msg|SPUBLISH ch msg
FUNCTION DELETE lib|FUNCTION FLUSH";

#[test]
fn a_stock_replica_has_the_same_data_after_a_stream_of_every_command() {
    for diskless in ["yes", "no"] {
        let server = primary(&format!("repl-diskless-sync {diskless}"));
        run(&server, "DEBUG POPULATE 1000");
        run(&server, "FUNCTION LOAD \"#!lua name=old\\nredis.register_function('old', function() return 1 end)\"");
        let replica = stock_replica(&server, "");
        let mut client = server.client();
        for line in WRITES.lines().flat_map(|line| line.split('|')).filter(|line| !line.is_empty()) {
            // Some find nothing to change. None may be unknown.
            let reply = client.run(line);
            assert!(!reply.is_error() || !reply.text().contains("unknown"), "{line}: {reply:?}");
        }
        wait_for_equal_data(&server, &replica);
        assert!(!replica.log().contains("== CRITICAL =="), "{}", replica.log());
        assert_eq!(run(&replica, "FCALL old 0"), "ERR Function not found", "libraries were flushed");
        assert_eq!(client.run("WAIT 1 10000").integer(), 1);
    }
}

#[test]
fn a_stock_replica_goes_on_after_a_cut() {
    let server = primary("");
    let replica = stock_replica(&server, "");
    run(&server, "SET a 1");
    server.client().run("CLIENT KILL TYPE replica");
    run(&server, "SET b 1");
    wait_until("the replica goes on", 30, || server.info_number("stats", "sync_partial_ok") == 1);
    wait_for_equal_data(&server, &replica);
    assert_eq!(server.info_number("stats", "sync_full"), 1);
}

#[test]
fn a_stock_replica_takes_over_by_failover_and_back() {
    let server = primary("");
    let replica = stock_replica(&server, "");
    run(&server, "SET a 1");
    wait_for_replicas(&server, 1);
    assert_eq!(run(&server, &format!("FAILOVER TO 127.0.0.1 {}", replica.port())), "OK");
    let is_replica_of = |of: &Server, primary: &Server| {
        let info = of.info("replication");
        info["role"] == "slave"
            && info["master_link_status"] == "up"
            && info["master_port"] == primary.port().to_string()
    };
    wait_until("the stock server is the primary", 30, || is_replica_of(&server, &replica));
    assert_eq!(run(&replica, "SET b 2"), "OK");
    wait_until("its stream comes", 30, || run(&server, "EXISTS b") == "1");
}

#[test]
fn redis_cli_takes_dumps_of_all_and_of_functions() {
    let server = primary("repl-diskless-sync no");
    run(&server, "DEBUG POPULATE 500");
    run(&server, "FUNCTION LOAD \"#!lua name=lib\\nredis.register_function('f', function() return 1 end)\"");
    let folder = tempfile::tempdir().expect("a folder");
    for (option, keys) in [("--rdb", "500"), ("--functions-rdb", "0")] {
        let path = folder.path().join("out.rdb");
        let said = redis_cli(&server, &[option, path.to_str().expect("text")], b"");
        assert!(said.contains("Transfer finished with success"), "{said}");
        let copy = Setup::new().file("dump.rdb", std::fs::read(&path).expect("a dump")).start();
        assert_eq!(copy.client().run("DBSIZE").integer().to_string(), keys, "{option}");
        assert_eq!(copy.client().run("FCALL f 0").integer(), 1);
    }
}

#[test]
fn a_replica_of_a_stock_primary_takes_trims_whose_limit_is_left_in_the_stream() {
    let primary = redis_server("repl-diskless-sync-delay 0");
    let replica = Server::with_config(&format!("replicaof 127.0.0.1 {}", primary.port()));
    wait_until("the link is up", 30, || replica.info_field("replication", "master_link_status") == "up");
    let mut client = primary.client();
    for line in ["XADD x MINID ~ 1 LIMIT 10 1-1 f v", "XADD x MAXLEN ~ 100 LIMIT 10 2-1 f v", "XADD x 3-1 f v"] {
        assert!(!client.run(line).is_error(), "{line}");
    }
    wait_until("the replica has all entries", 30, || run(&replica, "XLEN x") == "3");
    assert!(!replica.log().contains("== CRITICAL =="), "{}", replica.log());
}

#[test]
fn sketches_of_a_stock_primary_become_dense_on_the_replica_too() {
    let primary = redis_server("repl-diskless-sync-delay 0");
    let replica = Server::with_config(&format!("replicaof 127.0.0.1 {}", primary.port()));
    wait_until("the link is up", 30, || replica.info_field("replication", "master_link_status") == "up");
    let mut client = primary.client();
    for round in 0..200 {
        let elements: Vec<String> = (0..20).map(|number| format!("{round}-{number}")).collect();
        client.run(&format!("PFADD h {}", elements.join(" ")));
    }
    client.run("PFMERGE merged h");
    assert_eq!(client.run("PFDEBUG ENCODING h").text(), "dense");
    wait_until("the replica has all", 30, || run(&replica, "EXISTS merged") == "1");
    assert_eq!(primary.digest(), replica.digest());
}

#[test]
fn a_valkey_primary_has_a_full_sync_for_us_although_fields_expire() {
    let Some(primary) = newer_server("valkey-server", "repl-diskless-sync-delay 0\nsave \"\"") else { return };
    let mut client = primary.client();
    client.run("HSET h stays 1 goes 2");
    client.run("HPEXPIREAT h 4000000000000 FIELDS 1 goes");
    let replica = Server::with_config(&format!("replicaof 127.0.0.1 {}", primary.port()));
    wait_until("the link is up", 30, || replica.info_field("replication", "master_link_status") == "up");
    assert_eq!(run(&replica, "HGET h stays"), "1");
    let expiries = replica.client().run("HPEXPIRETIME h FIELDS 2 stays goes");
    assert_eq!(format!("{expiries:?}"), format!("{:?}", client.run("HPEXPIRETIME h FIELDS 2 stays goes")));
}
