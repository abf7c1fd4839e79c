//! The entries of a stream, in blocks, and the counters that outlive them.

use std::collections::{BTreeMap, btree_map};
use std::ops::{Bound, RangeBounds};

use super::block::{Block, BlockEntries, BlockEntry, Fields};
use super::group::Group;
use super::id::StreamId;
use crate::structures::{Cursor, Evacuate, Part, START};
use crate::types::Limits;

/// A block never gets larger, whatever the configuration says, and no entry may be.
const BLOCK_BYTES_MAX: usize = 1 << 30;

/// Fields of one entry. Each takes four bytes and more besides its own, so that a listpack has room for so many.
const FIELDS_MAX: usize = 1 << 28;

/// How many bytes the fields and values of an entry have; `None` if there are more, or more fields, than an entry may have.
pub(super) fn entry_bytes<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Option<usize> {
    let (mut size, mut count) = (0usize, 0usize);
    for (field, value) in fields {
        size = size.saturating_add(field.len() + value.len());
        count += 1;
    }
    (size <= BLOCK_BYTES_MAX && count <= FIELDS_MAX).then_some(size)
}

/// The entries of a stream and what is known of those that it has had.
///
/// Invariants: a block is kept under the id of the first entry that it ever had; none is without a live entry; live ids
/// ascend from block to block. `first_id` is the first live id, or 0-0.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Log {
    pub(super) blocks: BTreeMap<StreamId, Block>,
    pub(super) len: usize,
    pub(super) first_id: StreamId,
    pub(super) last_id: StreamId,
    pub(super) max_deleted_id: StreamId,
    pub(super) entries_added: u64,
}

/// Why an entry was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AppendError {
    /// Its id is not greater than the last one.
    IdTooSmall,
    TooLarge,
}

/// What has to go when a stream is trimmed, from its start on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Excess {
    /// Entries beyond so many.
    Length(usize),
    /// Entries with lesser ids.
    Before(StreamId),
}

/// The cursor is the id of a block. The tree that finds them is the allocator's.
impl Evacuate for Log {
    fn evacuate(&mut self, cursor: Cursor, part: &mut Part) -> Cursor {
        let first = StreamId { ms: (cursor >> u64::BITS) as u64, seq: cursor as u64 };
        for (id, block) in self.blocks.range_mut(first..) {
            if *id > first && part.is_done() {
                return Cursor::from(id.ms) << u64::BITS | Cursor::from(id.seq);
            }
            block.evacuate(START, part);
        }
        START
    }
}

impl Log {
    pub fn len(&self) -> usize {
        self.len
    }

    /// The id of the first entry, 0-0 if there is none.
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// The greatest id that the stream has had: the next one must be greater.
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The greatest id that was deleted by name, 0-0 if none was.
    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    /// How many entries were ever added.
    pub fn entries_added(&self) -> u64 {
        self.entries_added
    }

    /// The id of the last entry that is still there, which may be less than [`Log::last_id`].
    pub fn last_entry_id(&self) -> Option<StreamId> {
        self.range(..).next_back().map(|entry| entry.id)
    }

    #[allow(dead_code, reason = "only tests ask for it")]
    pub fn contains(&self, id: StreamId) -> bool {
        self.entry(id).is_some()
    }

