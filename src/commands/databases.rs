//! Commands about whole databases, and two that need none: DBSIZE, FLUSHDB, FLUSHALL, SWAPDB, TIME, LOLWUT.

use super::framework::arguments::integer;
use super::framework::{Arity, Command, CommandError, CommandResult, Effect, Flags, Group, Handler, ReadCtx, WriteCtx};
use crate::resp::Args;

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "DBSIZE",
        summary: "Returns the number of keys in the database.",
        arity: Arity::exactly(1),
        flags: Flags::READONLY.or(Flags::FAST).or(Flags::KEYSPACE),
        tips: &["request_policy:all_shards", "response_policy:agg_sum"],
        run: Handler::Read(dbsize),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "FLUSHALL",
        summary: "Removes all keys from all databases.",
        complexity: "O(N) where N is the total number of keys in all databases",
        arity: Arity::at_least(1),
        flags: Flags::KEYSPACE.or(Flags::DANGEROUS),
        syntax: "[ASYNC | SYNC]",
        history: &[
            ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
            ("6.2.0", "Added the `SYNC` flushing mode modifier."),
        ],
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        run: Handler::Write(flushall),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "FLUSHDB",
        summary: "Remove all keys from the current database.",
        complexity: "O(N) where N is the number of keys in the selected database",
        arity: Arity::at_least(1),
        flags: Flags::KEYSPACE.or(Flags::DANGEROUS),
        syntax: "[ASYNC | SYNC]",
        history: &[
            ("4.0.0", "Added the `ASYNC` flushing mode modifier."),
            ("6.2.0", "Added the `SYNC` flushing mode modifier."),
        ],
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        run: Handler::Write(flushdb),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "LOLWUT",
        summary: "Displays computer art and the Redis version",
        since: "5.0.0",
        arity: Arity::at_least(1),
        flags: Flags::READONLY.or(Flags::FAST),
        syntax: "[VERSION version]",
        run: Handler::Read(super::lolwut::lolwut),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "SWAPDB",
        summary: "Swaps two Redis databases.",
        since: "4.0.0",
        complexity: "O(N) where N is the count of clients watching or blocking on keys from both databases.",
        arity: Arity::exactly(3),
        flags: Flags::FAST.or(Flags::KEYSPACE).or(Flags::DANGEROUS),
        syntax: "index1 index2",
        run: Handler::Write(swapdb),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "TIME",
        summary: "Returns the server time.",
        since: "2.6.0",
        arity: Arity::exactly(1),
        flags: Flags::LOADING.or(Flags::STALE).or(Flags::FAST),
        tips: &["nondeterministic_output"],
        run: Handler::Read(time),
        ..Command::in_group(Group::Server)
    },
];

fn dbsize(ctx: &mut ReadCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.reply.integer(ctx.keyspace.db(ctx.session.db).len() as i64);
    Ok(())
}

fn flushdb(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let lazily = frees_lazily(ctx, args)?;
    let db = ctx.db();
    ctx.keyspace.flush(db, lazily, ctx.now.unix_ms);
    ctx.reply.ok();
    Ok(())
}

fn flushall(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let lazily = frees_lazily(ctx, args)?;
    ctx.keyspace.flush_all(lazily, ctx.now.unix_ms);
    ctx.effects.push(Effect::AfterFlushAll);
    ctx.reply.ok();
    Ok(())
}

fn frees_lazily(ctx: &WriteCtx<'_>, args: Args<'_>) -> Result<bool, CommandError> {
    match args.get(1) {
        None => Ok(ctx.keyspace.lazy_free.policy.user_flush),
        Some(mode) if args.len() == 2 && mode.eq_ignore_ascii_case(b"SYNC") => Ok(false),
        Some(mode) if args.len() == 2 && mode.eq_ignore_ascii_case(b"ASYNC") => Ok(true),
        Some(_) => Err(CommandError::Syntax),
    }
}

fn swapdb(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let index = |arg, unreadable| {
        integer(arg).ok().and_then(|index| i32::try_from(index).ok()).ok_or(CommandError::text(unreadable))
    };
    let first = index(args.arg(1), "ERR invalid first DB index")?;
    let second = index(args.arg(2), "ERR invalid second DB index")?;
    let databases = ctx.keyspace.databases();
    let in_range = |index: i32| usize::try_from(index).ok().filter(|index| *index < databases);
    let (Some(first), Some(second)) = (in_range(first), in_range(second)) else {
        return Err(CommandError::DbOutOfRange);
    };
    ctx.keyspace.swap(first, second, ctx.now.unix_ms);
    ctx.reply.ok();
    Ok(())
}

fn time(ctx: &mut ReadCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.reply.array(2);
    ctx.reply.bulk_i64(ctx.now.unix_us.div_euclid(1_000_000));
    ctx.reply.bulk_i64(ctx.now.unix_us.rem_euclid(1_000_000));
    Ok(())
}
