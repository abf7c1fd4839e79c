//! MONITOR.

use super::framework::{Answer, ClientCtx, ClientRequest, Command, CommandResult, Flags, Group, Handler};
use crate::resp::Args;

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "MONITOR",
    summary: "Listens for all requests received by the server in real-time.",
    complexity: "",
    flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE),
    run: Handler::Client(monitor),
    ..Command::in_group(Group::Server)
}];

fn monitor(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.effects.push(Answer::Client(ClientRequest::Monitor).into());
    Ok(())
}
