//! Sets: integers in order, short members in a row, or a hash table.
//! Owns:  the three set encodings and when one turns into the next.
//! Uses:  structures, rdb, stdx.
//! Never: a reply or a command's option.

mod encoding;
mod iter;
mod persist;
#[cfg(test)]
mod tests;

pub use crate::structures::listpack::Entry as Member;
pub use iter::Iter;

use std::fmt;

use super::{DataType, Digest, Encoding, Limits, LoadOptions, Room, Type, Value, ValueRef, View};
use crate::rdb;
use crate::stdx::HashSeed;
use crate::stdx::number::{IntText, parse_i64};
use crate::structures::intset::{Intset, IntsetView};
use crate::structures::listpack::{Listpack, Lp};
use crate::structures::{Cursor, Dict, Evacuate, Part, PoolBox, Slot, ThinMember};
use encoding::{INLINE_BYTES_MAX, intset_holds, listpack_holds};

/// The members of a large set.
pub type Members = Dict<ThinMember>;

/// A set on its own.
pub enum SetValue {
    Intset(Intset),
    Listpack(Listpack),
    Hashtable(PoolBox<Members>),
}

/// A set as it is read.
#[derive(Clone, Copy)]
pub enum SetView<'a> {
    Intset(&'a IntsetView),
    Listpack(&'a Lp),
    Hashtable(&'a Members),
}

impl SetValue {
    pub fn new() -> Self {
        Self::Intset(Intset::new())
    }

    /// An empty set in the encoding that suits `count` members of which `first` is one. It is laid out in `room` if it is
    /// small.
    pub fn for_members(first: &[u8], count: usize, limits: &Limits, room: &mut Room) -> Self {
        if parse_i64(first).is_some() && intset_holds(count, limits) {
            Self::Intset(Intset::reusing(room.take_row()))
        } else if listpack_holds(count, 0, 0, limits) {
            Self::Listpack(Listpack::reusing(room.take_row()))
        } else {
            Self::Hashtable(PoolBox::new(Members::new(HashSeed::of_process())))
        }
    }

    /// Turns to a hash table at once when `count` more members are more than a compact encoding may have.
    pub fn expect_members(&mut self, count: usize, limits: &Limits) {
        let suits = match self {
            Self::Intset(_) => intset_holds(count, limits),
            Self::Listpack(_) => count <= limits.set_max_listpack_entries,
            Self::Hashtable(_) => true,
        };
        if !suits {
            self.make_hashtable();
        }
    }

    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Puts `member` in and returns whether it was missing.
    pub fn add(&mut self, member: &[u8], limits: &Limits) -> bool {
        match self {
            Self::Hashtable(members) => insert(members, member),
            Self::Listpack(listpack) => {
                if listpack.find(member).is_some() {
                    return false;
                }
                if listpack_holds(listpack.len() + 1, listpack.size(), member.len(), limits) {
                    listpack.push_back(member);
                    return true;
                }
                insert(self.make_hashtable(), member)
            }
            Self::Intset(_) => match parse_i64(member) {
                Some(number) => self.add_integer(number, limits),
                None => self.add_to_integers(member, limits),
            },
        }
    }

    /// As [`SetValue::add`], for a member that is at hand as it was read.
    pub fn add_member(&mut self, member: Member<'_>, limits: &Limits) -> bool {
        match (self, member) {
            (this @ Self::Intset(_), Member::Int(number)) => this.add_integer(number, limits),
            (this, member) => this.add(member.text(&mut IntText::new()), limits),
        }
    }

    /// Takes `member` out and returns whether it was there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        match self {
            Self::Intset(intset) => parse_i64(member).is_some_and(|number| intset.remove(number)),
            Self::Listpack(listpack) => match listpack.find(member) {
                Some(place) => {
                    listpack.remove(place);
                    true
                }
                None => false,
            },
            Self::Hashtable(members) => members.remove(member).is_some(),
        }
    }

    /// Takes a random member out, and calls `visit` with it.
    pub fn take_one(&mut self, rng: &mut fastrand::Rng, visit: impl FnOnce(Member<'_>)) {
        match self {
            Self::Intset(intset) => {
                if let Some(number) = intset.random(rng) {
                    intset.remove(number);
                    visit(Member::Int(number));
                }
            }
            Self::Listpack(listpack) => {
                if let Some(place) = listpack.random(1, rng) {
                    listpack.entry(place).map(visit);
                    listpack.remove(place);
                }
            }
            Self::Hashtable(members) => {
                if let Some(member) = members.take_random(rng) {
                    visit(member.get());
                }
            }
        }
    }

    /// Takes out up to `count` random members.
    pub fn take_random(&mut self, count: usize, rng: &mut fastrand::Rng) -> Vec<Vec<u8>> {
        if count >= self.len() {
            let all = std::mem::take(self);
            return all.view().iter().map(Member::to_vec).collect();
        }
        if let Self::Listpack(listpack) = self {
            let places = listpack.random_distinct(count, 1, rng);
            let taken = places.iter().filter_map(|&place| listpack.entry(place)).map(Member::to_vec).collect();
            listpack.remove_many(&places, 1);
            return taken;
        }
        let taken: Vec<_> = self.view().random_distinct(count, rng).into_iter().map(Member::to_vec).collect();
        for member in &taken {
            let removed = self.remove(member);
            debug_assert!(removed, "a drawn member is there");
        }
        taken
    }

    /// Adds an integer to an intset.
    fn add_integer(&mut self, number: i64, limits: &Limits) -> bool {
        let Self::Intset(intset) = self else { unreachable!("callers look at the encoding") };
        let added = intset.insert(number);
        if added && !intset_holds(intset.len(), limits) {
            self.make_hashtable();
        }
        added
    }

    /// Adds a member that is no integer to an intset, which so becomes something else.
    fn add_to_integers(&mut self, member: &[u8], limits: &Limits) -> bool {
        let Self::Intset(intset) = self else { unreachable!("callers look at the encoding") };
        let ends = [intset.iter().next(), intset.iter().next_back()];
        let longest = ends.into_iter().flatten().map(|number| Member::Int(number).text_len()).max().unwrap_or(0);
        let entries = intset.len() + 1;
        // The longest integer is taken for all of them, which may be a little too much.
        let bytes = intset.len() * (longest + 2);
        if listpack_holds(entries, bytes, member.len().max(longest), limits) {
            let mut listpack = Listpack::with_capacity(bytes + member.len());
            listpack.extend(intset.iter());
            listpack.push_back(member);
            *self = Self::Listpack(listpack);
            return true;
        }
        insert(self.make_hashtable(), member)
    }

    fn make_hashtable(&mut self) -> &mut Members {
        if !matches!(self, Self::Hashtable(_)) {
            *self = Self::Hashtable(PoolBox::new(members_of(self.view())));
        }
        match self {
            Self::Hashtable(members) => members,
            _ => unreachable!("just made"),
        }
    }
}

fn members_of(set: SetView<'_>) -> Members {
    let mut members = Members::new(HashSeed::of_process());
    members.reserve(set.len());
    let mut room = IntText::new();
    for member in set.iter() {
        insert(&mut members, member.text(&mut room));
    }
    members
}

/// Puts `member` into a table and returns whether it was missing.
fn insert(members: &mut Members, member: &[u8]) -> bool {
    match members.entry_hashed(members.hash(member), member) {
        Slot::Occupied(_) => false,
        Slot::Vacant(slot) => {
            slot.insert(ThinMember::new(member));
            true
        }
    }
}

impl Default for SetValue {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for SetValue {
    fn clone(&self) -> Self {
        match self {
            Self::Intset(intset) => Self::Intset(intset.clone()),
            Self::Listpack(listpack) => Self::Listpack(listpack.clone()),
            Self::Hashtable(members) => {
                let mut copy = Members::new(HashSeed::of_process());
                copy.reserve(members.len());
                for member in members.iter() {
                    copy.insert_new_hashed(copy.hash_of(member), member.clone());
                }
                Self::Hashtable(PoolBox::new(copy))
            }
        }
    }
}

impl fmt::Debug for SetValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.view().encoding().name())?;
        f.debug_set().entries(self.view().iter()).finish()
    }
}

