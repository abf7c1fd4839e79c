//! A disk in memory that knows what a power cut may leave of it; for tests only.
//!
//! Bytes are safe once their file was synced, names once their directory was. Of what is not safe yet, any part may
//! have reached the disk in any order: some pages of a file and not others, a page in half, a length without its
//! bytes, one name's change and not the one before it. [`Moment::survivors`] makes all of these.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::rc::Rc;

use bytes::Bytes;

use crate::snapshot::file::temp_file::{self, Contents};
use crate::snapshot::file::{Access, FileSystem, Identity, Kind, Lock, OpenFile, Standing};

/// What reaches the disk whole or, at worst, in half.
const PAGE_BYTES: usize = 4096;

/// Subsets of so many waiting pages are tried in full; more do not occur here.
const WAITING_PAGES_MAX: usize = 8;

/// What is where a page was never written: nothing, or what the disk held before.
const FILLERS: [u8; 2] = [0, 0xA5];

/// Time of the first file, in milliseconds since 1970.
const FIRST_MS: i64 = 1_700_000_000_000;

/// Bytes by name.
pub type Files = BTreeMap<String, Vec<u8>>;

/// Names by file, and the bytes of each file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Remains {
    names: BTreeMap<String, usize>,
    bytes: BTreeMap<usize, Vec<u8>>,
    modified_ms: BTreeMap<usize, i64>,
}

impl Remains {
    pub fn files(&self) -> Files {
        self.names.iter().map(|(name, file)| (name.clone(), self.bytes[file].clone())).collect()
    }
}

/// When a call goes wrong, which, and how far it has come by then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault {
    pub call: usize,
    pub errno: i32,
    pub effect: Effect,
    /// All calls after it go wrong too, without effect.
    pub lasting: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    None,
    /// Of a write, the first half; of other calls, nothing.
    Half,
    /// All that was asked for: only the answer is wrong.
    Whole,
}

/// Every call that may go wrong, with every way in which it may, and none at all.
pub fn all_faults(calls: usize) -> impl Iterator<Item = Option<Fault>> {
    let errnos = [libc::EIO, libc::ENOSPC, libc::EDQUOT, libc::EROFS];
    let effects = [(Effect::None, false), (Effect::Half, false), (Effect::Whole, false), (Effect::Half, true)];
    let all = (0..calls).flat_map(move |call| {
        let errno = errnos[call % errnos.len()];
        effects.map(|(effect, lasting)| Some(Fault { call, errno, effect, lasting }))
    });
    std::iter::once(None).chain(all)
}

/// The disk.
#[derive(Clone, Debug)]
pub struct SimulatedDisk(Rc<RefCell<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    safe_names: BTreeMap<String, usize>,
    waiting: Vec<NameChange>,
    now_ms: i64,
    tick_ms: i64,
    calls: Vec<&'static str>,
    fault: Option<Fault>,
    /// Calls of this name are answered and not done: against such a disk the checks must fail.
    broken: Option<&'static str>,
    /// The call after which another server starts on the same disk.
    other_start: Option<usize>,
    moments: Vec<Moment>,
}

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    safe: Vec<u8>,
    waiting: Vec<Page>,
    modified_ms: i64,
    is_locked: bool,
}

#[derive(Clone, Debug)]
struct Page {
    offset: usize,
    bytes: Vec<u8>,
}

#[derive(Clone, Debug)]
enum NameChange {
    Given(String, usize),
    Removed(String),
    Renamed { from: String, to: String, file: usize },
}

/// The disk after a call.
#[derive(Clone, Debug)]
pub struct Moment {
    pub call: usize,
    files: Vec<File>,
    safe_names: BTreeMap<String, usize>,
    waiting: Vec<NameChange>,
}

impl SimulatedDisk {
    /// An empty disk, on which each change is so many milliseconds after the one before.
    pub fn new(tick_ms: i64) -> Self {
        Self::after(&Remains::default(), tick_ms)
    }

    /// The disk that a restart finds.
    pub fn after(remains: &Remains, tick_ms: i64) -> Self {
        let mut state = State { now_ms: FIRST_MS, tick_ms, ..State::default() };
        let mut places = BTreeMap::new();
        for (file, bytes) in &remains.bytes {
            places.insert(*file, state.files.len());
            let (bytes, safe) = (bytes.clone(), bytes.clone());
            let modified_ms = remains.modified_ms[file];
            state.now_ms = state.now_ms.max(modified_ms + tick_ms);
            state.files.push(File { bytes, safe, modified_ms, ..File::default() });
        }
        state.names = remains.names.iter().map(|(name, file)| (name.clone(), places[file])).collect();
        state.safe_names = state.names.clone();
        Self(Rc::new(RefCell::new(state)))
    }

