//! Values under other names: RENAME, RENAMENX, MOVE, COPY.
//!
//! As in Redis a key that takes another one's place is reported as `new`, unlike one that SET overwrites.

use crate::commands::framework::arguments::database;
use crate::commands::framework::{
    Arity, Command, CommandError, CommandResult, Flags, Group, Handler, KeyFlags, KeySpec, SIZE_SAMPLES, WriteCtx,
    require_memory,
};
use crate::keyspace::{Change, Entry, EventClass, Place, Touch};
use crate::resp::Args;

const SAME_OBJECT: CommandError = CommandError::text("ERR source and destination objects are the same");

pub(in crate::commands) const COMMANDS: &[Command] = &[
    Command {
        name: "COPY",
        summary: "Copies the value of a key to a new key.",
        since: "6.2.0",
        complexity: "O(N) worst case for collections, where N is the number of nested items. O(1) for string values.",
        arity: Arity::at_least(3),
        flags: Flags::DENYOOM,
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS)), KeySpec::at(2, KeyFlags::OW.or(KeyFlags::UPDATE))],
        syntax: "source destination [DB destination-db] [REPLACE]",
        run: Handler::Write(copy),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "MOVE",
        summary: "Moves a key to another database.",
        arity: Arity::exactly(3),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE))],
        syntax: "key db",
        run: Handler::Write(move_key),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "RENAME",
        summary: "Renames a key and overwrites the destination.",
        arity: Arity::exactly(3),
        keys: &[
            KeySpec::first(KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE)),
            KeySpec::at(2, KeyFlags::OW.or(KeyFlags::UPDATE)),
        ],
        syntax: "key newkey",
        run: Handler::Write(rename),
        ..Command::in_group(Group::Generic)
    },
    Command {
        name: "RENAMENX",
        summary: "Renames a key only when the target key name doesn't exist.",
        arity: Arity::exactly(3),
        flags: Flags::FAST,
        keys: &[
            KeySpec::first(KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::DELETE)),
            KeySpec::at(2, KeyFlags::OW.or(KeyFlags::INSERT)),
        ],
        syntax: "key newkey",
        history: &[("3.2.0", "The command no longer returns an error when source and destination names are the same.")],
        run: Handler::Write(renamenx),
        ..Command::in_group(Group::Generic)
    },
];

fn rename(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    rename_key(ctx, args.arg(1), args.arg(2), true)?;
    ctx.reply.ok();
    Ok(())
}

fn renamenx(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let renamed = rename_key(ctx, args.arg(1), args.arg(2), false)?;
    ctx.reply.integer(i64::from(renamed));
    Ok(())
}

/// Returns whether the key was renamed; without `overwrite` a key that is there already keeps it from that.
fn rename_key(ctx: &mut WriteCtx<'_>, from: &[u8], to: &[u8], overwrite: bool) -> Result<bool, CommandError> {
    if ctx.find(from).is_none() {
        return Err(CommandError::NoSuchKey);
    }
    if from == to {
        return Ok(false);
    }
    let replaces = ctx.find(to).is_some();
    if replaces && !overwrite {
        return Ok(false);
    }
    let db = ctx.db();
    if replaces {
        ctx.notify(to, EventClass::NEW, "new");
    }
    ctx.keyspace.relocate(Place { db, key: from }, Place { db, key: to });
    ctx.commit(from, Change::new(EventClass::GENERIC, "rename_from").times(0));
    ctx.commit(to, Change::new(EventClass::GENERIC, "rename_to"));
    Ok(true)
}

fn move_key(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let key = args.arg(1);
    let target = database(args.arg(2), ctx.config)?;
    let source = ctx.db();
    if source == target {
        return Err(SAME_OBJECT);
    }
    let now_ms = ctx.now_ms();
    let moves = ctx.find(key).is_some() && ctx.keyspace.find_for_write(target, key, now_ms).is_none();
    if moves {
        ctx.keyspace.relocate(Place { db: source, key }, Place { db: target, key });
        ctx.commit(key, Change::new(EventClass::GENERIC, "move_from"));
        ctx.keyspace.commit(target, key, Change::new(EventClass::GENERIC, "move_to").times(0));
    }
    ctx.reply.integer(i64::from(moves));
    Ok(())
}

fn copy(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (from, to) = (args.arg(1), args.arg(2));
    let source = ctx.db();
    let mut target = source;
    let mut replace = false;
    let mut rest = args.tail(3).iter();
    while let Some(option) = rest.next() {
        if option.eq_ignore_ascii_case(b"REPLACE") {
            replace = true;
        } else if option.eq_ignore_ascii_case(b"DB") {
            target = database(rest.next().ok_or(CommandError::Syntax)?, ctx.config)?;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    if source == target && from == to {
        return Err(SAME_OBJECT);
    }
    let now_ms = ctx.now_ms();
    let exists = ctx.read(from).is_some();
    let replaces = exists && ctx.keyspace.find_for_write(target, to, now_ms).is_some();
    let copies = exists && (replace || !replaces);
    if copies {
        let value = ctx.keyspace.find(source, from, now_ms, Touch::No).map(Entry::value);
        require_memory(value.map_or(0, |value| value.memory_usage(SIZE_SAMPLES)))?;
        if replaces {
            ctx.keyspace.notify(target, to, EventClass::NEW, "new");
        }
        ctx.keyspace.duplicate(Place { db: source, key: from }, Place { db: target, key: to });
        ctx.keyspace.commit(target, to, Change::new(EventClass::GENERIC, "copy_to"));
    }
    ctx.reply.integer(i64::from(copies));
    Ok(())
}
