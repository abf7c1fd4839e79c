//! What Lua calls for its memory.
#![expect(unsafe_code, reason = "blocks of memory for C")]

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::ffi::c_void;
use std::ptr;

use super::context::Context;
use super::state::look_soon;

/// What Lua aligns its blocks to.
const ALIGN: usize = 16;

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
        if memory.is_in_rust() {
            // As everywhere in Rust.
            std::alloc::handle_alloc_error(Layout::new::<u8>());
        }
        memory.note_refused();
        return ptr::null_mut();
    }
    if memory.note_change(old, new) {
        look_soon(context);
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
