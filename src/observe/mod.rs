//! What operators see: counters, command statistics, and the text of INFO.
//! Owns:  the counters.
//! Uses:  stdx.
//! Never: a client, a key, or I/O.

mod commandstats;
mod counters;
mod info;

pub use commandstats::{CommandStat, CommandStats};
pub use counters::Counters;
pub use info::{InfoSection, InfoText, human_bytes};
