//! The healing pass: after a child, the huge pages that it split are put together again, a little at a time. Beside a child
//! that is done where much of one is not shared with it any more, because writes have copied it or the child has given it up:
//! where snapshots follow one another there is no time after a child, and each fork would copy an entry for every small page of
//! the tables.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::kernel::{Block, PageMap, Spare, collapse, make_writable};
use super::{HUGE_PAGE_BYTES, ranges};
use crate::snapshot::system_calls::give_way;
use crate::stdx::text::kilobyte_field;
use crate::structures::{MappedTable, mapped_tables};

/// A block is healed when at least so much of it is in memory: the rest is taken from the system by it.
const PRESENT_BYTES_MIN: usize = HUGE_PAGE_BYTES / 16 * 15;

/// Beside a child a block is healed when it does not share so much of it any more. The rest is copied, and takes memory for as
/// long as the child lives: of the tables, which are small beside the data and written by every command; and of as much again
/// of other memory.
const OWN_BYTES_MIN: usize = HUGE_PAGE_BYTES / 8;

/// How much is looked at in one step, which a fork may have to wait for.
const LOOK_BYTES: usize = 16 << 20;

/// Nothing to do, after which time it is looked again: the first small pages of tables are filled without a child too.
const REST_MIN: Duration = Duration::from_secs(1);

/// Looking takes at most one part in so many of the time.
const LOOKING_SHARE: u32 = 200;

/// As those two, beside a child, which may be over soon.
const REST_BESIDE_CHILD_MIN: Duration = Duration::from_millis(50);
const LOOKING_SHARE_BESIDE_CHILD: u32 = 20;

/// After the system gave no huge pages it is left alone for so long.
const REST_AFTER_REFUSALS: Duration = Duration::from_secs(20);

/// Refusals in a row that end a pass.
const REFUSALS_MAX: usize = 8;

/// After a child nothing is healed for so long: where another fork follows at once, it would wait for a step, in which the kernel
/// may wait for other processors while it holds the lock that fork needs.
const REST_AFTER_CHILD: Duration = Duration::from_millis(250);

/// How long a fork waits for the step that is under way. Most of them are over sooner.
const STEP_WAIT_MAX: Duration = Duration::from_millis(2);

/// Between two steps, so many times as long as the first of them. A step holds up every write that the kernel has to
/// see, and soon after a fork nearly all are of that kind: without gaps hardly any would get through.
const GAP_STEPS: u32 = 2;

/// A longer step was looking for memory, which holds nobody up.
const GAP_MAX: Duration = Duration::from_millis(20);

/// Blocks between two looks at how much memory is left.
const BLOCKS_A_CHECK: usize = 64;

/// The door to the thread that heals, which starts when it is first needed.
#[derive(Debug, Default)]
pub struct Healer {
    shared: Arc<Shared>,
    started: bool,
}

/// How far healing is, as INFO shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HealingProgress {
    /// In huge pages, when the thread last looked or healed.
    pub huge_bytes: u64,
    /// In small pages though it could be in huge ones.
    pub split_bytes: u64,
    /// Healed since the start.
    pub healed_bytes: u64,
    pub in_progress: bool,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    huge_bytes: AtomicU64,
    split_bytes: AtomicU64,
    healed_bytes: AtomicU64,
    in_progress: AtomicBool,
}

/// What may be healed now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Scope {
    #[default]
    Everything,
    /// What is not shared with a child, which lives.
    Own,
    /// A fork is about to be.
    Nothing,
}

/// How long to rest between two passes of either scope.
#[derive(Clone, Copy, Debug, Default)]
struct Rests {
    everything: Duration,
    own: Duration,
}

#[derive(Debug, Default)]
struct State {
    scope: Scope,
    /// Bytes to heal in a second; 0 for none.
    rate: u64,
    /// Something has changed that is worth a look before its time.
    look_now: bool,
    /// A step is under way.
    stepping: bool,
    /// How many children there have been.
    children: u64,
    /// A child has shared our memory since it was last made writable.
    protected: bool,
    /// When the last child ended, if none lives.
    child_ended: Option<Instant>,
}

