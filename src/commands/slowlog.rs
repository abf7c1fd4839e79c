//! SLOWLOG (<https://redis.io/docs/latest/commands/slowlog-get/>), and which arguments no log may show.

use super::framework::arguments::integer_or;
use super::framework::{AdminCtx, Arity, Command, CommandError, CommandResult, Flags, Group, Handler, help};
use crate::config;
use crate::resp::Args;

const FLAGS: Flags = Flags::ADMIN.or(Flags::LOADING).or(Flags::STALE);
const TIPS: &[&str] = &["request_policy:all_nodes", "nondeterministic_output"];

/// Entries that SLOWLOG GET answers when no number is given.
const COUNT_DEFAULT: i64 = 10;

pub(super) const COMMANDS: &[Command] = &[Command {
    name: "SLOWLOG",
    summary: "A container for slow log commands.",
    since: "2.2.12",
    complexity: "Depends on subcommand.",
    arity: Arity::at_least(2),
    subcommands: &[
        Command {
            name: "GET",
            summary: "Returns the slow log's entries.",
            since: "2.2.12",
            complexity: "O(N) where N is the number of entries returned",
            arity: Arity::at_least(2),
            flags: FLAGS,
            syntax: "[count]",
            history: &[("4.0.0", "Added client IP address, port and name to the reply.")],
            tips: TIPS,
            run: Handler::Admin(get),
            ..Command::in_group(Group::Server)
        },
        Command {
            name: "HELP",
            summary: "Show helpful text about the different subcommands",
            since: "6.2.0",
            arity: Arity::exactly(2),
            flags: Flags::LOADING.or(Flags::STALE),
            run: Handler::Admin(help),
            ..Command::in_group(Group::Server)
        },
        Command {
            name: "LEN",
            summary: "Returns the number of entries in the slow log.",
            since: "2.2.12",
            arity: Arity::exactly(2),
            flags: FLAGS,
            tips: &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"],
            run: Handler::Admin(len),
            ..Command::in_group(Group::Server)
        },
        Command {
            name: "RESET",
            summary: "Clears all entries from the slow log.",
            since: "2.2.12",
            complexity: "O(N) where N is the number of entries in the slowlog",
            arity: Arity::exactly(2),
            flags: FLAGS,
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            run: Handler::Admin(reset),
            ..Command::in_group(Group::Server)
        },
    ],
    ..Command::in_group(Group::Server)
}];

fn get(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    if args.len() > 3 {
        return Err(help::unknown_or_wrong_arity(args, "SLOWLOG"));
    }
    const REFUSED: CommandError = CommandError::text("ERR count should be greater than or equal to -1");
    let count = args.get(2).map_or(Ok(COUNT_DEFAULT), |arg| integer_or(arg, REFUSED))?;
    if count < -1 {
        return Err(REFUSED);
    }
    let log = &ctx.observed.slow_log;
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(log.len());
    ctx.reply.array(count);
    for command in log.iter().take(count) {
        ctx.reply.array(6);
        ctx.reply.integer(command.id as i64);
        ctx.reply.integer(command.unix_seconds);
        ctx.reply.integer(command.duration_us as i64);
        ctx.reply.array(command.args.len());
        for arg in &command.args {
            ctx.reply.bulk(arg);
        }
        ctx.reply.bulk(&command.peer);
        ctx.reply.bulk(&command.client_name);
    }
    Ok(())
}

fn len(ctx: &mut AdminCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.reply.integer(ctx.observed.slow_log.len() as i64);
    Ok(())
}

fn reset(ctx: &mut AdminCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.observed.slow_log.clear();
    ctx.reply.ok();
    Ok(())
}

fn help(ctx: &mut AdminCtx<'_>, _args: Args<'_>) -> CommandResult {
    help::reply(
        ctx.reply,
        "SLOWLOG",
        &[
            (
                "GET [<count>]",
                "Return top <count> entries from the slowlog (default: 10, -1 mean all).\nEntries are made of:\n\
                 id, timestamp, time in microseconds, arguments array, client IP and port,\nclient name",
            ),
            ("LEN", "Return the length of the slowlog."),
            ("RESET", "Reset the slowlog."),
        ],
    );
    Ok(())
}

/// Whether an argument is a password or the like, which no log and no monitor may show.
pub fn is_secret(command: &str, args: Args<'_>, index: usize) -> bool {
    let word = |index: usize, word: &[u8]| args.get(index).is_some_and(|arg| arg.eq_ignore_ascii_case(word));
    match command {
        "auth" => index >= 1,
        "acl|setuser" | "acl|deluser" | "acl|getuser" => index >= 2,
        "hello" => (2..args.len()).any(|auth| word(auth, b"AUTH") && (auth + 1..=auth + 2).contains(&index)),
        "migrate" => (6..args.len()).any(|auth| {
            (word(auth, b"AUTH") && index == auth + 1)
                || (word(auth, b"AUTH2") && (auth + 1..=auth + 2).contains(&index))
        }),
        "config|set" => {
            index >= 3 && index % 2 == 1 && config::find(args.arg(index - 1)).is_some_and(|key| key.sensitive)
        }
        _ => false,
    }
}

/// What is shown in the place of a secret argument.
pub const SECRET: &[u8] = b"(redacted)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::ArgsBuf;

    fn shown(command: &str, line: &str) -> String {
        let mut args = ArgsBuf::new();
        line.split(' ').for_each(|word| args.push(word));
        let args = args.as_args();
        let word = |index: usize| if is_secret(command, args, index) { SECRET } else { args.arg(index) };
        (0..args.len()).map(|index| String::from_utf8_lossy(word(index)).into_owned()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn passwords_are_hidden_and_nothing_else() {
        for (command, line, expected) in [
            ("auth", "auth secret", "auth (redacted)"),
            ("auth", "auth user secret", "auth (redacted) (redacted)"),
            ("hello", "hello 3 AUTH user secret SETNAME x", "hello 3 AUTH (redacted) (redacted) SETNAME x"),
            ("config|set", "config set masterauth x port 1", "config set masterauth (redacted) port 1"),
            ("config|set", "config set requirepass", "config set requirepass"),
            ("migrate", "migrate h 1 k 9 50 AUTH x", "migrate h 1 k 9 50 AUTH (redacted)"),
            ("migrate", "migrate h 1 k 9 50 AUTH2 u x", "migrate h 1 k 9 50 AUTH2 (redacted) (redacted)"),
            ("acl|setuser", "acl setuser me >x", "acl setuser (redacted) (redacted)"),
            ("acl|getuser", "acl getuser me", "acl getuser (redacted)"),
            ("set", "set auth secret", "set auth secret"),
        ] {
            assert_eq!(shown(command, line), expected);
        }
    }
}
