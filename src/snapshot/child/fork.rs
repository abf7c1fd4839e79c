//! The fork, and what must happen in the child before anything else.
#![expect(unsafe_code, reason = "fork, and system calls that no crate wraps")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::panic::PanicHookInfo;
use std::sync::Once;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Instant;

use nix::fcntl::OFlag;
use nix::sys::signal::{SigSet, SigmaskHow, pthread_sigmask};
use nix::unistd::{ForkResult, Pid};

use super::report;
use crate::rdb::Crc64;
use crate::snapshot::error::Step;
use crate::snapshot::process;
use crate::snapshot::system_calls::OptionalCall;

/// Where the child finds its end of the report pipe.
const REPORT_FD: RawFd = 3;

/// Where it finds the pipe for its data, if it is given one. It closes everything beyond.
const DATA_FD: RawFd = 4;

const REAL_TIME_SIGNAL_MAX: i32 = 64;

/// The descriptor of the child's end of the report pipe, which stays open for as long as the child lives.
static SENDER: AtomicI32 = AtomicI32::new(NOT_IN_CHILD);
const NOT_IN_CHILD: RawFd = -1;

/// A child as its parent sees it.
#[derive(Debug)]
pub struct Child {
    pub pid: u32,
    /// Becomes readable when the child has ended; absent where the kernel has no such thing.
    pub ended: Option<OwnedFd>,
    /// Where reports arrive; reads do not block.
    pub reports: OwnedFd,
    /// How long the fork held the server up.
    pub fork_us: u64,
}

/// What the child may write to.
#[derive(Clone, Copy)]
pub struct Pipes {
    pub reports: BorrowedFd<'static>,
    /// The one that it was given for its data.
    pub data: Option<BorrowedFd<'static>>,
}

/// Starts a process that sees memory as it is at this moment and runs `main`, which is given the pipe for reports and
/// keeps `data`.
///
/// # Safety
///
/// In the child only the calling thread goes on. What other threads were changing stays half changed, a lock that one of
/// them held stays held, and every descriptor but the standard ones and the pipe's is closed. So `main`
/// - reads and writes only memory that no other thread could be changing in the moment of the fork;
/// - takes no lock that another thread may hold, but the allocator's, which are made for a fork: it does not log, print
///   or touch tokio, and starts threads only by [`with_threads`](super::threads::with_threads);
/// - uses and closes no descriptor that was opened before, whoever owns it, but the standard ones and the one that it is
///   given.
///
/// When `main` returns, or panics, the child ends at once; nothing that the parent owns is dropped in it.
pub unsafe fn spawn(data: Option<BorrowedFd<'_>>, main: impl FnOnce(Pipes) -> i32) -> io::Result<Child> {
    install_panic_hook();
    // What the checksum finds out about the processor at its first use is found out here, behind no lock of others.
    Crc64::of(&[0]);
    // And what the process may do is found out by forks of its own.
    OptionalCall::CloseRange.is_allowed();
    let (reports, sender) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
    let parent = nix::unistd::getpid();
    // No handler of ours may run in the child before it has put the defaults in their place.
    let mut before = SigSet::empty();
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), Some(&mut before))?;
    let start = Instant::now();
    // SAFETY: the child does what the caller vouches for, and ends in `_exit`.
    let forked = unsafe { nix::unistd::fork() };
    let fork_us = start.elapsed().as_micros() as u64;
    if let Ok(ForkResult::Child) = forked {
        exit(main(settle_in(parent, sender, data)));
    }
    pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&before), None)?;
    match forked? {
        ForkResult::Parent { child } => {
            let pid = child.as_raw() as u32;
            Ok(Child { pid, ended: pidfd(child), reports, fork_us })
        }
        ForkResult::Child => unreachable!("the child has ended above"),
    }
}

/// Makes the child a process of its own: without the server's descriptors, with default handlers, tied to its parent's
/// life, and named.
fn settle_in(parent: Pid, sender: OwnedFd, data: Option<BorrowedFd<'_>>) -> Pipes {
    SENDER.store(sender.as_raw_fd(), Ordering::Relaxed);
    // First of all, for as long as we hold the listening sockets nobody can start the server anew.
    let pipes = keep_only(sender, data);
    default_signal_handlers();
    // SAFETY: plain system calls on our own process with valid arguments.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as libc::c_ulong);
        libc::prctl(libc::PR_SET_NAME, process::CHILD_NAME.as_ptr());
    }
    // The parent may have died before the line above: nobody would notify us.
    if nix::unistd::getppid() != parent {
        exit(1);
    }
    let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
    pipes
}

/// Closes every descriptor beyond standard error but those of the pipes.
fn keep_only(sender: OwnedFd, data: Option<BorrowedFd<'_>>) -> Pipes {
    // Given up here, the descriptor stays open to the end of the process unless it is closed below.
    let sender = sender.into_raw_fd();
    // SAFETY: the descriptors that are closed or replaced here belong to objects of the parent's that this process
    // never touches again, and nobody closes the one that is returned.
    unsafe {
        // Out of the way of the numbers that are taken below.
        let data = data.map(|data| libc::fcntl(data.as_raw_fd(), libc::F_DUPFD, DATA_FD + 1));
        if libc::dup2(sender, REPORT_FD) != REPORT_FD {
            return Pipes { reports: BorrowedFd::borrow_raw(sender), data: None };
        }
        SENDER.store(REPORT_FD, Ordering::Relaxed);
        let has_data = data.is_some_and(|data| libc::dup2(data, DATA_FD) == DATA_FD);
        let last = if has_data { DATA_FD } else { REPORT_FD };
        let range_is_closed = OptionalCall::CloseRange.is_allowed()
            && libc::syscall(libc::SYS_close_range, last + 1, libc::c_uint::MAX, 0) == 0;
        if !range_is_closed {
            for descriptor in open_descriptors(last) {
                libc::close(descriptor);
            }
        }
        let data = has_data.then(|| BorrowedFd::borrow_raw(DATA_FD));
        Pipes { reports: BorrowedFd::borrow_raw(REPORT_FD), data }
    }
}

