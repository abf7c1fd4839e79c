//! When snapshots are taken: commands, save rules, a flush and the end of the server; and what becomes of the child.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::OFlag;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::held::Hold;
use crate::commands::{CommandError, SnapshotRequest};
use crate::observe::PersistenceInfo;
use crate::server::clients::ClientKey;
use crate::server::exec::Frame;
use crate::server::executor::Executor;
use crate::server::net::Shared;
use crate::server::replication::KindOfData;
use crate::snapshot::{Cancelled, EndedChild, InterruptWatch, Limits, Place, SaveError, SaveOptions, Task, Trigger};

/// Waits for each child's end and takes it in at once; without a pidfd the cron does.
#[expect(deprecated, reason = "what replaces it is unsafe, and an owned descriptor is sound here")]
pub async fn watch_children(shared: Rc<Shared>) {
    let started = Rc::clone(&shared.executor.borrow().snapshots.started);
    loop {
        let ended = shared.executor.borrow_mut().snapshots.supervisor.take_end_of_child();
        let Some(ended) = ended else {
            std::future::poll_fn(|context| {
                if started.poll(context) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            })
            .await;
            continue;
        };
        match AsyncFd::with_interest(ended, Interest::READABLE) {
            Ok(ended) => drop(ended.readable().await.map(|_| ())),
            Err(error) => tracing::debug!("Cannot wait for the end of the child: {error}"),
        }
        shared.executor.borrow_mut().poll_child();
    }
}

impl Executor {
    pub(in crate::server) fn answer_snapshot(&mut self, frame: &Frame<'_>, effect: SnapshotRequest) {
        let key = frame.client;
        match effect {
            SnapshotRequest::Save => self.save_for(key),
            SnapshotRequest::BackgroundSave { schedule } => self.background_save_for(frame, schedule),
            SnapshotRequest::CancelBackgroundSave => self.cancel_background_save_for(key),
            SnapshotRequest::LastSave => {
                let last = self.snapshots.supervisor.last_save();
                self.clients.get_mut(key).reply.integer(last);
            }
            SnapshotRequest::History { count } => self.snapshot_history_for(key, count),
            SnapshotRequest::Latest => self.latest_snapshot_for(key),
            SnapshotRequest::Shutdown(request) => self.shutdown_for(frame, request),
            SnapshotRequest::AbortShutdown => self.abort_shutdown_for(key),
            SnapshotRequest::Reload { merge, flush, save } => self.reload_for(key, merge, flush, save),
        }
    }

    /// A snapshot of the present moment under the present configuration.
    pub(in crate::server) fn snapshot_task(&mut self, trigger: Trigger) -> Task {
        let now = self.clock.advance();
        let notes = self.notes_of_replication();
        // Where expiry is switched off (DEBUG SET-ACTIVE-EXPIRE), keys past it are kept in the dump too; and where replicas
        // may go on from the dump, who have to hear that such a key goes.
        let leaves_out_expired = self.keyspace.expires_actively() && notes.is_empty();
        let mut options = SaveOptions::new(&self.config, self.memory.used_bytes(), leaves_out_expired, now);
        if self.keyspace.has_expiring_fields() {
            options = options.holding_expiring_fields(&self.config);
        }
        options.libraries = self.library_texts();
        options.notes = notes;
        Task { place: self.place_of_dump(), options, trigger, title: None, pipe: None }
    }

    pub(super) fn place_of_dump(&self) -> Place {
        Place::here(&self.config.dbfilename, self.config.snapshot_keep)
    }

    fn save_for(&mut self, key: ClientKey) {
        if self.snapshots.supervisor.child().is_some() {
            let busy = self.busy();
            self.reply_error(key, &busy);
            return;
        }
        match self.save_now(Trigger::Command) {
            Ok(()) => self.clients.get_mut(key).reply.ok(),
            Err(error) => self.reply_error(key, &CommandError::owned(format!("ERR {error}"))),
        }
    }

