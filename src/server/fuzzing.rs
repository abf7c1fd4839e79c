//! Frames as a client sends them, for the fuzz target `frames`: whatever comes, in whatever pieces, nothing may panic, and
//! pieces must come to the same as the whole.

use std::cell::RefCell;

use crate::commands::Peer;
use crate::config::{ClientBufferLimit, Config};
use crate::resp::Decoder;
use crate::server::clients::ClientKey;
use crate::server::exec::{Processed, Then};
use crate::server::executor::Executor;
use crate::server::process::Launch;

/// What a string may have at most, so that no input takes long.
const STRING_BYTES_MAX: u64 = 1 << 20;

/// Commands that only work with the keyspace and with their own connection: files, processes and other servers are not
/// this target's matter.
const RULES: &str = "ACL SETUSER default -@admin -@dangerous +keys +sort +sort_ro +info +flushall +flushdb +restore \
                     +swapdb +client|list +client|info +role";

/// One value of each type, and a key for each way to be wrong.
const DATA: &str = "FLUSHALL\r\nSET s text\r\nSET n 10\r\nRPUSH l 1 b c\r\nSADD i 1 2 3\r\nSADD m a b 3\r\nZADD z 1 a 2 b 3 c\r\n\
                    HSET h f 1 g v\r\nXADD x 1-1 f v\r\nXGROUP CREATE x g 0\r\nGEOADD p 13 38 a 15 37 b\r\nPFADD u a b\r\n";

/// Words that commands are made of, besides their names and options.
const WORDS: [&str; 40] = [
    "s",
    "n",
    "l",
    "i",
    "m",
    "z",
    "h",
    "x",
    "p",
    "u",
    "new",
    "",
    "0",
    "1",
    "-1",
    "2",
    "3",
    "10",
    "-100",
    "1.5",
    "nan",
    "-inf",
    "9223372036854775807",
    "-9223372036854775808",
    "4294967296",
    "536870911",
    "(1",
    "[a",
    "-",
    "+",
    "*",
    "$",
    ">",
    "1-1",
    "f",
    "g",
    "a",
    "u8",
    "#7",
    "@all",
];

/// A stream of frames, which may be anything. One that begins with a byte of 255 stands for frames that are made of the
/// command table, by the seed that its other bytes come to.
pub fn frames(bytes: &[u8]) {
    let seed = bytes
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |sum: u64, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3));
    EXECUTOR.with_borrow_mut(|executor| {
        let executor = executor.get_or_insert_with(executor_of_few_rights);
        let mut rng = fastrand::Rng::with_seed(seed);
        let made = (bytes.first() == Some(&0xFF)).then(|| made_frames(executor, &mut rng));
        let bytes = made.as_deref().unwrap_or(bytes);
        let whole = outcome(executor, bytes, seed, || usize::MAX);
        let longest = *rng.choice(&[1, 3, 40, 2000]).unwrap_or(&1);
        let split = outcome(executor, bytes, seed, || rng.usize(1..=longest));
        assert_eq!(split, whole, "the pieces came to something else than the whole: {}", bytes.escape_ascii());
    });
}

thread_local! {
    /// Making one takes longer than most inputs.
    static EXECUTOR: RefCell<Option<Executor>> = const { RefCell::new(None) };
}

/// What became of a stream.
#[derive(PartialEq, Eq, Debug)]
struct Outcome {
    consumed: usize,
    commands: u64,
    closed: bool,
    stalled: bool,
}

pub(in crate::server) fn executor_of_few_rights() -> Executor {
    let mut config = Config::default();
    config.proto_max_bulk_len_bytes = STRING_BYTES_MAX;
    let limit = ClientBufferLimit { hard_bytes: STRING_BYTES_MAX, soft_bytes: 0, soft_seconds: 0 };
    config.client_output_buffer_limits.fill(limit);
    let mut executor = Executor::new(config, Launch::default());
    executor.apply_client_limits();
    let (key, _) = executor.connect(Peer::Unix { path: "".into() }, -1);
    feed(&mut executor, key, format!("{RULES}\r\n").as_bytes(), || usize::MAX);
    executor.disconnect(key);
    executor
}

/// Gives a new client's bytes to a server with the same data each time.
fn outcome(executor: &mut Executor, bytes: &[u8], seed: u64, piece: impl FnMut() -> usize) -> Outcome {
    fastrand::seed(seed);
    let (key, _) = executor.connect(Peer::Unix { path: "".into() }, -1);
    feed(executor, key, DATA.as_bytes(), || usize::MAX);
    let before = executor.clients.get(key).commands_total();
    let consumed = feed(executor, key, bytes, piece);
    let client = executor.clients.get(key);
    let outcome = Outcome {
        consumed: behind_empty_lines(bytes, consumed),
        commands: client.commands_total() - before,
        closed: client.closing().is_some(),
        stalled: client.stall().is_some(),
    };
    executor.disconnect(key);
    outcome
}

