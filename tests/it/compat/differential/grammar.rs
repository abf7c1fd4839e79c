//! Commands by chance, out of the syntax that redis-server has for its own commands.

use crate::support::{Client, Value};

pub type Args = Vec<Vec<u8>>;

/// Commands that are not sent, or whose answers cannot be alike.
const LEFT_OUT: &[(&str, &[&str])] = &[
    (
        "they are about the server, the connection or other clients",
        &[
            "acl",
            "auth",
            "client",
            "cluster",
            "command",
            "config",
            "debug",
            "hello",
            "info",
            "lastsave",
            "latency",
            "lolwut",
            "memory",
            "migrate",
            "module",
            "monitor",
            "quit",
            "role",
            "slowlog",
            "time",
            "reset",
            "failover",
            "asking",
            "readonly",
            "readwrite",
            "pfselftest",
        ],
    ),
    ("they replicate", &["psync", "sync", "replconf", "replicaof", "slaveof", "restore-asking"]),
    ("they save or end the server", &["save", "bgsave", "bgrewriteaof", "shutdown"]),
    (
        "they run scripts, which have tests of their own",
        &["eval", "eval_ro", "evalsha", "evalsha_ro", "fcall", "fcall_ro", "function", "script"],
    ),
    (
        "one command has several answers",
        &["subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe"],
    ),
    ("they pick by chance, and change what they pick", &["spop"]),
    ("the bytes of a payload tell the version", &["dump", "restore"]),
    ("cursors are each server's own", &["scan", "sscan", "hscan", "zscan"]),
];

/// Commands that wait, and are sent within transactions alone.
pub const WAITING: &[&str] = &[
    "blpop",
    "brpop",
    "blmove",
    "brpoplpush",
    "blmpop",
    "bzpopmin",
    "bzpopmax",
    "bzmpop",
    "xread",
    "xreadgroup",
    "wait",
];

const VALUES: &[&[u8]] = &[
    b"",
    b"a",
    b"b",
    b"c",
    b"abc",
    b"10",
    b"-5",
    b"3.0",
    b"1e3",
    b"nan",
    b"inf",
    b"-inf",
    b"0x10",
    b"007",
    b" 1",
    b"1 ",
    b"+1",
    b"-0",
    b"0",
    b"1",
    b"2",
    b"2.5",
    b"1-1",
    b"9223372036854775807",
    b"9223372036854775808",
    b"-9223372036854775808",
    b"12345678901234567890123",
    b"\xff\x01z",
    b"*",
    b"foobarfoobar",
    b"0.1",
    b"1e-7",
    b"123456789012.5",
    b"a member that is longer than the sixty-four bytes that a listpack's elements may have",
];

const NUMBERS: &[&[u8]] = &[b"0", b"1", b"2", b"3", b"4", b"5", b"-1", b"-2", b"-3", b"10", b"7", b"100"];

const ODD_NUMBERS: &[&[u8]] = &[
    b"+1",
    b" 1",
    b"1 ",
    b"01",
    b"-0",
    b"",
    b"a",
    b"1.5",
    b"1e2",
    b"2147483647",
    b"2147483648",
    b"-2147483648",
    b"4294967295",
    b"4294967296",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"-9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551615",
    b"18446744073709551616",
    b"--1",
    b"0x1",
];

/// None is so small that it lacks bits: that leaves an error behind in redis-server, which its next SORT takes for its own.
const DOUBLES: &[&[u8]] = &[
    b"0",
    b"1",
    b"2",
    b"-1",
    b"1.5",
    b"2.25",
    b"inf",
    b"-inf",
    b"+inf",
    b"1e3",
    b"3.14159265358979",
    b"1e308",
    b"nan",
    b"0x1p3",
    b" 1",
    b"1 ",
    b"",
    b"(1",
    b"45.5",
    b"-120.25",
    b"179.9",
    b"85",
    b"86",
    b"181",
    b"a",
];

/// Far enough from now on either side that no run sees one pass.
const MOMENTS: &[&[u8]] = &[
    b"100000",
    b"99999999",
    b"4102444800",
    b"4102444800000",
    b"0",
    b"-1",
    b"9223372036854775807",
    b"-9223372036854775808",
    b"9223372036854775",
    b"9223372036854776",
    b"",
    b"a",
    b"1.5",
    b"+100000",
];

