//! Whether keys exist and what they hold: DEL, UNLINK, EXISTS, TOUCH, TYPE.

use crate::commands::framework::{
    Arity, Command, CommandResult, Flags, Group, Handler, KeyFlags, KeySpec, ReadCtx, WriteCtx,
};
use crate::keyspace::{Change, EventClass, Touch};
use crate::resp::Args;

pub(in crate::commands) const COMMANDS: &[Command] = &[
    Command {
        name: "DEL",
        summary: "Deletes one or more keys.",
        complexity: "O(N) where N is the number of keys that will be removed. When a key to remove holds a value other than a string, the individual complexity for this key is O(M) where M is the number of elements in the list, set, sorted set or hash. Removing a single key that holds a string value is O(1).",
        arity: Arity::at_least(2),
        keys: &[KeySpec::rest(1, KeyFlags::RM.or(KeyFlags::DELETE))],
        syntax: "key [key ...]",
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        run: Handler::Write(del),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "EXISTS",
        summary: "Determines whether one or more keys exist.",
        complexity: "O(N) where N is the number of keys to check.",
        arity: Arity::at_least(2),
        flags: Flags::FAST,
        keys: &[KeySpec::rest(1, KeyFlags::RO)],
        syntax: "key [key ...]",
        history: &[("3.0.3", "Accepts multiple `key` arguments.")],
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        run: Handler::Read(exists),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "TOUCH",
        summary: "Returns the number of existing keys out of those specified after updating the time they were last accessed.",
        since: "3.2.1",
        complexity: "O(N) where N is the number of keys that will be touched.",
        arity: Arity::at_least(2),
        flags: Flags::FAST,
        keys: &[KeySpec::rest(1, KeyFlags::RO)],
        syntax: "key [key ...]",
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        run: Handler::Read(touch),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "TYPE",
        summary: "Determines the type of value stored at a key.",
        arity: Arity::exactly(2),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RO)],
        syntax: "key",
        run: Handler::Read(type_of),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "UNLINK",
        summary: "Asynchronously deletes one or more keys.",
        since: "4.0.0",
        complexity: "O(1) for each key removed regardless of its size. Then the command does O(N) work in a different thread in order to reclaim memory, where N is the number of allocations the deleted objects where composed of.",
        arity: Arity::at_least(2),
        flags: Flags::FAST,
        keys: &[KeySpec::rest(1, KeyFlags::RM.or(KeyFlags::DELETE))],
        syntax: "key [key ...]",
        tips: &["request_policy:multi_shard", "response_policy:agg_sum"],
        run: Handler::Write(unlink),
        ..Command::in_group(Group::Generic)
    },
];

fn del(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let lazily = ctx.keyspace.lazy_free.policy.user_del;
    delete(ctx, args.tail(1), lazily)
}

fn unlink(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    delete(ctx, args.tail(1), true)
}

fn delete(ctx: &mut WriteCtx<'_>, keys: Args<'_>, lazily: bool) -> CommandResult {
    let (db, now_ms) = (ctx.db(), ctx.now_ms());
    let mut deleted = 0;
    for key in keys {
        ctx.keyspace.expire_if_due(db, key, now_ms);
        if ctx.remove(key, lazily) {
            ctx.commit(key, Change::new(EventClass::GENERIC, "del"));
            deleted += 1;
        }
    }
    ctx.reply.integer(deleted);
    Ok(())
}

fn exists(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let found = args.tail(1).iter().filter(|key| ctx.find_untouched(key).is_some()).count();
    ctx.reply.integer(found as i64);
    Ok(())
}

fn touch(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    // Touching is what was asked for, so CLIENT NO-TOUCH has no say.
    let (db, now_ms) = (ctx.session.db, ctx.now.unix_ms);
    let found = args.tail(1).iter().filter(|key| ctx.keyspace.find(db, key, now_ms, Touch::Yes).is_some()).count();
    ctx.reply.integer(found as i64);
    Ok(())
}

fn type_of(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let name = ctx.find_untouched(args.arg(1)).map_or("none", |entry| entry.data_type().name());
    ctx.reply.simple(name);
    Ok(())
}
