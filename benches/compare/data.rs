//! The data sets, made by a small deterministic generator that is much faster than any server reads.

use std::io::Write;
use std::ops::Range;

use super::server::Server;

/// Bytes that are sent at once.
const CHUNK_BYTES: usize = 256 * 1024;

const SEED: u64 = 0x2545_f491_4f6c_dd1d;

pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        Self(SEED)
    }

    /// Other numbers than those of [`Random::new`].
    pub fn other() -> Self {
        Self(SEED.rotate_left(32))
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        // The highest bits are the best.
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

fn command(out: &mut Vec<u8>, args: &[&[u8]]) {
    write!(out, "*{}\r\n", args.len()).expect("a vector takes bytes");
    for arg in args {
        write!(out, "${}\r\n", arg.len()).expect("a vector takes bytes");
        out.extend_from_slice(arg);
        out.extend_from_slice(b"\r\n");
    }
}

/// Collections in the data set `big`, ten of each kind.
const COLLECTIONS: u64 = 40;

/// Members that one command adds to a collection of `big`.
const MEMBERS_AT_ONCE: u64 = 100;

/// The keys of a data set whose size is given by `keys`.
pub fn keys_of(name: &str, keys: u64) -> u64 {
    match name {
        "mix" => keys / 5 * 2,
        "big" => COLLECTIONS,
        _ => keys,
    }
}

/// Writes the data set called `name`, of which `size` says how large it is to be, into a server.
pub fn fill(server: &Server, name: &str, size: u64, with_collections: bool) {
    let mut connection = server.connect();
    let keys = if name == "big" { size / 5 * 4 / MEMBERS_AT_ONCE } else { keys_of(name, size) };
    let replies = connection.expect_replies(keys);
    let mut random = Random::new();
    let mut out = Vec::with_capacity(CHUNK_BYTES + 4096);
    for at in 0..keys {
        match name {
            "str" => incompressible(&mut out, at, &mut random),
            "mix" => mixed(&mut out, at, &mut random, with_collections),
            "big" => large(&mut out, at, &mut random),
            "json" => document(&mut out, at, &mut random),
            other => panic!("no data set is called {other}"),
        }
        if out.len() >= CHUNK_BYTES {
            connection.send(&out).expect("the server reads");
            out.clear();
        }
    }
    connection.send(&out).expect("the server reads");
    replies.join().expect("every reply is as expected");
}

/// Items of one kind, all of one length.
#[derive(Clone, Copy)]
pub enum Items {
    Strings,
    SetMembers,
    Integers,
    HashFields,
    SortedMembers,
}

impl Items {
    pub const ALL: [Self; 5] = [Self::Strings, Self::SetMembers, Self::Integers, Self::HashFields, Self::SortedMembers];

    pub fn name(self) -> &'static str {
        match self {
            Self::Strings => "strings",
            Self::SetMembers => "members of a set",
            Self::Integers => "integers of a set",
            Self::HashFields => "fields of a hash",
            Self::SortedMembers => "members of a sorted set",
        }
    }

    /// Keys, members, fields and values have 16 bytes; integers and scores eight.
    pub fn raw_bytes(self) -> u64 {
        match self {
            Self::Integers => 8,
            Self::SetMembers => 16,
            Self::SortedMembers => 24,
            Self::Strings | Self::HashFields => 32,
        }
    }

    fn write(self, out: &mut Vec<u8>, at: u64) {
        let (name, value) = (format!("item:{at:011}"), format!("value{at:011}"));
        match self {
            Self::Strings => command(out, &[b"SET", name.as_bytes(), value.as_bytes()]),
            Self::SetMembers => command(out, &[b"SADD", b"set", name.as_bytes()]),
            Self::Integers => command(out, &[b"SADD", b"set", (1_000_000_000_000 + at * 3).to_string().as_bytes()]),
            Self::HashFields => command(out, &[b"HSET", b"hash", name.as_bytes(), value.as_bytes()]),
            Self::SortedMembers => {
                let score = at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
                command(out, &[b"ZADD", b"board", score.to_string().as_bytes(), name.as_bytes()]);
            }
        }
    }
}

/// Adds the items with these numbers to what the server holds of their kind.
pub fn fill_items(server: &Server, kind: Items, numbers: Range<u64>) {
    let mut connection = server.connect();
    let replies = connection.expect_replies(numbers.end - numbers.start);
    let mut out = Vec::with_capacity(CHUNK_BYTES * 2);
    for at in numbers {
        kind.write(&mut out, at);
        if out.len() >= CHUNK_BYTES {
            connection.send(&out).expect("the server reads");
            out.clear();
        }
    }
    connection.send(&out).expect("the server reads");
    replies.join().expect("every reply is as expected");
}

/// Writes keys with values of one length, which compress well: their dumps are to be small beside them.
pub fn fill_plain(server: &Server, keys: u64, value_bytes: usize) {
    let mut connection = server.connect();
    let replies = connection.expect_replies(keys);
    let mut out = Vec::with_capacity(CHUNK_BYTES * 2);
    for at in 0..keys {
        plain(&mut out, at, value_bytes);
        if out.len() >= CHUNK_BYTES {
            connection.send(&out).expect("the server reads");
            out.clear();
        }
    }
    connection.send(&out).expect("the server reads");
    replies.join().expect("every reply is as expected");
}

