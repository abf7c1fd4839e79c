//! The server loads a dump.
#![no_main]

use copal::internals::fuzzing::loader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| loader(bytes));
