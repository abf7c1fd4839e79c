//! One entry of a dump, made ready for the database.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::LoadSettings;
use crate::config::UnknownTypes;
use crate::keyspace::{AccessClock, AccessPolicy, Home, ReadyEntry};
use crate::observe::UserData;
use crate::rdb::{self, Decoder, Tag, Text, skip};
use crate::types::{EMPTY_VALUE, Limits, LoadOptions, Value};

/// What became of an entry.
pub enum Made {
    Ready(ReadyEntry),
    /// Its expiry is past.
    Expired,
    /// A collection without elements, which no key can hold.
    Empty,
    /// A value that this server has no type for, which is left out.
    LeftOut(rdb::Error),
}

/// Streams whose stored length is wrong that are named in the log.
const WRONG_LENGTHS_NAMED: u32 = 10;

/// Makes entries out of records: all that a load decides about a single key.
#[derive(Clone)]
pub struct EntryMaker {
    limits: Limits,
    sanitize: bool,
    now_ms: i64,
    /// What compressed strings are laid out in.
    scratch: Vec<u8>,
    skips_unknown: bool,
    /// Of all threads together.
    wrong_lengths: Arc<AtomicU32>,
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
        let &LoadSettings { ref limits, sanitize, now, keeps_expired, unknown, .. } = settings;
        Self {
            limits: limits.clone(),
            sanitize,
            now_ms: if keeps_expired { i64::MIN } else { now.unix_ms },
            scratch: Vec::new(),
            skips_unknown: unknown == UnknownTypes::Skip,
            wrong_lengths: Arc::default(),
        }
    }

    pub fn skips_unknown(&self) -> bool {
        self.skips_unknown
    }

    /// Reads the value that follows its head.
    #[inline]
    pub fn make(&mut self, head: &Head<'_>, input: &mut Decoder<'_>, home: &Home) -> rdb::Result<Made> {
        let &Head { tag, key, expiry, clock } = head;
        if expiry.is_some_and(|at_ms| at_ms <= self.now_ms) {
            return skip::value(tag, input).map(|()| Made::Expired);
        }
        if tag == Tag::String {
            return Ok(Made::Ready(match input.text_in(&mut self.scratch)? {
                Text::Bytes(bytes) => ReadyEntry::string(home, key, bytes, expiry, clock),
                Text::Integer(number) => ReadyEntry::integer(home, key, number, expiry, clock),
            }));
        }
        let wrong_length = Cell::new(false);
        let options = LoadOptions { limits: &self.limits, sanitize: self.sanitize, wrong_length: Some(&wrong_length) };
        let before = input.clone();
        let loaded = Value::load(tag, input, &options);
        if wrong_length.get() {
            self.note_wrong_length(key);
        }
        match loaded {
            Ok(value) => Ok(Made::Ready(ReadyEntry::new(home, key, value, expiry, clock))),
            Err(rdb::Error::InvalidValue { what: EMPTY_VALUE, .. }) => Ok(Made::Empty),
            Err(cause @ (rdb::Error::UnsupportedType { .. } | rdb::Error::UnsupportedModule { .. }))
                if self.skips_unknown =>
            {
                *input = before;
                skip::value(tag, input).map(|()| Made::LeftOut(cause))
            }
            Err(error) => Err(error),
        }
    }

    #[cold]
    fn note_wrong_length(&self, key: &[u8]) {
        let before = self.wrong_lengths.fetch_add(1, Ordering::Relaxed);
        if before < WRONG_LENGTHS_NAMED {
            tracing::warn!(
                "The stream at the key '{}' has another number of entries than the dump states; those that are there \
                 are loaded",
                UserData(key)
            );
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
