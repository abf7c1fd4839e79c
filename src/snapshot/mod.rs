//! Point-in-time RDB files by fork and copy-on-write, and reading them back.
//! Owns:  the child process and its report pipe, temp files, when to save, and what became of the last saves.
//! Uses:  keyspace, types, rdb, config, observe, structures, stdx.
//! Never: a client or a reply; in what the child runs, also no tokio, no tracing and no lock of the parent's.

mod child;
mod error;
mod file;
mod fork;
mod history;
mod huge_pages;
mod load;
mod process_title;
mod running;
mod schedule;
mod supervisor;
mod system_calls;
#[cfg(test)]
mod tests;

pub use child::save::{KnownDump, SaveOptions, delay_us};
pub use error::{LoadError, LoadFault, SaveError};
pub use file::atomic_file::Place;
pub use file::dump_file::DumpFile;
pub use file::original::keep_original;
pub use file::temp_file::Fate;
pub use fork::InterruptWatch;
pub use history::{Outcome, Record, Trigger};
pub use huge_pages::{HugePageDecision, HugePageSystem};
pub use load::{Duplicates, LoadSettings, Loaded, Loader, Progress, Verification};
pub use process_title::ProcessTitle;
pub use supervisor::{Cancelled, Supervisor, Task};
pub use system_calls::{OptionalCall, probe as probe_system_calls};
