//! Commands by chance, right or nearly so, out of the syntax of the command table.

use super::Machine;
use super::pair::{Act, CLIENTS, Pair, Step};
use crate::commands::{Argument, CommandTable, Flags, Kind, parse_syntax};
use crate::config::EvictionPolicy;
use crate::resp::ArgsBuf;
use crate::types::ValueRef;

type Words = Vec<Vec<u8>>;

/// Commands that are not sent, and why.
const LEFT_OUT: &[(&str, &[&str])] = &[
    ("they need another server", &["migrate"]),
    ("they change who follows whom", &["replicaof", "slaveof", "psync", "sync", "replconf", "failover"]),
    (
        "they work with files or end the server",
        &["save", "bgsave", "shutdown", "config|rewrite", "acl|load", "acl|save"],
    ),
    (
        "they change who may do what, or settings",
        &["acl|setuser", "acl|deluser", "acl|dryrun", "auth", "config|set", "hello"],
    ),
    ("the client could do nothing else", &["monitor", "subscribe", "psubscribe", "ssubscribe"]),
    (
        "they take long and look at no data",
        &["lolwut", "pfselftest", "memory|doctor", "memory|malloc-stats", "memory|purge"],
    ),
];

/// Commands whose records do not make another server the same yet.
pub const NOT_RECORDED_YET: &[&str] = &[];

const VALUES: &[&str] = &[
    "",
    "a",
    "b",
    "c",
    "abc",
    "10",
    "-5",
    "3.0",
    "7",
    "0",
    "1",
    "2",
    "2.5",
    "9223372036854775807",
    "0.1",
    "foobarfoobar",
    "a member that is longer than the sixty-four bytes that a listpack's elements may have",
];
const MEMBERS: &[&str] = &[
    "a",
    "b",
    "c",
    "d",
    "1",
    "2",
    "3",
    "",
    "a member longer than the sixty-four bytes that elements of a listpack may have",
];
const FIELDS: &[&str] = &["f", "g", "k", "1", "2", ""];
const NUMBERS: &[&str] = &["0", "1", "2", "3", "4", "5", "-1", "-2", "-3", "10", "7"];
const ODD_NUMBERS: &[&str] =
    &["+1", "01", "", "a", "1.5", "9223372036854775807", "-9223372036854775808", "18446744073709551615"];
const SCORES: &[&str] = &["0", "-0", "1", "2", "-1", "1.5", "2.25", "inf", "-inf", "1e3", "3.14159265358979"];
const BOUNDS: &[&str] = &["-", "+", "[a", "(b", "[b", "(c", "-inf", "+inf", "(1", "0", "1", "2", "-1", "3"];
const IDS: &[&str] = &["0", "1", "1-1", "2-0", "3-3", "5", "5-*", "0-1", "9-9", "-", "+", "(1", "$", ">", "12-1", "20"];
const PATTERNS: &[&str] = &["*", "s*", "h*->f", "nosort", "#", "[lz]*", "e*"];
const ENCODINGS: &[&str] = &["u8", "i8", "u63", "i64", "i5", "u1"];
const LONGITUDES: &[&str] = &["13.361389", "15.087269", "-120.25", "0", "179.9"];
const LATITUDES: &[&str] = &["38.115556", "37.502669", "45.5", "0", "-60"];

/// Libraries of functions, and the functions of each.
const LIBRARIES: u8 = 3;
const FUNCTIONS: u8 = 2;

/// Runs the commands in ARGV, each behind the number of its words.
const RUN_COMMANDS: &str = "local at, answers = 1, {} while at <= #ARGV do local count = tonumber(ARGV[at]) \
    answers[#answers + 1] = CALL(unpack(ARGV, at + 1, at + count)) at = at + 1 + count end return answers";

/// How many payloads of DUMP and of FUNCTION DUMP are kept, and how many ids of entries: few, so that commands name
/// those that are there.
const PAYLOADS_MAX: usize = 30;
const LIBRARY_PAYLOADS_MAX: usize = 5;
const IDS_MAX: usize = 5;

/// One command of the table.
struct Syntax {
    full_name: Box<str>,
    words: Words,
    arguments: Vec<Argument>,
    /// The letter of the keys that it mostly works on.
    key: Option<u8>,
}

/// Where commands come from.
pub struct Generator {
    rng: fastrand::Rng,
    writes: Vec<Syntax>,
    others: Vec<Syntax>,
    /// What DUMP has answered.
    payloads: Vec<Vec<u8>>,
    /// What FUNCTION DUMP has answered.
    library_payloads: Vec<Vec<u8>>,
    /// Ids of entries, as XADD has answered.
    ids: Vec<Vec<u8>>,
    unix_ms: i64,
}

