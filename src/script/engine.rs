//! The interpreter with all that scripts find in it: compiling them, running one, and what it has answered.

use std::ffi::CStr;
use std::fmt::Display;
use std::io;

use super::convert::{Counted, Written, up_to_zero, write_value};
use super::fiber::{Event, Fiber};
use super::host::Host;
use super::lists::{Lists, Uses};
use super::lua::{Abilities, Call, KILLED, Kind, Lua, Status, Task, Value};
use super::mentions::Mentions;
use super::places::{DIRECT_GLOBALS, ERROR_HANDLER, GLOBALS, NAMES, SCRIPTS};
use super::{api, globals, library};
use crate::resp::{Args, Protocol, Reply};

/// How errors name the text of a script.
const SCRIPT_NAME: &CStr = c"@user_script";

/// The interpreter, with the scripts that it has compiled.
pub struct Engine {
    // Before the interpreter: it must not outlive it.
    fiber: Fiber,
    pub(super) lua: Lua,
    /// Numbers of scripts that are gone.
    free: Vec<ScriptId>,
    scripts: u32,
    /// What each script is known to do, by its place in the list of compiled scripts.
    known: Vec<Known>,
    /// The globals `KEYS` and `ARGV`.
    lists: Lists,
    pub(super) ended: Option<Status>,
    /// The reply of the script that has ended is in the context, since it took long to write.
    is_answered: bool,
}

/// What is known of a script before it runs.
#[derive(Clone, Copy, Default)]
struct Known {
    uses: Uses,
    /// It runs so few instructions that it need not be looked at.
    is_short: bool,
}

/// A compiled script.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct ScriptId(u32);

impl ScriptId {
    /// Its place in the list of compiled scripts.
    pub(super) fn index(self) -> i32 {
        self.0 as i32
    }
}

#[cfg(test)]
impl ScriptId {
    pub fn for_tests(number: u32) -> Self {
        Self(number)
    }
}

/// Why a text is no script: the compiler's words, with the line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompileError(pub Vec<u8>);

/// How far a script came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// It has ended; [`Engine::finish`] answers.
    Ended,
    /// It is to be resumed later. Until then nothing else may run here.
    Paused,
}

/// What became of a script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Its reply is written.
    Replied,
    /// Its reply takes long to write: [`Engine::write_reply`] is to be called, and [`Engine::finish`] again.
    Long,
    /// It ended with an error, which is to be the reply.
    Failed {
        text: Vec<u8>,
        /// The error was a command's, whose statistics hold it.
        is_counted: bool,
    },
}

impl Engine {
    /// An interpreter that takes `memory_limit` bytes at most.
    pub fn new(memory_limit: usize) -> io::Result<Self> {
        let mut lua = Lua::new(memory_limit).ok_or(io::ErrorKind::OutOfMemory)?;
        lua.open_stock_libraries();
        let mut call = lua.enter();
        library::install(&mut call);
        api::install(&mut call);
        let top = call.top();
        debug_assert_eq!(top, 0);
        call.push_handler(api::on_error);
        debug_assert_eq!(call.top(), ERROR_HANDLER);
        call.push_table(0, 0);
        debug_assert_eq!(call.top(), SCRIPTS);
        globals::install(&mut call);
        debug_assert_eq!(call.top(), GLOBALS);
        for (name, place) in NAMES {
            call.push_bytes(name);
            debug_assert_eq!(call.top(), *place);
        }
        let lists = Lists::install(&mut call);
        globals::install_direct(&mut call, GLOBALS);
        debug_assert_eq!(call.top(), DIRECT_GLOBALS);
        lua.keep();
        let fiber = Fiber::new(&mut lua)?;
        Ok(Self { fiber, lua, free: Vec::new(), scripts: 0, known: Vec::new(), lists, ended: None, is_answered: false })
    }

    /// What there is to free when no script is to run here any more; another thread may do it.
    pub fn into_garbage(self) -> impl Send {
        self.lua
    }

