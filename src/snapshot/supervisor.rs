//! The state of saving: whether a child runs, how the last saves went, and when the rules ask for the next.

use std::ops::ControlFlow;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use super::child;
use super::child::report::Figures;
use super::child::{Child, KnownDump, Observer, SaveOptions, Saved, Target, save};
use super::error::SaveError;
use super::file::{Disk, FileSystem, Temp};
use super::history::{History, Outcome, Record};
use super::huge_pages::Healer;
use super::interrupt::InterruptWatch;
use super::limits::Limits;
use super::memory::{self, Groups};
use super::process::{self, End, State};
use super::running::{Running, log_speed};
use super::schedule::{self, Situation};
use super::task::Task;
use crate::config::SaveRule;
use crate::keyspace::Keyspace;
use crate::observe::{self, PersistenceInfo};
use crate::stdx::clock::Now;

/// How long the end of a dismissed child is waited for.
const DISMISSAL_MAX: Duration = Duration::from_secs(2);

/// After so long a child that was asked to end is killed.
const POLITE_FOR: Duration = Duration::from_millis(50);

const DISMISSAL_STEP: Duration = Duration::from_millis(1);

/// Takes snapshots, one at a time, and knows what became of them.
#[derive(Debug)]
pub struct Supervisor {
    running: Option<Running>,
    /// Rests while a child lives.
    pub healer: Healer,
    /// BGSAVE SCHEDULE asked for a snapshot as soon as one can be taken.
    pub scheduled: bool,
    /// Seconds since 1970.
    last_save: i64,
    /// As the rules count: in seconds that go on evenly.
    last_save_steady: i64,
    last_try_steady: i64,
    last_ok: bool,
    /// The dump that holds the data as they are as long as nobody has changed them.
    same: Option<KnownDump>,
    last_error: String,
    last_duration_seconds: i64,
    last_copied_bytes: u64,
    last_fork_us: u64,
    worst_fork_us: u64,
    forks: u64,
    saves: u64,
    /// How the last child has ended that wrote for replicas, or whose dump they wait for.
    ended: Option<EndedChild>,
    /// The change count of the data that were last saved.
    changes_saved: u64,
    history: History,
    /// It is in the log that the memory of snapshots cannot be watched.
    is_unwatchable: bool,
}

/// How a child has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EndedChild {
    /// It has sent the data to replicas, and written no dump.
    pub sent: bool,
    pub succeeded: bool,
}

/// What [`Supervisor::cancel`] has cancelled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cancelled {
    Running,
    Scheduled,
}

impl Supervisor {
    pub fn new(now: Now) -> Self {
        Self {
            running: None,
            healer: Healer::default(),
            scheduled: false,
            last_save: now.unix_seconds(),
            last_save_steady: now.steady_seconds(),
            last_try_steady: 0,
            last_ok: true,
            same: None,
            last_error: String::new(),
            last_duration_seconds: -1,
            last_copied_bytes: 0,
            last_fork_us: 0,
            worst_fork_us: 0,
            forks: 0,
            saves: 0,
            ended: None,
            changes_saved: 0,
            history: History::default(),
            is_unwatchable: false,
        }
    }

