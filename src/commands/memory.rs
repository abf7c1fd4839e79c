//! Where the memory goes: MEMORY.

use super::framework::arguments::{at_least, integer};
use super::framework::{
    AdminCtx, Answer, Arity, ClientCtx, Command, CommandError, CommandResult, Flags, Group, Handler, KeyFlags, KeySpec,
    MemoryRequest, ReadCtx, help,
};
use crate::resp::Args;

/// Elements of a collection that MEMORY USAGE looks at by default.
const SAMPLES_DEFAULT: usize = 5;

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "MEMORY",
    summary: "A container for memory diagnostics commands.",
    since: "4.0.0",
    complexity: "Depends on subcommand.",
    arity: Arity::at_least(2),
    subcommands: SUBCOMMANDS,
    ..Command::in_group(Group::Server)
}];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "DOCTOR",
        summary: "Outputs a memory problems report.",
        since: "4.0.0",
        arity: Arity::exactly(2),
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        run: Handler::Admin(|ctx, _| ask(ctx, MemoryRequest::Doctor)),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "HELP",
        summary: "Returns helpful text about the different subcommands.",
        since: "4.0.0",
        arity: Arity::exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        run: Handler::Client(help),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "MALLOC-STATS",
        summary: "Returns the allocator statistics.",
        since: "4.0.0",
        complexity: "Depends on how much memory is allocated, could be slow",
        arity: Arity::exactly(2),
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        run: Handler::Admin(|ctx, _| ask(ctx, MemoryRequest::MallocStats)),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "PURGE",
        summary: "Asks the allocator to release memory.",
        since: "4.0.0",
        complexity: "Depends on how much memory is allocated, could be slow",
        arity: Arity::exactly(2),
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        run: Handler::Admin(|ctx, _| ask(ctx, MemoryRequest::Purge)),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "STATS",
        summary: "Returns details about memory usage.",
        since: "4.0.0",
        arity: Arity::exactly(2),
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        run: Handler::Admin(|ctx, _| ask(ctx, MemoryRequest::Stats)),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "USAGE",
        summary: "Estimates the memory usage of a key.",
        since: "4.0.0",
        complexity: "O(N) where N is the number of samples.",
        arity: Arity::at_least(3),
        keys: &[KeySpec::at(2, KeyFlags::RO)],
        syntax: "key [SAMPLES count]",
        run: Handler::Read(usage),
        ..Command::in_group(Group::Server)
    },
];

fn ask(ctx: &mut AdminCtx<'_>, request: MemoryRequest) -> CommandResult {
    ctx.push(Answer::Memory(request).into());
    Ok(())
}

fn usage(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let mut samples = SAMPLES_DEFAULT;
    let mut rest = args.tail(3).iter();
    while let Some(option) = rest.next() {
        let count = rest.next().filter(|_| option.eq_ignore_ascii_case(b"SAMPLES")).ok_or(CommandError::Syntax)?;
        samples = at_least(integer(count)?, 0, CommandError::Syntax)?;
    }
    match ctx.keyspace.db(ctx.session.db).peek(args.arg(2)) {
        Some(entry) => {
            let bytes = entry.memory_usage_in_table(samples);
            ctx.reply.integer(bytes as i64);
        }
        None => ctx.reply.null(),
    }
    Ok(())
}

fn help(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    help::reply(
        ctx.reply,
        "MEMORY",
        &[
            ("DOCTOR", "Return memory problems reports."),
            ("MALLOC-STATS", "Return internal statistics report from the memory allocator."),
            ("PURGE", "Attempt to purge dirty pages for reclamation by the allocator."),
            ("STATS", "Return information about the memory usage of the server."),
            (
                "USAGE <key> [SAMPLES <count>]",
                "Return memory in bytes used by <key> and its value. Nested values are\nsampled up to <count> times (default: 5, 0 means sample all).",
            ),
        ],
    );
    Ok(())
}
