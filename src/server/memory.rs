//! How much memory is used, and for what; and eviction, when it is more than `maxmemory` allows.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::client::ClientKey;
use super::executor::Executor;
use super::memory_limit::MemoryLimit;
use crate::config::EvictionPolicy;
use crate::keyspace::{Db, Eviction};
use crate::observe::{self, Allocator, AllocatorStats};
use crate::structures::mapped_table_bytes;

/// Evictions between two looks at the clock.
const EVICTIONS_PER_LOOK: usize = 16;

/// How long eviction goes on by itself in each round of the timer, when the commands' own share did not suffice.
const BACKGROUND_EVICTION: Duration = Duration::from_millis(10);

/// From this tenacity on the time limit grows by 15 % a step; below it, by 50 microseconds (Redis:
/// `evictionTimeLimitUs`).
const TENACITY_LINEAR_MAX: u32 = 10;
const TENACITY_UNLIMITED: u32 = 100;

/// So much memory is taken to be free in any case: part of what is in use may be swapped out.
const FREE_BYTES_MIN: u64 = 64 << 20;

/// Bytes of a key's own block that are neither key nor value.
const ENTRY_HEADER_BYTES: u64 = 8;

/// What the server knows about its memory.
pub struct Memory {
    allocator: Allocator,
    /// In use once the server had started.
    startup_bytes: u64,
    peak_bytes: Cell<u64>,
    /// What the kernel backs, as last read.
    resident: Resident,
    /// What is there for the server.
    pub limit: MemoryLimit,
    free_bytes: usize,
    /// Evicting was cut short, and goes on by itself.
    evicting: bool,
    /// When the last command came there was more data than `maxmemory` allows, and nothing that may be evicted.
    exhausted: bool,
    /// Since when there has been more data than `maxmemory` allows.
    over_limit_since: Option<Instant>,
    over_limit_before: Duration,
}

/// Whether there is room for more data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Room {
    Enough,
    /// More has to be evicted, which goes on in the background.
    Evicting,
    /// Nothing is left that may be evicted.
    Exhausted,
}

impl Memory {
    /// Whether there was no room for more data when the last command came.
    #[inline]
    pub fn is_exhausted(&self) -> bool {
        self.exhausted
    }

    pub fn new() -> Self {
        let mut memory = Self {
            allocator: Allocator::new(),
            startup_bytes: 0,
            peak_bytes: Cell::new(0),
            resident: Resident::read().unwrap_or_default(),
            limit: MemoryLimit::of_this_process(),
            free_bytes: usize::MAX,
            evicting: false,
            exhausted: false,
            over_limit_since: None,
            over_limit_before: Duration::ZERO,
        };
        memory.startup_bytes = memory.used_bytes();
        memory.note_peak();
        memory.note_free();
        memory
    }

    /// Bytes in use (`used_memory`): those of the allocator, and the tables that are mapped beside it.
    #[inline]
    pub fn used_bytes(&self) -> u64 {
        self.allocator.used() + mapped_table_bytes() as u64
    }

    /// What the machine has beyond what was in use at the last reading: nothing larger can be made.
    #[inline]
    pub fn free_bytes(&self) -> usize {
        self.free_bytes
    }

    /// Takes in what other threads have allocated.
    pub fn refresh(&mut self) {
        self.allocator.refresh();
    }

    /// Returns what is in use.
    fn note_peak(&self) -> u64 {
        let used = self.used_bytes();
        self.peak_bytes.set(self.peak_bytes.get().max(used));
        used
    }

    fn note_free(&mut self) {
        if self.limit.bytes() > 0 {
            let free = self.limit.bytes().saturating_sub(self.used_bytes()).max(FREE_BYTES_MIN);
            self.free_bytes = usize::try_from(free).unwrap_or(usize::MAX);
        }
    }

    /// How long there was more data than allowed: now, and all together.
    pub fn over_limit(&self) -> (Duration, Duration) {
        let now = self.over_limit_since.map_or(Duration::ZERO, |since| since.elapsed());
        (now, self.over_limit_before + now)
    }

    fn note_room(&mut self, room: Room) {
        match room {
            Room::Enough => {
                self.over_limit_before += self.over_limit_since.take().map_or(Duration::ZERO, |since| since.elapsed());
            }
            Room::Evicting | Room::Exhausted => {
                self.over_limit_since.get_or_insert_with(Instant::now);
            }
        }
    }

