//! A dump as the tool reads it: a file that is mapped, or what came out of a pipe or out of gzip.
//! Owns:  the map of a file, what is spooled of a pipe, and the recognition of gzip.
//! Uses:  rdb, snapshot.
//! Never: a change of the file, or a temporary file that outlives the tool.

mod gzip;
mod kind;
mod spool;

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::cli::note;
use super::filter::Filter;
use super::progress::Progress;
use super::trouble::Trouble;
use super::walk::{Content, Fault, Found, Item, Walk};
use super::words::counted;
use crate::rdb::Records;
use crate::snapshot::DumpFile;
use gzip::Gunzip;
use kind::Source;
use spool::Spool;

/// Bytes that are read before it is decided what they are.
const HEAD_BYTES: usize = 4096;

/// Bytes that are read at once.
const PIECE_BYTES: usize = 256 << 10;

/// What a file is from outside: its device and its number there.
pub type Identity = (u64, u64);

/// A dump whose bytes are all there.
pub struct Input {
    name: PathBuf,
    bytes: Bytes,
    identity: Identity,
    is_compressed: bool,
    modified_ms: Option<i64>,
}

/// What a subcommand needs of its input.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    /// A dump from its first byte to its last.
    Sound,
    /// Whatever can still be read.
    Remains,
}

impl Input {
    /// Opens a dump. `-` is standard input.
    pub fn open(path: &Path) -> Result<Self, Trouble> {
        Self::open_for(path, Need::Sound)
    }

    /// Opens what is left of a dump: where compressed data are cut short or damaged, what came before.
    pub fn open_remains(path: &Path) -> Result<Self, Trouble> {
        Self::open_for(path, Need::Remains)
    }

    fn open_for(path: &Path, need: Need) -> Result<Self, Trouble> {
        let Source { name, file, mappable } = kind::open(path)?;
        let failed = |cause| Trouble::Read { name: name.clone(), cause };
        let metadata = file.metadata().map_err(failed)?;
        let identity = (metadata.dev(), metadata.ino());
        // That of a pipe says nothing about what comes through it.
        let modified_ms = mappable.then(|| metadata.mtime().saturating_mul(1000));
        // Some file systems have files that can be read and not be mapped.
        let mut is_compressed = false;
        if mappable && let Ok(map) = DumpFile::map(&file, &name) {
            let bytes = map.bytes().clone();
            if !gzip::is_gzip(&bytes) {
                kind::refuse_other_compression(&name, &bytes)?;
                return Ok(Self { name, bytes, identity, is_compressed, modified_ms });
            }
            is_compressed = true;
        }
        let length = if mappable { metadata.len() } else { 0 };
        let bytes = stream(&name, file, length, need)?;
        Ok(Self { name, bytes, identity, is_compressed, modified_ms })
    }

    /// What the input is called: its path, or that it is standard input.
    pub fn path(&self) -> &Path {
        &self.name
    }

    /// The file that was read, so that nothing is written over it.
    pub fn identity(&self) -> Identity {
        self.identity
    }

    /// Whether the file is one that gzip has compressed, as no server reads it.
    pub fn is_compressed(&self) -> bool {
        self.is_compressed
    }