impl Generator {
    pub fn new(seed: u64) -> Self {
        let table = CommandTable::new();
        // What somebody wants to look away from, while other differences are looked into.
        let without = std::env::var("COPAL_JOURNAL_WITHOUT").unwrap_or_default();
        let is_left_out = |name: &str| {
            LEFT_OUT.iter().any(|(_, names)| names.contains(&name))
                || NOT_RECORDED_YET.contains(&name)
                || without.split(',').any(|other| other == name)
        };
        let (mut writes, mut others) = (Vec::new(), Vec::new());
        for row in table.rows() {
            if row.is_container || is_left_out(&row.full_name) || row.full_name.ends_with("|help") {
                continue;
            }
            let syntax = Syntax {
                words: row.full_name.split('|').map(|word| word.to_ascii_uppercase().into_bytes()).collect(),
                arguments: parse_syntax(table.command(row.id).syntax, &row.full_name).unwrap_or_default(),
                key: key_letter(row.group.name()),
                full_name: row.full_name.clone(),
            };
            if row.flags.has(Flags::WRITE) { &mut writes } else { &mut others }.push(syntax);
        }
        Self {
            rng: fastrand::Rng::with_seed(seed),
            writes,
            others,
            payloads: Vec::new(),
            library_payloads: Vec::new(),
            ids: Vec::new(),
            unix_ms: 0,
        }
    }

    /// What happens next.
    pub fn next(&mut self, pair: &Pair) -> Act {
        self.unix_ms = pair.unix_ms();
        let step = match self.rng.u8(..100) {
            0..5 => self.time(),
            5..8 => Step::Round,
            8 => Step::Evict(self.policy()),
            9 => match self.rng.u8(..20) {
                0..4 => Step::Reconnect { client: self.rng.usize(..CLIENTS) },
                4 => Step::Shortage(self.policy()),
                5 => Step::Reload,
                _ => self.command_of_anyone(&pair.first),
            },
            _ => self.command_of_anyone(&pair.first),
        };
        Act { step, chance: self.rng.u64(..) }
    }

    /// Keeps what later commands can make use of.
    pub fn take_answer(&mut self, step: &Step, answer: &[u8]) {
        if let Step::Command { args, .. } = step {
            self.take_command_answer(args, answer);
        }
    }

    pub fn take_command_answer(&mut self, args: &ArgsBuf, answer: &[u8]) {
        let (kept, kept_max) = match args.as_args().arg(0) {
            b"DUMP" => (&mut self.payloads, PAYLOADS_MAX),
            b"FUNCTION" if args.as_args().arg(1) == b"DUMP" => (&mut self.library_payloads, LIBRARY_PAYLOADS_MAX),
            b"XADD" => (&mut self.ids, IDS_MAX),
            _ => return,
        };
        let start = answer.iter().position(|byte| *byte == b'\n').filter(|_| answer.starts_with(b"$"));
        let Some(text) = start.and_then(|start| answer.get(start + 1..answer.len() - 2)) else { return };
        if kept.len() == kept_max {
            kept.swap_remove(self.rng.usize(..kept_max));
        }
        kept.push(text.to_vec());
    }

    fn policy(&mut self) -> EvictionPolicy {
        *self.rng.choice(&EvictionPolicy::ALL).unwrap_or(&EvictionPolicy::AllKeysRandom)
    }

    fn time(&mut self) -> Step {
        let wall_ms = match self.rng.u8(..20) {
            0..8 => self.rng.i64(1..100),
            8..16 => self.rng.i64(100..4000),
            16..18 => -self.rng.i64(1..3000),
            18 => 3_600_000,
            _ => -3_600_000,
        };
        Step::Time { wall_ms, passed_ms: wall_ms.clamp(1, 10_000) as u64 }
    }

    fn command_of_anyone(&mut self, machine: &Machine) -> Step {
        let start = self.rng.usize(..CLIENTS);
        let free = (0..CLIENTS).map(|offset| (start + offset) % CLIENTS).find(|client| !machine.is_stalled(*client));
        let Some(client) = free else { return self.time() };
        Step::Command { client, args: self.command_of(machine, client) }
    }

    /// A command of a client of a server where it is this time.
    pub fn command_at_time(&mut self, machine: &Machine, client: usize, unix_ms: i64) -> ArgsBuf {
        self.unix_ms = unix_ms;
        self.command_of(machine, client)
    }

