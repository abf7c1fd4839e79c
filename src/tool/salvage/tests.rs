//! Laws of salvaging, held at every place of small dumps.

use std::collections::BTreeSet;

use super::plan::{self, Plan};
use super::write::{options, write_dump};
use crate::rdb::{Encoder, Options, Tag};
use crate::tool::check::check;
use crate::tool::walk::{Found, Walk};

const EVERY_ENCODING: &[u8] = include_bytes!("../../../tests/fixtures/rdb/redis-7.0-every-encoding.rdb");
const PLAIN: &[u8] = include_bytes!("../../../tests/fixtures/rdb/redis-7.0-neither-compressed-nor-summed.rdb");
const OLD: &[u8] = include_bytes!("../../../tests/fixtures/rdb/encodings.rdb");

/// Database, key, expiry and the bytes of the value.
type Known = (u64, Vec<u8>, Option<i64>, Vec<u8>);

/// The entries of a file up to its first fault, each with its place.
fn entries(file: &[u8]) -> Vec<(std::ops::Range<usize>, Known)> {
    let mut found = Vec::new();
    let Ok(mut walk) = Walk::new(file, false) else { return found };
    loop {
        match walk.next() {
            Ok(Found::Entry(item)) => {
                let known = (item.db, item.key.to_vec(), item.expiry_ms, item.value.to_vec());
                found.push((item.span.clone(), known));
            }
            Ok(Found::End) | Err(_) => return found,
            Ok(_) => {}
        }
    }
}

fn salvaged(file: &[u8]) -> (Plan, Vec<u8>) {
    let plan = plan::make(file, plan::Unknown::Kept);
    let mut out = Encoder::detached(options(&plan));
    write_dump(file, &plan, &mut out).expect("a vector takes everything");
    (plan, out.into_bytes())
}

/// What was salvaged is sound; returns its entries.
#[track_caller]
fn sound(salvaged: &[u8], what: &str) -> BTreeSet<Known> {
    if let Err(first) = check(salvaged, 0, true) {
        panic!("{what}: {}", first.fault);
    }
    entries(salvaged).into_iter().map(|(_, known)| known).collect()
}

#[test]
fn a_sound_file_comes_out_as_it_is() {
    for file in [EVERY_ENCODING, PLAIN, OLD] {
        let (plan, out) = salvaged(file);
        assert!(plan.losses.is_empty(), "{:?}", plan.losses);
        let expected: BTreeSet<Known> = entries(file).into_iter().map(|(_, known)| known).collect();
        assert_eq!(sound(&out, "sound"), expected);
    }
}

#[test]
fn a_file_that_is_cut_off_keeps_every_entry_before_the_cut() {
    for file in [EVERY_ENCODING, PLAIN, OLD] {
        let all = entries(file);
        for cut in 9..file.len() {
            let (plan, out) = salvaged(&file[..cut]);
            let found = sound(&out, "cut");
            let expected = all.iter().filter(|(span, _)| span.end <= cut).map(|(_, known)| known.clone());
            assert_eq!(found, expected.collect(), "cut at {cut}: {:?}", plan.losses);
            assert!(!plan.losses.is_empty(), "cut at {cut}");
        }
    }
}

/// Every byte is damaged in several ways. Every entry before it must be there, and those after it from where
/// salvaging caught on again; nothing that was not written may come out, save in place of the damaged entry.
#[test]
fn a_damaged_byte_costs_what_it_touches_and_little_more() {
    for (file, step) in [(EVERY_ENCODING, 1), (PLAIN, 7)] {
        let all = entries(file);
        let (mut expected_after, mut found_after) = (0, 0);
        for at in (9..file.len()).step_by(step) {
            for flip in [0x01, 0x40, 0xFF] {
                let mut damaged = file.to_vec();
                damaged[at] ^= flip;
                let (plan, out) = salvaged(&damaged);
                let found = sound(&out, &format!("byte {at} ^ {flip:#x}"));
                for (span, known) in &all {
                    if span.end <= at {
                        assert!(
                            found.contains(known),
                            "byte {at} ^ {flip:#x}: {} {:?}",
                            known.1.escape_ascii(),
                            plan.losses
                        );
                    } else if span.start > at {
                        // A database's number that is damaged takes its keys elsewhere.
                        expected_after += 1;
                        let (_, key, expiry, value) = known;
                        let is_it = |(_, k, e, v): &Known| (k, e, v) == (key, expiry, value);
                        found_after += usize::from(found.iter().any(is_it));
                    }
                }
            }
        }
        let share = f64::from(found_after as u32) / f64::from(expected_after);
        assert!(share > 0.99, "only {share} of the entries behind the damage were found");
    }
}

