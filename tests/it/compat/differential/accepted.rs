//! Where answers may differ: what is by chance or of the moment is masked, and each difference of the reference, Redis 7.2,
//! from the peer, 7.0.15, is listed with its reason.

use super::grammar::Args;
use crate::support::{Value, int};

/// A difference that is as it should be.
struct Difference {
    /// The command's name in small letters; with a subcommand, of two words; a star for any.
    command: &'static str,
    reason: &'static str,
    holds: fn(&Args, &Value, &Value) -> bool,
}

/// All commands about places.
const GEO: &str = "geo";

const CLAIMS: &str = "since 7.2 XCLAIM and XAUTOCLAIM make the consumer even where they claim nothing";

const fn always(command: &'static str, reason: &'static str) -> Difference {
    Difference { command, reason, holds: |_, _, _| true }
}

const DIFFERENCES: &[Difference] = &[
    Difference {
        command: "object encoding",
        reason: "since 7.2 small sets are listpacks",
        holds: |_, ours, theirs| is_text(ours, "listpack") && is_text(theirs, "hashtable"),
    },
    Difference {
        command: "object encoding",
        reason: "since 7.2 small lists are listpacks",
        holds: |_, ours, theirs| is_text(ours, "listpack") && is_text(theirs, "quicklist"),
    },
    Difference {
        command: "object encoding",
        reason: "in Redis SORT leaves a sorted set as a skip list, and Copal looks at it as it is",
        holds: |_, ours, theirs| is_text(ours, "listpack") && is_text(theirs, "skiplist"),
    },
    Difference {
        command: "pfadd",
        reason: "Copal looks at all runs of a sketch before it changes one",
        holds: |_, ours, _| is_error(ours, "INVALIDOBJ"),
    },
    Difference {
        command: "bitcount",
        reason: "since 7.2 arguments are looked at even if there is no such key",
        holds: |_, ours, theirs| ours.is_error() && (*theirs == int(0) || is_error(theirs, "WRONGTYPE")),
    },
    Difference {
        command: "bitpos",
        reason: "since 7.2 arguments are looked at even if there is no such key",
        holds: |_, ours, theirs| {
            ours.is_error() && (matches!(theirs, Value::Integer(_)) || is_error(theirs, "WRONGTYPE"))
        },
    },
    Difference {
        command: "*",
        reason: "since 7.2 the text names the command as it is called",
        holds: |_, ours, theirs| is_error(ours, "ERR Unbalanced") && is_error(theirs, "ERR Unbalanced"),
    },
    Difference {
        command: "lpos",
        reason: "since 7.2 the smallest of all numbers is no rank",
        holds: |_, ours, _| is_error(ours, "ERR value is out of range, value must between"),
    },
    Difference {
        command: "*",
        reason: "since 7.2 a moment beyond any clock is neither taken for one before it nor for none",
        holds: |_, ours, _| is_error(ours, "ERR timeout is out of range"),
    },
    Difference {
        command: GEO,
        reason: "a score that is no cell of the grid has no place that is defined",
        holds: |_, ours, theirs| !ours.is_error() && !theirs.is_error(),
    },
    always("object refcount", "Copal shares no integers"),
    Difference {
        command: "xinfo groups",
        reason: CLAIMS,
        holds: |_, ours, theirs| without_consumers(ours) == without_consumers(theirs),
    },
    Difference {
        command: "xgroup createconsumer",
        reason: CLAIMS,
        holds: |_, ours, theirs| *ours == int(0) && *theirs == int(1),
    },
    always("xinfo consumers", "7.2 answers when a consumer was active"),
    always("xinfo stream", "7.2 answers when consumers were active, and Copal has no radix tree"),
    always("pfdebug", "an error names the subcommand as it was sent"),
];

fn is_error(value: &Value, start: &str) -> bool {
    matches!(value, Value::Error(text) if text.starts_with(start))
}

fn is_text(value: &Value, text: &str) -> bool {
    matches!(value, Value::Bulk(bytes) if bytes == text.as_bytes())
}

/// What two answers are to each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    Alike,
    /// One has refused what the other one has done, as is right; what follows says nothing any more.
    Parted,
    Different,
}