/// One key of [`fill_plain`], or an overwrite of it with a value of the same length.
pub fn plain(out: &mut Vec<u8>, at: u64, value_bytes: usize) {
    let mut value = format!("{at:016}").into_bytes();
    value.resize(value_bytes, b'v');
    command(out, &[b"SET", format!("key:{at:012}").as_bytes(), &value]);
}

/// A key of 16 bytes with 100 bytes that no compression shortens.
fn incompressible(out: &mut Vec<u8>, at: u64, random: &mut Random) {
    let mut value = [0; 100];
    random.fill(&mut value);
    command(out, &[b"SET", format!("key:{at:012}").as_bytes(), &value]);
}

/// A key with a document of about 160 bytes whose words are random: LZF wins four percent of it, where a name comes twice.
fn document(out: &mut Vec<u8>, at: u64, random: &mut Random) {
    let mut word = || -> String {
        let mut number = random.next();
        let letters = 3 + number % 6;
        let mut letter = || {
            number /= 26;
            char::from(b'a' + (number % 26) as u8)
        };
        (0..letters).map(|_| letter()).collect()
    };
    let (first, last, host, town) = (word(), word(), word(), word());
    let note: Vec<_> = (0..5).map(|_| word()).collect();
    let document = format!(
        r#"{{"id":{at},"first_name":"{first}","last_name":"{last}","email":"{last}@{host}.com","city":"{town}","token":"{:012x}","note":"{}"}}"#,
        random.next() >> 16,
        note.join(" ")
    );
    command(out, &[b"SET", format!("doc:{at}").as_bytes(), document.as_bytes()]);
}

/// What an application keeps: documents, counters, and collections of a few members.
fn mixed(out: &mut Vec<u8>, at: u64, random: &mut Random, with_collections: bool) {
    let number = random.next();
    let kind = at % if with_collections { 8 } else { 4 };
    let text = |of: u64| format!("{:x}", number.rotate_left(u32::try_from(of * 7 % 64).expect("below 64")) >> 24);
    match kind {
        0..2 => {
            let document = format!(
                r#"{{"id":{at},"name":"user {}","email":"{}@example.com","active":{},"score":{},"tags":["a","{}"]}}"#,
                number % 10_000,
                text(1),
                number.is_multiple_of(2),
                number % 1000,
                text(2)
            );
            command(out, &[b"SET", format!("user:{at}").as_bytes(), document.as_bytes()]);
        }
        2 => command(out, &[b"SET", format!("count:{at}").as_bytes(), (number % 1_000_000).to_string().as_bytes()]),
        3 => command(out, &[b"SET", format!("session:{at}").as_bytes(), text(3).as_bytes(), b"EX", b"1000000"]),
        4 => {
            let fields: Vec<_> = (0..6).map(text).collect();
            let mut args: Vec<&[u8]> = vec![b"HSET"];
            let key = format!("hash:{at}");
            args.push(key.as_bytes());
            args.extend(fields.iter().flat_map(|field| [field.as_bytes(), b"value".as_slice()]));
            command(out, &args);
        }
        5 => {
            let (key, items) = (format!("list:{at}"), [text(1), text(2), text(3), text(4)]);
            command(
                out,
                &[
                    b"RPUSH",
                    key.as_bytes(),
                    items[0].as_bytes(),
                    items[1].as_bytes(),
                    items[2].as_bytes(),
                    items[3].as_bytes(),
                ],
            );
        }
        6 => {
            let (key, items) =
                (format!("set:{at}"), [(number % 500).to_string(), (number % 701).to_string(), at.to_string()]);
            command(out, &[b"SADD", key.as_bytes(), items[0].as_bytes(), items[1].as_bytes(), items[2].as_bytes()]);
        }
        _ => {
            let (key, items) = (format!("board:{at}"), [text(1), text(2), text(3)]);
            command(
                out,
                &[
                    b"ZADD",
                    key.as_bytes(),
                    b"1",
                    items[0].as_bytes(),
                    b"2.5",
                    items[1].as_bytes(),
                    b"3",
                    items[2].as_bytes(),
                ],
            );
        }
    }
}

/// Members for one of the large collections: hashes, lists, sets and sorted sets by turns.
fn large(out: &mut Vec<u8>, at: u64, random: &mut Random) {
    let (collection, first) = (at % COLLECTIONS, at / COLLECTIONS * MEMBERS_AT_ONCE);
    let mut args = Vec::new();
    let verb = ["HSET", "RPUSH", "SADD", "ZADD"][usize::try_from(collection % 4).expect("below 4")];
    args.push(verb.to_owned());
    args.push(format!("{}:{collection}", verb.to_lowercase()));
    for member in first..first + MEMBERS_AT_ONCE {
        let number = random.next();
        match verb {
            "HSET" => args.extend([format!("field:{member}"), format!("{number:x}")]),
            "RPUSH" => args.push(format!("item:{number:x}")),
            "SADD" => args.push(format!("member:{member}:{:x}", number >> 40)),
            _ => args.extend([(number % 1_000_000).to_string(), format!("player:{member}")]),
        }
    }
    command(out, &args.iter().map(String::as_bytes).collect::<Vec<_>>());
}
