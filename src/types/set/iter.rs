//! The members of a set, one after the other.

use super::{Member, SetView};
use crate::structures::{Iter as DictIter, ThinMember, intset, listpack};

/// See [`SetView::iter`].
pub enum Iter<'a> {
    Intset(intset::Iter<'a>),
    Listpack(listpack::Iter<'a>),
    Hashtable(DictIter<'a, ThinMember>),
}

impl<'a> Iter<'a> {
    pub(super) fn new(view: SetView<'a>) -> Self {
        match view {
            SetView::Intset(intset) => Self::Intset(intset.iter()),
            SetView::Listpack(listpack) => Self::Listpack(listpack.iter()),
            SetView::Hashtable(members) => Self::Hashtable(members.iter()),
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Member<'a>;

    #[inline]
    fn next(&mut self) -> Option<Member<'a>> {
        match self {
            Self::Intset(members) => members.next().map(Member::Int),
            Self::Listpack(members) => members.next(),
            Self::Hashtable(members) => members.next().map(ThinMember::get),
        }
    }
}
