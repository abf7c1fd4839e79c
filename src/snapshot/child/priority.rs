//! How a background save gives way to others.
#![expect(unsafe_code, reason = "system calls that no crate wraps")]

use nix::errno::Errno;

use super::options::Manners;
use crate::config::SnapshotIoPriority;
use crate::snapshot::system_calls::OptionalCall;

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
