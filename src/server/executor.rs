//! The one door to the keyspace: from a client's bytes to executed commands and written replies.

use std::time::Duration;

use super::batch::{BATCH_FRAMES_MAX, Batch, BatchEnd};
use super::client::{ClientKey, Clients, Close, Stall};
use super::clock::ServerClock;
use super::execution::Execution;
use super::fatal_signal;
use super::frame::{Frame, Nesting, Outcome};
use super::gate::{self, Refusal, Verdict};
use super::memory::Memory;
use super::migrate::Migrations;
use super::process::Process;
use super::pubsub::PubSub;
use super::snapshots::Snapshots;
use super::start::Launch;
use super::stats::Stats;
use crate::commands::{
    AccessRules, AdminCtx, ClientCtx, CommandError, CommandId, CommandTable, Flags, Handler, ReadCtx, ReplyMode, Users,
    WriteCtx,
};
use crate::config::Config;
use crate::keyspace::{Keyspace, TAKEN_OVER_BYTES_MIN};
use crate::resp::{Args, Decoder, Limits, ProtocolError};
use crate::stdx::HashSeed;
use crate::stdx::clock::Now;
use crate::structures::memory_holds;

/// A client's round ends after so many bytes of replies; these are sent, as far as that goes, and others have their turn.
pub(super) const ROUND_REPLY_BYTES: usize = 1 << 20;

/// It ends as well when it has taken so long, which is looked at after each batch, and after any single command that takes
/// as long as the second one says.
const ROUND_NS: u64 = 500_000;
pub(super) const ROUND_COMMAND_NS: u64 = 100_000;

/// The server's state: one field a room, and none holds a handle to another. Commands change it by [`Executor::call`].
pub struct Executor {
    pub keyspace: Keyspace,
    pub config: Config,
    pub table: CommandTable,
    pub users: Users,
    pub clients: Clients,
    pub pubsub: PubSub,
    pub snapshots: Snapshots,
    pub stats: Stats,
    pub clock: ServerClock,
    pub exec: Execution,
    pub memory: Memory,
    pub migrations: Migrations,
    pub process: Process,
}

/// How far [`Executor::process`] came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Processed {
    /// Bytes that are done with.
    pub consumed: usize,
    pub then: Then,
}

/// What the connection has to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Then {
    /// Read on; at least so many bytes are missing.
    Read { need_hint: usize },
    /// Call again with the bytes that are left: after others have had their turn, or when the client is not held up any
    /// more.
    Wait,
}

/// What became of one command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flow {
    Done,
    /// The command has to be executed again later.
    Postponed,
}

impl Executor {
    pub fn new(config: Config, launch: Launch) -> Self {
        let clock = ServerClock::new();
        let table = CommandTable::new();
        fatal_signal::name_commands(table.rows().iter().map(|row| row.full_name.clone()));
        let users = Users::new(&AccessRules::new(&table, &config));
        let mut executor = Self {
            keyspace: Keyspace::new(config.databases as usize, HashSeed::random()),
            clients: Clients::default(),
            pubsub: PubSub::default(),
            snapshots: Snapshots::new(clock.latest()),
            stats: Stats::new(table.rows().len()),
            exec: Execution::new(&config),
            memory: Memory::new(),
            migrations: Migrations::new(),
            process: Process::new(launch, clock.latest()),
            clock,
            table,
            users,
            config,
        };
        executor.follow_password();
        executor.apply_keyspace_config();
        executor
    }

