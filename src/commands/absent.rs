//! Commands of features that Copal does not have, which clients send to find out whether it has them.

use std::time::Instant;

use super::framework::arguments::deadline_in_ms;
use super::framework::arguments::{count, integer};
use super::framework::help as help_text;
use super::framework::{
    Answer, Arity, Command, CommandError, CommandResult, Effect, Flags, Group, Handler, InVain, ReadCtx, Wait,
};
use crate::keyspace::Awaited;
use crate::resp::Args;

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "ASKING",
        summary: "Signals that a cluster client is following an -ASK redirect.",
        since: "3.0.0",
        flags: Flags::FAST,
        run: Handler::Read(no_cluster),
        ..Command::in_group(Group::Cluster)
    },
    Command {
        name: "CLUSTER",
        summary: "A container for Redis Cluster commands.",
        since: "3.0.0",
        complexity: "Depends on subcommand.",
        arity: Arity::at_least(2),
        subcommands: CLUSTER,
        ..Command::in_group(Group::Cluster)
    },
    Command {
        name: "MODULE",
        summary: "A container for module commands.",
        since: "4.0.0",
        complexity: "Depends on subcommand.",
        arity: Arity::at_least(2),
        subcommands: MODULE,
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "READONLY",
        summary: "Enables read-only queries for a connection to a Redis Cluster replica node.",
        since: "3.0.0",
        flags: Flags::FAST.or(Flags::LOADING).or(Flags::STALE),
        run: Handler::Read(no_cluster),
        ..Command::in_group(Group::Cluster)
    },
    Command {
        name: "READWRITE",
        summary: "Enables read-write queries for a connection to a Redis Cluster replica node.",
        since: "3.0.0",
        flags: Flags::FAST.or(Flags::LOADING).or(Flags::STALE),
        run: Handler::Read(no_cluster),
        ..Command::in_group(Group::Cluster)
    },
    Command {
        name: "WAITAOF",
        summary: "Blocks until all of the preceding write commands sent by the connection are written to the append-only file of the master and/or replicas.",
        since: "7.2.0",
        arity: Arity::exactly(4),
        flags: Flags::BLOCKING,
        syntax: "numlocal numreplicas timeout",
        tips: &["request_policy:all_shards", "response_policy:agg_min"],
        run: Handler::Read(waitaof),
        ..Command::in_group(Group::Generic)
    },
];

/// Those by which clients look for a cluster.
const CLUSTER: &[Command] = &[
    Command {
        name: "HELP",
        summary: "Returns helpful text about the different subcommands.",
        since: "5.0.0",
        arity: Arity::exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        run: Handler::Read(cluster_help),
        ..Command::in_group(Group::Cluster)
    },
    Command {
        name: "INFO",
        summary: "Returns information about the state of a node.",
        since: "3.0.0",
        arity: Arity::exactly(2),
        flags: Flags::STALE,
        tips: &["nondeterministic_output"],
        run: Handler::Read(no_cluster),
        ..Command::in_group(Group::Cluster)
    },
    Command {
        name: "KEYSLOT",
        summary: "Returns the hash slot for a key.",
        since: "3.0.0",
        complexity: "O(N) where N is the number of bytes in the key",
        arity: Arity::exactly(3),
        flags: Flags::STALE,
        syntax: "keyname",
        run: Handler::Read(no_cluster),
        ..Command::in_group(Group::Cluster)
    },
    Command {
        name: "MYID",
        summary: "Returns the ID of a node.",
        since: "3.0.0",
        arity: Arity::exactly(2),
        flags: Flags::STALE,
        run: Handler::Read(no_cluster),
        ..Command::in_group(Group::Cluster)
    },
    Command {
        name: "NODES",
        summary: "Returns the cluster configuration for a node.",
        since: "3.0.0",
        complexity: "O(N) where N is the total number of Cluster nodes",
        arity: Arity::exactly(2),
        flags: Flags::STALE,
        tips: &["nondeterministic_output"],
        run: Handler::Read(no_cluster),
        ..Command::in_group(Group::Cluster)
    },
    Command {
        name: "RESET",
        summary: "Resets a node.",
        since: "3.0.0",
        complexity: "O(N) where N is the number of known nodes. The command may execute a FLUSHALL as a side effect.",
        arity: Arity::at_least(2),
        flags: Flags::ADMIN.or(Flags::STALE).or(Flags::NOSCRIPT),
        syntax: "[HARD | SOFT]",
        run: Handler::Read(no_cluster),
        ..Command::in_group(Group::Cluster)
    },
    Command {
        name: "SHARDS",
        summary: "Returns the mapping of cluster slots to shards.",
        since: "7.0.0",
        complexity: "O(N) where N is the total number of cluster nodes",
        arity: Arity::exactly(2),
        flags: Flags::STALE,
        tips: &["nondeterministic_output"],
        run: Handler::Read(no_cluster),
        ..Command::in_group(Group::Cluster)
    },
    Command {
        name: "SLOTS",
        summary: "Returns the mapping of cluster slots to nodes.",
        since: "3.0.0",
        complexity: "O(N) where N is the total number of Cluster nodes",
        arity: Arity::exactly(2),
        flags: Flags::STALE,
        tips: &["nondeterministic_output"],
        history: &[("4.0.0", "Added node IDs."), ("7.0.0", "Added additional networking metadata field.")],
        deprecated: Some(("7.0.0", "`CLUSTER SHARDS`")),
        run: Handler::Read(no_cluster),
        ..Command::in_group(Group::Cluster)
    },
];

