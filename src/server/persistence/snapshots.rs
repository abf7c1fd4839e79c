//! Snapshots and loading as the server's loop drives them; what they are is in the room `snapshot`.

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::state::LoadProgress;
use crate::commands::{CommandError, SnapshotRequest, write_restore};
use crate::keyspace::Db;
use crate::observe::{LoadingInfo, PersistenceInfo};
use crate::server::clients::ClientKey;
use crate::server::exec::Frame;
use crate::server::executor::Executor;
use crate::server::net::Shared;
use crate::server::persistence::fallback;
use crate::snapshot;
use crate::snapshot::{
    Cancelled, DumpFile, Duplicates, Fate, InterruptWatch, KnownDump, LoadError, LoadFault, LoadSettings, Loaded,
    Loader, Place, Progress, SaveError, SaveOptions, Task, Trigger, Verification,
};
use crate::stdx::HashSeed;
use crate::stdx::text::counted;

/// How long loading holds the loop before clients are looked at.
const LOAD_STEP: Duration = Duration::from_millis(5);

/// Delays between keys (`key-load-delay`) are slept once they add up to so much.
const DELAY_US_MIN: u64 = 1000;

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

/// Opens the dump that the server starts with, if there is one. From here on clients are answered that it is loading.
pub fn open_dump(shared: &Shared) -> Result<Option<DumpFile>, LoadError> {
    let mut executor = shared.executor.borrow_mut();
    for (name, fate) in executor.place_of_dump().clear_leftovers() {
        match fate {
            Fate::Removed => tracing::info!("Removed {name}, left behind by a save that was cut short"),
            Fate::Left(reason) => tracing::info!("Left {name} as it is: {reason}"),
        }
    }
    // The whole path is what a message about a start that failed has to name.
    let file = DumpFile::open(&Path::new(&executor.config.dir).join(&executor.config.dbfilename))?;
    match &file {
        Some(file) => {
            if let Some(bytes) = file.memory_when_saved() {
                executor.memory.limit().warn_of_dump(file.path(), bytes);
            }
            executor.begin_loading(file);
        }
        None => fallback::warn_of_missing_dump(&executor.place_of_dump()),
    }
    Ok(file)
}

/// Loads the dump, leaving the loop to the clients every few milliseconds.
pub async fn load_dump(shared: &Shared, file: &DumpFile) -> Result<(), LoadError> {
    match load_steps(shared, file).await {
        Ok(loaded) => {
            let mut executor = shared.executor.borrow_mut();
            let known = loaded.is_all().then_some(KnownDump { standing: file.standing(), keys: loaded.keys });
            executor.finish_loading(loaded);
            executor.snapshots.supervisor.note_data_of(known);
            Ok(())
        }
        Err(fault) => fallback::load(shared, LoadError { path: file.path().to_path_buf(), fault }).await,
    }
}

pub async fn load_steps(shared: &Shared, file: &DumpFile) -> Result<Loaded, LoadFault> {
    let (settings, databases) = {
        let executor = shared.executor.borrow();
        let config = &executor.config;
        (LoadSettings::new(config, executor.clock.latest()), config.databases as usize)
    };
    let mut loader = Loader::new(file.bytes().clone(), databases, HashSeed::random(), settings)?;
    let mut owed_us = 0;
    loop {
        let progress = {
            let mut executor = shared.executor.borrow_mut();
            let delay_us = executor.config.key_load_delay_us;
            let progress = load_step(&mut loader, &executor, delay_us, &mut owed_us)?;
            executor.note_loading(&loader);
            progress
        };
        match progress {
            Progress::Ended => {
                let loaded = loader.finish();
                keep_what_is_left_out(file.path(), &loaded)?;
                return Ok(loaded);
            }
            Progress::Waiting => std::future::poll_fn(|context| loader.poll_ready(context)).await,
            Progress::Working if owed_us >= DELAY_US_MIN => {
                tokio::time::sleep(Duration::from_micros(std::mem::take(&mut owed_us))).await;
            }
            Progress::Working => tokio::task::yield_now().await,
        }
    }
}

/// Keeps the dump under a second name if something of it is not in what was loaded, before anybody can write over it.
fn keep_what_is_left_out(path: &Path, loaded: &Loaded) -> Result<(), LoadFault> {
    if loaded.left_out.total() > 0 {
        let kept = snapshot::keep_original(path)?;
        tracing::warn!("Left out of {}: {}. The file is kept as {}", path.display(), loaded.left_out, kept.display());
    }
    Ok(())
}