const IDS: &[&[u8]] = &[
    b"0",
    b"1",
    b"1-1",
    b"2-0",
    b"3-3",
    b"5",
    b"5-*",
    b"0-1",
    b"9-9",
    b"+5",
    b" 5",
    b"-",
    b"+",
    b"(1",
    b"(2-0",
    b"(-",
    b"$",
    b">",
    b"1-",
    b"-1",
    b"18446744073709551615",
    b"18446744073709551615-18446744073709551615",
    b"0-0",
    b"a",
    b"",
];

const BOUNDS: &[&[u8]] = &[
    b"-", b"+", b"[a", b"(b", b"[", b"(", b"[b", b"(c", b"a", b"-inf", b"+inf", b"(1", b"0", b"1", b"2", b"-1", b"3",
    b"(inf", b"nan",
];

const PATTERNS: &[&[u8]] =
    &[b"*", b"k?", b"k[0-3]", b"k*", b"nosort", b"#", b"k*->a", b"[^k]*", b"\\*", b"", b"k1*", b"*->", b"k2"];

const TYPES: &[&[u8]] = &[b"u8", b"i8", b"u63", b"i64", b"u64", b"i5", b"u1", b"i0", b"u", b"8"];

/// Draws: what a number below a limit gives, always the same for a seed.
pub struct Draws(u64);

impl Draws {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize) % limit.max(1)
    }

    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub fn one_of<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }
}

/// One argument of a command's syntax.
#[derive(Debug, Clone)]
struct Argument {
    name: String,
    kind: String,
    token: Option<String>,
    optional: bool,
    multiple: bool,
    parts: Vec<Argument>,
}

impl Argument {
    fn read(reported: &Value) -> Self {
        let text = |name: &str| field(reported, name).map(Value::text);
        let flags = field(reported, "flags").map(Value::texts).unwrap_or_default();
        let parts = field(reported, "arguments").map(|parts| parts.items().iter().map(Self::read).collect());
        Self {
            name: text("name").unwrap_or_default(),
            kind: text("type").unwrap_or_default(),
            token: text("token"),
            optional: flags.iter().any(|flag| flag == "optional"),
            multiple: flags.iter().any(|flag| flag.starts_with("multiple")),
            parts: parts.unwrap_or_default(),
        }
    }
}

fn field<'a>(map: &'a Value, name: &str) -> Option<&'a Value> {
    map.items().chunks_exact(2).find(|pair| pair[0].text() == name).map(|pair| &pair[1])
}

/// A command: its name, of two words for a subcommand, and what stands behind.
#[derive(Debug)]
struct Syntax {
    words: Vec<String>,
    arguments: Vec<Argument>,
}

/// All commands that are sent.
#[derive(Debug)]
pub struct Grammar {
    commands: Vec<Syntax>,
}

/// Stands for the number of keys until these are drawn.
const NUMKEYS: &[u8] = b"\0numkeys";

impl Grammar {
    /// Asks a server for its commands.
    pub fn told_by(client: &mut Client) -> Self {
        let left_out = |name: &str| LEFT_OUT.iter().any(|(_, names)| names.contains(&name));
        let mut commands = Vec::new();
        for pair in client.run("COMMAND DOCS").items().chunks_exact(2) {
            let name = pair[0].text();
            if left_out(&name) {
                continue;
            }
            let arguments = |docs: &Value| {
                field(docs, "arguments")
                    .map(|reported| reported.items().iter().map(Argument::read).collect())
                    .unwrap_or_default()
            };
            match field(&pair[1], "subcommands") {
                None => commands.push(Syntax { words: vec![name], arguments: arguments(&pair[1]) }),
                Some(subcommands) => {
                    for sub in subcommands.items().chunks_exact(2) {
                        let full = sub[0].text();
                        let words: Vec<_> = full.split('|').map(str::to_owned).collect();
                        // What HELP says is each server's own.
                        if words.last().is_some_and(|word| word != "help") {
                            commands.push(Syntax { words, arguments: arguments(&sub[1]) });
                        }
                    }
                }
            }
        }
        commands.sort_by(|a, b| a.words.cmp(&b.words));
        assert!(commands.len() > 150, "redis-server lists its commands");
        Self { commands }
    }

