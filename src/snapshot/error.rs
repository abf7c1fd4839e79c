//! Why a snapshot could not be written or read, described by the step that failed and what it worked on.

use std::io;
use std::path::{Path, PathBuf};

use crate::observe::UserData;
use crate::rdb::{self, ModuleId};
use crate::stdx::text::reason;

/// Why a save failed. Whatever the step, the temp file is gone; until the rename, the old dump is what it was.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    #[error("cannot save to {}: {}", path.display(), .cause)]
    Encode { path: PathBuf, cause: Unsavable },
    #[error("cannot keep {} as {}: {}", from.display(), to.display(), reason(cause))]
    Keep { from: PathBuf, to: PathBuf, cause: io::Error },
    #[error(
        "{} is {what}, which a dump does not replace: move it away, or name another file with 'dbfilename'",
        path.display()
    )]
    InTheWay { path: PathBuf, what: &'static str },
    #[error("cannot send the data to replicas: {}", reason(.0))]
    Send(io::Error),
    #[error("cannot start the process that saves: {}", reason(.0))]
    Fork(io::Error),
    #[error("a save is in progress already")]
    InProgress,
    #[error("interrupted")]
    Interrupted,
    #[error("the process that saves was killed by signal {0}{hint}", hint = hint_of_signal(*.0))]
    Killed(i32),
    #[error("the process that saves was killed by the kernel for want of memory ({})", limit_of_group(*.limit))]
    KilledForMemory { limit: Option<u64> },
    #[error("it took {taken} bytes of memory beside the data, and 'snapshot-memory-limit' allows {limit}")]
    MemoryLimit { taken: u64, limit: u64 },
    #[error("the process that saves made no progress for {seconds} seconds ('snapshot-stall-timeout')")]
    Stalled { seconds: u64 },
    #[error("the process that saves ended with code {0} and said nothing")]
    Exited(i32),
}

/// Why a file could not be replaced: which step failed on what.
#[derive(Debug, thiserror::Error)]
pub enum ReplaceError {
    #[error("cannot create {}: {}", path.display(), reason(cause))]
    Create { path: PathBuf, cause: io::Error },
    #[error("cannot write {}: {}", path.display(), reason(cause))]
    Write { path: PathBuf, cause: io::Error },
    #[error("cannot look at {}: {}", path.display(), reason(cause))]
    Examine { path: PathBuf, cause: io::Error },
    #[error("cannot sync {} to the disk: {}", path.display(), reason(cause))]
    Sync { path: PathBuf, cause: io::Error },
    #[error("cannot rename {} to {}: {}", from.display(), to.display(), reason(cause))]
    Rename { from: PathBuf, to: PathBuf, cause: io::Error },
    #[error("the temp file {} was removed or replaced while it was written", path.display())]
    TempGone { path: PathBuf },
    #[error("cannot sync the directory {} to the disk: {}", path.display(), reason(cause))]
    SyncDirectory { path: PathBuf, cause: io::Error },
}

impl ReplaceError {
    fn step(&self) -> Step {
        match self {
            Self::Create { .. } => Step::Create,
            Self::Write { .. } => Step::Write,
            Self::Examine { .. } => Step::Keep,
            Self::Sync { .. } => Step::Sync,
            Self::Rename { .. } | Self::TempGone { .. } => Step::Rename,
            Self::SyncDirectory { .. } => Step::SyncDirectory,
        }
    }

    /// What the system has answered, where it has answered anything.
    pub fn into_cause(self) -> io::Error {
        match self {
            Self::Create { cause, .. }
            | Self::Write { cause, .. }
            | Self::Examine { cause, .. }
            | Self::Sync { cause, .. }
            | Self::Rename { cause, .. }
            | Self::SyncDirectory { cause, .. } => cause,
            Self::TempGone { .. } => io::Error::other(self.to_string()),
        }
    }
}

/// The step of a save at which it failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    Fork,
    Create,
    Write,
    /// A value that the version of the format cannot hold.
    Encode,
    Sync,
    /// The old dump gets the name of a generation.
    Keep,
    Rename,
    SyncDirectory,
    /// Whatever the child was about when a signal ended it.
    Killed,
    /// The child took more memory than it may.
    MemoryLimit,
    /// The child made no progress.
    Stall,
    /// The child did not say.
    Unknown,
}

impl Step {
    pub const ALL: [Self; 12] = [
        Self::Fork,
        Self::Create,
        Self::Write,
        Self::Encode,
        Self::Sync,
        Self::Keep,
        Self::Rename,
        Self::SyncDirectory,
        Self::Killed,
        Self::MemoryLimit,
        Self::Stall,
        Self::Unknown,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Create => "create",
            Self::Write => "write",
            Self::Encode => "encode",
            Self::Sync => "sync",
            Self::Keep => "keep",
            Self::Rename => "rename",
            Self::SyncDirectory => "sync-directory",
            Self::Killed => "killed",
            Self::MemoryLimit => "memory-limit",
            Self::Stall => "stall",
            Self::Unknown => "unknown",
        }
    }
}

