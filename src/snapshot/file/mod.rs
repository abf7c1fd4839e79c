//! Files: the dump, its temp file while it is written, and the older dumps beside it; and small files of settings.
//! Owns:  the steps that replace a file as a whole, temp files and their locks, generations, and the mapped dump.
//! Uses:  rdb, types.
//! Never: a log line, a lock of the parent's, or the removal of a file that is not surely ours.

mod atomic_file;
mod dump_file;
mod file_system;
pub mod generations;
mod lock;
mod new_dump;
mod original;
mod place;
mod same_data;
mod settings_file;
mod standing;
pub mod temp_file;

pub use dump_file::DumpFile;
pub use file_system::{Disk, FileSystem};
pub use new_dump::{NewDump, Temp};
pub use original::keep_original;
pub use place::Place;
pub use settings_file::{read_file, replace_file};
pub use standing::Standing;
pub use temp_file::Fate;

#[cfg(test)]
pub use {
    file_system::{Access, OpenFile},
    lock::Lock,
    standing::{Identity, Kind},
};
