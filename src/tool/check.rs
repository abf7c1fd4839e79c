//! `copal-rdb check`: a dump is read as the server would read it, every value included, and dropped.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use hashbrown::HashSet;

use super::fingerprint::Fingerprints;
use super::input::Input;
use super::output::Output;
use super::progress::Progress;
use super::trouble::Trouble;
use super::walk::{Content, Fault, Found, Walk};
use crate::rdb;
use crate::stdx::clock::Now;

#[derive(clap::Args)]
pub struct Arguments {
    /// Dumps, each of which is looked at whatever is wrong with the others
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Also look for keys that are there twice, which takes some 40 bytes of memory a key
    #[arg(long)]
    duplicates: bool,
}

/// What a sound dump holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Healthy {
    pub version: u32,
    pub bytes: u64,
    pub keys: u64,
    /// Keys with an expiry.
    pub expires: u64,
    /// Expiries that were past.
    pub expired: u64,
    pub databases: u64,
    /// Collections without elements, which a server drops as it loads.
    pub empty: u64,
    /// What is sound and what this server does not load.
    pub module_values: u64,
    pub libraries: u64,
    pub module_data: u64,
    /// Bytes behind the dump, as an append-only file has them.
    pub bytes_behind: u64,
}

/// The first fault of a dump.
#[derive(Debug)]
pub struct FirstFault {
    pub fault: Fault,
    /// Whole entries before the fault.
    pub keys_before: u64,
}

/// Checks all files. Returns whether all of them are sound.
pub fn run(arguments: &Arguments) -> Result<bool, Trouble> {
    let mut out = Output::stdout();
    let mut sound = true;
    let mut trouble = None;
    for path in &arguments.files {
        let input = match Input::open(path) {
            Ok(input) => input,
            // The other files are looked at all the same.
            Err(error) => {
                trouble = trouble.or(Some(error));
                continue;
            }
        };
        let result = check(input.bytes(), Now::read().unix_ms, arguments.duplicates);
        sound &= result.is_ok();
        let told = tell(&mut out, path, &result).and_then(|()| out.flush());
        out.written(told)?;
    }
    trouble.map_or(Ok(sound), Err)
}

fn tell(out: &mut dyn Write, path: &Path, result: &Result<Healthy, FirstFault>) -> io::Result<()> {
    match result {
        Ok(healthy) => writeln!(out, "{}: {healthy}", path.display()),
        Err(FirstFault { fault, keys_before }) => {
            writeln!(out, "{}: {fault}, after {keys_before} whole keys", path.display())
        }
    }
}

impl fmt::Display for Healthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, bytes, keys, expires, expired, databases, .. } = self;
        write!(f, "OK, RDB version {version}, {bytes} bytes, {keys} keys in {databases} databases, ")?;
        write!(f, "{expires} with an expiry, {expired} expired")?;
        for (count, what) in [
            (self.empty, "collections without elements, which a server drops"),
            (self.module_values, "values of modules, which Copal does not load"),
            (self.libraries, "function libraries, which Copal does not load"),
            (self.module_data, "parts of modules, which Copal does not load"),
            (self.bytes_behind, "bytes behind the end, which are no part of the dump"),
        ] {
            if count > 0 {
                write!(f, "; {count} {what}")?;
            }
        }
        Ok(())
    }
}

/// Validates all of a dump: header, structure, every value, checksum.
pub fn check(file: &[u8], now_ms: i64, duplicates: bool) -> Result<Healthy, FirstFault> {
    let mut healthy = Healthy { bytes: file.len() as u64, ..Healthy::default() };
    match walk(file, now_ms, duplicates, &mut healthy) {
        Ok(()) => Ok(healthy),
        Err(fault) => Err(FirstFault { fault, keys_before: healthy.keys }),
    }
}

fn walk(file: &[u8], now_ms: i64, duplicates: bool, healthy: &mut Healthy) -> Result<(), Fault> {
    let progress = Progress::new("checking", file.len());
    let mut walk = Walk::new(file, true)?;
    let mut keys = duplicates.then(|| (Fingerprints::new(), HashSet::new()));
    healthy.version = walk.version();
    loop {
        progress.at(walk.offset());
        match walk.next()? {
            Found::Entry(item) => {
                let content = item.load_or_fault()?;
                if let Some((fingerprints, seen)) = &mut keys
                    && !seen.insert(fingerprints.of(item.db, &item.key))
                {
                    let what = "the key is there twice";
                    return Err(item.fault(rdb::Error::InvalidValue { offset: item.span.start as u64, what }));
                }
                healthy.keys += 1;
                healthy.expires += u64::from(item.expiry_ms.is_some());
                healthy.expired += u64::from(item.expiry_ms.is_some_and(|at_ms| at_ms <= now_ms));
                match content {
                    Content::Value(_) => {}
                    Content::Empty => healthy.empty += 1,
                    Content::Opaque => healthy.module_values += 1,
                }
            }
            Found::Database(_) => healthy.databases += 1,
            Found::Library(_) => healthy.libraries += 1,
            Found::ModuleAux { .. } => healthy.module_data += 1,
            Found::Aux { .. } | Found::Sizes { .. } => {}
            Found::End => {
                healthy.bytes_behind = (file.len() - walk.offset()) as u64;
                return Ok(());
            }
        }
    }
}
