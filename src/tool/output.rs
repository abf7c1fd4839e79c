//! Where results go: standard output, or a file that appears when it is whole.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::linkat;

use super::input::Input;
use super::trouble::Trouble;
use crate::rdb::Sink;

const BUFFER_BYTES: usize = 1 << 20;

/// Names of standard output.
const STDOUT_NAMES: [&str; 4] = ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];

const TEMP_ATTEMPTS_MAX: u32 = 100;

/// A place to write to. A file that is dropped before [`Output::finish`] was never there.
pub struct Output {
    name: String,
    target: Target,
}

enum Target {
    Stdout(BufWriter<io::Stdout>),
    Stderr(BufWriter<io::Stderr>),
    /// A pipe or a device, which keeps its place.
    Stream(BufWriter<File>),
    File(Replacement),
}

/// A file on its way to its name.
struct Replacement {
    path: PathBuf,
    file: BufWriter<File>,
    /// The name that the file has meanwhile. Where it can do without one, nothing is left of it if the process is killed.
    temp: Option<PathBuf>,
    /// May take the place of a file that is there.
    force: bool,
}

impl Output {
    pub fn stdout() -> Self {
        let target = Target::Stdout(BufWriter::with_capacity(BUFFER_BYTES, io::stdout()));
        Self { name: "standard output".to_owned(), target }
    }

    /// `-` is standard output. A file must not be one of the inputs, nor be there already unless that is `force`d.
    /// A pipe or a device is written to, never replaced.
    pub fn create(path: &Path, inputs: &[&Input], force: bool) -> Result<Self, Trouble> {
        let is_input = |metadata: &fs::Metadata| {
            metadata.is_file() && inputs.iter().any(|input| input.identity() == (metadata.dev(), metadata.ino()))
        };
        if STDOUT_NAMES.iter().any(|name| path == Path::new(name)) {
            // Appended to itself, a file would never end.
            let duplicate = io::stdout().as_fd().try_clone_to_owned().map(File::from);
            return match duplicate.and_then(|file| file.metadata()) {
                Ok(metadata) if is_input(&metadata) => Err(Trouble::OverInput(PathBuf::from("standard output"))),
                _ => Ok(Self::stdout()),
            };
        }
        let name = path.display().to_string();
        let failed = |cause| Trouble::write(&name, cause);
        match fs::metadata(path) {
            Ok(metadata) if is_input(&metadata) => return Err(Trouble::OverInput(path.to_path_buf())),
            Ok(metadata) if metadata.is_dir() => return Err(failed(io::Error::from_raw_os_error(libc::EISDIR))),
            Ok(metadata) if !metadata.is_file() => {
                let file = OpenOptions::new().write(true).open(path).map_err(failed)?;
                let target = Target::Stream(BufWriter::with_capacity(BUFFER_BYTES, file));
                return Ok(Self { name, target });
            }
            _ => {}
        }
        if !force && fs::symlink_metadata(path).is_ok() {
            return Err(Trouble::Exists(path.to_path_buf()));
        }
        let target = Replacement::create(path, force).map_err(failed)?;
        Ok(Self { name, target: Target::File(target) })
    }

    pub fn is_terminal(&self) -> bool {
        matches!(&self.target, Target::Stdout(out) if out.get_ref().is_terminal())
    }

    /// Whether it goes to standard output.
    pub fn is_stdout(&self) -> bool {
        matches!(self.target, Target::Stdout(_))
    }

