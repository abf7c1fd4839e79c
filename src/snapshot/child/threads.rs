//! Threads in the forked child.
#![expect(unsafe_code, reason = "threads that the standard library does not know of")]

/// As a thread is named that works for the child.
const THREAD_NAME: &std::ffi::CStr = c"copal-serialise";

/// Neither encoders nor compressors have large frames.
const STACK_BYTES: usize = 512 << 10;

/// Runs `work` in up to `count` further threads, each given its number, and `meanwhile` in this one, which is given
/// their count. Returns when all have ended.
///
/// They are not threads of the standard library. That keeps a list of its threads behind a lock, and a thread of the
/// parent's that was just beginning or ending when the child was forked holds that lock for ever.
pub fn with_threads<R>(count: usize, work: &(dyn Fn(usize) + Sync), meanwhile: impl FnOnce(usize) -> R) -> R {
    let mut threads = Threads(Vec::with_capacity(count));
    for number in 0..count {
        let start = Box::into_raw(Box::new(Start { work, number }));
        // SAFETY: the attributes are initialised before they are used and destroyed after it. The thread takes over
        // `start`, and what that borrows outlives it, since `Threads` waits for its end before this function is left.
        unsafe {
            let mut attributes = std::mem::zeroed();
            let mut thread = 0;
            libc::pthread_attr_init(&raw mut attributes);
            libc::pthread_attr_setstacksize(&raw mut attributes, STACK_BYTES);
            let failed = libc::pthread_create(&raw mut thread, &raw const attributes, start_thread, start.cast());
            libc::pthread_attr_destroy(&raw mut attributes);
            if failed != 0 {
                drop(Box::from_raw(start));
                break;
            }
            threads.0.push(thread);
        }
    }
    meanwhile(threads.0.len())
}

/// What a thread is to do.
struct Start<'a> {
    work: &'a (dyn Fn(usize) + Sync),
    number: usize,
}

extern "C" fn start_thread(start: *mut libc::c_void) -> *mut libc::c_void {
    // SAFETY: `with_threads` hands each thread a box of its own; the name is a string of C's.
    let start = unsafe {
        libc::prctl(libc::PR_SET_NAME, THREAD_NAME.as_ptr());
        Box::from_raw(start.cast::<Start<'_>>())
    };
    (start.work)(start.number);
    std::ptr::null_mut()
}

/// Waits for the end of threads when it goes, even by a panic.
struct Threads(Vec<libc::pthread_t>);

impl Drop for Threads {
    fn drop(&mut self) {
        for &thread in &self.0 {
            // SAFETY: each was started by `with_threads` and is waited for once.
            unsafe { libc::pthread_join(thread, std::ptr::null_mut()) };
        }
    }
}
