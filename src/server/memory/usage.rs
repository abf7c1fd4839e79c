//! How much memory is used, and for what.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::defragmentation::Defragmentation;
use super::limit::MemoryLimit;
use crate::keyspace::Db;
use crate::observe::{Allocator, AllocatorStats, REFRESH_AFTER};
use crate::server::replication::ReplicationMemory;
use crate::snapshot::HugePageSystem;
use crate::structures::{heap_bytes, mapped_table_bytes, used_block_bytes};

/// So much memory is taken to be free in any case: part of what is in use may be swapped out.
const FREE_BYTES_MIN: u64 = 64 << 20;

/// How old readings of the allocator's figures may be while this thread alone allocates.
const READ_AFTER: Duration = Duration::from_secs(2);

/// Bytes of a key's own block that are neither key nor value.
const ENTRY_HEADER_BYTES: u64 = 8;

/// What the server knows about its memory.
pub struct Memory {
    pub(super) allocator: Allocator,
    /// In use once the server had started.
    pub(super) startup_bytes: u64,
    pub(super) peak_bytes: Cell<u64>,
    /// What the kernel backs, as last read.
    pub(super) resident: Cell<Resident>,
    /// What is there for the server.
    pub(super) limit: MemoryLimit,
    pub(super) huge_page_system: HugePageSystem,
    pub(super) huge_pages_used: bool,
    pub(super) defragmentation: Defragmentation,
    free_bytes: usize,
    /// Other threads may have allocated or freed much since the last reading in the cron.
    is_behind: bool,
    /// Objects that the freeing thread had freed in the last round of the cron.
    freed_then: u64,
    /// Evicting was cut short, and goes on by itself.
    pub(super) evicting: bool,
    /// When the last command came there was more data than `maxmemory` allows, and nothing that may be evicted.
    pub(super) exhausted: bool,
    /// Since when there has been more data than `maxmemory` allows.
    pub(super) over_limit_since: Option<Instant>,
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
    /// Lets keys be evicted from the next round of the cron on.
    pub fn evict_soon(&mut self) {
        self.evicting = true;
    }

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
            resident: Cell::new(Resident::read().unwrap_or_default()),
            limit: MemoryLimit::of_this_process(),
            huge_page_system: HugePageSystem::read(),
            huge_pages_used: false,
            defragmentation: Defragmentation::default(),
            free_bytes: usize::MAX,
            is_behind: false,
            freed_then: 0,
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

    /// Bytes in use (`used_memory`): those of the allocator, and the tables and blocks that are mapped beside it.
    #[inline]
    pub fn used_bytes(&self) -> u64 {
        self.allocator.used() + (mapped_table_bytes() + used_block_bytes()) as u64
    }

    /// What the allocator and the heap of blocks hold.
    pub(super) fn allocator_stats(&self) -> AllocatorStats {
        let (blocks, mut stats) = (heap_bytes(), self.allocator.latest());
        stats.allocated += blocks.used as u64;
        stats.active += blocks.spans as u64;
        stats.resident += blocks.pages as u64;
        stats
    }

    /// What the machine has beyond what was in use at the last reading: nothing larger can be made.
    #[inline]
    pub fn free_bytes(&self) -> usize {
        self.free_bytes
    }

    /// Whether the heap is in huge pages.
    pub fn uses_huge_pages(&self) -> bool {
        self.huge_pages_used
    }

    pub fn defragmentation(&self) -> &Defragmentation {
        &self.defragmentation
    }

    /// Counts what compaction does anew, with CONFIG RESETSTAT.
    pub fn reset_defragmentation(&mut self) {
        self.defragmentation.reset_counts();
    }

    /// What is there for the server.
    pub fn limit(&self) -> &MemoryLimit {
        &self.limit
    }

    /// Takes in what other threads have allocated.
    pub fn refresh(&self) {
        self.allocator.refresh();
    }

    /// Takes a reading of the allocator's figures: soon when other threads allocate or free, or have done so since the last one.
    /// Returns whether it took one.
    pub(super) fn follow_others(&mut self, now: Instant, are_busy: bool, freed: u64) -> bool {
        self.is_behind |= are_busy || freed != self.freed_then;
        self.freed_then = freed;
        let reads = self.allocator.read_if_older(now, if self.is_behind { REFRESH_AFTER } else { READ_AFTER });
        self.is_behind = are_busy || (self.is_behind && !reads);
        reads
    }

    /// Takes the readings for a report.
    pub(super) fn read(&self, now: Instant) {
        self.allocator.stats(now);
        self.resident.set(Resident::read().unwrap_or(self.resident.get()));
    }

    /// Returns what is in use.
    pub(super) fn note_peak(&self) -> u64 {
        let used = self.used_bytes();
        self.peak_bytes.set(self.peak_bytes.get().max(used));
        used
    }

    pub(super) fn note_free(&mut self) {
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

    pub(super) fn note_room(&mut self, room: Room) {
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
    /// Connections but for those of replicas.
    pub clients: u64,
    pub replication: ReplicationMemory,
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
}

/// A ratio and the difference that it comes from, as memory reports show both.
#[derive(Clone, Copy, Debug)]
pub struct Excess {
    pub ratio: f64,
    pub bytes: i64,
}

impl Excess {
    pub(super) fn of(whole: u64, part: u64) -> Self {
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

impl DatabaseOverhead {
    pub(super) fn of(index: usize, db: &Db) -> Self {
        let expires_table = db.expires_table_bytes() as u64;
        let keys_table = db.table_bytes() as u64 - expires_table + db.len() as u64 * ENTRY_HEADER_BYTES;
        Self { index, keys_table, expires_table }
    }
}

/// What the kernel backs of this process with memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Resident {
    pub(super) bytes: u64,
    pub(super) files: u64,
}

impl Resident {
    /// The second and third number of `statm` count pages.
    pub(super) fn read() -> Option<Self> {
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
    fn what_other_threads_have_done_is_read_once_more_after_they_are_done() {
        let mut memory = Memory::new();
        let start = Instant::now();
        let mut round = 0;
        // Whether a reading is taken in the next round.
        let mut reads = |are_busy, freed| {
            round += 1;
            memory.follow_others(start + REFRESH_AFTER * round, are_busy, freed)
        };
        assert_eq!([reads(false, 0), reads(false, 0)], [false, false]);
        assert_eq!([reads(true, 0), reads(true, 0), reads(false, 0), reads(false, 0)], [true, true, true, false]);
        assert_eq!([reads(false, 1), reads(false, 1)], [true, false], "freed between two rounds");
        assert!((0..20).any(|_| reads(false, 1)), "and every two seconds");
    }
}
