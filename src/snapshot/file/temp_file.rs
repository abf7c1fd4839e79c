//! Temp files: what a start, and the parent of a child that has ended, may remove.
//!
//! A process id means nothing in another container or on another host, and a backup may have any name. A start removes
//! only what is surely left over: a regular file whose number can be a process id, that nobody has locked or is
//! writing, that is neither the dump nor a generation of it, and that holds the beginning of a dump without its end.
//! Read record by record, such a file ends in the middle: a whole dump may have other bytes behind it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::dump_file::DumpFile;
use super::lock::{Lock, try_lock};
use super::place::{PID_LIMIT, Place, temp_number_of};
use super::standing::{Identity, identity_of};
use crate::rdb::{self, Records};
use crate::snapshot::process;

/// How long a start watches whether a file grows: servers other than Copal write without a lock.
const WATCH: Duration = Duration::from_millis(100);

/// The first bytes of a dump: these, and four digits for the version.
const MAGIC: &[u8] = b"REDIS";
const HEADER_BYTES: usize = 9;

/// The end mark, and the checksum that files of this version and later have behind it.
const END_MARK: u8 = 0xFF;
const CHECKSUM_BYTES: usize = 8;
const CHECKSUM_SINCE: u32 = 5;

/// What a start did with a file that has the name of a temp file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    Removed,
    /// Why it was left.
    Left(String),
}

/// What a file with the name of a temp file holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contents {
    /// The beginning of a dump without its end, or nothing at all.
    Unfinished,
    /// It ends as a whole dump does.
    Whole,
    /// A whole dump, and other bytes behind its end.
    Followed,
    /// No dump, one of a version that this server does not read, or one that is damaged.
    Foreign,
}

impl Place {
    /// Removes what saves that were cut short have left in the directory. Returns what became of each file that has
    /// the name of a temp file.
    pub fn clear_leftovers(&self) -> Vec<(String, Fate)> {
        let Ok(entries) = std::fs::read_dir(&self.directory) else { return Vec::new() };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let mut found: Vec<_> = names.filter_map(|name| Some((temp_number_of(&name)?, name))).collect();
        found.retain(|(_, name)| *name != self.name && !self.is_generation(name));
        found.sort_unstable();
        let mut watched = false;
        let mut fate = |number, name: &str| {
            let cleared = self.clear_leftover(number, name, &mut watched);
            cleared.unwrap_or_else(|reason| Some(Fate::Left(reason)))
        };
        found
            .into_iter()
            .filter_map(|(number, name)| Some((fate(number, &name)?, name)))
            .map(|(fate, name)| (name, fate))
            .collect()
    }

    /// What becomes of one file, or why it stays; nothing if it is gone meanwhile.
    fn clear_leftover(&self, number: u64, name: &str, watched: &mut bool) -> Result<Option<Fate>, String> {
        let path = self.joined(name);
        let Some(number) = u32::try_from(number).ok().filter(|number| *number <= highest_process_id()) else {
            return Err("no process has such a number".to_owned());
        };
        let Some(leftover) = Leftover::examine(&path)? else { return Ok(None) };
        if number != std::process::id() && process::is_at_work(number) && may_have_open(number, leftover.identity) {
            return Err(format!("process {number} is at work"));
        }
        if leftover.grows(watched) {
            return Err("somebody is writing to it".to_owned());
        }
        leftover.remove().map(Some)
    }
}

/// A file that is surely left over by a save that was cut short. Its lock is ours.
struct Leftover {
    path: PathBuf,
    file: File,
    identity: Identity,
}

