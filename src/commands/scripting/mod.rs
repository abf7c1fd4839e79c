//! EVAL, FCALL and their like, SCRIPT, FUNCTION (<https://redis.io/docs/latest/develop/programmability/eval-intro/>).
//! Owns:  what of these commands can be read without the interpreter.
//! Uses:  resp; the framework.
//! Never: the interpreter; the server runs scripts.

pub(super) mod functions;

pub use functions::function_keys;

use super::framework::{
    AdminCtx, Answer, Arity, ClientCtx, Command, CommandError, CommandResult, Effect, Flags, Group, Handler, KeyFlags,
    KeySpec, RunRequest, ScriptName, ScriptsRequest, arguments, help,
};
use crate::resp::Args;

const RUNS_ANY: Flags =
    Flags::NOSCRIPT.or(Flags::STALE).or(Flags::SKIP_MONITOR).or(Flags::NO_MANDATORY_KEYS).or(Flags::RUNS_SCRIPT);

const RUNS_SCRIPT: Flags = RUNS_ANY.or(Flags::MAY_REPLICATE);

const RUNS_READER: Flags = RUNS_ANY.or(Flags::READONLY);

const WORST_KEYS: KeySpec = KeySpec::counted(2, KeyFlags::RW.or(KeyFlags::ACCESS).or(KeyFlags::UPDATE));

const READ_KEYS: KeySpec = KeySpec::counted(2, KeyFlags::RO.or(KeyFlags::ACCESS));

const WORST: &str = "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE";

const WORST_READ: &str = "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS";

/// What the rows of EVAL and its like share.
const fn runs_script() -> Command {
    Command {
        since: "2.6.0",
        complexity: "Depends on the script that is executed.",
        arity: Arity::at_least(3),
        flags: RUNS_SCRIPT,
        syntax: "script numkeys [key [key ...]] [arg [arg ...]]",
        ..Command::in_group(Group::Scripting)
    }
}

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "EVAL",
        summary: "Executes a server-side Lua script.",
        keys: &[WORST_KEYS.noted(WORST)],
        run: Handler::Client(eval),
        ..runs_script()
    },
    Command {
        name: "EVAL_RO",
        summary: "Executes a read-only server-side Lua script.",
        since: "7.0.0",
        flags: RUNS_READER,
        keys: &[READ_KEYS.noted(WORST_READ)],
        run: Handler::Client(eval_ro),
        ..runs_script()
    },
    Command {
        name: "EVALSHA",
        summary: "Executes a server-side Lua script by SHA1 digest.",
        keys: &[WORST_KEYS],
        syntax: "sha1 numkeys [key [key ...]] [arg [arg ...]]",
        run: Handler::Client(evalsha),
        ..runs_script()
    },
    Command {
        name: "EVALSHA_RO",
        summary: "Executes a read-only server-side Lua script by SHA1 digest.",
        since: "7.0.0",
        flags: RUNS_READER,
        keys: &[READ_KEYS],
        syntax: "sha1 numkeys [key [key ...]] [arg [arg ...]]",
        run: Handler::Client(evalsha_ro),
        ..runs_script()
    },
    Command {
        name: "SCRIPT",
        summary: "A container for Lua scripts management commands.",
        since: "2.6.0",
        complexity: "Depends on subcommand.",
        arity: Arity::at_least(2),
        subcommands: SCRIPT,
        ..Command::in_group(Group::Scripting)
    },
];

const SCRIPT: &[Command] = &[
    Command {
        name: "DEBUG",
        summary: "Sets the debug mode of server-side Lua scripts.",
        since: "3.2.0",
        arity: Arity::exactly(3),
        flags: Flags::NOSCRIPT,
        syntax: "<YES | SYNC | NO>",
        run: Handler::Client(debug),
        ..Command::in_group(Group::Scripting)
    },
    Command {
        name: "EXISTS",
        summary: "Determines whether server-side Lua scripts exist in the script cache.",
        since: "2.6.0",
        complexity: "O(N) with N being the number of scripts to check (so checking a single script is an O(1) operation).",
        arity: Arity::at_least(3),
        flags: Flags::NOSCRIPT,
        syntax: "sha1 [sha1 ...]",
        tips: &["request_policy:all_shards", "response_policy:agg_logical_and"],
        run: Handler::Client(exists),
        ..Command::in_group(Group::Scripting)
    },
    Command {
        name: "FLUSH",
        summary: "Removes all server-side Lua scripts from the script cache.",
        since: "2.6.0",
        complexity: "O(N) with N being the number of scripts in cache",
        arity: Arity::at_least(2),
        flags: Flags::NOSCRIPT,
        syntax: "[ASYNC | SYNC]",
        history: &[("6.2.0", "Added the `ASYNC` and `SYNC` flushing mode modifiers.")],
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        run: Handler::Client(flush),
        ..Command::in_group(Group::Scripting)
    },
    Command {
        name: "HELP",
        summary: "Returns helpful text about the different subcommands.",
        since: "5.0.0",
        arity: Arity::exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        run: Handler::Admin(script_help),
        ..Command::in_group(Group::Scripting)
    },
    Command {
        name: "KILL",
        summary: "Terminates a server-side Lua script during execution.",
        since: "2.6.0",
        arity: Arity::exactly(2),
        flags: Flags::NOSCRIPT.or(Flags::ALLOW_BUSY),
        tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
        run: Handler::Client(kill),
        ..Command::in_group(Group::Scripting)
    },
    Command {
        name: "LOAD",
        summary: "Loads a server-side Lua script to the script cache.",
        since: "2.6.0",
        complexity: "O(N) with N being the length in bytes of the script body.",
        arity: Arity::exactly(3),
        flags: Flags::NOSCRIPT.or(Flags::STALE),
        syntax: "script",
        tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
        run: Handler::Client(load),
        ..Command::in_group(Group::Scripting)
    },
];

