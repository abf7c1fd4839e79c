//! Steps of a heap of blocks beside its model.
#![no_main]

use copal::internals::fuzzing::heap_of_blocks;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| heap_of_blocks(bytes));
