//! Which encoding holds a set, by its size.

use super::super::Limits;

/// An intset or a listpack of at most this many bytes lives inside its key's block.
pub const INLINE_BYTES_MAX: usize = 512;

/// An intset never gets larger, whatever the configuration says.
const INTSET_ENTRIES_MAX: usize = 1 << 28;

/// A listpack never gets larger, whatever the configuration says.
const LISTPACK_BYTES_MAX: usize = 1 << 30;

/// Whether an intset may have so many elements.
pub fn intset_holds(entries: usize, limits: &Limits) -> bool {
    entries <= limits.set_max_intset_entries.min(INTSET_ENTRIES_MAX)
}

/// Whether a listpack of so many bytes may have `entries` members after a new one of `member_bytes` is added.
pub fn listpack_holds(entries: usize, listpack_bytes: usize, member_bytes: usize, limits: &Limits) -> bool {
    entries <= limits.set_max_listpack_entries
        && member_bytes <= limits.set_max_listpack_value
        && listpack_bytes + member_bytes < LISTPACK_BYTES_MAX
}
