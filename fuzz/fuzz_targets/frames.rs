//! Frames of a client, whole and in pieces.
#![no_main]

use copal::internals::fuzzing::frames;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| frames(bytes));
