//! Making, changing and removing groups of consumers: XGROUP.

use super::{edit, ids, no_group, note};
use crate::commands::framework::arguments::integer;
use crate::commands::framework::{ClientCtx, CommandError, CommandResult, WriteCtx, help};
use crate::keyspace::{Change, EventClass};
use crate::resp::Args;
use crate::types::stream::{StreamId, StreamValue};

/// Which arguments the subcommands have in common.
const KEY: usize = 2;
const GROUP: usize = 3;
const ID: usize = 4;
const OPTIONS: usize = 5;

/// SETID has no more arguments than this.
const SETID_ARGS_MAX: usize = 7;

/// CREATE has no more arguments than this, whatever they are.
const CREATE_ARGS_MAX: usize = 8;

const NO_KEY: CommandError = CommandError::text(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option \
     to create an empty stream automatically.",
);

/// Reads the value of ENTRIESREAD, where -1 says that the number is not known. A record may name one that is too large
/// for an integer, which only a dump from elsewhere can bring, as a negative one.
fn entries_read(ctx: &WriteCtx<'_>, arg: &[u8]) -> Result<Option<u64>, CommandError> {
    match integer(arg)? {
        -1 => Ok(None),
        number if ctx.repeats_record() => Ok(Some(number.cast_unsigned())),
        number => u64::try_from(number)
            .map(Some)
            .map_err(|_| CommandError::text("ERR value for ENTRIESREAD must be positive or -1")),
    }
}

/// What the stream is asked for before a group of it is changed.
struct Found {
    last_id: StreamId,
    has_group: bool,
}

/// Looks at the stream and for its group.
fn look(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> Result<Option<Found>, CommandError> {
    let found =
        |stream: &StreamValue| Found { last_id: stream.last_id(), has_group: stream.group(args.arg(GROUP)).is_some() };
    Ok(ctx.view::<StreamValue>(args.arg(KEY))?.map(found))
}

/// Refuses a key without the group.
fn require_group(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> Result<Found, CommandError> {
    let found = look(ctx, args)?.ok_or(NO_KEY)?;
    if found.has_group { Ok(found) } else { Err(no_group(args.arg(KEY), args.arg(GROUP))) }
}

pub fn create(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let (mut makes_stream, mut read) = (false, None);
    let mut options = args.tail(OPTIONS).iter();
    while let Some(option) = options.next() {
        if option.eq_ignore_ascii_case(b"MKSTREAM") {
            makes_stream = true;
            continue;
        }
        let value = options.next().filter(|_| option.eq_ignore_ascii_case(b"ENTRIESREAD"));
        read = entries_read(ctx, value.ok_or_else(|| help::unknown_or_wrong_arity(args, "XGROUP"))?)?;
    }
    let found = look(ctx, args)?;
    if found.is_none() && !makes_stream {
        return Err(NO_KEY);
    }
    if args.len() > CREATE_ARGS_MAX {
        return Err(help::unknown_or_wrong_arity(args, "XGROUP"));
    }
    let id = match args.arg(ID) {
        b"$" => found.as_ref().map_or(StreamId::MIN, |found| found.last_id),
        id => ids::strict(id)?,
    };
    if found.as_ref().is_some_and(|found| found.has_group) {
        return Err(CommandError::text("BUSYGROUP Consumer Group name already exists"));
    }
    let (key, group) = (args.arg(KEY), args.arg(GROUP));
    ctx.edit_or_insert(key, |_| StreamValue::new(), |stream| stream.create_group(group, id, read))?;
    let change = Change::new(EventClass::STREAM, "xgroup-create");
    // Those who watch the key, or wait for it, learn of a new stream, but not of a group.
    ctx.commit(key, if found.is_none() { change } else { change.unwatched() });
    ctx.reply.ok();
    Ok(())
}

pub fn set_id(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let wrong = || help::unknown_or_wrong_arity(args, "XGROUP");
    let mut read = None;
    let mut options = args.tail(OPTIONS).iter();
    while let Some(option) = options.next() {
        let value = options.next().filter(|_| option.eq_ignore_ascii_case(b"ENTRIESREAD"));
        read = entries_read(ctx, value.ok_or_else(wrong)?)?;
    }
    let found = require_group(ctx, args)?;
    // That there may be but one is said last, as in Redis.
    if args.len() > SETID_ARGS_MAX {
        return Err(wrong());
    }
    let id = match args.arg(ID) {
        b"$" => found.last_id,
        id => ids::any(id)?,
    };
    change(ctx, args, "xgroup-setid", |stream, group| {
        if let Some(group) = stream.group_mut(group) {
            group.set_last_delivered(id, read);
        }
    })?;
    ctx.reply.ok();
    Ok(())
}

pub fn destroy(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    let exists = look(ctx, args)?.ok_or(NO_KEY)?.has_group;
    if exists {
        change(ctx, args, "xgroup-destroy", |stream, group| {
            stream.destroy_group(group);
        })?;
        // Whoever waits for entries for the group is answered that it is gone.
        let db = ctx.db();
        ctx.keyspace.waiting.note(db, args.arg(KEY));
    }
    ctx.reply.integer(i64::from(exists));
    Ok(())
}

pub fn create_consumer(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    require_group(ctx, args)?;
    let now_ms = ctx.now_ms();
    let created =
        edit(ctx, args.arg(KEY), |stream| stream.group_mut(args.arg(GROUP))?.create_consumer(args.arg(4), now_ms))?;
    let created = created.flatten().is_some();
    if created {
        note(ctx, args.arg(KEY), "xgroup-createconsumer");
    }
    ctx.reply.integer(i64::from(created));
    Ok(())
}

pub fn delete_consumer(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    require_group(ctx, args)?;
    let pending = edit(ctx, args.arg(KEY), |stream| stream.group_mut(args.arg(GROUP))?.delete_consumer(args.arg(4)))?;
    let pending = pending.flatten();
    if pending.is_some() {
        note(ctx, args.arg(KEY), "xgroup-delconsumer");
    }
    ctx.reply.integer(pending.unwrap_or(0) as i64);
    Ok(())
}

/// Changes a group that is there, and reports it.
fn change(
    ctx: &mut WriteCtx<'_>,
    args: Args<'_>,
    event: &'static str,
    change: impl FnOnce(&mut StreamValue, &[u8]),
) -> CommandResult {
    edit(ctx, args.arg(KEY), |stream| change(stream, args.arg(GROUP)))?;
    note(ctx, args.arg(KEY), event);
    Ok(())
}

pub fn help(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    help::reply(
        ctx.reply,
        "XGROUP",
        &[
            (
                "CREATE <key> <groupname> <id|$> [option]",
                "Create a new consumer group. Options are:\n* MKSTREAM\n  Create the empty stream if it does not \
                 exist.\n* ENTRIESREAD entries_read\n  Set the group's entries_read counter (internal use).",
            ),
            ("CREATECONSUMER <key> <groupname> <consumer>", "Create a new consumer in the specified group."),
            ("DELCONSUMER <key> <groupname> <consumer>", "Remove the specified consumer."),
            ("DESTROY <key> <groupname>", "Remove the specified group."),
            (
                "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
                "Set the current group ID and entries_read counter.",
            ),
        ],
    );
    Ok(())
}
