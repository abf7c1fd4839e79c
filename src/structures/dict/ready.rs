//! The part of a table's mapping that is ready for buckets. The thread for pages gets it ready before the table needs it, and gives
//! back what the table does not need any more: an insertion would have to wait for the kernel.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::structures::ahead::{self, Errands};
use crate::structures::reserved::{HUGE_PAGE_BYTES, allow, give_back};

/// A mapping is opened by at least so many bytes at a time, and a small one by no more: the kernel gives no huge page to
/// a table that does not fill one.
pub(super) const OPENED_BYTES_MIN: usize = 256 << 10;

/// One that is not in huge pages gets ready by this share of what is ready.
const READY_SHARE: usize = 8;

/// A table asks for more when this share of it is left, within bounds: at 5 million insertions a second there are at least 4 ms then to
/// get a huge page, and 70 ms in a large table.
const LEAD_SHARE: usize = 16;
const LEAD_BYTES_MIN: usize = 256 << 10;
const LEAD_BYTES_MAX: usize = 4 << 20;

/// Tables for which there is something to do.
static QUEUE: Mutex<Vec<Arc<Ready>>> = Mutex::new(Vec::new());

/// What a mapping shares with the thread for pages.
pub(super) struct Ready {
    /// `None` once the mapping is gone. Whoever changes the place or what is open, raises `bytes` or lowers `memory_end` holds
    /// the lock, which the thread for pages may hold for long: a table that shrinks does without.
    place: Mutex<Option<Place>>,
    /// The first so many bytes can be used; only the table lowers it.
    bytes: AtomicUsize,
    /// So many can be read and written.
    open: AtomicUsize,
    /// Nothing from here on has memory, apart from what the table uses.
    memory_end: AtomicUsize,
    /// What the table wishes to be ready soon.
    wanted: AtomicUsize,
    is_queued: AtomicBool,
    /// As the table last said, for those who look at all mappings.
    used: AtomicUsize,
    /// The first so many bytes come in small pages.
    small: AtomicUsize,
}

/// Where a mapping is, and how large it can be.
pub(super) struct Place {
    pub(super) start: NonNull<u8>,
    pub(super) reserved: usize,
}

// SAFETY: it is a range of addresses, to which no thread has a special right.
#[expect(unsafe_code, reason = "the pointer is an address")]
unsafe impl Send for Place {}

