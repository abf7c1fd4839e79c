//! A child at work, as its parent knows it from its reports, and what to make of its end.

use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::child::report::{Figures, Inbox, Report};
use super::child::{Child, KnownDump};
use super::error::{SaveError, Step};
use super::file::{Disk, FileSystem as _, Place, Temp, temp_file};
use super::history::{Outcome, Record};
use super::memory::{Groups, Watch};
use super::process::{self, End};
use super::task::{Task, Trigger};
use crate::keyspace::Keyspace;
use crate::stdx::clock::Now;
use crate::structures::{Kept, kept_for_children};

/// A child that was asked to end is killed after so long.
const POLITE_FOR: Duration = Duration::from_secs(1);

/// A child that has not ended so long after that waits for the kernel, and nobody waits for it any longer.
const ENDING_MAX: Duration = Duration::from_secs(5);

/// How long the removal of a file is waited for whose disk may hang.
const REMOVAL_MAX: Duration = Duration::from_millis(500);

/// A child at work.
#[derive(Debug)]
pub struct Running {
    pub child: Child,
    inbox: Inbox,
    /// Where the child works, whatever directory the server moves to meanwhile.
    place: Place,
    /// The temp file, once the child has said which it is.
    temp: Option<Temp>,
    pub started: Now,
    trigger: Trigger,
    /// The change count at the fork, and how many of the changes the last save did not have.
    pub changes_at_fork: u64,
    changes: u64,
    pub keys_total: u64,
    pub figures: Figures,
    /// Measures what the child takes, or why that cannot be.
    pub watch: io::Result<Watch>,
    /// When `figures.copied_bytes` was counted.
    pub counted_at: Instant,
    /// Bytes of blocks whose new version was written elsewhere, so that the child keeps the old one to itself.
    pub redirected_bytes: u64,
    /// Those of them in pages that the child has not finished.
    pub kept_bytes: u64,
    /// The most that the snapshot took of memory so far.
    pub peak_extra_bytes: u64,
    /// At so much it is given up; 0 for never.
    pub memory_limit_bytes: u64,
    pub used_at_fork: u64,
    groups: Groups,
    /// How many processes of the own control group had been killed for want of memory at the fork.
    kills_at_fork: Option<u64>,
    /// When the child last said anything, or was not to blame for its silence.
    pub progress_at: Instant,
    /// It was reported to make no progress.
    pub is_stalled: bool,
    /// Why this server has ended it.
    pub given_up: Option<SaveError>,
    /// Since when it is to end.
    pub ending_since: Option<Instant>,
    /// It did not end, and its temp file was taken away from it.
    is_abandoned: bool,
    /// The child was about to put the new dump in its place.
    renaming: bool,
    done: bool,
    failure: Option<(Step, String)>,
    /// A signal has stopped it; it goes on with SIGCONT.
    pub is_stopped: bool,
    /// It was asked to end, so that its end is no failure.
    pub is_dismissed: bool,
    /// It sends the data to replicas, and writes no dump.
    pub is_for_replicas: bool,
}

impl Running {
    pub fn new(child: Child, task: &Task, keyspace: &Keyspace, changes_saved: u64, groups: Groups) -> Self {
        // Without a name, as when it was removed, the directory still is where we stand.
        let here = &task.place.directory;
        let directory = std::path::absolute(here).unwrap_or_else(|_| here.clone());
        let place = Place { directory, ..task.place.clone() };
        Self {
            inbox: Inbox::default(),
            watch: Watch::start(child.pid),
            kills_at_fork: groups.kills(),
            groups,
            used_at_fork: task.options.used_memory_bytes,
            place,
            temp: None,
            child,
            started: task.options.now,
            trigger: task.trigger,
            changes_at_fork: keyspace.changes(),
            changes: keyspace.changes() - changes_saved,
            keys_total: keyspace.len() as u64,
            figures: Figures::default(),
            counted_at: task.options.now.monotonic(),
            redirected_bytes: 0,
            kept_bytes: 0,
            peak_extra_bytes: 0,
            memory_limit_bytes: 0,
            progress_at: task.options.now.monotonic(),
            is_stalled: false,
            given_up: None,
            ending_since: None,
            is_abandoned: false,
            renaming: false,
            done: false,
            failure: None,
            is_stopped: false,
            is_dismissed: false,
            is_for_replicas: task.pipe.is_some(),
        }
    }

    /// Notes that a signal has stopped the child, or that it goes on.
    pub fn note_stop(&mut self, by: Option<i32>) {
        self.is_stopped = by.is_some();
        let pid = self.child.pid;
        match by {
            Some(signal) => tracing::warn!(
                "The process that saves (pid {pid}) was stopped by signal {signal}: the save goes on when it gets \
                 SIGCONT, and BGSAVE CANCEL ends it"
            ),
            None if self.is_dismissed => {}
            None => tracing::info!("The process that saves (pid {pid}) goes on"),
        }
    }

