//! Commands of replicas and primaries, and those that look at them.

use super::framework::arguments::{deadline_in_ms, integer};
use super::framework::{
    Answer, Arity, ClientCtx, Command, CommandError, CommandResult, Effect, FailoverRequest, Flags, Group, Handler,
    ReadCtx, ReplicationRequest,
};
use crate::config::PrimaryAddress;
use crate::resp::Args;
use crate::stdx::number::parse_i64;

const FOLLOWS: Flags = Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::STALE).or(Flags::NO_ASYNC_LOADING);
const OF_REPLICAS: Flags = Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::NO_ASYNC_LOADING).or(Flags::NO_MULTI);

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "FAILOVER",
        summary: "Starts a coordinated failover from a server to one of its replicas.",
        since: "6.2.0",
        arity: Arity::at_least(1),
        flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::STALE),
        syntax: "[TO host port [FORCE]] [ABORT] [TIMEOUT milliseconds]",
        run: Handler::Client(failover),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "PSYNC",
        summary: "An internal command used in replication.",
        since: "2.8.0",
        arity: Arity::at_least(3),
        flags: OF_REPLICAS,
        syntax: "replicationid offset",
        run: Handler::Client(psync),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "REPLCONF",
        summary: "An internal command for configuring the replication stream.",
        since: "3.0.0",
        arity: Arity::at_least(1),
        flags: Flags::ADMIN.or(Flags::NOSCRIPT).or(Flags::LOADING).or(Flags::STALE).or(Flags::ALLOW_BUSY),
        run: Handler::Client(replconf),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "REPLICAOF",
        summary: "Configures a server as replica of another, or promotes it to a master.",
        since: "5.0.0",
        arity: Arity::exactly(3),
        flags: FOLLOWS,
        syntax: "<host port | NO ONE>",
        run: Handler::Client(replicaof),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "ROLE",
        summary: "Returns the replication role.",
        since: "2.8.12",
        flags: Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST),
        run: Handler::Client(role),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "SLAVEOF",
        summary: "Sets a Redis server as a replica of another, or promotes it to being a master.",
        since: "1.0.0",
        arity: Arity::exactly(3),
        flags: FOLLOWS,
        syntax: "<host port | NO ONE>",
        deprecated: Some(("5.0.0", "`REPLICAOF`")),
        run: Handler::Client(replicaof),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "SYNC",
        summary: "An internal command used in replication.",
        since: "1.0.0",
        flags: OF_REPLICAS,
        run: Handler::Client(sync),
        ..Command::in_group(Group::Server)
    },
    Command {
        name: "WAIT",
        summary: "Blocks until the asynchronous replication of all preceding write commands sent by the connection is completed.",
        since: "3.0.0",
        arity: Arity::exactly(3),
        flags: Flags::BLOCKING,
        syntax: "numreplicas timeout",
        tips: &["request_policy:all_shards", "response_policy:agg_min"],
        run: Handler::Read(wait),
        ..Command::in_group(Group::Generic)
    },
];

fn ask(ctx: &mut ClientCtx<'_>, request: ReplicationRequest) -> CommandResult {
    ctx.effects.push(Effect::Answer(Answer::Replication(request)));
    Ok(())
}

fn replicaof(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    let (host, port) = (args.arg(1), args.arg(2));
    let primary = if host.eq_ignore_ascii_case(b"no") && port.eq_ignore_ascii_case(b"one") {
        None
    } else {
        Some(target(host, port, "ERR Invalid master port")?)
    };
    ask(ctx, ReplicationRequest::Follow(primary))
}

fn target(host: &[u8], port: &[u8], bad_port: &'static str) -> Result<PrimaryAddress, CommandError> {
    let port = parse_i64(port).and_then(|port| u16::try_from(port).ok()).ok_or(CommandError::text(bad_port))?;
    let host = std::str::from_utf8(host).map_err(|_| CommandError::text("ERR the host is no text in UTF-8"))?;
    Ok(PrimaryAddress { host: host.to_owned(), port })
}

fn psync(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    let next = parse_i64(args.arg(2));
    let takes_over = match args.len() {
        3 => false,
        4 if args.arg(3).eq_ignore_ascii_case(b"failover") => true,
        _ => return Err(CommandError::Syntax),
    };
    ask(ctx, ReplicationRequest::Psync { id: args.arg(1).into(), next, takes_over })
}

fn sync(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    ask(ctx, ReplicationRequest::Sync)
}

fn replconf(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    if args.len().is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    ask(ctx, ReplicationRequest::Configure)
}

fn role(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    ask(ctx, ReplicationRequest::Role)
}

fn wait(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let replicas = integer(args.arg(1))?;
    let deadline = deadline_in_ms(args.arg(2), ctx.now)?;
    ctx.effects.push(Effect::Answer(Answer::Replication(ReplicationRequest::Wait { replicas, deadline })));
    Ok(())
}

fn failover(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    let mut request = FailoverRequest::default();
    let mut at = 1;
    while at < args.len() {
        let word = args.arg(at);
        if word.eq_ignore_ascii_case(b"timeout") && at + 1 < args.len() && request.timeout_ms.is_none() {
            let timeout = integer(args.arg(at + 1))?;
            if timeout <= 0 {
                return Err(CommandError::text("ERR FAILOVER timeout must be greater than 0"));
            }
            request.timeout_ms = Some(timeout as u64);
            at += 2;
        } else if word.eq_ignore_ascii_case(b"abort") && args.len() == 2 {
            request.aborts = true;
            at += 1;
        } else if word.eq_ignore_ascii_case(b"to") && at + 2 < args.len() && request.to.is_none() {
            request.to = Some(target(args.arg(at + 1), args.arg(at + 2), "ERR FAILOVER target port is invalid")?);
            at += 3;
        } else if word.eq_ignore_ascii_case(b"force") && !request.forces {
            request.forces = true;
            at += 1;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    ask(ctx, ReplicationRequest::Failover(request))
}
