//! Where results go: standard output, or a file that appears when it is whole.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::trouble::Trouble;
use crate::rdb::Sink;

const BUFFER_BYTES: usize = 1 << 20;

/// A place to write to. A file that is dropped before [`Output::finish`] was never there.
pub struct Output {
    name: String,
    target: Target,
}

enum Target {
    Stdout(BufWriter<io::Stdout>),
    File(Replacement),
}

/// A file on its way to its name.
struct Replacement {
    path: PathBuf,
    temp: PathBuf,
    file: BufWriter<File>,
    pending: bool,
}

impl Output {
    pub fn stdout() -> Self {
        let target = Target::Stdout(BufWriter::with_capacity(BUFFER_BYTES, io::stdout()));
        Self { name: "standard output".to_owned(), target }
    }

    /// `-` is standard output. A file must not be one of the inputs, nor be there already unless that is `force`d.
    pub fn create(path: &Path, inputs: &[&Path], force: bool) -> Result<Self, Trouble> {
        if path == Path::new("-") {
            return Ok(Self::stdout());
        }
        if inputs.iter().any(|input| is_same_file(input, path)) {
            return Err(Trouble::OverInput(path.to_path_buf()));
        }
        if !force && fs::symlink_metadata(path).is_ok() {
            return Err(Trouble::Exists(path.to_path_buf()));
        }
        let name = path.display().to_string();
        let target = Replacement::create(path).map_err(|cause| Trouble::write(&name, cause))?;
        Ok(Self { name, target: Target::File(target) })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Turns what a write to this place answered into what a subcommand answers.
    pub fn written<T>(&self, result: io::Result<T>) -> Result<T, Trouble> {
        result.map_err(|cause| Trouble::write(&self.name, cause))
    }

    /// Brings everything to its place; a file is on the disk afterwards.
    pub fn finish(self) -> Result<(), Trouble> {
        let result = match self.target {
            Target::Stdout(mut out) => out.flush(),
            Target::File(replacement) => replacement.commit(),
        };
        result.map_err(|cause| Trouble::write(&self.name, cause))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.target {
            Target::Stdout(out) => out.write(bytes),
            Target::File(replacement) => replacement.file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.target {
            Target::Stdout(out) => out.flush(),
            Target::File(replacement) => replacement.file.flush(),
        }
    }
}

impl Sink for Output {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        Write::write_all(self, bytes)
    }
}

impl Replacement {
    fn create(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut temp_name = OsString::from(".");
        temp_name.push(name);
        temp_name.push(format!(".{}.part", std::process::id()));
        let temp = path.with_file_name(temp_name);
        let file = OpenOptions::new().write(true).create_new(true).open(&temp)?;
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(Self { path: path.to_path_buf(), temp, file, pending: true })
    }

    fn commit(mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        fs::rename(&self.temp, &self.path)?;
        self.pending = false;
        let directory = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        match File::open(directory)?.sync_all() {
            // Some file systems cannot sync a directory.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            result => result,
        }
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if self.pending {
            // Nothing better can be done about a part that cannot be removed.
            let _ = fs::remove_file(&self.temp);
        }
    }
}

/// Whether both names lead to one file, through whatever links.
fn is_same_file(left: &Path, right: &Path) -> bool {
    match (fs::metadata(left), fs::metadata(right)) {
        (Ok(left), Ok(right)) => (left.dev(), left.ino()) == (right.dev(), right.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_appears_whole_or_not_at_all_and_never_over_the_input() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        let names = || fs::read_dir(directory.path()).expect("a directory").count();
        fs::write(path("in"), "input").expect("a file");
        std::os::unix::fs::symlink(path("in"), path("link")).expect("a link");
        for force in [false, true] {
            for name in ["in", "link"] {
                let refused = Output::create(&path(name), &[&path("in")], force);
                assert!(matches!(refused, Err(Trouble::OverInput(_))), "{name}");
            }
        }
        let mut dropped = Output::create(&path("out"), &[&path("in")], false).expect("an output");
        Write::write_all(&mut dropped, b"half").expect("written");
        drop(dropped);
        assert_eq!(names(), 2);

        for (text, force) in [("first", false), ("second", true)] {
            let mut out = Output::create(&path("out"), &[&path("in")], force).expect("an output");
            Write::write_all(&mut out, text.as_bytes()).expect("written");
            out.finish().expect("finished");
            assert_eq!(fs::read(path("out")).expect("a file"), text.as_bytes());
            assert!(matches!(Output::create(&path("out"), &[], false), Err(Trouble::Exists(_))));
        }
        assert_eq!(names(), 3);
    }
}
