//! Measures what a child takes, on a thread of its own: the kernel walks the child's page tables for it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};

use crate::stdx::text::kilobyte_field;

/// How often it is measured at most.
const INTERVAL: Duration = Duration::from_millis(250);

/// Measuring takes at most one part in so many of the time.
const SHARE: u32 = 20;

/// Where the limit may have been reached, measuring may take one part in so many.
const SHARE_NEAR_LIMIT: u32 = 4;

/// How often the faults of this process are looked at in between, which costs next to nothing.
const TICK: Duration = Duration::from_millis(50);

/// What a write to a page copies that parent and child share.
const PAGE_BYTES: u64 = 4096;

/// The fields of smaps_rollup take about 1 KiB.
const ROLLUP_BYTES: usize = 4096;

/// Measures one child, until it is dropped.
#[derive(Debug)]
pub struct Watch(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// What the child has for itself, and when that was found out.
    measured: Option<(u64, Instant)>,
    /// At so much the snapshot is given up; 0 for never.
    limit_bytes: u64,
    is_over: bool,
}

impl Watch {
    /// Starts to measure a child that nobody has waited for yet.
    pub fn start(pid: u32) -> io::Result<Self> {
        // The open file remains that of this process, even if another process gets its number later.
        let rollup = Rollup(File::open(format!("/proc/{pid}/smaps_rollup"))?);
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("snapshot-memory".to_owned());
        thread.spawn(move || of_thread.run(&rollup))?;
        Ok(Self(shared))
    }

    /// What the child has for itself, pages that were copied at writes of its parent's and what it has written itself,
    /// and when that was measured.
    pub fn measured(&self) -> Option<(u64, Instant)> {
        self.0.lock().measured
    }

    /// Lets it be measured more often when it comes close to this limit; 0 is none.
    pub fn set_limit(&self, bytes: u64) {
        self.0.lock().limit_bytes = bytes;
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, rollup: &Rollup) {
        loop {
            let (start, faults) = (Instant::now(), faults());
            // A child that has ended has nothing any more.
            let Ok(bytes) = rollup.private_dirty_bytes() else { return };
            let cost = start.elapsed();
            self.lock().measured = Some((bytes, Instant::now()));
            if !self.rest(bytes, faults, cost) {
                return;
            }
        }
    }

    /// Waits until it is time to measure again. Returns whether it is to be.
    fn rest(&self, bytes: u64, faults_before: u64, cost: Duration) -> bool {
        let start = Instant::now();
        let (usual, near) = (INTERVAL.max(cost * SHARE), TICK.max(cost * SHARE_NEAR_LIMIT));
        let mut state = self.lock();
        loop {
            if state.is_over {
                return false;
            }
            // Each page that was copied was a fault of ours; not each fault was a page that was copied.
            let at_most = bytes.saturating_add(faults().saturating_sub(faults_before) * PAGE_BYTES);
            let is_near = state.limit_bytes > 0 && at_most >= state.limit_bytes;
            let elapsed = start.elapsed();
            if elapsed >= usual || is_near && elapsed >= near {
                return true;
            }
            let waited = self.changed.wait_timeout(state, TICK.min(usual - elapsed));
            (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

struct Rollup(File);

impl Rollup {
    fn private_dirty_bytes(&self) -> io::Result<u64> {
        let mut buffer = [0; ROLLUP_BYTES];
        let length = self.0.read_at(&mut buffer, 0)?;
        let text = String::from_utf8_lossy(&buffer[..length]);
        kilobyte_field(&text, "Private_Dirty").ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

/// Page faults of all threads of this process that needed no disk.
fn faults() -> u64 {
    getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| usage.minor_page_faults().cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::child::spawn_in_test;
    use crate::snapshot::process;
    use crate::snapshot::tests::end_of;

    #[test]
    fn what_the_child_has_written_is_measured_and_a_process_of_its_number_later_is_not() {
        const BYTES: usize = 8 << 20;
        let child = spawn_in_test(|_| {
            let memory = vec![1u8; BYTES];
            std::thread::sleep(Duration::from_secs(60));
            i32::from(memory[BYTES / 2])
        });
        let watch = Watch::start(child.pid).expect("/proc");
        watch.set_limit(1);
        let start = Instant::now();
        while watch.measured().is_none_or(|(bytes, _)| bytes < BYTES as u64) {
            assert!(start.elapsed() < Duration::from_secs(30), "{:?}", watch.measured());
            std::thread::sleep(Duration::from_millis(5));
        }
        let rollup = Rollup(File::open(format!("/proc/{}/smaps_rollup", child.pid)).expect("/proc"));
        process::kill(child.pid);
        end_of(child.pid);
        assert!(rollup.private_dirty_bytes().is_err(), "there is no such process any more");
    }
}
