//! Commands about snapshots and the end of the server: BGSAVE, LASTSAVE, SAVE, SHUTDOWN; and SNAPSHOT, Copal's own: what
//! became of the last snapshots.

use super::framework::arguments::integer;
use super::framework::{
    AdminCtx, Answer, Arity, Command, CommandError, CommandResult, Flags, Group, Handler, ShutdownRequest,
    SnapshotRequest, help,
};
use crate::resp::Args;
use crate::stdx::version;

/// Of SNAPSHOT.
const FLAGS: Flags = Flags::ADMIN.or(Flags::LOADING).or(Flags::STALE);
/// The versions of Redis that Copal answers like do not have the command, so that its own version is named.
const SINCE: &str = version::COPAL;
const TIPS: &[&str] = &["request_policy:all_nodes", "nondeterministic_output"];

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "BGSAVE",
        summary: "Asynchronously saves the database(s) to disk.",
        complexity: "O(1)",
        arity: Arity::at_least(1),
        flags: Flags::NO_ASYNC_LOADING.or(Flags::ADMIN).or(Flags::NOSCRIPT),
        syntax: "[SCHEDULE | CANCEL]",
        history: &[
            ("3.2.2", "Added the `SCHEDULE` option."),
            ("8.1.0", "Added the `CANCEL` option, as Valkey has it."),
        ],
        run: Handler::Admin(bgsave),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "LASTSAVE",
        summary: "Returns the Unix timestamp of the last successful save to disk.",
        arity: Arity::exactly(1),
        flags: Flags::LOADING.or(Flags::STALE).or(Flags::FAST).or(Flags::DANGEROUS),
        tips: &["nondeterministic_output"],
        run: Handler::Admin(lastsave),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "SAVE",
        summary: "Synchronously saves the database(s) to disk.",
        complexity: "O(N) where N is the total number of keys in all databases",
        arity: Arity::exactly(1),
        flags: Flags::NO_ASYNC_LOADING.or(Flags::ADMIN).or(Flags::NOSCRIPT).or(Flags::NO_MULTI),
        run: Handler::Admin(save),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "SHUTDOWN",
        summary: "Synchronously saves the database(s) to disk and shuts down the server.",
        complexity: "O(N) when saving, where N is the total number of keys in all databases when saving data, \
                     otherwise O(1)",
        arity: Arity::at_least(1),
        flags: Flags::ADMIN
            .or(Flags::NOSCRIPT)
            .or(Flags::LOADING)
            .or(Flags::STALE)
            .or(Flags::NO_MULTI)
            .or(Flags::ALLOW_BUSY),
        syntax: "[NOSAVE | SAVE] [NOW] [FORCE] [ABORT]",
        history: &[("7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers.")],
        run: Handler::Admin(shutdown),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "SNAPSHOT",
        summary: "A container for commands about the snapshots that were taken.",
        since: SINCE,
        complexity: "Depends on subcommand.",
        arity: Arity::at_least(2),
        subcommands: &[
            Command {
                name: "HELP",
                summary: "Show helpful text about the different subcommands",
                since: SINCE,
                arity: Arity::exactly(2),
                flags: Flags::LOADING.or(Flags::STALE),
                run: Handler::Admin(help),
                ..Command::in_group(Group::Server)
            },
            Command {
                name: "HISTORY",
                summary: "Returns what is remembered of the last snapshots, the newest first.",
                since: SINCE,
                complexity: "O(N) where N is the number of entries returned",
                arity: Arity::at_least(2),
                flags: FLAGS,
                syntax: "[count]",
                tips: TIPS,
                run: Handler::Admin(history),
                ..Command::in_group(Group::Server)
            },
            Command {
                name: "LATEST",
                summary: "Returns what is remembered of the last snapshot.",
                since: SINCE,
                complexity: "O(1)",
                arity: Arity::exactly(2),
                flags: FLAGS,
                tips: TIPS,
                run: Handler::Admin(latest),
                ..Command::in_group(Group::Server)
            },
        ],
        ..Command::in_group(Group::Server)
    },
];

