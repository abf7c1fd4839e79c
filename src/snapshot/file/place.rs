//! Where a dump is, and the names of the files beside it that belong to it.

use std::path::{Path, PathBuf};

/// Process ids are below it, whatever the kernel is set to; used where the kernel does not say.
pub const PID_LIMIT: u32 = 1 << 22;

/// How many names a save tries: each is taken only while another server saves beside this one, or by a file that is
/// not ours to remove.
const NAMES_MAX: u32 = 100;

/// The beginning of the year 9999: later names would sort wrongly.
pub const TIME_MAX_MS: i64 = 253_370_764_800_000;

/// Where the digits of a time are, and what is between them.
const TIME_FORM: &[u8] = b"ddddddddTdddddd.dddZ";

/// Where a dump lives, and how many of those before it live beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub directory: PathBuf,
    pub name: String,
    /// 0: a new dump replaces the old one and nothing else is touched.
    pub keep: u32,
}

impl Place {
    /// A file of the working directory.
    pub fn here(name: &str, keep: u32) -> Self {
        Self { directory: PathBuf::from("."), name: name.to_owned(), keep }
    }

    pub fn path(&self) -> PathBuf {
        self.joined(&self.name)
    }

    /// The temp file of the process with this number.
    pub fn temp_path(&self, pid: u32) -> PathBuf {
        self.joined(&format!("temp-{pid}.rdb"))
    }

    /// Names in the working directory are without a path, as messages show them.
    pub fn joined(&self, name: &str) -> PathBuf {
        if self.directory == Path::new(".") { PathBuf::from(name) } else { self.directory.join(name) }
    }

    /// The numbers that a save of this process tries for its temp file, its own first.
    pub fn temp_numbers(&self) -> impl Iterator<Item = u32> {
        let own = std::process::id();
        let numbers = (0..NAMES_MAX).map(move |step| (own - 1 + step) % (PID_LIMIT - 1) + 1);
        numbers.filter(|number| self.temp_path(*number) != self.path())
    }

    /// `dump-20261122T153000.123Z.rdb` for a dump of that moment whose name is `dump.rdb`.
    pub fn generation_name(&self, unix_ms: i64) -> String {
        let (stem, extension) = self.halves();
        let time = jiff::Timestamp::from_millisecond(unix_ms).unwrap_or_default();
        format!("{stem}-{}{extension}", time.strftime("%Y%m%dT%H%M%S%.3fZ"))
    }

    /// Whether a name is one exactly as [`Place::generation_name`] makes them: what users name themselves is not ours to remove.
    pub fn is_generation(&self, name: &str) -> bool {
        let (stem, extension) = self.halves();
        let time = name.strip_prefix(stem).and_then(|name| name.strip_prefix('-')?.strip_suffix(extension));
        time.is_some_and(|time| {
            let fits = |(byte, form): (&u8, &u8)| if *form == b'd' { byte.is_ascii_digit() } else { byte == form };
            time.len() == TIME_FORM.len() && time.as_bytes().iter().zip(TIME_FORM).all(fits)
        })
    }

    /// The name of the dump up to its last dot, and the rest.
    fn halves(&self) -> (&str, &str) {
        self.name.split_at(self.name.rfind('.').unwrap_or(self.name.len()))
    }
}

/// The number in a temp file's name, if it is one exactly as [`Place::temp_path`] makes them, however high.
pub fn temp_number_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("temp-")?.strip_suffix(".rdb")?;
    let is_number = digits.bytes().all(|digit| digit.is_ascii_digit()) && !digits.starts_with('0');
    // Where it does not fit, it is too high for a process in any case.
    (is_number && !digits.is_empty()).then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exact_names_are_temp_files() {
        assert_eq!(temp_number_of("temp-812.rdb"), Some(812));
        assert_eq!(temp_number_of("temp-20261128170000123456789.rdb"), Some(u64::MAX));
        for name in
            ["temp-.rdb", "temp-0.rdb", "temp-01.rdb", "temp--1.rdb", "temp-1.rdb.bak", "xtemp-1.rdb", "temp-+1.rdb"]
        {
            assert_eq!(temp_number_of(name), None, "{name}");
        }
    }

    fn place(name: &str) -> Place {
        Place::here(name, 3)
    }

    #[test]
    fn names_tell_the_time_and_sort_by_it() {
        assert_eq!(place("dump.rdb").generation_name(1_795_361_400_123), "dump-20261122T153000.123Z.rdb");
        assert_eq!(place("a.b.rdb").generation_name(0), "a.b-19700101T000000.000Z.rdb");
        assert_eq!(place("plain").generation_name(TIME_MAX_MS), "plain-99990101T000000.000Z");
        for name in ["dump.rdb", "plain", ".rdb", "-.-"] {
            let place = place(name);
            let names = [0, 1, 999, 1000, 1_795_361_400_123, TIME_MAX_MS].map(|time| place.generation_name(time));
            assert!(names.is_sorted(), "{names:?}");
            assert!(names.iter().all(|name| place.is_generation(name)), "{names:?}");
            assert!(!place.is_generation(name));
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
            assert!(!place("dump.rdb").is_generation(name), "{name}");
        }
    }
}
