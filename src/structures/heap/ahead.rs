//! A thread that gets memory for pages before they are needed, and gives back what is not needed any more: the kernel may take
//! milliseconds to clear a huge page, or until it may change a mapping, which a command would wait for.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

/// `None` where no thread could be made: pages get memory when they are needed then.
static THREAD: OnceLock<Option<Thread>> = OnceLock::new();

static IS_WANTED: AtomicBool = AtomicBool::new(false);

/// Between two pages that are given back: nobody waits for that, and what it takes of the processor or of the kernel's locks
/// others may.
const PAUSE: Duration = Duration::from_millis(1);

/// Lets the thread run `errands`, and returns at once. They return whether there are more that are not urgent. All calls are for
/// the same function. Returns whether there is such a thread.
#[cold]
pub(super) fn request(errands: fn() -> bool) -> bool {
    let start = || {
        let thread = thread::Builder::new().name("pages-ahead".to_owned()).spawn(move || run(errands));
        thread.ok().map(|handle| handle.thread().clone())
    };
    let Some(thread) = THREAD.get_or_init(start) else { return false };
    if !IS_WANTED.swap(true, Ordering::AcqRel) {
        thread.unpark();
    }
    true
}

fn run(errands: fn() -> bool) {
    loop {
        let mut has_more = false;
        while IS_WANTED.swap(false, Ordering::AcqRel) || has_more {
            has_more = errands();
            if has_more {
                thread::park_timeout(PAUSE);
            }
        }
        thread::park();
    }
}
