//! The fields of a hash, one after the other.

use super::{HashView, Text, is_live, texts};
use crate::structures::{Iter as DictIter, ThinPair, listpack};

/// See [`HashView::iter`].
pub enum Iter<'a> {
    Listpack(listpack::Pairs<'a>),
    Hashtable { pairs: DictIter<'a, ThinPair>, now_ms: i64 },
}

impl<'a> Iter<'a> {
    pub(super) fn new(view: HashView<'a>, now_ms: i64) -> Self {
        match view {
            HashView::Listpack(listpack) => Self::Listpack(listpack.pairs()),
            HashView::Hashtable(fields) => Self::Hashtable { pairs: fields.table().iter(), now_ms },
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = (Text<'a>, Text<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Listpack(pairs) => pairs.next(),
            Self::Hashtable { pairs, now_ms } => pairs.find(|pair| is_live(pair, *now_ms)).map(texts),
        }
    }
}
