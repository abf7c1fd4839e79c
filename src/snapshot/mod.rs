//! Point-in-time RDB files by fork and copy-on-write, and reading them back.
//! Owns:  the child process and its report pipe, what it may take, files and how they are replaced, when to save, and
//!        what became of the last saves.
//! Uses:  keyspace, types, rdb, config, observe, structures, stdx.
//! Never: a client or a reply; in what the child runs, also no tokio, no tracing and no lock of the parent's.

mod child;
mod error;
mod file;
mod history;
mod huge_pages;
mod interrupt;
mod limits;
mod load;
mod memory;
mod process;
mod process_title;
mod running;
mod schedule;
mod supervisor;
mod system_calls;
mod task;
#[cfg(test)]
mod tests;

#[cfg(any(test, feature = "internals"))]
pub use child::save::write_dataset;
pub use child::{KnownDump, SaveOptions, delay_us};
#[cfg(any(test, feature = "internals"))]
pub use child::{Observer, Saved};
pub use error::{LoadError, LoadFault, SaveError};
pub use file::{DumpFile, Fate, Place, keep_original, read_file, replace_file};
pub use history::{Outcome, Record};
pub use huge_pages::{HealingProgress, HugePageDecision, HugePageSystem};
pub use interrupt::InterruptWatch;
pub use limits::Limits;
pub use load::{Duplicates, LoadSettings, Loaded, Loader, Origin, Progress, Verification};
pub use memory::Groups as ControlGroups;
pub use process_title::ProcessTitle;
pub use supervisor::{Cancelled, EndedChild, Supervisor};
pub use system_calls::{OptionalCall, give_way, probe as probe_system_calls};
pub use task::{Task, Trigger};
