//! A timer of the kernel's, for what comes round for ever.
//!
//! With a timer of the runtime that is always set, each wait of the event loop would be one with an end: for every single one
//! the clock would be read and a timer set up. A file descriptor that becomes readable costs something when it does.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::time::Duration;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::snapshot::OptionalCall;

/// One timer, set anew for each sleep; where the kernel gives none, the runtime's has to do.
pub struct Timer(Option<AsyncFd<Descriptor>>);

struct Descriptor(TimerFd);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Timer {
    pub fn new() -> Self {
        // Dearer, but as good.
        let timer = if OptionalCall::CreateTimer.is_allowed() { Self::of_kernel().ok() } else { None };
        Self(timer)
    }

    #[expect(deprecated, reason = "what replaces it is unsafe, and an owned descriptor is sound here")]
    fn of_kernel() -> io::Result<AsyncFd<Descriptor>> {
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        AsyncFd::with_interest(Descriptor(timer), Interest::READABLE)
    }

    /// Waits so long. Dropped before, it leaves nothing behind: the next sleep sets the timer anew.
    pub async fn sleep(&self, period: Duration) -> io::Result<()> {
        let Some(timer) = &self.0 else {
            tokio::time::sleep(period).await;
            return Ok(());
        };
        // A timer of no time would never go off.
        let period = TimeSpec::from_duration(period.max(Duration::from_nanos(1)));
        timer.get_ref().0.set(Expiration::OneShot(period), TimerSetTimeFlags::empty())?;
        loop {
            let mut ready = timer.readable().await?;
            // Readiness of an earlier sleep that was dropped may be left over.
            if let Ok(done) = ready.try_io(|timer| timer.get_ref().0.wait().map_err(io::Error::from)) {
                return done;
            }
        }
    }
}
