//! Replacing a small file of settings as a whole: whoever reads it sees the old text or the new one, also after a crash.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Names that are tried for the new text; each may be another process's.
const NAMES_MAX: u32 = 100;

/// As many as the kernel follows.
const LINKS_MAX: u32 = 40;

const PRIVATE: u32 = 0o600;

/// Gives a file another text. A file that is there keeps its mode and, as far as the system lets us, its owner; a new
/// one gets `mode`. The target of a symbolic link is replaced, not the link. A failure leaves nothing behind.
pub fn replace_file(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let path = target(path)?;
    let old = regular_file(&path)?;
    let (mut file, temporary) = create(&path)?;
    let written = fill(&mut file, text, old.as_ref(), mode).and_then(|()| fs::rename(&temporary, &path));
    if let Err(error) = written {
        // It is ours: nothing had its name before.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

/// Reads a file of settings; nothing if there is none. One that is no regular file is refused: a named pipe would keep
/// us waiting.
pub fn read_file(path: &Path) -> io::Result<Option<Vec<u8>>> {
    regular_file(path)?.map(|_| fs::read(path)).transpose()
}

fn regular_file(path: &Path) -> io::Result<Option<fs::Metadata>> {
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

fn create(path: &Path) -> io::Result<(File, PathBuf)> {
    let mut number = 0;
    loop {
        let mut name = path.as_os_str().to_owned();
        name.push(match number {
            0 => format!("-{}.tmp", std::process::id()),
            number => format!("-{}-{number}.tmp", std::process::id()),
        });
        match OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(&name) {
            Ok(file) => return Ok((file, name.into())),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < NAMES_MAX => number += 1,
            Err(error) => return Err(error),
        }
    }
}

fn fill(file: &mut File, text: &[u8], old: Option<&fs::Metadata>, mode: u32) -> io::Result<()> {
    if let Some(old) = old {
        let new = file.metadata()?;
        if (old.uid(), old.gid()) != (new.uid(), new.gid())
            && std::os::unix::fs::fchown(&*file, Some(old.uid()), Some(old.gid())).is_err()
        {
            // A user who is not root may give a file only to a group of his own.
            let _ = std::os::unix::fs::fchown(&*file, None, Some(old.gid()));
        }
    }
    let mode = old.map_or_else(|| mode & !umask(), |old| old.mode() & 0o7777);
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(text)?;
    file.sync_all()
}

/// What the process keeps from new files. It can only be read by setting it, which other threads would see.
fn umask() -> u32 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    field.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()).unwrap_or(0o022)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