    /// Forgets for how long there was too much data (CONFIG RESETSTAT).
    pub fn reset_over_limit(&mut self) {
        self.over_limit_before = Duration::ZERO;
        self.over_limit_since = self.over_limit_since.map(|_| Instant::now());
    }
}

/// The memory of the server by purpose, for INFO and MEMORY STATS.
#[derive(Debug)]
pub struct MemoryReport {
    pub used: u64,
    pub peak: u64,
    pub startup: u64,
    pub resident: u64,
    /// The part of it that files back: the program itself, and a dump that is being loaded.
    pub files: u64,
    pub clients: u64,
    pub databases: Vec<DatabaseOverhead>,
    pub keys: u64,
    /// Everything that is not data.
    pub overhead: u64,
    pub allocator: AllocatorStats,
    /// In tables that are mapped beside the allocator.
    pub mapped: u64,
}

/// What one database needs beside its keys and values.
#[derive(Debug)]
pub struct DatabaseOverhead {
    pub index: usize,
    pub keys_table: u64,
    pub expires_table: u64,
    /// Bytes of the tables whose elements are moving to new ones, and how many these are.
    pub rehashing: u64,
    pub rehashing_tables: u64,
}

/// A ratio and the difference that it comes from, as memory reports tell both.
#[derive(Clone, Copy, Debug)]
pub struct Excess {
    pub ratio: f64,
    pub bytes: i64,
}

impl Excess {
    fn of(whole: u64, part: u64) -> Self {
        Self { ratio: whole as f64 / part.max(1) as f64, bytes: whole as i64 - part as i64 }
    }
}

impl MemoryReport {
    pub fn dataset(&self) -> u64 {
        self.used.saturating_sub(self.overhead)
    }

    /// Bytes of all tables of keys.
    pub fn tables(&self) -> u64 {
        self.databases.iter().map(|db| db.keys_table + db.expires_table).sum()
    }

    /// Of those, what is moving to new tables.
    pub fn rehashing(&self) -> u64 {
        self.databases.iter().map(|db| db.rehashing).sum()
    }

    /// What came on top of the memory of a server without data.
    fn net_used(&self) -> u64 {
        self.used.saturating_sub(self.startup).max(1)
    }

    pub fn dataset_percent(&self) -> f64 {
        self.dataset() as f64 * 100.0 / self.net_used() as f64
    }

    pub fn peak_percent(&self) -> f64 {
        self.used as f64 * 100.0 / self.peak.max(1) as f64
    }

    pub fn bytes_per_key(&self) -> u64 {
        self.net_used() / self.keys.max(1)
    }

    /// Resident memory over what is in use.
    pub fn fragmentation(&self) -> Excess {
        Excess::of(self.resident, self.used)
    }

    pub fn allocator_fragmentation(&self) -> Excess {
        Excess::of(self.allocator.active, self.allocator.allocated)
    }

    pub fn allocator_resident(&self) -> Excess {
        Excess::of(self.allocator.resident, self.allocator.active)
    }

    /// What is resident and neither a file's nor the allocator's nor in the tables that are mapped beside it.
    pub fn unaccounted(&self) -> Excess {
        Excess::of(self.resident.saturating_sub(self.files), self.allocator.resident + self.mapped)
    }

    /// Resident memory that the allocator does not know of.
    pub fn resident_overhead(&self) -> Excess {
        Excess::of(self.resident, self.allocator.resident)
    }
}

impl Executor {
    pub fn memory_report(&self) -> MemoryReport {
        let used = self.memory.note_peak();
        let clients = self.clients.iter().map(|(_, client)| client.memory_usage() as u64).sum();
        let filled = self.keyspace.dbs().filter(|(_, db)| !db.is_empty());
        let databases: Vec<_> = filled.map(|(index, db)| DatabaseOverhead::of(index, db)).collect();
        let tables: u64 = databases.iter().map(|db| db.keys_table + db.expires_table).sum();
        MemoryReport {
            used,
            peak: self.memory.peak_bytes.get(),
            startup: self.memory.startup_bytes,
            resident: self.memory.resident.bytes,
            files: self.memory.resident.files,
            clients,
            databases,
            keys: self.keyspace.len() as u64,
            overhead: self.memory.startup_bytes + clients + tables,
            allocator: self.memory.allocator.latest(),
            mapped: mapped_table_bytes() as u64,
        }
    }

