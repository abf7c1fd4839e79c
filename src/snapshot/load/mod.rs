//! Reading a dump, by several threads where it is large.
//! Owns:  the mapped file, the threads that decode, and the databases until they are complete.
//! Uses:  keyspace, types, rdb, config, observe, stdx.
//! Never: shows anybody a database that is not complete, or whose file has another checksum than it should.
//!
//! The file is split into parts of whole entries, which are found by their lengths alone. Threads make entries of them,
//! and the loader puts these into the tables in the order of the file. Whatever is no plain entry ends the parts: from
//! there on the loader reads alone, record by record, as it does with every small file. It alone says what is wrong with
//! a file, and only once the checksum of the whole is known to be right: how many threads there are makes no difference.

pub mod check;
mod crew;
mod entry;
mod left_out;
mod loader;
mod part;
#[cfg(test)]
mod tests;
mod verify;

pub use left_out::LeftOut;
pub use loader::{Loader, Progress};
pub use verify::Verification;

use super::error::LoadFault;
use crate::config::{Config, SanitizePayload, UnknownTypes};
use crate::keyspace::Db;
use crate::rdb;
use crate::stdx::clock::Now;
use crate::types::Limits;

/// About what a part has, unless a single entry has more.
const PART_BYTES: usize = 128 << 10;

/// Smaller files are read by one thread, which is done before others have started.
const FILE_BYTES_FOR_THREADS: usize = 4 << 20;

/// More threads than this find nothing to do: one alone inserts what they decode.
const THREADS_MAX: usize = 8;

/// What is done with a key that is there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Duplicates {
    Refused,
    /// The dump's key takes its place (DEBUG RELOAD MERGE).
    Replaced,
}

/// How the work is divided.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Division {
    /// Threads that decode; none: everything is done by the one that inserts.
    pub threads: usize,
    pub part_bytes: usize,
    /// From which size of a file threads are made use of.
    pub file_bytes_min: usize,
}

impl Default for Division {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        Self { threads, part_bytes: PART_BYTES, file_bytes_min: FILE_BYTES_FOR_THREADS }
    }
}

/// How a dump is read.
#[derive(Clone, Debug)]
pub struct LoadSettings {
    pub limits: Limits,
    /// As in [`LoadOptions`].
    pub sanitize: bool,
    /// Keys whose expiry is past are dropped.
    pub now: Now,
    /// They are kept: a primary says when they go.
    pub keeps_expired: bool,
    pub duplicates: Duplicates,
    /// What is done with types that this server does not have, and with data of modules.
    pub unknown: UnknownTypes,
    /// Whether the file's checksum is looked at.
    pub checksum: bool,
    pub division: Division,
}

impl LoadSettings {
    pub fn new(config: &Config, now: Now) -> Self {
        Self {
            limits: Limits::from(config),
            sanitize: config.sanitize_dump_payload == SanitizePayload::Yes,
            now,
            keeps_expired: false,
            duplicates: Duplicates::Refused,
            unknown: config.rdb_unknown_types,
            checksum: config.rdbchecksum,
            division: Division::default(),
        }
    }
}

/// What a dump held.
pub struct Loaded {
    pub dbs: Vec<Db>,
    pub keys: u64,
    pub expired_keys: u64,
    /// Collections without elements, which were left out.
    pub empty_keys: u64,
    pub left_out: LeftOut,
    /// The texts of function libraries, each with its place in the file.
    pub libraries: Vec<(u64, Box<[u8]>)>,
    pub bytes: u64,
    /// The history that the data are of, if the writer has noted it.
    pub origin: Origin,
}

/// What a dump notes of the history of its data (`repl-id`, `repl-offset`, `repl-stream-db`).
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Origin {
    pub id: Vec<u8>,
    pub offset: Option<u64>,
    pub db: Option<usize>,
}

impl Loaded {
    /// Whether the databases hold all that the dump holds.
    pub fn is_all(&self) -> bool {
        self.expired_keys == 0 && self.empty_keys == 0 && self.left_out.total() == 0
    }
}

fn format_fault(cause: rdb::Error) -> LoadFault {
    LoadFault::Format { cause, key: Vec::new() }
}
