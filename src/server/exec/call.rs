//! The one way to run a command, whoever asks for it.

use std::time::Duration;

use super::frame::{Frame, Nesting, Outcome};
use super::gate::{Refusal, Verdict};
use super::round::Flow;
use crate::commands::{AdminCtx, ClientCtx, CommandError, CommandId, Flags, Handler, ReadCtx, ReplyMode, WriteCtx};
use crate::resp::Args;
use crate::server::clients::{ClientKey, Close, Stall};
use crate::server::clock::Moment;
use crate::server::exec::gate;
use crate::server::executor::Executor;
use crate::server::process::fatal_signal;

impl Executor {
    /// Executes one command of a client, or queues it inside a transaction, or refuses it. `command` is its row in the
    /// table, if it has one.
    pub fn execute(&mut self, key: ClientKey, command: Option<CommandId>, args: Args<'_>) -> Flow {
        if self.is_memory_limited() && !self.scripts.is_busy() {
            self.make_room_for_command();
            // The keys that went are no part of what the command does.
            self.keyspace.journal.close_group();
        }
        match gate::check(self, key, command, &args) {
            Ok(command) => {
                self.clients.get_mut(key).session.last_command = Some(command);
                self.clients.begin_command(key);
                let now = self.clock.latest();
                self.call(&Frame::new(key, command, args, now, Nesting::Command));
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
                self.clients.get_mut(key).wait_for(Stall::Paused);
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
    ///
    /// In line, because what a frame consists of would otherwise be written to memory to be read again.
    #[inline(always)]
    pub(in crate::server) fn call(&mut self, frame: &Frame<'_>) -> Outcome {
        let start = self.clock.latest_moment();
        let client = self.clients.get_mut(frame.client);
        let mark = client.reply.len();
        if frame.nesting != Nesting::Served {
            client.count_command();
        }
        fatal_signal::enter(frame.command.index());
        self.run(frame, mark);
        let mut outcome = Outcome::Done;
        if !self.exec.effects.is_empty() {
            self.perform_effects(frame);
            outcome = self.outcome_of(frame);
        }
        let elapsed_ns = self.clock.advance_moment().nanoseconds_since(start);
        match outcome {
            Outcome::Done => self.conclude(frame, mark, elapsed_ns + frame.busy_ns),
            Outcome::Waits => self.keep_unfinished(frame, mark, start, elapsed_ns),
        }
        if self.clients.has_monitors() && !self.is_within_script(frame) {
            self.show_monitors(frame);
        }
        fatal_signal::leave();
        outcome
    }

    /// Runs a command's handler, records what it has changed, and writes its error behind `mark`, where its reply begins.
    /// Its effects are left to do.
    #[inline(always)]
    pub(super) fn run(&mut self, frame: &Frame<'_>, mark: usize) {
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
    pub(in crate::server) fn conclude(&mut self, frame: &Frame<'_>, mark: usize, elapsed_ns: u64) {
        self.apply_reply_mode(frame.client, mark);
        let failed = std::mem::take(&mut self.exec.uncounted_error);
        if self.stats.note_command(frame.command, elapsed_ns, failed) {
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
        let (config, limits) = (&self.config, &self.exec.encodings);
        let (table, effects) = (&self.table, &mut self.exec.effects);
        match self.table.handler(command) {
            Handler::Read(run) => {
                let keyspace = &self.keyspace;
                run(&mut ReadCtx { keyspace, session, config, limits, table, now, may_wait, reply, effects }, args)
            }
            Handler::Write(run) => {
                let no_touch = session.no_touch;
                let keyspace = &mut self.keyspace;
                if no_touch {
                    keyspace.access.set_stopped(true);
                }
                let result = run(
                    &mut WriteCtx { keyspace, session, config, limits, table, now, may_wait, reply, effects },
                    args,
                );
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
                let (keyspace, users, observed) = (&mut self.keyspace, &mut self.users, self.stats.observed());
                run(&mut AdminCtx { keyspace, session, users, observed, config, table, now, reply, effects }, args)
            }
            Handler::Container => Err(CommandError::wrong_arity(&self.table.row(command).full_name)),
        }
    }

    /// What follows a command, and a whole transaction only once: keyspace events go out, and whoever waits for a key
    /// that has changed is served.
    pub(in crate::server) fn after_command(&mut self) {
        if self.keyspace.has_events() && !self.scripts.is_busy() {
            self.publish_key_events();
        }
        if self.keyspace.waiting.has_ready() && !self.scripts.is_busy() {
            self.serve_ready_keys();
        }
        if self.keyspace.journal.is_wanted() && !self.scripts.is_busy() {
            self.feed_replicas();
        }
    }

    /// Answers a command that was refused.
    pub(in crate::server) fn refuse(&mut self, key: ClientKey, refusal: &Refusal, args: Args<'_>) {
        let Refusal { command, error, denied } = refusal;
        if let Some(command) = *command {
            self.stats.note_rejection(command);
            if let Some(denied) = *denied {
                let now = self.clock.latest();
                self.note_denial(&Frame::new(key, command, args, now, Nesting::Command), denied);
            }
        }
        let mark = self.clients.get(key).reply.len();
        let ends_queue = |command: &CommandId| {
            self.table.row(*command).flags.has(Flags::RUNS_QUEUE) && self.scripts.caller_of(key).is_none()
        };
        match command.filter(ends_queue) {
            Some(exec) => {
                // A refused EXEC is the end of its transaction.
                self.clients.get_mut(key).session.transaction = None;
                self.unwatch(key);
                self.reply_error(key, &error.clone().aborting_exec());
                if self.clients.has_monitors() {
                    self.feed_monitors(&Frame::new(key, exec, args, self.clock.latest(), Nesting::Command));
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

    /// Writes an error reply and counts it.
    pub(in crate::server) fn reply_error(&mut self, key: ClientKey, error: &CommandError) {
        self.exec.uncounted_error = true;
        let text = error.reply_text();
        self.clients.get_mut(key).reply.error(&text);
        if let Some(cause) = error.log_text() {
            tracing::warn!("{cause}");
        }
        if let Some(known) = self.stats.note_error(&text) {
            tracing::warn!(
                "Errorstats stopped adding new errors because the number of errors reached the limit (suggested \
                 action: reset with 'CONFIG RESETSTAT'). The following errors were tracked: {known}"
            );
        }
    }

    /// Takes back what the client asked not to be sent (CLIENT REPLY).
    #[inline]
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

    /// What the effects of a command have come to.
    fn outcome_of(&self, frame: &Frame<'_>) -> Outcome {
        match self.clients.get(frame.client).stall() {
            Some(Stall::Blocked(_) | Stall::Migrating | Stall::Script) => Outcome::Waits,
            Some(Stall::Paused) | None => Outcome::Done,
        }
    }

    /// Keeps what is needed at the end of a command that waits now.
    fn keep_unfinished(&mut self, frame: &Frame<'_>, mark: usize, start: Moment, elapsed_ns: u64) {
        if let Some(blocked) = self.clients.get_mut(frame.client).blocked_mut() {
            blocked.add_busy(elapsed_ns);
        } else if self.is_within_script(frame) {
            self.keep_call(frame, mark, start);
        }
    }

    /// Whether a script has paused within the command.
    #[cold]
    fn is_within_script(&self, frame: &Frame<'_>) -> bool {
        matches!(self.clients.get(frame.client).stall(), Some(Stall::Script))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::ArgsBuf;
    use crate::server::fuzzing::executor_of_few_rights;

    #[test]
    fn a_client_without_a_connection_runs_commands_never_waits_and_is_in_no_list() {
        let mut executor = executor_of_few_rights();
        let key = executor.connect_internal();
        let mut answer = |line: &str| {
            let args: ArgsBuf = line.split(' ').collect();
            let args = args.as_args();
            let command = executor.table.find(args).expect("a command").id;
            let now = executor.clock.latest();
            let frame = Frame::new(key, command, args, now, Nesting::Replay);
            assert_eq!(executor.call(&frame), Outcome::Done, "{line}");
            String::from_utf8(executor.clients.get_mut(key).reply.take()).expect("text")
        };
        assert_eq!(answer("RPUSH list a"), ":1\r\n");
        assert_eq!(answer("BLPOP list 0"), "*2\r\n$4\r\nlist\r\n$1\r\na\r\n");
        assert_eq!(answer("BLPOP list 0"), "*-1\r\n");
        assert_eq!(answer("CLIENT LIST"), "$0\r\n\r\n");
        assert_eq!((executor.clients.len(), executor.clients.live_len()), (0, 0));
        executor.disconnect(key);
    }
}
