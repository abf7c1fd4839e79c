//! Replacing a file as a whole: temp file, write, sync, rename, sync of the directory.
//!
//! A crash at any moment leaves the old file or the new one, whole; beside them at most a temp file, which
//! [`Place::clear_leftovers`] takes away at the next start. Where older dumps are kept, the old file has got a second
//! name before the new one takes its place.
//!
//! A temp file is always a new one, locked for as long as it is written: what has its name already is another
//! process's, or a user's, and the save takes the next number. What is renamed is the file that was written.

use std::fs::{File, FileType, Metadata};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::dump_file::DumpFile;
use super::temp_file::{self, Identity, Lock};
use super::{generations, same_data};
use crate::rdb::Sink;
use crate::snapshot::error::SaveError;
use crate::snapshot::fork;

/// How much is written before the kernel is asked to begin bringing it to the disk.
const WRITEBACK_BYTES: u64 = 4 << 20;

/// Where a dump lives, and how many of those before it live beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub directory: PathBuf,
    pub name: String,
    /// 0: a new dump replaces the old one and nothing else is touched.
    pub keep: u32,
}

impl Place {
    /// A file of the working directory.
    pub fn here(name: &str, keep: u32) -> Self {
        Self { directory: PathBuf::from("."), name: name.to_owned(), keep }
    }

    pub fn path(&self) -> PathBuf {
        self.joined(&self.name)
    }

    /// The temp file of the process with this number.
    pub fn temp_path(&self, pid: u32) -> PathBuf {
        self.joined(&format!("temp-{pid}.rdb"))
    }

    /// Names in the working directory stand alone, as messages show them.
    pub fn joined(&self, name: &str) -> PathBuf {
        if self.directory == Path::new(".") { PathBuf::from(name) } else { self.directory.join(name) }
    }
}

/// The calls that replacing a file takes; tests make each of them fail.
pub trait FileSystem {
    /// Creates an empty file under a name that nothing else has.
    fn create(&self, path: &Path) -> io::Result<Box<dyn OpenFile>>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a further name, which nothing else may have.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a file if it is surely one that a save has left that was cut short.
    fn remove_leftover(&self, path: &Path);
    /// All bytes of a file.
    fn read(&self, path: &Path) -> io::Result<Bytes>;
    /// What stands under a name, if anything does.
    fn look_at(&self, path: &Path) -> io::Result<Option<Standing>>;
    /// The names in a directory, those that are no text aside.
    fn names(&self, directory: &Path) -> io::Result<Vec<String>>;
}

/// What stands under a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    pub identity: Identity,
    pub kind: Kind,
    pub modified_unix_ms: i64,
}

impl Standing {
    pub fn of(facts: &Metadata) -> Self {
        Self {
            identity: temp_file::identity_of(facts),
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

/// A file that is being written.
pub trait OpenFile {
    /// Takes the lock that keeps other processes from removing the file; it is held until the file is closed.
    fn lock(&mut self) -> Lock;
    fn identity(&self) -> io::Result<Identity>;
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Lets the kernel begin to bring a range to the disk: a hint, which cannot fail.
    fn begin_writeback(&mut self, offset: u64, bytes: u64);
    fn sync(&mut self) -> io::Result<()>;
}

/// The real file system.
#[derive(Clone, Copy, Debug)]
pub struct Disk;

impl FileSystem for Disk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn OpenFile>> {
        Ok(Box::new(File::create_new(path)?))
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
        temp_file::lock(self)
    }

    fn identity(&self) -> io::Result<Identity> {
        Ok(temp_file::identity_of(&self.metadata()?))
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        io::Write::write_all(self, bytes)
    }

    fn begin_writeback(&mut self, offset: u64, bytes: u64) {
        fork::begin_writeback(self.as_fd(), offset, bytes);
    }

    fn sync(&mut self) -> io::Result<()> {
        self.flush()?;
        self.sync_all()
    }
}

/// A temp file as others can find it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Temp {
    /// The number in its name.
    pub number: u32,
    pub identity: Identity,
}

/// A file on its way to take another one's place. Dropped before [`AtomicFile::commit`], it leaves nothing behind.
pub struct AtomicFile<'fs> {
    system: &'fs dyn FileSystem,
    file: Box<dyn OpenFile>,
    place: &'fs Place,
    temp: Temp,
    path: PathBuf,
    written: u64,
    writeback_from: u64,
    incremental: bool,
    /// The temp file still has its own name.
    pending: bool,
}

