//! `copal-rdb`: looks at dump files, mends them and turns them into other things, without a server.
//! Owns:  its command line and exit codes, the walk over a file's entries, and what each subcommand makes of them.
//! Uses:  snapshot, keyspace, types, script, rdb, config, stdx.
//! Never: a server or a socket, or a setting of one; more of a file in memory than one value, and tables that are named.

mod check;
mod cli;
mod convert;
mod diff;
mod elements;
mod filter;
mod fingerprint;
#[cfg(any(test, feature = "internals"))]
pub mod fuzzing;
mod input;
mod json;
mod libraries;
mod moment;
mod output;
mod plain_text;
mod progress;
mod report;
mod salvage;
mod stream;
mod trouble;
mod walk;
mod words;

pub use cli::run;
