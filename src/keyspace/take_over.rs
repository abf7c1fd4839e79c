//! Long strings that take over the buffer in which they were received, so that they are in memory only once.
//!
//! While a command runs its arguments are borrowed from that buffer. A long string of a command that makes up most of it is
//! therefore set in two steps: the command sets an empty one and leaves a claim, and when it is done the caller fulfils the
//! claims with the buffer. In between nobody looks at the keys: the caller lets no other command run. The first claim gets
//! the buffer itself, the others memory of their own, into which their bytes move while they leave the buffer's.

use std::ops::Range;

use super::Keyspace;
use crate::structures::LongBuffer;
use crate::types::Value;
use crate::types::string::StringValue;

/// Shorter strings are copied.
pub const TAKEN_OVER_BYTES_MIN: usize = 1 << 20;

/// A buffer that may be taken over, and by whom.
#[derive(Debug, Default)]
pub struct Offer {
    /// Where the buffer lies; empty while there is none. Its bytes are never looked at by this.
    addresses: Range<usize>,
    /// Whether the command that runs makes up most of the buffer.
    for_command: bool,
    /// In the order in which their strings lie in the buffer.
    claims: Vec<Claim>,
}

/// A string that is to take over the buffer, or a part of it.
#[derive(Debug)]
pub struct Claim {
    db: usize,
    key: Box<[u8]>,
    /// Where in the buffer the string lies.
    range: Range<usize>,
    /// Room for it to move to; without it, the buffer's own memory becomes the string's.
    memory: Option<Vec<u8>>,
}

impl Keyspace {
    /// Offers a buffer to the commands whose arguments lie in it.
    pub fn offer_buffer(&mut self, buffer: &[u8]) {
        let start = buffer.as_ptr().addr();
        self.offer = Offer { addresses: start..start + buffer.len(), ..Offer::default() };
    }

    /// Says how long the command is that runs next, within the buffer that is offered.
    pub fn note_command_bytes(&mut self, bytes: usize) {
        self.offer.for_command = bytes >= self.offer.addresses.len() / 2;
    }

    /// Whether a buffer is offered: commands run one by one then.
    pub fn offers_buffer(&self) -> bool {
        !self.offer.addresses.is_empty()
    }

    /// How long the first of a command's arguments is that would take over the buffer's own memory.
    pub fn first_taken_over<'a>(&self, mut args: impl Iterator<Item = &'a [u8]>) -> usize {
        let first = args.find(|arg| arg.len() >= TAKEN_OVER_BYTES_MIN && self.offer.for_command);
        first.map_or(0, <[u8]>::len)
    }

    /// Whether it is claimed: no further command may run before the claim is fulfilled.
    pub fn is_buffer_claimed(&self) -> bool {
        !self.offer.claims.is_empty()
    }

    /// Ends the offer. Returns who has claimed the buffer.
    pub fn withdraw_buffer(&mut self) -> Vec<Claim> {
        std::mem::take(&mut self.offer).claims
    }

    /// Sets the strings that have claimed a buffer, which begins `start` bytes into `buffer`.
    pub fn fulfil(&mut self, claims: Vec<Claim>, buffer: Vec<u8>, start: usize) {
        let mut buffer = LongBuffer::new(buffer);
        for mut claim in claims.into_iter().rev() {
            let range = start + claim.range.start..start + claim.range.end;
            match claim.memory.take() {
                Some(mut bytes) => {
                    buffer.take_end(range.start, range.len(), &mut bytes);
                    self.set_claimed(&claim, bytes);
                }
                // Only the first one has none.
                None => {
                    let mut bytes = buffer.into_vec();
                    bytes.truncate(range.end);
                    bytes.drain(..range.start);
                    bytes.shrink_to_fit();
                    return self.set_claimed(&claim, bytes);
                }
            }
        }
    }

    /// Sets one string, if its key still waits for it.
    fn set_claimed(&mut self, claim: &Claim, bytes: Vec<u8>) {
        let db = &mut self.dbs[claim.db];
        let hash = db.hash(&claim.key);
        let set = db.edit(hash, &claim.key, None, |value| {
            if matches!(value, StringValue::Raw(empty) if empty.is_empty()) {
                *value = StringValue::Raw(bytes);
            }
        });
        debug_assert!(set.is_ok(), "the command has set a string");
    }

    /// Sets `key` to a string that stays empty until a claim is fulfilled, if `bytes` lie in an offered buffer that is
    /// mostly the command's.
    pub(super) fn claim_buffer(&mut self, db: usize, key: &[u8], bytes: &[u8], expiry: Option<i64>) -> bool {
        let start = bytes.as_ptr().addr();
        let offered = &self.offer.addresses;
        if !offered.contains(&start) || !self.offer.for_command {
            return false;
        }
        let start = start - offered.start;
        let claims = &mut self.offer.claims;
        // A key that is set again gets its last string only.
        claims.retain(|claim| claim.db != db || *claim.key != *key);
        let memory = match claims.last() {
            None => None,
            Some(last) if last.range.end > start => return false,
            Some(_) => {
                let mut memory = Vec::new();
                if memory.try_reserve_exact(bytes.len()).is_err() {
                    return false;
                }
                Some(memory)
            }
        };
        claims.push(Claim { db, key: key.into(), range: start..start + bytes.len(), memory });
        // SET makes no raw string that is empty, so that it is known again.
        self.insert(db, key, Value::String(StringValue::Raw(Vec::new())), expiry);
        true
    }
}
