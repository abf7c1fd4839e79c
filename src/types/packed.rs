//! Checking the packed encodings that come from outside, for all types that use them.

use hashbrown::HashSet;

use crate::structures::listpack::{Entry, Lp, validate};

/// The listpack in `bytes`, if they are a whole one whose entries come in groups of `group`.
///
/// Every entry is looked at, whether or not sanitising is asked for: a value is changed in place later, and what is not
/// a listpack must never get that far.
pub fn listpack(bytes: &[u8], group: usize) -> Option<&Lp> {
    validate(bytes, true, |_| true).ok().filter(|listpack| listpack.len().is_multiple_of(group))
}

/// Whether two of every `group`-th entries are the same text.
pub fn has_duplicates(listpack: &Lp, group: usize) -> bool {
    let mut names: HashSet<Name<'_>> = HashSet::new();
    listpack.iter().step_by(group).any(|entry| !names.insert(Name::of(entry)))
}

/// An entry so that equal texts are equal: foreign bytes may hold an integer as a string.
#[derive(PartialEq, Eq, Hash)]
enum Name<'a> {
    Int(i64),
    Bytes(&'a [u8]),
}

impl<'a> Name<'a> {
    fn of(entry: Entry<'a>) -> Self {
        match entry {
            Entry::Int(number) => Self::Int(number),
            Entry::Bytes(bytes) => entry.as_int().map_or(Self::Bytes(bytes), Self::Int),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structures::listpack::Listpack;

    #[test]
    fn duplicates_are_seen_among_names_and_not_among_values() {
        let pairs: Listpack = ["a", "1", "b", "1"].iter().map(|text| text.as_bytes()).collect();
        assert!(!has_duplicates(&pairs, 2));
        assert!(has_duplicates(&pairs, 1));
        assert!(listpack(pairs.as_bytes(), 2).is_some());
        assert!(listpack(pairs.as_bytes(), 3).is_none());
    }

    #[test]
    fn an_integer_that_is_stored_as_a_string_is_the_same_name() {
        // Two entries: the string "5" and the integer 5.
        let bytes = [12, 0, 0, 0, 2, 0, 0x81, b'5', 2, 5, 1, 0xFF];
        assert!(has_duplicates(listpack(&bytes, 1).expect("a whole listpack"), 1));
    }
}
