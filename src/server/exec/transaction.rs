//! EXEC: the queued commands, one after the other, with nothing in between.

use super::frame::{Frame, Nesting, Outcome};
use crate::commands::{CommandError, Denied, Transaction};
use crate::server::clients::ClientKey;
use crate::server::executor::Executor;
use crate::stdx::clock::Now;

impl Executor {
    /// Runs the client's queued commands and writes their replies as one array.
    pub(in crate::server) fn exec(&mut self, frame: &Frame<'_>) {
        let key = frame.client;
        let session = &mut self.clients.get_mut(key).session;
        let Some(transaction) = session.transaction.take() else {
            self.reply_error(key, &CommandError::text("ERR EXEC without MULTI"));
            return;
        };
        let changed = self.watched_keys_changed(key);
        self.unwatch(key);
        if transaction.failed {
            self.reply_error(key, &CommandError::ExecAbort);
        } else if changed {
            self.clients.get_mut(key).reply.null_array();
        } else {
            self.clients.get_mut(key).reply.array(transaction.queue().len());
            self.run_queue(key, frame.now, transaction, 0);
        }
    }

    /// Runs the commands of a transaction from the one numbered `from` on. Where a script pauses, the rest is kept.
    pub(in crate::server) fn run_queue(&mut self, key: ClientKey, now: Now, transaction: Transaction, from: usize) {
        let start = self.clock.latest_moment();
        let mut done = from;
        for (command, args) in &transaction.queue()[from..] {
            done += 1;
            // Once the reply is given up, nobody gets the answers of those that only read.
            if self.clients.get(key).reply.is_overfull() && self.table.handler(*command).is_read() {
                continue;
            }
            let frame = Frame::new(key, *command, args.as_args(), now, Nesting::Exec);
            let outcome = match self.denial(key, *command, frame.args) {
                None => self.call(&frame),
                Some(denied) => self.refuse_queued(&frame, denied),
            };
            if outcome == Outcome::Waits && self.scripts.is_paused() {
                break;
            }
        }
        if self.scripts.is_paused() {
            self.keep_queue(key, now, transaction, done);
        }
        self.stats.note_nested(self.clock.latest_moment().nanoseconds_since(start));
    }

    /// Answers a queued command that the client's user may not run any more.
    #[cold]
    fn refuse_queued(&mut self, frame: &Frame<'_>, denied: Denied) -> Outcome {
        let reason = match denied {
            Denied::Command => "no permission to execute the command or subcommand",
            Denied::Key(_) => "no permission to touch the specified keys",
            Denied::Channel(_) => "no permission to access one of the channels used as arguments to the command",
        };
        self.note_denial(frame, denied);
        self.reply_error(
            frame.client,
            &CommandError::owned(format!(
                "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
                 command is no longer allowed for the following reason: {reason}"
            )),
        );
        Outcome::Done
    }

    fn watched_keys_changed(&self, key: ClientKey) -> bool {
        let session = &self.clients.get(key).session;
        let keys = session.watched().iter().map(|(db, name)| (*db, &**name));
        self.keyspace.watched_changed(session.id, keys, self.clock.latest().unix_ms)
    }

    /// Forgets what the client watches.
    pub(in crate::server) fn unwatch(&mut self, key: ClientKey) {
        let session = &mut self.clients.get_mut(key).session;
        if session.watched().is_empty() {
            return;
        }
        let watched = session.take_watched();
        self.keyspace.unwatch(session.id, watched.iter().map(|(db, name)| (*db, &**name)));
    }
}
