//! What is left to say when the process fails by our own mistake.

use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicBool, Ordering};

use super::logging;
use crate::config::Config;
use crate::stdx::version;

static REPORTS: AtomicBool = AtomicBool::new(true);
static EXITS: AtomicBool = AtomicBool::new(false);

/// Makes a panic write a report and end the process.
pub fn install(config: &Config) {
    configure(config);
    std::panic::set_hook(Box::new(end));
}

/// Takes over `crash-log-enabled` and `use-exit-on-panic`.
pub fn configure(config: &Config) {
    REPORTS.store(config.crash_log_enabled, Ordering::Relaxed);
    EXITS.store(config.use_exit_on_panic, Ordering::Relaxed);
}

fn end(panic: &PanicHookInfo<'_>) {
    if REPORTS.load(Ordering::Relaxed) {
        logging::write_raw(&report(&describe(panic)));
    }
    if EXITS.load(Ordering::Relaxed) {
        std::process::exit(1);
    }
    std::process::abort();
}

/// Reports a signal that ends the process, and ends it.
pub fn end_by_signal(signal: i32) -> ! {
    if REPORTS.load(Ordering::Relaxed) {
        logging::write_raw(&report(&format!("Copal crashed by signal: {signal}, which another process sent")));
    }
    std::process::abort();
}

fn describe(panic: &PanicHookInfo<'_>) -> String {
    let message = panic.payload_as_str().unwrap_or("(no message)");
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
