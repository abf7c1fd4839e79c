//! Whether a dump could be loaded: it is read as the server would read it, every value included, and dropped.

use std::path::Path;

use bytes::Bytes;

use crate::rdb::{self, Record, Records};
use crate::snapshot::error::{LoadError, LoadFault};
use crate::snapshot::file::{DumpFile, Place};
use crate::snapshot::load::Verification;
use crate::types::{EMPTY_VALUE, Limits, LoadOptions, Value};

/// What a whole dump holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Healthy {
    pub bytes: u64,
    pub keys: u64,
}

/// The first fault of a dump.
#[derive(Debug, thiserror::Error)]
#[error("{error}, after {keys_before} whole keys")]
pub struct Fault {
    pub error: LoadError,
    /// Whole entries before the fault.
    pub keys_before: u64,
}

/// An older dump that is whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Generation {
    pub name: String,
    pub contents: Healthy,
}

/// Validates all of a dump: header, checksum, structure, and every value.
pub fn check(path: &Path) -> Result<Healthy, Fault> {
    let fault = |fault: LoadFault, keys_before| Fault { error: fault.of(path), keys_before };
    let file = match DumpFile::open(path) {
        Ok(Some(file)) => file,
        Ok(None) => return Err(fault(LoadFault::Open(std::io::Error::from_raw_os_error(libc::ENOENT)), 0)),
        Err(error) => return Err(Fault { error, keys_before: 0 }),
    };
    check_bytes(file.bytes()).map_err(|(what, keys_before)| fault(what, keys_before))
}

impl Place {
    /// The newest generation that is whole, every value of it read.
    pub fn newest_whole_generation(&self) -> Option<Generation> {
        self.generations().into_iter().rev().find_map(|name| {
            let contents = check(&self.joined(&name)).ok()?;
            Some(Generation { name, contents })
        })
    }
}

fn check_bytes(file: &Bytes) -> Result<Healthy, (LoadFault, u64)> {
    let mut healthy = Healthy { bytes: file.len() as u64, ..Healthy::default() };
    let structure = walk(file, &mut healthy);
    // A fault in the structure says more than that the checksum does not fit.
    structure.map_err(|fault| (fault, healthy.keys))?;
    let mut verification = Verification::new(file.clone(), true).map_err(|fault| (fault, healthy.keys))?;
    while !verification.step().map_err(|fault| (fault, healthy.keys))? {}
    Ok(healthy)
}

fn walk(file: &[u8], healthy: &mut Healthy) -> Result<(), LoadFault> {
    let format = |key: &[u8]| {
        let key = key.to_vec();
        move |cause: rdb::Error| LoadFault::Format { cause, key: key.clone() }
    };
    let limits = Limits::default();
    let options = LoadOptions::checking_all(&limits);
    let mut records = Records::new(file).map_err(format(b""))?;
    loop {
        match records.next().map_err(format(b""))? {
            Record::Entry { tag, key, .. } => {
                match Value::load(tag, records.decoder(), &options) {
                    // A load leaves such a key out.
                    Err(rdb::Error::InvalidValue { what: EMPTY_VALUE, .. }) => {}
                    loaded => {
                        loaded.map_err(format(&key))?;
                        healthy.keys += 1;
                    }
                }
            }
            Record::ModuleAux { id, offset } => return Err(LoadFault::ModuleData { offset, module: id }),
            // Whether a library's code compiles is known once it is loaded.
            Record::FunctionLibrary(_)
            | Record::SelectDb(_)
            | Record::Aux { .. }
            | Record::ResizeDb { .. }
            | Record::FunctionOfCandidate { .. } => {}
            Record::Eof => return Ok(()),
        }
    }
}
