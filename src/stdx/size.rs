//! How long one byte string may be.

/// The most bytes of a key, a string, an element, a member, a field or a value: 4,095 MiB. Their lengths are kept in four
/// bytes, and a listpack that holds nothing but one of them has room for its own few bytes besides. Whatever takes bytes
/// in from outside refuses longer ones: docs/limits.md lists the ways.
pub const ELEMENT_BYTES_MAX: usize = 4095 << 20;
