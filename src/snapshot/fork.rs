//! The system calls around a child process, and what must happen in it before anything else.
//!
//! A forked child has one thread and every lock as it stood. What runs in it may allocate (jemalloc guards its own
//! locks across a fork), read the keyspace, do plain file I/O, and start threads by [`with_threads`]; it may not log,
//! print, touch tokio, or start threads of the standard library.
#![expect(unsafe_code, reason = "fork, and system calls that no crate wraps")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::panic::PanicHookInfo;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, pthread_sigmask, sigaction};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::{ForkResult, Pid};

use super::child::report;
use super::child::save::Manners;
use super::error::Step;
use super::system_calls::OptionalCall;
use crate::config::SnapshotIoPriority;
use crate::rdb::Crc64;

/// Where the child finds its end of the report pipe; it closes everything beyond.
const REPORT_FD: RawFd = 3;

/// The child's name in process lists; the kernel keeps 15 bytes.
const CHILD_NAME: &std::ffi::CStr = c"copal-bgsave";

/// As a thread is named that works for the child.
const THREAD_NAME: &std::ffi::CStr = c"copal-serialise";

/// Neither encoders nor compressors have large frames.
const STACK_BYTES: usize = 512 << 10;

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

/// How a child ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Exited(i32),
    Signaled(i32),
}

/// Starts a process that sees memory as it is at this moment and runs `main`, which is given the pipe for reports.
///
/// # Safety
///
/// In the child only the calling thread goes on. What other threads were changing stays half changed, a lock that one of
/// them held stays held, and every descriptor but the standard ones and the pipe's is closed. So `main`
/// - reads and writes only memory that no other thread could be changing in the moment of the fork;
/// - takes no lock that another thread may hold, but the allocator's, which are made for a fork: it does not log, print
///   or touch tokio, and starts threads only by [`with_threads`];
/// - uses and closes no descriptor that was opened before, whoever owns it, but the standard ones and the one that it is
///   given.
///
/// When `main` returns, or panics, the child ends at once; nothing that the parent owns is dropped in it.
pub unsafe fn spawn(main: impl FnOnce(BorrowedFd<'static>) -> i32) -> io::Result<Child> {
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
        exit(main(settle_in(parent, sender)));
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
fn settle_in(parent: Pid, sender: OwnedFd) -> BorrowedFd<'static> {
    SENDER.store(sender.as_raw_fd(), Ordering::Relaxed);
    // First of all, for as long as we hold the listening sockets nobody can start the server anew.
    let sender = keep_only(sender);
    default_signal_handlers();
    // SAFETY: plain system calls on our own process with valid arguments.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::prctl(libc::PR_SET_NAME, CHILD_NAME.as_ptr());
    }
    // The parent may have died before the line above: nobody would tell us.
    if nix::unistd::getppid() != parent {
        exit(1);
    }
    let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
    sender
}

/// Closes every descriptor beyond standard error but the pipe's.
fn keep_only(sender: OwnedFd) -> BorrowedFd<'static> {
    // Given up here, the descriptor stays open to the end of the process unless it is closed below.
    let sender = sender.into_raw_fd();
    // SAFETY: the descriptors that are closed or replaced here belong to objects of the parent's that this process
    // never touches again, and nobody closes the one that is returned.
    unsafe {
        if libc::dup2(sender, REPORT_FD) != REPORT_FD {
            return BorrowedFd::borrow_raw(sender);
        }
        SENDER.store(REPORT_FD, Ordering::Relaxed);
        let range_is_closed = OptionalCall::CloseRange.is_allowed()
            && libc::syscall(libc::SYS_close_range, REPORT_FD + 1, libc::c_uint::MAX, 0) == 0;
        if !range_is_closed {
            for descriptor in open_descriptors() {
                libc::close(descriptor);
            }
        }
        BorrowedFd::borrow_raw(REPORT_FD)
    }
}