    /// The process number of the child that is saving.
    pub fn child(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.child.pid)
    }

    /// The process number of the child that is saving, if a signal has stopped it.
    pub fn stopped_child(&self) -> Option<u32> {
        self.running.as_ref().filter(|running| running.is_stopped).map(|running| running.child.pid)
    }

    /// Takes in the ends of processes that have nothing to do with saving.
    pub fn reap_strangers(&self) {
        process::reap_strangers(self.child());
    }

    /// When the last successful save was, in seconds since 1970.
    pub fn last_save(&self) -> i64 {
        self.last_save
    }

    /// Whether the last save in the background succeeded, and no other has since.
    pub fn last_ok(&self) -> bool {
        self.last_ok
    }

    pub fn history(&self) -> &History {
        &self.history
    }

    /// What becomes readable when the child that was just started has ended; once for each child.
    pub fn take_end_of_child(&mut self) -> Option<OwnedFd> {
        self.running.as_mut()?.child.ended.take()
    }

    /// CONFIG RESETSTAT.
    pub fn reset_statistics(&mut self) {
        self.saves = 0;
        self.forks = 0;
        self.last_fork_us = 0;
        self.worst_fork_us = 0;
    }

    /// How many changes the last save does not have.
    fn changes_since_save(&self, keyspace: &Keyspace) -> u64 {
        keyspace.changes() - self.changes_saved
    }

    /// The rule that asks for a snapshot now, if one does and none is being taken.
    pub fn due_rule<'a>(&self, rules: &'a [SaveRule], keyspace: &Keyspace, now: Now) -> Option<&'a SaveRule> {
        let changes = self.changes_since_save(keyspace);
        if self.running.is_some() { None } else { schedule::due_rule(rules, &self.situation(changes, now)) }
    }

    /// Whether a snapshot was scheduled whose time has come.
    pub fn scheduled_is_due(&self, now: Now) -> bool {
        self.scheduled && self.running.is_none() && self.situation(0, now).may_try()
    }

    fn situation(&self, changes: u64, now: Now) -> Situation {
        let (last_save, last_try) = (self.last_save_steady, self.last_try_steady);
        Situation { now: now.steady_seconds(), last_save, last_try, last_try_ok: self.last_ok, changes }
    }

    /// Starts a child that saves the keyspace as it is now. Returns its process number.
    pub fn start(&mut self, keyspace: &mut Keyspace, task: &Task) -> Result<u32, SaveError> {
        if self.running.is_some() {
            return Err(SaveError::InProgress);
        }
        // What the child saves is the state between two groups.
        keyspace.journal.close_group();
        let now = task.options.now;
        self.saves += 1;
        self.last_try_steady = now.steady_seconds();
        let task = &self.with_known_dump(keyspace, task);
        if task.pipe.is_none()
            && let Ok(Some(obstacle)) = task.place.obstacle(&Disk)
        {
            return Err(self.fail_to_start(task, self.changes_since_save(keyspace), obstacle));
        }
        let groups = Groups::of_this_process();
        self.warn_of_shortage(&groups);
        let held = self.healer.hold();
        let forked = {
            let target = match &task.pipe {
                Some(pipe) => Target::Pipe(pipe.as_fd()),
                None => Target::File(&task.place),
            };
            child::start(keyspace, target, &task.options, task.title.as_ref())
        };
        let child = match forked {
            Ok(child) => Child { fork_us: child.fork_us + held.as_micros() as u64, ..child },
            Err(cause) => {
                self.healer.release();
                return Err(self.fail_to_start(task, self.changes_since_save(keyspace), SaveError::Fork(cause)));
            }
        };
        // From here on every change copies a page.
        keyspace.set_child_alive(true);
        observe::allow_purging(false);
        self.healer.release_own();
        self.forks += 1;
        self.last_fork_us = child.fork_us;
        self.worst_fork_us = self.worst_fork_us.max(child.fork_us);
        if task.pipe.is_none() {
            self.scheduled = false;
        }
        let pid = child.pid;
        let doing = if task.pipe.is_some() { "RDB transfer" } else { "saving" };
        tracing::info!("Background {doing} started by pid {pid}");
        self.running = Some(Running::new(child, task, keyspace, self.changes_saved, groups));
        Ok(pid)
    }

    /// Warns where there is less memory than the last snapshots took. What is said then may be too cautious, so that the
    /// fork is tried all the same.
    fn warn_of_shortage(&self, groups: &Groups) {
        let needed = self.history.needed_bytes();
        let shortages = if needed == 0 { Vec::new() } else { memory::shortages(Path::new("/"), groups, needed) };
        if !shortages.is_empty() {
            tracing::warn!(
                "WARNING: the last snapshots took up to {needed} bytes of memory beside the data, and there may be too \
                 little for the next: {}. Raise the limit, lower maxmemory, or set snapshot-memory-limit, so that the \
                 snapshot ends and not the server.",
                shortages.join("; ")
            );
        }
    }

    /// Notes that a save in the background could not begin. Returns why.
    fn fail_to_start(&mut self, task: &Task, changes: u64, error: SaveError) -> SaveError {
        tracing::warn!("Can't save in background: {error}");
        self.fail(error.to_string());
        self.history.push(Record {
            id: 0,
            trigger: task.trigger,
            changes,
            background: true,
            started_unix_ms: task.options.now.unix_ms,
            duration_us: 0,
            fork_us: 0,
            figures: Figures::default(),
            redirected_bytes: 0,
            peak_extra_bytes: 0,
            outcome: Outcome::of(&error),
        });
        error
    }

    /// The data are now what this dump holds, or it is not known which dump does.
    pub fn note_data_of(&mut self, dump: Option<KnownDump>) {
        self.same = dump;
    }

    fn with_known_dump(&self, keyspace: &Keyspace, task: &Task) -> Task {
        let same = self.same.filter(|_| self.changes_since_save(keyspace) == 0);
        Task { options: SaveOptions { same, ..task.options.clone() }, ..task.clone() }
    }

    /// Ends the child that is saving or, if there is none, drops the snapshot that was scheduled.
    pub fn cancel(&mut self) -> Option<Cancelled> {
        if self.running.is_some() {
            self.dismiss_child();
            Some(Cancelled::Running)
        } else {
            std::mem::take(&mut self.scheduled).then_some(Cancelled::Scheduled)
        }
    }

    /// Ends the child without that being a failure; [`Supervisor::poll`] notices its end.
    pub fn dismiss_child(&mut self) {
        if let Some(running) = &mut self.running {
            running.dismiss(Instant::now());
        }
    }

    /// Ends the child and waits until it is gone, its temp file too.
    pub fn end_child(&mut self, keyspace: &mut Keyspace) {
        self.dismiss_child();
        let start = Instant::now();
        while self.running.is_some() && !self.poll(keyspace, Now::read()) {
            let waited = start.elapsed();
            if let Some(pid) = self.child()
                && waited >= POLITE_FOR
            {
                process::kill(pid);
            }
            if waited >= DISMISSAL_MAX {
                // It waits for a disk, and ends when that answers; without its temp file it cannot rename any more.
                if let Some(running) = &mut self.running {
                    running.abandon();
                }
                return;
            }
            std::thread::sleep(DISMISSAL_STEP);
        }
    }

    /// Takes in what the child has said, and its end if it has ended. Returns whether it has.
    pub fn poll(&mut self, keyspace: &mut Keyspace, now: Now) -> bool {
        let Some(running) = &mut self.running else { return false };
        let end = match process::look(running.child.pid) {
            Ok(State::Ended(end)) => Some(end),
            Ok(State::Unchanged) => None,
            Ok(State::Stopped(signal)) => {
                running.note_stop(Some(signal));
                None
            }
            Ok(State::Continued) => {
                running.note_stop(None);
                None
            }
            Err(error) => {
                // Somebody else has taken our child's end: all that is left is that it has ended.
                tracing::warn!("Cannot find out how the process that saves ended: {error}");
                Some(End::Exited(1))
            }
        };
        // Its reports are read after its end is known, so that none is missed.
        running.receive(now);
        let end = match end {
            Some(end) => end,
            None if running.cannot_end(now) => {
                let pid = running.child.pid;
                tracing::warn!("The process that saves (pid {pid}) was killed and does not end: nobody waits for it");
                running.abandon();
                End::Signaled(libc::SIGKILL)
            }
            None => {
                keyspace.take_finished_pages();
                return false;
            }
        };
        if let Some(running) = self.running.take() {
            keyspace.set_child_alive(false);
            observe::allow_purging(true);
            self.healer.release();
            self.conclude(running, end, now);
        }
        true
    }

    /// Ends a child that takes more than it may, which [`Supervisor::poll`] notices.
    pub fn enforce(&mut self, limits: &Limits, now: Now) {
        let Some(running) = &mut self.running else { return };
        running.receive(now);
        running.enforce(limits, now);
        if running.memory_limit_bytes > 0
            && let Err(error) = &running.watch
            && !std::mem::replace(&mut self.is_unwatchable, true)
        {
            tracing::warn!(
                "Cannot watch the memory of the process that saves, so that snapshot-memory-limit has no effect: \
                 /proc/{}/smaps_rollup: {error}",
                running.child.pid
            );
        }
    }

    /// The child that sends data to replicas has got some of them off, or waits for a replica.
    pub fn excuse_child(&mut self, now: Now) {
        if let Some(running) = self.running.as_mut().filter(|running| running.is_for_replicas) {
            running.note_progress(now);
        }
    }

    /// The child has ended: notes how, and clears away what it left.
    fn conclude(&mut self, running: Running, end: End, now: Now) {
        let duration = now.since(running.started);
        self.last_duration_seconds = duration.as_secs() as i64;
        let outcome = running.outcome(end);
        let (sent, succeeded) = (running.is_for_replicas, outcome == Outcome::Saved);
        if succeeded {
            self.last_copied_bytes = running.figures.copied_bytes;
        }
        if sent {
            // No dump is any newer.
            match &outcome {
                Outcome::Saved => tracing::info!("Background RDB transfer terminated with success"),
                Outcome::Cancelled => tracing::info!("Background RDB transfer cancelled"),
                Outcome::Failed { error, .. } => tracing::warn!("Background transfer error: {error}"),
            }
        } else {
            self.conclude_save(&running, end, &outcome, now);
        }
        self.ended = Some(EndedChild { sent, succeeded });
        self.history.push(running.into_record(outcome, duration));
    }

    fn conclude_save(&mut self, running: &Running, end: End, outcome: &Outcome, now: Now) {
        if let (End::Signaled(signal), Outcome::Failed { .. }) = (end, outcome) {
            tracing::warn!("Background saving terminated by signal {signal}");
        }
        match outcome {
            Outcome::Saved => {
                running.log_success();
                // Changes made while the child was saving are not in the dump.
                self.changes_saved = running.changes_at_fork;
                self.same = running.saved_dump();
                self.succeed(now);
            }
            Outcome::Cancelled => {
                tracing::info!("Background saving cancelled");
                running.remove_temp();
            }
            Outcome::Failed { error, .. } => {
                tracing::warn!("Background saving error: {error}");
                running.remove_temp();
                self.fail(error.clone());
            }
        }
    }

    /// How a child has ended since the last call, if one has.
    pub fn take_ended(&mut self) -> Option<EndedChild> {
        self.ended.take()
    }

    /// Saves in the foreground. The observer may end it.
    pub fn save(&mut self, keyspace: &mut Keyspace, task: &Task, interruptible: bool) -> Result<(), SaveError> {
        self.save_with(keyspace, task, interruptible, &Disk)
    }

    pub(super) fn save_with(
        &mut self,
        keyspace: &mut Keyspace,
        task: &Task,
        interruptible: bool,
        system: &dyn FileSystem,
    ) -> Result<(), SaveError> {
        self.saves += 1;
        let start = Instant::now();
        let changes = self.changes_since_save(keyspace);
        let mut observer = Foreground { interruptible, figures: Figures::default(), temp: None };
        let task = &self.with_known_dump(keyspace, task);
        keyspace.prepare_walk();
        let result = save::save_to_file(keyspace, &task.place, &task.options, system, &mut observer);
        let duration_us = start.elapsed().as_micros() as u64;
        let figures = observer.figures;
        let outcome = match &result {
            Ok(_) => {
                tracing::info!("DB saved on disk");
                log_speed(figures.keys, figures.bytes, duration_us);
                self.changes_saved = keyspace.changes();
                self.same = KnownDump::saved_as(system, &task.place, observer.temp, figures.keys);
                self.succeed(Now::read());
                Outcome::Saved
            }
            Err(error) => {
                tracing::warn!("Write error saving DB on disk: {error}");
                Outcome::of(error)
            }
        };
        self.history.push(Record {
            id: 0,
            trigger: task.trigger,
            changes,
            background: false,
            started_unix_ms: task.options.now.unix_ms,
            duration_us,
            fork_us: 0,
            figures,
            redirected_bytes: 0,
            peak_extra_bytes: 0,
            outcome,
        });
        result.map(drop)
    }

    fn succeed(&mut self, now: Now) {
        self.last_save = now.unix_seconds();
        self.last_save_steady = now.steady_seconds();
        self.last_ok = true;
        self.last_error = String::new();
    }

    fn fail(&mut self, error: String) {
        self.last_ok = false;
        self.last_error = error;
    }

    /// The figures that INFO shows; those about loading are the caller's.
    pub fn info(&self, keyspace: &Keyspace, now: Now) -> PersistenceInfo {
        let last = self.history.records().rev().find(|record| record.background);
        let mut info = PersistenceInfo {
            rdb_changes_since_last_save: self.changes_since_save(keyspace),
            rdb_bgsave_in_progress: self.running.is_some(),
            rdb_bgsave_stopped: self.stopped_child().is_some(),
            rdb_last_save_time: self.last_save,
            rdb_last_bgsave_ok: self.last_ok,
            rdb_last_bgsave_error: self.last_error.clone(),
            rdb_last_bgsave_time_sec: self.last_duration_seconds,
            rdb_current_bgsave_time_sec: -1,
            rdb_saves: self.saves,
            rdb_last_cow_size: self.last_copied_bytes,
            rdb_last_redirected_bytes: last.map_or(0, |record| record.redirected_bytes),
            rdb_last_extra_peak_bytes: last.map_or(0, |record| record.peak_extra_bytes),
            total_forks: self.forks,
            latest_fork_usec: self.last_fork_us,
            worst_fork_usec: self.worst_fork_us,
            ..PersistenceInfo::default()
        };
        if let Some(running) = &self.running {
            let elapsed = now.since(running.started);
            info.rdb_current_bgsave_time_sec = elapsed.as_secs() as i64;
            info.rdb_bgsave_stalled = running.is_stalled;
            info.current_cow_peak = running.peak_extra_bytes;
            info.current_cow_size = running.figures.copied_bytes;
            info.current_cow_size_age = now.monotonic().saturating_duration_since(running.counted_at).as_secs();
            info.current_redirected_bytes = running.redirected_bytes;
            info.current_extra_bytes = running.extra_bytes();
            info.current_extra_limit_bytes = running.memory_limit_bytes;
            info.current_save_keys_processed = running.figures.keys_passed();
            info.current_save_keys_total = running.keys_total;
            info.current_fork_perc = match running.keys_total {
                0 => 0.0,
                total => running.figures.keys_passed() as f64 * 100.0 / total as f64,
            };
        }
        info
    }
}

