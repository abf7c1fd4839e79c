//! The file of a dump, mapped for reading.

use std::fs::{File, FileType, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use memmap2::{Advice, Mmap};

use crate::rdb::{Record, Records};
use crate::snapshot::error::{LoadError, LoadFault};
use crate::snapshot::file::standing::Standing;

/// A dump, mapped for reading.
pub struct DumpFile {
    path: PathBuf,
    standing: Standing,
    bytes: Bytes,
}

impl DumpFile {
    /// Maps the file; `None` if there is none.
    pub fn open(path: &Path) -> Result<Option<Self>, LoadError> {
        let open = |error: io::Error| LoadFault::Open(error).of(path);
        // Looked at before it is opened: to open a named pipe waits for a writer, and to open a device may do something.
        let kind = match std::fs::metadata(path) {
            Ok(facts) => facts.file_type(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(open(error)),
        };
        refuse_all_but_files(kind).map_err(|fault| fault.of(path))?;
        let file = match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(open(error)),
        };
        Self::map(&file, path).map(Some)
    }

    /// Maps a file that is open; `path` is what errors call it.
    ///
    /// A mapped file that somebody cuts short is a bus error: dumps are replaced by rename and never rewritten in
    /// place, so whoever does that here does it on purpose.
    #[expect(unsafe_code, reason = "mapping a file is unsafe as long as others can write to it")]
    pub fn map(file: &File, path: &Path) -> Result<Self, LoadError> {
        let facts = file.metadata().map_err(|error| LoadFault::Open(error).of(path))?;
        refuse_all_but_files(facts.file_type()).map_err(|fault| fault.of(path))?;
        // SAFETY: the map is only read, as bytes that may be anything; see above for a file that is cut short.
        let map = unsafe { Mmap::map(file) }.map_err(|error| LoadFault::Read(error).of(path))?;
        // Advice that is not taken makes it slower, no more.
        let _ = map.advise(Advice::Sequential);
        let standing = Standing::of(&facts);
        Ok(Self { path: path.to_path_buf(), standing, bytes: Bytes::from_owner(map) })
    }

    /// Which file it is, and when it was written.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How much memory the data took when they were saved, if the file says so before its first key.
    pub fn memory_when_saved(&self) -> Option<u64> {
        note(&self.bytes, b"used-mem").and_then(|value| std::str::from_utf8(&value).ok()?.parse().ok())
    }

    /// Whether the file says before its first key which history of changes the data are of.
    pub fn notes_history(&self) -> bool {
        note(&self.bytes, b"repl-id").is_some()
    }

    /// The whole file, which stays mapped as long as anybody holds its bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

/// What a file notes under a name before its first key.
fn note(bytes: &Bytes, name: &[u8]) -> Option<Vec<u8>> {
    let mut records = Records::new(bytes).ok()?;
    while let Record::Aux { key, value } = records.next().ok()? {
        if *key == *name {
            return Some(value.to_vec());
        }
    }
    None
}

fn refuse_all_but_files(kind: FileType) -> Result<(), LoadFault> {
    let name = match kind {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => return Err(LoadFault::Open(io::Error::from_raw_os_error(libc::EISDIR))),
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(LoadFault::NotAFile(name))
}
