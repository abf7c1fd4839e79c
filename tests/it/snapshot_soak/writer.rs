//! Commands by chance that change keys of every type and encoding, in several databases.

pub type Command = Vec<String>;

/// Keys of a kind that are small, times the size of the data, and those that are large.
const SMALL: usize = 100;
const LARGE: usize = 2;

/// Small strings, times the size of the data.
const STRINGS: usize = 800;

/// Elements of a large collection at its beginning, and how many different ones it may have.
const LARGE_LEN: usize = 3_000;
const LARGE_ELEMENTS: usize = 6_000;

/// How many entries of streams are remembered, so that commands name some that are there.
const IDS: usize = 2_000;

/// Bytes of text by chance, from which values are taken.
const NOISE_BYTES: usize = 256 << 10;

const KINDS: [&str; 9] = ["string", "bits", "sketch", "list", "set", "integers", "hash", "zset", "stream"];

/// Whether a command that meets a value of another kind, or none, may be answered so.
pub fn may_fail_with(error: &str) -> bool {
    const EXPECTED: [&str; 14] = [
        "WRONGTYPE",
        "NOGROUP",
        "BUSYGROUP",
        "ERR no such key",
        "ERR index out of range",
        "ERR value is not an integer",
        "ERR value is not a valid float",
        "ERR hash value is not",
        "ERR increment or decrement would overflow",
        "ERR source and destination objects are the same",
        "ERR The ID specified in",
        "ERR The XGROUP subcommand requires the key to exist",
        "ERR string exceeds maximum allowed size",
        "INVALIDOBJ",
    ];
    EXPECTED.iter().any(|expected| error.starts_with(expected))
}

fn line(text: &str) -> Command {
    text.split(' ').map(str::to_owned).collect()
}

fn with(name: &str, key: &str, arguments: impl IntoIterator<Item = String>) -> Command {
    [name.to_owned(), key.to_owned()].into_iter().chain(arguments).collect()
}

pub struct Writer {
    random: fastrand::Rng,
    databases: [usize; 3],
    size: usize,
    /// What makes ids of streams and some values new.
    serial: u64,
    /// Entries of streams: key and id.
    ids: Vec<(String, String)>,
    noise: String,
}

