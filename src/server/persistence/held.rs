//! Whether a save or a load holds the event loop on purpose, which is no reason to end the server. Other threads ask.

use std::sync::atomic::{AtomicBool, Ordering};

static HELD: AtomicBool = AtomicBool::new(false);

/// While there is one, the event loop is held.
pub(super) struct Hold(());

impl Hold {
    pub(super) fn begin() -> Self {
        HELD.store(true, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        HELD.store(false, Ordering::Relaxed);
    }
}

/// Whether SAVE, DEBUG RELOAD or the last save of a shutdown is under way.
pub fn is_held() -> bool {
    HELD.load(Ordering::Relaxed)
}
