//! A thread that gets memory for pages before they are needed: the kernel may take milliseconds to clear a huge page, which a
//! command would wait for.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};

/// `None` where no thread could be made: pages get memory when they are needed then.
static THREAD: OnceLock<Option<Thread>> = OnceLock::new();

static IS_WANTED: AtomicBool = AtomicBool::new(false);

/// Lets the thread run `touch`, and returns at once. All calls are for the same function.
#[cold]
pub(super) fn request(touch: fn()) {
    if IS_WANTED.swap(true, Ordering::AcqRel) {
        return;
    }
    let start = || {
        let thread = thread::Builder::new().name("pages-ahead".to_owned()).spawn(move || run(touch));
        thread.ok().map(|handle| handle.thread().clone())
    };
    if let Some(thread) = THREAD.get_or_init(start) {
        thread.unpark();
    }
}

fn run(touch: fn()) {
    loop {
        while IS_WANTED.swap(false, Ordering::AcqRel) {
            touch();
        }
        thread::park();
    }
}
