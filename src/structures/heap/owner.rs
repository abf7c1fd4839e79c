//! Whose blocks a span has.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many owners there are, with the one who is nobody in particular.
pub(super) const OWNERS: usize = u64::BITS as usize;

/// Who has the blocks of a span: a span holds those of one owner, so that the spans of an owner lead to all its blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner(u8);

impl Owner {
    /// Nobody in particular: whoever has such a block is not found by it.
    pub const NOBODY: Self = Self(0);

    #[inline]
    pub(super) const fn index(self) -> usize {
        self.0 as usize % OWNERS
    }

    #[inline]
    pub(super) const fn with_index(index: usize) -> Self {
        Self((index % OWNERS) as u8)
    }
}

/// A bit for each owner that somebody is.
static TAKEN: AtomicU64 = AtomicU64::new(1);

/// The right to be an owner, which is taken when it is first used, and ends with this.
///
/// Whoever has it drops its blocks first. A thread may keep claims of free blocks for the owner; they serve the next one.
#[derive(Debug, Default)]
pub struct Ownership(Option<Owner>);

impl Ownership {
    /// The owner: [`Owner::NOBODY`] where there are too many others.
    #[inline]
    pub fn owner(&mut self) -> Owner {
        match self.0 {
            Some(owner) => owner,
            None => *self.0.insert(take()),
        }
    }

    /// The owner, if one was taken that nobody else is.
    pub fn distinct(&self) -> Option<Owner> {
        self.0.filter(|owner| *owner != Owner::NOBODY)
    }
}

#[cold]
fn take() -> Owner {
    let mut taken = TAKEN.load(Ordering::Relaxed);
    while taken != u64::MAX {
        let free = taken.trailing_ones();
        match TAKEN.compare_exchange_weak(taken, taken | 1 << free, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => return Owner::with_index(free as usize),
            Err(now) => taken = now,
        }
    }
    Owner::NOBODY
}

impl Drop for Ownership {
    fn drop(&mut self) {
        if let Some(owner) = self.distinct() {
            TAKEN.fetch_and(!(1 << owner.index()), Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_one_at_a_time_and_those_that_come_too_late_are_nobody() {
        let mut all: Vec<_> = (0..OWNERS).map(|_| Ownership::default()).collect();
        let mut owners: Vec<_> = all.iter_mut().map(Ownership::owner).collect();
        assert_eq!(owners.last(), Some(&Owner::NOBODY));
        owners.retain(|owner| *owner != Owner::NOBODY);
        let mut indexes: Vec<_> = owners.iter().map(|owner| owner.index()).collect();
        indexes.sort_unstable();
        indexes.dedup();
        assert_eq!(indexes.len(), owners.len());
        let first = all[0].owner();
        assert_eq!(all[0].owner(), first, "it stays the same");
    }
}