    /// Bytes of memory that the interpreter takes, the compiled scripts included.
    pub fn memory_usage(&self) -> usize {
        self.lua.context().memory.used()
    }

    /// All that one script could leave for the next one.
    #[cfg(any(test, feature = "internals"))]
    pub fn shared_state(&mut self, in_words: bool) -> globals::SharedState {
        let mut call = self.lua.enter();
        let state = globals::shared_state(&mut call, &[GLOBALS, DIRECT_GLOBALS], in_words);
        call.set_top(0);
        state
    }

    pub fn set_memory_limit(&mut self, bytes: usize) {
        self.lua.context().memory.set_limit(bytes);
    }

    /// Compiles a script, without its first line if that is a shebang.
    pub fn compile(&mut self, text: &[u8]) -> Result<ScriptId, CompileError> {
        let mut call = self.lua.enter();
        if call.load(text, SCRIPT_NAME).is_err() {
            let text = call.bytes(-1).unwrap_or(b"not enough memory").to_vec();
            call.set_top(0);
            self.after_shortage();
            return Err(CompileError(text));
        }
        let abilities = call.abilities();
        let Abilities { sets_globals, runs_long, only_reads_libraries, .. } = abilities;
        // What only reads globals may do so without the table in front that refuses writes, and so may what only reads fields
        // of the libraries.
        if !sets_globals {
            call.push_copy(if only_reads_libraries { DIRECT_GLOBALS } else { GLOBALS });
            call.set_environment(-2);
        }
        let id = self.new_id();
        self.lua.enter().raw_set_index(SCRIPTS, id.index());
        let index = id.index() as usize;
        self.known.resize(self.known.len().max(index + 1), Known::default());
        let mentions = Mentions::of(text);
        let uses = Uses::new(mentions, abilities);
        self.known[index] = Known { uses, is_short: !runs_long && !mentions.anything };
        Ok(id)
    }

    /// A number for a script.
    pub(super) fn new_id(&mut self) -> ScriptId {
        self.free.pop().unwrap_or_else(|| {
            self.scripts += 1;
            ScriptId(self.scripts)
        })
    }

    /// Forgets a compiled script.
    pub fn remove(&mut self, script: ScriptId) {
        let mut call = self.lua.enter();
        call.push_nil();
        call.raw_set_index(SCRIPTS, script.index());
        self.free.push(script);
    }

    /// Runs a script for EVAL: it finds its keys and arguments as the globals `KEYS` and `ARGV`.
    pub fn start(&mut self, script: ScriptId, keys: Args<'_>, args: Args<'_>, host: &mut dyn Host) -> Progress {
        debug_assert!(self.ended.is_none());
        let mut call = self.lua.enter();
        call.raw_get_index(SCRIPTS, script.index());
        let Known { uses, is_short } = self.known[script.index() as usize];
        self.lists.set(&mut call, uses, keys, args);
        self.begin(Task { args: 0, handler: ERROR_HANDLER, is_short }, true, host)
    }

    /// Begins with a function. Only where `may_call` is set may it call commands.
    pub(super) fn begin(&mut self, task: Task, may_call: bool, host: &mut dyn Host) -> Progress {
        self.lua.context().may_call.set(may_call);
        self.run(host, |fiber, lua| fiber.start(lua, task))
    }

    /// Goes on with a script that has paused.
    pub fn resume(&mut self, host: &mut dyn Host) -> Progress {
        self.run(host, |fiber, _| fiber.resume())
    }

    fn run(&mut self, host: &mut dyn Host, run: impl FnOnce(&mut Fiber, &mut Lua) -> Event) -> Progress {
        let Self { fiber, lua, .. } = self;
        match lua.lend(host, |lua| run(fiber, lua)) {
            Event::Ended(status) => {
                self.ended = Some(status);
                Progress::Ended
            }
            Event::Paused => Progress::Paused,
            Event::Idle => unreachable!("the fiber had something to run"),
        }
    }

