//! SIGINT during a save that holds the event loop.
#![expect(unsafe_code, reason = "a handler of a signal")]

use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

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
            // SAFETY: puts back what was there before.
            let _ = unsafe { sigaction(Signal::SIGINT, before) };
        }
    }
}
