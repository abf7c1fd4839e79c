//! Writing the data set: one writer for the foreground and the child.

use std::io;

use super::chunks::ChunkWriter;
use super::observer::{Observer, Saved};
use super::options::SaveOptions;
use super::pace::Pace;
use super::serialise;
use super::thread_count::thread_count;
use crate::keyspace::{Frozen, Keyspace};
use crate::rdb::{self, Sink};
use crate::snapshot::error::{ReplaceError, SaveError, Unsavable};
use crate::snapshot::file::{FileSystem, NewDump, Place};
use crate::stdx::version;

/// Puts a dump of the keyspace in its place.
pub fn save_to_file(
    keyspace: &mut Keyspace,
    place: &Place,
    options: &SaveOptions,
    system: &dyn FileSystem,
    observer: &mut dyn Observer,
) -> Result<Saved, SaveError> {
    // First, since what a child gives up with it the parent need not copy.
    let frozen = Frozen::new(keyspace);
    let mut file = NewDump::create(system, place, options.incremental_sync)?;
    let temp = file.temp_path().to_path_buf();
    observer.created(file.temp());
    let written = write_frozen(&frozen, options, &mut file, observer);
    let written = written.map_err(|error| match error.downcast::<Unsavable>() {
        Ok(cause) => SaveError::Encode { path: place.path(), cause },
        Err(error) if error.kind() == io::ErrorKind::Interrupted => SaveError::Interrupted,
        Err(cause) => ReplaceError::Write { path: temp, cause }.into(),
    })?;
    observer.before_commit(&written);
    // Keys that have gone by themselves, evicted or past their expiry, are no changes that anybody has counted.
    let same = options.same.filter(|dump| dump.keys == written.keys && written.expired_keys == 0);
    let bytes = file.commit(same.map(|dump| dump.standing))?;
    Ok(Saved { bytes, ..written })
}

/// Writes a whole RDB file.
pub fn write_dataset(
    keyspace: &mut Keyspace,
    options: &SaveOptions,
    sink: &mut dyn Sink,
    observer: &mut dyn Observer,
) -> io::Result<Saved> {
    write_frozen(&Frozen::new(keyspace), options, sink, observer)
}

fn write_frozen(
    frozen: &Frozen<'_>,
    options: &SaveOptions,
    sink: &mut dyn Sink,
    observer: &mut dyn Observer,
) -> io::Result<Saved> {
    let sizes = frozen.sizes().map(Some).collect();
    let pace = Pace::new(options.bytes_per_second);
    let mut writer = ChunkWriter::new(sink, observer, options.format, sizes, pace);
    writer.records(|out| {
        out.header()?;
        out.aux(b"redis-ver", version::REDIS.as_bytes())?;
        out.aux(b"redis-bits", b"64")?;
        out.aux(b"ctime", options.now.unix_seconds().to_string().as_bytes())?;
        out.aux(b"used-mem", options.used_memory_bytes.to_string().as_bytes())?;
        options.notes.iter().try_for_each(|(name, value)| out.aux(name.as_bytes(), value.as_bytes()))?;
        out.aux(b"aof-base", b"0")?;
        if !options.libraries.is_empty() && options.format.version < rdb::LIBRARY_VERSION {
            let cause = rdb::Error::VersionWithoutLibraries { version: options.format.version };
            return Err(io::Error::other(Unsavable { key: Vec::new(), cause }));
        }
        options.libraries.iter().try_for_each(|text| out.function_library(text))
    })?;
    if options.without_keys {
        return writer.finish();
    }
    serialise::write_entries(frozen, options, thread_count(options), &mut writer)?;
    writer.finish()
}
