//! What a child may take of memory and of time, beyond which its snapshot is given up.

use std::time::Duration;

use super::error::SaveError;
use super::process;
use super::running::Running;
use crate::config::{Config, MemoryShare};
use crate::stdx::clock::Now;

/// A percentage is never less than this: the process that saves needs some of it for itself, however few the data are.
const SHARE_BYTES_MIN: u64 = 64 << 20;

/// What a child may take, as it is configured now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    memory: MemoryShare,
    maxmemory_bytes: u64,
    /// Without progress; zero is no limit.
    stall: Duration,
}

impl Limits {
    pub fn new(config: &Config) -> Self {
        Self {
            memory: config.snapshot_memory_limit,
            maxmemory_bytes: config.maxmemory_bytes,
            stall: Duration::from_secs(config.snapshot_stall_timeout_seconds.into()),
        }
    }

    /// Of a snapshot of data that took so much at the fork; 0 is no limit.
    fn memory_bytes(&self, used_at_fork: u64) -> u64 {
        let whole = if self.maxmemory_bytes > 0 { self.maxmemory_bytes } else { used_at_fork };
        match self.memory {
            MemoryShare::Bytes(bytes) => bytes,
            MemoryShare::Percent(_) => self.memory.bytes_of(whole).max(SHARE_BYTES_MIN),
        }
    }
}

impl Running {
    /// Ends a child that takes too much, or that has made no progress for too long.
    pub fn enforce(&mut self, limits: &Limits, now: Now) {
        if self.ending_since.is_some() {
            return;
        }
        let limit = limits.memory_bytes(self.used_at_fork);
        self.set_memory_limit(limit);
        let taken = self.extra_bytes();
        if limit > 0 && taken >= limit {
            self.give_up(SaveError::MemoryLimit { taken, limit }, now);
        } else if !limits.stall.is_zero() {
            self.enforce_progress(limits.stall, now);
        }
    }

    fn enforce_progress(&mut self, limit: Duration, now: Now) {
        let silent = now.monotonic().saturating_duration_since(self.progress_at);
        if silent >= limit {
            self.give_up(SaveError::Stalled { seconds: silent.as_secs() }, now);
        } else if silent >= limit / 2 && !self.is_stalled {
            self.is_stalled = true;
            let (pid, seconds, limit) = (self.child.pid, silent.as_secs(), limit.as_secs());
            let why = if self.is_stopped { "a signal has stopped it" } else { "it may wait for the disk" };
            tracing::warn!(
                "The process that saves (pid {pid}) has made no progress for {seconds} seconds: {why}. It is ended after \
                 {limit} seconds (snapshot-stall-timeout)"
            );
        }
    }

    fn give_up(&mut self, error: SaveError, now: Now) {
        tracing::warn!("Giving up the snapshot of pid {}: {error}", self.child.pid);
        self.given_up = Some(error);
        self.ending_since = Some(now.monotonic());
        process::kill(self.child.pid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentage_is_of_maxmemory_or_of_the_data_and_leaves_the_process_some() {
        const GIGABYTE: u64 = 1 << 30;
        let limit = |memory, maxmemory_bytes, used| {
            Limits { memory, maxmemory_bytes, stall: Duration::ZERO }.memory_bytes(used)
        };
        assert_eq!(limit(MemoryShare::Percent(25), 0, 8 * GIGABYTE), 2 * GIGABYTE);
        assert_eq!(limit(MemoryShare::Percent(25), 4 * GIGABYTE, 8 * GIGABYTE), GIGABYTE);
        assert_eq!(limit(MemoryShare::Percent(25), 0, 1000), SHARE_BYTES_MIN);
        assert_eq!(limit(MemoryShare::Bytes(1000), 0, 8 * GIGABYTE), 1000);
        assert_eq!(limit(MemoryShare::Bytes(0), GIGABYTE, GIGABYTE), 0, "no limit");
    }
}