impl SaveError {
    pub fn step(&self) -> Step {
        match self {
            Self::Replace(error) => error.step(),
            Self::Encode { .. } => Step::Encode,
            Self::Send(_) => Step::Write,
            Self::Keep { .. } => Step::Keep,
            Self::InTheWay { .. } => Step::Rename,
            Self::Fork(_) => Step::Fork,
            Self::Killed(_) | Self::KilledForMemory { .. } => Step::Killed,
            Self::MemoryLimit { .. } => Step::MemoryLimit,
            Self::Stalled { .. } => Step::Stall,
            Self::InProgress | Self::Interrupted | Self::Exited(_) => Step::Unknown,
        }
    }
}

/// Why a dump could not be loaded.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct LoadError {
    pub path: PathBuf,
    pub fault: LoadFault,
}

/// What is wrong with a dump.
#[derive(Debug, thiserror::Error)]
pub enum LoadFault {
    #[error("cannot be opened: {}", reason(.0))]
    Open(io::Error),
    #[error("is {0}, not a file")]
    NotAFile(&'static str),
    #[error("cannot be read: {}", reason(.0))]
    Read(io::Error),
    /// The bytes as a whole are not those that were written.
    #[error("RDB CRC error: {0}")]
    Checksum(rdb::Error),
    #[error("{cause}{}", of_key(key))]
    Format { cause: rdb::Error, key: Vec<u8> },
    #[error("database {index} at offset {offset}: the server has {databases}")]
    DatabaseOutOfRange { offset: u64, index: u64, databases: usize },
    #[error("key '{}' at offset {offset} is there twice", UserData(key))]
    DuplicateKey { offset: u64, key: Vec<u8> },
    #[error("function library at offset {offset} cannot be loaded: {why}")]
    FunctionLibrary { offset: u64, why: String },
    #[error("data of the module {module} at offset {offset}: modules are not supported")]
    ModuleData { offset: u64, module: ModuleId },
    #[error("metadata at offset {offset} of modules beside the key '{}': modules are not supported", UserData(key))]
    KeyMetadata { offset: u64, key: Vec<u8> },
    /// Something of it was left out, so that it must not be written over.
    #[error("not all of it was loaded, and {} cannot be kept under a second name: {}", path.display(), reason(cause))]
    KeepOriginal { path: PathBuf, cause: io::Error },
}

impl LoadError {
    /// There is no such file.
    pub fn missing(path: &Path) -> Self {
        LoadFault::Open(io::Error::from_raw_os_error(libc::ENOENT)).of(path)
    }
}

impl LoadFault {
    /// Whether the bytes are not those that were written: an older dump is of use then. One that cannot be opened, or
    /// that holds what this server does not know, is as good as it ever was.
    pub fn is_damage(&self) -> bool {
        match self {
            Self::Read(_) | Self::Checksum(_) | Self::DuplicateKey { .. } => true,
            Self::Format { cause, .. } => !cause.is_of_another_kind(),
            Self::Open(_)
            | Self::NotAFile(_)
            | Self::DatabaseOutOfRange { .. }
            | Self::FunctionLibrary { .. }
            | Self::ModuleData { .. }
            | Self::KeyMetadata { .. }
            | Self::KeepOriginal { .. } => false,
        }
    }

    /// Whether `rdb-unknown-types skip` loads the rest of the file.
    pub fn can_be_skipped(&self) -> bool {
        use rdb::Error::{UnsupportedModule, UnsupportedType};
        match self {
            Self::ModuleData { .. } | Self::KeyMetadata { .. } => true,
            Self::Format { cause, .. } => matches!(cause, UnsupportedType { .. } | UnsupportedModule { .. }),
            _ => false,
        }
    }

    /// The byte of the file where the fault is, if it is at a byte.
    #[cfg(test)]
    pub fn offset(&self) -> Option<u64> {
        match self {
            Self::Open(_) | Self::NotAFile(_) | Self::Read(_) | Self::KeepOriginal { .. } => None,
            Self::Checksum(cause) | Self::Format { cause, .. } => Some(cause.offset()),
            Self::DatabaseOutOfRange { offset, .. }
            | Self::DuplicateKey { offset, .. }
            | Self::FunctionLibrary { offset, .. }
            | Self::KeyMetadata { offset, .. }
            | Self::ModuleData { offset, .. } => Some(*offset),
        }
    }

    pub(super) fn of(self, path: &Path) -> LoadError {
        LoadError { path: path.to_path_buf(), fault: self }
    }
}

/// A value that cannot be written, and the key that holds it.
#[derive(Debug, thiserror::Error)]
#[error("{cause}{}", of_key(key))]
pub struct Unsavable {
    pub key: Vec<u8>,
    pub cause: rdb::Error,
}

/// What a signal says of its cause.
fn hint_of_signal(signal: i32) -> &'static str {
    match signal {
        libc::SIGSYS => {
            " (SIGSYS): a system-call filter (seccomp) does not allow a call that it needs. Look at SystemCallFilter= of \
             the service's unit, or at the container's seccomp profile; the kernel's log names the number of the call"
        }
        libc::SIGKILL => ", and not by this server: the kernel may have been out of memory, or somebody has ended it",
        _ => "",
    }
}

/// The limit of the control groups that a process is in, for a message.
fn limit_of_group(bytes: Option<u64>) -> String {
    match bytes {
        Some(bytes) => format!("the control group's limit is {bytes} bytes"),
        None => "its control group has no limit, so the machine was out of memory".to_owned(),
    }
}

fn of_key(key: &[u8]) -> String {
    if key.is_empty() { String::new() } else { format!(" (key '{}')", UserData(key)) }
}
