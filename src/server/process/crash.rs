//! What is left to say when the process fails by our own mistake.

use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::config::Config;
use crate::observe;
use crate::server::process::{fatal_signal, logging};
use crate::stdx::version;

static REPORTS: AtomicBool = AtomicBool::new(true);
static EXITS: AtomicBool = AtomicBool::new(false);

/// Makes a panic, and a signal that reports a mistake, write a report and end the process.
pub fn install(config: &Config) {
    configure(config);
    std::panic::set_hook(Box::new(end));
    fatal_signal::install();
}

/// Takes over `crash-log-enabled`, `use-exit-on-panic` and `hide-user-data-from-log`.
pub fn configure(config: &Config) {
    REPORTS.store(config.crash_log_enabled, Ordering::Relaxed);
    EXITS.store(config.use_exit_on_panic, Ordering::Relaxed);
    fatal_signal::enable(config.crash_log_enabled);
    observe::hide_user_data(config.hide_user_data_from_log);
}

fn end(panic: &PanicHookInfo<'_>) {
    if REPORTS.load(Ordering::Relaxed) {
        logging::write_raw(&report(&describe(panic)));
    }
    // What there is to say has been said.
    fatal_signal::enable(false);
    if EXITS.load(Ordering::Relaxed) {
        std::process::exit(1);
    }
    std::process::abort();
}

fn describe(panic: &PanicHookInfo<'_>) -> String {
    let message = match panic.payload_as_str() {
        // A message may quote what the server was working on.
        Some(_) if observe::user_data_is_hidden() => "(message hidden by hide-user-data-from-log)",
        Some(message) => message,
        None => "(no message)",
    };
    let place = panic.location().map_or_else(String::new, ToString::to_string);
    let thread = std::thread::current();
    let thread = thread.name().unwrap_or("unnamed");
    format!("{message}, at {place}, in thread {thread}. This is a mistake in Copal, not in what it was asked to do.")
}

fn report(what: &str) -> String {
    let pid = std::process::id();
    let backtrace = std::backtrace::Backtrace::force_capture();
    format!(
        "\n\n=== REDIS BUG REPORT START: Cut & paste starting from here ===\n\
         ------------------------------------------------\n\
         {pid}: {what}\n\
         {pid}: Copal {copal} ({commit}), standing for Redis {redis}\n\
         ------------------------------------------------\n\
         ------ STACK TRACE ------\n{backtrace}\n\
         === REDIS BUG REPORT END. ===\n\
         Please report it with the whole text above. The last snapshot on disk is what it was.\n\n",
        copal = version::COPAL,
        commit = version::COMMIT,
        redis = version::REDIS,
    )
}
