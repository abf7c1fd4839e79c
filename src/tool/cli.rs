//! The command line of `copal-rdb`, and what its exit codes say.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::trouble::Trouble;
use super::{check, convert, diff, report, salvage};

/// The input is damaged, something was lost, or the two inputs differ.
const EXIT_FINDING: u8 = 1;

/// The work could not be done. Wrong arguments end the same way.
const EXIT_TROUBLE: u8 = 2;

const EXIT_CODES: &str = "\
Exit codes:
  0  done; check: the server loads all files; salvage: nothing was lost; diff: the files are equal
  1  check: a file is damaged, or the server does not load it; salvage: something was lost or left out;
     convert --rdb-version: something was left out; diff: the files differ
  2  trouble: a file cannot be read or written, a damaged file where a sound one is needed, wrong arguments

A dump may be a file, a pipe, or - for standard input, and may be compressed with gzip. Files are mapped, and values are
looked at one at a time, so that a dump may be larger than memory. What comes through a pipe or out of gzip is kept in
memory up to 32 MiB, and else in a file without a name in TMPDIR, or in /var/tmp where that is not set. Files that are
written appear when they are whole, and never in the place of an input. A progress bar is shown on a terminal.

Examples:
  copal-rdb check dump.rdb
  zcat backup.rdb.gz | copal-rdb report -
  ssh host cat /var/lib/redis/dump.rdb | copal-rdb diff yesterday.rdb.gz -";

/// Looks at RDB dump files without a server: as Copal, Redis and Valkey write them
#[derive(Parser)]
#[command(name = "copal-rdb", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Read whole files, every value included, and say where the first fault of each is
    Check(check::Arguments),
    /// Show what a file holds: keys, bytes and memory by type, encoding, prefix and time to live, and the largest keys
    Report(report::Arguments),
    /// Write every whole entry of a damaged file to a new file, and list what was lost
    Salvage(salvage::Arguments),
    /// Turn a file into one of another RDB version, into commands for redis-cli --pipe, or into lines of JSON
    Convert(convert::Arguments),
    /// List which keys were added, removed or changed from one file to another
    Diff(diff::Arguments),
}

/// What `copal-rdb` does.
pub fn run() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Check(arguments) => check::run(&arguments),
        Command::Report(arguments) => report::run(&arguments).map(|()| true),
        Command::Salvage(arguments) => salvage::run(&arguments),
        Command::Convert(arguments) => convert::run(&arguments),
        Command::Diff(arguments) => diff::run(&arguments),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(EXIT_FINDING),
        Err(Trouble::NobodyReads) => ExitCode::from(EXIT_TROUBLE),
        Err(trouble) => {
            note(&trouble.to_string());
            ExitCode::from(EXIT_TROUBLE)
        }
    }
}

/// Writes something to the terminal that is no part of the result.
pub fn note(text: &str) {
    // There is nowhere left to report that this failed.
    let _ = writeln!(std::io::stderr(), "copal-rdb: {text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_line_is_consistent() {
        use clap::CommandFactory as _;
        Arguments::command().debug_assert();
    }
}