/// Empty lines mean nothing: whether those behind a command are taken in with it depends on whether they came with it.
fn behind_empty_lines(bytes: &[u8], mut position: usize) -> usize {
    while let Some(line) = bytes[position..].split_inclusive(|byte| *byte == b'\n').next()
        && line.ends_with(b"\n")
        && line.trim_ascii().is_empty()
    {
        position += line.len();
    }
    position
}

/// Does what a connection does with bytes that come in pieces. Returns how many were taken in, up to the first that ended or
/// stalled the client.
fn feed(executor: &mut Executor, key: ClientKey, bytes: &[u8], mut piece: impl FnMut() -> usize) -> usize {
    let mut decoder = Decoder::new();
    let (mut start, mut end) = (0, 0);
    loop {
        let Processed { consumed, then } = executor.process(key, &mut decoder, &bytes[start..end]);
        start += consumed;
        executor.note_query_buffer(key, &decoder, end - start, end - start);
        let client = executor.clients.get_mut(key);
        client.reply.discard_front(client.reply.len());
        if client.closing().is_some() || client.stall().is_some() || (start == bytes.len() && end == start) {
            return start;
        }
        executor.clients.return_output(key);
        if let Then::Read { need_hint } = then {
            assert!(need_hint > 0, "something is missing");
            if end == bytes.len() {
                return start;
            }
            end = end.saturating_add(piece()).min(bytes.len());
        }
    }
}

/// Commands of the table with words behind them, of which some bytes were changed.
fn made_frames(executor: &Executor, rng: &mut fastrand::Rng) -> Vec<u8> {
    let rows = executor.table.rows();
    let mut bytes = Vec::new();
    for _ in 0..rng.usize(1..12) {
        let row = &rows[rng.usize(..rows.len())];
        let options: Vec<&str> = executor
            .table
            .command(row.id)
            .syntax
            .split(|letter: char| !(letter.is_ascii_uppercase() || letter.is_ascii_digit()))
            .filter(|word| word.len() > 1)
            .collect();
        let mut words: Vec<&str> = row.full_name.split('|').collect();
        for _ in 0..rng.usize(..8) {
            words.push(match rng.choice(&options) {
                Some(option) if rng.u8(..3) == 0 => option,
                _ => WORDS[rng.usize(..WORDS.len())],
            });
        }
        write_frame(&mut bytes, &words, rng);
    }
    for _ in 0..rng.usize(..3) {
        let at = rng.usize(..bytes.len());
        match rng.u8(..5) {
            0 => bytes[at] ^= 1 << rng.u8(..8),
            1 => bytes[at] = *rng.choice(b"*$\r\n-0129\"'\0 \xFF").unwrap_or(&0),
            2 => bytes.truncate(at.max(1)),
            3 => bytes.insert(at, rng.u8(..)),
            _ => drop(bytes.drain(at..(at + rng.usize(1..6)).min(bytes.len() - 1).max(at))),
        }
    }
    bytes
}

/// Writes a command as an array, or now and then as a line.
fn write_frame(bytes: &mut Vec<u8>, words: &[&str], rng: &mut fastrand::Rng) {
    if rng.u8(..6) == 0 {
        bytes.extend_from_slice(words.join(" ").as_bytes());
        bytes.extend_from_slice(b"\r\n");
        return;
    }
    bytes.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_the_whole_table_come_to_the_same_in_pieces() {
        for seed in 0..1000_u32 {
            let outcome = std::panic::catch_unwind(|| frames(&[&[0xFF][..], seed.to_string().as_bytes()].concat()));
            assert!(outcome.is_ok(), "seed {seed}");
        }
    }

    #[test]
    fn the_committed_corpus_comes_to_the_same_in_pieces() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/frames");
        let files: Vec<_> = std::fs::read_dir(folder).expect("the corpus").flatten().collect();
        assert!(files.len() >= 5);
        for file in files {
            frames(&std::fs::read(file.path()).expect("a file of the corpus"));
        }
    }

    #[test]
    fn empty_lines_behind_a_command_that_waits_come_to_the_same_in_pieces() {
        frames(b"CLIENT REP COUNT100\r\nBLPOP new 0\r\n\nPING\r\n");
    }

    #[test]
    fn commands_run_until_one_ends_or_stalls_the_client() {
        let mut executor = executor_of_few_rights();
        let run = |executor: &mut Executor, bytes: &[u8]| outcome(executor, bytes, 1, || 1);
        assert_eq!(run(&mut executor, b"SHUTDOWN NOSAVE\r\nPING\r\nGET s\r\nGET").commands, 2);
        let blocked = run(&mut executor, b"BLPOP new 0\r\nPING\r\n");
        assert!(blocked.stalled && !blocked.closed && blocked.commands == 1);
        let waiting = run(&mut executor, b"BLPOP new 0\r\n*1\r\n!\r\n");
        assert!(waiting.stalled && !waiting.closed && waiting.commands == 1);
        let broken = run(&mut executor, b"*1\r\n!\r\n");
        assert!(broken.closed && broken.commands == 0);
        assert!(!executor.process.is_ending());
    }
}
