//! Histories of commands by chance, and the shortest that still shows a difference.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::generate::Generator;
use super::pair::{Act, Coverage, Pair, Step, line};
use crate::resp::ArgsBuf;

/// How often a history is tried without one part of it.
const TRIES_MAX: usize = 4000;

/// Two servers that differ after a history, which no shorter one shows.
#[derive(Debug)]
pub struct Failure {
    seed: u64,
    acts: Vec<Act>,
    difference: String,
}

impl Failure {
    /// The name of the last command of the history.
    pub fn last_command(&self) -> String {
        let commands = self.acts.iter().rev().filter_map(|act| match &act.step {
            Step::Command { args, .. } => Some(String::from_utf8_lossy(args.as_args().arg(0)).into_owned()),
            _ => None,
        });
        commands.into_iter().next().unwrap_or_default()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "after this history (seed {}):", self.seed)?;
        for act in &self.acts {
            match &act.step {
                Step::Command { client, args } => writeln!(out, "{}  # client {client}", line(args))?,
                Step::Time { wall_ms, passed_ms } => {
                    writeln!(out, "# the wall clock is set by {wall_ms} ms, {passed_ms} ms pass")?;
                }
                Step::Round => writeln!(out, "# a round of the cron")?,
                Step::Evict(policy) => writeln!(out, "# a key is evicted ({})", policy.name())?,
                Step::Shortage(policy) => writeln!(out, "# memory is short ({})", policy.name())?,
                Step::Reload => writeln!(out, "# all data is saved and loaded")?,
                Step::Reconnect { client } => writeln!(out, "# client {client} connects again")?,
            }
        }
        write!(out, "{}", self.difference)
    }
}

/// Runs a history of so many steps on two servers; a seed always gives the same. A history that leaves them different is cut
/// down.
pub fn check_history(seed: u64, steps: usize, coverage: &mut Coverage) -> Result<(), Box<Failure>> {
    let mut generator = Generator::new(seed);
    let mut acts = Vec::with_capacity(steps);
    let found = guarded(|| {
        let mut pair = Pair::new(seed);
        while acts.len() < steps {
            acts.push(generator.next(&pair));
            let act = acts.last().expect("it was just pushed");
            let answer = pair.act(act, coverage)?;
            generator.take_answer(&act.step, &answer);
        }
        pair.finish()
    });
    match found {
        Ok(()) => Ok(()),
        Err(first) => {
            let (acts, difference) = shorten(seed, acts, first);
            Err(Box::new(Failure { seed, acts, difference }))
        }
    }
}

/// The rows that may change data, and have changed none so far.
pub fn rows_without_effect(coverage: &Coverage) -> Vec<String> {
    Pair::new(0).rows_without_effect(coverage).into_iter().map(str::to_owned).collect()
}

/// How a history leaves two servers different, if it does.
fn difference_after(seed: u64, acts: &[Act]) -> Option<String> {
    let run = || {
        let mut pair = Pair::new(seed);
        acts.iter().try_for_each(|act| pair.act(act, &mut Coverage::default()).map(drop))?;
        pair.finish()
    };
    guarded(run).err()
}

/// A panic of a server is a difference as well.
fn guarded(run: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panic: {}", text.unwrap_or("?")))
    })
}

/// Leaves out whatever is not needed for a difference: parts, then single steps, then single arguments.
fn shorten(seed: u64, mut acts: Vec<Act>, first: String) -> (Vec<Act>, String) {
    let mut difference = difference_after(seed, &acts).unwrap_or_else(|| format!("not seen again: {first}"));
    let mut tries = TRIES_MAX;
    let mut part = acts.len().div_ceil(2);
    while part > 0 && tries > 0 {
        let mut at = 0;
        let mut is_shorter = false;
        while at < acts.len() && tries > 0 {
            let mut rest = acts.clone();
            rest.drain(at..(at + part).min(rest.len()));
            tries -= 1;
            match difference_after(seed, &rest) {
                Some(found) => (acts, difference, is_shorter) = (rest, found, true),
                None => at += part,
            }
        }
        if part > 1 || !is_shorter {
            part /= 2;
        }
    }
    for at in 0..acts.len() {
        let mut index = 1;
        while let Some(shorter) = without_argument(&acts[at], index).filter(|_| tries > 0) {
            let old = std::mem::replace(&mut acts[at], shorter);
            tries -= 1;
            match difference_after(seed, &acts) {
                Some(found) => difference = found,
                None => {
                    acts[at] = old;
                    index += 1;
                }
            }
        }
    }
    (acts, difference)
}

fn without_argument(act: &Act, index: usize) -> Option<Act> {
    let Step::Command { client, args } = &act.step else { return None };
    if index >= args.as_args().len() {
        return None;
    }
    let rest: ArgsBuf = args.as_args().iter().enumerate().filter(|(at, _)| *at != index).map(|(_, arg)| arg).collect();
    Some(Act { step: Step::Command { client: *client, args: rest }, ..act.clone() })
}
