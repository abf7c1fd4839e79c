//! One run of a script, from the command that asks for it to its reply.

use super::host::ScriptHost;
use crate::commands::{CommandError, RunRequest, ScriptName};
use crate::resp::Protocol;
use crate::script::{CompileError, Engine, Outcome, Progress, Replicate, ScriptFlags, ScriptId, Sha, Shebang};
use crate::server::clients::ClientKey;
use crate::server::exec::Frame;
use crate::server::executor::Executor;
use crate::stdx::clock::Now;

/// Until scripts have a setting of their own.
const MEMORY_LIMIT: usize = 256 << 20;

/// The script that runs.
pub(in crate::server) struct Current {
    /// Who has called it.
    pub caller: ClientKey,
    /// The time that all its commands see.
    pub now: Now,
    /// Its SHA, or the function's name.
    pub name: String,
    pub flags: ScriptFlags,
    pub read_only: bool,
    /// In which its commands are answered.
    pub protocol: Protocol,
    pub replicate: Replicate,
    /// It has called a command that writes: from now on it may not be ended, nor refused memory.
    pub has_written: bool,
}

impl Executor {
    /// Runs a script for the command of `frame`, and writes its reply.
    pub(in crate::server) fn run_script(&mut self, frame: &Frame<'_>, request: RunRequest) {
        if let Err(error) = self.try_run_script(frame, request) {
            self.reply_error(frame.client, &error);
        }
    }

    fn try_run_script(&mut self, frame: &Frame<'_>, request: RunRequest) -> Result<(), CommandError> {
        let args = frame.args;
        let (script, flags, sha) = self.find_script(request.name, args.arg(1))?;
        self.check_script_flags(flags, request.read_only)?;
        let client = self.script_client(frame.client);
        let name = sha.to_hex();
        self.scripts.current = Some(Current {
            caller: frame.client,
            now: frame.now,
            name,
            flags,
            read_only: request.read_only || flags.no_writes,
            protocol: Protocol::Resp2,
            replicate: Replicate::ALL,
            has_written: false,
        });
        let mut engine = self.scripts.engine.take().expect("it has compiled the script");
        let keys = args.tail(3).head(request.keys);
        let values = args.tail(3 + request.keys);
        let mut host = ScriptHost { executor: self, client };
        let mut progress = engine.start(script, keys, values, &mut host);
        while progress == Progress::Paused {
            progress = engine.resume(&mut host);
        }
        self.finish_script(frame, engine);
        Ok(())
    }

    fn finish_script(&mut self, frame: &Frame<'_>, mut engine: Box<Engine>) {
        let current = self.scripts.current.take().expect("it has run");
        let Self { clients, stats, .. } = self;
        let reply = &mut clients.get_mut(frame.client).reply;
        let outcome = engine.finish(&current.name, current.protocol, reply, &mut |text| {
            stats.note_error(text);
        });
        self.scripts.engine = Some(engine);
        if let Outcome::Failed { text, is_counted } = outcome {
            let error = CommandError::Bytes(text);
            if is_counted {
                self.clients.get_mut(frame.client).reply.error(error.reply_text());
            } else {
                self.reply_error(frame.client, &error);
            }
        }
    }

    /// Finds a script among those that are known, or compiles its text.
    fn find_script(&mut self, name: ScriptName, text: &[u8]) -> Result<(ScriptId, ScriptFlags, Sha), CommandError> {
        let sha = match name {
            ScriptName::Text => Sha::of(text),
            ScriptName::Sha => Sha::from_hex(text).ok_or(CommandError::NoScript)?,
        };
        if let Some(cached) = self.scripts.cache.get(sha) {
            return Ok((cached.script, cached.flags, sha));
        }
        match name {
            ScriptName::Text => self.add_script(sha, text, true).map(|(script, flags)| (script, flags, sha)),
            ScriptName::Sha => Err(CommandError::NoScript),
        }
    }

    /// Compiles a script and keeps it.
    pub(super) fn add_script(
        &mut self,
        sha: Sha,
        text: &[u8],
        by_eval: bool,
    ) -> Result<(ScriptId, ScriptFlags), CommandError> {
        let Shebang { flags, len } = Shebang::read(text).map_err(|why| CommandError::owned(format!("ERR {why}")))?;
        let engine = self.engine()?;
        let script = engine.compile(&text[len..]).map_err(|CompileError(why)| {
            CommandError::Bytes([b"ERR Error compiling script (new function): ", &*why].concat())
        })?;
        if let Some(evicted) = self.scripts.cache.insert(sha, text, script, flags, by_eval) {
            self.engine()?.remove(evicted);
        }
        Ok((script, flags))
    }

    fn engine(&mut self) -> Result<&mut Engine, CommandError> {
        if self.scripts.engine.is_none() {
            let engine = Engine::new(MEMORY_LIMIT)
                .map_err(|why| CommandError::owned(format!("ERR the interpreter for scripts cannot start: {why}")))?;
            self.scripts.engine = Some(Box::new(engine));
        }
        Ok(self.scripts.engine.as_mut().expect("just made"))
    }

    /// What a script's first line forbids now.
    fn check_script_flags(&self, flags: ScriptFlags, read_only: bool) -> Result<(), CommandError> {
        if flags.is_plain {
            return Ok(());
        }
        if !flags.no_writes {
            if self.writes_are_stopped() {
                return Err(CommandError::text(
                    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
                     Writable scripts are blocked. Use 'no-writes' flag for read only scripts.",
                ));
            }
            if read_only {
                return Err(CommandError::text("ERR Can not execute a script with write flag using *_ro command."));
            }
        }
        if self.memory.is_exhausted() && !flags.allow_oom && !flags.no_writes {
            return Err(CommandError::text(
                "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
            ));
        }
        Ok(())
    }

    /// The client for whom scripts run commands, as `caller` for now.
    fn script_client(&mut self, caller: ClientKey) -> ClientKey {
        let client = match self.scripts.client {
            Some(client) => client,
            None => {
                let client = self.connect_internal();
                self.scripts.client = Some(client);
                client
            }
        };
        let session = &self.clients.get(caller).session;
        let (db, user) = (session.db, std::rc::Rc::clone(session.user()));
        let session = &mut self.clients.get_mut(client).session;
        session.db = db;
        session.log_in(user);
        client
    }
}
