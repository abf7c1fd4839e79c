//! Walking over the keys of a database: KEYS, SCAN, RANDOMKEY.

use crate::commands::framework::arguments::cursor;
use crate::commands::framework::scan::{OwnOption, Scan};
use crate::commands::framework::{AdminCtx, Arity, Command, CommandResult, Flags, Group, Handler, ReadCtx};
use crate::keyspace::Entry;
use crate::resp::Args;
use crate::stdx::glob::glob_match;

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
    let options = Scan::parse(args.tail(2), OwnOption::Type)?;
    let db = ctx.keyspace.db(ctx.session.db);
    let is_wanted = |entry: &Entry| {
        let type_name = || entry.data_type().name().as_bytes();
        options.type_name.is_none_or(|name| type_name().eq_ignore_ascii_case(name)) && options.matches(entry.key())
    };
    options.run(cursor, ctx.reply, |cursor, found| {
        let mut visited = 0;
        let next = db.scan(cursor, |entry| {
            visited += 1;
            if is_wanted(entry) && db.is_live(entry, ctx.now.unix_ms) {
                found.push(entry.key());
            }
        });
        (next, visited)
    });
    Ok(())
}
