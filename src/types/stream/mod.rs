//! Streams: logs of entries under ids that ascend, and groups of consumers that share them.
//! Owns:  the layout of blocks, ids, trimming, the lists of pending entries.
//! Uses:  structures, rdb.
//! Never: the text of an id, a reply, or the clock: moments come as arguments.

mod block;
mod group;
mod id;
mod log;
mod persist;
#[cfg(test)]
mod tests;

pub use group::{Consumer, ConsumerId, Group, Pending};
pub use id::StreamId;
#[cfg(test)]
pub use log::Range;
pub use log::{AppendError, Log, StreamEntry};

use std::collections::BTreeMap;
use std::io;
use std::ops::Deref;

use super::{DataType, Digest, Encoding, Limits, LoadOptions, Room, Type, Value, ValueRef, View};
use crate::rdb;
use crate::structures::listpack::Entry;
use crate::structures::{Cursor, Evacuate, Part, PoolBox};

/// A stream: its log, which it is read as, and its groups.
///
/// A stream may be without an entry: its key stays.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct StreamValue {
    log: Log,
    groups: BTreeMap<Box<[u8]>, Group>,
}

impl StreamValue {
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether an entry may have these fields.
    pub fn takes<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> bool {
        log::entry_bytes(fields).is_some()
    }

    /// Adds an entry behind all others.
    pub fn append<'a>(
        &mut self,
        id: StreamId,
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
        limits: &Limits,
    ) -> Result<(), AppendError> {
        self.log.append(id, fields, limits)
    }

    /// Deletes an entry. Returns whether it was there.
    pub fn delete(&mut self, id: StreamId) -> bool {
        self.log.delete(id)
    }

    /// Removes the first entries until no more than `len_max` are left. An approximate trim removes whole blocks only;
    /// a limit stops it before the block that would pass it. Returns how many went.
    pub fn trim_by_len(&mut self, len_max: usize, approximate: bool, limit: Option<usize>) -> usize {
        self.log.trim_by_len(len_max, approximate, limit)
    }

    /// Removes the entries before an id, as [`StreamValue::trim_by_len`] does.
    pub fn trim_by_id(&mut self, min: StreamId, approximate: bool, limit: Option<usize>) -> usize {
        self.log.trim_by_id(min, approximate, limit)
    }

    /// The caller has seen to it that no entry has a greater id.
    pub fn set_last_id(&mut self, id: StreamId) {
        self.log.last_id = id;
    }

    pub fn set_entries_added(&mut self, entries_added: u64) {
        self.log.entries_added = entries_added;
    }

    pub fn set_max_deleted_id(&mut self, id: StreamId) {
        self.log.max_deleted_id = id;
    }

    /// The groups in the order of their names.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        self.groups.iter().map(|(name, group)| (&**name, group))
    }

    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name)
    }

    pub fn group_mut(&mut self, name: &[u8]) -> Option<&mut Group> {
        self.groups.get_mut(name)
    }

    /// A group to be changed, with the log to be read meanwhile.
    pub fn log_and_group_mut(&mut self, name: &[u8]) -> Option<(&Log, &mut Group)> {
        Some((&self.log, self.groups.get_mut(name)?))
    }

    /// Adds a group. Returns false if there is one of this name.
    pub fn create_group(&mut self, name: &[u8], last_delivered_id: StreamId, entries_read: Option<u64>) -> bool {
        if self.groups.contains_key(name) {
            return false;
        }
        self.groups.insert(name.into(), Group::new(last_delivered_id, entries_read));
        true
    }

    /// Removes a group with its consumers. Returns whether there was one of this name.
    pub fn destroy_group(&mut self, name: &[u8]) -> bool {
        self.groups.remove(name).is_some()
    }
}

impl Deref for StreamValue {
    type Target = Log;

    fn deref(&self) -> &Log {
        &self.log
    }
}

impl Evacuate for StreamValue {
    fn evacuate(&mut self, cursor: Cursor, part: &mut Part) -> Cursor {
        self.log.evacuate(cursor, part)
    }
}

impl From<StreamValue> for Value {
    fn from(value: StreamValue) -> Value {
        Value::Stream(PoolBox::new(value))
    }
}

impl DataType for StreamValue {
    const TYPE: Type = Type::Stream;
    const LOADS: &'static [rdb::Tag] = persist::LOADS;
    type View<'a> = &'a StreamValue;

    fn view(&self) -> &StreamValue {
        self
    }

    fn inline(&self) -> Option<(Encoding, &[u8])> {
        None
    }

    fn view_inline(_encoding: Encoding, _bytes: &[u8]) -> &StreamValue {
        unreachable!("a stream is never kept inside a block")
    }

    fn from_inline(_encoding: Encoding, _bytes: &[u8], _room: &mut Room) -> Self {
        unreachable!("a stream is never kept inside a block")
    }

    fn give_back(self, _room: &mut Room) {}

    #[inline]
    fn from_value_ref(value: ValueRef<'_>) -> Option<Self::View<'_>> {
        match value {
            ValueRef::Stream(view) => Some(view),
            _ => None,
        }
    }

    fn from_value_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::Stream(value) => Some(value),
            _ => None,
        }
    }

    /// A stream outlives its entries: its last id, its counters and its groups are worth keeping.
    fn is_empty(&self) -> bool {
        false
    }

    fn load(tag: rdb::Tag, input: &mut rdb::Decoder<'_>, options: &LoadOptions<'_>) -> rdb::Result<Self> {
        persist::load(tag, input, options)
    }
}

impl View for &StreamValue {
    fn encoding(self) -> Encoding {
        Encoding::Stream
    }

    fn memory_usage(self, samples: usize) -> usize {
        let blocks = &self.log.blocks;
        let samples = if samples == 0 { blocks.len() } else { samples.min(blocks.len()) };
        let sampled: usize = blocks.values().take(samples).map(block::Block::heap_bytes).sum();
        let per_block = size_of::<(StreamId, block::Block)>() * 3 / 2;
        let blocks = (sampled * blocks.len()).checked_div(samples).unwrap_or(0) + blocks.len() * per_block;
        let groups: usize = self
            .groups
            .iter()
            .map(|(name, group)| name.len() + size_of::<(Box<[u8]>, Group)>() + group.heap_bytes())
            .sum();
        size_of::<StreamValue>() + blocks + groups
    }

    fn free_effort(self) -> usize {
        // The first group is taken as typical of the others, so that asking takes no longer for many of them.
        let pending = self.groups.values().next().map_or(0, Group::pending_len);
        self.log.block_count() + self.groups.len() * (1 + pending)
    }

    fn tag(self, version: u32) -> rdb::Tag {
        persist::tag(version)
    }

    fn save(self, out: &mut rdb::Encoder<'_>) -> io::Result<()> {
        persist::save(self, out)
    }

    fn digest(self, digest: &mut Digest) {
        let mut text = Vec::new();
        let mut mix = |digest: &mut Digest, entry: Entry<'_>| {
            text.clear();
            entry.append_to(&mut text);
            digest.mix(&text);
        };
        for entry in self.range(..) {
            digest.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
            for (field, value) in entry.fields() {
                mix(digest, field);
                mix(digest, value);
            }
        }
    }
}
