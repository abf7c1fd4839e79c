//! What one probe for a key found: its element, or the room for it.

use super::{Dict, Element, Place};

pub enum Slot<'a, E: Element> {
    Occupied(OccupiedSlot<'a, E>),
    Vacant(VacantSlot<'a, E>),
}

pub struct OccupiedSlot<'a, E: Element> {
    dict: &'a mut Dict<E>,
    place: Place,
}

impl<'a, E: Element> OccupiedSlot<'a, E> {
    #[inline]
    pub(super) fn new(dict: &'a mut Dict<E>, place: Place) -> Self {
        Self { dict, place }
    }

    #[inline]
    pub fn get(&self) -> &E {
        self.dict.at(self.place)
    }

    /// The element may be replaced by another one of the same key.
    #[inline]
    pub fn get_mut(&mut self) -> &mut E {
        self.dict.at_mut(self.place)
    }

    #[inline]
    pub fn into_mut(self) -> &'a mut E {
        self.dict.at_mut(self.place)
    }

    /// Marks the element or takes its mark away; see [`Dict::iter_marked`].
    #[inline]
    pub fn set_mark(&mut self, is_marked: bool) {
        self.dict.set_mark_at(self.place, is_marked);
    }

    #[inline]
    pub fn remove(self) -> E {
        self.dict.remove_at(self.place)
    }
}

pub struct VacantSlot<'a, E: Element> {
    dict: &'a mut Dict<E>,
    hash: u64,
}

impl<'a, E: Element> VacantSlot<'a, E> {
    #[inline]
    pub(super) fn new(dict: &'a mut Dict<E>, hash: u64) -> Self {
        Self { dict, hash }
    }

    /// Inserts the element of the key that was looked up.
    #[inline]
    pub fn insert(self, element: E) -> &'a mut E {
        self.insert_marked(element, false)
    }

    /// As `insert`, and marks the element where asked to.
    #[inline]
    pub fn insert_marked(self, element: E, is_marked: bool) -> &'a mut E {
        debug_assert_eq!(self.dict.hash_of(&element), self.hash, "the element has the key that was looked up");
        self.dict.insert_absent(self.hash, element, is_marked)
    }
}
