//! Loading dumps: the one that the server starts with, in steps between which clients are answered, and DEBUG RELOAD, at once.

use std::path::Path;
use std::time::{Duration, Instant};

use super::fallback;
use super::held::Hold;
use super::state::{LastLoad, LoadProgress};
use crate::commands::{CommandError, RestorePolicy, write_restore};
use crate::keyspace::Db;
use crate::server::clients::ClientKey;
use crate::server::executor::Executor;
use crate::server::net::Shared;
use crate::snapshot::{
    self, DumpFile, Duplicates, Fate, KnownDump, LoadError, LoadFault, LoadSettings, Loaded, Loader, Progress, Trigger,
    Verification,
};
use crate::stdx::HashSeed;
use crate::stdx::clock::Now;
use crate::stdx::text::counted;

/// How long loading holds the loop before clients are looked at.
const LOAD_STEP: Duration = Duration::from_millis(5);

/// How often the log says how far a load is.
const PROGRESS_PERIOD: Duration = Duration::from_secs(5);

/// Delays between keys (`key-load-delay`) are slept once they add up to so much.
const DELAY_US_MIN: u64 = 1000;

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
            let keys = loaded.keys;
            let is_all = executor.finish_loading(loaded);
            let known = is_all.then_some(KnownDump { standing: file.standing(), keys });
            executor.snapshots.supervisor.note_data_of(known);
            Ok(())
        }
        Err(fault) => fallback::load(shared, LoadError { path: file.path().to_path_buf(), fault }).await,
    }
}

/// Loads what a primary has sent, which is not shown to anybody yet. Keys past their expiry are kept: the primary says
/// when they go.
pub async fn load_for_replica(shared: &Shared, file: &DumpFile) -> Result<Loaded, LoadFault> {
    load_with(shared, file, true).await
}

pub async fn load_steps(shared: &Shared, file: &DumpFile) -> Result<Loaded, LoadFault> {
    // A replica may go on where the data end, and has to hear of every key that goes: those past their expiry go behind the
    // load, by the stream.
    let keeps_expired = shared.executor.borrow().replication.is_replica() || file.notes_history();
    load_with(shared, file, keeps_expired).await
}

async fn load_with(shared: &Shared, file: &DumpFile, keeps_expired: bool) -> Result<Loaded, LoadFault> {
    let (settings, databases) = {
        let executor = shared.executor.borrow();
        let config = &executor.config;
        let settings = LoadSettings { keeps_expired, ..LoadSettings::new(config, executor.clock.latest()) };
        (settings, config.databases as usize)
    };
    let mut loader = Loader::new(file.bytes().clone(), databases, HashSeed::random(), settings)?;
    let mut owed_us = 0;
    let mut reports = ProgressReports::default();
    loop {
        let progress = {
            let mut executor = shared.executor.borrow_mut();
            let delay_us = executor.config.key_load_delay_us;
            let progress = load_step(&mut loader, &executor, delay_us, &mut owed_us)?;
            executor.note_loading(&loader);
            reports.report(executor.snapshots.loading.as_ref(), executor.clock.latest());
            progress
        };
        match progress {
            Progress::Ended => {
                let loaded = loader.finish();
                // Within the borrow nothing waits.
                let libraries = shared.executor.borrow_mut().load_libraries(&loaded.libraries)?;
                keep_what_is_left_out(file.path(), &loaded)?;
                shared.executor.borrow_mut().take_libraries(libraries, RestorePolicy::Flush)?;
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

/// Lines of the log that say how far a load is, at most one in a few seconds.
#[derive(Default)]
struct ProgressReports {
    next: Option<Duration>,
}

impl ProgressReports {
    fn report(&mut self, progress: Option<&LoadProgress>, now: Now) {
        let Some(progress) = progress else { return };
        let elapsed = now.since(progress.started);
        if elapsed < *self.next.get_or_insert(elapsed + PROGRESS_PERIOD) {
            return;
        }
        self.next = Some(elapsed + PROGRESS_PERIOD);
        let info = progress.info(now);
        tracing::info!(
            "Loading RDB: {:.1}% of {:.1} MB after {} s, about {} s left",
            info.loading_loaded_perc,
            progress.total_bytes as f64 / 1e6,
            elapsed.as_secs(),
            info.loading_eta_seconds
        );
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

    /// Takes over what was loaded. Returns whether that is all that the dump holds.
    pub(super) fn finish_loading(&mut self, mut loaded: Loaded) -> bool {
        let now = self.clock.advance();
        let started = self.snapshots.loading.take().map_or(now, |progress| progress.started);
        let elapsed = now.since(started);
        self.snapshots.is_loading = false;
        // The threads of the load allocated most of it.
        self.memory.refresh();
        self.take_data(std::mem::take(&mut loaded.dbs));
        self.resume_history(&loaded.origin);
        if !self.replication.is_replica() {
            // Which the stream says, where there is one.
            loaded.expired_keys += self.keyspace.expire_all_due(now.unix_ms);
            self.after_command();
        }
        self.note_loaded(&loaded);
        log_loaded(&loaded, elapsed);
        loaded.is_all()
    }

    /// Puts the data that a primary has sent in the place of those that are here.
    pub(in crate::server) fn take_loaded(&mut self, loaded: Loaded) {
        self.memory.refresh();
        self.note_loaded(&loaded);
        self.keyspace.set_journal_wanted(false);
        self.take_data(loaded.dbs);
        self.watch_own_writes();
    }

    fn note_loaded(&mut self, loaded: &Loaded) {
        self.snapshots.last_load =
            LastLoad { keys: loaded.keys, expired_keys: loaded.expired_keys, left_out: loaded.left_out.total() };
    }

    /// Puts loaded databases in the place of those that are there.
    pub(in crate::server) fn take_data(&mut self, dbs: Vec<Db>) {
        let now_ms = self.clock.latest().unix_ms;
        self.keyspace.replace_data(dbs, now_ms);
        self.keyspace.record_data(write_restore);
        if self.snapshots.supervisor.child().is_some() {
            self.keyspace.set_child_alive(true);
        }
    }

    /// DEBUG RELOAD.
    pub(super) fn reload_for(&mut self, key: ClientKey, merge: bool, flush: bool, save: bool) {
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
        let _hold = Hold::begin();
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
                let libraries = self.load_libraries(&loaded.libraries);
                let kept = libraries.and_then(|libraries| keep_what_is_left_out(path, &loaded).map(|()| libraries));
                let policy = match (flush, merge) {
                    (true, _) => RestorePolicy::Flush,
                    (false, true) => RestorePolicy::Replace,
                    (false, false) => RestorePolicy::Append,
                };
                result = kept.and_then(|libraries| self.take_libraries(libraries, policy)).map_err(fault);
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
