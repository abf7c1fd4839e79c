//! The file of a dump, mapped for reading.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use memmap2::{Advice, Mmap};

use crate::snapshot::error::{LoadError, LoadFault};

/// A dump, mapped for reading.
pub struct DumpFile {
    path: PathBuf,
    bytes: Bytes,
}

impl DumpFile {
    /// Maps the file; `None` if there is none.
    pub fn open(path: &Path) -> Result<Option<Self>, LoadError> {
        let open = |error: io::Error| LoadFault::Open(error).of(path);
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(open(error)),
        };
        if !file.metadata().map_err(open)?.is_file() {
            return Err(open(io::Error::from_raw_os_error(libc::EISDIR)));
        }
        Self::map(&file, path).map(Some)
    }

    /// Maps a file that is open; `path` is what errors call it.
    ///
    /// A mapped file that somebody cuts short is a bus error: dumps are replaced by rename and never rewritten in
    /// place, so whoever does that here does it on purpose.
    #[expect(unsafe_code, reason = "mapping a file is unsafe as long as others can write to it")]
    pub fn map(file: &File, path: &Path) -> Result<Self, LoadError> {
        // SAFETY: the map is only read, as bytes that may be anything; see above for a file that is cut short.
        let map = unsafe { Mmap::map(file) }.map_err(|error| LoadFault::Read(error).of(path))?;
        // Advice that is not taken makes it slower, no more.
        let _ = map.advise(Advice::Sequential);
        Ok(Self { path: path.to_path_buf(), bytes: Bytes::from_owner(map) })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole file, which stays mapped as long as anybody holds its bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}