impl Healer {
    /// Heals at most so many megabytes a second from now on; 0 stops it.
    pub fn follow(&mut self, megabytes_per_second: u64) {
        {
            let mut state = self.shared.lock();
            state.rate = megabytes_per_second.saturating_mul(1_000_000);
            state.look_now = true;
        }
        self.shared.changed.notify_all();
        if megabytes_per_second > 0 && !self.started {
            self.started = true;
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name("huge-pages".to_owned()).spawn(move || run(&shared));
            if let Err(error) = thread {
                self.started = false;
                tracing::warn!("Huge pages that snapshots split stay so: no thread can be started: {error}");
            }
        }
    }

    /// Stops healing before a fork, and waits for the step that is under way. Returns how long that took.
    ///
    /// A step that takes long is looking for memory, which disturbs no fork: it is not waited for.
    pub fn hold(&self) -> Duration {
        let start = Instant::now();
        let mut state = self.shared.lock();
        state.scope = Scope::Nothing;
        while state.stepping && start.elapsed() < STEP_WAIT_MAX {
            state = self.shared.wait(state, STEP_WAIT_MAX);
        }
        start.elapsed()
    }

    /// A child lives from now on: what it does not share is healed.
    pub fn release_own(&self) {
        {
            let mut state = self.shared.lock();
            state.scope = Scope::Own;
            state.children += 1;
            state.child_ended = None;
        }
        self.shared.changed.notify_all();
    }

    /// The child has ended, or there was none.
    pub fn release(&self) {
        {
            let mut state = self.shared.lock();
            state.scope = Scope::Everything;
            state.look_now = true;
            state.protected = true;
            state.child_ended = Some(Instant::now());
        }
        self.shared.changed.notify_all();
    }

