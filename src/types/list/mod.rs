//! Lists: one listpack while small, a quicklist beyond that.
//! Owns:  the two list encodings and their conversions.
//! Uses:  structures, rdb.
//! Never: a reply or a command's option.

mod encoding;
mod persist;
#[cfg(test)]
mod tests;
mod view;

pub use encoding::{INLINE_BYTES_MAX, Lzf, set_packed_threshold};
pub use view::ListView;

use std::fmt;

use super::{DataType, Encoding, Limits, LoadOptions, Room, Type, Value, ValueRef, View};
use crate::rdb;
use crate::structures::listpack::{Listpack, Lp, Pos};
use crate::structures::quicklist::{self, Quicklist};
use crate::structures::{Cursor, Evacuate, Part, PoolBox};

pub use crate::structures::listpack::Entry as Element;
pub use crate::structures::quicklist::Direction;

/// A list on its own.
#[derive(Clone)]
pub enum ListValue {
    Listpack(Listpack),
    Quicklist(PoolBox<Quicklist<Lzf>>),
}

/// One of the two ends of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Left,
    Right,
}

impl ListValue {
    pub fn new() -> Self {
        Self::Listpack(Listpack::new())
    }

    /// An empty one in the memory of `room`, whatever that held.
    pub fn new_in(room: &mut Room) -> Self {
        Self::Listpack(Listpack::reusing(room.take_row()))
    }

