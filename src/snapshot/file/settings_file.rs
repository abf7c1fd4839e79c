//! A small file of settings, replaced as a whole: whoever reads it sees the old text or the new one, also after a crash.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::atomic_file::AtomicFile;
use super::file_system::{Access, Disk, FileSystem};
use crate::snapshot::error::ReplaceError;

/// Names that are tried for the new text; each may be another process's.
const NAMES_MAX: u32 = 100;

/// As many as the kernel follows.
const LINKS_MAX: u32 = 40;

const PRIVATE: u32 = 0o600;

/// Gives a file another text. A file that is there keeps its mode and, as far as the system lets us, its owner; a new
/// one gets `mode`. The target of a symbolic link is replaced, not the link. A failure leaves nothing behind.
pub fn replace_file(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let path = target(path)?;
    let access = match regular_file(&path)? {
        Some(old) => Access { owner: Some((old.uid(), old.gid())), mode: old.mode() & 0o7777 },
        None => Access { owner: None, mode: mode & !umask() },
    };
    replace(&Disk, path, text, &access).map_err(ReplaceError::into_cause)
}

fn replace(system: &dyn FileSystem, path: PathBuf, text: &[u8], access: &Access) -> Result<(), ReplaceError> {
    let names = temp_names(&path);
    let mut file = AtomicFile::create(system, path, names, PRIVATE)?;
    let written = file.file().set_access(access).and_then(|()| file.file().write_all(text));
    written.map_err(|cause| ReplaceError::Write { path: file.path().to_path_buf(), cause })?;
    file.sync()?;
    file.publish()
}

/// Reads a file of settings; nothing if there is none. One that is no regular file is refused: a named pipe would keep
/// us waiting.
pub fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    regular_file(path)?.map(|_| fs::read(path)).transpose()
}

fn regular_file(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::metadata(path) {
        Ok(facts) if facts.is_file() => Ok(Some(facts)),
        Ok(facts) if facts.is_dir() => Err(io::Error::from_raw_os_error(libc::EISDIR)),
        Ok(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where symbolic links lead, also if there is nothing yet.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_path_buf();
    for _ in 0..LINKS_MAX {
        match fs::read_link(&path) {
            Ok(next) => path = path.parent().unwrap_or(Path::new("")).join(next),
            Err(_) => return Ok(path),
        }
    }
    Err(io::Error::from_raw_os_error(libc::ELOOP))
}

fn temp_names(path: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let path = path.as_os_str().to_owned();
    let own = std::process::id();
    (0..=NAMES_MAX).map(move |number| {
        let mut name = path.clone();
        name.push(match number {
            0 => format!("-{own}.tmp"),
            number => format!("-{own}-{number}.tmp"),
        });
        name.into()
    })
}

/// What the process keeps from new files. It can only be read by setting it, which other threads would see.
fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    field.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()).unwrap_or(0o022)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::snapshot::tests::simulation::{Fault, SimulatedDisk, all_faults};

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("the folder");
        let mut names: Vec<_> =
            entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("text")).collect();
        names.sort();
        names
    }

    #[test]
    fn file_keeps_its_mode_and_owner_and_a_link_stays_a_link() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        std::os::unix::fs::symlink("file", &link).expect("a link");
        replace_file(&link, b"first", 0o600).expect("the target of a link is made");
        assert_eq!(fs::metadata(&file).expect("the file").mode() & 0o777, 0o600);
        fs::set_permissions(&file, Permissions::from_mode(0o640)).expect("our own file");
        let given_away = std::os::unix::fs::chown(&file, Some(12345), Some(54321)).is_ok();
        replace_file(&link, b"second", 0o600).expect("nothing fails");
        let facts = fs::symlink_metadata(&file).expect("the file");
        assert_eq!((facts.mode() & 0o777, fs::read(&file).expect("the file")), (0o640, b"second".to_vec()));
        assert!(!given_away || (facts.uid(), facts.gid()) == (12345, 54321));
        assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
        assert_eq!(names(folder.path()), ["file", "link"]);
    }

    #[test]
    fn file_that_has_the_temporary_name_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let foreign = folder.path().join(format!("file-{}.tmp", std::process::id()));
        fs::write(&foreign, "another's").expect("a file");
        replace_file(&folder.path().join("file"), b"text", 0o600).expect("another name is free");
        assert_eq!(fs::read(&foreign).expect("the file"), b"another's");
        assert_eq!(names(folder.path()).len(), 2);
    }

    #[test]
    fn what_is_no_regular_file_is_neither_read_nor_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        for path in [pipe.as_path(), folder.path(), Path::new("/dev/null")] {
            assert!(read_file(path).is_err() && replace_file(path, b"text", 0o600).is_err(), "{}", path.display());
        }
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        std::os::unix::fs::symlink(&one, &other).expect("a link");
        std::os::unix::fs::symlink(&other, &one).expect("a link");
        assert!(replace_file(&one, b"text", 0o600).is_err(), "a circle of links");
        assert_eq!(names(folder.path()), ["one", "other", "pipe"]);
        assert!(read_file(&folder.path().join("none")).expect("no error").is_none());
    }

    #[test]
    fn power_cut_at_any_call_leaves_the_old_text_or_the_new_one() {
        let path = || PathBuf::from("/etc/copal.conf");
        let access = Access { owner: None, mode: 0o600 };
        let lived = SimulatedDisk::new(10);
        replace(&lived, path(), b"old", &access).expect("nothing fails");
        lived.settle();
        let whole = lived.copy();
        replace(&whole, path(), b"new", &access).expect("nothing fails");
        let calls = whole.calls();
        assert_eq!(calls, ["create", "lock", "look at", "write", "sync", "look at", "rename", "sync directory"]);
        for fault in all_faults(calls.len()) {
            let disk = lived.copy();
            fault.into_iter().for_each(|fault: Fault| disk.fail(fault));
            let result = replace(&disk, path(), b"new", &access);
            for moment in disk.moments() {
                let is_safe = result.is_ok() && moment.call + 1 >= disk.calls().len();
                for remains in moment.survivors() {
                    let text = remains.files()["copal.conf"].clone();
                    assert!(text == b"new" || text == b"old" && !is_safe, "{fault:?}: {}", text.escape_ascii());
                }
            }
            let leaves_more = disk.files().len() > 1;
            assert!(!leaves_more || fault.is_some_and(|fault| fault.lasting), "{fault:?}: {:?}", disk.files().keys());
        }
    }
}
