//! The commands that are measured, and what is put in before them.

/// Numbers of which a recurring one is drawn.
pub const MEMBERS: u64 = 1_000;

pub struct Path {
    pub name: &'static str,
    /// Sent before, as often as `fills` says; `#` differs each time.
    pub fill: &'static [&'static str],
    pub fills: u64,
    pub command: &'static str,
}

const fn path(name: &'static str, fill: &'static [&'static str], fills: u64, command: &'static str) -> Path {
    Path { name, fill, fills, command }
}

/// `#` is a number that never comes twice, `%` one of a thousand, `$` a value of 16 bytes.
pub const PATHS: &[Path] = &[
    path("ping", &[], 0, "PING"),
    path("set_new", &[], 0, "SET key:# $"),
    path("set_again", &["SET key:% $"], 4000, "SET key:% $"),
    path("set_ex", &["SET key:% $"], 4000, "SET key:% $ EX 1000"),
    path("get", &["SET key:% $"], 4000, "GET key:%"),
    path("get_missing", &[], 0, "GET key:%"),
    path("getex", &["SET key:% $"], 4000, "GETEX key:% EX 1000"),
    path("mget_3", &["SET key:% $"], 4000, "MGET key:% key:000000000001 key:000000000002"),
    path("mset_3", &[], 0, "MSET key:% $ other:% $ third:% $"),
    path("incr", &[], 0, "INCR counter:%"),
    path("incrbyfloat", &[], 0, "INCRBYFLOAT counter:% 0.5"),
    path("append", &[], 0, "APPEND text:% ab"),
    path("setrange", &["SET key:% $"], 4000, "SETRANGE key:% 5 abc"),
    path("setbit", &[], 0, "SETBIT bits:% 100 1"),
    path("exists", &["SET key:% $"], 4000, "EXISTS key:%"),
    path("expire", &["SET key:% $"], 4000, "EXPIRE key:% 1000"),
    path("ttl", &["SET key:% $ EX 1000"], 4000, "TTL key:%"),
    path("del_missing", &[], 0, "DEL key:#"),
    path("rename", &["SET here:a $"], 1, "RENAME here:a here:a"),
    path("type", &["SET key:% $"], 4000, "TYPE key:%"),
    path("lpush", &[], 0, "LPUSH list $"),
    path("rpush", &[], 0, "RPUSH list $"),
    path("small_rpush", &[], 0, "RPUSH list:% $"),
    path("lpop", &["RPUSH list $ $ $ $ $ $ $ $ $ $"], 6_000, "LPOP list"),
    path("lindex", &["RPUSH list $"], 3000, "LINDEX list 1500"),
    path("lrange_100", &["RPUSH list $"], 3000, "LRANGE list 0 99"),
    path("lmove", &["RPUSH list $"], 3000, "LMOVE list list LEFT RIGHT"),
    path("sadd_new", &[], 0, "SADD set element:#"),
    path("sadd_again", &["SADD set element:%"], 4000, "SADD set element:%"),
    path("sadd_int", &[], 0, "SADD set:% 5"),
    path("sadd_number_new", &["SADD set 1#"], 600, "SADD set 2#"),
    path("sismember_number", &["SADD set 1%"], 4000, "SISMEMBER set 1%"),
    path("sismember", &["SADD set element:%"], 4000, "SISMEMBER set element:%"),
    path("spop_number", &["SADD set 1#"], 60_000, "SPOP set"),
    path("spop", &["SADD set element:#"], 60_000, "SPOP set"),
    path("hset_new", &[], 0, "HSET hash field:# $"),
    path("hset_again", &["HSET hash field:% $"], 4000, "HSET hash field:% $"),
    path("small_hset", &["HSET hash:% name $ mail $ age $"], 4000, "HSET hash:% mail $"),
    path("hget", &["HSET hash field:% $"], 4000, "HGET hash field:%"),
    path("small_hgetall", &["HSET hash:% name $ mail $ age $"], 4000, "HGETALL hash:%"),
    path("hincrby", &["HSET hash:% name $ mail $ age 1"], 4000, "HINCRBY hash:% age 1"),
    path("zadd_new", &[], 0, "ZADD zset % element:#"),
    path("zadd_moving", &["ZADD zset % element:%"], 4000, "ZADD zset # element:%"),
    path("zscore", &["ZADD zset % element:%"], 4000, "ZSCORE zset element:%"),
    path("zrank", &["ZADD zset % element:%"], 4000, "ZRANK zset element:%"),
    path("zrange_100", &["ZADD zset % element:%"], 4000, "ZRANGE zset 100 199"),
    path("small_zadd", &[], 0, "ZADD zset:% 1 element:1"),
    path("xadd", &[], 0, "XADD stream * field $"),
    path("xrange_10", &["XADD stream * field $"], 3000, "XRANGE stream - + COUNT 10"),
    path("publish", &[], 0, "PUBLISH channel $"),
    path("pfadd", &[], 0, "PFADD visitors visitor:#"),
    path("evalsha", &["SCRIPT LOAD return(1)"], 1, "EVALSHA 930269f31393d0be681588b6ab08dccee7d6bb67 0"),
    path(
        "evalsha_get",
        &["SET key:% $", "SCRIPT LOAD return(redis.call('GET',KEYS[1]))"],
        4000,
        "EVALSHA bfef805d9dcd9d3857da9372933ef22c17736f58 1 key:%",
    ),
    path(
        "evalsha_50_gets",
        &["SET key:% $", "SCRIPT LOAD for\ti=1,50\tdo\tredis.call('GET',KEYS[1])\tend"],
        4000,
        "EVALSHA af3ca58511863c14e8a63a5070a667e4e171e2e2 1 key:%",
    ),
    path(
        "evalsha_json",
        &["SCRIPT LOAD return(cjson.encode(cjson.decode(ARGV[1])))"],
        1,
        "EVALSHA b44887e3574e2d9315131670b7e73b3d1b90bf30 0 {\"id\":123,\"name\":\"somebody\",\"tags\":[\"a\",\"b\"],\"price\":1.5}",
    ),
    path("geoadd", &[], 0, "GEOADD places 13.361389 38.115556 place:%"),
];