impl Ready {
    /// Of a mapping in which nothing is open.
    pub(super) fn new(place: Place, small: usize) -> Arc<Self> {
        Arc::new(Self {
            place: Mutex::new(Some(place)),
            bytes: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            memory_end: AtomicUsize::new(0),
            wanted: AtomicUsize::new(0),
            is_queued: AtomicBool::new(false),
            used: AtomicUsize::new(0),
            small: AtomicUsize::new(small),
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Place>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Acquire)
    }

    pub(super) fn open_bytes(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn memory_end(&self) -> usize {
        self.memory_end.load(Ordering::Acquire)
    }

    pub(super) fn used_bytes(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    pub(super) fn note_used(&self, used: usize) {
        self.used.store(used, Ordering::Relaxed);
    }

    /// The first so many bytes come in small pages, and what follows in huge ones as it gets ready; `usize::MAX` where the rest
    /// comes in small ones too.
    pub(super) fn small_bytes(&self) -> usize {
        self.small.load(Ordering::Relaxed)
    }

    pub(super) fn set_small(&self, small: usize) {
        self.small.store(small, Ordering::Relaxed);
    }

    /// What should be ready beyond so many bytes.
    pub(super) fn lead(bytes: usize) -> usize {
        (bytes / LEAD_SHARE).clamp(LEAD_BYTES_MIN, LEAD_BYTES_MAX)
    }

    /// What becomes ready together with so many bytes, more than are ready: whole huge pages, or a share of a table in small ones.
    /// `None` where the place has no addresses for it.
    pub(super) fn end_for(&self, place: &Place, bytes: usize) -> Option<usize> {
        if bytes > place.reserved {
            return None;
        }
        let small = self.small_bytes();
        if bytes > small {
            return Some(bytes.next_multiple_of(HUGE_PAGE_BYTES));
        }
        let ready = self.bytes();
        let end = bytes.max(ready + ready / READY_SHARE).next_multiple_of(OPENED_BYTES_MIN);
        Some(end.min(small).min(place.reserved))
    }

    /// Makes the mapping ready from the one end to the other, for which there are addresses, unless the table has lowered what is
    /// ready meanwhile. Memory follows when it is touched.
    pub(super) fn open_to(&self, place: &Place, ready: usize, end: usize) -> bool {
        self.open(place, end) && self.bytes.compare_exchange(ready, end, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    #[expect(unsafe_code, reason = "opens a part of a range")]
    fn open(&self, place: &Place, end: usize) -> bool {
        let open = self.open_bytes();
        if end > open {
            debug_assert!(end <= place.reserved, "there are addresses for it");
            // SAFETY: the part lies within the range, and has never been opened.
            if !unsafe { allow(place.start, open, end) } {
                return false;
            }
            self.open.store(end, Ordering::Relaxed);
        }
        true
    }

    /// Lets go of what is ready beyond the first so many bytes. The table uses nothing of that any more, and has used the first
    /// `used` ones. Returns whether there was memory, which goes with the next errand.
    pub(super) fn lower_to(&self, bytes: usize, used: usize) -> bool {
        // The rest of the last huge page has memory too.
        let used_end = if used <= self.small_bytes() { used } else { used.next_multiple_of(HUGE_PAGE_BYTES) };
        let used_end = used_end.min(self.open_bytes());
        if self.memory_end.fetch_max(used_end, Ordering::AcqRel).max(used_end) <= bytes {
            return false;
        }
        self.wanted.store(0, Ordering::Relaxed);
        self.bytes.fetch_min(bytes, Ordering::AcqRel);
        true
    }

    /// Lets so many bytes get ready soon.
    pub(super) fn want(self: &Arc<Self>, bytes: usize) {
        self.wanted.store(bytes, Ordering::Relaxed);
        self.send_for_errand();
    }

    /// Lets the thread for pages do what is to be done; without one it is done now.
    pub(super) fn send_for_errand(self: &Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::AcqRel) {
            queue().push(Arc::clone(self));
        }
        if !ahead::request(Errands::Tables, run_errands) {
            run_errands();
        }
    }

    /// Gets all ready that is wanted, and gives one part back that is not. Returns whether there is more of that.
    fn run_errand(&self) -> bool {
        loop {
            let place = self.lock();
            let Some(place) = &*place else { return false };
            if self.wanted.load(Ordering::Relaxed) <= self.bytes() || !self.prepare_next(place) {
                return self.give_next_back(place);
            }
        }
    }

    #[expect(unsafe_code, reason = "writes to a part of a range")]
    fn prepare_next(&self, place: &Place) -> bool {
        let ready = self.bytes();
        let Some(end) = self.end_for(place, ready + 1).filter(|end| self.open(place, *end)) else { return false };
        if ready >= self.small_bytes() && ready >= self.memory_end() {
            // A write, rather than advice to the kernel about the range, which would hold up changes to other mappings meanwhile.
            // SAFETY: it is open, and holds zeroes. The table uses nothing of it before it is ready.
            unsafe { place.start.add(ready).write_volatile(0) };
            self.memory_end.fetch_max(end, Ordering::AcqRel);
        }
        self.open_to(place, ready, end)
    }

    /// Gives the last part back that has memory though it is not ready.
    #[expect(unsafe_code, reason = "gives a part of a range back")]
    fn give_next_back(&self, place: &Place) -> bool {
        // What is ready now can only be lowered while the lock is held. The table has used nothing beyond it, so that it cannot
        // raise the end of what has memory either.
        let ready = self.bytes();
        let end = self.memory_end();
        if end <= ready {
            return false;
        }
        let unit = if end > self.small_bytes() { HUGE_PAGE_BYTES } else { OPENED_BYTES_MIN };
        let from = ((end - 1) / unit * unit).max(ready);
        // SAFETY: the table uses nothing of it, and cannot begin to while the lock is held; zeroes are vacant buckets.
        unsafe { give_back(place.start, from, end) };
        self.memory_end.store(from, Ordering::Release);
        from > ready
    }
}

fn queue() -> MutexGuard<'static, Vec<Arc<Ready>>> {
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run_errands() -> bool {
    let waiting = core::mem::take(&mut *queue());
    let mut has_more = false;
    for ready in waiting {
        ready.is_queued.swap(false, Ordering::AcqRel);
        if ready.run_errand() && !ready.is_queued.swap(true, Ordering::AcqRel) {
            queue().push(ready);
            has_more = true;
        }
    }
    has_more
}
