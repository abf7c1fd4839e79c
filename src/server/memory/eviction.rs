//! Eviction, when more memory is used than `maxmemory` allows; and the report of what it is used for.

use std::time::{Duration, Instant};

use super::usage::{DatabaseOverhead, MemoryReport, Room};
use crate::config::EvictionPolicy;
use crate::keyspace::Eviction;
use crate::observe;
use crate::server::executor::Executor;
use crate::structures::mapped_table_bytes;

/// Evictions between two looks at the clock.
const EVICTIONS_PER_LOOK: usize = 16;

/// How long eviction goes on by itself in each round of the timer, when the commands' own share did not suffice.
const BACKGROUND_EVICTION: Duration = Duration::from_millis(10);

/// From this tenacity on the time limit grows by 15 % a step; below it, by 50 microseconds (Redis:
/// `evictionTimeLimitUs`).
const TENACITY_LINEAR_MAX: u32 = 10;

const TENACITY_UNLIMITED: u32 = 100;

impl Executor {
    pub fn memory_report(&self) -> MemoryReport {
        self.memory.read(self.clock.latest().monotonic());
        let used = self.memory.note_peak();
        let replication = self.replication_memory();
        let clients = self.clients.iter().filter(|(_, client)| !client.is_replica());
        let clients = clients.map(|(_, client)| client.memory_usage() as u64).sum();
        let filled = self.keyspace.dbs().filter(|(_, db)| !db.is_empty());
        let databases: Vec<_> = filled.map(|(index, db)| DatabaseOverhead::of(index, db)).collect();
        let tables: u64 = databases.iter().map(|db| db.keys_table + db.expires_table).sum();
        MemoryReport {
            used,
            peak: self.memory.peak_bytes.get(),
            startup: self.memory.startup_bytes,
            resident: self.memory.resident.get().bytes,
            files: self.memory.resident.get().files,
            clients,
            replication,
            databases,
            keys: self.keyspace.len() as u64,
            overhead: self.memory.startup_bytes + clients + replication.clients + replication.backlog + tables,
            allocator: self.memory.allocator_stats(),
            mapped: mapped_table_bytes() as u64,
        }
    }

    /// Takes the readings that need a look outside, and goes on evicting where that was cut short.
    pub(in crate::server) fn memory_cron(&mut self) {
        self.note_memory();
        if self.memory.evicting {
            self.evict_for(BACKGROUND_EVICTION);
            self.after_command();
        }
    }

    /// Takes the readings that need a look outside, which take longer than most commands: seldom, unless other threads allocate or
    /// free much. What this one does is known in any case, and reports take readings of their own.
    pub(in crate::server) fn note_memory(&mut self) {
        if !self.config.jemalloc_bg_thread {
            observe::decay_large();
        }
        let are_others_busy = self.snapshots.is_loading() || self.keyspace.lazy_free.pending() > 0;
        let freed = self.keyspace.lazy_free.freed();
        self.memory.follow_others(self.clock.latest().monotonic(), are_others_busy, freed);
        self.memory.note_peak();
        self.memory.note_free();
    }

    /// Whether `maxmemory` is set, or was when there was too much data, of which the end has yet to be noted.
    #[inline]
    pub(in crate::server) fn is_memory_limited(&self) -> bool {
        (self.config.maxmemory_bytes > 0 || self.memory.over_limit_since.is_some())
            && !self.leaves_eviction_to_primary()
    }

    /// Whether keys go only when the primary says so.
    fn leaves_eviction_to_primary(&self) -> bool {
        self.replication.is_replica() && self.config.replica_ignore_maxmemory
    }

    /// Evicts for a command.
    #[inline(never)]
    pub(in crate::server) fn make_room_for_command(&mut self) {
        let room = self.make_room();
        self.memory.exhausted = room == Room::Exhausted;
    }

