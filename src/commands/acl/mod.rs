//! ACL, which makes, changes and shows users.
//! Owns:  the rows and handlers of ACL.
//! Uses:  resp.
//! Never: a permission; what users may do is in `framework/access/`.

mod rows;

pub(super) use rows::COMMANDS;

use super::framework::arguments::integer;
use super::framework::{
    AccessRules, AdminCtx, Answer, CATEGORIES, CommandError, CommandResult, DEFAULT_USER, Denied, Effect, ReadCtx,
    Selector, UsersEffect, UsersRequest, belongs_to, help as help_text,
};
use crate::resp::{Args, Reply};

/// Entries that ACL LOG answers when no number is given.
const LOG_COUNT_DEFAULT: i64 = 10;

/// The longest password that ACL GENPASS makes, and the one it makes when no length is given.
const PASSWORD_BITS_MAX: i64 = 4096;
const PASSWORD_BITS_DEFAULT: i64 = 256;

fn who_am_i(ctx: &mut ReadCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.reply.bulk(ctx.session.user().name());
    Ok(())
}

fn names(ctx: &mut AdminCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.reply.array(ctx.users.iter().len());
    for user in ctx.users.iter() {
        ctx.reply.bulk(user.name());
    }
    Ok(())
}

fn list(ctx: &mut AdminCtx<'_>, _args: Args<'_>) -> CommandResult {
    ctx.reply.array(ctx.users.iter().len());
    for user in ctx.users.iter() {
        ctx.reply.bulk(user.line());
    }
    Ok(())
}

fn create_or_change(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    let rules = AccessRules::new(ctx.table.rows(), ctx.config);
    let change = ctx.users.set(args.arg(2), args.tail(3).iter(), &rules);
    let change = change.map_err(|reason| CommandError::Bytes([b"ERR ", &*reason].concat()))?;
    if let Some(change) = change {
        ctx.push(Effect::Users(UsersEffect::Changed(change)));
    }
    ctx.reply.ok();
    Ok(())
}

fn remove(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    let names = args.tail(2);
    if names.iter().any(|name| name == DEFAULT_USER) {
        return Err(CommandError::text("ERR The 'default' user cannot be removed"));
    }
    let removed: Vec<_> = names.iter().filter_map(|name| ctx.users.remove(name)).collect();
    ctx.reply.integer(removed.len() as i64);
    ctx.push(Effect::Users(UsersEffect::Removed(removed)));
    Ok(())
}

fn describe(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    let Some(user) = ctx.users.find(args.arg(2)) else {
        ctx.reply.null();
        return Ok(());
    };
    let reply = &mut *ctx.reply;
    reply.map(6);
    reply.bulk("flags");
    reply.set(user.flags().count());
    for flag in user.flags() {
        reply.bulk(flag);
    }
    reply.bulk("passwords");
    reply.array(user.password_hashes().len());
    for hash in user.password_hashes() {
        reply.bulk(hash);
    }
    write_selector(reply, user.root());
    reply.bulk("selectors");
    reply.array(user.selectors().len());
    for selector in user.selectors() {
        reply.map(3);
        write_selector(reply, selector);
    }
    Ok(())
}

/// Writes three fields of a map.
fn write_selector(reply: &mut Reply, selector: &Selector) {
    reply.bulk("commands");
    reply.bulk(selector.command_rules());
    reply.bulk("keys");
    reply.bulk(selector.key_rules().join(&b' '));
    reply.bulk("channels");
    reply.bulk(selector.channel_rules().join(&b' '));
}

fn dry_run(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    let quoting = |before: &str, word: &[u8], behind: &str| [before.as_bytes(), word, behind.as_bytes()].concat();
    let Some(user) = ctx.users.find(args.arg(2)) else {
        return Err(CommandError::Bytes(quoting("ERR User '", args.arg(2), "' not found")));
    };
    let command = args.tail(3);
    let Ok(row) = ctx.table.resolve(command) else {
        return Err(CommandError::Bytes(quoting("ERR Command '", args.arg(3), "' not found")));
    };
    if !row.arity.accepts(command.len()) {
        return Err(CommandError::wrong_arity(&row.full_name));
    }
    let Err(denied) = user.check(row, command) else {
        ctx.reply.ok();
        return Ok(());
    };
    let (what, object, kind) = match denied {
        Denied::Command => ("run the '", row.full_name.as_bytes(), "' command"),
        Denied::Key(index) => ("access the '", command.arg(index), "' key"),
        Denied::Channel(index) => ("access the '", command.arg(index), "' channel"),
    };
    let text = [b"User ", user.name(), b" has no permissions to ", &*quoting(what, object, kind)].concat();
    ctx.reply.bulk(text);
    Ok(())
}

