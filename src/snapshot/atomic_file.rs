//! Replacing a file as a whole: temp file, write, sync, rename, sync of the directory.
//!
//! A crash at any moment leaves the old file or the new one, whole; beside them at most a temp file, which
//! [`remove_stale_temp_files`] takes away at the next start. Where older dumps are kept, the old file has got a second
//! name before the new one takes its place.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::SaveError;
use super::{fork, generations};
use crate::rdb::Sink;

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
    /// Creates an empty file. One that has the name already loses it and is not written to: it may have other names.
    fn create(&self, path: &Path) -> io::Result<Box<dyn OpenFile>>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Gives a file a further name, which nothing else may have.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn sync_directory(&self, path: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// What stands under a name, if anything does.
    fn look_at(&self, path: &Path) -> io::Result<Option<Standing>>;
    /// The names in a directory, those that are no text aside.
    fn names(&self, directory: &Path) -> io::Result<Vec<String>>;
}

/// What stands under a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Device and inode: equal for two names of one file.
    pub identity: (u64, u64),
    pub is_directory: bool,
    pub modified_unix_ms: i64,
}

/// A file that is being written.
pub trait OpenFile {
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
        remove_if_there(self, path)?;
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

    fn look_at(&self, path: &Path) -> io::Result<Option<Standing>> {
        match std::fs::symlink_metadata(path) {
            Ok(facts) => Ok(Some(Standing {
                identity: (facts.dev(), facts.ino()),
                is_directory: facts.is_dir(),
                modified_unix_ms: facts.mtime().saturating_mul(1000).saturating_add(facts.mtime_nsec() / 1_000_000),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn names(&self, directory: &Path) -> io::Result<Vec<String>> {
        let names = std::fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(Result::transpose).collect()
    }
}

/// Removes the file of that name. That there is none is no error.
pub fn remove_if_there(system: &dyn FileSystem, path: &Path) -> io::Result<()> {
    match system.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl OpenFile for File {
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

/// A file on its way to take another one's place. Dropped before [`AtomicFile::commit`], it leaves nothing behind.
pub struct AtomicFile<'fs> {
    system: &'fs dyn FileSystem,
    file: Option<Box<dyn OpenFile>>,
    place: &'fs Place,
    temp: PathBuf,
    written: u64,
    writeback_from: u64,
    incremental: bool,
    /// The temp file still has its own name.
    pending: bool,
}

impl<'fs> AtomicFile<'fs> {
    /// Begins a new file for `place` under the temp name of this process.
    pub fn create(system: &'fs dyn FileSystem, place: &'fs Place, incremental: bool) -> Result<Self, SaveError> {
        let temp = place.temp_path(std::process::id());
        let file = system.create(&temp).map_err(|cause| {
            // Some errors come after the deed.
            let _ = system.remove(&temp);
            SaveError::Create { path: temp.clone(), cause }
        })?;
        let (written, writeback_from) = (0, 0);
        Ok(Self { system, file: Some(file), place, temp, written, writeback_from, incremental, pending: true })
    }

    pub fn temp_path(&self) -> &Path {
        &self.temp
    }

    /// Makes the file durable and puts it in its place. Returns its length.
    pub fn commit(mut self) -> Result<u64, SaveError> {
        if let Some(mut file) = self.file.take() {
            file.sync().map_err(|cause| SaveError::Sync { path: self.temp.clone(), cause })?;
        }
        let kept = generations::keep_present(self.system, self.place)?;
        put_in_place(self.system, &self.temp, self.place, || self.pending = false).inspect_err(|error| {
            if let (SaveError::Rename { .. }, Some(kept)) = (error, &kept) {
                // The dump did not change: its second name has nothing to keep.
                let _ = self.system.remove(kept);
            }
        })?;
        // Only now is it certain that the new dump outlives a power cut.
        generations::prune(self.system, self.place);
        Ok(self.written)
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
        let Some(file) = &mut self.file else { return Err(io::ErrorKind::NotConnected.into()) };
        file.write_all(bytes)?;
        self.written += bytes.len() as u64;
        let waiting = self.written - self.writeback_from;
        if self.incremental && waiting >= WRITEBACK_BYTES {
            file.begin_writeback(self.writeback_from, waiting);
            self.writeback_from = self.written;
        }
        Ok(())
    }
}

impl Drop for AtomicFile<'_> {
    fn drop(&mut self) {
        self.file = None;
        if self.pending {
            // What cannot be removed now goes at the next start.
            let _ = self.system.remove(&self.temp);
        }
    }
}

/// Removes the temp files in `directory` whose processes are gone. Returns the names of those removed.
pub fn remove_stale_temp_files(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut removed = Vec::new();
    for entry in entries.flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        // A process of our own number lived before us: we have not saved yet.
        let stale = |pid: u32| pid == std::process::id() || !fork::is_at_work(pid);
        if is_file && temp_file_pid(&name).is_some_and(stale) && std::fs::remove_file(entry.path()).is_ok() {
            removed.push(name);
        }
    }
    removed
}

/// The process number in a temp file's name, if it is one exactly as [`Place::temp_path`] makes them.
fn temp_file_pid(name: &str) -> Option<u32> {
    let digits = name.strip_prefix("temp-")?.strip_suffix(".rdb")?;
    let pid: u32 = digits.parse().ok()?;
    (pid > 0 && pid.to_string() == digits && i32::try_from(pid).is_ok()).then_some(pid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_names_are_temp_files() {
        assert_eq!(temp_file_pid("temp-812.rdb"), Some(812));
        for name in
            ["temp-.rdb", "temp-0.rdb", "temp-01.rdb", "temp--1.rdb", "temp-1.rdb.bak", "xtemp-1.rdb", "temp-+1.rdb"]
        {
            assert_eq!(temp_file_pid(name), None, "{name}");
        }
        assert_eq!(temp_file_pid("temp-4294967295.rdb"), None);
    }

    #[test]
    fn temp_files_of_dead_processes_are_removed_and_nothing_else() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let dead = "temp-2147483646.rdb";
        let alive = format!("temp-{}.rdb", std::os::unix::process::parent_id());
        let others = [alive.as_str(), "temp-x.rdb", "dump.rdb", "temp-2147483646.rdb.old"];
        for name in others.iter().chain([&dead]) {
            std::fs::write(path(name), "x").expect("a file");
        }
        std::fs::create_dir(path("temp-2147483645.rdb")).expect("a directory");
        assert_eq!(remove_stale_temp_files(directory.path()), [dead]);
        assert!(others.iter().all(|name| path(name).exists()));
        assert!(path("temp-2147483645.rdb").is_dir());
    }
}
