//! The log, in Redis's line format: `pid:role day month year hh:mm:ss.mmm level message`.
//!
//! Every line is one `write` to a file opened for appending, so that nothing is lost when the process dies and several
//! writers of one file do not mix within a line. A file that was moved away is made anew, which is all that tools for
//! rotating logs ask for.

use std::fmt;
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, Registry, reload};

use crate::config::LogLevel;

/// What this process is, in the second field of a line: `C` while it starts, `M` (a primary) once it serves.
static ROLE: AtomicU8 = AtomicU8::new(b'C');

static FILTER: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

static OUTPUT: OnceLock<Arc<Output>> = OnceLock::new();

/// The open log, for whoever may not wait for a lock.
static DESCRIPTOR: AtomicI32 = AtomicI32::new(libc::STDERR_FILENO);

/// Opens the log, for the whole process; an empty `logfile` is standard output.
pub fn start(logfile: &str, level: LogLevel) -> io::Result<()> {
    let output = Arc::new(Output::open(logfile)?);
    let _ = OUTPUT.set(Arc::clone(&output));
    DESCRIPTOR.store(output.file.lock().unwrap_or_else(PoisonError::into_inner).as_raw_fd(), Ordering::Relaxed);
    let (filter, handle) = reload::Layer::new(targets(level));
    let _ = FILTER.set(handle);
    let lines = tracing_subscriber::fmt::layer()
        .event_format(LineFormat::default())
        .with_writer(output)
        .log_internal_errors(false)
        .with_filter(filter);
    tracing_subscriber::registry().with(lines).try_init().map_err(io::Error::other)
}

/// Takes another level from now on.
pub fn set_level(level: LogLevel) {
    if let Some(filter) = FILTER.get() {
        // Fails only where the log itself is gone.
        let _ = filter.modify(|targets_now| *targets_now = targets(level));
    }
}

/// The process serves: further lines are those of a primary.
pub fn become_primary() {
    ROLE.store(b'M', Ordering::Relaxed);
}

/// Appends text as it is, for what is no log line: the banner, a crash report.
pub fn write_raw(text: &str) {
    if let Some(output) = OUTPUT.get() {
        // A log that cannot be written must not end the server.
        let _ = (&**output).write_all(text.as_bytes());
    }
}

/// Where lines go, as the number of an open file.
pub fn descriptor() -> RawFd {
    DESCRIPTOR.load(Ordering::Relaxed)
}

/// Where lines go.
struct Output {
    /// Of a file that may be moved away; `None` for standard output.
    path: Option<PathBuf>,
    file: Mutex<File>,
}

impl Output {
    fn open(logfile: &str) -> io::Result<Self> {
        if logfile.is_empty() {
            let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
            return Ok(Self { path: None, file: Mutex::new(file) });
        }
        // The process may change its directory later.
        let path = std::path::absolute(logfile)?;
        let file = Mutex::new(open_to_append(&path)?);
        Ok(Self { path: Some(path), file })
    }
}

fn open_to_append(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Whether another file than the open one has the path now, or none.
fn is_moved(path: &PathBuf, file: &File) -> bool {
    let same =
        |there: Metadata| file.metadata().is_ok_and(|ours| (ours.dev(), ours.ino()) == (there.dev(), there.ino()));
    !std::fs::metadata(path).is_ok_and(same)
}

impl Write for &Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(path) = &self.path
            && is_moved(path, &file)
            && let Ok(fresh) = open_to_append(path)
        {
            // Not the one of before, which is about to be closed; a test's own output is not the process's log.
            if DESCRIPTOR.load(Ordering::Relaxed) == file.as_raw_fd() {
                DESCRIPTOR.store(fresh.as_raw_fd(), Ordering::Relaxed);
            }
            *file = fresh;
        }
        file.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Our own events at the given level; libraries have no voice in the log.
fn targets(level: LogLevel) -> Targets {
    Targets::new().with_target("copal", level_filter(level))
}

fn level_filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::TRACE,
        LogLevel::Verbose => LevelFilter::DEBUG,
        LogLevel::Notice => LevelFilter::INFO,
        LogLevel::Warning => LevelFilter::WARN,
        LogLevel::Nothing => LevelFilter::OFF,
    }
}

/// Redis's sign of a level.
fn sign(level: Level) -> char {
    match level {
        Level::TRACE => '.',
        Level::DEBUG => '-',
        Level::INFO => '*',
        Level::WARN | Level::ERROR => '#',
    }
}

#[derive(Default)]
struct LineFormat {
    clock: LocalClock,
}

impl<S, N> FormatEvent<S, N> for LineFormat
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut out: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let role = char::from(ROLE.load(Ordering::Relaxed));
        write!(out, "{}:{role} ", std::process::id())?;
        self.clock.write(&mut out, Timestamp::now())?;
        write!(out, " {} ", sign(*event.metadata().level()))?;
        ctx.format_fields(out.by_ref(), event)?;
        writeln!(out)
    }
}

/// Local time as text. Converting a second to local time costs more than the rest of a line, so it is kept.
struct LocalClock {
    zone: TimeZone,
    second: Mutex<(i64, String)>,
}

impl Default for LocalClock {
    fn default() -> Self {
        Self { zone: local_zone().unwrap_or(TimeZone::UTC), second: Mutex::new((i64::MIN, String::new())) }
    }
}