    fn background_save_for(&mut self, frame: &Frame<'_>, schedule: bool) {
        let key = frame.client;
        let reply = if self.snapshots.supervisor.child().is_some() {
            Err(self.busy())
        } else if !frame.may_wait() {
            // The fork would come between the commands of a transaction: it waits for its end.
            self.snapshots.supervisor.scheduled = true;
            Ok("Background saving scheduled")
        } else {
            let trigger = if schedule { Trigger::Scheduled } else { Trigger::Command };
            let started = self.start_child(trigger);
            started.map(|()| "Background saving started").map_err(|error| CommandError::owned(format!("ERR {error}")))
        };
        match reply {
            Ok(text) => self.clients.get_mut(key).reply.simple(text),
            Err(error) => self.reply_error(key, &error),
        }
    }

    /// Why no other save can begin now.
    fn busy(&mut self) -> CommandError {
        // A child that was stopped a moment ago is known to be by now.
        self.poll_child();
        match self.snapshots.supervisor.stopped_child() {
            Some(pid) => CommandError::owned(format!(
                "ERR Background save already in progress, but its process (pid {pid}) was stopped by a signal: SIGCONT \
                 lets it go on, BGSAVE CANCEL ends it"
            )),
            None => CommandError::text("ERR Background save already in progress"),
        }
    }

    fn cancel_background_save_for(&mut self, key: ClientKey) {
        match self.snapshots.supervisor.cancel() {
            Some(Cancelled::Running) => {
                tracing::info!("A client cancels the background save");
                self.clients.get_mut(key).reply.simple("Background saving cancelled");
            }
            Some(Cancelled::Scheduled) => {
                tracing::info!("A client cancels the background save that was scheduled");
                self.clients.get_mut(key).reply.simple("Scheduled background saving cancelled");
            }
            None => {
                let text = "ERR Background saving is currently not in progress or scheduled";
                self.reply_error(key, &CommandError::text(text));
            }
        }
    }

    /// Saves in the foreground.
    pub(super) fn save_now(&mut self, trigger: Trigger) -> Result<(), SaveError> {
        let _hold = Hold::begin();
        let task = self.snapshot_task(trigger);
        self.snapshots.supervisor.save(&mut self.keyspace, &task, false)
    }

    /// Takes the last snapshot of a server that is about to end. SIGINT interrupts it.
    pub(in crate::server) fn save_finally(&mut self) -> Result<(), SaveError> {
        tracing::info!("Saving the final RDB snapshot before exiting.");
        let task = self.snapshot_task(Trigger::Shutdown);
        let _watch = InterruptWatch::install();
        let _hold = Hold::begin();
        self.snapshots.supervisor.save(&mut self.keyspace, &task, true)
    }

    /// Ends the save in the background, if one is under way.
    pub(in crate::server) fn end_background_save(&mut self) {
        if self.snapshots.supervisor.child().is_some() {
            tracing::warn!("There is a child saving an .rdb. Killing it!");
            self.snapshots.supervisor.end_child(&mut self.keyspace);
        }
    }

    fn start_child(&mut self, trigger: Trigger) -> Result<(), SaveError> {
        let task = Task { title: self.child_title(), ..self.snapshot_task(trigger) };
        self.start_task(task)
    }

    fn start_task(&mut self, task: Task) -> Result<(), SaveError> {
        let child = self.snapshots.supervisor.start(&mut self.keyspace, &task)?;
        self.process.give_oom_score_to(child, &self.config);
        self.note_latency("fork", Duration::from_micros(self.persistence_info().latest_fork_usec));
        self.snapshots.started.raise();
        Ok(())
    }

    /// Takes in what the child has said and how it ended.
    pub(in crate::server) fn poll_child(&mut self) {
        self.enforce_snapshot_limits();
        let now = self.clock.advance();
        self.snapshots.supervisor.poll(&mut self.keyspace, now);
        if let Some(EndedChild { sent, succeeded }) = self.snapshots.supervisor.take_ended() {
            self.note_end_of_child(sent, succeeded);
        }
    }

    /// Ends a child that takes more memory or time than it may.
    pub(in crate::server) fn enforce_snapshot_limits(&mut self) {
        let now = self.clock.advance();
        if self.sync_waits_for_replicas() {
            self.snapshots.supervisor.excuse_child(now);
        }
        self.snapshots.supervisor.enforce(&Limits::new(&self.config), now);
    }

    /// Data have arrived of the child that sends them to replicas.
    pub(in crate::server) fn note_progress_of_child(&mut self) {
        let now = self.clock.latest();
        self.snapshots.supervisor.excuse_child(now);
    }

