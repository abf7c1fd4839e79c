//! Huge pages under the heap and the tables, which make fork many times cheaper, and their healing after a child.
//! Owns:  the decision whether they are used, and the thread that puts split ones together again.
//! Uses:  config, structures, stdx.
//! Never: a change to what memory holds; stacks and mapped files are left alone.
//!
//! A write after fork used to copy a whole huge page of 2 MiB. Since Linux 5.8 (commit 3917c80280c9) it splits the page
//! and copies 4 KiB, as without huge pages: from then on they cost nothing and are used wherever the system lets us.
//! What a child leaves behind is memory in small pages, which would make each fork dearer than the one before.

mod decision;
mod healer;
mod kernel;
mod ranges;

pub use decision::{HugePageDecision, HugePageSystem};
pub use healer::{Healer, HealingProgress};

/// What the kernel calls a huge page on the machines that this is made for; elsewhere nothing is healed.
const HUGE_PAGE_BYTES: usize = 2 << 20;

const PAGE_BYTES: usize = 4 << 10;
