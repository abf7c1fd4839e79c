//! Scripts that run for long.
//!
//! Until `busy-reply-threshold` is over, a script has the thread to itself. From then on it is busy: it runs in slices,
//! between which the event loop serves whoever wants to end it. All others are refused. Nobody sees half of what the
//! script does: no data is touched in between, neither by clients nor by the server itself, and what follows a command
//! (events, those who wait for a key, the journal's group) comes when the script has ended.
//!
//! The script waits on its own stack. What is left to do once it has ended, from its command's figures to the rest of the
//! transaction that it is in, is kept as a list of steps.

use std::rc::Rc;
use std::time::Duration;

use super::host::ScriptHost;
use super::{Language, Scripts};
use crate::commands::{CommandError, CommandId, Transaction};
use crate::resp::{Args, ArgsBuf};
use crate::script::{Engine, Progress, Verdict};
use crate::server::clients::{ClientKey, Stall};
use crate::server::clock::Moment;
use crate::server::exec::{Frame, Nesting};
use crate::server::executor::Executor;
use crate::server::net::Shared;
use crate::server::process::{fatal_signal, signals};
use crate::stdx::clock::Now;

/// For so long a busy script runs before others are looked at.
const SLICE: Duration = Duration::from_millis(5);

const BUSY_WITH_SCRIPT: &str = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
const BUSY_WITH_FUNCTION: &str =
    "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";
const UNKILLABLE: &str = "UNKILLABLE Sorry the script already executed write commands against the dataset. You can \
    either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.";

/// A script that was left in the middle.
pub(super) struct Paused {
    engine: Box<Engine>,
    /// For whom its commands run.
    client: ClientKey,
    /// What is to be done when it has ended, in this order.
    steps: Vec<Step>,
    /// What was pushed to the caller meanwhile: it goes out behind the reply.
    held_pushes: Vec<u8>,
}

/// What is left to do of a command within which a script has paused.
enum Step {
    /// It ends.
    Conclude(KeptCall),
    /// The rest of a transaction is run.
    RunQueue { client: ClientKey, now: Now, transaction: Transaction, from: usize },
}

/// A command that is under way.
struct KeptCall {
    client: ClientKey,
    command: CommandId,
    args: ArgsBuf,
    now: Now,
    nesting: Nesting,
    /// Where its reply begins.
    mark: usize,
    start: Moment,
}

/// Goes on with busy scripts, slice by slice, until the server ends.
pub async fn run_slices(shared: Rc<Shared>) {
    let wake = Rc::clone(&shared.executor.borrow().scripts.wake);
    loop {
        wake.raised().await;
        loop {
            // All who have something to do are looked at first.
            tokio::task::yield_now().await;
            let mut executor = shared.executor.borrow_mut();
            let goes_on = executor.run_slice();
            if executor.process.is_ending() {
                shared.end();
            }
            if !goes_on {
                break;
            }
        }
    }
}

impl Scripts {
    /// Whether a script runs for which others are refused.
    #[inline]
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// Whether a script was left in the middle and goes on later.
    pub fn is_paused(&self) -> bool {
        self.paused.is_some()
    }

    /// The command that has called the script which was left in the middle.
    pub(super) fn running_command(&self) -> Option<Args<'_>> {
        self.paused.as_ref()?.steps.iter().find_map(|step| match step {
            Step::Conclude(kept) => Some(kept.args.as_args()),
            Step::RunQueue { .. } => None,
        })
    }

    /// What others are answered while a script is busy.
    pub fn busy_error(&self) -> Option<CommandError> {
        let current = self.current.as_ref().filter(|_| self.busy)?;
        Some(CommandError::text(match current.language {
            Language::Eval => BUSY_WITH_SCRIPT,
            Language::Function => BUSY_WITH_FUNCTION,
        }))
    }

    /// SCRIPT KILL and FUNCTION KILL: the script ends at its next look.
    pub(super) fn kill(&mut self, language: Language) -> Result<(), CommandError> {
        let Some(current) = &mut self.current else {
            return Err(CommandError::text("NOTBUSY No scripts in execution right now."));
        };
        if current.has_written {
            return Err(CommandError::text(UNKILLABLE));
        }
        match current.language {
            Language::Eval if language != Language::Eval => return Err(CommandError::text(BUSY_WITH_SCRIPT)),
            Language::Function if language != Language::Function => return Err(CommandError::text(BUSY_WITH_FUNCTION)),
            _ => current.is_killed = true,
        }
        tracing::info!("Lua script killed by user with {}.", language.kill_command());
        Ok(())
    }
}

impl Language {
    fn kill_command(self) -> &'static str {
        match self {
            Self::Eval => "SCRIPT KILL",
            Self::Function => "FUNCTION KILL",
        }
    }
}

