//! Commands by chance, of the whole table and nearly right, get the same answers from both servers and leave the same data.
//!
//! `COPAL_DIFF_SECONDS` says how long it takes; `COPAL_DIFF_SEED` chooses the commands, and is shown with a failure. A history that ends in a
//! difference is cut down before it is shown.

mod accepted;
mod grammar;

use std::time::{Duration, Instant};

use crate::support::{Client, Server, Value, redis_server, simple};
use accepted::{Verdict, judge};
use grammar::{Args, Draws, Grammar, WAITING};

const SECONDS_DEFAULT: u64 = 5;

/// A run sends the same commands each time unless it is given a seed.
const SEED_DEFAULT: u64 = 72;

/// Commands after which both servers start anew, so that a history is short enough to be cut down.
const HISTORY_LEN: usize = 150;

/// How often a history is tried without one part of it.
const CUTS_MAX: usize = 600;

/// Small thresholds, so that values often go from one encoding to the next.
const CONFIG: &str = "list-max-listpack-size 4\nset-max-intset-entries 4\nhash-max-listpack-entries 4\n\
                      zset-max-listpack-entries 4\nstream-node-max-entries 4\nhll-sparse-max-bytes 100";

/// Both servers, with a client of each.
struct Pair {
    ours: Server,
    peer: Server,
    left: Client,
    right: Client,
    /// What the transaction that is under way will run.
    queued: Vec<Args>,
    /// One has refused what the other one has done, as is right.
    parted: bool,
}

/// Answers that are not alike.
struct Difference {
    what: String,
    ours: String,
    theirs: String,
}

impl Pair {
    fn start() -> Self {
        let (ours, peer) = (Server::with_config(CONFIG), redis_server(CONFIG));
        let (left, right) = (ours.client(), peer.client());
        Self { ours, peer, left, right, queued: Vec::new(), parted: false }
    }

    /// Empties both servers, and begins to speak in this protocol.
    fn begin(&mut self, protocol: u8) {
        self.left = self.ours.client();
        self.right = self.peer.client();
        self.queued.clear();
        self.parted = false;
        for client in [&mut self.left, &mut self.right] {
            client.run(&format!("HELLO {protocol}"));
            client.run("FLUSHALL");
        }
    }

    fn send(&mut self, args: &Args) -> Option<Difference> {
        if self.parted {
            return None;
        }
        let (ours, theirs) = (self.left.cmd(args), self.right.cmd(args));
        if self.agree(args, &ours, &theirs) {
            return None;
        }
        let show = |value: &Value| format!("{value:?}");
        Some(Difference { what: shown(args), ours: show(&ours), theirs: show(&theirs) })
    }

    /// Whether the answers are alike; those of a transaction each by its command.
    fn agree(&mut self, args: &Args, ours: &Value, theirs: &Value) -> bool {
        let queued = match args[0].to_ascii_lowercase().as_slice() {
            b"exec" | b"discard" => std::mem::take(&mut self.queued),
            _ => Vec::new(),
        };
        if *theirs == simple("QUEUED") {
            self.queued.push(args.clone());
        }
        match (ours, theirs) {
            (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() && ours.len() == queued.len() => {
                queued.iter().zip(ours.iter().zip(theirs)).all(|(args, (ours, theirs))| self.accept(args, ours, theirs))
            }
            _ => self.accept(args, ours, theirs),
        }
    }

    fn accept(&mut self, args: &Args, ours: &Value, theirs: &Value) -> bool {
        let verdict = judge(args, ours, theirs);
        self.parted |= verdict == Verdict::Parted;
        verdict != Verdict::Different
    }

    fn compare_data(&self) -> Option<Difference> {
        if self.parted {
            return None;
        }
        let (ours, theirs) = (self.ours.digest(), self.peer.digest());
        (ours != theirs).then(|| Difference { what: "DEBUG DIGEST".to_owned(), ours, theirs })
    }

    /// Runs a history from the start; returns the first difference.
    fn replay(&mut self, protocol: u8, history: &[Args]) -> Option<Difference> {
        self.begin(protocol);
        let found = history.iter().find_map(|args| self.send(args));
        found.or_else(|| self.compare_data())
    }

    /// Takes away what is not needed for a difference.
    fn cut_down(&mut self, protocol: u8, mut history: Vec<Args>) -> Vec<Args> {
        let mut part = history.len() / 2;
        for _ in 0..CUTS_MAX {
            if part == 0 {
                break;
            }
            let mut at = 0;
            let mut shorter = false;
            while at < history.len() {
                let mut rest = history.clone();
                rest.drain(at..(at + part).min(rest.len()));
                if keeps_transactions_whole(&rest) && self.replay(protocol, &rest).is_some() {
                    history = rest;
                    shorter = true;
                } else {
                    at += part;
                }
            }
            if !shorter {
                part /= 2;
            }
        }
        history
    }
}

/// Whether no command that waits has lost the MULTI before it.
fn keeps_transactions_whole(history: &[Args]) -> bool {
    let mut queues = false;
    history.iter().all(|args| {
        let name = args[0].to_ascii_lowercase();
        match name.as_slice() {
            b"multi" => queues = true,
            b"exec" | b"discard" => queues = false,
            _ => {}
        }
        queues || !WAITING.iter().any(|waiting| waiting.as_bytes() == name)
    })
}

/// One history: commands, now and then within transactions.
struct History<'a> {
    grammar: &'a Grammar,
    draws: &'a mut Draws,
    queued: usize,
}

