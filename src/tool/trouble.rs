//! Why a subcommand could not do its work.

use std::io;
use std::path::{Path, PathBuf};

use super::walk::Fault;
use crate::snapshot::LoadError;

/// Everything that ends in exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    #[error("{0}")]
    Unreadable(#[from] LoadError),
    #[error("{}: there is no such file", .0.display())]
    Missing(PathBuf),
    #[error("{}: {fault}; `check` tells more, `salvage` saves what can be saved", path.display())]
    Damaged { path: PathBuf, fault: Fault },
    #[error("{} is the input itself", .0.display())]
    OverInput(PathBuf),
    #[error("{} is there already (--force writes over it)", .0.display())]
    Exists(PathBuf),
    #[error("cannot write {name}: {cause}")]
    Write { name: String, cause: io::Error },
    /// Whoever read our output has gone: nobody is left to be told.
    #[error("nobody reads the output")]
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

    pub fn damaged(path: &Path, fault: Fault) -> Self {
        Self::Damaged { path: path.to_path_buf(), fault }
    }
}
