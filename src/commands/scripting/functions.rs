//! FUNCTION, FCALL and FCALL_RO (<https://redis.io/docs/latest/develop/programmability/functions-intro/>).

use super::{READ_KEYS, RUNS_ANY, WORST, WORST_KEYS, WORST_READ, key_count};
use crate::commands::framework::{
    AdminCtx, Answer, Arity, ClientCtx, Command, CommandError, CommandResult, Effect, Flags, FunctionsRequest, Group,
    Handler, RestorePolicy, arguments, help,
};
use crate::resp::Args;

const CALLS_FUNCTION: Flags = RUNS_ANY.or(Flags::RUNS_FUNCTION).or(Flags::MAY_REPLICATE);

/// What the rows of FCALL and its like share.
const fn calls_function() -> Command {
    Command {
        since: "7.0.0",
        complexity: "Depends on the function that is executed.",
        arity: Arity::at_least(3),
        flags: CALLS_FUNCTION,
        syntax: "function numkeys [key [key ...]] [arg [arg ...]]",
        ..Command::in_group(Group::Scripting)
    }
}

/// What the rows of FUNCTION's subcommands share.
const fn of_functions() -> Command {
    Command { since: "7.0.0", arity: Arity::exactly(2), flags: Flags::NOSCRIPT, ..Command::in_group(Group::Scripting) }
}

const TO_ALL: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];

pub(in crate::commands) const COMMANDS: &[Command] = &[
    Command {
        name: "FCALL",
        summary: "Invokes a function.",
        keys: &[WORST_KEYS.noted(WORST)],
        run: Handler::Client(fcall),
        ..calls_function()
    },
    Command {
        name: "FCALL_RO",
        summary: "Invokes a read-only function.",
        flags: RUNS_ANY.or(Flags::RUNS_FUNCTION).or(Flags::READONLY),
        keys: &[READ_KEYS.noted(WORST_READ)],
        run: Handler::Client(fcall_ro),
        ..calls_function()
    },
    Command {
        name: "FUNCTION",
        summary: "A container for function commands.",
        since: "7.0.0",
        complexity: "Depends on subcommand.",
        arity: Arity::at_least(2),
        subcommands: FUNCTION,
        ..Command::in_group(Group::Scripting)
    },
];

const FUNCTION: &[Command] = &[
    Command {
        name: "DELETE",
        summary: "Deletes a library and its functions.",
        complexity: "O(1)",
        arity: Arity::exactly(3),
        flags: Flags::NOSCRIPT.or(Flags::WRITE),
        syntax: "library-name",
        tips: TO_ALL,
        run: Handler::Client(delete),
        ..of_functions()
    },
    Command {
        name: "DUMP",
        summary: "Dumps all libraries into a serialized binary payload.",
        complexity: "O(N) where N is the number of functions",
        run: Handler::Client(dump),
        ..of_functions()
    },
    Command {
        name: "FLUSH",
        summary: "Deletes all libraries and functions.",
        complexity: "O(N) where N is the number of functions deleted",
        arity: Arity::at_least(2),
        flags: Flags::NOSCRIPT.or(Flags::WRITE),
        syntax: "[ASYNC | SYNC]",
        tips: TO_ALL,
        run: Handler::Client(flush),
        ..of_functions()
    },
    Command {
        name: "HELP",
        summary: "Returns helpful text about the different subcommands.",
        complexity: "O(1)",
        flags: Flags::LOADING.or(Flags::STALE),
        run: Handler::Admin(function_help),
        ..of_functions()
    },
    Command {
        name: "KILL",
        summary: "Terminates a function during execution.",
        complexity: "O(1)",
        flags: Flags::NOSCRIPT.or(Flags::ALLOW_BUSY),
        tips: &["request_policy:all_shards", "response_policy:one_succeeded"],
        run: Handler::Client(kill),
        ..of_functions()
    },
    Command {
        name: "LIST",
        summary: "Returns information about all libraries.",
        complexity: "O(N) where N is the number of functions",
        arity: Arity::at_least(2),
        syntax: "[LIBRARYNAME library-name-pattern] [WITHCODE]",
        tips: &["nondeterministic_output_order"],
        run: Handler::Client(list),
        ..of_functions()
    },
    Command {
        name: "LOAD",
        summary: "Creates a library.",
        complexity: "O(1) (considering compilation time is redundant)",
        arity: Arity::at_least(3),
        flags: Flags::NOSCRIPT.or(Flags::WRITE).or(Flags::DENYOOM),
        syntax: "[REPLACE] function-code",
        tips: TO_ALL,
        run: Handler::Client(load),
        ..of_functions()
    },
    Command {
        name: "RESTORE",
        summary: "Restores all libraries from a payload.",
        complexity: "O(N) where N is the number of functions on the payload",
        arity: Arity::at_least(3),
        flags: Flags::NOSCRIPT.or(Flags::WRITE).or(Flags::DENYOOM),
        syntax: "serialized-value [FLUSH | APPEND | REPLACE]",
        tips: TO_ALL,
        run: Handler::Client(restore),
        ..of_functions()
    },
    Command {
        name: "STATS",
        summary: "Returns information about a function during execution.",
        complexity: "O(1)",
        flags: Flags::NOSCRIPT.or(Flags::ALLOW_BUSY),
        tips: &["nondeterministic_output", "request_policy:all_shards", "response_policy:special"],
        run: Handler::Client(stats),
        ..of_functions()
    },
];

