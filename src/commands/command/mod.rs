//! COMMAND and its subcommands, which show the table.
//! Owns:  how a row is shown: flags, categories, key specifications, the argument tree of its syntax.
//! Uses:  the command table, resp, stdx.
//! Never: a fact about one command that its row could say.

mod docs;
mod info;
mod syntax;

#[cfg(any(test, feature = "internals"))]
pub use syntax::{Argument, Kind, parse as parse_syntax};

use super::framework::help as help_text;
use super::framework::{
    Arity, CATEGORIES, Command, CommandError, CommandResult, Flags, Group, Handler, KeysError, ReadCtx, Row,
    belongs_to, keys_of,
};
use crate::resp::Args;
use crate::stdx::glob::glob_match;

const ANY_TIME: Flags = Flags::LOADING.or(Flags::STALE);

const ORDERLESS: &[&str] = &["nondeterministic_output_order"];

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "COMMAND",
    summary: "Returns detailed information about all commands.",
    since: "2.8.13",
    complexity: "O(N) where N is the total number of Redis commands",
    arity: Arity::at_least(1),
    flags: ANY_TIME,
    tips: ORDERLESS,
    subcommands: SUBCOMMANDS,
    run: Handler::Read(all_infos),
    ..Command::in_group(Group::Server)
}];

const SUBCOMMANDS: &[Command] = &[
    Command {
        name: "COUNT",
        summary: "Returns a count of commands.",
        since: "2.8.13",
        arity: Arity::exactly(2),
        flags: ANY_TIME,
        run: Handler::Read(count),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "DOCS",
        summary: "Returns documentary information about one, multiple or all commands.",
        since: "7.0.0",
        complexity: "O(N) where N is the number of commands to look up",
        arity: Arity::at_least(2),
        flags: ANY_TIME,
        syntax: "[command-name [command-name ...]]",
        tips: ORDERLESS,
        run: Handler::Read(docs),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "GETKEYS",
        summary: "Extracts the key names from an arbitrary command.",
        since: "2.8.13",
        complexity: "O(N) where N is the number of arguments to the command",
        arity: Arity::at_least(3),
        flags: ANY_TIME,
        syntax: "command [arg [arg ...]]",
        run: Handler::Read(|ctx, args| keys(ctx, args, false)),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "GETKEYSANDFLAGS",
        summary: "Extracts the key names and access flags for an arbitrary command.",
        since: "7.0.0",
        complexity: "O(N) where N is the number of arguments to the command",
        arity: Arity::at_least(3),
        flags: ANY_TIME,
        syntax: "command [arg [arg ...]]",
        run: Handler::Read(|ctx, args| keys(ctx, args, true)),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "HELP",
        summary: "Returns helpful text about the different subcommands.",
        since: "5.0.0",
        arity: Arity::exactly(2),
        flags: ANY_TIME,
        run: Handler::Read(help),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "INFO",
        summary: "Returns information about one, multiple or all commands.",
        since: "2.8.13",
        complexity: "O(N) where N is the number of commands to look up",
        arity: Arity::at_least(2),
        flags: ANY_TIME,
        syntax: "[command-name [command-name ...]]",
        history: &[("7.0.0", "Allowed to be called with no argument to get info on all commands.")],
        tips: ORDERLESS,
        run: Handler::Read(infos),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "LIST",
        summary: "Returns a list of command names.",
        since: "7.0.0",
        complexity: "O(N) where N is the total number of Redis commands",
        arity: Arity::at_least(2),
        flags: ANY_TIME,
        syntax: "[FILTERBY <MODULE module-name | ACLCAT category | PATTERN pattern>]",
        tips: ORDERLESS,
        run: Handler::Read(list),
        ..Command::in_group(Group::Server)
    },
];

fn all_infos(ctx: &mut ReadCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.reply.array(ctx.table.commands().count());
    for row in ctx.table.commands() {
        info::write(ctx.reply, ctx.table, row);
    }
    Ok(())
}

