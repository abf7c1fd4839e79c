//! SNAPSHOT, Copal's own: what became of the last snapshots.

use super::context::{AdminCtx, integer};
use super::effect::{Effect, SnapshotEffect};
use super::error::{CommandError, CommandResult};
use super::help;
use super::spec::{Arity, Command, Flags, Group, Handler};
use crate::resp::Args;
use crate::stdx::version;

const FLAGS: Flags = Flags::ADMIN.or(Flags::LOADING).or(Flags::STALE);
/// The versions of Redis that Copal answers like do not have the command, so that its own version is named.
const SINCE: &str = version::COPAL;
const TIPS: &[&str] = &["request_policy:all_nodes", "nondeterministic_output"];

pub(super) const COMMANDS: &[Command] = &[Command {
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
}];

fn history(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    if args.len() > 3 {
        return Err(help::unknown_or_wrong_arity(args, "SNAPSHOT"));
    }
    let count = args.get(2).map_or(Ok(-1), integer)?;
    if count < -1 {
        return Err(CommandError::text("ERR count should be greater than or equal to -1"));
    }
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    ctx.push(Effect::Snapshot(SnapshotEffect::History { count }));
    Ok(())
}

fn latest(ctx: &mut AdminCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.push(Effect::Snapshot(SnapshotEffect::Latest));
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
