//! `copal-rdb`: looks at dump files without a server.

use std::process::ExitCode;

fn main() -> ExitCode {
    copal::rdb_main()
}
