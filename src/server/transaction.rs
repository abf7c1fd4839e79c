//! EXEC: the queued commands, one after the other, with nothing in between.

use super::client::ClientKey;
use super::executor::Executor;
use crate::commands::{CommandError, CommandId, Denied, Transaction};
use crate::resp::Args;

impl Executor {
    /// Runs the client's queued commands and writes their replies as one array.
    pub(super) fn exec(&mut self, key: ClientKey) {
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
            self.run_queue(key, transaction);
        }
    }

    fn run_queue(&mut self, key: ClientKey, transaction: Transaction) {
        self.clients.get_mut(key).reply.array(transaction.queue().len());
        self.in_exec = true;
        let start = self.clock.latest();
        for (command, args) in transaction.queue() {
            // Once the reply is given up, nobody gets the answers of those that only read.
            if self.clients.get(key).reply.is_overfull() && self.table.row(*command).command.run.is_read() {
                continue;
            }
            let args = args.as_args();
            match self.denial(key, *command, args) {
                None => self.call(key, *command, args),
                Some(denied) => self.refuse_queued(key, *command, denied, args),
            }
        }
        self.in_exec = false;
        self.rounds.nested_ns += self.clock.latest().nanoseconds_since(start);
    }

    /// Answers a queued command that the client's user may not run any more.
    #[cold]
    fn refuse_queued(&mut self, key: ClientKey, command: CommandId, denied: Denied, args: Args<'_>) {
        let reason = match denied {
            Denied::Command => "no permission to execute the command or subcommand",
            Denied::Key(_) => "no permission to touch the specified keys",
            Denied::Channel(_) => "no permission to access one of the channels used as arguments to the command",
        };
        self.note_denial(key, command, denied, args);
        self.reply_error(
            key,
            &CommandError::owned(format!(
                "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This \
                 command is no longer allowed for the following reason: {reason}"
            )),
        );
    }

    fn watched_keys_changed(&self, key: ClientKey) -> bool {
        let session = &self.clients.get(key).session;
        let keys = session.watched().iter().map(|(db, name)| (*db, &**name));
        self.keyspace.watched_changed(session.id, keys, self.clock.latest().unix_ms)
    }

    /// Forgets what the client watches.
    pub(super) fn unwatch(&mut self, key: ClientKey) {
        let session = &mut self.clients.get_mut(key).session;
        if session.watched().is_empty() {
            return;
        }
        let watched = session.take_watched();
        self.keyspace.unwatch(session.id, watched.iter().map(|(db, name)| (*db, &**name)));
    }
}
