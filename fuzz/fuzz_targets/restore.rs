//! A payload of RESTORE.
#![no_main]

use copal::internals::fuzzing::restore;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| restore(bytes));
