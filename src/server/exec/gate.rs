//! Everything that may keep a command from running, in Redis's order, in one function. It looks and changes nothing.

use crate::commands::{CommandError, CommandId, Denied, Flags, Transaction};
use crate::keyspace::TAKEN_OVER_BYTES_MIN;
use crate::resp::{Args, Protocol};
use crate::server::clients::ClientKey;
use crate::server::executor::Executor;
use crate::structures::memory_holds;

/// What is to become of a command that does not run now.
#[derive(Debug)]
pub enum Verdict {
    /// Kept for EXEC.
    Queue(CommandId),
    Refuse(Refusal),
    /// Later, when the pause is over.
    Postpone,
    /// Not a client of ours: the connection ends without a word.
    HangUp,
}

/// Why a command is refused.
#[derive(Debug)]
pub struct Refusal {
    pub(super) command: Option<CommandId>,
    pub(super) error: CommandError,
    /// What the client's user may not do, where that is the reason.
    pub(super) denied: Option<Denied>,
}

/// Commands that an option must open.
const PROTECTED: Flags = Flags::PROTECTED.or(Flags::PROTECTED_MODULE);

pub const MISCONF: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to \
    disk. Commands that may modify the data set are disabled, because this instance is configured to report errors \
    during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for \
    details about the RDB error.";

pub const REWOUND: &str = "MISCONF This server was restarted from a dump that is older than the data of its replicas, which \
    must be promoted (see replica-rewind-guard). Commands that may modify the data set are disabled.";
pub const NOREPLICAS: &str = "NOREPLICAS Not enough good replicas to write.";

pub const READONLY: &str = "READONLY You can't write against a read only replica.";

pub const MASTERDOWN: &str = "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.";

/// Judges one command of a client, of which the table has this row. Returns it if it may run now.
#[inline(always)]
pub fn check(
    executor: &Executor,
    key: ClientKey,
    command: Option<CommandId>,
    args: &Args<'_>,
) -> Result<CommandId, Verdict> {
    let Some(id) = command else { return Err(refuse_unknown(executor, *args)) };
    let row = executor.table.row(id);
    let is_usual = row.arity.accepts(args.len()) && !row.flags.has(PROTECTED);
    if is_usual && !is_guarded(executor, key) { Ok(id) } else { check_all(executor, key, id, *args) }
}

/// Whether anything beside a command's own row may keep it from running now. Mostly there is nothing, and no look at each
/// reason by itself is needed.
#[inline]
fn is_guarded(executor: &Executor, key: ClientKey) -> bool {
    let session = &executor.clients.get(key).session;
    !session.is_free()
        || session.transaction.is_some()
        || session.subscriptions > 0
        || session.listens
        || executor.memory.is_exhausted()
        || executor.writes_are_stopped()
        || executor.snapshots.is_loading()
        || executor.is_paused()
        || executor.scripts.is_busy()
        || executor.replication.may_refuse()
}

/// Judges a command that a script calls: what is not the script's own matter has been judged when the script began.
#[inline(always)]
pub fn check_script(
    executor: &Executor,
    key: ClientKey,
    command: Option<CommandId>,
    args: Args<'_>,
) -> Result<CommandId, Refusal> {
    let refuse = |command, text| Err(Refusal { command, error: CommandError::text(text), denied: None });
    let Some(id) = command else { return refuse(None, "ERR Unknown Redis command called from script") };
    let row = executor.table.row(id);
    if !row.arity.accepts(args.len()) {
        return refuse(command, "ERR Wrong number of args calling Redis command from script");
    }
    let is_open = row.flags.has(Flags::PROTECTED) && executor.scripts.allows_debug();
    if row.flags.has(Flags::NOSCRIPT.or(PROTECTED)) && !is_open {
        return refuse(command, "ERR This Redis command is not allowed from script");
    }
    if let Some(denied) = executor.denial(key, id, args) {
        return Err(refuse_within_script(executor, key, id, denied));
    }
    match executor.script_refusal(id) {
        Some(error) => Err(Refusal { command, error, denied: None }),
        None => Ok(id),
    }
}