impl Leftover {
    /// Looks at the file of this name; nothing if there is none. An error says why it is to be left.
    fn examine(path: &Path) -> Result<Option<Self>, String> {
        // Looked at before it is opened: opening a device may do something.
        match std::fs::symlink_metadata(path) {
            Ok(facts) if facts.is_file() => {}
            Ok(_) => return Err("it is not a regular file".to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("it cannot be looked at: {error}")),
        }
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = match OpenOptions::new().read(true).write(true).custom_flags(flags).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("it cannot be opened: {error}")),
        };
        match try_lock(&file) {
            Lock::Held => {}
            Lock::Taken => return Err("a process is writing it".to_owned()),
            Lock::Unsupported => {
                return Err("this file system has no locks, so a process may be writing it".to_owned());
            }
        }
        let facts = file.metadata().map_err(|error| format!("it cannot be looked at: {error}"))?;
        if !facts.is_file() {
            return Err("it is not a regular file".to_owned());
        }
        match contents_of_file(&file, path, facts.len()).map_err(|error| format!("it cannot be read: {error}"))? {
            Contents::Unfinished => Ok(Some(Self { path: path.to_owned(), file, identity: identity_of(&facts) })),
            Contents::Whole => Err("it ends as a whole dump does".to_owned()),
            Contents::Followed => Err("it is a whole dump, with other bytes behind its end".to_owned()),
            Contents::Foreign => Err("it is not an unfinished dump".to_owned()),
        }
    }

    /// Whether the file grows while we watch. One look serves for all files of a start.
    fn grows(&self, watched: &mut bool) -> bool {
        let state = || self.file.metadata().ok().map(|facts| (facts.len(), facts.mtime(), facts.mtime_nsec()));
        let before = state();
        if !std::mem::replace(watched, true) {
            std::thread::sleep(WATCH);
        }
        before != state()
    }

    /// Removes the file unless its name has gone to another one.
    fn remove(&self) -> Result<Fate, String> {
        match std::fs::symlink_metadata(&self.path) {
            Ok(facts) if identity_of(&facts) == self.identity => remove(&self.path),
            _ => Err("it was replaced meanwhile".to_owned()),
        }
    }
}

/// Removes what a save that was cut short has left under a name, if it is surely that.
pub fn remove_leftover(path: &Path) {
    if let Ok(Some(leftover)) = Leftover::examine(path) {
        // What stays now goes at the next start.
        let _ = leftover.remove();
    }
}

/// Removes a temp file that a process of ours has created and that has ended: the name may be another file's by now.
pub fn remove_own(path: &Path, identity: Identity) -> io::Result<()> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    let file = match OpenOptions::new().write(true).custom_flags(flags).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        result => result?,
    };
    if identity_of(&file.metadata()?) == identity && try_lock(&file) != Lock::Taken {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

fn remove(path: &Path) -> Result<Fate, String> {
    std::fs::remove_file(path).map(|()| Fate::Removed).map_err(|error| format!("it cannot be removed: {error}"))
}

fn contents_of_file(file: &File, path: &Path, bytes: u64) -> io::Result<Contents> {
    let mut head = [0; HEADER_BYTES];
    let head_bytes = bytes.min(HEADER_BYTES as u64) as usize;
    file.read_exact_at(&mut head[..head_bytes], 0)?;
    let mut tail = [0; 1 + CHECKSUM_BYTES];
    let tail_bytes = bytes.min(tail.len() as u64) as usize;
    file.read_exact_at(&mut tail[..tail_bytes], bytes - tail_bytes as u64)?;
    let contents = contents(&head[..head_bytes], &tail[..tail_bytes], bytes);
    // A power cut may leave the length of a file without any of its bytes.
    if contents == Contents::Foreign && holds_only_zeros(file, bytes)? {
        return Ok(Contents::Unfinished);
    }
    if contents == Contents::Unfinished && bytes >= HEADER_BYTES as u64 {
        let dump = DumpFile::map(file, path).map_err(io::Error::other)?;
        return Ok(contents_by_records(dump.bytes()));
    }
    Ok(contents)
}

/// What a file holds that begins as a dump does and does not end as one, by all of its records.
fn contents_by_records(bytes: &[u8]) -> Contents {
    match Records::new(bytes).and_then(|mut records| records.skip_to_end()) {
        Ok(()) => Contents::Followed,
        Err(rdb::Error::UnexpectedEnd { .. }) => Contents::Unfinished,
        Err(_) => Contents::Foreign,
    }
}

fn holds_only_zeros(file: &File, bytes: u64) -> io::Result<bool> {
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    while at < bytes {
        let read = file.read_at(&mut buffer, at)?;
        if read == 0 || buffer[..read].iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        at += read as u64;
    }
    Ok(true)
}

/// What a file holds, by its first and last bytes.
pub fn contents(head: &[u8], tail: &[u8], bytes: u64) -> Contents {
    let magic = head.len().min(MAGIC.len());
    let (name, digits) = head.split_at(magic);
    if name != &MAGIC[..magic] || !digits.iter().all(u8::is_ascii_digit) {
        return Contents::Foreign;
    }
    let version = digits.iter().fold(0, |version, digit| version * 10 + u32::from(digit - b'0'));
    let whole_bytes_min = HEADER_BYTES + 1 + if version < CHECKSUM_SINCE { 0 } else { CHECKSUM_BYTES };
    let end_mark = if version < CHECKSUM_SINCE { tail.last() } else { tail.first() };
    let is_whole = bytes >= whole_bytes_min as u64 && end_mark == Some(&END_MARK);
    if is_whole { Contents::Whole } else { Contents::Unfinished }
}

fn highest_process_id() -> u32 {
    let limit = std::fs::read_to_string("/proc/sys/kernel/pid_max").ok().and_then(|text| text.trim().parse().ok());
    limit.unwrap_or(PID_LIMIT)
}

/// Whether a process has a file open; also if nobody can say. Other servers write their temp files without a lock.
fn may_have_open(pid: u32, identity: Identity) -> bool {
    let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return true };
    entries.flatten().any(|entry| std::fs::metadata(entry.path()).is_ok_and(|facts| identity_of(&facts) == identity))
}