impl Writer {
    pub fn new(seed: u64, databases: [usize; 3]) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let noise = (0..NOISE_BYTES).map(|_| random.alphanumeric()).collect();
        Self { random, databases, size: 1, serial: 0, ids: Vec::new(), noise }
    }

    /// All keys of the databases, `size` times as many small ones as there are at the least.
    pub fn fill(&mut self, out: &mut Vec<Command>, size: usize) {
        self.size = size;
        for db in self.databases {
            out.push(line(&format!("SELECT {db}")));
            self.fill_database(out);
        }
    }

    fn fill_database(&mut self, out: &mut Vec<Command>) {
        for number in 0..STRINGS * self.size {
            let value = self.value();
            out.push(vec!["SET".to_owned(), format!("string:{number}"), value]);
        }
        for kind in KINDS {
            for number in 0..SMALL * self.size {
                let len = self.small_len();
                self.create(out, kind, &format!("{kind}:{number}"), len);
            }
            for number in 0..LARGE {
                self.create(out, kind, &format!("{kind}:large:{number}"), LARGE_LEN);
            }
        }
    }

    fn small_len(&mut self) -> usize {
        match self.random.u32(..10) {
            0..5 => self.random.usize(1..6),
            5..9 => self.random.usize(6..60),
            _ => self.random.usize(60..400),
        }
    }

    /// A key with so many elements.
    fn create(&mut self, out: &mut Vec<Command>, kind: &str, key: &str, len: usize) {
        out.push(with("DEL", key, []));
        match kind {
            "string" => out.push(with("SET", key, [self.noise_of(len * 20)])),
            "bits" => out.push(with("SETBIT", key, [(len * 250).to_string(), "1".to_owned()])),
            "sketch" => out.push(with("PFADD", key, (0..len).map(|n| n.to_string()))),
            "list" => {
                let elements: Vec<_> = (0..len).map(|_| self.element(key)).collect();
                out.push(with("RPUSH", key, elements));
            }
            "set" => {
                let elements: Vec<_> = (0..len).map(|_| self.element(key)).collect();
                out.push(with("SADD", key, elements));
            }
            "integers" => {
                let elements: Vec<_> = (0..len).map(|_| self.integer()).collect();
                out.push(with("SADD", key, elements));
            }
            "hash" => {
                let fields: Vec<_> = (0..len).flat_map(|_| [self.element(key), self.short()]).collect();
                out.push(with("HSET", key, fields));
            }
            "zset" => {
                let members: Vec<_> = (0..len).flat_map(|_| [self.score(), self.element(key)]).collect();
                out.push(with("ZADD", key, members));
            }
            _ => {
                for _ in 0..len.min(600) {
                    self.stream_add(out, key);
                }
                out.push(with("XGROUP", "CREATE", [key, "g", "0", "MKSTREAM"].map(str::to_owned)));
                out.push(self.stream_read(key));
            }
        }
    }

    /// One change, by one command or a few.
    pub fn change(&mut self, out: &mut Vec<Command>) {
        match self.random.u32(..1000) {
            0..15 => out.push(line(&format!("SELECT {}", self.database()))),
            15..17 => out.push(line(&format!("SWAPDB {} {}", self.database(), self.database()))),
            17 if self.random.u32(..8) == 0 => self.flush(out),
            17..30 => self.transaction(out),
            30..45 => out.push(self.script()),
            45..60 => {
                let kind = self.kind();
                let (key, len) = (self.key(kind), self.small_len());
                self.create(out, kind, &key, len);
            }
            60..200 => self.key_change(out),
            200..480 => self.string_change(out),
            480..580 => self.list_change(out),
            580..690 => self.set_change(out),
            690..790 => self.hash_change(out),
            790..890 => self.zset_change(out),
            _ => self.stream_change(out),
        }
    }

    fn flush(&mut self, out: &mut Vec<Command>) {
        let how = self.one(&["ASYNC", "SYNC"]);
        out.push(line(&format!("FLUSHDB {how}")));
        self.fill_database(out);
    }

    fn transaction(&mut self, out: &mut Vec<Command>) {
        out.push(line("MULTI"));
        for _ in 0..self.random.u32(1..6) {
            match self.random.u32(..3) {
                0 => self.string_change(out),
                1 => self.key_change(out),
                _ => self.zset_change(out),
            }
        }
        out.push(line("EXEC"));
    }

    /// One command that writes to a key of each of some types.
    fn script(&mut self) -> Command {
        const TEXT: &str = "redis.pcall('APPEND', KEYS[1], ARGV[1]) redis.pcall('RPUSH', KEYS[2], ARGV[1]) \
            redis.pcall('HSET', KEYS[3], ARGV[1], ARGV[2]) redis.pcall('ZADD', KEYS[4], ARGV[2], ARGV[1]) \
            redis.pcall('LPOP', KEYS[2]) redis.pcall('INCR', KEYS[1])";
        let keys = ["string", "list", "hash", "zset"].map(|kind| self.key(kind));
        let arguments = [self.short(), self.score()];
        let head = ["EVAL", TEXT, "4"].map(str::to_owned);
        head.into_iter().chain(keys).chain(arguments).collect()
    }

    /// What every type has: expiries, names, copies.
    fn key_change(&mut self, out: &mut Vec<Command>) {
        let kind = self.kind();
        let (key, other) = (self.key(kind), self.key(kind));
        let arguments = match self.random.u32(..16) {
            0..3 => with("PEXPIRE", &key, [self.far_ms()]),
            3 => with("EXPIREAT", &key, [(4_000_000_000 + self.serial).to_string()]),
            4 => with("PEXPIRE", &key, [self.near_ms()]),
            5..7 => with("PERSIST", &key, []),
            7 => with("RENAME", &key, [other]),
            8 => with("RENAMENX", &key, [other]),
            9 => with("COPY", &key, [other, "REPLACE".to_owned()]),
            10 => {
                let db = self.database().to_string();
                with("COPY", &key, [other, "DB".to_owned(), db, "REPLACE".to_owned()])
            }
            11 => with("MOVE", &key, [self.database().to_string()]),
            12 => with("DEL", &key, [other]),
            13 => with("UNLINK", &key, [other]),
            14 => with(
                "SORT",
                &self.key("list"),
                ["ALPHA", "STORE"].map(str::to_owned).into_iter().chain([self.key("list")]),
            ),
            _ => with("TOUCH", &key, [other]),
        };
        out.push(arguments);
    }

    fn string_change(&mut self, out: &mut Vec<Command>) {
        let key = self.key("string");
        let offset = |writer: &mut Self, key: &str| {
            let end = if key.contains("large") { 200_000 } else { 300 };
            writer.random.u32(..end).to_string()
        };
        let command = match self.random.u32(..22) {
            0..4 => with("SET", &key, [self.value()]),
            4 => with("SET", &key, [self.value(), "PX".to_owned(), self.far_ms()]),
            5 => with("SET", &key, [self.value(), "KEEPTTL".to_owned()]),
            6 => with("SET", &key, [self.short(), "PX".to_owned(), self.near_ms()]),
            7 => with("GETEX", &key, ["PX".to_owned(), self.far_ms()]),
            8 => with("INCRBY", &key, [self.random.i32(..).to_string()]),
            9 => with("INCRBYFLOAT", &key, ["0.5".to_owned()]),
            10..13 => with("APPEND", &key, [self.short()]),
            13..15 => with("SETRANGE", &key, [offset(self, &key), self.short()]),
            15 => with("GETDEL", &key, []),
            16 => {
                let pairs: Vec<_> = (0..4).flat_map(|_| [self.key("string"), self.value()]).collect();
                [vec!["MSET".to_owned()], pairs].concat()
            }
            17..19 => {
                let (key, bit) = (self.key("bits"), self.random.u8(..2).to_string());
                let end = if key.contains("large") { 750_000 } else { 9_000 };
                with("SETBIT", &key, [self.random.u32(..end).to_string(), bit])
            }
            19 => {
                let arguments = ["INCRBY", "u16", "#7", "3", "SET", "i8", "100", "-5"].map(str::to_owned);
                with("BITFIELD", &self.key("bits"), arguments)
            }
            20 => {
                let (to, from) = (self.key("bits"), self.key("bits"));
                with("BITOP", "XOR", [to, from, self.key("bits")])
            }
            _ => {
                let key = self.key("sketch");
                match self.random.u32(..6) {
                    0 => with("PFMERGE", &key, [self.key("sketch"), self.key("sketch")]),
                    1 => with("PFCOUNT", &key, []),
                    _ => with("PFADD", &key, [self.integer(), self.integer()]),
                }
            }
        };
        out.push(command);
    }

    fn list_change(&mut self, out: &mut Vec<Command>) {
        let key = self.key("list");
        let index = self.random.i32(-60..60).to_string();
        let command = match self.random.u32(..15) {
            0..2 => with("LPUSH", &key, [self.element(&key), self.element(&key)]),
            2..4 => with("RPUSH", &key, [self.element(&key), self.value()]),
            4 => with("LPOP", &key, [self.random.u32(1..4).to_string()]),
            5 => with("RPOP", &key, []),
            6..9 => with("LSET", &key, [index, self.element(&key)]),
            9 => with("LINSERT", &key, ["BEFORE".to_owned(), self.element(&key), self.short()]),
            10 => with("LREM", &key, ["1".to_owned(), self.element(&key)]),
            11 => with("LTRIM", &key, [self.random.u32(..3).to_string(), "4000".to_owned()]),
            12 => {
                let (from, to) = (self.one(&["LEFT", "RIGHT"]), self.one(&["LEFT", "RIGHT"]));
                with("LMOVE", &key, [self.key("list"), from, to])
            }
            13 => with("RPOPLPUSH", &key, [self.key("list")]),
            _ => with("LMPOP", "2", [key, self.key("list"), "LEFT".to_owned(), "COUNT".to_owned(), "3".to_owned()]),
        };
        out.push(command);
    }

    fn set_change(&mut self, out: &mut Vec<Command>) {
        let kind = self.one(&["set", "integers"]);
        let key = self.key(&kind);
        let member = |writer: &mut Self| if kind == "set" { writer.element(&key) } else { writer.integer() };
        let command = match self.random.u32(..14) {
            0..4 => with("SADD", &key, [member(self), member(self)]),
            4..8 => with("SREM", &key, [member(self), member(self)]),
            8 => with("SPOP", &key, []),
            9..11 => with("SMOVE", &key, [self.key(&kind), member(self)]),
            11 => with("SADD", &key, [self.short()]),
            _ => {
                let name = self.one(&["SUNIONSTORE", "SINTERSTORE", "SDIFFSTORE"]);
                let (to, other) = (self.small_key(&kind), self.key(&kind));
                with(&name, &to, [self.small_key(&kind), other])
            }
        };
        out.push(command);
    }

    fn hash_change(&mut self, out: &mut Vec<Command>) {
        let key = self.key("hash");
        let field = self.element(&key);
        let fields = ["FIELDS", "1"].map(str::to_owned);
        let command = match self.random.u32(..16) {
            0..5 => with("HSET", &key, [field, self.value()]),
            5..8 => with("HDEL", &key, [field, self.element(&key)]),
            8 => with("HINCRBY", &key, ["count".to_owned(), "7".to_owned()]),
            9 => with("HINCRBYFLOAT", &key, ["sum".to_owned(), "1.25".to_owned()]),
            10 => with("HSETNX", &key, [field, self.short()]),
            11..13 => with("HPEXPIRE", &key, [vec![self.far_ms()], fields.to_vec(), vec![field]].concat()),
            13 => with("HPEXPIRE", &key, [vec![self.near_ms()], fields.to_vec(), vec![field]].concat()),
            14 => with("HPERSIST", &key, [fields.to_vec(), vec![field]].concat()),
            _ => with("HSET", &key, [field, self.short(), self.element(&key), self.short()]),
        };
        out.push(command);
    }

    fn zset_change(&mut self, out: &mut Vec<Command>) {
        let key = self.key("zset");
        let member = self.element(&key);
        let rank = self.random.u32(..40).to_string();
        let command = match self.random.u32(..16) {
            0..4 => with("ZADD", &key, [self.score(), member, self.score(), self.element(&key)]),
            4..7 => with("ZINCRBY", &key, [self.score(), member]),
            7..9 => with("ZREM", &key, [member, self.element(&key)]),
            9 => with("ZADD", &key, ["GT".to_owned(), self.score(), member]),
            10 => with("ZREMRANGEBYRANK", &key, [rank.clone(), rank]),
            11 => {
                let score = self.score();
                with("ZREMRANGEBYSCORE", &key, [format!("({score}"), score])
            }
            12 => {
                let name = self.one(&["ZPOPMIN", "ZPOPMAX"]);
                with(&name, &key, [])
            }
            13 => {
                let name = self.one(&["ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE"]);
                let (to, from) = (self.small_key("zset"), self.small_key("zset"));
                with(&name, &to, ["2".to_owned(), from, key])
            }
            14 => with("ZRANGESTORE", &self.small_key("zset"), [key, "0".to_owned(), rank]),
            _ => with("GEOADD", &key, ["13.361389".to_owned(), "38.115556".to_owned(), member]),
        };
        out.push(command);
    }

    fn stream_change(&mut self, out: &mut Vec<Command>) {
        let key = self.key("stream");
        let (known, id) = self.known_entry();
        let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let consumer = format!("consumer{}", self.random.u8(..3));
        let command = match self.random.u32(..20) {
            0..6 => return self.stream_add(out, &key),
            6..9 => with("XDEL", &known, [id]),
            9 => {
                let length = if key.contains("large") { 500 } else { self.random.u32(1..40) };
                with("XTRIM", &key, text(&["MAXLEN", &length.to_string()]))
            }
            10..13 => self.stream_read(&key),
            13..15 => with("XACK", &known, text(&["g", &id])),
            15 => with("XCLAIM", &known, text(&["g", &consumer, "0", &id])),
            16 => with("XAUTOCLAIM", &key, text(&["g", &consumer, "0", "0", "COUNT", "5"])),
            17 => with("XGROUP", "CREATECONSUMER", text(&[&key, "g", &consumer])),
            18 => {
                let name = self.one(&["DELCONSUMER", "SETID"]);
                let last = if name == "SETID" { "0".to_owned() } else { consumer };
                with("XGROUP", &name, text(&[&key, "g", &last]))
            }
            _ => {
                let name = self.one(&["CREATE", "DESTROY"]);
                let rest = if name == "CREATE" { vec!["$".to_owned(), "MKSTREAM".to_owned()] } else { Vec::new() };
                with("XGROUP", &name, [text(&[&key, "h"]), rest].concat())
            }
        };
        out.push(command);
    }

    fn stream_add(&mut self, out: &mut Vec<Command>, key: &str) {
        self.serial += 1;
        let id = format!("{}-{}", self.serial, self.random.u8(..4));
        let value = self.short();
        out.push(with("XADD", key, [id.clone(), "field".to_owned(), value, "n".to_owned(), self.serial.to_string()]));
        if self.ids.len() == IDS {
            self.ids.swap_remove(self.random.usize(..IDS));
        }
        self.ids.push((key.to_owned(), id));
    }

    fn stream_read(&mut self, key: &str) -> Command {
        let consumer = format!("consumer{}", self.random.u8(..3));
        let count = self.random.u32(1..8).to_string();
        let head = ["XREADGROUP", "GROUP", "g", &consumer, "COUNT", &count].map(str::to_owned);
        let noack = self.random.u32(..8) == 0;
        let tail = ["STREAMS", key, ">"].map(str::to_owned);
        head.into_iter().chain(noack.then(|| "NOACK".to_owned())).chain(tail).collect()
    }

    fn known_entry(&mut self) -> (String, String) {
        match self.ids.len() {
            0 => ("stream:0".to_owned(), "1-1".to_owned()),
            len => self.ids[self.random.usize(..len)].clone(),
        }
    }

    fn database(&mut self) -> usize {
        self.databases[self.random.usize(..self.databases.len())]
    }

    fn kind(&mut self) -> &'static str {
        KINDS[self.random.usize(..KINDS.len())]
    }

    fn small_key(&mut self, kind: &str) -> String {
        let keys = if kind == "string" { STRINGS } else { SMALL };
        format!("{kind}:{}", self.random.usize(..keys * self.size))
    }

    fn key(&mut self, kind: &str) -> String {
        match self.random.u32(..20) {
            0..4 => format!("{kind}:large:{}", self.random.usize(..LARGE)),
            4 => format!("{kind}:new:{}", self.random.usize(..40)),
            _ => self.small_key(kind),
        }
    }

    fn one(&mut self, words: &[&str]) -> String {
        words[self.random.usize(..words.len())].to_owned()
    }

    fn noise_of(&mut self, len: usize) -> String {
        let len = len.min(NOISE_BYTES);
        let start = self.random.usize(..=NOISE_BYTES - len);
        self.noise[start..start + len].to_owned()
    }

    /// A value of any size and encoding.
    fn value(&mut self) -> String {
        match self.random.u32(..200) {
            0..40 => self.random.i64(..).to_string(),
            40..60 => self.random.u32(..1000).to_string(),
            60..120 => self.short(),
            120..180 => {
                let len = self.random.usize(30..500);
                self.noise_of(len)
            }
            180..190 => "compressible ".repeat(self.random.usize(1..300)),
            190..199 => {
                let len = self.random.usize(500..9_000);
                self.noise_of(len)
            }
            _ => {
                let len = self.random.usize(9_000..120_000);
                self.noise_of(len)
            }
        }
    }

    fn short(&mut self) -> String {
        let len = self.random.usize(..40);
        self.noise_of(len)
    }

    fn integer(&mut self) -> String {
        match self.random.u32(..10) {
            0..7 => self.random.i16(-300..300).to_string(),
            7 => self.random.i16(..).to_string(),
            8 => self.random.i32(..).to_string(),
            _ => (self.random.i64(..) >> 20 << 20).to_string(),
        }
    }

    fn score(&mut self) -> String {
        match self.random.u32(..3) {
            0 => self.random.i32(-50..50).to_string(),
            1 => format!("{}.5", self.random.i32(-5000..5000)),
            _ => self.random.i64(-(1 << 40)..1 << 40).to_string(),
        }
    }

    /// An element of few or of many, so that what is named is often there.
    fn element(&mut self, key: &str) -> String {
        let elements = if key.contains("large") {
            LARGE_ELEMENTS
        } else if self.random.u32(..50) == 0 {
            600
        } else {
            60
        };
        let number = self.random.usize(..elements);
        match number % 9 {
            0 => format!("an element that is longer than what a listpack of a collection may hold, number {number}"),
            1 => number.to_string(),
            _ => format!("element {number}"),
        }
    }

    fn far_ms(&mut self) -> String {
        self.random.u64(5_000_000..9_000_000_000).to_string()
    }

    /// Past while the next snapshot is written, or while it is begun.
    fn near_ms(&mut self) -> String {
        self.random.u32(1..300).to_string()
    }
}