    pub fn stderr() -> Self {
        let target = Target::Stderr(BufWriter::new(io::stderr()));
        Self { name: "standard error".to_owned(), target }
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
            Target::Stderr(mut out) => out.flush(),
            Target::Stream(mut out) => out.flush(),
            Target::File(replacement) => {
                let path = replacement.path.clone();
                match replacement.commit() {
                    Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => return Err(Trouble::Exists(path)),
                    result => result,
                }
            }
        };
        result.map_err(|cause| Trouble::write(&self.name, cause))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.target {
            Target::Stdout(out) => out.write(bytes),
            Target::Stderr(out) => out.write(bytes),
            Target::Stream(out) => out.write(bytes),
            Target::File(replacement) => replacement.file.write(bytes),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.target {
            Target::Stdout(out) => out.write_all(bytes),
            Target::Stderr(out) => out.write_all(bytes),
            Target::Stream(out) => out.write_all(bytes),
            Target::File(replacement) => replacement.file.write_all(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.target {
            Target::Stdout(out) => out.flush(),
            Target::Stderr(out) => out.flush(),
            Target::Stream(out) => out.flush(),
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
    fn create(path: &Path, force: bool) -> io::Result<Self> {
        let (path, directory) = (path.to_path_buf(), directory_of(path));
        path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let unnamed = OpenOptions::new().write(true).custom_flags(libc::O_TMPFILE).open(directory);
        if let Ok(file) = unnamed
            && fs::metadata(open_file(&file)).is_ok()
        {
            return Ok(Self { path, file: BufWriter::with_capacity(BUFFER_BYTES, file), temp: None, force });
        }
        let (temp, file) = with_free_name(&path, |temp| OpenOptions::new().write(true).create_new(true).open(temp))?;
        Ok(Self { path, file: BufWriter::with_capacity(BUFFER_BYTES, file), temp: Some(temp), force })
    }

    fn commit(mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        if !self.force {
            self.name_unless_taken()?;
        } else {
            let temp = self.named()?;
            fs::rename(temp, &self.path)?;
            self.temp = None;
        }
        match File::open(directory_of(&self.path))?.sync_all() {
            // Some file systems cannot sync a directory.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            result => result,
        }
    }

    /// The temporary name, which a file without one is given.
    fn named(&mut self) -> io::Result<PathBuf> {
        if let Some(temp) = &self.temp {
            return Ok(temp.clone());
        }
        let from = open_file(self.file.get_ref());
        let (temp, ()) = with_free_name(&self.path, |temp| link(&from, temp))?;
        self.temp = Some(temp.clone());
        Ok(temp)
    }

    /// Somebody may have made a file of this name meanwhile, which a second name never replaces and a rename would.
    fn name_unless_taken(&mut self) -> io::Result<()> {
        let Some(temp) = &self.temp else { return link(&open_file(self.file.get_ref()), &self.path) };
        match fs::hard_link(temp, &self.path) {
            // The temporary name goes when this is dropped.
            Ok(()) => Ok(()),
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => Err(cause),
            // Some file systems know no second name.
            Err(_) => {
                if fs::symlink_metadata(&self.path).is_ok() {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                fs::rename(temp, &self.path)?;
                self.temp = None;
                Ok(())
            }
        }
    }
}

/// Where an open file can be found, whether it has a name or not.
fn open_file(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// Gives a file a name, and follows the link that leads to it in /proc.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    Ok(linkat(AT_FDCWD, from, AT_FDCWD, to, AtFlags::AT_SYMLINK_FOLLOW)?)
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes something of a name beside `path` that nobody has. Process ids would come again, in containers with each start.
fn with_free_name<T>(path: &Path, make: impl Fn(&Path) -> io::Result<T>) -> io::Result<(PathBuf, T)> {
    for _ in 0..TEMP_ATTEMPTS_MAX {
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(format!(".{:08x}.part", fastrand::u32(..)));
        let temp = path.with_file_name(name);
        match make(&temp) {
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|made| (temp, made)),
        }
    }
    Err(io::Error::other("no name is free for a temporary file beside it"))
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if let Some(temp) = &self.temp {
            // Nothing better can be done about a part that cannot be removed.
            let _ = fs::remove_file(temp);
        }
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
        let input = Input::open(&path("in")).expect("an input");
        for force in [false, true] {
            for name in ["in", "link"] {
                let refused = Output::create(&path(name), &[&input], force);
                assert!(matches!(refused, Err(Trouble::OverInput(_))), "{name}");
            }
        }
        let mut dropped = Output::create(&path("out"), &[&input], false).expect("an output");
        Write::write_all(&mut dropped, b"half").expect("written");
        drop(dropped);
        assert_eq!(names(), 2);

        for (text, force) in [("first", false), ("second", true)] {
            let mut out = Output::create(&path("out"), &[&input], force).expect("an output");
            Write::write_all(&mut out, text.as_bytes()).expect("written");
            out.finish().expect("finished");
            assert_eq!(fs::read(path("out")).expect("a file"), text.as_bytes());
            assert!(matches!(Output::create(&path("out"), &[], false), Err(Trouble::Exists(_))));
        }
        assert_eq!(names(), 3);
    }

    #[test]
    fn a_file_that_appeared_meanwhile_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("out");
        let mut out = Output::create(&path, &[], false).expect("an output");
        Write::write_all(&mut out, b"ours").expect("written");
        fs::write(&path, "theirs").expect("a file");
        assert!(matches!(out.finish(), Err(Trouble::Exists(_))));
        assert_eq!(fs::read(&path).expect("a file"), b"theirs");
        assert_eq!(fs::read_dir(directory.path()).expect("a directory").count(), 1);
    }

    #[test]
    fn devices_and_directories_are_never_replaced() {
        use std::os::unix::fs::FileTypeExt as _;
        let directory = tempfile::tempdir().expect("a directory");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("/dev/null", &link).expect("a link");
        for force in [false, true] {
            let mut out = Output::create(&link, &[], force).expect("a device can be written to");
            Write::write_all(&mut out, b"text").expect("written");
            out.finish().expect("finished");
            assert!(fs::metadata(&link).expect("the link").file_type().is_char_device());
            assert!(matches!(Output::create(directory.path(), &[], force), Err(Trouble::Write { .. })));
        }
    }
}
