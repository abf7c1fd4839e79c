//! Entries that a load builds on any thread, ready to be put into the database's table.

use super::entry::Entry;
use super::field_expiry::next_field_expiry;
use crate::stdx::HashSeed;
use crate::structures::Owner;
use crate::types::string::{EMBSTR_BYTES_MAX, INLINE_BYTES_MAX, IntBytes, StringValue, canonical_integer};
use crate::types::{Encoding, Type, Value};

/// What must be known of a database to build entries for it.
#[derive(Clone, Copy)]
pub struct Home {
    /// The secret of its hashes.
    pub(super) seed: HashSeed,
    /// Who has its blocks.
    pub(super) owner: Owner,
}

/// An entry with all that is needed to insert it without looking at its block, which may still be in the cache of the
/// processor that built it.
pub struct ReadyEntry {
    hash: u64,
    entry: Entry,
    /// Whether it or one of its fields has an expiry.
    expires: bool,
}

impl ReadyEntry {
    /// An entry for the database whose home this is.
    pub fn new(home: &Home, key: &[u8], value: Value, expiry: Option<i64>, clock: u32) -> Self {
        let expires = expiry.is_some() || next_field_expiry(value.view()).is_some();
        let entry = match value.inline() {
            Some((encoding, bytes)) => {
                Entry::with_inline(home.owner, key, value.data_type(), encoding, bytes, expiry, clock)
            }
            None => {
                let mut entry = Entry::new(home.owner, key, value, clock);
                entry.set_expiry(expiry);
                entry
            }
        };
        Self { hash: home.seed.hash(key), entry, expires }
    }

    /// As [`ReadyEntry::new`], for a string.
    #[inline]
    pub fn string(home: &Home, key: &[u8], bytes: &[u8], expiry: Option<i64>, clock: u32) -> Self {
        if let Some(number) = canonical_integer(bytes) {
            return Self::integer(home, key, number, expiry, clock);
        }
        if bytes.len() > INLINE_BYTES_MAX {
            return Self::new(home, key, StringValue::new(bytes).into(), expiry, clock);
        }
        let encoding = if bytes.len() <= EMBSTR_BYTES_MAX { Encoding::Embstr } else { Encoding::Raw };
        Self::inline_string(home, key, encoding, bytes, expiry, clock)
    }

    /// As [`ReadyEntry::new`], for an integer.
    #[inline]
    pub fn integer(home: &Home, key: &[u8], number: i64, expiry: Option<i64>, clock: u32) -> Self {
        Self::inline_string(home, key, Encoding::Int, IntBytes::new(number).bytes(), expiry, clock)
    }

    #[inline]
    fn inline_string(
        home: &Home,
        key: &[u8],
        encoding: Encoding,
        bytes: &[u8],
        expiry: Option<i64>,
        clock: u32,
    ) -> Self {
        let entry = Entry::with_inline(home.owner, key, Type::String, encoding, bytes, expiry, clock);
        Self { hash: home.seed.hash(key), entry, expires: expiry.is_some() }
    }

    pub fn key(&self) -> &[u8] {
        self.entry.key()
    }

    #[inline]
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    #[inline]
    pub(super) fn expires(&self) -> bool {
        self.expires
    }

    #[inline]
    pub(super) fn into_entry(self) -> Entry {
        self.entry
    }
}
