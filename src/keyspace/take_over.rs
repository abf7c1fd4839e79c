//! Long strings that take over the buffer in which they were received, so that they are in memory only once.
//!
//! While a command runs its arguments are borrowed from that buffer. A string that makes up most of it is therefore set in
//! two steps: the command sets an empty one and leaves a claim, and when it is done the caller fulfils the claim with the
//! buffer. In between nobody looks at the key: the caller lets no other command run.

use std::ops::Range;

use super::Keyspace;
use crate::types::Value;
use crate::types::string::StringValue;

/// Shorter strings are copied.
pub const TAKEN_OVER_BYTES_MIN: usize = 1 << 20;

/// A buffer that may be taken over, and by whom.
#[derive(Debug, Default)]
pub struct Offer {
    /// Where the buffer lies; empty while there is none. Its bytes are never looked at by this.
    addresses: Range<usize>,
    claim: Option<Claim>,
}

/// A string that is to take over the buffer.
#[derive(Debug)]
pub struct Claim {
    db: usize,
    key: Box<[u8]>,
    /// Where in the buffer the string lies.
    pub range: Range<usize>,
}

impl Keyspace {
    /// Offers a buffer to the commands whose arguments lie in it.
    pub fn offer_buffer(&mut self, buffer: &[u8]) {
        let start = buffer.as_ptr().addr();
        self.offer = Offer { addresses: start..start + buffer.len(), claim: None };
    }

    /// Whether a buffer is offered: commands run one by one then.
    pub fn offers_buffer(&self) -> bool {
        !self.offer.addresses.is_empty()
    }

    /// Whether it is claimed: no further command may run before the claim is fulfilled.
    pub fn is_buffer_claimed(&self) -> bool {
        self.offer.claim.is_some()
    }

    /// Ends the offer. Returns who has claimed the buffer.
    pub fn withdraw_buffer(&mut self) -> Option<Claim> {
        std::mem::take(&mut self.offer).claim
    }

    /// Sets the string that has claimed a buffer, if its key still waits for it.
    pub fn fulfil(&mut self, claim: &Claim, bytes: Vec<u8>) {
        let db = &mut self.dbs[claim.db];
        let hash = db.hash(&claim.key);
        let set = db.edit(hash, &claim.key, None, |value| {
            if matches!(value, StringValue::Raw(empty) if empty.is_empty()) {
                *value = StringValue::Raw(bytes);
            }
        });
        debug_assert!(set.is_ok(), "the command has set a string");
    }

    /// Sets `key` to a string that stays empty until a claim is fulfilled, if `bytes` are most of an offered buffer.
    pub(super) fn claim_buffer(&mut self, db: usize, key: &[u8], bytes: &[u8], expiry: Option<i64>) -> bool {
        let start = bytes.as_ptr().addr();
        let offered = &self.offer.addresses;
        if !offered.contains(&start) || bytes.len() < offered.len() / 2 || self.offer.claim.is_some() {
            return false;
        }
        let start = start - offered.start;
        self.offer.claim = Some(Claim { db, key: key.into(), range: start..start + bytes.len() });
        // SET makes no raw string that is empty, so that it is known again.
        self.insert(db, key, Value::String(StringValue::Raw(Vec::new())), expiry);
        true
    }
}
