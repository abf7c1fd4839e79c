//! What a name leads to, and what else than a dump it may be.

use std::fs::{self, File};
use std::io::{self, IsTerminal as _, Seek as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::tool::trouble::Trouble;

/// Names of standard input. They are not opened: where they lead to depends on /proc, and a socket cannot be opened.
const STDIN_NAMES: [&str; 4] = ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

const STDIN: &str = "standard input";

/// A stream can be read only once.
static STDIN_IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// Something that can be read.
pub struct Source {
    pub name: PathBuf,
    pub file: File,
    /// It is a file that is to be read from its beginning.
    pub mappable: bool,
}

pub fn is_stdin(path: &Path) -> bool {
    STDIN_NAMES.iter().any(|name| path == Path::new(name))
}

/// Opens what a name leads to, if a dump can come from it.
pub fn open(path: &Path) -> Result<Source, Trouble> {
    if is_stdin(path) {
        return standard_input();
    }
    let failed = |cause| Trouble::Read { name: path.to_path_buf(), cause };
    let missing = |cause: io::Error| match cause.kind() {
        io::ErrorKind::NotFound => Trouble::Missing(path.to_path_buf()),
        _ => failed(cause),
    };
    // Opening a device can do something to it, and a socket cannot be opened.
    let kind = fs::metadata(path).map_err(missing)?.file_type();
    refuse_kind(path, kind)?;
    let file = File::open(path).map_err(missing)?;
    let kind = file.metadata().map_err(failed)?.file_type();
    refuse_kind(path, kind)?;
    Ok(Source { name: path.to_path_buf(), file, mappable: kind.is_file() })
}

fn standard_input() -> Result<Source, Trouble> {
    let name = PathBuf::from(STDIN);
    let failed = |cause| Trouble::Read { name: PathBuf::from(STDIN), cause };
    let stdin = io::stdin();
    if STDIN_IS_TAKEN.swap(true, Ordering::Relaxed) {
        return Err(Trouble::refused(&name, "it can be read only once; give the other dump as a file"));
    }
    if stdin.is_terminal() {
        return Err(Trouble::refused(
            &name,
            "it is a terminal; send a dump into it: zcat dump.rdb.gz | copal-rdb ... -",
        ));
    }
    let mut file = File::from(stdin.as_fd().try_clone_to_owned().map_err(failed)?);
    let kind = file.metadata().map_err(failed)?.file_type();
    // A socket that is open already is read as a pipe is.
    if !kind.is_socket() {
        refuse_kind(&name, kind)?;
    }
    // Somebody may have read the beginning of a file, and means the rest.
    let mappable = kind.is_file() && file.stream_position().map_err(failed)? == 0;
    Ok(Source { name, file, mappable })
}

fn refuse_kind(name: &Path, kind: fs::FileType) -> Result<(), Trouble> {
    let what = if kind.is_dir() {
        "Is a directory; name the dump in it"
    } else if kind.is_socket() {
        "it is a socket; send its bytes into standard input and give - as the file"
    } else if kind.is_char_device() {
        "it is a character device, not a file or a pipe"
    } else if kind.is_block_device() {
        "it is a block device, not a file or a pipe"
    } else {
        return Ok(());
    };
    Err(Trouble::refused(name, what))
}

/// Says which program reads what we do not.
pub fn refuse_other_compression(name: &Path, head: &[u8]) -> Result<(), Trouble> {
    const KINDS: [(&[u8], &str); 5] = [
        (b"\x28\xb5\x2f\xfd", "it is compressed with zstd: zstd -dc FILE | copal-rdb ... -"),
        (b"\xfd7zXZ\0", "it is compressed with xz: xz -dc FILE | copal-rdb ... -"),
        (b"BZh", "it is compressed with bzip2: bzip2 -dc FILE | copal-rdb ... -"),
        (b"\x04\x22\x4d\x18", "it is compressed with lz4: lz4 -dc FILE | copal-rdb ... -"),
        (b"PK\x03\x04", "it is a zip archive: unzip -p FILE | copal-rdb ... -"),
    ];
    match KINDS.iter().find(|(magic, _)| head.starts_with(magic)) {
        Some((_, what)) => Err(Trouble::refused(name, what)),
        None => Ok(()),
    }
}
