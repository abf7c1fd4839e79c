//! What the fuzz targets call, each with bytes that may be anything: nothing may panic, and what comes out must be sound.

use std::time::Instant;

use bytes::Bytes;

use super::check::check;
use super::salvage;
use crate::config::{Config, UnknownTypes};
use crate::keyspace::Keyspace;
use crate::rdb::{Decoder, Encoder, Options, VERSION_MAX, dump};
use crate::snapshot::{LoadSettings, Loader, Progress};
use crate::stdx::HashSeed;
use crate::stdx::clock::Now;
use crate::types::{Limits, LoadOptions, Value};

/// Databases of the server that loads.
const DATABASES: usize = 16;

/// Reads a file as `check` and `salvage` do: whatever is salvaged is a sound file.
pub fn reader(file: &[u8]) {
    let checked = check(file, 0, true);
    let salvaged = salvage::salvaged_bytes(file);
    let again = check(&salvaged, 0, true);
    assert!(again.is_ok(), "what was salvaged is damaged: {:?}", again.err());
    if let Ok(healthy) = checked {
        let keys = again.map_or(0, |again| again.keys);
        assert!(keys + healthy.empty + healthy.unsupported_values >= healthy.keys, "a sound file lost keys");
    }
}

/// Loads a file as a server does, without its checksum, with what is unknown refused and left out: what `check` calls
/// loadable is loaded, and what is loaded with all that is in it is loaded the same where something could be left out.
pub fn loader(file: &[u8]) {
    let now = Now::at_unix_ms(1_700_000_000_000);
    let keys = |unknown| {
        let settings = LoadSettings { checksum: false, unknown, ..LoadSettings::new(&Config::default(), now) };
        let keyspace = Keyspace::new(DATABASES, HashSeed { k0: 1, k1: 2 });
        let file = Bytes::copy_from_slice(file);
        let mut loader = Loader::new(file, DATABASES, HashSeed { k0: 1, k1: 2 }, settings).ok()?;
        loop {
            match loader.step(&keyspace.access, Instant::now(), u64::MAX).ok()? {
                Progress::Working | Progress::Waiting => loader.wait(),
                Progress::Ended => return Some(loader.finish().keys),
            }
        }
    };
    let (whole, rest) = (keys(UnknownTypes::Refuse), keys(UnknownTypes::Skip));
    assert!(whole.is_none() || whole == rest, "leaving nothing out makes a difference: {whole:?} and {rest:?}");
    if let Ok(healthy) = check(file, now.unix_ms, true) {
        for (unknown, loaded) in [(UnknownTypes::Refuse, whole), (UnknownTypes::Skip, rest)] {
            let promised = healthy.is_loaded_by(DATABASES as u64, unknown);
            assert_eq!(
                promised,
                loaded.is_some(),
                "check and the server are not of one mind: {unknown:?}, {healthy:?}"
            );
        }
    }
}

/// Opens a payload of RESTORE, whatever its checksum: a value that loads is the same after it was saved and loaded again.
pub fn restore(payload: &[u8]) {
    let Ok((body, format)) = dump::open_unchecked(payload) else { return };
    let limits = Limits::default();
    let options = LoadOptions::checking_all(&limits);
    let mut input = Decoder::new(body);
    let Ok(tag) = input.tag(format.dialect) else { return };
    let Ok(value) = Value::load(tag, &mut input, &options) else { return };
    let mut out = Encoder::detached(Options { version: VERSION_MAX, ..Options::default() });
    let saved = value.view().save(&mut out);
    assert!(saved.is_ok(), "a vector takes everything: {saved:?}");
    let bytes = out.into_bytes();
    let again = Value::load(value.view().tag(VERSION_MAX), &mut Decoder::new(&bytes), &options);
    assert_eq!(again.as_ref().map(digest), Ok(digest(&value)), "a value changed by being saved and loaded");
}

fn digest(value: &Value) -> String {
    let mut digest = crate::types::Digest::default();
    value.view().digest(&mut digest);
    digest.hex()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Inputs that each of them is changed into.
    const MUTATIONS: usize = 250;

    /// Bytes that mean something in a file: types, opcodes, forms of lengths.
    const TELLING: [u8; 22] =
        [0, 1, 2, 4, 7, 16, 18, 22, 25, 26, 28, 0x3F, 0x40, 0x50, 0x80, 0x81, 0xC0, 0xC3, 0xF3, 0xFC, 0xFE, 0xFF];

    fn corpus(target: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let entries = std::fs::read_dir(folder).expect("the corpus").flatten();
        let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
        files.sort();
        files.iter().map(|path| std::fs::read(path).expect("a file of the corpus")).collect()
    }

    fn mutate(bytes: &mut Vec<u8>, others: &[Vec<u8>], rng: &mut fastrand::Rng) {
        for _ in 0..rng.usize(1..4) {
            if bytes.is_empty() {
                return;
            }
            let at = rng.usize(..bytes.len());
            match rng.u8(..6) {
                0 => bytes[at] ^= 1 << rng.u8(..8),
                1 => bytes[at] = TELLING[rng.usize(..TELLING.len())],
                2 => bytes.truncate(at),
                3 => bytes.insert(at, rng.u8(..)),
                4 => drop(bytes.drain(at..(at + rng.usize(1..20)).min(bytes.len()))),
                _ => {
                    let other = &others[rng.usize(..others.len())];
                    let from = rng.usize(..=other.len());
                    let taken = &other[from..(from + 64).min(other.len())];
                    bytes.splice(at..at, taken.iter().copied());
                }
            }
        }
    }

    /// A failure names its seed, with which it happens again.
    fn run(target: &str, entry: fn(&[u8])) {
        let corpus = corpus(target);
        assert!(corpus.len() >= 5, "{target} has a corpus");
        for (number, file) in corpus.iter().enumerate() {
            entry(file);
            for mutation in 0..MUTATIONS {
                let seed = (number * MUTATIONS + mutation) as u64;
                let mut bytes = file.clone();
                mutate(&mut bytes, &corpus, &mut fastrand::Rng::with_seed(seed));
                let outcome = std::panic::catch_unwind(|| entry(&bytes));
                assert!(outcome.is_ok(), "{target}: input {number}, seed {seed}: {}", bytes.escape_ascii());
            }
        }
    }

    #[test]
    fn reader_takes_its_corpus_and_thousands_of_mutations() {
        run("reader", reader);
    }

    #[test]
    fn loader_takes_its_corpus_and_thousands_of_mutations() {
        run("loader", loader);
    }

    #[test]
    fn restore_takes_its_corpus_and_thousands_of_mutations() {
        run("restore", restore);
    }
}
