//! Every setting once: its name, its default, its bounds and what a change of it asks of the server.
//! Owns:  the table of keys, the values, the syntax of redis.conf and of the command line.
//! Uses:  stdx.
//! Never: a file, a socket or the environment: texts come in and go out as values.

mod args;
mod example;
mod fault;
mod file;
mod key;
mod kinds;
mod model;
mod notify;
mod rewrite;
mod set;
mod table;
mod title_template;
mod value;

pub use args::{Action, LOOPBACK, StartUp, start_up, usage};
pub use example::example;
pub use file::Files;
pub use key::{Apply, Feature};
#[cfg(any(test, feature = "internals"))]
pub use kinds::AllowedFrom;
pub use kinds::{
    ClientBufferLimit, ClientClass, DisklessLoad, EvictionPolicy, HugePages, LogLevel, MemoryShare, OomScoreAdj,
    PrimaryAddress, PropagationErrors, RenamedCommand, SanitizePayload, SaveRule, SnapshotIoPriority, Supervised,
    UnknownTypes,
};
pub use model::Config;
pub use notify::NotifyFlags;
pub use rewrite::{rewrite, rewrite_everything};
pub use set::{Access, Change, SetError};
pub use table::find;
pub use title_template::process_title;