    fn command_of(&mut self, machine: &Machine, client: usize) -> ArgsBuf {
        let words = if machine.is_in_transaction(client) {
            match self.rng.u8(..100) {
                0..15 => vec![b"EXEC".to_vec()],
                15..17 => vec![b"DISCARD".to_vec()],
                _ => self.command(),
            }
        } else if self.rng.u8(..100) < 2 {
            vec![b"MULTI".to_vec()]
        } else if self.rng.u8(..100) < 2
            && let Some(words) = group_command(machine, client, self.rng.bool())
        {
            words
        } else {
            self.command()
        };
        words.iter().collect()
    }

    fn command(&mut self) -> Words {
        if self.rng.u8(..100) < 6 {
            return self.script();
        }
        self.single_command()
    }

    /// A script or a function that calls some commands, whose errors it ignores or ends with.
    fn script(&mut self) -> Words {
        let mut words: Words = match self.rng.u8(..3) {
            0 => vec![b"FCALL".to_vec(), self.function_name().into_bytes(), b"0".to_vec()],
            _ => vec![b"EVAL".to_vec(), self.script_text().into_bytes(), b"0".to_vec()],
        };
        for _ in 0..self.rng.usize(1..=5) {
            let command = self.single_command();
            words.push(command.len().to_string().into_bytes());
            words.extend(command);
        }
        words
    }

    fn script_text(&mut self) -> String {
        RUN_COMMANDS.replace("CALL", if self.rng.bool() { "redis.pcall" } else { "redis.call" })
    }

    fn library_name(&mut self) -> String {
        format!("library{}", self.rng.u8(..LIBRARIES))
    }

    /// The name of a function, which any library may have.
    fn function_name(&mut self) -> String {
        format!("function{}", self.rng.u8(..FUNCTIONS * LIBRARIES))
    }

    fn library_text(&mut self) -> String {
        let mut text = format!("#!lua name={}\n", self.library_name());
        for _ in 0..self.rng.u8(1..=FUNCTIONS) {
            let (name, run) = (self.function_name(), self.script_text());
            text.push_str(&format!("redis.register_function('{name}', function(KEYS, ARGV) {run} end)\n"));
        }
        text
    }

    fn single_command(&mut self) -> Words {
        loop {
            let rare = self.rng.u8(..10) > 0;
            let from_writes = self.rng.u8(..100) < 72;
            let list = if from_writes { &self.writes } else { &self.others };
            let index = self.rng.usize(..list.len());
            match &*list[index].full_name {
                "flushall" | "flushdb" | "swapdb" | "client|kill" | "client|pause" | "reset" | "quit" if rare => {}
                "debug" => return self.debug(),
                _ => return self.command_at(from_writes, index),
            }
        }
    }

    /// What DEBUG can do to the data or to expiry.
    fn debug(&mut self) -> Words {
        let line = match self.rng.u8(..8) {
            0..2 => format!(
                "DEBUG POPULATE {} {} {}",
                self.rng.u8(..4),
                ["s", "s0", "key"][self.rng.usize(..3)],
                self.rng.u8(..20)
            ),
            2 => "DEBUG SET-ACTIVE-EXPIRE 0".to_owned(),
            3..5 => "DEBUG SET-ACTIVE-EXPIRE 1".to_owned(),
            5 => "DEBUG DIGEST".to_owned(),
            6 => "DEBUG DIGEST-VALUE s0 h1 x2".to_owned(),
            _ => "DEBUG OBJECT z1".to_owned(),
        };
        line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
    }

    fn command_at(&mut self, from_writes: bool, index: usize) -> Words {
        let list = std::mem::take(if from_writes { &mut self.writes } else { &mut self.others });
        let syntax = &list[index];
        let mut words = syntax.words.clone();
        let start = words.len();
        let times = self.rng.usize(1..=3);
        self.draw_all(&syntax.arguments, times, syntax, &mut words);
        if self.rng.u8(..100) < 8 {
            self.spoil(&mut words, start);
        }
        bound(&syntax.full_name, &mut words);
        *if from_writes { &mut self.writes } else { &mut self.others } = list;
        words
    }

    fn draw_all(&mut self, arguments: &[Argument], times: usize, syntax: &Syntax, words: &mut Words) {
        let mut number_at = None;
        for argument in arguments {
            if matches!(&*argument.name, "numkeys" | "numfields") {
                number_at = Some(words.len() + usize::from(argument.token.is_some()));
            }
            let before = words.len();
            self.draw(argument, times, syntax, words);
            // The number of keys or fields is that of those behind it.
            if let Some(at) = number_at.filter(|at| *at < before) {
                number_at = None;
                if self.rng.u8(..100) < 95 {
                    words[at] = (words.len() - before).to_string().into_bytes();
                }
            }
        }
    }

