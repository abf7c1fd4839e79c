//! Walking over the keys of a database: KEYS, SCAN, RANDOMKEY.

use crate::commands::context::{AdminCtx, ReadCtx, integer};
use crate::commands::error::{CommandError, CommandResult};
use crate::commands::spec::{Arity, Command, Flags, Group, Handler};
use crate::keyspace::Entry;
use crate::resp::{Args, ArgsBuf};
use crate::stdx::glob::glob_match;
use crate::stdx::number::parse_u64_like_strtoull;

/// Keys that one SCAN call looks for unless COUNT says otherwise.
const SCAN_COUNT_DEFAULT: i64 = 10;

/// Steps that one SCAN call makes through a sparse table, for each key that it looks for.
const SCAN_STEPS_PER_KEY: i64 = 10;

pub(in crate::commands) const COMMANDS: &[Command] = &[
    Command {
        name: "KEYS",
        summary: "Returns all key names that match a pattern.",
        complexity: "O(N) with N being the number of keys in the database, under the assumption that the key names in the database and the given pattern have limited length.",
        arity: Arity::exactly(2),
        flags: Flags::READONLY.or(Flags::DANGEROUS),
        syntax: "pattern",
        tips: &["request_policy:all_shards", "nondeterministic_output_order"],
        run: Handler::Read(keys),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "RANDOMKEY",
        summary: "Returns a random key name from the database.",
        arity: Arity::exactly(1),
        flags: Flags::READONLY,
        tips: &["request_policy:all_shards", "nondeterministic_output"],
        run: Handler::Admin(randomkey),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "SCAN",
        summary: "Iterates over the key names in the database.",
        since: "2.8.0",
        complexity: "O(1) for every call. O(N) for a complete iteration, including enough command calls for the cursor to return back to 0. N is the number of elements inside the collection.",
        arity: Arity::at_least(2),
        flags: Flags::READONLY,
        syntax: "cursor [MATCH pattern] [COUNT count] [TYPE type]",
        history: &[("6.0.0", "Added the `TYPE` subcommand.")],
        tips: &["nondeterministic_output", "request_policy:special"],
        run: Handler::Read(scan),
        ..Command::in_group(Group::Generic)
    },
];

fn keys(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let pattern = args.arg(1);
    let db = ctx.keyspace.db(ctx.session.db);
    let header = ctx.reply.deferred();
    let mut found = 0;
    for entry in db.iter() {
        if (pattern == b"*" || glob_match(pattern, entry.key(), false)) && db.is_live(entry, ctx.now.unix_ms) {
            ctx.reply.bulk(entry.key());
            found += 1;
            if ctx.reply.is_overfull() {
                break;
            }
        }
    }
    ctx.reply.set_deferred_array_len(header, found);
    Ok(())
}

fn randomkey(ctx: &mut AdminCtx<'_>, _args: Args<'_>) -> CommandResult {
    let key = ctx.keyspace.random_key(ctx.session.db, ctx.now.unix_ms);
    ctx.reply.bulk_or_null(key);
    Ok(())
}

fn scan(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let cursor = cursor(args.arg(1))?;
    let options = ScanOptions::parse(args.tail(2))?;
    let db = ctx.keyspace.db(ctx.session.db);
    let mut found = ArgsBuf::new();
    let mut visit = |entry: &Entry| {
        if options.accepts(entry) && db.is_live(entry, ctx.now.unix_ms) {
            found.push(entry.key());
        }
    };
    let next = options.walk(cursor, |cursor, visited| {
        db.scan(cursor, |entry| {
            *visited += 1;
            visit(entry);
        })
    });
    ctx.reply.array(2);
    ctx.reply.bulk(itoa::Buffer::new().format(next));
    ctx.reply.array(found.as_args().len());
    for key in found.as_args() {
        ctx.reply.bulk(key);
    }
    Ok(())
}

/// Reads the cursor of SCAN and its like.
pub(in crate::commands) fn cursor(arg: &[u8]) -> Result<u64, CommandError> {
    // Redis reads it by strtoul, for which an empty text is 0, but refuses space before it.
    match arg {
        b"" => Ok(0),
        [first, ..] if first.is_ascii_whitespace() || *first == b'\x0b' => Err(CommandError::InvalidCursor),
        _ => parse_u64_like_strtoull(arg).ok_or(CommandError::InvalidCursor),
    }
}

/// The options of SCAN; those of its like that walk one value are the same without TYPE.
#[derive(Debug)]
pub(in crate::commands) struct ScanOptions<'a> {
    pub pattern: Option<&'a [u8]>,
    pub count: i64,
    pub type_name: Option<&'a [u8]>,
}

impl<'a> ScanOptions<'a> {
    pub fn parse(args: Args<'a>) -> Result<Self, CommandError> {
        let mut options = Self { pattern: None, count: SCAN_COUNT_DEFAULT, type_name: None };
        let mut rest = args.iter();
        while let Some(option) = rest.next() {
            let value = rest.next().ok_or(CommandError::Syntax)?;
            if option.eq_ignore_ascii_case(b"COUNT") {
                options.count = integer(value)?;
                if options.count < 1 {
                    return Err(CommandError::Syntax);
                }
            } else if option.eq_ignore_ascii_case(b"MATCH") {
                options.pattern = (value != b"*").then_some(value);
            } else if option.eq_ignore_ascii_case(b"TYPE") {
                options.type_name = Some(value);
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    /// Calls `step` with the cursor, and the number of elements seen so far to be added to, until there are enough or
    /// the walk ends. Returns the next call's cursor.
    pub fn walk(&self, mut cursor: u64, mut step: impl FnMut(u64, &mut i64) -> u64) -> u64 {
        let mut visited = 0;
        let mut steps_left = self.count.saturating_mul(SCAN_STEPS_PER_KEY);
        loop {
            cursor = step(cursor, &mut visited);
            if cursor == 0 || steps_left == 0 || visited >= self.count {
                return cursor;
            }
            steps_left -= 1;
        }
    }

    /// Whether an element of this name is asked for.
    pub fn matches(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob_match(pattern, name, false))
    }

    fn accepts(&self, entry: &Entry) -> bool {
        self.type_name.is_none_or(|name| entry.data_type().name().as_bytes().eq_ignore_ascii_case(name))
            && self.matches(entry.key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_are_read_as_redis_reads_them() {
        for (text, value) in [("", 0), ("0", 0), ("17", 17), ("18446744073709551615", u64::MAX), ("007", 7), ("+5", 5)]
        {
            assert_eq!(cursor(text.as_bytes()), Ok(value), "{text}");
        }
        assert_eq!((cursor(b"-0"), cursor(b"-1")), (Ok(0), Ok(u64::MAX)));
        for text in ["x", " 1", "1 ", "18446744073709551616", "0x1", "1.0", "+", "-", "+-1", "--1"] {
            assert_eq!(cursor(text.as_bytes()), Err(CommandError::InvalidCursor), "{text}");
        }
    }

    #[test]
    fn options_without_a_value_or_of_no_known_name_are_syntax_errors() {
        for line in [&["MATCH"][..], &["COUNT", "0"], &["COUNT", "-1"], &["LIMIT", "3"], &["TYPE"]] {
            let args: ArgsBuf = line.iter().collect();
            assert_eq!(ScanOptions::parse(args.as_args()).unwrap_err(), CommandError::Syntax, "{line:?}");
        }
        let args: ArgsBuf = ["COUNT", "many"].into_iter().collect();
        assert_eq!(ScanOptions::parse(args.as_args()).unwrap_err(), CommandError::NotInteger);
    }
}
