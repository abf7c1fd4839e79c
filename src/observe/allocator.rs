//! What the allocator knows about the memory of the process (<https://jemalloc.net/jemalloc.3.html>, `stats.*`).

use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tikv_jemalloc_ctl::{epoch, epoch_mib, stats, stats_print, thread};

/// The allocator gathers its figures from all arenas, which takes some 100 us; doing so more often would cost more than it is worth.
pub const REFRESH_AFTER: Duration = Duration::from_millis(100);

/// One reading, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AllocatorStats {
    /// In use by the program.
    pub allocated: u64,
    /// In pages that hold something in use.
    pub active: u64,
    /// In pages that the kernel backs, as far as the allocator knows.
    pub resident: u64,
    /// Mapped and given back to the kernel, but kept for later.
    pub retained: u64,
    /// For the allocator's own needs.
    pub metadata: u64,
    /// Given up by the allocator, so that the kernel may take it when it is short of memory.
    pub muzzy: u64,
}

/// Reads the allocator's figures, for the thread on which it was made.
pub struct Allocator {
    handles: Option<Handles>,
    latest: Cell<AllocatorStats>,
    read_at: Cell<Instant>,
    /// Freed, and kept by threads for their next allocations: the allocator counts it as allocated.
    cached: Cell<u64>,
    /// What this thread had in use when `latest` was read.
    thread_then: Cell<u64>,
}

struct Handles {
    epoch: epoch_mib,
    allocated: stats::allocated_mib,
    active: stats::active_mib,
    resident: stats::resident_mib,
    retained: stats::retained_mib,
    metadata: stats::metadata_mib,
    thread_allocated: thread::ThreadLocal<u64>,
    thread_freed: thread::ThreadLocal<u64>,
}

impl Handles {
    fn open() -> Result<Self, tikv_jemalloc_ctl::Error> {
        Ok(Self {
            epoch: epoch::mib()?,
            allocated: stats::allocated::mib()?,
            active: stats::active::mib()?,
            resident: stats::resident::mib()?,
            retained: stats::retained::mib()?,
            metadata: stats::metadata::mib()?,
            thread_allocated: thread::allocatedp::mib()?.read()?,
            thread_freed: thread::deallocatedp::mib()?.read()?,
        })
    }

    fn read(&self) -> Result<AllocatorStats, tikv_jemalloc_ctl::Error> {
        self.epoch.advance()?;
        Ok(AllocatorStats {
            allocated: self.allocated.read()? as u64,
            active: self.active.read()? as u64,
            resident: self.resident.read()? as u64,
            retained: self.retained.read()? as u64,
            metadata: self.metadata.read()? as u64,
            muzzy: muzzy_bytes(),
        })
    }

    /// What this thread has allocated less what it has freed; wraps when it frees more, of other threads.
    fn thread_balance(&self) -> u64 {
        self.thread_allocated.get().wrapping_sub(self.thread_freed.get())
    }
}

impl Allocator {
    /// Without statistics in the allocator all figures are 0.
    pub fn new() -> Self {
        let allocator = Self {
            handles: Handles::open().ok(),
            latest: Cell::default(),
            cached: Cell::new(0),
            read_at: Cell::new(Instant::now()),
            thread_then: Cell::new(0),
        };
        allocator.read(allocator.read_at.get());
        allocator
    }

    /// The figures as last read.
    pub fn latest(&self) -> AllocatorStats {
        self.latest.get()
    }

    /// The figures, at most a tenth of a second old.
    pub fn stats(&self, now: Instant) -> AllocatorStats {
        self.read_if_older(now, REFRESH_AFTER);
        self.latest()
    }

    /// Reads afresh if the last reading is so old. Returns whether it was.
    pub fn read_if_older(&self, now: Instant, age: Duration) -> bool {
        let is_older = now.saturating_duration_since(self.read_at.get()) >= age;
        if is_older {
            self.read(now);
        }
        is_older
    }

    /// Bytes in use, exact as far as this thread is concerned: the latest reading, carried on by what the thread has
    /// allocated and freed since.
    #[inline]
    pub fn used(&self) -> u64 {
        let balance = self.handles.as_ref().map(Handles::thread_balance);
        let since = balance.map_or(0, |balance| balance.wrapping_sub(self.thread_then.get()));
        // The other threads can have freed what this one allocates now, and the difference pass through zero.
        self.latest().allocated.saturating_sub(self.cached.get()).saturating_add_signed(since as i64)
    }

