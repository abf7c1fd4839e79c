//! One entry of a dump, made ready for the database.

use super::LoadSettings;
use crate::keyspace::{AccessClock, AccessPolicy, ReadyEntry};
use crate::rdb::{self, Decoder, Tag, Text, skip};
use crate::stdx::HashSeed;
use crate::types::{EMPTY_VALUE, Limits, LoadOptions, Value};

/// What became of an entry.
pub enum Made {
    Ready(ReadyEntry),
    /// Its expiry is past.
    Expired,
    /// A collection without elements, which no key can hold.
    Empty,
}

/// Makes entries out of records: all that a load decides about a single key.
#[derive(Clone)]
pub struct EntryMaker {
    limits: Limits,
    sanitize: bool,
    now_ms: i64,
    /// What compressed strings are laid out in.
    scratch: Vec<u8>,
}

/// What a record says of an entry before its value.
pub struct Head<'k> {
    pub tag: Tag,
    pub key: &'k [u8],
    pub expiry: Option<i64>,
    pub clock: u32,
}

impl EntryMaker {
    pub fn new(settings: &LoadSettings) -> Self {
        let &LoadSettings { ref limits, sanitize, now, .. } = settings;
        Self { limits: limits.clone(), sanitize, now_ms: now.unix_ms, scratch: Vec::new() }
    }

    /// Reads the value that follows its head.
    #[inline]
    pub fn make(&mut self, head: &Head<'_>, input: &mut Decoder<'_>, seed: &HashSeed) -> rdb::Result<Made> {
        let &Head { tag, key, expiry, clock } = head;
        if expiry.is_some_and(|at_ms| at_ms <= self.now_ms) {
            return skip::value(tag, input).map(|()| Made::Expired);
        }
        if tag == Tag::String {
            return Ok(Made::Ready(match input.text_in(&mut self.scratch)? {
                Text::Bytes(bytes) => ReadyEntry::string(seed, key, bytes, expiry, clock),
                Text::Integer(number) => ReadyEntry::integer(seed, key, number, expiry, clock),
            }));
        }
        let options = LoadOptions { limits: &self.limits, sanitize: self.sanitize };
        match Value::load(tag, input, &options) {
            Ok(value) => Ok(Made::Ready(ReadyEntry::new(seed, key, value, expiry, clock))),
            Err(rdb::Error::InvalidValue { what: EMPTY_VALUE, .. }) => Ok(Made::Empty),
            Err(error) => Err(error),
        }
    }
}

/// The access clock of a key that was used so long ago, or so often.
#[inline]
pub fn access_clock(access: &AccessClock, idle: Option<u64>, freq: Option<u8>) -> u32 {
    match (access.policy(), idle, freq) {
        (AccessPolicy::Lfu { .. }, _, Some(freq)) => access.clock_of_frequency(freq),
        (AccessPolicy::Lru, Some(seconds), _) => access.clock_of_idle(seconds),
        _ => access.initial(),
    }
}
