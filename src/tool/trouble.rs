//! Why a subcommand could not do its work.

use std::io;
use std::path::{Path, PathBuf};

use super::walk::Fault;
use crate::snapshot::LoadError;
use crate::stdx::text::reason;

/// Everything that ends in exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error("{0}")]
    Unreadable(#[from] LoadError),
    #[error("{}: there is no such file", .0.display())]
    Missing(PathBuf),
    #[error("{}: it is empty: no dump came", .0.display())]
    Empty(PathBuf),
    /// What is named is not a dump, and not something that one comes from.
    #[error("{}: {what}", name.display())]
    Refused { name: PathBuf, what: &'static str },
    #[error("cannot read {}: {}", name.display(), reason(cause))]
    Read { name: PathBuf, cause: io::Error },
    #[error("{}: the gzip data are {what}, after {unpacked} bytes of a dump; `salvage` saves what is in them",
        name.display())]
    Compressed { name: PathBuf, what: &'static str, unpacked: u64 },
    #[error("{}: there is no room for it in {} ({}); set TMPDIR to a directory with room for all of the dump",
        name.display(), directory.display(), reason(cause))]
    Spool { name: PathBuf, directory: PathBuf, cause: io::Error },
    #[error("{}: {fault}; `check` says more, `salvage` saves what can be saved", path.display())]
    Damaged { path: PathBuf, fault: Fault },
    #[error("{}: {fault}; there is nothing that can be saved", path.display())]
    NothingToSave { path: PathBuf, fault: Fault },
    #[error("{} is the input itself", .0.display())]
    OverInput(PathBuf),
    #[error("{} is there already (--force writes over it)", .0.display())]
    Exists(PathBuf),
    #[error("cannot write {name}: {}", reason(cause))]
    Write { name: String, cause: io::Error },
    /// Whoever read our output has gone: nobody is left to read a message.
    #[error("the output was closed by its reader")]
    NobodyReads,
}

impl Trouble {
    /// What a failed write to `name` is called.
    pub fn write(name: &str, cause: io::Error) -> Self {
        if cause.kind() == io::ErrorKind::BrokenPipe {
            Self::NobodyReads
        } else {
            Self::Write { name: name.to_owned(), cause }
        }
    }

    pub fn refused(name: &Path, what: &'static str) -> Self {
        Self::Refused { name: name.to_path_buf(), what }
    }

    pub fn damaged(path: &Path, fault: Fault) -> Self {
        Self::Damaged { path: path.to_path_buf(), fault }
    }
}
