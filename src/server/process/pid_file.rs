//! The file with the process's number. Only a file that holds such a number is replaced, and only our own removed.

use crate::stdx::text::reason;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Where a server in the background leaves its number unless it is configured.
const DEFAULT_PATH: &str = "/var/run/redis.pid";

const MODE: u32 = 0o644;

/// No process has a longer number, blanks around it included.
const TEXT_BYTES_MAX: u64 = 32;

/// Removed when dropped.
pub struct PidFile {
    path: PathBuf,
    identity: (u64, u64),
}

impl PidFile {
    /// Writes the file. What keeps it from being written is logged, and no reason not to serve.
    pub fn write(path: &str) -> Option<Self> {
        let path = Path::new(if path.is_empty() { DEFAULT_PATH } else { path });
        match write(path) {
            Ok(identity) => Some(Self { path: std::path::absolute(path).unwrap_or(path.to_path_buf()), identity }),
            Err(error) => {
                tracing::warn!("Failed to write PID file {}: {}", path.display(), reason(&error));
                None
            }
        }
    }

    fn is_ours(&self) -> bool {
        // As when it was written, a link is followed.
        let Ok(facts) = fs::metadata(&self.path) else { return false };
        let is_same = facts.is_file() && (facts.dev(), facts.ino()) == self.identity;
        is_same && fs::read(&self.path).is_ok_and(|text| text == own_text().as_bytes())
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if !self.is_ours() {
            tracing::info!("The pid file is not ours any more: it stays.");
            return;
        }
        tracing::info!("Removing the pid file.");
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!("Cannot remove {}: {error}", self.path.display());
        }
    }
}

fn own_text() -> String {
    format!("{}\n", std::process::id())
}

fn write(path: &Path) -> io::Result<(u64, u64)> {
    let refuse = |what| Err(io::Error::new(io::ErrorKind::AlreadyExists, what));
    // Looked at before it is opened: to open a named pipe waits, and to open a device may do something.
    match fs::metadata(path) {
        Ok(facts) if !facts.is_file() => return refuse("something that is not a regular file has this name"),
        _ => {}
    }
    let flags = libc::O_NONBLOCK;
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).custom_flags(flags).open(path)?;
    if !holds_a_number(&mut file)? {
        return refuse("a file that holds something else than a process id has this name");
    }
    let facts = file.metadata()?;
    file.set_len(0)?;
    io::Seek::rewind(&mut file)?;
    file.write_all(own_text().as_bytes())?;
    file.set_permissions(Permissions::from_mode(MODE))?;
    Ok((facts.dev(), facts.ino()))
}

fn holds_a_number(file: &mut File) -> io::Result<bool> {
    let mut text = Vec::new();
    file.take(TEXT_BYTES_MAX + 1).read_to_end(&mut text)?;
    let is_number = text.iter().all(|byte| byte.is_ascii_digit() || byte.is_ascii_whitespace() || *byte == 0);
    Ok(is_number && text.len() as u64 <= TEXT_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(path: &Path) -> Option<PidFile> {
        PidFile::write(path.to_str().expect("text"))
    }

    #[test]
    fn only_a_file_that_holds_a_number_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pid");
        for (text, is_replaced) in [("", true), ("4711\n", true), (" 4711\0", true), ("precious", false)] {
            fs::write(&path, text).expect("a file");
            let file = written(&path);
            assert_eq!(file.is_some(), is_replaced, "{text}");
            let expected = if is_replaced { own_text() } else { text.to_owned() };
            assert_eq!(fs::read_to_string(&path).expect("the file"), expected);
            drop(file);
            assert_eq!(path.exists(), !is_replaced);
        }
        assert!(written(folder.path()).is_none(), "a folder");
        fs::remove_file(&path).expect("the file goes");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        assert!(written(&path).is_none(), "a pipe");
    }

    #[test]
    fn file_that_another_server_has_written_meanwhile_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pid");
        let file = written(&path);
        fs::write(&path, "4711\n").expect("a file");
        drop(file);
        assert_eq!(fs::read_to_string(&path).expect("the file"), "4711\n");
        let file = written(&path);
        fs::rename(&path, folder.path().join("moved")).expect("it moves");
        fs::write(&path, own_text()).expect("a file");
        drop(file);
        assert!(path.exists());
    }
}
