//! The end of the server: SHUTDOWN, SIGTERM and SIGINT, and the last snapshot.

use std::rc::Rc;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::SHUTDOWN_FAILED;
use super::signals::{EXIT_INSISTED, Requests};
use super::state::Ending;
use crate::commands::{CommandError, InVain, ShutdownRequest, Wait};
use crate::keyspace::Awaited;
use crate::server::clients::ClientKey;
use crate::server::exec::{Frame, Freeze};
use crate::server::executor::Executor;
use crate::server::net::Shared;
use crate::snapshot::SaveError;

/// The server goes on: the log says why.
#[derive(Debug)]
struct CannotEnd;

/// Waits for signals that ask the server to end.
pub async fn watch_signals(shared: Rc<Shared>, requests: Requests) {
    loop {
        let by_sigint = match requests.next().await {
            Ok(signal) => signal == Signal::SIGINT,
            Err(error) => {
                tracing::warn!("Cannot watch for signals: {error}");
                return;
            }
        };
        let mut executor = shared.executor.borrow_mut();
        executor.signalled(by_sigint);
        if executor.process.exit.is_some() {
            shared.end();
        }
    }
}

impl Executor {
    fn signalled(&mut self, by_sigint: bool) {
        if self.snapshots.is_loading() {
            tracing::warn!("Received shutdown signal during loading, exiting now.");
            self.process.exit = Some(0);
        } else if (self.process.shutdown_wanted || self.process.ending.is_some()) && by_sigint {
            tracing::warn!("You insist... exiting now.");
            self.process.exit = Some(EXIT_INSISTED);
        } else {
            let name = if by_sigint { "SIGINT" } else { "SIGTERM" };
            tracing::warn!("Received {name} scheduling shutdown...");
            self.process.shutdown_wanted = true;
            self.process.shutdown_by_sigint = by_sigint;
            if self.scripts.is_busy() && self.saves_at_end(self.shutdown_wish().save) {
                self.end_script_for_shutdown();
            }
            self.shutdown_cron();
        }
    }

    /// Ends the server if a signal has asked for it.
    pub(in crate::server) fn shutdown_cron(&mut self) {
        if self.process.cron_paused {
            return;
        }
        if self.process.ending.is_some() {
            self.process.shutdown_wanted = false;
            self.end_if_replicas_have_everything();
            return;
        }
        if !self.process.shutdown_wanted {
            return;
        }
        let request = self.shutdown_wish();
        if self.scripts.is_busy() && self.saves_at_end(request.save) {
            return;
        }
        self.process.shutdown_wanted = false;
        if let Err(CannotEnd) = self.shut_down(request) {
            tracing::warn!(
                "SIGTERM received but errors trying to shut down the server, check the logs for more information"
            );
        }
    }

    /// How the server is to end by the signal that has come.
    fn shutdown_wish(&self) -> ShutdownRequest {
        let wish = match self.process.shutdown_by_sigint {
            true => self.config.shutdown_on_sigint,
            false => self.config.shutdown_on_sigterm,
        };
        let save = match (wish.save, wish.nosave) {
            (true, _) => Some(true),
            (false, true) => Some(false),
            (false, false) => None,
        };
        ShutdownRequest { save, now: wish.now, force: wish.force }
    }

    /// Whether the data are saved when the server ends now. What is half loaded is not worth a dump, and would overwrite
    /// the good one.
    fn saves_at_end(&self, wanted: Option<bool>) -> bool {
        !self.snapshots.is_loading() && wanted.unwrap_or(!self.config.save.is_empty())
    }

    pub(in crate::server) fn shutdown_for(&mut self, frame: &Frame<'_>, request: ShutdownRequest) {
        let key = frame.client;
        // The dump would hold half of what the script does.
        if let Some(busy) = self.scripts.busy_error().filter(|_| request.save != Some(false)) {
            self.reply_error(key, &busy);
            return;
        }
        if let Err(CannotEnd) = self.shut_down(request) {
            self.reply_error(key, &CommandError::text(SHUTDOWN_FAILED));
            return;
        }
        let id = self.clients.get(key).session.id;
        if let Some(ending) = &mut self.process.ending {
            ending.clients.push(id);
            let (args, awaited, in_vain) = (frame.args.to_buf(), Awaited::AnyChange, InVain::Shutdown);
            self.block(frame, Wait { args, keys: 0..0, awaited, deadline: None, in_vain });
        }
    }

    pub(in crate::server) fn abort_shutdown_for(&mut self, key: ClientKey) {
        let was_wanted = std::mem::take(&mut self.process.shutdown_wanted);
        if self.stop_ending() || was_wanted {
            tracing::info!("Shutdown manually aborted.");
            self.clients.get_mut(key).reply.ok();
        } else {
            self.reply_error(key, &CommandError::text("ERR No shutdown in progress."));
        }
    }

    /// Ends the server, or lets it wait for replicas before; or says in the log why it goes on.
    fn shut_down(&mut self, request: ShutdownRequest) -> Result<(), CannotEnd> {
        if self.process.ending.is_some() && !request.now {
            return Ok(());
        }
        tracing::warn!("User requested shutdown...");
        let timeout = self.config.shutdown_timeout_seconds;
        self.feed_replicas();
        let end = self.end_of_changes();
        if request.now || timeout == 0 || !self.replicas_lag(end) {
            return self.finish_shutdown(request, end);
        }
        tracing::warn!("Waiting for replicas before shutting down.");
        let deadline = self.clock.latest().monotonic() + Duration::from_secs(timeout.into());
        self.process.ending = Some(Ending { request, deadline, end, clients: Vec::new() });
        self.freeze(Freeze::Shutdown);
        self.ask_for_acks();
        Ok(())
    }

    /// Ends the server that waits for replicas, once they have everything or the time is up.
    fn end_if_replicas_have_everything(&mut self) {
        let Some(ending) = &self.process.ending else { return };
        let is_over = ending.deadline <= self.clock.latest().monotonic();
        let (request, end) = (ending.request, ending.end);
        if (is_over || !self.replicas_lag(end)) && self.finish_shutdown(request, end).is_err() {
            self.stop_ending();
        }
    }

    /// Lets the server go on that waits for replicas before its end. Returns whether it did.
    fn stop_ending(&mut self) -> bool {
        let Some(ending) = self.process.ending.take() else { return false };
        self.thaw(Freeze::Shutdown);
        for id in ending.clients {
            if let Some(key) = self.clients.key_of(id) {
                self.end_wait_with(key, &CommandError::text(SHUTDOWN_FAILED));
            }
        }
        true
    }

    /// Takes the last snapshot and sets the exit code; or says in the log why the server goes on.
    fn finish_shutdown(&mut self, request: ShutdownRequest, end: u64) -> Result<(), CannotEnd> {
        self.log_lagging_replicas(end);
        self.end_background_save();
        let saved = if self.saves_at_end(request.save) { self.save_finally() } else { Ok(()) };
        match saved {
            Ok(()) => {}
            Err(SaveError::Interrupted) => {
                tracing::warn!("You insist... exiting now.");
                self.process.exit = Some(EXIT_INSISTED);
                return Ok(());
            }
            Err(_) if request.force => tracing::warn!("Error trying to save the DB. Exit anyway."),
            Err(_) => {
                tracing::warn!("Error trying to save the DB, can't exit.");
                tracing::warn!("Errors trying to shut down the server. Check the logs for more information.");
                return Err(CannotEnd);
            }
        }
        self.process.exit = Some(0);
        Ok(())
    }
}
