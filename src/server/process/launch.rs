//! How the process was started.

use std::ffi::OsString;
use std::path::PathBuf;

/// What the process knows of how it was started.
#[derive(Debug, Default)]
pub struct Launch {
    /// The file that CONFIG REWRITE writes; absolute, since the process changes its directory.
    pub config_file: Option<PathBuf>,
    pub executable: PathBuf,
    /// The first argument: the program as it was called.
    pub program: OsString,
    pub supervised: bool,
    /// The system's name, release and machine.
    pub system: String,
}
