//! Instructions in user space that the server executes for one command, counted by valgrind's callgrind: a figure that
//! neither a busy machine nor another one changes. For that the server's clocks are taken from it (`clock.c`). The C library
//! and all else that chooses code by the processor sees the one that valgrind shows, which is the same wherever there is AVX2.
//!
//! ```text
//! cargo bench --bench instructions                       # every path beside the committed figures
//! cargo bench --bench instructions -- --only set,lpush
//! cargo bench --bench instructions -- --write            # commit the new figures with the change that caused them
//! cargo bench --bench instructions -- --check --server target/release/copal-server
//! ```
//!
//! `baseline.txt` holds the figures of the release profile, so give `--server` a release build. With `--check` the exit
//! code is 1 when a path needs more than 3 % above its figure. With `cargo bench --profile dev` the measuring program is
//! built from what the tests have built already. Needs valgrind and a C compiler.
#![expect(clippy::print_stdout, reason = "the table is the product")]

mod baseline;
mod counted;
mod paths;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use baseline::{Baseline, Figures};
use counted::CountedServer;
use paths::PATHS;

/// A path may need so much more than its committed figure. Seeds of hashes and the cron's rounds move figures by less.
const TOLERANCE: f64 = 0.03;

/// How often a path that needs more is measured again.
const RETRIES: usize = 3;

#[derive(Parser)]
#[command(about = "Instructions a command")]
struct Options {
    /// The server to measure, a build of the release profile.
    #[arg(long, default_value = "target/release/copal-server")]
    server: PathBuf,
    /// Paths, by their names in `paths.rs`.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Fail when a path needs more than its committed figure and 3 %.
    #[arg(long)]
    check: bool,
    /// Replace the committed figures by what is measured.
    #[arg(long)]
    write: bool,
    /// Cargo says so.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let mut baseline = Baseline::read();
    let mut over = Vec::new();
    let mut server = CountedServer::start(&options.server);
    println!("{:<20} {:>9} {:>9}   {:>7} {:>7}", "path", "-P 1", "-P 16", "ratio", "ratio");
    for path in PATHS.iter().filter(|path| options.only.is_empty() || options.only.iter().any(|name| name == path.name))
    {
        let mut figures = server.measure(path);
        let mut ratios = baseline.ratios(path.name, figures);
        // A figure that is too high only now and then is the cron's work; a change of the code is there each time.
        for _ in 0..RETRIES {
            if ratios.iter().flatten().all(|ratio| *ratio <= 1.0 + TOLERANCE) {
                break;
            }
            let again = server.measure(path);
            figures =
                Figures { single: figures.single.min(again.single), pipelined: figures.pipelined.min(again.pipelined) };
            ratios = baseline.ratios(path.name, figures);
        }
        let shown = ratios.map(|ratio| ratio.map_or_else(|| "new".to_owned(), |ratio| format!("{ratio:.3}")));
        println!("{:<20} {:>9} {:>9}   {:>7} {:>7}", path.name, figures.single, figures.pipelined, shown[0], shown[1]);
        if ratios.iter().any(|ratio| ratio.is_none_or(|ratio| ratio > 1.0 + TOLERANCE)) {
            over.push(path.name);
        }
        baseline.set(path.name, figures);
    }
    if options.write {
        baseline.write();
        return ExitCode::SUCCESS;
    }
    if options.check && !over.is_empty() {
        println!("more instructions than committed, or no committed figure: {}", over.join(" "));
        println!("make them fewer, or run with --write and commit the figures with the reason");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