/// Where the database of time zones may be.
const ZONE_FOLDERS: [&str; 3] = ["/usr/share/zoneinfo", "/usr/lib/zoneinfo", "/etc/zoneinfo"];

/// The system's own zone.
const LOCAL_ZONE: &str = "/etc/localtime";

/// What `TZ` names, or else the system's zone, or why neither is known.
fn local_zone() -> Result<TimeZone, String> {
    match std::env::var("TZ") {
        Ok(name) => named_zone(name.strip_prefix(':').unwrap_or(&name)),
        Err(std::env::VarError::NotPresent) => zone_in(Path::new(LOCAL_ZONE)),
        Err(error) => Err(error.to_string()),
    }
}

/// A zone by its name in the database, by the path of its file, or by its rules, as the C library reads `TZ`.
fn named_zone(name: &str) -> Result<TimeZone, String> {
    if name.is_empty() {
        return Ok(TimeZone::UTC);
    }
    let own_folder = std::env::var_os("TZDIR").map(PathBuf::from);
    let folders = own_folder.into_iter().chain(ZONE_FOLDERS.map(PathBuf::from));
    // An absolute path stays what it is.
    let in_database = folders.map(|folder| folder.join(name)).find_map(|path| zone_in(&path).ok());
    in_database.map_or_else(|| TimeZone::posix(name).map_err(|error| error.to_string()), Ok)
}

fn zone_in(path: &Path) -> Result<TimeZone, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    TimeZone::tzif("Local", &bytes).map_err(|error| format!("{}: {error}", path.display()))
}

/// What a reader of the log should know of its times, if they are not those of the clock on the wall.
pub fn note_of_time_zone() -> Option<String> {
    let reason = local_zone().err()?;
    Some(match std::env::var_os("TZ") {
        Some(name) => {
            format!("Times in this log are in UTC: the time zone '{}' that TZ names is not known here", name.display())
        }
        None => format!("Times in this log are in UTC: the system says no time zone ({reason})"),
    })
}

impl LocalClock {
    fn write(&self, out: &mut impl fmt::Write, time: Timestamp) -> fmt::Result {
        let (second, millisecond) = (time.as_second(), time.subsec_millisecond());
        let mut kept = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.0 != second {
            *kept = (second, time.to_zoned(self.zone.clone()).strftime("%d %b %Y %H:%M:%S").to_string());
        }
        write!(out, "{}.{millisecond:03}", kept.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_redis_writes_them() {
        let clock = LocalClock { zone: TimeZone::UTC, ..LocalClock::default() };
        for (milliseconds, text) in [
            (1_795_348_800_123, "22 Nov 2026 12:00:00.123"),
            (1_795_348_800_124, "22 Nov 2026 12:00:00.124"),
            (1_772_323_201_007, "01 Mar 2026 00:00:01.007"),
        ] {
            let mut out = String::new();
            clock.write(&mut out, Timestamp::from_millisecond(milliseconds).unwrap()).unwrap();
            assert_eq!(out, text);
        }
    }

    #[test]
    fn zones_are_found_by_their_rules_and_by_their_file() {
        let at = |zone: TimeZone| {
            let mut out = String::new();
            let clock = LocalClock { zone, ..LocalClock::default() };
            clock.write(&mut out, Timestamp::from_millisecond(1_795_348_800_123).unwrap()).unwrap();
            out
        };
        assert_eq!(at(named_zone("").unwrap()), "22 Nov 2026 12:00:00.123");
        assert_eq!(at(named_zone("IST-5:30").unwrap()), "22 Nov 2026 17:30:00.123");
        assert_eq!(at(named_zone("EST5EDT,M3.2.0,M11.1.0").unwrap()), "22 Nov 2026 07:00:00.123");
        assert!(named_zone("Not/There").is_err() && named_zone("../../../etc/passwd").is_err());
        // A zone of one rule, as in the database: a header, an empty body, once more, and the rule.
        let header = [b"TZif2".as_slice(), &[0; 15], &[0; 4 * 4], &[0, 0, 0, 1, 0, 0, 0, 4]].concat();
        let body = [0, 0, 0x4d, 0x58, 0, 0].into_iter().chain(*b"IST\0").collect::<Vec<u8>>();
        let file = [&*header, &*body, &*header, &*body, b"\nIST-5:30\n"].concat();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zone");
        std::fs::write(&path, file).unwrap();
        assert_eq!(at(zone_in(&path).unwrap()), "22 Nov 2026 17:30:00.123");
        assert_eq!(at(named_zone(path.to_str().unwrap()).unwrap()), "22 Nov 2026 17:30:00.123");
    }

    #[test]
    fn a_log_that_was_moved_away_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
        let output = Output::open(path.to_str().unwrap()).unwrap();
        (&output).write_all(b"one\n").unwrap();
        std::fs::rename(&path, &moved).unwrap();
        (&output).write_all(b"two\n").unwrap();
        (&output).write_all(b"three\n").unwrap();
        let text = |path| std::fs::read_to_string(path).unwrap();
        assert_eq!((text(moved), text(path)), ("one\n".to_owned(), "two\nthree\n".to_owned()));
    }

    #[test]
    fn levels_have_the_signs_of_redis() {
        let signs: String =
            [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR].map(sign).iter().collect();
        assert_eq!(signs, ".-*##");
    }
}