    /// Executes every complete command in `bytes`, which begin where the client's last call left off.
    pub fn process(&mut self, key: ClientKey, decoder: &mut Decoder, bytes: &[u8]) -> Processed {
        let start = self.clock.advance();
        self.stats.rounds.note(self.stats.counters.total_commands_processed);
        self.clients.lend_output(key);
        let client = self.clients.get_mut(key);
        client.query_bytes = bytes.len();
        client.reply_bytes_end = client.reply.len() + ROUND_REPLY_BYTES;
        client.limit_reply(&self.config, self.memory.free_bytes());
        let mut ahead = self.exec.ahead.take().unwrap_or_default();
        let one_by_one = self.keyspace.offers_buffer();
        let mut consumed = 0;
        let then = loop {
            if self.is_held_up(key) {
                break Then::Wait;
            }
            let rest = &bytes[consumed..];
            if rest.is_empty() {
                break Then::Read { need_hint: 1 };
            }
            let limits =
                Limits { authenticated: !self.clients.get(key).session.must_authenticate(), ..self.exec.limits };
            // AUTH lifts the limits of the frames behind it, so these are not read before it has run.
            let frames_max = if limits.authenticated && !one_by_one { BATCH_FRAMES_MAX } else { 1 };
            let batch = Batch::decode(decoder, &mut ahead, rest, &limits, frames_max);
            if one_by_one {
                self.keyspace.note_command_bytes(batch.bytes());
                if batch.bytes() >= TAKEN_OVER_BYTES_MIN
                    && let Some(args) = batch.first_args(decoder, rest)
                    && !self.is_held_up(key)
                    && self.refuses_long(key, args)
                {
                    consumed += batch.bytes();
                    continue;
                }
            }
            match self.execute_batch(key, decoder, &ahead, &batch, rest) {
                Ok(done) => consumed += done,
                Err(done) => {
                    consumed += done;
                    batch.forget_unfinished(&mut ahead);
                    break Then::Wait;
                }
            }
            match batch.end {
                BatchEnd::Full if one_by_one && self.keyspace.is_buffer_claimed() => break Then::Wait,
                BatchEnd::Full if self.clock.latest().nanoseconds_since(start) >= ROUND_NS => break Then::Wait,
                BatchEnd::Full => {}
                BatchEnd::Incomplete { need_hint } => {
                    batch.keep_unfinished(decoder, &mut ahead);
                    break Then::Read { need_hint };
                }
                // What came before it may have ended the client, or wait for its answer.
                BatchEnd::Broken(_) if self.is_held_up(key) => break Then::Wait,
                BatchEnd::Broken(error) => {
                    self.refuse_bytes(key, error);
                    break Then::Wait;
                }
            }
        };
        self.exec.ahead = Some(ahead);
        self.clients.get_mut(key).reply.set_unsent_max(usize::MAX);
        Processed { consumed, then }
    }

    /// Ends the client's round behind the command that it executes.
    pub(super) fn end_round(&mut self, key: ClientKey) {
        self.clients.get_mut(key).reply_bytes_end = 0;
    }

    /// Whether the client's next command has to wait.
    #[inline]
    pub(super) fn is_held_up(&self, key: ClientKey) -> bool {
        let client = self.clients.get(key);
        // Once the last snapshot is taken, no change may be acknowledged any more.
        let ending = self.process.exit.is_some();
        ending || client.close.is_some() || client.stall.is_some() || client.reply.len() >= client.reply_bytes_end
    }

    /// Answers bytes that are no command, which ends the connection.
    fn refuse_bytes(&mut self, key: ClientKey, error: ProtocolError) {
        let error = CommandError::Bytes(error.reply_text());
        self.refuse(key, &Refusal { command: None, error, denied: None }, Args::empty());
        self.clients.get_mut(key).close(Close::AfterReply);
    }

    /// Executes one command of a client, or queues it inside a transaction, or refuses it. `command` is its row in the
    /// table, if it has one.
    pub fn execute(&mut self, key: ClientKey, command: Option<CommandId>, args: Args<'_>) -> Flow {
        if self.is_memory_limited() {
            self.make_room_for(key);
            // The keys that went are no part of what the command does.
            self.keyspace.journal.close_group();
        }
        match gate::check(self, key, command, args) {
            Ok(command) => {
                self.clients.get_mut(key).session.last_command = Some(command);
                self.clients.begin_command(key);
                let now = self.clock.latest();
                self.call(&Frame { client: key, command, args, now, nesting: Nesting::Command, busy_ns: 0 });
                self.after_command();
                self.clients.end_command();
                self.check_output_limit(key);
                Flow::Done
            }
            Err(verdict) => self.follow_verdict(key, verdict, args),
        }
    }

    /// Does with a command what the gate says that has not let it through.
    ///
    /// Out of line, like whatever else few commands need: within, it would cost the others registers.
    #[inline(never)]
    fn follow_verdict(&mut self, key: ClientKey, verdict: Verdict, args: Args<'_>) -> Flow {
        // What eviction has set off, which otherwise follows the command.
        self.after_command();
        match verdict {
            Verdict::Queue(command) => {
                let client = self.clients.get_mut(key);
                client.session.last_command = Some(command);
                let transaction = client.session.transaction.as_mut().expect("only inside MULTI");
                transaction.push(command, args.to_buf());
                let mark = client.reply.len();
                client.reply.simple("QUEUED");
                self.apply_reply_mode(key, mark);
                Flow::Done
            }
            Verdict::Refuse(refusal) => {
                self.clients.get_mut(key).session.last_command = refusal.command;
                self.refuse(key, &refusal, args);
                self.check_output_limit(key);
                Flow::Done
            }
            Verdict::Postpone => {
                self.clients.get_mut(key).stall = Some(Stall::Paused);
                Flow::Postponed
            }
            Verdict::HangUp => {
                self.log_attack(key);
                self.clients.get_mut(key).close(Close::Now);
                Flow::Done
            }
        }
    }

