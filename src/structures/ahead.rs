//! A thread that gets memory for pages before they are needed, and gives back what is not needed any more: the kernel may take
//! milliseconds to clear a huge page, or until it may change a mapping, which a command would wait for.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

/// Whose errands they are.
#[derive(Clone, Copy)]
pub(super) enum Errands {
    Heap,
    Tables,
}

/// Runs the urgent ones, and then one that is not urgent. Returns whether there are more of those.
type Run = fn() -> bool;

/// By [`Errands`].
static RUNS: [OnceLock<Run>; 2] = [OnceLock::new(), OnceLock::new()];

/// `None` where no thread could be made: pages get memory when they are needed then.
static THREAD: OnceLock<Option<Thread>> = OnceLock::new();

static IS_WANTED: AtomicBool = AtomicBool::new(false);

static AT_START: OnceLock<fn()> = OnceLock::new();

/// Between two pages that are given back: nobody waits for that, and what it takes of the processor or of the kernel's locks
/// others may.
const PAUSE: Duration = Duration::from_millis(1);

/// What the thread is to do first, such as to give way to others. To be called before it is needed.
pub fn start_pages_ahead_with(first: fn()) {
    // Once for the process: a second server in it wants the same.
    let _ = AT_START.set(first);
}

/// Lets the thread run errands, and returns at once. All calls for the same ones are with the same function. Returns whether
/// there is such a thread.
#[cold]
pub(super) fn request(errands: Errands, run: Run) -> bool {
    RUNS[errands as usize].get_or_init(|| run);
    let start = || {
        let thread = thread::Builder::new().name("pages-ahead".to_owned()).spawn(run_all);
        thread.ok().map(|handle| handle.thread().clone())
    };
    let Some(thread) = THREAD.get_or_init(start) else { return false };
    if !IS_WANTED.swap(true, Ordering::AcqRel) {
        thread.unpark();
    }
    true
}

fn run_all() {
    if let Some(first) = AT_START.get() {
        first();
    }
    loop {
        let mut has_more = false;
        while IS_WANTED.swap(false, Ordering::AcqRel) || has_more {
            has_more = RUNS.iter().filter_map(OnceLock::get).filter(|run| run()).count() > 0;
            if has_more {
                thread::park_timeout(PAUSE);
            }
        }
        thread::park();
    }
}
