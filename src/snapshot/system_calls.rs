//! System calls that the server can do without, and whether it may make them.
//!
//! Services and containers run under filters (seccomp) that may end a process for a call that they do not know or want:
//! Debian's unit for redis-server ends one that changes its own priority. Where there is a filter, each of these calls is
//! made in a process of its own first, whose death shows that the call is not allowed.
#![expect(unsafe_code, reason = "fork, and system calls that no crate wraps")]

use std::fs;
use std::os::fd::{AsRawFd as _, BorrowedFd, RawFd};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::ForkResult;

/// The probe's name in the log of the kernel, which may note its death; at most 15 bytes are kept.
const PROBE_NAME: &std::ffi::CStr = c"copal-probe";

static DENIED: OnceLock<Denied> = OnceLock::new();

/// A call, or some that are of use only together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OptionalCall {
    SetPriority,
    SetIoPriority,
    SetScheduler,
    SetLimit,
    OpenPidfd,
    CloseRange,
    SyncFileRange,
    ReadMemory,
    CreateTimer,
}

impl OptionalCall {
    const ALL: [Self; 9] = [
        Self::SetPriority,
        Self::SetIoPriority,
        Self::SetScheduler,
        Self::SetLimit,
        Self::OpenPidfd,
        Self::CloseRange,
        Self::SyncFileRange,
        Self::ReadMemory,
        Self::CreateTimer,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::SetPriority => "setpriority",
            Self::SetIoPriority => "ioprio_set",
            Self::SetScheduler => "sched_setscheduler",
            Self::SetLimit => "setrlimit",
            Self::OpenPidfd => "pidfd_open",
            Self::CloseRange => "close_range",
            Self::SyncFileRange => "sync_file_range",
            Self::ReadMemory => "process_vm_readv",
            Self::CreateTimer => "timerfd_create",
        }
    }

    /// What the server leaves out or does otherwise without the call.
    fn loss(self) -> &'static str {
        match self {
            Self::SetPriority => "background saves have the server's own priority for the processor",
            Self::SetIoPriority => "background saves have the server's own priority for the disk",
            Self::SetScheduler => "background saves and the threads that help have the server's own scheduling class",
            Self::SetLimit => "the limit of open files stays as it is",
            Self::OpenPidfd => "the end of a background save is noticed at the next regular look",
            Self::CloseRange => "files that a background save does not need are closed one by one",
            Self::SyncFileRange => "a dump is brought to the disk only at its end",
            Self::ReadMemory => "the report of a crash has no stack",
            Self::CreateTimer => "regular work uses a timer that costs more",
        }
    }

    fn bit(self) -> u32 {
        1 << self as u32
    }

    /// Makes the call in a process that is about to end: only a filter that ends it matters, not what comes back.
    fn make(self) {
        const WHO_PROCESS: libc::c_int = 1;
        const NO_FILE: RawFd = -1;
        // SAFETY: plain system calls with valid arguments; what they change is gone with the process.
        unsafe {
            match self {
                Self::SetPriority => {
                    let niceness = libc::getpriority(libc::PRIO_PROCESS, 0);
                    libc::setpriority(libc::PRIO_PROCESS, 0, niceness + 1);
                }
                Self::SetIoPriority => {
                    let priority = libc::syscall(libc::SYS_ioprio_get, WHO_PROCESS, 0);
                    libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, priority);
                }
                Self::SetScheduler => {
                    libc::sched_getscheduler(0);
                    let parameters: libc::sched_param = std::mem::zeroed();
                    libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters);
                    let attributes = batch_of_long_slices();
                    libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0);
                }
                Self::SetLimit => {
                    let mut limit: libc::rlimit = std::mem::zeroed();
                    libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
                    libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
                }
                Self::OpenPidfd => {
                    libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0);
                }
                Self::CloseRange => {
                    libc::syscall(libc::SYS_close_range, libc::c_uint::MAX, libc::c_uint::MAX, 0);
                }
                Self::SyncFileRange => {
                    libc::sync_file_range(NO_FILE, 0, 0, libc::SYNC_FILE_RANGE_WRITE);
                }
                Self::ReadMemory => {
                    libc::process_vm_readv(libc::getpid(), std::ptr::null(), 0, std::ptr::null(), 0, 0);
                }
                Self::CreateTimer => {
                    let timer = libc::timerfd_create(libc::CLOCK_MONOTONIC, libc::TFD_CLOEXEC);
                    let time: libc::itimerspec = std::mem::zeroed();
                    libc::timerfd_settime(timer, 0, &raw const time, std::ptr::null_mut());
                }
            }
        }
    }

    /// Whether the server may make the call. The first to ask finds out.
    pub fn is_allowed(self) -> bool {
        !denied().has(self)
    }

    /// As [`OptionalCall::is_allowed`], for a handler of a signal, which cannot find it out.
    pub fn is_known_to_be_allowed(self) -> bool {
        DENIED.get().is_some_and(|denied| !denied.has(self))
    }
}

/// The calls that would end the process.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
struct Denied(u32);

impl Denied {
    const ALL: Self = Self(u32::MAX);

    fn has(self, call: OptionalCall) -> bool {
        self.0 & call.bit() != 0
    }