    /// Runs a command, with its effects, and keeps its figures: the one way to run a command, whoever asks for it. The
    /// caller has had it judged.
    pub(super) fn call(&mut self, frame: &Frame<'_>) -> Outcome {
        let start = self.clock.latest();
        let client = self.clients.get_mut(frame.client);
        let mark = client.reply.len();
        client.commands_total += u64::from(frame.nesting != Nesting::Served);
        fatal_signal::enter(frame.command.index());
        self.run(frame, mark);
        let mut outcome = Outcome::Done;
        if !self.exec.effects.is_empty() {
            self.perform_effects(frame);
            outcome = self.outcome_of(frame);
        }
        let elapsed_ns = self.clock.advance().nanoseconds_since(start);
        match outcome {
            Outcome::Done => self.conclude(frame, mark, elapsed_ns + frame.busy_ns),
            Outcome::Waits => self.note_busy(frame, elapsed_ns),
        }
        if !self.clients.monitors.is_empty() && frame.nesting != Nesting::Served {
            self.feed_monitors(frame.client, frame.command, frame.args);
        }
        fatal_signal::leave();
        outcome
    }

    /// Runs a command's handler, records what it has changed, and writes its error behind `mark`, where its reply begins.
    /// Its effects are left to do.
    #[inline(always)]
    fn run(&mut self, frame: &Frame<'_>, mark: usize) {
        let db = self.clients.get(frame.client).session.db;
        let result = self.run_handler(frame);
        self.keyspace.delete_lapsed(db, frame.now.unix_ms);
        if self.keyspace.journal.is_wanted() {
            self.keyspace.record_command(db, frame.args);
        }
        if let Err(error) = result {
            self.answer_failure(frame, &error, mark);
        }
    }

    /// Writes the error of a command in the place of what it has written of a reply.
    #[inline(never)]
    fn answer_failure(&mut self, frame: &Frame<'_>, error: &CommandError, mark: usize) {
        self.clients.get_mut(frame.client).reply.truncate(mark);
        self.exec.effects.clear();
        self.reply_error(frame.client, error);
        if let CommandError::WrongPass { user } = error {
            self.note_failed_login(frame, user);
        }
    }

    /// Takes back a reply that the client does not want, and keeps the figures of a command that is answered.
    #[inline(always)]
    pub(super) fn conclude(&mut self, frame: &Frame<'_>, mark: usize, elapsed_ns: u64) {
        self.apply_reply_mode(frame.client, mark);
        let failed = std::mem::take(&mut self.exec.uncounted_error);
        self.stats.counters.total_commands_processed += 1;
        self.stats.command_stats.record(frame.command.index(), elapsed_ns, failed);
        if elapsed_ns >= self.stats.noteworthy_ns {
            self.note_slow_command(frame, Duration::from_nanos(elapsed_ns));
        }
    }

    #[inline(always)]
    fn run_handler(&mut self, frame: &Frame<'_>) -> Result<(), CommandError> {
        let (command, args, now) = (frame.command, frame.args, frame.now);
        let may_wait = frame.may_wait();
        let client = self.clients.get_mut(frame.client);
        let reply = &mut client.reply;
        let session = &mut client.session;
        let (config, table, effects) = (&self.config, &self.table, &mut self.exec.effects);
        match self.table.row(command).command.run {
            Handler::Read(run) => {
                let keyspace = &self.keyspace;
                run(&mut ReadCtx { keyspace, session, config, table, now, may_wait, reply, effects }, args)
            }
            Handler::Write(run) => {
                let no_touch = session.no_touch;
                let keyspace = &mut self.keyspace;
                if no_touch {
                    keyspace.access.set_stopped(true);
                }
                let result =
                    run(&mut WriteCtx { keyspace, session, config, table, now, may_wait, reply, effects }, args);
                if no_touch {
                    self.keyspace.access.set_stopped(false);
                }
                result
            }
            Handler::Client(run) => {
                let users = &self.users;
                run(&mut ClientCtx { session, users, config, now, reply, effects }, args)
            }
            Handler::Admin(run) => {
                let (keyspace, users) = (&mut self.keyspace, &mut self.users);
                run(&mut AdminCtx { keyspace, session, users, config, table, now, reply, effects }, args)
            }
            Handler::Container => Err(CommandError::wrong_arity(&self.table.row(command).full_name)),
        }
    }

    /// What follows a command, and a whole transaction only once: keyspace events go out, and whoever waits for a key
    /// that has changed is served.
    pub(super) fn after_command(&mut self) {
        if self.keyspace.has_events() {
            self.publish_key_events();
        }
        if self.keyspace.waiting.has_ready() {
            self.serve_ready_keys();
        }
        if self.keyspace.journal.is_wanted() {
            self.keyspace.journal.close_group();
        }
    }

