//! `copal-rdb check`: a dump is read as the server would read it, every value included, and dropped.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;

use super::fingerprint::KeysSeen;
use super::input::Input;
use super::libraries::LibraryCheck;
use super::output::Output;
use super::progress::Progress;
use super::trouble::Trouble;
use super::walk::{Content, Fault, Found, Walk};
use super::words::counted;
use crate::config::UnknownTypes;
use crate::rdb;
use crate::stdx::clock::Now;
use crate::stdx::text::{human_bytes, parse_memory};

#[derive(clap::Args)]
pub struct Arguments {
    /// Dumps, compressed with gzip or not; - is standard input. Each is checked, whatever is wrong with the others
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Look for keys that are there twice in large files too, which takes some 40 bytes of memory a key
    #[arg(long)]
    duplicates: bool,
    /// How many databases the server that is to load the files has
    #[arg(long, value_name = "N", default_value_t = DATABASES)]
    databases: u64,
    /// The setting of that name of the server that is to load the files
    #[arg(long, value_name = "WHAT", default_value = "refuse", value_parser = ["refuse", "skip"])]
    rdb_unknown_types: String,
    /// How much memory the server that is to load the files has, such as 4gb
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    memory: Option<u64>,
}

fn parse_size(text: &str) -> Result<u64, &'static str> {
    parse_memory(text.as_bytes()).ok_or("not an amount of memory such as 512mb or 4gb")
}

/// As many as a server has by default.
const DATABASES: u64 = 16;

/// What a server does with a file depends on.
#[derive(Clone, Copy)]
struct Server {
    databases: u64,
    unknown: UnknownTypes,
    memory: Option<u64>,
}

/// What a sound dump holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Healthy {
    pub version: u32,
    pub bytes: u64,
    pub keys: u64,
    /// Keys with an expiry.
    pub expires: u64,
    /// Expiries that were past.
    pub expired: u64,
    pub databases: u64,
    /// Memory that the data took where they were saved, if the file says so.
    pub memory: Option<u64>,
    /// One more than the number of the last database.
    pub databases_needed: u64,
    /// Collections without elements, which a server drops as it loads.
    pub empty: u64,
    pub libraries: u64,
    /// Why the first function library that a server cannot load is none, with its place.
    pub bad_library: Option<String>,
    /// What is sound and what this server does not load.
    pub unsupported_values: u64,
    /// Of them, those whose expiry was not past.
    pub unsupported_live: u64,
    pub metadata: u64,
    pub module_data: u64,
    /// Function libraries of release candidates, which no server loads.
    pub candidates: u64,
    /// Streams that state another number of entries than they have.
    pub wrong_lengths: u64,
    /// There were too many keys to look for those that are there twice.
    pub not_compared: bool,
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

/// Checks all files. Returns whether all of them are sound, and the server loads them.
pub fn run(arguments: &Arguments) -> Result<bool, Trouble> {
    let mut out = Output::stdout();
    let unknown = if arguments.rdb_unknown_types == "skip" { UnknownTypes::Skip } else { UnknownTypes::Refuse };
    let server = Server { databases: arguments.databases, unknown, memory: arguments.memory };
    let mut sound = true;
    let mut trouble = None;
    for path in &arguments.files {
        let input = match Input::open(path) {
            Ok(input) => input,
            Err(damaged @ Trouble::Compressed { .. }) => {
                sound = false;
                let written = writeln!(out, "{damaged}").and_then(|()| out.flush());
                out.written(written)?;
                continue;
            }
            // The other files are looked at all the same.
            Err(error) => {
                trouble = trouble.or(Some(error));
                continue;
            }
        };
        let result = check(input.bytes(), Now::read().unix_ms, arguments.duplicates);
        sound &= result.as_ref().is_ok_and(|healthy| healthy.reasons_against(server).is_empty());
        let written = verdict(&mut out, &input, &result, server).and_then(|()| out.flush());
        out.written(written)?;
    }
    trouble.map_or(Ok(sound), Err)
}

fn verdict(out: &mut dyn Write, input: &Input, result: &Result<Healthy, FirstFault>, server: Server) -> io::Result<()> {
    let path = input.path().display();
    let condition = if input.is_compressed() { " once it is uncompressed" } else { "" };
    match result {
        Ok(healthy) => {
            writeln!(out, "{path}: {healthy}")?;
            let reasons = healthy.reasons_against(server);
            if reasons.is_empty() {
                writeln!(out, "{path}: this server loads it{condition}{}", healthy.remark(server))
            } else {
                writeln!(out, "{path}: this server does not load it: {}", reasons.join("; "))
            }
        }
        Err(FirstFault { fault, keys_before }) => {
            writeln!(out, "{path}: this server does not load it")?;
            writeln!(out, "{path}: {fault}, after {}", counted(*keys_before, "whole key", "whole keys"))
        }
    }
}

