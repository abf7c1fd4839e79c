//! The child that saves, seen from outside: held to the pace of a slow disk, and its memory measured with its parent's.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::server::Server;

/// How often the child is looked at.
const TICK: Duration = Duration::from_millis(1);

/// How often memory is measured.
const SAMPLING: Duration = Duration::from_millis(100);

/// Counting pages may take one part in so many of the time.
const SAMPLING_SHARE: u32 = 5;

/// Holds each child that saves to a number of bytes a second, as a slow disk would: it stops the child with a signal
/// while its temp file is ahead. That works for every server, on every file system.
pub struct SlowDisk {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl SlowDisk {
    pub fn start(server: &Server, bytes_per_second: u64) -> Self {
        let (folder, stop) = (server.folder().to_owned(), Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let thread = spawn(move || {
            let mut child = None;
            while !stopped.load(Ordering::Relaxed) {
                let Some((pid, bytes)) = find(&folder) else {
                    child = None;
                    sleep(TICK);
                    continue;
                };
                let (_, start) = *child.get_or_insert((pid, Instant::now()));
                #[expect(clippy::cast_precision_loss, reason = "a file's size is far below 2^53")]
                let due = Duration::from_secs_f64(bytes as f64 / bytes_per_second as f64);
                let ahead = due.saturating_sub(start.elapsed());
                signal(pid, if ahead.is_zero() { Signal::SIGCONT } else { Signal::SIGSTOP });
                sleep(TICK);
            }
            if let Some((pid, _)) = child {
                signal(pid, Signal::SIGCONT);
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for SlowDisk {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// The child that writes a dump in this folder, and how long its temp file is.
fn find(folder: &PathBuf) -> Option<(Pid, u64)> {
    fs::read_dir(folder).ok()?.flatten().find_map(|entry| {
        let name = entry.file_name().into_string().ok()?;
        let pid = name.strip_prefix("temp-")?.strip_suffix(".rdb")?.parse().ok()?;
        Some((Pid::from_raw(pid), entry.metadata().ok()?.len()))
    })
}

fn signal(pid: Pid, signal: Signal) {
    // A child that has ended meanwhile needs none.
    let _ = kill(pid, signal);
}

/// Measures the memory of a server and of its child together.
pub struct Sampler {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<(Instant, u64)>>,
}

impl Sampler {
    pub fn start(server: &Server) -> Self {
        let (folder, parent) = (server.folder().to_owned(), Pid::from_raw(server.pid().cast_signed()));
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = spawn(move || {
            let mut samples = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let start = Instant::now();
                let child = find(&folder).map(|(pid, _)| pid);
                let before = proportional_bytes(parent);
                if let Some(bytes) = before {
                    // One that has ended between the two left its pages to the parent.
                    match child.map(proportional_bytes) {
                        None => samples.push((start, bytes)),
                        Some(Some(of_child)) => samples.push((start, bytes + of_child)),
                        Some(None) => {}
                    }
                }
                let cost = start.elapsed();
                sleep(SAMPLING.saturating_sub(cost).max(cost * (SAMPLING_SHARE - 1)));
            }
            samples
        });
        Self { stop, thread }
    }

    /// Returns when so many bytes were taken by both.
    pub fn stop(self) -> Vec<(Instant, u64)> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the sampler does not panic")
    }
}

/// What a process takes, where each page counts in part for each process that has it: of parent and child together, each
/// page once.
fn proportional_bytes(pid: Pid) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kilobytes: u64 = value.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}