    /// Refuses a command whose arguments are long if there is no memory for what it makes of them. Returns whether it did.
    ///
    /// Whatever else keeps the command from running, this is answered first: it is not about to run.
    fn refuses_long(&mut self, key: ClientKey, args: Args<'_>) -> bool {
        let Some(row) = self.table.find(args) else { return false };
        let is_queued = self.clients.get(key).session.transaction.is_some();
        if !is_queued && !row.flags.has(Flags::DENYOOM) {
            return false;
        }
        let takes_over = !is_queued && row.flags.has(Flags::TAKES_BUFFER);
        let taken_over = if takes_over { self.keyspace.first_taken_over(args.iter()) } else { 0 };
        let lacking = !memory_holds(args.bytes_len() - taken_over);
        if lacking {
            let refusal = Refusal { command: Some(row.id), error: CommandError::NoMemory, denied: None };
            self.refuse(key, &refusal, args);
        }
        lacking
    }

    /// Answers a command that was refused.
    pub(super) fn refuse(&mut self, key: ClientKey, refusal: &Refusal, args: Args<'_>) {
        let Refusal { command, error, denied } = refusal;
        if let Some(command) = *command {
            self.stats.command_stats.reject(command.index());
            if let Some(denied) = *denied {
                let frame = Frame {
                    client: key,
                    command,
                    args,
                    now: self.clock.latest(),
                    nesting: Nesting::Command,
                    busy_ns: 0,
                };
                self.note_denial(&frame, denied);
            }
        }
        let mark = self.clients.get(key).reply.len();
        match command.filter(|command| self.table.row(*command).flags.has(Flags::RUNS_QUEUE)) {
            Some(exec) => {
                // A refused EXEC is the end of its transaction.
                self.clients.get_mut(key).session.transaction = None;
                self.unwatch(key);
                self.reply_error(key, &error.clone().aborting_exec());
                if !self.clients.monitors.is_empty() {
                    self.feed_monitors(key, exec, args);
                }
            }
            None => {
                if let Some(transaction) = &mut self.clients.get_mut(key).session.transaction {
                    transaction.failed = true;
                }
                self.reply_error(key, error);
            }
        }
        self.exec.uncounted_error = false;
        self.apply_reply_mode(key, mark);
    }

    /// Web pages can make a browser send commands to servers within its reach; a header of theirs gives that away. One
    /// line a minute is enough for the log.
    fn log_attack(&mut self, key: ClientKey) {
        const LOG_EVERY: Duration = Duration::from_secs(60);
        let now = self.clock.latest();
        let is_due = |then: Now| now.since(then) > LOG_EVERY;
        if self.clients.attack_logged.is_none_or(is_due) {
            self.clients.attack_logged = Some(now);
            tracing::warn!(
                "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to the \
                 server. This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise \
                 it. Connection from {} aborted.",
                self.clients.get(key).session.peer.remote()
            );
        }
    }

    /// Writes an error reply and counts it.
    pub(super) fn reply_error(&mut self, key: ClientKey, error: &CommandError) {
        self.stats.counters.total_error_replies += 1;
        self.exec.uncounted_error = true;
        let text = error.reply_text();
        self.clients.get_mut(key).reply.error(&text);
        if let Some(cause) = error.log_text() {
            tracing::warn!("{cause}");
        }
        if let Some(known) = self.stats.errors.count(&text) {
            tracing::warn!(
                "Errorstats stopped adding new errors because the number of errors reached the limit (suggested \
                 action: reset with 'CONFIG RESETSTAT'). The following errors were tracked: {known}"
            );
        }
    }

    /// Takes back what the client asked not to be sent (CLIENT REPLY).
    fn apply_reply_mode(&mut self, key: ClientKey, mark: usize) {
        let client = self.clients.get_mut(key);
        match client.session.reply_mode {
            ReplyMode::On => {}
            ReplyMode::Off => client.reply.truncate(mark),
            ReplyMode::SkipNext => {
                client.reply.truncate(mark);
                client.session.reply_mode = ReplyMode::SkipThis;
            }
            ReplyMode::SkipThis => {
                client.reply.truncate(mark);
                client.session.reply_mode = ReplyMode::On;
            }
        }
    }

    /// Takes over limits that clients feel at once.
    pub fn apply_client_limits(&mut self) {
        self.exec.limits.bulk_bytes_max = self.config.string_bytes_max() as usize;
        self.follow_client_memory_limit();
    }

    /// Seconds since the start.
    pub fn uptime(&self) -> Duration {
        self.clock.latest().since(self.process.started)
    }
}