/// A save that holds the event loop; a shutdown's may be cut short by a second SIGINT.
struct Foreground {
    interruptible: bool,
    figures: Figures,
    temp: Option<Temp>,
}

impl Foreground {
    fn note(&mut self, so_far: &Saved) {
        let Saved { keys, bytes, raw_bytes, expired_keys, threads } = *so_far;
        self.figures = Figures { keys, bytes, raw_bytes, expired_keys, threads, ..Figures::default() };
    }
}

impl Observer for Foreground {
    fn created(&mut self, temp: Temp) {
        self.temp = Some(temp);
    }

    fn progress(&mut self, so_far: &Saved) -> ControlFlow<()> {
        self.note(so_far);
        if self.interruptible && InterruptWatch::raised() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn before_commit(&mut self, saved: &Saved) {
        self.note(saved);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::Change;
    use crate::stdx::HashSeed;

    const NOW_MS: i64 = 1_795_348_800_000;
    const DAY_MS: i64 = 86_400_000;
    const RULES: [SaveRule; 1] = [SaveRule { seconds: 60, changes: 1 }];

    #[test]
    fn rules_wait_for_their_seconds_whoever_sets_the_wall_clock() {
        let supervisor = Supervisor::new(Now::at_unix_ms(NOW_MS));
        let mut keyspace = Keyspace::new(1, HashSeed::random());
        keyspace.commit(0, b"key", Change::SILENT);
        let due = |after_ms: i64, set_by_ms: i64| {
            let now = Now::at_unix_ms(NOW_MS + after_ms).with_wall_clock_set(set_by_ms);
            supervisor.due_rule(&RULES, &keyspace, now).is_some()
        };
        for set_by_ms in [0, -DAY_MS, DAY_MS] {
            assert!(!due(60_000, set_by_ms), "{set_by_ms}");
            assert!(due(61_000, set_by_ms), "{set_by_ms}");
        }
        assert_eq!(supervisor.last_save(), NOW_MS / 1000);
    }

    #[test]
    fn a_save_is_tried_again_five_seconds_after_a_failure_whoever_sets_the_wall_clock() {
        let mut supervisor = Supervisor::new(Now::at_unix_ms(NOW_MS));
        supervisor.scheduled = true;
        supervisor.last_try_steady = Now::at_unix_ms(NOW_MS).steady_seconds();
        supervisor.fail("on purpose".to_owned());
        let due = |after_ms: i64, set_by_ms: i64| {
            supervisor.scheduled_is_due(Now::at_unix_ms(NOW_MS + after_ms).with_wall_clock_set(set_by_ms))
        };
        for set_by_ms in [0, -DAY_MS, DAY_MS] {
            assert!(!due(5_000, set_by_ms), "{set_by_ms}");
            assert!(due(6_000, set_by_ms), "{set_by_ms}");
        }
    }
}
