//! Point-in-time RDB files by fork and copy-on-write, and reading them back.
//! Owns:  the child process and its report pipe, temp files, when to save, and what became of the last saves.
//! Uses:  keyspace, types, rdb, config, observe, structures, stdx.
//! Never: a client or a reply; in what the child runs, also no tokio, no tracing and no lock of the parent's.

mod atomic_file;
mod check;
mod child;
mod chunks;
mod error;
mod fork;
mod generations;
mod history;
mod huge_pages;
mod load;
mod original;
mod pace;
#[cfg(test)]
mod power_cut_tests;
mod process_title;
mod report;
mod running;
mod same_data;
mod save;
mod schedule;
mod serialise;
#[cfg(test)]
mod simulation;
mod supervisor;
mod system_calls;
mod temp_file;
#[cfg(test)]
mod tests;

pub use atomic_file::Place;
pub use error::{LoadError, LoadFault, SaveError};
pub use fork::InterruptWatch;
pub use history::{Outcome, Record, Trigger};
pub use huge_pages::{HugePageDecision, HugePageSystem};
pub use load::{DumpFile, Duplicates, LoadSettings, Loaded, Loader, Progress, Verification};
pub use original::keep_original;
pub use process_title::ProcessTitle;
pub use save::{KnownDump, SaveOptions, delay_us};
pub use supervisor::{Cancelled, Supervisor, Task};
pub use system_calls::{OptionalCall, probe as probe_system_calls};
pub use temp_file::Fate;
