//! What is known about a key without its value: OBJECT.

use crate::commands::framework::{
    Arity, ClientCtx, Command, CommandError, CommandResult, Flags, Group, Handler, KeyFlags, KeySpec, ReadCtx, help,
};
use crate::keyspace::{AccessPolicy, Entry, Touch};
use crate::resp::Args;
use crate::types::ValueRef;
use crate::types::string::StringView;

/// Redis shares the objects of the integers below this between all keys that hold one, and counts no references to
/// them: clients see the largest count there is.
const SHARED_INTEGERS: i64 = 10_000;
const SHARED_REFERENCES: i64 = i32::MAX as i64;

pub(in crate::commands) const COMMANDS: &[Command] = &[Command {
    name: "OBJECT",
    summary: "A container for object introspection commands.",
    since: "2.2.3",
    complexity: "Depends on subcommand.",
    arity: Arity::at_least(2),
    subcommands: SUBCOMMANDS,
    ..Command::in_group(Group::Generic)
}];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "ENCODING",
        summary: "Returns the internal encoding of a Redis object.",
        since: "2.2.3",
        arity: Arity::exactly(3),
        keys: &[KeySpec::at(2, KeyFlags::RO)],
        syntax: "key",
        tips: &["nondeterministic_output"],
        run: Handler::Read(encoding),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "FREQ",
        summary: "Returns the logarithmic access frequency counter of a Redis object.",
        since: "4.0.0",
        arity: Arity::exactly(3),
        keys: &[KeySpec::at(2, KeyFlags::RO)],
        syntax: "key",
        tips: &["nondeterministic_output"],
        run: Handler::Read(freq),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "HELP",
        summary: "Returns helpful text about the different subcommands.",
        since: "6.2.0",
        arity: Arity::exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        run: Handler::Client(help),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "IDLETIME",
        summary: "Returns the time since the last access to a Redis object.",
        since: "2.2.3",
        arity: Arity::exactly(3),
        keys: &[KeySpec::at(2, KeyFlags::RO)],
        syntax: "key",
        tips: &["nondeterministic_output"],
        run: Handler::Read(idletime),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "REFCOUNT",
        summary: "Returns the reference count of a value of a key.",
        since: "2.2.3",
        arity: Arity::exactly(3),
        keys: &[KeySpec::at(2, KeyFlags::RO)],
        syntax: "key",
        tips: &["nondeterministic_output"],
        run: Handler::Read(refcount),
        ..Command::in_group(Group::Generic)
    },
];

/// The entry to describe, which does not count as a use of it.
fn find<'a>(ctx: &ReadCtx<'a>, args: Args<'_>) -> Option<&'a Entry> {
    ctx.keyspace.find(ctx.session.db, args.arg(2), ctx.now.unix_ms, Touch::Quiet)
}

fn encoding(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let encoding = find(ctx, args).map(|entry| entry.value().encoding().name());
    ctx.reply.bulk_or_null(encoding);
    Ok(())
}

fn refcount(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let Some(entry) = find(ctx, args) else {
        ctx.reply.null();
        return Ok(());
    };
    // A policy that goes by access clocks needs an object for each key in Redis, if there is a limit to enforce.
    let policy = ctx.config.maxmemory_policy;
    let shares = ctx.config.maxmemory_bytes == 0 || !(policy.counts_frequency() || policy.counts_idleness());
    let shared = match entry.value() {
        ValueRef::String(StringView::Int(number)) => shares && (0..SHARED_INTEGERS).contains(&number),
        #[allow(unreachable_patterns, reason = "strings are the first type of several")]
        _ => false,
    };
    ctx.reply.integer(if shared { SHARED_REFERENCES } else { 1 });
    Ok(())
}

fn idletime(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let access = &ctx.keyspace.access;
    match find(ctx, args) {
        None => ctx.reply.null(),
        Some(_) if access.policy() != AccessPolicy::Lru => {
            return Err(CommandError::text(
                "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching \
                 between policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        Some(entry) => ctx.reply.integer(access.idle_seconds(entry.clock()) as i64),
    }
    Ok(())
}

fn freq(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let access = &ctx.keyspace.access;
    match find(ctx, args) {
        None => ctx.reply.null(),
        Some(_) if access.policy() == AccessPolicy::Lru => {
            return Err(CommandError::text(
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when \
                 switching between policies at runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        Some(entry) => ctx.reply.integer(i64::from(access.frequency(entry.clock()))),
    }
    Ok(())
}

fn help(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    help::reply(
        ctx.reply,
        "OBJECT",
        &[
            (
                "ENCODING <key>",
                "Return the kind of internal representation used in order to store the value\nassociated with a <key>.",
            ),
            (
                "FREQ <key>",
                "Return the access frequency index of the <key>. The returned integer is\nproportional to the logarithm of the recent access frequency of the key.",
            ),
            (
                "IDLETIME <key>",
                "Return the idle time of the <key>, that is the approximated number of\nseconds elapsed since the last access to the key.",
            ),
            ("REFCOUNT <key>", "Return the number of references of the value associated with the specified\n<key>."),
        ],
    );
    Ok(())
}