fn fcall(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.effects.push(Effect::Answer(Answer::CallFunction { read_only: false }));
    Ok(())
}

fn fcall_ro(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.effects.push(Effect::Answer(Answer::CallFunction { read_only: true }));
    Ok(())
}

/// How many keys FCALL names, which is looked at once its function is known.
pub fn function_keys(args: Args<'_>) -> Result<usize, CommandError> {
    let keys = arguments::integer(args.arg(2)).map_err(|_| CommandError::text("ERR Bad number of keys provided"))?;
    key_count(keys, args)
}

fn load(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    let options = args.head(args.len() - 1).tail(2);
    if let Some(other) = options.iter().find(|option| !option.eq_ignore_ascii_case(b"replace")) {
        return Err(CommandError::Bytes([b"ERR Unknown option given: ", other].concat()));
    }
    ask(ctx, FunctionsRequest::Load { replace: !options.is_empty() })
}

fn delete(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    ask(ctx, FunctionsRequest::Delete)
}

fn flush(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    if args.len() > 3 {
        return Err(help::unknown_or_wrong_arity(args, "FUNCTION"));
    }
    let lazily = match args.get(2) {
        None => ctx.config.lazyfree_lazy_user_flush,
        Some(word) if word.eq_ignore_ascii_case(b"async") => true,
        Some(word) if word.eq_ignore_ascii_case(b"sync") => false,
        Some(_) => return Err(CommandError::text("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")),
    };
    ask(ctx, FunctionsRequest::Flush { lazily })
}

fn list(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    let (mut pattern, mut with_code) = (None, false);
    let mut rest = args.tail(2).iter();
    while let Some(option) = rest.next() {
        if !with_code && option.eq_ignore_ascii_case(b"withcode") {
            with_code = true;
        } else if pattern.is_none() && option.eq_ignore_ascii_case(b"libraryname") {
            let name = rest.next().ok_or(CommandError::text("ERR library name argument was not given"))?;
            pattern = Some(name.into());
        } else {
            return Err(CommandError::Bytes([b"ERR Unknown argument ", option].concat()));
        }
    }
    ask(ctx, FunctionsRequest::List { pattern, with_code })
}

fn dump(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    ask(ctx, FunctionsRequest::Dump)
}

fn restore(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    if args.len() > 4 {
        return Err(help::unknown_or_wrong_arity(args, "FUNCTION"));
    }
    let policy = match args.get(3).unwrap_or(b"append").to_ascii_lowercase().as_slice() {
        b"append" => RestorePolicy::Append,
        b"replace" => RestorePolicy::Replace,
        b"flush" => RestorePolicy::Flush,
        _ => {
            return Err(CommandError::text(
                "ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.",
            ));
        }
    };
    ask(ctx, FunctionsRequest::Restore(policy))
}

fn stats(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    ask(ctx, FunctionsRequest::Stats)
}

fn kill(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    ask(ctx, FunctionsRequest::Kill)
}

fn ask(ctx: &mut ClientCtx<'_>, request: FunctionsRequest) -> CommandResult {
    ctx.effects.push(Effect::Answer(Answer::Functions(request)));
    Ok(())
}

fn function_help(ctx: &mut AdminCtx<'_>, _args: Args<'_>) -> CommandResult {
    help::reply(
        ctx.reply,
        "FUNCTION",
        &[
            ("LOAD [REPLACE] <FUNCTION CODE>", "Create a new library with the given library name and code."),
            ("DELETE <LIBRARY NAME>", "Delete the given library."),
            (
                "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
                "Show all libraries, or those whose name matches a pattern:\n\
                 * Library name\n\
                 * The engine that runs the library\n\
                 * The functions with their descriptions and flags\n\
                 * The library's code (if WITHCODE is given)",
            ),
            (
                "STATS",
                "Show the function that runs, or nil if there is none:\n\
                 * Function name\n\
                 * The command that has called it\n\
                 * For how many milliseconds it has been running\n\
                 Behind it, the engines with their libraries and functions are counted.",
            ),
            ("KILL", "Kill the function that runs."),
            ("FLUSH [ASYNC|SYNC]", "Delete all libraries."),
            ("DUMP", "Return all libraries as one payload for FUNCTION RESTORE."),
            (
                "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
                "Restore the libraries of a payload, by default as APPEND:\n\
                 * FLUSH: delete all libraries before.\n\
                 * APPEND: add the libraries, unless one of them is there already.\n\
                 * REPLACE: add the libraries, in the place of those of the same name. This fails where another\n  \
                 library has a function of the same name.",
            ),
        ],
    );
    Ok(())
}
