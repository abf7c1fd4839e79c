//! `copal-server`: arguments to a configuration to a running server.

use std::process::ExitCode;

fn main() -> ExitCode {
    copal::server_main()
}