    /// A disk of its own that holds the same.
    pub fn copy(&self) -> Self {
        Self(Rc::new(RefCell::new(self.0.borrow().clone())))
    }

    /// As running programs see it.
    pub fn files(&self) -> Files {
        let state = self.0.borrow();
        state.names.iter().map(|(name, file)| (name.clone(), state.files[*file].bytes.clone())).collect()
    }

    /// Everything reaches the disk, and what was done so far is forgotten.
    pub fn settle(&self) {
        let mut state = self.0.borrow_mut();
        for file in &mut state.files {
            file.safe = file.bytes.clone();
            file.waiting.clear();
        }
        state.safe_names = state.names.clone();
        state.waiting.clear();
        state.forget();
    }

    /// The same without anything reaching the disk: what goes wrong from here on is counted anew.
    pub fn go_on(&self) {
        self.0.borrow_mut().forget();
    }

    pub fn fail(&self, fault: Fault) {
        self.0.borrow_mut().fault = Some(fault);
    }

    pub fn break_call(&self, name: &'static str) {
        self.0.borrow_mut().broken = Some(name);
    }

    /// Another server starts after this call, and clears away what it takes for left over.
    pub fn start_another_after(&self, call: usize) {
        self.0.borrow_mut().other_start = Some(call);
    }

    /// A file that somebody else has put there.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let state = &mut *self.0.borrow_mut();
        let (bytes, safe) = (bytes.to_vec(), bytes.to_vec());
        state.names.insert(name.to_owned(), state.files.len());
        state.files.push(File { bytes, safe, modified_ms: state.now_ms, ..File::default() });
        state.safe_names = state.names.clone();
    }

    /// Replaces bytes in place, as nobody should.
    pub fn damage(&self, name: &str) {
        let mut state = self.0.borrow_mut();
        let file = state.names[name];
        let middle = state.files[file].bytes.len() / 2;
        state.files[file].bytes[middle] ^= 0xFF;
        state.files[file].safe = state.files[file].bytes.clone();
    }

    pub fn calls(&self) -> Vec<&'static str> {
        self.0.borrow().calls.clone()
    }

    /// The disk after each call since it last settled or went on.
    pub fn moments(&self) -> Vec<Moment> {
        self.0.borrow().moments.clone()
    }

    fn perform<T>(&self, name: &'static str, act: impl FnOnce(&mut State, Effect) -> io::Result<T>) -> io::Result<T> {
        let state = &mut *self.0.borrow_mut();
        let call = state.calls.len();
        state.calls.push(name);
        state.now_ms += state.tick_ms;
        let fault = state.fault.filter(|fault| fault.call == call || fault.lasting && fault.call < call);
        let result = match fault {
            Some(Fault { effect, errno, .. }) => {
                if fault.is_some_and(|fault| fault.call == call) && effect != Effect::None {
                    let _ = act(state, effect);
                }
                Err(io::Error::from_raw_os_error(errno))
            }
            None => act(state, Effect::Whole),
        };
        if state.other_start == Some(call) {
            state.clear_leftovers();
        }
        let (files, safe_names, waiting) = (state.files.clone(), state.safe_names.clone(), state.waiting.clone());
        state.moments.push(Moment { call, files, safe_names, waiting });
        result
    }
}

impl State {
    fn forget(&mut self) {
        self.calls.clear();
        self.fault = None;
        self.other_start = None;
        self.moments.clear();
    }

    fn clear_leftovers(&mut self) {
        let names: Vec<_> = self.names.keys().filter(|name| name.starts_with("temp-")).cloned().collect();
        for name in names {
            self.clear_leftover(&name);
        }
    }

    fn clear_leftover(&mut self, name: &str) {
        let is_leftover = |file: &File| !file.is_locked && is_unfinished(&file.bytes);
        if self.names.get(name).is_some_and(|file| is_leftover(&self.files[*file])) {
            let _ = self.take(name);
        }
    }

