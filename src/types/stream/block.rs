//! A run of entries in one listpack, in the layout that RDB files store.
//!
//! A block opens with the number of its live and of its deleted entries and the fields of its first entry, ended by a 0.
//! An entry is flags, its id as a distance from the block's id, its values (with its fields, where these are not the
//! block's), and the number of listpack entries that it takes, by which a walk backwards finds its start.

use crate::structures::listpack::{Iter, Listpack, Lp, Pos, validate};
use crate::structures::{Cursor, Evacuate, Part};

use super::id::StreamId;

/// Flags in front of an entry.
const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

/// Flags and two distances come before the values of an entry.
const ENTRY_HEAD: usize = 3;

/// A field with its value.
pub type Field<'a> = (Text<'a>, Text<'a>);

pub use crate::structures::listpack::Entry as Text;

/// One block. Its id is passed in by whoever keeps it.
///
/// Invariant: the listpack has passed [`Block::from_bytes`] or was built here; its live ids ascend.
#[derive(Clone, PartialEq, Debug)]
pub struct Block(Listpack);

/// What a block opens with.
struct Opening {
    live: usize,
    deleted: usize,
    field_count: usize,
    /// Where the fields begin.
    fields: Pos,
    /// Where the first entry begins, if there is one.
    first: Option<Pos>,
}

impl Block {
    /// A block without entries, whose entries will most likely have these fields.
    pub fn new<'a>(fields: impl Iterator<Item = &'a [u8]> + Clone) -> Self {
        let mut listpack = Listpack::new();
        listpack.push_back(0);
        listpack.push_back(0);
        listpack.push_back(fields.clone().count() as i64);
        listpack.extend(fields);
        listpack.push_back(0);
        Self(listpack)
    }

    /// Takes bytes from outside, unless they are no block. Every entry is looked at: what is walked later is never taken
    /// on trust.
    pub fn from_bytes(base: StreamId, bytes: &[u8]) -> Option<Self> {
        let listpack = validate(bytes, true, |_| true).ok()?;
        is_block(listpack, base).then(|| Self(Listpack::from_bytes(bytes)))
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The size in bytes, without slack.
    pub fn size(&self) -> usize {
        self.0.size()
    }

    pub fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    /// For a block that takes no more entries.
    pub fn shrink_to_fit(&mut self) {
        self.0.shrink_to_fit();
    }

    /// The number of entries that are not deleted.
    pub fn live(&self) -> usize {
        self.number(0)
    }

    /// The number of entries, those that are deleted among them.
    pub fn entry_count(&self) -> usize {
        self.live() + self.number(1)
    }

    fn number(&self, index: i64) -> usize {
        self.0.get(index).and_then(Text::as_int).and_then(|number| usize::try_from(number).ok()).unwrap_or(0)
    }

    /// Puts an entry at the end. `id` is greater than that of every live entry, and not less than `base`.
    pub fn append<'a>(
        &mut self,
        base: StreamId,
        id: StreamId,
        fields: impl Iterator<Item = (&'a [u8], &'a [u8])> + Clone,
    ) {
        let count = fields.clone().count();
        let same = self.has_fields(count, fields.clone().map(|(field, _)| field));
        let (ms, seq) = id.distance_from(base);
        let pushed = &mut self.0;
        pushed.push_back(if same { SAME_FIELDS } else { 0 });
        pushed.push_back(ms);
        pushed.push_back(seq);
        if same {
            pushed.extend(fields.map(|(_, value)| value));
            pushed.push_back((ENTRY_HEAD + count) as i64);
        } else {
            pushed.push_back(count as i64);
            for (field, value) in fields {
                pushed.push_back(field);
                pushed.push_back(value);
            }
            pushed.push_back((ENTRY_HEAD + 1 + 2 * count) as i64);
        }
        self.set_number(0, self.live() + 1);
    }

    fn has_fields<'a>(&self, count: usize, mut fields: impl Iterator<Item = &'a [u8]>) -> bool {
        let Some(opening) = opening(&self.0) else { return false };
        let mut own = self.0.iter_from(opening.fields);
        opening.field_count == count && fields.all(|field| own.next().is_some_and(|own| own.is(field)))
    }

    fn set_number(&mut self, index: i64, number: usize) {
        if let Some(place) = self.0.at(index) {
            self.0.replace(place, number as i64);
        }
    }

    /// Marks an entry as deleted. Returns whether there was one.
    pub fn delete(&mut self, base: StreamId, id: StreamId) -> bool {
        let mut entries = BlockEntries::new(base, self);
        let Some(entry) = entries.find(|entry| !entry.is_deleted() && entry.id >= id) else { return false };
        if entry.id != id {
            return false;
        }
        self.0.replace(entry.at, entry.flags | DELETED);
        self.note_deleted(1);
        true
    }

    /// Marks live entries from the first on as deleted, as long as `doomed` says so of their ids. Returns how many.
    pub fn delete_front(&mut self, base: StreamId, mut doomed: impl FnMut(StreamId) -> bool) -> usize {
        let live = BlockEntries::new(base, self).filter(|entry| !entry.is_deleted());
        let places: Vec<_> =
            live.take_while(|entry| doomed(entry.id)).map(|entry| (entry.at, entry.flags | DELETED)).collect();
        // From the last to the first: replacing one leaves the places before it as they are.
        for &(place, flags) in places.iter().rev() {
            self.0.replace(place, flags);
        }
        self.note_deleted(places.len());
        places.len()
    }

    fn note_deleted(&mut self, count: usize) {
        let (live, deleted) = (self.live(), self.number(1));
        self.set_number(1, deleted + count);
        self.set_number(0, live.saturating_sub(count));
    }

    /// The entries, deleted ones among them.
    pub fn entries(&self, base: StreamId) -> BlockEntries<'_> {
        BlockEntries::new(base, self)
    }
}