#[cfg(test)]
mod tests {
    use super::super::lock::lock;
    use super::*;

    /// A dump of one key, as it is and without the eight bytes of its checksum set.
    const WHOLE: &[u8] = b"REDIS0011\xfe\x00\x00\x01k\x01v\xff12345678";
    const WITHOUT_SUM: &[u8] = b"REDIS0011\xfe\x00\x00\x01k\x01v\xff\0\0\0\0\0\0\0\0";

    fn contents_of(bytes: &[u8]) -> Contents {
        contents(&bytes[..bytes.len().min(9)], &bytes[bytes.len().saturating_sub(9)..], bytes.len() as u64)
    }

    #[test]
    fn dump_is_unfinished_at_every_length_but_its_own() {
        for whole in [WHOLE, WITHOUT_SUM] {
            assert_eq!(contents_of(whole), Contents::Whole);
            for bytes in 0..whole.len() {
                assert_eq!(contents_of(&whole[..bytes]), Contents::Unfinished, "{bytes} bytes");
            }
        }
        assert_eq!(contents_of(b"REDIS0003\xfe\x00\x00\x01k\x01v\xff"), Contents::Whole, "without a checksum");
        assert_eq!(contents_of(b"REDIS0003\xff"), Contents::Whole);
        for foreign in [&b"a user's own"[..], b"VALKEY080", b"R ", b"REDIS00x1", b"redis0011", b"\0"] {
            assert_eq!(contents_of(foreign), Contents::Foreign, "{}", foreign.escape_ascii());
        }
    }

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a folder"))
        }

        fn place(&self, name: &str) -> Place {
            Place { directory: self.0.path().to_owned(), name: name.to_owned(), keep: 0 }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
            std::fs::write(self.path(name), bytes).expect("a file");
            self.path(name)
        }

        /// The fate of a file, which is there afterwards unless it was removed.
        #[track_caller]
        fn fate(&self, name: &str) -> Fate {
            let all = self.place("dump.rdb").clear_leftovers();
            let (_, fate) = all.into_iter().find(|(found, _)| found == name).expect("its fate is listed");
            assert_eq!(std::fs::symlink_metadata(self.path(name)).is_ok(), fate != Fate::Removed);
            fate
        }

        #[track_caller]
        fn assert_left(&self, name: &str, reason: &str) {
            let Fate::Left(reported) = self.fate(name) else { panic!("{name} was removed") };
            assert!(reported.contains(reason), "{name}: {reported}");
        }
    }

    /// A number that a process can have and that none has now.
    const NUMBER: &str = "temp-29999.rdb";

    #[test]
    fn what_a_save_leaves_that_was_cut_short_is_removed() {
        let folder = Folder::new();
        let holed = [&WHOLE[..10], &[0; 5000]].concat();
        for bytes in [&b""[..], b"RED", b"REDIS0011", &WHOLE[..WHOLE.len() - 3], &[0; 5000], &holed] {
            folder.put(NUMBER, bytes);
            assert_eq!(folder.fate(NUMBER), Fate::Removed, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_is_not_surely_left_over_stays() {
        let folder = Folder::new();
        let unfinished = &WHOLE[..12];
        for (bytes, reason) in [
            (WHOLE, "ends as a whole dump"),
            (WITHOUT_SUM, "ends as a whole dump"),
            (&[WHOLE, b"\n"].concat(), "a whole dump, with other bytes"),
            (&[WITHOUT_SUM, &[0; 4096]].concat(), "a whole dump, with other bytes"),
            (&[WHOLE, b"*1\r\n$4\r\nPING\r\n"].concat(), "a whole dump, with other bytes"),
            (b"REDIS0003\xfe\x00\x00\x01k\x01v\xff\n", "a whole dump, with other bytes"),
            (b"a user's own", "not an unfinished dump"),
            (b"\0\0\0\0\0x", "not an unfinished dump"),
            // Of a version after those that are known, nobody can say where it ends.
            (b"REDIS0099\xfe\x00\x00\x01k\x01v", "not an unfinished dump"),
            (b"VALKEY080\xfe\x00\x00\x01k\x01v", "not an unfinished dump"),
            // A type that is not known, as later servers have them.
            (b"REDIS0012\xfe\x00\x64\x01k\x01v", "not an unfinished dump"),
            (b"\x1f\x8b\x08\0\0\0\0\0\0\x03REDIS", "not an unfinished dump"),
        ] {
            folder.put(NUMBER, bytes);
            folder.assert_left(NUMBER, reason);
        }
        std::fs::remove_file(folder.path(NUMBER)).expect("the file goes");
        std::fs::create_dir(folder.path(NUMBER)).expect("a folder");
        folder.assert_left(NUMBER, "not a regular file");
        std::fs::remove_dir(folder.path(NUMBER)).expect("the folder goes");
        let elsewhere = folder.put("elsewhere", unfinished);
        std::os::unix::fs::symlink(&elsewhere, folder.path(NUMBER)).expect("a link");
        folder.assert_left(NUMBER, "not a regular file");
        std::fs::remove_file(folder.path(NUMBER)).expect("the link goes");
        nix::unistd::mkfifo(&folder.path(NUMBER), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
        folder.assert_left(NUMBER, "not a regular file");
        let too_high = format!("temp-{}.rdb", u64::from(highest_process_id()) + 1);
        for name in [&too_high, "temp-20261128170000.rdb", "temp-99999999999999999999999.rdb"] {
            folder.put(name, unfinished);
            folder.assert_left(name, "no process has such a number");
        }
    }

    #[test]
    fn dump_that_has_the_name_of_a_temp_file_stays() {
        let folder = Folder::new();
        folder.put(NUMBER, &WHOLE[..12]);
        assert_eq!(folder.place(NUMBER).clear_leftovers(), []);
        assert!(folder.path(NUMBER).exists());
        assert!(
            folder.place(&format!("temp-{}.rdb", std::process::id())).temp_numbers().all(|n| n != std::process::id())
        );
    }

    #[test]
    fn file_that_somebody_writes_stays_until_he_is_gone() {
        let folder = Folder::new();
        let writer = File::options().write(true).open(folder.put(NUMBER, b"REDIS0011")).expect("the file");
        assert_eq!(lock(&writer), Lock::Held);
        folder.assert_left(NUMBER, "a process is writing it");
        drop(writer);
        assert_eq!(folder.fate(NUMBER), Fate::Removed);
    }

    #[test]
    fn file_that_grows_without_a_lock_stays() {
        use std::io::Write as _;
        let folder = Folder::new();
        let mut writer = File::options().append(true).open(folder.put(NUMBER, b"REDIS0011")).expect("the file");
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(Duration::from_millis(1)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                writer.write_all(b"x").expect("the file takes it");
            }
        });
        folder.assert_left(NUMBER, "somebody is writing to it");
        drop(stop);
        thread.join().expect("the thread ends");
    }

    #[test]
    fn file_that_the_process_of_its_number_has_open_stays() {
        let folder = Folder::new();
        let name = NUMBER;
        let file = File::open(folder.put(name, b"REDIS0011")).expect("the file");
        let mut child = std::process::Command::new("sleep").arg("60").stdin(file).spawn().expect("a process");
        let own = format!("temp-{}.rdb", child.id());
        std::fs::rename(folder.path(name), folder.path(&own)).expect("it is renamed");
        folder.assert_left(&own, "is at work");
        child.kill().expect("our own child");
        child.wait().expect("our own child");
        assert_eq!(folder.fate(&own), Fate::Removed);
    }

    #[test]
    fn temp_file_of_our_own_is_removed_and_another_under_its_name_is_not() {
        let folder = Folder::new();
        let path = folder.put(NUMBER, WHOLE);
        let identity = identity_of(&std::fs::metadata(&path).expect("a file"));
        remove_own(&path, (identity.0, identity.1 + 1)).expect("nothing fails");
        assert!(path.exists());
        remove_own(&path, identity).expect("nothing fails");
        assert!(!path.exists());
        remove_own(&path, identity).expect("that it is gone is no error");
    }
}