    pub fn progress(&self) -> HealingProgress {
        let shared = &*self.shared;
        HealingProgress {
            huge_bytes: shared.huge_bytes.load(Ordering::Relaxed),
            split_bytes: shared.split_bytes.load(Ordering::Relaxed),
            healed_bytes: shared.healed_bytes.load(Ordering::Relaxed),
            in_progress: shared.in_progress.load(Ordering::Relaxed),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits until healing may go on, and until the rest since the last pass is over or something has changed. Returns what may
    /// be healed.
    fn wait_for_turn(&self, last: Instant, rests: Rests) -> Scope {
        let mut state = self.lock();
        loop {
            let left = |rest: Duration| rest.saturating_sub(last.elapsed());
            let rest = match state.scope {
                Scope::Nothing => None,
                _ if state.rate == 0 => None,
                _ if state.look_now => Some(Duration::ZERO),
                Scope::Everything => Some(left(rests.everything)),
                Scope::Own => Some(left(rests.own)),
            };
            let after_child =
                state.child_ended.map_or(Duration::ZERO, |end| REST_AFTER_CHILD.saturating_sub(end.elapsed()));
            let rest = rest.map(|rest| rest.max(after_child));
            if rest == Some(Duration::ZERO) {
                state.look_now = false;
                return state.scope;
            }
            state = self.wait(state, rest.unwrap_or(Duration::from_secs(3600)));
        }
    }

    /// Runs a step unless healing of this scope is to stop, in which case there is none.
    fn step<T>(&self, scope: Scope, step: impl FnOnce() -> T) -> Option<T> {
        {
            let mut state = self.lock();
            if state.scope != scope || state.rate == 0 {
                return None;
            }
            state.stepping = true;
        }
        let result = step();
        self.lock().stepping = false;
        self.changed.notify_all();
        Some(result)
    }

    /// Waits for a moment that the rate sets, though at least for a gap after a step that took so long, or until
    /// healing of this scope is to stop.
    fn pace(&self, scope: Scope, since: Instant, healed_bytes: u64, step: Duration) {
        let gap_end = Instant::now() + (step * GAP_STEPS).min(GAP_MAX);
        let mut state = self.lock();
        while state.scope == scope && state.rate > 0 {
            let due = since + Duration::from_secs_f64(healed_bytes as f64 / state.rate as f64);
            let left = due.max(gap_end).saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.wait(state, left);
        }
    }
}

/// How a pass ended.
enum End {
    Done,
    /// Healing is to stop.
    Stopped,
    /// The system has no memory for it.
    Refused(String),
}

/// Why there is no healing.
enum Trouble {
    /// The system does not know how to, or does not let us.
    Lasting(String),
    /// It lacks something now that it may have later, as file descriptors or memory.
    Passing(String),
}

impl Trouble {
    fn of(what: &str, error: &io::Error) -> Self {
        use io::ErrorKind::{NotFound, PermissionDenied, Unsupported};
        let text = format!("{what}: {error}");
        match error.kind() {
            NotFound | PermissionDenied | Unsupported => Self::Lasting(text),
            _ => Self::Passing(text),
        }
    }
}

/// The thread.
fn run(shared: &Shared) {
    give_way();
    let mut healing = None;
    let (mut last, mut rests) = (Instant::now(), Rests::default());
    let mut refused = false;
    loop {
        let scope = shared.wait_for_turn(last, rests);
        let end = heal_once(shared, &mut healing, scope);
        shared.in_progress.store(false, Ordering::Relaxed);
        last = Instant::now();
        rests = healing.as_ref().map_or(Rests::default(), |healing| healing.rests).at_least_minimum();
        match end {
            Ok(End::Done | End::Stopped) => refused = false,
            Ok(End::Refused(reason)) | Err(Trouble::Passing(reason)) => {
                if !refused {
                    tracing::info!("Huge pages that snapshots split stay so for now: {reason}");
                }
                refused = true;
                rests.everything = rests.everything.max(REST_AFTER_REFUSALS);
                rests.own = rests.own.max(REST_AFTER_REFUSALS);
            }
            Err(Trouble::Lasting(reason)) => {
                tracing::info!("Huge pages that snapshots split are not put together again: {reason}");
                return;
            }
        }
    }
}

/// One pass, for which everything is made ready at the first.
fn heal_once<'a>(shared: &'a Shared, healing: &mut Option<Healing<'a>>, scope: Scope) -> Result<End, Trouble> {
    let healing = match healing {
        Some(healing) => healing,
        None => healing.insert(Healing::new(shared)?),
    };
    healing.pass(scope).map_err(|error| Trouble::of("a look at the memory", &error))
}

/// What a look at all memory found.
struct Found {
    /// In small pages, and worth healing.
    split: Vec<Block>,
    /// In huge pages, as far as the kernel shows.
    huge: Vec<Block>,
}

struct Healing<'a> {
    shared: &'a Shared,
    map: PageMap,
    spare: Spare,
    blocks: Vec<Block>,
    /// After how long the last look of either scope took.
    rests: Rests,
    added: Added,
    /// At the last look at everything.
    tables: Vec<MappedTable>,
}

/// What has been copied beside a child that no write had, outside of tables.
#[derive(Clone, Copy, Debug, Default)]
struct Added {
    child: u64,
    bytes: usize,
}

impl<'a> Healing<'a> {
    fn new(shared: &'a Shared) -> Result<Self, Trouble> {
        if !ranges::sizes_are_known().map_err(|error| Trouble::of("the size of huge pages", &error))? {
            return Err(Trouble::Lasting("pages are of other sizes on this system".to_owned()));
        }
        let map = PageMap::open().map_err(|error| Trouble::of("/proc/self/pagemap", &error))?;
        let spare = Spare::new().map_err(|error| Trouble::of("a spare huge page", &error))?;
        Ok(Self {
            shared,
            map,
            spare,
            blocks: Vec::new(),
            rests: Rests::default(),
            added: Added::default(),
            tables: Vec::new(),
        })
    }

