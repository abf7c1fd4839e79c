//! The interpreter's memory: counted to the byte, and bounded.

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;

use super::context::Context;
use super::state::look_soon;

/// What Lua aligns its blocks to.
const ALIGN: usize = 16;

/// Blocks from this size on count as work of their own: many of them are copied in the time of one look at the clock.
const LARGE_BYTES: usize = 64 << 10;

/// After so many bytes of large blocks the script is looked at.
const LARGE_BYTES_PER_POLL: usize = 8 << 20;

/// The memory of one interpreter.
#[derive(Debug)]
pub struct Memory {
    used: Cell<usize>,
    limit: Cell<usize>,
    /// A function written in Rust runs, in which no request is refused.
    in_rust: Cell<bool>,
    /// Bytes of large blocks since the script was last looked at.
    large: Cell<usize>,
    /// A request was refused since this was last asked.
    was_refused: Cell<bool>,
    /// From so many bytes on, the garbage is to be collected before the script goes on.
    collect_at: Cell<usize>,
    /// Bytes in use after the last collection.
    collected: Cell<usize>,
    /// Bytes in use after the last collection while no script ran.
    cleared: Cell<usize>,
}

impl Memory {
    pub fn new(limit: usize) -> Self {
        Self {
            used: Cell::new(0),
            limit: Cell::new(limit),
            in_rust: Cell::new(true),
            large: Cell::new(0),
            was_refused: Cell::new(false),
            collect_at: Cell::new(limit / 2),
            collected: Cell::new(0),
            cleared: Cell::new(0),
        }
    }

    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.used.get()
    }

    pub fn set_limit(&self, bytes: usize) {
        self.limit.set(bytes);
        self.note_collected();
    }

    /// Whether so much is in use that the garbage is to be collected now, lest it be taken for what is needed.
    pub(super) fn wants_collection(&self) -> bool {
        self.used.get() >= self.collect_at.get()
    }

    /// Whether a script that has ended has left so much that the next one could lack it.
    pub fn is_to_be_cleared(&self) -> bool {
        self.used.get() > (self.limit.get() / 2).max(self.cleared.get() + self.limit.get() / 8)
    }

    /// No script runs, and there is no garbage.
    pub fn note_cleared(&self) {
        self.cleared.set(self.used.get());
    }

    /// Whether so much was taken since the last collection that another one can be of use.
    pub(super) fn may_collect(&self) -> bool {
        self.used.get() >= self.collected.get() + self.limit.get() / 64
    }

    /// What is in use now is needed. The next collection comes when half of what is left is taken, but not so often that
    /// nothing else gets done.
    pub(super) fn note_collected(&self) {
        let limit = self.limit.get();
        let step = (limit.saturating_sub(self.used.get()) / 2).max(limit / 32);
        self.collect_at.set(self.used.get() + step);
        self.collected.set(self.used.get());
    }

    /// Bytes that may still be taken.
    pub fn left(&self) -> usize {
        self.limit.get().saturating_sub(self.used.get())
    }

    pub fn is_over_limit(&self) -> bool {
        self.used.get() > self.limit.get()
    }

    /// Whether a request was refused since the last call.
    pub fn take_refused(&self) -> bool {
        self.was_refused.take()
    }

    /// Notes that a function written in Rust refuses to take what it would need.
    pub fn note_refused(&self) {
        self.was_refused.set(true);
    }

    /// Says whether a function written in Rust runs. Returns what was so before.
    pub(super) fn set_in_rust(&self, in_rust: bool) -> bool {
        self.in_rust.replace(in_rust)
    }

    pub(super) fn note_poll(&self) {
        self.large.set(0);
    }

    /// Whether a request for `more` bytes is granted.
    fn grants(&self, more: usize) -> bool {
        let granted = self.in_rust.get() || more <= self.left();
        if !granted {
            self.was_refused.set(true);
        }
        granted
    }
}

/// What Lua calls for all of its memory (`lua_Alloc`): to take, resize and free a block.
///
/// # Safety
/// `context` is a [`Context`]; `block` is null, or a block from here of `old` bytes.
pub(super) unsafe extern "C" fn allocate(
    context: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: by the contract above.
    let context = unsafe { &*context.cast::<Context>() };
    let memory = &context.memory;
    let old = if block.is_null() { 0 } else { old };
    if new > old && !memory.grants(new - old) {
        return ptr::null_mut();
    }
    let layout = |bytes| Layout::from_size_align(bytes, ALIGN).ok();
    // SAFETY: a block of `old` bytes was taken with the layout that `old` gives.
    let taken = unsafe {
        match (old, new) {
            (0, 0) => ptr::null_mut(),
            (0, _) => layout(new).map_or(ptr::null_mut(), |layout| alloc(layout)),
            (_, 0) => {
                if let Some(layout) = layout(old) {
                    dealloc(block.cast(), layout);
                }
                ptr::null_mut()
            }
            (..) => match (layout(old), layout(new)) {
                (Some(old), Some(_)) => realloc(block.cast(), old, new),
                _ => ptr::null_mut(),
            },
        }
    };
    if taken.is_null() && new > 0 {
        if memory.in_rust.get() {
            // As everywhere in Rust.
            std::alloc::handle_alloc_error(Layout::new::<u8>());
        }
        memory.was_refused.set(true);
        return ptr::null_mut();
    }
    memory.used.set(memory.used.get() + new - old);
    if new > old && memory.wants_collection() {
        look_soon(context);
    }
    if new >= LARGE_BYTES {
        memory.large.set(memory.large.get() + new);
        if memory.large.get() >= LARGE_BYTES_PER_POLL {
            look_soon(context);
        }
    }
    taken.cast()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resize(context: &Context, block: *mut c_void, old: usize, new: usize) -> *mut c_void {
        // SAFETY: the blocks are those that the calls before have returned.
        unsafe { allocate(ptr::from_ref(context).cast_mut().cast(), block, old, new) }
    }

    #[test]
    fn what_is_taken_is_counted_and_bounded() {
        let context = Context::new(100);
        let memory = &context.memory;
        memory.set_in_rust(false);
        let block = resize(&context, ptr::null_mut(), 0, 60);
        assert!(!block.is_null());
        assert_eq!((memory.used(), memory.left()), (60, 40));
        assert!(resize(&context, ptr::null_mut(), 4, 41).is_null(), "the old size of no block is a kind of object");
        assert!(memory.take_refused() && !memory.take_refused());
        assert!(resize(&context, block, 60, 101).is_null());
        let block = resize(&context, block, 60, 100);
        assert_eq!(memory.used(), 100);
        assert!(!memory.is_over_limit());
        memory.set_in_rust(true);
        let block = resize(&context, block, 100, 1000);
        assert!(!block.is_null() && memory.is_over_limit());
        assert!(resize(&context, block, 1000, 0).is_null());
        assert_eq!(memory.used(), 0);
    }
}