const MODULE: &[Command] = &[
    Command {
        name: "HELP",
        summary: "Returns helpful text about the different subcommands.",
        since: "5.0.0",
        arity: Arity::exactly(2),
        flags: Flags::LOADING.or(Flags::STALE),
        run: Handler::Read(module_help),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "LIST",
        summary: "Returns all loaded modules.",
        since: "4.0.0",
        complexity: "O(N) where N is the number of loaded modules.",
        arity: Arity::exactly(2),
        flags: Flags::ADMIN.or(Flags::NOSCRIPT),
        tips: &["nondeterministic_output_order"],
        run: Handler::Read(module_list),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "LOAD",
        summary: "Loads a module.",
        since: "4.0.0",
        arity: Arity::at_least(3),
        flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::NO_ASYNC_LOADING).or(Flags::PROTECTED_MODULE),
        syntax: "path [arg [arg ...]]",
        run: Handler::Read(module_load),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "UNLOAD",
        summary: "Unloads a module.",
        since: "4.0.0",
        arity: Arity::exactly(3),
        flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::NO_ASYNC_LOADING).or(Flags::PROTECTED_MODULE),
        syntax: "name",
        run: Handler::Read(module_unload),
        ..Command::in_group(Group::Server)
    },
];

fn no_cluster(_ctx: &mut ReadCtx<'_>, _args: Args<'_>) -> CommandResult {
    Err(CommandError::text("ERR This instance has cluster support disabled"))
}

/// Waits for replicas that have written an append-only file. Neither they nor this server have one.
fn waitaof(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let local = integer(args.arg(1))?;
    if !(0..=1).contains(&local) {
        return Err(CommandError::text("ERR value is out of range, value must between 0 and 1"));
    }
    let replicas = count(args.arg(2), 0, CommandError::NotPositive)? as i64;
    let deadline = deadline_in_ms(args.arg(3), ctx.now)?;
    if local > 0 {
        return Err(CommandError::text("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled."));
    }
    if !wait_in_vain(ctx, args, replicas, deadline, InVain::TwoZeros) {
        ctx.reply.array(2);
        ctx.reply.integer(0);
        ctx.reply.integer(0);
    }
    Ok(())
}

/// Lets the client wait for so many replicas, of which there are none. Returns whether it does.
fn wait_in_vain(
    ctx: &mut ReadCtx<'_>,
    args: Args<'_>,
    replicas: i64,
    deadline: Option<Instant>,
    in_vain: InVain,
) -> bool {
    let waits = replicas > 0 && ctx.may_wait;
    if waits {
        let (args, awaited) = (args.to_buf(), Awaited::AnyChange);
        ctx.effects.push(Effect::Answer(Answer::Wait(Box::new(Wait { args, keys: 0..0, awaited, deadline, in_vain }))));
    }
    waits
}

fn cluster_help(ctx: &mut ReadCtx<'_>, _args: Args<'_>) -> CommandResult {
    const REFUSED: &str = "Refused: this server is not part of a cluster.";
    help_text::reply(
        ctx.reply,
        "CLUSTER",
        &[
            ("INFO", REFUSED),
            ("KEYSLOT <key>", REFUSED),
            ("MYID", REFUSED),
            ("NODES", REFUSED),
            ("SHARDS", REFUSED),
            ("SLOTS", REFUSED),
        ],
    );
    Ok(())
}

fn module_list(ctx: &mut ReadCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.reply.empty_array();
    Ok(())
}

fn module_load(_ctx: &mut ReadCtx<'_>, _args: Args<'_>) -> CommandResult {
    Err(CommandError::text("ERR Error loading the extension: modules are not available in Copal"))
}

fn module_unload(_ctx: &mut ReadCtx<'_>, _args: Args<'_>) -> CommandResult {
    Err(CommandError::text("ERR Error unloading module: no such module with that name"))
}

fn module_help(ctx: &mut ReadCtx<'_>, _args: Args<'_>) -> CommandResult {
    help_text::reply(
        ctx.reply,
        "MODULE",
        &[
            ("LIST", "Return a list of loaded modules."),
            ("LOAD <path> [<arg> ...]", "Refused: this server does not load modules."),
            ("UNLOAD <name>", "Refused: no module can have been loaded."),
        ],
    );
    Ok(())
}