    fn draw(&mut self, argument: &Argument, times: usize, syntax: &Syntax, words: &mut Words) {
        if argument.optional && self.rng.u8(..100) >= 30 {
            return;
        }
        let times = match argument.multiple {
            true if self.rng.u8(..100) < 90 => times,
            true => self.rng.usize(1..=4),
            false => 1,
        };
        for time in 0..times {
            if let Some(token) = argument.token.as_ref().filter(|_| time == 0 || argument.multiple_token) {
                words.push(token.clone().into_bytes());
            }
            match argument.kind {
                Kind::PureToken => {}
                Kind::OneOf => {
                    let child = &argument.children[self.rng.usize(..argument.children.len())];
                    self.draw(child, times, syntax, words);
                }
                Kind::Block => self.draw_all(&argument.children, times, syntax, words),
                kind => words.push(self.value(kind, &argument.name, syntax)),
            }
        }
    }

    fn value(&mut self, kind: Kind, name: &str, syntax: &Syntax) -> Vec<u8> {
        let command = &*syntax.full_name;
        let is = |words: &[&str]| words.iter().any(|word| name.contains(word));
        if name == "serialized-value" && command == "function|restore" {
            return self.rng.choice(&self.library_payloads).cloned().unwrap_or_default();
        }
        if name == "serialized-value" {
            return self.rng.choice(&self.payloads).cloned().unwrap_or_default();
        }
        match name {
            "function-code" => return self.library_text().into_bytes(),
            "library-name" => return self.library_name().into_bytes(),
            "function" => return self.function_name().into_bytes(),
            _ => {}
        }
        if name == "subcommand" && command == "pfdebug" {
            return self.rng.choice([&b"TODENSE"[..], b"GETREG", b"ENCODING"]).map_or_else(Vec::new, <[u8]>::to_vec);
        }
        let is_id = name == "id" && command != "xadd" && command != "xread" && command != "xreadgroup";
        if is_id && self.rng.bool() && !self.ids.is_empty() {
            return self.rng.choice(&self.ids).cloned().unwrap_or_default();
        }
        let seldom = self.rng.u8(..100) < 4;
        let pool: &[&str] = match kind {
            Kind::Key => return self.key(syntax.key),
            Kind::Pattern => PATTERNS,
            Kind::UnixTime => return self.moment(name),
            _ if seldom => ODD_NUMBERS,
            _ if matches!(name, "timeout") => return self.timeout(command),
            _ if name == "ttl" => return self.ttl(),
            _ if is(&["milliseconds"]) || name == "ms" => return self.rng.u32(1..3000).to_string().into_bytes(),
            _ if is(&["seconds"]) => return self.rng.i8(-1..4).to_string().into_bytes(),
            _ if is(&["min-idle-time"]) => &["0", "0", "100", "2000"],
            _ if is(&["longitude"]) => LONGITUDES,
            _ if is(&["latitude"]) => LATITUDES,
            _ if is(&["radius", "width", "height"]) => &["0", "1", "100", "500", "20000"],
            _ if is(&["group"]) && command.starts_with('x') => &["g", "g", "g", "g", "g", "w"],
            _ if is(&["consumer"]) => &["c", "d"],
            _ if command == "xreadgroup" && is(&["id"]) => &[">", ">", ">", ">", "0", "3-3"],
            _ if command.starts_with('x') && is(&["id", "start", "end", "threshold"]) => IDS,
            _ if is(&["cursor"]) => &["0"],
            _ if is(&["encoding"]) => ENCODINGS,
            _ if is(&["db", "index"]) && matches!(command, "select" | "move" | "copy" | "swapdb") => {
                &["0", "1", "2", "2", "7"]
            }
            Kind::Double => SCORES,
            _ if is(&["score", "weight"]) => SCORES,
            _ if command.contains("lex") && is(&["min", "max"]) => &["-", "+", "[a", "(b", "[b", "(c", "[d"],
            _ if is(&["min", "max"]) => BOUNDS,
            Kind::Integer => NUMBERS,
            _ if is(&["member", "element", "pivot"]) => MEMBERS,
            _ if is(&["field"]) => FIELDS,
            _ if matches!(command, "setbit" | "bitfield" | "setrange") && is(&["offset"]) && self.rng.u8(..30) == 0 => {
                &["1100000", "9000000"]
            }
            _ if is(&["offset", "count", "increment", "decrement"]) => NUMBERS,
            _ => VALUES,
        };
        self.rng.choice(pool).map_or_else(Vec::new, |word| word.as_bytes().to_vec())
    }