    /// Reads afresh, for a figure that other threads have a share in.
    pub fn refresh(&self) {
        self.read(Instant::now());
    }

    fn read(&self, now: Instant) {
        self.read_at.set(now);
        if let Some(handles) = &self.handles {
            self.latest.set(handles.read().unwrap_or_default());
            self.cached.set(cached_bytes());
            self.thread_then.set(handles.thread_balance());
        }
    }
}

/// What the threads keep of what they have freed, as of the last reading.
fn cached_bytes() -> u64 {
    // 4096 means all arenas together (MALLCTL_ARENAS_ALL).
    figure(b"stats.arenas.4096.tcache_bytes\0")
}

fn muzzy_bytes() -> u64 {
    figure(b"stats.arenas.4096.pmuzzy\0") * figure(b"arenas.page\0")
}

/// A figure that is a `size_t`, by its name, which a zero byte ends; 0 where the allocator does not have it.
#[expect(unsafe_code, reason = "reads a figure by name")]
fn figure(name: &'static [u8]) -> u64 {
    debug_assert!(name.ends_with(&[0]));
    // SAFETY: the names in this file end in a zero byte, and their figures are each a `size_t`.
    unsafe { tikv_jemalloc_ctl::raw::read::<usize>(name) }.map_or(0, |bytes| bytes as u64)
}

/// The allocator's own report, for people.
pub fn allocator_report() -> io::Result<Vec<u8>> {
    let mut report = Vec::new();
    stats_print::stats_print(&mut report, stats_print::Options::default())?;
    Ok(report)
}

/// One of the allocator's arenas: memory that is freed is given out again to those who use the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocatorArena(u32);

impl AllocatorArena {
    /// `None` where the allocator does not tell.
    #[expect(unsafe_code, reason = "reads a figure by name")]
    pub fn of_this_thread() -> Option<Self> {
        // SAFETY: the name ends in a zero byte, and the figure is an `unsigned`.
        unsafe { tikv_jemalloc_ctl::raw::read::<u32>(THREAD_ARENA) }.ok().map(Self)
    }

    /// From now on this thread allocates from the arena. A refusal leaves it the one it has.
    #[expect(unsafe_code, reason = "sets a figure by name")]
    pub fn use_for_this_thread(self) {
        // SAFETY: the name ends in a zero byte, and the figure is an `unsigned`, the number of an arena that exists.
        let _ = unsafe { tikv_jemalloc_ctl::raw::write::<u32>(THREAD_ARENA, self.0) };
    }
}

const THREAD_ARENA: &[u8] = b"thread.arena\0";

/// Gives pages that hold nothing back to the kernel. Returns whether the allocator could.
#[expect(unsafe_code, reason = "asks the allocator by name")]
pub fn purge_allocator() -> bool {
    // 4096 means all arenas together (MALLCTL_ARENAS_ALL).
    let name = c"arena.4096.purge";
    let (none, nothing) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: the name ends in a zero byte, and this request takes and gives no value.
    unsafe { tikv_jemalloc_sys::mallctl(name.as_ptr(), none, std::ptr::null_mut(), nothing, 0) == 0 }
}

/// Lets the allocator give memory back that is not in use, or makes it keep all of it: while a snapshot child lives
/// what is given back splits the huge pages that both share. What has been kept goes over time, as ever.
pub fn allow_purging(allowed: bool) {
    // Milliseconds; -1 means never.
    let usual = if allowed { opt_decay_ms() } else { -1 };
    let large = LARGE_ARENA.load(Ordering::Relaxed);
    let arenas = tikv_jemalloc_ctl::arenas::narenas::read().unwrap_or(0);
    for arena in 0..arenas {
        set_decay_ms(arena, if allowed && arena == large { LARGE_DECAY_MS } else { usual });
    }
}

#[expect(unsafe_code, reason = "sets a figure by name")]
fn set_decay_ms(arena: u32, decay: isize) {
    let name = format!("arena.{arena}.dirty_decay_ms\0");
    // SAFETY: the name ends in a zero byte, and the figure is an `ssize_t`. An arena that nobody has used yet refuses,
    // and has nothing to give.
    let _ = unsafe { tikv_jemalloc_ctl::raw::write::<isize>(name.as_bytes(), decay) };
}