impl PartialEq for SetValue {
    /// Equal sets have the same encoding and, in whatever order, the same members.
    fn eq(&self, other: &Self) -> bool {
        let (mine, theirs) = (self.view(), other.view());
        mine.encoding() == theirs.encoding()
            && mine.len() == theirs.len()
            && mine.iter().all(|member| theirs.contains_member(member))
    }
}

impl Evacuate for SetValue {
    fn evacuate(&mut self, cursor: Cursor, part: &mut Part) -> Cursor {
        match self {
            Self::Intset(intset) => intset.evacuate(cursor, part),
            Self::Listpack(listpack) => listpack.evacuate(cursor, part),
            Self::Hashtable(members) => members.evacuate(cursor, part),
        }
    }
}

impl From<SetValue> for Value {
    fn from(value: SetValue) -> Value {
        Value::Set(value)
    }
}

impl DataType for SetValue {
    const TYPE: Type = Type::Set;
    const LOADS: &'static [rdb::Tag] = &[rdb::Tag::Set, rdb::Tag::SetIntset, rdb::Tag::SetListpack];
    type View<'a> = SetView<'a>;

    fn view(&self) -> SetView<'_> {
        match self {
            Self::Intset(intset) => SetView::Intset(intset),
            Self::Listpack(listpack) => SetView::Listpack(listpack),
            Self::Hashtable(members) => SetView::Hashtable(members),
        }
    }

    fn inline(&self) -> Option<(Encoding, &[u8])> {
        let (encoding, bytes) = match self {
            Self::Intset(intset) => (Encoding::Intset, intset.as_bytes()),
            Self::Listpack(listpack) => (Encoding::Listpack, listpack.as_bytes()),
            Self::Hashtable(_) => return None,
        };
        (bytes.len() <= INLINE_BYTES_MAX).then_some((encoding, bytes))
    }

    fn view_inline(encoding: Encoding, bytes: &[u8]) -> SetView<'_> {
        match encoding {
            Encoding::Intset => SetView::Intset(IntsetView::from_trusted(bytes)),
            _ => SetView::Listpack(Lp::from_trusted(bytes)),
        }
    }

    fn from_inline(encoding: Encoding, bytes: &[u8], room: &mut Room) -> Self {
        match encoding {
            Encoding::Intset => Self::Intset(Intset::copied(bytes, room.take_row())),
            _ => Self::Listpack(Listpack::copied(bytes, room.take_row())),
        }
    }

    fn give_back(self, room: &mut Room) {
        match self {
            Self::Intset(intset) => room.put_row(intset.into_row()),
            Self::Listpack(listpack) => room.put_row(listpack.into_row()),
            Self::Hashtable(_) => {}
        }
    }

    #[inline]
    fn from_value_ref(value: ValueRef<'_>) -> Option<Self::View<'_>> {
        match value {
            ValueRef::Set(view) => Some(view),
            _ => None,
        }
    }

    fn from_value_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::Set(value) => Some(value),
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

impl<'a> SetView<'a> {
    pub fn len(self) -> usize {
        match self {
            Self::Intset(intset) => intset.len(),
            Self::Listpack(listpack) => listpack.len(),
            Self::Hashtable(members) => members.len(),
        }
    }

    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    pub fn contains(self, member: &[u8]) -> bool {
        match self {
            Self::Intset(intset) => parse_i64(member).is_some_and(|number| intset.contains(number)),
            Self::Listpack(listpack) => listpack.find(member).is_some(),
            Self::Hashtable(members) => members.find(member).is_some(),
        }
    }

    /// As [`SetView::contains`], for a member that is at hand as it was read from another set.
    pub fn contains_member(self, member: Member<'_>) -> bool {
        match (self, member) {
            (Self::Intset(intset), Member::Int(number)) => intset.contains(number),
            (_, member) => self.contains(member.text(&mut IntText::new())),
        }
    }

    /// The members: in ascending order, in the order of their coming, or in none.
    pub fn iter(self) -> Iter<'a> {
        Iter::new(self)
    }

    /// A random member.
    pub fn random(self, rng: &mut fastrand::Rng) -> Option<Member<'a>> {
        match self {
            Self::Intset(intset) => intset.random(rng).map(Member::Int),
            Self::Listpack(listpack) => listpack.entry(listpack.random(1, rng)?),
            Self::Hashtable(members) => members.random(rng).map(ThinMember::get),
        }
    }

    /// `count` random members, the same one perhaps several times. A set is never empty.
    pub fn random_many(self, count: usize, rng: &mut fastrand::Rng) -> Vec<Member<'a>> {
        match self {
            Self::Listpack(listpack) => {
                let places = listpack.random_many(count, 1, rng);
                places.into_iter().filter_map(|place| listpack.entry(place)).collect()
            }
            Self::Intset(_) | Self::Hashtable(_) => (0..count).map_while(|_| self.random(rng)).collect(),
        }
    }

    /// `count` different random members, in no particular order; all of them if there are no more.
    pub fn random_distinct(self, count: usize, rng: &mut fastrand::Rng) -> Vec<Member<'a>> {
        match self {
            Self::Hashtable(members) => members.random_distinct(count, rng).into_iter().map(ThinMember::get).collect(),
            Self::Listpack(listpack) => {
                let places = listpack.random_distinct(count, 1, rng);
                places.into_iter().filter_map(|place| listpack.entry(place)).collect()
            }
            Self::Intset(intset) => {
                let (mut left, mut wanted) = (intset.len(), count.min(intset.len()));
                let drawn = intset.iter().filter(|_| {
                    // Each one is taken with the chance that makes all selections of this size equally likely.
                    let taken = rng.usize(..left) < wanted;
                    left -= 1;
                    wanted -= usize::from(taken);
                    taken
                });
                drawn.map(Member::Int).collect()
            }
        }
    }

    /// Visits a part of the members, as [`Dict::scan`] does; compact sets are visited whole.
    pub fn scan(self, cursor: u64, mut visit: impl FnMut(Member<'a>)) -> u64 {
        match self {
            Self::Hashtable(members) => members.scan(cursor, |member| visit(member.get())),
            compact => {
                compact.iter().for_each(visit);
                0
            }
        }
    }
}

