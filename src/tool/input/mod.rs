//! A dump as the tool reads it.

use std::path::Path;

use super::progress::Progress;
use super::trouble::Trouble;
use super::walk::{Content, Fault, Found, Item, Walk};
use crate::snapshot::DumpFile;

/// A mapped dump.
pub struct Input {
    file: DumpFile,
}

impl Input {
    pub fn open(path: &Path) -> Result<Self, Trouble> {
        match DumpFile::open(path)? {
            Some(file) => Ok(Self { file }),
            None => Err(Trouble::Missing(path.to_path_buf())),
        }
    }

    pub fn path(&self) -> &Path {
        self.file.path()
    }

    pub fn bytes(&self) -> &[u8] {
        self.file.bytes()
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
}