    /// Whether a child takes a snapshot.
    pub(in crate::server) fn has_snapshot_child(&self) -> bool {
        self.snapshots.supervisor.child().is_some()
    }

    /// Ends the child, which is no failure.
    pub(in crate::server) fn dismiss_snapshot_child(&mut self) {
        self.snapshots.supervisor.dismiss_child();
    }

    /// Starts a child that sends the data to replicas. Returns where they are read.
    pub(in crate::server) fn start_sending_child(&mut self, kind: KindOfData) -> Result<OwnedFd, SaveError> {
        let (data, pipe) = nix::unistd::pipe2(OFlag::O_CLOEXEC).map_err(|error| SaveError::Send(error.into()))?;
        self.start_child_for_replicas(kind, Some(Rc::new(pipe)))?;
        Ok(data)
    }

    /// Starts a child whose data are for replicas: a dump, or what goes down the pipe.
    pub(in crate::server) fn start_child_for_replicas(
        &mut self,
        kind: KindOfData,
        pipe: Option<Rc<OwnedFd>>,
    ) -> Result<(), SaveError> {
        let task = Task { title: self.child_title(), pipe, ..self.task_for_replicas(kind) };
        self.start_task(task)
    }

    /// What is written for replicas, but for where.
    pub(in crate::server) fn task_for_replicas(&mut self, kind: KindOfData) -> Task {
        let mut task = self.snapshot_task(Trigger::Replication);
        task.options.format.version = kind.version;
        task.options.without_keys = kind.without_keys;
        if kind.without_functions {
            task.options.libraries = Arc::default();
        }
        task
    }

    /// The dump that was just written, with its length.
    pub(in crate::server) fn open_dump_for_replicas(&self) -> io::Result<(File, u64)> {
        let file = File::open(self.place_of_dump().path())?;
        let len = file.metadata()?.len();
        if self.config.rdb_del_sync_files && self.config.save.is_empty() {
            tracing::info!("Removing the dump that replicas are sent, for this server keeps none (rdb-del-sync-files)");
            std::fs::remove_file(self.place_of_dump().path())?;
        }
        Ok((file, len))
    }

    /// The child is looked after, and the save rules are.
    pub(in crate::server) fn snapshot_cron(&mut self) {
        self.poll_child();
        self.snapshots.supervisor.reap_strangers();
        let now = self.clock.latest();
        let supervisor = &self.snapshots.supervisor;
        if self.snapshots.is_loading || supervisor.child().is_some() {
            return;
        }
        if let Some(rule) = supervisor.due_rule(&self.config.save, &self.keyspace, now).copied() {
            tracing::info!("{} changes in {} seconds. Saving...", rule.changes, rule.seconds);
            // A failure is logged and kept where it happens; the rules ask again.
            let _ = self.start_child(Trigger::Rule(rule));
        } else if supervisor.scheduled_is_due(now) {
            let _ = self.start_child(Trigger::Scheduled);
        }
    }

    /// Whether writes are refused because the last save in the background failed.
    pub(in crate::server) fn writes_are_stopped(&self) -> bool {
        !self.snapshots.supervisor.last_ok() && self.config.stop_writes_on_bgsave_error && !self.config.save.is_empty()
    }

    pub(in crate::server) fn after_flush_all(&mut self) {
        if self.config.save.is_empty() {
            self.snapshots.supervisor.dismiss_child();
        } else {
            // The child's dump must not take the place of the empty one.
            self.snapshots.supervisor.end_child(&mut self.keyspace);
            // A failure is logged; the flush holds.
            let _ = self.save_now(Trigger::Flush);
        }
    }

    /// What INFO shows about snapshots and loading.
    pub fn persistence_info(&self) -> PersistenceInfo {
        let now = self.clock.latest();
        let snapshots = &self.snapshots;
        let last = &snapshots.last_load;
        PersistenceInfo {
            async_loading: self.is_taking_data_in(),
            loading: snapshots.loading.map(|progress| progress.info(now)),
            rdb_last_load_keys_loaded: last.keys,
            rdb_last_load_keys_expired: last.expired_keys,
            rdb_last_load_left_out: last.left_out,
            ..snapshots.supervisor.info(&self.keyspace, now)
        }
    }
}