    /// A command that is right, or nearly so.
    pub fn command(&self, draws: &mut Draws) -> Args {
        let syntax = &self.commands[draws.below(self.commands.len())];
        let mut args: Args = syntax.words.iter().map(|word| word.clone().into_bytes()).collect();
        let start = args.len();
        let times = 1 + draws.below(3);
        for argument in &syntax.arguments {
            draw(argument, times, draws, &mut args);
        }
        settle_numkeys(&mut args, draws);
        if draws.percent(15) {
            spoil(&mut args, start, draws);
        }
        args
    }
}

fn draw(argument: &Argument, times: usize, draws: &mut Draws, args: &mut Args) {
    if argument.optional && !draws.percent(35) {
        return;
    }
    let times = match argument.multiple {
        true if draws.percent(85) => times,
        true => 1 + draws.below(4),
        false => 1,
    };
    if let Some(token) = &argument.token {
        args.push(token.clone().into_bytes());
    }
    for _ in 0..times {
        match argument.kind.as_str() {
            "pure-token" => {}
            "oneof" => draw(&argument.parts[draws.below(argument.parts.len())], 1, draws, args),
            "block" => argument.parts.iter().for_each(|part| draw(part, times, draws, args)),
            kind => args.push(value(kind, &argument.name, draws)),
        }
    }
}

fn value(kind: &str, name: &str, draws: &mut Draws) -> Vec<u8> {
    let is = |words: &[&str]| words.iter().any(|word| name.contains(word));
    let pool = match kind {
        "key" => return key(draws),
        "pattern" => PATTERNS,
        "unix-time" => MOMENTS,
        _ if is(&["seconds", "unix-time", "timestamp"]) => MOMENTS,
        "integer" if name == "numkeys" => return NUMKEYS.to_vec(),
        "integer" if is(&["min-idle", "ms"]) => {
            return draws.one_of(&[&b"0"[..], b"9223372036854775807", b"-1", b"a"]).to_vec();
        }
        "integer" if draws.percent(80) => NUMBERS,
        "integer" => ODD_NUMBERS,
        "double" => DOUBLES,
        _ if is(&["id", "start", "end", "last-delivered"]) && name != "consumer" => {
            if draws.percent(30) {
                NUMBERS
            } else {
                IDS
            }
        }
        _ if is(&["group"]) => return draws.one_of(&[&b"g"[..], b"h"]).to_vec(),
        _ if is(&["encoding"]) => TYPES,
        _ if is(&["min", "max"]) => BOUNDS,
        _ if is(&["index", "count", "offset", "increment", "threshold"]) => NUMBERS,
        _ if is(&["score", "longitude", "latitude", "radius", "width", "height"]) => DOUBLES,
        _ => VALUES,
    };
    draws.one_of(pool).to_vec()
}

/// Few keys, so that commands of all types meet.
fn key(draws: &mut Draws) -> Vec<u8> {
    if draws.percent(2) { Vec::new() } else { format!("k{}", draws.below(6)).into_bytes() }
}

/// Puts the number of the keys that stand behind it, or another one, in its place.
fn settle_numkeys(args: &mut Args, draws: &mut Draws) {
    let Some(at) = args.iter().position(|arg| arg == NUMKEYS) else { return };
    let keys = args[at + 1..].iter().take_while(|arg| arg.is_empty() || arg.starts_with(b"k")).count();
    args[at] = if draws.percent(92) {
        keys.to_string().into_bytes()
    } else {
        let pool = if draws.percent(50) { NUMBERS } else { ODD_NUMBERS };
        draws.one_of(pool).to_vec()
    };
}

/// Makes a command wrong in one place, or another one that is right.
fn spoil(args: &mut Args, start: usize, draws: &mut Draws) {
    let any = |draws: &mut Draws| {
        let pool = draws.one_of(&[VALUES, NUMBERS, ODD_NUMBERS, DOUBLES, IDS, BOUNDS]);
        draws.one_of(pool).to_vec()
    };
    let at = start + draws.below(args.len() - start);
    match draws.below(5) {
        0 if at < args.len() => drop(args.remove(at)),
        1 if at < args.len() => args.insert(at, args[at].clone()),
        2 if at < args.len() => args[at] = any(draws),
        3 if at + 1 < args.len() => args.swap(at, at + 1),
        _ => args.push(any(draws)),
    }
}
