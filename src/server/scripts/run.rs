//! One run of a script, from the command that asks for it to its reply.

use std::fmt;
use std::rc::Rc;

use super::Language;
use super::host::ScriptHost;
use crate::commands::{CommandError, CommandId, RunRequest, ScriptName};
use crate::resp::Protocol;
use crate::script::{CompileError, Engine, Found, Outcome, Progress, Replicate, ScriptFlags, ScriptId, Sha, Shebang};
use crate::server::clients::ClientKey;
use crate::server::clock::Moment;
use crate::server::exec::{Frame, Nesting};
use crate::server::executor::Executor;
use crate::stdx::clock::Now;

/// What is to be run.
pub(super) struct Runnable {
    pub(super) language: Language,
    pub(super) script: ScriptId,
    pub(super) flags: ScriptFlags,
    pub(super) name: Name,
    /// How many keys there are, from the third argument on.
    pub(super) keys: usize,
    /// The command wants it not to write.
    pub(super) read_only: bool,
}

/// What a script is called in errors and logs. A SHA is spelled only where it is shown.
pub(super) enum Name {
    Script(Sha),
    Function(String),
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Script(sha) => sha.fmt(out),
            Self::Function(name) => name.fmt(out),
        }
    }
}

/// The script that runs.
pub(in crate::server) struct Current {
    /// Which interpreter it runs in.
    pub(super) language: Language,
    /// Who has called it, and by which command.
    pub(super) caller: ClientKey,
    pub(super) command: CommandId,
    /// The time that all its commands see.
    pub(super) now: Now,
    /// Since when it has had the thread to itself.
    pub(super) slice_start: Moment,
    pub(super) name: Name,
    pub(super) flags: ScriptFlags,
    pub(super) read_only: bool,
    /// In which its commands are answered.
    pub(super) protocol: Protocol,
    pub(super) replicate: Replicate,
    /// It has called a command that writes: from now on it may not be ended, nor refused memory.
    pub(super) has_written: bool,
    /// It is to end at its next look.
    pub(super) is_killed: bool,
    /// Whether others may be served in its middle.
    pub(super) may_pause: bool,
}

impl Executor {
    /// Runs a script for the command of `frame`, and writes its reply.
    pub(in crate::server) fn run_script(&mut self, frame: &Frame<'_>, request: RunRequest) {
        if let Err(error) = self.try_run_script(frame, request) {
            self.reply_error(frame.client, &error);
        }
    }

    fn try_run_script(&mut self, frame: &Frame<'_>, request: RunRequest) -> Result<(), CommandError> {
        let Found { script, flags, sha } = self.find_script(request.name, frame.args.arg(1))?;
        let RunRequest { keys, read_only, .. } = request;
        self.run_found(
            frame,
            Runnable { language: Language::Eval, script, flags, name: Name::Script(sha), keys, read_only },
        )
    }

    /// Runs a script or function that is known.
    pub(super) fn run_found(&mut self, frame: &Frame<'_>, what: Runnable) -> Result<(), CommandError> {
        let Runnable { language, script, flags, name, keys, read_only } = what;
        let args = frame.args;
        self.check_script_flags(flags, read_only)?;
        // Before the script, so that its commands come behind it.
        if self.clients.has_monitors() {
            self.feed_monitors(frame);
            self.scripts.is_shown = true;
        }
        let client = self.script_client(frame.client);
        self.scripts.current = Some(Current {
            language,
            caller: frame.client,
            command: frame.command,
            now: frame.now,
            slice_start: self.clock.latest_moment(),
            name,
            flags,
            read_only: read_only || flags.no_writes,
            protocol: Protocol::Resp2,
            replicate: Replicate::ALL,
            has_written: false,
            is_killed: false,
            may_pause: frame.nesting != Nesting::Replay,
        });
        let mut engine = self.scripts.engine_of(language).take().expect("it has compiled the script");
        let (keys, values) = (args.tail(3).head(keys), args.tail(3 + keys));
        let mut host = ScriptHost { executor: self, client };
        let progress = match language {
            Language::Eval => engine.start(script, keys, values, &mut host),
            Language::Function => engine.start_function(script, keys, values, &mut host),
        };
        match progress {
            Progress::Paused => self.pause_script(frame.client, client, engine),
            Progress::Ended => self.finish_script(frame.client, engine),
        }
        Ok(())
    }