    /// Evicts until the data fits into `maxmemory` again, as far as time and policy allow.
    pub(in crate::server) fn make_room(&mut self) -> Room {
        if self.config.maxmemory_bytes == 0 || self.counted_bytes() <= self.config.maxmemory_bytes {
            if self.memory.over_limit_since.is_some() {
                self.memory.note_room(Room::Enough);
            }
            return Room::Enough;
        }
        self.memory.note_peak();
        let limit = eviction_time_limit(self.config.maxmemory_eviction_tenacity);
        self.evict_for(limit)
    }

    /// Bytes in use that `maxmemory` limits.
    #[inline]
    fn counted_bytes(&self) -> u64 {
        self.memory.used_bytes().saturating_sub(self.bytes_for_lagging_replicas())
    }

    fn evict_for(&mut self, limit: Duration) -> Room {
        let start = Instant::now();
        let room = self.evict_within(start, limit);
        self.memory.note_room(room);
        self.note_latency("eviction-cycle", start.elapsed());
        room
    }

    fn evict_within(&mut self, start: Instant, limit: Duration) -> Room {
        self.memory.evicting = false;
        if self.snapshots.is_loading() || self.is_paused() {
            return Room::Enough;
        }
        if self.keyspace.lazy_free.pending() > 0 {
            self.memory.allocator.refresh();
        } else {
            self.memory.allocator.stats(Instant::now());
        }
        let eviction =
            Eviction { policy: self.config.maxmemory_policy, samples: self.config.maxmemory_samples as usize };
        let mut evicted = 0;
        while self.counted_bytes() > self.config.maxmemory_bytes {
            let begun = (self.config.latency_monitor_threshold_ms > 0).then(Instant::now);
            if eviction.policy == EvictionPolicy::NoEviction || !self.keyspace.evict_one(&eviction) {
                return self.wait_for_memory(start, limit);
            }
            if let Some(begun) = begun {
                self.note_latency("eviction-del", begun.elapsed());
            }
            // Events that wait to be published take memory, and eviction would run after its own tail. Whoever waits for a
            // key is served once the command is done for which this makes room.
            if self.keyspace.has_events() {
                self.publish_key_events();
            }
            evicted += 1;
            if evicted % EVICTIONS_PER_LOOK == 0 {
                if self.keyspace.lazy_free.pending() > 0 {
                    self.memory.allocator.refresh();
                }
                if start.elapsed() > limit {
                    self.memory.evicting = true;
                    return Room::Evicting;
                }
            }
        }
        Room::Enough
    }

    /// Nothing is left to evict, but tables that shrink give memory back, and values that are on their way out may make
    /// room yet.
    fn wait_for_memory(&mut self, start: Instant, limit: Duration) -> Room {
        self.keyspace.resize_for(limit.saturating_sub(start.elapsed()));
        self.memory.allocator.refresh();
        if self.counted_bytes() <= self.config.maxmemory_bytes {
            return Room::Enough;
        }
        while self.keyspace.lazy_free.pending() > 0 && start.elapsed() < limit {
            std::thread::sleep(limit.min(Duration::from_millis(1)));
            self.memory.allocator.refresh();
            if self.counted_bytes() <= self.config.maxmemory_bytes {
                return Room::Enough;
            }
        }
        Room::Exhausted
    }
}

fn eviction_time_limit(tenacity: u32) -> Duration {
    match tenacity {
        0..=TENACITY_LINEAR_MAX => Duration::from_micros(50 * u64::from(tenacity)),
        TENACITY_UNLIMITED.. => Duration::MAX,
        _ => {
            let steps = f64::from(tenacity - TENACITY_LINEAR_MAX);
            Duration::from_micros((500.0 * 1.15f64.powf(steps)) as u64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eviction_time_grows_with_tenacity() {
        assert_eq!(eviction_time_limit(0), Duration::ZERO);
        assert_eq!(eviction_time_limit(10), Duration::from_micros(500));
        assert_eq!(eviction_time_limit(11), Duration::from_micros(575));
        assert!(eviction_time_limit(99) > Duration::from_secs(100));
        assert_eq!(eviction_time_limit(100), Duration::MAX);
    }
}
