//! The integration tests: everything here talks to a running server over real sockets.
//!
//! `COPAL_TEST_SERVER=/path/to/redis-server` runs the same tests against that binary instead, which is how an
//! expectation is checked against Redis itself; what only Copal promises is then skipped.
#![expect(clippy::print_stderr, reason = "a test that cannot run here says so where the developer reads it")]

#[allow(dead_code, unused_imports, reason = "which helpers are used depends on the features")]
mod support;
mod tidy;

mod commands;
mod compat;
mod config;
mod confinement;
mod crash;
mod crash_report;
mod durability;
mod foreign_files;
mod healing;
mod hostile_http;
mod large_load;
mod load;
mod metrics;
mod pipelines;
mod protocol;
mod replication;
mod scripting;
mod signals;
mod snapshot;
mod snapshot_limits;
mod snapshot_soak;
mod snapshot_under_writes;
mod soak;
mod startup;
mod tool;
mod tool_input;
mod tool_report;
mod wall_clock;