#[cold]
fn refuse_within_script(executor: &Executor, key: ClientKey, id: CommandId, denied: Denied) -> Refusal {
    let (user, name) = (executor.clients.get(key).session.user(), &executor.table.row(id).full_name);
    let refusal = CommandError::no_permission(user, name, denied);
    let reason = refusal.reply_text();
    let reason = reason.strip_prefix(b"NOPERM ").unwrap_or(&reason);
    let error = CommandError::Bytes([b"ERR ACL failure in script: ", reason].concat());
    Refusal { command: Some(id), error, denied: Some(denied) }
}

#[cold]
fn refuse_unknown(executor: &Executor, args: Args<'_>) -> Verdict {
    let row = executor.table.by_name(args.arg(0));
    if row.is_none() && is_http_header(args.arg(0)) {
        return Verdict::HangUp;
    }
    // A container by itself is a command that lacks an argument; with a subcommand that is not there it is none.
    let command = row.filter(|_| args.len() == 1).map(|row| row.id);
    Verdict::Refuse(Refusal { command, error: executor.table.why_missing(args), denied: None })
}

#[inline(never)]
fn check_all(executor: &Executor, key: ClientKey, id: CommandId, args: Args<'_>) -> Result<CommandId, Verdict> {
    let refuse = |error, denied| Err(Verdict::Refuse(Refusal { command: Some(id), error, denied }));
    if let Some(error) = basic_refusal(executor, key, id, args) {
        return refuse(error, None);
    }
    if let Some((error, denied)) = user_refusal(executor, key, id, args) {
        return refuse(error, denied);
    }
    if lacks_memory(executor, key, id, args) {
        return refuse(CommandError::OutOfMemory, None);
    }
    if lacks_memory_for_queue(executor, key, id) {
        return refuse(CommandError::NoMemory, None);
    }
    if let Some(error) = state_refusal(executor, key, id, args) {
        return refuse(error, None);
    }
    if executor.pauses(key, id, args) {
        return Err(Verdict::Postpone);
    }
    if is_queued(executor, key, id) { Err(Verdict::Queue(id)) } else { Ok(id) }
}

/// Refusals that follow from the command itself.
fn basic_refusal(executor: &Executor, key: ClientKey, id: CommandId, args: Args<'_>) -> Option<CommandError> {
    let row = executor.table.row(id);
    let flags = row.flags;
    let client = executor.clients.get(key);
    let session = &client.session;
    if !row.arity.accepts(args.len()) {
        return Some(CommandError::wrong_arity(&row.full_name));
    }
    if flags.has(PROTECTED)
        && let Some(error) = refusal_of_protected(executor, key, flags)
    {
        return Some(error);
    }
    if session.transaction.is_some() && flags.has(Flags::NO_MULTI) {
        return Some(CommandError::text("ERR Command not allowed inside a transaction"));
    }
    None
}

/// Refusals that follow from the user's permissions.
fn user_refusal(
    executor: &Executor,
    key: ClientKey,
    id: CommandId,
    args: Args<'_>,
) -> Option<(CommandError, Option<Denied>)> {
    let row = executor.table.row(id);
    let session = &executor.clients.get(key).session;
    if session.is_free() {
        return None;
    }
    if session.must_authenticate() && !row.flags.has(Flags::NO_AUTH) {
        return Some((CommandError::NoAuth, None));
    }
    let denied = session.user().check(row, args).err()?;
    Some((CommandError::no_permission(session.user(), &row.full_name, denied), Some(denied)))
}

/// Whether the command may not run because there is no memory left for data.
fn lacks_memory(executor: &Executor, key: ClientKey, id: CommandId, args: Args<'_>) -> bool {
    // What a script may do in want of memory was judged when it began.
    if !executor.memory.is_exhausted() || executor.scripts.is_busy() {
        return false;
    }
    let flags = executor.flags_of(id, args);
    match executor.clients.get(key).session.transaction {
        None => flags.has(Flags::DENYOOM),
        Some(_) if flags.has(Flags::RUNS_QUEUE) => executor.queue_any(key, |queued| queued.has(Flags::DENYOOM)),
        // The queue itself takes memory.
        Some(_) => !flags.has(Flags::UNQUEUED),
    }
}

