//! How long output may wait that nobody reads.

use std::time::Instant;

use crate::config::ClientBufferLimit;

/// Since when output has been over the soft part of its limit, if it is.
#[derive(Default, Debug)]
pub struct OutputWatch {
    over_soft_since: Option<Instant>,
}

impl OutputWatch {
    /// Whether the output was over the soft limit when it was last looked at.
    #[inline]
    pub fn is_over_soft(&self) -> bool {
        self.over_soft_since.is_some()
    }

    /// Whether so many unsent bytes are over the limit, now or for too long.
    pub fn exceeds(&mut self, unsent: u64, limit: ClientBufferLimit, now: Instant) -> bool {
        let is_over = |bytes: u64| bytes > 0 && unsent >= bytes;
        if !is_over(limit.soft_bytes) {
            self.over_soft_since = None;
            return is_over(limit.hard_bytes);
        }
        let since = *self.over_soft_since.get_or_insert(now);
        now.saturating_duration_since(since).as_secs() >= limit.soft_seconds || is_over(limit.hard_bytes)
    }
}
