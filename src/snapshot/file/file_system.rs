//! The calls that replacing a file takes, as a trait, so that tests can make each of them fail.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use bytes::Bytes;

use super::dump_file::DumpFile;
use super::lock::{Lock, lock};
use super::standing::{Identity, Standing, identity_of};
use super::temp_file;
use crate::snapshot::system_calls;

/// A file system.
pub trait FileSystem {
    /// Creates an empty file under a name that nothing else has, with this mode less what the process keeps from files.
    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn OpenFile>>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a further name, which nothing else may have.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a file if it is surely one that a save has left that was cut short.
    fn remove_leftover(&self, path: &Path);
    /// All bytes of a file.
    fn read(&self, path: &Path) -> io::Result<Bytes>;
    /// What has a name, if anything does.
    fn look_at(&self, path: &Path) -> io::Result<Option<Standing>>;
    /// The names in a directory, those that are no text aside.
    fn names(&self, directory: &Path) -> io::Result<Vec<String>>;
}

/// A file that is being written.
pub trait OpenFile {
    /// Takes the lock that keeps other processes from removing the file; it is held until the file is closed.
    fn lock(&mut self) -> Lock;
    fn identity(&self) -> io::Result<Identity>;
    fn set_access(&mut self, access: &Access) -> io::Result<()>;
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Lets the kernel begin to bring a range to the disk: a hint, which cannot fail.
    fn begin_writeback(&mut self, offset: u64, bytes: u64);
    fn sync(&mut self) -> io::Result<()>;
}

/// Whose a file is, as far as the system lets us give it away, and who may do what with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    /// User and group; none to leave them as they are.
    pub owner: Option<(u32, u32)>,
    pub mode: u32,
}

/// The real file system.
#[derive(Clone, Copy, Debug)]
pub struct Disk;

impl FileSystem for Disk {
    fn create(&self, path: &Path, mode: u32) -> io::Result<Box<dyn OpenFile>> {
        Ok(Box::new(OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::hard_link(from, to)
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        match File::open(path)?.sync_all() {
            // Some file systems cannot sync a directory, which is no reason to refuse the dump.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            result => result,
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn read(&self, path: &Path) -> io::Result<Bytes> {
        match DumpFile::open(path) {
            Ok(Some(file)) => Ok(file.bytes().clone()),
            Ok(None) => Err(io::ErrorKind::NotFound.into()),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn remove_leftover(&self, path: &Path) {
        temp_file::remove_leftover(path);
    }

    fn look_at(&self, path: &Path) -> io::Result<Option<Standing>> {
        match std::fs::symlink_metadata(path) {
            Ok(facts) => Ok(Some(Standing::of(&facts))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn names(&self, directory: &Path) -> io::Result<Vec<String>> {
        let names = std::fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(Result::transpose).collect()
    }
}

impl OpenFile for File {
    fn lock(&mut self) -> Lock {
        lock(self)
    }

    fn identity(&self) -> io::Result<Identity> {
        Ok(identity_of(&self.metadata()?))
    }

    fn set_access(&mut self, access: &Access) -> io::Result<()> {
        if let Some((user, group)) = access.owner {
            let facts = self.metadata()?;
            if (user, group) != (facts.uid(), facts.gid()) && fchown(&*self, Some(user), Some(group)).is_err() {
                // A user who is not root may give a file only to a group of his own.
                let _ = fchown(&*self, None, Some(group));
            }
        }
        self.set_permissions(Permissions::from_mode(access.mode))
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        io::Write::write_all(self, bytes)
    }

    fn begin_writeback(&mut self, offset: u64, bytes: u64) {
        system_calls::begin_writeback(self.as_fd(), offset, bytes);
    }

    fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.sync_all()
    }
}
