//! Scripts, as they come and as bytes choose them.
#![no_main]

use copal::internals::fuzzing::scripts;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| scripts(bytes));
