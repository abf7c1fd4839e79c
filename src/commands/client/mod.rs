//! CLIENT: what a connection may know and change of itself, and of the others.
//! Owns:  the rows of CLIENT, how its options are read.
//! Uses:  effects, sessions, resp.
//! Never: another connection; the server performs what concerns one.

mod rows;

pub(super) use rows::COMMANDS;

use super::connection::{check_attribute, check_name};
use super::framework::arguments::{count, deadline_in_ms, integer, integer_or};
use super::framework::{
    Answer, ClientCtx, ClientEffect, ClientFilter, ClientRequest, ClientType, CommandError, CommandResult,
    ConnectionEffect, Effect, PauseMode, ReplyMode, UnblockWith, help,
};
use crate::resp::Args;

fn id(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.reply.integer(ctx.session.id as i64);
    Ok(())
}

fn name(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    let name = &ctx.session.name;
    ctx.reply.bulk_or_null((!name.is_empty()).then_some(name));
    Ok(())
}

fn set_name(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    check_name(args.arg(2))?;
    ctx.session.name = args.arg(2).into();
    ctx.reply.ok();
    Ok(())
}

fn set_info(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    let (attribute, value) = (args.arg(2), args.arg(3));
    let field = if attribute.eq_ignore_ascii_case(b"lib-name") {
        &mut ctx.session.lib_name
    } else if attribute.eq_ignore_ascii_case(b"lib-ver") {
        &mut ctx.session.lib_version
    } else {
        return Err(quoting("ERR Unrecognized option '", attribute));
    };
    check_attribute(&String::from_utf8_lossy(attribute), value)?;
    *field = value.into();
    ctx.reply.ok();
    Ok(())
}

fn info(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    ask(ctx, ClientRequest::Info { args_bytes: args.bytes_len() })
}

fn list(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    let is = |word: &[u8]| args.get(2).is_some_and(|arg| arg.eq_ignore_ascii_case(word));
    let args_bytes = args.bytes_len();
    let filter = if args.len() == 4 && is(b"type") {
        ClientFilter { kind: Some(client_type(args.arg(3))?), ..ClientFilter::default() }
    } else if args.len() > 3 && is(b"id") {
        let ids = args.tail(3).iter().map(|arg| integer_or(arg, CommandError::text("ERR Invalid client ID")));
        return ask(ctx, ClientRequest::ListIds { ids: ids.collect::<Result<_, _>>()?, args_bytes });
    } else if args.len() == 2 {
        ClientFilter::default()
    } else {
        return Err(CommandError::Syntax);
    };
    ask(ctx, ClientRequest::List { filter, args_bytes })
}

fn kill(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    if args.len() == 3 {
        // The old form: one address, and one may kill oneself.
        let filter = ClientFilter { address: Some(args.arg(2).into()), ..ClientFilter::default() };
        return ask(ctx, ClientRequest::Kill { filter, by_address: true });
    }
    let mut filter = ClientFilter { skip_self: true, ..ClientFilter::default() };
    let mut index = 2;
    while index < args.len() {
        let option = args.arg(index);
        let value = args.get(index + 1).ok_or(CommandError::Syntax)?;
        let is = |word: &[u8]| option.eq_ignore_ascii_case(word);
        if is(b"id") {
            let id = count(value, 1, CommandError::text("ERR client-id should be greater than 0"))?;
            filter.id = Some(id as u64);
        } else if is(b"type") {
            filter.kind = Some(client_type(value)?);
        } else if is(b"addr") {
            filter.address = Some(value.into());
        } else if is(b"laddr") {
            filter.local_address = Some(value.into());
        } else if is(b"user") {
            if ctx.users.find(value).is_none() {
                return Err(quoting("ERR No such user '", value));
            }
            filter.user = Some(value.into());
        } else if is(b"skipme") {
            filter.skip_self = yes_or_no(value)?;
        } else {
            return Err(CommandError::Syntax);
        }
        index += 2;
    }
    ask(ctx, ClientRequest::Kill { filter, by_address: false })
}

fn no_evict(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    ctx.session.no_evict = on_or_off(args.arg(2))?;
    ctx.reply.ok();
    Ok(())
}

fn no_touch(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    ctx.session.no_touch = on_or_off(args.arg(2))?;
    ctx.reply.ok();
    Ok(())
}

fn reply(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    let wanted = args.arg(2);
    let mode = if wanted.eq_ignore_ascii_case(b"on") {
        ctx.reply.ok();
        ReplyMode::On
    } else if wanted.eq_ignore_ascii_case(b"off") {
        ReplyMode::Off
    } else if !wanted.eq_ignore_ascii_case(b"skip") {
        return Err(CommandError::Syntax);
    } else if ctx.session.reply_mode == ReplyMode::Off {
        return Ok(());
    } else {
        ReplyMode::SkipNext
    };
    ctx.effects.push(Effect::Connection(ConnectionEffect::SetReplyMode(mode)));
    Ok(())
}

fn pause(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    if args.len() > 4 {
        return Err(help::unknown_or_wrong_arity(args, "CLIENT"));
    }
    let mode = match args.get(3) {
        None => PauseMode::All,
        Some(mode) if mode.eq_ignore_ascii_case(b"all") => PauseMode::All,
        Some(mode) if mode.eq_ignore_ascii_case(b"write") => PauseMode::Writes,
        Some(_) => return Err(CommandError::text("ERR CLIENT PAUSE mode must be WRITE or ALL")),
    };
    let until = deadline_in_ms(args.arg(2), ctx.now)?.unwrap_or(ctx.now.monotonic());
    ctx.reply.ok();
    ctx.effects.push(Effect::Client(ClientEffect::Pause { until, mode }));
    Ok(())
}