    #[inline]
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Makes a quicklist of a listpack that `values` would make too large. To be called before they are put in.
    #[inline]
    pub fn make_room<'v>(&mut self, values: impl Iterator<Item = &'v [u8]>, limits: &Limits) {
        self.make_room_within(values, encoding::node_limits(limits));
    }

    fn make_room_within<'v>(&mut self, values: impl Iterator<Item = &'v [u8]>, limits: quicklist::Limits) {
        match self {
            Self::Listpack(listpack) => {
                let (bytes, count) = values.fold((0, 0), |(bytes, count), value| (bytes + value.len(), count + 1));
                if encoding::exceeds(limits.fill, listpack.size() + bytes, listpack.len() + count) {
                    let listpack = std::mem::take(listpack);
                    *self = Self::Quicklist(PoolBox::new(Quicklist::from_listpack(limits, listpack)));
                }
            }
            Self::Quicklist(quicklist) => quicklist.set_limits(limits),
        }
    }

    /// Makes a listpack of a quicklist that has become small enough. To be called after elements went.
    #[inline]
    pub fn shrink(&mut self, limits: &Limits) {
        if let Self::Quicklist(quicklist) = self
            && quicklist.node_count() <= 1
        {
            self.convert_if_small(limits.list_max_listpack_size, true);
        }
    }

    fn convert_if_small(&mut self, fill: i32, shrinking: bool) {
        let Self::Quicklist(quicklist) = self else { return };
        if let Some(listpack) = quicklist.only_listpack()
            && encoding::fits(fill, listpack.size(), quicklist.len(), shrinking)
        {
            *self = Self::Listpack(listpack.to_owned());
        } else if quicklist.is_empty() {
            *self = Self::new();
        }
    }

    /// Pushes `values` one after the other, making room for them first; returns how many elements there are then.
    #[inline]
    pub fn push_all<'v>(&mut self, end: End, values: impl Iterator<Item = &'v [u8]> + Clone, limits: &Limits) -> usize {
        let limits = encoding::node_limits(limits);
        let Self::Quicklist(quicklist) = self else { return self.push_all_to_listpack(end, values, limits) };
        quicklist.set_limits(limits);
        match end {
            End::Left => values.for_each(|value| quicklist.push_front(value)),
            End::Right => values.for_each(|value| quicklist.push_back(value)),
        }
        quicklist.len()
    }

    #[inline(never)]
    fn push_all_to_listpack<'v>(
        &mut self,
        end: End,
        values: impl Iterator<Item = &'v [u8]> + Clone,
        limits: quicklist::Limits,
    ) -> usize {
        self.make_room_within(values.clone(), limits);
        values.for_each(|value| self.push(end, value));
        self.len()
    }

    pub fn push(&mut self, end: End, value: &[u8]) {
        match (self, end) {
            (Self::Listpack(listpack), End::Left) => listpack.push_front(value),
            (Self::Listpack(listpack), End::Right) => listpack.push_back(value),
            (Self::Quicklist(quicklist), End::Left) => quicklist.push_front(value),
            (Self::Quicklist(quicklist), End::Right) => quicklist.push_back(value),
        }
    }

    /// Takes an element out at one end.
    pub fn pop(&mut self, end: End) -> Option<Vec<u8>> {
        let mut popped = None;
        self.take(end, 1, |element| popped = Some(element.to_vec()));
        popped
    }

    /// Takes up to `count` elements out at one end, and calls `visit` with each before that.
    #[inline]
    pub fn take(&mut self, end: End, count: usize, visit: impl FnMut(Element<'_>)) {
        if count != 1 {
            return self.take_many(end, count, visit);
        }
        match (self, end) {
            (Self::Quicklist(quicklist), End::Left) => quicklist.pop_front_into(visit),
            (Self::Quicklist(quicklist), End::Right) => quicklist.pop_back_into(visit),
            (Self::Listpack(listpack), End::Left) => _ = listpack.pop_front(visit),
            (Self::Listpack(listpack), End::Right) => _ = listpack.pop_back(visit),
        }
    }

    #[inline(never)]
    fn take_many(&mut self, end: End, count: usize, visit: impl FnMut(Element<'_>)) {
        let len = self.len();
        let (first, direction) = match end {
            End::Left => (0, Direction::Forward),
            End::Right => (len.saturating_sub(1), Direction::Backward),
        };
        self.view().visit(first, count, direction, visit);
        match self {
            Self::Listpack(listpack) => {
                let count = count.min(len);
                listpack.remove_range(if end == End::Left { 0 } else { (len - count) as i64 }, count);
            }
            Self::Quicklist(quicklist) => {
                quicklist.remove_end(direction, count);
            }
        }
    }

    /// Puts `value` in so that it has this index; an index beyond the length is refused.
    pub fn insert(&mut self, index: usize, value: &[u8]) -> bool {
        match self {
            Self::Listpack(listpack) => listpack.insert_at(index, value),
            Self::Quicklist(quicklist) => quicklist.insert(index, value),
        }
    }

    /// Puts `value` in the place of the element at `index`; false if there is none.
    pub fn replace(&mut self, index: usize, value: &[u8]) -> bool {
        match self {
            Self::Listpack(listpack) => {
                let place = i64::try_from(index).ok().and_then(|index| listpack.at(index));
                if let Some(pos) = place {
                    listpack.replace(pos, value);
                }
                place.is_some()
            }
            Self::Quicklist(quicklist) => quicklist.replace(index, value),
        }
    }

    /// Takes out up to `count` elements from `start` on; returns how many went.
    pub fn remove_range(&mut self, start: usize, count: usize) -> usize {
        match self {
            Self::Listpack(listpack) => {
                let count = count.min(listpack.len().saturating_sub(start));
                match i64::try_from(start) {
                    Ok(start) if count > 0 => listpack.remove_range(start, count),
                    _ => 0,
                }
            }
            Self::Quicklist(quicklist) => quicklist.remove_range(start, count),
        }
    }

    /// Takes out up to `most` of the elements that are `value`, the first ones in this direction; returns how many.
    pub fn remove_matching(&mut self, value: &[u8], most: usize, direction: Direction) -> usize {
        match self {
            Self::Listpack(listpack) => {
                let places = matches_in(listpack, value, most, direction);
                listpack.remove_many(&places, 1);
                places.len()
            }
            Self::Quicklist(quicklist) => quicklist.remove_matching(value, most, direction),
        }
    }
}

/// The places, in ascending order, of the first elements in this direction that are `value`.
fn matches_in(listpack: &Lp, value: &[u8], most: usize, direction: Direction) -> Vec<Pos> {
    let matching = listpack.entries().filter(|(_, entry)| entry.is(value)).map(|(pos, _)| pos);
    match direction {
        Direction::Forward => matching.take(most).collect(),
        Direction::Backward => {
            let mut places: Vec<Pos> = matching.rev().take(most).collect();
            places.reverse();
            places
        }
    }
}

impl Default for ListValue {
    fn default() -> Self {
        Self::new()
    }
}

impl Evacuate for ListValue {
    fn evacuate(&mut self, cursor: Cursor, part: &mut Part) -> Cursor {
        match self {
            Self::Listpack(listpack) => listpack.evacuate(cursor, part),
            Self::Quicklist(quicklist) => quicklist.evacuate(cursor, part),
        }
    }
}

impl From<ListValue> for Value {
    fn from(value: ListValue) -> Value {
        Value::List(value)
    }
}

/// Lists are equal when they hold the same elements in the same encoding; where the nodes of a quicklist end does not
/// count.
impl PartialEq for ListValue {
    fn eq(&self, other: &Self) -> bool {
        self.view().encoding() == other.view().encoding() && self.view().elements() == other.view().elements()
    }
}

impl fmt::Debug for ListValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elements = self.view().elements();
        f.debug_list().entries(elements.iter().map(|element| String::from_utf8_lossy(element))).finish()
    }
}

impl DataType for ListValue {
    const TYPE: Type = Type::List;
    const LOADS: &'static [rdb::Tag] =
        &[rdb::Tag::List, rdb::Tag::ListZiplist, rdb::Tag::ListQuicklist, rdb::Tag::ListQuicklist2];
    type View<'a> = ListView<'a>;

    #[inline]
    fn view(&self) -> ListView<'_> {
        match self {
            Self::Listpack(listpack) => ListView::Listpack(listpack),
            Self::Quicklist(quicklist) => ListView::Quicklist(quicklist),
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

    fn view_inline(_encoding: Encoding, bytes: &[u8]) -> ListView<'_> {
        ListView::Listpack(Lp::from_trusted(bytes))
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
            ValueRef::List(view) => Some(view),
            _ => None,
        }
    }

    fn from_value_mut(value: &mut Value) -> Option<&mut Self> {
        match value {
            Value::List(value) => Some(value),
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
