//! `copal-rdb`: looks at dump files without a server.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::check::{Fault, check};
use crate::stdx::clock::Now;

/// Some file is damaged.
const EXIT_FAULT: u8 = 1;

/// Looks at RDB dump files without a server.
#[derive(Parser)]
#[command(name = "copal-rdb", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Reads whole files, every value included, and says where the first fault of each is.
    ///
    /// The exit code is 0 if all of them are sound and 1 otherwise.
    Check {
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

/// What `copal-rdb` does.
pub fn run() -> ExitCode {
    match Arguments::parse().command {
        Command::Check { files } => check_all(&files, &mut io::stdout()),
    }
}

fn check_all(files: &[PathBuf], out: &mut dyn Write) -> ExitCode {
    let now_ms = Now::read().unix_ms;
    let mut code = ExitCode::SUCCESS;
    for path in files {
        let line = match check(path, now_ms) {
            Ok(sound) => format!(
                "{}: OK, RDB version {}, {} bytes, {} keys in {} databases, {} with an expiry, {} expired",
                path.display(),
                sound.version,
                sound.bytes,
                sound.keys,
                sound.databases,
                sound.expires,
                sound.expired
            ),
            Err(Fault { error, keys_before }) => {
                code = ExitCode::from(EXIT_FAULT);
                format!("{error}, after {keys_before} whole keys")
            }
        };
        if writeln!(out, "{line}").is_err() {
            // Whoever read us has gone.
            return ExitCode::from(EXIT_FAULT);
        }
    }
    code
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
