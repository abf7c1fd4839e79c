//! Sorted sets: a listpack while small, a table of members beside their order beyond that.
//! Owns:  the two encodings of sorted sets and their conversions.
//! Uses:  structures, rdb, stdx.
//! Never: a reply or a command's option.

mod lex;
mod packed;
mod persist;
#[cfg(test)]
mod tests;
mod view;

pub use lex::LexWalk;
pub use view::ZsetView;

use std::ops::Range;

use super::{DataType, Encoding, Limits, LoadOptions, Room, Type, Value, ValueRef};
use crate::rdb;
use crate::stdx::HashSeed;
use crate::structures::listpack::{Listpack, Lp};
use crate::structures::scored_set::{ScoredSet, ScoredSetBuilder};
use crate::structures::{Cursor, Evacuate, Part, PoolBox};

pub use crate::structures::listpack::Entry as Member;
pub use crate::structures::scored_set::Upserted;

/// A listpack of at most this many bytes lives inside its key's block.
pub const INLINE_BYTES_MAX: usize = 512;

/// A listpack never gets larger, whatever the configuration says: its length has to fit its header.
const LISTPACK_BYTES_MAX: usize = 1 << 30;

/// The most that a pair needs in a listpack besides the member's bytes: its two lengths, and a score as a text.
const PAIR_OVERHEAD_BYTES_MAX: usize = 48;

/// A sorted set on its own.
#[derive(Clone, Debug, PartialEq)]
pub enum ZsetValue {
    Listpack(Listpack),
    /// Its encoding answers to the name `skiplist`.
    Tree(PoolBox<ScoredSet>),
}

impl ZsetValue {
    /// An empty sorted set for so many members to come, the longest of which has `member_bytes_max` bytes.
    /// It is laid out in `room` if it is small.
    pub fn for_members(members: usize, member_bytes_max: usize, limits: &Limits, room: &mut Room) -> Self {
        if fits(0, members, member_bytes_max, limits) {
            Self::Listpack(Listpack::reusing(room.take_row()))
        } else {
            Self::Tree(PoolBox::new(ScoredSet::new(HashSeed::of_process())))
        }
    }

    /// A sorted set of members that are all different, with their scores.
    pub fn from_pairs(pairs: &[(Vec<u8>, f64)], limits: &Limits) -> Self {
        let mut builder = ScoredSetBuilder::with_capacity(HashSeed::of_process(), pairs.len());
        for (member, score) in pairs {
            builder.push(member, *score);
        }
        let mut value = Self::Tree(PoolBox::new(builder.finish()));
        value.convert_if_small(limits);
        value
    }

    /// Readies the set for a command that names so many members. As in Redis these count as if all were new, so that a
    /// listpack which they would outgrow is not filled first.
    pub fn expect_members(&mut self, count: usize, limits: &Limits) {
        if count > limits.zset_max_listpack_entries {
            self.make_tree();
        }
    }

    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Gives `member` the score that `decide` makes of its present one; nothing changes if that is none.
    pub fn upsert(
        &mut self,
        member: &[u8],
        limits: &Limits,
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Upserted {
        let listpack = match self {
            Self::Tree(tree) => return tree.upsert(member, decide),
            Self::Listpack(listpack) => listpack,
        };
        let found = packed::locate(listpack, member);
        let old = found.map(|(_, score)| score);
        let new = decide(old);
        match (found, new) {
            (Some((pos, old)), Some(score)) if old != score => {
                packed::remove(listpack, pos);
                packed::insert(listpack, member, score);
            }
            (None, Some(score)) if fits(listpack.size(), listpack.len() / 2 + 1, member.len(), limits) => {
                packed::insert(listpack, member, score);
            }
            (None, Some(score)) => {
                self.make_tree().upsert(member, |_| Some(score));
            }
            _ => {}
        }
        Upserted { old, new }
    }

    /// Takes a member out; returns its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match self {
            Self::Tree(tree) => tree.remove(member),
            Self::Listpack(listpack) => {
                let (pos, score) = packed::locate(listpack, member)?;
                packed::remove(listpack, pos);
                Some(score)
            }
        }
    }

    /// Takes out the members of these ranks. Returns how many there were.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) -> usize {
        let ranks = ranks.start..ranks.end.min(self.len());
        if ranks.is_empty() {
            return 0;
        }
        match self {
            Self::Tree(tree) => tree.remove_range(ranks),
            Self::Listpack(listpack) => {
                listpack.remove_range(ranks.start as i64 * 2, ranks.len() * 2);
                ranks.len()
            }
        }
    }

    fn make_tree(&mut self) -> &mut ScoredSet {
        if let Self::Listpack(listpack) = self {
            *self = Self::Tree(PoolBox::new(tree_of(listpack)));
        }
        match self {
            Self::Tree(tree) => tree,
            Self::Listpack(_) => unreachable!("it has just become a tree"),
        }
    }

    /// Makes a listpack of a tree that is small enough, for a set that was built at once.
    fn convert_if_small(&mut self, limits: &Limits) {
        let Self::Tree(tree) = self else { return };
        let mut bytes = 0;
        let small = tree.len() <= limits.zset_max_listpack_entries
            && tree.iter().all(|(member, _)| {
                let fits = fits(bytes, tree.len(), member.len(), limits);
                bytes += member.len() + PAIR_OVERHEAD_BYTES_MAX;
                fits
            });
        if small {
            let mut listpack = Listpack::new();
            for (member, score) in tree.iter() {
                packed::insert(&mut listpack, member, score);
            }
            *self = Self::Listpack(listpack);
        }
    }
}