    fn file(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::Error::from_raw_os_error(libc::ENOENT))
    }

    fn give(&mut self, name: String, file: usize) {
        self.names.insert(name.clone(), file);
        self.waiting.push(NameChange::Given(name, file));
    }

    fn take(&mut self, name: &str) -> io::Result<()> {
        self.file(name)?;
        self.names.remove(name);
        self.waiting.push(NameChange::Removed(name.to_owned()));
        Ok(())
    }

    fn write(&mut self, file: usize, bytes: &[u8]) {
        let now_ms = self.now_ms;
        let file = &mut self.files[file];
        file.modified_ms = now_ms;
        for part in bytes.chunks(PAGE_BYTES) {
            file.waiting.push(Page { offset: file.bytes.len(), bytes: part.to_vec() });
            file.bytes.extend_from_slice(part);
        }
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().expect("a name").to_str().expect("text").to_owned()
}

impl FileSystem for SimulatedDisk {
    fn create(&self, path: &Path, _mode: u32) -> io::Result<Box<dyn OpenFile>> {
        let file = self.perform("create", |state, effect| {
            let name = name_of(path);
            if effect == Effect::Half {
                return Ok(0);
            }
            let present = state.names.get(&name).copied();
            if let (Some(file), Some("create")) = (present, state.broken) {
                // Emptied in place, under all its names.
                state.files[file] = File { modified_ms: state.now_ms, ..File::default() };
                return Ok(file);
            }
            if present.is_some() {
                return Err(io::Error::from_raw_os_error(libc::EEXIST));
            }
            let file = state.files.len();
            state.files.push(File { modified_ms: state.now_ms, ..File::default() });
            state.give(name, file);
            Ok(file)
        })?;
        Ok(Box::new(Handle { disk: self.clone(), file }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.perform("rename", |state, effect| {
            let (from, to) = (name_of(from), name_of(to));
            let file = state.file(&from)?;
            // Two names of one file: the system does nothing.
            if effect != Effect::Half && state.names.get(&to) != Some(&file) {
                state.names.remove(&from);
                state.names.insert(to.clone(), file);
                state.waiting.push(NameChange::Renamed { from, to, file });
            }
            Ok(())
        })
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.perform("link", |state, effect| {
            let file = state.file(&name_of(from))?;
            if state.names.contains_key(&name_of(to)) {
                return Err(io::Error::from_raw_os_error(libc::EEXIST));
            }
            if effect == Effect::Whole {
                state.give(name_of(to), file);
            }
            Ok(())
        })
    }

    fn sync_directory(&self, _path: &Path) -> io::Result<()> {
        self.perform("sync directory", |state, effect| {
            if effect == Effect::Whole && state.broken != Some("sync directory") {
                state.safe_names = state.names.clone();
                state.waiting.clear();
            }
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.perform("remove", |state, effect| match effect {
            Effect::Whole => state.take(&name_of(path)),
            _ => state.file(&name_of(path)).map(drop),
        })
    }

    fn remove_leftover(&self, path: &Path) {
        let _ = self.perform("remove leftover", |state, _| {
            state.clear_leftover(&name_of(path));
            Ok(())
        });
    }

    fn read(&self, path: &Path) -> io::Result<Bytes> {
        self.perform("read", |state, _| {
            let file = state.file(&name_of(path))?;
            Ok(Bytes::copy_from_slice(&state.files[file].bytes))
        })
    }

    fn look_at(&self, path: &Path) -> io::Result<Option<Standing>> {
        self.perform("look at", |state, _| {
            Ok(state.names.get(&name_of(path)).map(|file| Standing {
                identity: (1, *file as u64),
                kind: Kind::File,
                modified_unix_ms: state.files[*file].modified_ms,
            }))
        })
    }

    fn names(&self, _directory: &Path) -> io::Result<Vec<String>> {
        self.perform("names", |state, _| Ok(state.names.keys().cloned().collect()))
    }
}

/// A file that is being written.
struct Handle {
    disk: SimulatedDisk,
    file: usize,
}

impl OpenFile for Handle {
    fn lock(&mut self) -> Lock {
        let file = self.file;
        let locked = self.disk.perform("lock", |state, _| {
            // A lock that is not kept is none.
            state.files[file].is_locked = state.broken != Some("lock");
            Ok(())
        });
        locked.map_or(Lock::Unsupported, |()| Lock::Held)
    }

    fn identity(&self) -> io::Result<Identity> {
        Ok((1, self.file as u64))
    }

    fn set_access(&mut self, _access: &Access) -> io::Result<()> {
        Ok(())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let file = self.file;
        self.disk.perform("write", |state, effect| {
            let written = if effect == Effect::Half { bytes.len() / 2 } else { bytes.len() };
            state.write(file, &bytes[..written]);
            Ok(())
        })
    }

    fn begin_writeback(&mut self, _offset: u64, _bytes: u64) {}

    fn sync(&mut self) -> io::Result<()> {
        let file = self.file;
        self.disk.perform("sync", |state, effect| {
            if effect == Effect::Whole && state.broken != Some("sync") {
                state.files[file].safe = state.files[file].bytes.clone();
                state.files[file].waiting.clear();
            }
            Ok(())
        })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.disk.0.borrow_mut().files[self.file].is_locked = false;
    }
}

/// Whether a file is what a start takes away.
pub fn is_unfinished(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(9)];
    let tail = &bytes[bytes.len() - head.len()..];
    bytes.iter().all(|byte| *byte == 0) || temp_file::contents(head, tail, bytes.len() as u64) == Contents::Unfinished
}

impl Moment {
    /// Everything that a restart may find if the power is cut now.
    pub fn survivors(&self) -> BTreeSet<Remains> {
        let mut survivors = BTreeSet::new();
        for names in self.surviving_names() {
            let modified_ms = names.values().map(|file| (*file, self.files[*file].modified_ms)).collect();
            let mut all = vec![Remains { names: names.clone(), bytes: BTreeMap::new(), modified_ms }];
            for (name, file) in &names {
                // A start looks at both ends of a temp file, and nobody at more of it.
                let versions = match name.starts_with("temp-") {
                    true => self.files[*file].surviving_ends(),
                    false => self.files[*file].surviving_bytes(),
                };
                all = combined(&all, *file, &versions);
            }
            survivors.extend(all);
        }
        survivors
    }

    /// Each part of the waiting changes of names, renames also in half: the new name is there and the old one still.
    fn surviving_names(&self) -> BTreeSet<BTreeMap<String, usize>> {
        let mut all = BTreeSet::from([self.safe_names.clone()]);
        for change in &self.waiting {
            for names in all.clone() {
                let mut changed = names;
                match change {
                    NameChange::Given(name, file) => drop(changed.insert(name.clone(), *file)),
                    NameChange::Removed(name) => drop(changed.remove(name)),
                    NameChange::Renamed { from, to, file } => {
                        changed.insert(to.clone(), *file);
                        all.insert(changed.clone());
                        if changed.get(from) == Some(file) {
                            changed.remove(from);
                        }
                    }
                }
                all.insert(changed);
            }
        }
        all
    }
}

/// Each of the remains with each version of a file.
fn combined(all: &[Remains], file: usize, versions: &[Vec<u8>]) -> Vec<Remains> {
    let with = |remains: &Remains, version: &Vec<u8>| {
        let mut remains = remains.clone();
        remains.bytes.entry(file).or_insert_with(|| version.clone());
        remains
    };
    all.iter().flat_map(|remains| versions.iter().map(move |version| with(remains, version))).collect()
}

impl File {
    fn surviving_ends(&self) -> Vec<Vec<u8>> {
        let (bytes, half) = (&self.bytes, self.bytes.len() / 2);
        let mut cut = bytes.clone();
        cut[half..].fill(0);
        let mut headless = bytes.clone();
        headless[..half].fill(0);
        let versions = [bytes.clone(), self.safe.clone(), vec![0; bytes.len()], cut, headless];
        // What is safe stays as it is.
        let versions: BTreeSet<_> = if self.waiting.is_empty() { [bytes.clone()].into() } else { versions.into() };
        versions.into_iter().collect()
    }

    fn surviving_bytes(&self) -> Vec<Vec<u8>> {
        assert!(self.waiting.len() <= WAITING_PAGES_MAX, "{} pages are waiting", self.waiting.len());
        let mut versions = BTreeSet::from([self.safe.clone(), self.bytes.clone()]);
        for chosen in 0..1usize << self.waiting.len() {
            let is_chosen = |at: &usize| chosen >> at & 1 == 1;
            for filler in FILLERS {
                let mut bytes = self.safe.clone();
                for (_, page) in self.waiting.iter().enumerate().filter(|(at, _)| is_chosen(at)) {
                    put(&mut bytes, page.offset, &page.bytes, filler);
                }
                let mut longest = bytes.clone();
                longest.resize(self.bytes.len().max(bytes.len()), filler);
                versions.extend([bytes, longest]);
            }
        }
        for torn in &self.waiting {
            let mut bytes = self.bytes.clone();
            bytes[torn.offset + torn.bytes.len() / 2..torn.offset + torn.bytes.len()].fill(0);
            versions.insert(bytes);
        }
        versions.into_iter().collect()
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, page: &[u8], filler: u8) {
    let end = offset + page.len();
    bytes.resize(bytes.len().max(end), filler);
    bytes[offset..end].copy_from_slice(page);
}