    pub fn entry(&self, id: StreamId) -> Option<StreamEntry<'_>> {
        self.range(id..=id).next()
    }

    /// How many blocks hold the entries.
    pub fn block_count(&self) -> usize {
        self.blocks.len()
    }

    /// The entries of these ids, from both ends.
    pub fn range(&self, ids: impl RangeBounds<StreamId>) -> Range<'_> {
        let from = match ids.start_bound() {
            Bound::Included(&id) => Some(id),
            Bound::Excluded(&id) => id.next(),
            Bound::Unbounded => Some(StreamId::MIN),
        };
        let to = match ids.end_bound() {
            Bound::Included(&id) => Some(id),
            Bound::Excluded(&id) => id.previous(),
            Bound::Unbounded => Some(StreamId::MAX),
        };
        match (from, to) {
            (Some(from), Some(to)) if from <= to => {
                // The block that `from` would be in is the last one that does not begin behind it.
                let first = self.blocks.range(..=from).next_back().map_or(from, |(&base, _)| base);
                Range { from, to, blocks: self.blocks.range(first..=to), front: None, back: None }
            }
            _ => Range {
                from: StreamId::MAX,
                to: StreamId::MIN,
                blocks: self.blocks.range(StreamId::MAX..StreamId::MAX),
                front: None,
                back: None,
            },
        }
    }

    /// Whether an entry was deleted by name at `from` or behind it, so that counting up to there goes wrong.
    pub fn has_deleted_from(&self, from: StreamId) -> bool {
        self.len > 0
            && self.max_deleted_id != StreamId::MIN
            && self.first_id <= self.max_deleted_id
            && from <= self.max_deleted_id
    }

    /// The number of entries that were ever added up to this id, where that is known.
    pub fn entries_up_to(&self, id: StreamId) -> Option<u64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        if id == self.last_id || (self.len == 0 && id < self.last_id) {
            return Some(self.entries_added);
        }
        let whole = self.max_deleted_id == StreamId::MIN || self.max_deleted_id < self.first_id;
        if id > self.last_id || !whole || id > self.first_id {
            return None;
        }
        let before_first = self.entries_added.wrapping_sub(self.len as u64);
        Some(if id == self.first_id { before_first.wrapping_add(1) } else { before_first })
    }

    /// How many entries a group has yet to read, where that is known.
    pub fn lag(&self, group: &Group) -> Option<i64> {
        if self.entries_added == 0 {
            return Some(0);
        }
        let read = match group.entries_read() {
            Some(read) if !self.has_deleted_from(group.last_delivered_id()) => read,
            _ => self.entries_up_to(group.last_delivered_id())?,
        };
        Some(self.entries_added.wrapping_sub(read).cast_signed())
    }

    pub(super) fn append<'a>(
        &mut self,
        id: StreamId,
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
        limits: &Limits,
    ) -> Result<(), AppendError> {
        if id <= self.last_id {
            return Err(AppendError::IdTooSmall);
        }
        let size = entry_bytes(fields.clone()).ok_or(AppendError::TooLarge)?;
        let bytes_max = match limits.stream_node_max_bytes {
            0 => BLOCK_BYTES_MAX,
            bytes => bytes.min(BLOCK_BYTES_MAX),
        };
        let entries_max = limits.stream_node_max_entries;
        match self.blocks.last_entry() {
            Some(mut last)
                if last.get().size() + size < bytes_max
                    && (entries_max == 0 || last.get().entry_count() < entries_max) =>
            {
                let base = *last.key();
                last.get_mut().append(base, id, fields);
            }
            last => {
                if let Some(mut full) = last {
                    full.get_mut().shrink_to_fit();
                }
                let mut block = Block::new(fields.clone().map(|(field, _)| field));
                block.append(id, id, fields);
                self.blocks.insert(id, block);
            }
        }
        self.len += 1;
        self.entries_added = self.entries_added.wrapping_add(1);
        self.last_id = id;
        if self.len == 1 {
            self.first_id = id;
        }
        Ok(())
    }

    pub(super) fn delete(&mut self, id: StreamId) -> bool {
        let Some((&base, block)) = self.blocks.range_mut(..=id).next_back() else { return false };
        if !block.delete(base, id) {
            return false;
        }
        if block.live() == 0 {
            self.blocks.remove(&base);
        }
        self.len -= 1;
        self.max_deleted_id = self.max_deleted_id.max(id);
        if id == self.first_id {
            self.find_first();
        }
        true
    }

    /// Removes entries from the start on until so many are left. See [`Log::trim`].
    pub(super) fn trim_by_len(&mut self, len_max: usize, approximate: bool, limit: Option<usize>) -> usize {
        self.trim(Excess::Length(len_max), approximate, limit)
    }

    /// Removes the entries before an id. See [`Log::trim`].
    pub(super) fn trim_by_id(&mut self, min: StreamId, approximate: bool, limit: Option<usize>) -> usize {
        self.trim(Excess::Before(min), approximate, limit)
    }

    /// Returns how many entries went. An approximate trim takes whole blocks only; a limit, which stops before the block
    /// that would pass it, bounds the work.
    fn trim(&mut self, excess: Excess, approximate: bool, limit: Option<usize>) -> usize {
        let mut removed = 0;
        while let Some(mut first) = self.blocks.first_entry() {
            let (base, live) = (*first.key(), first.get().live());
            let whole = match excess {
                Excess::Length(max) if self.len <= max => break,
                Excess::Length(max) => self.len - live.min(self.len) >= max,
                // Deleted entries count too, so that the reply is Redis's.
                Excess::Before(min) => first.get().entries(base).next_back().is_none_or(|last| last.id < min),
            };
            if limit.is_some_and(|limit| removed + live > limit) {
                break;
            }
            if whole {
                first.remove();
                self.len -= live;
                removed += live;
                continue;
            }
            if !approximate {
                let mut surplus = match excess {
                    Excess::Length(max) => self.len - max,
                    Excess::Before(_) => usize::MAX,
                };
                let gone = first.get_mut().delete_front(base, |id| {
                    let goes = surplus > 0 && !matches!(excess, Excess::Before(min) if id >= min);
                    surplus -= usize::from(goes);
                    goes
                });
                if gone == live {
                    first.remove();
                }
                self.len -= gone;
                removed += gone;
            }
            break;
        }
        if removed > 0 {
            self.find_first();
        }
        removed
    }

    /// Brings `first_id` up to date.
    pub(super) fn find_first(&mut self) {
        self.first_id = self.range(..).next().map_or(StreamId::MIN, |entry| entry.id);
    }
}

