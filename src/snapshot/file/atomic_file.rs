//! Replacing a file as a whole: a temp file, write, sync, rename, sync of the directory.
//!
//! A crash at any moment leaves the old file or the new one, whole; beside them at most a temp file. The temp file is
//! always a new one, locked for as long as it is written: what has its name already is another process's, or a user's,
//! and the next name is taken. What is renamed is the file that was written.

use std::io;
use std::path::{Path, PathBuf};

use super::file_system::{FileSystem, OpenFile};
use super::lock::Lock;
use super::standing::Identity;
use crate::snapshot::error::ReplaceError;

/// A file on its way to take another one's place. Dropped before [`AtomicFile::publish`], it leaves nothing behind.
pub struct AtomicFile<'fs> {
    system: &'fs dyn FileSystem,
    file: Box<dyn OpenFile>,
    identity: Identity,
    target: PathBuf,
    path: PathBuf,
    /// The temp file still has its own name.
    pending: bool,
}

impl<'fs> AtomicFile<'fs> {
    /// Begins a new file for `target` under the first of these names that nothing has.
    pub fn create(
        system: &'fs dyn FileSystem,
        target: PathBuf,
        names: impl Iterator<Item = PathBuf>,
        mode: u32,
    ) -> Result<Self, ReplaceError> {
        let mut first = None;
        for path in names {
            match begin(system, &path, mode) {
                Ok(Some((file, identity))) => return Ok(Self { system, file, identity, target, path, pending: true }),
                Ok(None) => {}
                Err(cause) => return Err(ReplaceError::Create { path, cause }),
            }
            first.get_or_insert(path);
        }
        let cause = io::Error::from_raw_os_error(libc::EEXIST);
        Err(ReplaceError::Create { path: first.unwrap_or(target), cause })
    }

    /// The temp file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// The temp file, to be written.
    pub fn file(&mut self) -> &mut dyn OpenFile {
        &mut *self.file
    }

    /// Makes what was written durable.
    pub fn sync(&mut self) -> Result<(), ReplaceError> {
        self.file.sync().map_err(|cause| ReplaceError::Sync { path: self.path.clone(), cause })
    }

    /// Puts the file, which is durable, in the target's place, for good.
    pub fn publish(mut self) -> Result<(), ReplaceError> {
        match self.has_its_name() {
            Ok(true) => put_in_place(self.system, &self.path, &self.target, || self.pending = false),
            Ok(false) => Err(ReplaceError::TempGone { path: self.path.clone() }),
            Err(cause) => Err(ReplaceError::Examine { path: self.path.clone(), cause }),
        }
    }

    /// Whether the temp file is the one that we write.
    fn has_its_name(&self) -> io::Result<bool> {
        Ok(self.system.look_at(&self.path)?.is_some_and(|found| found.identity == self.identity))
    }
}

impl Drop for AtomicFile<'_> {
    fn drop(&mut self) {
        if self.pending && self.has_its_name().unwrap_or(false) {
            // What cannot be removed now goes at the next start.
            let _ = self.system.remove(&self.path);
        }
    }
}

/// Creates and locks a temp file; nothing if its name is taken.
fn begin(system: &dyn FileSystem, path: &Path, mode: u32) -> io::Result<Option<(Box<dyn OpenFile>, Identity)>> {
    let mut file = match system.create(path, mode) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        Err(error) => {
            // Some errors come after the deed.
            system.remove_leftover(path);
            return Err(error);
        }
    };
    // A start that has looked at the file before it was locked may have removed it.
    let lock = file.lock();
    let found = file.identity().and_then(|own| Ok((own, system.look_at(path)?.map(|found| found.identity))));
    match found {
        Ok((own, found)) if found == Some(own) && lock != Lock::Taken => Ok(Some((file, own))),
        Ok(_) => Ok(None),
        Err(error) => {
            drop(file);
            system.remove_leftover(path);
            Err(error)
        }
    }
}

/// Renames a file that is durable to another one, for good.
pub fn put_in_place(
    system: &dyn FileSystem,
    from: &Path,
    to: &Path,
    renamed: impl FnOnce(),
) -> Result<(), ReplaceError> {
    let rename = |cause| ReplaceError::Rename { from: from.to_path_buf(), to: to.to_path_buf(), cause };
    system.rename(from, to).map_err(rename)?;
    renamed();
    let directory = to.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."));
    system
        .sync_directory(directory)
        .map_err(|cause| ReplaceError::SyncDirectory { path: directory.to_path_buf(), cause })
}
