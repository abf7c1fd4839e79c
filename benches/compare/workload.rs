//! What redis-benchmark sends: the one command that is measured, and what is put in before it.

/// The keys, members, fields and scores of commands on one large collection are drawn from so many.
const MEMBERS: u64 = 1_000_000;

/// The keys of commands on small collections are drawn from so many, which leaves about ten elements in each.
const SMALL_SHARE: u64 = 10;

/// Is in a command where redis-benchmark puts a random number of twelve digits, each time another one.
const RANDOM: &str = "__rand_int__";

/// One test.
pub struct Workload {
    pub name: &'static str,
    /// Sent before the measured command, as often as that; nothing for a command that needs nothing.
    fill: &'static str,
    command: &'static str,
}

/// `#` is a random number, `$` a value of 16 bytes.
const WORKLOADS: &[Workload] = &[
    Workload { name: "set", fill: "", command: "SET key:# $" },
    Workload { name: "get", fill: "SET key:# $", command: "GET key:#" },
    Workload { name: "incr", fill: "", command: "INCR counter:#" },
    Workload { name: "lpush", fill: "", command: "LPUSH mylist $" },
    Workload { name: "rpush", fill: "", command: "RPUSH mylist $" },
    Workload { name: "lpop", fill: "RPUSH mylist $", command: "LPOP mylist" },
    Workload { name: "rpop", fill: "RPUSH mylist $", command: "RPOP mylist" },
    Workload { name: "lrange_100", fill: "RPUSH mylist $", command: "LRANGE mylist 0 99" },
    Workload { name: "lrange_600", fill: "RPUSH mylist $", command: "LRANGE mylist 0 599" },
    Workload { name: "sadd", fill: "", command: "SADD myset element:#" },
    Workload { name: "spop", fill: "SADD myset element:#", command: "SPOP myset" },
    Workload { name: "sismember", fill: "SADD myset element:#", command: "SISMEMBER myset element:#" },
    Workload { name: "hset", fill: "", command: "HSET myhash element:# $" },
    Workload { name: "hget", fill: "HSET myhash element:# $", command: "HGET myhash element:#" },
    Workload { name: "zadd", fill: "", command: "ZADD myzset # element:#" },
    Workload { name: "zadd_moving", fill: "ZADD myzset # element:#", command: "ZADD myzset # element:#" },
    Workload { name: "zrank", fill: "ZADD myzset # element:#", command: "ZRANK myzset element:#" },
    Workload { name: "zrange_100", fill: "ZADD myzset # element:#", command: "ZRANGE myzset 1000 1099" },
    Workload { name: "zpopmin", fill: "ZADD myzset # element:#", command: "ZPOPMIN myzset" },
    Workload { name: "setbit", fill: "SETBIT bits:# 100 0", command: "SETBIT bits:# 100 1" },
    Workload { name: "getbit", fill: "SETBIT bits:# 100 1", command: "GETBIT bits:# 100" },
    Workload { name: "bitfield", fill: "", command: "BITFIELD bits:# INCRBY u16 100 1" },
    Workload { name: "bitcount_64k", fill: "SETBIT map 524287 1", command: "BITCOUNT map" },
    Workload { name: "bitpos_64k", fill: "SETBIT map 524287 1", command: "BITPOS map 1" },
    Workload { name: "bitop_64k", fill: "SETBIT map 524287 1", command: "BITOP XOR other map map" },
    Workload { name: "pfadd", fill: "", command: "PFADD visitors visitor:#" },
    Workload { name: "pfcount", fill: "PFADD visitors visitor:#", command: "PFCOUNT visitors" },
    Workload { name: "pfcount_2", fill: "PFADD visitors visitor:#", command: "PFCOUNT visitors visitors" },
    Workload { name: "small_pfadd", fill: "", command: "PFADD visitors:# visitor:#" },
    Workload { name: "small_lpush", fill: "", command: "LPUSH list:# $" },
    Workload { name: "small_rpush", fill: "", command: "RPUSH list:# $" },
    Workload { name: "small_rpop", fill: "RPUSH list:# $", command: "RPOP list:#" },
    Workload { name: "small_lrange", fill: "RPUSH list:# $", command: "LRANGE list:# 0 -1" },
    Workload { name: "small_sadd", fill: "", command: "SADD set:# element:#" },
    Workload { name: "small_spop", fill: "SADD set:# element:#", command: "SPOP set:#" },
    Workload { name: "small_hset", fill: "", command: "HSET hash:# field:# $" },
    Workload { name: "small_hset_again", fill: "HSET hash:# name $ mail $ age $", command: "HSET hash:# mail $" },
    Workload { name: "small_hget", fill: "HSET hash:# name $ mail $ age $", command: "HGET hash:# mail" },
    Workload { name: "small_hincrby", fill: "HSET hash:# name $ mail $ age 1", command: "HINCRBY hash:# age 1" },
    Workload { name: "small_hgetall", fill: "HSET hash:# name $ mail $ age $", command: "HGETALL hash:#" },
    Workload { name: "small_zadd", fill: "", command: "ZADD zset:# # element:#" },
    Workload { name: "small_zrange", fill: "ZADD zset:# # element:#", command: "ZRANGE zset:# 0 -1" },
];

impl Workload {
    /// The test called `name`.
    pub fn named(name: &str) -> &'static Self {
        WORKLOADS.iter().find(|workload| workload.name == name).unwrap_or_else(|| {
            let names: Vec<_> = WORKLOADS.iter().map(|workload| workload.name).collect();
            panic!("no test is called {name}; there are {}", names.join(" "))
        })
    }

    /// What is sent before, as words; `None` if nothing is.
    pub fn fill(&self) -> Option<Vec<String>> {
        (!self.fill.is_empty()).then(|| words(self.fill))
    }

    pub fn command(&self) -> Vec<String> {
        words(self.command)
    }

    /// From how many numbers a random one is drawn, in a run of so many requests.
    pub fn numbers(&self, requests: u64) -> u64 {
        if self.name.starts_with("small_") { (requests / SMALL_SHARE).max(1) } else { MEMBERS }
    }
}

fn words(template: &str) -> Vec<String> {
    template.split(' ').map(|word| word.replace('#', RANDOM).replace('$', "sixteen bytes...")).collect()
}
