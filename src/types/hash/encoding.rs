//! Which encoding holds a hash, by its size.

use super::super::Limits;

/// A listpack of at most this many bytes lives inside its key's block.
pub const INLINE_BYTES_MAX: usize = 512;

/// A listpack never gets larger, whatever the configuration says.
const LISTPACK_BYTES_MAX: usize = 1 << 30;

/// Whether a listpack may have so many fields.
pub fn listpack_holds_fields(fields: usize, limits: &Limits) -> bool {
    fields <= limits.hash_max_listpack_entries
}

/// Whether a listpack of so many bytes may take a field or a value in.
pub fn listpack_takes(listpack_bytes: usize, field: &[u8], value: &[u8], limits: &Limits) -> bool {
    field.len().max(value.len()) <= limits.hash_max_listpack_value
        && listpack_bytes + field.len() + value.len() < LISTPACK_BYTES_MAX
}