    /// Looks at all memory and heals what is split.
    fn pass(&mut self, scope: Scope) -> io::Result<End> {
        let start = Instant::now();
        let Some(found) = self.look(scope)? else { return Ok(End::Stopped) };
        self.rests.note(scope, start.elapsed());
        if scope == Scope::Everything && !self.make_writable(&found) {
            return Ok(End::Stopped);
        }
        let split = found.split;
        if split.is_empty() {
            return Ok(End::Done);
        }
        self.shared.in_progress.store(true, Ordering::Relaxed);
        let start = Instant::now();
        let (mut healed, mut refusals, mut longest) = (0, 0, Duration::ZERO);
        for (number, block) in split.into_iter().enumerate() {
            if number.is_multiple_of(BLOCKS_A_CHECK) && ranges::memory_is_short()? {
                return Ok(End::Refused("memory is short".to_owned()));
            }
            let (shared, map, blocks) = (self.shared, &mut self.map, &mut self.blocks);
            if shared.step(scope, || self.spare.touch()).is_none() {
                return Ok(End::Stopped);
            }
            let step = Instant::now();
            let result = shared.step(scope, || heal(map, blocks, block));
            let took = step.elapsed();
            longest = longest.max(took);
            match result {
                None => return Ok(End::Stopped),
                Some(Ok(true)) => {
                    healed += HUGE_PAGE_BYTES as u64;
                    refusals = 0;
                    shared.note_healed();
                }
                Some(Ok(false)) => {}
                Some(Err(error)) => {
                    refusals += 1;
                    if refusals == REFUSALS_MAX {
                        return Ok(End::Refused(format!("the kernel says {error}")));
                    }
                }
            }
            shared.pace(scope, start, healed, took);
        }
        // It comes at any moment after a snapshot: no line for those who look for the last one.
        tracing::trace!(
            "Put {} MB of split huge pages together in {:.1} s, the longest step took {} us",
            healed >> 20,
            start.elapsed().as_secs_f64(),
            longest.as_micros()
        );
        Ok(End::Done)
    }

    /// Takes the faults upon itself by which each page that a fork has write-protected becomes writable again. A write
    /// that faults waits for the collapse that is under way, wherever that is; any other write only for that of its own
    /// page. Returns whether healing goes on.
    fn make_writable(&self, found: &Found) -> bool {
        if !std::mem::take(&mut self.shared.lock().protected) {
            return true;
        }
        let blocks = found.split.iter().chain(&found.huge);
        // A refusal leaves the faults to the writers.
        let mut steps = blocks.map(|&block| self.shared.step(Scope::Everything, || make_writable(block)));
        let goes_on = steps.all(|step| step.is_some());
        self.shared.lock().protected |= !goes_on;
        goes_on
    }

    /// The blocks that are worth healing, and those that are healthy; none where healing is to stop.
    fn look(&mut self, scope: Scope) -> io::Result<Option<Found>> {
        let maps = std::fs::read_to_string("/proc/self/maps")?;
        let tables = mapped_tables();
        let growing = if scope == Scope::Everything { growing_parts(&self.tables, &tables) } else { Vec::new() };
        let added_max = tables.iter().map(|table| table.range.len()).sum();
        let child = self.shared.lock().children;
        if child != self.added.child {
            self.added = Added { child, bytes: 0 };
        }
        let (mut split, mut huge) = (Vec::new(), Vec::new());
        for range in ranges::healable(&maps, &tables, &growing) {
            for start in range.clone().step_by(LOOK_BYTES) {
                let window = start..range.end.min(start + LOOK_BYTES);
                let (map, blocks, added) = (&mut self.map, &mut self.blocks, &mut self.added);
                let looked = self.shared.step(scope, || {
                    map.look(window, blocks)?;
                    blocks.retain(|block| block.is_huge || is_worth_healing(block));
                    if scope == Scope::Own {
                        retain_own(map, blocks, &tables, added, added_max)?;
                    }
                    io::Result::Ok(())
                });
                let Some(looked) = looked else { return Ok(None) };
                looked?;
                huge.extend(self.blocks.iter().copied().filter(|block| block.is_huge));
                split.extend(self.blocks.iter().copied().filter(is_worth_healing));
            }
        }
        if scope == Scope::Everything {
            self.note_found(&mut split, &huge)?;
            self.tables = tables;
        }
        Ok(Some(Found { split, huge }))
    }

