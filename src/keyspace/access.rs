//! The access clock of every key: when it was last used (LRU), or how often (LFU).
//!
//! As in Redis, 24 bits a key. LRU: seconds of the unix clock, wrapping every 194 days. LFU: 16 bits of minutes at
//! which the counter last decayed, 8 bits of logarithmic counter
//! (<https://redis.io/docs/latest/develop/reference/eviction/>).

use std::cell::RefCell;

use super::entry::Entry;

const CLOCK_MASK: u32 = 0x00ff_ffff;

/// A new key starts here, so that it is not evicted at once (Redis: LFU_INIT_VAL).
const FREQUENCY_INITIAL: u32 = 5;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccessPolicy {
    Lru,
    Lfu { log_factor: u32, decay_minutes: u32 },
}

/// The present moment on the access clock, and how keys take it over.
#[derive(Clone, Debug)]
pub struct AccessClock {
    policy: AccessPolicy,
    seconds: u32,
    minutes: u32,
    /// While a snapshot child lives, no clock is written that it sees: each such write would copy a page.
    frozen: bool,
    /// The client whose command runs wants to leave no traces (CLIENT NO-TOUCH).
    stopped: bool,
    rng: RefCell<fastrand::Rng>,
}

impl Default for AccessClock {
    fn default() -> Self {
        Self {
            policy: AccessPolicy::Lru,
            seconds: 0,
            minutes: 0,
            frozen: false,
            stopped: false,
            rng: RefCell::default(),
        }
    }
}

impl AccessClock {
    pub fn policy(&self) -> AccessPolicy {
        self.policy
    }

    pub fn set_policy(&mut self, policy: AccessPolicy) {
        self.policy = policy;
    }

    /// Takes a time that goes on evenly: keys do not age because somebody sets the wall clock.
    pub fn set_time(&mut self, steady_ms: i64) {
        let seconds = steady_ms.max(0) as u64 / 1000;
        self.seconds = (seconds & u64::from(CLOCK_MASK)) as u32;
        self.minutes = ((seconds / 60) & 0xffff) as u32;
    }

    pub fn set_frozen(&mut self, frozen: bool) {
        self.frozen = frozen;
    }

    /// Makes uses leave no traces, or leave them again.
    pub fn set_stopped(&mut self, stopped: bool) {
        self.stopped = stopped;
    }

    /// The LRU clock, in seconds (INFO's `lru_clock`).
    pub fn lru_seconds(&self) -> u32 {
        self.seconds
    }

    /// The clock of a key that is created now.
    #[inline]
    pub fn initial(&self) -> u32 {
        match self.policy {
            AccessPolicy::Lru => self.seconds,
            AccessPolicy::Lfu { .. } => self.minutes << 8 | FREQUENCY_INITIAL,
        }
    }

    /// Notes that `entry` is used now.
    #[inline]
    pub fn touch(&self, entry: &Entry) {
        if self.stopped || (self.frozen && entry.is_shared()) {
            return;
        }
        let clock = match self.policy {
            AccessPolicy::Lru => self.seconds,
            AccessPolicy::Lfu { log_factor, .. } => {
                let frequency = self.incremented(self.frequency(entry.clock()), log_factor);
                self.minutes << 8 | frequency
            }
        };
        // A clock that is set already is not written: the line stays clean.
        if clock != entry.clock() {
            entry.set_clock(clock);
        }
    }

    /// Seconds since a key with this clock was last used.
    pub fn idle_seconds(&self, clock: u32) -> u64 {
        u64::from(self.seconds.wrapping_sub(clock) & CLOCK_MASK)
    }

    /// The logarithmic use counter, decayed to the present.
    pub fn frequency(&self, clock: u32) -> u32 {
        let counter = clock & 0xff;
        let AccessPolicy::Lfu { decay_minutes, .. } = self.policy else { return counter };
        if decay_minutes == 0 {
            return counter;
        }
        let elapsed = self.minutes.wrapping_sub(clock >> 8) & 0xffff;
        counter.saturating_sub(elapsed / decay_minutes)
    }

    /// The clock of a key restored with an idle time in seconds.
    pub fn clock_of_idle(&self, idle_seconds: u64) -> u32 {
        self.seconds.wrapping_sub(idle_seconds.min(u64::from(CLOCK_MASK)) as u32) & CLOCK_MASK
    }

    /// The clock of a key restored with a use counter.
    pub fn clock_of_frequency(&self, frequency: u8) -> u32 {
        self.minutes << 8 | u32::from(frequency)
    }

    fn incremented(&self, counter: u32, log_factor: u32) -> u32 {
        if counter >= 255 {
            return 255;
        }
        let base = counter.saturating_sub(FREQUENCY_INITIAL);
        let chance = 1.0 / f64::from(base * log_factor + 1);
        if self.rng.borrow_mut().f64() < chance { counter + 1 } else { counter }
    }
}
