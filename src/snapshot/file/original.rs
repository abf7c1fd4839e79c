//! A second name for a dump of which not everything was loaded: the next snapshot takes the place of the dump, and what
//! was left out must not be lost with it.

use std::fs::{self, File, FileTimes};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::place::{Place, TIME_MAX_MS};
use crate::snapshot::error::LoadFault;

/// Names that are tried for one dump.
const NAMES_MAX: i64 = 1000;

/// Keeps the dump at `path` beside it under a name that says when it was written, such as
/// `dump-20261122T153000.123Z-original.rdb`. No rotation removes it. Returns the name; one from an earlier start stays.
pub fn keep_original(path: &Path) -> Result<PathBuf, LoadFault> {
    keep(path, &|from, to| fs::hard_link(from, to))
        .map_err(|cause| LoadFault::KeepOriginal { path: path.to_path_buf(), cause })
}

fn keep(path: &Path, link: &dyn Fn(&Path, &Path) -> io::Result<()>) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let directory = path.parent().unwrap_or(Path::new(".")).to_path_buf();
    let place = Place { directory: directory.clone(), name, keep: 0 };
    let facts = fs::metadata(path)?;
    let written_ms = facts.mtime().saturating_mul(1000).saturating_add(facts.mtime_nsec() / 1_000_000);
    let first = written_ms.clamp(0, TIME_MAX_MS - NAMES_MAX);
    for time_ms in first..first + NAMES_MAX {
        let to = place.directory.join(name_at(&place, time_ms));
        match fs::symlink_metadata(&to) {
            Ok(there) if is_the_same(&facts, &there) => return Ok(to),
            Ok(_) => continue,
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) => {}
        }
        // Not every file system has links, and not everybody may link to a file of another user.
        match link(path, &to) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(_) => copy(path, &to)?,
            Ok(()) => {}
        }
        // A directory that cannot be synced is one of a file system that has no need of it.
        let _ = File::open(&directory).and_then(|directory| directory.sync_all());
        return Ok(to);
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Another name of the file, or a whole copy: the time is set once all of it is written.
fn is_the_same(facts: &fs::Metadata, there: &fs::Metadata) -> bool {
    (facts.dev(), facts.ino()) == (there.dev(), there.ino())
        || (facts.len(), facts.mtime(), facts.mtime_nsec()) == (there.len(), there.mtime(), there.mtime_nsec())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let (mut source, mut target) = (File::open(from)?, File::create_new(to)?);
    let mut fill = || {
        io::copy(&mut source, &mut target)?;
        let facts = source.metadata()?;
        target.set_permissions(facts.permissions())?;
        target.set_times(FileTimes::new().set_modified(facts.modified()?))?;
        target.sync_all()
    };
    fill().inspect_err(|_| {
        // It is ours: nothing had its name before.
        let _ = fs::remove_file(to);
    })
}

fn name_at(place: &Place, unix_ms: i64) -> String {
    let generation = place.generation_name(unix_ms);
    let extension = place.name.rfind('.').map_or("", |dot| &place.name[dot..]);
    let stem = generation.strip_suffix(extension).unwrap_or(&generation);
    format!("{stem}-original{extension}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with_dump() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let dump = folder.path().join("dump.rdb");
        fs::write(&dump, b"all of it").expect("a dump");
        (folder, dump)
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").file_name());
        entries.map(|name| name.into_string().expect("text")).filter(|name| name != "dump.rdb").collect()
    }

    #[test]
    fn a_dump_is_kept_once_and_outlives_its_successor() {
        let (folder, dump) = folder_with_dump();
        let kept = keep_original(&dump).expect("kept");
        assert_eq!(keep_original(&dump).expect("kept"), kept, "a second start finds it kept");
        let name = kept.file_name().and_then(|name| name.to_str()).expect("text");
        assert!(name.starts_with("dump-2") && name.ends_with("Z-original.rdb"), "{name}");
        assert!(Place { directory: folder.path().into(), name: "dump.rdb".into(), keep: 1 }.generations().is_empty());
        fs::write(folder.path().join("new"), b"less").expect("a file");
        fs::rename(folder.path().join("new"), &dump).expect("a rename");
        assert_eq!(fs::read(&kept).expect("the original"), b"all of it");
        let second = keep_original(&dump).expect("kept");
        assert_ne!(second, kept);
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[test]
    fn where_there_are_no_links_it_is_copied_once() {
        let (folder, dump) = folder_with_dump();
        let no_links = |_: &Path, _: &Path| Err(io::Error::from_raw_os_error(libc::EPERM));
        let kept = keep(&dump, &no_links).expect("copied");
        assert_eq!(keep(&dump, &no_links).expect("copied"), kept);
        assert_eq!(names(folder.path()).len(), 1);
        assert_eq!(fs::read(&kept).expect("the copy"), b"all of it");
        // A copy that was cut short is not taken for the whole.
        fs::write(&kept, b"all").expect("a shorter file");
        assert_ne!(keep(&dump, &no_links).expect("copied"), kept);
    }

    #[test]
    fn what_cannot_be_kept_is_said() {
        let fault = keep_original(Path::new("/nowhere/dump.rdb")).expect_err("no such folder");
        assert!(matches!(fault, LoadFault::KeepOriginal { .. }), "{fault}");
    }
}
