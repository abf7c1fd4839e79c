//! What clients ask about access control of a server that has one user.

use super::command::{CATEGORIES, belongs_to};
use super::context::ReadCtx;
use super::error::{CommandError, CommandResult};
use super::spec::{Arity, Command, Flags, Group, Handler};
use crate::resp::Args;

const ASKING: Flags = Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE);

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "ACL",
    summary: "A container for Access List Control commands.",
    since: "6.0.0",
    complexity: "Depends on subcommand.",
    arity: Arity::at_least(2),
    subcommands: SUBCOMMANDS,
    ..Command::in_group(Group::Server)
}];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "CAT",
        summary: "Lists the ACL categories, or the commands inside a category.",
        since: "6.0.0",
        complexity: "O(1) since the categories and commands are a fixed set.",
        arity: Arity::at_least(2),
        flags: ASKING,
        syntax: "[category]",
        run: Handler::Read(categories),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "HELP",
        summary: "Returns helpful text about the different subcommands.",
        since: "6.0.0",
        arity: Arity::exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        run: Handler::Read(help),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "WHOAMI",
        summary: "Returns the authenticated username of the current connection.",
        since: "6.0.0",
        arity: Arity::exactly(2),
        flags: ASKING,
        run: Handler::Read(who_am_i),
        ..Command::in_group(Group::Server)
    },
];

fn who_am_i(ctx: &mut ReadCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.reply.bulk(&*ctx.session.user);
    Ok(())
}

fn categories(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let Some(wanted) = args.get(2) else {
        ctx.reply.array(CATEGORIES.len());
        for category in CATEGORIES {
            ctx.reply.bulk(category);
        }
        return Ok(());
    };
    if args.len() > 3 {
        return Err(super::help::unknown_or_wrong_arity(args, "ACL"));
    }
    let Some(category) = CATEGORIES.into_iter().find(|name| wanted.eq_ignore_ascii_case(name.as_bytes())) else {
        return Err(CommandError::Bytes([b"ERR Unknown category '", wanted, b"'"].concat()));
    };
    let rows = ctx.table.commands().flat_map(|row| {
        let children = row.subcommands.iter().map(|id| ctx.table.row(*id));
        std::iter::once(row).chain(children)
    });
    let names: Vec<&str> = rows.filter(|row| belongs_to(row, category)).map(|row| &*row.full_name).collect();
    ctx.reply.array(names.len());
    for name in names {
        ctx.reply.bulk(name);
    }
    Ok(())
}

fn help(ctx: &mut ReadCtx<'_>, _args: Args<'_>) -> CommandResult {
    super::help::reply(
        ctx.reply,
        "ACL",
        &[
            (
                "CAT [<category>]",
                "List all commands that belong to <category>, or all command categories\nwhen no category is specified.",
            ),
            ("WHOAMI", "Return the current connection username."),
        ],
    );
    Ok(())
}
