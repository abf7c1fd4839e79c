//! The dumps before the present one: kept beside it under names that tell when each was written, and taken back when
//! the present one is damaged.

use std::io;
use std::path::{Path, PathBuf};

use super::atomic_file::{Disk, FileSystem, Kind, Place, Standing, put_in_place};
use crate::snapshot::error::SaveError;
use crate::snapshot::load::check::{Healthy, check};

/// Names that are tried for one dump: each stands for a millisecond, and others may have been written in the same one.
const NAMES_MAX: i64 = 1000;

/// A day.
const NAME_TOLERANCE_MS: i64 = 24 * 60 * 60 * 1000;

/// Damaged dumps that are set aside beside one another.
const SET_ASIDE_MAX: u32 = 100;

/// The beginning of the year 9999: later names would sort wrongly.
pub(super) const TIME_MAX_MS: i64 = 253_370_764_800_000;

/// Where the digits of a time stand, and what stands between them.
const TIME_FORM: &[u8] = b"ddddddddTdddddd.dddZ";

/// An older dump that is whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Generation {
    pub name: String,
    pub contents: Healthy,
}

/// The generations of the dump at this place on the real disk.
impl Place {
    /// Their names, the oldest first.
    pub fn generations(&self) -> Vec<String> {
        list(&Disk, self).unwrap_or_default()
    }

    /// The newest that is whole, every value of it read.
    pub fn newest_whole_generation(&self) -> Option<Generation> {
        self.generations().into_iter().rev().find_map(|name| {
            let contents = check(&self.joined(&name)).ok()?;
            Some(Generation { name, contents })
        })
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
        let to = place.joined(&name_at(place, time_ms));
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
    let to = place.joined(&name_at(place, first));
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
    (name_at(place, from).as_str()..=name_at(place, to).as_str()).contains(&name)
}

/// The moment in the first name that is tried for a dump.
fn first_name_ms(dump: &Standing) -> i64 {
    dump.modified_unix_ms.clamp(0, TIME_MAX_MS - NAMES_MAX)
}

/// The names of the generations, the oldest first.
pub fn list(system: &dyn FileSystem, place: &Place) -> io::Result<Vec<String>> {
    let mut names = system.names(&place.directory)?;
    names.retain(|name| is_generation(place, name));
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
    put_in_place(system, &temp, place, || ()).inspect_err(|_| {
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
    system.look_at(path).map_err(|cause| SaveError::Examine { path: path.to_path_buf(), cause })
}

/// `dump-20261122T153000.123Z.rdb` for a dump of that moment whose name is `dump.rdb`.
pub(super) fn name_at(place: &Place, unix_ms: i64) -> String {
    let (stem, extension) = halves(place);
    let time = jiff::Timestamp::from_millisecond(unix_ms).unwrap_or_default();
    format!("{stem}-{}{extension}", time.strftime("%Y%m%dT%H%M%S%.3fZ"))
}

/// Whether a name is one exactly as [`name_at`] makes them: what users name themselves is not ours to remove.
pub fn is_generation(place: &Place, name: &str) -> bool {
    let (stem, extension) = halves(place);
    let time = name.strip_prefix(stem).and_then(|name| name.strip_prefix('-')?.strip_suffix(extension));
    time.is_some_and(|time| {
        let fits = |(byte, form): (&u8, &u8)| if *form == b'd' { byte.is_ascii_digit() } else { byte == form };
        time.len() == TIME_FORM.len() && time.as_bytes().iter().zip(TIME_FORM).all(fits)
    })
}

/// The name of the dump up to its last dot, and the rest.
fn halves(place: &Place) -> (&str, &str) {
    place.name.split_at(place.name.rfind('.').unwrap_or(place.name.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> Place {
        Place::here(name, 3)
    }

    #[test]
    fn names_tell_the_time_and_sort_by_it() {
        assert_eq!(name_at(&place("dump.rdb"), 1_795_361_400_123), "dump-20261122T153000.123Z.rdb");
        assert_eq!(name_at(&place("a.b.rdb"), 0), "a.b-19700101T000000.000Z.rdb");
        assert_eq!(name_at(&place("plain"), TIME_MAX_MS), "plain-99990101T000000.000Z");
        for name in ["dump.rdb", "plain", ".rdb", "-.-"] {
            let place = place(name);
            let names = [0, 1, 999, 1000, 1_795_361_400_123, TIME_MAX_MS].map(|time| name_at(&place, time));
            assert!(names.is_sorted(), "{names:?}");
            assert!(names.iter().all(|name| is_generation(&place, name)), "{names:?}");
            assert!(!is_generation(&place, name));
        }
    }

    #[test]
    fn names_that_users_give_are_no_generations() {
        for name in [
            "dump-20261122T153000Z.rdb",
            "dump-20261122T153000.123Z.rdb.bak",
            "dump-20261122T153000.123Z",
            "dump-20261122t153000.123Z.rdb",
            "dump-2026112xT153000.123Z.rdb",
            "dump2-20261122T153000.123Z.rdb",
            "dump20261122T153000.123Z.rdb",
            "temp-812.rdb",
            "",
        ] {
            assert!(!is_generation(&place("dump.rdb"), name), "{name}");
        }
    }
}