/// Every descriptor beyond `last` that may be open.
fn open_descriptors(last: RawFd) -> Vec<RawFd> {
    /// More than these are not tried where the system does not say which are open.
    const TRIED_MAX: u64 = 1 << 16;
    let numbers = std::fs::read_dir("/proc/self/fd").map(|entries| {
        entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect::<Vec<RawFd>>()
    });
    let mut numbers = numbers.unwrap_or_else(|_| {
        let limit = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE);
        let end = limit.map_or(TRIED_MAX, |(soft, _)| soft.min(TRIED_MAX));
        (0..end as RawFd).collect()
    });
    numbers.retain(|&number| number > last);
    numbers
}

fn default_signal_handlers() {
    const IGNORED: [libc::c_int; 6] =
        [libc::SIGHUP, libc::SIGINT, libc::SIGTERM, libc::SIGALRM, libc::SIGPIPE, libc::SIGXFSZ];
    for number in 1..=REAL_TIME_SIGNAL_MAX {
        // A terminal sends SIGINT and SIGHUP to the whole group, and a supervisor SIGTERM; the parent decides what becomes
        // of us. A file that may not grow is an error of its write.
        let ignored = IGNORED.contains(&number);
        let action = if ignored { libc::SIG_IGN } else { libc::SIG_DFL };
        // SAFETY: neither action runs code; numbers that cannot be set are refused.
        unsafe { libc::signal(number, action) };
    }
}

/// Ends the child without running what the parent has left to run at its exit.
pub fn exit(code: i32) -> ! {
    // SAFETY: always allowed.
    unsafe { libc::_exit(code) }
}

/// A panic in the child is reported through the pipe and ends it; the parent's own hook never sees it.
fn install_panic_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| match sender_in_child() {
            Some(sender) => end_by_panic(sender, panic),
            None => previous(panic),
        }));
    });
}

/// In a child, the pipe for reports.
fn sender_in_child() -> Option<BorrowedFd<'static>> {
    let sender = SENDER.load(Ordering::Relaxed);
    // SAFETY: a child keeps the descriptor that it has noted open to its end.
    (sender != NOT_IN_CHILD).then(|| unsafe { BorrowedFd::borrow_raw(sender) })
}

fn end_by_panic(sender: BorrowedFd<'static>, panic: &PanicHookInfo<'_>) -> ! {
    let message = panic.payload_as_str().unwrap_or("no message");
    let place = panic.location().map_or_else(String::new, ToString::to_string);
    report::send(sender, &report::Report::Failed(Step::Unknown, format!("panic at {place}: {message}")));
    exit(1)
}

fn pidfd(pid: Pid) -> Option<OwnedFd> {
    if !OptionalCall::OpenPidfd.is_allowed() {
        return None;
    }
    // SAFETY: a plain system call; on success it returns a new descriptor that nobody else owns.
    unsafe {
        let fd = libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0);
        (fd >= 0).then(|| OwnedFd::from_raw_fd(fd as RawFd))
    }
}

/// As [`spawn`], for tests, which run nothing else in the child than what that allows.
#[cfg(test)]
pub fn spawn_in_test(main: impl FnOnce(BorrowedFd<'static>) -> i32) -> Child {
    // SAFETY: tests save a keyspace of their own, send reports, sleep, panic or end by a signal.
    unsafe { spawn(None, |pipes| main(pipes.reports)) }.expect("a child")
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use super::*;
    use crate::snapshot::process::End;
    use crate::snapshot::tests::end_of;

    #[test]
    fn child_sees_memory_as_it_was_and_its_exit_code_arrives() {
        let memory = [7u8; 100];
        let child = spawn_in_test(|_| i32::from(memory[99]));
        assert_eq!(end_of(child.pid), End::Exited(7));
    }

    #[test]
    fn panic_is_reported_through_the_pipe_even_where_its_usual_number_cannot_be_had() {
        let child = spawn_in_test(|_| {
            // The pipe of the next fork is 0 and 1, since no number from 3 on is left to it.
            let limit = libc::rlimit { rlim_cur: REPORT_FD as libc::rlim_t, rlim_max: REPORT_FD as libc::rlim_t };
            // SAFETY: nothing in this process uses the standard descriptors, or opens one later that the limit refuses.
            unsafe {
                libc::close(0);
                libc::close(1);
                libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
            }
            let child = spawn_in_test(|_| panic!("on purpose"));
            assert_eq!(end_of(child.pid), End::Exited(1));
            let reports = report::Inbox::default().receive(child.reports.as_fd());
            i32::from(!matches!(reports.as_slice(), [report::Report::Failed(_, text)] if text.contains("on purpose")))
        });
        assert_eq!(end_of(child.pid), End::Exited(0));
    }

    #[test]
    fn panic_in_the_child_is_reported_and_ends_it() {
        let child = spawn_in_test(|_| panic!("on purpose"));
        assert_eq!(end_of(child.pid), End::Exited(1));
        let mut inbox = report::Inbox::default();
        let reports = inbox.receive(child.reports.as_fd());
        let [report::Report::Failed(_, text)] = reports.as_slice() else { panic!("{reports:?}") };
        assert!(text.contains("on purpose") && text.contains("fork.rs"), "{text}");
    }
}