/// An entry as it is read.
#[derive(Clone)]
pub struct StreamEntry<'a> {
    pub id: StreamId,
    fields: Fields<'a>,
}

impl<'a> StreamEntry<'a> {
    /// The fields with their values; the iterator knows how many there are.
    pub fn fields(&self) -> Fields<'a> {
        self.fields.clone()
    }
}

/// The entries of a range of ids, from both ends.
#[derive(Clone)]
pub struct Range<'a> {
    from: StreamId,
    to: StreamId,
    blocks: btree_map::Range<'a, StreamId, Block>,
    front: Option<BlockEntries<'a>>,
    back: Option<BlockEntries<'a>>,
}

impl<'a> Range<'a> {
    /// What lies beyond the end of the range has been reached: nothing is left.
    fn end(&mut self) {
        (self.front, self.back) = (None, None);
        self.from = StreamId::MAX;
        self.to = StreamId::MIN;
    }

    fn entry_of(entries: &BlockEntries<'a>, entry: BlockEntry) -> StreamEntry<'a> {
        StreamEntry { id: entry.id, fields: entries.fields_of(&entry) }
    }
}

impl<'a> Iterator for Range<'a> {
    type Item = StreamEntry<'a>;

    fn next(&mut self) -> Option<StreamEntry<'a>> {
        while self.from <= self.to {
            if self.front.is_none() {
                let next = self.blocks.next().map(|(&base, block)| block.entries(base));
                self.front = next.or_else(|| self.back.take());
            }
            let entries = self.front.as_mut()?;
            match entries.next() {
                None => self.front = None,
                Some(entry) if entry.is_deleted() || entry.id < self.from => {}
                Some(entry) if entry.id > self.to => self.end(),
                Some(entry) => return Some(Self::entry_of(entries, entry)),
            }
        }
        None
    }
}

impl DoubleEndedIterator for Range<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        while self.from <= self.to {
            if self.back.is_none() {
                let next = self.blocks.next_back().map(|(&base, block)| block.entries(base));
                self.back = next.or_else(|| self.front.take());
            }
            let entries = self.back.as_mut()?;
            match entries.next_back() {
                None => self.back = None,
                Some(entry) if entry.is_deleted() || entry.id > self.to => {}
                Some(entry) if entry.id < self.from => self.end(),
                Some(entry) => return Some(Self::entry_of(entries, entry)),
            }
        }
        None
    }
}