/// Whether there is no memory for what the commands of a transaction make of their arguments.
fn lacks_memory_for_queue(executor: &Executor, key: ClientKey, id: CommandId) -> bool {
    let bytes = executor.clients.get(key).session.transaction.as_ref().map_or(0, Transaction::args_bytes);
    bytes >= TAKEN_OVER_BYTES_MIN && executor.table.row(id).flags.has(Flags::RUNS_QUEUE) && !memory_holds(bytes)
}

/// Refusals that follow from the state of the connection and of the server.
fn state_refusal(executor: &Executor, key: ClientKey, id: CommandId, args: Args<'_>) -> Option<CommandError> {
    let row = executor.table.row(id);
    let client = executor.clients.get(key);
    let (session, flags) = (&client.session, row.flags);
    // Saving may have failed since the commands of a transaction were queued.
    if executor.writes_are_stopped() && executor.has_flags(key, id, args, Flags::WRITE) {
        return Some(CommandError::text(MISCONF));
    }
    if executor.rewound_by().is_some() && executor.has_flags(key, id, args, Flags::WRITE.or(Flags::REPORTS_REWIND)) {
        return Some(CommandError::text(REWOUND));
    }
    if session.subscriptions > 0 && client.reply.protocol() == Protocol::Resp2 && !flags.has(Flags::SUBSCRIBED) {
        return Some(CommandError::owned(format!(
            "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
             context",
            row.full_name
        )));
    }
    if executor.lacks_replicas() && executor.has_flags(key, id, args, Flags::WRITE) {
        return Some(CommandError::text(NOREPLICAS));
    }
    if executor.is_read_only() && executor.has_flags(key, id, args, Flags::WRITE) {
        return Some(CommandError::text(READONLY));
    }
    if executor.is_stale() && !executor.all_have_flags(key, id, Flags::STALE) {
        return Some(CommandError::text(MASTERDOWN));
    }
    if executor.snapshots.is_loading() && !executor.all_have_flags(key, id, Flags::LOADING) {
        return Some(CommandError::Loading);
    }
    if let Some(busy) = executor.scripts.busy_error()
        && !flags.has(Flags::ALLOW_BUSY)
    {
        return Some(busy);
    }
    if session.listens && flags.has(Flags::WRITE.or(Flags::READONLY).or(Flags::MAY_REPLICATE)) {
        return Some(CommandError::text("ERR Replica can't interact with the keyspace"));
    }
    None
}

fn is_queued(executor: &Executor, key: ClientKey, id: CommandId) -> bool {
    executor.clients.get(key).session.transaction.is_some() && !executor.table.row(id).flags.has(Flags::UNQUEUED)
}

/// Whether a line comes from a web browser that takes the server for a web server.
fn is_http_header(word: &[u8]) -> bool {
    word.eq_ignore_ascii_case(b"post") || word.eq_ignore_ascii_case(b"host:")
}

/// Why a protected command is closed to this client, if it is.
fn refusal_of_protected(executor: &Executor, key: ClientKey, flags: Flags) -> Option<CommandError> {
    let config = &executor.config;
    let (name, option, allowed) = if flags.has(Flags::PROTECTED_MODULE) {
        ("MODULE", "enable-module-command", config.enable_module_command)
    } else {
        ("DEBUG", "enable-debug-command", config.enable_debug_command)
    };
    if allowed.allows(executor.clients.get(key).session.peer.is_local()) {
        return None;
    }
    Some(CommandError::owned(format!(
        "ERR {name} command not allowed. If the {option} option is set to \"local\", you can run it from a local \
         connection, otherwise you need to set this option in the configuration file, and then restart the server."
    )))
}
