//! What a load passes over because this server has no place for it, counted and named in the log.

use std::fmt;

use crate::observe::UserData;
use crate::rdb::{self, ModuleId};

/// Things that are named in the log; the rest is counted.
const NAMED: u64 = 10;

/// Bytes of a key that are shown.
const SHOWN_BYTES: usize = 100;

/// What was left out of a dump.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LeftOut {
    /// Keys with a value of a type that this server does not have.
    pub values: u64,
    /// Keys that were loaded without what modules keep beside them.
    pub metadata: u64,
    pub module_data: u64,
    /// Function libraries of release candidates of Redis 7.0.
    pub candidates: u64,
}

/// One thing that is left out, as the log names it.
pub enum Unknown<'f> {
    Value { key: &'f [u8], cause: &'f rdb::Error },
    Metadata { key: &'f [u8] },
    ModuleData(ModuleId),
    Candidate { offset: u64 },
}

impl LeftOut {
    pub fn total(&self) -> u64 {
        let &Self { values, metadata, module_data, candidates } = self;
        values + metadata + module_data + candidates
    }

    /// Counts it, and names it in the log while there have been few.
    pub fn note(&mut self, unknown: &Unknown<'_>) {
        let count = match unknown {
            Unknown::Value { .. } => &mut self.values,
            Unknown::Metadata { .. } => &mut self.metadata,
            Unknown::ModuleData(_) => &mut self.module_data,
            Unknown::Candidate { .. } => &mut self.candidates,
        };
        *count += 1;
        let named = self.total();
        if named <= NAMED {
            tracing::warn!("Left out of the dump: {unknown}");
        } else if named == NAMED + 1 {
            tracing::warn!("Left out of the dump: more, which is only counted");
        }
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (count, one, many) in [
            (self.values, "key of a type that is not supported", "keys of types that are not supported"),
            (self.metadata, "key's metadata of modules", "keys' metadata of modules"),
            (self.module_data, "module's data", "modules' data"),
            (self.candidates, "function of a release candidate", "functions of a release candidate"),
        ] {
            if count > 0 {
                write!(f, "{separator}{count} {}", if count == 1 { one } else { many })?;
                separator = ", ";
            }
        }
        Ok(())
    }
}

impl fmt::Display for Unknown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { key, cause } => write!(f, "key '{}': {cause}", shown(key)),
            Self::Metadata { key } => write!(f, "what modules keep beside the key '{}', which is loaded", shown(key)),
            Self::ModuleData(id) => write!(f, "data of the module {id}"),
            Self::Candidate { offset } => write!(
                f,
                "the function library at offset {offset}, in the form of a release candidate of Redis 7.0, which no release loads"
            ),
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(SHOWN_BYTES)];
    let dots = if cut.len() < bytes.len() { "..." } else { "" };
    format!("{}{dots}", UserData(cut))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_counted_by_kind() {
        let mut left_out = LeftOut::default();
        assert_eq!((left_out.total(), left_out.to_string()), (0, String::new()));
        left_out.note(&Unknown::Candidate { offset: 9 });
        for _ in 0..20 {
            left_out.note(&Unknown::Metadata { key: b"key" });
        }
        assert_eq!(left_out.total(), 21);
        assert_eq!(left_out.to_string(), "20 keys' metadata of modules, 1 function of a release candidate");
    }

    #[test]
    fn names_are_cut_and_escaped() {
        let long = [b'x'; 200];
        let name = Unknown::Metadata { key: &long }.to_string();
        assert!(name.contains(&format!("'{}...'", "x".repeat(100))), "{name}");
        let name = Unknown::Metadata { key: b"a\x1b[1m" }.to_string();
        assert!(name.contains(r"'a\x1b[1m'"), "{name}");
    }
}