fn unpause(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.reply.ok();
    ctx.effects.push(Effect::Client(ClientEffect::Unpause));
    Ok(())
}

fn unblock(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    if args.len() > 4 {
        return Err(help::unknown_or_wrong_arity(args, "CLIENT"));
    }
    let with = match args.get(3) {
        None => UnblockWith::Timeout,
        Some(reason) if reason.eq_ignore_ascii_case(b"timeout") => UnblockWith::Timeout,
        Some(reason) if reason.eq_ignore_ascii_case(b"error") => UnblockWith::Error,
        Some(_) => return Err(CommandError::text("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")),
    };
    let id = integer(args.arg(2))?;
    ask(ctx, ClientRequest::Unblock { id, with })
}

/// No connection tracks keys.
fn redirection(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.reply.integer(-1);
    Ok(())
}

fn tracking_info(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.reply.map(3);
    ctx.reply.bulk("flags");
    ctx.reply.set(1);
    ctx.reply.bulk("off");
    ctx.reply.bulk("redirect");
    ctx.reply.integer(-1);
    ctx.reply.bulk("prefixes");
    ctx.reply.empty_array();
    Ok(())
}

fn tracking(ctx: &mut ClientCtx<'_>, args: Args<'_>) -> CommandResult {
    if on_or_off(args.arg(2))? {
        return Err(CommandError::text(
            "ERR CLIENT TRACKING is not available in Copal: it does not track keys for clients",
        ));
    }
    ctx.reply.ok();
    Ok(())
}

fn caching(_ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    Err(CommandError::text(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
    ))
}

fn help(ctx: &mut ClientCtx<'_>, _args: Args<'_>) -> CommandResult {
    help::reply(ctx.reply, "CLIENT", HELP);
    Ok(())
}

const HELP: &[(&str, &str)] = &[
    ("GETNAME", "Return the name of the current connection."),
    ("GETREDIR", "Return the client ID that tracking redirects to, or -1."),
    ("ID", "Return the ID of the current connection."),
    ("INFO", "Return information about the current client connection."),
    ("KILL <ip:port>", "Kill connection made from <ip:port>."),
    (
        "KILL <option> <value> [<option> <value> [...]]",
        "Kill connections. Options are:\n\
         * ADDR (<ip:port>|<unixsocket>:0)\n\
         \x20 Kill connections made from the specified address\n\
         * LADDR (<ip:port>|<unixsocket>:0)\n\
         \x20 Kill connections made to specified local address\n\
         * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)\n\
         \x20 Kill connections by type.\n\
         * USER <username>\n\
         \x20 Kill connections authenticated by <username>.\n\
         * SKIPME (YES|NO)\n\
         \x20 Skip killing current connection (default: yes).\n\
         * ID <client-id>\n\
         \x20 Kill connections by client ID.",
    ),
    (
        "LIST [options ...]",
        "Return information about client connections. Options:\n\
         * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)\n\
         \x20 Return clients of specified type.\n\
         * ID <client-id> [<client-id> [...]]\n\
         \x20 Return these clients.",
    ),
    ("UNPAUSE", "Stop the current client pause, resuming traffic."),
    ("PAUSE <timeout> [WRITE|ALL]", "Suspend all, or just write, clients for <timeout> milliseconds."),
    ("REPLY (ON|OFF|SKIP)", "Control the replies sent to the current connection."),
    ("SETNAME <name>", "Assign the name <name> to the current connection."),
    (
        "SETINFO <option> <value>",
        "Set client meta attr. Options are:\n\
         * LIB-NAME: the client lib name.\n\
         * LIB-VER: the client lib version.",
    ),
    ("UNBLOCK <clientid> [TIMEOUT|ERROR]", "Unblock the specified blocked client."),
    ("TRACKINGINFO", "Report tracking status for the current connection."),
    ("NO-EVICT (ON|OFF)", "Protect current client connection from eviction."),
    ("NO-TOUCH (ON|OFF)", "Will not touch LRU/LFU stats when this mode is on."),
];

fn ask(ctx: &mut ClientCtx<'_>, request: ClientRequest) -> CommandResult {
    ctx.effects.push(Answer::Client(request).into());
    Ok(())
}

fn client_type(name: &[u8]) -> Result<ClientType, CommandError> {
    ClientType::from_name(name).ok_or_else(|| quoting("ERR Unknown client type '", name))
}

fn on_or_off(arg: &[u8]) -> Result<bool, CommandError> {
    choose(arg, b"on", b"off")
}

fn yes_or_no(arg: &[u8]) -> Result<bool, CommandError> {
    choose(arg, b"yes", b"no")
}

fn choose(arg: &[u8], yes: &[u8], no: &[u8]) -> Result<bool, CommandError> {
    let chosen = arg.eq_ignore_ascii_case(yes);
    if chosen || arg.eq_ignore_ascii_case(no) { Ok(chosen) } else { Err(CommandError::Syntax) }
}

/// An error text that ends in an argument and a quote.
fn quoting(text: &str, arg: &[u8]) -> CommandError {
    CommandError::Bytes([text.as_bytes(), arg, b"'"].concat())
}