impl Executor {
    /// Whether the running script may go on. Called several times a millisecond.
    pub(super) fn judge_script(&mut self) -> Verdict {
        let now = self.clock.advance_moment();
        let Scripts { current: Some(current), busy, .. } = &mut self.scripts else { return Verdict::GoOn };
        if current.is_killed {
            return Verdict::Kill;
        }
        let elapsed = now.since(current.slice_start);
        if *busy {
            return if elapsed >= SLICE { Verdict::Pause } else { Verdict::GoOn };
        }
        let threshold_ms = self.config.busy_reply_threshold_ms;
        let takes_long = threshold_ms > 0 && elapsed.as_millis() as u64 >= threshold_ms;
        // A signal waits for the event loop.
        if !current.may_pause || !(takes_long || signals::is_pending()) {
            return Verdict::GoOn;
        }
        *busy = true;
        if takes_long {
            tracing::warn!(
                "Slow script detected: still in execution after {} milliseconds. You can try killing the script using the \
                 {} command. Script name is: {}.",
                elapsed.as_millis(),
                current.language.kill_command(),
                current.name
            );
        }
        Verdict::Pause
    }

    /// Leaves a script in the middle, and has its caller wait.
    pub(super) fn pause_script(&mut self, caller: ClientKey, client: ClientKey, engine: Box<Engine>) {
        let held_pushes = self.clients.suspend_command();
        self.scripts.paused = Some(Box::new(Paused { engine, client, steps: Vec::new(), held_pushes }));
        self.clients.get_mut(caller).wait_for(Stall::Script);
        // In between nothing may be deleted that the script still sees.
        self.keyspace.set_expiry_policy(crate::keyspace::ExpiryPolicy::Hide);
        self.scripts.wake.raise();
    }

    /// Keeps a command within which a script has paused.
    pub(in crate::server) fn keep_call(&mut self, frame: &Frame<'_>, mark: usize, start: Moment) {
        let Some(paused) = &mut self.scripts.paused else { return };
        let Frame { client, command, args, now, nesting, .. } = *frame;
        let kept = KeptCall { client, command, args: args.to_buf(), now, nesting, mark, start };
        paused.steps.push(Step::Conclude(kept));
    }

    /// Keeps the commands of a transaction, from the one numbered `from` on, that come behind a script which has paused.
    pub(in crate::server) fn keep_queue(&mut self, client: ClientKey, now: Now, transaction: Transaction, from: usize) {
        if let Some(paused) = &mut self.scripts.paused {
            paused.steps.push(Step::RunQueue { client, now, transaction, from });
        }
    }

    /// Goes on with the script that has paused, for one slice. Returns whether it is to be gone on with.
    fn run_slice(&mut self) -> bool {
        // Once the last snapshot is taken, nothing may change any more.
        if self.process.is_ending() {
            return false;
        }
        let Some(paused) = self.scripts.paused.take() else { return false };
        let Paused { mut engine, client, steps, held_pushes } = *paused;
        let now = self.clock.advance_moment();
        let Some(current) = &mut self.scripts.current else { return false };
        let (caller, command) = (current.caller, current.command);
        current.slice_start = now;
        self.follow_pause();
        self.clients.resume_command(caller, held_pushes);
        let waiting = self.clients.get_mut(caller);
        waiting.resume();
        waiting.limit_reply(&self.config, self.memory.free_bytes());
        fatal_signal::enter(command.index());
        let progress = engine.resume(&mut ScriptHost { executor: self, client });
        match progress {
            Progress::Paused => self.pause_script(caller, client, engine),
            Progress::Ended => self.finish_script(caller, engine),
        }
        fatal_signal::leave();
        self.take_steps(steps);
        let goes_on = self.scripts.is_paused();
        if !goes_on {
            self.after_script(caller);
        }
        goes_on
    }

    /// Does what is left to do behind a script. If a script pauses, it is kept for later again.
    fn take_steps(&mut self, steps: Vec<Step>) {
        for step in steps {
            if let Some(paused) = &mut self.scripts.paused {
                paused.steps.push(step);
                continue;
            }
            match step {
                Step::Conclude(KeptCall { client, command, args, now, nesting, mark, start }) => {
                    let frame = Frame::new(client, command, args.as_args(), now, nesting);
                    let elapsed_ns = self.clock.advance_moment().nanoseconds_since(start);
                    self.conclude(&frame, mark, elapsed_ns);
                    self.show_monitors(&frame);
                }
                Step::RunQueue { client, now, transaction, from } => self.run_queue(client, now, transaction, from),
            }
        }
    }

    /// Ends the command within which a script has paused: all that follows a command follows now.
    fn after_script(&mut self, caller: ClientKey) {
        self.after_command();
        self.clients.end_command();
        let client = self.clients.get_mut(caller);
        client.reply.set_unsent_max(usize::MAX);
        client.wake();
        self.check_output_limit(caller);
        self.shutdown_cron();
    }

    /// A signal asks the server to end while a script is busy: half of what a script does must not be saved. One that has
    /// written nothing is ended for that; the other's end is waited for.
    pub(in crate::server) fn end_script_for_shutdown(&mut self) {
        let Some(current) = self.scripts.current.as_mut().filter(|_| self.scripts.busy) else { return };
        if current.has_written {
            tracing::warn!(
                "A script runs that has written already: the server ends when the script has. SHUTDOWN NOSAVE ends both at \
                 once and does not save."
            );
        } else {
            tracing::warn!("Ending the script that runs: the server is to end.");
            current.is_killed = true;
        }
    }
}
