//! INFO (<https://redis.io/docs/latest/commands/info/>). The server writes its text: it reports clients, snapshots, memory and the
//! process, which no handler sees.

use super::framework::{AdminCtx, Answer, Arity, Command, CommandResult, Flags, Group, Handler};
use crate::resp::Args;

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "INFO",
    summary: "Returns information and statistics about the server.",
    arity: Arity::at_least(1),
    flags: Flags::LOADING.or(Flags::STALE).or(Flags::DANGEROUS),
    syntax: "[section [section ...]]",
    history: &[("7.0.0", "Added support for taking multiple section arguments.")],
    tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
    run: Handler::Admin(info),
    ..Command::in_group(Group::Server)
}];

fn info(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    let sections = args.tail(1).iter().map(Into::into).collect();
    ctx.push(Answer::Info(sections).into());
    Ok(())
}
