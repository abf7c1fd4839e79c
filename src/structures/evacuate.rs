//! Moving the blocks of a collection out of pages that are to become empty, a part at a time.
#![expect(unsafe_code, reason = "owners of blocks move what is in them")]

use std::ptr::NonNull;

use super::heap::Pool;

/// Where the next part of a collection begins: [`START`] before the first and after the last one. What it means is the
/// collection's own; where that has changed meanwhile, blocks may be missed.
pub type Cursor = u128;

pub const START: Cursor = 0;

/// One part of the work.
#[derive(Debug)]
pub struct Part {
    /// Blocks that are now somewhere else.
    pub moved: u64,
    /// Blocks that were looked at and stay.
    pub kept: u64,
    left: usize,
    /// Blocks move that need not.
    #[cfg(test)]
    moves_all: bool,
}

/// What is not moved costs less.
const MOVE: usize = 4;

/// Bytes that are copied in the time of a look at a block.
const COPIED_BYTES: usize = 256;

impl Part {
    /// A part of about as much work as it is to look at so many blocks.
    pub fn of(looks: usize) -> Self {
        Self {
            moved: 0,
            kept: 0,
            left: looks,
            #[cfg(test)]
            moves_all: false,
        }
    }

    /// As [`Part::of`], and every block is taken for one that is leaving.
    #[cfg(test)]
    pub fn moving_all(looks: usize) -> Self {
        Self { moves_all: true, ..Self::of(looks) }
    }

    #[inline]
    pub fn is_done(&self) -> bool {
        self.left == 0
    }

    /// Counts the work of something that has no block.
    #[inline]
    pub fn look(&mut self) {
        self.left = self.left.saturating_sub(1);
    }

    /// Whether what is in a block of [`Pool::Elements`] is to move. Counts it as kept if not.
    #[inline]
    pub(super) fn is_leaving(&mut self, block: NonNull<u8>) -> bool {
        #[cfg(test)]
        if self.moves_all {
            return true;
        }
        let is_leaving = Pool::Elements.is_leaving(block);
        if !is_leaving {
            self.look();
            self.kept += 1;
        }
        is_leaving
    }

    /// Moves what is in a block that is leaving.
    ///
    /// # Safety
    ///
    /// As for [`Pool::move_out`].
    pub(super) unsafe fn move_out(&mut self, block: &mut NonNull<u8>, bytes: usize) {
        // SAFETY: by this function's contract.
        unsafe { Pool::Elements.move_out(block, bytes) };
        self.left = self.left.saturating_sub(MOVE + bytes / COPIED_BYTES);
        self.moved += 1;
    }
}

/// What has blocks of [`Pool::Elements`].
pub trait Evacuate {
    /// Moves blocks that are [leaving](Pool::is_leaving), from `cursor` on until the part is done. Nothing else changes. Returns
    /// where the next part begins.
    fn evacuate(&mut self, cursor: Cursor, part: &mut Part) -> Cursor;
}

/// Moves every block of a collection, in parts of so many looks. Returns how many there were, and how many parts.
#[cfg(test)]
pub fn evacuate_all(collection: &mut impl Evacuate, looks: usize) -> (u64, usize) {
    let (mut moved, mut parts, mut cursor) = (0, 0, START);
    loop {
        let mut part = Part::moving_all(looks);
        cursor = collection.evacuate(cursor, &mut part);
        (moved, parts) = (moved + part.moved, parts + 1);
        if cursor == START {
            return (moved, parts);
        }
    }
}