/// Whether a listpack of so many bytes may take in a member of `member_bytes_max`, so that it has `members` in the end.
fn fits(listpack_bytes: usize, members: usize, member_bytes_max: usize, limits: &Limits) -> bool {
    members <= limits.zset_max_listpack_entries
        && member_bytes_max <= limits.zset_max_listpack_value
        && listpack_bytes + member_bytes_max < LISTPACK_BYTES_MAX
}

/// The tree of a listpack's pairs; of a member that comes twice, which only a hostile dump brings, the first stays.
fn tree_of(listpack: &Lp) -> ScoredSet {
    let mut builder = ScoredSetBuilder::with_capacity(HashSeed::of_process(), listpack.len() / 2);
    let mut text = Vec::new();
    for (member, score) in packed::pairs(listpack) {
        text.clear();
        member.append_to(&mut text);
        builder.push(&text, score);
    }
    builder.finish()
}

impl Evacuate for ZsetValue {
    fn evacuate(&mut self, cursor: Cursor, part: &mut Part) -> Cursor {
        match self {
            Self::Listpack(listpack) => listpack.evacuate(cursor, part),
            Self::Tree(tree) => tree.evacuate(cursor, part),
        }
    }
}

impl From<ZsetValue> for Value {
    fn from(value: ZsetValue) -> Value {
        Value::Zset(value)
    }
}

impl DataType for ZsetValue {
    const TYPE: Type = Type::Zset;
    const LOADS: &'static [rdb::Tag] =
        &[rdb::Tag::Zset, rdb::Tag::Zset2, rdb::Tag::ZsetZiplist, rdb::Tag::ZsetListpack];
    type View<'a> = ZsetView<'a>;

    fn view(&self) -> ZsetView<'_> {
        match self {
            Self::Listpack(listpack) => ZsetView::Listpack(listpack),
            Self::Tree(tree) => ZsetView::Tree(tree),
        }
    }

    fn inline(&self) -> Option<(Encoding, &[u8])> {
        match self {
            Self::Listpack(listpack) if listpack.size() <= INLINE_BYTES_MAX => {
                Some((Encoding::Listpack, listpack.as_bytes()))
            }
            _ => None,
        }
    }

    fn view_inline(_encoding: Encoding, bytes: &[u8]) -> ZsetView<'_> {
        ZsetView::Listpack(Lp::from_trusted(bytes))
    }

    fn from_inline(_encoding: Encoding, bytes: &[u8], room: &mut Room) -> Self {
        Self::Listpack(Listpack::copied(bytes, room.take_row()))
    }

    fn give_back(self, room: &mut Room) {
        if let Self::Listpack(listpack) = self {
            room.put_row(listpack.into_row());
        }
    }

    #[inline]
    fn from_value_ref(value: ValueRef<'_>) -> Option<Self::View<'_>> {
        match value {
            ValueRef::Zset(view) => Some(view),
            _ => None,
        }
    }

    fn from_value_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::Zset(value) => Some(value),
            _ => None,
        }
    }

    fn is_empty(&self) -> bool {
        self.view().is_empty()
    }

    fn load(tag: rdb::Tag, input: &mut rdb::Decoder<'_>, options: &LoadOptions<'_>) -> rdb::Result<Self> {
        persist::load(tag, input, options)
    }
}