    /// Writes what the script that has ended has returned, or takes its error. `name` is the script's SHA, or the
    /// function's name; `script` is the protocol that it has asked for.
    pub fn finish(&mut self, name: &dyn Display, script: Protocol, reply: &mut Reply, count: Counted<'_>) -> Outcome {
        let mut call = self.lua.enter();
        let outcome = match self.ended {
            Some(Status::Done) if self.is_answered => {
                reply.append(call.context().answer.take());
                Outcome::Replied
            }
            Some(Status::Done) => {
                let (before, top) = (reply.len(), call.top());
                match write_value(&mut call, script, reply, count) {
                    Written::InPart if !reply.is_overfull() => {
                        reply.truncate(before);
                        call.set_top(top);
                        return Outcome::Long;
                    }
                    _ => Outcome::Replied,
                }
            }
            _ if self.is_answered => failure_of_killed(name),
            _ => failure(&mut call, name),
        };
        self.end_run();
        outcome
    }

    /// Writes the reply of a script that has ended for as long as the server lets it. It has so many bytes at most.
    pub fn write_reply(
        &mut self,
        script: Protocol,
        client: Protocol,
        bytes_max: usize,
        host: &mut dyn Host,
    ) -> Progress {
        debug_assert!(self.ended == Some(Status::Done) && !self.is_answered);
        let mut answer = Reply::new(client);
        answer.set_unsent_max(bytes_max);
        self.lua.context().answer.replace(answer);
        self.is_answered = true;
        self.run(host, |fiber, lua| fiber.write(lua, script))
    }

    /// Clears what a run leaves once its result is taken: what comes next, such as compiling another script, may go on.
    pub(super) fn end_run(&mut self) {
        self.ended = None;
        if self.is_answered {
            self.is_answered = false;
            self.lua.context().answer.take();
        }
        self.lua.enter().set_top(0);
        self.lua.context().may_call.set(false);
        self.lua.context().set_killed(false);
        self.after_shortage();
    }

    /// Once memory was refused, or much of it is in use, all garbage is collected: the next script must find room.
    pub(super) fn after_shortage(&mut self) {
        let memory = &self.lua.context().memory;
        if memory.take_refused() || memory.is_to_be_cleared() {
            self.lua.enter().collect(false);
            self.lua.context().memory.note_cleared();
        }
    }
}

/// The error of a script that was killed while its reply was written.
fn failure_of_killed(name: &dyn Display) -> Outcome {
    Outcome::Failed { text: format!("{KILLED} script: {name}").into_bytes(), is_counted: false }
}

/// The error on top as the text of a reply.
fn failure(call: &mut Call<'_>, name: &dyn Display) -> Outcome {
    if call.kind(-1) != Kind::Table {
        let text = match call.value(-1) {
            Value::Bytes(bytes) => bytes[..bytes.len().min(100)].to_vec(),
            _ => b"execution failure".to_vec(),
        };
        let text = [b"ERR Error running script ", name.to_string().as_bytes(), b", ", &text].concat();
        return Outcome::Failed { text, is_counted: false };
    }
    let mut field = |name| {
        call.raw_get_field(-1, name);
        let text = match call.value(-1) {
            Value::Bytes(bytes) => Some(up_to_zero(bytes).to_vec()),
            Value::Number(number) => Some(super::lua::number_text(number).into_bytes()),
            _ => None,
        };
        call.pop(1);
        text
    };
    let (mut text, source, line) =
        (field("err").unwrap_or(b"ERR unknown error".to_vec()), field("source"), field("line"));
    if let (Some(source), Some(line)) = (source, line) {
        text.extend_from_slice(
            &[b" script: ", name.to_string().as_bytes(), b", on ", &source, b":", &line, b"."].concat(),
        );
    }
    let is_counted = call.raw_get_field(-1, "ignore_error_stats_update") == Kind::Boolean && call.truth(-1);
    Outcome::Failed { text, is_counted }
}
