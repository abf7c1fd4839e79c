//! Everything that may keep a command from running, in Redis's order, in one function.

use super::client::ClientKey;
use super::executor::Executor;
use crate::commands::{CommandError, CommandId, Flags};
use crate::config::AllowedFrom;
use crate::resp::{Args, Protocol};

/// What is to become of a command.
#[derive(Debug)]
pub enum Verdict {
    Run(CommandId),
    /// Kept for EXEC.
    Queue(CommandId),
    Refuse(Option<CommandId>, CommandError),
    /// Later, when the client is no longer held up.
    Postpone,
}

/// Commands that a RESP2 connection may send while it is subscribed to something.
const SUBSCRIBER_COMMANDS: [&str; 9] =
    ["subscribe", "ssubscribe", "unsubscribe", "sunsubscribe", "psubscribe", "punsubscribe", "ping", "quit", "reset"];

/// Commands that run inside a transaction instead of being queued.
const UNQUEUED_COMMANDS: [&str; 6] = ["exec", "discard", "multi", "watch", "quit", "reset"];

/// Judges one command of a client.
pub fn check(executor: &mut Executor, key: ClientKey, args: Args<'_>) -> Verdict {
    let row = match executor.table.resolve(args) {
        Ok(row) => row,
        Err(error) => return Verdict::Refuse(None, error),
    };
    let id = row.id;
    match refusal(executor, key, id, args) {
        Some(error) => Verdict::Refuse(Some(id), error),
        None if is_queued(executor, key, id) => Verdict::Queue(id),
        None => Verdict::Run(id),
    }
}

fn refusal(executor: &Executor, key: ClientKey, id: CommandId, args: Args<'_>) -> Option<CommandError> {
    let row = executor.table.row(id);
    let flags = row.flags;
    let client = executor.clients.get(key);
    let session = &client.session;
    if !row.command.arity.accepts(args.len()) {
        return Some(CommandError::wrong_arity(&row.full_name));
    }
    if flags.has(Flags::PROTECTED) && !is_allowed(executor, key) {
        return Some(not_allowed(&row.full_name));
    }
    if !session.authenticated && !flags.has(Flags::NO_AUTH) {
        return Some(CommandError::NoAuth);
    }
    if session.transaction.is_some() && flags.has(Flags::NO_MULTI) {
        return Some(CommandError::text("ERR Command not allowed inside a transaction"));
    }
    if session.subscriptions > 0
        && client.reply.protocol() == Protocol::Resp2
        && !SUBSCRIBER_COMMANDS.contains(&&*row.full_name)
    {
        return Some(CommandError::owned(format!(
            "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
             context",
            row.full_name
        )));
    }
    if executor.loading && !flags.has(Flags::LOADING) {
        return Some(CommandError::Loading);
    }
    None
}

fn is_queued(executor: &Executor, key: ClientKey, id: CommandId) -> bool {
    executor.clients.get(key).session.transaction.is_some()
        && !UNQUEUED_COMMANDS.contains(&&*executor.table.row(id).full_name)
}

/// Whether `enable-debug-command` opens the command to this client.
fn is_allowed(executor: &Executor, key: ClientKey) -> bool {
    match executor.config.enable_debug_command {
        AllowedFrom::Everywhere => true,
        AllowedFrom::Nowhere => false,
        AllowedFrom::Local => executor.clients.get(key).session.peer.is_local(),
    }
}

fn not_allowed(full_name: &str) -> CommandError {
    let name = full_name.split('|').next().unwrap_or(full_name).to_ascii_uppercase();
    CommandError::owned(format!(
        "ERR {name} command not allowed. If the enable-debug-command option is set to \"local\", you can run it from a \
         local connection, otherwise you need to set this option in the configuration file, and then restart the server."
    ))
}
