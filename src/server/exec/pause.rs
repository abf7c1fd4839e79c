//! CLIENT PAUSE: for a while commands wait, or those that may write.

use std::time::Instant;

use super::state::{Freeze, Pause, TimedPause};
use crate::commands::{ClientEffect, CommandId, Flags, PauseMode};
use crate::keyspace::ExpiryPolicy;
use crate::resp::Args;
use crate::server::clients::{ClientKey, Stall};
use crate::server::executor::Executor;

impl Executor {
    pub(super) fn perform_client(&mut self, effect: ClientEffect) {
        match effect {
            ClientEffect::Pause { until, mode } => self.pause_clients(until, mode),
            ClientEffect::Unpause => self.unpause_clients(),
        }
    }

    /// Begins a pause, or makes the one that is on longer and stricter; never shorter or looser.
    fn pause_clients(&mut self, until: Instant, mode: PauseMode) {
        let mut pause = self.exec.pause.unwrap_or_default();
        let old = pause.wanted.unwrap_or(TimedPause { until, mode });
        pause.wanted = Some(TimedPause { until: until.max(old.until), mode: mode.max(old.mode) });
        self.exec.pause = Some(pause);
        self.follow_pause();
        self.process.wake_cron();
    }

    /// Ends the pause and lets the clients go on that it held up.
    fn unpause_clients(&mut self) {
        let freezes = self.exec.pause.unwrap_or_default().freezes;
        self.exec.pause = Some(Pause { wanted: None, freezes }).filter(|pause| !pause.is_over());
        self.follow_pause();
        self.resume_paused_clients();
    }

    /// Lets the data stay as they are until [`Executor::thaw`]: commands that may write wait.
    pub(in crate::server) fn freeze(&mut self, reason: Freeze) {
        self.exec.pause.get_or_insert_default().freezes[reason as usize] = true;
        self.follow_pause();
    }

    /// Ends a freeze, and lets the clients go on that it held up.
    pub(in crate::server) fn thaw(&mut self, reason: Freeze) {
        let Some(pause) = &mut self.exec.pause else { return };
        pause.freezes[reason as usize] = false;
        if pause.is_over() {
            self.exec.pause = None;
        }
        self.follow_pause();
        self.resume_paused_clients();
    }

    /// Lets every client try its command again that was held up.
    pub(in crate::server) fn resume_paused_clients(&mut self) {
        for (_, client) in self.clients.iter_mut() {
            if matches!(client.stall(), Some(Stall::Paused)) {
                client.resume();
            }
        }
    }

    /// Ends a pause whose time is over.
    pub(in crate::server) fn end_elapsed_pause(&mut self) {
        let now = self.clock.latest();
        if self.exec.pause_left(now).is_some_and(|left| left.is_zero()) {
            self.unpause_clients();
            self.after_command();
        }
    }

    /// Whether data must not change by itself: keys past their expiry are answered as missing but stay, and none is
    /// evicted. A migration asks for that too.
    #[inline]
    pub fn is_paused(&self) -> bool {
        self.exec.pause.is_some() || self.migrations.is_running()
    }

    /// Lets keys expire, or hides those past their expiry while data must not change by itself: those of a replica go
    /// when its primary says so.
    pub(in crate::server) fn follow_pause(&mut self) {
        let is_kept = self.is_paused() || self.replication.is_replica();
        let policy = if is_kept { ExpiryPolicy::Hide } else { ExpiryPolicy::Delete };
        self.keyspace.set_expiry_policy(policy);
    }

    /// Whether the client's command has to wait for the end of the pause, or of a migration.
    pub(super) fn pauses(&self, key: ClientKey, command: CommandId, args: Args<'_>) -> bool {
        self.is_paused() && self.holds_up(key, command, args)
    }

    #[cold]
    fn holds_up(&self, key: ClientKey, command: CommandId, args: Args<'_>) -> bool {
        // A script may take long, and must see no key go meanwhile that a migration has handed over.
        let migrating =
            self.migrations.is_running() && self.has_flags(key, command, args, Flags::WRITE.or(Flags::RUNS_SCRIPT));
        let paused = self.exec.pause.is_some_and(|pause| {
            pause.mode() == PauseMode::All || self.has_flags(key, command, args, Flags::WRITE.or(Flags::MAY_REPLICATE))
        });
        // Who only listens is not held up.
        let client = self.clients.get(key);
        (migrating || paused) && !client.session.listens
    }

    /// Whether a command, or for EXEC one of the queued commands, has one of `flags`.
    pub(super) fn has_flags(&self, key: ClientKey, command: CommandId, args: Args<'_>, flags: Flags) -> bool {
        let own = self.flags_of(command, args);
        own.has(flags) || (own.has(Flags::RUNS_QUEUE) && self.queue_any(key, |queued| queued.has(flags)))
    }

    /// Whether a command has one of `flags` and, for EXEC, all queued commands have.
    pub(super) fn all_have_flags(&self, key: ClientKey, command: CommandId, flags: Flags) -> bool {
        let row = self.table.row(command);
        row.flags.has(flags) && !(row.flags.has(Flags::RUNS_QUEUE) && self.queue_any(key, |queued| !queued.has(flags)))
    }

    pub(super) fn queue_any(&self, key: ClientKey, test: impl Fn(Flags) -> bool) -> bool {
        let transaction = &self.clients.get(key).session.transaction;
        let mut queue = transaction.iter().flat_map(|transaction| transaction.queue());
        queue.any(|(command, args)| test(self.flags_of(*command, args.as_args())))
    }
}
