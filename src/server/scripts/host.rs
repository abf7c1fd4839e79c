//! What a script asks of the server while it runs.

use crate::commands::{CommandError, CommandId, Flags};
use crate::resp::{Args, Protocol};
use crate::script::{Host, Permission, Replicate, Verdict};
use crate::server::clients::ClientKey;
use crate::server::exec::{Frame, Nesting, gate};
use crate::server::executor::Executor;

const TOO_LONG: &str = "ERR the reply takes more memory than lua-memory-limit allows a script";

/// The server, lent to a script.
pub(super) struct ScriptHost<'a> {
    pub(super) executor: &'a mut Executor,
    /// For whom its commands run.
    pub(super) client: ClientKey,
}

impl Host for ScriptHost<'_> {
    fn call(&mut self, args: Args<'_>, follows_closely: bool) -> &[u8] {
        let Self { executor, client } = self;
        let current = executor.scripts.current.as_ref().expect("a script runs");
        let (now, protocol, replicates) = (current.now, current.protocol, current.replicate.to_replicas);
        // What is larger than the interpreter could hold need not be put together.
        let bytes_max = executor.script_memory_limit().min(executor.memory.free_bytes());
        let answer = &mut executor.clients.get_mut(*client).reply;
        answer.restart(protocol);
        answer.set_unsent_max(bytes_max);
        let command = executor.table.find(args).map(|row| row.id);
        match gate::check_script(executor, *client, command, args) {
            Ok(command) => {
                if executor.table.row(command).flags.has(Flags::WRITE) {
                    executor.note_script_write();
                }
                if !replicates {
                    executor.keyspace.journal.withhold(true);
                }
                // What the script has done since the last command is not the command's time, unless it is less than what
                // reading the clock takes.
                let clock = &mut executor.clock;
                let start = if follows_closely { clock.latest_moment() } else { clock.advance_moment() };
                executor.call(&Frame::new(*client, command, args, now, Nesting::Script));
                executor.stats.note_nested(executor.clock.latest_moment().nanoseconds_since(start));
                if !replicates {
                    executor.keyspace.journal.withhold(false);
                }
            }
            Err(refusal) => executor.refuse(*client, &refusal, args),
        }
        if executor.clients.get(*client).reply.is_overfull() {
            return executor.refuse_script_reply(*client, protocol);
        }
        executor.clients.get(*client).reply.front()
    }

    fn poll(&mut self) -> Verdict {
        self.executor.judge_script()
    }

    fn set_protocol(&mut self, protocol: Protocol) {
        if let Some(current) = &mut self.executor.scripts.current {
            current.protocol = protocol;
        }
    }

    fn set_replication(&mut self, to: Replicate) {
        if let Some(current) = &mut self.executor.scripts.current {
            current.replicate = to;
        }
    }

    fn check_permission(&mut self, args: Args<'_>) -> Permission {
        let Some(row) = self.executor.table.find(args) else { return Permission::UnknownCommand };
        match self.executor.denial(self.client, row.id, args) {
            None => Permission::Granted,
            Some(_) => Permission::Denied,
        }
    }

    fn note_error(&mut self, text: &[u8], is_counted: bool) {
        self.executor.exec.note_failure();
        if !is_counted {
            self.executor.stats.note_error(text);
        }
    }

    fn log(&mut self, level: u8, text: &[u8]) {
        log(level, text);
    }
}

/// redis.log. A script must not write lines that look like the server's own.
pub(super) fn log(level: u8, text: &[u8]) {
    let shown = |letter: char| match letter {
        '\t' => letter.to_string(),
        letter if letter.is_control() => letter.escape_default().to_string(),
        letter => letter.to_string(),
    };
    let text: String = String::from_utf8_lossy(text).chars().map(shown).collect();
    match level {
        0 => tracing::trace!("{text}"),
        1 => tracing::debug!("{text}"),
        2 => tracing::info!("{text}"),
        _ => tracing::warn!("{text}"),
    }
}

impl Executor {
    /// Answers an error in the place of a reply that a script cannot be given.
    #[cold]
    fn refuse_script_reply(&mut self, client: ClientKey, protocol: Protocol) -> &[u8] {
        self.clients.get_mut(client).reply.restart(protocol);
        self.reply_error(client, &CommandError::text(TOO_LONG));
        self.clients.get(client).reply.front()
    }

    #[inline]
    fn note_script_write(&mut self) {
        if let Some(current) = &mut self.scripts.current {
            current.has_written = true;
        }
    }

    /// Why a script may not begin to write.
    fn refusal_of_script_writes(&self) -> Option<&'static str> {
        if self.is_read_only() {
            Some(gate::READONLY)
        } else if self.lacks_replicas() {
            Some(gate::NOREPLICAS)
        } else if self.writes_are_stopped() {
            Some(gate::MISCONF)
        } else {
            self.rewound_by().map(|_| gate::REWOUND)
        }
    }

    /// Why the running script may not call this command, beyond what the gate knows.
    #[inline]
    pub(in crate::server) fn script_refusal(&self, command: CommandId) -> Option<CommandError> {
        let current = self.scripts.current.as_ref()?;
        let flags = self.table.row(command).flags;
        if self.is_stale() && !flags.has(Flags::STALE) {
            return Some(CommandError::text("ERR Can not execute the command on a stale replica"));
        }
        if current.read_only && flags.has(Flags::WRITE.or(Flags::MAY_REPLICATE)) {
            return Some(CommandError::text("ERR Write commands are not allowed from read-only scripts."));
        }
        if current.has_written {
            return None;
        }
        if flags.has(Flags::WRITE)
            && let Some(why) = self.refusal_of_script_writes()
        {
            return Some(CommandError::text(why));
        }
        let may_take = current.flags.allow_oom && !current.flags.is_plain;
        (flags.has(Flags::DENYOOM) && self.memory.is_exhausted() && !may_take).then_some(CommandError::OutOfMemory)
    }
}