    /// What is left out without these calls.
    fn losses(self) -> Vec<&'static str> {
        OptionalCall::ALL.into_iter().filter(|&call| self.has(call)).map(OptionalCall::loss).collect()
    }

    fn sentence(self) -> String {
        let (names, losses) = (self.names(), self.losses().join("; "));
        format!("A system-call filter (seccomp) on this process does not allow {names}. Copal does without: {losses}.")
    }

    fn names(self) -> String {
        let names = OptionalCall::ALL.iter().filter(|&&call| self.has(call)).map(|call| call.name());
        names.collect::<Vec<_>>().join(", ")
    }
}

/// Finds out what the process may do, which costs least while it is small. Returns a sentence for the log if that is not
/// all.
pub fn probe() -> Option<String> {
    let denied = denied();
    (denied != Denied::default()).then(|| denied.sentence())
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

/// Lets this thread come after those that serve clients: waking up it interrupts nobody, and it is interrupted by whoever wakes up
/// (since Linux 6.12). Where it shared the processor of the thread that executes commands, these would wait for up to 4 ms.
pub fn give_way() {
    if !OptionalCall::SetScheduler.is_allowed() {
        return;
    }
    // SAFETY: plain system calls on our own thread with valid arguments; what the kernel refuses stays as it was.
    unsafe {
        // One that runs only while nobody else wants the core would come before others by it.
        if libc::sched_getscheduler(0) == libc::SCHED_OTHER {
            let attributes = batch_of_long_slices();
            libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0);
        }
    }
}

/// The longest slices that the kernel grants. They make no thread run longer while another one waits that wakes up: those of
/// shorter slices come first.
fn batch_of_long_slices() -> libc::sched_attr {
    const SLICE_NANOSECONDS: u64 = 100_000_000;
    // SAFETY: plain numbers, and a system call without effect. The niceness stays as it is.
    let (mut attributes, niceness): (libc::sched_attr, _) =
        unsafe { (std::mem::zeroed(), libc::getpriority(libc::PRIO_PROCESS, 0)) };
    attributes.size = size_of::<libc::sched_attr>() as u32;
    attributes.sched_policy = libc::SCHED_BATCH as u32;
    attributes.sched_nice = niceness;
    attributes.sched_runtime = SLICE_NANOSECONDS;
    attributes
}

fn denied() -> Denied {
    *DENIED.get_or_init(|| if is_filtered() { find_denied() } else { Denied::default() })
}

/// Whether there may be a filter.
fn is_filtered() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
    mode.is_none_or(|mode| mode.trim() != "0")
}

fn find_denied() -> Denied {
    if survives(&OptionalCall::ALL) {
        return Denied::default();
    }
    if !survives(&[]) {
        return Denied::ALL;
    }
    let calls = OptionalCall::ALL.iter().filter(|&&call| !survives(&[call]));
    Denied(calls.fold(0, |denied, call| denied | call.bit()))
}

/// Whether a process that makes these calls lives on.
fn survives(calls: &[OptionalCall]) -> bool {
    /// The kernel reads whole words.
    const NONE: libc::c_ulong = 0;
    // SAFETY: the child makes nothing but system calls, and ends in `_exit`.
    match unsafe { nix::unistd::fork() } {
        Ok(ForkResult::Child) => {
            // SAFETY: plain system calls on our own process with valid arguments. A death on purpose is worth no core.
            unsafe {
                libc::prctl(libc::PR_SET_DUMPABLE, NONE, NONE, NONE, NONE);
                libc::prctl(libc::PR_SET_NAME, PROBE_NAME.as_ptr());
            }
            calls.iter().for_each(|call| call.make());
            // SAFETY: always allowed.
            unsafe { libc::_exit(0) }
        }
        Ok(ForkResult::Parent { child }) => loop {
            match waitpid(child, None) {
                Err(Errno::EINTR) => {}
                end => return matches!(end, Ok(WaitStatus::Exited(_, 0))),
            }
        },
        // What cannot be tried is not done.
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_optional_call_is_survived_where_no_filter_is() {
        if !is_filtered() {
            assert_eq!(find_denied(), Denied::default());
            assert_eq!(probe(), None);
        }
    }

    #[test]
    fn nothing_is_said_of_calls_that_are_allowed() {
        let expected = "A system-call filter (seccomp) on this process does not allow pidfd_open. Copal does without: the \
                        end of a background save is noticed at the next regular look.";
        assert_eq!(Denied(OptionalCall::OpenPidfd.bit()).sentence(), expected);
    }

    #[test]
    fn denied_calls_are_named() {
        let denied = Denied(OptionalCall::SetPriority.bit() | OptionalCall::SetScheduler.bit());
        assert!(denied.has(OptionalCall::SetScheduler) && !denied.has(OptionalCall::SetIoPriority));
        assert_eq!(denied.names(), "setpriority, sched_setscheduler");
        assert!(denied.sentence().contains("the server's own priority for the processor; background saves and"));
        let bits = OptionalCall::ALL.iter().fold(0, |bits, call| bits | call.bit());
        assert_eq!(bits.count_ones() as usize, OptionalCall::ALL.len());
    }
}
