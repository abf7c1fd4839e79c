//! What is known of a file without reading it.

use std::fs::{FileType, Metadata};
use std::os::unix::fs::MetadataExt as _;

/// Device and inode: equal for two names of one file.
pub type Identity = (u64, u64);

/// What has a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    pub identity: Identity,
    pub kind: Kind,
    pub modified_unix_ms: i64,
}

impl Standing {
    pub fn of(facts: &Metadata) -> Self {
        Self {
            identity: identity_of(facts),
            kind: Kind::of(facts.file_type()),
            modified_unix_ms: facts.mtime().saturating_mul(1000).saturating_add(facts.mtime_nsec() / 1_000_000),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    File,
    Directory,
    Link,
    /// A named pipe, a socket or a device.
    Special,
}

impl Kind {
    fn of(kind: FileType) -> Self {
        match kind {
            kind if kind.is_file() => Self::File,
            kind if kind.is_dir() => Self::Directory,
            kind if kind.is_symlink() => Self::Link,
            _ => Self::Special,
        }
    }
}

pub fn identity_of(facts: &Metadata) -> Identity {
    (facts.dev(), facts.ino())
}
