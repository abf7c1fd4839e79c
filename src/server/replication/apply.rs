//! Applying the stream of a primary: its commands run here as they ran there.

use std::time::Duration;

use crate::config::PropagationErrors;
use crate::keyspace::ExpiryPolicy;
use crate::replication::{Commands, Intake};
use crate::resp::{Args, ProtocolError};
use crate::server::clients::ClientKey;
use crate::server::executor::Executor;

/// How long applying holds the loop before clients are looked at.
const APPLY_STEP: Duration = Duration::from_millis(1);

/// Units between two looks at the clock.
const UNITS_A_LOOK: usize = 64;

/// What came of applying for a while.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Applied {
    /// There may be more to apply at once.
    pub(super) has_more: bool,
    /// The primary asks how far this replica is.
    pub(super) asks_for_ack: bool,
}

impl Executor {
    /// Applies what has come, unit by unit, for a millisecond at most.
    pub(super) fn apply(&mut self, client: ClientKey, intake: &mut Intake) -> Result<Applied, ProtocolError> {
        let mut applied = Applied::default();
        let start = self.clock.advance();
        if self.keyspace.journal.is_wanted() {
            self.keyspace.set_journal_wanted(false);
        }
        // Keys past their expiry are as all others: when they go, the primary says so.
        self.keyspace.set_expiry_policy(ExpiryPolicy::Ignore);
        let mut result = Ok(());
        loop {
            match self.apply_units(client, intake, &mut applied) {
                Ok(true) if self.clock.advance().since(start) < APPLY_STEP => {}
                Ok(has_more) => {
                    applied.has_more = has_more;
                    break;
                }
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        self.follow_pause();
        self.watch_own_writes();
        self.after_command();
        self.trim_backlog();
        self.wake_replicas();
        result.map(|()| applied)
    }

    /// Applies some units. Returns whether there may be more.
    fn apply_units(
        &mut self,
        client: ClientKey,
        intake: &mut Intake,
        applied: &mut Applied,
    ) -> Result<bool, ProtocolError> {
        for _ in 0..UNITS_A_LOOK {
            let Some(unit) = intake.next()? else { return Ok(false) };
            match unit.commands {
                Commands::None => {}
                Commands::One(args) if is_question(args) => {
                    // What is answered is how far it was before the question.
                    applied.asks_for_ack = true;
                    self.replication.pass_on(unit.bytes);
                    return Ok(true);
                }
                Commands::One(args) => self.apply_command(client, args),
                Commands::Transaction(queue) => {
                    queue.iter().for_each(|args| self.apply_command(client, args.as_args()));
                }
            }
            self.replication.pass_on(unit.bytes);
        }
        Ok(true)
    }

    fn apply_command(&mut self, client: ClientKey, args: Args<'_>) {
        if let Err(answer) = self.replay(client, args) {
            self.note_failed_command(args, &String::from_utf8_lossy(&answer));
        }
    }

    /// A command of the primary's has failed here: the data of both may differ from now on.
    #[cold]
    fn note_failed_command(&mut self, args: Args<'_>, answer: &str) {
        let name = String::from_utf8_lossy(args.arg(0)).into_owned();
        tracing::error!(
            "== CRITICAL == This replica is sending an error to its master: '{answer}' after processing the command \
             '{name}'"
        );
        self.stats.counters.unexpected_error_replies += 1;
        // Where clients may write too, the data differ anyway.
        if self.is_read_only() && self.config.propagation_error_behavior != PropagationErrors::Ignore {
            panic!("a command of the primary has failed, and propagation-error-behavior asks to end then: {answer}");
        }
    }
}

fn is_question(args: Args<'_>) -> bool {
    args.len() > 1 && args.arg(0).eq_ignore_ascii_case(b"replconf") && args.arg(1).eq_ignore_ascii_case(b"getack")
}
