//! From the command line to a serving process.

use std::ffi::OsString;
use std::io;
use std::io::Read as _;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use super::launch::Launch;
use super::pid_file::PidFile;
use super::service_manager::Notifier;
use crate::config::{Action, Config, Files, StartUp, Supervised};
use crate::server::process::{crash, logging, run, signals};
use crate::stdx::text::reason;
use crate::stdx::version;
use crate::structures::start_pages_ahead_with;
use crate::{config, snapshot};

/// Runs `copal-server` with these arguments, the program's own name first.
pub fn start(arguments: Vec<OsString>) -> ExitCode {
    let (program, arguments) = match arguments.split_first() {
        Some((program, rest)) => (program.clone(), rest.to_vec()),
        None => (OsString::from("copal-server"), Vec::new()),
    };
    let start_up = match config::start_up(&arguments, &mut Disk) {
        Ok(start_up) => start_up,
        Err(error) => return refuse(&error.to_string()),
    };
    match start_up.action {
        Action::PrintVersion => print(&version_line()),
        Action::PrintHelp => print(config::usage()),
        Action::PrintExampleConfig => print(&config::example()),
        Action::CheckConfig => check(&start_up.config),
        Action::Serve => serve(start_up, program),
    }
}

/// Says that a server would start with the configuration, or why not.
fn check(config: &Config) -> ExitCode {
    if let Err(error) = enter(&config.dir) {
        return refuse(&error);
    }
    let note = note_of_settings_without_effect(config).map_or_else(String::new, |note| format!("{note}\n"));
    print(&format!("The configuration is valid.\n{note}"))
}

/// As with Redis, the names of other files are relative to `dir`.
fn enter(dir: &str) -> Result<(), String> {
    std::env::set_current_dir(dir).map_err(|error| format!("Can't chdir to '{dir}': {}", reason(&error)))
}

fn serve(start_up: StartUp, program: OsString) -> ExitCode {
    let StartUp { config, file, .. } = start_up;
    signals::settle();
    let (notifier, trouble) = supervisor(&config);
    let launch = Launch {
        config_file: file.and_then(|file| std::path::absolute(file).ok()),
        executable: std::env::current_exe().unwrap_or_default(),
        program,
        supervised: notifier.is_some(),
        system: system(),
    };
    let in_background = config.daemonize && notifier.is_none();
    if let Err(error) = enter(&config.dir) {
        return refuse(&error);
    }
    // In the background nobody reads standard output.
    let logfile = if in_background && config.logfile.is_empty() { "/dev/null" } else { &config.logfile };
    if let Err(error) = logging::start(logfile, config.loglevel) {
        return refuse(&format!("Can't open the log file '{logfile}': {}", reason(&error)));
    }
    if in_background && let Err(error) = nix::unistd::daemon(true, false) {
        return refuse(&format!("Can't go to the background: {error}"));
    }
    // Early, while a fork costs next to nothing and no other thread is there.
    let denied_calls = snapshot::probe_system_calls();
    start_pages_ahead_with(snapshot::give_way);
    crash::install(&config);
    announce(&config, &launch);
    for trouble in trouble.iter().chain(&denied_calls) {
        tracing::warn!("{trouble}");
    }
    let pidfile = (!config.pidfile.is_empty() || in_background).then(|| PidFile::write(&config.pidfile)).flatten();
    let code = run::run(config, launch, notifier);
    drop(pidfile);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

fn announce(config: &Config, launch: &Launch) {
    tracing::info!("oO0OoO0OoO0Oo Redis is starting oO0OoO0OoO0Oo");
    tracing::info!(
        "Redis version={}, bits=64, commit={}, modified=0, pid={}, just started",
        version::REDIS,
        version::COMMIT,
        std::process::id()
    );
    tracing::info!("Copal version={}", version::COPAL);
    if let Some(note) = logging::note_of_time_zone() {
        tracing::info!("{note}");
    }
    match &launch.config_file {
        Some(_) => tracing::info!("Configuration loaded"),
        None if std::env::args_os().len() > 1 => tracing::info!("Configuration loaded"),
        None => tracing::warn!(
            "Warning: no config file specified, using the default config. In order to specify a config file use {} \
             /path/to/redis.conf",
            launch.program.display()
        ),
    }
    if launch.config_file.is_none() && config.bind == config::LOOPBACK {
        tracing::info!("Only local connections are accepted; to listen on other addresses, set 'bind'");
    }
    if let Some(note) = note_of_settings_without_effect(config) {
        tracing::warn!("{note}");
    }
}

fn note_of_settings_without_effect(config: &Config) -> Option<String> {
    let shown = |(name, aliases): (&str, &[&str])| {
        if aliases.is_empty() { name.to_owned() } else { format!("{name} ({})", aliases.join(", ")) }
    };
    let names: Vec<String> = config.without_effect().map(shown).collect();
    (!names.is_empty()).then(|| {
        format!(
            "These settings have no effect in Copal: {}. The end of what --print-example-config prints says why.",
            names.join(", ")
        )
    })
}

/// The socket of the process's supervisor, if it has one that wants to be notified, or why there is none.
fn supervisor(config: &Config) -> (Option<Notifier>, Option<String>) {
    match (config.supervised, Notifier::from_environment()) {
        (Supervised::No, _) | (Supervised::Auto, Ok(None)) => (None, None),
        (Supervised::Systemd, Ok(None)) => {
            (None, Some("systemd supervision requested, but NOTIFY_SOCKET is not set".to_owned()))
        }
        (_, Ok(Some(notifier))) => (Some(notifier), None),
        (_, Err(error)) => (None, Some(format!("Cannot talk to the supervisor: {error}"))),
    }
}

fn system() -> String {
    nix::sys::utsname::uname().map_or_else(
        |_| "unknown".to_owned(),
        |name| {
            let parts = [name.sysname(), name.release(), name.machine()];
            parts.map(|part| part.to_string_lossy()).join(" ")
        },
    )
}

pub fn version_line() -> String {
    format!(
        "Redis server v={} sha={}:0 copal={} malloc={} bits=64 build={}\n",
        version::REDIS,
        version::COMMIT,
        version::COPAL,
        version::ALLOCATOR,
        version::build_id(),
    )
}

fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Says on standard error why the server does not start.
fn refuse(reason: &str) -> ExitCode {
    // There is nobody left to report to that this failed too.
    let _ = writeln!(io::stderr(), "{reason}");
    ExitCode::FAILURE
}

/// The real files behind [`config::start_up`].
struct Disk;

impl Files for Disk {
    fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn list(&mut self, directory: &Path) -> io::Result<Vec<OsString>> {
        std::fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.file_name())).collect()
    }

    fn standard_input(&mut self) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        io::stdin().read_to_end(&mut text)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_one_line_that_names_redis_and_copal() {
        let line = version_line();
        assert!(line.starts_with("Redis server v=7.2.4 sha="), "{line}");
        assert!(line.contains(&format!(" copal={} malloc=jemalloc-", version::COPAL)), "{line}");
        assert_eq!(line.lines().count(), 1);
    }
}
