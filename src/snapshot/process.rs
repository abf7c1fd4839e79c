//! Other processes as this one sees them: a child that saves, and whoever has the number of a temp file.

use std::io;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

/// The child's name in process lists; the kernel keeps 15 bytes.
pub const CHILD_NAME: &std::ffi::CStr = c"copal-bgsave";

/// How a child ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Exited(i32),
    Signaled(i32),
}

/// Whether a process of this number is at work. One that has ended and that nobody has asked about is not, and neither
/// is a child of a server that is gone: the same signal that stopped it is about to end it.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::child::spawn_in_test;
    use crate::snapshot::tests::end_of;

    #[test]
    fn dismissed_child_ends_by_its_signal() {
        let child = spawn_in_test(|_| {
            std::thread::sleep(std::time::Duration::from_secs(60));
            0
        });
        assert!(is_at_work(child.pid));
        dismiss(child.pid);
        assert_eq!(end_of(child.pid), End::Signaled(libc::SIGUSR1));
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
        assert_eq!(end_of(child.pid), End::Signaled(libc::SIGUSR1));
    }
}