    /// When the file was last written; absent for a pipe.
    pub fn modified_ms(&self) -> Option<i64> {
        self.modified_ms
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The version that the header names.
    pub fn version(&self) -> Result<u32, Trouble> {
        Walk::new(self.bytes(), false).map(|walk| walk.version()).map_err(|fault| Trouble::damaged(self.path(), fault))
    }

    /// The value of an entry that must be sound.
    pub fn load(&self, item: &Item<'_>) -> Result<Content, Trouble> {
        item.load().map_err(|cause| Trouble::damaged(self.path(), item.fault(cause)))
    }

    /// Goes through all of a dump that must be sound, its checksum included.
    pub fn each<'a>(
        &'a self,
        doing: &str,
        mut visit: impl FnMut(Found<'a>) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let damaged = |fault: Fault| Trouble::damaged(self.path(), fault);
        let progress = Progress::new(doing, self.bytes().len());
        let mut walk = Walk::new(self.bytes(), true).map_err(damaged)?;
        loop {
            progress.at(walk.offset());
            match walk.next().map_err(damaged)? {
                Found::End => return Ok(()),
                found => visit(found)?,
            }
        }
    }

    /// As [`Input::each`], with the chosen keys only. Where some keys are left out, so is what is no key: counts of keys
    /// would be wrong, and functions and data of modules were not asked for.
    pub fn each_chosen<'a>(
        &'a self,
        doing: &str,
        filter: &Filter,
        mut visit: impl FnMut(Found<'a>) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        self.each(doing, |found| match &found {
            Found::Entry(item) if !filter.chooses(item) => Ok(()),
            Found::Sizes { .. } | Found::Library(_) | Found::LibraryOfCandidate | Found::ModuleAux { .. }
                if filter.is_active() =>
            {
                Ok(())
            }
            _ => visit(found),
        })
    }
}

/// Reads a stream to its end, through gzip if that is what comes. `length` is that of a file, for the progress bar.
fn stream(name: &Path, mut file: File, length: u64, need: Need) -> Result<Bytes, Trouble> {
    let failed = |cause| Trouble::Read { name: name.to_path_buf(), cause };
    let progress = Progress::of_stream("reading", length);
    let mut head = Vec::new();
    read_up_to(&mut file, &mut head, HEAD_BYTES).map_err(failed)?;
    kind::refuse_other_compression(name, &head)?;
    if head.is_empty() {
        return Err(Trouble::Empty(name.to_path_buf()));
    }
    let counted = progress.reader(file);
    if !gzip::is_gzip(&head) {
        return gather(name, counted, head, need);
    }
    let compressed = BufReader::with_capacity(PIECE_BYTES, io::Cursor::new(head).chain(counted));
    let mut unpacked = Gunzip::new(compressed);
    let mut head = Vec::new();
    match read_up_to(&mut unpacked, &mut head, HEAD_BYTES) {
        Err(cause) if !(need == Need::Remains && gzip::is_damage(&cause)) => {
            return Err(gzip::trouble(name, cause, head.len() as u64));
        }
        _ if gzip::is_gzip(&head) => return Err(Trouble::refused(name, gzip::TWICE)),
        _ => {}
    }
    kind::refuse_other_compression(name, &head)?;
    let bytes = gather(name, &mut unpacked, head, need)?;
    if unpacked.has_trailing_bytes() {
        note(&format!("{}: what follows the gzip data was left out", name.display()));
    }
    Ok(bytes)
}

/// Puts everything that a stream gives behind its head.
fn gather(name: &Path, mut stream: impl Read, head: Vec<u8>, need: Need) -> Result<Bytes, Trouble> {
    // What begins as no dump is none, however much of it there is: the walk says so with these bytes alone.
    if need == Need::Sound && Records::new(&head).is_err() {
        return Ok(Bytes::from(head));
    }
    let mut spool = Spool::new(head);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => spool.write(name, piece.get(..count).unwrap_or_default())?,
            Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
            Err(cause) => {
                if need == Need::Sound || !gzip::is_damage(&cause) {
                    return Err(gzip::trouble(name, cause, spool.len()));
                }
                let what = gzip::damage(&cause);
                note(&format!(
                    "{}: the gzip data are {what}, after {}",
                    name.display(),
                    counted(spool.len(), "byte", "bytes")
                ));
                break;
            }
        }
    }
    spool.finish(name)
}

/// Reads until there are `count` bytes, or no more.
fn read_up_to(stream: &mut impl Read, out: &mut Vec<u8>, count: usize) -> io::Result<()> {
    stream.take(count as u64).read_to_end(out).map(|_| ())
}