fn generate_password(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    if args.len() > 3 {
        return Err(help_text::unknown_or_wrong_arity(args, "ACL"));
    }
    let bits = args.get(2).map_or(Ok(PASSWORD_BITS_DEFAULT), integer)?;
    if !(1..=PASSWORD_BITS_MAX).contains(&bits) {
        return Err(CommandError::owned(format!(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to \
             {PASSWORD_BITS_MAX}"
        )));
    }
    let digits = (bits as usize).div_ceil(4);
    let mut random = vec![0; digits.div_ceil(2)];
    getrandom::fill(&mut random)
        .map_err(|error| CommandError::owned(format!("ERR the kernel's random source does not answer: {error}")))?;
    let text: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    ctx.reply.bulk(&text[..digits]);
    Ok(())
}

fn log(ctx: &mut AdminCtx<'_>, args: Args<'_>) -> CommandResult {
    let count = match args.len() {
        2 => LOG_COUNT_DEFAULT,
        3 if args.arg(2).eq_ignore_ascii_case(b"reset") => {
            ctx.users.log.clear();
            ctx.reply.ok();
            return Ok(());
        }
        3 => integer(args.arg(2))?,
        _ => return Err(help_text::unknown_or_wrong_arity(args, "ACL")),
    };
    let entries = ctx.users.log.iter();
    let count = entries.len().min(usize::try_from(count).unwrap_or(0));
    let reply = &mut *ctx.reply;
    reply.array(count);
    for entry in entries.take(count) {
        reply.map(10);
        reply.bulk("count");
        reply.integer(entry.count as i64);
        let denial = &entry.denial;
        for (name, value) in [("reason", denial.reason.name()), ("context", denial.context.name())] {
            reply.bulk(name);
            reply.bulk(value);
        }
        for (name, value) in [("object", &denial.object), ("username", &denial.user)] {
            reply.bulk(name);
            reply.bulk(value);
        }
        reply.bulk("age-seconds");
        reply.double((ctx.now.unix_ms - entry.updated_ms).max(0) as f64 / 1000.0);
        reply.bulk("client-info");
        reply.bulk(&denial.client);
        let figures = [
            ("entry-id", entry.id as i64),
            ("timestamp-created", entry.created_ms),
            ("timestamp-last-updated", entry.updated_ms),
        ];
        for (name, value) in figures {
            reply.bulk(name);
            reply.integer(value);
        }
    }
    Ok(())
}

fn load(ctx: &mut AdminCtx<'_>, _args: Args<'_>) -> CommandResult {
    with_file(ctx, UsersRequest::Load)
}

fn save(ctx: &mut AdminCtx<'_>, _args: Args<'_>) -> CommandResult {
    with_file(ctx, UsersRequest::Save)
}

fn with_file(ctx: &mut AdminCtx<'_>, request: UsersRequest) -> CommandResult {
    if ctx.config.aclfile.is_empty() {
        return Err(CommandError::text(
            "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL \
             SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in \
             order to store users in the Redis configuration.",
        ));
    }
    ctx.push(Answer::Users(request).into());
    Ok(())
}

fn categories(ctx: &mut ReadCtx<'_>, args: Args<'_>) -> CommandResult {
    let Some(wanted) = args.get(2) else {
        ctx.reply.array(CATEGORIES.len());
        for category in CATEGORIES {
            ctx.reply.bulk(category);
        }
        return Ok(());
    };
    if args.len() > 3 {
        return Err(help_text::unknown_or_wrong_arity(args, "ACL"));
    }
    let Some(category) = CATEGORIES.into_iter().find(|name| wanted.eq_ignore_ascii_case(name.as_bytes())) else {
        return Err(CommandError::Bytes([b"ERR Unknown category '", wanted, b"'"].concat()));
    };
    let rows = ctx.table.rows().iter().filter(|row| belongs_to(row, category));
    let names: Vec<&str> = rows.map(|row| &*row.full_name).collect();
    ctx.reply.array(names.len());
    for name in names {
        ctx.reply.bulk(name);
    }
    Ok(())
}

fn help(ctx: &mut ReadCtx<'_>, _args: Args<'_>) -> CommandResult {
    help_text::reply(
        ctx.reply,
        "ACL",
        &[
            (
                "CAT [<category>]",
                "List all commands that belong to <category>, or all command categories\nwhen no category is specified.",
            ),
            ("DELUSER <username> [<username> ...]", "Delete a list of users."),
            (
                "DRYRUN <username> <command> [<arg> ...]",
                "Returns whether the user can execute the given command without executing the command.",
            ),
            ("GETUSER <username>", "Get the user's details."),
            (
                "GENPASS [<bits>]",
                "Generate a secure 256-bit user password. The optional `bits` argument can\nbe used to specify a \
                 different size.",
            ),
            ("LIST", "Show users details in config file format."),
            ("LOAD", "Reload users from the ACL file."),
            ("LOG [<count> | RESET]", "Show the ACL log entries."),
            ("SAVE", "Save the current config to the ACL file."),
            (
                "SETUSER <username> <attribute> [<attribute> ...]",
                "Create or modify a user with the specified attributes.",
            ),
            ("USERS", "List all the registered usernames."),
            ("WHOAMI", "Return the current connection username."),
        ],
    );
    Ok(())
}