/// The arena from which large blocks come; [`NO_ARENA`] before it is known.
static LARGE_ARENA: AtomicU32 = AtomicU32::new(NO_ARENA);
const NO_ARENA: u32 = u32::MAX;

/// How long large blocks that were freed are kept for others. There are few of them, and each is much memory.
const LARGE_DECAY_MS: isize = 500;

/// Makes memory of large blocks go back to the kernel within a second after they were freed; that of others is kept much
/// longer, since giving it back splits huge pages.
#[expect(unsafe_code, reason = "asks the allocator by name")]
pub fn give_large_back_soon() {
    const LARGE_BYTES: usize = 16 << 20;
    // The arena is there once something large was allocated.
    let block = Vec::<u8>::with_capacity(LARGE_BYTES);
    let mut address = block.as_ptr();
    let mut arena = NO_ARENA;
    let mut arena_bytes = size_of::<u32>();
    // SAFETY: the name ends in a zero byte. This request takes the address of a block, which is alive, and gives the
    // number of its arena, an `unsigned`; both places have the sizes that are passed.
    let refused = unsafe {
        tikv_jemalloc_sys::mallctl(
            c"arenas.lookup".as_ptr(),
            (&raw mut arena).cast(),
            &raw mut arena_bytes,
            (&raw mut address).cast(),
            size_of::<*const u8>(),
        )
    };
    // Small blocks must not come from it.
    if refused == 0 && Some(AllocatorArena(arena)) != AllocatorArena::of_this_thread() {
        LARGE_ARENA.store(arena, Ordering::Relaxed);
        set_decay_ms(arena, LARGE_DECAY_MS);
    }
}

/// Gives back what large blocks have left long enough ago, where no thread of the allocator's does.
#[expect(unsafe_code, reason = "asks the allocator by name")]
pub fn decay_large() {
    let arena = LARGE_ARENA.load(Ordering::Relaxed);
    if arena == NO_ARENA {
        return;
    }
    let name = format!("arena.{arena}.decay\0");
    let (none, nothing) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: the name ends in a zero byte, and this request takes and gives no value.
    unsafe { tikv_jemalloc_sys::mallctl(name.as_ptr().cast(), none, std::ptr::null_mut(), nothing, 0) };
}

/// What the allocator was started with.
#[expect(unsafe_code, reason = "reads a figure by name")]
fn opt_decay_ms() -> isize {
    const DEFAULT_MS: isize = 10_000;
    // SAFETY: the name ends in a zero byte, and the figure is an `ssize_t`.
    unsafe { tikv_jemalloc_ctl::raw::read::<isize>(b"opt.dirty_decay_ms\0") }.unwrap_or(DEFAULT_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_is_told_to_the_byte_between_two_readings() {
        let allocator = Allocator::new();
        let before = allocator.used();
        let block = vec![1u8; 1 << 20];
        let during = allocator.used();
        drop(block);
        assert!(during >= before + (1 << 20) && during < before + (2 << 20), "{before} {during}");
        assert_eq!(allocator.used(), before);
    }

    #[test]
    #[expect(unsafe_code, reason = "reads a figure by name")]
    fn memory_is_kept_while_purging_is_not_allowed() {
        // SAFETY: the name ends in a zero byte, and the figure is an `ssize_t`.
        let decay = || unsafe { tikv_jemalloc_ctl::raw::read::<isize>(b"arena.0.dirty_decay_ms\0") }.unwrap();
        let before = decay();
        allow_purging(false);
        assert_eq!(decay(), -1);
        allow_purging(true);
        assert_eq!(decay(), before);
    }

    #[test]
    fn a_thread_can_use_the_arena_of_another() {
        let here = AllocatorArena::of_this_thread().expect("the allocator tells");
        let there = move || {
            here.use_for_this_thread();
            AllocatorArena::of_this_thread()
        };
        assert_eq!(std::thread::spawn(there).join().expect("it ends"), Some(here));
    }

    #[test]
    fn figures_are_in_order_and_pages_can_be_given_back() {
        let allocator = Allocator::new();
        let stats = allocator.stats(Instant::now());
        assert!(stats.allocated > 0 && stats.allocated <= stats.active && stats.active <= stats.resident, "{stats:?}");
        assert!(purge_allocator());
        assert!(allocator_report().is_ok_and(|report| report.starts_with(b"___ Begin jemalloc statistics ___")));
    }
}
