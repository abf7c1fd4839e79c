//! What Lua calls for its memory.
#![expect(unsafe_code, reason = "blocks of memory for C")]

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::ffi::c_void;
use std::ptr;

use super::context::Context;
use super::spare::{ALIGN, SMALL_MAX, SpareBlocks, size_index};
use super::state::look_soon;

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
    let spare = &context.spare;
    // SAFETY: a block of `old` bytes was taken for that size.
    let taken = unsafe {
        match (old, new) {
            (0, 0) => ptr::null_mut(),
            (0, _) => take(spare, new),
            (_, 0) => {
                give_back(spare, block.cast(), old);
                ptr::null_mut()
            }
            (..) => resize(spare, block.cast(), old, new),
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
    if new > SMALL_MAX {
        // It may be long, and what is put into it takes its time.
        context.follows_closely.set(false);
    }
    if memory.note_change(old, new) {
        look_soon(context);
    }
    taken.cast()
}

fn layout(bytes: usize) -> Option<Layout> {
    Layout::from_size_align(bytes, ALIGN).ok()
}

/// A block of more than no bytes, or null if there is no memory.
#[inline]
fn take(spare: &SpareBlocks, bytes: usize) -> *mut u8 {
    if bytes <= SMALL_MAX {
        return spare.take(bytes);
    }
    // SAFETY: the size is not zero.
    layout(bytes).map_or(ptr::null_mut(), |layout| unsafe { alloc(layout) })
}

/// # Safety
/// The block was taken for so many bytes, and nobody uses it any more.
#[inline]
unsafe fn give_back(spare: &SpareBlocks, block: *mut u8, bytes: usize) {
    // SAFETY: by the contract.
    unsafe {
        if bytes <= SMALL_MAX {
            spare.give_back(block, bytes);
        } else if let Some(layout) = layout(bytes) {
            dealloc(block, layout);
        }
    }
}

/// # Safety
/// The block was taken for `old` bytes; neither size is zero.
unsafe fn resize(spare: &SpareBlocks, block: *mut u8, old: usize, new: usize) -> *mut u8 {
    // SAFETY: by the contract. What is copied is within both blocks, which are two.
    unsafe {
        if old > SMALL_MAX && new > SMALL_MAX {
            return match (layout(old), layout(new)) {
                (Some(old), Some(_)) => realloc(block, old, new),
                _ => ptr::null_mut(),
            };
        }
        if old <= SMALL_MAX && new <= SMALL_MAX && size_index(old) == size_index(new) {
            return block;
        }
        let moved = take(spare, new);
        if !moved.is_null() {
            ptr::copy_nonoverlapping(block, moved, old.min(new));
            give_back(spare, block, old);
        }
        moved
    }
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

    #[test]
    fn a_block_keeps_its_bytes_whatever_size_it_gets() {
        let context = Context::new(1 << 20);
        let sizes = [1, 16, 17, 32, 128, 129, 1000, 5000, 140, 128, 100, 97, 200, 16, 3];
        let mut block = resize(&context, ptr::null_mut(), 0, sizes[0]);
        for pair in sizes.windows(2) {
            let (old, new) = (pair[0], pair[1]);
            // SAFETY: the block has that many bytes.
            unsafe { ptr::write_bytes(block.cast::<u8>(), old as u8, old) };
            block = resize(&context, block, old, new);
            // SAFETY: as many bytes as both sizes have were copied.
            let bytes = unsafe { std::slice::from_raw_parts(block.cast::<u8>(), old.min(new)) };
            assert!(bytes.iter().all(|byte| *byte == old as u8), "from {old} to {new}");
        }
        assert!(resize(&context, block, 3, 0).is_null());
        assert_eq!(context.memory.used(), 0);
    }
}