/// Every descriptor beyond the pipe's that may be open.
fn open_descriptors() -> Vec<RawFd> {
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
    numbers.retain(|&number| number > REPORT_FD);
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

/// Lets others have the cores and the disk first, as far as the settings ask for that. Threads started later do as this
/// one. Nothing is done that would bring the process before its parent.
pub fn give_way(manners: Manners) {
    if manners.niceness > 0 {
        lower_priority(manners.niceness);
        // Work that nobody waits for: waking up, it interrupts nobody.
        batch();
    }
    lower_io_priority(manners.io_priority);
}

/// Adds to the niceness that the server has itself.
fn lower_priority(more: i32) {
    const NICENESS_MAX: i32 = 19;
    if !OptionalCall::SetPriority.is_allowed() {
        return;
    }
    Errno::clear();
    // SAFETY: plain system calls on our own process with valid arguments; what the kernel refuses stays as it was.
    unsafe {
        let own = libc::getpriority(libc::PRIO_PROCESS, 0);
        if Errno::last_raw() == 0 {
            libc::setpriority(libc::PRIO_PROCESS, 0, own.saturating_add(more).min(NICENESS_MAX));
        }
    }
}

fn batch() {
    if OptionalCall::SetScheduler.is_allowed() {
        // SAFETY: plain system calls on our own process with valid arguments; what the kernel refuses stays as it was.
        unsafe {
            // A server that runs only while nobody else wants the core would come before others by it.
            if libc::sched_getscheduler(0) == libc::SCHED_OTHER {
                let parameters: libc::sched_param = std::mem::zeroed();
                libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters);
            }
        }
    }
}

fn lower_io_priority(priority: SnapshotIoPriority) {
    const WHO_PROCESS: libc::c_int = 1;
    const CLASS_SHIFT: u32 = 13;
    const BEST_EFFORT: libc::c_long = 2;
    const LOWEST: libc::c_long = 7;
    const IDLE: libc::c_long = 3;
    let wanted = match priority {
        SnapshotIoPriority::Normal => return,
        SnapshotIoPriority::Low => BEST_EFFORT << CLASS_SHIFT | LOWEST,
        SnapshotIoPriority::Idle => IDLE << CLASS_SHIFT,
    };
    if OptionalCall::SetIoPriority.is_allowed() {
        // SAFETY: plain system calls on our own process with valid arguments; what the kernel refuses stays as it was.
        unsafe {
            let own = libc::syscall(libc::SYS_ioprio_get, WHO_PROCESS, 0);
            if own >> CLASS_SHIFT != IDLE {
                libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, wanted);
            }
        }
    }
}

/// Runs `work` in up to `count` further threads, each given its number, and `meanwhile` in this one, which is told how
/// many there are. Returns when all have ended.
///
/// They are not threads of the standard library. That keeps a list of its threads behind a lock, and a thread of the
/// parent's that was just beginning or ending when the child was forked holds that lock for ever.
pub fn with_threads<R>(count: usize, work: &(dyn Fn(usize) + Sync), meanwhile: impl FnOnce(usize) -> R) -> R {
    let mut threads = Threads(Vec::with_capacity(count));
    for number in 0..count {
        let start = Box::into_raw(Box::new(Start { work, number }));
        // SAFETY: the attributes are initialised before they are used and destroyed after it. The thread takes over
        // `start`, and what that borrows outlives it, since `Threads` waits for its end before this function is left.
        unsafe {
            let mut attributes = std::mem::zeroed();
            let mut thread = 0;
            libc::pthread_attr_init(&raw mut attributes);
            libc::pthread_attr_setstacksize(&raw mut attributes, STACK_BYTES);
            let failed = libc::pthread_create(&raw mut thread, &raw const attributes, start_thread, start.cast());
            libc::pthread_attr_destroy(&raw mut attributes);
            if failed != 0 {
                drop(Box::from_raw(start));
                break;
            }
            threads.0.push(thread);
        }
    }
    meanwhile(threads.0.len())
}

/// What a thread is to do.
struct Start<'a> {
    work: &'a (dyn Fn(usize) + Sync),
    number: usize,
}