fn save(ctx: &mut AdminCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.push(Answer::Snapshot(SnapshotRequest::Save).into());
    Ok(())
}

fn bgsave(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    let option = |word: &[u8]| args.len() == 2 && args.arg(1).eq_ignore_ascii_case(word);
    let effect = match args.len() {
        1 => SnapshotRequest::BackgroundSave { schedule: false },
        _ if option(b"schedule") => SnapshotRequest::BackgroundSave { schedule: true },
        _ if option(b"cancel") => SnapshotRequest::CancelBackgroundSave,
        _ => return Err(CommandError::Syntax),
    };
    ctx.push(Answer::Snapshot(effect).into());
    Ok(())
}

fn lastsave(ctx: &mut AdminCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.push(Answer::Snapshot(SnapshotRequest::LastSave).into());
    Ok(())
}

fn shutdown(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    let effect = match parse_shutdown(args)? {
        Some(request) => SnapshotRequest::Shutdown(request),
        None => SnapshotRequest::AbortShutdown,
    };
    ctx.push(Answer::Snapshot(effect).into());
    Ok(())
}

/// The request, or none for ABORT, which takes nothing else.
fn parse_shutdown(args: Args<'_>) -> Result<Option<ShutdownRequest>, CommandError> {
    let mut request = ShutdownRequest::default();
    let mut abort = false;
    for arg in args.tail(1).iter() {
        let save = match arg.to_ascii_lowercase().as_slice() {
            b"save" => true,
            b"nosave" => false,
            b"now" => {
                request.now = true;
                continue;
            }
            b"force" => {
                request.force = true;
                continue;
            }
            b"abort" => {
                abort = true;
                continue;
            }
            _ => return Err(CommandError::Syntax),
        };
        if request.save.is_some_and(|other| other != save) {
            return Err(CommandError::Syntax);
        }
        request.save = Some(save);
    }
    match abort {
        true if request != ShutdownRequest::default() => Err(CommandError::Syntax),
        true => Ok(None),
        false => Ok(Some(request)),
    }
}

fn history(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    if args.len() > 3 {
        return Err(help::unknown_or_wrong_arity(args, "SNAPSHOT"));
    }
    let count = args.get(2).map_or(Ok(-1), integer)?;
    if count < -1 {
        return Err(CommandError::text("ERR count should be greater than or equal to -1"));
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    ctx.push(Answer::Snapshot(SnapshotRequest::History { count }).into());
    Ok(())
}

fn latest(ctx: &mut AdminCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.push(Answer::Snapshot(SnapshotRequest::Latest).into());
    Ok(())
}

fn help(ctx: &mut AdminCtx<'_>, _args: Args<'_>) -> CommandResult {
    help::reply(
        ctx.reply,
        "SNAPSHOT",
        &[
            (
                "HISTORY [<count>]",
                "Return the last <count> snapshots, the newest first (default: -1, all of the last 128).\n\
                 Each is a map: id, what asked for it (trigger, rule, changes), mode, start and duration,\n\
                 time of the fork, keys, bytes before and after compression, memory copied because of writes,\n\
                 threads, outcome (saved, cancelled or failed), and the step that failed with its error.",
            ),
            ("LATEST", "Return the last snapshot in the same form, or nil if there was none."),
        ],
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::ArgsBuf;

    fn parse(line: &str) -> Result<Option<ShutdownRequest>, CommandError> {
        parse_shutdown(line.split(' ').collect::<ArgsBuf>().as_args())
    }

    #[test]
    fn shutdown_takes_its_words_in_any_order_and_case() {
        let request = ShutdownRequest { save: Some(false), now: true, force: true };
        assert_eq!(parse("shutdown Force NOW nosave NoSave"), Ok(Some(request)));
        assert_eq!(parse("shutdown"), Ok(Some(ShutdownRequest::default())));
        assert_eq!(parse("shutdown abort"), Ok(None));
    }

    #[test]
    fn shutdown_refuses_words_that_contradict_each_other() {
        for line in ["shutdown save nosave", "shutdown abort now", "shutdown save abort", "shutdown please"] {
            assert_eq!(parse(line), Err(CommandError::Syntax), "{line}");
        }
    }
}
