//! Files: the dump, its temp file while it is written, and the older dumps beside it.
//! Owns:  the steps that replace a file as a whole, temp files and their locks, generations, and the mapped dump.
//! Uses:  rdb, types.
//! Never: a log line, a lock of the parent's, or the removal of a file that is not surely ours.

pub mod atomic_file;
pub mod dump_file;
pub mod generations;
pub mod original;
pub mod same_data;
pub mod temp_file;
