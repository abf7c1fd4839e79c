//! MULTI, EXEC, DISCARD, WATCH and UNWATCH
//! (<https://redis.io/docs/latest/develop/interact/transactions/>).

use super::framework::{
    AdminCtx, Answer, Arity, ClientCtx, Command, CommandError, CommandResult, Effect, Flags, Group, Handler, KeyFlags,
    KeySpec, Transaction,
};
use crate::keyspace::Place;
use crate::resp::Args;

const QUICK: Flags = Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST).or(Flags::ALLOW_BUSY);

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "DISCARD",
        summary: "Discards a transaction.",
        since: "2.0.0",
        complexity: "O(N), when N is the number of queued commands",
        flags: QUICK.or(Flags::UNQUEUED),
        run: Handler::Client(discard),
        ..Command::in_group(Group::Transactions)
    },
    Command {
        name: "EXEC",
        summary: "Executes all commands in a transaction.",
        since: "1.2.0",
        complexity: "Depends on commands in the transaction",
        flags: Flags::NOSCRIPT
            .or(Flags::LOADING)
            .or(Flags::STALE)
            .or(Flags::SKIP_SLOWLOG)
            .or(Flags::UNQUEUED)
            .or(Flags::RUNS_QUEUE),
        run: Handler::Client(exec),
        ..Command::in_group(Group::Transactions)
    },
    Command {
        name: "MULTI",
        summary: "Starts a transaction.",
        since: "1.2.0",
        flags: QUICK.or(Flags::UNQUEUED),
        run: Handler::Client(multi),
        ..Command::in_group(Group::Transactions)
    },
    Command {
        name: "UNWATCH",
        summary: "Forgets about watched keys of a transaction.",
        since: "2.2.0",
        flags: QUICK,
        run: Handler::Client(unwatch),
        ..Command::in_group(Group::Transactions)
    },
    Command {
        name: "WATCH",
        summary: "Monitors changes to keys to determine the execution of a transaction.",
        since: "2.2.0",
        complexity: "O(1) for every key.",
        arity: Arity::at_least(2),
        flags: QUICK.or(Flags::UNQUEUED),
        keys: &[KeySpec::rest(1, KeyFlags::RO)],
        syntax: "key [key ...]",
        run: Handler::Admin(watch),
        ..Command::in_group(Group::Transactions)
    },
];

fn multi(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    if ctx.session.transaction.is_some() {
        return Err(CommandError::text("ERR MULTI calls can not be nested"));
    }
    ctx.session.transaction = Some(Transaction::default());
    ctx.reply.ok();
    Ok(())
}

fn exec(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.effects.push(Answer::Exec.into());
    Ok(())
}

fn discard(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    if ctx.session.transaction.take().is_none() {
        return Err(CommandError::text("ERR DISCARD without MULTI"));
    }
    ctx.effects.push(Effect::Unwatch);
    ctx.reply.ok();
    Ok(())
}

fn watch(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    if ctx.session.transaction.is_some() {
        return Err(CommandError::text("ERR WATCH inside MULTI is not allowed"));
    }
    let (db, client) = (ctx.session.db, ctx.session.id);
    for key in args.tail(1).iter() {
        if ctx.keyspace.watch(client, Place { db, key }, ctx.now.unix_ms) {
            ctx.session.note_watched(db, key);
        }
    }
    ctx.reply.ok();
    Ok(())
}

fn unwatch(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.effects.push(Effect::Unwatch);
    ctx.reply.ok();
    Ok(())
}
