//! Who watches a save.

use std::ops::ControlFlow;

use crate::snapshot::file::Temp;

/// Who is informed of a save's progress, and may end it.
pub trait Observer {
    /// The temp file is there, empty.
    fn created(&mut self, temp: Temp) {
        let _ = temp;
    }

    fn progress(&mut self, so_far: &Saved) -> ControlFlow<()>;

    /// Everything is written; what follows makes it durable and puts it in its place.
    fn before_commit(&mut self, saved: &Saved) {
        let _ = saved;
    }
}

/// What was written, or has been so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Saved {
    pub keys: u64,
    pub bytes: u64,
    /// What the bytes would be without compression.
    pub raw_bytes: u64,
    /// Keys left out because their expiry had passed.
    pub expired_keys: u64,
    /// Threads that serialise.
    pub threads: u64,
}
