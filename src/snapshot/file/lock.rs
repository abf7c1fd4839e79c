//! The lock of a file that is being written: an open file description lock, which ends with the file's last descriptor.

use std::fs::File;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};

/// A start holds the lock of a file only while it looks at it.
const LOCK_TRIES: u32 = 50;
const LOCK_REST: Duration = Duration::from_millis(10);

/// Whether this process holds the lock of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lock {
    Held,
    /// Another process has it.
    Taken,
    /// The file system has no locks of this kind.
    Unsupported,
}

/// Takes the lock that says that somebody is writing. It ends with the last descriptor of the open file.
pub fn try_lock(file: impl AsFd) -> Lock {
    let whole = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    loop {
        return match fcntl(file.as_fd(), FcntlArg::F_OFD_SETLK(&whole)) {
            Ok(_) => Lock::Held,
            Err(Errno::EINTR) => continue,
            Err(Errno::EAGAIN | Errno::EACCES) => Lock::Taken,
            Err(_) => Lock::Unsupported,
        };
    }
}

/// Locks a file that we have just created. Whoever has its lock is a start that looks at it, and soon done.
pub fn lock(file: &File) -> Lock {
    for _ in 1..LOCK_TRIES {
        match try_lock(file) {
            Lock::Taken => std::thread::sleep(LOCK_REST),
            lock => return lock,
        }
    }
    try_lock(file)
}
