//! What reads have found past its expiry, which goes once the command is done.

use std::cell::{Cell, RefCell};

/// Keys that one command may note; the rest go by the expire cycle.
const NOTED_MAX: usize = 64;

/// The keys noted so far, by readers that may change nothing.
#[derive(Debug, Default)]
pub(super) struct Lapsed {
    keys: RefCell<Vec<Box<[u8]>>>,
    /// Apart from the keys, since it is looked at after every command.
    any: Cell<bool>,
}

impl Lapsed {
    pub fn note(&self, key: &[u8]) {
        let mut keys = self.keys.borrow_mut();
        if keys.len() < NOTED_MAX {
            keys.push(key.into());
            self.any.set(true);
        }
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        !self.any.get()
    }

    pub fn take(&mut self) -> Vec<Box<[u8]>> {
        self.any.set(false);
        std::mem::take(self.keys.get_mut())
    }
}