fn eval(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    run(ctx, args, ScriptName::Text, false)
}

fn eval_ro(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    run(ctx, args, ScriptName::Text, true)
}

fn evalsha(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    run(ctx, args, ScriptName::Sha, false)
}

fn evalsha_ro(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    run(ctx, args, ScriptName::Sha, true)
}

fn run(ctx: &mut ClientCtx<'_>, args: Args<'_>, name: ScriptName, read_only: bool) -> CommandResult {
    if name == ScriptName::Sha && args.arg(1).len() != 40 {
        return Err(CommandError::NoScript);
    }
    let keys = key_count(arguments::integer(args.arg(2))?, args)?;
    ctx.effects.push(Effect::Answer(Answer::RunScript(RunRequest { name, keys, read_only })));
    Ok(())
}

/// A number of keys that a command names, as so many of its arguments.
fn key_count(keys: i64, args: Args<'_>) -> Result<usize, CommandError> {
    if keys > args.len() as i64 - 3 {
        return Err(CommandError::text("ERR Number of keys can't be greater than number of args"));
    }
    usize::try_from(keys).map_err(|_| CommandError::text("ERR Number of keys can't be negative"))
}

fn debug(_ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    Err(CommandError::text("ERR SCRIPT DEBUG is not supported: there is no debugger for scripts"))
}

fn exists(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    let shas = args.tail(2).iter().map(Box::from).collect();
    ask(ctx, ScriptsRequest::Exists(shas))
}

fn flush(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    let lazily = match args.get(2) {
        _ if args.len() > 3 => None,
        None => Some(ctx.config.lazyfree_lazy_user_flush),
        Some(word) if word.eq_ignore_ascii_case(b"async") => Some(true),
        Some(word) if word.eq_ignore_ascii_case(b"sync") => Some(false),
        Some(_) => None,
    };
    match lazily {
        Some(lazily) => ask(ctx, ScriptsRequest::Flush { lazily }),
        None => Err(CommandError::text("ERR SCRIPT FLUSH only support SYNC|ASYNC option")),
    }
}

fn kill(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    ask(ctx, ScriptsRequest::Kill)
}

fn load(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    ask(ctx, ScriptsRequest::Load(args.arg(2).into()))
}

fn ask(ctx: &mut ClientCtx<'_>, request: ScriptsRequest) -> CommandResult {
    ctx.effects.push(Effect::Answer(Answer::Scripts(request)));
    Ok(())
}

fn script_help(ctx: &mut AdminCtx<'_>, _args: Args<'_>) -> CommandResult {
    help::reply(
        ctx.reply,
        "SCRIPT",
        &[
            ("DEBUG (YES|SYNC|NO)", "Set the debug mode for subsequent scripts executed."),
            (
                "EXISTS <sha1> [<sha1> ...]",
                "Return information about the existence of the scripts in the script cache.",
            ),
            (
                "FLUSH [ASYNC|SYNC]",
                "Flush the Lua scripts cache. Very dangerous on replicas.\n\
                 When called without the optional mode argument, the behavior is determined by the\n\
                 lazyfree-lazy-user-flush configuration directive. Valid modes are:\n\
                 * ASYNC: Asynchronously flush the scripts cache.\n\
                 * SYNC: Synchronously flush the scripts cache.",
            ),
            ("KILL", "Kill the currently executing Lua script."),
            ("LOAD <script>", "Load a script into the scripts cache without executing it."),
        ],
    );
    Ok(())
}