fn dump(entries: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<u8> {
    let mut out = Encoder::detached(Options::default());
    let result: std::io::Result<()> = (|| {
        out.header()?;
        out.select_db(0)?;
        for (key, value) in entries {
            out.tag(Tag::String)?;
            out.string(key.as_bytes())?;
            out.string(&value)?;
        }
        out.eof()
    })();
    result.expect("a vector takes everything");
    out.into_bytes()
}

#[test]
fn a_length_that_swallows_others_costs_only_its_own_entry() {
    let file = dump((0..500).map(|number| (format!("key:{number}"), format!("value {number}").into_bytes())));
    let all = entries(&file);
    let (span, _) = &all[100];
    // The value's length comes to have 14 bits, and most of a thousand bytes too many.
    let at = span.end - "value 100".len() - 1;
    let mut damaged = file;
    damaged[at] = 0x44;
    let (plan, out) = salvaged(&damaged);
    let found = sound(&out, "swallowed");
    assert_eq!(found.len(), 499, "{:?}", plan.losses);
    assert_eq!(plan.losses.len(), 1);
    assert_eq!(plan.losses[0].key.as_deref(), Some(&b"key:100"[..]));
    assert_eq!(plan.losses[0].bytes, span.clone());
}

#[test]
fn a_block_of_zeros_costs_what_it_covers() {
    let file = dump((0..2000).map(|number| (format!("key:{number}"), vec![b'v'; 50])));
    let all = entries(&file);
    let mut damaged = file;
    let hole = 10_000..10_000 + 4096;
    damaged[hole.clone()].fill(0);
    let (_, out) = salvaged(&damaged);
    let found = sound(&out, "hole");
    let missing: Vec<_> = all.iter().filter(|(_, known)| !found.contains(known)).collect();
    let touched = all.iter().filter(|(span, _)| span.end > hole.start && span.start < hole.end).count();
    assert!(missing.len() <= touched, "{} missing, {touched} touched", missing.len());
}

#[test]
fn keys_that_come_twice_are_kept_once() {
    let file = dump((0..20).map(|number| (format!("key:{}", number % 15), vec![b'v'; number])));
    let (plan, out) = salvaged(&file);
    assert_eq!(sound(&out, "twice").len(), 15);
    assert_eq!(plan.losses.iter().filter(|loss| loss.what == "the key is there already").count(), 5);
}

#[test]
fn a_damaged_header_costs_no_entry() {
    for (at, byte) in [(0, b'X'), (5, b'9'), (8, b'x')] {
        let mut damaged = EVERY_ENCODING.to_vec();
        damaged[at] = byte;
        let (plan, out) = salvaged(&damaged);
        assert!(plan.header_fault.is_some());
        assert_eq!(sound(&out, "header").len(), 34);
    }
}

#[test]
fn hostile_files_end_and_leave_a_sound_file() {
    let header = b"REDIS0010".as_slice();
    for tail in [
        vec![0u8; 20_000],
        vec![2; 20_000],
        vec![0xFE; 5000],
        vec![0xFC; 5000],
        vec![0xFF; 5000],
        b"\x02\x01k\x80\xff\xff\xff\xff".repeat(500),
        b"\x04\x01k\x02\x01f\x01v".repeat(700),
        Vec::new(),
    ] {
        let file = [header, &tail].concat();
        let (_, out) = salvaged(&file);
        sound(&out, "hostile");
    }
}
