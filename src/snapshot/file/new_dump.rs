//! A dump on its way to take its place. Where older dumps are kept, the old one gets a second name before that.

use std::io;
use std::path::Path;

use super::atomic_file::AtomicFile;
use super::file_system::FileSystem;
use super::place::Place;
use super::standing::{Identity, Kind, Standing};
use super::{generations, same_data};
use crate::rdb::Sink;
use crate::snapshot::error::{ReplaceError, SaveError};

/// How much is written before the kernel is asked to begin bringing it to the disk.
const WRITEBACK_BYTES: u64 = 4 << 20;

/// As programs create files that are not secret.
const MODE: u32 = 0o666;

/// A temp file as others can find it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Temp {
    /// The number in its name.
    pub number: u32,
    pub identity: Identity,
}

/// A dump that is being written. Dropped before [`NewDump::commit`], it leaves nothing behind.
pub struct NewDump<'fs> {
    system: &'fs dyn FileSystem,
    place: &'fs Place,
    file: AtomicFile<'fs>,
    number: u32,
    written: u64,
    writeback_from: u64,
    incremental: bool,
}

impl<'fs> NewDump<'fs> {
    /// Begins a dump under the temp name of this process, or under the next that nothing has. What is written is brought
    /// to the disk bit by bit if it is `incremental`.
    pub fn create(system: &'fs dyn FileSystem, place: &'fs Place, incremental: bool) -> Result<Self, SaveError> {
        // What cannot be looked at now is looked at again before the rename.
        if let Ok(Some(obstacle)) = place.obstacle(system) {
            return Err(obstacle);
        }
        let mut number = 0;
        let names = place.temp_numbers().inspect(|tried| number = *tried).map(|tried| place.temp_path(tried));
        let file = AtomicFile::create(system, place.path(), names, MODE)?;
        Ok(Self { system, place, file, number, written: 0, writeback_from: 0, incremental })
    }

    pub fn temp(&self) -> Temp {
        Temp { number: self.number, identity: self.file.identity() }
    }

    pub fn temp_path(&self) -> &Path {
        self.file.path()
    }

    /// Makes the file durable and puts it in its place. Returns its length. No generation is made of a dump that holds
    /// the same data: `same` is one of which that is known.
    pub fn commit(mut self, same: Option<Standing>) -> Result<u64, SaveError> {
        let Self { system, place, .. } = self;
        let dump = place.path();
        self.file.sync()?;
        let kept = match same {
            Some(_) if same == system.look_at(&dump).ok().flatten() => None,
            _ => generations::keep_present(system, place)?,
        };
        refuse_obstacle(system, place).and_then(|()| Ok(self.file.publish()?)).inspect_err(|error| {
            let is_in_place = matches!(error, SaveError::Replace(ReplaceError::SyncDirectory { .. }));
            if let (false, Some(kept)) = (is_in_place, &kept) {
                // The dump did not change: its second name has nothing to keep.
                let _ = system.remove(kept);
            }
        })?;
        // Only now is it certain that the new dump outlives a power cut.
        if let Some(kept) = kept
            && same_data::are_equal(system, &kept, &dump)
        {
            let _ = system.remove(&kept);
        }
        generations::prune(system, place);
        Ok(self.written)
    }
}

impl Place {
    /// Why no dump can take its place, if something has its name that a dump does not replace.
    pub fn obstacle(&self, system: &dyn FileSystem) -> io::Result<Option<SaveError>> {
        let path = self.path();
        let what = match system.look_at(&path)?.map(|found| found.kind) {
            Some(Kind::Special) => "a named pipe, a socket or a device",
            Some(Kind::Directory) => "a directory",
            Some(Kind::File | Kind::Link) | None => return Ok(None),
        };
        Ok(Some(SaveError::InTheWay { path, what }))
    }
}

/// A rename would replace what is no file.
fn refuse_obstacle(system: &dyn FileSystem, place: &Place) -> Result<(), SaveError> {
    match place.obstacle(system) {
        Ok(Some(obstacle)) => Err(obstacle),
        Ok(None) => Ok(()),
        Err(cause) => Err(ReplaceError::Examine { path: place.path(), cause }.into()),
    }
}

impl Sink for NewDump<'_> {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.file().write_all(bytes)?;
        self.written += bytes.len() as u64;
        let waiting = self.written - self.writeback_from;
        if self.incremental && waiting >= WRITEBACK_BYTES {
            self.file.file().begin_writeback(self.writeback_from, waiting);
            self.writeback_from = self.written;
        }
        Ok(())
    }
}