impl fmt::Display for Healthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { version, bytes, keys, expires, expired, databases, .. } = self;
        let keys = counted(*keys, "key", "keys");
        let databases = counted(*databases, "database", "databases");
        write!(f, "OK, RDB version {version}, {bytes} bytes, {keys} in {databases}, ")?;
        write!(f, "{expires} with an expiry, {expired} expired")?;
        for (count, one, many, which) in [
            (self.empty, "collection", "collections", " without elements, which a server drops"),
            (
                self.wrong_lengths,
                "stream",
                "streams",
                " with a wrong number of entries; those that are there are loaded",
            ),
            (self.unsupported_values, "value", "values", " of a module or of a type that Copal does not have"),
            (self.metadata, "key", "keys", " with metadata of modules, which Copal does not load"),
            (self.libraries, "function library", "function libraries", ""),
            (self.module_data, "part of a module", "parts of modules", ", which Copal does not load"),
            (self.candidates, "function", "functions", " of a release candidate, which every server leaves out"),
            (self.bytes_behind, "byte", "bytes", " behind the end, no part of the dump"),
        ] {
            if count > 0 {
                write!(f, "; {}{which}", counted(count, one, many))?;
            }
        }
        Ok(())
    }
}

impl Healthy {
    /// Whether a server with these settings loads the file.
    #[cfg(any(test, feature = "internals"))]
    pub fn is_loaded_by(&self, databases: u64, unknown: UnknownTypes) -> bool {
        self.reasons_against(Server { databases, unknown, memory: None }).is_empty()
    }

    /// Why a server does not load the file although it is sound.
    fn reasons_against(&self, server: Server) -> Vec<String> {
        let mut reasons = Vec::new();
        if self.databases_needed > server.databases {
            let (needed, there) = (self.databases_needed, server.databases);
            reasons.push(format!("it needs `databases {needed}`, and the server has {there}"));
        }
        if let (Some(needed), Some(there)) = (self.memory, server.memory)
            && needed > there
        {
            let (needed, there) = (human_bytes(needed), human_bytes(there));
            reasons.push(format!("its data took {needed} of memory where they were saved, and the server has {there}"));
        }
        reasons.extend(self.bad_library.clone());
        let unknown = self.unsupported_live + self.metadata + self.module_data;
        if unknown > 0 && server.unknown == UnknownTypes::Refuse {
            reasons.push(
                "it holds values or data of modules; with `rdb-unknown-types skip` the server loads the \
                 rest and keeps the file, and `copal-rdb salvage` writes the rest to another file"
                    .to_owned(),
            );
        }
        reasons
    }

    fn remark(&self, server: Server) -> &'static str {
        if server.memory.is_some() && self.memory.is_none() {
            ", if it has the memory: the file does not say how much its data take"
        } else if self.not_compared {
            ", unless a key is there twice: --duplicates looks for that in a large file"
        } else {
            ""
        }
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
    let mut libraries = LibraryCheck::default();
    let mut keys = KeysSeen::up_to(if duplicates { usize::MAX } else { KeysSeen::KEYS_MAX });
    healthy.version = walk.version();
    loop {
        let start = walk.offset();
        progress.at(start);
        match walk.next()? {
            Found::Entry(item) => {
                let wrong_length = Cell::new(false);
                let content = item.load_and_note(Some(&wrong_length)).map_err(|cause| item.fault(cause))?;
                let met_before = keys.met_before(item.db, &item.key);
                healthy.not_compared = !keys.is_complete();
                if met_before {
                    let what = "the key is there twice";
                    return Err(item.fault(rdb::Error::InvalidValue { offset: item.span.start as u64, what }));
                }
                healthy.keys += 1;
                // A file may begin with keys, which are then of the first database.
                healthy.databases = healthy.databases.max(1);
                healthy.expires += u64::from(item.expiry_ms.is_some());
                let expired = item.expiry_ms.is_some_and(|at_ms| at_ms <= now_ms);
                healthy.expired += u64::from(expired);
                healthy.metadata += u64::from(item.metadata.is_some());
                healthy.wrong_lengths += u64::from(wrong_length.get());
                match content {
                    Content::Value(_) => {}
                    Content::Empty => healthy.empty += 1,
                    Content::Opaque => {
                        healthy.unsupported_values += 1;
                        healthy.unsupported_live += u64::from(!expired);
                    }
                }
            }
            Found::Database(index) => {
                healthy.databases += 1;
                healthy.databases_needed = healthy.databases_needed.max(index.saturating_add(1));
            }
            Found::LibraryOfCandidate => healthy.candidates += 1,
            Found::Library(text) => {
                healthy.libraries += 1;
                if let Err(why) = libraries.add(&text) {
                    let why = format!("the function library at offset {start} cannot be loaded: {why}");
                    healthy.bad_library.get_or_insert(why);
                }
            }
            Found::ModuleAux { .. } => healthy.module_data += 1,
            Found::Aux { key, value } if *key == *b"used-mem" => {
                healthy.memory = std::str::from_utf8(&value).ok().and_then(|bytes| bytes.parse().ok());
            }
            Found::Aux { .. } | Found::Sizes { .. } => {}
            Found::End => {
                healthy.bytes_behind = (file.len() - walk.offset()) as u64;
                return Ok(());
            }
        }
    }
}
