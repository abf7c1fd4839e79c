//! The interpreter's memory: counted to the byte, and bounded.

use std::cell::Cell;

/// Blocks from this size on count as work of their own: many of them are copied in the time of one look at the clock.
const LARGE_BYTES: usize = 64 << 10;

/// After so many bytes of large blocks the script is looked at.
const LARGE_BYTES_PER_POLL: usize = 8 << 20;

/// The memory of one interpreter.
#[derive(Debug)]
pub struct Memory {
    used: Cell<usize>,
    limit: Cell<usize>,
    /// A function written in Rust runs, in which no request is refused.
    in_rust: Cell<bool>,
    /// Bytes of large blocks since the script was last looked at.
    large: Cell<usize>,
    /// A request was refused since this was last asked.
    was_refused: Cell<bool>,
    /// From so many bytes on, the garbage is to be collected before the script goes on.
    collect_at: Cell<usize>,
    /// Bytes in use after the last collection.
    collected: Cell<usize>,
    /// Bytes in use after the last collection while no script ran.
    cleared: Cell<usize>,
}

impl Memory {
    pub fn new(limit: usize) -> Self {
        Self {
            used: Cell::new(0),
            limit: Cell::new(limit),
            in_rust: Cell::new(true),
            large: Cell::new(0),
            was_refused: Cell::new(false),
            collect_at: Cell::new(limit / 2),
            collected: Cell::new(0),
            cleared: Cell::new(0),
        }
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.used.get()
    }

    pub fn set_limit(&self, bytes: usize) {
        self.limit.set(bytes);
        self.note_collected();
    }

    /// Whether so much is in use that the garbage is to be collected now, lest it be taken for what is needed.
    pub(super) fn wants_collection(&self) -> bool {
        self.used.get() >= self.collect_at.get()
    }

    /// Whether a script that has ended has left so much that the next one could lack it.
    pub fn is_to_be_cleared(&self) -> bool {
        self.used.get() > (self.limit.get() / 2).max(self.cleared.get() + self.limit.get() / 8)
    }

    /// No script runs, and there is no garbage.
    pub fn note_cleared(&self) {
        self.cleared.set(self.used.get());
    }

    /// Whether so much was taken since the last collection that another one can be of use.
    pub(super) fn may_collect(&self) -> bool {
        self.used.get() >= self.collected.get() + self.limit.get() / 64
    }

    /// What is in use now is needed. The next collection comes when half of what is left is taken, but not so often that
    /// nothing else gets done.
    pub(super) fn note_collected(&self) {
        let limit = self.limit.get();
        let step = (limit.saturating_sub(self.used.get()) / 2).max(limit / 32);
        self.collect_at.set(self.used.get() + step);
        self.collected.set(self.used.get());
    }

    /// Bytes that may still be taken.
    pub fn left(&self) -> usize {
        self.limit.get().saturating_sub(self.used.get())
    }

    pub fn is_over_limit(&self) -> bool {
        self.used.get() > self.limit.get()
    }

    /// Whether a request was refused since the last call.
    pub fn take_refused(&self) -> bool {
        self.was_refused.take()
    }

    /// Notes that a function written in Rust refuses to take what it would need.
    pub fn note_refused(&self) {
        self.was_refused.set(true);
    }

    /// Says whether a function written in Rust runs. Returns what was so before.
    pub(super) fn set_in_rust(&self, in_rust: bool) -> bool {
        self.in_rust.replace(in_rust)
    }

    pub(super) fn note_poll(&self) {
        self.large.set(0);
    }

    /// Whether a function written in Rust runs, in which no request is refused.
    pub(super) fn is_in_rust(&self) -> bool {
        self.in_rust.get()
    }

    /// Counts a block of `old` bytes that has `new` now. Returns whether the script is to be looked at soon.
    pub(super) fn note_change(&self, old: usize, new: usize) -> bool {
        self.used.set(self.used.get() + new - old);
        if new >= LARGE_BYTES {
            self.large.set(self.large.get() + new);
        }
        (new > old && self.wants_collection()) || (new >= LARGE_BYTES && self.large.get() >= LARGE_BYTES_PER_POLL)
    }

    /// Whether a request for `more` bytes is granted.
    pub(super) fn grants(&self, more: usize) -> bool {
        let granted = self.in_rust.get() || more <= self.left();
        if !granted {
            self.was_refused.set(true);
        }
        granted
    }
}
