//! Commands about the connection: PING, AUTH, HELLO, SELECT and their like.

use std::rc::Rc;

use super::framework::arguments::{database, integer_or};
use super::framework::{
    Answer, Arity, ClientCtx, Command, CommandError, CommandResult, ConnectionEffect, Effect, Flags, Group, Handler,
};
use crate::resp::{Args, Protocol};
use crate::stdx::version;

const AT_ANY_TIME: Flags = Flags::NOSCRIPT.or(Flags::LOADING).or(Flags::STALE).or(Flags::FAST).or(Flags::NO_AUTH);

pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "AUTH",
        summary: "Authenticates the connection.",
        complexity: "O(N) where N is the number of passwords defined for the user",
        arity: Arity::at_least(2),
        flags: AT_ANY_TIME.or(Flags::ALLOW_BUSY),
        syntax: "[username] password",
        history: &[("6.0.0", "Added ACL style (username and password).")],
        run: Handler::Client(auth),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "ECHO",
        summary: "Returns the given string.",
        arity: Arity::exactly(2),
        flags: Flags::LOADING.or(Flags::STALE).or(Flags::FAST),
        syntax: "message",
        run: Handler::Client(echo),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "HELLO",
        summary: "Handshakes with the server.",
        since: "6.0.0",
        arity: Arity::at_least(1),
        flags: AT_ANY_TIME.or(Flags::ALLOW_BUSY),
        syntax: "[protover [AUTH username password] [SETNAME clientname]]",
        history: &[(
            "6.2.0",
            "`protover` made optional; when called without arguments the command reports the current connection's context.",
        )],
        run: Handler::Client(hello),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "PING",
        summary: "Returns the server's liveliness response.",
        arity: Arity::at_least(1),
        flags: Flags::FAST.or(Flags::SUBSCRIBED).or(Flags::REPORTS_REWIND),
        syntax: "[message]",
        tips: &["request_policy:all_shards", "response_policy:all_succeeded"],
        run: Handler::Client(ping),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "QUIT",
        summary: "Closes the connection.",
        arity: Arity::at_least(1),
        flags: AT_ANY_TIME.or(Flags::ALLOW_BUSY).or(Flags::UNQUEUED).or(Flags::SUBSCRIBED),
        deprecated: Some(("7.2.0", "just closing the connection")),
        run: Handler::Client(quit),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "RESET",
        summary: "Resets the connection.",
        since: "6.2.0",
        flags: AT_ANY_TIME.or(Flags::ALLOW_BUSY).or(Flags::UNQUEUED).or(Flags::SUBSCRIBED),
        run: Handler::Client(reset),
        ..Command::in_group(Group::Connection)
    },
    Command {
        name: "SELECT",
        summary: "Changes the selected database.",
        arity: Arity::exactly(2),
        flags: Flags::LOADING.or(Flags::STALE).or(Flags::FAST),
        syntax: "index",
        run: Handler::Client(select),
        ..Command::in_group(Group::Connection)
    },
];

fn ping(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    if args.len() > 2 {
        return Err(CommandError::wrong_arity("ping"));
    }
    if ctx.session.subscriptions > 0 && ctx.reply.protocol() == Protocol::Resp2 {
        ctx.reply.array(2);
        ctx.reply.bulk("pong");
        ctx.reply.bulk(args.get(1).unwrap_or(b""));
        return Ok(());
    }
    match args.get(1) {
        Some(message) => ctx.reply.bulk(message),
        None => ctx.reply.simple("PONG"),
    }
    Ok(())
}

fn echo(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    ctx.reply.bulk(args.arg(1));
    Ok(())
}

fn select(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    ctx.session.db = database(args.arg(1), ctx.config)?;
    ctx.reply.ok();
    Ok(())
}

fn quit(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.reply.ok();
    ctx.effects.push(Effect::Connection(ConnectionEffect::CloseAfterReply));
    Ok(())
}

fn reset(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.effects.push(Answer::Reset.into());
    Ok(())
}

fn auth(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    let (user, password) = match args.len() {
        2 if ctx.users.default_user().is_nopass() => {
            return Err(CommandError::text(
                "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
                 configuration is correct?",
            ));
        }
        2 => (&b"default"[..], args.arg(1)),
        3 => (args.arg(1), args.arg(2)),
        _ => return Err(CommandError::Syntax),
    };
    authenticate(ctx, user, password)?;
    ctx.reply.ok();
    Ok(())
}

fn authenticate(ctx: &mut ClientCtx<'_>, name: &[u8], password: &[u8]) -> CommandResult {
    let user = ctx.users.find(name).filter(|user| user.accepts(password));
    let user = user.ok_or_else(|| CommandError::WrongPass { user: name.into() })?;
    ctx.session.log_in(Rc::clone(user));
    Ok(())
}

fn hello(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    let protocol = match args.get(1) {
        None => None,
        Some(version) => {
            let refused = CommandError::text("ERR Protocol version is not an integer or out of range");
            let version = integer_or(version, refused)?;
            Some(Protocol::from_version(version).ok_or(CommandError::NoProto)?)
        }
    };
    let mut credentials = None;
    let mut name = None;
    let mut index = 2;
    while let Some(option) = args.get(index) {
        let left = args.len() - index - 1;
        if option.eq_ignore_ascii_case(b"AUTH") && left >= 2 {
            credentials = Some((args.arg(index + 1), args.arg(index + 2)));
            index += 3;
        } else if option.eq_ignore_ascii_case(b"SETNAME") && left >= 1 {
            check_name(args.arg(index + 1))?;
            name = Some(args.arg(index + 1));
            index += 2;
        } else {
            let mut text = b"ERR Syntax error in HELLO option '".to_vec();
            text.extend_from_slice(option);
            text.push(b'\'');
            return Err(CommandError::Bytes(text));
        }
    }
    if let Some((user, password)) = credentials {
        authenticate(ctx, user, password)?;
    }
    if ctx.session.must_authenticate() {
        return Err(CommandError::text(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
             <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the \
             same time",
        ));
    }
    if let Some(name) = name {
        ctx.session.name = name.into();
    }
    if let Some(protocol) = protocol {
        ctx.reply.set_protocol(protocol);
    }
    describe_server(ctx);
    Ok(())
}

fn describe_server(ctx: &mut ClientCtx<'_>) {
    let version = ctx.reply.protocol().version();
    ctx.reply.map(7);
    for (name, value) in [("server", "redis"), ("version", version::REDIS)] {
        ctx.reply.bulk(name);
        ctx.reply.bulk(value);
    }
    ctx.reply.bulk("proto");
    ctx.reply.integer(version);
    ctx.reply.bulk("id");
    ctx.reply.integer(ctx.session.id as i64);
    for (name, value) in [("mode", "standalone"), ("role", "master")] {
        ctx.reply.bulk(name);
        ctx.reply.bulk(value);
    }
    ctx.reply.bulk("modules");
    ctx.reply.empty_array();
}

/// A client's name may hold no space, newline or other unprintable byte: CLIENT LIST shows one client a line.
pub(super) fn check_name(name: &[u8]) -> CommandResult {
    check_attribute("Client names", name)
}

/// As [`check_name`], for whatever else CLIENT LIST shows.
pub(super) fn check_attribute(what: &str, value: &[u8]) -> CommandResult {
    if value.iter().all(u8::is_ascii_graphic) {
        return Ok(());
    }
    Err(CommandError::owned(format!("ERR {what} cannot contain spaces, newlines or special characters.")))
}
