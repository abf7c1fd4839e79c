//! Replacing a small file of settings as a whole: whoever reads it sees the old text or the new one, also after a crash.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// Gives a file another text. A file that is there keeps its mode, a new one gets `mode`; a failure leaves nothing behind.
pub fn replace_file(path: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!("-{}.tmp", std::process::id()));
    let written = replace(path, Path::new(&temporary), text, mode);
    if written.is_err() {
        // There may be nothing to remove, and the first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn replace(path: &Path, temporary: &Path, text: &[u8], mode: u32) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(temporary)?;
    if let Ok(old) = fs::metadata(path) {
        file.set_permissions(old.permissions())?;
    }
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(temporary, path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}
