//! What runs in the forked child: save, reporting on the way, and end. Nothing here logs or takes a lock.
#![expect(unsafe_code, reason = "the fork relies on what the child does and leaves alone")]

use std::io::{self, Read as _};
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::fork::{self, Child, Pipes};
use super::observer::{Observer, Saved};
use super::options::SaveOptions;
use super::report::{self, Figures, Report};
use super::{pipe, priority, save};
use crate::keyspace::Keyspace;
use crate::snapshot::error::SaveError;
use crate::snapshot::file::{Disk, Place, Temp};
use crate::snapshot::process_title::ProcessTitle;
use crate::stdx::text;

/// How often the parent hears of the child at most.
const REPORT_INTERVAL: Duration = Duration::from_millis(200);

/// Where a child writes the data.
#[derive(Clone, Copy)]
pub enum Target<'t> {
    /// Into a dump that takes its place.
    File(&'t Place),
    /// Down a pipe, to replicas.
    Pipe(BorrowedFd<'t>),
}

/// Starts a child that saves the keyspace as it is now.
pub fn start(
    keyspace: &mut Keyspace,
    target: Target<'_>,
    options: &SaveOptions,
    title: Option<&ProcessTitle>,
) -> io::Result<Child> {
    let data = match target {
        Target::File(_) => None,
        Target::Pipe(pipe) => Some(pipe),
    };
    keyspace.prepare_walk();
    // SAFETY: `run` reads the keyspace, which is borrowed exclusively, and the arguments, which nobody changes. It writes to
    // files that it opens itself and to the pipes, and serialises in threads of `threads::with_threads`.
    unsafe { fork::spawn(data, |pipes| run(pipes, keyspace, target, options, title)) }
}

/// Saves the keyspace as the fork left it. Returns the exit code.
fn run(
    pipes: Pipes,
    keyspace: &mut Keyspace,
    target: Target<'_>,
    options: &SaveOptions,
    title: Option<&ProcessTitle>,
) -> i32 {
    // Without it, process lists show the server twice.
    let _ = title.map(ProcessTitle::show);
    priority::give_way(options.manners);
    // SAFETY: this process has one thread, which saves once, by one `Frozen` whose segments are written out before they are
    // finished, and ends without dropping anything.
    unsafe { keyspace.give_up_what_is_read() };
    let mut reporter = Reporter::new(pipes.reports);
    let options = options.in_background();
    let result = match (target, pipes.data) {
        (Target::File(place), _) => save::save_to_file(keyspace, place, &options, &Disk, &mut reporter),
        (Target::Pipe(_), Some(pipe)) => {
            pipe::send(keyspace, pipe, &options, &mut reporter).inspect(|_| reporter.count_copied())
        }
        (Target::Pipe(_), None) => Err(SaveError::Send(io::ErrorKind::NotConnected.into())),
    };
    match result {
        Ok(saved) => {
            reporter.send(&Report::Done(reporter.figures(&saved)));
            0
        }
        Err(error) => {
            reporter.send(&Report::Failed(error.step(), error.to_string()));
            1
        }
    }
}

struct Reporter {
    pipe: BorrowedFd<'static>,
    start: Instant,
    next_report: Instant,
    /// Counted at the end only: meanwhile the parent does, which the child would stop writing for.
    copied_bytes: u64,
}

impl Reporter {
    fn new(pipe: BorrowedFd<'static>) -> Self {
        let start = Instant::now();
        Self { pipe, start, next_report: start, copied_bytes: 0 }
    }

    fn send(&self, report: &Report) {
        report::send(self.pipe, report);
    }

    fn figures(&self, saved: &Saved) -> Figures {
        let Saved { keys, bytes, raw_bytes, expired_keys, threads } = *saved;
        let elapsed_us = self.start.elapsed().as_micros() as u64;
        Figures { keys, bytes, raw_bytes, copied_bytes: self.copied_bytes, elapsed_us, expired_keys, threads }
    }

    fn count_copied(&mut self) {
        if let Some(bytes) = private_dirty_bytes() {
            self.copied_bytes = bytes;
        }
    }
}

impl Observer for Reporter {
    fn created(&mut self, temp: Temp) {
        self.send(&Report::Created(temp));
    }

    fn progress(&mut self, so_far: &Saved) -> ControlFlow<()> {
        let now = Instant::now();
        if now >= self.next_report {
            self.next_report = now + REPORT_INTERVAL;
            self.send(&Report::Progress(self.figures(so_far)));
        }
        ControlFlow::Continue(())
    }

    fn before_commit(&mut self, saved: &Saved) {
        self.count_copied();
        self.send(&Report::Renaming(self.figures(saved)));
    }
}

/// Bytes of this process that no other process shares and that were written.
fn private_dirty_bytes() -> Option<u64> {
    let mut fields = String::new();
    std::fs::File::open("/proc/self/smaps_rollup").ok()?.read_to_string(&mut fields).ok()?;
    text::kilobyte_field(&fields, "Private_Dirty")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_memory_is_counted() {
        // How much it is depends on the children that other tests fork at the same moment.
        assert!(private_dirty_bytes().is_some());
    }
}