impl Evacuate for Block {
    fn evacuate(&mut self, cursor: Cursor, part: &mut Part) -> Cursor {
        self.0.evacuate(cursor, part)
    }
}

/// Reads what a block opens with.
fn opening(lp: &Lp) -> Option<Opening> {
    let number = |entry: Text<'_>| usize::try_from(entry.as_int()?).ok();
    let (live, next) = lp.entry_and_next(lp.first()?)?;
    let (deleted, next) = lp.entry_and_next(next?)?;
    let (field_count, fields) = lp.entry_and_next(next?)?;
    let (fields, field_count) = (fields?, number(field_count)?);
    let end = skip(lp, fields, field_count)?;
    (lp.entry(end)?.as_int()? == 0).then_some(())?;
    Some(Opening { live: number(live)?, deleted: number(deleted)?, field_count, fields, first: lp.next(end) })
}

/// The place `count` entries behind `place`.
fn skip(lp: &Lp, place: Pos, count: usize) -> Option<Pos> {
    (0..count).try_fold(place, |place, _| lp.next(place))
}

/// Whether a whole listpack is a block: its numbers are right, every entry is complete, and the live ids ascend.
fn is_block(lp: &Lp, base: StreamId) -> bool {
    let Some(opening) = opening(lp) else { return false };
    let (mut live, mut deleted, mut last) = (0, 0, None);
    let mut next = opening.first;
    while let Some(place) = next {
        let Some((entry, end)) = read_entry(lp, base, opening.field_count, place) else { return false };
        if lp.entry(end).and_then(Text::as_int) != Some(entry.listpack_entries() as i64) {
            return false;
        }
        if entry.is_deleted() {
            deleted += 1;
        } else if last.is_some_and(|last| entry.id <= last) {
            return false;
        } else {
            live += 1;
            last = Some(entry.id);
        }
        next = lp.next(end);
    }
    (live, deleted) == (opening.live, opening.deleted)
}

/// An entry in its block.
#[derive(Clone, Copy)]
pub struct BlockEntry {
    pub id: StreamId,
    flags: i64,
    /// Where it begins.
    at: Pos,
    /// Where its values begin, or its fields and values.
    values: Pos,
    field_count: usize,
}