    /// Takes in what has arrived.
    pub fn receive(&mut self, now: Now) {
        for report in self.inbox.receive(self.child.reports.as_fd()) {
            match report {
                Report::Created(temp) => {
                    if temp.number != self.child.pid {
                        let (taken, name) = (self.temp_path(self.child.pid), self.temp_path(temp.number));
                        let (taken, name) = (taken.display(), name.display());
                        tracing::info!("{taken} is another process's, or not a temp file: saving to {name}");
                    }
                    self.temp = Some(temp);
                }
                Report::Progress(figures) => self.note(figures, now),
                Report::Renaming(figures) => {
                    self.note(figures, now);
                    self.renaming = true;
                }
                Report::Done(figures) => {
                    self.note(figures, now);
                    self.done = true;
                }
                Report::Failed(step, text) => self.failure = Some((step, text)),
            }
        }
        if !self.renaming
            && !self.done
            && let Ok(watch) = &self.watch
            && let Some((bytes, at)) = watch.measured()
        {
            self.figures.copied_bytes = bytes;
            self.counted_at = at;
        }
        let Kept { now, once } = kept_for_children();
        (self.kept_bytes, self.redirected_bytes) = (now as u64, once as u64);
        self.peak_extra_bytes = self.peak_extra_bytes.max(self.extra_bytes());
    }

    fn note(&mut self, figures: Figures, now: Now) {
        let copied_bytes = match figures.copied_bytes {
            0 => self.figures.copied_bytes,
            counted => {
                self.counted_at = now.monotonic();
                counted
            }
        };
        self.figures = Figures { copied_bytes, ..figures };
        self.note_progress(now);
    }

    /// The child has done something, or is kept from it by others.
    pub fn note_progress(&mut self, now: Now) {
        self.progress_at = now.monotonic();
        if std::mem::take(&mut self.is_stalled) {
            tracing::info!("The process that saves (pid {}) makes progress again", self.child.pid);
        }
    }

    /// What would be free without this snapshot.
    pub fn extra_bytes(&self) -> u64 {
        self.figures.copied_bytes + self.kept_bytes
    }

    pub fn set_memory_limit(&mut self, bytes: u64) {
        self.memory_limit_bytes = bytes;
        if let Ok(watch) = &self.watch {
            watch.set_limit(bytes);
        }
    }

    /// Asks the child to end, which is no failure.
    pub fn dismiss(&mut self, now: Instant) {
        self.is_dismissed = true;
        self.ending_since.get_or_insert(now);
        process::dismiss(self.child.pid);
    }

    /// Whether a child that is to end waits for the kernel, and may do so for ever. One that is slow to end is killed.
    pub fn cannot_end(&self, now: Now) -> bool {
        let Some(since) = self.ending_since else { return false };
        let waited = now.monotonic().saturating_duration_since(since);
        if waited >= POLITE_FOR {
            process::kill(self.child.pid);
        }
        waited >= ENDING_MAX
    }

    /// What the child has achieved, now that it has ended in this way.
    pub fn outcome(&self, end: End) -> Outcome {
        if self.has_saved(end) {
            return Outcome::Saved;
        }
        if let Some(error) = &self.given_up {
            return Outcome::of(error);
        }
        match (end, &self.failure) {
            (End::Signaled(libc::SIGUSR1), _) => Outcome::Cancelled,
            (End::Signaled(libc::SIGKILL), _) if self.is_dismissed => Outcome::Cancelled,
            (End::Signaled(libc::SIGKILL), _) if self.groups.kills() > self.kills_at_fork => {
                Outcome::of(&SaveError::KilledForMemory { limit: self.groups.limit().map(|(bytes, _)| bytes) })
            }
            (End::Signaled(signal), _) => Outcome::of(&SaveError::Killed(signal)),
            (End::Exited(_), Some((step, error))) => Outcome::Failed { step: *step, error: error.clone() },
            (End::Exited(code), None) => Outcome::of(&SaveError::Exited(code)),
        }
    }

    /// Whether the new dump is in its place for good. A child that was killed between its rename and its last report
    /// has left its temp file under the dump's name; what it did not come to do is done here.
    fn has_saved(&self, end: End) -> bool {
        if self.is_for_replicas {
            return self.done;
        }
        let was_about_to = self.renaming && self.failure.is_none() && matches!(end, End::Signaled(_));
        let has_renamed = || {
            let dump = Disk.look_at(&self.place.path()).ok().flatten();
            self.temp.is_some_and(|temp| dump.is_some_and(|dump| dump.identity == temp.identity))
        };
        self.done || was_about_to && has_renamed() && Disk.sync_directory(&self.place.directory).is_ok()
    }

    /// Takes the temp file away from a child that does not end: it cannot put it in the dump's place any more. The disk
    /// that the child waits for may keep that waiting too, which is done in another thread for this reason.
    pub fn abandon(&mut self) {
        self.renaming = false;
        self.is_abandoned = true;
        let Some(temp) = self.temp else { return };
        let path = self.temp_path(temp.number);
        let (done, is_done) = channel();
        let removal = std::thread::Builder::new().name("dump-removal".to_owned()).spawn({
            let path = path.clone();
            move || {
                if Disk.look_at(&path).ok().flatten().is_some_and(|found| found.identity == temp.identity) {
                    note_failed_removal(&path, Disk.remove(&path));
                }
                let _ = done.send(());
            }
        });
        if removal.is_err() || is_done.recv_timeout(REMOVAL_MAX).is_err() {
            tracing::warn!("The temp file {} cannot be removed at once", path.display());
        }
    }