impl View for SetView<'_> {
    fn encoding(self) -> Encoding {
        match self {
            Self::Intset(_) => Encoding::Intset,
            Self::Listpack(_) => Encoding::Listpack,
            Self::Hashtable(_) => Encoding::Hashtable,
        }
    }

    fn memory_usage(self, samples: usize) -> usize {
        let compact = |bytes: usize| if bytes > INLINE_BYTES_MAX { bytes } else { 0 };
        match self {
            Self::Intset(intset) => compact(intset.size()),
            Self::Listpack(listpack) => compact(listpack.size()),
            Self::Hashtable(members) => {
                let samples = if samples == 0 { members.len() } else { samples.min(members.len()) };
                let sampled: usize = members.iter().take(samples).map(ThinMember::heap_bytes).sum();
                let elements = (sampled * members.len()).checked_div(samples).unwrap_or(0);
                size_of::<Members>() + members.typical_table_bytes() + elements
            }
        }
    }

    fn free_effort(self) -> usize {
        match self {
            Self::Hashtable(members) => members.len(),
            _ => 1,
        }
    }

    fn tag(self, version: u32) -> rdb::Tag {
        match self {
            Self::Intset(_) => rdb::Tag::SetIntset,
            Self::Listpack(_) if version >= rdb::Tag::SetListpack.version() => rdb::Tag::SetListpack,
            // Up to Redis 7.0 a set of short members was a hash table.
            Self::Listpack(_) | Self::Hashtable(_) => rdb::Tag::Set,
        }
    }

    fn save(self, out: &mut rdb::Encoder<'_>) -> std::io::Result<()> {
        persist::save(self, out)
    }

    fn digest(self, digest: &mut Digest) {
        let mut room = IntText::new();
        for member in self.iter() {
            digest.xor(member.text(&mut room));
        }
    }
}
