//! String commands.

use super::context::{ReadCtx, WriteCtx};
use super::error::CommandResult;
use super::spec::{Arity, Command, Flags, Group, Handler, KeyFlags, KeySpec};
use crate::keyspace::EventClass;
use crate::resp::Args;
use crate::types::string::StringView;

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "GET",
        summary: "Returns the string value of a key.",
        arity: Arity::exactly(2),
        flags: Flags::FAST,
        keys: &[KeySpec::first(KeyFlags::RO.or(KeyFlags::ACCESS))],
        syntax: "key",
        run: Handler::Read(get),
        ..Command::in_group(Group::String)
    },
    Command {
        name: "SET",
        summary: "Sets the string value of a key, ignoring its type. The key is created if it doesn't exist.",
        arity: Arity::at_least(3),
        flags: Flags::DENYOOM,
        keys: &[KeySpec::first(KeyFlags::OW.or(KeyFlags::UPDATE))],
        syntax: "key value",
        run: Handler::Write(set),
        ..Command::in_group(Group::String)
    },
];

fn get(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    match ctx.string(args.arg(1))? {
        None => ctx.reply.null(),
        Some(StringView::Int(number)) => ctx.reply.bulk_i64(number),
        Some(StringView::Embstr(bytes) | StringView::Raw(bytes)) => ctx.reply.bulk(bytes),
    }
    Ok(())
}

fn set(ctx: &mut WriteCtx<'_>, args: Args<'_>) -> CommandResult {
    ctx.keyspace.set_string(ctx.session.db, args.arg(1), args.arg(2), None);
    ctx.changed(args.arg(1), EventClass::STRING, "set");
    ctx.reply.ok();
    Ok(())
}
