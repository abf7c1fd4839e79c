//! CONFIG: settings, read and changed while the server runs
//! (<https://redis.io/docs/latest/commands/config-get/> and its neighbours).

use super::framework::{
    AdminCtx, Answer, Arity, Command, CommandError, CommandResult, ConfigRequest, Effect, Flags, Group, Handler, help,
};
use crate::resp::Args;

const FLAGS: Flags = Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE);

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "CONFIG",
    summary: "A container for server configuration commands.",
    since: "2.0.0",
    complexity: "Depends on subcommand.",
    arity: Arity::at_least(2),
    subcommands: &[
        Command {
            name: "GET",
            summary: "Returns the effective values of configuration parameters.",
            since: "2.0.0",
            complexity: "O(N) when N is the number of configuration parameters provided",
            arity: Arity::at_least(3),
            flags: FLAGS,
            syntax: "parameter [parameter ...]",
            history: &[("7.0.0", "Added the ability to pass multiple pattern parameters in one call")],
            run: Handler::Admin(get),
            ..Command::in_group(Group::Server)
        },
        Command {
            name: "HELP",
            summary: "Returns helpful text about the different subcommands.",
            since: "5.0.0",
            arity: Arity::exactly(2),
            flags: Flags::LOADING.or(Flags::STALE),
            run: Handler::Admin(help),
            ..Command::in_group(Group::Server)
        },
        Command {
            name: "RESETSTAT",
            summary: "Resets the server's statistics.",
            since: "2.0.0",
            arity: Arity::exactly(2),
            flags: FLAGS,
            run: Handler::Admin(reset_stat),
            ..Command::in_group(Group::Server)
        },
        Command {
            name: "REWRITE",
            summary: "Persists the effective configuration to file.",
            since: "2.8.0",
            arity: Arity::exactly(2),
            flags: FLAGS,
            run: Handler::Admin(rewrite),
            ..Command::in_group(Group::Server)
        },
        Command {
            name: "SET",
            summary: "Sets configuration parameters in-flight.",
            since: "2.0.0",
            complexity: "O(N) when N is the number of configuration parameters provided",
            arity: Arity::at_least(4),
            flags: FLAGS,
            syntax: "parameter value [parameter value ...]",
            history: &[("7.0.0", "Added the ability to set multiple parameters in one call.")],
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            run: Handler::Admin(set),
            ..Command::in_group(Group::Server)
        },
    ],
    ..Command::in_group(Group::Server)
}];

fn get(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    let patterns: Vec<&[u8]> = args.tail(2).iter().collect();
    let found = ctx.config.get(&patterns);
    ctx.reply.map(found.len());
    for (name, value) in found {
        ctx.reply.bulk(name);
        ctx.reply.bulk(value);
    }
    Ok(())
}

fn set(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    let words = args.tail(2);
    if !words.len().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    let pair = |index: usize| (words.arg(index).into(), words.arg(index + 1).into());
    let pairs = (0..words.len()).step_by(2).map(pair).collect();
    ctx.push(Answer::Config(ConfigRequest::Set(pairs)).into());
    Ok(())
}

fn rewrite(ctx: &mut AdminCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.push(Answer::Config(ConfigRequest::Rewrite { everything: false }).into());
    Ok(())
}

fn reset_stat(ctx: &mut AdminCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.push(Effect::ResetStatistics);
    ctx.reply.ok();
    Ok(())
}

fn help(ctx: &mut AdminCtx<'_>, _args: Args<'_>) -> CommandResult {
    help::reply(
        ctx.reply,
        "CONFIG",
        &[
            ("GET <pattern>", "Return parameters matching the glob-like <pattern> and their values."),
            ("SET <directive> <value>", "Set the configuration <directive> to <value>."),
            ("RESETSTAT", "Reset statistics reported by the INFO command."),
            ("REWRITE", "Rewrite the configuration file."),
        ],
    );
    Ok(())
}
