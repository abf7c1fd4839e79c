//! Memory in which values that live inside their key's block are changed, one at a time.

use crate::structures::Row;

/// What the last value that was changed has left to the next one.
#[derive(Default)]
pub struct Room {
    row: Row,
    bytes: Vec<u8>,
}

impl Room {
    /// For a packed collection, whatever it holds.
    #[inline]
    pub fn take_row(&mut self) -> Row {
        std::mem::take(&mut self.row)
    }

    #[inline]
    pub fn put_row(&mut self, row: Row) {
        self.row = row;
    }

    /// For a string, without anything in it.
    #[inline]
    pub fn take_bytes(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        bytes
    }

    #[inline]
    pub fn put_bytes(&mut self, bytes: Vec<u8>) {
        self.bytes = bytes;
    }
}