impl BlockEntry {
    pub fn is_deleted(&self) -> bool {
        self.flags & DELETED != 0
    }

    fn has_same_fields(&self) -> bool {
        self.flags & SAME_FIELDS != 0
    }

    /// How many listpack entries it takes, the last one left out.
    fn listpack_entries(&self) -> usize {
        if self.has_same_fields() { ENTRY_HEAD + self.field_count } else { ENTRY_HEAD + 1 + 2 * self.field_count }
    }
}

/// Reads the entry that begins at `at`; with it comes the place of its last listpack entry.
fn read_entry(lp: &Lp, base: StreamId, block_fields: usize, at: Pos) -> Option<(BlockEntry, Pos)> {
    let (flags, next) = lp.entry_and_next(at)?;
    let (ms, next) = lp.entry_and_next(next?)?;
    let (seq, next) = lp.entry_and_next(next?)?;
    let (flags, id) = (flags.as_int()?, base.at_distance(ms.as_int()?, seq.as_int()?));
    let (mut values, mut field_count) = (next?, block_fields);
    let same = flags & SAME_FIELDS != 0;
    if !same {
        let (count, next) = lp.entry_and_next(values)?;
        (values, field_count) = (next?, usize::try_from(count.as_int()?).ok()?);
    }
    let end = skip(lp, values, if same { field_count } else { field_count.checked_mul(2)? })?;
    Some((BlockEntry { id, flags, at, values, field_count }, end))
}

/// The entries of a block from both ends, deleted ones among them.
#[derive(Clone)]
pub struct BlockEntries<'a> {
    lp: &'a Lp,
    base: StreamId,
    block_fields: usize,
    fields: Pos,
    /// Where the first entry begins that was not given out.
    front: Option<Pos>,
    /// Where the last one ends.
    back: Option<Pos>,
}

impl<'a> BlockEntries<'a> {
    fn new(base: StreamId, block: &'a Block) -> Self {
        let lp: &Lp = &block.0;
        let opening = opening(lp);
        Self {
            lp,
            base,
            block_fields: opening.as_ref().map_or(0, |opening| opening.field_count),
            fields: opening.as_ref().map_or(Pos::START, |opening| opening.fields),
            front: opening.and_then(|opening| opening.first),
            back: lp.last(),
        }
    }

    /// The fields of an entry of this block, with their values.
    pub fn fields_of(&self, entry: &BlockEntry) -> Fields<'a> {
        Fields {
            own: entry.has_same_fields().then(|| self.lp.iter_from(self.fields)),
            values: self.lp.iter_from(entry.values),
            left: entry.field_count,
        }
    }
}

impl Iterator for BlockEntries<'_> {
    type Item = BlockEntry;

    fn next(&mut self) -> Option<BlockEntry> {
        let at = self.front?;
        if at > self.back? {
            return None;
        }
        let (entry, end) = read_entry(self.lp, self.base, self.block_fields, at)?;
        self.front = self.lp.next(end);
        Some(entry)
    }
}

impl DoubleEndedIterator for BlockEntries<'_> {
    fn next_back(&mut self) -> Option<BlockEntry> {
        let (front, end) = (self.front?, self.back?);
        if end < front {
            return None;
        }
        let count = self.lp.entry(end)?.as_int()?;
        let at = (0..count).try_fold(end, |place, _| self.lp.prev(place))?;
        let (entry, _) = read_entry(self.lp, self.base, self.block_fields, at)?;
        self.back = self.lp.prev(at);
        Some(entry)
    }
}

/// The fields of an entry with their values, in the order in which they were given.
#[derive(Clone)]
pub struct Fields<'a> {
    /// Where fields are, if not beside the values.
    own: Option<Iter<'a>>,
    values: Iter<'a>,
    left: usize,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        self.left = self.left.checked_sub(1)?;
        let field = self.own.as_mut().unwrap_or(&mut self.values).next()?;
        Some((field, self.values.next()?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Fields<'_> {}
