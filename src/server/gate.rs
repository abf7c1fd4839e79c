//! Everything that may keep a command from running, in Redis's order, in one function.

use super::client::ClientKey;
use super::executor::Executor;
use super::memory::Room;
use crate::commands::{CommandError, CommandId, Flags};
use crate::keyspace::TAKEN_OVER_BYTES_MIN;
use crate::resp::{Args, Protocol};
use crate::structures::memory_holds;

/// What is to become of a command that does not run now.
#[derive(Debug)]
pub enum Verdict {
    /// Kept for EXEC.
    Queue(CommandId),
    Refuse(Option<CommandId>, CommandError),
    /// Later, when the pause is over.
    Postpone,
    /// Not a client of ours: the connection ends without a word.
    HangUp,
}

/// Commands that a RESP2 connection may send while it is subscribed to something.
const SUBSCRIBER_COMMANDS: [&str; 9] =
    ["subscribe", "ssubscribe", "unsubscribe", "sunsubscribe", "psubscribe", "punsubscribe", "ping", "quit", "reset"];

/// Commands that run inside a transaction instead of being queued.
const UNQUEUED_COMMANDS: [&str; 6] = ["exec", "discard", "multi", "watch", "quit", "reset"];

const MISCONF: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to \
    disk. Commands that may modify the data set are disabled, because this instance is configured to report errors \
    during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for \
    details about the RDB error.";

/// Judges one command of a client: says which one it is, if it may run now.
#[inline(always)]
pub fn check(executor: &mut Executor, key: ClientKey, args: Args<'_>) -> Result<CommandId, Verdict> {
    let Some(row) = executor.table.find(args) else { return Err(refuse_unknown(executor, args)) };
    let id = row.id;
    let is_usual = row.command.arity.accepts(args.len()) && !row.flags.has(Flags::PROTECTED);
    if is_usual && !is_guarded(executor, key) { Ok(id) } else { check_all(executor, key, id, args) }
}

/// Whether anything beside a command's own row may keep it from running now. Mostly there is nothing, and no look at each
/// reason by itself is needed.
#[inline]
fn is_guarded(executor: &Executor, key: ClientKey) -> bool {
    let session = &executor.clients.get(key).session;
    !session.is_free()
        || session.transaction.is_some()
        || session.subscriptions > 0
        || session.monitor
        || executor.is_memory_limited()
        || executor.writes_are_stopped()
        || executor.loading
        || executor.is_paused()
}

#[cold]
fn refuse_unknown(executor: &Executor, args: Args<'_>) -> Verdict {
    let row = executor.table.by_name(args.arg(0));
    if row.is_none() && is_http_header(args.arg(0)) {
        return Verdict::HangUp;
    }
    // A container by itself is a command that lacks an argument; with a subcommand that is not there it is none.
    let container = row.filter(|_| args.len() == 1).map(|row| row.id);
    Verdict::Refuse(container, executor.table.why_missing(args))
}

#[inline(never)]
fn check_all(executor: &mut Executor, key: ClientKey, id: CommandId, args: Args<'_>) -> Result<CommandId, Verdict> {
    match refusal(executor, key, id, args) {
        Some(error) => Err(Verdict::Refuse(Some(id), error)),
        None if executor.pauses(key, id) => Err(Verdict::Postpone),
        None if is_queued(executor, key, id) => Err(Verdict::Queue(id)),
        None => Ok(id),
    }
}

fn refusal(executor: &mut Executor, key: ClientKey, id: CommandId, args: Args<'_>) -> Option<CommandError> {
    basic_refusal(executor, key, id, args)
        .or_else(|| user_refusal(executor, key, id, args))
        .or_else(|| lacks_memory(executor, key, id).then_some(CommandError::OutOfMemory))
        .or_else(|| executor.lacks_memory_for_queue(key, id).then_some(CommandError::NoMemory))
        .or_else(|| state_refusal(executor, key, id))
}

/// What the command itself speaks against.
fn basic_refusal(executor: &Executor, key: ClientKey, id: CommandId, args: Args<'_>) -> Option<CommandError> {
    let row = executor.table.row(id);
    let flags = row.flags;
    let client = executor.clients.get(key);
    let session = &client.session;
    if !row.command.arity.accepts(args.len()) {
        return Some(CommandError::wrong_arity(&row.full_name));
    }
    if flags.has(Flags::PROTECTED)
        && let Some(error) = refusal_of_protected(executor, key, &row.full_name)
    {
        return Some(error);
    }
    if session.transaction.is_some() && flags.has(Flags::NO_MULTI) {
        return Some(CommandError::text("ERR Command not allowed inside a transaction"));
    }
    None
}

/// What the user speaks against who sends the command.
#[inline]
fn user_refusal(executor: &mut Executor, key: ClientKey, id: CommandId, args: Args<'_>) -> Option<CommandError> {
    if executor.clients.get(key).session.is_free() { None } else { refusal_of_user(executor, key, id, args) }
}