extern "C" fn start_thread(start: *mut libc::c_void) -> *mut libc::c_void {
    // SAFETY: `with_threads` hands each thread a box of its own; the name is a string of C's.
    let start = unsafe {
        libc::prctl(libc::PR_SET_NAME, THREAD_NAME.as_ptr());
        Box::from_raw(start.cast::<Start<'_>>())
    };
    (start.work)(start.number);
    std::ptr::null_mut()
}

/// Waits for the end of threads when it goes, even by a panic.
struct Threads(Vec<libc::pthread_t>);

impl Drop for Threads {
    fn drop(&mut self) {
        for &thread in &self.0 {
            // SAFETY: each was started by `with_threads` and is waited for once.
            unsafe { libc::pthread_join(thread, std::ptr::null_mut()) };
        }
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

/// Whether a process of this number is at work. One that has ended and that nobody has asked about is not, and neither
/// is a child of a server that is gone: the same signal that told it so is about to end it.
pub fn is_at_work(pid: u32) -> bool {
    let Ok(number) = i32::try_from(pid) else { return false };
    if nix::sys::signal::kill(Pid::from_raw(number), None) == Err(Errno::ESRCH) {
        return false;
    }
    // `812 (name) S 1 ...`; without it, the doubt is for the process.
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else { return true };
    let Some((head, tail)) = stat.rsplit_once(')') else { return true };
    let mut fields = tail.split_ascii_whitespace();
    let (state, parent) = (fields.next(), fields.next());
    let is_ours = head.split_once('(').is_some_and(|(_, name)| name.as_bytes() == CHILD_NAME.to_bytes());
    let has_ended = matches!(state, Some("Z" | "X"));
    let is_orphan_of_ours = is_ours && parent == Some("1");
    !has_ended && !is_orphan_of_ours
}

/// Sends a child the signal by which it ends without that being an error. One that is stopped goes on first.
pub fn dismiss(pid: u32) {
    // One that has ended meanwhile needs no signal.
    for signal in [Signal::SIGUSR1, Signal::SIGCONT] {
        let _ = nix::sys::signal::kill(Pid::from_raw(pid as i32), signal);
    }
}

/// Ends a child that has not followed [`dismiss`], which a debugger can keep it from.
pub fn kill(pid: u32) {
    let _ = nix::sys::signal::kill(Pid::from_raw(pid as i32), Signal::SIGKILL);
}

/// What has become of a child since the last look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// As before.
    Unchanged,
    /// A signal has stopped it.
    Stopped(i32),
    Continued,
    Ended(End),
}

pub fn look(pid: u32) -> io::Result<State> {
    let flags = WaitPidFlag::WNOHANG | WaitPidFlag::WUNTRACED | WaitPidFlag::WCONTINUED;
    loop {
        return match waitpid(Pid::from_raw(pid as i32), Some(flags)) {
            Ok(WaitStatus::Exited(_, code)) => Ok(State::Ended(End::Exited(code))),
            Ok(WaitStatus::Signaled(_, signal, _)) => Ok(State::Ended(End::Signaled(signal as i32))),
            Ok(WaitStatus::Stopped(_, signal)) => Ok(State::Stopped(signal as i32)),
            Ok(WaitStatus::Continued(_)) => Ok(State::Continued),
            Ok(_) => Ok(State::Unchanged),
            Err(Errno::EINTR) => continue,
            Err(error) => Err(error.into()),
        };
    }
}

/// Takes in the ends of children that are not ours: those of a launcher that became this process, and in a container, as
/// its first process, all that have lost their parent. They would stay zombies.
pub fn reap_strangers(ours: Option<u32>) {
    let ended = WaitPidFlag::WNOHANG | WaitPidFlag::WEXITED;
    // Looked at first, for the end of our own child is taken in elsewhere.
    while let Ok(status) = waitid(Id::All, ended | WaitPidFlag::WNOWAIT)
        && let Some(pid) = status.pid()
        && ours != Some(pid.as_raw() as u32)
    {
        if waitid(Id::Pid(pid), ended).is_err() {
            return;
        }
    }
}

/// Asks the kernel to begin writing a range of a file to the disk, so that the sync at the end finds little left.
pub fn begin_writeback(file: BorrowedFd<'_>, offset: u64, bytes: u64) {
    if !OptionalCall::SyncFileRange.is_allowed() {
        return;
    }
    // SAFETY: a plain system call on an open descriptor; it is a hint, whose failure changes nothing.
    unsafe {
        libc::sync_file_range(
            file.as_raw_fd(),
            offset as libc::off64_t,
            bytes as libc::off64_t,
            libc::SYNC_FILE_RANGE_WRITE,
        );
    }
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn note_interrupt(_signal: libc::c_int) {
    INTERRUPTED.store(true, Ordering::Relaxed);
}

/// While it lives, SIGINT reaches a save that holds the event loop: the final one of a shutdown.
pub struct InterruptWatch {
    before: Option<SigAction>,
}

impl InterruptWatch {
    pub fn install() -> Self {
        INTERRUPTED.store(false, Ordering::Relaxed);
        let action = SigAction::new(SigHandler::Handler(note_interrupt), SaFlags::empty(), SigSet::empty());
        // SAFETY: the handler only stores to an atomic.
        let before = unsafe { sigaction(Signal::SIGINT, &action) }.ok();
        Self { before }
    }

    pub fn raised() -> bool {
        INTERRUPTED.load(Ordering::Relaxed)
    }
}

impl Drop for InterruptWatch {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // SAFETY: puts back what stood there before.
            let _ = unsafe { sigaction(Signal::SIGINT, before) };
        }
    }
}

/// Whether the pipe's other end can take bytes, waiting at most so long.
pub fn wait_writable(pipe: BorrowedFd<'_>, milliseconds: u16) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::POLLOUT)];
    poll(&mut fds, PollTimeout::from(milliseconds)).is_ok_and(|ready| ready > 0)
}

/// As [`spawn`], for tests, which run nothing else in the child than what that allows.
#[cfg(test)]
pub fn spawn_in_test(main: impl FnOnce(BorrowedFd<'static>) -> i32) -> Child {
    // SAFETY: tests save a keyspace of their own, send reports, sleep, panic or end by a signal.
    unsafe { spawn(main) }.expect("a child")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end_of(child: &Child) -> End {
        loop {
            if let State::Ended(end) = look(child.pid).expect("our child") {
                return end;
            }
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    #[test]
    fn child_sees_memory_as_it_was_and_its_exit_code_arrives() {
        let memory = [7u8; 100];
        let child = spawn_in_test(|_| i32::from(memory[99]));
        assert_eq!(end_of(&child), End::Exited(7));
    }

    #[test]
    fn dismissed_child_ends_by_its_signal() {
        let child = spawn_in_test(|_| {
            std::thread::sleep(std::time::Duration::from_secs(60));
            0
        });
        assert!(is_at_work(child.pid));
        dismiss(child.pid);
        assert_eq!(end_of(&child), End::Signaled(libc::SIGUSR1));
        assert!(!is_at_work(child.pid));
    }

    #[test]
    fn stopped_child_is_seen_to_be_and_ends_when_it_is_dismissed() {
        let child = spawn_in_test(|_| {
            std::thread::sleep(std::time::Duration::from_secs(60));
            0
        });
        let until = |wanted| {
            while look(child.pid).expect("our child") != wanted {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        };
        let pid = Pid::from_raw(child.pid as i32);
        nix::sys::signal::kill(pid, Signal::SIGSTOP).expect("it lives");
        until(State::Stopped(libc::SIGSTOP));
        nix::sys::signal::kill(pid, Signal::SIGCONT).expect("it lives");
        until(State::Continued);
        nix::sys::signal::kill(pid, Signal::SIGSTOP).expect("it lives");
        until(State::Stopped(libc::SIGSTOP));
        dismiss(child.pid);
        assert_eq!(end_of(&child), End::Signaled(libc::SIGUSR1));
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
            assert_eq!(end_of(&child), End::Exited(1));
            let reports = report::Inbox::default().receive(child.reports.as_fd());
            i32::from(!matches!(reports.as_slice(), [report::Report::Failed(_, text)] if text.contains("on purpose")))
        });
        assert_eq!(end_of(&child), End::Exited(0));
    }

    #[test]
    fn panic_in_the_child_is_reported_and_ends_it() {
        let child = spawn_in_test(|_| panic!("on purpose"));
        assert_eq!(end_of(&child), End::Exited(1));
        let mut inbox = report::Inbox::default();
        let reports = inbox.receive(child.reports.as_fd());
        let [report::Report::Failed(_, text)] = reports.as_slice() else { panic!("{reports:?}") };
        assert!(text.contains("on purpose") && text.contains("fork.rs"), "{text}");
    }
}