impl<'fs> AtomicFile<'fs> {
    /// Begins a new file for `place` under the temp name of this process, or under the next that nothing has.
    pub fn create(system: &'fs dyn FileSystem, place: &'fs Place, incremental: bool) -> Result<Self, SaveError> {
        for number in place.temp_numbers() {
            let path = place.temp_path(number);
            match begin(system, &path) {
                Ok(Some((file, identity))) => {
                    let temp = Temp { number, identity };
                    let (written, writeback_from) = (0, 0);
                    return Ok(Self {
                        system,
                        file,
                        place,
                        temp,
                        path,
                        written,
                        writeback_from,
                        incremental,
                        pending: true,
                    });
                }
                Ok(None) => {}
                Err(cause) => return Err(SaveError::Create { path, cause }),
            }
        }
        let path = place.temp_path(std::process::id());
        Err(SaveError::Create { path, cause: io::Error::from_raw_os_error(libc::EEXIST) })
    }

    pub fn temp(&self) -> Temp {
        self.temp
    }

    pub fn temp_path(&self) -> &Path {
        &self.path
    }

    /// Makes the file durable and puts it in its place. Returns its length. No generation is made of a dump that holds
    /// the same data: `same` is one of which that is known.
    pub fn commit(mut self, same: Option<Standing>) -> Result<u64, SaveError> {
        self.file.sync().map_err(|cause| SaveError::Sync { path: self.path.clone(), cause })?;
        let kept = match same {
            Some(_) if same == self.system.look_at(&self.place.path()).ok().flatten() => None,
            _ => generations::keep_present(self.system, self.place)?,
        };
        self.publish().inspect_err(|error| {
            if let (false, Some(kept)) = (matches!(error, SaveError::SyncDirectory { .. }), &kept) {
                // The dump did not change: its second name has nothing to keep.
                let _ = self.system.remove(kept);
            }
        })?;
        // Only now is it certain that the new dump outlives a power cut.
        if let Some(kept) = kept
            && same_data::are_equal(self.system, &kept, &self.place.path())
        {
            let _ = self.system.remove(&kept);
        }
        generations::prune(self.system, self.place);
        Ok(self.written)
    }

    fn publish(&mut self) -> Result<(), SaveError> {
        let examine = |path: &Path| {
            let found = self.system.look_at(path);
            found.map_err(|cause| SaveError::Examine { path: path.to_path_buf(), cause })
        };
        let dump = self.place.path();
        if examine(&dump)?.is_some_and(|dump| dump.kind == Kind::Special) {
            return Err(SaveError::InTheWay { path: dump });
        }
        if examine(&self.path)?.is_none_or(|found| found.identity != self.temp.identity) {
            return Err(SaveError::TempGone { path: self.path.clone() });
        }
        put_in_place(self.system, &self.path, self.place, || self.pending = false)
    }

    /// Whether the temp file is the one that we write.
    fn has_its_name(&self) -> io::Result<bool> {
        Ok(self.system.look_at(&self.path)?.is_some_and(|found| found.identity == self.temp.identity))
    }
}

/// Creates and locks a temp file; nothing if its name is taken.
fn begin(system: &dyn FileSystem, path: &Path) -> io::Result<Option<(Box<dyn OpenFile>, Identity)>> {
    let mut file = match system.create(path) {
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

/// Renames a file that is durable to the dump, for good.
pub fn put_in_place(
    system: &dyn FileSystem,
    from: &Path,
    place: &Place,
    renamed: impl FnOnce(),
) -> Result<(), SaveError> {
    let to = place.path();
    system.rename(from, &to).map_err(|cause| SaveError::Rename { from: from.to_path_buf(), to, cause })?;
    renamed();
    let path = &place.directory;
    system.sync_directory(path).map_err(|cause| SaveError::SyncDirectory { path: path.clone(), cause })
}

impl Sink for AtomicFile<'_> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        let waiting = self.written - self.writeback_from;
        if self.incremental && waiting >= WRITEBACK_BYTES {
            self.file.begin_writeback(self.writeback_from, waiting);
            self.writeback_from = self.written;
        }
        Ok(())
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
