//! What the process does with signals, as Redis does: SIGTERM and SIGINT ask it to end, SIGHUP, SIGPIPE and SIGXFSZ are
//! ignored. Those that report a mistake of ours, and SIGALRM, which asks what it is about, are caught in
//! `fatal_signal.rs`; all others have their default action.
#![expect(unsafe_code, reason = "signal handlers")]

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use nix::fcntl::OFlag;
use nix::sys::signal::{
    SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, pthread_sigmask, sigaction, signal,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::server::process::logging;

/// The exit code after a second SIGINT.
pub const EXIT_INSISTED: i32 = 1;

const NO_PIPE: i32 = -1;

/// Where the handler writes the numbers of signals.
static PIPE: AtomicI32 = AtomicI32::new(NO_PIPE);

/// A signal has arrived that the event loop has not seen yet.
static PENDING: AtomicBool = AtomicBool::new(false);

/// Whether a signal waits for the event loop.
pub fn is_pending() -> bool {
    PENDING.load(Ordering::Relaxed)
}

/// Puts right what a launcher may have left, and ignores what must not end the server.
pub fn settle() {
    // Whoever closes a terminal wants neither data lost nor a server gone; a client that is gone and a file that may not
    // grow are errors of a write.
    for ignored in [Signal::SIGHUP, Signal::SIGPIPE, Signal::SIGXFSZ] {
        // SAFETY: no code of ours runs by it.
        let _ = unsafe { signal(ignored, SigHandler::SigIgn) };
    }
    // Where it is ignored, nobody learns how a child has ended.
    // SAFETY: no code of ours runs by it.
    let _ = unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) };
    let _ = pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}

/// SIGTERM and SIGINT as they arrive.
pub struct Requests(AsyncFd<OwnedFd>);

impl Requests {
    /// From here on both signals wait for [`Requests::next`].
    #[expect(deprecated, reason = "what replaces it is unsafe, and an owned descriptor is sound here")]
    pub fn listen() -> io::Result<Self> {
        let (reader, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        let requests = Self(AsyncFd::with_interest(reader, Interest::READABLE)?);
        PIPE.store(writer.as_raw_fd(), Ordering::Relaxed);
        // The handler may write to it as long as the process lives.
        Box::leak(Box::new(writer));
        let action = SigAction::new(SigHandler::Handler(note), SaFlags::SA_RESTART, SigSet::all());
        for wanted in [Signal::SIGTERM, Signal::SIGINT] {
            // SAFETY: the handler does nothing but what a handler may.
            unsafe { sigaction(wanted, &action) }?;
        }
        Ok(requests)
    }

    /// The next signal.
    pub async fn next(&self) -> io::Result<Signal> {
        let mut number = [0];
        loop {
            let mut ready = self.0.readable().await?;
            let read = ready.try_io(|pipe| nix::unistd::read(pipe.get_ref(), &mut number).map_err(io::Error::from));
            if let Ok(done) = read {
                done?;
                PENDING.store(false, Ordering::Relaxed);
                return Ok(Signal::try_from(i32::from(number[0]))?);
            }
        }
    }
}

/// A second SIGINT before the first has been seen ends the server at once: whoever sends it does not want to wait for the
/// command that is running.
extern "C" fn note(number: libc::c_int) {
    const INSISTED: &[u8] = b"You insist... exiting now.\n";
    if PENDING.swap(true, Ordering::Relaxed) && number == libc::SIGINT {
        // SAFETY: both are allowed in a handler; the text is ours.
        unsafe {
            libc::write(logging::descriptor(), INSISTED.as_ptr().cast(), INSISTED.len());
            libc::_exit(EXIT_INSISTED);
        }
    }
    let byte = number as u8;
    // SAFETY: a write is allowed in a handler, and the byte is ours. A full pipe holds signals enough.
    unsafe {
        let errno = *libc::__errno_location();
        libc::write(PIPE.load(Ordering::Relaxed), (&raw const byte).cast(), 1);
        *libc::__errno_location() = errno;
    }
}
