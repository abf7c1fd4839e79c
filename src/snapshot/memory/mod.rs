//! What a snapshot takes of memory, what is left for it, and whether the kernel has ended it for want of memory.
//! Owns:  the thread that measures a child, and the readings of control groups and of the system.
//! Uses:  stdx.
//! Never: the end of a child; the supervisor decides that.

mod groups;
mod room;
mod watch;

pub use groups::Groups;
pub use room::shortages;
pub use watch::Watch;