impl History<'_> {
    fn next(&mut self) -> Args {
        let word = |word: &str| vec![word.as_bytes().to_vec()];
        if self.queued > 0 {
            self.queued -= 1;
            if self.queued == 0 {
                return word(if self.draws.percent(90) { "EXEC" } else { "DISCARD" });
            }
        }
        loop {
            let args = harmless(self.grammar.command(self.draws));
            let name = args[0].to_ascii_lowercase();
            let in_transaction = self.queued > 0;
            match name.as_slice() {
                b"multi" if !in_transaction && args.len() == 1 => self.queued = 2 + self.draws.below(8),
                b"multi" | b"exec" | b"discard" if self.draws.percent(95) => continue,
                b"exec" | b"discard" if args.len() == 1 => self.queued = 0,
                // Rare enough that there is something to work on.
                b"flushall" | b"flushdb" | b"swapdb" | b"select" | b"move" if !self.draws.percent(10) => continue,
                name if !in_transaction && WAITING.iter().any(|waiting| waiting.as_bytes() == name) => continue,
                _ => {}
            }
            return args;
        }
    }
}

/// Makes a command harmless that would take gigabytes, or answer by the clock.
fn harmless(mut args: Args) -> Args {
    let name = String::from_utf8_lossy(&args[0]).to_lowercase();
    let number = |arg: &[u8]| std::str::from_utf8(arg).ok().and_then(|text| text.parse::<i64>().ok());
    for arg in args.iter_mut().skip(1) {
        let Some(value) = number(arg) else { continue };
        let large = match name.as_str() {
            "setrange" | "setbit" | "bitfield" => (10_000..i64::MAX - 1).contains(&value),
            "srandmember" | "hrandfield" | "zrandmember" => (i64::MIN + 1..-1000).contains(&value),
            _ => false,
        };
        if large {
            *arg = b"-77".to_vec();
        }
    }
    // No key may expire before the run is over.
    for at in 2..args.len() {
        let behind_word = args[at - 1].eq_ignore_ascii_case(b"ex") || args[at - 1].eq_ignore_ascii_case(b"px");
        let is_expiry = at == 2 && matches!(name.as_str(), "psetex" | "setex" | "expire" | "pexpire");
        if (behind_word || is_expiry) && number(&args[at]).is_some_and(|time| (1..100_000).contains(&time)) {
            args[at] = b"100000".to_vec();
        }
    }
    // 7.2 has WITHSCORE behind these, and 7.0 refuses it before it is queued.
    if name == "zrank" || name == "zrevrank" {
        args.truncate(3);
    }
    if name == "xadd" {
        args.iter_mut().skip(1).filter(|arg| arg.as_slice() == b"*").for_each(|arg| *arg = b"7-*".to_vec());
    }
    args
}

fn shown(args: &Args) -> String {
    args.iter().map(|arg| format!("\"{}\"", arg.escape_ascii())).collect::<Vec<_>>().join(" ")
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn commands_by_chance_get_the_same_answers() {
    let seed = from_environment("COPAL_DIFF_SEED").unwrap_or(SEED_DEFAULT);
    let seconds = from_environment("COPAL_DIFF_SECONDS").unwrap_or(SECONDS_DEFAULT);
    let mut draws = Draws::new(seed);
    let mut pair = Pair::start();
    let grammar = Grammar::told_by(&mut pair.right);
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut sent, mut passing) = (0, 0);
    while Instant::now() < end {
        let protocol = if draws.percent(50) { 2 } else { 3 };
        pair.begin(protocol);
        let mut source = History { grammar: &grammar, draws: &mut draws, queued: 0 };
        let mut history = Vec::new();
        let mut found = None;
        while history.len() < HISTORY_LEN && found.is_none() && !pair.parted {
            history.push(source.next());
            found = history.last().and_then(|args| pair.send(args));
        }
        sent += history.len();
        if found.is_none() && pair.compare_data().is_none() {
            continue;
        }
        // A difference that does not come back is one of timing.
        if pair.replay(protocol, &history).is_none() {
            passing += 1;
            continue;
        }
        let history = pair.cut_down(protocol, history);
        let lines: Vec<_> = history.iter().map(shown).collect();
        let Some(Difference { what, ours, theirs }) = pair.replay(protocol, &history) else {
            passing += 1;
            eprintln!("COPAL_DIFF_SEED={seed}: a difference that does not always come back:\n{}", lines.join("\n"));
            continue;
        };
        panic!(
            "COPAL_DIFF_SEED={seed}: after {sent} commands, in RESP{protocol}:\n{}\n{what}\n  ours: {ours}\ntheirs: {theirs}",
            lines.join("\n")
        );
    }
    eprintln!("{sent} commands, {passing} passing differences");
    assert!(sent > 0 && passing * 20 <= sent / HISTORY_LEN + 20, "{passing} differences did not come back");
}
