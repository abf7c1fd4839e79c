//! (room being laid)

mod huge_pages;

pub use huge_pages::{HugePageDecision, HugePageSystem};