fn infos(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    if args.len() == 2 {
        return all_infos(ctx, args);
    }
    ctx.reply.array(args.len() - 2);
    for name in args.tail(2) {
        match ctx.table.by_full_name(name) {
            Some(row) => info::write(ctx.reply, ctx.table, row),
            None => ctx.reply.null(),
        }
        if ctx.reply.is_overfull() {
            break;
        }
    }
    Ok(())
}

fn count(ctx: &mut ReadCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.reply.integer(ctx.table.commands().count() as i64);
    Ok(())
}

fn docs(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let rows: Vec<&Row> = match args.len() {
        2 => ctx.table.commands().collect(),
        _ => args.tail(2).iter().filter_map(|name| ctx.table.by_full_name(name)).collect(),
    };
    ctx.reply.map(rows.len());
    for row in rows {
        ctx.reply.bulk(&*row.full_name);
        docs::write(ctx.reply, ctx.table, row);
        if ctx.reply.is_overfull() {
            break;
        }
    }
    Ok(())
}

fn keys(ctx: &mut ReadCtx<'_>, args: Args<'_>, with_flags: bool) -> CommandResult {
    let command = args.tail(2);
    let row = ctx.table.resolve(command).map_err(|_| CommandError::text("ERR Invalid command specified"))?;
    let keys = match keys_of(row, command) {
        Ok(keys) => keys,
        Err(KeysError::InvalidArguments) if row.flags.has(Flags::NO_MANDATORY_KEYS) => Vec::new(),
        Err(error) => return Err(CommandError::owned(format!("ERR {error}"))),
    };
    ctx.reply.array(keys.len());
    for key in keys {
        if with_flags {
            ctx.reply.array(2);
            ctx.reply.bulk(command.arg(key.index));
            info::write_names(ctx.reply, key.flags.names());
        } else {
            ctx.reply.bulk(command.arg(key.index));
        }
    }
    Ok(())
}

fn list(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let filter = match args.len() {
        2 => None,
        5 if args.arg(2).eq_ignore_ascii_case(b"filterby") => Some((args.arg(3).to_ascii_lowercase(), args.arg(4))),
        _ => return Err(CommandError::Syntax),
    };
    let wanted: Box<dyn Fn(&Row) -> bool> = match &filter {
        None => Box::new(|_| true),
        // No command comes from a module.
        Some((kind, _)) if kind == b"module" => Box::new(|_| false),
        Some((kind, category)) if kind == b"aclcat" => {
            let category = CATEGORIES.into_iter().find(|name| name.as_bytes().eq_ignore_ascii_case(category));
            Box::new(move |row| category.is_some_and(|category| belongs_to(row, category)))
        }
        Some((kind, pattern)) if kind == b"pattern" => {
            Box::new(move |row| glob_match(pattern, row.full_name.as_bytes(), true))
        }
        Some(_) => return Err(CommandError::Syntax),
    };
    let children = |row: &Row| row.subcommands.iter().map(|id| ctx.table.row(*id)).collect::<Vec<_>>();
    let rows = ctx.table.commands().flat_map(|row| std::iter::once(row).chain(children(row)));
    let names: Vec<&str> = rows.filter(|row| wanted(row)).map(|row| &*row.full_name).collect();
    ctx.reply.array(names.len());
    for name in names {
        ctx.reply.bulk(name);
    }
    Ok(())
}

fn help(ctx: &mut ReadCtx<'_>, _args: Args<'_>) -> CommandResult {
    help_text::reply(
        ctx.reply,
        "COMMAND",
        &[
            ("(no subcommand)", "Return details about all commands."),
            ("COUNT", "Return the total number of commands in this server."),
            ("LIST", "Return a list of all commands in this server."),
            ("INFO [<command-name> ...]", "Return details about multiple commands, or about all."),
            ("DOCS [<command-name> ...]", "Return documentation details about multiple commands, or about all."),
            ("GETKEYS <full-command>", "Return the keys from a full command."),
            ("GETKEYSANDFLAGS <full-command>", "Return the keys and the access flags from a full command."),
        ],
    );
    Ok(())
}

#[cfg(test)]
mod tests;