    /// Takes the readings that need a look outside, and goes on evicting where that was cut short.
    pub(super) fn memory_cron(&mut self) {
        if !self.config.jemalloc_bg_thread {
            observe::decay_large();
        }
        self.memory.allocator.stats(self.clock.latest().monotonic());
        self.memory.note_peak();
        self.memory.note_free();
        self.memory.resident = Resident::read().unwrap_or(self.memory.resident);
        if self.memory.evicting {
            self.evict_for(BACKGROUND_EVICTION);
            self.after_command();
        }
    }

    /// Whether `maxmemory` is set, or was when there was too much data, of which the end has yet to be noted.
    #[inline]
    pub(super) fn is_memory_limited(&self) -> bool {
        self.config.maxmemory_bytes > 0 || self.memory.over_limit_since.is_some()
    }

    /// Evicts for a command of this client, and lets the tables of its database grow no further than there is room for.
    #[inline(never)]
    pub(super) fn make_room_for(&mut self, key: ClientKey) {
        let room = self.make_room();
        self.memory.exhausted = room == Room::Exhausted;
        self.limit_growth(key);
    }

    /// Evicts until the data fits into `maxmemory` again, as far as time and policy allow.
    pub(super) fn make_room(&mut self) -> Room {
        if self.config.maxmemory_bytes == 0 || self.memory.used_bytes() <= self.config.maxmemory_bytes {
            if self.memory.over_limit_since.is_some() {
                self.memory.note_room(Room::Enough);
            }
            return Room::Enough;
        }
        self.memory.note_peak();
        let limit = eviction_time_limit(self.config.maxmemory_eviction_tenacity);
        self.evict_for(limit)
    }

    /// Lets the tables of the client's database grow no further than `maxmemory` leaves room for.
    fn limit_growth(&mut self, key: ClientKey) {
        if self.config.maxmemory_bytes > 0 {
            let free = self.config.maxmemory_bytes.saturating_sub(self.memory.used_bytes());
            let db = self.clients.get(key).session.db;
            self.keyspace.db_mut(db).set_growth_limit(free);
        }
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
        if self.snapshots.is_loading || self.is_paused() {
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
        while self.memory.used_bytes() > self.config.maxmemory_bytes {
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

    /// Nothing is left to evict, but the end of a rehash gives a table back, and values that are on their way out may
    /// make room yet.
    fn wait_for_memory(&mut self, start: Instant, limit: Duration) -> Room {
        self.keyspace.rehash_for(limit.saturating_sub(start.elapsed()));
        self.memory.allocator.refresh();
        if self.memory.used_bytes() <= self.config.maxmemory_bytes {
            return Room::Enough;
        }
        while self.keyspace.lazy_free.pending() > 0 && start.elapsed() < limit {
            std::thread::sleep(limit.min(Duration::from_millis(1)));
            self.memory.allocator.refresh();
            if self.memory.used_bytes() <= self.config.maxmemory_bytes {
                return Room::Enough;
            }
        }
        Room::Exhausted
    }
}

impl DatabaseOverhead {
    fn of(index: usize, db: &Db) -> Self {
        let expires_table = db.expires_table_bytes() as u64;
        let keys_table = db.table_bytes() as u64 - expires_table + db.len() as u64 * ENTRY_HEADER_BYTES;
        let (rehashing_tables, rehashing) = db.tables_left_behind();
        let (rehashing_tables, rehashing) = (rehashing_tables as u64, rehashing as u64);
        Self { index, keys_table, expires_table, rehashing, rehashing_tables }
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

/// What the kernel backs of this process with memory.
#[derive(Clone, Copy, Debug, Default)]
struct Resident {
    bytes: u64,
    files: u64,
}

impl Resident {
    /// The second and third number of `statm` count pages.
    fn read() -> Option<Self> {
        let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
        let mut pages = statm.split_ascii_whitespace().skip(1).map(str::parse::<u64>);
        let page_bytes = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok()?? as u64;
        let mut bytes = || Some(pages.next()?.ok()? * page_bytes);
        Some(Self { bytes: bytes()?, files: bytes()? })
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