    fn note_found(&self, split: &mut Vec<Block>, huge: &[Block]) -> io::Result<()> {
        let mut huge_bytes = huge.len() * HUGE_PAGE_BYTES;
        let mut split_bytes = split.len() * HUGE_PAGE_BYTES;
        if !self.map.tells_huge() {
            huge_bytes = anonymous_huge_bytes()?;
            // Which of them are huge already is not known, only how many; to collapse one once more costs little.
            split_bytes = split_bytes.saturating_sub(huge_bytes);
            if split_bytes == 0 {
                split.clear();
            }
        }
        self.shared.huge_bytes.store(huge_bytes as u64, Ordering::Relaxed);
        self.shared.split_bytes.store(split_bytes as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// What came in small pages of tables that have grown or shrunk since an earlier look: insertions would wait for their healing, as
/// long as nothing is gained by it.
fn growing_parts(earlier: &[MappedTable], now: &[MappedTable]) -> Vec<Range<usize>> {
    let has_changed = |table: &&MappedTable| {
        let mut same = earlier.iter().filter(|other| other.range.start == table.range.start);
        same.all(|other| other.used_end != table.used_end)
    };
    now.iter().filter(has_changed).map(|table| table.range.start..table.small_end).collect()
}

/// Keeps the blocks of which much is not shared with a child; none on a kernel that does not say which are huge, since those may have
/// been healed already.
fn retain_own(
    map: &PageMap,
    blocks: &mut Vec<Block>,
    tables: &[MappedTable],
    added: &mut Added,
    added_max: usize,
) -> io::Result<()> {
    let mut own_blocks = Vec::new();
    for block in blocks.drain(..).filter(|block| !block.is_huge && map.tells_huge()) {
        let own = map.own_bytes(&block)?;
        // They are in the order of their addresses.
        let before = tables.partition_point(|table| table.range.start <= block.start);
        let is_of_table = tables[..before].last().is_some_and(|table| table.range.contains(&block.start));
        let adds = if is_of_table { 0 } else { HUGE_PAGE_BYTES - own };
        if own >= OWN_BYTES_MIN && added.bytes + adds <= added_max {
            added.bytes += adds;
            own_blocks.push(block);
        }
    }
    *blocks = own_blocks;
    Ok(())
}

impl Rests {
    fn note(&mut self, scope: Scope, looking: Duration) {
        match scope {
            Scope::Nothing => {}
            Scope::Own => self.own = looking * LOOKING_SHARE_BESIDE_CHILD,
            Scope::Everything => self.everything = looking * LOOKING_SHARE,
        }
    }

    fn at_least_minimum(self) -> Self {
        Self { everything: self.everything.max(REST_MIN), own: self.own.max(REST_BESIDE_CHILD_MIN) }
    }
}

impl Shared {
    fn note_healed(&self) {
        let bytes = HUGE_PAGE_BYTES as u64;
        self.healed_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.huge_bytes.fetch_add(bytes, Ordering::Relaxed);
        // Only the healing thread writes it.
        let split = self.split_bytes.load(Ordering::Relaxed);
        self.split_bytes.store(split.saturating_sub(bytes), Ordering::Relaxed);
    }
}

fn is_worth_healing(block: &Block) -> bool {
    !block.is_huge && block.present_bytes >= PRESENT_BYTES_MIN
}

/// Heals one block unless its memory has been given back since it was looked at. Returns whether it did.
fn heal(map: &mut PageMap, blocks: &mut Vec<Block>, block: Block) -> io::Result<bool> {
    map.look(block.start..block.start + HUGE_PAGE_BYTES, blocks)?;
    if !blocks.iter().all(is_worth_healing) {
        return Ok(false);
    }
    collapse(block).map(|()| true)
}

/// What this process has in huge pages.
fn anonymous_huge_bytes() -> io::Result<usize> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup")?;
    Ok(kilobyte_field(&text, "AnonHugePages").unwrap_or(0) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steps_while_it_is_held_and_tables_alone_beside_a_child() {
        let mut healer = Healer { started: true, ..Healer::default() };
        let steps = |healer: &Healer| [Scope::Everything, Scope::Own].map(|scope| healer.shared.step(scope, || 1));
        // Waits for nothing where there is nothing to wait for.
        let pace =
            |healer: &Healer, scope| healer.shared.pace(scope, Instant::now(), u64::MAX, Duration::from_secs(3600));
        assert_eq!(steps(&healer), [None, None], "no rate");
        healer.follow(100);
        assert_eq!(steps(&healer), [Some(1), None]);
        healer.hold();
        assert_eq!(steps(&healer), [None, None]);
        pace(&healer, Scope::Everything);
        healer.release_own();
        let rests = Rests { everything: Duration::from_secs(3600), own: Duration::ZERO };
        assert_eq!(healer.shared.wait_for_turn(Instant::now(), rests), Scope::Own);
        assert_eq!(steps(&healer), [None, Some(1)]);
        healer.release();
        pace(&healer, Scope::Own);
        assert_eq!(healer.shared.wait_for_turn(Instant::now(), rests), Scope::Everything);
        assert_eq!(steps(&healer), [Some(1), None]);
        healer.follow(0);
        assert_eq!(steps(&healer), [None, None]);
        pace(&healer, Scope::Everything);
    }

    #[test]
    fn what_came_in_small_pages_counts_as_growing_until_a_look_finds_it_as_it_was() {
        const MIB: usize = 1 << 20;
        let table = |start: usize, used: usize| {
            let range = start * MIB..(start + 8) * MIB;
            let (filled_end, used_end) = ((start + used / 2 * 2) * MIB, (start + used) * MIB);
            MappedTable { range, filled_end, small_end: (start + 4) * MIB, used_end }
        };
        let now = [table(10, 5), table(20, 6), table(40, 7)];
        assert_eq!(growing_parts(&now, &now), []);
        let earlier = [table(10, 5), table(20, 5), table(30, 7)];
        assert_eq!(growing_parts(&earlier, &now), [20 * MIB..24 * MIB, 40 * MIB..44 * MIB]);
        let healable = ranges::healable("", &now, &growing_parts(&earlier, &now));
        assert_eq!(healable, [10 * MIB..14 * MIB, 24 * MIB..26 * MIB, 44 * MIB..46 * MIB]);
    }

    #[test]
    fn a_look_at_our_own_memory_finds_some() {
        let healer = Healer::default();
        healer.shared.lock().rate = 1;
        let Ok(mut healing) = Healing::new(&healer.shared) else { return };
        let memory = vec![1u8; 8 * HUGE_PAGE_BYTES];
        let found = healing.look(Scope::Everything).expect("a look").expect("nobody holds it");
        assert!(found.split.iter().all(is_worth_healing) && found.huge.iter().all(|block| block.is_huge));
        let progress = healer.progress();
        // Other tests allocate at the same time; this much is there in either kind of page.
        assert!(progress.huge_bytes + progress.split_bytes >= 4 * HUGE_PAGE_BYTES as u64, "{progress:?}");
        drop(memory);
    }

    #[test]
    fn memory_is_made_writable_once_after_each_child_unless_the_next_one_comes_first() {
        let healer = Healer::default();
        healer.shared.lock().rate = 1;
        let Ok(healing) = Healing::new(&healer.shared) else { return };
        let memory = vec![1u8; 4 * HUGE_PAGE_BYTES];
        let start = memory.as_ptr().addr().next_multiple_of(HUGE_PAGE_BYTES);
        let block = Block { start, is_huge: false, present_bytes: HUGE_PAGE_BYTES };
        let found = Found { split: vec![block], huge: Vec::new() };
        healer.release();
        healer.hold();
        assert!(!healing.make_writable(&found));
        assert!(healer.shared.lock().protected, "it is still to do");
        healer.release();
        assert!(healing.make_writable(&found));
        assert!(!healer.shared.lock().protected);
        assert!(memory.iter().all(|&byte| byte == 1));
    }

    #[test]
    fn what_the_system_lacks_for_a_while_ends_healing_for_a_while() {
        for errno in [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::EAGAIN, libc::EIO] {
            let trouble = Trouble::of("/proc/self/maps", &io::Error::from_raw_os_error(errno));
            assert!(matches!(trouble, Trouble::Passing(_)), "{errno}");
        }
        for errno in [libc::ENOENT, libc::EACCES, libc::EPERM, libc::EOPNOTSUPP] {
            let trouble = Trouble::of("/proc/self/maps", &io::Error::from_raw_os_error(errno));
            assert!(matches!(trouble, Trouble::Lasting(_)), "{errno}");
        }
    }

    #[test]
    fn huge_pages_of_the_process_are_counted() {
        anonymous_huge_bytes().expect("this system tells");
    }
}