pub fn judge(args: &Args, ours: &Value, theirs: &Value) -> Verdict {
    let name = |words: usize| {
        let words: Vec<_> = args.iter().take(words).map(|word| String::from_utf8_lossy(word).to_lowercase()).collect();
        words.join(" ")
    };
    let (first, both) = (name(1), name(2));
    let (ours_masked, theirs_masked) = (masked(&first, args, ours.clone()), masked(&first, args, theirs.clone()));
    if are_same(&ours_masked, &theirs_masked) {
        return Verdict::Alike;
    }
    let is_about = |difference: &&Difference| {
        let command = difference.command;
        ["*", &*first, &*both].contains(&command) || command == GEO && first.starts_with(GEO)
    };
    let found = DIFFERENCES.iter().filter(is_about).find(|difference| (difference.holds)(args, ours, theirs));
    match found {
        Some(Difference { command, reason, .. }) if ours.is_error() != theirs.is_error() || *command == GEO => {
            eprintln!("accepted: {reason}");
            Verdict::Parted
        }
        Some(_) => Verdict::Alike,
        None => Verdict::Different,
    }
}

/// Whether both are the same, doubles by their value: since 7.2 they are written with as few digits as they need.
fn are_same(ours: &Value, theirs: &Value) -> bool {
    let same_number = |a: &str, b: &str| matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b)) if a == b);
    match (ours, theirs) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| are_same(a, b)),
        (Value::Double(a), Value::Double(b)) => a == b || same_number(a, b),
        (Value::Bulk(a), Value::Bulk(b)) if a != b && a.contains(&b'.') | b.contains(&b'.') => {
            same_number(&String::from_utf8_lossy(a), &String::from_utf8_lossy(b))
        }
        _ => ours == theirs,
    }
}

/// An answer without what is by chance, in an order of each server's own, or of the moment.
fn masked(command: &str, args: &Args, answer: Value) -> Value {
    match command {
        "smembers" | "sunion" | "sinter" | "sdiff" | "keys" | "hkeys" | "hvals" | "pubsub" => sorted(answer, 1),
        "hgetall" => sorted(answer, 2),
        // What BY names need not tell elements apart, and those that LIMIT leaves are then any.
        "sort" | "sort_ro" if ["by", "limit"].iter().all(|word| has(args, word)) => shape(answer),
        "sort" | "sort_ro" if has(args, "by") => sorted(answer, 1),
        "srandmember" | "hrandfield" | "zrandmember" | "randomkey" => shape(answer),
        "ttl" | "pttl" | "expiretime" | "pexpiretime" => rounded(answer),
        "object" if args.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"idletime")) => shape(answer),
        "object" if args.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"freq")) => shape(answer),
        "xpending" => without_idle_times(answer),
        _ => answer,
    }
}

fn has(args: &Args, word: &str) -> bool {
    args.iter().any(|arg| arg.eq_ignore_ascii_case(word.as_bytes()))
}

fn sorted(answer: Value, group: usize) -> Value {
    match answer {
        Value::Array(items) | Value::Set(items) if items.len() % group == 0 => {
            let mut groups: Vec<_> = items.chunks(group).map(<[Value]>::to_vec).collect();
            groups.sort_by_key(|group| format!("{group:?}"));
            Value::Array(groups.concat())
        }
        Value::Map(mut pairs) => {
            pairs.sort_by_key(|pair| format!("{pair:?}"));
            Value::Map(pairs)
        }
        other => other,
    }
}

fn shape(answer: Value) -> Value {
    match answer {
        Value::Array(items) => Value::Array(items.into_iter().map(shape).collect()),
        Value::Bulk(_) | Value::Double(_) => Value::Bulk(Vec::new()),
        Value::Integer(_) => Value::Integer(0),
        other => other,
    }
}

/// Times are alike to some seconds, or milliseconds of as many.
fn rounded(answer: Value) -> Value {
    match answer {
        Value::Integer(time) if time > 10_000 => Value::Integer((time as f64 / 2e4).round() as i64),
        other => other,
    }
}

fn without_idle_times(answer: Value) -> Value {
    let Value::Array(mut items) = answer else { return answer };
    for item in &mut items {
        if let Value::Array(entry) = item
            && let [_, _, idle @ Value::Integer(_), _] = entry.as_mut_slice()
        {
            *idle = Value::Null;
        }
    }
    Value::Array(items)
}

/// What XINFO GROUPS answers, but for the number of consumers.
fn without_consumers(answer: &Value) -> Value {
    let is_name = |name: &Value| is_text(name, "consumers");
    match answer {
        Value::Array(items) => {
            let follows = |at: usize| at > 0 && is_name(&items[at - 1]);
            let kept = items.iter().enumerate().filter(|(at, _)| !follows(*at));
            Value::Array(kept.map(|(_, item)| without_consumers(item)).collect())
        }
        Value::Map(pairs) => Value::Map(pairs.iter().filter(|(name, _)| !is_name(name)).cloned().collect()),
        other => other.clone(),
    }
}