    /// Few keys, so that commands meet; mostly of the type that the command works on.
    fn key(&mut self, letter: Option<u8>) -> Vec<u8> {
        let letter = letter.filter(|_| self.rng.u8(..100) < 88);
        let letter = letter.unwrap_or_else(|| b"slezhxpgb"[self.rng.usize(..9)]);
        vec![letter, b'0' + self.rng.u8(..3)]
    }

    fn moment(&mut self, name: &str) -> Vec<u8> {
        let at_ms = self.unix_ms + self.rng.i64(-1000..6000);
        let moment = if name.contains("milliseconds") || name.ends_with("ms") { at_ms } else { at_ms / 1000 };
        moment.to_string().into_bytes()
    }

    fn timeout(&mut self, command: &str) -> Vec<u8> {
        let pool: &[&str] = match command {
            "client|pause" | "wait" | "waitaof" => &["1", "50", "300"],
            _ => &["0", "0.01", "0.5", "2"],
        };
        pool[self.rng.usize(..pool.len())].as_bytes().to_vec()
    }

    /// What RESTORE takes, of either form.
    fn ttl(&mut self) -> Vec<u8> {
        match self.rng.u8(..3) {
            0 => b"0".to_vec(),
            1 => self.rng.u32(1..4000).to_string().into_bytes(),
            _ => (self.unix_ms + self.rng.i64(-1000..4000)).to_string().into_bytes(),
        }
    }

    /// Makes a command wrong in one place, or another one that is right.
    fn spoil(&mut self, words: &mut Words, start: usize) {
        let pool = [VALUES, NUMBERS, ODD_NUMBERS, SCORES, IDS, BOUNDS][self.rng.usize(..6)];
        let other = pool[self.rng.usize(..pool.len())].as_bytes().to_vec();
        if words.len() == start {
            words.push(other);
            return;
        }
        let at = self.rng.usize(start..words.len());
        match self.rng.u8(..5) {
            0 => drop(words.remove(at)),
            1 => words.insert(at, words[at].clone()),
            2 => words[at] = other,
            3 if at + 1 < words.len() => words.swap(at, at + 1),
            _ => words.push(other),
        }
    }
}

/// What leads to entries that are pending and takes them away, all of which chance alone seldom does one after the other.
fn group_command(machine: &Machine, client: usize, acknowledges: bool) -> Option<Words> {
    let (key, stream) = machine.selected_db(client).iter().find_map(|entry| match entry.value() {
        ValueRef::Stream(stream) => Some((String::from_utf8_lossy(entry.key()), stream)),
        _ => None,
    })?;
    let line = match stream.groups().next() {
        None => format!("XGROUP CREATE {key} g 0"),
        Some((name, group)) => {
            let name = String::from_utf8_lossy(name);
            match group.pending(..).next().filter(|_| acknowledges) {
                Some((id, _)) => format!("XACK {key} {name} {}-{}", id.ms, id.seq),
                None => format!("XREADGROUP GROUP {name} c COUNT 2 STREAMS {key} >"),
            }
        }
    };
    Some(line.split(' ').map(|word| word.as_bytes().to_vec()).collect())
}

/// The keys that commands of a group mostly work on.
fn key_letter(group: &str) -> Option<u8> {
    Some(match group {
        "string" => b's',
        "list" => b'l',
        "set" => b'e',
        "sorted-set" => b'z',
        "hash" => b'h',
        "stream" => b'x',
        "hyperloglog" => b'p',
        "geo" => b'g',
        "bitmap" => b'b',
        _ => return None,
    })
}

/// Keeps a command from taking gigabytes, or forever.
fn bound(full_name: &str, words: &mut Words) {
    let number = |word: &[u8]| std::str::from_utf8(word).ok().and_then(|text| text.parse::<i64>().ok());
    for word in words.iter_mut().skip(1) {
        let Some(value) = number(word) else { continue };
        let is_large = match full_name {
            "setrange" | "setbit" | "bitfield" => value >= 1000,
            "srandmember" | "hrandfield" | "zrandmember" => value < -100,
            _ => false,
        };
        if is_large {
            *word = b"77".to_vec();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_in_the_table() {
        let table = CommandTable::new();
        let names = LEFT_OUT.iter().flat_map(|(_, names)| names.iter()).chain(NOT_RECORDED_YET);
        for name in names {
            assert!(table.rows().iter().any(|row| row.full_name.eq_ignore_ascii_case(name)), "{name}");
        }
    }
}