    /// Answers what the script has come to that has ended.
    pub(super) fn finish_script(&mut self, caller: ClientKey, mut engine: Box<Engine>) {
        let current = self.scripts.current.take().expect("it has run");
        let Self { clients, stats, exec, .. } = self;
        let reply = &mut clients.get_mut(caller).reply;
        let outcome = engine.finish(&current.name, current.protocol, reply, &mut |text, is_counted| {
            exec.note_failure();
            if !is_counted {
                stats.note_error(text);
            }
        });
        if outcome == Outcome::Long {
            return self.write_long_reply(caller, current, engine);
        }
        self.scripts.busy = false;
        self.scripts.put_back(current.language, engine);
        if let Some(client) = self.scripts.client {
            self.clients.get_mut(client).reply.restart(Protocol::Resp2);
        }
        if let Outcome::Failed { text, is_counted } = outcome {
            let error = CommandError::Bytes(text);
            if is_counted {
                self.clients.get_mut(caller).reply.error(error.reply_text());
                self.exec.note_failure();
            } else {
                self.reply_error(caller, &error);
            }
        }
    }

    /// Writes a reply that takes long, which others may end as they may end the script.
    fn write_long_reply(&mut self, caller: ClientKey, current: Current, mut engine: Box<Engine>) {
        let protocol = current.protocol;
        self.scripts.current = Some(current);
        let client = self.script_client(caller);
        let reply = &self.clients.get(caller).reply;
        let (to, bytes_max) = (reply.protocol(), reply.room());
        match engine.write_reply(protocol, to, bytes_max, &mut ScriptHost { executor: self, client }) {
            Progress::Paused => self.pause_script(caller, client, engine),
            Progress::Ended => self.finish_script(caller, engine),
        }
    }

    /// Finds a script among those that are known, or compiles its text.
    #[inline]
    fn find_script(&mut self, name: ScriptName, text: &[u8]) -> Result<Found, CommandError> {
        match name {
            ScriptName::Sha => self.scripts.cache.find_by_digits(text).ok_or(CommandError::NoScript),
            ScriptName::Text => {
                let sha = Sha::of(text);
                match self.scripts.cache.get(sha) {
                    Some(found) => Ok(found),
                    None => self.add_script(sha, text, true),
                }
            }
        }
    }

    /// Compiles a script and keeps it.
    pub(super) fn add_script(&mut self, sha: Sha, text: &[u8], by_eval: bool) -> Result<Found, CommandError> {
        let Shebang { flags, len } = Shebang::read(text).map_err(|why| CommandError::owned(format!("ERR {why}")))?;
        let engine = self.engine()?;
        let script = engine.compile(&text[len..]).map_err(|CompileError(why)| {
            CommandError::Bytes([b"ERR Error compiling script (new function): ", &*why].concat())
        })?;
        if let Some(evicted) = self.scripts.cache.insert(sha, text, script, flags, by_eval) {
            self.engine()?.remove(evicted);
        }
        Ok(Found { script, flags, sha })
    }

    fn engine(&mut self) -> Result<&mut Engine, CommandError> {
        if self.scripts.engine.is_none() {
            let engine = Engine::new(self.script_memory_limit())
                .map_err(|why| CommandError::owned(format!("ERR the interpreter for scripts cannot start: {why}")))?;
            self.scripts.engine = Some(Box::new(engine));
        }
        Ok(self.scripts.engine.as_mut().expect("just made"))
    }

    /// The client for whom scripts run commands, as `caller` for now.
    fn script_client(&mut self, caller: ClientKey) -> ClientKey {
        let is_new = self.scripts.client.is_none();
        let client = match self.scripts.client {
            Some(client) => client,
            None => self.connect_internal(),
        };
        self.scripts.client = Some(client);
        let session = &self.clients.get(caller).session;
        let (db, no_touch, user) = (session.db, session.no_touch, session.user());
        let is_same_user = Rc::ptr_eq(user, self.clients.get(client).session.user());
        let new_user = (is_new || !is_same_user).then(|| Rc::clone(user));
        let session = &mut self.clients.get_mut(client).session;
        session.db = db;
        session.no_touch = no_touch;
        if let Some(user) = new_user {
            session.log_in(user);
        }
        client
    }
}
