//! The dumps before the present one: kept beside it under names that say when each was written, and taken back when
//! the present one is damaged.

use std::io;
use std::path::{Path, PathBuf};

use super::atomic_file::put_in_place;
use super::file_system::{Disk, FileSystem};
use super::place::{Place, TIME_MAX_MS};
use super::standing::{Kind, Standing};
use crate::snapshot::error::{ReplaceError, SaveError};

/// Names that are tried for one dump: each stands for a millisecond, and others may have been written in the same one.
const NAMES_MAX: i64 = 1000;

/// A day.
const NAME_TOLERANCE_MS: i64 = 24 * 60 * 60 * 1000;

/// Damaged dumps that are set aside beside one another.
const SET_ASIDE_MAX: u32 = 100;

/// The generations of the dump at this place on the real disk.
impl Place {
    /// Their names, the oldest first.
    pub fn generations(&self) -> Vec<String> {
        list(&Disk, self).unwrap_or_default()
    }

    /// Makes a generation the dump. Returns the name under which the one before it stays.
    pub fn take_back(&self, name: &str) -> Result<PathBuf, SaveError> {
        take_back(&Disk, self, name)
    }
}

/// Gives the present dump the name of a generation beside its own, where generations are kept. Returns the name if it
/// is a new one. A save that cannot do so fails: its rename would take away what was promised to stay.
pub fn keep_present(system: &dyn FileSystem, place: &Place) -> Result<Option<PathBuf>, SaveError> {
    if place.keep == 0 { Ok(None) } else { keep(system, place) }
}

/// The same, however many generations are wanted.
fn keep(system: &dyn FileSystem, place: &Place) -> Result<Option<PathBuf>, SaveError> {
    let from = place.path();
    let Some(present) = examine(system, &from)? else { return Ok(None) };
    if matches!(present.kind, Kind::Directory | Kind::Special) {
        return Ok(None);
    }
    let first = first_name_ms(&present);
    for time_ms in first..first + NAMES_MAX {
        let to = place.joined(&place.generation_name(time_ms));
        match system.link(&from, &to) {
            Ok(()) => return Ok(Some(to)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // A save that came no further than here has kept it already.
                if examine(system, &to)?.is_some_and(|other| other.identity == present.identity) {
                    return Ok(None);
                }
            }
            Err(cause) => return Err(SaveError::Keep { from, to, cause }),
        }
    }
    let to = place.joined(&place.generation_name(first));
    Err(SaveError::Keep { from, to, cause: io::ErrorKind::AlreadyExists.into() })
}

/// Removes the generations beyond those to be kept, the oldest first. What has such a name and is not ours is not
/// counted and not touched.
pub fn prune(system: &dyn FileSystem, place: &Place) {
    if place.keep == 0 {
        return;
    }
    // What cannot be listed or removed now is so after the next snapshot.
    let mut names = list(system, place).unwrap_or_default();
    names.retain(|name| is_ours(system, place, name));
    let surplus = names.len().saturating_sub(place.keep as usize);
    for name in &names[..surplus] {
        let _ = system.remove(&place.joined(name));
    }
}

/// Whether a generation's name is about the moment at which its file was written, as that of each of ours is. A name
/// that is far from it was given by somebody else.
fn is_ours(system: &dyn FileSystem, place: &Place, name: &str) -> bool {
    let Ok(Some(found)) = system.look_at(&place.joined(name)) else { return false };
    if matches!(found.kind, Kind::Directory | Kind::Special) {
        return false;
    }
    let written = first_name_ms(&found);
    let (from, to) = ((written - NAME_TOLERANCE_MS).max(0), (written + NAME_TOLERANCE_MS).min(TIME_MAX_MS));
    (place.generation_name(from).as_str()..=place.generation_name(to).as_str()).contains(&name)
}

/// The moment in the first name that is tried for a dump.
fn first_name_ms(dump: &Standing) -> i64 {
    dump.modified_unix_ms.clamp(0, TIME_MAX_MS - NAMES_MAX)
}

/// The names of the generations, the oldest first.
pub fn list(system: &dyn FileSystem, place: &Place) -> io::Result<Vec<String>> {
    let mut names = system.names(&place.directory)?;
    names.retain(|name| place.is_generation(name));
    names.sort_unstable();
    Ok(names)
}

/// Makes a generation the present dump. The damaged one is set aside under the name that is returned: what can be
/// saved from it still can.
pub fn take_back(system: &dyn FileSystem, place: &Place, name: &str) -> Result<PathBuf, SaveError> {
    let (damaged, generation) = (place.path(), place.joined(name));
    let aside = (1..=SET_ASIDE_MAX).map(|number| match number {
        1 => place.joined(&format!("{}.damaged", place.name)),
        number => place.joined(&format!("{}.{number}.damaged", place.name)),
    });
    let aside = link_to_free_name(system, &damaged, aside)?;
    let temp = place.temp_numbers().map(|number| place.temp_path(number));
    let temp = link_to_free_name(system, &generation, temp)?;
    put_in_place(system, &temp, &place.path(), || ()).inspect_err(|_| {
        let _ = system.remove(&temp);
    })?;
    Ok(aside)
}

/// Gives a file the first of these names that nothing else has. Returns it.
fn link_to_free_name(
    system: &dyn FileSystem,
    from: &Path,
    names: impl Iterator<Item = PathBuf>,
) -> Result<PathBuf, SaveError> {
    let present = examine(system, from)?;
    let mut taken = PathBuf::new();
    for to in names {
        match system.link(from, &to) {
            Ok(()) => return Ok(to),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // It has the name already where this was done before and came no further.
                let identity = |found: Standing| found.identity;
                if examine(system, &to)?.map(identity) == present.map(identity) {
                    return Ok(to);
                }
                taken = to;
            }
            Err(cause) => return Err(SaveError::Keep { from: from.to_path_buf(), to, cause }),
        }
    }
    Err(SaveError::Keep { from: from.to_path_buf(), to: taken, cause: io::Error::from_raw_os_error(libc::EEXIST) })
}

fn examine(system: &dyn FileSystem, path: &Path) -> Result<Option<Standing>, SaveError> {
    system.look_at(path).map_err(|cause| ReplaceError::Examine { path: path.to_path_buf(), cause }.into())
}
