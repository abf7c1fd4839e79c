//! Scripts by chance that use cjson, cmsgpack, struct and bit get the same answers from both servers: values, the order of
//! pairs, the texts of errors, and the replies that are made of what a script returns.
//!
//! `COPAL_DIFF_SECONDS` says how long it takes; `COPAL_DIFF_SEED` chooses the scripts, and is shown with a failure. A script
//! that is answered differently is cut down to the steps that it takes.

mod json;
mod layout;
mod msgpack;
mod program;
mod values;

use std::time::{Duration, Instant};

use crate::support::{Client, Server, Value, redis_server};
use program::Program;

const SECONDS_DEFAULT: u64 = 5;

/// A run sends the same scripts each time unless it is given a seed.
const SEED_DEFAULT: u64 = 72;

/// After so many scripts both servers drop those that they keep, and speak the other protocol.
const SCRIPTS_KEPT: u64 = 2000;

struct Pair {
    ours: Client,
    theirs: Client,
}

impl Pair {
    /// Both answers, where they are not alike.
    fn difference(&mut self, program: &Program) -> Option<(Value, Value)> {
        let difference = self.run(program.script(), &program.args)?;
        match program.script_without_order() {
            Some(script) => self.run(script, &program.args),
            None => Some(difference),
        }
    }

    fn run(&mut self, script: String, args: &[Vec<u8>]) -> Option<(Value, Value)> {
        let mut command = vec![b"EVAL".to_vec(), script.into_bytes(), b"0".to_vec()];
        command.extend_from_slice(args);
        let (ours, theirs) = (self.ours.cmd(&command), self.theirs.cmd(&command));
        (ours != theirs).then_some((ours, theirs))
    }

    /// Leaves out each step without which the answers still differ.
    fn cut_down(&mut self, mut program: Program) -> Program {
        let mut at = 0;
        while at < program.steps.len() {
            let step = program.steps.remove(at);
            if self.difference(&program).is_none() {
                program.steps.insert(at, step);
                at += 1;
            }
        }
        program
    }
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// The results that differ, one pair a line.
fn shown(ours: &Value, theirs: &Value) -> String {
    let text = |value: &Value| match value {
        Value::Bulk(bytes) => bytes.escape_ascii().to_string(),
        other => format!("{other:?}"),
    };
    match (ours, theirs) {
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            let pairs = ours.iter().zip(theirs).filter(|(ours, theirs)| ours != theirs);
            pairs.map(|(ours, theirs)| format!("  ours: {}\ntheirs: {}\n", text(ours), text(theirs))).collect()
        }
        _ => format!("  ours: {}\ntheirs: {}\n", text(ours), text(theirs)),
    }
}

#[test]
fn formats_are_read_and_written_by_scripts_as_in_redis() {
    let seed = from_environment("COPAL_DIFF_SEED").unwrap_or(SEED_DEFAULT);
    let seconds = from_environment("COPAL_DIFF_SECONDS").unwrap_or(SECONDS_DEFAULT);
    let mut random = fastrand::Rng::with_seed(seed);
    let (ours, theirs) = (Server::start(), redis_server(""));
    let mut pair = Pair { ours: ours.client(), theirs: theirs.client() };
    let end = Instant::now() + Duration::from_secs(seconds);
    let (mut programs, mut steps) = (0, 0);
    while Instant::now() < end {
        if programs % SCRIPTS_KEPT == 0 {
            for client in [&mut pair.ours, &mut pair.theirs] {
                client.run("SCRIPT FLUSH");
                client.run(if (programs / SCRIPTS_KEPT).is_multiple_of(2) { "HELLO 2" } else { "HELLO 3" });
            }
        }
        let program = Program::draw(&mut random);
        programs += 1;
        steps += program.steps.len();
        if pair.difference(&program).is_none() {
            continue;
        }
        let program = pair.cut_down(program);
        let script = program.script();
        let used = |(at, arg): (usize, &Vec<u8>)| {
            let name = format!("ARGV[{}]", at + 1);
            script.contains(&name).then(|| format!("{name} = \"{}\"", arg.escape_ascii()))
        };
        let args: Vec<_> = program.args.iter().enumerate().filter_map(used).collect();
        let (ours, theirs) = pair.difference(&program).expect("a script is answered alike each time");
        panic!(
            "COPAL_DIFF_SEED={seed}: after {programs} scripts:\n{script}\nwith {}\n{}",
            args.join(", "),
            shown(&ours, &theirs)
        );
    }
    eprintln!("{programs} scripts of {steps} steps");
    assert!(steps > 0, "something is compared");
}
