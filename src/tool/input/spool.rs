//! Where a stream is kept that cannot be mapped: in memory while it is small, then in a file without a name.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use nix::sys::statvfs::fstatvfs;

use crate::snapshot::DumpFile;
use crate::tool::trouble::Trouble;

/// What is kept in memory at most.
const MEMORY_BYTES_MAX: usize = 32 << 20;

/// Bytes between two looks at the room that is left.
const STEP_BYTES: u64 = 16 << 20;

/// What is left free for others: a part of the file system, within bounds.
const RESERVE_DIVISOR: u64 = 20;
const RESERVE_BYTES_MIN: u64 = 64 << 20;
const RESERVE_BYTES_MAX: u64 = 1 << 30;

/// The bytes of a stream as they come. Nothing is left of it when the process ends, however it does.
pub struct Spool {
    memory: Vec<u8>,
    file: Option<Kept>,
}

struct Kept {
    directory: PathBuf,
    file: File,
    written: u64,
    next_look: u64,
}

impl Spool {
    pub fn new(head: Vec<u8>) -> Self {
        Self { memory: head, file: None }
    }

    pub fn len(&self) -> u64 {
        self.memory.len() as u64 + self.file.as_ref().map_or(0, |kept| kept.written)
    }

    /// Takes more of the stream that is called `name`.
    pub fn write(&mut self, name: &Path, bytes: &[u8]) -> Result<(), Trouble> {
        if self.file.is_none() {
            if self.memory.len() + bytes.len() <= MEMORY_BYTES_MAX {
                self.memory.extend_from_slice(bytes);
                return Ok(());
            }
            let mut kept = Kept::create(name)?;
            kept.write(name, &std::mem::take(&mut self.memory))?;
            self.file = Some(kept);
        }
        self.file.as_mut().map_or(Ok(()), |kept| kept.write(name, bytes))
    }

    pub fn finish(self, name: &Path) -> Result<Bytes, Trouble> {
        match self.file {
            None => Ok(Bytes::from(self.memory)),
            Some(kept) => Ok(DumpFile::map(&kept.file, name)?.bytes().clone()),
        }
    }
}

impl Kept {
    fn create(name: &Path) -> Result<Self, Trouble> {
        let directory = directory();
        match tempfile::tempfile_in(&directory) {
            Ok(file) => Ok(Self { directory, file, written: 0, next_look: 0 }),
            Err(cause) => Err(Trouble::Spool { name: name.to_path_buf(), directory, cause }),
        }
    }

    fn write(&mut self, name: &Path, bytes: &[u8]) -> Result<(), Trouble> {
        let written = self.leave_room().and_then(|()| self.file.write_all(bytes));
        self.written += bytes.len() as u64;
        written.map_err(|cause| Trouble::Spool { name: name.to_path_buf(), directory: self.directory.clone(), cause })
    }

    /// Compressed data can become a thousand times as much: they do not fill a disk that others need.
    fn leave_room(&mut self) -> io::Result<()> {
        if self.written < self.next_look {
            return Ok(());
        }
        self.next_look = self.written + STEP_BYTES;
        let Ok(system) = fstatvfs(&self.file) else { return Ok(()) };
        let (block, free, all) = (system.fragment_size(), system.blocks_available(), system.blocks());
        if free.saturating_mul(block) < reserve(all.saturating_mul(block)) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }
}

/// What stays free of a file system of so many bytes.
fn reserve(all: u64) -> u64 {
    // A small one, as a container's /tmp often is, may be used by half.
    (all / RESERVE_DIVISOR).clamp(RESERVE_BYTES_MIN, RESERVE_BYTES_MAX).min(all / 2)
}

/// `TMPDIR`, or the directory that is meant for large temporary files; /tmp is in memory on many machines.
fn directory() -> PathBuf {
    if let Some(directory) = std::env::var_os("TMPDIR").filter(|directory| !directory.is_empty()) {
        return PathBuf::from(directory);
    }
    let large = Path::new("/var/tmp");
    if large.is_dir() { large.to_path_buf() } else { PathBuf::from("/tmp") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_outgrows_memory_is_kept_in_a_file_without_a_name() {
        let name = Path::new("a stream");
        let mut spool = Spool::new(b"head".to_vec());
        let piece = vec![7u8; 5 << 20];
        for _ in 0..8 {
            spool.write(name, &piece).expect("there is room");
        }
        assert!(spool.file.is_some() && spool.memory.is_empty());
        assert_eq!(spool.len(), 4 + 8 * piece.len() as u64);
        let bytes = spool.finish(name).expect("it can be mapped");
        assert_eq!(bytes.len(), 4 + 8 * piece.len());
        assert!(bytes.starts_with(b"head") && bytes[4..].iter().all(|&byte| byte == 7));
    }

    #[test]
    fn room_is_left_in_large_and_small_file_systems() {
        assert_eq!(reserve(10 << 40), 1 << 30);
        assert_eq!(reserve(4 << 30), (4 << 30) / 20);
        assert_eq!(reserve(256 << 20), 64 << 20);
        assert_eq!(reserve(64 << 20), 32 << 20);
    }
}