    /// Removes what a child that has ended has left.
    pub fn remove_temp(&self) {
        match self.temp {
            _ if self.is_abandoned => {}
            Some(temp) => {
                let path = self.temp_path(temp.number);
                note_failed_removal(&path, temp_file::remove_own(&path, temp.identity));
            }
            // It was killed before it could say which file is its own.
            None => temp_file::remove_leftover(&self.temp_path(self.child.pid)),
        }
    }

    /// The dump that the child has put in its place.
    pub fn saved_dump(&self) -> Option<KnownDump> {
        KnownDump::saved_as(&Disk, &self.place, self.temp, self.figures.keys)
    }

    fn temp_path(&self, number: u32) -> PathBuf {
        self.place.temp_path(number)
    }

    pub fn into_record(self, outcome: Outcome, duration: Duration) -> Record {
        Record {
            id: 0,
            trigger: self.trigger,
            changes: self.changes,
            background: true,
            started_unix_ms: self.started.unix_ms,
            duration_us: duration.as_micros() as u64,
            fork_us: self.child.fork_us,
            figures: self.figures,
            redirected_bytes: self.redirected_bytes,
            peak_extra_bytes: self.peak_extra_bytes,
            outcome,
        }
    }

    pub fn log_success(&self) {
        let megabytes = |bytes: u64| bytes >> 20;
        tracing::info!("DB saved on disk");
        log_speed(self.figures.keys, self.figures.bytes, self.figures.elapsed_us);
        tracing::info!(
            "Fork CoW for RDB: current {} MB, peak {} MB, fork {} us",
            megabytes(self.figures.copied_bytes),
            megabytes(self.peak_extra_bytes),
            self.child.fork_us
        );
        tracing::info!("Background saving terminated with success");
    }
}

fn note_failed_removal(path: &Path, removal: io::Result<()>) {
    if let Err(error) = removal
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!("Cannot remove the temp file {}: {error}", path.display());
    }
}

pub fn log_speed(keys: u64, bytes: u64, elapsed_us: u64) {
    let seconds = elapsed_us as f64 / 1e6;
    let megabytes = bytes as f64 / 1e6;
    tracing::debug!("Saved {keys} keys, {megabytes:.1} MB in {seconds:.3} seconds ({:.0} MB/s)", megabytes / seconds);
}

#[cfg(test)]
mod tests {
    use super::super::child::SaveOptions;
    use super::super::child::report;
    use super::super::child::spawn_in_test;
    use super::super::process;
    use super::*;
    use crate::config::Config;
    use crate::stdx::HashSeed;

    /// How a child that is killed right after it has said that it is about to rename has ended.
    fn outcome_of_killed(replace: bool, temp_stays: bool) -> Outcome {
        let directory = tempfile::tempdir().expect("a directory");
        let place = Place { directory: directory.path().to_path_buf(), name: "dump.rdb".into(), keep: 0 };
        std::fs::write(place.path(), "old").expect("a file");
        let temp = place.temp_path(1);
        std::fs::write(&temp, "new").expect("a file");
        let identity = Disk.look_at(&temp).expect("a file").expect("a file").identity;
        let child = spawn_in_test(|pipe| {
            report::send(pipe, &Report::Created(Temp { number: 1, identity }));
            report::send(pipe, &Report::Renaming(Figures::default()));
            let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
            0
        });
        if replace {
            std::fs::rename(&temp, place.path()).expect("the dump is replaced");
        } else if !temp_stays {
            std::fs::remove_file(&temp).expect("the temp file goes");
        }
        let options = SaveOptions::new(&Config::default(), 0, true, Now::read());
        let task = Task { place, options, trigger: Trigger::Command, title: None, pipe: None };
        let keyspace = Keyspace::new(1, HashSeed { k0: 1, k1: 2 });
        let mut running = Running::new(child, &task, &keyspace, 0, Groups::none());
        let end = loop {
            match process::look(running.child.pid).expect("our child") {
                process::State::Ended(end) => break end,
                _ => std::thread::sleep(Duration::from_millis(1)),
            }
        };
        running.receive(Now::read());
        assert!(running.renaming);
        running.outcome(end)
    }

    #[test]
    fn child_that_was_killed_about_to_rename_has_saved_if_the_dump_is_another_one() {
        assert_eq!(outcome_of_killed(true, false), Outcome::Saved);
        let killed = Outcome::of(&SaveError::Killed(libc::SIGKILL));
        assert_eq!(outcome_of_killed(false, true), killed);
        // The rename failed and the child has cleared away, and was killed before it could say so.
        assert_eq!(outcome_of_killed(false, false), killed);
    }
}