/// Loads for a few milliseconds, or until so much delay is owed that it is worth sleeping.
fn load_step(
    loader: &mut Loader,
    executor: &Executor,
    delay_us: i32,
    owed_us: &mut u64,
) -> Result<Progress, LoadFault> {
    let access = &executor.keyspace.access;
    let deadline = Instant::now() + LOAD_STEP;
    if delay_us == 0 {
        return loader.step(access, deadline, u64::MAX);
    }
    while Instant::now() < deadline && *owed_us < DELAY_US_MIN {
        let before = loader.entries();
        let progress = loader.step(access, deadline, 1)?;
        *owed_us += snapshot::delay_us(delay_us) * (loader.entries() - before);
        if progress != Progress::Working {
            return Ok(progress);
        }
    }
    Ok(Progress::Working)
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
            SnapshotRequest::Shutdown(request) => self.shutdown_for(key, request),
            SnapshotRequest::AbortShutdown => self.abort_shutdown_for(key),
            SnapshotRequest::Reload { merge, flush, save } => self.reload_for(key, merge, flush, save),
        }
    }

    /// A snapshot of the present moment under the present configuration.
    fn snapshot_task(&mut self, trigger: Trigger) -> Task {
        let now = self.clock.advance();
        // Where expiry is switched off (DEBUG SET-ACTIVE-EXPIRE), keys past it are kept in the dump too.
        let mut options =
            SaveOptions::new(&self.config, self.memory.used_bytes(), self.keyspace.expires_actively(), now);
        if self.keyspace.has_expiring_fields() {
            options = options.holding_expiring_fields(&self.config);
        }
        Task { place: self.place_of_dump(), options, trigger, title: None }
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
    fn save_now(&mut self, trigger: Trigger) -> Result<(), SaveError> {
        let task = self.snapshot_task(trigger);
        self.snapshots.supervisor.save(&mut self.keyspace, &task, false)
    }

    /// Takes the last snapshot of a server that is about to end. SIGINT interrupts it.
    pub(in crate::server) fn save_finally(&mut self) -> Result<(), SaveError> {
        tracing::info!("Saving the final RDB snapshot before exiting.");
        let task = self.snapshot_task(Trigger::Shutdown);
        let _watch = InterruptWatch::install();
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
        let child = self.snapshots.supervisor.start(&mut self.keyspace, &task)?;
        self.process.give_oom_score_to(child, &self.config);
        self.note_latency("fork", Duration::from_micros(self.persistence_info().latest_fork_usec));
        self.snapshots.started.raise();
        Ok(())
    }

    /// Takes in what the child has said and how it ended.
    pub(in crate::server) fn poll_child(&mut self) {
        let now = self.clock.advance();
        self.snapshots.supervisor.poll(&mut self.keyspace, now);
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

    pub(super) fn begin_loading(&mut self, file: &DumpFile) {
        self.snapshots.is_loading = true;
        let started = self.clock.advance();
        let total_bytes = file.bytes().len() as u64;
        self.snapshots.loading = Some(LoadProgress { started, total_bytes, loaded_bytes: 0, used_memory_bytes: 0 });
    }

    fn note_loading(&mut self, loader: &Loader) {
        if let Some(progress) = &mut self.snapshots.loading {
            progress.loaded_bytes = loader.position();
            progress.used_memory_bytes = loader.used_memory_bytes();
        }
    }

    pub(super) fn finish_loading(&mut self, loaded: Loaded) {
        let now = self.clock.advance();
        let started = self.snapshots.loading.take().map_or(now, |progress| progress.started);
        let elapsed = now.since(started);
        self.snapshots.is_loading = false;
        // The threads of the load allocated most of it.
        self.memory.refresh();
        self.note_loaded(&loaded);
        log_loaded(&loaded, elapsed);
        self.take_data(loaded.dbs);
    }

    fn note_loaded(&mut self, loaded: &Loaded) {
        self.snapshots.last_load_keys = loaded.keys;
        self.snapshots.last_load_expired_keys = loaded.expired_keys;
        self.snapshots.last_load_left_out = loaded.left_out.total();
    }

    /// Puts loaded databases in the place of those that are there.
    fn take_data(&mut self, dbs: Vec<Db>) {
        let now_ms = self.clock.latest().unix_ms;
        self.keyspace.replace_data(dbs, now_ms);
        self.keyspace.record_data(write_restore);
        if self.snapshots.supervisor.child().is_some() {
            self.keyspace.set_child_alive(true);
        }
    }

    fn reload_for(&mut self, key: ClientKey, merge: bool, flush: bool, save: bool) {
        // What a child still writes would take the place of what is saved and loaded here.
        self.snapshots.supervisor.end_child(&mut self.keyspace);
        if save && let Err(error) = self.save_now(Trigger::Reload) {
            self.reply_error(key, &CommandError::owned(format!("ERR {error}")));
            return;
        }
        match self.reload(merge, flush) {
            Ok(()) => {
                tracing::warn!("DB reloaded by DEBUG RELOAD");
                self.clients.get_mut(key).reply.ok();
            }
            Err(error) => {
                tracing::warn!("Error loading the DB, {error}");
                let text = "ERR Error trying to load the RDB dump, check server logs.";
                self.reply_error(key, &CommandError::text(text));
            }
        }
    }

    /// Loads the dump at once, in the place of the data or beside it.
    fn reload(&mut self, merge: bool, flush: bool) -> Result<(), LoadError> {
        self.snapshots.supervisor.note_data_of(None);
        let name = self.config.dbfilename.clone();
        let path = Path::new(&name);
        let fault = |fault| LoadError { path: path.to_path_buf(), fault };
        let file = DumpFile::open(path)?.ok_or_else(|| LoadError::missing(path))?;
        let mut settings = LoadSettings::new(&self.config, self.clock.latest());
        settings.checksum &= !self.keyspace.skips_checksums;
        if !flush {
            // What is there is not touched before the file is known to be what was written.
            let mut verification = Verification::new(file.bytes().clone(), settings.checksum).map_err(fault)?;
            while !verification.step().map_err(fault)? {}
            settings.checksum = false;
        }
        if merge {
            settings.duplicates = Duplicates::Replaced;
        }
        let databases = self.keyspace.databases();
        let dbs = match flush {
            true => (0..databases).map(|_| Db::new(HashSeed::random())).collect(),
            false => (0..databases).map(|db| self.keyspace.db_mut(db).take()).collect(),
        };
        let mut loader = Loader::into_dbs(file.bytes().clone(), dbs, settings).map_err(fault)?;
        let delay_us = self.config.key_load_delay_us;
        let mut owed_us = 0;
        let mut result = loop {
            match load_step(&mut loader, self, delay_us, &mut owed_us) {
                Ok(Progress::Working) => std::thread::sleep(Duration::from_micros(std::mem::take(&mut owed_us))),
                Ok(Progress::Waiting) => loader.wait(),
                Ok(Progress::Ended) => break Ok(()),
                Err(error) => break Err(fault(error)),
            }
        };
        match result {
            Ok(()) => {
                let loaded = loader.finish();
                result = keep_what_is_left_out(path, &loaded).map_err(fault);
                if result.is_ok() || !flush {
                    self.note_loaded(&loaded);
                    self.take_data(loaded.dbs);
                }
            }
            // What was there stays, with what was added to it.
            Err(_) if !flush => self.take_data(loader.into_partial()),
            Err(_) => {}
        }
        result
    }

    /// What INFO shows about snapshots and loading.
    pub fn persistence_info(&self) -> PersistenceInfo {
        let now = self.clock.latest();
        let snapshots = &self.snapshots;
        let loading = snapshots.loading.map(|progress| {
            let elapsed = now.since(progress.started);
            LoadingInfo::new(
                progress.started.unix_seconds(),
                elapsed.as_secs() as i64,
                progress.loaded_bytes,
                progress.total_bytes,
                progress.used_memory_bytes,
            )
        });
        PersistenceInfo {
            loading,
            rdb_last_load_keys_loaded: snapshots.last_load_keys,
            rdb_last_load_keys_expired: snapshots.last_load_expired_keys,
            rdb_last_load_left_out: snapshots.last_load_left_out,
            ..snapshots.supervisor.info(&self.keyspace, now)
        }
    }
}

fn log_loaded(loaded: &Loaded, elapsed: Duration) {
    let seconds = elapsed.as_secs_f64();
    let megabytes = loaded.bytes as f64 / 1e6;
    let &Loaded { keys, expired_keys, empty_keys, .. } = loaded;
    let skipped = if empty_keys == 0 { String::new() } else { format!(", empty keys skipped: {empty_keys}") };
    tracing::info!("Done loading RDB, keys loaded: {keys}, keys expired: {expired_keys}{skipped}.");
    tracing::info!(
        "DB loaded from disk: {seconds:.3} seconds ({}, {megabytes:.1} MB, {:.0} MB/s)",
        counted(keys, "key"),
        megabytes / seconds.max(1e-6)
    );
}
