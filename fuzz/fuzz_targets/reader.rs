//! The offline tool reads a dump: check and salvage.
#![no_main]

use copal::internals::fuzzing::reader;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| reader(bytes));