#[cold]
fn refusal_of_user(executor: &mut Executor, key: ClientKey, id: CommandId, args: Args<'_>) -> Option<CommandError> {
    let row = executor.table.row(id);
    let session = &executor.clients.get(key).session;
    if session.must_authenticate() && !row.flags.has(Flags::NO_AUTH) {
        return Some(CommandError::NoAuth);
    }
    let denied = session.user().check(row, args).err()?;
    let error = CommandError::no_permission(session.user(), &row.full_name, denied);
    executor.note_denial(key, id, denied, args);
    Some(error)
}

/// Commands that set strings to their arguments, the first long one of which can take over the buffer that it came in.
const STRING_SETTERS: [&str; 7] = ["set", "setex", "psetex", "setnx", "getset", "mset", "msetnx"];

impl Executor {
    /// Refuses a command whose arguments are long if there is no memory for what it makes of them. Returns whether it did.
    ///
    /// Whatever else speaks against the command, this is answered first: it is not about to run.
    pub(super) fn refuses_long(&mut self, key: ClientKey, args: Args<'_>) -> bool {
        let Some(row) = self.table.find(args) else { return false };
        let (id, name) = (row.id, &*row.full_name);
        let is_queued = self.clients.get(key).session.transaction.is_some();
        if !is_queued && !row.flags.has(Flags::DENYOOM) {
            return false;
        }
        let takes_over = !is_queued && STRING_SETTERS.contains(&name);
        let taken_over = if takes_over { self.keyspace.first_taken_over(args.iter()) } else { 0 };
        let lacking = !memory_holds(args.bytes_len() - taken_over);
        if lacking {
            self.refuse(key, Some(id), &CommandError::NoMemory, args);
        }
        lacking
    }

    /// Whether there is no memory for what the commands of a transaction make of their arguments.
    fn lacks_memory_for_queue(&self, key: ClientKey, id: CommandId) -> bool {
        let transaction = self.clients.get(key).session.transaction.as_ref();
        transaction.is_some_and(|transaction| {
            let bytes = transaction.args_bytes();
            bytes >= TAKEN_OVER_BYTES_MIN && &*self.table.row(id).full_name == "exec" && !memory_holds(bytes)
        })
    }
}

/// Makes room for more data where `maxmemory` is set. Returns whether the command may not run for want of it.
fn lacks_memory(executor: &mut Executor, key: ClientKey, id: CommandId) -> bool {
    let room = executor.make_room();
    executor.limit_growth(key);
    if room != Room::Exhausted {
        return false;
    }
    let row = executor.table.row(id);
    match &*row.full_name {
        _ if executor.clients.get(key).session.transaction.is_none() => row.flags.has(Flags::DENYOOM),
        "exec" => executor.queue_any(key, |queued| queued.has(Flags::DENYOOM)),
        // The queue itself takes memory.
        name => !UNQUEUED_COMMANDS.contains(&name),
    }
}

/// What the state of the connection and of the server speak against.
fn state_refusal(executor: &Executor, key: ClientKey, id: CommandId) -> Option<CommandError> {
    let row = executor.table.row(id);
    let client = executor.clients.get(key);
    let (session, flags) = (&client.session, row.flags);
    if executor.writes_are_stopped() {
        let would_write = match &*row.full_name {
            "ping" => true,
            // Saving may have failed since the commands were queued.
            "exec" => executor.queue_any(key, |queued| queued.has(Flags::WRITE)),
            _ => flags.has(Flags::WRITE),
        };
        if would_write {
            return Some(CommandError::text(MISCONF));
        }
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
    if executor.loading && !executor.all_have_flags(key, id, Flags::LOADING) {
        return Some(CommandError::Loading);
    }
    if session.monitor && flags.has(Flags::WRITE.or(Flags::READONLY).or(Flags::MAY_REPLICATE)) {
        return Some(CommandError::text("ERR Replica can't interact with the keyspace"));
    }
    None
}

fn is_queued(executor: &Executor, key: ClientKey, id: CommandId) -> bool {
    executor.clients.get(key).session.transaction.is_some()
        && !UNQUEUED_COMMANDS.contains(&&*executor.table.row(id).full_name)
}

/// Whether a line comes from a web browser that takes the server for a web server.
fn is_http_header(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"post") || word.eq_ignore_ascii_case(b"host:")
}

/// Why a protected command is closed to this client, if it is.
fn refusal_of_protected(executor: &Executor, key: ClientKey, full_name: &str) -> Option<CommandError> {
    let config = &executor.config;
    let (name, option, allowed) = match full_name.split('|').next() {
        Some("module") => ("MODULE", "enable-module-command", config.enable_module_command),
        _ => ("DEBUG", "enable-debug-command", config.enable_debug_command),
    };
    if allowed.allows(executor.clients.get(key).session.peer.is_local()) {
        return None;
    }
    Some(CommandError::owned(format!(
        "ERR {name} command not allowed. If the {option} option is set to \"local\", you can run it from a local \
         connection, otherwise you need to set this option in the configuration file, and then restart the server."
    )))
}
