//! The process: start, end, signals, logs, and what the system is asked for.
//! Owns:  the launch, the log, signal handlers, the pid file, the title and the exit code.
//! Uses:  commands, config, keyspace, observe, snapshot, stdx, structures.
//! Never: a command or a client's data.

pub(in crate::server) mod banner;
pub(in crate::server) mod crash;
pub(in crate::server) mod fatal_signal;
pub(in crate::server) mod file_limit;
mod launch;
pub(in crate::server) mod logging;
mod machine;
mod oom_score;
mod pid_file;
pub(in crate::server) mod run;
mod service_manager;
pub(in crate::server) mod shutdown;
pub(in crate::server) mod signals;
pub(in crate::server) mod start;
mod state;
mod title_setting;

pub(in crate::server) use launch::Launch;
pub(in crate::server) use machine::Lack;
pub(in crate::server) use state::{Process, SHUTDOWN_FAILED};
